"""Twuin's detector under trials, and the cost of a cycle."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.detector import Detector
from analytics.options import Options
from twuin.benchmark import own
from twuin.benchmark.inflow import Inflow
from twuin.benchmark.scale import check_sensors, run
from twuin.benchmark.trials import HORIZON_D, Trials
from waterworks.localtime import LocalTime


def made(days: int) -> Inflow:
    rng = np.random.default_rng(2)
    day = 738_000 + np.repeat(np.arange(days), 24)
    hour = np.tile(np.arange(24.0), days)
    flow = (2 + np.sin((hour - 9) / 24 * 2 * np.pi))[:, None] * (
        1 + 0.05 * rng.standard_normal((days * 24, 2))
    )
    local = LocalTime(day, hour, hour.astype(np.int64), (day + 6) % 7)
    return Inflow(("A", "B"), flow, local, 3600)


def test_a_branch_goes_on_as_the_detector_itself_would() -> None:
    inflow = made(60)
    inflow.flow[50 * 24 + 7 :, 1] += 0.6
    local = inflow.local

    def advance(d: Detector, a: int, b: int, flow: np.ndarray) -> None:
        d.advance(flow, local.day[a:b], local.slot[a:b], local.weekday[a:b])

    whole = Detector(2, 3600)
    advance(whole, 0, 60 * 24, inflow.flow)
    begun = Detector(2, 3600)
    advance(begun, 0, 49 * 24, inflow.flow[: 49 * 24])
    branch = begun.branch(np.array([1, 0]))
    advance(branch, 49 * 24, 60 * 24, inflow.flow[49 * 24 :][:, [0, 1, 1, 0]])
    for column, area in enumerate((0, 1, 1, 0)):
        assert np.array_equal(branch.statistic[:, column], whole.statistic[:, area], equal_nan=True)
        assert [(e.start, e.detected) for e in branch.events if e.area == column] == [
            (e.start, e.detected) for e in whole.events if e.area == area
        ]
    assert begun.rows == 49 * 24


def test_a_burst_is_found_and_no_burst_is_not() -> None:
    inflow = made(110)
    trials = Trials(
        np.array([0, 1]), np.array([70 * 24 + 5.0] * 2), np.array([0.3, 0.0]), np.array([False, False])
    )
    delay = own.delays(inflow, Options().years, trials)
    assert delay[0] <= 12
    assert delay[1] == np.inf
    assert len(own.quiet(inflow, Options().years).hours) == 0


def test_taking_out_what_has_been_found_changes_no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    inflow = made(90)
    size = np.array([0.3, 0.1, 0.2, 0.05])
    trials = Trials(np.array([0, 0, 1, 1]), 50 * 24 + np.array([5.0, 7.0, 12.0, 20.0]), size, size < 0.15)
    delay = own.delays(inflow, 3.0, trials)
    monkeypatch.setattr(own, "LOOK_D", (HORIZON_D + 2,))
    all_along = own.delays(inflow, 3.0, trials)
    assert delay.tolist() == all_along.tolist()
    assert np.isfinite(delay).sum() >= 2


def test_sensors_that_are_stuck_or_gone_are_not_believed() -> None:
    rng = np.random.default_rng(3)
    values = (20 + rng.standard_normal((20 * 288, 5))).astype(np.float32)
    values[-200:, 1] = 20.0
    values[-2000:, 2] = np.nan
    values[-100, 3] = 90.0
    values[-5, 4] = -40.0
    assert check_sensors(values).tolist() == [True, False, False, False, False]


def test_scale_says_what_each_size_took() -> None:
    result = run([2, 4])
    assert [c.dmas for c in result.cycles] == [2, 4]
    assert result.as_json()["cycles"][1]["readings"] == 4 * 10 * 60 * 288
    assert all(c.total_s > 0 for c in result.cycles)
