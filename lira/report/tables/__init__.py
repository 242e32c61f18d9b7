"""Tables, one module each, with an ``ENTRY`` for the catalogue and a function ``table``.

Its first argument is ``runs`` or ``comparison``; the others are options.
"""
