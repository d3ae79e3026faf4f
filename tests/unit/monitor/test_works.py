"""Planned works through the monitor: they excuse what they explain, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ingest.store.duck import DuckStore
from twuin.alerts.memory import MemoryAlertStore
from twuin.alerts.model import Alert, Kind, Reason, State
from twuin.alerts.service import AlertService
from twuin.monitor import Monitor
from twuin.works.memory import MemoryWorkStore
from twuin.works.model import Plan, WorkKind
from twuin.works.service import WorkService
from waterworks.metering import UNUSABLE
from waterworks.reading import ReadingBatch
from waterworks.series import Derived, derived
from waterworks.site import Site

Readings = Callable[..., ReadingBatch]
START = np.datetime64("2026-03-01T00:00:00", "us")
BEGAN = datetime(2026, 3, 21, 1, tzinfo=UTC)  # day 20 of the readings, 08.00 local time
LONG = timedelta(hours=4)
M3H = 1 / 3600
PIECE = np.timedelta64(3, "h")


class Clock:
    """The site's time, set by the test."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> np.datetime64:
        return self.time


@dataclass
class Town:
    """A site whose readings come step by step, with its alerts and works."""

    site: Site
    store: DuckStore
    clock: Clock
    alerts: AlertService
    works: WorkService
    monitor: Monitor

    def flushing(self, m3h: float | None = 20.0, **rest: Any) -> Plan:
        given = {"dmas": ("D1",), "extra_flow": None if m3h is None else m3h * M3H, **rest}
        return Plan(WorkKind.FLUSHING, BEGAN, BEGAN + LONG, **given)

    def play(self, batch: ReadingBatch, *, at: dict[datetime, Callable[[], object]] | None = None) -> None:
        """Hand the readings over, by three hours from day 19 on; ``at``: what somebody does when."""
        due = sorted((at or {}).items())
        first = START + np.timedelta64(19, "D")
        cuts = [START, *np.arange(first, batch.time.max() + PIECE, PIECE)]
        for a, b in zip(cuts, [*cuts[1:], batch.time.max() + np.timedelta64(1, "us")], strict=True):
            rows = np.flatnonzero((batch.time >= a) & (batch.time < b))
            if not len(rows):
                continue
            now = batch.time[rows].max()
            self.store.append(replace(batch.take(rows), received=np.full(len(rows), now)))
            self.clock.time = now
            while due and now >= np.datetime64(due[0][0].replace(tzinfo=None), "us"):
                due.pop(0)[1]()
            self.monitor.catch_up()

    def every(self, *kinds: Kind) -> list[Alert]:
        return self.alerts.list(kinds=kinds or None).items if kinds else self.alerts.list().items


@pytest.fixture
def town(site: Site, tmp_path: Path) -> Any:
    store, clock = DuckStore(tmp_path / "readings.duckdb"), Clock()
    alerts = AlertService(site.id, MemoryAlertStore(), clock)
    works = WorkService(site, MemoryWorkStore(), clock)
    monitor = Monitor(site, store, alerts, clock=clock, repairs=alerts, works=works, lateness_s=0.0)
    yield Town(site, store, clock, alerts, works, monitor)
    store.close()


def extra(
    batch: ReadingBatch, m3h: float, begins: datetime = BEGAN, ends: datetime = BEGAN + LONG, dma: str = "D1"
) -> ReadingBatch:
    """The readings with so much more inflow to a DMA for a while (its pressures fall)."""
    a, b = (np.datetime64(t.replace(tzinfo=None), "us") for t in (begins, ends))
    during = (batch.time >= a) & (batch.time < b)
    value = batch.value.copy()
    meters = {"D1": ("M1",), "D2": ("M1", "M2")}[dma]
    for name in meters:
        value[during & (batch.sensor == batch.names.index(name))] += m3h * M3H
    if dma == "D1":
        for name in ("P1", "P2", "P3"):
            value[during & (batch.sensor == batch.names.index(name))] -= 0.05 * m3h
    return replace(batch, value=value)


def silenced(batch: ReadingBatch, names: tuple[str, ...], begins: datetime, ends: datetime) -> ReadingBatch:
    a, b = (np.datetime64(t.replace(tzinfo=None), "us") for t in (begins, ends))
    ids = [batch.names.index(n) for n in names]
    return batch.take(np.flatnonzero(~(np.isin(batch.sensor, ids) & (batch.time >= a) & (batch.time < b))))


