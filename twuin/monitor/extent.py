"""From which day on a store's readings are of use."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from twuin.monitor.grid import instant_of, second_of, utc_seconds
from waterworks.metering import UNUSABLE
from waterworks.ports import ReadingStore

Ints = NDArray[np.int64]

VOID_DAYS = 57
"""After a void of more days nothing before it is of use (``Engine``)."""


def after_voids(days: Ints, min_days: int, void_days: int) -> int:
    """Index of the first of days (N,), in order, that is of use.

    Fewer than ``min_days`` before a void of more than ``void_days`` are those of a device whose clock was
    never set.
    """
    first = 0
    for void in np.flatnonzero(np.diff(days) > void_days).tolist():
        if void + 1 - first >= min_days:
            break
        first = void + 1
    return first


def first_day_of_use(store: ReadingStore, names: Sequence[str], min_days: int) -> int | None:
    """The UTC day [s since 1970] from which on readings of ``names`` are of use (``after_voids``); None where
    there are none."""
    extent = store.extent(names)
    if extent is None:
        return None
    window = store.window(
        names,
        instant_of(second_of(extent[0]) // 86400 * 86400),
        extent[1] + np.timedelta64(1, "us"),
        step=np.timedelta64(86400, "s"),
        exclude=UNUSABLE,
    )
    days = utc_seconds(window.times) // 86400
    if not len(days):
        return None
    return int(days[after_voids(days, min_days, VOID_DAYS)]) * 86400
