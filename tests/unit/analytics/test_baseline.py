"""What a district's past leads one to expect."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.baseline import day_class, fit_day, left_out_residuals, profile, slot_scale

WEEKS = 6
WEEKDAY = np.tile(np.arange(7), WEEKS)
HOURS = np.arange(24)


def past(seed: int = 0) -> np.ndarray:
    """(42, 24, 1): workdays 10 with a peak at 7, Fridays also at 13, weekends flat 12."""
    out = np.full((7 * WEEKS, 24, 1), 10.0)
    out[WEEKDAY < 5, 7] = 20
    out[WEEKDAY == 4, 13] = 16
    out[WEEKDAY >= 5] = 12
    return out + 0.1 * np.random.default_rng(seed).standard_normal(out.shape)


def test_classes_of_days() -> None:
    assert day_class(np.arange(7)).tolist() == [0, 0, 0, 0, 0, 1, 2]


def test_each_kind_of_day_has_its_own_course() -> None:
    assert profile(past(), WEEKDAY, 1, 1)[7, 0] == pytest.approx(20, rel=0.02)
    assert profile(past(), WEEKDAY, 6, 1)[7, 0] == pytest.approx(12, rel=0.05)
    friday, monday = profile(past(), WEEKDAY, 4, 1)[13, 0], profile(past(), WEEKDAY, 0, 1)[13, 0]
    assert friday > monday + 1


def test_wild_days_do_not_enter() -> None:
    days = past()
    days[[3, 10, 23]] = 500.0
    assert profile(days, WEEKDAY, 1, 1)[7, 0] == pytest.approx(20, rel=0.03)


def test_with_one_day_of_a_kind_all_days_help_out() -> None:
    few = past()[:6]
    found = profile(few, WEEKDAY[:6], 5, 1)[7, 0]  # the only Saturday says 12, all days 20
    assert 12 < found < 20


def test_noise_of_first_days_is_measured_on_days_left_out() -> None:
    x = np.random.default_rng(1).standard_normal((7, 200, 1))
    assert left_out_residuals(x).std() > 1.05


def test_a_day_splits_into_more_demand_and_a_leak() -> None:
    course = (10 + 5 * np.sin(HOURS / 24 * 2 * np.pi))[:, None]
    scale = np.full((24, 1), 0.2)
    fit = fit_day(0.03 * course + 0.3, course, scale, np.ones(1))
    assert fit.offset[0] == pytest.approx(0.3, abs=0.02)
    assert fit.share[0] == pytest.approx(0.03, abs=0.002)
    leak = fit_day(np.full((24, 1), 0.7), course, scale, np.ones(1))
    assert leak.share[0] == pytest.approx(0.0, abs=0.003)
    assert leak.offset[0] == pytest.approx(0.7, abs=0.04)


def test_a_day_with_too_many_gaps_says_nothing() -> None:
    course = np.full((24, 1), 10.0)
    residual = np.zeros((24, 1))
    residual[:7] = np.nan
    assert np.isnan(fit_day(residual, course, np.ones((24, 1)), np.ones(1)).offset[0])


def test_steep_hours_and_hours_that_differ_on_days_off_are_judged_less_strictly() -> None:
    residual = 0.1 * np.random.default_rng(2).standard_normal((40, 24, 1))
    course = profile(past(), WEEKDAY, 1, 1)
    flat = np.full((24, 1), 10.0)
    scale = slot_scale(residual, course, flat, 1)
    assert scale[6, 0] > 10 * scale[16, 0]
    assert np.isfinite(slot_scale(residual, course, np.full((24, 1), np.nan), 1)).all()
