"""A small SQLite file that several threads and processes write: WAL, whole transactions, clear errors."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from waterworks.errors import StoreError, StoreUnavailable

_WAIT_S = 10.0  # for another process's transaction; ours take milliseconds
_PASSING = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)


def use_wal(db: sqlite3.Connection, wait_s: float) -> None:
    """Put a file into WAL mode, waiting for other processes that are just making it.

    SQLite's own timeout does not hold here: it calls a file locked at once while another one writes to it.
    """
    until = time.monotonic() + wait_s
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as e:
            if e.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                raise
        time.sleep(0.01)


class SqliteFile:
    """``path`` with the tables of ``schema`` (statements that can run again). ``what`` names it in errors.

    Commits are durable when they return. Raises StoreUnavailable when the file is locked or the disk
    full, StoreError when it is no such file.
    """

    def __init__(self, path: Path, schema: str, what: str) -> None:
        self.path = path
        self._what = what
        self._lock, self._read_lock = threading.RLock(), threading.RLock()
        with self._errors():
            self._db = _connect(path)
            use_wal(self._db, _WAIT_S)
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(f"BEGIN IMMEDIATE; {schema} COMMIT;")
            # Readers need not wait for a writer who waits for another process.
            self._reader = _connect(path)

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction: committed at the end, undone where an exception leaves it."""
        with self._lock, self._errors():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def read(self, sql: str, args: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self._read_lock, self._errors():
            return self._reader.execute(sql, tuple(args)).fetchall()

    def close(self) -> None:
        """Release the file. Closing twice is allowed."""
        with self._read_lock:
            self._reader.close()
        with self._lock:
            self._db.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as e:
            message = f"{self._what} {self.path}: {e}"
            if getattr(e, "sqlite_errorcode", 0) & 0xFF in _PASSING:
                raise StoreUnavailable(f"{message}: trying again may help") from e
            raise StoreError(message) from e
