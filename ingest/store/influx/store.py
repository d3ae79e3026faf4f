"""A reading store on InfluxDB: written by line protocol, read by InfluxQL.

What differs from the embedded store: InfluxDB does not say which of the readings it knew already, so the
counts of ``append`` do not either, and readings that come twice show as changes; and it knows no
transactions, so a reader may see a batch while it is being written.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from ingest.store.influx.access import Access
from ingest.store.influx.answers import NO_ROWS, Rows, read_rows
from ingest.store.influx.bins import Bins
from ingest.store.influx.figures import figure_lines
from ingest.store.influx.firsthand import FirstHand
from ingest.store.influx.journal import MAX_TIMEOUT_S, Journal
from ingest.store.influx.known import Known, one_of
from ingest.store.influx.lines import CHUNK, Lines
from ingest.store.influx.prepare import make_token, make_user, prepare
from ingest.store.influx.schema import QUALITY, RECEIVED, Column, Schema
from ingest.store.influx.server import Server
from ingest.store.influx.text import identifier, literal, original, plain
from ingest.store.rows import check, fold, gaps_between, means, pivot
from waterworks.errors import StoreError, StoreUnavailable
from waterworks.figures import Figure, Key
from waterworks.reading import (
    TIME_DTYPE,
    AppendResult,
    Changes,
    Gap,
    Latest,
    ReadingBatch,
    Window,
    as_datetime,
)
from waterworks.site import Site

EARLIEST = np.datetime64("1677-09-21T00:12:44", "us")
LATEST = np.datetime64("2262-04-11T23:47:16", "us")
"""InfluxDB's times are nanoseconds in 64 bits; it keeps the ends of them for itself."""

ROWS_A_QUESTION = 200_000
"""Sensors are asked for together as long as they have about so few readings in all."""

SENSORS_A_QUESTION = 200

THREADS = 3
"""Questions asked at a time for one window. InfluxDB answers each with one thread."""

DEFAULT_INTERVAL_S = 60.0
"""How often a series that is no sensor of the site is taken to have a reading [s]."""

_T = TypeVar("_T")


