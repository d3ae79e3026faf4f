"""Days since a leak's onset, gathered into the mean that tells most of where it is."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from analytics.model.stretches import Stretch, joined, stretch_of

Floats = NDArray[np.float64]

ROWS, PIPES = 4, 3
SIGNATURE = np.random.default_rng(1).normal(size=(ROWS, PIPES))


def stretch(age: float, noise: float, flow: float = 1.0, mean: Floats | None = None) -> Stretch:
    return Stretch(
        flow * SIGNATURE[:, 0] if mean is None else mean,
        np.ones(ROWS),
        np.eye(ROWS),
        noise * np.eye(ROWS),
        np.zeros((ROWS, 0)),
        flow * SIGNATURE,
        age,
    )


def test_days_are_gathered_in_stretches_that_double() -> None:
    assert [stretch_of(a) for a in (1, 2, 3, 4, 5, 8, 9, 16, 17, 32, 33, 70)] == [
        0, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6,
    ]  # fmt: skip


def test_where_only_noise_counts_stretches_weigh_by_flow_over_variance() -> None:
    parts = [stretch(1, 1.0), stretch(3, 0.5, 2.0), stretch(6, 0.25)]
    nothing = np.zeros((ROWS, ROWS))
    got = joined(parts, nothing, nothing, top=0)
    weight = np.array([1 / 1.0, 2 / 0.5, 1 / 0.25])
    weight /= weight.sum()
    assert got.signature == pytest.approx((weight @ [1, 2, 1]) * SIGNATURE)
    assert got.covariance == pytest.approx((weight**2 @ [1.0, 0.5, 0.25]) * np.eye(ROWS))


def test_where_the_model_s_errors_wander_the_first_days_count() -> None:
    parts = [stretch(1, 0.1), stretch(40, 0.1)]
    got = joined(parts, np.zeros((ROWS, ROWS)), 1.0 * np.eye(ROWS), top=0)
    # Of two means of which the later holds all of the earlier's error and more, the earlier tells all but its
    # own noise.
    assert np.diag(got.covariance) == pytest.approx(np.full(ROWS, 1.1), rel=0.1)
    alone = joined(parts[1:], np.zeros((ROWS, ROWS)), np.eye(ROWS), top=0)
    assert np.diag(alone.covariance)[0] > 30


def test_a_row_that_nobody_measured_says_nothing_and_one_that_some_days_lack_is_whole() -> None:
    silent, some = stretch(1, 0.1), stretch(3, 0.1)
    there = np.array([1.0, 0.0, 0.0, 1.0])
    silent = silent._replace(there=there, mean=silent.mean * there)
    some = some._replace(there=np.array([1.0, 1.0, 0.0, 1.0]), mean=some.mean * [1, 1, 0, 1])
    got = joined([silent, some], np.zeros((ROWS, ROWS)), np.zeros((ROWS, ROWS)), top=0)
    assert got.covariance[2, 2] > 1e5
    assert got.mean[:2] == pytest.approx(got.signature[:2, 0])
    assert np.isfinite(got.mean).all()


@pytest.mark.parametrize("measured", [[True, False], [False, False]])
def test_stretches_in_which_nobody_measured_are_done_without(measured: list[bool]) -> None:
    parts = []
    for age, ok in zip((1, 3), measured, strict=True):
        part = stretch(age, 0.1)
        parts.append(part if ok else part._replace(there=np.zeros(ROWS), mean=np.zeros(ROWS)))
    got = joined(parts, np.zeros((ROWS, ROWS)), np.zeros((ROWS, ROWS)))
    assert np.isfinite(got.mean).all() and np.isfinite(got.covariance).all()
    if measured[0]:
        assert got.mean == pytest.approx(got.signature[:, 0])
        assert np.diag(got.covariance).max() < 1
    else:
        assert np.diag(got.covariance).min() > 1e5
