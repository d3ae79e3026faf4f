"""Which value of the hydraulic truth each sensor of a site sees."""

from __future__ import annotations

from firmware_sim.truth import Measure, Point
from waterworks.network import Network, NodeKind
from waterworks.site import Role, Sensor, Site
from waterworks.units import Quantity


def observed(site: Site, network: Network) -> dict[str, Point]:
    """The point of each sensor that the network can answer for; the others are left out."""
    points = {sensor.id: _point(site, network, sensor) for sensor in site.sensors}
    return {sensor: point for sensor, point in points.items() if point is not None}


def _point(site: Site, network: Network, sensor: Sensor) -> Point | None:
    is_node, is_link = sensor.element in network.node_index, sensor.element in network.link_index
    match sensor.quantity:
        case Quantity.FLOW if is_link and not (is_node and sensor.role is Role.CONSUMPTION):
            return Point(Measure.FLOW, sensor.element, _direction(site, network, sensor))
        case Quantity.FLOW if is_node and _kind(network, sensor.element) is NodeKind.JUNCTION:
            return Point(Measure.DEMAND, sensor.element)
        case Quantity.PRESSURE if is_node:
            return Point(Measure.PRESSURE, sensor.element)
        case Quantity.LEVEL if is_node and _kind(network, sensor.element) is NodeKind.TANK:
            return Point(Measure.PRESSURE, sensor.element)
    return None


def _kind(network: Network, node: str) -> NodeKind:
    return NodeKind(network.node_kind[network.node_index[node]])


def _direction(site: Site, network: Network, sensor: Sensor) -> float:
    """1 where the link runs as the meter counts, -1 where it runs the other way.

    An inlet meter counts positive what enters its DMA (or, where it has none, what leaves ``from_dma``).
    """
    if sensor.role is not Role.INLET:
        return 1.0
    link = network.link_index[sensor.element]
    ends = (int(network.start[link]), int(network.end[link]))
    start, end = (site.node_dma.get(network.node_ids[n], "") for n in ends)
    if start == end:
        return 1.0
    if sensor.dma:
        return -1.0 if start == sensor.dma else 1.0
    return -1.0 if end == sensor.from_dma else 1.0