class InfluxStore:
    """A ``ReadingStore`` in one database of an InfluxDB, for one site.

    It may be made while InfluxDB is away: all calls then raise StoreUnavailable until it is there. At the
    first call it makes the databases that are missing.
    """

    def __init__(self, access: Access, site: Site) -> None:
        if not 0 < access.timeout_s <= MAX_TIMEOUT_S:
            raise StoreError(
                f"store.timeout_s {access.timeout_s:g} is not between 0 and {MAX_TIMEOUT_S:g}: readers of "
                "what was stored rely on writers that do not wait longer"
            )
        self._server = Server(access)
        self._schema = Schema(site)
        self._where = f'"site" = {literal(site.id)}'
        self._lines = Lines(self._schema)
        self._journal = Journal(self._server, site.id)
        self._known = Known(self._server, self._schema, self._journal)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="influx-read")
        self._preparing = threading.Lock()
        self._first_hand: FirstHand | None = None
        self._ready = self._closed = False

    def close(self) -> None:
        """Hang up. Closing twice is allowed."""
        self._closed = True
        self._threads.shutdown(cancel_futures=True)
        self._server.close()

    def prepare(self) -> list[str]:
        """Make the databases that are missing, and say which they were."""
        with self._preparing:
            made = prepare(self._server)
            self._ready = True
            return made

    def make_token(self, *, writes: bool) -> str:
        """A new token of an InfluxDB 2 that may read, and write if asked for, what Twuin keeps there."""
        return make_token(self._server, writes=writes)

    def make_user(self, user: str, password: str, *, writes: bool) -> None:
        """A user of an InfluxDB 1.x who may read, and write if asked for, this database and no other."""
        make_user(self._server, user, password, writes=writes)

    def server_version(self) -> str:
        """The version that InfluxDB says it is, "?" where it does not say."""
        self._alive()
        return self._server.version()

    def _call(self, ask: Callable[[], _T]) -> _T:
        """``ask``, once all is ready for it; after it was refused, see anew whether it is."""
        self._alive()
        if not self._ready:
            self.prepare()
        try:
            return ask()
        except StoreUnavailable:
            raise
        except StoreError:
            self._ready = False
            raise
        except Exception:
            self._alive()  # what failed because the store was closed meanwhile
            raise

    def _alive(self) -> None:
        if self._closed:
            access = self._server.access
            raise StoreUnavailable(f"the store {access.database} at {access.url} is closed")

    @property
    def access(self) -> Access:
        """Which InfluxDB it is."""
        return self._server.access

    @property
    def site(self) -> Site:
        """Whose readings it holds."""
        return self._schema.site

    # -- writing ------------------------------------------------------------------------------------

    def append(self, batch: ReadingBatch) -> AppendResult:
        """See ``ReadingStore.append``; it does not tell duplicates, and may store a part where it raises."""
        self._alive()
        check(batch)
        if not len(batch):
            return AppendResult(0, 0, 0)
        if batch.time.min() < EARLIEST or batch.time.max() > LATEST:
            raise StoreError(f"InfluxDB takes readings from {EARLIEST} to {LATEST}: reject others first")
        return self._call(lambda: self._append(batch))

    def _append(self, batch: ReadingBatch) -> AppendResult:
        folded = fold(batch.sensor, batch.time.astype(np.int64), batch.value, batch.quality)
        kept = batch if len(folded.last) == len(batch) else batch.take(np.sort(folded.last))
        first_hand = self._first_hand
        if first_hand is None:
            _, latest, _ = self._known.refresh()
            first_hand = self._first_hand = FirstHand(latest)
        kept = first_hand.restored(kept)
        expired = 0
        for first in range(0, len(kept), CHUNK):
            part = kept.take(np.arange(first, min(first + CHUNK, len(kept)))) if len(kept) > CHUNK else kept
            refused = self._server.write(self._lines.of(part))
            if refused < len(part):
                self._journal.append(part)
            if not refused:
                first_hand.stored(part)
            expired += refused
        return AppendResult(len(batch) - expired, None, None, expired)

    def write_bins(self, names: Sequence[str], bins: Bins, policy: str) -> None:
        """Store means over bins of ``names`` in a retention policy of their own. Durable when it returns."""

        def write() -> None:
            for first in range(0, len(bins.time), CHUNK):
                part = bins.take(np.arange(first, min(first + CHUNK, len(bins.time))))
                self._server.write(self._lines.of_bins(names, part), policy)

        self._call(write)

    def write_figures(self, figures: Sequence[Figure]) -> None:
        """See ``FigureStore.write_figures``."""

        def write() -> None:
            for first in range(0, len(figures), CHUNK):
                self._server.write(figure_lines(figures[first : first + CHUNK], self.site.id))

        self._call(write)

    def figure_times(self, measurement: str, field: str) -> dict[Key, list[np.datetime64]]:
        """See ``FigureStore.figure_times``."""
        query = (
            f"SELECT {identifier(field)} FROM {identifier(measurement)} WHERE {self._where} AND "
            f"{identifier(field)} != 0 GROUP BY *"
        )
        found: dict[Key, list[np.datetime64]] = {}
        for result in self._call(lambda: self._server.ask(query)):
            for series in result.series:
                times = [np.datetime64(row[0], "us") for row in series.values]
                tags = {k: original(v) for k, v in series.tags.items() if v and k != "site"}
                found.setdefault(frozenset(tags.items()), []).extend(times)
        return found

    # -- reading ------------------------------------------------------------------------------------

    def window(
        self,
        sensors: Sequence[str],
        start: np.datetime64,
        end: np.datetime64,
        *,
        step: np.timedelta64 | None = None,
        exclude: int = 0,
    ) -> Window:
        """See ``ReadingStore.window``."""
        wanted = list(dict.fromkeys(sensors))
        low, high = _instant(start), _instant(end)
        us = None if step is None else int(step / np.timedelta64(1, "us"))
        if us is not None and us <= 0:
            raise StoreError(f"a step of {step} is not above 0")
        rows = self.rows(wanted, low, high)
        if exclude:
            rows = rows.take(rows.quality & exclude == 0)
        columns = rows.columns() if us is None else means(rows.columns(), us)
        out = pivot(columns, np.arange(len(wanted), dtype=np.int32), len(wanted))
        if len(wanted) == len(sensors):
            return out
        again = [wanted.index(name) for name in sensors]
        return Window(out.times, out.values[:, again], out.quality[:, again])

    def rows(
        self, names: list[str], low: np.datetime64, high: np.datetime64, *, policy: str = "", field: str = ""
    ) -> Rows:
        """All readings of these sensors with low <= time < high; sensors are numbered as in ``names``.

        policy, field: of a retention policy other than the readings' own, and another field than the value.
        """
        return self._call(lambda: self._rows(names, low, high, policy, field))

    def _rows(
        self, names: list[str], low: np.datetime64, high: np.datetime64, policy: str = "", field: str = ""
    ) -> Rows:
        if not low < high:
            return NO_ROWS
        number = {name: k for k, name in enumerate(names) if _possible(name)}
        asked = [
            (column, part)
            for column, members in self._by_column(number).items()
            for part in self._parts(members, (high - low) / np.timedelta64(1, "s"))
        ]

        def ask(question: tuple[Column, list[str]]) -> Rows:
            column, members = question
            column = column._replace(field=field or column.field)
            query = (
                f'SELECT "{column.field}", "{QUALITY}", "{RECEIVED}" FROM "{column.measurement}" '
                f"WHERE {self._where} AND ({one_of(members)}) AND time >= '{_text(low)}' AND "
                f"time < '{_text(high)}' GROUP BY \"sensor\""
            )
            return read_rows(
                self._server.csv(query, policy), column, {name: number[name] for name in members}
            )

        if len(asked) == 1:
            return ask(asked[0])
        return Rows.concat([NO_ROWS, *self._threads.map(ask, asked)])

    def _by_column(self, names: dict[str, int]) -> dict[Column, list[str]]:
        found: dict[Column, list[str]] = {}
        if any(not self._schema.settled(name) for name in names):
            self._known.refresh()
        for name in names:
            columns = {self._schema.place(name).column}
            if not self._schema.settled(name):
                columns |= self._known.columns(name)
            for column in columns:
                found.setdefault(column, []).append(name)
        return found

    def _parts(self, names: list[str], span_s: float) -> list[list[str]]:
        """Names in groups that are asked for together."""
        parts: list[list[str]] = []
        rows = float("inf")
        for name in names:
            sensor = self._schema.site.sensor.get(name)
            more = span_s / (DEFAULT_INTERVAL_S if sensor is None else sensor.interval_s)
            if rows + more > ROWS_A_QUESTION or len(parts[-1]) >= SENSORS_A_QUESTION:
                parts.append([])
                rows = 0.0
            parts[-1].append(name)
            rows += more
        return parts

    def batch(self, sensors: Sequence[str], start: np.datetime64, end: np.datetime64) -> ReadingBatch:
        """See ``ReadingStore.batch``. Without the DMA that a sensor had then, where it was moved since."""
        names = list(dict.fromkeys(sensors))
        rows = self.rows(names, _instant(start), _instant(end))
        received = rows.received.astype(TIME_DTYPE)
        return ReadingBatch.columns(
            names, rows.sensor, rows.time, rows.value, received=received, quality=rows.quality
        )

    def latest(self, sensors: Sequence[str] | None = None) -> dict[str, Latest]:
        """See ``ReadingStore.latest``."""
        _, latest, _ = self._call(self._known.refresh)
        return latest if sensors is None else {name: latest[name] for name in sensors if name in latest}

    def gaps(
        self, sensor: str, start: np.datetime64, end: np.datetime64, longer_than: np.timedelta64
    ) -> list[Gap]:
        """See ``ReadingStore.gaps``."""
        low, high = _instant(start), _instant(end)
        if not low < high:
            return []
        times = self.rows([sensor], low, high + np.timedelta64(1, "us")).time
        return gaps_between(np.sort(times), low, high, longer_than)

    def extent(self, sensors: Sequence[str] | None = None) -> tuple[np.datetime64, np.datetime64] | None:
        """See ``ReadingStore.extent``."""
        first, latest, _ = self._call(self._known.refresh)
        names = [name for name in (latest if sensors is None else sensors) if name in latest]
        if not names:
            return None
        return np.datetime64(min(first[n] for n in names), "us"), max(latest[n].time for n in names)

    def changes(self, since: int) -> Changes:
        """See ``ReadingStore.changes``. Of a cursor of another process, what was told may be told again."""
        return self._call(lambda: self._changes(since))

    def _changes(self, since: int) -> Changes:
        cursor, spans = (0, None) if since <= 0 else self._journal.after(since)
        if spans is None:
            first, latest, cursor = self._known.refresh()
            return Changes(
                cursor, {n: (np.datetime64(first[n], "us"), latest[n].time) for n in sorted(latest)}
            )
        return Changes(
            cursor,
            {n: (np.datetime64(a, "us"), np.datetime64(b, "us")) for n, (a, b) in sorted(spans.items())},
        )

    def names(self) -> list[str]:
        """See ``ReadingStore.names``."""
        _, latest, _ = self._call(self._known.refresh)
        return sorted(latest)


def _possible(name: str) -> bool:
    """Whether a series of that name can be stored at all."""
    try:
        plain(name)
    except StoreError:
        return False
    return True


def _instant(when: np.datetime64) -> np.datetime64:
    """``when`` within what InfluxDB can hold. StoreError where it is no instant."""
    try:
        as_datetime(when)
    except ValueError as error:
        raise StoreError(f"{when} is no instant between the years 1 and 9999") from error
    return min(max(when.astype(TIME_DTYPE), EARLIEST), LATEST)


def _text(when: np.datetime64) -> str:
    return f"{np.datetime_as_string(when, unit='us')}Z"
