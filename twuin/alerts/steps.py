"""What people may do with an alert, as a table and as one pure function.

============ ===================================== ============ ============================
action       from                                  to           with
============ ===================================== ============ ============================
acknowledge  open                                  acknowledged
assign       open .. repairing                     assigned     assignee
accept       open .. assigned                      assigned     (assignee)
arrive       open .. assigned                      on_site
locate       open .. repairing                     located      place (leak_type)
not_found    on_site .. repairing                  assigned
start_repair open .. located, repaired             repairing
repaired     open .. repairing                     repaired     (place, leak_type, method)
close        open .. repairing, repaired, verified closed       reason (cause, duplicate_of)
reopen       repaired, verified, closed            open
note         any                                   the same     note
============ ===================================== ============ ============================

What stands in brackets may come with it, the rest must. ``STEPS`` is the table in code; a test holds this one
and that of docs/alerts.md against it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

from twuin.alerts.model import LIVING, UNREPAIRED, Alert, Entry, Finding, Kind, Reason, State
from twuin.alerts.news import told
from twuin.alerts.ports import Change
from twuin.alerts.work import Cause, LeakType, Method, Place, Work, place_json
from waterworks.errors import TwuinError

CLOSING = (Reason.REPAIRED, Reason.FALSE_ALARM, Reason.PLANNED, Reason.DUPLICATE, Reason.ENDED)
"""What a person may close an alert with; see ``_close`` for what each takes."""

WATER = (Kind.LEAK, Kind.NIGHT_FLOW)
"""Kinds whose repair shows in the flow: Twuin looks at that before they are closed as repaired."""


NORMAL_90 = 1.6449
"""Half width of a 90 % interval in standard deviations."""


class TransitionRefused(TwuinError):
    """An alert in this state cannot do what was asked."""


class RequestIncomplete(TransitionRefused):
    """The request itself lacks something or contradicts itself, whatever the alert's state."""


class Step(NamedTuple):
    """One action of people. target: None where the state stays. done: as the history calls it."""

    action: str
    sources: tuple[State, ...]
    target: State | None
    done: str
    needs: str = ""
    may: str = ""


STEPS = (
    Step("acknowledge", (State.OPEN,), State.ACKNOWLEDGED, "acknowledged"),
    Step("assign", UNREPAIRED, State.ASSIGNED, "assigned", needs="assignee"),
    Step("accept", UNREPAIRED[:3], State.ASSIGNED, "accepted", may="assignee"),
    Step("arrive", UNREPAIRED[:3], State.ON_SITE, "arrived"),
    Step("locate", UNREPAIRED, State.LOCATED, "located", needs="place", may="leak_type"),
    Step("not_found", UNREPAIRED[3:], State.ASSIGNED, "not_found"),
    Step("start_repair", (*UNREPAIRED[:5], State.REPAIRED), State.REPAIRING, "repairing"),
    Step("repaired", UNREPAIRED, State.REPAIRED, "repaired", may="place, leak_type, method"),
    Step("close", LIVING, State.CLOSED, "closed", needs="reason", may="cause, duplicate_of"),
    Step("reopen", (State.REPAIRED, State.VERIFIED, State.CLOSED), State.OPEN, "reopened"),
    Step("note", tuple(State), None, "note", needs="note"),
)

