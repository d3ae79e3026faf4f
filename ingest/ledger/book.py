"""The ledger's file: every arrival by sensor and time, and the message numbers of each device.

What a group of messages brought goes in as a few bytes a reading, with no work a row, before the messages
are acknowledged; counting is done when someone asks. So it does not matter what is killed when: a message
that comes again is the same reading, sensor and time, and counts as a duplicate. Several ingest processes
share one file.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from ingest.ledger.arrivals import (
    MICROS,
    Arrivals,
    Ints,
    pack_chunk,
    pack_group,
    unpack_chunk,
    unpack_group,
)
from ingest.ledger.numbers import PLAIN, Count, Receipt, begins_anew
from ingest.ledger.tally import count as tally
from ingest.sqlite_file import SqliteFile
from waterworks.localtime import local_time

log = logging.getLogger(__name__)

FOLD_ROWS = 50_000
"""Arrivals after which they are sorted and compressed: some 4 bytes each from then on, not 13 and a row's."""
FOLD_GROUPS = 2_000
"""Likewise, groups of messages: each is a row of its own until then."""
MAX_BYTES = 512 * 2**20
"""Of the arrivals. A thousand sensors that read every 5 minutes come to about a megabyte a day."""
SENSOR, DEVICE = 0, 1
_BOOTS = 4  # counts kept of a device; what earlier ones come to is added up
_EARLIER = -2  # the count that holds those

_SCHEMA = """
CREATE TABLE IF NOT EXISTS names (
    id INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,                -- 0: a sensor; 1: a device, of messages that name no sensor
    name TEXT NOT NULL,
    UNIQUE (kind, name)
) STRICT;
CREATE TABLE IF NOT EXISTS fresh (        -- arrivals, a group of messages a row
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    rows INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS chunks (       -- arrivals, many of one local day of device time a row
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    day INTEGER NOT NULL,                 -- ordinal of the local day
    rows INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS chunks_by_day ON chunks (day);
CREATE TABLE IF NOT EXISTS numbered (     -- message numbers that wait to be looked at
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    body BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS counts (       -- of messages, by device and boot
    device INTEGER NOT NULL,              -- of names
    boot INTEGER NOT NULL,
    settled INTEGER NOT NULL,
    runs TEXT NOT NULL,                   -- JSON
    received INTEGER NOT NULL,
    duplicate INTEGER NOT NULL,
    lost INTEGER NOT NULL,
    newest INTEGER NOT NULL,              -- microseconds since 1970 UTC
    heard INTEGER NOT NULL,
    gone TEXT NOT NULL DEFAULT '[]',      -- JSON
    PRIMARY KEY (device, boot)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS closed (       -- counts of days whose arrivals had to give way
    day INTEGER NOT NULL,                 -- ordinal of the local day
    sensor INTEGER NOT NULL,
    received INTEGER NOT NULL,
    late INTEGER NOT NULL,
    duplicate INTEGER NOT NULL,
    rejected INTEGER NOT NULL,
    PRIMARY KEY (day, sensor)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS began (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    received INTEGER NOT NULL
) STRICT;
"""
_COUNT = "device, boot, settled, runs, received, duplicate, lost, newest, heard, gone"
_PER_MARK = 5  # integers


class Marks(NamedTuple):
    """Numbers of N messages. devices: their names. rows (N, 5) int64: index into devices, boot (PLAIN where
    there is none), number, oldest number that the device still keeps (0: it does not say), newest time [us].
    """

    devices: Sequence[str]
    rows: Ints

    @classmethod
    def empty(cls) -> Marks:
        return cls((), np.empty((0, _PER_MARK), np.int64))


class Entry(NamedTuple):
    """What a group of messages comes to. received: when [us since 1970]. names, kinds (M,): sensors, and
    devices of messages that name none. sensor (N,): index into names. time (N,): device time [us]. kind (N,).
    """

    received: int
    names: Sequence[str]
    kinds: Sequence[int]
    sensor: NDArray[np.int32]
    time: Ints
    kind: NDArray[np.uint8]
    marks: Marks


class Messages(NamedTuple):
    """Messages that a device numbered since ``boot`` (None: it tells none). missing: did not come (yet);
    lost: will not any more. gaps: which are missing. heard: when the last one came [us since 1970]."""

    device: str
    boot: int | None
    received: int
    duplicate: int
    missing: int
    lost: int
    highest: int
    gaps: list[tuple[int, int]]
    heard: int


