"""How results are shown: tables, figures, and how readers see names and numbers."""
