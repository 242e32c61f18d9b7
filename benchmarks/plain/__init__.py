"""Plain references, slow and obvious: tests compare lira with them, benchmarks time it against them.

What a user would write with NumPy, SciPy, scikit-learn and PyTorch: one target, choice of runs or model at a time.
"""
