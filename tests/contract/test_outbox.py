"""What the outbox does on each database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from twuin.db.outbox import SqlOutbox, open_outbox
from twuin.notify.model import (
    Address,
    Event,
    Form,
    Known,
    Lane,
    Message,
    MessageState,
    Notice,
    Priority,
    Standing,
    Text,
)
from twuin.notify.ports import Outbox, OutboxConflict, Place

T0 = datetime(2026, 11, 20, 3, 0, 0, 123456, tzinfo=UTC)
HOUR = timedelta(hours=1)
BUDI = Address("budi", "chat")


@pytest.fixture
def opener(database_url: str) -> Iterator[Callable[[], SqlOutbox]]:
    opened: list[SqlOutbox] = []

    def again() -> SqlOutbox:
        opened.append(open_outbox(database_url))
        return opened[-1]

    yield again
    for outbox in opened:
        outbox.close()


@pytest.fixture
def outbox(opener: Callable[[], SqlOutbox]) -> SqlOutbox:
    return opener()


def notice(event: str = "a1.1", address: Address = BUDI, **more: Any) -> Notice:
    made = Notice(event, address, event.split(".")[0], Event.NEW, Priority.HIGH, Lane.HIGH, T0, T0 + HOUR)
    return replace(made, **more)


def message(id: str = "msg_1", **more: Any) -> Message:
    made = Message(
        id=id,
        address=BUDI,
        form=Form.TEXT,
        lane=Lane.HIGH,
        notices=1,
        alerts=("a1",),
        text=Text("Kebocoran ‹é›", "20 m³/jam\nbaris ✓", "<p>é</p>"),
        payload={"type": "alert.new", "data": {"n": [1, 2.5, None]}},
        made=T0,
        created=T0,
        next_try=T0,
        give_up=T0 + 24 * HOUR,
    )
    return replace(made, **more)


def begun(outbox: SqlOutbox, *notices: Notice) -> None:
    outbox.record("kota", Place(None), 1, (), notices)


def test_it_is_an_outbox(outbox: SqlOutbox) -> None:
    assert isinstance(outbox, Outbox)


def test_what_is_recorded_is_there_for_the_next_to_open(opener: Callable[[], SqlOutbox]) -> None:
    first = opener()
    assert first.place("kota") == Place(None)
    known = (Known("a1", Standing.LASTS, Priority.HIGH, 1), Known("a2", Standing.OVER, Priority.LOW))
    first.record("kota", Place(None), 7, known, (notice(), notice(address=Address("gis", "hook"))))
    second = opener()
    assert second.place("kota") == Place(7)
    assert second.known("kota", ["a1", "a2", "a3"]) == {k.alert: k for k in known}
    assert second.told("kota", "a1") == {BUDI, Address("gis", "hook")}
    assert second.waiting("kota") == [notice(), notice(address=Address("gis", "hook"))]
    assert second.place("other") == Place(None) and second.waiting("other") == []


def test_who_looked_from_an_older_place_stores_nothing(outbox: SqlOutbox) -> None:
    outbox.record("kota", Place(None), 5, (), ())
    for before in (Place(None), Place(4)):
        with pytest.raises(OutboxConflict):
            outbox.record("kota", before, 9, (Known("a1", Standing.LASTS, Priority.LOW, 1),), (notice(),))
    assert outbox.place("kota") == Place(5)
    assert outbox.waiting("kota") == [] and outbox.known("kota", ["a1"]) == {}


def test_an_event_is_kept_once_for_an_address_whoever_brings_it_again(outbox: SqlOutbox) -> None:
    begun(outbox, notice())
    outbox.compose("kota", message(), [notice()])
    outbox.record("kota", Place(1), 2, (), (notice(made=T0 + HOUR), notice("a1.2")))
    assert outbox.waiting("kota") == [notice("a1.2")]


def test_of_many_who_look_at_once_one_makes_the_notices(opener: Callable[[], SqlOutbox]) -> None:
    opener().record("kota", Place(None), 0, (), ())
    won: list[int] = []

    def work(k: int) -> None:
        try:
            mine.record("kota", Place(0), 1, (), [notice(f"a{k}.1")])
            won.append(k)
        except OutboxConflict:
            pass

    mine = opener()
    threads = [threading.Thread(target=work, args=(k,)) for k in range(5)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(won) == 1
    assert [n.event for n in mine.waiting("kota")] == [f"a{won[0]}.1"]


def test_a_message_comes_back_as_it_was_and_its_notices_wait_no_more(outbox: SqlOutbox) -> None:
    begun(outbox, notice())
    made = message()
    outbox.compose("kota", made, [notice()])
    assert outbox.messages("kota") == [made]
    assert outbox.waiting("kota") == []
    assert outbox.lately("kota", T0 - HOUR) == {(BUDI, Lane.HIGH): [T0]}
    assert outbox.lately("kota", T0 + HOUR) == {}


def test_a_notice_goes_into_one_message_only(outbox: SqlOutbox) -> None:
    begun(outbox, notice(), notice("a2.1"))
    outbox.compose("kota", message(), [notice()])
    with pytest.raises(OutboxConflict):
        outbox.compose("kota", message("msg_2"), [notice("a2.1"), notice()])
    assert [m.id for m in outbox.messages("kota")] == ["msg_1"]
    assert outbox.waiting("kota") == [notice("a2.1")]


def test_a_message_without_notices_is_kept_once(opener: Callable[[], SqlOutbox]) -> None:
    one, other = opener(), opener()
    begun(one)
    assert one.post("kota", message("msg_9", notices=0)) is True
    assert other.post("kota", message("msg_9", notices=0)) is False
    assert [m.id for m in other.messages("kota")] == ["msg_9"]


def test_a_message_is_begun_by_one_and_settled_by_who_began_it(outbox: SqlOutbox) -> None:
    begun(outbox, notice())
    outbox.compose("kota", message(), [notice()])
    started = outbox.begin("kota", "msg_1", T0)
    assert started is not None
    assert (started.state, started.attempts, started.tried) == (MessageState.SENDING, 1, T0)
    assert outbox.begin("kota", "msg_1", T0) is None
    assert not outbox.settle("kota", "msg_1", 2, MessageState.DELIVERED)
    later = T0 + HOUR
    assert outbox.settle("kota", "msg_1", 1, MessageState.WAITING, error="no", doubts=1, next_try=later)
    [m] = outbox.messages("kota", (MessageState.WAITING,))
    assert (m.error, m.doubts, m.next_try, m.settled) == ("no", 1, later, None)
    assert not outbox.settle("kota", "msg_1", 1, MessageState.DELIVERED)  # a late word of the first try
    assert outbox.counts("kota") == {MessageState.WAITING: 1}


def test_of_each_address_the_oldest_message_that_is_due_comes(outbox: SqlOutbox) -> None:
    gis = Address("gis", "hook")
    begun(outbox, *[notice(f"a{k}.1", a) for k in range(4) for a in (BUDI, gis)])
    ahead, span = 2 * HOUR, HOUR
    for k, (address, next_try) in enumerate(
        ((BUDI, T0 + HOUR / 2), (BUDI, T0), (BUDI, T0), (gis, T0 + ahead), (gis, T0 + HOUR / 2))
    ):
        made = message(f"msg_{k}", address=address, next_try=next_try, created=T0 + timedelta(seconds=k))
        outbox.compose("kota", made, [notice(f"a{k % 4}.1", address)] if k < 4 else [])
    found = outbox.due("kota", T0, span)
    assert [m.id for m in found] == ["msg_1", "msg_3"]  # msg_3: from before the clock was set back
    outbox.begin("kota", "msg_1", T0)
    assert [m.id for m in outbox.due("kota", T0, 3 * HOUR)] == ["msg_2"]
    assert [m.id for m in outbox.due("kota", T0 + HOUR, 3 * HOUR)] == ["msg_0", "msg_4"]
    assert outbox.due("other", T0 + HOUR, HOUR) == []


def test_what_was_given_up_is_sent_again_and_what_was_delivered_is_not(outbox: SqlOutbox) -> None:
    begun(outbox, notice(), notice("a2.1"))
    for k, state in enumerate((MessageState.GIVEN_UP, MessageState.DELIVERED)):
        id = f"msg_{k}"
        outbox.compose("kota", message(id), [notice(f"a{k + 1}.1")])
        outbox.begin("kota", id, T0)
        outbox.settle("kota", id, 1, state, error="x", at=T0)
    assert outbox.retry("kota", ["msg_0", "msg_1", "nope"], T0 + HOUR, T0 + 2 * HOUR) == 1
    [m] = outbox.messages("kota", (MessageState.WAITING,))
    assert (m.id, m.next_try, m.give_up, m.settled) == ("msg_0", T0 + HOUR, T0 + 2 * HOUR, None)


def test_a_lease_is_one_holders_until_it_ends_or_is_given_back(outbox: SqlOutbox) -> None:
    span = timedelta(minutes=1)
    assert outbox.lease("kota", "a", T0, span)
    assert not outbox.lease("kota", "b", T0 + span / 2, span)
    assert outbox.lease("kota", "a", T0 + span / 2, span)
    assert outbox.lease("kota", "b", T0 + 2 * span, span)
    outbox.release("kota", "a")
    assert not outbox.lease("kota", "a", T0 + 2 * span, span)
    outbox.release("kota", "b")
    assert outbox.lease("kota", "a", T0 + 2 * span, span)
    assert outbox.lease("kota", "b", T0 - HOUR, span)  # the clock was set back: nobody waits an hour for it
    assert outbox.place("kota") == Place(None)


def test_of_many_who_ask_for_the_lease_at_once_one_gets_it(opener: Callable[[], SqlOutbox]) -> None:
    mine = opener()
    got: list[str] = []

    def work(name: str) -> None:
        if mine.lease("kota", name, T0, HOUR):
            got.append(name)

    threads = [threading.Thread(target=work, args=(f"p{k}",)) for k in range(5)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(got) == 1


def test_only_old_delivered_messages_are_forgotten(outbox: SqlOutbox) -> None:
    begun(outbox, *[notice(f"a{k}.1") for k in range(3)])
    for k, (state, at) in enumerate(
        ((MessageState.DELIVERED, T0), (MessageState.DELIVERED, T0 + 2 * HOUR), (MessageState.GIVEN_UP, T0))
    ):
        outbox.compose("kota", message(f"msg_{k}"), [notice(f"a{k}.1")])
        outbox.begin("kota", f"msg_{k}", T0)
        outbox.settle("kota", f"msg_{k}", 1, state, at=at)
    assert outbox.prune("kota", T0 + HOUR) == 1
    assert [m.id for m in outbox.messages("kota")] == ["msg_1", "msg_2"]
    assert outbox.told("kota", "a0") == set()
    assert outbox.waiting("kota") == []