def test_a_flushing_that_nobody_entered_raises_an_alert(town: Town, readings: Readings) -> None:
    town.play(extra(readings(days=23, leak=0.0), 20.0))
    assert [(a.finding.kind, a.finding.dma) for a in town.every()] == [(Kind.LEAK, "D1")]


def test_a_flushing_that_was_entered_raises_none(town: Town, readings: Readings) -> None:
    town.play(
        extra(readings(days=23, leak=0.0), 20.0), at={BEGAN - LONG: lambda: town.works.enter(town.flushing())}
    )
    assert town.every() == []


def test_more_than_was_announced_is_alarmed_within_hours(town: Town, readings: Readings) -> None:
    batch = extra(extra(readings(days=23, leak=0.0), 20.0), 25.0, BEGAN + timedelta(hours=1), BEGAN + LONG)
    town.play(batch, at={BEGAN - LONG: lambda: town.works.enter(town.flushing())})
    (alert,) = town.every(Kind.LEAK)
    assert alert.finding.detected <= BEGAN + LONG
    assert alert.finding.flow == pytest.approx(25 * M3H, rel=0.3)
    assert alert.reason is not Reason.PLANNED


def test_another_district_is_not_excused(town: Town, readings: Readings) -> None:
    batch = extra(readings(days=23, leak=0.0), 12.0, dma="D2")
    town.play(batch, at={BEGAN - LONG: lambda: town.works.enter(town.flushing())})
    assert [a.finding.dma for a in town.every(Kind.LEAK)] == ["D2"]


def test_a_leak_that_goes_on_after_the_work_is_alarmed_soon_after_it(town: Town, readings: Readings) -> None:
    quiet = readings(days=23, leak=0.0)
    batch = extra(quiet, 20.0, ends=datetime(2026, 3, 24, tzinfo=UTC))
    town.play(batch, at={BEGAN - LONG: lambda: town.works.enter(town.flushing(refill_s=3600.0))})
    (alert,) = town.every(Kind.LEAK)
    over = BEGAN + LONG + timedelta(hours=1)
    assert over < alert.finding.detected <= over + timedelta(hours=3)
    assert alert.state is State.OPEN


def test_an_alert_that_a_work_explains_afterwards_is_closed_as_planned(
    town: Town, readings: Readings
) -> None:
    entered = BEGAN + timedelta(hours=3)
    seen: list[list[Alert]] = []

    def enter() -> None:
        seen.append(town.every())
        town.works.enter(town.flushing(30.0), actor="Sari")

    town.play(extra(readings(days=24, leak=0.0), 20.0), at={entered: enter})
    assert [a.state for a in seen[0]] == [State.OPEN]
    (alert,) = town.every()
    (work,) = town.works.works()
    assert (alert.state, alert.reason, alert.finding.planned_work) == (State.CLOSED, Reason.PLANNED, work.id)
    history = town.alerts.history(alert.id)
    assert [e.action for e in history if e.action in ("opened", "closed", "reopened")] == ["opened", "closed"]
    assert history[-1].details == {"planned_work": work.id} or any(
        e.details == {"planned_work": work.id} for e in history
    )


def test_a_leak_that_outlasts_a_late_entered_work_is_opened_again(town: Town, readings: Readings) -> None:
    batch = extra(readings(days=24, leak=0.0), 20.0, ends=datetime(2026, 3, 25, tzinfo=UTC))
    town.play(batch, at={BEGAN + timedelta(hours=3): lambda: town.works.enter(town.flushing(30.0))})
    (alert,) = town.every(Kind.LEAK)
    assert (alert.state, alert.reason) == (State.OPEN, None)
    actions = [e.action for e in town.alerts.history(alert.id) if e.action != "updated"]
    assert actions == ["opened", "closed", "reopened"]
    again = next(e for e in town.alerts.history(alert.id) if e.action == "reopened")
    assert again.at <= BEGAN + LONG + timedelta(hours=8)


def test_a_work_that_is_cancelled_excuses_nothing(town: Town, readings: Readings) -> None:
    def enter() -> None:
        work = town.works.enter(town.flushing())
        town.works.cancel(work.id, version=1)

    town.play(extra(readings(days=23, leak=0.0), 20.0), at={BEGAN - LONG: enter})
    assert len(town.every(Kind.LEAK)) == 1


