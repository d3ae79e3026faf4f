"""Bring a database to the newest schema. Several processes may do so at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, text

from twuin.db.engine import name_of, open_engine, transaction
from waterworks.errors import StoreError

_LOCK = 0x7477_7569  # any number, the same for all: "twui"


def migrate(engine: Engine) -> None:
    """Run the migrations that the database has not seen, all or none of them.

    Raises StoreError when a newer Twuin made the database, StoreUnavailable when it cannot be reached.
    """
    with transaction(engine, writes=True) as connection:
        migrate_on(connection, engine, "head")


def migrate_on(connection: Connection, engine: Engine, schema: str) -> None:
    """The same up to the migration ``schema``, in a transaction that is open already. Raises StoreError."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    config = _config()
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, schema)
    except CommandError as e:
        raise StoreError(
            f"{name_of(engine)} was made by a newer Twuin ({e}): use that version, or another data folder"
        ) from e


def knows(schema: str) -> bool:
    """Whether there is a migration of that name here."""
    return schema in {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


@dataclass(frozen=True)
class Database:
    """A database with the newest schema, for any number of stores. lent: whoever lent it closes it."""

    engine: Engine
    lent: bool = False

    def close(self) -> None:
        """Release its connections. Closing twice is allowed."""
        if not self.lent:
            self.engine.dispose()


def open_database(where: str | Database) -> Database:
    """The database at a URL (``sqlite:///path``, ``postgresql://...``), its schema made or brought up first.

    A Database is handed on as a loan: a process opens one and gives it to all its stores, which share its
    connections. Raises SettingsError, StoreError, StoreUnavailable.
    """
    if isinstance(where, Database):
        return Database(where.engine, lent=True)
    engine = open_engine(where)
    try:
        migrate(engine)
    except BaseException:
        engine.dispose()
        raise
    return Database(engine)
