"""The embedded reading store: one DuckDB file, owned by one process.

Rows lie in the order in which they came, without a key: a primary key would make the file 15 times
larger and appends several times slower. That each (sensor, time) stands there once is kept by ``append``,
the only writer: rows newer than all that is known of their sensor need no look-up, and the others are
looked up within their span of time, where DuckDB skips all blocks that lie outside of it.

Every row carries the number of the commit that wrote it; ``changes`` reads from there.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ingest.store.newest import Newest
from ingest.store.recent import Recent
from ingest.store.rows import Stored, check, fold, gaps_between, pivot
from waterworks.errors import StoreError, StoreUnavailable
from waterworks.reading import (
    TIME_DTYPE,
    AppendResult,
    Changes,
    Gap,
    Latest,
    ReadingBatch,
    Times,
    Window,
    as_datetime,
)

FORMAT = 1
"""Layout of our tables. A file of a higher number was written by a newer Twuin."""

MEMORY_LIMIT = "768MB"
"""What DuckDB may hold in memory. Its default of 80 % of the machine's is no good guest."""

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    # The store never needs an extension, and must never fetch one over the network.
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "memory_limit": MEMORY_LIMIT,
}

_TABLES = """
CREATE TABLE meta (format INTEGER NOT NULL);
CREATE TABLE sensors (id INTEGER NOT NULL, name VARCHAR NOT NULL);
CREATE TABLE readings (
    sensor INTEGER NOT NULL, time TIMESTAMP NOT NULL, value DOUBLE NOT NULL, quality USMALLINT NOT NULL,
    received TIMESTAMP NOT NULL, commit_no BIGINT NOT NULL);
"""

_PASSING = (
    duckdb.IOException,  # a full disk, a vanished mount
    duckdb.FatalException,
    duckdb.TransactionException,
    duckdb.OutOfMemoryException,
    duckdb.InterruptException,
)
"""Failures that may be over later."""

_open_files: set[Path] = set()
_open_files_lock = threading.Lock()


