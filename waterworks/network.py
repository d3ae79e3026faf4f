"""A pipe network in SI arrays, as read from an EPANET file."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]


class NodeKind(IntEnum):
    """EPANET's node types (EN_NodeType)."""

    JUNCTION = 0
    RESERVOIR = 1
    TANK = 2


class LinkKind(IntEnum):
    """EPANET's link types (EN_LinkType)."""

    CVPIPE = 0
    PIPE = 1
    PUMP = 2
    PRV = 3
    PSV = 4
    PBV = 5
    FCV = 6
    TCV = 7
    GPV = 8
    PCV = 9


@dataclass(frozen=True, eq=False)
class Network:
    """N nodes and L links. Lengths, diameters, elevations and heads [m], flows [m3/s].

    node_ids, node_kind (N,), elevation (N,): for tanks the bottom, for reservoirs the head.
    base_demand (N,): sum of a junction's demand categories times their pattern's mean, 0 elsewhere.
    xy (N, 2): coordinates of the file, NaN where it gives none.
    tank_diameter, tank_init, tank_min, tank_max (N,): NaN where the node is no tank.
    link_ids, link_kind (L,), start (L,), end (L,): indices of nodes.
    length, diameter (L,): 0 for pumps and valves where the file gives none.
    roughness (L,): Hazen-Williams C [-], Darcy-Weisbach height [m] or Manning n [-], by ``headloss``.
    minor_loss (L,) [-]; open (L,): initial status; setting (L,): of valves [m] or [m3/s], pump speed [-].
    vertices: link index -> (V, 2) bends between its end nodes.
    headloss: "H-W", "D-W" or "C-M". units: the flow units of the file (for example "CMH").
    pump_curves: link index -> (K, 2) points of a pump's curve at full speed, flow [m3/s] and the head that
    it adds [m], as the file gives them; pumps of constant power have none.
    """

    node_ids: tuple[str, ...]
    node_kind: Ints
    elevation: Floats
    base_demand: Floats
    xy: Floats
    tank_diameter: Floats
    tank_init: Floats
    tank_min: Floats
    tank_max: Floats
    link_ids: tuple[str, ...]
    link_kind: Ints
    start: Ints
    end: Ints
    length: Floats
    diameter: Floats
    roughness: Floats
    minor_loss: Floats
    open: NDArray[np.bool_]
    setting: Floats
    vertices: dict[int, Floats]
    headloss: str
    units: str
    pump_curves: dict[int, Floats] = field(default_factory=dict)

    @cached_property
    def node_index(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.node_ids)}

    @cached_property
    def link_index(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.link_ids)}

    @cached_property
    def pipe_length(self) -> dict[str, float]:
        """Length [m] of each pipe by its id; pumps and valves are none."""
        pipe = (self.link_kind == LinkKind.PIPE) | (self.link_kind == LinkKind.CVPIPE)
        chosen = zip(self.link_ids, self.length.tolist(), pipe.tolist(), strict=True)
        return {id: length for id, length, is_pipe in chosen if is_pipe}
