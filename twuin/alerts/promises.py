"""Service promises as clocks: when each step of an alert is due, and whether it was in time. Pure.

A clock runs from the moment at which the alert was opened (or opened again after it had been closed) until
the step is done. Steps may be skipped: who repairs at once has responded and located as well. What is undone
runs on: a place that was the wrong one, a repair after which the loss had not fallen. A repair reported by a
phone without a line counts from when it was done, not from when it was heard of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from twuin.alerts.model import Entry, Reason
from waterworks.promises import Promise, WorkingHours

NEAR = 0.8
"""Share of the promised time after which a clock is near its end."""


class Stage(StrEnum):
    """What is promised."""

    RESPOND = "respond"
    LOCATE = "locate"
    REPAIR = "repair"


class Standing(StrEnum):
    """How a clock stands."""

    RUNNING = "running"
    NEAR = "near"  # not done, and most of the time is gone
    BROKEN = "broken"  # not done in time, or done too late
    KEPT = "kept"  # done in time
    STOPPED = "stopped"  # nothing was left to do: a false alarm, planned work, an event that ended by itself


_REACHED = {
    "acknowledged": (Stage.RESPOND,),
    "assigned": (Stage.RESPOND,),
    "accepted": (Stage.RESPOND,),
    "arrived": (Stage.RESPOND,),
    "located": (Stage.RESPOND, Stage.LOCATE),
    "repairing": (Stage.RESPOND, Stage.LOCATE),
    "repaired": tuple(Stage),
    "verified": tuple(Stage),
}
"""Which steps are done once the history says so."""

_UNDONE = {
    "not_found": (Stage.LOCATE, Stage.REPAIR),
    "repairing": (Stage.REPAIR,),
    "reopened": (Stage.LOCATE, Stage.REPAIR),
}
"""Which are not done any more."""


@dataclass(frozen=True, slots=True)
class Course:
    """What the history of an alert says of its steps. begun: since when it runs. done: when each step was.
    closed: when it was, None while it lives. settled: it was closed because it was repaired."""

    begun: datetime
    done: dict[Stage, datetime]
    closed: datetime | None = None
    settled: bool = False


@dataclass(frozen=True, slots=True)
class Clock:
    """One promise. begun, near, due, done: instants; near: from when on most of its time is gone; done: None
    as long as it is not."""

    stage: Stage
    begun: datetime
    near: datetime
    due: datetime
    done: datetime | None
    standing: Standing


def course(history: Sequence[Entry]) -> Course | None:
    """How far an alert has come, from its history, oldest first; None for an empty one."""
    found: Course | None = None
    for entry in history:
        if entry.action == "opened" or found is None:
            found = Course(entry.at, {})
            continue
        if entry.action == "reopened" and found.closed is not None:
            found = Course(entry.at, {})
            continue
        done = dict(found.done)
        for stage in _UNDONE.get(entry.action, ()):
            done.pop(stage, None)
        for stage in _REACHED.get(entry.action, ()):
            done.setdefault(stage, max(entry.when, found.begun))
        closed, settled = found.closed, found.settled
        if entry.action == "closed":
            closed, settled = entry.at, entry.reason is Reason.REPAIRED
            if settled:
                for stage in Stage:
                    done.setdefault(stage, max(entry.when, found.begun))
        found = Course(found.begun, done, closed, settled)
    return found


def clocks(of: Course, promise: Promise, hours: WorkingHours, now: datetime) -> list[Clock]:
    """The clocks of an alert that ``promise`` sets, in the order of the work. now: the present."""
    spans = {Stage.RESPOND: promise.respond, Stage.LOCATE: promise.locate, Stage.REPAIR: promise.repair}
    found = []
    for stage, span in spans.items():
        if span is None:
            continue
        counted = hours if promise.working else None
        near, due = _after(of.begun, span * NEAR, counted), _after(of.begun, span, counted)
        done = of.done.get(stage)
        found.append(Clock(stage, of.begun, near, due, done, _standing(of, near, due, done, now)))
    return found


def _standing(of: Course, near: datetime, due: datetime, done: datetime | None, now: datetime) -> Standing:
    if done is not None:
        return Standing.KEPT if done <= due else Standing.BROKEN
    if of.closed is not None:
        return Standing.STOPPED if of.closed <= due else Standing.BROKEN
    if now > due:
        return Standing.BROKEN
    return Standing.NEAR if now >= near else Standing.RUNNING


def _after(start: datetime, span: timedelta, hours: WorkingHours | None) -> datetime:
    if hours is None:
        return start + span
    # Where nobody ever works no working time goes by: then the promise counts by the clock.
    return hours.after(start, span) or start + span
