"""Error propagation, volumes with gaps, indicators and the limits of the ILI."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analytics.losses.balance import metered_input, volume_of
from analytics.losses.economics import (
    Intervention,
    cost_a_day,
    economic_level,
    leak_volume,
    payback_days,
    rate_of_rise,
)
from analytics.losses.indicators import (
    ili_limits,
    infrastructure_leakage_index,
    nrw_share,
    per_connection,
)
from analytics.losses.uncertain import UNKNOWN, Uncertain, measured


def test_independent_errors_add_as_squares_and_one_error_only_once() -> None:
    a, b = measured(100.0, 0.03, "a"), measured(100.0, 0.04, "b")
    assert (a + b).half == pytest.approx(5.0)
    assert (a - b).half == pytest.approx(5.0)
    assert (a - a).half == 0.0
    assert (a + a).half == pytest.approx(6.0)
    assert (a * b).half == pytest.approx(500.0)
    assert (a / b).half == pytest.approx(0.05)
    assert (a / a).half == pytest.approx(0.0, abs=1e-15)
    assert not (a / 0.0).known
    assert (a.low, a.high) == (97.0, 103.0)


def test_error_propagation_agrees_with_drawing_at_random() -> None:
    draw = np.random.default_rng(1)
    one, two = 1000 * (1 + 0.02 / 1.96 * draw.standard_normal(200_000)), 700.0
    two = two * (1 + 0.01 / 1.96 * draw.standard_normal(200_000))
    share = (measured(1000.0, 0.02, "in") - measured(700.0, 0.01, "out")) / measured(1000.0, 0.02, "in")
    assert share.half == pytest.approx(1.96 * float(((one - two) / one).std()), rel=0.01)


def test_what_is_not_known_spreads() -> None:
    assert not (UNKNOWN + measured(1.0, 0.1, "a")).known
    assert math.isnan((UNKNOWN * 3.0).half)


def test_a_meter_between_two_dmas_is_no_error_of_their_sum() -> None:
    volume = np.array([1000.0, 400.0])
    upper = metered_input(volume, np.array([1.0, -1.0]), 0.02, ["main", "between"])
    lower = metered_input(volume, np.array([0.0, 1.0]), 0.02, ["main", "between"])
    assert (upper.value, lower.value) == (600.0, 400.0)
    assert upper.half == pytest.approx(math.hypot(20, 8))
    assert lower.half == pytest.approx(8)
    assert (upper + lower).half == pytest.approx(20)
    assert not metered_input(np.array([np.nan]), np.array([1.0]), 0.02, ["a"]).known
    assert not metered_input(np.array([5.0]), np.array([0.0]), 0.02, ["a"]).known


def course(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    noise = np.random.default_rng(seed)
    slot, day = np.tile(np.arange(24), n), np.repeat(np.arange(n), 24)
    level = 1 + 0.1 * noise.standard_normal(n)
    return (10 + 8 * np.sin(slot / 24 * 6.28))[:, None] * level[day][:, None], slot, day


def test_a_volume_without_gaps_is_the_sum() -> None:
    flow, slot, day = course(30)
    found = volume_of(flow, slot, day, 3600.0)
    assert found.volume[0] == pytest.approx(flow.sum() * 3600)
    assert (found.share[0], found.half[0]) == (1.0, 0.0)


def test_gaps_are_filled_by_the_hour_of_the_day_and_widen_the_limits() -> None:
    """Gaps at the hours of the peak would make the plain mean 40 % too low."""
    inside = 0
    for seed in range(60):
        flow, slot, day = course(30, seed)
        holes = flow.copy()
        holes[(day % 3 == 1) & (slot < 12)] = np.nan
        found = volume_of(holes, slot, day, 3600.0)
        truth = float(flow.sum() * 3600)
        assert found.share[0] == pytest.approx(5 / 6)
        inside += abs(found.volume[0] - truth) <= found.half[0]
    assert inside >= 54


def test_a_volume_of_which_half_is_missing_is_not_told() -> None:
    flow, slot, day = course(10)
    flow[day >= 4] = np.nan
    assert np.isnan(volume_of(flow, slot, day, 3600.0).volume[0])
    flow, slot, day = course(10)
    flow[slot == 7] = np.nan
    assert np.isnan(volume_of(flow, slot, day, 3600.0).volume[0])


def test_indicators() -> None:
    nrw, given = measured(300.0, 0.1, "x"), Uncertain(1000.0)
    assert nrw_share(nrw, given).value == pytest.approx(0.3)
    # 3,000 m3 of 500 connections in 30 days: 200 l a day; supplied for 12 h only, a leak of 400
    lost = Uncertain(3000.0)
    assert per_connection(lost, 500, 30).value == pytest.approx(200.0)
    assert per_connection(lost, 500, 30, 12.0).value == pytest.approx(400.0)
    assert not per_connection(lost, 0, 30).known
    uarl = 40.0 / 86400  # 40 m3/day
    assert infrastructure_leakage_index(lost, uarl, 30).value == pytest.approx(2.5)
    assert infrastructure_leakage_index(lost, uarl, 30, 12.0).value == pytest.approx(5.0)
    assert not infrastructure_leakage_index(lost, math.nan, 30).known


def test_the_ili_says_where_it_does_not_hold() -> None:
    assert ili_limits(50_000, 2_000, 40) == ()  # 2,000 + 20 x 50 = 3,000
    assert ili_limits(49_900, 2_000, 40) == ("small",)
    assert ili_limits(300_000, 5_000, 40) == ("sparse",)
    assert ili_limits(100_000, 9_000, 24.9) == ("low_pressure",)
    assert ili_limits(100_000, 9_000, 101) == ("high_pressure",)
    assert ili_limits(100_000, 9_000, 40, 12.0) == ("intermittent",)


def test_what_a_leak_costs() -> None:
    flow = 3.6 / 3600  # 3.6 m3/h
    assert cost_a_day(flow, 5500) == pytest.approx(3.6 * 24 * 5500)
    assert payback_days(4_752_000, flow, 5500) == pytest.approx(10.0)
    assert payback_days(1.0, 0.0, 5500) == math.inf
    assert leak_volume(flow, 48, 24, 12) == pytest.approx(3.6 * 84)
    assert economic_level(1000.0, 200.0, Intervention(12, 1, 5, 300.0)) == 1500.0


def test_the_rate_of_rise_is_found_beside_a_burst() -> None:
    noise = np.random.default_rng(2)
    day = np.arange(200)
    leakage = 50 + 12 * day / 365 + noise.standard_normal(200)
    leakage[80:100] += 60
    found = rate_of_rise(day, leakage)
    assert found.low < 12 < found.high
    assert found.rate == pytest.approx(12, abs=2)
    assert math.isnan(rate_of_rise(day[:40], leakage[:40]).rate)
