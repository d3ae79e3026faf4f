"""Which pressures of a model rest on something that is not known just now."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from waterworks.network import Network, NodeKind
from waterworks.steady import SteadySolver
from waterworks.zones import components

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

HOURS = (3, 8, 13, 19)
"""Hours of a weekday at whose usual demand it is tried out."""

TOLERANCE_M = 0.02
"""A modelled pressure that moves by no more does not rest on it [m]: what a good sensor is off."""

ZONE_SPREAD = 0.5
"""How far a zone's demand may be from what is guessed where its inflow is not known, as a share."""


class Bounds(NamedTuple):
    """What bounds a model: switched links (S,), imposed links (K,) and the largest flow that is tried in
    them [m3/s], zone of each node (N,); conducts (L,): links that may let water pass."""

    switched: Ints
    imposed: Ints
    most: Floats
    zone: Ints
    conducts: Bools


class Reliance:
    """Sensors (M,) whose modelled pressure moves with a pump, a tank's level or a zone's demand.

    Each is tried out once, at usual demands, and only when it is first asked for.
    """

    def __init__(self, network: Network, solver: SteadySolver, sensors: Ints, bounds: Bounds) -> None:
        self._network, self._solver, self._sensors, self._bounds = network, solver, sensors, bounds
        self._known: dict[tuple[str, int], Bools] = {}
        fixed = network.node_kind != NodeKind.JUNCTION
        joined = bounds.conducts & ~fixed[network.start] & ~fixed[network.end]
        joined[bounds.imposed] = False
        self._part = components(network, ~joined)

    def on(self, what: str, index: int) -> Bools:
        """what: "switch", "imposed" or "zone", index in ``Bounds``; or "level", index in ``solver.fixed``."""
        key = (what, index)
        if key not in self._known:
            tried = [self._heads(what, index, share, others) for others in (0.0, 1.0) for share in (0.0, 1.0)]
            moved = np.zeros(len(self._sensors), bool)
            for low, high in (tried[:2], tried[2:]):
                moved |= ~(np.abs(high - low) <= TOLERANCE_M).all(0)
            # What cannot be solved one way or the other rests on it as well, if water joins it.
            moved &= np.isin(self._part[self._sensors], self._part[self._beside(what, index)])
            self._known[key] = moved
        return self._known[key]

    def _beside(self, what: str, index: int) -> Ints:
        """Junctions that it acts on at once."""
        n, b = self._network, self._bounds
        if what == "zone":
            return np.flatnonzero(b.zone == index)
        if what == "level":
            node = self._solver.fixed[index]
            return np.unique(np.concatenate([n.end[n.start == node], n.start[n.end == node]])).astype(
                np.int64
            )
        link = (b.switched if what == "switch" else b.imposed)[index]
        return np.array([n.start[link], n.end[link]], np.int64)

    def _heads(self, what: str, index: int, share: float, others: float) -> Floats:
        n, b, fixed = self._network, self._bounds, self._solver.fixed
        demand = self._solver.weekly[[24 + h for h in HOURS]].copy()
        held = np.where(n.node_kind[fixed] == NodeKind.TANK, n.tank_init[fixed], 0.0) + n.elevation[fixed]
        on = np.full(len(b.switched), others)
        flow = b.most * others
        if what == "switch":
            on[index] = share
        elif what == "imposed":
            flow = flow.copy()
            flow[index] = b.most[index] * share
        elif what == "level":
            node = fixed[index]
            held[index] = n.elevation[node] + (n.tank_max[node] if share else n.tank_min[node])
        else:
            demand[:, b.zone == index] *= 1 + ZONE_SPREAD * (2 * share - 1)
        for link, q in zip(b.imposed.tolist(), flow.tolist(), strict=True):
            demand[:, n.start[link]] += q
            demand[:, n.end[link]] -= q
        demand[:, fixed] = 0.0
        head, _ = self._solver.solve(demand, np.tile(np.concatenate([held, on]), (len(demand), 1)))
        return head[:, self._sensors]
