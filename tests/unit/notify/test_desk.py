"""From alerts to messages: who is told what, when, and how often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from twuin.alerts.model import Kind, Reason
from twuin.notify.model import (
    Address,
    Channel,
    Event,
    Flood,
    Form,
    MessageState,
    Outcome,
    Priority,
    Receiver,
    Result,
    Rule,
    Window,
)
from twuin.notify.sending import Sender

Make = Callable[..., Any]


def test_a_new_alert_is_one_message_for_each_receiver_however_often_one_looks(
    office: Make, kit: SimpleNamespace
) -> None:
    o = office(kit.config(Rule(to=("budi", "sari")), receivers=(kit.receiver(), kit.receiver("sari"))))
    o.find(kit.leak())
    for _ in range(3):
        o.tick()
    assert sorted(str(m.address) for m in o.messages()) == ["budi/chat", "sari/chat"]


def test_an_update_is_told_only_when_the_priority_rises(office: Make, kit: SimpleNamespace) -> None:
    o = office()
    o.find(kit.leak(m3h=1.0))
    o.tick()
    for hours, m3h in ((1, 1.4), (2, 20.0), (3, 15.0), (4, 1.0), (5, 20.0)):
        o.clock.ahead(hours=1)
        found = kit.leak(m3h=m3h)
        o.find(replace(found, as_of=found.as_of + timedelta(hours=hours)))
        o.tick()
    notices = [m.text.title for m in o.messages()]
    assert notices == ["Kebocoran di Dinoyo", "Membesar: Kebocoran di Dinoyo"]


def test_the_end_is_told_to_those_who_were_told_and_to_nobody_else(
    office: Make, kit: SimpleNamespace
) -> None:
    high = Rule(to=("sari",), at_least=Priority.HIGH)
    o = office(kit.config(Rule(to=("budi",)), high, receivers=(kit.receiver(), kit.receiver("sari"))))
    o.find(kit.leak(m3h=3.0))
    o.tick()
    o.clock.ahead(hours=2)
    o.find(kit.leak(m3h=3.0, ended=kit.NOW + timedelta(hours=1)))
    o.tick()
    assert [m.text.title for m in o.messages("budi")] == [
        "Kebocoran di Dinoyo",
        "Selesai: Kebocoran di Dinoyo",
    ]
    assert o.messages("sari") == []


def test_what_began_and_ended_before_anybody_looked_is_told_to_nobody(
    office: Make, kit: SimpleNamespace
) -> None:
    o = office()
    o.find(kit.leak(ended=kit.NOW - timedelta(hours=1)))
    assert o.tick() == 0


def test_what_was_there_before_the_first_look_is_not_told_but_its_growth_is(
    office: Make, kit: SimpleNamespace
) -> None:
    o = office(begun=False)
    o.find(kit.leak(m3h=1.0))
    o.tick()
    assert o.messages() == []
    o.clock.ahead(hours=1)
    grown = kit.leak(m3h=30.0)
    o.find(replace(grown, as_of=grown.as_of + timedelta(hours=1)))
    o.tick()
    assert [m.text.title for m in o.messages()] == ["Membesar: Kebocoran di Dinoyo"]


def test_an_alert_that_comes_back_is_told_again(office: Make, kit: SimpleNamespace) -> None:
    o = office()
    [id] = o.find(kit.leak())
    o.tick()
    alert = o.alerts.get(id)
    o.alerts.act(id, "repaired", version=alert.version, actor="Ani")
    o.tick()
    o.alerts.act(id, "reopen", version=alert.version + 1, actor="Ani")
    o.tick()
    said = [m.text for m in o.messages()]
    assert [t.title.split(":")[0] for t in said] == ["Mendesak", "Selesai", "Muncul lagi"]
    assert "Sudah diperbaiki" in said[1].body.splitlines()


def test_a_closed_alert_says_why(office: Make, kit: SimpleNamespace) -> None:
    o = office()
    [id] = o.find(kit.leak())
    o.tick()
    o.alerts.act(id, "close", version=o.alerts.get(id).version, reason=Reason.PLANNED, actor="Ani")
    o.tick()
    assert "Ditutup: Pekerjaan terencana" in o.messages()[-1].text.body


def test_acknowledging_is_no_news(office: Make, kit: SimpleNamespace) -> None:
    o = office()
    [id] = o.find(kit.leak())
    o.tick()
    o.alerts.act(id, "acknowledge", version=o.alerts.get(id).version, actor="Ani")
    o.alerts.act(id, "note", version=o.alerts.get(id).version, note="on my way", actor="Ani")
    o.tick()
    assert len(o.messages()) == 1


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (Rule(to=("budi",), kinds=frozenset({Kind.SILENT})), False),
        (Rule(to=("budi",), kinds=frozenset({Kind.LEAK})), True),
        (Rule(to=("budi",), dmas=frozenset({"D2"})), False),
        (Rule(to=("budi",), dmas=frozenset({"D1", "D2"})), True),
        (Rule(to=("budi",), at_least=Priority.HIGH), True),
        (Rule(to=("budi",), events=frozenset({Event.OVER})), False),
        (Rule(to=(), crews=("north",)), True),
        (Rule(to=(), crews=("south",)), False),
        (Rule(to=("budi/chat",)), True),
        (Rule(to=("budi/mail",)), False),
        (Rule(to=("budi",), hours=Window(time(9), time(11))), True),
        (Rule(to=("budi",), hours=Window(time(11), time(9))), False),
        (Rule(to=("budi",), working=True), True),
        (Rule(to=("budi",), working=False), False),
        (Rule(to=("budi",), weekdays=frozenset({4})), True),
        (Rule(to=("budi",), weekdays=frozenset({5, 6})), False),
    ],
)
def test_a_rule_says_who_is_told(office: Make, kit: SimpleNamespace, rule: Rule, told: bool) -> None:
    o = office(kit.config(rule, receivers=(kit.receiver(crew="north"),)))
    o.find(kit.leak())
    o.tick()
    assert bool(o.messages()) == told


def test_two_rules_that_name_a_receiver_make_one_message(office: Make, kit: SimpleNamespace) -> None:
    o = office(
        kit.config(Rule(to=("budi",), digest=time(7)), Rule(to=("budi",), kinds=frozenset({Kind.LEAK})))
    )
    o.find(kit.leak())
    o.tick()
    [message] = o.messages()
    assert message.notices == 1  # at once: of a digest and no digest the sooner holds


def test_a_flood_becomes_one_digest(office: Make, kit: SimpleNamespace) -> None:
    o = office(kit.config(receivers=(kit.receiver(flood=Flood(5, timedelta(minutes=10))),)))
    o.find(*[kit.silence(f"S{i}") for i in range(60)])
    o.tick()
    [digest] = o.messages()
    assert digest.notices == 60
    assert digest.text.title == "60 peringatan di Tirta Kota"
    assert "dan 45 lagi" in digest.text.body


def test_messages_that_drip_are_held_to_so_many_in_a_span(office: Make, kit: SimpleNamespace) -> None:
    o = office(kit.config(receivers=(kit.receiver(flood=Flood(3, timedelta(minutes=10))),)))
    for i in range(9):
        o.find(kit.silence(f"S{i}"))
        o.tick()
        o.clock.ahead(minutes=1)
    assert [m.notices for m in o.messages()] == [1, 1, 1]
    o.clock.ahead(minutes=1)
    o.tick()
    assert [m.notices for m in o.messages()] == [1, 1, 1, 6]
    for _ in range(30):  # whatever ten minutes one takes, no more than three came in them
        o.clock.ahead(minutes=1)
        o.tick()
    assert len(o.messages()) == 4


def test_a_flood_of_silences_does_not_hold_up_a_burst(office: Make, kit: SimpleNamespace) -> None:
    o = office(kit.config(receivers=(kit.receiver(flood=Flood(2, timedelta(minutes=30))),)))
    o.find(kit.silence("S1"))
    o.tick()
    o.find(kit.silence("S2"))
    o.tick()
    o.find(*[kit.silence(f"T{i}") for i in range(20)], kit.leak(m3h=40.0))
    o.tick()
    assert [m.text.title for m in o.messages()][-1] == "Mendesak: Kebocoran di Dinoyo"
    assert len(o.messages()) == 3


def test_quiet_hours_hold_back_until_they_end_and_then_tell_it_in_one(
    office: Make, kit: SimpleNamespace
) -> None:
    quiet = Window(time(22), time(5))
    o = office(kit.config(receivers=(kit.receiver(quiet=quiet, flood=Flood(3)),)))
    o.clock.time = datetime(2026, 11, 20, 16, 30, tzinfo=UTC)  # 23.30 WIB
    o.find(*[kit.silence(f"S{i}") for i in range(6)])
    o.tick()
    assert o.messages() == []
    o.clock.time = datetime(2026, 11, 20, 21, 59, tzinfo=UTC)
    o.tick()
    assert o.messages() == []
    o.clock.time = datetime(2026, 11, 20, 22, 0, tzinfo=UTC)  # 05.00 WIB
    o.tick()
    assert [m.notices for m in o.messages()] == [6]


def test_what_is_urgent_comes_in_quiet_hours_too(office: Make, kit: SimpleNamespace) -> None:
    o = office(kit.config(receivers=(kit.receiver(quiet=Window(time(22), time(5))),)))
    o.clock.time = datetime(2026, 11, 20, 19, 0, tzinfo=UTC)  # 02.00 WIB
    o.find(kit.leak(m3h=40.0))
    o.tick()
    assert [m.text.title for m in o.messages()] == ["Mendesak: Kebocoran di Dinoyo"]


def test_what_is_over_before_it_could_be_told_is_told_once_as_it_stands(
    office: Make, kit: SimpleNamespace
) -> None:
    o = office(kit.config(receivers=(kit.receiver(quiet=Window(time(22), time(5))),)))
    o.clock.time = datetime(2026, 11, 20, 16, 0, tzinfo=UTC)
    o.find(kit.leak(m3h=3.0))
    o.tick()
    o.clock.time += timedelta(hours=2)
    o.find(kit.leak(m3h=3.0, ended=o.clock.time))
    o.tick()
    o.clock.time += timedelta(hours=12)
    o.tick()
    [message] = o.messages()
    assert message.notices == 2
    assert message.text.title == "Selesai: Kebocoran di Dinoyo"


def test_a_leak_without_a_place_waits_some_seconds_for_it_and_no_longer(
    office: Make, kit: SimpleNamespace
) -> None:
    o = office()
    nowhere = replace(kit.leak(), suspects=(), centre="", radius_50_m=None)
    o.find(nowhere)
    o.tick()
    assert o.messages() == []
    o.clock.ahead(seconds=5)
    o.find(kit.leak())
    o.tick()
    assert ["P2" in m.text.body for m in o.messages()] == [True]
    o.find(replace(nowhere, subject="D2", dma="D2"))
    o.tick()
    o.clock.ahead(seconds=15)
    o.tick()
    assert len(o.messages()) == 2


def test_a_daily_digest_comes_at_its_local_time_and_names_each_alert_once(
    office: Make, kit: SimpleNamespace
) -> None:
    o = office(kit.config(Rule(to=("budi",), digest=time(7))))
    o.find(kit.leak(m3h=3.0), kit.silence("S1"))
    o.tick()
    o.clock.ahead(hours=2)
    o.find(kit.leak(m3h=30.0))
    o.tick()
    o.clock.time = datetime(2026, 11, 20, 23, 59, 59, tzinfo=UTC)
    o.tick()
    assert o.messages() == []
    o.clock.time = datetime(2026, 11, 21, 0, 0, tzinfo=UTC)  # 07.00 WIB
    o.tick()
    [digest] = o.messages()
    assert digest.text.title == "2 peringatan di Tirta Kota"
    assert digest.text.body.count("Kebocoran di Dinoyo") == 1
    o.clock.ahead(hours=24)
    o.tick()
    assert len(o.messages()) == 1  # nothing new: no message


def test_a_webhook_gets_every_event_at_once_and_each_on_its_own(office: Make, kit: SimpleNamespace) -> None:
    hook = Channel("hook", "https://gis.example/", Form.JSON, "HOOK")
    gis = Receiver("gis", (hook,), quiet=Window(time(0), time(23)), flood=Flood(1))
    o = office(kit.config(Rule(to=("gis",), digest=time(7)), receivers=(gis,)))
    o.find(*[kit.silence(f"S{i}") for i in range(7)])
    o.tick()
    payloads = [m.payload for m in o.messages()]
    assert len({p["data"]["event"] for p in payloads}) == 7
    assert {p["type"] for p in payloads} == {"alert.new"}
    assert payloads[0]["data"]["alert"]["kind"] == "silent"


def test_the_clock_set_back_makes_no_message_twice_and_holds_none_for_ever(
    office: Make, kit: SimpleNamespace
) -> None:
    o = office(kit.config(receivers=(kit.receiver(flood=Flood(1, timedelta(minutes=10))),)))
    o.find(kit.silence("S1"))
    o.tick()
    o.clock.ahead(hours=-3)
    o.tick()
    assert len(o.messages()) == 1
    o.find(kit.silence("S2"))
    o.tick()
    assert len(o.messages()) == 2  # a message "from the future" counts for no flood


def test_a_receiver_that_the_rules_no_longer_name_is_seen_as_not_told(
    office: Make, kit: SimpleNamespace
) -> None:
    o = office(kit.config(receivers=(kit.receiver(quiet=Window(time(9), time(12))),)))
    o.find(kit.leak(m3h=3.0))
    o.tick()
    later = office(kit.config(Rule(to=("sari",)), receivers=(kit.receiver("sari"),)), beside=o)
    later.desk.write()
    [message] = later.messages()
    assert message.state is MessageState.GIVEN_UP
    assert "budi/chat is not in notify.toml any more" in message.error


# sending


def sender(o: Any) -> Sender:
    return Sender(o.site.id, o.desk.outbox, o.channels, o.desk.holder, o.clock.wall)


def rounds(s: Sender, count: int = 1) -> None:
    for _ in range(count):
        assert s.may_send()
        s.round()
        for t in list(s._under_way.values()):
            t.thread.join(60)


def chat(o: Any) -> Any:
    return o.channels[Address("budi", "chat")]


def test_a_message_is_sent_once_and_noted(office: Make, kit: SimpleNamespace) -> None:
    o = office()
    o.find(kit.leak())
    o.tick()
    s = sender(o)
    rounds(s, 3)
    assert len(chat(o).tried) == 1
    [message] = o.messages()
    assert (message.state, message.attempts, message.settled) == (MessageState.DELIVERED, 1, o.clock.time)


def test_a_refused_message_is_tried_again_later_and_later_until_it_arrives(
    office: Make, kit: SimpleNamespace
) -> None:
    o = office()
    o.find(kit.leak())
    o.tick()
    chat(o).answers = [Outcome(Result.REFUSED, "answered 500")] * 4
    s = sender(o)
    waits = []
    for _ in range(4):
        rounds(s)
        [m] = o.messages()
        assert (m.state, m.error) == (MessageState.WAITING, "answered 500")
        waits.append((m.next_try - o.clock.time).total_seconds())
        rounds(s)  # not due yet
        o.clock.time = m.next_try
    rounds(s)
    assert len(chat(o).got) == 1
    assert [m.state for m in o.messages()] == [MessageState.DELIVERED]
    assert all(5 * 2**k <= w <= 10 * 2**k for k, w in enumerate(waits))


def test_it_is_given_up_after_the_set_time_and_can_be_sent_again_by_hand(
    office: Make, kit: SimpleNamespace
) -> None:
    o = office(kit.config(give_up=timedelta(hours=1)))
    o.find(kit.leak())
    o.tick()
    chat(o).answers = [Outcome(Result.REFUSED, "connection refused")] * 100
    s = sender(o)
    for _ in range(40):
        rounds(s)
        [m] = o.messages()
        if m.state is MessageState.GIVEN_UP:
            break
        o.clock.time = m.next_try
    assert m.state is MessageState.GIVEN_UP
    assert o.clock.time == m.give_up
    assert 6 <= m.attempts <= 20
    chat(o).answers = []
    now = o.clock.time
    assert o.desk.outbox.retry(o.site.id, [m.id], now, now + timedelta(hours=1)) == 1
    o.clock.ahead(seconds=5)
    rounds(s)
    assert [m.state for m in o.messages()] == [MessageState.DELIVERED]


def test_a_channel_that_cannot_tell_repeats_gets_a_doubtful_message_at_most_twice(
    office: Make, kit: SimpleNamespace
) -> None:
    o = office()
    o.find(kit.leak())
    o.tick()
    chat(o).answers = [Outcome(Result.DOUBTFUL, "no answer in time")] * 100
    s = sender(o)
    for _ in range(10):
        rounds(s)
        o.clock.ahead(hours=1)
    assert len(chat(o).tried) == 2
    assert [(m.state, m.error) for m in o.messages()] == [(MessageState.UNCERTAIN, "no answer in time")]


def test_a_channel_that_tells_repeats_gets_it_until_it_answers_under_one_id(
    office: Make, kit: SimpleNamespace
) -> None:
    o = office(known=True)
    o.find(kit.leak())
    o.tick()
    chat(o).answers = [Outcome(Result.DOUBTFUL, "no answer in time")] * 5
    s = sender(o)
    for _ in range(10):
        rounds(s)
        o.clock.ahead(hours=1)
    assert len(chat(o).tried) == 6
    assert len({m.id for m in chat(o).tried}) == 1
    assert [m.state for m in o.messages()] == [MessageState.DELIVERED]


def test_what_was_under_way_at_a_crash_is_sent_once_more_and_never_a_third_time(
    office: Make, kit: SimpleNamespace
) -> None:
    o = office()
    o.find(kit.leak())
    o.tick()
    [message] = o.messages()
    for tries in (1, 2):
        assert o.desk.outbox.begin(o.site.id, message.id, o.clock.time)  # and then the process is no more
        s = sender(o)
        assert s.may_send()
        [m] = o.messages()
        assert (m.attempts, m.doubts) == (tries, tries)
        o.clock.time = m.next_try
    assert m.state is MessageState.UNCERTAIN
    rounds(s, 3)
    assert chat(o).tried == []


def test_what_is_marked_as_being_sent_by_nobody_is_taken_up_while_running(
    office: Make, kit: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    o = office()
    o.find(kit.leak())
    o.tick()
    s = sender(o)
    assert s.may_send()
    [message] = o.messages()
    o.desk.outbox.begin(o.site.id, message.id, o.clock.time)  # done, but nobody heard of it
    monkeypatch.setattr("twuin.notify.sending.LEASE", timedelta(0))  # time to renew it
    assert s.may_send()
    [m] = o.messages()
    assert (m.state, m.doubts) == (MessageState.WAITING, 1)


def test_one_that_hangs_holds_up_no_other_receiver(
    office: Make, kit: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    o = office(kit.config(Rule(to=("budi", "sari")), receivers=(kit.receiver(), kit.receiver("sari"))))
    free = threading.Event()
    asked: list[str] = []

    def hang(message: Any) -> Outcome:
        asked.append(message.id)
        free.wait(30)
        return Outcome(Result.DELIVERED)

    monkeypatch.setattr(chat(o), "send", hang)
    o.find(kit.leak(), kit.leak("D2"))
    o.tick()
    s = sender(o)
    for _ in range(2):
        s.may_send()
        s.round()
        s._under_way[Address("budi", "chat")].thread.join(0.01)
        other = s._under_way.get(Address("sari", "chat"))
        if other:
            other.thread.join(10)
    assert len(o.channels[Address("sari", "chat")].got) == 2
    assert len(asked) == 1
    monkeypatch.setattr("twuin.notify.sending.HUNG_S", -1.0)
    s.round()
    waiting = [m for m in o.messages("budi") if m.attempts]
    assert [(m.state, m.doubts) for m in waiting] == [(MessageState.WAITING, 1)]
    o.clock.ahead(hours=1)
    s.round()
    assert len(asked) == 1  # nothing more goes there while that try has not ended
    free.set()
    s._under_way[Address("budi", "chat")].thread.join(10)
    assert [m.state for m in o.messages("budi") if m.attempts] == [MessageState.WAITING]


def test_many_messages_for_one_that_is_down_keep_none_from_another(
    office: Make, kit: SimpleNamespace
) -> None:
    hook = Channel("hook", "https://gis.example/", Form.JSON, "HOOK")
    gis = Receiver("gis", (hook,))
    o = office(kit.config(Rule(to=("gis",)), receivers=(gis, kit.receiver())), known=True)
    o.find(*[kit.silence(f"S{i}") for i in range(300)])
    o.tick()
    down = o.channels[Address("gis", "hook")]
    down.answers = [Outcome(Result.REFUSED, "connection refused")] * 10_000
    s = sender(o)
    rounds(s, 5)
    assert len(down.tried) == 1  # the others need not fail too, for now
    later = office(
        kit.config(Rule(to=("gis",)), Rule(to=("budi",)), receivers=(gis, kit.receiver())), beside=o
    )
    o.find(kit.leak())
    later.tick()
    s = sender(later)
    rounds(s)
    assert len(chat(later).got) == 1
    later.clock.ahead(seconds=6)
    rounds(s)
    assert {m.state for m in later.messages("budi")} == {MessageState.DELIVERED}


def test_only_one_process_sends_and_another_takes_over_when_it_is_gone(
    office: Make, kit: SimpleNamespace
) -> None:
    o = office()
    first = sender(o)
    second = Sender(o.site.id, o.desk.outbox, o.channels, "elsewhere", o.clock.wall)
    assert first.may_send()
    assert not second.may_send()
    o.clock.ahead(seconds=61)
    assert second.may_send()
    third = Sender(o.site.id, o.desk.outbox, o.channels, "there", o.clock.wall)
    second.finish()
    assert third.may_send()


def test_a_restart_of_the_same_installation_need_not_wait(office: Make) -> None:
    o = office()
    assert sender(o).may_send()
    assert sender(o).may_send()


def test_messages_delivered_long_ago_are_forgotten_and_never_told_again(
    office: Make, kit: SimpleNamespace
) -> None:
    o = office()
    o.find(kit.leak())
    o.tick()
    rounds(sender(o))
    assert o.desk.outbox.prune(o.site.id, o.clock.time + timedelta(days=1)) == 1
    o.tick()
    assert o.messages() == []
