"""How a site's meters and tanks make up the net inflow of its DMAs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from waterworks.network import Network
from waterworks.reading import Quality
from waterworks.site import Role, Sensor, Site

Floats = NDArray[np.float64]

UNUSABLE = int(Quality.SUSPECT | Quality.OUT_OF_RANGE | Quality.CLOCK)
"""Readings that are kept and shown, but decide nothing."""


class Balance(NamedTuple):
    """How meters and tanks make up net inflow. signs (M, S), tank_signs (K, S), areas (K,) [m2]."""

    meters: list[str]
    signs: Floats
    tanks: list[str]
    tank_signs: Floats
    areas: Floats


def balance(site: Site, network: Network | None) -> Balance:
    """The balance of the site's DMAs, columns in their order.

    A tank whose plan area neither the site nor the network gives is left out.
    """
    column = {d.id: i for i, d in enumerate(site.dmas)}
    meters = [s for s in site.sensors if s.role is Role.INLET]
    tanks = [(s, a) for s in site.sensors if s.role is Role.STORAGE and (a := _area(s, network)) is not None]
    signs = np.zeros((len(meters), len(column)))
    for i, s in enumerate(meters):
        if s.dma in column:
            signs[i, column[s.dma]] += 1
        if s.from_dma in column:
            signs[i, column[s.from_dma]] -= 1
    tank_signs = np.zeros((len(tanks), len(column)))
    for i, (s, _) in enumerate(tanks):
        if s.dma in column:
            tank_signs[i, column[s.dma]] -= 1
    return Balance(
        [s.id for s in meters],
        signs,
        [s.id for s, _ in tanks],
        tank_signs,
        np.array([a for _, a in tanks], np.float64),
    )


def _area(sensor: Sensor, network: Network | None) -> float | None:
    if sensor.tank_area_m2 is not None:
        return sensor.tank_area_m2
    if network is not None and sensor.element in network.node_index:
        diameter = float(network.tank_diameter[network.node_index[sensor.element]])
        if np.isfinite(diameter):
            return float(np.pi * diameter**2 / 4)
    return None
