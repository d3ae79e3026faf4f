"""What an ingest process has done so far. Written by one thread, read by any."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime

from waterworks.reading import AppendResult


@dataclass
class Stats:
    """Counters since the process began.

    received: messages. stored, duplicates, replaced, expired: readings, as the store counted them;
    duplicates and replaced are None where it does not tell. rejected: readings or messages by reason.
    other: messages that carry no readings and need no storing (commands).
    unacked: messages in hand, not yet durable. last_message: when the last one came, UTC.
    reconnects: connections made after the first one. retries: writes that had to be tried again.
    problem: one line on what is wrong now, "" while all is well.
    """

    received: int = 0
    stored: int = 0
    duplicates: int | None = 0
    replaced: int | None = 0
    expired: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    statuses: int = 0
    other: int = 0
    unacked: int = 0
    last_message: datetime | None = None
    connected: bool = False
    reconnects: int = 0
    retries: int = 0
    problem: str = ""

    def add(self, result: AppendResult) -> None:
        """Count what became of a batch."""
        self.stored += result.stored
        self.duplicates = plus(self.duplicates, result.duplicates)
        self.replaced = plus(self.replaced, result.replaced)
        self.expired += result.expired

    def copy(self) -> Stats:
        """The counters as they are now."""
        return replace(self, rejected=Counter(dict(self.rejected)))


def plus(have: int | None, more: int | None) -> int | None:
    """The sum of two counts, None where one of them is not known."""
    return None if have is None or more is None else have + more