class Ledger(SqliteFile):
    """The ledger in ``path``. Safe to use from several threads and processes.

    A commit is safe from a kill when it returns, but for the last moments not from a power cut, except what
    ``settle`` told: that is written through. zone: by which a day is a day. late_s: what comes later after
    its time is late [s], where arrivals have to give way; max_bytes: bound on these.
    """

    def __init__(
        self, path: Path, zone: ZoneInfo, *, late_s: float = 900.0, max_bytes: int = MAX_BYTES
    ) -> None:
        super().__init__(path, _SCHEMA, "ledger")
        self._zone = zone
        self.late_s = late_s
        self.max_bytes = max_bytes
        self._ids: dict[tuple[int, str], int] = {}
        self._rows = self._groups = FOLD_GROUPS  # what an earlier process left is looked at soon
        with self.write() as db:  # a file of an earlier version
            if "gone" not in {column for _, column, *_ in db.execute("PRAGMA table_info(counts)")}:
                db.execute("ALTER TABLE counts ADD COLUMN gone TEXT NOT NULL DEFAULT '[]'")
        with self._lock, self._errors():
            self._db.execute("PRAGMA synchronous = NORMAL")

    # -- written by the ingest ------------------------------------------------------------------------

    def add(self, entry: Entry) -> None:
        """Take in a group of messages. Raises StoreUnavailable, StoreError."""
        n, marks = len(entry.time), entry.marks
        if not n and not len(marks.rows):
            return
        try:
            self._add(entry)
        except BaseException:
            self._ids.clear()  # the numbers of new names were undone with the rest
            raise
        self._rows += n
        self._groups += 1
        if self._rows >= FOLD_ROWS or self._groups >= FOLD_GROUPS:
            self.fold()

    def _add(self, entry: Entry) -> None:
        n, marks = len(entry.time), entry.marks
        with self.write() as db:
            if not self._ids:
                db.execute("INSERT OR IGNORE INTO began VALUES (1, ?)", (entry.received,))
            if n:
                ids = self._numbers(db, entry.kinds, entry.names)
                body = pack_group(entry.received, ids[entry.sensor], entry.time, entry.kind)
                db.execute("INSERT INTO fresh (rows, body) VALUES (?, ?)", (n, body))
            if len(marks.rows):
                ids = self._numbers(db, [DEVICE] * len(marks.devices), marks.devices)
                rows = np.concatenate(
                    [marks.rows, np.full((len(marks.rows), 1), entry.received, np.int64)], axis=1
                )
                rows[:, 0] = ids[marks.rows[:, 0]]
                db.execute("INSERT INTO numbered (body) VALUES (?)", (rows.tobytes(),))

    def fold(self) -> None:
        """Sort and compress what came since the last time, whichever process brought it; keep the bound."""
        self._rows = self._groups = 0
        with self.write() as db:
            found = db.execute("SELECT id, body FROM fresh").fetchall()
            if found:
                arrivals = Arrivals.concat(unpack_group(body) for _, body in found)
                days = self._days(arrivals.time)
                for day in np.unique(days).tolist():
                    part = arrivals.take(days == day)
                    db.execute(
                        "INSERT INTO chunks (day, rows, body) VALUES (?, ?, ?)",
                        (day, len(part.time), pack_chunk(part)),
                    )
                db.execute("DELETE FROM fresh WHERE id <= ?", (found[-1][0],))
            self._close_days(db)

    def settle(self) -> dict[str, Receipt]:
        """Look at the message numbers that came since the last time: a receipt for each device that counts
        its boots and keeps what it sends. What the receipts speak of is on the disk."""
        if not self.read("SELECT 1 FROM numbered LIMIT 1"):
            return {}
        receipts: dict[str, Receipt] = {}
        with self._lock:
            with self._errors():
                self._db.execute("PRAGMA synchronous = FULL")
            try:
                with self.write() as db:
                    found = db.execute("SELECT id, body FROM numbered ORDER BY id").fetchall()
                    if not found:  # another process was faster
                        return {}
                    rows = np.concatenate([np.frombuffer(body, np.int64) for _, body in found])
                    told = _settle(db, rows.reshape(-1, _PER_MARK + 1))
                    db.execute("DELETE FROM numbered WHERE id <= ?", (found[-1][0],))
                    for device, receipt in told.items():
                        (name,) = db.execute("SELECT name FROM names WHERE id = ?", (device,)).fetchone()
                        receipts[name] = receipt
            finally:
                with self._errors():
                    self._db.execute("PRAGMA synchronous = NORMAL")
        return receipts

    def _days(self, time: Ints) -> Ints:
        """(N,) ordinal of the local day of instants [us]."""
        return local_time(time // MICROS, 900, self._zone, frozenset()).day

    def _numbers(self, db: Any, kinds: Sequence[int], names: Sequence[str]) -> NDArray[np.int32]:
        """(M,) the number of each name, new ones given."""
        known, ids = self._ids, []
        for key in zip(kinds, names, strict=True):
            number = known.get(key)
            if number is None:
                if not known:
                    rows = db.execute("SELECT kind, name, id FROM names").fetchall()
                    known.update({(kind, name): id for kind, name, id in rows})
                number = known.get(key)
            if number is None:
                db.execute("INSERT OR IGNORE INTO names (kind, name) VALUES (?, ?)", key)
                (number,) = db.execute("SELECT id FROM names WHERE kind = ? AND name = ?", key).fetchone()
                known[key] = number
            ids.append(number)
        return np.array(ids, np.int32)

    def _close_days(self, db: Any) -> None:
        """Beyond the bound, the days longest ago keep their counts only."""
        while True:
            (size,) = db.execute("SELECT COALESCE(SUM(length(body)), 0) FROM chunks").fetchone()
            if size <= self.max_bytes:
                return
            (day,) = db.execute("SELECT MIN(day) FROM chunks").fetchone()
            self._close_day(db, day)

    def _close_day(self, db: Any, day: int) -> None:
        bodies = db.execute("SELECT body FROM chunks WHERE day = ?", (day,)).fetchall()
        arrivals = Arrivals.concat(unpack_chunk(body) for (body,) in bodies)
        counts = tally(arrivals, int(arrivals.sensor.max(initial=0)) + 1, self.late_s)
        heard = np.unique(arrivals.sensor)
        columns = [heard.tolist(), *(c[heard].tolist() for c in counts)]
        db.executemany(
            "INSERT INTO closed VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " received = received + excluded.received, late = late + excluded.late,"
            " duplicate = duplicate + excluded.duplicate, rejected = rejected + excluded.rejected",
            [(day, *row) for row in zip(*columns, strict=True)],
        )
        db.execute("DELETE FROM chunks WHERE day = ?", (day,))
        log.info("ledger: the arrivals of %s gave way, their counts stay", date.fromordinal(day))

    # -- read by people -------------------------------------------------------------------------------

    def began(self) -> int | None:
        """When the first message was received that the ledger knows of [us since 1970], None where none."""
        found = self.read("SELECT received FROM began")
        return found[0][0] if found else None

    def names(self) -> dict[int, tuple[int, str]]:
        """By number, kind (SENSOR or DEVICE) and name of all that was heard."""
        return {id: (kind, name) for id, kind, name in self.read("SELECT id, kind, name FROM names")}

    def arrivals(self, start: int, end: int) -> Arrivals:
        """All that has a device time within [start, end) [us since 1970], as far as it is still kept."""
        first, last = self._days(np.array([start, end - 1])).tolist()
        # One statement, so that no other process folds between two.
        bodies = self.read(
            "SELECT 0, body FROM chunks WHERE day BETWEEN ? AND ? UNION ALL SELECT 1, body FROM fresh",
            (first, last),
        )
        found = Arrivals.concat(unpack_group(b) if fresh else unpack_chunk(b) for fresh, b in bodies)
        return found.take((found.time >= start) & (found.time < end))

    def closed(self, first: int, last: int) -> list[tuple[int, int, int, int, int, int]]:
        """(day, sensor, received, late, duplicate, rejected) of the local days from first to last (ordinals)
        whose arrivals are not kept any more."""
        return [
            (int(r[0]), int(r[1]), int(r[2]), int(r[3]), int(r[4]), int(r[5]))
            for r in self.read(
                "SELECT day, sensor, received, late, duplicate, rejected FROM closed"
                " WHERE day BETWEEN ? AND ?",
                (first, last),
            )
        ]

    def messages(self, devices: Iterable[str] | None = None) -> list[Messages]:
        """Message numbers by device and boot, as of the last ``settle``. devices: only these."""
        wanted = None if devices is None else set(devices)
        rows = self.read(
            f"SELECT name, {_COUNT} FROM counts JOIN names ON names.id = device ORDER BY name, heard DESC"
        )
        found = []
        for name, *row in rows:
            if wanted is None or name in wanted:
                boot, count = row[1], _count(row)
                found.append(
                    Messages(
                        name,
                        None if boot < 0 else boot,
                        count.received,
                        count.duplicate,
                        count.missing,
                        count.lost,
                        count.highest,
                        count.gaps,
                        count.heard,
                    )
                )
        return found


def _settle(db: Any, rows: Ints) -> dict[int, Receipt]:
    """Take messages (N, 6) into the counts of their devices, in the caller's transaction."""
    told: dict[int, Receipt] = {}
    order = np.lexsort((rows[:, 1], rows[:, 0]))  # stable: of one count, in the order they came
    rows = rows[order]
    starts = np.flatnonzero(np.any(np.diff(rows[:, :2], axis=0, prepend=-9) != 0, axis=1))
    latest: dict[int, int] = {}
    for part in np.split(rows, starts[1:]):
        device, boot = int(part[0, 0]), int(part[0, 1])
        number, oldest, newest, heard = part[:, 2], part[:, 3], part[:, 4], int(part[:, 5].max())
        found = db.execute(
            f"SELECT {_COUNT} FROM counts WHERE device = ? AND boot = ?", (device, boot)
        ).fetchone()
        if found is None:
            # Messages of two processes come out of order: the first number is not the lowest.
            first = Count(int(number[0]) - 1)
            upto = begins_anew(number, newest, first) if boot == PLAIN else len(number)
            base = number[: max(upto, 1)].min()
            count = Count(int(oldest[oldest > 0].min(initial=base)) - 1)
            if boot != PLAIN:
                _drop_old_boots(db, device)
        else:
            count = _count(found)
        asks = boot != PLAIN and int(oldest.max()) > 0
        while len(number):
            k = begins_anew(number, newest, count) if boot == PLAIN else len(number)
            if k:
                count.take(number[:k], int(newest[:k].max()), asks=asks)
            if k < len(number):  # it counts anew: what was missing stays missing
                count.lost += count.missing
                count.settled, count.runs, count.gone = int(number[k]) - 1, [], []
            number, newest = number[k:], newest[k:]
        count.give_up(int(oldest.max()))
        count.heard = max(count.heard, heard)
        db.execute(
            f"INSERT OR REPLACE INTO counts ({_COUNT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                device,
                boot,
                count.settled,
                json.dumps(count.runs),
                count.received,
                count.duplicate,
                count.lost,
                count.newest,
                count.heard,
                json.dumps(count.gone),
            ),
        )
        if asks and heard >= latest.get(device, 0):
            latest[device] = heard
            told[device] = count.receipt(boot)
    return told