def test_works_do_not_teach(town: Town, readings: Readings) -> None:
    """A week of evening flushings moves neither what is expected nor the night flow."""
    batch = readings(days=29, leak=0.0)
    plans = []
    for day in range(7):
        begins = datetime(2026, 3, 20 + day, 17, tzinfo=UTC)  # midnight local time
        batch = extra(batch, 20.0, begins, begins + LONG)
        plans.append(replace(town.flushing(), start=begins, end=begins + LONG))
    town.play(batch, at={datetime(2026, 3, 20, tzinfo=UTC): lambda: [town.works.enter(p) for p in plans]})
    assert town.every() == []
    start, end = START + np.timedelta64(27, "D"), START + np.timedelta64(29, "D")
    found = town.store.window([derived("D1", Derived.EXPECTED)], start, end).values
    quiet = town.store.window([derived("D1", Derived.INFLOW)], start, end).values
    assert np.nanmedian(found - quiet) == pytest.approx(0.0, abs=0.5 * M3H)
    nights = town.store.window(
        [derived("D1", Derived.NIGHT_FLOW)], START + np.timedelta64(19, "D"), end, exclude=UNUSABLE
    ).values
    assert np.nanmax(nights) < 12e-3  # of a night under works only what its quiet hour says, or nothing


def test_announced_hours_without_water_are_no_alert_and_longer_ones_are(
    town: Town, readings: Readings
) -> None:
    def dry(batch: ReadingBatch, begins: datetime, ends: datetime) -> ReadingBatch:
        a, b = (np.datetime64(t.replace(tzinfo=None), "us") for t in (begins, ends))
        value = batch.value.copy()
        tank = batch.sensor == batch.names.index("T1")
        value[(batch.time >= a) & (batch.time < b) & ~tank] = 0.0
        return replace(batch, value=value)

    cut = Plan(WorkKind.REPAIR, BEGAN, BEGAN + LONG, ("D1", "D2"), no_supply=True, refill_s=7200.0)
    batch = dry(readings(days=23, leak=0.0), BEGAN, BEGAN + LONG)
    later = BEGAN + timedelta(days=1)
    batch = dry(batch, later, later + timedelta(hours=20))
    town.play(
        batch,
        at={
            BEGAN - LONG: lambda: town.works.enter(cut),
            later - LONG: lambda: town.works.enter(replace(cut, start=later, end=later + LONG)),
        },
    )
    found = town.every()
    assert {(a.finding.kind, a.finding.dma) for a in found} == {(Kind.SUPPLY, "D1"), (Kind.SUPPLY, "D2")}
    over = later + LONG + timedelta(hours=2)
    assert all(over <= a.finding.onset <= a.finding.detected <= over + LONG for a in found)


def test_sensors_that_are_silent_as_announced_raise_nothing_open_and_later_do(
    town: Town, readings: Readings
) -> None:
    meter = Plan(WorkKind.METER, BEGAN, BEGAN + timedelta(hours=30), sensors=("P1",))
    batch = silenced(readings(days=25, leak=0.0), ("P1",), BEGAN, BEGAN + timedelta(hours=29))
    batch = silenced(batch, ("P2",), BEGAN, BEGAN + timedelta(hours=60))
    shorter = replace(meter, sensors=("P2",))
    states: list[set[tuple[str, State, Reason | None]]] = []

    def look() -> None:
        states.append({(a.finding.subject, a.state, a.reason) for a in town.every(Kind.SILENT)})

    town.play(
        batch,
        at={
            BEGAN - LONG: lambda: (town.works.enter(meter), town.works.enter(shorter)),
            BEGAN + timedelta(hours=24): look,
            BEGAN + timedelta(hours=50): look,
        },
    )
    planned = {("P1", State.CLOSED, Reason.PLANNED), ("P2", State.CLOSED, Reason.PLANNED)}
    assert states[0] == planned
    assert states[1] == {("P1", State.CLOSED, Reason.PLANNED), ("P2", State.OPEN, None)}


def test_pieces_come_to_the_same_as_all_at_once(
    town: Town, site: Site, readings: Readings, tmp_path: Path
) -> None:
    batch = extra(extra(readings(days=23, leak=0.0), 20.0), 25.0, BEGAN + timedelta(hours=1), BEGAN + LONG)
    town.play(batch, at={BEGAN + timedelta(hours=2): lambda: town.works.enter(town.flushing())})
    store = DuckStore(tmp_path / "again.duckdb")
    store.append(batch)
    alerts = AlertService(site.id, MemoryAlertStore(), town.clock)
    Monitor(site, store, alerts, clock=town.clock, works=town.works, lateness_s=0.0).catch_up(final=True)
    assert [a.finding.detected for a in alerts.list().items] == [a.finding.detected for a in town.every()]
    store.close()
