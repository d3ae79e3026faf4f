"""Clocks of promises: what runs, what stops, what is undone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from twuin.alerts.model import Entry, Reason
from twuin.alerts.promises import Clock, Stage, Standing, clocks, course
from waterworks.promises import Promise, WorkingHours

OFFICE = WorkingHours(ZoneInfo("Asia/Jakarta"))
MONDAY_9 = datetime(2026, 11, 23, 2, tzinfo=UTC)
DAY = Promise(timedelta(hours=1), timedelta(hours=8), timedelta(hours=24))


def at(hours: float) -> datetime:
    return MONDAY_9 + timedelta(hours=hours)


def entry(hours: float, action: str, **more: Any) -> Entry:
    return Entry("a", at(hours), "someone", action, **more)


def stood(*entries: Entry, now: float = 0.0, promise: Promise = DAY) -> dict[Stage, Clock]:
    found = course([entry(0, "opened"), *entries])
    assert found is not None
    return {c.stage: c for c in clocks(found, promise, OFFICE, at(now))}


def standings(*entries: Entry, now: float = 0.0) -> list[str]:
    return [c.standing.value for c in stood(*entries, now=now).values()]


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (0.5, ["running", "running", "running"]),
        (0.8, ["near", "running", "running"]),
        (1.1, ["broken", "running", "running"]),
        (7.0, ["broken", "near", "running"]),
        (25.0, ["broken", "broken", "broken"]),
    ],
)
def test_a_clock_runs_until_its_promise_is_broken(now: float, expected: list[str]) -> None:
    assert standings(now=now) == expected


def test_a_step_counts_from_when_it_was_done_and_what_it_skips_is_done_too() -> None:
    found = stood(entry(30, "repaired", happened=at(0.9)), now=31)
    assert {s: (c.standing, c.done) for s, c in found.items()} == {s: (Standing.KEPT, at(0.9)) for s in Stage}


def test_what_happened_before_the_alert_counts_from_the_alert() -> None:
    assert stood(entry(1, "located", happened=at(-5)), now=2)[Stage.LOCATE].done == at(0)


def test_a_late_step_is_broken_for_good() -> None:
    assert standings(entry(2, "assigned"), entry(3, "repaired"), now=90) == ["broken", "kept", "kept"]


def test_a_wrong_place_and_a_repair_that_did_not_hold_run_on() -> None:
    wrong = [entry(0.5, "assigned"), entry(2, "located"), entry(4, "not_found")]
    assert standings(*wrong, now=5) == ["kept", "running", "running"]
    assert standings(*wrong, entry(9, "located"), now=10) == ["kept", "broken", "running"]
    failed = [entry(0.5, "repaired"), entry(20, "reopened")]
    assert standings(*failed, now=21) == ["kept", "broken", "near"]
    assert standings(entry(0.5, "repaired"), entry(3, "repairing"), now=4) == ["kept", "kept", "running"]


@pytest.mark.parametrize("reason", [Reason.FALSE_ALARM, Reason.ENDED, Reason.PLANNED, Reason.DUPLICATE])
def test_where_nothing_was_left_to_do_the_clocks_stop(reason: Reason) -> None:
    closed = [entry(0.5, "acknowledged"), entry(4, "closed", reason=reason)]
    assert standings(*closed, now=90) == ["kept", "stopped", "stopped"]
    assert standings(entry(9, "closed", reason=reason), now=90) == ["broken", "broken", "stopped"]


def test_closed_as_repaired_is_repaired() -> None:
    assert standings(entry(0.7, "closed", reason=Reason.REPAIRED), now=90) == ["kept", "kept", "kept"]


def test_opened_again_after_it_was_closed_the_clocks_begin_anew() -> None:
    found = stood(entry(5, "closed", reason=Reason.ENDED), entry(50, "reopened"), now=50.5)
    assert [c.due for c in found.values()] == [at(51), at(58), at(74)]
    assert {c.standing for c in found.values()} == {Standing.RUNNING}


def test_notes_and_estimates_move_no_clock() -> None:
    assert standings(entry(0.1, "note"), entry(0.2, "updated"), now=0.5) == ["running"] * 3


def test_in_working_hours_a_week_end_does_not_count() -> None:
    friday_15 = datetime(2026, 11, 27, 8, tzinfo=UTC)
    found = course([Entry("a", friday_15, "monitor", "opened")])
    assert found is not None
    (clock,) = clocks(found, Promise(repair=timedelta(hours=2), working=True), OFFICE, friday_15)
    assert clock.due == datetime(2026, 11, 30, 2, tzinfo=UTC)  # Monday at 9


def test_a_history_that_does_not_begin_yet_has_no_course() -> None:
    assert course([]) is None
