"""Net inflow from meters and tanks."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.inflow import net_inflow, storage_rate
from analytics.resample import last_in_steps, to_rows


def test_positive_flow_enters_one_area_and_leaves_the_other() -> None:
    meters = np.array([[10.0, 3.0]])
    sign = np.array([[1.0, 0.0], [-1.0, 1.0]])
    found = net_inflow(meters, sign, np.empty((1, 0)), np.empty((0, 2)))
    assert found.tolist() == [[7.0, 3.0]]


def test_water_put_into_store_is_not_used_and_water_taken_from_it_is() -> None:
    found = net_inflow(
        np.array([[10.0], [10.0]]), np.array([[1.0]]), np.array([[4.0], [-4.0]]), np.array([[-1.0]])
    )
    assert found[:, 0].tolist() == [6.0, 14.0]


def test_an_area_is_unknown_if_one_of_its_own_meters_is_and_only_then() -> None:
    meters = np.array([[np.nan, 3.0], [10.0, np.nan]])
    sign = np.array([[1.0, 0.0], [-1.0, 1.0]])
    found = net_inflow(meters, sign, np.empty((2, 0)), np.empty((0, 2)))
    assert np.isnan(found).tolist() == [[True, False], [True, True]]


def test_an_area_without_a_meter_is_unknown() -> None:
    found = net_inflow(np.array([[1.0]]), np.array([[1.0, 0.0]]), np.empty((1, 0)), np.empty((0, 2)))
    assert np.isnan(found[0, 1])


def test_a_tank_fills_by_area_times_the_rise_between_its_readings() -> None:
    level = np.array([[1.0], [1.1], [np.nan], [1.3], [1.2]])
    when = np.array([[600.0], [1500.0], [np.nan], [3300.0], [4200.0]])
    rate = storage_rate(level, when, np.array([90.0]), 900.0)
    assert np.isnan(rate[[0, 2, 3], 0]).all()
    assert rate[1, 0] == pytest.approx(0.1 * 90 / 900)
    assert rate[4, 0] == pytest.approx(-0.1 * 90 / 900)


def test_rounding_of_a_level_does_not_accumulate() -> None:
    true = 2 + np.cumsum(np.full(2000, 0.0031))
    level = np.round(true, 2)[:, None]
    when = (np.arange(2000) * 900.0)[:, None]
    filled = np.nansum(storage_rate(level, when, np.array([100.0]), 900.0)) * 900
    assert filled == pytest.approx(100 * (true[-1] - true[0]), abs=1.0)


def test_rows_that_are_not_there_are_nan() -> None:
    out = to_rows(np.array([3, 5]), np.array([[1.0], [2.0]]), 2, 4)
    assert np.array_equal(out[:, 0], [np.nan, 1.0, np.nan, 2.0], equal_nan=True)


def test_the_last_reading_of_a_step_counts_with_its_time() -> None:
    step = 900_000_000
    time = np.array([0, 300_000_000, 600_000_000, step + 1], np.int64)
    values = np.array([[1.0, 5.0], [2.0, np.nan], [np.nan, np.nan], [4.0, np.nan]])
    last, when = last_in_steps(time, values, step, 0, 3)
    assert np.array_equal(last, [[2.0, 5.0], [4.0, np.nan], [np.nan, np.nan]], equal_nan=True)
    assert when[0].tolist() == [300.0, 0.0]
