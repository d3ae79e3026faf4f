"""What a crew's phone tells, perhaps hours later: done as a step where that still holds, else kept in words.

A phone without a line cannot see that a dispatcher gave its job to others or closed it. What its crew did is
a fact all the same: where the state still allows the step it is taken; where not, a line ``reported`` of the
history says what was told and why it was no step. Nothing that a crew tells is lost, and nothing that
somebody decided meanwhile is undone by it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from twuin.alerts.model import Alert, Entry, State
from twuin.alerts.news import told
from twuin.alerts.ports import Change
from twuin.alerts.steps import BY_ACTION, STEPS, Asked, details, same_name

REPORTED = "reported"
"""What the history calls it when something was told that was no step any more."""

CREW_ACTIONS = ("accept", "arrive", "locate", "not_found", "start_repair", "repaired", "note")
"""What a crew tells from the field."""

ABOUT_US = ("accept", "arrive", "not_found")
"""These say how the crew stands to the job. Where it has gone to another crew they are theirs to say; where
the leak is and that it was mended holds whoever says so."""


class Why(StrEnum):
    """Why something that was told was no step."""

    STATE = "state"  # the alert had gone on: closed, repaired, found by others
    ANOTHERS = "anothers"  # the job was given to another crew
    NEWER = "newer"  # what happened after it had been told already: it would undo that


@dataclass(frozen=True, slots=True)
class Reported:
    """What became of what was told. why: None where the step was taken."""

    alert: Alert
    why: Why | None = None


def anothers(alert: Alert, asked: Asked, names: Collection[str]) -> bool:
    """Whether this is for another crew to say. names: by which whoever tells it goes."""
    given = alert.work.assignee
    mine = (asked.actor, asked.assignee, *names)
    return asked.action in ABOUT_US and bool(given) and not any(same_name(given, n) for n in mine if n)


def overtaken(alert: Alert, asked: Asked, history: Sequence[Entry]) -> bool:
    """Whether this would undo a step that was taken after it, but told before: by the crew's other phone."""
    target = BY_ACTION[asked.action].target
    if asked.happened is None or target is None or asked.action == "accept":
        return False
    if _ORDER.index(target) > _ORDER.index(alert.state):
        return False
    steps = {s.done for s in STEPS if s.target is not None}
    return any(asked.happened < e.when for e in history if e.action in steps)


_ORDER = tuple(State)


def kept(alert: Alert, asked: Asked, why: Why, at: datetime) -> Change:
    """The line that keeps what was told; the alert stays as it is."""
    after = replace(alert, version=alert.version + 1, revision=alert.revision + 1, told=told(alert.finding))
    told_what = {"asked": BY_ACTION[asked.action].done, "why": why.value, **details(asked)}
    line = Entry(alert.id, at, asked.actor, REPORTED, asked.note, None, told_what, asked.happened, asked.key)
    return Change(after, alert.revision, (line,))