def _drop_old_boots(db: Any, device: int) -> None:
    """Make room for one more boot of a device: the longest ago are added up."""
    rows = db.execute(
        f"SELECT {_COUNT} FROM counts WHERE device = ? AND boot >= 0 ORDER BY heard DESC", (device,)
    ).fetchall()
    for row in rows[_BOOTS - 1 :]:
        count = _count(row)
        db.execute("DELETE FROM counts WHERE device = ? AND boot = ?", (device, row[1]))
        db.execute(
            f"INSERT INTO counts ({_COUNT}) VALUES (?, ?, 0, '[]', ?, ?, ?, ?, ?, '[]')"
            " ON CONFLICT DO UPDATE SET"
            " received = received + excluded.received, duplicate = duplicate + excluded.duplicate,"
            " lost = lost + excluded.lost, newest = MAX(newest, excluded.newest),"
            " heard = MAX(heard, excluded.heard)",
            (
                device,
                _EARLIER,
                count.received,
                count.duplicate,
                count.lost + count.missing,
                count.newest,
                count.heard,
            ),
        )


def _count(row: Sequence[Any]) -> Count:
    _, _, settled, runs, received, duplicate, lost, newest, heard, gone = row
    apart, given_up = ([(a, b) for a, b in json.loads(text)] for text in (runs, gone))
    return Count(settled, apart, received, duplicate, lost, newest, heard, given_up)
