"""Night flow of supplied hours, its parts, and N1."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.losses.favad import leakage_exponent, pressure_steps
from analytics.losses.mnf import legitimate_night_use, night_parts, settled, supplied, supplied_night_flow
from analytics.losses.ndf import daily_profile, lowest_night_slot, pressure_of_hour
from analytics.night import night_flow

STEP = 900.0


def days(n: int) -> tuple[np.ndarray, np.ndarray]:
    return np.repeat(np.arange(n), 96), np.tile(np.arange(96) / 4, n)


def test_no_water_is_no_low_night_flow() -> None:
    day, hour = days(2)
    inflow = np.where(hour < 6, 5.0, 20.0)[:, None]
    cut = (day == 1) & (hour < 3)
    inflow[cut] = 0.0
    pressure = np.where(cut, 0.3, 30.0)[:, None]
    assert night_flow(inflow, day, hour, STEP).lowest[1, 0] == 0.0
    for seen in (pressure, np.full_like(pressure, np.nan)):  # by pressure, or by inflow alone
        on = supplied(inflow, seen, np.array([15.0]), STEP)
        assert on[~cut].all() and not on[cut].any()
        found = supplied_night_flow(inflow, settled(on, STEP), day, hour, STEP, (0.0, 5.0))
        assert found.lowest[:, 0].tolist() == [5.0, 5.0]


def test_the_hour_in_which_pipes_fill_is_no_night_flow() -> None:
    day, hour = days(1)
    inflow = np.full((96, 1), 12.0)
    cut = hour < 2
    inflow[cut] = 0.0
    inflow[(hour >= 2) & (hour < 3)] = 1.0  # the meter has yet to see the water
    on = supplied(inflow, np.full((96, 1), np.nan), np.array([12.0]), STEP)
    found = supplied_night_flow(inflow, settled(on, STEP), day, hour, STEP, (0.0, 5.0))
    assert found.lowest[0, 0] == 12.0


def test_a_night_without_a_supplied_hour_has_no_night_flow() -> None:
    day, hour = days(1)
    inflow = np.where(hour < 5, 0.0, 12.0)[:, None]
    on = supplied(inflow, np.full((96, 1), np.nan), np.array([12.0]), STEP)
    assert np.isnan(supplied_night_flow(inflow, on, day, hour, STEP, (0.0, 5.0)).lowest[0, 0])


def test_a_short_hiccup_of_the_meter_is_no_cut() -> None:
    inflow = np.full((20, 1), 10.0)
    inflow[5:7] = 0.0
    assert supplied(inflow, np.full((20, 1), np.nan), np.array([10.0]), STEP).all()


def test_missing_readings_are_missing_and_not_dry() -> None:
    nothing = np.full((8, 1), np.nan)
    assert supplied(nothing, nothing, np.array([np.nan]), STEP).all()


def test_parts_of_the_night_flow_add_up_and_none_is_negative() -> None:
    flow = np.array([10.0, 3.0, 1.0, 10.0, np.nan])
    used = np.array([2.0, 2.0, 2.0, 2.0, 2.0])
    quiet = np.array([3.0, 3.0, 3.0, np.nan, 3.0])
    p = night_parts(flow, used, quiet)
    assert p.burst[:3].tolist() == [5.0, 0.0, 0.0]
    assert p.background[:3].tolist() == [3.0, 1.0, 0.0]
    assert p.legitimate[:3].tolist() == [2.0, 2.0, 1.0]
    assert p.leakage[3] == 8.0  # known without mains and pressure
    assert np.isnan(p.burst[3]) and np.isnan(p.background[3])
    assert np.isnan(p.leakage[4])


def test_exceptional_users_add_to_the_connections() -> None:
    found = legitimate_night_use(np.array([600.0]), np.array([1.7e-3 / 3600]), np.array([2.0 / 3600]))
    assert found[0] * 3600 == pytest.approx(3.02)  # 600 x 1.7 l/h + 2 m3/h


def test_the_hour_of_the_night_flow_is_found_and_its_pressure() -> None:
    _, hour = days(4)
    slot = np.tile(np.arange(96), 4)
    inflow = np.where((hour >= 2.5) & (hour < 3.5), 3.0, 9.0)[:, None]
    pressure = (20.0 + hour)[:, None]
    start = lowest_night_slot(daily_profile(inflow, slot, 96), (0.0, 5.0))
    assert start.tolist() == [10]
    assert pressure_of_hour(daily_profile(pressure, slot, 96), start)[0] == pytest.approx(20 + 2.875)
    unknown = lowest_night_slot(np.full((96, 1), np.nan), (0.0, 5.0))
    assert unknown.tolist() == [-1]
    assert np.isnan(pressure_of_hour(np.ones((96, 1)), unknown)[0])


def test_a_mean_of_too_few_days_is_not_known() -> None:
    values = np.array([[1.0], [np.nan], [3.0], [np.nan]])
    slot = np.array([0, 1, 0, 1])
    assert daily_profile(values, slot, 2, least=2)[0, 0] == 2.0
    assert np.isnan(daily_profile(values, slot, 2, least=2)[1, 0])


def noisy_steps(n1: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    noise = np.random.default_rng(seed)
    pressure = np.repeat([45.0, 38.0, 45.0], 14) + 0.2 * noise.standard_normal(42)
    leakage = 0.004 * (pressure / 45) ** n1 * np.exp(0.03 * noise.standard_normal(42))
    return leakage, pressure


def test_n1_is_found_with_an_interval_that_holds_it() -> None:
    hits = 0
    for seed in range(100):
        leakage, pressure = noisy_steps(1.2, seed)
        found = leakage_exponent(leakage, pressure, pressure_steps(pressure))
        assert found.steps == 2 and found.reason == ""
        hits += found.low <= 1.2 <= found.high
    assert 90 <= hits <= 99  # of a 95 % interval


def test_steady_pressure_gives_no_n1_and_says_so() -> None:
    pressure = 40 + 0.3 * np.random.default_rng(1).standard_normal(60)
    found = leakage_exponent(np.full(60, 0.01), pressure, pressure_steps(pressure))
    assert np.isnan(found.n1) and found.reason == "no_step"


def test_a_burst_that_lowers_the_pressure_is_no_test_of_n1() -> None:
    noise = np.random.default_rng(3)
    pressure = np.r_[np.full(14, 40.0), np.full(14, 33.0)] + 0.2 * noise.standard_normal(28)
    leakage = np.r_[np.full(14, 0.004), np.full(14, 0.012)] * np.exp(0.03 * noise.standard_normal(28))
    found = leakage_exponent(leakage, pressure, pressure_steps(pressure))
    assert np.isnan(found.n1) and found.reason == "opposite"


def test_no_leakage_beside_night_use_gives_no_n1() -> None:
    _, pressure = noisy_steps(1.0, 0)
    assert leakage_exponent(np.full(42, -0.001), pressure, pressure_steps(pressure)).reason == "no_leakage"


def test_an_n1_beyond_all_that_was_measured_is_marked() -> None:
    leakage, pressure = noisy_steps(5.0, 4)
    assert leakage_exponent(leakage, pressure, pressure_steps(pressure)).reason == "implausible"


def test_a_pressure_step_is_known_three_nights_after_and_not_before() -> None:
    pressure = np.r_[np.full(10, 40.0), np.full(10, 35.0)]
    (step,) = pressure_steps(pressure)
    assert (step.night, step.detected, step.before, step.after) == (10, 12, 40.0, 35.0)
    assert pressure_steps(pressure[:12]) == []
    assert len(pressure_steps(pressure[:13])) == 1
