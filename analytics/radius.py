"""How far to search: distances along the pipes, and the radius that holds a share of the probability.

A leak is looked for by walking along the pipes with a listening rod or a correlator, so what a ranking is
worth is how many metres of pipe it takes, not how far its first pipe is as the crow flies. Distances run
from the centre of one pipe to the centre of the other, as the Battle of the Leakage Detection and Isolation
Methods counts them (Vrachimis et al. 2022, J. Water Resour. Plann. Manage. 148(12)): pumps and valves are
no path there; where they are to be walked past, their ends are given as ``joined``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components, dijkstra

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

AT_ONCE = 4_000_000
"""Distances worked out in one piece: 32 MB each for nodes and for pipes."""

CENTRES = 256
"""Pipes from which a search may start, the most probable ones: an even prior of a district has as many."""


class Near(NamedTuple):
    """Pairs of P pipes no further apart than ``limit`` [m], each with itself at 0, row by row.

    first (P + 1,): row i is [first[i], first[i + 1]) of other (K,): pipe, and metres (K,): distance [m].
    """

    first: Ints
    other: Ints
    metres: Floats
    limit: float

    def dense(self) -> Floats:
        """(P, P) [m], inf beyond the limit."""
        pipes = len(self.first) - 1
        out = np.full((pipes, pipes), np.inf)
        out[np.repeat(np.arange(pipes), np.diff(self.first)), self.other] = self.metres
        return out


class Walk(NamedTuple):
    """Distance along the pipes to the nearest and to the furthest point of each pipe, (P,) [m]; inf: none."""

    near: Floats
    far: Floats


class Search(NamedTuple):
    """Where to begin and how far to go along the pipes.

    pipe: index of the pipe in whose middle the search begins. half, most [m]: distance along the pipes
    within which the leak lies with a probability of 50 and of 90 %; NaN where so much cannot be reached.
    near, far (P,) [m]: distance to the nearest and to the furthest point of each pipe; inf: cannot be
    reached.
    """

    pipe: int
    half: float
    most: float
    near: Floats
    far: Floats


def pipe_distances(
    start: Ints, end: Ints, length: Floats, nodes: int, limit: float = np.inf, joined: Ints | None = None
) -> Near:
    """Distances between the centres of pipes along the pipes, where they are at most ``limit`` [m].

    start, end (P,): node indices below ``nodes``; length (P,) [m]: a pipe of length 0 (or NaN) is no path.
    joined (K, 2): pairs of nodes that count as one place (ends of pumps and valves that one walks past).
    905 pipes take 0.1 s, 10,000 pipes within 300 m some 2 s; time grows as P², memory with the pairs found.
    """
    start, end, graph = pipe_graph(start, end, length, nodes, joined)
    half = 0.5 * np.nan_to_num(length)
    first, others, metres = [0], [], []
    for rows, to_node in _from_pipes(graph, start, end, np.arange(len(start)), limit):
        to_pipe = np.minimum(to_node[:, start], to_node[:, end]) + half[rows, None] + half
        to_pipe[np.arange(len(rows)), rows] = 0.0
        i, j = np.nonzero(to_pipe <= limit if np.isfinite(limit) else np.isfinite(to_pipe))
        first += (first[-1] + np.cumsum(np.bincount(i, minlength=len(rows)))).tolist()
        others.append(j.astype(np.int64))
        metres.append(to_pipe[i, j])
    if not others:
        return Near(np.zeros(1, np.int64), np.zeros(0, np.int64), np.zeros(0), limit)
    return Near(np.array(first, np.int64), np.concatenate(others), np.concatenate(metres), limit)


def within(probability: Floats, near: Near, radius_m: float) -> Floats:
    """Probability that the truth lies within ``radius_m`` [m] of each pipe, (P,), from (P,).

    Probabilities need not sum to 1 (what is missing lies elsewhere). Raises ValueError for a radius beyond
    the limit to which the distances are known.
    """
    if radius_m > near.limit:
        raise ValueError(f"radius of {radius_m:g} m: distances are known up to {near.limit:g} m only")
    weight = np.where(near.metres <= radius_m, probability[near.other], 0.0)
    total = np.concatenate([[0.0], np.cumsum(weight)])
    return np.asarray(np.maximum(total[near.first[1:]] - total[near.first[:-1]], 0.0))


def search(
    probability: Floats,
    start: Ints,
    end: Ints,
    length: Floats,
    nodes: int,
    joined: Ints | None = None,
    shares: tuple[float, float] = (0.5, 0.9),
) -> Search | None:
    """Where to begin a search and how far along the pipes it must go; None where no pipe has probability.

    Begun is in the middle of the pipe (one of the 256 most probable ones) from which the expected distance
    to the leak is least; what cannot be reached from it counts as far as the furthest that can. A
    pipe's probability lies evenly along its length, so that a radius is never 0 and halves of pipes count.
    Arguments as for ``pipe_distances``; probability (P,) is taken relative to its sum.
    """
    p = np.where(np.isfinite(probability), np.maximum(probability, 0.0), 0.0)
    if not p.sum() > 0:
        return None
    p = p / p.sum()
    start, end, graph = pipe_graph(start, end, length, nodes, joined)
    metres = np.maximum(np.nan_to_num(length), 0.0)
    candidates = np.argsort(-p, kind="stable")[:CENTRES]
    candidates = candidates[p[candidates] > 0]
    best, least, reached = int(candidates[0]), np.inf, np.zeros(0)
    for rows, to_node in _from_pipes(graph, start, end, candidates, np.inf):
        to_pipe = np.minimum(to_node[:, start], to_node[:, end]) + 0.5 * (metres[rows, None] + metres)
        # Points of the pipe itself are a quarter of its length away in the mean.
        to_pipe[np.arange(len(rows)), rows] = 0.25 * metres[rows]
        # What cannot be reached lies beyond all that can: the sum of all pipes is further than any.
        expected = np.where(np.isfinite(to_pipe), to_pipe, metres.sum()) @ p
        k = int(np.argmin(expected))
        if expected[k] < least:
            best, least, reached = int(rows[k]), float(expected[k]), to_node[k]
    entry, walked = _walked(best, reached, start, end, metres)
    half, most = (_radius(p, entry, metres, share) for share in shares)
    return Search(best, half, most, *walked)


def held(probability: Floats, found: Search, radius_m: float) -> float:
    """Share of the probability (P,) within ``radius_m`` [m] along the pipes of where a search begins.

    Of a pipe that is reached in part, that part between its nearest and its furthest point.
    """
    with np.errstate(invalid="ignore"):
        part = (radius_m - found.near) / np.maximum(found.far - found.near, 1e-9)
    part = np.where(np.isfinite(found.far), np.clip(part, 0.0, 1.0), 0.0)
    return float((probability * part).sum() / probability.sum())


def walk(pipe: int, start: Ints, end: Ints, length: Floats, nodes: int, joined: Ints | None = None) -> Walk:
    """How far all pipes are along the pipes from the middle of one; arguments as for ``pipe_distances``."""
    start, end, graph = pipe_graph(start, end, length, nodes, joined)
    metres = np.maximum(np.nan_to_num(length), 0.0)
    ((_, to_node),) = _from_pipes(graph, start, end, np.array([pipe]), np.inf)
    return _walked(pipe, to_node[0], start, end, metres)[1]


def from_point(
    pipe: int,
    along_m: float,
    start: Ints,
    end: Ints,
    length: Floats,
    nodes: int,
    joined: Ints | None = None,
) -> Floats:
    """Distance along the pipes from a point of one pipe to the middle of each, (P,) [m]; inf: no way there.

    along_m: of the point from the pipe's first node [m], brought onto the pipe where it lies beyond. Other
    arguments as for ``pipe_distances``.
    """
    start, end, graph = pipe_graph(start, end, length, nodes, joined)
    metres = np.maximum(np.nan_to_num(length), 0.0)
    along = min(max(along_m, 0.0), float(metres[pipe]))
    reach = dijkstra(graph, directed=False, indices=[start[pipe], end[pipe]])
    to_node = np.minimum(along + reach[0], metres[pipe] - along + reach[1])
    to_middle = np.minimum(to_node[start], to_node[end]) + 0.5 * metres
    to_middle[pipe] = abs(along - 0.5 * metres[pipe])  # no way around is shorter than the pipe's own
    return np.asarray(to_middle)


def _walked(pipe: int, reached: Floats, start: Ints, end: Ints, metres: Floats) -> tuple[Floats, Walk]:
    """How far the two ends of each pipe are, (2, P), and its nearest and furthest points [m]."""
    a, b = reached[start] + 0.5 * metres[pipe], reached[end] + 0.5 * metres[pipe]
    a, b = np.minimum(a, b + metres), np.minimum(b, a + metres)
    entry = np.stack([a, b])
    nearest, furthest = entry.min(axis=0), 0.5 * (a + b + metres)
    # The pipe itself is walked from its middle, the others from their ends.
    entry[:, pipe], nearest[pipe], furthest[pipe] = 0.0, 0.0, 0.5 * metres[pipe]
    return entry, Walk(nearest, furthest)


def _radius(p: Floats, entry: Floats, length: Floats, share: float) -> float:
    """Distance within which ``share`` of the probability lies; NaN where so much is never reached.

    The probability of a pipe within r is p (r - a) / l from each end, a the distance of the end, up to where
    the two meet: its sum over pipes is made of straight pieces that bend at those distances.
    """
    ok = np.isfinite(entry).all(axis=0) & (p > 0)
    if p[ok].sum() < share - 1e-12:
        return float("nan")
    metres = np.maximum(length[ok], 1e-3)
    slope = p[ok] / metres
    at = np.concatenate([entry[0, ok], entry[1, ok], 0.5 * (entry[:, ok].sum(0) + metres)])
    bend = np.concatenate([slope, slope, -2 * slope])
    order = np.argsort(at, kind="stable")
    at, rate = at[order], np.cumsum(bend[order])
    held = np.concatenate([[0.0], np.cumsum(rate[:-1] * np.diff(at))])
    reached = int(np.searchsorted(held, share - 1e-12))
    if reached == 0:
        return float(at[0])
    if reached >= len(at):
        return float(at[-1])
    rest = (share - held[reached - 1]) / (held[reached] - held[reached - 1])
    return float(at[reached - 1] + min(rest, 1.0) * (at[reached] - at[reached - 1]))


def pipe_graph(
    start: Ints, end: Ints, length: Floats, nodes: int, joined: Ints | None
) -> tuple[Ints, Ints, csr_matrix]:
    """Ends of pipes with joined nodes made one, and the graph; of parallel pipes the shorter is the path."""
    start, end = np.asarray(start, np.int64), np.asarray(end, np.int64)
    if joined is not None and len(joined):
        one = np.ones(len(joined))
        same = csr_matrix((one, (joined[:, 0], joined[:, 1])), shape=(nodes, nodes))
        nodes, label = connected_components(same, directed=False)
        start, end = label[start].astype(np.int64), label[end].astype(np.int64)
    with np.errstate(invalid="ignore"):
        path = (length > 0) & (start != end)
    a, b, metres = np.minimum(start, end)[path], np.maximum(start, end)[path], length[path]
    order = np.lexsort((metres, b, a))
    a, b, metres = a[order], b[order], metres[order]
    shortest = np.ones(len(a), bool)
    shortest[1:] = (a[1:] != a[:-1]) | (b[1:] != b[:-1])
    graph = csr_matrix((metres[shortest], (a[shortest], b[shortest])), shape=(nodes, nodes))
    return start, end, graph


def _from_pipes(
    graph: csr_matrix, start: Ints, end: Ints, pipes: Ints, limit: float
) -> Iterator[tuple[Ints, Floats]]:
    """Pieces of ``pipes`` with the distance from the nearer end of each to every node, (p, N) [m]."""
    piece = max(1, AT_ONCE // max(graph.shape[0], len(start), 1))
    for i in range(0, len(pipes), piece):
        rows = pipes[i : i + piece]
        ends, back = np.unique(np.concatenate([start[rows], end[rows]]), return_inverse=True)
        reach = dijkstra(graph, directed=False, indices=ends, limit=limit)
        yield rows, np.minimum(reach[back[: len(rows)]], reach[back[len(rows) :]])