class DuckStore:
    """A ``ReadingStore`` in the DuckDB file ``path``, which is made where there is none.

    Raises StoreUnavailable where another process, or another DuckStore of this one, has the file open,
    StoreError where it cannot be used: a damaged file, one of a newer version, a read-only folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path).resolve()
        with _open_files_lock:
            # DuckDB would let one process open the file twice; what is held in memory would go astray.
            if self.path in _open_files:
                raise StoreUnavailable(f"{self.path} is already open in this process: close it there first")
            _open_files.add(self.path)
        self._writing = threading.Lock()
        self._state = threading.Condition()
        self._readers = 0
        self._closed = False
        self._con: duckdb.DuckDBPyConnection | None = None
        self._file = (0, 0)
        try:
            self._open()
        except BaseException:
            self._release()
            raise

    # -- opening and closing ------------------------------------------------------------------------

    def _open(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot make the folder {self.path.parent}: {error.strerror}") from error
        con = _connect(self.path)
        try:
            self._load(con)
        except BaseException:
            con.close()
            raise
        found = self.path.stat()
        with self._state:
            self._con, self._file = con, (found.st_dev, found.st_ino)

    def _load(self, con: duckdb.DuckDBPyConnection) -> None:
        try:
            tables = {name for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
            if not tables:
                con.execute("BEGIN")
                con.execute(_TABLES)
                con.execute("INSERT INTO meta VALUES (?)", [FORMAT])
                con.execute("COMMIT")
            elif not {"meta", "sensors", "readings"} <= tables:
                raise StoreError(
                    f"{self.path} is a DuckDB file of something else (tables {', '.join(sorted(tables))}): "
                    "choose another data folder"
                )
            row = con.execute("SELECT max(format) FROM meta").fetchone()
            found = row[0] if row else None
            if found != FORMAT:
                raise StoreError(
                    f"{self.path} has format {found}, written by another version of Twuin; this one reads "
                    f"format {FORMAT}: use that version, or another data folder"
                )
            ids = dict(con.execute("SELECT name, id FROM sensors").fetchall())
            newest = Newest(ids)
            newest.load(
                _fetch(
                    con,
                    "SELECT sensor, min(time) AS first, max(time) AS time, arg_max(value, time) AS value, "
                    "arg_max(quality, time) AS quality, arg_max(received, time) AS received "
                    "FROM readings GROUP BY sensor",
                )
            )
            commit = _last_commit(con)
        except duckdb.Error as error:
            raise _unusable(self.path, error) from error
        with self._state:
            self._newest = newest
            self._commit = commit
            self._recent = Recent(commit)

    def _release(self) -> None:
        with _open_files_lock:
            _open_files.discard(self.path)

    def close(self) -> None:
        """Wait for running calls to end, then close the file. Closing twice is allowed."""
        with self._writing, self._state:
            if self._closed:
                return
            self._closed = True
            self._state.wait_for(lambda: self._readers == 0)
            con, self._con = self._con, None
            try:
                if con is not None:
                    con.close()
            except duckdb.Error as error:  # all that was acknowledged is durable already
                raise StoreError(f"closing {self.path}: {_line(error)}") from error
            finally:
                self._release()

    # -- writing ------------------------------------------------------------------------------------

    def append(self, batch: ReadingBatch) -> AppendResult:
        """See ``ReadingStore.append``. StoreError where a value is not finite or a column does not fit."""
        check(batch)
        if not len(batch):
            return AppendResult(0, 0, 0)
        with self._writing:
            con = self._writer()
            try:
                return self._append(con, batch)
            except duckdb.Error as error:
                self._give_up(con)
                raise _failed(f"nothing was stored in {self.path}", error) from error

    def _writer(self) -> duckdb.DuckDBPyConnection:
        if self._closed:
            raise StoreUnavailable(f"{self.path} is closed")
        if self._con is None:  # given up after a failure: start again from what is on the disk
            self._open()
        assert self._con is not None
        try:
            found = self.path.stat()
        except OSError:
            found = None
        if found is None or (found.st_dev, found.st_ino) != self._file:
            # It would go on into a file without a name, and be gone with this process.
            raise StoreUnavailable(
                f"{self.path} was taken away while it was open, nothing is stored: put it back, or start "
                "Twuin anew to begin an empty one"
            )
        return self._con

    def _give_up(self, con: duckdb.DuckDBPyConnection) -> None:
        """After a failed write: undo it, and where DuckDB holds the file for lost, close it.

        The next call opens it again, and goes on from what is durable.
        """
        with suppress(duckdb.Error):
            con.execute("ROLLBACK")  # an error: no transaction is open any more
        with suppress(duckdb.Error):
            if _last_commit(con) == self._commit:
                return
        with self._state:
            self._con = None
            self._state.wait_for(lambda: self._readers == 0)
        with suppress(duckdb.Error):
            con.close()

    def _append(self, con: duckdb.DuckDBPyConnection, batch: ReadingBatch) -> AppendResult:
        newest, commit = self._newest, self._commit + 1
        with self._state:
            sensor, fresh = newest.number(batch)
        time = batch.time.astype(np.int64)
        folded = fold(sensor, time, batch.value, batch.quality)
        maybe = np.flatnonzero(newest.may_hold(sensor[folded.head], time[folded.head]))
        con.execute("BEGIN")
        stored = _look_up(con, maybe, sensor[folded.head[maybe]], batch.time[folded.head[maybe]])
        outcome = folded.against(stored, batch.value, batch.quality)
        rows = outcome.write
        if not len(rows):
            con.execute("ROLLBACK")
            return outcome.result
        if len(outcome.delete):
            _delete(con, outcome.delete)
        if fresh:
            # Not row by row: a batch may bring hundreds of thousands of sensors, 0.2 ms each.
            ids = np.fromiter(fresh.values(), np.int32, len(fresh))
            with _incoming(con, id=ids, name=pa.array(fresh, pa.string())):
                con.execute("INSERT INTO sensors SELECT id, name FROM incoming")
        with _incoming(
            con,
            sensor=sensor[rows],
            time=batch.time[rows],
            value=batch.value[rows],
            quality=batch.quality[rows],
            received=batch.received[rows],
        ):
            con.execute(f"INSERT INTO readings SELECT *, {commit}::BIGINT FROM incoming")
        con.execute("COMMIT")
        with self._state:
            self._commit = commit
            newest.update(fresh, sensor, time, batch, rows)
            self._recent.add(commit, sensor[rows], time[rows])
        return outcome.result

    # -- reading ------------------------------------------------------------------------------------

    @contextmanager
    def _reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor of its own, so that threads read side by side while one writes."""
        with self._state:
            lost = self._con is None and not self._closed
        if lost:
            with self._writing:
                self._writer()
        with self._state:
            if self._con is None:
                raise StoreUnavailable(f"{self.path} is closed")
            cursor = self._con.cursor()
            self._readers += 1
        try:
            yield cursor
        except duckdb.OutOfMemoryException as error:
            raise StoreError(f"{self.path}: too much was asked for at once; ask for less time") from error
        except duckdb.Error as error:
            raise _failed(f"cannot read {self.path}", error) from error
        finally:
            cursor.close()
            with self._state:
                self._readers -= 1
                self._state.notify_all()

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
        with self._state:
            self._alive()
            ids = self._newest.ids
            column = {ids[name]: k for k, name in enumerate(wanted) if name in ids}
            width = len(ids)
        if not column or not start < end:
            return pivot(_NO_ROWS, np.empty(0, np.int32), len(sensors))
        for_id = np.full(width, -1, np.int32)
        for_id[list(column)] = list(column.values())
        where = f"sensor IN ({','.join(map(str, column))}) AND time >= ? AND time < ?"
        if exclude:
            where += f" AND quality & {int(exclude)} = 0"
        if step is None:
            query = f"SELECT sensor, time, value, quality FROM readings WHERE {where}"
        else:
            us = int(step / np.timedelta64(1, "us"))
            if us <= 0:
                raise StoreError(f"a step of {step} is not above 0")
            # favg is Kahan's summation: the order in which threads add must not show in the mean.
            query = (
                "SELECT sensor, make_timestamp(bin) AS time, "
                "favg(value) AS value, bit_or(quality) AS quality FROM (SELECT sensor, value, quality, "
                f"epoch_us(time) - ((epoch_us(time) % {us}) + {us}) % {us} AS bin "
                f"FROM readings WHERE {where}) GROUP BY sensor, bin ORDER BY bin"
            )
        with self._reading() as cursor:
            rows = _fetch(cursor, query, [_naive(start), _naive(end)])
        out = pivot(rows, for_id, len(wanted))
        if len(wanted) == len(sensors):
            return out
        again = [wanted.index(name) for name in sensors]
        return Window(out.times, out.values[:, again], out.quality[:, again])

    def batch(self, sensors: Sequence[str], start: np.datetime64, end: np.datetime64) -> ReadingBatch:
        """See ``ReadingStore.batch``."""
        with self._state:
            self._alive()
            ids = self._newest.ids
            column = {ids[name]: k for k, name in enumerate(dict.fromkeys(sensors)) if name in ids}
            width = len(ids)
        if not column or not start < end:
            return ReadingBatch.empty()
        with self._reading() as cursor:
            rows = _fetch(
                cursor,
                "SELECT sensor, time, value, quality, received FROM readings "
                f"WHERE sensor IN ({','.join(map(str, column))}) AND time >= ? AND time < ?",
                [_naive(start), _naive(end)],
            )
        for_id = np.full(width, -1, np.int32)
        for_id[list(column)] = list(column.values())
        names = tuple(dict.fromkeys(sensors))
        return ReadingBatch.columns(
            names,
            for_id[rows["sensor"]],
            rows["time"],
            rows["value"],
            received=rows["received"],
            quality=rows["quality"],
        )

    def latest(self, sensors: Sequence[str] | None = None) -> dict[str, Latest]:
        """See ``ReadingStore.latest``. Answered from memory."""
        with self._state:
            self._alive()
            return self._newest.latest(sensors)

    def gaps(
        self, sensor: str, start: np.datetime64, end: np.datetime64, longer_than: np.timedelta64
    ) -> list[Gap]:
        """See ``ReadingStore.gaps``."""
        start, end = start.astype(TIME_DTYPE), end.astype(TIME_DTYPE)
        if not start < end:
            return []
        with self._state:
            self._alive()
            number = self._newest.ids.get(sensor)
        times = np.empty(0, TIME_DTYPE)
        if number is not None:
            with self._reading() as cursor:
                times = _fetch(
                    cursor,
                    "SELECT time FROM readings WHERE sensor = ? AND time BETWEEN ? AND ? ORDER BY time",
                    [number, _naive(start), _naive(end)],
                )["time"]
        return gaps_between(times, start, end, longer_than)

    def extent(self, sensors: Sequence[str] | None = None) -> tuple[np.datetime64, np.datetime64] | None:
        """See ``ReadingStore.extent``. Answered from memory."""
        with self._state:
            self._alive()
            return self._newest.extent(sensors)

    def changes(self, since: int) -> Changes:
        """See ``ReadingStore.changes``. A cursor ahead of this store (of another file) starts from 0."""
        with self._state:
            self._alive()
            cursor = self._commit
            touched = self._recent.after(since) if since <= cursor else None
            if touched is not None:
                names = self._newest.names
                columns = (touched.first.view(TIME_DTYPE), touched.last.view(TIME_DTYPE))
                each = zip(touched.sensor.tolist(), *columns, strict=True)
                return Changes(cursor, {names[k]: (a, b) for k, a, b in each})
        if since > cursor:
            since = 0
        with self._reading() as con:
            rows = con.execute(
                "SELECT name, first, last, commit_no FROM sensors JOIN ("
                "SELECT sensor, min(time) AS first, max(time) AS last, max(commit_no) AS commit_no "
                "FROM readings WHERE commit_no > ? GROUP BY sensor) ON sensor = id ORDER BY name",
                [since],
            ).fetchall()
        # A commit that came meanwhile is seen whole, or not at all: one query, one snapshot.
        cursor = max([cursor, *(seen for _, _, _, seen in rows)])
        return Changes(
            cursor, {name: (np.datetime64(a, "us"), np.datetime64(b, "us")) for name, a, b, _ in rows}
        )

    def names(self) -> list[str]:
        """See ``ReadingStore.names``."""
        with self._state:
            self._alive()
            return sorted(self._newest.ids)

    def _alive(self) -> None:
        if self._closed:
            raise StoreUnavailable(f"{self.path} is closed")


