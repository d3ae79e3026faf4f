"""What was stored, told to readers in other processes: a measurement beside the readings.

After its readings are durable, each append writes an entry: which sensors, from when to when. It is not
acknowledged before its entry is durable too. An entry's time is the server's, given when it comes in, so
that the clocks of writers do not matter. A cursor is the time of the newest entry that was told.

An entry may show later than one with a later time, but by no longer than its writer waits for the answer:
after that it is no acknowledged one, and is written anew. So readers look back by more than that
(``LOOK_BACK_S``) and remember which of those entries they have told.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec
import numpy as np

from ingest.store.influx.schema import JOURNAL
from ingest.store.influx.server import JOURNAL_POLICY, Result, Server
from ingest.store.influx.text import field_text, literal, tag
from waterworks.reading import ReadingBatch

LOOK_BACK_S = 60
"""How far readers look back behind their cursor [s]."""

MAX_TIMEOUT_S = 45.0
"""The longest that a writer may wait for an answer [s]: less than ``LOOK_BACK_S``, with a margin."""

KEPT_S = 6 * 86_400
"""A cursor older than this starts from the beginning [s]: the journal is kept for a day longer."""

ENTRY_BYTES = 24_000
"""Of an entry's text; InfluxDB takes 64 KB, escapes and all."""

_BYTES_A_CHARACTER = 4  # of UTF-8, at most
_CURSORS_KEPT = 4_000  # an hour of them, where two ask every second

Spans = dict[str, tuple[int, int]]
"""Of each sensor the earliest and latest time touched [us since 1970]."""


class _Key(NamedTuple):
    time: int
    writer: str
    part: str


