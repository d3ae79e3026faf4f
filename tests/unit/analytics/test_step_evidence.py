"""What the flows of a step test say: against made-up tests whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.step_evidence import (
    SHARED_ERROR,
    USE_ERROR,
    chance_error,
    drop_error,
    dwell_error,
    step_evidence,
    tellable,
)

L_S = 1e-3
USE = np.array([0.5, 0.4, 0.6, 0.3]) * L_S


def flows(leak: list[float], use: np.ndarray = USE) -> np.ndarray:
    return np.array([(use[k:] + np.array(leak[k:]) * L_S).sum() for k in range(len(use))])


def test_the_step_at_which_the_flow_falls_too_much_has_the_leak() -> None:
    e = step_evidence(flows([0, 2.0, 0, 0]), USE, [1, 1, 1, 1], 0.05 * L_S)
    assert e.probability[1] > 0.98 and e.none < 1e-3
    assert e.low[1] < 2.0 * L_S < e.high[1]
    assert e.drop == pytest.approx([0.5 * L_S, 2.4 * L_S, 0.6 * L_S, 0.3 * L_S])
    assert e.excess[1] == pytest.approx(2.0 * L_S)


def test_what_is_left_in_the_end_tells_of_a_leak_by_the_inlet() -> None:
    e = step_evidence(flows([0, 0, 0, 1.5]), USE, [1, 1, 1, 1], 0.05 * L_S)
    assert e.probability[3] > 0.95


def test_flows_as_expected_speak_against_a_leak_and_for_no_place() -> None:
    e = step_evidence(flows([0, 0, 0, 0]), USE, [1, 1, 1, 1], 0.05 * L_S)
    assert e.none > 1.5 * 0.2 and e.probability.max() < 0.25
    assert e.against.max() < 0


def test_two_leaks_are_both_told() -> None:
    e = step_evidence(flows([2.0, 0, 2.5, 0]), USE, [1, 1, 1, 1], 0.05 * L_S)
    assert e.probability[0] > 0.95 and e.probability[2] > 0.95
    assert e.probability[1] < 0.3


def test_a_noisy_meter_leaves_it_to_what_was_believed_before() -> None:
    e = step_evidence(flows([0, 0.3, 0, 0]), USE, [1, 1, 1, 7], 3 * L_S)
    assert np.argmax(e.probability) == 3
    assert e.probability.max() < 0.9


def test_probabilities_keep_what_they_promise() -> None:
    """Of areas believed at some probability so many have the leak: tests made by the model's rules."""
    chance = np.random.default_rng(11)
    claimed, right = [], []
    for _ in range(400):
        shared = 1 + SHARED_ERROR * chance.standard_normal()
        use = np.maximum(USE * (shared + USE_ERROR * chance.standard_normal(4)), 0)
        at, size = int(chance.integers(4)), float(np.exp(chance.uniform(np.log(0.05), np.log(3))))
        leak = [size if k == at else 0.0 for k in range(4)]
        flow = flows(leak, use) + 0.1 * L_S * chance.standard_normal(4)
        e = step_evidence(flow, USE, [1, 1, 1, 1], 0.1 * L_S, no_leak=1e-9)
        best = int(np.argmax(e.probability))
        claimed.append(min(e.probability[best], 1.0))
        right.append(best == at)
    sure = np.array(claimed) >= 0.9
    hits = np.array(right)
    assert sure.sum() > 100
    assert hits[sure].mean() >= 0.93
    assert abs(hits.mean() - np.mean(claimed)) < 0.08


def test_the_smallest_leak_that_a_step_tells_is_found_as_often_as_it_says() -> None:
    chance = np.random.default_rng(3)
    least = tellable(USE, 0.1 * L_S)
    sd = drop_error(USE, 0.1 * L_S)
    drawn = sd[1] * chance.standard_normal(20_000)
    limit = least[1] / 2
    assert (drawn > limit).mean() == pytest.approx(0.05, abs=0.01)
    assert (drawn + least[1] < limit).mean() == pytest.approx(0.05, abs=0.01)


def test_noise_is_that_of_means_between_which_nothing_changes() -> None:
    chance = np.random.default_rng(8)
    nights = 5.0 * L_S + 0.3 * L_S * chance.standard_normal((28, 60))
    trend = np.linspace(1.0, 0.0, 60) * L_S  # the evening's use fades: no noise
    assert dwell_error(nights + trend, 4) == pytest.approx(0.15 * L_S, rel=0.15)
    assert np.isnan(dwell_error(nights[:1, :8], 4))


def test_portions_of_ten_litres_make_the_noise_of_few_customers() -> None:
    # 100 connections at 1.7 l/h: 170 l/h are 17 portions an hour, 5.7 in 20 minutes, give or take 2.4
    assert chance_error(170e-3 / 3600, 1200) == pytest.approx(np.sqrt(17 / 3) * 0.01 / 1200)


def test_values_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="each area"):
        step_evidence([1.0, 2.0], [1.0], [1.0, 1.0], 0.1)
    with pytest.raises(ValueError, match="finite"):
        step_evidence([1.0, np.nan], [1.0, 1.0], [1.0, 1.0], 0.1)
