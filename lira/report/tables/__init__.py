"""The paper's tables, a module per table: each has an ``ENTRY`` and a function ``table``.

Its first argument is ``runs`` or ``comparison``, the rest are options.
"""
