"""Does a sensor's day come too early or too late?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEAST_STEPS = 2
"""Smaller shifts than this are not told from none."""


class Lag(NamedTuple):
    """steps: readings come so many steps later than they should by their times (a clock that is ahead),
    negative: earlier. now, best: mean square of the difference as it is and at that shift."""

    steps: int
    now: float
    best: float


def best_lag(values: Floats, reference: Floats, most: int, spare: int) -> Lag | None:
    """The shift between readings (N,) and what they should be (N,), -most..most steps.

    For each shift the mean square of ``values(t) - reference(t - shift)`` less its mean, over the steps
    that have both, is taken; a shift that leaves fewer than ``spare`` of them is passed over. None where
    not even a shift of 0 has them.
    """
    n = len(values)

    def square(shift: int) -> float:
        a = values[max(0, shift) : n + min(0, shift)]
        b = reference[max(0, -shift) : n - max(0, shift)]
        d = a - b
        d = d[np.isfinite(d)]
        return float(np.var(d)) if len(d) >= spare else float("inf")

    now = square(0)
    if not np.isfinite(now):
        return None
    shifts = [k for k in range(-most, most + 1) if LEAST_STEPS <= abs(k) < n]
    if not shifts:
        return None
    squares = [square(k) for k in shifts]
    at = int(np.argmin(squares))
    return Lag(shifts[at], now, squares[at])
