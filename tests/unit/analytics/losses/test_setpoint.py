"""What another pressure saves: worked by hand, and limits by drawing errors."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.losses.setpoint import fewer_breaks, leakage_day, saving

M3H = 1 / 3600
FLAT = np.full(24, 40.0)


def test_half_the_pressure_halves_leakage_where_n1_is_one() -> None:
    found = saving((10 * M3H,) * 3, 40.0, FLAT, FLAT / 2, (1.0, 1.0, 1.0))
    assert (found.now, found.then, found.saved) == pytest.approx((240.0, 120.0, 120.0))
    assert (found.low, found.high) == pytest.approx((120.0, 120.0))


def test_a_night_s_reduction_counts_for_its_hours_only() -> None:
    # 10 m3/h at 40 m: five hours at 10 m with N1 0.5 leak 5 m3/h instead of 10.
    night = np.r_[np.full(5, 10.0), np.full(19, 40.0)]
    found = saving((10 * M3H,) * 3, 40.0, FLAT, night, (0.5, 0.5, 0.5))
    assert found.saved == pytest.approx(25.0)


def test_background_leakage_follows_pressure_more_than_bursts() -> None:
    found = saving((10 * M3H,) * 3, 40.0, FLAT, np.full(24, 30.0), (1.0, 1.0, 1.0), 4 * M3H)
    assert found.background == pytest.approx(4 * 24 * (1 - 0.75**1.5))
    assert found.background + found.bursts == pytest.approx(found.saved) == pytest.approx(60.0)


def test_more_pressure_costs_water() -> None:
    found = saving((10 * M3H, 8 * M3H, 12 * M3H), 40.0, FLAT, np.full(24, 50.0), (1.0, 0.5, 1.5))
    assert found.saved == pytest.approx(-60.0)
    assert found.low < -60 < found.high < 0


def test_limits_are_those_of_leakage_and_exponent_drawn_apart() -> None:
    chance = np.random.default_rng(2)
    then = np.full(24, 30.0)
    found = saving((10 * M3H, 8 * M3H, 12 * M3H), 40.0, FLAT, then, (1.0, 0.6, 1.4))
    drawn = [
        leakage_day(q, 40.0, FLAT, n) - leakage_day(q, 40.0, then, n)
        for q, n in zip(
            (10 + 2 / 1.96 * chance.standard_normal(4000)) * M3H,
            1 + 0.4 / 1.96 * chance.standard_normal(4000),
            strict=True,
        )
    ]
    assert (found.low, found.high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=2.5)


def test_a_zone_without_water_leaks_nothing() -> None:
    assert leakage_day(10 * M3H, 40.0, np.full(24, -3.0), 0.5) == 0.0


def test_fewer_breaks_follow_the_highest_pressure() -> None:
    assert fewer_breaks(FLAT, FLAT * 0.9) == pytest.approx((0.07, 0.14, 0.28))
    assert fewer_breaks(FLAT, np.r_[np.full(5, 20.0), np.full(19, 40.0)]) == (0.0, 0.0, 0.0)
    assert fewer_breaks(FLAT, FLAT * 1.2) == (0.0, 0.0, 0.0)
