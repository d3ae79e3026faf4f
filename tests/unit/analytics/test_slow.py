"""What is small or grows: lowest hours of nights, means over days, and how far they must be out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t

from analytics.detector import Detector
from analytics.limits import CELLS, PARTS, deviation, heavy_limits, normal_limits, own_margin
from analytics.slow import BEFORE, excess_of, lowest


def test_the_lowest_hour_is_that_of_a_loop_and_needs_most_of_the_night() -> None:
    rng = np.random.default_rng(1)
    flow = rng.random((5, 20, 3))
    flow[2, :4, 1] = np.nan
    flow[3, :6, 2] = np.nan
    got = lowest(flow, 4)
    for d in range(5):
        for s in range(3):
            hours = [flow[d, i : i + 4, s].mean() for i in range(17)]
            want = np.nanmin(hours) if np.isfinite(flow[d, :, s]).sum() >= 15 else np.nan
            assert got[d, s] == pytest.approx(want, nan_ok=True)


def test_an_excess_is_that_over_the_weeks_before_it() -> None:
    values = np.full((BEFORE + 7, 1), 10.0)
    values[:7] = 12.5  # newest first
    excess, before = excess_of(values, (7, 14))
    assert excess[:, 0] == pytest.approx([2.5, 1.25])
    assert before[:, 0] == pytest.approx([10.0, 10.0])
    values[: BEFORE // 2 + 8] = np.nan
    assert np.isnan(excess_of(values, (7,))[0]).all()


def test_rare_is_further_out_where_tails_are_heavy_and_for_shorter_windows() -> None:
    seconds = 86400.0 * np.array([1.0, 7.0, 14.0])
    heavy = heavy_limits(seconds, 3.0)
    assert (np.diff(heavy) < 0).all() and (np.diff(normal_limits(seconds, 3.0)) < 0).all()
    assert (heavy_limits(seconds, 6.0) > heavy).all()
    # As often as asked for, by values of that tail measured as estimates are.
    x = t.rvs(4.0, size=(200_000, 1, 1), random_state=np.random.default_rng(2))
    beyond = (x / deviation(x)[0] > heavy[2]).mean()
    wanted = seconds[2] / (365.25 * 86400 * 3.0 * PARTS * 4)
    assert beyond == pytest.approx(wanted, rel=0.35)


def test_a_wild_area_gets_wider_limits_and_a_calm_one_those_of_normal_noise() -> None:
    rng = np.random.default_rng(3)
    peak = np.stack([0.5 * rng.random((CELLS, 5, 1)), 0.5 + rng.exponential(0.5, (CELLS, 5, 1))], axis=-1)
    margin = own_margin(peak, 3.0)
    assert margin.shape == (1, 2)
    assert margin[0, 0] == 1.0
    assert margin[0, 1] > 2.0
    assert (own_margin(peak[:0], 3.0) == 1.0).all()


def test_a_leak_too_small_for_its_hours_is_found_by_its_nights() -> None:
    """By day, demand differs by an eighth from one day to the next; nights are quiet."""
    rng = np.random.default_rng(4)
    days, areas = 110, 6
    hour = np.tile(np.arange(24), days)
    demand = np.where((hour >= 5) & (hour < 23), 9.0, 1.0)[:, None] * np.repeat(
        1 + 0.12 * rng.standard_normal((days, areas)), 24, axis=0
    )
    flow = 3.0 + np.maximum(demand, 0.2) + 0.05 * rng.standard_normal((24 * days, areas))
    flow[80 * 24 + 9 :, 2] += 1.0
    day = 738_000 + np.repeat(np.arange(days), 24)
    detector = Detector(areas, 3600)
    detector.advance(flow, day, hour, (day + 6) % 7)
    (event,) = (e for e in detector.events if e.area == 2)
    assert event.start == pytest.approx(80 * 24 + 9, abs=36)
    assert event.detected < 85 * 24
    assert len(detector.events) <= 2
