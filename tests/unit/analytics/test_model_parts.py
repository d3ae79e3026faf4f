"""The parts of the tracker by themselves: demands, evidence, beliefs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.linalg import LinAlgError
from scipy.stats import multivariate_normal, norm

from analytics.model.belief import MODES, WIDTH, Belief, innovation, updated
from analytics.model.demand import allocate
from analytics.model.evidence import Window, astray, bayes_factors, place
from analytics.model.layout import Hours, Layout
from analytics.model.leak import Leak
from analytics.model.options import M3H
from analytics.model.positive import factor


def layout(nodes: int, zone: list[int], meters: list[int], imposed: list[int] | None = None) -> Layout:
    return Layout(
        start=np.arange(nodes - 1),
        end=np.arange(1, nodes),
        pipes=np.arange(nodes - 1),
        length=np.full(nodes - 1, 50.0),
        group=np.zeros(nodes - 1, np.int64),
        distance=np.zeros((nodes - 1, nodes - 1)),
        fixed=np.array([z < 0 for z in zone]),
        zone=np.array(zone),
        zones=max(zone) + 1,
        sensors=np.array([1]),
        meters=np.array(meters, np.int64),
        imposed=np.array(imposed or [], np.int64),
    )


def hours(
    nominal: list[float],
    inflow: list[float],
    metered: list[float] | None = None,
    imposed: list[float] | None = None,
) -> Hours:
    one = np.zeros((1, 1))
    return Hours(
        np.zeros(1, np.int64),
        one,
        one,
        np.array([inflow]),
        np.array([metered or []]).reshape(1, -1),
        np.array([imposed or []]).reshape(1, -1),
        one,
        np.array([nominal], np.float64),
        0,
    )


def test_unmetered_junctions_share_what_flowed_in_as_the_model_would() -> None:
    got = allocate(layout(4, [-1, 0, 0, 0], []), hours([0, 1, 2, 1], [8.0]), np.zeros(4))
    np.testing.assert_allclose(got.demand[0], [0, 2, 4, 2])
    np.testing.assert_allclose(got.share[0], [0, 0.25, 0.5, 0.25])


def test_a_leak_is_taken_off_before_the_rest_is_shared() -> None:
    leak = np.array([0.0, 0, 0, 3])
    got = allocate(layout(4, [-1, 0, 0, 0], []), hours([0, 1, 2, 1], [11.0]), leak)
    np.testing.assert_allclose(got.demand[0], [0, 2, 4, 5])
    np.testing.assert_allclose(got.unmetered[0], [11.0])


def test_a_zone_that_is_metered_keeps_its_meters_and_is_not_scaled() -> None:
    got = allocate(
        layout(5, [-1, 0, 0, 0, 0], [1, 2, 3]), hours([0, 1, 1, 1, 0.5], [12.0], [2, 2, 2]), np.zeros(5)
    )
    np.testing.assert_allclose(
        got.demand[0], [0, 2, 2, 2, 1]
    )  # the fourth uses twice its nominal, as they do
    np.testing.assert_allclose(got.unmetered[0], [6.0])  # what no meter explains: a leak of five, and one
    assert not got.scaled[0]


def test_a_meter_that_is_silent_is_filled_in_by_its_neighbours() -> None:
    got = allocate(
        layout(4, [-1, 0, 0, 0], [1, 2, 3]), hours([0, 1, 1, 2], [9.0], [3, np.nan, 6]), np.zeros(4)
    )
    np.testing.assert_allclose(got.demand[0], [0, 3, 3, 6])


def test_an_hour_without_inflow_has_no_demand_and_a_zone_never_measured_follows_the_others() -> None:
    lost = allocate(layout(3, [-1, 0, 0], []), hours([0, 1, 1], [np.nan]), np.zeros(3))
    assert lost.demand[0, 1] == pytest.approx(1.0)  # nothing measured anywhere: as the model says
    two = layout(5, [-1, 0, 0, 1, 1], [])
    got = allocate(two, hours([0, 1, 1, 1, 3], [6.0, np.nan]), np.zeros(5))
    np.testing.assert_allclose(got.demand[0], [0, 3, 3, 3, 9])


def test_a_pump_s_measured_flow_leaves_here_and_arrives_there() -> None:
    got = allocate(layout(4, [-1, 0, 1, 1], [], [1]), hours([0, 1, 1, 1], [5.0, 4.0], [], [2.0]), np.zeros(4))
    np.testing.assert_allclose(got.demand[0], [0, 5 + 2, 2 - 2, 2])


def test_a_sensor_that_reads_what_it_likes_is_a_wider_normal_of_its_rows() -> None:
    rng = np.random.default_rng(5)
    root = rng.standard_normal((6, 6))
    covariance, mean = root @ root.T + np.eye(6), 3 * rng.standard_normal(6)
    sensor, sd = np.array([0, 1, 0, 1, -1, 2]), 4.0
    got = astray(Window(mean, covariance, np.zeros((6, 0))), sensor, 3, sd)
    usual = multivariate_normal(np.zeros(6), covariance).logpdf(mean)
    for k in range(3):
        wide = covariance + np.diag(np.where(sensor == k, sd**2, 0.0))
        assert got.log[k] == pytest.approx(multivariate_normal(np.zeros(6), wide).logpdf(mean) - usual)
    # Of one row: what is left of its residual by the others, drawn to nothing by its prior.
    own = 1 / np.linalg.inv(covariance)[5, 5]
    left = (np.linalg.inv(covariance) @ mean)[5] * own
    assert got.flow[2] == pytest.approx(left * sd**2 / (sd**2 + own))


def test_bayes_factors_are_the_integral_over_the_flow() -> None:
    rng = np.random.default_rng(4)
    root = rng.normal(size=(4, 4))
    covariance = root @ root.T + np.eye(4)
    signature, mean, sd = rng.normal(size=(4, 3)), rng.normal(size=4) * 2, 1.7
    got = bayes_factors(Window(mean, covariance, signature), sd)
    for k in range(3):

        def density(q: float, k: int = k) -> float:
            return float(multivariate_normal.pdf(mean, q * signature[:, k], covariance) * norm.pdf(q, 0, sd))

        whole = quad(density, -30, 30, limit=200)[0]
        nothing = multivariate_normal.pdf(mean, np.zeros(4), covariance)
        assert got.log[k] == pytest.approx(np.log(whole / nothing), abs=1e-6)


def test_place_with_perfect_signatures_is_the_factors_themselves() -> None:
    rng = np.random.default_rng(5)
    signature = rng.normal(size=(6, 8))
    window = Window(signature[:, 2] * 3 + 0.1 * rng.normal(size=6), 0.05 * np.eye(6), signature)
    found = bayes_factors(window, 5.0)
    prior = np.full(8, -np.log(8))
    got = place(window, found, 5.0, prior, [])
    weight = np.exp(np.where(found.flow > 0, found.log, -np.inf) - found.log.max())
    np.testing.assert_allclose(got.probability, weight / weight.sum(), atol=1e-9)
    assert int(np.argmax(got.probability)) == 2


@settings(max_examples=30, deadline=None)
@given(st.floats(0.01, 100), st.integers(0, 10_000))
def test_units_of_pressure_do_not_matter(unit: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    signature = rng.normal(size=(5, 6))
    mean = signature[:, 1] * 2 + rng.normal(size=5)
    prior = np.log(rng.dirichlet(np.ones(6)))
    rows = [(np.array([0, 0, 1, 1, 2]), 0.1)]
    a = Window(mean, np.eye(5), signature)
    b = Window(mean * unit, np.eye(5) * unit**2, signature * unit)
    p = place(a, bayes_factors(a, 3.0), 3.0, prior, rows)
    q = place(b, bayes_factors(b, 3.0), 3.0, prior, rows)
    np.testing.assert_allclose(p.probability, q.probability, atol=1e-8)
    assert p.log == pytest.approx(q.log, abs=1e-6) or np.isneginf(p.log)


def test_signatures_in_doubt_spread_the_probability() -> None:
    rng = np.random.default_rng(6)
    base = rng.normal(size=8)
    signature = np.stack([base, base + 0.15 * rng.normal(size=8), rng.normal(size=8)], axis=1)
    window = Window(signature[:, 0] * 5, 0.05 * np.eye(8), signature)
    found = bayes_factors(window, 10.0)
    prior = np.full(3, -np.log(3))
    sure = place(window, found, 10.0, prior, []).probability
    unsure = place(window, found, 10.0, prior, [(np.arange(8), 0.2)]).probability
    assert sure[0] > 0.99
    assert unsure[0] < sure[0] and unsure[1] > sure[1]


def test_an_update_is_the_normal_posterior() -> None:
    rng = np.random.default_rng(7)
    belief = Belief(np.zeros(3), np.diag([1.0, 2.0, 0.5]), (), 3).added(9, 1.0, 0.7, 0.1)
    n = len(belief.mean)
    assert n == 3 + WIDTH
    measured = np.array([0.4, np.nan, -1.0, 0.3])
    bias, leaks = rng.normal(size=(4, 3)), rng.normal(size=(1, 4))
    errors = 0.1 * rng.normal(size=(1, 4, MODES))
    noise = 0.2 * np.eye(4)
    got = updated(belief, innovation(belief, measured, bias, leaks, errors, noise))
    rows = [0, 2, 3]
    h = np.zeros((3, n))
    h[:, :3], h[:, 3], h[:, 5:] = bias[rows], leaks[0][rows], errors[0][rows]
    precision = np.linalg.inv(belief.covariance) + h.T @ h / 0.2
    covariance = np.linalg.inv(precision)
    mean = covariance @ (np.linalg.inv(belief.covariance) @ belief.mean + h.T @ measured[rows] / 0.2)
    np.testing.assert_allclose(got.covariance, covariance, atol=1e-9)
    np.testing.assert_allclose(got.mean, mean, atol=1e-9)


def test_a_leak_dropped_leaves_the_others_as_they_were() -> None:
    belief = Belief(np.ones(2), np.eye(2), (), 2).added(1, 3.0, 1.0, 0.1).added(2, 5.0, 1.0, 0.2)
    left = belief.dropped(1)
    assert left.ids == (2,)
    assert left.flow(2) == 5.0
    assert left.growth(2)[1] == pytest.approx(0.2)
    assert left.flow(1) == 0.0


def test_a_covariance_at_the_edge_of_rounding_has_a_factor_and_nonsense_has_none() -> None:
    v = np.linspace(1, 2, 6)
    edge = np.outer(v, v) - 1e-14 * np.eye(6)
    lower, low = factor(edge)
    assert low is False or np.isfinite(lower).all()
    with pytest.raises((LinAlgError, ValueError)):
        factor(np.full((3, 3), np.nan))
    with pytest.raises(LinAlgError):
        factor(-np.eye(3))


def test_a_leak_that_has_fallen_is_not_expected_to_fall_on() -> None:
    """Mended in the evening, most of the fall shows on the next day and looks like growth, downwards."""
    calm, pace = np.full(2, 0.01), np.full(2, 0.25)
    fallen = Belief(np.zeros(0), np.zeros((0, 0)), (), 0).added(1, 0.9, 0.5, 7.0).added(2, 20.0, 0.5, 7.0)
    fallen.mean[[fallen.at(1) + 1, fallen.at(2) + 1]] = -21.4, 3.0
    tomorrow = fallen.forward().predicted(np.zeros((0, 0)), calm, pace, calm)
    assert tomorrow.flow(1) == pytest.approx(0.0)
    assert tomorrow.flow(2) == pytest.approx(23.0)
    assert fallen.forward().covariance == pytest.approx(fallen.covariance)


def test_no_leak_is_believed_to_run_backwards_and_what_goes_with_it_follows() -> None:
    both = Belief(np.zeros(0), np.zeros((0, 0)), (), 0).added(1, -3.0, 1.0, 0.1).added(2, 5.0, 1.0, 0.1)
    i, k = both.at(1), both.at(2)
    both.covariance[i, k] = both.covariance[k, i] = -0.5
    held = both.held(1e-6)
    assert held.flow(1) == pytest.approx(0.0, abs=1e-6)
    # Conditional normal: 5 - 0.5 / 1 * 3.
    assert held.flow(2) == pytest.approx(3.5)
    assert held.flow_sd(2) == pytest.approx(np.sqrt(1 - 0.25))
    assert both.flow(1) == -3.0


def test_a_leak_that_may_have_fallen_has_any_flow_and_no_growth() -> None:
    one = Belief(np.zeros(0), np.zeros((0, 0)), (), 0).added(1, 4.0, 0.5, 0.3)
    one.mean[one.at(1) + 1] = 0.2
    fallen = one.fallen(1, 16.0)
    assert fallen.growth(1) == (0.0, 0.0)
    assert (fallen.flow(1), fallen.flow_sd(1)) == (4.0, pytest.approx(np.sqrt(16.25)))


def test_a_belief_made_unsound_by_rounding_is_sound_again_and_hardly_another() -> None:
    one = Belief(np.zeros(0), np.zeros((0, 0)), (), 0).added(1, 4.0, 0.5, 0.3)
    one.covariance[2, 2] = one.covariance[3, 3] = 1.0
    one.covariance[2, 3] = one.covariance[3, 2] = 1.0 + 1e-7
    with pytest.raises(np.linalg.LinAlgError):
        np.linalg.cholesky(one.covariance)
    np.linalg.cholesky(one.sound().covariance)
    assert one.sound().covariance == pytest.approx(one.covariance, abs=1e-6)


def test_a_leak_has_stopped_growing_when_its_flow_stays_for_two_weeks() -> None:
    leak = Leak(0, np.ones(1), np.ones(1), 0, 1, 20.0)
    for d in range(1, 60):
        leak.follow(d, 0.3 * M3H * min(d, 30), 0.0)
    assert leak.settled is not None and 40 <= leak.settled <= 46
    assert leak.steady(50) and not leak.steady(39)
