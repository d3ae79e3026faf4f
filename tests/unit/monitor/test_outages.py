"""Sixty silences that have one cause are one alert."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ingest.store.duck import DuckStore
from twuin.alerts.memory import MemoryAlertStore
from twuin.alerts.model import Finding, Kind, State
from twuin.alerts.service import AlertService
from twuin.monitor import Monitor
from twuin.monitor.outages import Silence, grouped, lasting_ones, silence_finding
from waterworks.reading import ReadingBatch, as_datetime
from waterworks.site import Sensor, Site
from waterworks.units import Quantity

START = np.datetime64("2026-03-01T00:00:00", "us")
LIMIT = np.timedelta64(3, "h")


def at(hour: float) -> np.datetime64:
    return START + np.timedelta64(round(hour * 3600), "s")


def sensor(id: str, device: str = "", dma: str = "D1") -> Sensor:
    return Sensor(id, Quantity.PRESSURE, "m", dma, device or id, interval_s=300.0)


def silence(of: Sensor, start: float, end: float | None = None) -> Silence:
    return Silence(of, at(start), None if end is None else at(end), LIMIT)


def findings(silences: list[Silence], now: float, watched: int = 100) -> list[Finding]:
    return [silence_finding(event, at(now)) for event in grouped(silences, watched)]


def nightly(until: float) -> list[Silence]:
    """A radio that fails every night from 22 to 4, as is known at hour ``until``."""
    found = []
    for day in range(60):
        start, end = 24 * day + 22, 24 * day + 28
        if until >= start + 3:
            found.append(silence(sensor("P1"), start, end if until >= end else None))
    return found


def told(step: float, days: int, group: bool) -> AlertService:
    """What alerts come of two months of such nights, looked at every ``step`` hours."""

    class Clock:
        time = START

        def now(self) -> np.datetime64:
            return self.time

    clock = Clock()
    alerts = AlertService("town", MemoryAlertStore(), clock)
    hour = 0.0
    while hour < 24 * days:
        clock.time = at(hour)
        own = nightly(hour)
        shown = lasting_ones(own, at(hour)) if group else own
        alerts.apply(findings(shown, hour))
        hour += step
    return alerts


def test_each_silence_by_itself_would_be_sixty_alerts_and_is_one() -> None:
    assert len(told(1.0, 62, group=False).list(limit=1000).items) == 60
    alerts = told(1.0, 62, group=True)
    (one,) = alerts.list(limit=1000).items
    assert (one.state, one.finding.evidence["silences"]) == (State.CLOSED, 60)
    # The first night it is over in the morning; from the second on it comes and goes, until it is well.
    assert [e.action for e in alerts.history(one.id)] == ["opened", "closed", "reopened", "closed"]


@pytest.mark.parametrize("step", [0.5, 7.0, 100.0])
def test_however_often_one_looks_it_ends_the_same(step: float) -> None:
    (one,) = told(1.0, 70, group=True).list(limit=1000).items
    (other,) = told(step, 70, group=True).list(limit=1000).items
    assert (one.id, one.state, one.finding) == (other.id, other.state, other.finding)


def test_a_sensor_that_comes_and_goes_is_well_after_a_day() -> None:
    own = [silence(sensor("P1"), 0, 5), silence(sensor("P1"), 10, 15)]
    (going,) = lasting_ones(own, at(38))
    assert (going.end, going.times) == (None, 2)
    (well,) = lasting_ones(own, at(40))
    assert (well.start, well.end) == (at(0), at(15))


def test_a_single_silence_is_over_when_the_sensor_is_back() -> None:
    own = [silence(sensor("P1"), 0, 5), silence(sensor("P1"), 30, 35)]
    assert lasting_ones(own, at(36)) == own


def test_the_sensors_of_one_device_are_one_event() -> None:
    silences = [silence(sensor(f"S{i}", "LOG-1"), 1 + i / 60) for i in range(3)]
    other = silence(sensor("S9", "LOG-2"), 1)
    one, two = sorted(findings([*silences, other], 9), key=lambda f: f.subject)
    assert (one.subject, one.evidence["sensors"]) == ("S0", ["S0", "S1", "S2"])
    assert (two.subject, "sensors" in two.evidence) == ("S9", False)


def outage(end: float | None, *, dead: int = 0) -> list[Silence]:
    """Sixty sensors of thirty devices fall silent within minutes; the first ``dead`` do not come back."""
    return [
        silence(sensor(f"S{i:02d}", f"LOG-{i // 2}", f"D{i % 4}"), 1 + i / 300, None if i < dead else end)
        for i in range(60)
    ]


def test_a_line_that_is_down_is_one_event_not_sixty() -> None:
    for end in (None, 12.0):
        (one,) = findings(outage(end), 13, watched=70)
        assert (one.subject, one.dma, len(one.evidence["sensors"])) == ("S00", "", 60)
        assert one.ended == (None if end is None else as_datetime(at(end)))


def test_a_few_of_many_are_no_line_that_is_down() -> None:
    assert len(findings(outage(None)[:8], 13, watched=70)) == 4  # one for each device


def test_what_does_not_come_back_with_the_others_stands_for_itself() -> None:
    found = findings(outage(12.0, dead=2), 30, watched=70)
    over = [f for f in found if f.ended is not None]
    lasting = [f for f in found if f.ended is None]
    assert [len(f.evidence["sensors"]) for f in over] == [58]
    assert [f.evidence["sensors"] for f in lasting] == [["S00", "S01"]]


def test_the_order_of_silences_does_not_matter() -> None:
    silences = outage(12.0, dead=3)
    assert findings(silences, 30) == findings(silences[::-1], 30)


def test_an_outage_that_is_filled_later_leaves_nothing() -> None:
    class Clock:
        def now(self) -> np.datetime64:
            return at(50)

    alerts = AlertService("town", MemoryAlertStore(), Clock())
    alerts.apply(findings(outage(None), 13, watched=70))
    alerts.apply(findings(outage(None)[1:], 14, watched=70))  # the first device sends what it kept
    alerts.apply([])
    assert {a.state for a in alerts.list(limit=1000).items} == {State.CLOSED}
    assert len(alerts.list(limit=1000).items) == 2


def test_silences_hours_apart_have_causes_of_their_own() -> None:
    late = [replace(s.sensor) for s in outage(None)[:3]]
    silences = [silence(s, 1 + 2 * i) for i, s in enumerate(late)]
    assert len(findings(silences, 20, watched=3)) == 3


def test_a_fall_of_pressure_in_a_whole_district_is_one_event(
    site: Site, tmp_path: Path, readings: Callable[..., ReadingBatch], recorder: Any, clock: Any
) -> None:
    rng = np.random.default_rng(3)
    quiet = readings(days=34, leak=0.0)
    pressures = [f"P{i}" for i in range(1, 13)]
    more = tuple(Sensor(p, Quantity.PRESSURE, "m", "D1", p, interval_s=900.0) for p in pressures[3:])
    site = replace(site, sensors=(*site.sensors, *more))
    store = DuckStore(tmp_path / "a.duckdb")
    store.append(quiet.take(quiet.sensor < 3))
    first = quiet.take(quiet.sensor == 3)
    day = np.arange(len(first)) / 96
    fallen = np.where((day > 30) & (day < 33), 8.0, 0.0)
    for p in pressures:
        values = first.value - fallen + 0.05 * rng.standard_normal(len(first))
        none = np.zeros(len(first), np.int32)
        store.append(ReadingBatch.columns((p,), none, first.time, values, received=clock.now()))
    rec = recorder()
    Monitor(site, store, rec, clock=clock).catch_up(final=True)
    assert [(f.kind, f.dma) for f in rec.findings] == [(Kind.LEAK, "D1")]
    store.close()
