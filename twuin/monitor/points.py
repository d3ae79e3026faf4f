"""Where a site's sensors sit in its network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twuin.monitor.plant import Points
from waterworks.network import Network, NodeKind
from waterworks.site import Role, Sensor, Site
from waterworks.units import Quantity

Ints = NDArray[np.int64]


class Placed(NamedTuple):
    """Sensors that the network knows the place of, as ``Points`` has their columns."""

    points: Points
    pressure: tuple[str, ...]
    flow: tuple[str, ...]
    level: tuple[str, ...]
    consumption: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """All of them, in that order."""
        return [*self.pressure, *self.flow, *self.level, *self.consumption]


def placed(site: Site, network: Network) -> Placed:
    """Of two meters in one link, or two levels of one tank, the first counts.

    Consumption counts at nodes with one meter only: what is metered there is then all that is used.
    """
    nodes, links = network.node_index, network.link_index
    at_node = [s for s in site.sensors if s.element in nodes]
    pressure = [s for s in at_node if s.quantity is Quantity.PRESSURE]
    level = _first(
        s
        for s in at_node
        if s.quantity is Quantity.LEVEL and network.node_kind[nodes[s.element]] == NodeKind.TANK
    )
    meters = Counter(s.element for s in at_node if s.role is Role.CONSUMPTION)
    consumption = [s for s in at_node if s.role is Role.CONSUMPTION and meters[s.element] == 1]
    flow = _first(
        s
        for s in site.sensors
        if s.quantity is Quantity.FLOW and s.role is not Role.CONSUMPTION and s.element in links
    )
    return Placed(
        Points(_at(pressure, nodes), _at(flow, links), _at(level, nodes), _at(consumption, nodes)),
        _ids(pressure),
        _ids(flow),
        _ids(level),
        _ids(consumption),
    )


def _first(sensors: Iterable[Sensor]) -> list[Sensor]:
    found: dict[str, Sensor] = {}
    for s in sensors:
        found.setdefault(s.element, s)
    return list(found.values())


def _at(sensors: list[Sensor], index: dict[str, int]) -> Ints:
    return np.array([index[s.element] for s in sensors], np.int64)


def _ids(sensors: list[Sensor]) -> tuple[str, ...]:
    return tuple(s.id for s in sensors)
