"""What makes an alert urgent at a site."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PriorityLimits:
    """From which loss, or how many service connections without water, an alert has a priority.

    ..._m3_day: water lost [m3 a day]; ..._cost_day: its value [currency of the site a day], None: does not
    count; ..._connections: of a DMA without water, or whose pressure has fallen by ``pressure_drop_m`` [m].
    """

    high_m3_day: float = 240.0
    medium_m3_day: float = 48.0
    high_cost_day: float | None = None
    medium_cost_day: float | None = None
    high_connections: float = 100.0
    medium_connections: float = 0.0
    pressure_drop_m: float = 10.0


@dataclass(frozen=True, slots=True)
class Critical:
    """A customer who must not be without water: a hospital, a dialysis ward. dma: where it is. node:
    junction of the network model that serves it, "" where that is not known."""

    name: str
    dma: str
    node: str = ""
