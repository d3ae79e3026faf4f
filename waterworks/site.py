"""A site: one utility's network, its DMAs and its sensors."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from waterworks.codecs import ByteField
from waterworks.listen import Listening
from waterworks.localtime import midnight
from waterworks.losses import Bill, LossOptions
from waterworks.names import ForeignName
from waterworks.priorities import Critical, PriorityLimits
from waterworks.promises import Promises
from waterworks.units import Quantity

NIGHT_USE = 1.7e-3 / 3600
"""Legitimate night use that is assumed where a site gives none [m3/s a connection]: 1.7 l/connection/h."""


class Role(StrEnum):
    """Why a sensor is there."""

    INLET = "inlet"  # a flow meter on a DMA boundary: counts in net inflow
    CONSUMPTION = "consumption"  # a customer's meter
    STORAGE = "storage"  # a level in a tank inside a DMA: its change counts in net inflow
    MONITOR = "monitor"  # anything else: pressures, flows inside a DMA


@dataclass(frozen=True, slots=True)
class Dma:
    """A district metered area.

    connections: service connections [-]. mains_m: length of mains [m], None where unknown.
    night_use_m3s_per_connection: legitimate night use [m3/s a connection].
    pressure_m: average zone pressure [m of head], None where unknown.
    service_m: service pipe between property boundary and meter [m], in all. icf: infrastructure condition
    factor of background leakage, 1 for pipes in good order. n1: FAVAD exponent, None where it was not
    measured. large_night_m3s: night use of customers that each take much [m3/s]. billed_m3_month: what is
    billed in a usual month [m3], None where unknown. zone: the part of the utility's area that it is counted
    in, "" for none.
    """

    id: str
    name: str
    connections: int
    mains_m: float | None = None
    night_use_m3s_per_connection: float = NIGHT_USE
    pressure_m: float | None = None
    service_m: float = 0.0
    icf: float = 1.0
    n1: float | None = None
    large_night_m3s: float = 0.0
    billed_m3_month: float | None = None
    zone: str = ""


@dataclass(frozen=True, slots=True)
class Sensor:
    """One measured quantity at one place.

    unit: what the device sends where its message names no unit. interval_s: how often it reads [s].
    dma: the DMA it belongs to; of an inlet meter, the DMA that positive flow enters ("" : none, flow
    leaves the network). from_dma: of an inlet meter, the DMA that positive flow leaves ("": a source).
    Only a monitor may belong to no DMA (dma ""). element: node (pressure, level, consumption) or link
    (other flows) of the network model, "" where there is none; positive flow runs from the link's start
    to its end node.
    tank_area_m2: of a storage level, the tank's plan area, None where the network model gives it.
    low, high: range of believable values [SI], None: the default of the quantity.
    lon, lat: WGS 84 [degrees], None: taken from the network model. since: the local day on which it began to
    measure; None: not known.
    """

    id: str
    quantity: Quantity
    unit: str
    dma: str
    device: str
    role: Role = Role.MONITOR
    from_dma: str = ""
    element: str = ""
    interval_s: float = 300.0
    name: str = ""
    tank_area_m2: float | None = None
    low: float | None = None
    high: float | None = None
    lon: float | None = None
    lat: float | None = None
    since: date | None = None


class ValveState(StrEnum):
    """How a valve stands that a crew could turn."""

    OPEN = "open"
    SHUT = "shut"
    STUCK = "stuck"  # open, and cannot be shut


@dataclass(frozen=True, slots=True)
class StopValve:
    """A valve in ``pipe`` (link of the network model) near its end ``node``, with which a crew can stop the
    flow there."""

    id: str
    pipe: str
    node: str
    state: ValveState = ValveState.OPEN
    name: str = ""


class FittingKind(StrEnum):
    """What stands on a pipe that a crew can listen at."""

    HYDRANT = "hydrant"
    AIR_VALVE = "air_valve"
    WASHOUT = "washout"
    TAP = "tap"  # a public tap, or any place where a customer's pipe can be touched
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Fitting:
    """What else than a valve a crew can listen at: on ``pipe`` (link of the network model) near its end
    ``node``."""

    id: str
    kind: FittingKind
    pipe: str
    node: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class ClockCorrection:
    """The clock of ``device`` was ``ahead_s`` ahead [s] of what it should show (below 0: behind) for readings
    taken from ``since`` to before ``until`` [UTC], by right time; until None: it still is."""

    device: str
    ahead_s: float
    since: np.datetime64
    until: np.datetime64 | None = None

    def overlaps(self, other: ClockCorrection) -> bool:
        """Whether there is a time that both are about."""
        before = other.until is not None and other.until <= self.since
        after = self.until is not None and self.until <= other.since
        return not (before or after)


@dataclass(frozen=True, slots=True)
class MonitorOptions:
    """What a utility may set about detection.

    night: local hours [start, end) in which minimum night flow is looked for.
    holidays: days that follow no weekday pattern. water_cost: value of a lost m3, visit_cost: what it costs
    to send a crew to look for a leak, found or not; both in ``currency``.
    """

    night: tuple[float, float] = (0.0, 5.0)
    holidays: frozenset[date] = frozenset()
    water_cost: float = 0.0
    visit_cost: float = 0.0
    currency: str = "IDR"


@dataclass(frozen=True)
class Site:
    """A validated site folder.

    crs: coordinate system of the network file, as pyproj reads it ("EPSG:32749"); "" where the network
    has none (its coordinates are then shown without a geographic frame).
    network_file: the EPANET file, None for a site without a hydraulic model.
    clocks: which devices' clocks are wrong.
    names: what sensors are called in messages of formats that carry names of their own. listen: the topics,
    outside Twuin's own, on which such messages come. codecs: what the bytes of uplinks mean.
    """

    id: str
    name: str
    timezone: ZoneInfo
    dmas: tuple[Dma, ...]
    sensors: tuple[Sensor, ...]
    folder: Path
    crs: str = ""
    network_file: Path | None = None
    node_dma: dict[str, str] = field(default_factory=dict)  # junction -> DMA, where there is a network
    monitor: MonitorOptions = MonitorOptions()
    losses: LossOptions = field(default_factory=LossOptions)
    billing: tuple[Bill, ...] = ()
    names: tuple[ForeignName, ...] = ()
    listen: tuple[Listening, ...] = ()
    codecs: tuple[ByteField, ...] = ()
    clocks: tuple[ClockCorrection, ...] = ()
    valves: tuple[StopValve, ...] = ()
    fittings: tuple[Fitting, ...] = ()
    promises: Promises | None = None
    priority: PriorityLimits = field(default_factory=PriorityLimits)
    critical: tuple[Critical, ...] = ()

    @cached_property
    def sensor(self) -> dict[str, Sensor]:
        """Sensors by id."""
        return {s.id: s for s in self.sensors}

    @cached_property
    def commissioned(self) -> dict[str, np.datetime64]:
        """When sensors began to measure [UTC], by id; only those of which the site says so."""
        return {s.id: midnight(s.since.toordinal(), self.timezone) for s in self.sensors if s.since}

    @cached_property
    def zones(self) -> dict[str, tuple[Dma, ...]]:
        """DMAs by zone, in the order of dmas.csv; those of none are left out."""
        names = dict.fromkeys(d.zone for d in self.dmas if d.zone)
        return {name: tuple(d for d in self.dmas if d.zone == name) for name in names}

    @cached_property
    def dma(self) -> dict[str, Dma]:
        """DMAs by id."""
        return {d.id: d for d in self.dmas}


def part_of(site: Site, dmas: Collection[str]) -> Site:
    """The part of a site that these DMAs are: they, and the sensors that lie in them or on their boundary.

    A zone that is not wholly among them is none: its sum would be taken for the zone's.
    """
    whole = {name for name, of in site.zones.items() if all(d.id in dmas for d in of)}
    return replace(
        site,
        dmas=tuple(
            d if d.zone in whole or not d.zone else replace(d, zone="") for d in site.dmas if d.id in dmas
        ),
        sensors=tuple(s for s in site.sensors if s.dma in dmas or (s.from_dma and s.from_dma in dmas)),
        billing=tuple(b for b in site.billing if b.dma in dmas),
    )
