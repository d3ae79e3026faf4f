"""Does a device's day come too early or too late?"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEAST_STEPS = 2
"""Smaller shifts than this are not told from none."""


SEEN = 8
"""So many steps of the others must stand against a clock that is ahead."""


class Lag(NamedTuple):
    """steps: readings stand so many steps later than they were taken (a clock that is ahead), negative:
    earlier. now, best: mean strain between them and the same hours of the others as it is and at that
    shift [-]."""

    steps: int
    now: float
    best: float


def best_lag(
    n: int, first: int, since: int, most: int, fits: float, strain: Callable[[int, int, int], Floats]
) -> Lag | None:
    """The shift of a device's clock that lets its readings fit best among the others.

    Both have ``n`` rows over the same steps. Only the device's readings from row ``first`` on are asked
    about: with a clock that is k steps ahead they were taken k steps before. A shift that leaves fewer than
    half of them is passed over, and so is one that leaves out what the others have read since it shows, from
    row ``since`` on, but for ``SEEN`` steps: then it may be they that have changed. strain(begin, end, k)
    (end - begin,): how little its rows [begin, end) fit the others' rows of k steps before, NaN where
    unknown. None where nothing can be said, or where they fit as they are (a strain below ``fits``).
    """

    def at(shift: int) -> float:
        # Reading of step i was taken at step i - shift.
        begin, end = max(first, shift), min(n, n + shift)
        if 2 * (end - begin) < n - first:
            return float("inf")
        found = strain(begin, end, shift)
        found = found[np.isfinite(found)]
        return float(np.mean(found)) if 2 * len(found) >= n - first else float("inf")

    now = at(0)
    if not fits <= now < np.inf:
        return None
    shifts = [k for k in range(-most, most + 1) if abs(k) >= LEAST_STEPS and k <= n - since - SEEN]
    if not shifts:
        return None
    strains = [at(k) for k in shifts]
    best = int(np.argmin(strains))
    k = shifts[best]
    begin, end = max(first, k) - k, min(n, n + k) - k
    unmoved = strain(begin, end, 0)
    unmoved = unmoved[np.isfinite(unmoved)]
    # Held against the same hours of the others: a shift must not look good for what it leaves out.
    return Lag(k, min(now, float(np.mean(unmoved))) if len(unmoved) else 0.0, strains[best])
