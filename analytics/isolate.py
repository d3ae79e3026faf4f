"""Which valves to shut to take a pipe out of service: few of them, and few customers without water.

Shut valves cut a network into *segments*, the smallest parts that can be taken out of service (Walski 1993,
Journal AWWA 85(7), 71-75). Valves to shut are a cut between the pipe's segment and those of the sources, and
the cheapest one is a maximum flow (Ford & Fulkerson 1956): each valve has a capacity of its own, and each
segment passes on to the sources as much as it has customers, so that a cut costs the valves in it and the
customers on the pipe's side. Fewest valves alone would shut the two at the waterworks.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components, maximum_flow

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

STEPS = 100_000
"""Steps in which all weight is counted: of a network of 100,000 connections every one tells."""

_MOST = 2**30  # SciPy counts flows in 32 bits


class Isolation(NamedTuple):
    """How to isolate a pipe. gates (K,): indices of the valves to shut, None: it cannot be isolated, a source
    reaches it without passing any. dry (N,): nodes that have water now and will have none. pipes (L,): links
    that will stand without supply, the pipe itself among them. weight: sum over the dry nodes."""

    gates: Ints | None
    dry: Bools
    pipes: Bools
    weight: float


class Segments:
    """The segments of N nodes and L links between G valves.

    ends (L, 2): index of the start and the end node of each link. open (L,): False where nothing can flow.
    gates (G, 2): link of each valve, and at which of its ends it stands (0 start, 1 end). sources (N,): nodes
    that supply. weight (N,): customers at each node, or whatever is to be spared; not negative.
    shut (G,): valves that are shut already. Raises ValueError for shapes that do not fit.
    """

    def __init__(
        self,
        ends: ArrayLike,
        open: ArrayLike,
        gates: ArrayLike,
        sources: ArrayLike,
        weight: ArrayLike,
        shut: ArrayLike | None = None,
    ) -> None:
        self._ends = np.asarray(ends, np.int64).reshape(-1, 2)
        self._open = np.asarray(open, np.bool_)
        self._gates = np.asarray(gates, np.int64).reshape(-1, 2)
        self._sources = np.asarray(sources, np.bool_)
        self._weight = np.asarray(weight, np.float64)
        self._shut = np.zeros(len(self._gates), np.bool_) if shut is None else np.asarray(shut, np.bool_)
        nodes, links = len(self._sources), len(self._ends)
        if self._weight.shape != (nodes,) or self._open.shape != (links,):
            raise ValueError("weight and sources need a value for each node, open one for each link")
        if self._shut.shape != (len(self._gates),):
            raise ValueError("shut needs a value for each valve")
        if np.any(self._weight < 0) or not np.all(np.isfinite(self._weight)):
            raise ValueError("weight is to be 0 or more")
        # Nodes and links are points, each end of a link joins two of them, and there a valve may stand.
        free = np.repeat(self._open[:, None], 2, axis=1)
        free[self._gates[:, 0], self._gates[:, 1]] = False
        link, end = np.nonzero(free)
        joined = csr_array(
            (np.ones(len(link), np.int8), (nodes + link, self._ends[link, end])), shape=(nodes + links,) * 2
        )
        self.count, label = connected_components(joined, directed=False)
        self.of_node: Ints = label[:nodes].astype(np.int64)
        self.of_link: Ints = label[nodes:].astype(np.int64)
        passable = self._open[self._gates[:, 0]] & ~self._shut
        one = self.of_link[self._gates[:, 0]]
        other = self.of_node[self._ends[self._gates[:, 0], self._gates[:, 1]]]
        self._gate_ends = np.column_stack([one, other])
        self._useful = np.flatnonzero(passable & (one != other))
        self.between: Ints = self._gate_ends[self._useful]
        """(E, 2) the two segments between which each valve of ``useful`` stands."""
        self.useful: Ints = self._useful
        """(E,) valves that can pass water now and part two segments."""
        self._supplied = np.unique(self.of_node[self._sources])

    def shutting(self, gates: ArrayLike) -> Isolation:
        """What shutting these valves (indices) takes the water from, whatever they were meant for."""
        cut = np.intersect1d(np.asarray(gates, np.int64), self._useful)
        return self._result(cut, self._reached(np.ones(len(self._gates), np.bool_)))

    def isolate(self, pipe: int, per_gate: float = 20.0) -> Isolation:
        """Which valves to shut so that link ``pipe`` gets no water from anywhere.

        per_gate: one more valve is shut where that spares more than so much weight.
        """
        target = int(self.of_link[pipe])
        every = np.ones(len(self._gates), np.bool_)
        before = self._reached(every)
        if not before[target]:
            return self._result(np.empty(0, np.int64), before)
        if target in self._supplied:
            none = np.zeros(len(self._sources), np.bool_), np.zeros(len(self._open), np.bool_)
            return Isolation(None, *none, 0.0)
        one, other = self._gate_ends.T
        inside = np.zeros(self.count, np.bool_)
        inside[target] = True
        best: Isolation | None = None
        while True:
            # What has water only through what is shut off has none, whether there is a valve or not.
            passes = every.copy()
            passes[self._useful[inside[one[self._useful]] | inside[other[self._useful]]]] = False
            inside |= before & ~self._reached(passes)
            grown = self._inside(inside, per_gate)
            passes = every.copy()
            passes[self._useful[grown[one[self._useful]] != grown[other[self._useful]]]] = False
            wet = self._reached(passes)
            cut = self._useful[wet[one[self._useful]] != wet[other[self._useful]]]
            found = self._result(cut, before)
            if best is None or self._cost(found, per_gate) < self._cost(best, per_gate):
                best = found
            dry = before & ~wet
            if np.array_equal(dry, grown & before):
                return best
            # The flow took some for supplied that is not: count it as shut off, and look again.
            inside |= dry

    @staticmethod
    def _cost(found: Isolation, per_gate: float) -> float:
        assert found.gates is not None
        return per_gate * len(found.gates) + found.weight

    def _inside(self, within: Bools, per_gate: float) -> Bools:
        """(count,) the segments on the pipe's side of the cheapest cut between those ``within`` and the
        sources: the smallest side there is."""
        source, target = self.count, self.count + 1
        point = np.arange(self.count)
        point[self._supplied] = source
        point[within] = target
        one, other = point[self._gate_ends[self._useful]].T
        steps, cost = self._steps(per_gate)
        spared = np.flatnonzero((point < self.count) & (steps > 0))
        rows = np.concatenate([one, other, spared])
        columns = np.concatenate([other, one, np.full(len(spared), source)])
        capacity = np.concatenate([np.full(2 * len(one), cost), steps[spared]])
        keep = rows != columns
        graph = coo_array((capacity[keep], (rows[keep], columns[keep])), shape=(self.count + 2,) * 2).tocsr()
        graph.data = np.minimum(graph.data, _MOST).astype(np.int32)
        flow = maximum_flow(graph, target, source).flow
        left = (graph - flow).tocsr()
        left.data = np.maximum(left.data, 0)
        left.eliminate_zeros()
        inside = np.zeros(self.count + 2, np.bool_)
        inside[breadth_first_order(left, target, return_predecessors=False)] = True
        return inside[point]

    def _steps(self, per_gate: float) -> tuple[Ints, int]:
        """Weight of each segment in steps (count,), and what a valve counts beside it."""
        weight = np.bincount(self.of_node, self._weight, minlength=self.count)
        total = weight.sum()
        if total <= 0:
            return np.zeros(self.count, np.int64), 1
        scale = STEPS / total
        return np.rint(weight * scale).astype(np.int64), max(1, round(min(per_gate * scale, STEPS)))

    def _reached(self, passes: Bools) -> Bools:
        """(count,) the segments that a source reaches through the valves that pass."""
        keep = self._useful[passes[self._useful]]
        one, other = self._gate_ends[keep].T
        joined = csr_array((np.ones(len(keep), np.int8), (one, other)), shape=(self.count, self.count))
        _, label = connected_components(joined, directed=False)
        wet = np.zeros(self.count, np.bool_)
        wet[self._supplied] = True
        return np.asarray(np.isin(label, label[wet]))

    def _result(self, cut: Ints, before: Bools) -> Isolation:
        passes = np.ones(len(self._gates), np.bool_)
        passes[cut] = False
        after = self._reached(passes)
        dry = before[self.of_node] & ~after[self.of_node]
        return Isolation(cut, dry, ~after[self.of_link], float(self._weight[dry].sum()))
