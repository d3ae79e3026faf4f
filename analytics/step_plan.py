"""A step test: which valves to shut one after another so that the drops of inflow say where a leak is.

The classic step test (Farley & Trow 2003, Losses in Water Distribution Networks, IWA Publishing, ch. 7; AWWA
M36; IWA Water Loss Task Force 2007, Leak Location and Repair Guidance Notes) shuts sub-areas of a district
at night, one after another, from its far end towards the inlet, and reads the inflow after each: it drops
by what the sub-area used, and by the leak where that is the one.

A plan is a sequence of areas 0 .. K-1 that lose water in this order, and an area K that never does. What has
not been shut off yet must hang together with the inlet, and each valve between two areas is shut once. Of two
plans the better one has the higher

    score = information - VALVE_BITS x valves - STEP_BITS x steps
    information = - sum over areas of P log2 P      [bit], P: probability that the leak is in the area

For any order in which one could walk the network from the inlet, outwards, the best cut of that order into
areas is found exactly (dynamic programming); orders of several kinds are tried, and the best plan is
improved by moving single segments across borders. So it is the best of many, not proven to be the best of
all."""

from __future__ import annotations

import heapq
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components, dijkstra
from scipy.sparse.linalg import splu

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

VALVE_BITS = 0.05
"""What one valve more must bring [bit]: turning twenty of them is worth halving the search."""
STEP_BITS = 0.1
"""What one step more must bring [bit]: a night has time for some ten of 20 minutes."""
MOST_STEPS = 12
ORDERS = 60
"""Random orders beside the four that are always tried."""
ORDERED = 100_000
"""Segments that all random orders together hold: a large district gets fewer of them."""
BREAKS = 250
"""Places of an order at which it may be cut: beyond so many, those where fewest valves would be shut."""
MOVES = 3000
"""Moves of single segments that are tried at most."""

OUTSIDE = -1


class StepPlan(NamedTuple):
    """area (n,): the step at which each segment loses its water, counted from 0; ``steps`` for those that
    keep it, OUTSIDE (-1) for those that had none. score, information [bit]. valves: all that are shut."""

    area: Ints
    steps: int
    valves: int
    information: float
    score: float


