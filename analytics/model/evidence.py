"""How likely it is that one more leak explains what is left, and where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve

from analytics.model.positive import factor

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Window(NamedTuple):
    """What is left over a stretch of days, R rows. mean (R,), covariance (R, R), signature (R, P): mean
    answer of a unit leak at each pipe, its part in the zones' balances among them."""

    mean: Floats
    covariance: Floats
    signature: Floats


class Factors(NamedTuple):
    """log: log Bayes factor (P,) of a leak at each pipe against none; flow: its most likely flow (P,)."""

    log: Floats
    flow: Floats


def bayes_factors(window: Window, flow_sd: float) -> Factors:
    """Leaks of unknown flow q ~ N(0, flow_sd^2) at each pipe against none.

    y = q s + e, e ~ N(0, C): with a = s' C^-1 s and b = s' C^-1 y the factor is
    (1 + flow_sd^2 a)^-1/2 exp(b^2 / (2 (a + flow_sd^-2))) (the normal linear model with q integrated out;
    Bishop 2006, Pattern Recognition and Machine Learning, 3.5). Negative flows are the caller's to refuse.
    """
    lower = factor(window.covariance)
    solved = cho_solve(lower, np.column_stack([window.signature, window.mean]))
    a = np.einsum("rp,rp->p", window.signature, solved[:, :-1])
    b = window.signature.T @ solved[:, -1]
    precision = a + flow_sd**-2
    return Factors(-0.5 * np.log1p(flow_sd**2 * a) + 0.5 * b * b / precision, b / precision)


def astray(window: Window, sensor: Ints, count: int, sd: float) -> Factors:
    """Each of ``count`` sensors reading anything at all, in each block on its own, against none.

    sensor (R,): of each row, negative for none; sd [m]: of what it is off by in a block. With S the rows of
    one sensor, y = S o + e, o ~ N(0, sd^2 I): log B = -1/2 log|I + sd^2 A| + 1/2 b' (A + I / sd^2)^-1 b, with
    A = S' C^-1 S and b = S' C^-1 y. ``flow`` holds the largest part of the most likely o [m].
    """
    solved = cho_solve(factor(window.covariance), np.column_stack([np.eye(len(sensor)), window.mean]))
    log, size = np.zeros(count), np.zeros(count)
    for k in range(count):
        rows = np.flatnonzero(sensor == k)
        a, b = solved[np.ix_(rows, rows)], solved[rows, -1]
        off = np.linalg.solve(a + np.eye(len(rows)) / sd**2, b)
        log[k] = -0.5 * np.linalg.slogdet(np.eye(len(rows)) + sd**2 * a)[1] + 0.5 * b @ off
        size[k] = off[np.argmax(np.abs(off))]
    return Factors(log, size)


class Placed(NamedTuple):
    """probability (P,) of each pipe; log: log Bayes factor of a leak somewhere against none."""

    probability: Floats
    log: float


def place(
    window: Window,
    found: Factors,
    flow_sd: float,
    prior: Floats,
    errors: Sequence[tuple[Ints, float]],
    candidates: int = 150,
) -> Placed:
    """Where a leak is, and whether there is one, with signatures that are wrong.

    prior (P,): log. errors: groups of rows (R,) that share an error, negative for a row that has none of
    that kind, and its standard deviation as a share of the signature; kinds add up. Sensors that answer more
    or less than the model says are one kind, a leak that did not run all day another. Only the best
    ``candidates`` of ``found`` are weighed; others have probability 0.
    """
    score = np.where(found.flow > 0, found.log, -np.inf) + prior
    if not np.isfinite(score).any():
        p: Floats = np.exp(prior - prior.max())
        return Placed(p / p.sum(), -np.inf)
    best = np.argsort(-score, kind="stable")[:candidates]
    best = best[score[best] > score[best[0]] - 60.0]
    mixed = np.zeros(window.covariance.shape)
    for group, sd in errors:
        mixed += sd**2 * ((group[:, None] == group) & (group[:, None] >= 0))
    out = np.full(len(score), -np.inf)
    for i in best:
        s = window.signature[:, i]
        v = max(float(found.flow[i]), 0.0) * s
        covariance = window.covariance + mixed * np.outer(v, v)
        lower = factor(covariance)
        solved = cho_solve(lower, np.column_stack([s, window.mean]))
        a, b = s @ solved[:, 0], s @ solved[:, 1]
        out[i] = (
            -np.log(np.diag(lower[0])).sum()
            - 0.5 * window.mean @ solved[:, 1]
            - 0.5 * np.log1p(flow_sd**2 * a)
            + 0.5 * b * b / (a + flow_sd**-2)
            + prior[i]
        )
    lower = factor(window.covariance)
    nothing = -np.log(np.diag(lower[0])).sum() - 0.5 * window.mean @ cho_solve(lower, window.mean)
    top = out.max()
    weight = np.exp(out - top)
    return Placed(weight / weight.sum(), float(top + np.log(weight.sum()) - nothing))
