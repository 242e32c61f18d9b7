"""Figures, one module each, with an ``ENTRY`` for the catalogue and a function ``figure``.

Its first argument is ``runs`` or ``comparison``; the others are options.

All figures share one style: widths of one or two columns of a two-column paper, text of at least 7 pt, embedded
TrueType fonts, and the colour-blind-safe palette of Okabe and Ito, with one colour per attack or regime everywhere.
"""
