"""How far runs agree on samples: Python's sets, one choice of runs at a time."""

from itertools import combinations

import numpy as np
from scipy.stats import rankdata


def choices(sets, k):
    """Jaccard, intersection and union of each choice of k sets of samples whose union is not empty."""
    found = []
    for chosen in combinations(sets, k):
        intersection, union = set.intersection(*chosen), set.union(*chosen)
        if union:
            found.append((len(intersection) / len(union), len(intersection), len(union)))
    return found


def set_agreement(sets, k):
    """Means of :func:`choices`."""
    found = choices(sets, k)
    return np.mean(found, axis=0) if found else np.full(3, np.nan)


def top_agreement(values, percent):
    """Intersection, union, Jaccard and Spearman on the intersection of two runs' most vulnerable samples."""
    count = max(1, int(np.ceil(values.shape[1] * (percent / 100))))
    top = [set(np.argsort(-row, kind="stable")[:count]) for row in values]
    common, union = sorted(top[0] & top[1]), top[0] | top[1]
    ranks = [rankdata(row[common]) for row in values]
    spearman = np.corrcoef(ranks)[0, 1] if len(common) > 1 else np.nan
    return len(common), len(union), len(common) / len(union), spearman