class Journal:
    """The journal of one site."""

    def __init__(self, server: Server, site: str) -> None:
        self._server = server
        self._tags = f"site={tag(site)},writer={secrets.token_hex(4)}"
        self._where = f'"site" = {literal(site)}'
        self._writing, self._lock = threading.Lock(), threading.Lock()
        self._seen: dict[_Key, int] = {}
        """Entries in the order in which this process saw them."""
        self._count = 0
        self._marks: dict[int, int] = {}
        """How many entries had been seen when a cursor was given out."""

    # -- writing ------------------------------------------------------------------------------------

    def append(self, batch: ReadingBatch) -> None:
        """Tell of a batch whose readings are durable. When this returns, that is durable too."""
        parts = [
            f"{JOURNAL},part={part},{self._tags} spans={field_text(text)},size={len(text)}i"
            for part, text in enumerate(_texts(spans_of(batch)))
        ]
        # Entries of one writer must not fall into the same microsecond: they would be one.
        with self._writing:
            self._server.write("\n".join(parts).encode(), JOURNAL_POLICY)

    # -- reading ------------------------------------------------------------------------------------

    def newest(self) -> int:
        """A cursor that leaves out all that there is now; 0 where there is nothing."""
        with self._lock:
            times = [key.time for key in self._look(f"SELECT last(size) FROM {JOURNAL} WHERE {self._where}")]
            if not times:
                return 0
            keys = self._entries(max(times))
            return self._remember(max(times + [key.time for key in keys]))

    def after(self, since: int) -> tuple[int, Spans | None]:
        """The next cursor, and what was stored after ``since``; None: that cannot be told, take all.

        A cursor of another process may be told again what lies within LOOK_BACK_S before it.
        """
        with self._lock:
            keys = self._entries(since)
            known = since in self._marks
            newest = max((key.time for key in keys), default=since if known else 0)
            if newest - since > KEPT_S * 1_000_000 or (
                not known and since > newest and not self._older(since)
            ):
                return since, None
            mark = self._marks.get(since, 0)
            fresh = {key for key in keys if self._seen[key] > mark}
            if not fresh:
                return since, {}
            spans = self._spans(fresh)
            return self._remember(max(newest, since + 1)), spans

    def _older(self, since: int) -> bool:
        """Whether an entry of just that time is there, of long ago: a cursor of a quiet site."""
        found = self._look(f"SELECT size FROM {JOURNAL} WHERE {self._where} AND time = {since * 1000}")
        return bool(found)

    def _entries(self, since: int) -> list[_Key]:
        low = (since - LOOK_BACK_S * 1_000_000) * 1000
        keys = self._look(
            f"SELECT size FROM {JOURNAL} WHERE {self._where} AND time > {low} GROUP BY writer, part"
        )
        for key in keys:
            if key not in self._seen:
                self._count += 1
                self._seen[key] = self._count
        return keys

    def _look(self, query: str) -> list[_Key]:
        return [key for key, _ in _points(self._server.ask(query, JOURNAL_POLICY))]

    def _spans(self, keys: set[_Key]) -> Spans:
        low, high = min(k.time for k in keys) * 1000, max(k.time for k in keys) * 1000
        query = (
            f"SELECT spans FROM {JOURNAL} WHERE {self._where} AND time >= {low} AND time <= {high} "
            "GROUP BY writer, part"
        )
        spans: Spans = {}
        for key, text in _points(self._server.ask(query, JOURNAL_POLICY)):
            if key in keys:
                for first, last, names in _read(str(text)):
                    for name in names:
                        had = spans.get(name)
                        spans[name] = (
                            (first, last) if had is None else (min(had[0], first), max(had[1], last))
                        )
        return spans

    def _remember(self, cursor: int) -> int:
        """A cursor that stands for all entries seen by now: ``cursor``, or the next that is free."""
        while self._marks.get(cursor, self._count) != self._count:
            cursor += 1
        self._marks[cursor] = self._count
        if len(self._marks) > _CURSORS_KEPT:
            self._marks = dict(list(self._marks.items())[_CURSORS_KEPT // 2 :])
            oldest = min(self._marks) - LOOK_BACK_S * 1_000_000
            self._seen = {key: n for key, n in self._seen.items() if key.time > oldest}
        return cursor


def spans_of(batch: ReadingBatch) -> Spans:
    """Of each sensor of a batch the earliest and latest time."""
    order = np.argsort(batch.sensor, kind="stable")
    sensor, time = batch.sensor[order], batch.time[order].astype(np.int64)
    heads = np.flatnonzero(np.diff(sensor, prepend=-1))
    low, high = np.minimum.reduceat(time, heads).tolist(), np.maximum.reduceat(time, heads).tolist()
    names = [batch.names[k] for k in sensor[heads].tolist()]
    return dict(zip(names, zip(low, high, strict=True), strict=True))


def _texts(spans: Spans) -> Iterator[str]:
    """Spans as JSON, ``[[first, last, [name, ...]], ...]``, in pieces that an entry holds."""
    alike: dict[tuple[int, int], list[str]] = {}
    for name, (first, last) in spans.items():
        alike.setdefault((first, last), []).append(name)
    piece: list[bytes] = []
    size = 0
    for (first, last), names in alike.items():
        for part in _parts(names):
            text = _write((first, last, part))
            if piece and size + len(text) > ENTRY_BYTES:
                yield f"[{b','.join(piece).decode()}]"
                piece, size = [], 0
            piece.append(text)
            size += len(text)
    if piece:
        yield f"[{b','.join(piece).decode()}]"


def _parts(names: list[str]) -> Iterator[list[str]]:
    """Names in groups that take at most half an entry."""
    if sum(map(len, names)) * _BYTES_A_CHARACTER <= ENTRY_BYTES // 2 or len(names) == 1:
        yield names
    else:
        middle = len(names) // 2
        yield from _parts(names[:middle])
        yield from _parts(names[middle:])


_write: Callable[[object], bytes] = msgspec.json.Encoder().encode
_read: Callable[[str], list[tuple[int, int, list[str]]]] = msgspec.json.Decoder(
    list[tuple[int, int, list[str]]]
).decode


def _points(results: list[Result]) -> Iterator[tuple[_Key, object]]:
    for result in results:
        for series in result.series:
            writer, part = series.tags.get("writer", ""), series.tags.get("part", "")
            for time, value in series.values:
                yield _Key(int(time), writer, part), value
