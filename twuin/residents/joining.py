"""Which alert, and which other reports, a report belongs to. Pure.

A report of a **leak** belongs to the living alert that lies nearest within

- ``JOIN_M`` of where the leak was found, or of where other residents saw it;
- else the distance within which the leak lies with a probability of 90 % (``radius_90_m``), along the pipes
  from where a search begins, or a pipe among its suspects.

A leak of which Twuin knows the DMA and no place is nobody's by itself: a DMA may have two. A person decides.

A report of **no water** or of low pressure belongs to the living alert of its DMA that says the same.

Reports belong to one **event** when they say the same, came within ``JOIN_TIME`` of each other and are no
further apart than ``JOIN_M`` along the pipes (leaks), or lie in one DMA, or where that is not known within
``AREA_M`` (all others).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from twuin.alerts.model import PENDING, Alert, Kind
from twuin.residents.ground import Ground, Position, straight_m
from twuin.residents.model import Category, Report

JOIN_M = 150.0
"""Reports of a leak this near each other are of one [m]: the error of a phone's GPS (up to some 50 m), twice,
and the way that water takes before it shows."""

AREA_M = 500.0
"""Reports of no water this near each other are of one outage where no DMA is known [m]: a few streets."""

JOIN_TIME = timedelta(days=3)
"""A leak that is seen again after three quiet days is looked at anew."""

OUTAGE_TIME = timedelta(hours=12)
"""Reports of no water further apart are of two outages: supply by the hours has a new one every day."""

LEAKS = frozenset({Kind.LEAK, Kind.NIGHT_FLOW})
OUTAGES = frozenset({Kind.SUPPLY, Kind.LOW_INFLOW})

ALIKE = {
    Category.LEAK: frozenset({Category.LEAK}),
    Category.NO_WATER: frozenset({Category.NO_WATER, Category.LOW_PRESSURE}),
    Category.LOW_PRESSURE: frozenset({Category.NO_WATER, Category.LOW_PRESSURE}),
    Category.DIRTY_WATER: frozenset({Category.DIRTY_WATER}),
}
"""Which categories say the same."""

KINDS = LEAKS | OUTAGES | {Kind.REPORTED}
"""Alerts that reports may belong to."""


def best_alert(report: Report, alerts: Iterable[Alert], ground: Ground | None) -> Alert | None:
    """The living alert that ``report`` belongs to, None where there is none."""
    found = []
    for alert in alerts:
        if alert.state in PENDING:
            apart = _belongs(report, alert, ground)
            if apart is not None:
                found.append((apart, alert.finding.onset, alert.id, alert))
    return min(found, key=lambda f: f[:3])[3] if found else None


def _belongs(report: Report, alert: Alert, ground: Ground | None) -> float | None:
    """How far ``report`` is from ``alert`` [m], None where it is not of it."""
    kind, reported = alert.finding.kind, alert.work.reported
    says = Category.LEAK if kind in LEAKS else Category.NO_WATER if kind in OUTAGES else None
    if kind is Kind.REPORTED and reported is not None:
        says = Category(reported.category)
    if says is None or report.category not in ALIKE[says]:
        return None
    if says is not Category.LEAK:
        return 0.0 if report.dma and report.dma == alert.finding.dma else None
    return leak_apart_m(report.position, alert, ground)


def leak_apart_m(at: Position | None, alert: Alert, ground: Ground | None) -> float | None:
    """How far a leak seen at ``at`` is from where ``alert`` has its own [m]; None where it is another."""
    if at is None:
        return None
    there = place_of(alert, ground)
    if there is not None:
        apart = _apart(at, there, ground)
        return apart if apart <= JOIN_M else None
    if ground is None:
        return None
    finding = alert.finding
    if finding.centre and finding.radius_90_m is not None:
        apart = ground.from_pipe_m(finding.centre, at)
        if apart <= max(finding.radius_90_m, JOIN_M):
            return apart
    nearest = ground.nearest(at)
    if nearest.off <= JOIN_M and any(s.pipe == nearest.pipe for s in finding.suspects):
        return nearest.off
    return None


def place_of(alert: Alert, ground: Ground | None) -> Position | None:
    """Where the leak of an alert is known to be: found by a crew, else seen by residents."""
    place, reported = alert.work.place, alert.work.reported
    if place is not None:
        if place.lon is not None and place.lat is not None:
            return place.lon, place.lat
        at = None if ground is None else ground.position_on(place.pipe, place.along_m)
        if at is not None:
            return at
    if alert.finding.kind is not Kind.REPORTED or reported is None:
        return None
    return None if reported.lon is None or reported.lat is None else (reported.lon, reported.lat)


def same_event(a: Report, b: Report, ground: Ground | None) -> bool:
    """Whether two reports are of one event."""
    if b.category not in ALIKE[a.category]:
        return False
    leak = a.category is Category.LEAK
    if abs(a.received - b.received) > (JOIN_TIME if leak else OUTAGE_TIME):
        return False
    if not leak and a.dma and b.dma:
        return a.dma == b.dma
    if a.position is None or b.position is None:
        return False
    if not leak:
        return straight_m(a.position, b.position) <= AREA_M
    return _apart(a.position, b.position, ground) <= JOIN_M


def _apart(a: Position, b: Position, ground: Ground | None) -> float:
    if straight_m(a, b) > JOIN_M:  # along the pipes it is no less
        return straight_m(a, b)
    return straight_m(a, b) if ground is None else ground.apart_m(a, b)
