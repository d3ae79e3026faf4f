"""What an InfluxDB holds of each sensor: the first time and the newest reading, kept up to date cheaply.

Asking InfluxDB for the newest reading of all sensors looks into all of its shards. So it is done once, and
from then on only for the sensors that the journal names, from the time on that is known.
"""

from __future__ import annotations

import threading
import time as clock
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from ingest.store.influx.journal import Journal, Spans
from ingest.store.influx.schema import COLUMNS, QUALITY, RECEIVED, Column, Schema
from ingest.store.influx.server import Server
from ingest.store.influx.text import literal, original
from waterworks.reading import Latest

RELOAD_S = 3600.0
"""How often all is asked for anew [s]: what retention has dropped, or another program has written, shows."""

_FILTERED = 100
"""Up to so many sensors a question names them; for more it takes all of their measurement."""


class Known:
    """First and newest of each sensor. Safe to use from several threads."""

    def __init__(self, server: Server, schema: Schema, journal: Journal) -> None:
        self._server, self._schema, self._journal = server, schema, journal
        self._where = f'"site" = {literal(schema.site.id)}'
        self._lock = threading.Lock()
        self._cursor = 0
        self._loaded: float | None = None
        self._first: dict[str, int] = {}
        self._latest: dict[str, Latest] = {}
        self._columns: dict[str, set[Column]] = {}

    def columns(self, name: str) -> set[Column]:
        """Where readings of a series that the site does not name were found."""
        with self._lock:
            return self._columns.get(name, set())

    def refresh(self) -> tuple[dict[str, int], dict[str, Latest], int]:
        """First times [us] and newest readings as they are now, and a cursor from before they were read."""
        with self._lock:
            spans: Spans | None = None
            if self._loaded is not None and clock.monotonic() - self._loaded < RELOAD_S:
                cursor, spans = self._journal.after(self._cursor)
            if spans is None:
                cursor = self._journal.newest()
                self._load()
            elif spans:
                self._update(spans)
            self._cursor = cursor
            for name, reading in self._latest.items():  # what retention dropped between two questions
                self._first.setdefault(name, int(reading.time.astype(np.int64)))
            return dict(self._first), dict(self._latest), cursor

    def _load(self) -> None:
        self._first, self._latest, self._columns = {}, {}, {}
        for column, rows in self._ask(COLUMNS, "last", ""):
            self._take(column, rows)
        for column, rows in self._ask(COLUMNS, "first", ""):
            self._take_first(column, rows)
        self._loaded = clock.monotonic()

    def _update(self, spans: Spans) -> None:
        # A span may be wider than what was stored: readings older than the retention are told of, too.
        newer = {n: self._time(n, low) for n, (low, high) in spans.items() if high >= self._time(n, low)}
        older = {n: low for n, (low, _) in spans.items() if low < self._first.get(n, low + 1)}
        for which, since, take in (("last", newer, self._take), ("first", older, self._take_first)):
            members: dict[Column, list[str]] = {}
            for name in since:
                members.setdefault(self._schema.place(name).column, []).append(name)
            for column, names in members.items():
                where = f' AND "time" >= {min(since[n] for n in names) * 1000}'
                if len(names) <= _FILTERED:
                    where += f" AND ({one_of(names)})"
                for _, rows in self._ask([column], which, where):
                    take(column, rows)

    def _time(self, name: str, default: int) -> int:
        """Time of the newest reading that is known [us]."""
        had = self._latest.get(name)
        return default if had is None else int(had.time.astype(np.int64))

    def _take(self, column: Column, rows: Iterable[tuple[str, int, float, int, int]]) -> None:
        for name, time, value, quality, received in rows:
            if not self._counts(name, column):
                continue
            self._columns.setdefault(name, set()).add(column)
            had = self._latest.get(name)
            when = np.datetime64(time, "us")
            if had is None or when >= had.time:
                self._latest[name] = Latest(when, value, quality, np.datetime64(received, "us"))

    def _take_first(self, column: Column, rows: Iterable[tuple[str, int, float, int, int]]) -> None:
        for name, time, *_ in rows:
            if self._counts(name, column):
                self._first[name] = min(time, self._first.get(name, time))

    def _counts(self, name: str, column: Column) -> bool:
        return not self._schema.settled(name) or self._schema.place(name).column == column

    def _ask(
        self, columns: Sequence[Column], which: str, where: str
    ) -> Iterator[tuple[Column, list[tuple[str, int, float, int, int]]]]:
        query = ";".join(
            f'SELECT {which}("{c.field}"), "{QUALITY}", "{RECEIVED}" FROM "{c.measurement}" '
            f'WHERE {self._where}{where} GROUP BY "sensor"'
            for c in columns
        )
        for result in self._server.ask(query):
            rows = []
            for series in result.series:
                name = original(series.tags.get("sensor", ""))
                for time, value, quality, received in series.values:
                    if name and value is not None:
                        rows.append((name, int(time), float(value), int(quality or 0), int(received or 0)))
            yield columns[result.statement_id], rows


def one_of(names: Iterable[str]) -> str:
    """A condition of InfluxQL: the sensor is one of these."""
    return " OR ".join(f'"sensor" = {literal(name)}' for name in names)
