"""What an ingest process has done so far. Written by the consumer and its spool, read by any thread."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime

from waterworks.reading import AppendResult

log = logging.getLogger(__name__)

_adding = threading.Lock()


@dataclass
class Stats:
    """Counters since the process began.

    received: messages. stored, duplicates, replaced, expired: readings, as the store counted them;
    duplicates and replaced are None where it does not tell. rejected: readings or messages by reason.
    other: messages that carry no readings and need no storing (commands). unwanted: readings under names
    that the site does not want.
    unacked: messages in hand, not yet durable. last_message: when the last one came, UTC.
    reconnects: connections made after the first one. retries: writes that had to be tried again.
    uncounted: readings that the ledger had no room for; ledger_problem: one line on why it takes nothing, ""
    while it does.
    receipts: told to devices. stalls: connections given up because nothing came back on them.
    held: readings put into the quarantine.
    problem: one line on what is wrong now, "" while all is well.

    Of the spool: spooled, drained: readings that went into it, and that the store took from there. What
    waits there now: spool_readings, spool_bytes (of its files), spool_oldest (when the oldest was received,
    UTC, None where nothing waits). spool_damaged: files of unreadable bytes, kept for a person to look at.
    spool_problem: one line on why the store takes nothing, "" while it does.
    """

    received: int = 0
    stored: int = 0
    duplicates: int | None = 0
    replaced: int | None = 0
    expired: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    statuses: int = 0
    other: int = 0
    unwanted: int = 0
    unacked: int = 0
    last_message: datetime | None = None
    connected: bool = False
    reconnects: int = 0
    retries: int = 0
    problem: str = ""
    uncounted: int = 0
    receipts: int = 0
    stalls: int = 0
    held: int = 0
    ledger_problem: str = ""
    spooled: int = 0
    drained: int = 0
    spool_readings: int = 0
    spool_bytes: int = 0
    spool_oldest: datetime | None = None
    spool_damaged: int = 0
    spool_problem: str = ""

    def add(self, result: AppendResult) -> None:
        """Count what became of a batch, and say it where that was not stored."""
        with _adding:
            self.stored += result.stored
            self.duplicates = plus(self.duplicates, result.duplicates)
            self.replaced = plus(self.replaced, result.replaced)
            self.expired += result.expired
        if result.expired:
            log.warning("%d readings are older than what the store keeps: not stored", result.expired)

    def copy(self) -> Stats:
        """The counters as they are now."""
        return replace(self, rejected=Counter(dict(self.rejected)))


def plus(have: int | None, more: int | None) -> int | None:
    """The sum of two counts, None where one of them is not known."""
    return None if have is None or more is None else have + more
