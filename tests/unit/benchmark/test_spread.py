"""Benchmarks come to the same whoever does their pieces."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from twuin.benchmark import faults, scale
from twuin.benchmark.faults import FaultsResult, Score
from twuin.benchmark.spread import works


def elsewhere(name: str, work: Callable[[Any], Any], orders: Sequence[Any]) -> Iterator[tuple[int, Any]]:
    """As workers do it: known by name, in another sequence, through bytes."""
    for k, order in reversed(list(enumerate(orders))):
        yield k, pickle.loads(pickle.dumps(works()[name](pickle.loads(pickle.dumps(order)))))


def test_a_cycle_in_parts_finds_the_same_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale, "PART", 4)
    monkeypatch.setattr(scale, "DAYS", 14)
    here, there = scale.run((10,)), scale.run((10,), each=elsewhere)
    assert here.cycles[0].digest == there.cycles[0].digest
    assert there.cycles[0].readings == here.cycles[0].readings


def one(seed: int) -> tuple[FaultsResult, list[float]]:
    score = Score(seed, 1, 1, [float(seed)], 0, 1, Counter({"stuck": seed}))
    result = FaultsResult((seed,), {"stuck": score}, {"stuck": (1, seed)}, 1, 0.5, 2, 1, 1, 0, 1, 0.0, 3)
    result.detail.append(f"{seed} missed")
    return result, [seed / 10]


def test_runs_are_counted_together_in_the_order_of_their_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "work", one)
    here, there = faults.run((3, 1, 2)), faults.run((3, 1, 2), each=elsewhere)
    assert here == there
    assert here.detail == ["3 missed", "1 missed", "2 missed"]
    assert here.scores["stuck"] == Score(6, 3, 3, [3.0, 1.0, 2.0], 0, 3, Counter({"stuck": 6}))
    assert here.precision == {"stuck": (3, 6)}
    assert here.cuts_marked == pytest.approx(0.2)
    assert (here.false_findings, here.sensor_years, here.leaks, here.ungated_alarms) == (3, 1.5, 6, 9)