_NO_ROWS = {
    "sensor": np.empty(0, np.int32),
    "time": np.empty(0, TIME_DTYPE),
    "value": np.empty(0),
    "quality": np.empty(0, np.uint16),
}


def _connect(path: Path) -> duckdb.DuckDBPyConnection:
    try:
        return duckdb.connect(str(path), config=_CONFIG)
    except duckdb.Error as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: duckdb.Error) -> StoreError | StoreUnavailable:
    text = _line(error)
    if "lock on file" in text:
        return StoreUnavailable(f"{path} is in use by another process: {text}")
    if "version number" in text:
        return StoreError(f"{path} was written by a newer DuckDB than {duckdb.__version__}: {text}")
    return StoreError(f"cannot open {path}, which is damaged, no DuckDB file, or not writable: {text}")


def _failed(what: str, error: duckdb.Error) -> StoreError | StoreUnavailable:
    kind = StoreUnavailable if isinstance(error, _PASSING) else StoreError
    return kind(f"{what}: {_line(error)}")


def _line(error: duckdb.Error) -> str:
    """The first line of what DuckDB says: the rest is advice to programmers, and stack traces."""
    return str(error).strip().splitlines()[0]


def _last_commit(con: duckdb.DuckDBPyConnection) -> int:
    row = con.execute("SELECT max(commit_no) FROM readings").fetchone()
    return int(row[0]) if row and row[0] is not None else 0


