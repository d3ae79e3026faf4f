"""The database file itself: its schema, its guards, its errors."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.dialects import postgresql

from twuin.alerts.model import Alert, Entry, Finding, Kind, State
from twuin.alerts.ports import Change
from twuin.db import open_alert_store
from twuin.db.engine import open_engine, transaction
from twuin.db.migrate import migrate
from twuin.db.tables import Base
from waterworks.errors import SettingsError, StoreError, StoreUnavailable

T0 = datetime(2026, 3, 1, tzinfo=UTC)


def fill(url: str) -> None:
    finding = Finding(Kind.LEAK, "D1", "D1", T0, T0, T0)
    entry = Entry("a1", T0, "monitor", "opened")
    open_alert_store(url).commit([Change(Alert("a1", "town", State.OPEN, finding), None, (entry,))])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "twuin.sqlite"


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite:///{path}"


def test_migrations_make_exactly_the_tables_that_the_program_uses(url: str) -> None:
    engine = open_engine(url)
    migrate(engine)
    with transaction(engine) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_the_tables_can_be_made_in_postgresql() -> None:
    statements = [
        str(sa.schema.CreateTable(t).compile(dialect=postgresql.dialect()))
        for t in Base.metadata.sorted_tables
    ]
    assert any("JSONB" in s and "TIMESTAMP WITH TIME ZONE" in s for s in statements)


def test_opening_again_changes_nothing(url: str) -> None:
    fill(url)
    again = open_alert_store(url)
    assert len(again.history("town", "a1")) == 1


def test_processes_that_open_a_new_file_at_once_all_succeed(url: str) -> None:
    code = f"from twuin.db import open_alert_store; open_alert_store({url!r}); print('ready')"
    started = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    for process in started:
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out.strip()) == (0, b"ready"), err.decode()


def test_history_cannot_be_rewritten(url: str, path: Path) -> None:
    fill(url)
    with sqlite3.connect(path) as db:
        for statement in ("UPDATE alert_entry SET note = 'x'", "DELETE FROM alert_entry"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                db.execute(statement)


def test_an_entry_needs_its_alert(url: str) -> None:
    store = open_alert_store(url)
    stray = Entry("nope", T0, "monitor", "opened")
    finding = Finding(Kind.LEAK, "D1", "D1", T0, T0, T0)
    with pytest.raises(StoreError, match="FOREIGN KEY"):
        store.commit([Change(Alert("a1", "town", State.OPEN, finding), None, (stray,))])
    assert store.get("town", "a1") is None


def test_a_file_from_a_newer_twuin_is_refused_in_one_line(url: str, path: Path) -> None:
    fill(url)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="newer Twuin") as refused:
        open_alert_store(url)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_no_database_is_named(path: Path, url: str) -> None:
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreError, match=str(path)):
        open_alert_store(url)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="nowhere"):
        open_alert_store(f"sqlite:///{tmp_path}/nowhere/twuin.sqlite")


def test_a_file_that_another_holds_is_unavailable_not_broken(
    url: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(url)
    monkeypatch.setattr("twuin.db.engine.BUSY_MS", 50)
    store = open_alert_store(url)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert store.get("town", "a1") is not None  # readers do not wait
    finding = Finding(Kind.LEAK, "D1", "D1", T0, T0, T0)
    with pytest.raises(StoreUnavailable, match="locked"):
        store.commit([Change(Alert("a2", "town", State.OPEN, finding), None, ())])
    other.execute("ROLLBACK")
    store.commit([Change(Alert("a2", "town", State.OPEN, finding), None, ())])


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("sqlite://", "names no file"),
        ("mysql://localhost/x", "sqlite or postgresql"),
        ("not a url", "cannot use database URL"),
        ("postgresql+nodriver://localhost/x", "cannot use database URL"),
    ],
)
def test_a_url_that_cannot_work_says_what_would(url: str, hint: str) -> None:
    with pytest.raises(SettingsError, match=hint):
        open_alert_store(url)


def test_a_file_that_another_process_is_just_making_is_waited_for(path: Path, url: str) -> None:
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")  # not in WAL mode yet: SQLite would not wait for it by itself
    done = threading.Timer(0.2, lambda: other.execute("ROLLBACK"))
    done.start()
    fill(url)
    done.join()
    assert open_alert_store(url).cursor("town") == 1
    other.close()
