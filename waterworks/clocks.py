"""The two clocks: the wall's, and one that runs from a chosen instant at a chosen speed."""

from __future__ import annotations

import time

import numpy as np

from waterworks.reading import TIME_DTYPE


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
