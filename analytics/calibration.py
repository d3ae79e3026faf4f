"""Whether radii hold what they promise: how often the truth lay inside, and how far off it was.

A radius of 50 % is right where half of all leaks are found inside it: neither more (it is too wide, and crews
search too much) nor less. Of few leaks that cannot be told, so that every share stands with its exact
interval (Clopper & Pearson 1934, Biometrika 26(4), 404-413), and every median with that of order statistics
(Conover 1999, Practical Nonparametric Statistics, 3.2), which ask nothing of the distribution.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr, betaincinv

SURE = 0.95
"""Of all intervals here."""

ENOUGH = 20
"""So many cases at least before it is said that a share agrees: of 20 at 50 % the interval still reaches from
27 to 73 %, and of fewer nearly anything agrees."""


class Range(NamedTuple):
    """A value with its 95 % interval; NaN where that is not known."""

    value: float
    low: float
    high: float


UNKNOWN = Range(np.nan, np.nan, np.nan)


def share(hits: int, of: int) -> Range:
    """Share of ``hits`` among ``of`` cases [0..1]; unknown where there are none.

    Raises ValueError where there are more hits than cases, or fewer than none.
    """
    if not 0 <= hits <= of:
        raise ValueError(f"{hits} hits of {of} cases")
    if of == 0:
        return UNKNOWN
    tail = (1 - SURE) / 2
    low = 0.0 if hits == 0 else float(betaincinv(hits, of - hits + 1, tail))
    high = 1.0 if hits == of else float(betaincinv(hits + 1, of - hits, 1 - tail))
    return Range(hits / of, low, high)


def median(values: ArrayLike) -> Range:
    """Median of ``values``, without those that are not finite; its interval takes at least six of them."""
    known = np.sort(np.asarray(values, np.float64))
    known = known[np.isfinite(known)]
    n = len(known)
    if not n:
        return UNKNOWN
    # The k-th lowest and highest enclose the median but for twice the chance of fewer than k below it.
    k = 0
    while k < n // 2 and bdtr(float(k), n, 0.5) <= (1 - SURE) / 2:
        k += 1
    middle = float(np.median(known))
    if k == 0:
        return Range(middle, np.nan, np.nan)
    return Range(middle, float(known[k - 1]), float(known[n - k]))


def verdict(hits: int, of: int, promised: float) -> int | None:
    """Whether a share promised as ``promised`` [0..1] is met: 1 there are clearly more hits, -1 clearly
    fewer, 0 it agrees, None too few cases to tell."""
    if of == 0:
        return None
    found = share(hits, of)
    if found.low > promised:
        return 1
    if found.high < promised:
        return -1
    return 0 if of >= ENOUGH else None
