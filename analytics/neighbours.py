"""What areas have in common: weather and holidays move many at once, a leak moves one.

The part of an area's residual that its neighbours' residuals of the same hour explain is taken off. How much
they explain is learnt from weeks past, so that areas with nothing in common do not disturb each other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

PEERS = 4
"""How many neighbours an area is compared with: those most like it. With fewer at hand, none: a leak in one
of two or three would be a good part of what they have in common."""

GROUP = 50
"""Neighbours are looked for among so many areas that follow each other in the list, so that work grows with
the number of areas and not with its square."""

CUT = 3.0
"""Neighbours' residuals count as at most so many of their deviations: one neighbour's burst is not
weather."""

RIDGE = 0.1
"""Drawn to 0 as if the neighbours' variance were larger by this share."""

OVERLAP = 3.0
"""Means over three hours, an hour apart, of which so many count as one."""

SMOOTH_H = 3
"""Coefficients of an hour are learnt from the hours so many before and after as well [h]."""


class Common(NamedTuple):
    """peers (S, K): columns of neighbours, -1 where there are none; factor (P, S, K): at each time of day,
    how many of its deviations an area moves with one deviation of that neighbour."""

    peers: Ints
    factor: Floats


def choose_peers(z: Floats, stands_for: Ints, real: int) -> Ints:
    """For each area the ``PEERS`` others most like it, (S, K), -1 where fewer than that are at hand.

    z (N, S): standardised residuals, 0 where unknown. stands_for (S,): the area that a column is a copy of
    (its own number but for what-if copies); the first ``real`` columns are no copies, and only they are
    neighbours.
    """
    areas = z.shape[1]
    peers = np.full((areas, PEERS), -1, np.int64)
    for first in range(0, real, GROUP):
        group = np.arange(first, min(first + GROUP, real))
        if len(group) <= PEERS:
            continue
        x = z[:, group]
        x = x / np.maximum(np.sqrt((x * x).sum(0)), 1e-12)
        alike = np.abs(x.T @ x)
        np.fill_diagonal(alike, -1.0)
        best = np.argsort(-alike, axis=1, kind="stable")[:, :PEERS]
        peers[group] = group[best]
    peers[real:] = peers[stands_for[real:]]
    return peers


def candidates_of(stands_for: Ints, real: int) -> Ints:
    """Among how many others each area's neighbours are chosen (S,)."""
    group = stands_for // GROUP
    size = np.minimum(real - group * GROUP, GROUP)
    return np.asarray(size - 1)


def learn_common(z: Floats, peers: Ints, candidates: Ints, slots_per_hour: int = 1) -> Common:
    """Factors from standardised residuals z (D, P, S) of past days and times of day, NaN where unknown.

    peers as of ``choose_peers``, chosen from so many ``candidates`` (S,).
    """
    _, phases, areas = z.shape
    factor = np.zeros((phases, areas, PEERS))
    has = np.flatnonzero(peers[:, 0] >= 0)
    if len(has):
        x = np.clip(z, -CUT, CUT)
        f = x[:, :, peers[has]]  # D, P, s, K
        y = x[:, :, has]
        ok = np.isfinite(f).all(-1) & np.isfinite(y)
        f, y = np.where(ok[..., None], f, 0.0), np.where(ok, y, 0.0)
        left = f.transpose(1, 2, 3, 0)  # P, s, K, D
        gram = np.matmul(left, f.transpose(1, 2, 0, 3))
        hits = np.matmul(left, y.transpose(1, 2, 0)[..., None])
        n = ok.sum(0).astype(np.float64)
        width = SMOOTH_H * slots_per_hour

        def over(a: Floats) -> Floats:
            out = np.zeros_like(a)
            for shift in range(-width, width + 1):
                out += np.roll(a, shift, axis=0)
            return out

        gram, hits, n = over(gram), over(hits), over(n)
        power = over((y * y).sum(0))
        size = np.einsum("pskk->ps", gram) / PEERS
        gram = gram + (RIDGE * size + 1e-9)[..., None, None] * np.eye(PEERS)
        raw = np.linalg.solve(gram, hits)[..., 0]
        # Noise explains a little by chance, more where the best of many were chosen (Foster & George 1994,
        # Annals of Statistics 22): what is no more than that counts for nothing.
        chance = PEERS * (1.0 + 2.0 * np.log(np.maximum(candidates[has] / PEERS, 1.0)))
        explained = np.clip((raw * hits[..., 0]).sum(-1) / np.maximum(power, 1e-12), 0.0, 0.99)
        evidence = n / OVERLAP * explained / (1.0 - explained)
        keep = np.maximum(0.0, 1.0 - chance / np.maximum(evidence, 1e-9))
        factor[:, has] = raw * keep[..., None]
    return Common(peers, factor)


def common_part(z: Floats, common: Common, phase: int) -> Floats:
    """What neighbours explain of each area now (S,), in its deviations; z (S,), NaN counts as 0."""
    known = np.clip(np.nan_to_num(z), -CUT, CUT)
    return np.asarray((common.factor[phase] * known[np.maximum(common.peers, 0)]).sum(1))