BY_ACTION = {s.action: s for s in STEPS}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asks. happened, key: as of ``Entry``; the others as of ``Work``."""

    action: str
    actor: str
    note: str = ""
    reason: Reason | None = None
    cause: Cause | None = None
    assignee: str = ""
    place: Place | None = None
    leak_type: LeakType | None = None
    method: Method | None = None
    duplicate_of: str = ""
    happened: datetime | None = None
    key: str = ""

    def __post_init__(self) -> None:
        for name in ("actor", "note", "assignee", "duplicate_of", "key"):
            object.__setattr__(self, name, getattr(self, name).replace("\0", "").strip())


@dataclass(frozen=True, slots=True)
class Others:
    """What else has a say. original: the alert that ``duplicate_of`` names, None where there is none.
    copies: ids of alerts that are duplicates of this one. rivals: living ones of the same kind and subject.
    parent: the alert that this one is a duplicate of. pipes: lengths [m] by id, empty without a network.
    """

    original: Alert | None = None
    copies: Sequence[str] = ()
    rivals: Sequence[Alert] = ()
    parent: Alert | None = None
    pipes: Mapping[str, float] = field(default_factory=dict)


def allowed(alert: Alert) -> list[str]:
    """Actions that people may take now, in the order of the work."""
    return [s.action for s in STEPS if alert.state in s.sources]


def transition(alert: Alert, asked: Asked, *, at: datetime, others: Others | None = None) -> list[Change]:
    """What becomes of ``alert``, and of others that it concerns, when a person asks for something.

    Raises TransitionRefused, and its kind RequestIncomplete.
    """
    others = others or Others()
    step = BY_ACTION.get(asked.action)
    if step is None:
        known = ", ".join(BY_ACTION)
        raise RequestIncomplete(f"unknown action {asked.action!r}: use one of {known}")
    _complete(asked, step, others.pipes)
    if alert.state not in step.sources:
        sources = ", ".join(s.value for s in step.sources)
        raise TransitionRefused(
            f"alert {alert.id} is {alert.state.value}: {step.action!r} is for one that is {sources}"
        )
    if step.action == "close":
        return _close(alert, asked, at, others)
    if step.action == "reopen":
        return _reopen(alert, asked, at, others)
    state, work = step.target or alert.state, alert.work
    if step.action == "assign":
        work = replace(work, assignee=asked.assignee)
    elif step.action == "accept":
        # The history says whose it became, also where that was not said.
        asked = replace(asked, assignee=_accepted(alert, asked))
        work = replace(work, assignee=asked.assignee)
    elif step.action == "locate":
        work = replace(work, place=asked.place, leak_type=asked.leak_type or work.leak_type)
    elif step.action == "not_found":
        # Whoever looked goes on looking; where nobody was named, someone is to be.
        state = State.ASSIGNED if work.assignee else State.ACKNOWLEDGED
        work = replace(work, place=None, leak_type=None)
    elif step.action == "start_repair":
        work = replace(work, repaired_at=None, leak=None, leak_sd=None, check=None)
    elif step.action == "repaired":
        work = replace(
            work,
            place=asked.place or work.place,
            leak_type=asked.leak_type or work.leak_type,
            method=asked.method,
            repaired_at=_when(asked, at),
            leak=abs(alert.finding.flow),
            leak_sd=abs(alert.finding.flow_high - alert.finding.flow_low) / (2 * NORMAL_90),
            check=None,
        )
    return [_stepped(alert, asked, step, at, state=state, work=work)]


def _accepted(alert: Alert, asked: Asked) -> str:
    """Whose it is once somebody says that they go: nobody takes away what was given to another."""
    who, given = asked.assignee or asked.actor, alert.work.assignee
    if given and not same_name(given, who):
        raise TransitionRefused(f"alert {alert.id} is assigned to {given}, not to {who}")
    return given or who


def same_name(a: str, b: str) -> bool:
    """Whether two names of people or crews are the same to a reader."""
    return " ".join(a.split()).casefold() == " ".join(b.split()).casefold()


def _complete(asked: Asked, step: Step, pipes: Mapping[str, float]) -> None:
    """Refuse what lacks something or brings what does not belong to it."""
    given = {
        "reason": asked.reason is not None,
        "cause": asked.cause is not None,
        "assignee": bool(asked.assignee),
        "place": asked.place is not None,
        "leak_type": asked.leak_type is not None,
        "method": asked.method is not None,
        "duplicate_of": bool(asked.duplicate_of),
    }
    belongs = {*step.needs.split(", "), *step.may.split(", ")}
    for name, there in given.items():
        if there and name not in belongs:
            owners = ", ".join(s.action for s in STEPS if name in (*s.needs.split(", "), *s.may.split(", ")))
            raise RequestIncomplete(f"{name} does not belong to {step.action!r}, but to {owners}")
    if step.needs == "note" and not asked.note:
        raise RequestIncomplete("a note needs a text")
    if step.needs == "assignee" and not asked.assignee:
        raise RequestIncomplete("assigning needs an assignee: the name of a person or crew")
    if step.needs == "place" and asked.place is None:
        raise RequestIncomplete("locating needs a place: a pipe, or lon and lat")
    if asked.place is not None:
        _check_place(asked.place, pipes)


def _check_place(place: Place, pipes: Mapping[str, float]) -> None:
    numbers = (place.along_m, place.lon, place.lat)
    if any(v is not None and not math.isfinite(v) for v in numbers):
        raise RequestIncomplete("a place needs finite numbers")
    if (place.lon is None) != (place.lat is None):
        raise RequestIncomplete("a position needs both lon and lat")
    if place.lon is not None and place.lat is not None and not (abs(place.lon) <= 180 >= 2 * abs(place.lat)):
        raise RequestIncomplete(f"no position on earth: lon {place.lon}, lat {place.lat}")
    if not place.pipe and place.lon is None:
        raise RequestIncomplete("a place needs a pipe, or lon and lat")
    if place.along_m is not None and not place.pipe:
        raise RequestIncomplete("along_m is measured along a pipe: name the pipe too")
    if place.pipe and pipes and place.pipe not in pipes:
        raise RequestIncomplete(f"the network has no pipe {place.pipe[:40]!r}")
    if place.along_m is not None:
        longest = pipes.get(place.pipe, math.inf)
        if not 0 <= place.along_m <= longest + 1:  # a metre for what was rounded
            raise RequestIncomplete(
                f"pipe {place.pipe} is {longest:.0f} m long: {place.along_m:.0f} m is off it"
            )


def _close(alert: Alert, asked: Asked, at: datetime, others: Others) -> list[Change]:
    reason = asked.reason
    if reason not in CLOSING:
        names = ", ".join(r.value for r in CLOSING)
        raise RequestIncomplete(f"closing an alert needs a reason: one of {names}")
    if asked.cause is not None and reason is not Reason.FALSE_ALARM:
        raise RequestIncomplete("a cause belongs to closing as false_alarm")
    if asked.duplicate_of and reason is not Reason.DUPLICATE:
        raise RequestIncomplete("duplicate_of belongs to closing as duplicate")
    work = alert.work
    if reason is Reason.ENDED and alert.finding.ended is None:
        raise TransitionRefused(
            f"alert {alert.id} has not ended, its readings still show it: close it with another reason"
        )
    if reason is Reason.REPAIRED and alert.finding.kind in WATER and alert.state in UNREPAIRED:
        raise TransitionRefused(
            f"alert {alert.id} is {alert.state.value}: say 'repaired' first, so that Twuin looks whether the "
            "loss fell"
        )
    if reason is Reason.FALSE_ALARM:
        if asked.cause is None:
            causes = ", ".join(c.value for c in Cause)
            raise RequestIncomplete(f"a false alarm needs a cause: one of {causes}")
        if asked.cause is Cause.OTHER and not asked.note:
            raise RequestIncomplete("a false alarm of cause 'other' needs a note that says what it was")
        work = replace(work, cause=asked.cause)
    step = BY_ACTION["close"]
    if reason is not Reason.DUPLICATE:
        return [_stepped(alert, asked, step, at, state=State.CLOSED, work=work, reason=reason)]
    original = _original(alert, asked, others)
    work = replace(work, duplicate_of=original.id)
    closed = _stepped(alert, asked, step, at, state=State.CLOSED, work=work, reason=reason)
    return [closed, _beside(original, asked, at, "joined", alert.id)]


def _original(alert: Alert, asked: Asked, others: Others) -> Alert:
    """The alert that this one is to be a duplicate of, if it may be."""
    original = others.original
    if not asked.duplicate_of:
        raise RequestIncomplete("closing as duplicate needs duplicate_of: the id of the alert that goes on")
    if asked.duplicate_of == alert.id:
        raise RequestIncomplete("an alert is no duplicate of itself")
    if original is None:
        raise RequestIncomplete(f"there is no alert {asked.duplicate_of[:40]!r} to be a duplicate of")
    if original.reason is Reason.DUPLICATE:
        raise TransitionRefused(
            f"alert {original.id} is itself a duplicate of {original.work.duplicate_of}: name that one"
        )
    if others.copies:
        first = others.copies[0]
        raise TransitionRefused(
            f"alert {first} is a duplicate of alert {alert.id}: reopen it first, or keep {alert.id}"
        )
    return original


def _reopen(alert: Alert, asked: Asked, at: datetime, others: Others) -> list[Change]:
    if alert.reason is Reason.WITHDRAWN:
        for rival in others.rivals:
            if rival.id != alert.id and overlap(rival.finding, alert.finding):
                raise TransitionRefused(f"the event of alert {alert.id} goes on as alert {rival.id}")
    work = reopened(alert.work)
    changes = [_stepped(alert, asked, BY_ACTION["reopen"], at, state=State.OPEN, work=work, held=True)]
    if alert.reason is Reason.DUPLICATE and others.parent is not None:
        changes.append(_beside(others.parent, asked, at, "parted", alert.id))
    return changes


def reopened(work: Work) -> Work:
    """What stays of the work when an alert is opened again: where it was found, what its repair came to and
    what residents say, not who is sent."""
    return Work(place=work.place, leak_type=work.leak_type, check=work.check, reported=work.reported)


def overlap(a: Finding, b: Finding) -> bool:
    """Whether two findings last at the same time, as far as is known."""
    # A lasting event is known to last up to its as_of, and no further.
    return a.onset <= (b.ended or max(b.as_of, b.onset)) and b.onset <= (a.ended or max(a.as_of, a.onset))


def _when(asked: Asked, at: datetime) -> datetime:
    return at if asked.happened is None else min(asked.happened, at)


def details(asked: Asked) -> dict[str, Any]:
    """What goes with an action into the history."""
    found: dict[str, Any] = {
        "assignee": asked.assignee,
        "place": None if asked.place is None else place_json(asked.place),
        "leak_type": None if asked.leak_type is None else asked.leak_type.value,
        "method": None if asked.method is None else asked.method.value,
        "cause": None if asked.cause is None else asked.cause.value,
        "duplicate_of": asked.duplicate_of,
    }
    return {k: v for k, v in found.items() if v not in ("", None)}


def _stepped(
    alert: Alert,
    asked: Asked,
    step: Step,
    at: datetime,
    *,
    state: State,
    work: Work,
    reason: Reason | None = None,
    held: bool | None = None,
) -> Change:
    stays = step.target is None
    after = replace(
        alert,
        state=state,
        reason=alert.reason if stays else reason,
        held=(alert.held and state is not State.CLOSED) if held is None else held,
        supported=alert.supported or state is State.CLOSED,
        work=work,
        version=alert.version + 1,
        revision=alert.revision + 1,
        told=told(alert.finding),
    )
    entry = Entry(
        alert.id, at, asked.actor, step.done, asked.note, reason, details(asked), asked.happened, asked.key
    )
    return Change(after, alert.revision, (entry,))


def _beside(other: Alert, asked: Asked, at: datetime, action: str, id: str) -> Change:
    """A line in the history of another alert. Its revision moves, so that two who join alerts at the same
    time cannot make a chain of them."""
    after = replace(other, version=other.version + 1, revision=other.revision + 1, told=told(other.finding))
    entry = Entry(other.id, at, asked.actor, action, "", None, {"alert": id}, asked.happened)
    return Change(after, other.revision, (entry,))
