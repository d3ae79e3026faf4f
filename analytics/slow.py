"""What is small or grows: means over whole days, and the lowest hour of each night, against weeks before.

What people use comes and goes and only adds to a leak, so what never stops is seen best when they use least.
Where nights are wild (tanks that fill, sprinklers) and days are not, means over whole days say more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analytics.record import Record

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DAYS = (3, 7, 14)
"""Lengths of excess that are looked for in means of whole days [d]: shorter ones are for ``windows``."""

NIGHTS = (1, 2, 3, 7, 14)
"""Lengths that are looked for in the lowest hour of each night [nights]."""

BEFORE = 21
"""They are compared with so many days or nights before them: whole weeks, and as far back as a season lets
one compare."""

NIGHT_H = (0, 5)
"""Local hours in which the night's lowest hour is looked for (Farley & Trow 2003, Losses in Water
Distribution Networks, ch. 5) [h]."""


def excess_of(values: Floats, lengths: tuple[int, ...]) -> tuple[Floats, Floats]:
    """Mean of the last n values less the mean of the ``BEFORE`` before them, and that, (L, S) each.

    values (N, S), newest first; NaN where less than half of either is known.
    """
    now = np.stack([mean_of_half(values[:n]) for n in lengths])
    before = np.stack([mean_of_half(values[n : n + BEFORE]) for n in lengths])
    return now - before, before


def lowest_hours(record: Record) -> Floats:
    """Lowest hour of the nights up to today's, newest first, (N, S) [m3/s], known events taken off."""
    first_slot, last_slot = (record.slots * h // 24 for h in NIGHT_H)
    first = max(0, record.days - max(NIGHTS) - BEFORE)
    where = record.row_of[first : record.days, first_slot:last_slot]
    flow = record.row["inflow"][where] - record.block["known"][where // record.per_block]
    flow[where < 0] = np.nan
    return lowest(flow, max(1, record.slots // 24))[::-1]


def dawn_slot(slots: int) -> int:
    """The last slot of the night, of so many a day."""
    return slots * NIGHT_H[1] // 24 - 1


def lowest(flow: Floats, width: int) -> Floats:
    """Lowest mean over ``width`` steps in a row of each night (D, J, S) -> (D, S); NaN where less than three
    quarters of it were measured."""
    if flow.shape[1] < width:
        return np.full((len(flow), flow.shape[2]), np.nan)
    rolling = np.lib.stride_tricks.sliding_window_view(flow, width, axis=1).mean(axis=-1)
    enough = 4 * np.isfinite(flow).sum(axis=1) >= 3 * flow.shape[1]
    least = np.where(np.isfinite(rolling), rolling, np.inf).min(axis=1)
    return np.where(enough & np.isfinite(least), least, np.nan)


def mean_of_half(values: Floats) -> Floats:
    """Mean along the first axis, NaN where less than half is known."""
    known = np.isfinite(values)
    n = known.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(2 * n >= len(values), np.where(known, values, 0.0).sum(0) / n, np.nan)
