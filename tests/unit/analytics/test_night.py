"""Minimum night flow."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.night import excess, legitimate_use, night_flow, sustained_excess, usual_night_flow


def days(n: int, step_s: int = 900) -> tuple[np.ndarray, np.ndarray]:
    per_day = 86400 // step_s
    return np.repeat(np.arange(n), per_day), np.tile(np.arange(per_day) * step_s / 3600, n)


def test_the_lowest_rolling_hour_lies_between_midnight_and_five() -> None:
    day, hour = days(1)
    flow = np.full(96, 10.0)
    flow[10:14] = [4, 3, 3, 4]  # 02:30 to 03:30, not an hour of the clock
    flow[40:44] = 0.0  # by day: no matter
    assert night_flow(flow[:, None], day, hour, 900).lowest[0, 0] == pytest.approx(3.5)


def test_an_hour_with_a_missing_step_is_no_hour() -> None:
    day, hour = days(1)
    flow = np.full(96, 10.0)
    flow[8] = 1.0
    flow[9] = np.nan
    assert night_flow(flow[:, None], day, hour, 900).lowest[0, 0] == pytest.approx(7.75)  # 01:15 to 02:15


def test_a_night_of_which_less_than_three_quarters_were_measured_does_not_count() -> None:
    day, hour = days(2)
    flow = np.full(192, 10.0)
    flow[5:11] = np.nan  # 6 of 20
    flow[96 + 5 : 96 + 10] = np.nan  # 5 of 20
    lowest = night_flow(flow[:, None], day, hour, 900).lowest[:, 0]
    assert np.isnan(lowest[0])
    assert lowest[1] == 10.0


def test_a_night_that_a_clock_change_shortens_or_lengthens_counts() -> None:
    """Spring takes an hour out of the night, autumn repeats one: 4 and 6 hours instead of 5."""
    day, hour = days(2)
    spring = ~((day == 0) & (hour >= 2) & (hour < 3))
    flow = np.full(len(day), 5.0)
    found = night_flow(flow[spring, None], day[spring], hour[spring], 900)
    assert found.lowest[:, 0].tolist() == [5.0, 5.0]
    again = np.flatnonzero((day == 1) & (hour >= 2) & (hour < 3))
    order = np.sort(np.concatenate([np.arange(len(day)), again]))
    found = night_flow(flow[order, None], day[order], hour[order], 900)
    assert found.lowest[:, 0].tolist() == [5.0, 5.0]


def test_a_window_over_midnight_counts_to_the_day_it_ends_on() -> None:
    day, hour = days(3)
    flow = np.where((day == 0) & (hour >= 23), 2.0, 9.0)
    found = night_flow(flow[:, None], day, hour, 900, (22.0, 4.0))
    by_night = dict(zip(found.night.tolist(), found.lowest[:, 0].tolist(), strict=True))
    assert by_night[1] == pytest.approx(2.0)
    assert by_night[2] == pytest.approx(9.0)


def test_steps_of_an_hour_and_longer_count_as_they_are() -> None:
    day, hour = days(1, 3600)
    flow = np.arange(24.0) + 3
    assert night_flow(flow[:, None], day, hour, 3600).lowest[0, 0] == 3.0


def test_the_usual_night_is_the_20th_percentile_of_seven_nights_and_needs_three() -> None:
    lowest = np.array([10.0, 20, 30, 40, 50, 60, 70, 80])[:, None]
    usual = usual_night_flow(np.arange(8), lowest)[:, 0]
    assert np.isnan(usual[:2]).all()
    assert usual[2] == pytest.approx(14.0)
    assert usual[6] == pytest.approx(22.0)  # 10 .. 70: 10 + 0.2 * 6 * 10
    assert usual[7] == pytest.approx(32.0)


def test_a_week_counts_days_not_entries() -> None:
    nights = np.array([0, 1, 2, 20, 21, 22])
    usual = usual_night_flow(nights, np.array([1.0, 1, 1, 9, 9, 9])[:, None])[:, 0]
    assert usual[5] == 9.0
    assert np.isnan(usual[3])


def test_legitimate_use_and_excess() -> None:
    use = legitimate_use(np.array([1000.0]), np.array([1.7e-3 / 3600]))
    assert use * 3600 == pytest.approx(1.7)  # 1.7 l/h for each of 1000 connections
    assert excess(np.array([2.0, 0.5, np.nan]), np.array(1.0)).tolist()[:2] == [1.0, 0.0]


def test_sustained_excess_begins_after_three_high_nights_and_ends_after_three_usual_ones() -> None:
    rng = np.random.default_rng(0)
    usual = 5 + 0.05 * rng.standard_normal(90)
    usual[50:70] += 2
    (found,) = sustained_excess(usual, np.zeros(90), legitimate=1.0)
    assert (found.start, found.detected, found.end) == (50, 52, 70)


def test_no_excess_where_customers_explain_it_or_a_known_leak_does() -> None:
    usual = np.full(90, 5.0)
    usual[50:70] += 2
    assert sustained_excess(usual, np.zeros(90), legitimate=8.0) == []
    known = np.where((np.arange(90) >= 50) & (np.arange(90) < 70), 2.0, 0.0)
    assert sustained_excess(usual, known, legitimate=1.0) == []
