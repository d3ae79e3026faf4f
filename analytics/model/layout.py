"""What the tracker knows of a network, and what it asks of a solver."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from analytics.sensitivity import Linear

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Layout(NamedTuple):
    """A network of N nodes and L links, with M pressure sensors, C consumption meters and Z zones.

    start, end (L,): node indices. pipes (P,): links that may leak. length (P,) [m]. group (P,): class of
    roughness. distance (P, P) [m]: between
    the centres of pipes along the pipes. fixed (N,): reservoirs and tanks. zone (N,): of each node, -1 for
    none. sensors (M,), meters (C,): their nodes. imposed (K,): links whose measured flow is imposed on the
    model (pumps mostly), which are shut in it.
    """

    start: Ints
    end: Ints
    pipes: Ints
    length: Floats
    group: Ints
    distance: Floats
    fixed: Bools
    zone: Ints
    zones: int
    sensors: Ints
    meters: Ints
    imposed: Ints


class Hours(NamedTuple):
    """One local day, hour by hour (H rows, as many as the day has). NaN: not measured.

    hour (H,): of the local day, 0 to 23. head (H, M) [m], error (H, M) [m]: standard error of each.
    inflow (H, Z): net inflow of zones [m3/s]; NaN throughout for a zone whose balance is not measured.
    metered (H, C): consumption, imposed (H, K): flow of imposed links [m3/s]. fixed (H, F): what bounds
    the model, in the solver's order: heads of the fixed nodes [m], then 1 or 0 for links that are on or off.
    nominal (H, N): what the model says each junction uses [m3/s].
    weekday: 0 Monday to 6 Sunday.
    """

    hour: Ints
    head: Floats
    error: Floats
    inflow: Floats
    metered: Floats
    imposed: Floats
    fixed: Floats
    nominal: Floats
    weekday: int


def members(zone: Ints, zones: int) -> Floats:
    """1 where a node is in a zone, (N, Z), from the zone of each node (N,)."""
    member: Floats = (zone[:, None] == np.arange(zones)).astype(np.float64)
    return member


class Hydraulics(Protocol):
    """A solver of steady states."""

    def solve(self, demand: Floats, fixed: Floats) -> tuple[Floats, Floats]:
        """Heads (H, N) [m] and flows (H, L) [m3/s] for demands (H, N) [m3/s] and what bounds it (H, F), see
        ``Hours``.

        A row that can't be solved is NaN.
        """
        ...

    def linear(self, head: Floats, flow: Floats) -> Linear:
        """How links answer to changes around one state, head (N,), flow (L,)."""
        ...
