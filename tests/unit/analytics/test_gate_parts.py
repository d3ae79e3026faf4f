"""The parts of the gate, each against a case worked by hand or a slow obvious loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.gate.fault import FaultKind
from analytics.gate.lag import best_lag
from analytics.gate.naming import name, onset_of, onset_of_noise
from analytics.gate.pairing import Pairing
from analytics.gate.relation import Group, strain
from analytics.gate.stuck import longest_run, repeats, run_limit
from analytics.gate.verdict import alone_odds, flow_odds, head_odds


def test_a_meter_that_moves_alone_is_a_fault_and_one_that_pressures_follow_is_water() -> None:
    assert flow_odds(5.0, 0.0, 0.5, 1.0) > 20  # nothing felt
    assert flow_odds(5.0, 5.0, 0.5, 1.0) < 1 / 20  # half of it felt
    assert flow_odds(5.0, -5.0, 0.5, 1.0) < 1 / 20  # heads moved, the flow did not: a valve
    assert flow_odds(-5.0, 0.0, 0.5, 1.0) == pytest.approx(flow_odds(5.0, 0.0, 0.5, 1.0))


def test_pressures_that_show_no_demand_prove_nothing() -> None:
    assert flow_odds(5.0, 0.0, 0.5, 0.0) == pytest.approx(1.0, rel=0.01)
    gains = [flow_odds(5.0, 0.0, 0.5, g) for g in (0.0, 0.3, 0.6, 1.0)]
    assert gains == sorted(gains)


def test_a_fall_of_pressure_is_water_only_where_inflow_rose_enough() -> None:
    def odds(difference: float, inflow: float) -> float:
        return head_odds(difference, difference, 0.2, inflow, 0.0005, 200.0)

    assert odds(-6.0, 0.0) > 20  # would take a leak of 5 l/s
    assert odds(-6.0, 0.005) < 1 / 20
    assert odds(-0.5, 0.0) < 20  # a leak of 0.4 l/s beside it would do
    assert head_odds(3.0, 0.0, 0.2, 0.0, 0.0005, 200.0) < 1 / 20  # it stood still: its neighbours moved
    assert head_odds(-6.0, -6.0, 0.2, 0.0, np.inf, 200.0) <= 1.0  # nobody knows the inflow


@given(st.integers(-6, 6), st.integers(0, 99))
def test_the_shift_of_a_clock_is_found_as_a_loop_finds_it(shift: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = np.cumsum(rng.standard_normal(140))
    others = truth[20:120, None]
    own = truth[20 - shift : 120 - shift, None]  # a clock ahead: what was then is stamped later

    def apart(begin: int, end: int, by: int) -> np.ndarray:
        return np.asarray((own[begin:end] - others[begin - by : end - by])[:, 0] ** 2)

    found = best_lag(len(own), 20, 20, 10, 1e-9, apart)
    if abs(shift) < 2:
        assert found is None or found.steps != 0
    else:
        assert found is not None and found.steps == shift
        assert found.best < 1e-18 < found.now


def test_the_strain_is_mahalanobis_distance_by_the_members_that_are_there() -> None:
    cov = np.array([[2.0, 0.5, 0.1], [0.5, 1.0, 0.2], [0.1, 0.2, 3.0]])
    inverse = np.linalg.inv(cov)
    group = Group(np.arange(3), np.array([1.0, 2.0, 3.0]), cov, 1 / np.diag(inverse), inverse)
    x = np.array([[1.5, 1.0, 4.0], [np.nan, 1.0, 4.0]])
    d = x[0] - group.mean
    assert strain(x, group)[0] == pytest.approx(d @ inverse @ d / 3)
    assert np.isnan(strain(x, group)[1])  # two are too few


@given(st.integers(0, 9999), st.integers(-5, 5))
def test_the_strain_between_moved_readings_is_that_of_the_two_put_together(seed: int, shift: int) -> None:
    rng = np.random.default_rng(seed)
    members = int(rng.integers(3, 7))
    root = rng.standard_normal((members, members))
    cov = root @ root.T + 0.1 * np.eye(members)
    group = Group.of(np.arange(members), rng.standard_normal(members), cov)
    x = np.where(rng.random((40, members)) < 0.2, np.nan, 3 * rng.standard_normal((40, members)))
    mine = np.arange(members) < rng.integers(1, members)
    begin, end = max(4, shift), min(40, 40 + shift)
    both = x[begin:end].copy()
    both[:, ~mine] = x[begin - shift : end - shift, ~mine]
    found = Pairing(x, mine, group).strain(begin, end, shift)
    assert found == pytest.approx(strain(both, group), rel=1e-8, nan_ok=True)


def test_a_sensor_that_was_missing_keeps_how_it_hangs_on_the_others_and_follows_where_they_went() -> None:
    cov = np.array([[2.0, 0.5, 1.1], [0.5, 1.0, 0.7], [1.1, 0.7, 3.0]])
    before = Group(np.array([1, 4, 6]), np.array([1.0, 2.0, 3.0]), cov, np.ones(3), np.linalg.inv(cov))
    now = np.array([[2.5, 0.2], [0.2, 1.5]])
    group = Group(np.array([1, 6]), np.array([1.5, 2.0]), now, np.ones(2), np.linalg.inv(now)).with_absent(
        before
    )
    assert group.members.tolist() == [1, 4, 6]
    shared = [0, 2]
    weight = np.linalg.solve(cov[np.ix_(shared, shared)], cov[shared, 1])
    assert group.mean == pytest.approx([1.5, 2.0 + weight @ [0.5, -1.0], 2.0])
    assert group.cov[np.ix_(shared, shared)] == pytest.approx(now)
    assert np.linalg.solve(now, group.cov[shared, 1]) == pytest.approx(weight)
    # What the others do not say of it is as uncertain as it was.
    assert 1 / np.linalg.inv(group.cov)[1, 1] == pytest.approx(1 / np.linalg.inv(cov)[1, 1])
    assert group.only(np.array([True, False, True])).inverse == pytest.approx(np.linalg.inv(now))


def test_that_no_other_pressure_shows_it_speaks_for_a_fault_the_more_the_surer_it_would_be_seen() -> None:
    odds = [alone_odds(-0.7, hidden) for hidden in (0.005, 0.05, 0.2, 0.7, 2.0)]
    assert odds == sorted(odds, reverse=True)
    assert odds[0] > 100
    assert 1.0 <= odds[-1] < 1.2
    assert alone_odds(0.7, 0.05) == odds[1]
    assert alone_odds(0.7, float("nan")) == alone_odds(0.0, 0.1) == 1.0


def test_runs_of_one_value_are_counted_and_rarer_ones_are_faults_sooner() -> None:
    x = np.array([[1.0], [1.0], [1.0], [2.0], [2.0], [np.nan], [2.0]])
    assert repeats(x, np.array([np.nan]))[:, 0].tolist() == [False, True, True, False, True, False, False]
    assert longest_run(repeats(x, np.array([np.nan])))[0] == 2
    rng = np.random.default_rng(1)
    fine = rng.standard_normal((2688, 1))
    coarse = np.round(np.cumsum(rng.standard_normal((2688, 1)), axis=0) / 4)
    hour = np.arange(2688) // 4 % 24
    limits = [int(run_limit(v, hour, 900.0, 10.0)[0]) for v in (fine, coarse)]
    assert limits[0] == 4 and limits[1] > 2 * longest_run(repeats(coarse, coarse[0]))[0]


@pytest.mark.parametrize(
    ("kind", "z"),
    [
        (FaultKind.OFFSET, lambda n: np.full(200, 5.0) + n),
        (FaultKind.DRIFT, lambda n: np.linspace(0, 12, 300) + n[:1].mean() + np.resize(n, 300)),
        (FaultKind.NOISE, lambda n: 6 * n),
        (FaultKind.SPIKE, lambda n: n + 20 * (np.arange(200) % 17 == 3)),
    ],
)
def test_differences_name_their_kind(kind: FaultKind, z: object) -> None:
    values = z(np.random.default_rng(3).standard_normal(200))  # type: ignore[operator]
    found = name(0.1 * values, values, 96)
    assert found is not None and found.kind is kind


def test_onsets_are_found_and_never_before_where_they_may_be() -> None:
    rng = np.random.default_rng(5)
    shifted = rng.standard_normal(300)
    shifted[200:] += 3
    assert 190 <= onset_of(shifted, 0) <= 200
    assert onset_of(shifted, 250) >= 250
    noisy = rng.standard_normal(300)
    noisy[200:] *= 5
    assert abs(onset_of_noise(noisy, 0) - 200) <= 5
