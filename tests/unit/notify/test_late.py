"""What runs late is told to who is to know, and an assignment to the crew that it is for: once each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from twuin.notify.model import Channel, Event, Form, Lane, Priority, Rule, Window
from waterworks.promises import Promise, Promises, WorkingHours

HOUR = timedelta(hours=1)
Opener = Callable[..., Any]


def promising(o: Any) -> Any:
    """The office, where a response is promised within an hour and a repair within a day."""
    promise = Promise(respond=HOUR, repair=24 * HOUR)
    hours = WorkingHours(o.site.timezone)
    site = replace(o.site, promises=Promises(hours, {"high": promise, "medium": promise}))
    o.site = o.desk.site = site
    o.desk.wording = replace(o.desk.wording, site=site)
    return o


def escalate(o: Any, **span: float) -> None:
    o.clock.ahead(**span)
    o.alerts.escalate(o.site)


def bodies(o: Any, name: str = "") -> list[str]:
    return [m.text.title for m in o.messages(name)]


def test_what_is_due_soon_and_what_is_overdue_is_told_once_each(office: Opener, kit: SimpleNamespace) -> None:
    o = promising(office(kit.config(Rule(to=("budi",)), receivers=(kit.receiver(language="en"),))))
    o.find(kit.leak())
    o.tick()
    escalate(o, minutes=50)
    for _ in range(3):
        o.tick()
    escalate(o, minutes=20)
    for _ in range(3):
        o.tick()
    assert bodies(o) == [
        "Urgent: Leak in Dinoyo", "Due soon: Leak in Dinoyo", "Overdue: Leak in Dinoyo"
    ]  # fmt: skip
    soon, late = o.messages()[1:]
    assert "Promised: response: 10 minutes left (promised by Fri 20 Nov 11:00)" in soon.text.body
    assert "Promised: response: overdue by 10 minutes" in late.text.body
    assert "I take this on: https://twuin.example/a/" in late.text.body


def test_a_message_about_what_was_done_meanwhile_says_so(office: Opener, kit: SimpleNamespace) -> None:
    night = Window((kit.NOW + 7 * HOUR).time(), (kit.NOW + 12 * HOUR).time())  # 10.00 local is 3.00 UTC
    quiet = kit.receiver(language="en", quiet=night)
    o = promising(office(kit.config(Rule(to=("budi",), events=frozenset({Event.LATE})), receivers=(quiet,))))
    (id,) = o.find(kit.leak())
    o.tick()
    escalate(o, minutes=70)
    o.desk.look()
    o.alerts.act(id, "acknowledge", version=o.alerts.get(id).version, actor="Rina")
    o.clock.ahead(hours=5)
    o.tick()
    (message,) = o.messages()
    assert message.text.title == "Was late: Leak in Dinoyo"
    assert "Promised: response: 10 minutes late (done" in message.text.body


@pytest.mark.parametrize(("through", "at_once"), [(True, True), (False, False)])
def test_what_is_late_and_urgent_wakes_only_where_the_rule_says_so(
    office: Opener, kit: SimpleNamespace, through: bool, at_once: bool
) -> None:
    night = Window((kit.NOW + 7 * HOUR).time(), (kit.NOW + 12 * HOUR).time())  # 10.00 local is 3.00 UTC
    rule = Rule(to=("budi",), events=frozenset({Event.LATE}), through_quiet=through)
    o = promising(office(kit.config(rule, receivers=(kit.receiver(quiet=night),))))
    o.find(kit.leak(m3h=40.0))
    o.tick()
    escalate(o, minutes=70)
    o.tick()
    assert len(o.messages()) == at_once
    o.clock.ahead(hours=13)
    o.tick()
    assert len(o.messages()) == 1


def test_of_two_rules_the_one_that_wakes_counts(office: Opener, kit: SimpleNamespace) -> None:
    night = Window((kit.NOW + 7 * HOUR).time(), (kit.NOW + 12 * HOUR).time())
    late = frozenset({Event.LATE})
    rules = (Rule(to=("budi",), events=late), Rule(to=("budi",), events=late, through_quiet=True))
    o = promising(office(kit.config(*rules, receivers=(kit.receiver(quiet=night),))))
    o.find(kit.leak(m3h=40.0))
    o.tick()
    escalate(o, minutes=70)
    o.tick()
    assert len(o.messages()) == 1


def crews(kit: SimpleNamespace) -> tuple[Any, ...]:
    return (
        kit.receiver("office", language="en"),
        kit.receiver("hp-north", crew="North", language="en"),
        kit.receiver("hp-south", crew="south"),
    )


def test_an_assignment_is_told_to_the_crew_it_is_for_and_to_no_other(
    office: Opener, kit: SimpleNamespace
) -> None:
    everybody = Rule(to=("office", "hp-north", "hp-south"), events=frozenset({Event.ASSIGNED}))
    o = promising(office(kit.config(everybody, receivers=crews(kit))))
    (id,) = o.find(kit.leak())
    o.tick()
    o.alerts.act(id, "assign", version=o.alerts.get(id).version, assignee="north", actor="Rina")
    for _ in range(3):
        o.tick()
    (message,) = o.messages()
    assert (message.address.receiver, message.text.title) == ("hp-north", "For you: Leak in Dinoyo")
    for line in ("Assigned to: north", "Promised: repair: 24 hours left", "We go: https://twuin.example/a/"):
        assert line in message.text.body, message.text.body


def test_each_assignment_is_an_event_and_one_that_went_on_is_told_to_the_last(
    office: Opener, kit: SimpleNamespace
) -> None:
    rule = Rule(to=(), crews=("North", "south"), events=frozenset({Event.ASSIGNED}))
    o = office(kit.config(rule, receivers=crews(kit)))
    (id,) = o.find(kit.leak())
    o.tick()

    def assign(who: str) -> None:
        o.alerts.act(id, "assign", version=o.alerts.get(id).version, assignee=who, actor="Rina")

    assign("north")
    assign("south")  # before anybody looked
    o.tick()
    assert [m.address.receiver for m in o.messages()] == ["hp-south"]
    assign("North ")
    o.tick()
    assert [m.address.receiver for m in o.messages()] == ["hp-south", "hp-north"]


def test_a_person_is_told_by_the_name_of_the_receiver(office: Opener, kit: SimpleNamespace) -> None:
    o = office(kit.config(Rule(to=("budi",), events=frozenset({Event.ASSIGNED}))))
    (id,) = o.find(kit.leak())
    o.tick()
    o.alerts.act(id, "assign", version=o.alerts.get(id).version, assignee="Budi", actor="Rina")
    o.tick()
    assert len(o.messages()) == 1


def test_who_was_told_of_an_assignment_alone_is_told_of_its_end(office: Opener, kit: SimpleNamespace) -> None:
    new = Rule(to=("hp-north",), events=frozenset({Event.ASSIGNED, Event.OVER}))
    o = office(kit.config(new, receivers=crews(kit)))
    (id,) = o.find(kit.leak())
    o.tick()
    o.alerts.act(id, "assign", version=o.alerts.get(id).version, assignee="north", actor="Rina")
    o.tick()
    o.alerts.act(id, "repaired", version=o.alerts.get(id).version, actor="north")
    o.tick()
    assert [m.text.title[:4] for m in o.messages()] == ["For ", "Over"]


def test_systems_are_told_of_every_assignment_and_of_what_is_late(
    office: Opener, kit: SimpleNamespace
) -> None:
    hook = Channel("hook", "https://gis.example/", Form.JSON, "HOOK")
    o = promising(office(kit.config(Rule(to=("gis",)), receivers=(kit.receiver("gis", channels=(hook,)),))))
    (id,) = o.find(kit.leak())
    o.tick()
    o.alerts.act(id, "assign", version=o.alerts.get(id).version, assignee="north", actor="Rina")
    o.tick()
    escalate(o, hours=23)
    o.tick()
    types = [m.payload["type"] for m in o.messages()]
    assert types == ["alert.new", "alert.assigned", "alert.late"]
    assert len({m.payload["data"]["event"] for m in o.messages()}) == 3
    assert all(m.lane is Lane.EACH for m in o.messages())


def test_nothing_of_before_the_first_look_is_told(office: Opener, kit: SimpleNamespace) -> None:
    o = promising(office(begun=False))
    (id,) = o.find(kit.leak())
    o.alerts.act(id, "assign", version=1, assignee="budi", actor="Rina")
    escalate(o, hours=23)
    o.tick()
    assert o.messages() == []


def test_two_who_look_at_the_same_lines_make_one_notice(
    office: Opener, kit: SimpleNamespace, tmp_path: Any
) -> None:
    url = f"sqlite:///{tmp_path}/shared.sqlite"
    rules = kit.config(Rule(to=("budi",)))
    a = promising(office(rules, url=url))
    b = promising(office(rules, url=url, beside=a))
    a.find(kit.leak(m3h=40.0))
    a.tick()
    escalate(a, minutes=70)
    for o in (a, b, a, b):
        o.desk.look()
    assert [n.what for n in a.desk.outbox.waiting(a.site.id)] == [Event.LATE]
    assert max(n.priority for n in a.desk.outbox.waiting(a.site.id)) is Priority.HIGH
