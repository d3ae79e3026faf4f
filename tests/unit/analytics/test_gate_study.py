"""What a gate learns, and when: most of it in the evening before, whatever the midnight then finds."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from analytics.gate.fault import Fault, FaultKind
from analytics.gate.gate import Gate
from analytics.gate.layout import INLET, PRESSURE, Layout
from analytics.gate.learnt import Learning, Learnt
from analytics.gate.study import Study

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PER_DAY = 96
DUE = 29 * PER_DAY
"""Learning is due after 7, 9, 11, 13, 15, 22, 29 days; from 21 on the newest week is left out of it."""


def district() -> Layout:
    what = np.array([INLET] + [PRESSURE] * 4)
    nothing = np.full(5, np.nan)
    least = np.where(what == PRESSURE, 0.3, np.nan)
    sign = (what == INLET).astype(np.float64)[:, None]
    return Layout(what, np.zeros(5, int), np.ones((1, 5), bool), sign, nothing, nothing, least, np.arange(5))


def readings(rows: int) -> Floats:
    rng = np.random.default_rng(7)
    hour = np.arange(rows) % PER_DAY / 4
    demand = 0.006 * (1 + 0.6 * np.sin((hour - 9) / 12 * np.pi)) * np.exp(0.05 * rng.standard_normal(rows))
    heads = [45 - k * (demand / 0.006) ** 1.852 + 0.03 * rng.standard_normal(rows) for k in (0.1, 5, 4, 3)]
    return np.round(np.column_stack([demand, *heads]), 5)


def gate_after(rows: int, *, day: Ints | None = None, piece: int = PER_DAY) -> Gate:
    gate, values = Gate(district(), 900), readings(rows)
    row = np.arange(rows)
    day = row // PER_DAY if day is None else day
    for a in range(0, rows, piece):
        part = slice(a, a + piece)
        gate.advance(values[part], np.zeros(values[part].shape, bool), day[part], row[part] % PER_DAY)
    return gate


def same(a: Learnt | None, b: Learnt | None) -> bool:
    """Bit for bit."""
    assert a is not None and b is not None
    flat = [
        (*x.relation[1:], *x.course, *x[2:], *(p for g in x.relation.groups if g is not None for p in g))
        for x in (a, b)
    ]
    return all(np.array_equal(p, q, equal_nan=True) for p, q in zip(*flat, strict=True))


def learnt_without_ahead(rows: int, day: Ints | None = None) -> Learnt | None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Study, "ahead", lambda self, rows: None)
        return gate_after(rows, day=day).learnt


@pytest.mark.parametrize("piece", [1, 5, PER_DAY, DUE + 1])
def test_what_is_learnt_in_the_evening_is_what_midnight_would_learn(piece: int) -> None:
    gate = gate_after(DUE + 1, piece=piece)
    assert gate.state.learnt_at == DUE
    assert same(gate.learnt, learnt_without_ahead(DUE + 1))


def midnight_learns_nothing(gate: Gate, values: Floats) -> None:
    """Takes the row after midnight."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Learning, "piece", lambda self: pytest.fail("there was something left to learn"))
        gate.advance(values[DUE:], np.zeros((1, 5), bool), np.array([29]), np.array([0]))
    assert gate.state.learnt_at == DUE


def test_midnight_itself_has_nothing_left_to_learn() -> None:
    midnight_learns_nothing(gate_after(DUE), readings(DUE + 1))


def test_what_midnight_finds_out_about_the_past_is_learnt_anew() -> None:
    gate = gate_after(DUE)
    unaware = gate_after(DUE)
    gate.faults.append(Fault(2, FaultKind.OFFSET, 10 * PER_DAY, DUE, 1.0))
    study = gate.study
    anew = study.learn(DUE)
    assert same(anew, study.learn(DUE))  # of which nothing was ahead
    assert not same(anew, unaware.study.learn(DUE))


def test_a_day_of_another_length_is_learnt_at_its_own_midnight() -> None:
    longer = np.maximum(np.arange(DUE + 5) - 4, 0) // PER_DAY  # its first day has 25 hours
    gate = gate_after(DUE + 5, day=longer)
    assert gate.state.learnt_at == DUE + 4
    assert same(gate.learnt, learnt_without_ahead(DUE + 5, longer))


def test_another_evening_is_learnt_of_after_going_back() -> None:
    gate, values, row = gate_after(DUE), readings(DUE + 1), np.arange(DUE)
    at = gate.rewind(DUE - 12 * PER_DAY)
    values[at:, 1] += 0.01
    gate.advance(values[at:DUE], np.zeros((DUE - at, 5), bool), row[at:] // PER_DAY, row[at:] % PER_DAY)
    midnight_learns_nothing(gate, values)
