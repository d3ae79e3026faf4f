"""What keeping up means: how far the analysis may be behind a site's clock, and whether it is catching up."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from datetime import datetime

from waterworks.clocks import DataClock, ScaledClock
from waterworks.ports import Clock
from waterworks.site import Role, Site

STALE_FLOOR_S = 45 * 60.0
"""Analysis less than this behind the site's clock keeps up [s]: nine intervals of a five-minute sensor."""

STALE_INTERVALS = 6
"""... nor is it late before this many intervals of the site's inlet meters,"""

STALE_SLACK_S = 30 * 60.0
"""a step of the monitor and what it waits for late readings [s] on top,"""

STALE_WALL_S = 45.0
"""and this [s on the wall], which readings and analysis may take however fast the site's clock runs."""

GRACE_S = 60.0
"""So long [s on the wall] after its last leap the analysis counts as catching up."""


def clock_kind(clock: Clock, speed: float) -> str:
    """What a clock follows: "wall", "scaled" (a demo's or a replay's pace) or "data" (the newest reading)."""
    if isinstance(clock, DataClock):
        return "data"
    return "scaled" if isinstance(clock, ScaledClock) or speed != 1 else "wall"


def stale_after_s(site: Site, speed: float) -> float:
    """How far the analysis of a site may be behind its clock [s] and still keep up."""
    intervals = [s.interval_s for s in site.sensors if s.role is Role.INLET]
    usual = statistics.median(intervals) if intervals else 0.0
    own = STALE_INTERVALS * usual + STALE_SLACK_S
    return max(STALE_FLOOR_S, own) + STALE_WALL_S * speed


class Progress:
    """Whether what was analysed leaps ahead, faster than the site's clock: past readings worked off."""

    def __init__(self, speed: float, wall: Callable[[], float] = time.monotonic) -> None:
        self._speed, self._wall = speed, wall
        self._seen: tuple[datetime | None, float] | None = None
        self._leapt: float | None = None

    @property
    def mark(self) -> datetime | None:
        """How far the analysis was when last looked at; None: nothing was known."""
        return None if self._seen is None else self._seen[0]

    def leaping(self, mark: datetime | None) -> bool:
        """Take note of how far the analysis is; whether it leapt lately."""
        now = self._wall()
        if self._seen is None:
            self._seen = (mark, now)
        before, at = self._seen
        if mark != before:
            gained = 0.0 if mark is None or before is None else (mark - before).total_seconds()
            if before is None or gained > 2 * max(now - at, 1.0) * self._speed:
                self._leapt = now
            self._seen = (mark, now)
        return self._leapt is not None and now - self._leapt < GRACE_S
