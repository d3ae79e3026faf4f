"""Clocks: the wall's, one that runs from a chosen instant at a chosen speed, one that follows the data."""

from __future__ import annotations

import time

import numpy as np

from waterworks.ports import ReadingStore
from waterworks.reading import TIME_DTYPE
from waterworks.series import is_derived


class WallClock:
    """The machine's own time."""

    def now(self) -> np.datetime64:
        return np.datetime64(time.time_ns() // 1000, "us")


class ScaledClock:
    """Runs ``speed`` times as fast as the wall, and shows ``start`` at the wall instant ``origin``.

    Two processes that are given the same three numbers show the same time.
    """

    def __init__(self, start: np.datetime64, speed: float, origin: np.datetime64 | None = None) -> None:
        if not speed > 0:
            raise ValueError(f"clock speed {speed} is not above 0")
        self.start = start.astype(TIME_DTYPE)
        self.speed = float(speed)
        self.origin = WallClock().now() if origin is None else origin.astype(TIME_DTYPE)

    def now(self) -> np.datetime64:
        elapsed = (WallClock().now() - self.origin) / np.timedelta64(1, "us")
        return self.start + np.timedelta64(int(elapsed * self.speed), "us")


class DataClock:
    """Shows the time of the newest reading, for looking at past data as if it were the present.

    Shows the wall's time as long as the store is empty.
    """

    def __init__(self, store: ReadingStore, refresh_s: float = 1.0) -> None:
        self._store = store
        self._refresh_s = refresh_s
        self._asked = -1e9
        self._shown: np.datetime64 | None = None

    def now(self) -> np.datetime64:
        # As long as nothing is known, ask every time: the first reading must not meet the wall's time.
        if self._shown is None or time.monotonic() - self._asked >= self._refresh_s:
            newest = [r.time for name, r in self._store.latest().items() if not is_derived(name)]
            self._shown = max(newest) if newest else None
            self._asked = time.monotonic()
        return WallClock().now() if self._shown is None else self._shown
