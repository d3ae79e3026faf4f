"""How far two places are apart along the pipes: what a crew walks and what joins two reports of one leak."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import dijkstra

from analytics.radius import pipe_graph

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Spot(NamedTuple):
    """A place on a pipe: its index and the distance from its start [m]."""

    pipe: int
    along: float


class PipeWays:
    """Distances between places on P pipes. start, end (P,): node indices below ``nodes``; length (P,) [m].

    joined (K, 2): pairs of nodes that count as one place, such as the ends of pumps and valves.
    """

    def __init__(
        self, start: Ints, end: Ints, length: Floats, nodes: int, joined: Ints | None = None
    ) -> None:
        self._start, self._end, self._graph = pipe_graph(start, end, length, nodes, joined)
        self._length = np.maximum(np.nan_to_num(length), 0.0)

    def reach(self, origin: Spot, limit: float) -> Reach:
        """What lies around ``origin``, up to ``limit`` [m] along the pipes."""
        ends = np.array([self._start[origin.pipe], self._end[origin.pipe]])
        first = min(max(origin.along, 0.0), float(self._length[origin.pipe]))
        offset = np.array([first, self._length[origin.pipe] - first])
        # Two searches, one from each end of the pipe, each beginning with what lies before that end.
        nodes = dijkstra(self._graph, directed=False, indices=ends, limit=limit) + offset[:, None]
        return Reach(Spot(origin.pipe, first), nodes.min(axis=0), self._start, self._end, self._length)


class Reach(NamedTuple):
    """Distances from one place. nodes (N,): to every node [m], inf beyond the limit."""

    origin: Spot
    nodes: Floats
    start: Ints
    end: Ints
    length: Floats

    def to(self, spot: Spot) -> float:
        """Distance along the pipes to ``spot`` [m]; inf where there is no way, or one beyond the limit."""
        along = min(max(spot.along, 0.0), float(self.length[spot.pipe]))
        ways = [
            self.nodes[self.start[spot.pipe]] + along,
            self.nodes[self.end[spot.pipe]] + float(self.length[spot.pipe]) - along,
        ]
        if spot.pipe == self.origin.pipe:
            ways.append(abs(along - self.origin.along))
        return float(min(ways))
