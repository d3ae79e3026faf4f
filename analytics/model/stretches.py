"""All that was seen of a leak since it began, as one mean over days that tells most of where it is.

The day after the onset shows a leak before anything else has changed; later days show it larger, with less
noise, but what the model gets wrong has wandered meanwhile. So days are gathered into stretches, and these
are weighted as a matched filter would (Kay 1998, Fundamentals of Statistical Signal Processing II, 4.4): by
the inverse of how their errors go together, seen along the leak's own pattern.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve

from analytics.model.evidence import Window
from analytics.model.positive import factor

Floats = NDArray[np.float64]

EDGES = (1, 2, 4, 8, 16, 32)
"""Ages [days] after which a new stretch begins."""

UNKNOWN = 1e6
"""Variance of a row that nobody measured."""


class Stretch(NamedTuple):
    """Mean over some days. mean (R,), 0 where there is nothing; there (R,): share of days measured; shown (R,
    biases): how biases show; noise (R, R): covariance of its own; common (R, C): what is wrong in all
    stretches alike, by a unit each; signature (R, P): of a leak of its flow in these days, as a share of its
    flow in all; age: days since the onset at its middle."""

    mean: Floats
    there: Floats
    shown: Floats
    noise: Floats
    common: Floats
    signature: Floats
    age: float


def stretch_of(age: int) -> int:
    """Which stretch a day of that age belongs to."""
    return int(np.searchsorted(EDGES, age))


def joined(stretches: Sequence[Stretch], doubt: Floats, wander: Floats, top: int | None = None) -> Window:
    """The mean over stretches that shows a leak best.

    doubt (biases, biases): covariance of biases at the onset; wander (biases, biases): what a day adds. top:
    pipe whose pattern counts; by itself the one with the largest answer.
    """
    n, rows = len(stretches), len(stretches[0].mean)
    across = np.empty((n, n, rows, rows))
    for a, x in enumerate(stretches):
        for b, y in enumerate(stretches[: a + 1]):
            age = min(x.age, y.age)
            block = x.shown @ (doubt + age * wander) @ y.shown.T + x.common @ y.common.T
            if a == b:
                block = block + x.noise
            across[a, b], across[b, a] = block, block.T
    there = np.array([s.there > 0 for s in stretches])
    across *= there[:, None, :, None] & there[None, :, None, :]
    weights = _weights(stretches, across, there, top)
    mean = np.einsum("a,ar->r", weights, np.array([s.mean for s in stretches]))
    signature = np.zeros_like(stretches[0].signature)
    for u, s, ok in zip(weights, stretches, there, strict=True):
        signature += u * ok[:, None] * s.signature
    covariance = np.einsum("a,b,abrs->rs", weights, weights, across)
    nothing = ~there.any(0)
    covariance[nothing, nothing] += UNKNOWN
    return Window(mean, 0.5 * (covariance + covariance.T), signature)


def _weights(
    stretches: Sequence[Stretch], across: Floats, there: NDArray[np.bool_], top: int | None
) -> Floats:
    """Of stretches, summing to one."""
    n = len(stretches)
    if n == 1:
        return np.ones(1)
    own = across[np.arange(n), np.arange(n)].mean(0)
    nothing = ~there.any(0)
    own[nothing, nothing] += UNKNOWN
    measured = np.flatnonzero(there.any(1))
    if not len(measured):
        return np.full(n, 1 / n)
    last = int(measured[-1])
    if top is None:
        top = int(np.argmax(np.abs(stretches[last].signature).sum(0)))
    along = cho_solve(factor(own), np.where(there[last], stretches[last].signature[:, top], 0.0))
    errors = np.einsum("r,abrs,s->ab", along, across, along)
    each = [np.where(ok, s.signature[:, top], 0.0) for s, ok in zip(stretches, there, strict=True)]
    answers = np.array(each) @ along
    errors = errors + 1e-6 * np.trace(errors) / n * np.eye(n)
    if not np.trace(errors) > 0:  # its pattern shows nowhere
        return np.full(n, 1 / n)
    weights = np.maximum(np.linalg.solve(errors, answers), 0.0)
    total = weights.sum()
    return np.asarray(weights / total if total > 0 else np.full(n, 1 / n))
