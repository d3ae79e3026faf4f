"""How urgent an alert is, and why. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from typing import NamedTuple

from twuin.alerts.model import Alert, Kind
from waterworks.priorities import PriorityLimits
from waterworks.site import Site

DAY_S = 86_400.0

MANY = 5
"""So many residents, independent of each other, see a leak where it does damage: on a street, at houses."""


class Priority(IntEnum):
    """How urgent an alert is."""

    LOW = 0
    MEDIUM = 1
    HIGH = 2

    @property
    def word(self) -> str:
        """Its name in files and answers."""
        return self.name.lower()


class Why(StrEnum):
    """What gave an alert its priority."""

    WATER = "water"  # lost a day
    COST = "cost"  # of it
    SUPPLY = "supply"  # customers without water
    PRESSURE = "pressure"  # customers whose pressure fell
    SIZE_UNKNOWN = "size_unknown"  # nobody knows how much it is
    CRITICAL = "critical"  # a critical customer is in its DMA
    WATCHED = "watched"  # a visit costs more than it saves
    INSTRUMENT = "instrument"  # about a sensor, not about water
    SEEN = "seen"  # residents see the water run


class Ranked(NamedTuple):
    """A priority and what gave it. critical: names of the critical customers who raised it."""

    priority: Priority
    why: tuple[Why, ...]
    critical: tuple[str, ...] = ()


def rank(alert: Alert, site: Site) -> Ranked:
    """By water and money lost a day, customers without water or pressure, and critical customers.

    The highest of what applies counts. By its customers a leak counts too that took so much pressure from a
    sensor of its DMA that they notice. A leak that residents see is of medium priority at least, of high when
    ``MANY`` of them do: it is big enough to come up, and does damage where it does. A leak of unknown size
    and an inflow that is missing are of medium priority. Alerts about sensors are low, and so is a leak as
    long as no visit is worth it. Critical customers raise it by one.
    """
    kind, limits = alert.finding.kind, site.priority
    if kind in (Kind.SILENT, Kind.SENSOR):
        return Ranked(Priority.LOW, (Why.INSTRUMENT,))
    if alert.watched:
        return Ranked(Priority.LOW, (Why.WATCHED,))
    if kind is Kind.SUPPLY or (kind is Kind.REPORTED and not _leaks(alert)):
        found = {Why.SUPPLY: _customers(alert, site)}
    elif kind is Kind.REPORTED:
        found = {}
    elif kind is Kind.LOW_INFLOW or alert.finding.flow == 0:
        found = {Why.SIZE_UNKNOWN: Priority.MEDIUM}
    else:
        found = _loss(abs(alert.finding.flow) * DAY_S, site.monitor.water_cost, limits)
    if kind is Kind.LEAK and _pressure_fell(alert, site):
        found[Why.PRESSURE] = _customers(alert, site)
    reported = alert.work.reported
    if reported is not None and reported.leaks:
        found[Why.SEEN] = Priority.HIGH if reported.reporters >= MANY else Priority.MEDIUM
    priority = max(found.values())
    why = tuple(w for w, p in found.items() if p == priority)
    critical = tuple(c.name for c in site.critical if c.dma == alert.finding.dma)
    if critical and priority < Priority.HIGH:
        return Ranked(Priority(priority + 1), (*why, Why.CRITICAL), critical)
    return Ranked(priority, why)


def _leaks(alert: Alert) -> bool:
    return alert.work.reported is not None and alert.work.reported.leaks > 0


def _pressure_fell(alert: Alert, site: Site) -> bool:
    """Whether the leak took so much pressure from a sensor of its DMA that customers notice."""
    evidence = alert.finding.evidence
    inflow = evidence.get("inflow")
    found = [e.get("pressure_drop_m") for e in (evidence, inflow) if isinstance(e, Mapping)]
    return any(
        (sensor := site.sensor.get(name)) is not None
        and sensor.dma == alert.finding.dma
        and drop is not None
        and drop >= site.priority.pressure_drop_m
        for drops in found
        if isinstance(drops, Mapping)
        for name, drop in drops.items()
    )


def _loss(lost: float, water_cost: float, limits: PriorityLimits) -> dict[Why, Priority]:
    found = {Why.WATER: _level(lost, limits.high_m3_day, limits.medium_m3_day)}
    if water_cost > 0 and (limits.high_cost_day is not None or limits.medium_cost_day is not None):
        found[Why.COST] = _level(lost * water_cost, limits.high_cost_day, limits.medium_cost_day)
    return found


def _customers(alert: Alert, site: Site) -> Priority:
    """By the service connections of its DMA."""
    many = sum(d.connections for d in site.dmas if d.id == alert.finding.dma)
    return _level(many, site.priority.high_connections, site.priority.medium_connections)


def _level(value: float, high: float | None, medium: float | None) -> Priority:
    if high is not None and value >= high:
        return Priority.HIGH
    return Priority.MEDIUM if medium is not None and value >= medium else Priority.LOW
