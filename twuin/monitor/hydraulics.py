"""EPANET and a network's links as the tracker of leaks asks for them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analytics.sensitivity import Linear
from twuin.monitor.locate import linearise
from waterworks.hydraulics import Status
from waterworks.network import LinkKind, Network, NodeKind
from waterworks.steady import SteadySolver

Floats = NDArray[np.float64]

HOLDS_M = 0.01
"""How near a valve's own end must be to its setting to count as holding it [m]."""

NO_FLOW = 1e-7
"""Less than this is no flow [m3/s]."""


class NetworkHydraulics:
    """``analytics.model.layout.Hydraulics`` of one network file."""

    def __init__(self, network: Network, solver: SteadySolver) -> None:
        self._network, self._solver = network, solver
        self._target = {
            kind: network.elevation[end] + network.setting
            for kind, end in ((LinkKind.PRV, network.end), (LinkKind.PSV, network.start))
        }

    def solve(self, demand: Floats, fixed: Floats) -> tuple[Floats, Floats]:
        return self._solver.solve(demand, fixed)

    def linear(self, head: Floats, flow: Floats) -> Linear:
        n = self._network
        status = np.where(np.abs(flow) < NO_FLOW, Status.CLOSED, Status.OPEN).astype(np.int8)
        status[n.link_kind <= LinkKind.PIPE] = Status.OPEN  # a pipe at rest still conducts
        status[~n.open] = Status.CLOSED
        tank = n.node_kind == NodeKind.TANK
        # What joins a tank rests only where the tank is full or empty.
        status[(tank[n.start] | tank[n.end]) & (np.abs(flow) < NO_FLOW)] = Status.CLOSED
        switched = self._solver.switched
        status[switched] = np.where(np.abs(flow[switched]) < NO_FLOW, Status.CLOSED, Status.OPEN)
        loss = head[n.start] - head[n.end]
        for kind, end in ((LinkKind.PRV, n.end), (LinkKind.PSV, n.start)):
            valves = (n.link_kind == kind) & np.isfinite(n.setting)
            holds = np.abs(head[end] - self._target[kind]) < HOLDS_M
            status[valves & holds & (loss > HOLDS_M)] = Status.ACTIVE
        control = (n.link_kind == LinkKind.FCV) & (status == Status.OPEN)
        status[control & (np.abs(flow - n.setting) < 1e-3 * np.abs(n.setting))] = Status.ACTIVE
        status[self._solver.shut] = Status.CLOSED
        return linearise(n, head, flow, status).linear
