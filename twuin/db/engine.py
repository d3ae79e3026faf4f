"""Connections, the same way for every process, and what their errors mean."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ingest.sqlite_file import use_wal
from waterworks.errors import DatabaseRefused, DatabaseUnavailable, SettingsError

BUSY_MS = 10_000
"""How long a writer waits for another process's transaction [ms]."""

POOL = {"pool_size": 5, "max_overflow": 20}
"""Connections of a process that stay open, and more while all its stores and pages are busy at once."""


def open_engine(url: str) -> Engine:
    """An engine for ``sqlite:///path`` or ``postgresql://...``. SettingsError for what is neither."""
    try:
        parsed = make_url(url)
        dialect = parsed.get_backend_name()
        if dialect == "sqlite":
            if parsed.database in (None, "", ":memory:"):
                raise SettingsError(f"database {url} names no file: use sqlite:///path/to/file")
            engine = create_engine(parsed, **POOL, connect_args={"timeout": BUSY_MS / 1e3})
            _prepare_sqlite(engine)
            return engine
        if dialect == "postgresql":
            if parsed.drivername == "postgresql":
                parsed = parsed.set(
                    drivername="postgresql+psycopg"
                )  # SQLAlchemy's own choice is the older one
            return create_engine(parsed, **POOL, pool_pre_ping=True)
    except ModuleNotFoundError as e:
        hint = (
            "pip install '.[postgres]' in a copy of Twuin's source"
            if e.name == "psycopg"
            else f"install {e.name}"
        )
        raise SettingsError(f"cannot use database URL: {e}; {hint}") from e
    except (ArgumentError, NoSuchModuleError) as e:
        raise SettingsError(f"cannot use database URL: {e}") from e
    raise SettingsError(f"database {dialect} is not supported: use sqlite or postgresql")


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def on_connect(connection: sqlite3.Connection, _: Any) -> None:
        connection.isolation_level = (
            None  # transactions begin where the next hook says, not where sqlite3 does
        )
        use_wal(connection, BUSY_MS / 1e3)
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout = {BUSY_MS}",
            "synchronous = FULL",  # what a person did is there after a power cut
            "foreign_keys = ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        # A writer takes the lock at once: one that read first could not get it if another wrote meanwhile.
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def transaction(engine: Engine, *, writes: bool = False) -> Iterator[Connection]:
    """A connection in a transaction; errors come as DatabaseUnavailable or DatabaseRefused."""
    try:
        with engine.connect().execution_options(writes=writes) as connection, connection.begin():
            yield connection
    except PoolTimeout as e:
        raise DatabaseUnavailable(f"{name_of(engine)}: all connections are busy") from e
    except DBAPIError as e:
        raise _store_error(engine, e) from e
    except SQLAlchemyError as e:
        raise DatabaseRefused(f"{name_of(engine)}: {e}") from e


def name_of(engine: Engine) -> str:
    """The database as errors call it, without its password."""
    if engine.dialect.name == "sqlite":
        return f"database {Path(engine.url.database or '')}"
    return f"database {engine.url.render_as_string(hide_password=True)}"


def _store_error(engine: Engine, e: DBAPIError) -> DatabaseRefused | DatabaseUnavailable:
    message = f"{name_of(engine)}: {' '.join(str(e.orig).split())}"
    if isinstance(e.orig, sqlite3.Error):
        code = getattr(e.orig, "sqlite_errorcode", 0) & 0xFF
        again = code in (
            sqlite3.SQLITE_BUSY,
            sqlite3.SQLITE_LOCKED,
            sqlite3.SQLITE_FULL,
            sqlite3.SQLITE_IOERR,
            sqlite3.SQLITE_CANTOPEN,
        )
    else:
        again = e.connection_invalidated or type(e).__name__ in ("OperationalError", "InterfaceError")
    return DatabaseUnavailable(message) if again else DatabaseRefused(message)
