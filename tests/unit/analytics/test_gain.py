"""What a visit is worth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from analytics.gain import (
    DAY_S,
    expected_gain,
    grown_volume,
    least_found,
    mean_positive,
    run_time,
)


def test_a_leak_worked_by_hand() -> None:
    """10 m3/h that would run for 50 days in the mean, never counted beyond a year, repaired two days on.

    50 d (exp(-2/50) - exp(-365/50)) = 50 d (0.960789 - 0.000676) = 48.006 d; 10 * 24 * 48.006 = 11,521 m3;
    at 0.80 a m3 and a chance of 0.6: 5,530; less 500 a visit: 5,030.
    """
    assert run_time(2 * DAY_S) / DAY_S == pytest.approx(48.006, abs=1e-3)
    volume = grown_volume(10 / 3600, repaired_after_s=2 * DAY_S)
    assert volume == pytest.approx(11521, abs=1)
    assert expected_gain(0.6, volume, 0.8, 500) == pytest.approx(5030, abs=1)


@pytest.mark.parametrize("mean", [5 * DAY_S, 50 * DAY_S, np.inf])
@pytest.mark.parametrize("growth", [0.0, 1e-9])
def test_volumes_are_the_integral_they_stand_for(mean: float, growth: float) -> None:
    slow, _ = quad(lambda t: (0.002 + growth * t) * np.exp(-t / mean), 3 * DAY_S, 90 * DAY_S)
    assert grown_volume(0.002, growth, 3 * DAY_S, mean, 90 * DAY_S) == pytest.approx(slow, rel=1e-9)
    if growth == 0:
        assert 0.002 * run_time(3 * DAY_S, mean, 90 * DAY_S) == pytest.approx(slow, rel=1e-9)


def test_a_repair_after_the_horizon_saves_nothing() -> None:
    assert run_time(400 * DAY_S, 50 * DAY_S, 365 * DAY_S) == 0
    assert grown_volume(0.01, 1e-9, 400 * DAY_S, np.inf, 365 * DAY_S) == 0


def test_a_visit_pays_from_the_chance_on_at_which_its_gain_is_nought() -> None:
    volume = np.array([100.0, 5000.0, 0.0])
    needed = least_found(volume, 0.8, 500)
    assert needed.tolist() == [1.0, 0.125, 1.0]
    assert expected_gain(0.125, 5000, 0.8, 500) == pytest.approx(0)
    assert least_found(0.0, 0.0, 0.0) == 0  # without costs every leak is gone for


def test_a_flow_that_may_be_nought_is_counted_from_nought_on() -> None:
    q = np.linspace(-12, 14, 200_001)
    density = np.exp(-0.5 * (q - 1) ** 2 / 4) / np.sqrt(8 * np.pi)
    assert mean_positive(1.0, 2.0) == pytest.approx(np.trapezoid(np.maximum(q, 0) * density, q), rel=1e-6)
    assert mean_positive(5.0, 0.0) == 5
