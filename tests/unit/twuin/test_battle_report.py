"""When a tracked leak is reported."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from analytics.model.leak import Leak
from analytics.model.options import M3H
from analytics.model.telling import visited
from twuin.benchmark.battle_report import Reporter, gain

FIRST = datetime(2019, 1, 1)  # noqa: DTZ001 - local time, no zone
DISTANCE = np.abs(np.subtract.outer(np.arange(8) * 200.0, np.arange(8) * 200.0))


def leak_at(
    number: int, pipe: int, flow: float, found: int, days: int = 30, sure: float = 0.9, evidence: float = 12.0
) -> Leak:
    p = np.zeros(8)
    p[pipe] += sure
    p[(pipe + 4) % 8] += 1 - sure
    return Leak(
        number, p, np.zeros(8), found - 1, found, evidence, flow=dict.fromkeys(range(days), flow * M3H)
    )


def tracked(day: int, leaks: list[Leak]) -> Any:
    """A tracker that has found these by the end of ``day``."""
    found = {k.id: k for k in leaks if k.found <= day}
    return SimpleNamespace(day=day, open=[k for k in found.values() if k.closed is None], leaks=found)


def reported(leaks: list[Leak], days: int) -> list[tuple[str, int]]:
    """Pipe and day of each report."""
    plant: Any = SimpleNamespace(layout=SimpleNamespace(distance=DISTANCE), pipe_ids=list("abcdefgh"))
    reporter = Reporter(plant, FIRST)
    for day in range(days):
        reporter.look(tracked(day, leaks), FIRST + timedelta(days=day))
    return [(r.pipe, round((r.when - FIRST) / timedelta(days=1))) for r in reporter.reports]


def test_a_leak_is_reported_once_a_day_after_it_was_found_and_a_small_one_two() -> None:
    assert reported([leak_at(0, 1, 6.0, 5), leak_at(1, 7, 1.5, 5, sure=0.95)], 20) == [("b", 6), ("h", 7)]


def test_a_large_leak_that_is_clear_is_reported_the_evening_it_is_found() -> None:
    assert reported([leak_at(0, 1, 6.0, 5, evidence=20.0)], 20) == [("b", 5)]
    assert reported([leak_at(0, 1, 1.5, 5, sure=0.95, evidence=20.0)], 20) == [("b", 7)]


def test_a_report_is_worth_it_where_the_water_outweighs_a_false_alarm() -> None:
    # 0.80 EUR a m3, 60 days, 500 EUR a visit.
    assert gain(1.0, 5.0 * M3H) == pytest.approx(0.80 * 5.0 * 24 * 60)
    assert gain(0.0, 5.0 * M3H, 3.0) == pytest.approx(-1500.0)
    assert gain(0.75, 0.0, 1.0) == pytest.approx(-125.0)


def test_a_large_leak_is_named_before_its_place_is_sure_and_a_small_one_not() -> None:
    assert reported([leak_at(0, 1, 12.0, 5, sure=0.55)], 20) == [("b", 6)]
    assert reported([leak_at(0, 1, 3.0, 5, sure=0.55)], 20) == []


def test_a_small_leak_beside_one_that_was_named_is_taken_for_its_shadow_and_a_large_one_is_not() -> None:
    first = leak_at(0, 1, 6.0, 2)
    assert reported([first, leak_at(1, 2, 1.5, 9, sure=0.95)], 20) == [("b", 3)]
    assert reported([first, leak_at(1, 2, 3.2, 9)], 20) == [("b", 3), ("c", 10)]
    larger = leak_at(0, 1, 12.0, 2)
    assert reported([larger, leak_at(1, 2, 3.2, 9)], 20) == [("b", 3)]
    assert reported([leak_at(0, 1, 30.0, 2), leak_at(1, 2, 4.5, 9)], 20) == [("b", 3), ("c", 10)]


def test_where_the_first_was_repaired_a_small_leak_is_one_of_its_own() -> None:
    first = leak_at(0, 1, 6.0, 2)
    plant: Any = SimpleNamespace(layout=SimpleNamespace(distance=DISTANCE), pipe_ids=list("abcdefgh"))
    reporter = Reporter(plant, FIRST)
    for day in (4, 12):
        first.closed = None if day < 8 else 8
        reporter.look(tracked(day, [first, leak_at(1, 2, 1.5, 9, sure=0.95)]), FIRST + timedelta(days=day))
    assert [r.pipe for r in reporter.reports] == ["b", "c"]


def test_a_leak_that_turns_out_to_be_elsewhere_is_reported_again() -> None:
    leak = leak_at(0, 0, 6.0, 2, sure=1.0)
    plant: Any = SimpleNamespace(layout=SimpleNamespace(distance=DISTANCE), pipe_ids=list("abcdefgh"))
    reporter = Reporter(plant, FIRST)
    for day, pipe in ((4, 0), (5, 1), (6, 6)):
        leak.probability = np.eye(8)[pipe]
        reporter.look(tracked(day, [leak]), FIRST + timedelta(days=day))
    assert [r.pipe for r in reporter.reports] == ["a", "g"]


def test_a_leak_that_is_found_again_after_the_tracker_was_taken_back_is_not_reported_again() -> None:
    plant: Any = SimpleNamespace(layout=SimpleNamespace(distance=DISTANCE), pipe_ids=list("abcdefgh"))
    reporter = Reporter(plant, FIRST)
    reporter.look(tracked(8, [leak_at(3, 1, 6.0, 5)]), FIRST + timedelta(days=8))
    # A sensor turns out to have been faulty: the numbers and days of what is found without it are others.
    again = [leak_at(3, 6, 6.0, 7), leak_at(4, 2, 6.0, 9)]
    reporter.look(tracked(9, again[:1]), FIRST + timedelta(days=9))
    reporter.look(tracked(12, again), FIRST + timedelta(days=12))
    assert [r.pipe for r in reporter.reports] == ["b", "g"]


def test_a_pipe_is_named_once_in_a_week_whichever_of_two_leaks_it_is_named_for() -> None:
    assert reported([leak_at(0, 1, 6.0, 2), leak_at(1, 1, 9.0, 4)], 20) == [("b", 3)]
    assert reported([leak_at(0, 1, 6.0, 2), leak_at(1, 1, 9.0, 9)], 20) == [("b", 3), ("b", 10)]


def test_what_keeps_showing_at_a_pipe_every_other_day_is_not_reported_every_other_day() -> None:
    plant: Any = SimpleNamespace(layout=SimpleNamespace(distance=DISTANCE), pipe_ids=list("abcdefgh"))
    reporter = Reporter(plant, FIRST)
    leaks = [leak_at(k, 1, 6.0, 2 + 3 * k) for k in range(9)]
    for day in range(30):
        for leak in leaks:
            leak.closed = leak.found + 3 if day >= leak.found + 3 else None
        reporter.look(tracked(day, leaks), FIRST + timedelta(days=day))
    assert [r.pipe for r in reporter.reports] == ["b"]


def test_of_two_leaks_found_together_at_one_pipe_one_is_told_of_until_that_one_is_over() -> None:
    second = leak_at(1, 1, 9.0, 9)
    assert visited(second, 1, {0: 1}, {0: 6})
    assert not visited(second, 1, {0: 2}, {0: 6}), "another pipe"
    assert not visited(second, 1, {0: 1}, {0: 3}), "found a week after that was told of"
    assert not visited(second, 1, {0: 1}, {}), "that one is over"
    assert not visited(second, 1, {1: 1}, {1: 8}), "itself"


def test_what_begins_weeks_later_where_one_was_lost_is_another_leak() -> None:
    plant: Any = SimpleNamespace(layout=SimpleNamespace(distance=DISTANCE), pipe_ids=list("abcdefgh"))
    reporter = Reporter(plant, FIRST)
    reporter.look(tracked(8, [leak_at(0, 1, 6.0, 5)]), FIRST + timedelta(days=8))
    for day in range(9, 30):
        reporter.look(tracked(day, [leak_at(1, 1, 6.0, 25)]), FIRST + timedelta(days=day))
    assert [r.pipe for r in reporter.reports] == ["b", "b"]
