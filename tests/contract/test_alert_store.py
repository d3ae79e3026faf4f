"""What every AlertStore does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from twuin.alerts.memory import MemoryAlertStore
from twuin.alerts.model import Alert, Entry, Finding, Kind, Reason, State, Suspect, Told
from twuin.alerts.ports import AlertQuery, AlertStore, Change, RevisionConflict
from twuin.alerts.sight import LimitedStore, Sight
from twuin.alerts.work import Cause, Check, LeakType, Method, Outcome, Place, Work
from twuin.db import open_alert_store
from waterworks.errors import NotFound

T0 = datetime(2026, 3, 1, 2, 3, 4, 567891, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], AlertStore]:
    """Opens the same store again, as another process would; the one in memory has one process only."""
    if request.param == "memory":
        store = MemoryAlertStore()
        return lambda: store
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql_url")
        return lambda: open_alert_store(url)
    return lambda: open_alert_store(f"sqlite:///{tmp_path}/twuin.sqlite")


@pytest.fixture
def store(opener: Callable[[], AlertStore]) -> Iterator[AlertStore]:
    opened = opener()
    yield opened
    opened.close()
    opened.close()


def alert(id: str = "a1", hour: float = 0, *, site: str = "town", **rest: object) -> Alert:
    onset = T0 + hour * HOUR
    finding = Finding(
        Kind.LEAK,
        "D1",
        "D1",
        onset,
        onset + HOUR,
        onset + 5 * HOUR,
        None,
        0.1 + 0.2,
        1e-9,
        1 / 3,
        1234.5678901234567,
        0.75,
        (Suspect("pipe é/1", 0.1, 112.6, -7.9), Suspect("p2", 0.05)),
        ("P1", "P2"),
        {"weeks": [1, 2.5, None], "nested": {"ja": True}, "text": "é ✓"},
        onset - HOUR,
        onset + HOUR / 2,
        "pipe é/1",
        120.25,
        None,
        -1 / 3,
    )
    made = Alert(id, site, State.OPEN, finding, told=Told(onset, onset, None, 0.3, 1.0, 0.5, ("p2",)))
    finding_fields = {k: v for k, v in rest.items() if k in Finding.__dataclass_fields__}
    made = replace(made, finding=replace(finding, **finding_fields))  # type: ignore[arg-type]
    return replace(made, **{k: v for k, v in rest.items() if k not in finding_fields})  # type: ignore[arg-type]


def entry(id: str, action: str = "opened", hour: float = 0, note: str = "") -> Entry:
    return Entry(id, T0 + hour * HOUR, "monitor", action, note)


def add(store: AlertStore, *alerts: Alert) -> None:
    store.commit([Change(a, None, (entry(a.id),)) for a in alerts])


def change(store: AlertStore, old: Alert, *entries: Entry, **what: object) -> Alert:
    after = replace(old, revision=old.revision + 1, **what)  # type: ignore[arg-type]
    store.commit([Change(after, old.revision, entries)])
    return after


def test_an_adapter_is_an_alert_store(store: AlertStore) -> None:
    assert isinstance(store, AlertStore)


def test_an_alert_comes_back_as_it_was(store: AlertStore) -> None:
    open_one, closed = (
        alert("a1"),
        alert(
            "a2", ended=T0 + HOUR, state=State.CLOSED, reason=Reason.PLANNED, held=True, version=7, told=None
        ),
    )
    add(store, open_one, closed)
    assert store.get("town", "a1") == open_one
    assert store.get("town", "a2") == closed


def test_what_was_committed_is_seen_by_the_next_to_open(opener: Callable[[], AlertStore]) -> None:
    add(opener(), alert())
    assert opener().get("town", "a1") == alert()


@pytest.mark.parametrize("id", ["nope", "", "a1\0", "a1'; DROP TABLE alert; --", "é" * 10_000])
def test_an_unknown_id_is_none(store: AlertStore, id: str) -> None:
    add(store, alert())
    assert store.get("town", id) is None
    assert store.history("town", id) == []


def test_sites_do_not_see_each_other(store: AlertStore) -> None:
    add(store, alert("a1"), alert("a1", site="city", version=3))
    assert store.get("city", "a1") == alert("a1", site="city", version=3)
    assert store.get("village", "a1") is None
    assert [a.site for a in store.find("town", AlertQuery())] == ["town"]
    assert len(store.history("city", "a1")) == 1
    assert [a.site for a in store.changes("city", 0).alerts] == ["city"]
    assert store.counts("village") == {}


def test_a_new_alert_under_a_known_id_is_a_conflict(store: AlertStore) -> None:
    add(store, alert())
    with pytest.raises(RevisionConflict, match="a1"):
        add(store, alert(version=9))
    assert store.get("town", "a1") == alert()
    assert len(store.history("town", "a1")) == 1


def test_a_write_on_an_old_revision_is_a_conflict_and_stores_nothing(store: AlertStore) -> None:
    first = alert()
    add(store, first)
    change(store, first, entry("a1", "acknowledged"), state=State.ACKNOWLEDGED)
    cursor = store.cursor("town")
    late = replace(first, state=State.CLOSED, revision=2)
    with pytest.raises(RevisionConflict):
        store.commit([Change(alert("a9"), None, (entry("a9"),)), Change(late, 1, (entry("a1", "closed"),))])
    assert store.get("town", "a9") is None
    assert store.cursor("town") == cursor
    now = store.get("town", "a1")
    assert now is not None
    assert now.state is State.ACKNOWLEDGED


def test_a_write_to_an_alert_that_is_not_there_is_a_conflict(store: AlertStore) -> None:
    with pytest.raises(RevisionConflict):
        store.commit([Change(alert(), 4, ())])


def test_history_keeps_every_line_in_order(store: AlertStore) -> None:
    one = alert()
    add(store, one, alert("a2"))
    two = change(store, one, entry("a1", "note", 1, "first\nline ✓"), entry("a1", "note", 1, "second"))
    change(store, two, Entry("a1", T0 - HOUR, "Ani", "closed", "", Reason.REPAIRED), state=State.CLOSED)
    assert store.history("town", "a1") == [
        entry("a1"),
        entry("a1", "note", 1, "first\nline ✓"),
        entry("a1", "note", 1, "second"),
        Entry("a1", T0 - HOUR, "Ani", "closed", "", Reason.REPAIRED),
    ]


def test_a_nul_in_a_text_harms_nothing(store: AlertStore) -> None:
    one = alert()
    add(store, one)
    change(store, one, entry("a1", "note", 1, "a\0b"))
    assert store.history("town", "a1")[-1].note[0::2] == "ab"
    assert store.find("town", AlertQuery(dma="D1\0")) == []


def test_alerts_are_found_by_onset_from_the_newest_down(store: AlertStore) -> None:
    add(store, alert("a1", 1), alert("a3", 5), alert("a2", 5), alert("a4", -2.5))
    assert [a.id for a in store.find("town", AlertQuery())] == ["a3", "a2", "a1", "a4"]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        (AlertQuery(states=frozenset({State.OPEN})), ["a3", "a1"]),
        (AlertQuery(states=frozenset({State.OPEN, State.CLOSED})), ["a3", "a2", "a1"]),
        (AlertQuery(kinds=frozenset({Kind.SILENT})), ["a3"]),
        (AlertQuery(dma="D2"), ["a2"]),
        (AlertQuery(dma="D'2"), []),
        (AlertQuery(subject="P7"), ["a3"]),
        (AlertQuery(since=T0 + 4 * HOUR), ["a3", "a1"]),
        (AlertQuery(since=T0 + 3 * HOUR), ["a3", "a2", "a1"]),
        (AlertQuery(limit=2), ["a3", "a2"]),
        (AlertQuery(before=(T0 + 2 * HOUR, "a3")), ["a2", "a1"]),
        (AlertQuery(before=(T0 + 2 * HOUR, "a2")), ["a1"]),
        (AlertQuery(before=(T0, "a1")), []),
    ],
)
def test_alerts_are_found_by_what_is_asked(store: AlertStore, query: AlertQuery, ids: list[str]) -> None:
    add(
        store,
        alert("a1", 0),
        alert("a2", 2, dma="D2", state=State.CLOSED, reason=Reason.ENDED, ended=T0 + 3 * HOUR),
        alert("a3", 2, kind=Kind.SILENT, subject="P7"),
    )
    assert [a.id for a in store.find("town", query)] == ids


def test_changes_show_each_alert_once_as_it_now_is(store: AlertStore) -> None:
    assert store.changes("town", 0) == (0, [])
    one, two = alert("a1"), alert("a2")
    add(store, one, two)
    cursor, seen = store.changes("town", 0)
    assert seen == [one, two]
    one = change(store, one, entry("a1", "note"), entry("a1", "acknowledged"), state=State.ACKNOWLEDGED)
    later, seen = store.changes("town", cursor)
    assert seen == [one]
    assert later > cursor
    assert store.changes("town", later) == (later, [])
    assert store.cursor("town") == later


def test_a_write_without_entries_is_no_change(store: AlertStore) -> None:
    one = alert()
    add(store, one)
    cursor = store.cursor("town")
    quiet = change(store, one, finding=replace(one.finding, volume=7.0))
    assert store.changes("town", cursor) == (cursor, [])
    assert store.get("town", "a1") == quiet


def test_many_changes_come_in_portions_without_loss(store: AlertStore) -> None:
    add(store, *[alert(f"a{i}", i) for i in range(25)])
    change(store, alert("a3", 3), entry("a3", "note"))
    cursor, seen = 0, []
    for _ in range(4):
        cursor, some = store.changes("town", cursor, limit=10)
        seen += [a.id for a in some]
    assert sorted(seen) == sorted(f"a{i}" for i in range(25))
    assert seen[-1] == "a3"
    assert cursor == store.cursor("town")


def test_lines_come_once_each_in_the_order_of_their_numbers(store: AlertStore) -> None:
    """From cursor to cursor every line is seen, and none twice, also of alerts that go on changing."""
    one, two = alert("a1"), alert("a2", 1)
    add(store, one, two, alert("b1", site="other"))
    first = store.cursor("town")
    one = change(store, one, entry("a1", "note", 1, "one"))
    change(store, two, entry("a2", "note", 1, "two"))
    change(store, one, entry("a1", "note", 2, "three"))
    last = store.cursor("town")
    found = store.lines("town", first, last)
    assert [e.note for _, e in found] == ["one", "two", "three"]
    numbers = [n for n, _ in found]
    assert numbers == sorted(set(numbers)) and first < numbers[0] and numbers[-1] == last
    steps = [store.lines("town", n - 1, n) for n in numbers]
    assert [line for step in steps for line in step] == found
    assert store.lines("town", last, last + 9) == store.lines("nowhere", 0, last) == []
    limited = LimitedStore(store, Sight(frozenset({"D2"})))
    assert limited.lines("town", 0, last) == []


def test_a_cursor_from_beyond_gives_nothing(store: AlertStore) -> None:
    add(store, alert())
    assert store.changes("town", 10**15) == (10**15, [])


def test_counts_are_by_kind_and_state(store: AlertStore) -> None:
    add(store, alert("a1"), alert("a2"), alert("a3", kind=Kind.SILENT, state=State.CLOSED))
    assert store.counts("town") == {(Kind.LEAK, State.OPEN): 2, (Kind.SILENT, State.CLOSED): 1}


def test_of_many_who_write_at_once_one_wins_each_revision(opener: Callable[[], AlertStore]) -> None:
    add(opener(), alert())
    lost: list[int] = []

    def work(worker: int) -> None:
        mine = opener()
        done = 0
        while done < 10:
            old = mine.get("town", "a1")
            assert old is not None
            try:
                change(mine, old, entry("a1", "note", 0, f"{worker}-{done}"), version=old.version + 1)
                done += 1
            except RevisionConflict:
                lost.append(worker)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    final = opener().get("town", "a1")
    assert final is not None
    assert (final.revision, final.version) == (41, 41)
    notes = [e.note for e in opener().history("town", "a1")][1:]
    assert sorted(notes) == sorted(f"{w}-{n}" for w in range(4) for n in range(10))
    assert opener().cursor("town") == 41


def test_the_work_on_an_alert_comes_back_as_it_was(store: AlertStore) -> None:
    work = Work(
        "Crew Utara",
        Place("pipe é/1", 12.5, 112.6, -7.9),
        LeakType.JOINT,
        Method.CLAMP,
        T0 + 7 * HOUR,
        Cause.OTHER,
        "a2",
        0.1 + 0.2,
        1e-9,
        Check(Outcome.RUNS_ON, "night_flow", -0.5, -1.25, 0.25, 1.5, 7, 3, T0, T0 + HOUR),
    )
    done = alert("a1", work=work, supported=False)
    add(store, done, alert("a2", work=Work(place=Place(lon=0.0, lat=0.0))))
    assert store.get("town", "a1") == done
    assert store.get("town", "a2") == alert("a2", work=Work(place=Place(lon=0.0, lat=0.0)))


def test_a_line_comes_back_with_its_details_its_time_and_its_key(store: AlertStore) -> None:
    one = alert()
    add(store, one)
    details = {"place": {"pipe": "p é", "along_m": 0.1}, "list": [1, 2.5, None, "x"], "ja": True}
    line = Entry("a1", T0, "Ani", "located", "", None, details, T0 - HOUR, "k-1")
    change(store, one, line)
    assert store.history("town", "a1")[-1] == line
    assert store.keyed("town", "k-1") == line
    assert store.keyed("city", "k-1") is None
    assert store.keyed("town", "k-2") is None
    assert store.keyed("town", "") is None


def test_a_key_is_taken_once_at_a_site_and_what_came_with_it_is_not_stored(store: AlertStore) -> None:
    add(store, alert("a1"), alert("a2"), alert("a1", site="city"))
    keyed = Entry("a1", T0, "Ani", "note", "", key="k-1")
    change(store, alert("a1"), keyed)
    cursor = store.cursor("town")
    with pytest.raises(RevisionConflict):
        change(store, alert("a2"), replace(keyed, alert="a2"), version=7)
    assert store.get("town", "a2") == alert("a2")
    assert store.cursor("town") == cursor
    change(store, alert("a1", site="city"), keyed)
    assert store.keyed("city", "k-1") == keyed


def test_alerts_are_found_by_whom_they_are_assigned_to_and_whose_duplicates_they_are(
    store: AlertStore,
) -> None:
    add(store, alert("a1", work=Work("Ani")), alert("a2", work=Work(duplicate_of="a1")), alert("a3"))
    assert [a.id for a in store.find("town", AlertQuery(assignee="Ani"))] == ["a1"]
    assert [a.id for a in store.find("town", AlertQuery(duplicate_of="a1"))] == ["a2"]


def test_causes_of_false_alarms_are_counted_by_dma_and_kind(store: AlertStore) -> None:
    false = {"state": State.CLOSED, "reason": Reason.FALSE_ALARM}
    meter, use = Work(cause=Cause.METER), Work(cause=Cause.LARGE_USE)
    add(
        store,
        alert("a1", work=meter, **false),
        alert("a2", work=meter, **false),
        alert("a3", work=use, dma="D2", **false),
        alert("a4", work=meter, dma="D2"),  # reopened: it may be no false alarm after all
    )
    assert store.causes("town") == {("D1", Kind.LEAK, Cause.METER): 2, ("D2", Kind.LEAK, Cause.LARGE_USE): 1}
    assert store.causes("city") == {}


def test_who_is_limited_finds_silences_that_their_sensors_share_with_others(store: AlertStore) -> None:
    def silence(id: str, *sensors: str) -> Alert:
        return alert(id, kind=Kind.SILENT, subject=sensors[0], dma="", evidence={"sensors": [*sensors]})

    found = [silence("a1", "D2-P", "D1-P"), silence("a2", "D2-P", "D3-P"), silence("a3", "D10-P", "XD1-P")]
    leak = alert("a4", dma="D2", subject="D2", evidence={"sensors": ["D1-P"]})
    counted = alert("a5", kind=Kind.SENSOR, dma="D2", subject="D2-P", evidence={"sensors": 3})
    add(store, *found, leak, counted)
    sight = Sight(frozenset({"D1"}), frozenset({"D1-P", "D1-%"}))
    assert [a.id for a in store.find("town", AlertQuery(sight=sight))] == ["a1"]
    assert [a.id for a in (*found, leak, counted) if sight.covers(a)] == ["a1"]


def test_who_is_limited_finds_alerts_of_their_dmas_and_of_their_sensors_alone(store: AlertStore) -> None:
    sight = Sight(frozenset({"D1"}), frozenset({"D1-D2"}))
    own = alert("a1", 0, subject="D1", dma="D1")
    boundary = alert("a2", 1, kind=Kind.SILENT, subject="D1-D2", dma="D2")
    foreign = alert("a3", 2, subject="D2", dma="D2")
    # A DMA that is called like a sensor of one's own is not one's own for that.
    namesake = alert("a4", 3, subject="D1-D2", dma="D2")
    entries = {a.id: Entry(a.id, T0, "monitor", "opened") for a in (own, boundary, foreign, namesake)}
    store.commit([Change(a, None, (entries[a.id],)) for a in (own, boundary, foreign, namesake)])
    assert [a.id for a in store.find("town", AlertQuery(sight=sight))] == ["a2", "a1"]
    limited: AlertStore = LimitedStore(store, sight)
    assert isinstance(limited, AlertStore)
    assert [a.id for a in limited.find("town", AlertQuery())] == ["a2", "a1"]
    assert limited.get("town", "a1") is not None and limited.get("town", "a3") is None
    assert len(limited.history("town", "a2")) == 1 and limited.history("town", "a4") == []
    assert {a.id for a in limited.changes("town", 0).alerts} == {"a1", "a2"}
    assert sum(limited.counts("town").values()) == 2
    with pytest.raises(NotFound):
        limited.commit([Change(replace(foreign, revision=2), 1)])
    found = store.get("town", "a3")
    assert found is not None and found.revision == 1
