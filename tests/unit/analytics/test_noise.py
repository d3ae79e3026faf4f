"""Estimates of noise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

from analytics.noise import detrended, lag_one, robust_scale, scale_of_means


def ar1(n: int, phi: float, seed: int, columns: int = 1) -> np.ndarray:
    e = np.random.default_rng(seed).standard_normal((n, columns))
    return np.asarray(lfilter([1], [1, -phi], e, axis=0))


def test_scale_is_the_standard_deviation_and_outliers_hardly_move_it() -> None:
    x = np.random.default_rng(0).standard_normal((5000, 1)) * 3
    assert robust_scale(x)[0] == pytest.approx(3, rel=0.05)
    x[::50] = 100
    assert robust_scale(x)[0] == pytest.approx(3, rel=0.10)
    assert robust_scale(x, tail=True)[0] > 30


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_persistence_is_found_in_spite_of_gaps_and_spikes(phi: float) -> None:
    x = ar1(8000, phi, 1)
    x[::97] = np.nan
    x[::211] = 50
    assert lag_one(x)[0] == pytest.approx(phi, abs=0.1)


def test_means_of_white_noise_shrink_with_the_root_of_their_length() -> None:
    x = ar1(20000, 0.0, 2)[:, 0]
    assert scale_of_means(x, np.array([1, 4, 16])) == pytest.approx([1, 0.5, 0.25], rel=0.1)


def test_means_of_persistent_noise_do_not() -> None:
    x = ar1(20000, 0.9, 3)[:, 0] * np.sqrt(1 - 0.81)
    assert scale_of_means(x, np.array([1, 4]))[1] > 0.85


def test_where_the_past_is_too_short_the_spread_does_not_shrink_further() -> None:
    spread = scale_of_means(ar1(100, 0.0, 4)[:, 0], np.array([1, 10, 50, 90]))
    assert spread[2] == spread[3] == spread[1]


def test_a_step_is_no_noise() -> None:
    x = np.random.default_rng(5).standard_normal((56, 1))
    x[30:] += 20
    assert robust_scale(detrended(x))[0] < 1.6
