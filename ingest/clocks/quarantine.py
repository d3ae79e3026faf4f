"""The quarantine: readings with times that cannot be right, kept aside until someone says what to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ingest.reasons import Reason
from ingest.sqlite_file import SqliteFile
from waterworks.reading import TIME_DTYPE, Floats, ReadingBatch, Times

MAX_READINGS = 1_000_000
"""The last so many that came are kept."""

FURTHEST = np.timedelta64(366 * 86_400_000_000, "us")
"""A time further ahead than this is no clock that goes wrong, but no time at all: rejected."""

HELD = frozenset({Reason.TIME_AHEAD, Reason.BEFORE_COMMISSIONING})
"""Reasons for which a reading is held rather than rejected."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS held (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    device TEXT NOT NULL,
    sensor TEXT NOT NULL,
    time INTEGER NOT NULL,                -- as the device stamped it; microseconds since 1970 UTC
    value REAL NOT NULL,                  -- SI
    quality INTEGER NOT NULL,
    received INTEGER NOT NULL,            -- microseconds since 1970 UTC
    reason TEXT NOT NULL,
    UNIQUE (sensor, time)
) STRICT;
CREATE TABLE IF NOT EXISTS gone (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), evicted INTEGER NOT NULL)
    STRICT;
INSERT OR IGNORE INTO gone VALUES (1, 0);
"""


class Held(NamedTuple):
    """Readings to hold, (N,) each: names of device and sensor, time as stamped, value [SI], flags, reason;
    received: when they came."""

    device: Sequence[str]
    sensor: Sequence[str]
    time: Times
    value: Floats
    quality: NDArray[np.uint16]
    reason: Sequence[Reason]
    received: np.datetime64


class HeldGroup(NamedTuple):
    """What is held of one device for one reason. Times [us since 1970 UTC]: first and last as stamped;
    first_received, last_received: when they came."""

    device: str
    reason: str
    readings: int
    first: int
    last: int
    first_received: int
    last_received: int


class HeldPage(NamedTuple):
    """Some held readings, oldest arrival first, and their ids in the quarantine."""

    ids: NDArray[np.int64]
    batch: ReadingBatch


class Quarantine(SqliteFile):
    """Held readings in ``path``. Safe to use from several threads and processes.

    A reading is its sensor and time: the same again takes the place of the one before. max_readings: bound;
    the oldest give way.
    """

    def __init__(self, path: Path, *, max_readings: int = MAX_READINGS) -> None:
        super().__init__(path, _SCHEMA, "quarantine")
        self.max_readings = max_readings

    def add(self, held: Held) -> None:
        """Hold these; when this returns, they are on the disk. Raises StoreUnavailable, StoreError."""
        received = int(held.received.astype(TIME_DTYPE).astype(np.int64))
        columns = (held.time.astype(TIME_DTYPE).astype(np.int64), held.value, held.quality)
        rows = zip(held.device, held.sensor, *(c.tolist() for c in columns), held.reason, strict=True)
        with self.write() as db:
            db.executemany(
                "INSERT INTO held (device, sensor, time, value, quality, received, reason)"
                " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (sensor, time) DO UPDATE SET"
                " value = excluded.value, quality = excluded.quality, reason = excluded.reason",
                [(d, s, t, v, q, received, str(r)) for d, s, t, v, q, r in rows],
            )
            last = db.execute("SELECT MAX(id) FROM held").fetchone()[0] or 0
            n = db.execute("DELETE FROM held WHERE id <= ?", (last - self.max_readings,)).rowcount
            if n:
                db.execute("UPDATE gone SET evicted = evicted + ?", (n,))

    def groups(self) -> list[HeldGroup]:
        """What is held, by device and reason."""
        return [
            HeldGroup(*row)
            for row in self.read(
                "SELECT device, reason, COUNT(*), MIN(time), MAX(time), MIN(received), MAX(received)"
                " FROM held GROUP BY device, reason ORDER BY device, reason"
            )
        ]

    def evicted(self) -> int:
        """How many had to give way."""
        return int(self.read("SELECT evicted FROM gone")[0][0])

    def page(self, device: str | None = None, after: int = 0, limit: int = 10_000) -> HeldPage:
        """The next held readings after id ``after``. device: only of this one."""
        where, args = ("AND device = ?", [device]) if device is not None else ("", [])
        rows = self.read(
            "SELECT id, sensor, time, value, quality, received FROM held"
            f" WHERE id > ? {where} ORDER BY id LIMIT ?",
            (after, *args, limit),
        )
        if not rows:
            return HeldPage(np.empty(0, np.int64), ReadingBatch.empty())
        ids, sensor, time, value, quality, received = zip(*rows, strict=True)
        batch = ReadingBatch.of(
            sensor,
            np.array(time, np.int64).view(TIME_DTYPE),
            np.array(value),
            received=np.array(received, np.int64).view(TIME_DTYPE),
            quality=np.array(quality, np.uint16),
        )
        return HeldPage(np.array(ids, np.int64), batch)

    def newest(self, limit: int = 50_000) -> HeldPage:
        """The last that came."""
        found = self.read("SELECT id FROM held ORDER BY id DESC LIMIT 1 OFFSET ?", (limit,))
        return self.page(after=found[0][0] if found else 0, limit=limit)

    def remove(self, ids: Sequence[int] | NDArray[Any]) -> None:
        """Take these out."""
        with self.write() as db:
            db.executemany("DELETE FROM held WHERE id = ?", [(int(i),) for i in ids])

    def discard(self, device: str) -> int:
        """Throw away what is held of a device; how many readings that were."""
        with self.write() as db:
            return db.execute("DELETE FROM held WHERE device = ?", (device,)).rowcount
