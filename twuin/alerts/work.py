"""What people report of an alert's work: who goes, what was found where, how it was mended."""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Work:
    """How the work on an alert stands; what it was before is in the alert's history.

    assignee: person or crew. place: where it was found last, kept when it is reopened. repaired_at: when the
    last repair was done, by whoever did it. cause: of a false alarm. duplicate_of: id of the alert that its
    event belongs to.
    """

    assignee: str = ""
    place: Place | None = None
    leak_type: LeakType | None = None
    method: Method | None = None
    repaired_at: datetime | None = None
    cause: Cause | None = None
    duplicate_of: str = ""


NOTHING_DONE = Work()


def place_json(place: Place) -> dict[str, Any]:
    """A place in what JSON knows, without what is not known."""
    found = {"pipe": place.pipe, "along_m": place.along_m, "lon": place.lon, "lat": place.lat}
    return {k: v for k, v in found.items() if v not in ("", None)}
