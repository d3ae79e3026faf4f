"""When the analysis keeps up, when it is behind, and when it works off what was loaded."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from twuin.views.pace import GRACE_S, Progress, stale_after_s
from twuin.views.views import Views
from waterworks.clocks import DataClock, ScaledClock
from waterworks.reading import instant

MARK = datetime(2026, 3, 9, 20, 0, tzinfo=UTC)


def test_an_hourly_site_may_be_hours_behind_and_a_fast_one_less_than_an_hour(small_town: Any) -> None:
    def every(seconds: float) -> Any:
        sensors = tuple(replace(s, interval_s=seconds) for s in small_town.site.sensors)
        return replace(small_town.site, sensors=sensors)

    assert stale_after_s(every(60.0), 1.0) < 3600
    # An hourly reading, a step of the monitor and its wait for late ones are no fault.
    assert stale_after_s(every(3600.0), 1.0) > 4 * 3600
    assert stale_after_s(every(300.0), 300.0) > 3 * 3600


def test_past_data_that_are_looked_at_are_never_stale(small_town: Any) -> None:
    t = small_town
    past = Views(t.site, t.store, t.alerts, clock=DataClock(t.store)).site()
    assert past.clock == "data" and past.stale_after_s is None


@pytest.mark.parametrize(("speed", "kind"), [(1.0, "scaled"), (300.0, "scaled")])
def test_a_scaled_clock_is_told_from_the_wall(small_town: Any, speed: float, kind: str) -> None:
    t = small_town
    clock = ScaledClock(instant(MARK), speed)
    assert Views(t.site, t.store, t.alerts, clock=clock, clock_speed=speed).site().clock == kind
    assert Views(t.site, t.store, t.alerts, clock=t.clock).site().clock == "wall"


def test_catching_up_is_leaping_ahead_and_not_going_with_the_time() -> None:
    wall = [0.0]
    progress = Progress(1.0, lambda: wall[0])
    assert not progress.leaping(None)
    wall[0] = 5.0
    assert progress.leaping(MARK)  # the first that was analysed
    wall[0] += GRACE_S + 1
    assert not progress.leaping(MARK)
    wall[0] += 300
    assert not progress.leaping(MARK + timedelta(minutes=5))  # always behind, but no faster than time goes
    wall[0] += 2
    assert progress.leaping(MARK + timedelta(days=3))
    wall[0] += 2
    assert progress.leaping(MARK + timedelta(days=2))  # taken back by late readings: still at it


def test_nobody_is_silent_and_nothing_normal_before_anything_was_analysed(small_town: Any) -> None:
    t = small_town
    t.clock.time = t.clock.time + np.timedelta64(10, "h")
    analysed = Views(t.site, t.store, t.alerts, clock=t.clock)
    assert "silent" in {s.state for s in analysed.sensors()}
    loading = Views(t.site, t.store, t.alerts, clock=t.clock)
    loading.watermark = lambda: None  # type: ignore[method-assign]
    assert {s.state for s in loading.sensors()} <= {"nodata", "ok", "suspect"}
    assert {d.state for d in loading.dmas()} == {"nodata"}
