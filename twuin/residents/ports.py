"""What residents' reports need from the outside: a durable place that several processes share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from twuin.residents.model import Category, Line, Report, Standing
from waterworks.errors import TwuinError

Found = list[Report]
Lines = list[Line]


class VersionConflict(TwuinError):
    """Somebody else wrote a report since it was read. Nothing was stored."""


class KeyUsed(TwuinError):
    """The form of this key was stored already."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """What is known of who reported, as it is stored: unreadable without the key of this installation."""

    person: bytes
    photo: bytes | None = None


@dataclass(frozen=True, slots=True)
class ReportChange:
    """A report to be written, with new lines of its history. expected: the version that was read."""

    report: Report
    expected: int
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportQuery:
    """Which reports, newest first; empty conditions hold for all.

    dmas: only of these; None: all, those of no DMA too. since, until: received from, to before. joined: True
    or False: with or without an alert. before: keyset, (received, id) of the last one seen. unerased: only
    those of which something personal is left.
    """

    states: frozenset[Standing] = frozenset()
    categories: frozenset[Category] = frozenset()
    dmas: frozenset[str] | None = None
    alert: str = ""
    event: str = ""
    since: datetime | None = None
    until: datetime | None = None
    joined: bool | None = None
    unerased: bool = False
    before: tuple[datetime, str] | None = None
    limit: int | None = None


@runtime_checkable
class ReportStore(Protocol):
    """Reports of residents, their history, and apart from them who sent them.

    Safe to use from several threads and processes. Raises StoreUnavailable when asking later may help.
    """

    def add(self, report: Report, sealed: Sealed, line: Line) -> None:
        """A new report. Raises KeyUsed where its form was stored already."""
        ...

    def get(self, site: str, id: str) -> Report | None:
        """The report of this id, None where there is none."""
        ...

    def by_code(self, site: str, digest: str) -> Report | None:
        """The report of a tracking code's digest."""
        ...

    def by_key(self, site: str, key: str) -> Report | None:
        """The report that a form became."""
        ...

    def find(self, site: str, query: ReportQuery) -> Found:
        """The reports that ``query`` asks for, the newest first."""
        ...

    def change(self, changes: Sequence[ReportChange]) -> None:
        """Write all of them or none. Raises VersionConflict."""
        ...

    def history(self, site: str, id: str) -> Lines:
        """The lines of a report, oldest first."""
        ...

    def count(
        self, site: str, since: datetime, *, source: str = "", network: str = "", phone: str = ""
    ) -> int:
        """How many reports were created at or after ``since`` (wall time), with these digests."""
        ...

    def held(self, site: str) -> int:
        """How many reports wait for a person to look at them."""
        ...

    def photo_bytes(self, site: str) -> int:
        """Bytes of all photos that are kept."""
        ...

    def sealed(self, site: str, id: str) -> Sealed | None:
        """Who sent a report; None once that is erased."""
        ...

    def erase(self, report: Report, expected: int, line: Line) -> None:
        """Write the report and remove who sent it, for good. Raises VersionConflict."""
        ...

    def close(self) -> None:
        """Release the store. Closing twice is allowed."""
        ...
