"""The log of rejected input: what could not be stored, why, and its raw bytes.

One SQLite file in WAL mode, written and read by several processes at once. Its size is bounded: the
oldest entries give way to new ones, and how many did is counted. Beside it, the names that were heard but
are unknown (``ingest.unknown``).
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from ingest.reasons import Reason
from ingest.sqlite_file import SqliteFile
from ingest.unknown import MOST, Heard, UnknownName, from_row, keep
from ingest.unknown import SCHEMA as UNKNOWN_SCHEMA
from waterworks.reading import as_datetime

_SCHEMA = """
CREATE TABLE IF NOT EXISTS rejected (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    received INTEGER NOT NULL,            -- microseconds since 1970 UTC
    topic TEXT NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    readings INTEGER NOT NULL,
    size INTEGER NOT NULL,                -- bytes of the payload as it came
    payload BLOB NOT NULL                 -- its first max_payload bytes
) STRICT;
CREATE INDEX IF NOT EXISTS rejected_by_reason ON rejected (reason, id);
CREATE TABLE IF NOT EXISTS counts (
    reason TEXT PRIMARY KEY,
    total INTEGER NOT NULL,               -- ever rejected
    evicted INTEGER NOT NULL              -- of these, no longer in the log
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS used (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), bytes INTEGER NOT NULL)
    STRICT;
INSERT OR IGNORE INTO used VALUES (1, 0);
"""
_ROW_COST = 100  # bytes of a row beside its texts and payload, about
_COST = f"length(payload) + length(CAST(topic AS BLOB)) + length(CAST(detail AS BLOB)) + {_ROW_COST}"
_COLUMNS = "id, received, topic, payload, reason, detail, readings, size"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_TEXT = 1000  # characters of a topic or a detail


@dataclass(frozen=True, slots=True)
class Rejected:
    """One message or line that was not (or not wholly) stored. ``readings``: how many readings it cost.

    unknown: the names in it that the site does not know.
    """

    received: datetime | np.datetime64
    topic: str
    payload: bytes
    reason: Reason
    detail: str
    readings: int = 1
    unknown: tuple[Heard, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """A rejected message as the log holds it. ``size``: bytes it came with; ``payload`` may be shorter."""

    id: int
    received: datetime
    topic: str
    payload: bytes
    reason: str
    detail: str
    readings: int
    size: int


# The class below has a method called list.
_Entries = list[Entry]


class RejectedLog(SqliteFile):
    """Rejected input in ``path``. Safe to use from several threads and processes.

    max_bytes: bound on what is kept, payloads and texts together. max_payload: how much of one payload
    is kept.
    """

    def __init__(self, path: Path, *, max_bytes: int = 64 * 2**20, max_payload: int = 64 * 2**10) -> None:
        self.max_bytes = max_bytes
        self.max_payload = max_payload
        super().__init__(path, _SCHEMA + UNKNOWN_SCHEMA, "log of rejected messages")

    def add(self, rejected: Sequence[Rejected]) -> None:
        """Keep these; when this returns, they are durable."""
        if not rejected:
            return
        rows = [self._row(r) for r in rejected]
        cost = sum(len(r[1].encode()) + len(r[3].encode()) + len(r[6]) + _ROW_COST for r in rows)
        with self.write() as db:
            db.executemany(
                "INSERT INTO rejected (received, topic, reason, detail, readings, size, payload)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
            db.executemany(
                "INSERT INTO counts VALUES (?, ?, 0)"
                " ON CONFLICT DO UPDATE SET total = total + excluded.total",
                Counter(r[2] for r in rows).items(),
            )
            db.execute("UPDATE used SET bytes = bytes + ?", (cost,))
            self._evict(db)
            keep(
                db, ((row[0], r.topic, r.unknown) for row, r in zip(rows, rejected, strict=True) if r.unknown)
            )

    def list(self, limit: int = 100, before: int | None = None, reason: str | None = None) -> _Entries:
        """The newest first. ``before``: only entries older than this id (the last one of a page)."""
        where = ["id < ?"] if before is not None else []
        args: list[object] = [before] if before is not None else []
        if reason is not None:
            where.append("reason = ?")
            args.append(str(reason))
        condition = f"WHERE {' AND '.join(where)}" if where else ""
        rows = self.read(
            f"SELECT {_COLUMNS} FROM rejected {condition} ORDER BY id DESC LIMIT ?", (*args, limit)
        )
        return [_entry(row) for row in rows]

    def get(self, id: int) -> Entry | None:
        """One entry, or None where it never was or had to give way."""
        rows = self.read(f"SELECT {_COLUMNS} FROM rejected WHERE id = ?", (id,))
        return _entry(rows[0]) if rows else None

    def counts(self) -> dict[str, int]:
        """Entries by reason, all that ever were, most frequent first."""
        return dict(self.read("SELECT reason, total FROM counts ORDER BY total DESC, reason"))

    def evicted(self) -> dict[str, int]:
        """By reason, how many entries had to give way to newer ones."""
        return dict(self.read("SELECT reason, evicted FROM counts WHERE evicted > 0 ORDER BY reason"))

    def unknown(self, limit: int = MOST) -> tuple[UnknownName, ...]:
        """Names that were heard but are unknown, the last heard first."""
        rows = self.read(
            "SELECT topic, name, value, unit, time, heard, readings FROM unknown"
            " ORDER BY heard DESC, topic, name LIMIT ?",
            (limit,),
        )
        return tuple(from_row(row) for row in rows)

    def forget_unknown(self) -> int:
        """Empty the list of unknown names; how many were in it. What still comes is soon in it again."""
        with self.write() as db:
            return db.execute("DELETE FROM unknown").rowcount

    def _row(self, r: Rejected) -> tuple[int, str, str, str, int, int, bytes]:
        when = as_datetime(r.received) if isinstance(r.received, np.datetime64) else r.received
        micros = (when - _EPOCH) // timedelta(microseconds=1)
        kept = r.payload[: self.max_payload]
        return micros, _clean(r.topic), str(r.reason), _clean(r.detail), r.readings, len(r.payload), kept

    def _evict(self, db: sqlite3.Connection) -> None:
        """Remove the oldest entries until the rest fits. In the transaction of the caller."""
        (used,) = db.execute("SELECT bytes FROM used").fetchone()
        while used > self.max_bytes:
            gone: Counter[str] = Counter()
            last = 0
            for id, reason, cost in db.execute(
                f"SELECT id, reason, {_COST} FROM rejected ORDER BY id LIMIT 500"
            ).fetchall():
                last = id
                gone[reason] += 1
                used -= cost
                if used <= self.max_bytes:
                    break
            if not gone:
                used = 0
                break
            db.execute("DELETE FROM rejected WHERE id <= ?", (last,))
            db.executemany(
                "UPDATE counts SET evicted = evicted + ? WHERE reason = ?", [(n, r) for r, n in gone.items()]
            )
        db.execute("UPDATE used SET bytes = ?", (used,))


def _entry(row: tuple[Any, ...]) -> Entry:
    id, received, topic, payload, reason, detail, readings, size = row
    when = _EPOCH + timedelta(microseconds=received)
    return Entry(id, when, topic, payload, reason, detail, readings, size)


def _clean(text: str) -> str:
    """``text`` bounded, and without surrogates, which SQLite cannot hold."""
    return text[:_MAX_TEXT].encode("utf-8", "backslashreplace").decode("utf-8")
