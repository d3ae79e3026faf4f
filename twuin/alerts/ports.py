"""What the alerts need from the outside: a durable place that several processes share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol, runtime_checkable

from twuin.alerts.model import Alert, Causes, Entry, Kind, State
from twuin.alerts.sight import Sight
from waterworks.errors import TwuinError

Alerts = list[Alert]
Entries = list[Entry]


class RevisionConflict(TwuinError):
    """Someone else wrote one of the alerts since it was read. Nothing was stored: read and decide again."""


@dataclass(frozen=True, slots=True)
class Change:
    """One alert to be written with the lines that this adds to its history.

    expected: the revision that was read, None for a new alert. Without entries nothing is announced.
    """

    alert: Alert
    expected: int | None
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class AlertQuery:
    """Which alerts, newest onset first. Empty: no condition.

    since: the event lasted at or after this instant. before: keyset, (onset, id) of the last one seen.
    duplicate_of: id of the alert that they are duplicates of.
    sight: only what somebody sees who is limited to it.
    """

    states: frozenset[State] = frozenset()
    kinds: frozenset[Kind] = frozenset()
    dma: str | None = None
    subject: str | None = None
    assignee: str | None = None
    duplicate_of: str | None = None
    since: datetime | None = None
    before: tuple[datetime, str] | None = None
    limit: int | None = None
    sight: Sight | None = None


Lines = list[tuple[int, Entry]]
"""Lines of histories, each with its number: the announced changes of a site count up."""


class AlertChanges(NamedTuple):
    """Alerts with announced changes after a cursor, in the order of their last one, and the next cursor."""

    cursor: int
    alerts: Alerts


@runtime_checkable
class AlertStore(Protocol):
    """Alerts and their append-only history. Safe to use from several threads and several processes.

    Raises StoreUnavailable when asking again later may help.
    """

    def get(self, site: str, id: str) -> Alert | None:
        """The alert, or None where there is none of this id at this site."""
        ...

    def find(self, site: str, query: AlertQuery) -> Alerts:
        """The alerts that ``query`` asks for, by onset from the newest down, then by id from Z to A."""
        ...

    def commit(self, changes: Sequence[Change]) -> None:
        """Write all of ``changes`` and their entries, or none of them; durable when this returns.

        Raises RevisionConflict when one was written by someone else since it was read, or when an entry's
        key is in a history of the site already.
        """
        ...

    def history(self, site: str, id: str) -> Entries:
        """The lines of an alert's history, oldest first."""
        ...

    def keyed(self, site: str, key: str) -> Entry | None:
        """The line with this key, in whichever history of the site; None where there is none."""
        ...

    def changes(self, site: str, since: int, limit: int = 500) -> AlertChanges:
        """What was announced after cursor ``since`` (0: from the beginning), by any process.

        At most ``limit`` alerts; the returned cursor goes on where the answer stops.
        """
        ...

    def lines(self, site: str, since: int, until: int) -> Lines:
        """The lines of all histories after cursor ``since`` up to and with ``until``, in their order."""
        ...

    def cursor(self, site: str) -> int:
        """The cursor of the newest announced change, 0 where there is none."""
        ...

    def counts(self, site: str) -> dict[tuple[Kind, State], int]:
        """How many alerts there are of each kind and state."""
        ...

    def causes(self, site: str) -> Causes:
        """How many alerts are closed as false alarms, by DMA, kind and cause."""
        ...

    def close(self) -> None:
        """Release the store. Closing twice is allowed."""
        ...
