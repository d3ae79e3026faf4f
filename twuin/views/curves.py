"""Series for charts: read in one go, thinned so that no answer is longer than asked for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from twuin.views.convert import thinning
from waterworks.ports import ReadingStore
from waterworks.reading import Window, instant

HOUR = np.timedelta64(3_600_000_000, "us")
DAY = np.timedelta64(86_400_000_000, "us")
MICROSECOND = np.timedelta64(1, "us")
_NOTHING = np.timedelta64(0, "us")


def _bound(when: datetime | None) -> np.datetime64 | None:
    return None if when is None else instant(when)


def curve(
    store: ReadingStore,
    names: Sequence[str],
    start: datetime | None,
    end: datetime | None,
    *,
    max_points: int,
    interval_s: float,
    default: np.timedelta64,
) -> tuple[Window, np.timedelta64 | None]:
    """Readings with ``start <= time < end`` and the step of their means, None where all are there.

    The newest reading ends the range where ``end`` is None; ``start`` is ``default`` before the end
    where it is None. At most ``max_points`` times. interval_s: how far readings are apart, about.
    """
    extent = store.extent(names)
    if extent is None:
        return _empty(len(names)), None
    first, last = extent[0], extent[1] + MICROSECOND
    stop = min(_bound(end) or last, last)
    begin = _bound(start)
    begin = max(stop - default if begin is None else begin, first)
    span = stop - begin
    if span <= _NOTHING:
        return _empty(len(names)), None
    if span / np.timedelta64(1, "s") / max(interval_s, 1e-3) <= max_points:
        window = store.window(names, begin, stop)
        if len(window.times) <= max_points:
            return window, None
    step = thinning(span, max_points)
    return store.window(names, begin, stop, step=step), step


def _empty(columns: int) -> Window:
    return Window(
        np.empty(0, "datetime64[us]"), np.empty((0, columns)), np.empty((0, columns), dtype=np.uint16)
    )
