"""What people report of an alert's work: who goes, what was found where, how it was mended."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class Cause(StrEnum):
    """What a false alarm really was. Kept by site and DMA: each points at what to set right.

    docs/alerts.md says at what.
    """

    NOT_FOUND = "not_found"  # a crew searched with its instruments and found nothing
    LARGE_USE = "large_use"  # a customer took much: tank filling, industry, fire fighting
    OPERATION = "operation"  # valves, pumps or feeds were moved without a note
    METER = "meter"  # a meter or logger did not tell the truth
    SUPPLY = "supply"  # supply by the hours, refilling after a cut
    SITE_DATA = "site_data"  # the site folder is wrong: connections, night use, a feed that is missing
    OTHER = "other"  # told in the note


class LeakType(StrEnum):
    """What leaked."""

    MAIN_BREAK = "main_break"
    MAIN_HOLE = "main_hole"  # corrosion, a stone, a drill
    JOINT = "joint"
    FITTING = "fitting"  # valve, hydrant, air valve, wash-out
    SERVICE = "service"  # from the tapping on the main to the customer's meter
    ILLEGAL = "illegal"  # a connection that nobody knew
    OTHER = "other"


class Method(StrEnum):
    """How it was mended."""

    CLAMP = "clamp"
    SECTION = "section"  # a piece of pipe replaced
    JOINT = "joint"  # joint remade
    FITTING = "fitting"  # valve, hydrant or fitting mended or replaced
    SERVICE = "service"  # service pipe mended or replaced
    SHUT_OFF = "shut_off"  # closed or disconnected
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a leak was found: on a pipe, ``along_m`` from its first node [m], or by position, or both."""

    pipe: str = ""
    along_m: float | None = None
    lon: float | None = None
    lat: float | None = None


class Outcome(StrEnum):
    """What Twuin says of a repair."""

    WAITING = "waiting"  # not enough is known yet
    FELL = "fell"  # the loss fell by enough
    RUNS_ON = "runs_on"  # it clearly did not
    UNDECIDED = "undecided"  # it could not be told in time


@dataclass(frozen=True, slots=True)
class Check:
    """What the readings say of a repair.

    by: "night_flow", "model" (the network model's estimate of this leak) or "readings" (its event ended);
    "" while nothing is known. fell, low, high: by how much the flow fell, with its 95 % interval, and leak:
    what it was estimated at when it was repaired [m3/s]; None where that is not known. before, after: nights
    (by the model: days) that this rests on. at: up to when readings were looked at. until: when Twuin gives
    up waiting.
    """

    outcome: Outcome
    by: str = ""
    fell: float | None = None
    low: float | None = None
    high: float | None = None
    leak: float | None = None
    before: int = 0
    after: int = 0
    at: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """What residents reported of an alert's event.

    count: reports that are evidence. reporters: of those who sent them, how many are independent.
    category: what most of them say ("leak", "no_water", ...). leaks: how many saw water. lon, lat: where, in
    the middle of them; None where none has a position.
    """

    count: int
    reporters: int
    category: str
    leaks: int
    first: datetime
    last: datetime
    lon: float | None = None
    lat: float | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """How the work on an alert stands; what it was before is in the alert's history.

    assignee: person or crew. place: where it was found last, kept when it is reopened. repaired_at: when the
    last repair was done, by whoever did it. leak, leak_sd: the flow that was estimated then, and its standard
    error [m3/s]. check: what Twuin says of that repair, kept when the alert is reopened. cause: of a false
    alarm. duplicate_of: id of the alert that its event belongs to. reported: what residents say of it.
    """

    assignee: str = ""
    place: Place | None = None
    leak_type: LeakType | None = None
    method: Method | None = None
    repaired_at: datetime | None = None
    cause: Cause | None = None
    duplicate_of: str = ""
    leak: float | None = None
    leak_sd: float | None = None
    check: Check | None = None
    reported: Heard | None = None


NOTHING_DONE = Work()


def place_json(place: Place) -> dict[str, Any]:
    """A place in what JSON knows, without what is not known."""
    found = {"pipe": place.pipe, "along_m": place.along_m, "lon": place.lon, "lat": place.lat}
    return {k: v for k, v in found.items() if v not in ("", None)}


def reported_json(reported: Heard) -> dict[str, Any]:
    """What residents reported in what JSON knows, without what is not known."""
    found = asdict(reported)
    for name in ("first", "last"):
        found[name] = found[name].isoformat().replace("+00:00", "Z")
    return {k: v for k, v in found.items() if v is not None}


def reported_of(told: dict[str, Any]) -> Heard:
    """The same from its JSON."""
    times = {name: datetime.fromisoformat(told[name]) for name in ("first", "last")}
    return Heard(**{**told, **times})


def check_json(check: Check) -> dict[str, Any]:
    """A check in what JSON knows, flows in m3/h, without what is not known."""
    found: dict[str, Any] = {"outcome": check.outcome.value, "by": check.by}
    flows = {"fell_m3h": check.fell, "low_m3h": check.low, "high_m3h": check.high, "leak_m3h": check.leak}
    found |= {k: None if v is None else round(v * 3600.0, 4) for k, v in flows.items()}
    found |= {"before": check.before, "after": check.after}
    times = {"at": check.at, "until": check.until}
    found |= {k: None if v is None else v.isoformat().replace("+00:00", "Z") for k, v in times.items()}
    return {k: v for k, v in found.items() if v not in ("", None)}


def check_of(told: dict[str, Any]) -> Check:
    """A check from its JSON."""

    def flow(name: str) -> float | None:
        return told[name] / 3600.0 if name in told else None

    def time(name: str) -> datetime | None:
        return datetime.fromisoformat(told[name]) if name in told else None

    return Check(
        Outcome(told["outcome"]),
        told.get("by", ""),
        flow("fell_m3h"),
        flow("low_m3h"),
        flow("high_m3h"),
        flow("leak_m3h"),
        told.get("before", 0),
        told.get("after", 0),
        time("at"),
        time("until"),
    )
