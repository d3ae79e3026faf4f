"""A copy of the whole relational state, and the way back, while others work with it.

SQLite copies itself by its online backup API. Of PostgreSQL the rows of every table are taken by COPY, in one
snapshot; the way back makes the tables by the very migrations that made them, at the archived schema, fills
them, and runs the migrations since. So neither pg_dump nor the same major version is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, MetaData, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from twuin.db.engine import name_of, open_engine, transaction
from twuin.db.migrate import knows, migrate, migrate_on
from waterworks.errors import StoreError, StoreUnavailable

VERSIONS = "alembic_version"

SQLITE_NAME = "twuin.sqlite"

CHUNK = 1 << 20

OF_BROWSERS = ("account_session", "account_flow", "account_code", "account_try")
"""What is emptied when a state comes back: who was signed out, or used a one-time code, since it was kept,
must not be back in by it."""


class Saved(NamedTuple):
    """kind: sqlite or postgresql. schema: its newest migration. rows, columns: of each table."""

    kind: str
    schema: str
    rows: dict[str, int]
    columns: dict[str, list[str]]


def kind_of(url: str) -> str:
    """sqlite or postgresql. SettingsError where ``url`` is neither."""
    with closing_engine(url) as engine:
        return engine.dialect.name


def sqlite_file(url: str) -> Path | None:
    """The file that ``url`` names, None where it is no SQLite."""
    parsed = make_url(url)
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None


@contextmanager
def closing_engine(url: str) -> Iterator[Engine]:
    engine = open_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()


def save_postgresql(url: str, folder: Path, keep: Callable[[Path], None]) -> Saved:
    """Copy all tables, as of one instant, into files ``TABLE.copy`` in ``folder``, each handed to ``keep``.

    Raises StoreUnavailable, StoreError, OSError.
    """
    with closing_engine(url) as engine, _driver_errors(engine), _snapshot(engine) as connection:
        schema = _schema(connection, engine)
        tables = _tables(connection)
        columns = {t.name: [c.name for c in t.columns if c.computed is None] for t in tables.sorted_tables}
        rows = {}
        for table, names in columns.items():
            path = folder / f"{table}.copy"
            with path.open("wb") as out, closing(_cursor(connection)) as cursor:
                with cursor.copy(f"COPY {_listed(table, names)} TO STDOUT") as copy:
                    for data in copy:
                        out.write(data)
                rows[table] = int(cursor.rowcount)
            keep(path)
        return Saved("postgresql", schema, rows, columns)


@contextmanager
def _driver_errors(engine: Engine) -> Iterator[None]:
    """What the driver itself says, where rows stream past SQLAlchemy."""
    try:
        yield
    except Exception as e:
        if not type(e).__module__.startswith("psycopg"):
            raise
        message = f"{name_of(engine)}: {' '.join(str(e).split())}"
        if type(e).__name__ in ("OperationalError", "InterfaceError"):
            raise StoreUnavailable(message) from e
        raise StoreError(message) from e


@contextmanager
def _snapshot(engine: Engine) -> Iterator[Connection]:
    how: dict[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    try:
        with engine.connect().execution_options(**how) as connection, connection.begin():
            yield connection
    except DBAPIError as e:
        message = f"{name_of(engine)}: {' '.join(str(e.orig).split())}"
        if e.connection_invalidated or type(e).__name__ in ("OperationalError", "InterfaceError"):
            raise StoreUnavailable(message) from e
        raise StoreError(message) from e
    except SQLAlchemyError as e:
        raise StoreError(f"{name_of(engine)}: {e}") from e


def describe_sqlite(path: Path) -> Saved:
    """What a copied file holds. Raises StoreError."""
    with closing_engine(f"sqlite:///{path}") as engine, transaction(engine) as connection:
        schema = _schema(connection, engine)
        rows = {}
        for table in _tables(connection).sorted_tables:
            rows[table.name] = connection.execute(
                text(f"SELECT count(*) FROM {_quoted(table.name)}")
            ).scalar_one()
        return Saved("sqlite", schema, rows, {})


def readable_schema(schema: str) -> bool:
    """Whether this Twuin has the migration ``schema``: it reads no state of a newer one."""
    return knows(schema)


def bring_up_sqlite(path: Path) -> None:
    """Run the migrations that a restored file has not seen, and sign everybody out. Raises StoreError."""
    with closing_engine(f"sqlite:///{path}") as engine:
        migrate(engine)
        with transaction(engine, writes=True) as connection:
            _sign_out(connection)
        with transaction(engine) as connection:
            connection.exec_driver_sql("PRAGMA optimize")
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


def is_empty(url: str) -> bool:
    """Whether a PostgreSQL database has no table. Raises StoreUnavailable, StoreError."""
    with closing_engine(url) as engine, transaction(engine) as connection:
        return not inspect(connection).get_table_names()


def load_postgresql(url: str, saved: Saved, files: Mapping[str, Path], aside: str = "") -> bool:
    """Fill an empty PostgreSQL database with what ``save_postgresql`` took: all of it, or nothing.

    aside: name of a schema that takes up what is there, where it is not empty; gives whether it did. Raises
    StoreError where it is not empty and has no such name, or the rows do not fit; StoreUnavailable.
    """
    with (
        closing_engine(url) as engine,
        _driver_errors(engine),
        transaction(engine, writes=True) as connection,
    ):
        there = bool(inspect(connection).get_table_names())
        if there and not aside:
            raise StoreError(f"{name_of(engine)} is not empty")
        if there:
            own = _quoted(connection.execute(text("SELECT current_schema()")).scalar_one())
            connection.execute(text(f"ALTER SCHEMA {own} RENAME TO {_quoted(aside)}"))
            connection.execute(text(f"CREATE SCHEMA {own}"))
        migrate_on(connection, engine, saved.schema)
        tables = _tables(connection)
        made = {t.name: {c.name for c in t.columns} for t in tables.sorted_tables}
        if any(names - {*made.get(t, ())} for t, c in saved.columns.items() if (names := {*c})):
            raise StoreError("the archive's tables are not those of its schema: use another archive")
        for table in (t.name for t in tables.sorted_tables if t.name in saved.columns):
            with closing(_cursor(connection)) as cursor:
                into = f"COPY {_listed(table, saved.columns[table])} FROM STDIN"
                with files[table].open("rb") as source, cursor.copy(into) as copy:
                    while data := source.read(CHUNK):
                        copy.write(data)
                if cursor.rowcount != saved.rows[table]:
                    raise StoreError(f"{cursor.rowcount} rows of {table}, not {saved.rows[table]}")
        _count_on(connection, saved)
        migrate_on(connection, engine, "head")
        _sign_out(connection)
        return there


def _count_on(connection: Connection, saved: Saved) -> None:
    """Let what numbers rows by itself go on after the rows that came back."""
    for table, names in saved.columns.items():
        for name in names:
            sequence = connection.execute(
                text("SELECT pg_get_serial_sequence(:table, :name)"), {"table": _quoted(table), "name": name}
            ).scalar()
            if sequence is not None:
                last = f"SELECT coalesce(max({_quoted(name)}), 0) FROM {_quoted(table)}"
                connection.execute(
                    text(f"SELECT setval(:sequence, ({last}) + 1, false)"), {"sequence": sequence}
                )


def _sign_out(connection: Connection) -> None:
    there = set(inspect(connection).get_table_names())
    for table in OF_BROWSERS:
        if table in there:
            connection.execute(text(f"DELETE FROM {_quoted(table)}"))


def _schema(connection: Connection, engine: Engine) -> str:
    if not inspect(connection).has_table(VERSIONS):
        raise StoreError(f"{name_of(engine)} holds nothing of Twuin's yet: start Twuin once before")
    return str(connection.execute(text(f"SELECT version_num FROM {VERSIONS}")).scalar_one())


def _tables(connection: Connection) -> MetaData:
    found = MetaData()
    found.reflect(connection, only=lambda name, _: name != VERSIONS)
    return found


def _cursor(connection: Connection) -> Any:
    driver = connection.connection.driver_connection
    assert driver is not None
    return driver.cursor()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _listed(table: str, names: list[str]) -> str:
    return f"{_quoted(table)} ({', '.join(map(_quoted, names))})"
