"""What every ReportStore does, on each database that Twuin runs on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from twuin.db import open_report_store
from twuin.residents.model import Category, Line, Odd, Outcome, Report, Standing
from twuin.residents.ports import (
    KeyUsed,
    ReportChange,
    ReportQuery,
    ReportStore,
    Sealed,
    VersionConflict,
)

T0 = datetime(2026, 3, 1, 2, 3, 4, 567891, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def opener(database_url: str) -> Callable[[], ReportStore]:
    """Opens the same store again, as another process would."""
    return lambda: open_report_store(database_url)


@pytest.fixture
def store(opener: Callable[[], ReportStore]) -> Iterator[ReportStore]:
    opened = opener()
    yield opened
    opened.close()
    opened.close()


def report(id: str = "r1", site: str = "town", **more: Any) -> Report:
    given: dict[str, Any] = {"received": T0, "created": T0, "event": id, "category": Category.LEAK}
    return Report(**{"id": id, "site": site, "code": f"code {id}", "key": f"key {id}", **given, **more})


def line(id: str = "r1", action: str = "received") -> Line:
    return Line(id, T0, "residents", action, {"é": 1})


def put(store: ReportStore, *reports: Report, sealed: Sealed | None = None) -> None:
    for r in reports:
        store.add(r, sealed or Sealed(b"person"), line(r.id))


def test_it_is_a_report_store(store: ReportStore) -> None:
    assert isinstance(store, ReportStore)


def test_a_report_comes_back_as_it_was_stored(opener: Callable[[], ReportStore], store: ReportStore) -> None:
    full = report(
        state=Standing.CLOSED, odd=(Odd.TRAP, Odd.FAR), dma="D1", lon=112.6, lat=-7.9, pipe="P1", alert="a1",
        answered=T0 + HOUR, settled=T0 + 2 * HOUR, outcome=Outcome.SOLVED, message="done\0 ✓", source="s",
        network="n", phone="p", photo=True, erased=T0 + 3 * HOUR, version=7,
    )  # fmt: skip
    put(store, full, sealed=Sealed(b"\0\xff", b"jpeg"))
    other = opener()
    kept = other.get("town", "r1")
    assert kept == replace(full, message="done\ufffd ✓")
    assert other.by_code("town", "code r1") == other.by_key("town", "key r1") == kept
    assert other.sealed("town", "r1") == Sealed(b"\0\xff", b"jpeg")
    assert other.history("town", "r1") == [line()]
    for missing in (other.get("city", "r1"), other.by_code("town", "x"), other.by_key("town", "x")):
        assert missing is None
    other.close()


def test_a_form_is_stored_once(store: ReportStore) -> None:
    put(store, report())
    with pytest.raises(KeyUsed):
        put(store, report("r2", key="key r1"))
    assert store.get("town", "r2") is None and store.sealed("town", "r2") is None
    put(store, report("r2", "city", key="key r1"))  # another site's is another


def test_of_two_who_store_the_same_form_at_once_one_does(opener: Callable[[], ReportStore]) -> None:
    first = opener()
    done: list[str] = []

    def add(id: str) -> None:
        own = opener()
        try:
            put(own, report(id, key="same"))
            done.append(id)
        except KeyUsed:
            pass
        own.close()

    threads = [threading.Thread(target=add, args=(f"r{i}",)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(done) == 1 and len(first.find("town", ReportQuery())) == 1
    first.close()


def test_a_change_needs_the_version_that_was_read(store: ReportStore) -> None:
    put(store, report())
    after = replace(report(), dma="D2", version=2)
    store.change([ReportChange(after, 1, (line(action="placed"),))])
    with pytest.raises(VersionConflict):
        store.change([ReportChange(replace(after, dma="D3"), 1, (line(action="placed"),))])
    assert store.get("town", "r1") == after
    assert [x.action for x in store.history("town", "r1")] == ["received", "placed"]


def test_of_several_changes_all_or_none_are_written(store: ReportStore) -> None:
    put(store, report(), report("r2"))
    with pytest.raises(VersionConflict):
        store.change(
            [
                ReportChange(replace(report(), dma="D9", version=2), 1),
                ReportChange(replace(report("r2"), dma="D9", version=2), 5),
            ]
        )
    assert {r.dma for r in store.find("town", ReportQuery())} == {""}


def test_reports_are_found_by_what_they_are(store: ReportStore) -> None:
    put(
        store,
        report("a", state=Standing.HELD, dma="D1"),
        report("b", category=Category.NO_WATER, dma="D2", received=T0 + HOUR),
        report("c", alert="x", event="a", received=T0 + 2 * HOUR, erased=T0),
        report("d", "city"),
    )

    def ids(**query: Any) -> str:
        return "".join(r.id for r in store.find("town", ReportQuery(**query)))

    assert ids() == "cba"
    assert ids(states=frozenset({Standing.HELD})) == "a"
    assert ids(categories=frozenset({Category.NO_WATER})) == "b"
    assert ids(dmas=frozenset({"D1", "D2"})) == "ba" and ids(dmas=frozenset()) == ""
    assert ids(alert="x") == "c" and ids(event="a") == "ca"
    assert ids(joined=True) == "c" and ids(joined=False) == "ba"
    assert ids(unerased=True) == "ba"
    assert ids(since=T0 + HOUR) == "cb" and ids(until=T0 + HOUR) == "a"
    assert ids(limit=2) == "cb" and ids(before=(T0 + HOUR, "b")) == "a"


def test_reports_are_counted_by_where_they_come_from(store: ReportStore) -> None:
    put(
        store,
        report("a", source="s1", network="n1", phone="p1"),
        report("b", source="s2", network="n1", phone="p1", created=T0 + HOUR),
        report("c", source="s1", network="n1", phone="p2", created=T0 - HOUR, state=Standing.HELD),
    )
    assert store.count("town", T0) == 2
    assert store.count("town", T0, source="s1") == 1 and store.count("town", T0 - HOUR, source="s1") == 2
    assert store.count("town", T0, network="n1") == 2 and store.count("town", T0, phone="p1") == 2
    assert store.count("city", T0) == 0
    assert store.held("town") == 1


def test_who_sent_a_report_is_gone_once_erased(store: ReportStore) -> None:
    put(store, report(phone="p"), sealed=Sealed(b"person", b"12345"))
    put(store, report("r2"))
    assert store.photo_bytes("town") == 5
    bare = replace(report(), phone="", erased=T0, version=2)
    with pytest.raises(VersionConflict):
        store.erase(bare, 9, line(action="erased"))
    assert store.sealed("town", "r1") is not None
    store.erase(bare, 1, line(action="erased"))
    assert store.sealed("town", "r1") is None and store.get("town", "r1") == bare
    assert store.sealed("town", "r2") is not None and store.photo_bytes("town") == 0
