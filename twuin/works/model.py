"""Planned works and known events, and what each of them may do to flows, pressures and sensors."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from waterworks.errors import TwuinError

HOUR_S = 3600.0


class WorkKind(StrEnum):
    """What is done, or known to happen."""

    FLUSHING = "flushing"  # hydrants, dead ends, mains
    VALVE = "valve"  # work on valves or pressure reducing valves
    REPAIR = "repair"  # a repair for which the water is cut
    REFILLING = "refilling"  # pipes and roof tanks fill again
    TANK = "tank"  # a tank is cleaned
    INTERMITTENT = "intermittent"  # water by the hours, week after week
    METER = "meter"  # maintenance of meters, loggers, sensors
    FIRE = "fire"  # fire fighting, entered afterwards
    GATHERING = "gathering"  # a holiday, a large gathering
    OTHER = "other"


class Action(StrEnum):
    """What was done with an entry."""

    ENTERED = "entered"
    CHANGED = "changed"
    CANCELLED = "cancelled"


class WorkRefused(TwuinError):
    """What was entered cannot be. ``field`` names what is wrong, as the API and the pages call it."""

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        super().__init__(message)


class StaleWork(TwuinError):
    """Someone changed an outdated view of a work; ``current`` is how it stands now."""

    def __init__(self, current: PlannedWork, version: int) -> None:
        self.current = current
        super().__init__(
            f"planned work {current.id} is at version {current.version}, not {version}: look at it again, "
            "then change it"
        )


class Weekly(NamedTuple):
    """The same hours every week. days: 0 Monday .. 6 Sunday, on which they begin; start_min, end_min: local
    minutes of the day, an end at or before the start being on the next day."""

    days: tuple[int, ...]
    start_min: int
    end_min: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What is planned, where, when, and what it may do.

    start, end: from when to when; of a weekly pattern, between which its hours count, end None: until it is
    cancelled. dmas, pipes, sensors: ids of what it touches; a pipe stands for its DMA.

    extra_flow: up to so much more water is taken than usual [m3/s], None: no more than usual. no_supply: the
    DMAs have none, or less. low_pressure: their pressure falls, or they take less. silent: their sensors may
    send nothing. Sensors that are named are not trusted meanwhile. refill_s: how long after its end it still
    shows [s]: pipes and tanks fill, pressures settle.
    """

    kind: WorkKind
    start: datetime
    end: datetime | None
    dmas: tuple[str, ...] = ()
    pipes: tuple[str, ...] = ()
    sensors: tuple[str, ...] = ()
    weekly: Weekly | None = None
    extra_flow: float | None = None
    no_supply: bool = False
    low_pressure: bool = False
    silent: bool = False
    refill_s: float = 0.0
    note: str = ""

    @property
    def moves_water(self) -> bool:
        """Whether it changes flows or pressures of its DMAs."""
        return self.extra_flow is not None or self.no_supply or self.low_pressure


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a work's history; never changed, never removed.

    number: 1, 2, ... within the work. at: when it was written, by the site's clock: from then on it counts.
    plan: the whole plan as it stands after it. note: why. seq: its place among all lines of the site, 0 until
    it is stored.
    """

    site: str
    work: str
    number: int
    at: datetime
    actor: str
    action: Action
    plan: Plan
    note: str = ""
    seq: int = 0


@dataclass(frozen=True, slots=True)
class PlannedWork:
    """A work as its history has it. lines: oldest first, at least one."""

    id: str
    lines: tuple[Line, ...]

    @property
    def plan(self) -> Plan:
        return self.lines[-1].plan

    @property
    def version(self) -> int:
        return self.lines[-1].number

    @property
    def cancelled(self) -> bool:
        return self.lines[-1].action is Action.CANCELLED

    @property
    def entered(self) -> datetime:
        return self.lines[0].at

    @property
    def by(self) -> str:
        """Who entered it."""
        return self.lines[0].actor
