"""What a site's sensors are to its DMAs, and what its network lets them read, in arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from waterworks.metering import balance
from waterworks.network import LinkKind, Network, NodeKind
from waterworks.site import Role, Sensor, Site
from waterworks.units import Quantity

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

INLET, PRESSURE, LEVEL, OTHER = 0, 1, 2, 3

FASTEST = 5.0
"""No water of a supply network runs faster [m/s]: mains are designed for 1 to 2, pipe walls suffer at 3."""

LEAST_HEAD = -1.0
"""A pressure gauge of a full pipe does not read below this [m]: less is a wrong zero."""

LIFT = 100.0
"""No pump within a network lifts by more than PN 10 pipes hold [m]."""

HEAD_MARGIN = 5.0
"""Elevations of models are wrong by so much at times [m]."""

LEAST = {PRESSURE: 0.3, LEVEL: 0.05}
"""Shifts within the accuracy of instruments [m]: 0.25 % of a 0-120 m pressure logger's span and its drift in
a year; 1 % of a tank of 5 m."""


class Gating(NamedTuple):
    """ids: S sensors that can be checked. The others as in ``analytics.gate.layout.Layout``; needs (S, D):
    which sensors a DMA's net inflow is made of."""

    ids: tuple[str, ...]
    what: Ints
    area: Ints
    member: Bools
    sign: Floats
    low: Floats
    high: Floats
    least: Floats
    device: Ints
    needs: Bools


def gating(site: Site, network: Network | None) -> Gating:
    """Flows, pressures and levels of the site, customers' meters left out, in the site's order."""
    sensors = [
        s
        for s in site.sensors
        if s.role is not Role.CONSUMPTION and s.quantity in (Quantity.FLOW, Quantity.PRESSURE, Quantity.LEVEL)
    ]
    column = {d.id: i for i, d in enumerate(site.dmas)}
    n, areas = len(sensors), len(column)
    what = np.array([_what(s) for s in sensors], np.int64)
    area = np.full(n, -1, np.int64)
    member = np.zeros((areas, n), bool)
    sign = np.zeros((n, areas))
    for i, s in enumerate(sensors):
        own = s.dma or (s.from_dma if s.role is Role.INLET else "")
        area[i] = column.get(own, -1)
        if area[i] >= 0:
            member[area[i], i] = True
        if s.role is Role.INLET:
            if s.dma in column:
                sign[i, column[s.dma]] += 1
            if s.from_dma in column:
                sign[i, column[s.from_dma]] -= 1
                member[column[s.from_dma], i] = True
    needs = sign != 0
    metered = balance(site, network)
    for k, tank in enumerate(metered.tanks):
        i = next(i for i, s in enumerate(sensors) if s.id == tank)
        needs[i] |= metered.tank_signs[k] != 0
    bounds = [_bounds(s, network) for s in sensors]
    return Gating(
        tuple(s.id for s in sensors),
        what,
        area,
        member,
        sign,
        np.array([b[0] for b in bounds], np.float64),
        np.array([b[1] for b in bounds], np.float64),
        np.array([LEAST.get(int(w), np.nan) for w in what], np.float64),
        _devices(sensors),
        needs,
    )


def _devices(sensors: list[Sensor]) -> Ints:
    """A number for each device; a sensor of none has its own."""
    numbers: dict[str, int] = {}
    names = (f"device {s.device}" if s.device else f"sensor {s.id}" for s in sensors)
    return np.array([numbers.setdefault(n, len(numbers)) for n in names], np.int64)


def _what(sensor: Sensor) -> int:
    if sensor.quantity is Quantity.PRESSURE:
        return PRESSURE
    if sensor.quantity is Quantity.LEVEL:
        return LEVEL
    return INLET if sensor.role is Role.INLET else OTHER


def _bounds(sensor: Sensor, network: Network | None) -> tuple[float, float]:
    """What the network lets a sensor read at least and at most [SI]; NaN where it does not say."""
    unknown = float("nan")
    if sensor.quantity is Quantity.PRESSURE:
        if network is None or sensor.element not in network.node_index:
            return LEAST_HEAD, unknown
        return LEAST_HEAD, _highest(network) + HEAD_MARGIN - _elevation(network, sensor.element)
    if network is None:
        return unknown, unknown
    if sensor.quantity is Quantity.FLOW and sensor.element in network.link_index:
        diameter = float(network.diameter[network.link_index[sensor.element]])
        most = np.pi / 4 * diameter**2 * FASTEST
        return (-most, most) if most > 0 else (unknown, unknown)
    if sensor.quantity is Quantity.LEVEL and sensor.element in network.node_index:
        top = float(network.tank_max[network.node_index[sensor.element]])
        return (-1.0, top + 1.0) if np.isfinite(top) else (unknown, unknown)
    return unknown, unknown


def _elevation(network: Network, node: str) -> float:
    return float(network.elevation[network.node_index[node]])


def _highest(network: Network) -> float:
    """The highest head that a source can give [m]: of reservoirs and full tanks, with pumps their lift."""
    top = np.where(network.node_kind == NodeKind.TANK, network.tank_max, 0.0)
    source = network.node_kind != NodeKind.JUNCTION
    if not source.any():
        return float("nan")
    highest = float(np.nanmax((network.elevation + np.nan_to_num(top))[source]))
    return highest + LIFT if (network.link_kind == LinkKind.PUMP).any() else highest
