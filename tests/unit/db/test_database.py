"""The database file itself: its schema, its guards, its errors."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError

from twuin.alerts.model import Alert, Entry, Finding, Kind, State
from twuin.alerts.ports import AlertQuery, Change
from twuin.alerts.work import Work
from twuin.db import open_account_store, open_alert_store, open_database
from twuin.db.engine import open_engine, transaction
from twuin.db.migrate import migrate
from twuin.db.outbox import open_outbox
from twuin.db.tables import Base
from waterworks.errors import (
    DatabaseRefused,
    DatabaseUnavailable,
    SettingsError,
    StoreError,
    StoreUnavailable,
)

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


def test_migrations_make_exactly_the_tables_that_the_program_uses(database_url: str) -> None:
    engine = open_engine(database_url)
    migrate(engine)
    with transaction(engine) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_structured_columns_are_searchable_json_in_postgresql() -> None:
    statements = [
        str(sa.schema.CreateTable(t).compile(dialect=postgresql.dialect()))
        for t in Base.metadata.sorted_tables
    ]
    assert any("JSONB" in s and "TIMESTAMP WITH TIME ZONE" in s for s in statements)


def test_a_database_from_before_keeps_its_alerts_and_their_histories(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = command.upgrade
    monkeypatch.setattr(command, "upgrade", lambda config, _: newest(config, "0002"))
    engine = open_engine(database_url)
    migrate(engine)
    monkeypatch.undo()
    old = sa.MetaData()
    with engine.begin() as db:
        old.reflect(db, only=["alert", "alert_entry"])
        alert, line = old.tables["alert"], old.tables["alert_entry"]
        known = dict.fromkeys(("onset", "detected", "as_of"), T0.replace(tzinfo=None))
        known |= dict.fromkeys(("flow", "flow_low", "flow_high", "volume", "confidence"), 0.25)
        known |= {"suspects": [], "near": [], "evidence": {}}
        named = {"site": "town", "id": "a1", "state": "closed", "reason": "repaired", "kind": "leak"}
        counted = {"version": 2, "revision": 2, "held": False, "subject": "D1", "dma": "D1"}
        db.execute(alert.insert().values({**named, **counted, **known}))
        told = {"site": "town", "seq": 1, "alert": "a1", "at": T0.replace(tzinfo=None)}
        db.execute(line.insert().values({**told, "actor": "Ani", "action": "closed", "note": "clamp"}))
    engine.dispose()
    store = open_alert_store(database_url)
    kept = store.get("town", "a1")
    assert kept is not None
    assert (kept.state, kept.work, kept.supported) == (State.CLOSED, Work(), True)
    (entry,) = store.history("town", "a1")
    assert (entry.note, entry.details, entry.happened, entry.key) == ("clamp", {}, None, "")
    store.close()


def test_opening_again_changes_nothing(database_url: str) -> None:
    fill(database_url)
    again = open_alert_store(database_url)
    assert len(again.history("town", "a1")) == 1


def test_stores_of_one_process_share_its_database_until_it_closes_it(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    brought_up, upgrade = [], command.upgrade
    monkeypatch.setattr(command, "upgrade", lambda *given: (brought_up.append(1), upgrade(*given)))
    database = open_database(database_url)
    alerts, accounts, outbox = open_alert_store(database), open_account_store(database), open_outbox(database)
    accounts.close()
    outbox.close()
    closed: list[object] = []
    sa.event.listen(database.engine, "engine_disposed", closed.append)
    assert alerts.find("town", AlertQuery()) == []
    alerts.close()
    assert not closed and len(brought_up) == 1
    database.close()
    assert closed


def test_processes_that_open_a_new_database_at_once_all_succeed(database_url: str) -> None:
    code = f"from twuin.db import open_alert_store; open_alert_store({database_url!r}); print('ready')"
    started = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    for process in started:
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out.strip()) == (0, b"ready"), err.decode()


REPLACE = (
    "INSERT OR REPLACE INTO alert_entry (site, seq, alert, at, actor, action, note) "
    "SELECT site, seq, alert, at, actor, action, 'x' FROM alert_entry"
)


def refuses(url: str, *statements: str) -> None:
    """Whether none of the statements changes a history."""
    fill(url)
    for statement in statements:
        with pytest.raises(DBAPIError, match="append-only"), open_engine(url).begin() as db:
            db.exec_driver_sql(statement)
    assert [e.note for e in open_alert_store(url).history("town", "a1")] == [""]


def test_history_cannot_be_rewritten(database_url: str) -> None:
    refuses(database_url, "UPDATE alert_entry SET note = 'x'", "DELETE FROM alert_entry")


def test_history_cannot_be_replaced_in_sqlite(url: str) -> None:
    refuses(url, REPLACE)


def test_history_cannot_be_emptied_in_postgresql(postgresql_url: str) -> None:
    refuses(postgresql_url, "TRUNCATE alert_entry", "TRUNCATE alert CASCADE")


def test_an_entry_needs_its_alert(database_url: str) -> None:
    store = open_alert_store(database_url)
    stray = Entry("nope", T0, "monitor", "opened")
    finding = Finding(Kind.LEAK, "D1", "D1", T0, T0, T0)
    with pytest.raises(DatabaseRefused, match=r"(?i)foreign key"):
        store.commit([Change(Alert("a1", "town", State.OPEN, finding), None, (stray,))])
    assert store.get("town", "a1") is None


def test_a_server_that_goes_away_is_unavailable_and_is_found_again(
    postgresql: Any, postgresql_url: str
) -> None:
    fill(postgresql_url)
    store = open_alert_store(postgresql_url)
    name = postgresql_url.split("@/")[1].split("?")[0]
    nobody = postgresql_url.replace("twuin@/", "twuin@/no")
    with pytest.raises(DatabaseUnavailable, match=f"no{name}"):
        open_alert_store(nobody)
    postgresql.disconnect(name)
    assert store.get("town", "a1") is not None


def test_a_postgresql_url_needs_no_driver_in_it(postgresql_url: str) -> None:
    fill(postgresql_url.replace("+psycopg", ""))
    assert open_alert_store(postgresql_url).get("town", "a1") is not None


def test_without_the_driver_the_url_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(SettingsError, match=r"pip install '\.\[postgres\]'"):
        open_alert_store("postgresql://localhost/x")


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
    with pytest.raises(DatabaseUnavailable, match="nowhere"):
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