def _fetch(
    con: duckdb.DuckDBPyConnection, query: str, params: list[Any] | None = None
) -> dict[str, NDArray[Any]]:
    table = con.sql(query, params=params).to_arrow_table()
    return {name: table[name].to_numpy() for name in table.column_names}


def _naive(when: np.datetime64) -> Any:
    try:
        return as_datetime(when).replace(tzinfo=None)
    except ValueError as error:
        raise StoreError(f"{when} is no instant between the years 1 and 9999") from error


@contextmanager
def _incoming(con: duckdb.DuckDBPyConnection, **columns: Any) -> Iterator[None]:
    """Arrays as the table ``incoming``, without a copy."""
    con.register("incoming", pa.table(columns))
    try:
        yield
    finally:
        con.unregister("incoming")


def _look_up(
    con: duckdb.DuckDBPyConnection, key: NDArray[np.int64], sensor: NDArray[np.int32], time: Times
) -> Stored:
    """What is stored under these (sensor, time); ``key`` numbers them for the answer."""
    if not len(key):
        return Stored(key, np.empty(0), np.empty(0, np.uint16), np.empty(0, np.int64))
    with _incoming(con, key=key, sensor=sensor, time=time):
        # The bounds are what lets DuckDB skip blocks without reading them.
        found = _fetch(
            con,
            "SELECT i.key, r.value, r.quality, r.rowid FROM readings r JOIN incoming i "
            "ON r.sensor = i.sensor AND r.time = i.time "
            "WHERE r.time BETWEEN ? AND ? AND r.sensor BETWEEN ? AND ?",
            [_naive(time.min()), _naive(time.max()), int(sensor.min()), int(sensor.max())],
        )
    return Stored(found["key"], found["value"], found["quality"], found["rowid"])


def _delete(con: duckdb.DuckDBPyConnection, rowid: NDArray[np.int64]) -> None:
    with _incoming(con, rowid=rowid):
        con.execute(
            "DELETE FROM readings WHERE rowid BETWEEN ? AND ? AND rowid IN (SELECT rowid FROM incoming)",
            [int(rowid.min()), int(rowid.max())],
        )
