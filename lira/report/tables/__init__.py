"""The paper's tables, a module per table: each has a function ``table(folders, **options)`` and an ``ENTRY``."""
