"""Bring a database to the newest schema. Several processes may do so at once."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import Engine, text

from twuin.db.engine import name_of, open_engine, transaction
from waterworks.errors import StoreError

_LOCK = 0x7477_7569  # any number, the same for all: "twui"


def migrate(engine: Engine) -> None:
    """Run the migrations that the database has not seen, all or none of them.

    Raises StoreError when a newer Twuin made the database, StoreUnavailable when it cannot be reached.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with transaction(engine, writes=True) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as e:
            raise StoreError(
                f"{name_of(engine)} was made by a newer Twuin ({e}): use that version, or another data folder"
            ) from e


def open_database(url: str) -> Engine:
    """An engine for the database at ``url`` (``sqlite:///path``, ``postgresql://...``), its schema made or
    brought up first. Raises SettingsError, StoreError, StoreUnavailable."""
    engine = open_engine(url)
    try:
        migrate(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine
