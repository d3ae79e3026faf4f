"""Local time of instants: which local day, hour, slot and weekday each step of a grid stands for."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from waterworks.reading import TIME_DTYPE, Times

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

SUNDAY = 6


class LocalTime(NamedTuple):
    """day (T,): local date as its ordinal; hour (T,): local hour; slot (T,): step of the local day;
    weekday (T,): 0 Monday .. 6 Sunday, holidays 6."""

    day: Ints
    hour: Floats
    slot: Ints
    weekday: Ints

    def upto(self, rows: int) -> LocalTime:
        """The first ``rows`` of it."""
        return LocalTime(self.day[:rows], self.hour[:rows], self.slot[:rows], self.weekday[:rows])

    def then(self, more: LocalTime) -> LocalTime:
        """``more`` after it."""
        return LocalTime(
            np.concatenate([self.day, more.day]),
            np.concatenate([self.hour, more.hour]),
            np.concatenate([self.slot, more.slot]),
            np.concatenate([self.weekday, more.weekday]),
        )


def utc_seconds(times: Times) -> Ints:
    """(T,) seconds since 1970."""
    return times.astype(TIME_DTYPE).astype(np.int64) // 1_000_000


def second_of(when: np.datetime64) -> int:
    """Second since 1970 of an instant."""
    return int(utc_seconds(np.array([when]))[0])


def local_time(seconds: Ints, step_s: int, zone: ZoneInfo, holidays: frozenset[date]) -> LocalTime:
    """Local time of instants (T,) [s since 1970 UTC].

    An hour that a clock change repeats falls on the same slots twice; one that it skips is missing.
    """
    offset = np.fromiter(
        (
            _offset(zone, int(s))
            for s in np.unique(seconds // 900)  # no zone changes within a quarter of an hour
        ),
        np.int64,
    )
    local = seconds + offset[np.searchsorted(np.unique(seconds // 900), seconds // 900)]
    day = local // 86400
    second = local - day * 86400
    ordinal = day + date(1970, 1, 1).toordinal()
    weekday = (ordinal + 6) % 7  # ordinal 1 was a Monday
    if holidays:
        free = np.fromiter((d.toordinal() for d in holidays), np.int64)
        weekday = np.where(np.isin(ordinal, free), SUNDAY, weekday)
    return LocalTime(ordinal, second / 3600, second // step_s, weekday)


def _offset(zone: ZoneInfo, quarter: int) -> int:
    shift = datetime.fromtimestamp(quarter * 900, UTC).astimezone(zone).utcoffset() or timedelta(0)
    return int(shift.total_seconds())


@lru_cache(4096)
def midnight(ordinal: int, zone: ZoneInfo) -> np.datetime64:
    """UTC instant at which a local day begins."""
    start = datetime.combine(date.fromordinal(ordinal), datetime.min.time(), tzinfo=zone)
    return np.datetime64(start.astimezone(UTC).replace(tzinfo=None), "us")


def instant_of(seconds: int | float) -> np.datetime64:
    """Seconds since 1970 as an instant of arrays."""
    return np.datetime64(round(seconds * 1_000_000), "us")


def moment(seconds: int | float) -> datetime:
    """Seconds since 1970 as an aware datetime."""
    return datetime.fromtimestamp(seconds, UTC)
