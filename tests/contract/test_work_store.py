"""What every WorkStore does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from twuin.db import open_work_store
from twuin.db.engine import open_engine
from twuin.works.memory import MemoryWorkStore
from twuin.works.model import Action, Line, Plan, Weekly, WorkKind
from twuin.works.ports import LineConflict, WorkStore

T0 = datetime(2026, 3, 1, 2, 3, 4, 567891, tzinfo=UTC)
PLAN = Plan(
    WorkKind.INTERMITTENT,
    T0,
    None,
    ("D1", "D é"),
    ("p1",),
    ("S1",),
    Weekly((0, 6), 1320, 240),
    0.1 + 0.2,
    no_supply=True,
    low_pressure=True,
    silent=True,
    refill_s=1 / 3,
    note="é ✓",
)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], WorkStore]:
    """Opens the same store again, as another process would; the one in memory has one process only."""
    if request.param == "memory":
        store = MemoryWorkStore()
        return lambda: store
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql_url")
        return lambda: open_work_store(url)
    return lambda: open_work_store(f"sqlite:///{tmp_path}/twuin.sqlite")


@pytest.fixture
def store(opener: Callable[[], WorkStore]) -> Iterator[WorkStore]:
    opened = opener()
    yield opened
    opened.close()
    opened.close()


def line(work: str = "w1", number: int = 1, *, site: str = "town", plan: Plan = PLAN) -> Line:
    return Line(site, work, number, T0 + number * timedelta(hours=1), "Sari", Action.ENTERED, plan, "why é")


def test_a_line_comes_back_as_it_was_written(opener: Callable[[], WorkStore], store: WorkStore) -> None:
    once = Plan(WorkKind.FIRE, T0, T0 + timedelta(hours=2), ("D1",), extra_flow=1e-9)
    written = [store.append(line()), store.append(line("w2", plan=once))]
    other = opener()
    assert other.lines("town") == written
    assert [x.seq for x in written] == [1, 2] and other.newest("town") == 2
    other.close()


def test_only_lines_beyond_a_place_are_asked_for(store: WorkStore) -> None:
    for number in (1, 2, 3):
        store.append(line(number=number))
    assert [x.number for x in store.lines("town", 1)] == [2, 3]
    assert store.lines("town", 3) == []


def test_sites_do_not_see_each_other(store: WorkStore) -> None:
    store.append(line())
    store.append(line(site="other"))
    assert len(store.lines("town")) == 1 and store.newest("nobody") == 0
    assert store.lines("other")[0].site == "other"


def test_of_two_who_change_the_same_version_one_is_refused(store: WorkStore) -> None:
    store.append(line())
    with pytest.raises(LineConflict):
        store.append(replace(line(), actor="Budi"))
    assert [x.actor for x in store.lines("town")] == ["Sari"]


def test_many_who_write_at_once_lose_nothing(opener: Callable[[], WorkStore]) -> None:
    def write(k: int) -> None:
        own = opener()
        for number in (1, 2, 3):
            own.append(line(f"w{k}", number))

    threads = [threading.Thread(target=write, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    lines = opener().lines("town")
    assert [x.seq for x in lines] == list(range(1, 13))
    assert {(x.work, x.number) for x in lines} == {(f"w{k}", n) for k in range(4) for n in (1, 2, 3)}


def test_the_history_cannot_be_rewritten(database_url: str) -> None:
    kept = open_work_store(database_url)
    kept.append(line())
    engine = open_engine(database_url)
    for statement in ("UPDATE work_line SET actor = 'x'", "DELETE FROM work_line"):
        with pytest.raises(Exception, match="append-only"), engine.begin() as db:
            db.execute(text(statement))
    assert kept.lines("town")[0].actor == "Sari"
    engine.dispose()
    kept.close()
