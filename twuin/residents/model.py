"""A resident's report: what, where, since when, and what became of it. Who reported it is kept elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from waterworks.errors import TwuinError


class Category(StrEnum):
    """What a resident reports."""

    LEAK = "leak"  # water that is seen where none should be
    NO_WATER = "no_water"
    LOW_PRESSURE = "low_pressure"
    DIRTY_WATER = "dirty_water"


class Standing(StrEnum):
    """How a report stands."""

    HELD = "held"  # something about it is odd: a person is to look before it counts
    OPEN = "open"
    CLOSED = "closed"


class Outcome(StrEnum):
    """Why a report was closed."""

    SOLVED = "solved"
    NOTHING_FOUND = "nothing_found"
    NOT_OURS = "not_ours"  # behind the meter, or another's pipe
    DUPLICATE = "duplicate"  # the same person said it twice
    SPAM = "spam"
    WITHDRAWN = "withdrawn"  # by whoever sent it


NO_COMPLAINT = frozenset({Outcome.SPAM, Outcome.DUPLICATE, Outcome.WITHDRAWN})
"""Outcomes of what counts neither as a complaint nor as evidence."""


class Odd(StrEnum):
    """What is odd about a report that is held."""

    TRAP = "trap"  # a field was filled that people do not see
    QUICK = "quick"  # sent sooner than a person can fill it in
    LINKS = "links"  # its words hold web addresses
    ADDRESS = "address"  # many from one address
    NETWORK = "network"  # many from one network
    PHONE = "phone"  # many with one phone number
    FLOOD = "flood"  # many from everywhere
    FAR = "far"  # far from every pipe


@dataclass(frozen=True, slots=True)
class Report:
    """One report, without anything that tells who sent it.

    id: short, for staff. code: digest of the tracking code, which is stored nowhere. key: of the form that
    was filled in: the same form twice is one report. received: by the site's clock; created: by the wall's.
    odd: why it was held. dma: "" where nobody knows yet. lon, lat: WGS 84, None without a position. pipe:
    the nearest one within reach. event: id of the first report of the same event. alert: that it joined, "".
    answered: when somebody first answered or took it on; settled: when it was closed. message: to the
    resident, in plain words. source, network, phone: keyed digests, "" once erased. photo: one came with
    it. erased: when what is personal was erased. version: counts changes.
    """

    id: str
    site: str
    code: str
    key: str
    category: Category
    received: datetime
    created: datetime
    state: Standing = Standing.OPEN
    odd: tuple[Odd, ...] = ()
    dma: str = ""
    lon: float | None = None
    lat: float | None = None
    pipe: str = ""
    event: str = ""
    alert: str = ""
    answered: datetime | None = None
    settled: datetime | None = None
    outcome: Outcome | None = None
    message: str = ""
    source: str = ""
    network: str = ""
    phone: str = ""
    photo: bool = False
    erased: datetime | None = None
    version: int = 1

    @property
    def counts(self) -> bool:
        """Whether it is evidence: not held, and not closed as something that is none."""
        return self.state is not Standing.HELD and self.outcome not in NO_COMPLAINT

    @property
    def position(self) -> tuple[float, float] | None:
        """Longitude and latitude, None where it has none."""
        return None if self.lon is None or self.lat is None else (self.lon, self.lat)


@dataclass(frozen=True, slots=True)
class Person:
    """Who reported, in their own words. where: street or landmark. words: what they saw. photo: a JPEG."""

    phone: str
    where: str = ""
    words: str = ""
    photo: bytes | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of what happened to a report. details: nothing personal."""

    report: str
    at: datetime
    actor: str
    action: str
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sent:
    """What a resident filled in. moment: the form's own mark (``keys.Keys.moment``). trap: of a field that
    people do not see. photo: any bytes."""

    category: str
    moment: str
    phone: str
    where: str = ""
    words: str = ""
    lon: float | None = None
    lat: float | None = None
    photo: bytes | None = None
    trap: str = ""


class BadReport(TwuinError):
    """Something of a report is missing or cannot be read. ``word`` names it for pages."""

    def __init__(self, word: str, message: str) -> None:
        self.word = word
        super().__init__(message)


class TooManyReports(TwuinError):
    """No more is taken now from whoever sends them. wait_s: when to try again. by: whose reports are too
    many (of an address, a network, a phone number), None: everybody's."""

    def __init__(self, wait_s: float, by: Odd | None = None) -> None:
        self.wait_s = wait_s
        self.by = by
        super().__init__("too many reports from here: try again later, or call")


class ReportChanged(TwuinError):
    """Somebody else changed the report since it was looked at."""

    def __init__(self, report: Report) -> None:
        self.report = report
        super().__init__(f"report {report.id} is at version {report.version}: look at it again, then act")


class ReportRefused(TwuinError):
    """A report cannot do what was asked of it. ``word`` names it for pages."""

    def __init__(self, word: str, message: str) -> None:
        self.word = word
        super().__init__(message)


def independent(reports: list[Report]) -> int:
    """How many reporters there are who do not share a phone number or an address.

    One person with two numbers, or a household, is one. Counted greedily from the oldest on: a lower bound
    of what could be told apart, which is the safe side. All of whom nothing is known any more are one.
    """
    phones: set[str] = set()
    sources: set[str] = set()
    found = 0
    for report in sorted(reports, key=lambda r: (r.created, r.id)):
        if not report.phone and not report.source:
            continue
        if (report.phone and report.phone in phones) or (report.source and report.source in sources):
            continue
        phones.add(report.phone)
        sources.add(report.source)
        found += 1
    return found or min(len(reports), 1)
