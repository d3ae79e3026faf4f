"""From which day on a store's readings are of use."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from twuin.monitor.grid import instant_of, utc_seconds
from waterworks.metering import UNUSABLE
from waterworks.ports import ReadingStore

VOID_DAYS = 57
"""After a void of more days nothing before it is of use (``Engine``)."""


def first_day_of_use(store: ReadingStore, names: Sequence[str], min_days: int) -> int | None:
    """The UTC day [s since 1970] from which on readings of ``names`` are of use; None where there are none.

    Fewer than ``min_days`` days and then a long void are those of a device whose clock was never set.
    """
    extent = store.extent(names)
    if extent is None:
        return None
    window = store.window(
        names,
        instant_of(int(utc_seconds(np.array([extent[0]]))[0]) // 86400 * 86400),
        extent[1] + np.timedelta64(1, "us"),
        step=np.timedelta64(86400, "s"),
        exclude=UNUSABLE,
    )
    days = utc_seconds(window.times) // 86400
    if not len(days):
        return None
    first = 0
    for void in np.flatnonzero(np.diff(days) > VOID_DAYS).tolist():
        if void + 1 - first >= min_days:
            break
        first = void + 1
    return int(days[first]) * 86400
