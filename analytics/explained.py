"""Inflow less what is known to go on: works, flushing, cuts of supply, entered by people.

What they explain is no evidence and teaches nothing: it counts as not measured. What goes beyond them is
kept, so that a leak that is larger than what was announced is seen while they last.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

TOLERANCE = 2.0
"""Noise beyond what was announced is no leak: so many of its deviations are let pass."""


class Explained(NamedTuple):
    """Of each row and area (n, S): whether something known goes on, and between which bounds it may move the
    inflow from what is usual [m3/s]; infinite where it may by any amount."""

    worked: Bools
    low: Floats
    high: Floats

    def part(self, rows: slice) -> Explained:
        """Some of the rows."""
        return Explained(self.worked[rows], self.low[rows], self.high[rows])


def nothing(rows: int, areas: int) -> Explained:
    """Rows in which nothing is known to go on."""
    return Explained(np.zeros((rows, areas), bool), np.zeros((rows, areas)), np.zeros((rows, areas)))


def unexplained(inflow: Floats, usual: Floats, scale: Floats, known: Explained) -> Floats:
    """Inflow (.., S) without what is known to go on.

    inflow [m3/s]; usual: what is expected, known leaks included [m3/s], NaN where nothing is; scale: usual
    deviation from it [m3/s]. Within the bounds and ``TOLERANCE`` deviations: NaN. Beyond them: as if the
    bound had been used up.
    """
    rest, slack = inflow - usual, TOLERANCE * scale
    with np.errstate(invalid="ignore"):
        above, below = rest > known.high + slack, rest < known.low - slack
        left = np.where(above, inflow - known.high, np.where(below, inflow - known.low, np.nan))
    return np.where(known.worked, left, inflow)
