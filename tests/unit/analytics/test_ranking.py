"""Ranking pipes by pressures."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.ranking import nearest_sensors, pipe_probabilities, seasonal_residual, shrunk_covariance

rng = np.random.default_rng(0)
SIGNATURE = -rng.uniform(5, 60, (8, 40))  # m per m3/s: 8 sensors, 40 pipes
EVEN = np.ones(40)


def test_the_pipe_that_leaks_comes_first_and_probabilities_sum_to_one() -> None:
    c = 0.02**2 * np.eye(8)
    for true in range(40):
        r = SIGNATURE[:, true] * 0.005 + 0.01 * rng.standard_normal(8)
        p = pipe_probabilities(r, c, SIGNATURE, 0.005, 0.001, EVEN, model_error=0.05)
        assert p.sum() == pytest.approx(1)
        assert p[true] >= np.sort(p)[-3]


def test_probabilities_are_those_of_the_slow_way() -> None:
    """Integrated over the leak's size on a fine grid of sizes."""
    r = SIGNATURE[:, 7] * 0.004 + 0.02 * rng.standard_normal(8)
    a = rng.standard_normal((8, 8))
    c = 0.02**2 * (np.eye(8) + 0.3 * a @ a.T)
    q = np.linspace(-0.02, 0.03, 4001)
    inverse = np.linalg.inv(c)
    slow = np.empty(40)
    for k in range(40):
        e = r[:, None] - SIGNATURE[:, [k]] * q
        log = -0.5 * np.einsum("iq,ij,jq->q", e, inverse, e) - 0.5 * ((q - 0.005) / 0.002) ** 2
        slow[k] = np.exp(log).sum()
    found = pipe_probabilities(r, c, SIGNATURE, 0.005, 0.002, EVEN, model_error=0.0)
    assert found == pytest.approx(slow / slow.sum(), rel=1e-3, abs=1e-9)


def test_what_moves_all_pressures_together_does_not_choose_a_pipe() -> None:
    common = 0.5**2 * np.ones((8, 8)) + 0.02**2 * np.eye(8)
    r = SIGNATURE[:, 3] * 0.005
    before = pipe_probabilities(r, common, SIGNATURE, 0.005, 0.001, EVEN, model_error=0.0)
    after = pipe_probabilities(r - 0.6, common, SIGNATURE, 0.005, 0.001, EVEN, model_error=0.0)
    assert np.argmax(before) == np.argmax(after) == 3


def test_a_pipe_without_prior_is_excluded_and_without_sensors_the_prior_stays() -> None:
    prior = np.where(np.arange(40) == 3, 0.0, 1.0)
    r = SIGNATURE[:, 3] * 0.005
    p = pipe_probabilities(r, 0.02**2 * np.eye(8), SIGNATURE, 0.005, 0.001, prior)
    assert p[3] == 0
    nothing = pipe_probabilities(np.full(8, np.nan), np.eye(8), SIGNATURE, 0.005, 0.001, prior)
    assert nothing == pytest.approx(prior / 39)


def test_the_order_of_sensors_does_not_matter() -> None:
    r = SIGNATURE[:, 5] * 0.005 + 0.01 * rng.standard_normal(8)
    a = rng.standard_normal((8, 8))
    c = 0.02**2 * (np.eye(8) + a @ a.T)
    order = rng.permutation(8)
    p = pipe_probabilities(r, c, SIGNATURE, 0.005, 0.001, EVEN)
    turned = pipe_probabilities(r[order], c[np.ix_(order, order)], SIGNATURE[order], 0.005, 0.001, EVEN)
    assert turned == pytest.approx(p, rel=1e-6)


def test_a_silent_sensor_says_nothing() -> None:
    r = SIGNATURE[:, 5] * 0.005
    r[2] = np.nan
    p = pipe_probabilities(r, 0.02**2 * np.eye(8), SIGNATURE, 0.005, 0.001, EVEN, model_error=0.05)
    assert np.argmax(p) == 5


def test_residuals_are_against_the_same_hour_before_and_need_three_of_them() -> None:
    kind = np.tile([0, 1], 6)
    values = np.where(kind == 0, 10.0, 20.0)[:, None] + np.zeros((12, 1))
    values[10:] -= 3
    before = np.arange(12) < 10
    assert seasonal_residual(values, kind, before)[10:, 0].tolist() == [-3.0, -3.0]
    assert np.isnan(seasonal_residual(values, kind, np.arange(12) < 5)[kind == 1]).all()


def test_a_covariance_from_few_days_can_be_inverted_and_keeps_its_diagonal() -> None:
    x = rng.standard_normal((10, 20)) * 0.1
    c = shrunk_covariance(x, 0.02)
    assert np.linalg.eigvalsh(c).min() > 0.02**2 * 0.99
    one = shrunk_covariance(rng.standard_normal((5000, 2)) * 0.1, 0.0)
    assert np.sqrt(np.diag(one)) == pytest.approx([0.1, 0.1], rel=0.05)


def test_the_sensor_that_felt_most_for_its_noise_is_nearest() -> None:
    order, drops = nearest_sensors(np.array([-1.0, -0.5, np.nan]), np.diag([1.0, 0.01, 1.0]))
    assert order.tolist() == [1, 0, 2]
    assert drops[0] == pytest.approx(5.0)