def step_plan(
    between: ArrayLike,
    mass: ArrayLike,
    root: ArrayLike,
    kept: ArrayLike | None = None,
    *,
    steps: int = 6,
    valve_bits: float = VALVE_BITS,
    step_bits: float = STEP_BITS,
    orders: int = ORDERS,
    seed: int = 0,
) -> StepPlan:
    """The best plan found for n segments between which E valves stand.

    between (E, 2): the segments on either side of each valve. mass (n,): probability that the leak is in a
    segment, any scale. root (n,): segments that water comes from: outside the district, or with a tank.
    kept (n,): those that must not lose it, such as a hospital's, and the way to another district. steps: at
    most so many. seed: of the random orders; the same one gives the same plan. Raises ValueError for shapes
    that do not fit, no mass, or steps beyond 1 to MOST_STEPS.
    """
    pairs = np.asarray(between, np.int64).reshape(-1, 2)
    weight, base = np.asarray(mass, np.float64), np.asarray(root, np.bool_)
    must = np.zeros(len(base), np.bool_) if kept is None else np.asarray(kept, np.bool_)
    if weight.shape != base.shape or must.shape != base.shape or weight.ndim != 1:
        raise ValueError("mass, root and kept need a value for each segment")
    if not 1 <= steps <= MOST_STEPS:
        raise ValueError(f"a plan has 1 to {MOST_STEPS} steps, not {steps}")
    if not np.all(np.isfinite(weight)) or np.any(weight < 0) or weight.sum() <= 0:
        raise ValueError("mass is to be 0 or more, and more than 0 somewhere")
    graph = _Graph(pairs, weight, base, must)
    prices = valve_bits, step_bits
    best = graph.judged(graph.nothing(), prices)
    random = min(orders, max(8, ORDERED // graph.n))
    for order in graph.walks(random, np.random.default_rng(seed)):
        found = graph.judged(graph.cut(order, steps, prices), prices)
        if found.score > best.score + 1e-12:
            best = found
    return graph.improved(best, prices)


class _Graph:
    """The segments that water reaches, the root ones joined into one (index 0)."""

    def __init__(self, pairs: Ints, mass: Floats, root: Bools, kept: Bools) -> None:
        n = len(root)
        point = np.zeros(n, np.int64)
        point[~root] = 1 + np.arange(int((~root).sum()))
        count = int(point.max(initial=0)) + 1
        one, other = point[pairs].T if len(pairs) else (np.empty(0, np.int64),) * 2
        apart = one != other
        joined = csr_array((np.ones(len(one), np.int8), (one, other)), shape=(count, count))
        label = connected_components(joined, directed=False)[1]
        self.wet = label[point] == label[0]
        inside = label == label[0]
        self.inner = np.full(count, -1)
        self.inner[inside] = np.arange(int(inside.sum()))  # the root is the first
        self.point = np.where(self.wet, self.inner[point], -1)
        self.n, self.size = int(inside.sum()), n
        keep = apart & inside[one] if len(one) else apart
        self.one, self.other = self.inner[one[keep]], self.inner[other[keep]]
        self.mass = np.zeros(self.n)
        np.add.at(self.mass, self.point[self.wet], mass[self.wet])
        total = self.mass.sum()
        self.mass = self.mass / total if total > 0 else self.mass
        self.near = csr_array(
            coo_array(
                (np.ones(2 * len(self.one)), (np.r_[self.one, self.other], np.r_[self.other, self.one])),
                shape=(self.n, self.n),
            )
        )  # valves between two segments, added up
        self.kept = np.unique(self.point[kept & self.wet])

    def _core(self, chance: np.random.Generator | None) -> Ints:
        """The root and ways from it to all that must keep water, each begun where the last ended: of little
        mass and few valves; with ``chance``, of little of what is drawn."""
        cost = self.mass + 1e-3 if chance is None else (self.mass + 1e-3) * chance.exponential(size=self.n)
        ways = csr_array((cost[self.near.indices], self.near.indices, self.near.indptr), shape=(self.n,) * 2)
        core = [0]
        for target in self.kept.tolist() if chance is None else chance.permutation(self.kept).tolist():
            if target in core:
                continue
            _, before, _ = dijkstra(ways, indices=core, return_predecessors=True, min_only=True)
            node = target
            way = []
            while node not in core:
                way.append(node)
                node = int(before[node])
            core += way[::-1]
        return np.array(core, np.int64)

    def nothing(self) -> Ints:
        """(n,) no step at all."""
        return np.zeros(self.n, np.int64)

    # Orders

    def walks(self, random: int, chance: np.random.Generator) -> list[Ints]:
        """Orders of all segments, the core first, in which each next one touches one before it."""
        away = dijkstra(self.near, indices=0, unweighted=True)
        below = self._below(away)
        core = self._core(None)
        found = [
            self._walk(core, away, deep=False),
            self._walk(core, -self._potential(), deep=False),
            self._walk(core, below, deep=True),
            self._walk(core, -below, deep=True),
            self._tight(core),
        ]
        for k in range(random):
            noise = chance.random(self.n)
            cost = noise if k % 3 < 2 else -away - noise
            way = self._core(chance) if len(self.kept) and k % 2 else core
            found.append(self._walk(way, cost, deep=k % 3 == 0))
        return found

    def _walk(self, core: Ints, cost: Floats, deep: bool) -> Ints:
        """Always the cheapest of those that touch what is there; ``deep``: that touch the newest of it, so
        that whole branches stand together."""
        seen = np.zeros(self.n, np.bool_)
        order: list[int] = []
        heap: list[tuple[float, float, int]] = []

        def take(node: int) -> None:
            seen[node] = True
            order.append(node)
            for other in self.near.indices[self.near.indptr[node] : self.near.indptr[node + 1]].tolist():
                if not seen[other]:
                    heapq.heappush(heap, (-float(len(order)) if deep else 0.0, float(cost[other]), other))

        for node in core.tolist():
            take(node)
        while heap:
            node = heapq.heappop(heap)[2]
            if not seen[node]:
                take(node)
        return np.array(order, np.int64)

    def _tight(self, core: Ints) -> Ints:
        """Always the one that has most valves to what is there (Stoer & Wagner's order): few are cut."""
        pull = np.zeros(self.n)
        seen = np.zeros(self.n, np.bool_)
        order = []
        heap: list[tuple[float, int]] = []
        first = core.tolist()
        while first or heap:
            node = first.pop(0) if first else heapq.heappop(heap)[1]
            if seen[node]:
                continue
            seen[node] = True
            order.append(node)
            span = slice(self.near.indptr[node], self.near.indptr[node + 1])
            for other, valves in zip(
                self.near.indices[span].tolist(), self.near.data[span].tolist(), strict=True
            ):
                if not seen[other]:
                    pull[other] += valves
                    heapq.heappush(heap, (-pull[other], other))
        return np.array(order, np.int64)

    def _below(self, away: Floats) -> Floats:
        """(n,) mass of the subtree that hangs on each segment in a tree of shortest ways."""
        below = self.mass.copy()
        for node in np.argsort(-away, kind="stable").tolist():
            span = self.near.indices[self.near.indptr[node] : self.near.indptr[node + 1]]
            nearer = span[away[span] < away[node]]
            if len(nearer):
                below[nearer[0]] += below[node]
        return below

    def _potential(self) -> Floats:
        """(n,) pressure that all segments would have if each used its mass and valves alone resisted: what
        lies above any level of it hangs together with the inlet."""
        if self.n < 2:
            return np.zeros(self.n)
        degree = np.asarray(self.near.sum(axis=1)).ravel()
        laplacian = (coo_array((degree, (np.arange(self.n),) * 2), shape=(self.n,) * 2) - self.near).tocsc()
        out = np.zeros(self.n)
        used = -(self.mass[1:] + 1e-6)
        out[1:] = splu(laplacian[1:, 1:]).solve(used)
        return out

    # Cutting an order

    def cut(self, order: Ints, steps: int, prices: tuple[float, float]) -> Ints:
        """(n,) the area of each segment: the best cut of ``order`` into at most ``steps`` and what is
        kept."""
        place = np.empty(self.n, np.int64)
        place[order] = np.arange(self.n)
        low, high = (
            np.minimum(place[self.one], place[self.other]),
            np.maximum(place[self.one], place[self.other]),
        )
        breaks = self._breaks(order, low, high)  # positions: an area begins there
        m = len(breaks)
        if m < 2:
            return np.zeros(self.n, np.int64)
        # crossing[i, j]: valves between what lies before break i and what lies from break i up to break j.
        a, b = np.searchsorted(breaks, low, "right"), np.searchsorted(breaks, high, "right")
        table = np.zeros((m + 1, m + 1))
        np.add.at(table, (a, b), 1.0)  # a: number of breaks at or before the nearer end
        sums = np.zeros((m + 2, m + 2))
        sums[1:, 1:] = table.cumsum(0).cumsum(1)
        # nearer end before break i (a <= i), further end in (i, j] (i + 1 <= b <= j).
        i = np.arange(m)[:, None]
        j = np.arange(m)[None, :]
        crossing = sums[i + 1, j + 1] - sums[i + 1, i + 1]
        before = np.r_[0.0, np.cumsum(self.mass[order])][breaks]
        gained = _entropy(np.maximum(before[None, :] - before[:, None], 0)) - prices[0] * crossing - prices[1]
        gained[j <= i] = -np.inf
        # The last area of the order loses water first. value[k, i]: of all that lies before break i, in k
        # areas.
        value = _entropy(before)
        trace: list[Ints] = []
        best, at = float(_entropy(np.array([1.0]))[0]), (0, m - 1)
        for k in range(1, steps + 1):
            offered = value[:, None] + gained
            came = np.argmax(offered, axis=0)
            value = offered[came, np.arange(m)]
            trace.append(came)
            if value[m - 1] > best + 1e-12:
                best, at = float(value[m - 1]), (k, m - 1)
        count, end = at
        area = np.full(self.n, count, np.int64)
        for step in range(count):
            begin = int(trace[count - 1 - step][end])
            area[order[breaks[begin] : breaks[end]]] = step
            end = begin
        return area

    def _breaks(self, order: Ints, low: Ints, high: Ints) -> Ints:
        """Positions at which the order may be cut, behind all that must keep water, the end of all last."""
        held = np.isin(order, self.kept)
        first = int(np.flatnonzero(held)[-1]) + 1 if held.any() else 1
        every = np.arange(first, self.n + 1)
        if len(every) <= BREAKS:
            return every
        across = np.zeros(self.n + 1)
        np.add.at(across, low + 1, 1.0)
        np.add.at(across, high + 1, -1.0)
        across = across.cumsum()  # valves between what lies before a position and what lies from it on
        mass = np.r_[0.0, np.cumsum(self.mass[order])] + np.arange(self.n + 1) * 1e-9
        share = np.minimum((mass / mass[-1] * (BREAKS - 2)).astype(np.int64), BREAKS - 3)
        inner = every[1:-1]
        by = np.lexsort((inner, across[inner], share[inner]))
        chosen = inner[by][np.r_[True, np.diff(share[inner][by]) > 0]]
        return np.unique(np.r_[first, chosen, self.n])

    # Judging and improving

    def judged(self, area: Ints, prices: tuple[float, float]) -> StepPlan:
        steps = int(area[0])
        information = float(_entropy(_sums(area, self.mass, steps + 1)).sum())
        valves = int((area[self.one] != area[self.other]).sum())
        whole = np.where(self.wet, area[self.point], OUTSIDE)
        return StepPlan(
            whole, steps, valves, information, information - prices[0] * valves - prices[1] * steps
        )

    def improved(self, plan: StepPlan, prices: tuple[float, float]) -> StepPlan:
        """The plan after all moves of single segments across a border that make it better."""
        area = np.zeros(self.n, np.int64)
        area[self.point[self.wet]] = plan.area[self.wet]
        area[0] = plan.steps
        held = np.zeros(self.n, np.bool_)
        held[0] = held[self.kept] = True
        mass = _sums(area, self.mass, plan.steps + 1)
        tried, again = 0, True
        while again and tried < MOVES:
            again = False
            border = np.unique(np.r_[self.one, self.other][np.tile(area[self.one] != area[self.other], 2)])
            for node in border[~held[border]].tolist():
                span = slice(self.near.indptr[node], self.near.indptr[node + 1])
                beside, valves = area[self.near.indices[span]], self.near.data[span]
                now = int(area[node])
                for to in np.unique(beside[beside != now]).tolist():
                    tried += 1
                    more = prices[0] * (valves[beside == now].sum() - valves[beside == to].sum())
                    moved = mass.copy()
                    moved[now] -= self.mass[node]
                    moved[to] += self.mass[node]
                    change = float((_entropy(np.maximum(moved, 0)) - _entropy(mass)).sum()) - float(more)
                    if change <= 1e-9:
                        continue
                    area[node] = to
                    if np.count_nonzero(area == now) and self._holds(area, min(now, to), max(now, to)):
                        mass, now, again = np.maximum(moved, 0), to, True
                        break
                    area[node] = now
        return self.judged(area, prices)

    def _holds(self, area: Ints, first: int, last: int) -> bool:
        """Whether all that still has water after each of the steps ``first`` to ``last`` - 1 hangs
        together."""
        for step in range(first, last):
            inside = area > step
            keep = inside[self.one] & inside[self.other]
            joined = csr_array(
                (np.ones(int(keep.sum()), np.int8), (self.one[keep], self.other[keep])), shape=(self.n,) * 2
            )
            label = connected_components(joined, directed=False)[1]
            if np.any(label[inside] != label[0]):
                return False
        return True


def _sums(area: Ints, mass: Floats, areas: int) -> Floats:
    return np.bincount(area, mass, minlength=areas).astype(np.float64)


def _entropy(share: Floats) -> Floats:
    return np.where(share > 0, -share * np.log2(np.where(share > 0, share, 1.0)), 0.0)
