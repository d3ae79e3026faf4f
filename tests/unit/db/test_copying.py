"""All tables of a PostgreSQL, out in one snapshot and into another database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect, text

from twuin.accounts.model import What
from twuin.db import copying, open_database
from twuin.db.copying import OF_BROWSERS, load_postgresql, save_postgresql
from twuin.db.migrate import migrate_on
from waterworks.errors import StoreError, StoreUnavailable

pytestmark = pytest.mark.servers

NOW = datetime(2026, 11, 23, 3, 0, 0, 123456, tzinfo=UTC)
ODD = "tab\t, line\n, back\\slash, \"quotes', Ä水"


def rows(url: str) -> dict[str, set[str]]:
    engine = create_engine(url)
    with engine.connect() as db:
        names = inspect(db).get_table_names()
        found = {n: {repr(tuple(r)) for r in db.execute(text(f'SELECT * FROM "{n}"'))} for n in names}
    engine.dispose()
    return found


def run(url: str, *statements: tuple[str, dict[str, Any]]) -> None:
    engine = create_engine(url)
    with engine.begin() as db:
        for statement, values in statements:
            db.execute(text(statement), values)
    engine.dispose()


@pytest.fixture
def filled(postgresql_url: str) -> str:
    with closing(open_database(postgresql_url)):
        pass
    account = (
        "INSERT INTO account "
        "(id, site, name, full_name, role, dmas, disabled, password, made, seen, provider) "
        "VALUES ('a1', 'kota', 'dewi', :odd, 'engineer', '[\"D1\"]', false, 'hash', :now, NULL, false)"
    )
    session = (
        "INSERT INTO account_session (digest, account, made, seen, ends, source, agent) "
        "VALUES ('d', 'a1', :now, :now, :now, '', '')"
    )
    event = (
        "INSERT INTO security_event (site, at, what, actor, about, source, detail) "
        "VALUES ('kota', :now, 'signed_in', :odd, '', '', '')"
    )
    run(postgresql_url, *[(sql, {"odd": ODD, "now": NOW}) for sql in (account, session, event, event)])
    return postgresql_url


@pytest.fixture
def other(postgresql: Any) -> Iterator[str]:
    url = postgresql.database()
    yield str(url)
    postgresql.drop(url)


def save(url: str, folder: Path) -> tuple[copying.Saved, dict[str, Path]]:
    files: dict[str, Path] = {}
    saved = save_postgresql(url, folder, lambda path: files.__setitem__(path.stem, path))
    return saved, files


def test_every_row_comes_back_and_sessions_end(filled: str, other: str, tmp_path: Path) -> None:
    saved, files = save(filled, tmp_path)
    assert saved.rows["security_event"] == 2 and saved.rows["account"] == 1
    load_postgresql(other, saved, files)
    before, after = rows(filled), rows(other)
    assert before["account_session"] and not after["account_session"]
    for table in before.keys() - set(OF_BROWSERS):
        assert after[table] == before[table], table


def test_numbers_go_on_after_those_that_came_back(filled: str, other: str, tmp_path: Path) -> None:
    load_postgresql(other, *save(filled, tmp_path))
    event = (
        "INSERT INTO security_event (site, at, what, actor, about, source, detail) "
        "VALUES ('kota', :now, :what, '', '', '', '')"
    )
    run(other, (event, {"now": NOW + timedelta(1), "what": str(What.SIGN_IN_FAILED)}))
    assert len(rows(other)["security_event"]) == 3


def test_what_is_written_meanwhile_is_in_none_of_the_tables(
    filled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cursor, written = copying._cursor, []

    def amid(connection: Any) -> Any:
        if not written:
            written.append(True)
            sql = "INSERT INTO account_known (site, name, what, at) VALUES ('kota', 'dewi', 'w', :now)"
            event = (
                "INSERT INTO security_event (site, at, what, actor, about, source, detail) "
                "VALUES ('kota', :now, 'x', '', '', '', '')"
            )
            run(filled, (sql, {"now": NOW}), (event, {"now": NOW}))
        return cursor(connection)

    monkeypatch.setattr(copying, "_cursor", amid)
    saved, _ = save(filled, tmp_path)
    assert (saved.rows["account_known"], saved.rows["security_event"]) == (0, 2)


def test_an_older_schema_is_brought_up(other: str, filled: str, tmp_path: Path, postgresql: Any) -> None:
    old = str(postgresql.database())
    engine = create_engine(old)
    with engine.begin() as db:
        migrate_on(db, engine, "0009")
    engine.dispose()
    saved, files = save(old, tmp_path)
    postgresql.drop(old)
    assert saved.schema == "0009" and "public_report" not in saved.columns
    load_postgresql(other, saved, files)
    assert rows(other).keys() == rows(filled).keys()


def test_one_that_is_not_empty_is_left_alone(filled: str, tmp_path: Path) -> None:
    saved, files = save(filled, tmp_path)
    before = rows(filled)
    with pytest.raises(StoreError, match="is not empty"):
        load_postgresql(filled, saved, files)
    assert rows(filled) == before


def test_told_to_what_is_there_goes_aside(filled: str, other: str, tmp_path: Path) -> None:
    load_postgresql(other, *save(filled, tmp_path))
    run(other, ("UPDATE account SET full_name = 'newer'", {}))
    assert load_postgresql(other, *save(filled, tmp_path), aside="before_restore")
    assert rows(other)["account"] == rows(filled)["account"]
    engine = create_engine(other)
    with engine.connect() as db:
        assert db.execute(text("SELECT full_name FROM before_restore.account")).scalars().all() == ["newer"]
    engine.dispose()


def test_rows_that_do_not_fit_leave_the_database_empty(filled: str, other: str, tmp_path: Path) -> None:
    saved, files = save(filled, tmp_path)
    files["account"].write_bytes(b"not\trows\n")
    with pytest.raises(StoreError):
        load_postgresql(other, saved, files)
    assert rows(other) == {}


def test_a_server_that_is_away_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        save_postgresql(f"postgresql://twuin@/x?host={tmp_path}", tmp_path, lambda _: None)
