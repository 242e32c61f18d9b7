"""Student's t distribution for any real number of degrees of freedom, fast and without underflow."""

import numpy as np
from scipy.special import betaln, log_ndtr, poch, stdtr

NORMAL = 1e30  # degrees of freedom from which on it is the normal distribution
ACCURATE = 1e-11  # third term of the expansion up to which what it leaves out is below rounding
TINY = 1e-290


def log_constant(freedom: np.ndarray) -> np.ndarray:
    """Returns the logarithm of the density at 0."""
    with np.errstate(invalid="ignore", over="ignore"):
        exact = np.log(poch(freedom / 2, 0.5)) - np.log(freedom * np.pi) / 2
    return np.where(freedom < 1e12, exact, -np.log(2 * np.pi) / 2)


def surprise_above(z: np.ndarray, freedom: np.ndarray) -> np.ndarray:
    """Returns -log Pr[T > z].

    The expansion of Hill (1970, Communications of the ACM 13, algorithm 395) with one more term turns z into a normal
    quantile. Where it is not accurate, for few degrees of freedom and far tails, the incomplete beta function is used.
    """
    with np.errstate(all="ignore"):
        a = freedom - 0.5
        w = a * np.log1p(z * z / freedom)
        b = 48 * a * a
        third = (((((64 * w + 788) * w + 9801) * w + 89775) * w + 543375) * w + 1788885) / (210 * b * b * b)
        second = (((4 * w + 33) * w + 240) * w + 855) / (10 * b * b)
        quantile = np.sqrt(w) * (1 + (w + 3) / b - second + third)
        surprise = -log_ndtr(-np.copysign(quantile, z))
        other = ~((third <= ACCURATE) & (a > 1))
    if other.any():
        surprise[other] = _by_beta(z[other], np.broadcast_to(freedom, z.shape)[other])
    return surprise


def _by_beta(z: np.ndarray, freedom: np.ndarray) -> np.ndarray:
    tail = stdtr(freedom, -np.abs(z))
    with np.errstate(divide="ignore"):
        surprise = np.where(z > 0, -np.log(tail), -np.log1p(-tail))
    tiny = (tail < TINY) & (z > 0)
    if tiny.any():
        surprise[tiny] = _far_above(z[tiny], freedom[tiny])
    return surprise


def _far_above(z: np.ndarray, freedom: np.ndarray) -> np.ndarray:
    """Computes the surprise from the continued fraction of the incomplete beta function, by Lentz's method."""
    a, b, logs = freedom / 2, 0.5, -np.log1p(z * z / freedom)
    x = np.exp(logs)
    c, d = np.ones_like(x), 1 / (1 - (a + b) * x / (a + 1))
    fraction = d.copy()
    for m in range(1, 200):
        for step in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d, c = 1 / (1 + step * d), 1 + step / c
            fraction *= c * d
    return np.log(2 * a) + betaln(a, b) - a * logs - b * np.log1p(-x) - np.log(fraction)
