"""Planned works and known events (docs/works.md)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

WorkKind = Literal[
    "flushing", "valve", "repair", "refilling", "tank", "intermittent", "meter", "fire", "gathering", "other"
]
WorkAction = Literal["entered", "changed", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkPlan:
    """What is planned, where, when, and what it may do."""

    kind: WorkKind
    start: datetime
    """Of weekly hours: they count from then on"""
    end: datetime | None
    """null: weekly hours until they are cancelled"""
    dmas: tuple[str, ...]
    pipes: tuple[str, ...]
    """A pipe stands for its DMA"""
    sensors: tuple[str, ...]
    """Not trusted meanwhile; may be silent"""
    weekdays: tuple[int, ...]
    """0 Monday .. 6 Sunday; none: no pattern"""
    from_time: str
    """Local time of day at which weekly hours begin, 22:00"""
    to_time: str
    """At which they end, on the next day where that is not later"""
    extra_m3h: float | None
    """Up to so much more is taken than usual"""
    no_supply: bool
    low_pressure: bool
    silent: bool
    """All sensors of the DMAs may send nothing"""
    refill_h: float
    """So long after its end it still shows"""
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Work(WorkPlan):
    """A planned work. state: coming, now, refilling, over, cancelled."""

    id: str
    version: int
    state: str
    areas: tuple[str, ...]
    """DMAs that it is about, those of its pipes included"""
    begins: datetime | None
    """Of the present stretch, or the next; null: none comes"""
    ends: datetime | None
    entered: datetime
    entered_by: str
    late: bool
    """Entered after it had begun"""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkEntry:
    """A line of a work's history. ``plan``: as it stood then."""

    at: datetime
    actor: str
    action: WorkAction
    note: str
    plan: WorkPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkDetail(Work):
    """The same with its history."""

    history: tuple[WorkEntry, ...]
