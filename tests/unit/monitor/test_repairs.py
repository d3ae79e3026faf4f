"""A repair is held against the nights after it: gone, half gone, not gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analytics.night import NightFlow
from ingest.store.duck import DuckStore
from twuin.alerts.memory import MemoryAlertStore
from twuin.alerts.model import Alert, Finding, Kind, State
from twuin.alerts.service import AlertService
from twuin.alerts.work import Check, Outcome, Place, Work
from twuin.monitor import Monitor
from twuin.monitor.network_watch import Told, Tracked
from twuin.monitor.repairs import NIGHTS, Seen, check
from waterworks.reading import ReadingBatch, as_datetime
from waterworks.site import Site

Readings = Callable[..., ReadingBatch]
START = np.datetime64("2026-03-01T00:00:00", "us")
FIXED = 26.5
"""Day of the repair."""


class Town:
    """A town whose clock is that of its readings, with its monitor and its alerts."""

    def __init__(self, site: Site, path: Path, batch: ReadingBatch) -> None:
        self.site, self.batch, self.time = site, batch, START
        self.store = DuckStore(path)
        self.alerts = AlertService(site.id, MemoryAlertStore(), self)
        self.monitor = Monitor(site, self.store, self.alerts, clock=self, repairs=self.alerts)
        self.sent = 0

    def now(self) -> np.datetime64:
        return self.time

    def until(self, day: float) -> None:
        """Readings up to there come, all at once."""
        self.time = START + np.timedelta64(round(day * 86_400), "s")
        n = int(np.searchsorted(self.batch.time, self.time))
        self.store.append(self.batch.take(np.arange(self.sent, n)))
        self.sent = n
        self.monitor.catch_up()

    def repair(self, **what: Any) -> str:
        (alert,) = self.alerts.list(kinds=[Kind.LEAK]).items
        self.alerts.act(alert.id, "repaired", version=alert.version, actor="Crew", **what)
        return alert.id


@pytest.fixture
def town(site: Site, tmp_path: Path, readings: Readings) -> Iterator[Callable[..., Town]]:
    made: list[Town] = []

    def make(left: float, **what: Any) -> Town:
        batch = readings(days=36, ends=FIXED, left=left, **what)
        made.append(Town(site, tmp_path / f"{len(made)}.duckdb", batch))
        return made[-1]

    yield make
    for one in made:
        one.monitor.close()
        one.store.close()


def at(day: float) -> datetime:
    return as_datetime(START + np.timedelta64(round(day * 86_400), "s"))


def judged(alert: Alert) -> Check:
    assert alert.work.check is not None
    return alert.work.check


def test_a_leak_that_was_mended_is_verified_with_what_was_saved(town: Callable[..., Town]) -> None:
    t = town(0.0)
    t.until(FIXED)
    id = t.repair(place=Place(lon=112.6, lat=-7.9))
    t.until(FIXED + 1)
    waiting = t.alerts.get(id)
    assert (waiting.state, judged(waiting).outcome) == (State.REPAIRED, Outcome.WAITING)
    assert judged(waiting).after == 1
    assert judged(waiting).until == at(41) - timedelta(hours=7)  # local midnight after 14 nights
    t.until(FIXED + 6)
    alert = t.alerts.get(id)
    told = judged(alert)
    assert (alert.state, told.outcome, told.by) == (State.VERIFIED, Outcome.FELL, "night_flow")
    assert told.fell == pytest.approx(0.004, rel=0.15)
    assert told.low is not None and told.high is not None and told.low < 0.004 < told.high
    line = t.alerts.history(id)[-1]
    while line.action == "updated":
        line = t.alerts.history(id)[-2]
    assert (line.action, line.actor) == ("verified", "monitor")
    assert line.details["check"]["fell_m3h"] == pytest.approx(14.4, rel=0.15)


@pytest.mark.parametrize(("left", "share"), [(1.0, 0.0), (0.5, 0.5)])
def test_a_leak_that_runs_on_reopens_its_alert_and_says_how_much_fell(
    town: Callable[..., Town], left: float, share: float
) -> None:
    t = town(left)
    t.until(FIXED)
    id = t.repair(place=Place(lon=112.6, lat=-7.9))
    t.until(FIXED + 8)
    alert = t.alerts.get(id)
    told = judged(alert)
    assert (alert.state, alert.held, told.outcome) == (State.OPEN, True, Outcome.RUNS_ON)
    assert told.fell == pytest.approx(share * 0.004, abs=0.0006)
    assert alert.work.place == Place(lon=112.6, lat=-7.9)
    assert [a.state for a in t.alerts.list(kinds=[Kind.LEAK]).items].count(State.OPEN) == 1
    entry = next(e for e in t.alerts.history(id) if e.action == "reopened")
    assert (entry.actor, entry.details["check"]["outcome"]) == ("monitor", "runs_on")


@pytest.mark.parametrize("left", [0.0, 0.4, 1.0])
def test_live_by_hours_or_all_at_once_the_repair_is_judged_alike(
    town: Callable[..., Town], left: float
) -> None:
    told = []
    for step in (0.7, 20.0):
        t = town(left)
        t.until(FIXED)
        id = t.repair()
        day = FIXED
        while day < FIXED + 7:
            day = min(day + step, FIXED + 7)
            t.until(day)
        alert = t.alerts.get(id)
        told.append((alert.state, judged(alert)))
    assert told[0] == told[1]


def test_a_repair_that_is_told_of_late_is_held_against_the_nights_on_which_the_leak_ran(
    town: Callable[..., Town],
) -> None:
    t = town(0.0)
    t.until(FIXED)
    (alert,) = t.alerts.list(kinds=[Kind.LEAK]).items
    t.alerts.act(alert.id, "acknowledge", version=alert.version)
    t.until(FIXED + 5)
    id = t.repair()
    t.until(FIXED + 9)
    told = judged(t.alerts.get(id))
    assert (t.alerts.get(id).state, told.outcome) == (State.VERIFIED, Outcome.FELL)
    assert told.fell == pytest.approx(0.004, rel=0.15)


def test_a_repair_of_the_first_day_is_judged_by_the_nights_before_the_leak(
    town: Callable[..., Town],
) -> None:
    t = town(0.0, begins=FIXED - 0.4)
    t.until(FIXED + 0.1)
    id = t.repair(happened=at(FIXED))
    t.until(FIXED + 6)
    told = judged(t.alerts.get(id))
    assert (told.outcome, told.before) == (Outcome.FELL, 0)
    assert told.fell == pytest.approx(0.004, rel=0.25)


def test_what_people_went_on_with_is_not_judged(town: Callable[..., Town]) -> None:
    t = town(0.0)
    t.until(FIXED)
    id = t.repair()
    t.alerts.act(id, "start_repair", version=None, key="k")
    t.until(FIXED + 6)
    assert t.alerts.get(id).state is State.REPAIRING
    assert t.alerts.get(id).work.check is None


# The rules by themselves


def night_flows(site: Site, flows: list[float], first: int = 1) -> NightFlow:
    """Nights of the first DMA from the ``first`` of March on."""
    ordinals = np.array([datetime(2026, 3, first, tzinfo=UTC).toordinal() + i for i in range(len(flows))])
    lowest = np.full((len(flows), len(site.dmas)), np.nan)
    lowest[:, 0] = flows
    return NightFlow(ordinals, lowest, lowest)


def leak(onset: datetime, *, kind: Kind = Kind.LEAK, **what: Any) -> Finding:
    made = Finding(kind, "D1", "D1", onset, onset + timedelta(hours=3), onset + timedelta(days=5))
    return replace(made, flow=0.004, flow_low=0.0036, flow_high=0.0044, **what)


def repaired(finding: Finding, when: datetime) -> Alert:
    work = Work(repaired_at=when, leak=finding.flow, leak_sd=0.0002)
    return Alert("a1", "small", State.REPAIRED, finding, work=work)


ONSET, WHEN = datetime(2026, 3, 15, 5, tzinfo=UTC), datetime(2026, 3, 22, 5, tzinfo=UTC)
WAVES = [0.0, 0.0001, -0.0001, 0.00005]


def flows(after: float, nights: int) -> list[float]:
    """15 nights of 0.010, 7 with the leak, then ``nights`` with so much of it [m3/s]."""
    base = [0.010] * 15 + [0.014] * 7 + [0.010 + after] * nights
    return [f + WAVES[i % 4] for i, f in enumerate(base)]


def seen(site: Site, nights: NightFlow | None, *findings: Finding, until: datetime, **what: Any) -> Seen:
    return Seen(until, nights, findings, what.get("tracked", ()))


def test_until_the_nights_are_up_it_waits_then_it_says_that_it_cannot_tell(site: Site) -> None:
    alert = repaired(leak(ONSET), WHEN)
    unsure = night_flows(site, flows(0.0012, 20))  # seven tenths are gone: neither enough nor too little
    before = check(site, alert, WHEN, seen(site, unsure, until=datetime(2026, 4, 4, 20, tzinfo=UTC)))
    assert before.outcome is Outcome.WAITING
    deadline = datetime(2026, 4, 5, 17, tzinfo=UTC)
    after = check(site, alert, WHEN, seen(site, unsure, until=deadline))
    assert (after.outcome, after.at, after.after) == (Outcome.UNDECIDED, deadline, NIGHTS)
    later = check(site, alert, WHEN, seen(site, unsure, until=deadline + timedelta(days=90)))
    assert later == after


def test_nights_on_which_another_leak_runs_too_do_not_count(site: Site) -> None:
    other = leak(WHEN + timedelta(days=1, hours=1))
    risen = night_flows(site, [*flows(0.0, 1), *[0.014] * 6])
    alert = repaired(leak(ONSET), WHEN)
    until = WHEN + timedelta(days=8)
    alone = check(site, alert, WHEN, seen(site, risen, alert.finding, until=until))
    assert alone.outcome is Outcome.RUNS_ON
    beside = check(site, alert, WHEN, seen(site, risen, alert.finding, other, until=until))
    assert (beside.outcome, beside.after) == (Outcome.WAITING, 1)


def test_a_dma_without_night_flow_waits_and_then_says_so(site: Site) -> None:
    alert = repaired(leak(ONSET), WHEN)
    for nights in (None, night_flows(site, [np.nan] * 40)):
        early = check(site, alert, WHEN, seen(site, nights, until=WHEN + timedelta(days=3)))
        assert (early.outcome, early.by) == (Outcome.WAITING, "")
        late = check(site, alert, WHEN, seen(site, nights, until=WHEN + timedelta(days=16)))
        assert (late.outcome, late.by) == (Outcome.UNDECIDED, "")


def tracked(course: list[float], sd: float = 0.0002) -> Tracked:
    """A leak of the model, by the evenings from the 16th on."""
    first = datetime(2026, 3, 16, tzinfo=UTC).toordinal()
    days = tuple((first + i, flow, sd) for i, flow in enumerate(course))
    told = Told(leak(ONSET, evidence={"model_leak": 3}), 0.5, {"D1": 1.0}, course=days)
    return Tracked(told, {})


@pytest.mark.parametrize(
    ("after", "outcome"),
    [([0.003, 0.001, 0.0002], Outcome.FELL), ([0.004, 0.004, 0.004], Outcome.RUNS_ON)],
)
def test_where_no_night_flow_is_known_the_models_estimate_of_the_leak_decides(
    site: Site, after: list[float], outcome: Outcome
) -> None:
    alert = repaired(leak(ONSET, evidence={"model_leak": 3}), WHEN)
    mine = tracked([0.004] * 6 + after)
    until = WHEN + timedelta(days=6)
    found = check(site, alert, WHEN, seen(site, None, until=until, tracked=[mine]))
    assert (found.outcome, found.by) == (outcome, "model")
    of_another = repaired(leak(ONSET, evidence={"model_leak": 4}), WHEN)
    assert check(site, of_another, WHEN, seen(site, None, until=until, tracked=[mine])).by == ""


def test_what_only_residents_saw_is_left_to_people_at_once(site: Site) -> None:
    alert = repaired(leak(ONSET, kind=Kind.REPORTED), WHEN)
    found = check(site, alert, WHEN, seen(site, None, until=WHEN + timedelta(days=2)))
    assert (found.outcome, found.at, found.until) == (Outcome.UNDECIDED, WHEN, None)


def test_a_sensor_is_verified_when_its_readings_are_right_again(site: Site) -> None:
    fault = leak(ONSET, kind=Kind.SENSOR)
    alert = repaired(fault, WHEN)
    until = WHEN + timedelta(days=2)
    assert check(site, alert, WHEN, seen(site, None, until=until)).outcome is Outcome.WAITING
    well = replace(alert, finding=replace(fault, ended=WHEN - timedelta(hours=1)))
    found = check(site, well, WHEN, seen(site, None, until=until))
    assert (found.outcome, found.by, found.at) == (Outcome.FELL, "readings", WHEN)
