"""What a crew's phone tells: done where it holds, kept where it does not, never lost and never twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
import pytest

from twuin.alerts.crew import Reported, Why
from twuin.alerts.model import Alert, Finding, Reason, State
from twuin.alerts.service import AlertService, KeyReused
from twuin.alerts.steps import Asked, RequestIncomplete, TransitionRefused
from twuin.alerts.work import Cause, LeakType, Place

Make = Callable[..., Finding]
HERE = Place("p1", 12.0)


def tell(
    service: AlertService, id: str, action: str, key: str = "", crew: str = "Regu 1", **what: Any
) -> Reported:
    actor = what.pop("actor", "Budi")
    asked = Asked(
        action, actor, assignee=crew if action == "accept" else "", key=key or f"{action}-1", **what
    )
    return service.report(id, asked, [crew])


def by_office(service: AlertService, id: str, action: str, **what: Any) -> Alert:
    return service.act(id, action, version=service.get(id).version, actor="Rina", **what)


def last(service: AlertService, id: str) -> Any:
    return service.history(id)[-1]


def test_a_crew_takes_a_job_that_nobody_has_and_works_it_off(service: AlertService, alert: Alert) -> None:
    taken = tell(service, alert.id, "accept")
    assert (taken.why, taken.alert.state, taken.alert.work.assignee) == (None, State.ASSIGNED, "Regu 1")
    for action, what, state in (
        ("arrive", {}, State.ON_SITE),
        ("locate", {"place": HERE, "leak_type": LeakType.JOINT}, State.LOCATED),
        ("start_repair", {}, State.REPAIRING),
        ("repaired", {"note": "clamp"}, State.REPAIRED),
    ):
        assert tell(service, alert.id, action, **what).alert.state is state
    assert {e.actor for e in service.history(alert.id)[1:]} == {"Budi"}


def test_what_was_given_to_another_crew_cannot_be_taken_away(service: AlertService, alert: Alert) -> None:
    by_office(service, alert.id, "assign", assignee="Regu 2")
    with pytest.raises(TransitionRefused, match="Regu 2"):
        by_office(service, alert.id, "accept", assignee="Regu 1")
    assert tell(service, alert.id, "accept").why is Why.ANOTHERS
    now = service.get(alert.id)
    assert (now.state, now.work.assignee) == (State.ASSIGNED, "Regu 2")


def test_the_crew_that_was_sent_accepts_by_any_of_its_names(service: AlertService, alert: Alert) -> None:
    by_office(service, alert.id, "assign", assignee=" budi ")
    first = tell(service, alert.id, "accept")
    assert (first.why, first.alert.work.assignee) == (None, "budi")
    by_office(service, alert.id, "assign", assignee="Regu 9")
    assert tell(service, alert.id, "accept").why is None  # the same again: it was done
    assert service.get(alert.id).work.assignee == "Regu 9"


@pytest.mark.parametrize("action", ["arrive", "not_found"])
def test_how_another_crews_job_stands_is_not_for_this_one_to_say(
    service: AlertService, alert: Alert, action: str
) -> None:
    by_office(service, alert.id, "assign", assignee="Regu 2")
    if action == "not_found":
        tell(service, alert.id, "arrive", crew="Regu 2", actor="Siti")
    before = service.get(alert.id).state
    told = tell(service, alert.id, action, note="was there")
    assert (told.why, service.get(alert.id).state) == (Why.ANOTHERS, before)
    line = last(service, alert.id)
    assert (line.action, line.note, line.actor) == ("reported", "was there", "Budi")
    assert line.details["why"] == "anothers"


def test_where_a_leak_is_holds_whoever_says_so(service: AlertService, alert: Alert) -> None:
    by_office(service, alert.id, "assign", assignee="Regu 2")
    told = tell(service, alert.id, "locate", place=HERE)
    assert (told.why, told.alert.state, told.alert.work.place) == (None, State.LOCATED, HERE)
    assert told.alert.work.assignee == "Regu 2"


def test_what_comes_after_an_alert_was_closed_is_kept_with_all_its_facts(
    service: AlertService, alert: Alert
) -> None:
    tell(service, alert.id, "accept")
    by_office(service, alert.id, "close", reason=Reason.FALSE_ALARM, cause=Cause.LARGE_USE)
    version = service.get(alert.id).version
    told = tell(service, alert.id, "locate", place=HERE, leak_type=LeakType.JOINT, note="it sprays")
    assert (told.why, told.alert.state) == (Why.STATE, State.CLOSED)
    line = last(service, alert.id)
    assert line.details == {
        "asked": "located", "why": "state", "place": {"pipe": "p1", "along_m": 12.0}, "leak_type": "joint",
    }  # fmt: skip
    assert line.note == "it sprays" and line.key == "locate-1"
    assert service.get(alert.id).version == version + 1  # announced: whoever looks at it sees it


def test_the_same_told_twice_is_done_once_and_answered_alike(service: AlertService, alert: Alert) -> None:
    first = tell(service, alert.id, "accept")
    assert tell(service, alert.id, "accept") == first
    by_office(service, alert.id, "close", reason=Reason.PLANNED)
    refused = tell(service, alert.id, "locate", place=HERE)
    assert tell(service, alert.id, "locate", place=HERE) == refused
    actions = [e.action for e in service.history(alert.id)]
    assert actions == ["opened", "accepted", "closed", "reported"]
    with pytest.raises(KeyReused):
        tell(service, alert.id, "locate", place=Place("p2"))


def test_an_older_report_of_the_other_phone_undoes_nothing(
    service: AlertService, alert: Alert, clock: Any, at: Callable[[float], datetime]
) -> None:
    clock.time = np.datetime64(at(10).replace(tzinfo=None), "us")
    tell(service, alert.id, "locate", "a", place=Place("p2"), happened=at(8))
    tell(service, alert.id, "repaired", "b", happened=at(9))
    late = {"start_repair": Why.NEWER, "locate": Why.STATE, "not_found": Why.STATE}
    for action, why in late.items():
        what = {"place": HERE} if action == "locate" else {}
        told = tell(service, alert.id, action, f"late {action}", happened=at(7.5), **what)
        assert told.why is why, action
    now = service.get(alert.id)
    assert (now.state, now.work.place) == (State.REPAIRED, Place("p2"))
    anew = tell(service, alert.id, "start_repair", "c", happened=at(9.5))  # it leaks again: that is newer
    assert (anew.why, anew.alert.state) == (None, State.REPAIRING)


def test_what_no_state_would_allow_is_refused_and_not_kept(service: AlertService, alert: Alert) -> None:
    for action, what in (("locate", {}), ("locate", {"place": Place("p9")}), ("note", {}), ("close", {})):
        with pytest.raises(RequestIncomplete):
            tell(service, alert.id, action, **what)
    with pytest.raises(RequestIncomplete, match="key"):
        service.report(alert.id, Asked("arrive", "Budi"), [])
    assert len(service.history(alert.id)) == 1


def test_accepting_answers_the_promise_to_respond(service: AlertService, alert: Alert) -> None:
    from twuin.alerts.promises import Stage, course

    tell(service, alert.id, "accept")
    found = course(service.history(alert.id))
    assert found is not None and set(found.done) == {Stage.RESPOND}
