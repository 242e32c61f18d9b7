"""The paper's figures, a module per figure: each has an ``ENTRY`` and a function ``figure``.

Its first argument is ``runs`` or ``comparison``, the rest are options.

All share one style: column widths of a two-column paper, text of 7 pt and more, embedded TrueType fonts, and a
colour-blind-safe palette (Okabe and Ito) in which an attack or a regime has the same colour everywhere.
"""
