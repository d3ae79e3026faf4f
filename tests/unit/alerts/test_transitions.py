"""What people may do with an alert."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from twuin.alerts.model import Alert, Finding, Reason, State
from twuin.alerts.service import AlertService, StaleAlert
from twuin.alerts.steps import RequestIncomplete, TransitionRefused
from waterworks.errors import NotFound

Make = Callable[..., Finding]


def test_an_open_alert_is_acknowledged_then_closed_with_a_reason(service: AlertService, alert: Alert) -> None:
    taken = service.act(alert.id, "acknowledge", version=1, actor="Ani", note="on my way")
    assert taken.state is State.ACKNOWLEDGED
    closed = service.act(alert.id, "close", version=2, reason=Reason.PLANNED, actor="Ani")
    assert (closed.state, closed.reason) == (State.CLOSED, Reason.PLANNED)
    assert [(e.actor, e.action, e.note, e.reason) for e in service.history(alert.id)] == [
        ("monitor", "opened", "", None),
        ("Ani", "acknowledged", "on my way", None),
        ("Ani", "closed", "", Reason.PLANNED),
    ]


def test_an_acknowledged_alert_is_not_acknowledged_again(service: AlertService, alert: Alert) -> None:
    service.act(alert.id, "acknowledge", version=1)
    with pytest.raises(TransitionRefused, match=r"'acknowledge' is for one that is open$"):
        service.act(alert.id, "acknowledge", version=2)


def test_closing_without_a_reason_says_which_there_are(service: AlertService, alert: Alert) -> None:
    with pytest.raises(RequestIncomplete, match="repaired, false_alarm, planned"):
        service.act(alert.id, "close", version=1)


def test_nobody_closes_as_withdrawn_by_hand(service: AlertService, alert: Alert) -> None:
    with pytest.raises(RequestIncomplete):
        service.act(alert.id, "close", version=1, reason=Reason.WITHDRAWN)


def test_a_lasting_event_cannot_be_closed_as_ended(service: AlertService, alert: Alert) -> None:
    with pytest.raises(TransitionRefused, match="has not ended"):
        service.act(alert.id, "close", version=1, reason=Reason.ENDED)


def test_an_acknowledged_event_that_ended_is_closed_as_ended_by_a_person(
    service: AlertService, alert: Alert, finding: Make
) -> None:
    service.act(alert.id, "acknowledge", version=1)
    (told,) = service.apply([finding(0, 2, 9, ended=8)])
    assert told.state is State.ACKNOWLEDGED
    closed = service.act(alert.id, "close", version=told.version, reason=Reason.ENDED)
    assert closed.reason is Reason.ENDED


def test_a_reason_belongs_to_closing_only(service: AlertService, alert: Alert) -> None:
    with pytest.raises(RequestIncomplete, match="reason does not belong to 'acknowledge', but to close"):
        service.act(alert.id, "acknowledge", version=1, reason=Reason.REPAIRED)


def test_a_note_changes_nothing_but_the_history(service: AlertService, alert: Alert) -> None:
    noted = service.act(alert.id, "note", version=1, note=" valve 12 is shut \0", actor="")
    assert (noted.state, noted.version) == (State.OPEN, 2)
    assert service.history(alert.id)[-1].note == "valve 12 is shut"
    assert service.history(alert.id)[-1].actor == "someone"
    with pytest.raises(RequestIncomplete, match="needs a text"):
        service.act(alert.id, "note", version=2, note="  ")


def test_a_note_on_a_closed_alert_keeps_its_reason(service: AlertService, alert: Alert) -> None:
    service.act(alert.id, "close", version=1, reason=Reason.PLANNED)
    noted = service.act(alert.id, "note", version=2, note="flushing of hydrant 7")
    assert (noted.state, noted.reason) == (State.CLOSED, Reason.PLANNED)


def test_an_open_alert_cannot_be_reopened(service: AlertService, alert: Alert) -> None:
    with pytest.raises(TransitionRefused, match="is for one that is repaired, verified, closed"):
        service.act(alert.id, "reopen", version=1)


def test_an_unknown_action_names_those_there_are(service: AlertService, alert: Alert) -> None:
    with pytest.raises(RequestIncomplete, match="acknowledge, assign, accept, arrive"):
        service.act(alert.id, "explode", version=1)


def test_acting_on_an_outdated_view_is_refused_and_shows_the_present(
    service: AlertService, alert: Alert
) -> None:
    service.act(alert.id, "acknowledge", version=1)
    with pytest.raises(StaleAlert) as refused:
        service.act(alert.id, "close", version=1, reason=Reason.REPAIRED)
    assert refused.value.current.version == 2
    assert service.get(alert.id).state is State.ACKNOWLEDGED


def test_an_unknown_alert_is_not_found(service: AlertService) -> None:
    with pytest.raises(NotFound):
        service.act("nope", "acknowledge", version=1)
