"""Cumulative sums and what they promise."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.cusum import accumulate, change_point, run_length, threshold


@pytest.mark.parametrize(("k", "h"), [(0.25, 8.01), (0.5, 4.77), (0.75, 3.34), (1.0, 2.52)])
def test_run_lengths_are_the_published_ones(k: float, h: float) -> None:
    """Hawkins (1993), in Montgomery, Introduction to Statistical Quality Control, table 9.4: these give 370
    steps to a false alarm of two sides, twice that of one."""
    assert run_length(k, h) == pytest.approx(740.0, rel=0.08)


@pytest.mark.parametrize("k", [0.5, 1.0])
def test_a_threshold_gives_the_false_alarms_it_was_asked_for(k: float) -> None:
    rng = np.random.default_rng(3)
    h = threshold(k, 500.0)
    state = np.zeros(2000)
    alarms = 0
    steps = 2000
    for _ in range(steps):
        state = accumulate(state, rng.standard_normal(2000), k)
        alarms += int((state > h).sum())
        state[state > h] = 0.0
    assert steps * 2000 / alarms == pytest.approx(500.0, rel=0.10)


def test_a_missing_value_changes_nothing() -> None:
    state = accumulate(np.array([1.0, 2.0]), np.array([np.nan, 1.0]), 0.5)
    assert state.tolist() == [1.0, 2.5]


@pytest.mark.parametrize("side", [1, -1])
def test_the_start_of_a_step_is_found(side: int) -> None:
    rng = np.random.default_rng(4)
    z = rng.standard_normal(200)
    z[150:] += 3 * side
    found = change_point(z, 0, side)
    assert abs(found.start - 150) <= 2
    assert not found.growing


def test_a_ramp_is_told_from_a_step() -> None:
    rng = np.random.default_rng(5)
    z = rng.standard_normal(400)
    z[200:] += np.arange(200) * 0.05
    found = change_point(z, 0, 1)
    assert found.growing
    assert abs(found.start - 200) <= 40


def test_gaps_do_not_move_the_start() -> None:
    rng = np.random.default_rng(6)
    z = rng.standard_normal(200)
    z[150:] += 4
    z[120:148] = np.nan
    assert abs(change_point(z, 0, 1).start - 150) <= 30
    assert change_point(z, 0, 1).start >= 119
