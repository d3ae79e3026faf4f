"""What becomes of an alert when Twuin has looked whether its repair took the leak away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest

from twuin.alerts.model import Alert, Finding, Reason, State
from twuin.alerts.service import AlertService
from twuin.alerts.work import Check, Outcome, Work, check_json, check_of

Make = Callable[..., Finding]
FELL = Check(Outcome.FELL, "night_flow", 0.0031, 0.0028, 0.0034, 0.003, 7, 3)


@pytest.fixture
def mended(service: AlertService, finding: Make) -> Alert:
    service.apply([finding(0, 2, 5, flow=0.003, flow_low=0.0025, flow_high=0.0035)])
    (alert,) = service.list().items
    return service.act(alert.id, "repaired", version=1, actor="Ani")


def judge(service: AlertService, alert: Alert, check: Check) -> Alert:
    assert alert.work.repaired_at is not None
    service.judge(alert.id, alert.work.repaired_at, check)
    return service.get(alert.id)


def test_a_repair_keeps_what_the_leak_was_estimated_at(
    service: AlertService, mended: Alert, finding: Make
) -> None:
    service.apply([finding(0, 2, 50, flow=0.001)])
    work = service.get(mended.id).work
    assert work.leak == 0.003
    assert work.leak_sd == pytest.approx(0.001 / (2 * 1.6449))


def test_enough_fallen_is_verified_with_the_figures_in_the_history(
    service: AlertService, mended: Alert
) -> None:
    alert = judge(service, mended, FELL)
    assert (alert.state, alert.work.check) == (State.VERIFIED, FELL)
    last = service.history(alert.id)[-1]
    assert (last.actor, last.action) == ("monitor", "verified")
    assert last.details == {"check": check_json(FELL)}
    assert last.details["check"]["fell_m3h"] == 11.16
    assert service.repaired() == []
    closed = service.act(alert.id, "close", version=alert.version, reason=Reason.REPAIRED)
    assert closed.work.check == FELL


def test_clearly_not_fallen_reopens_it_and_only_people_close_it_then(
    service: AlertService, mended: Alert, finding: Make
) -> None:
    runs_on = replace(FELL, outcome=Outcome.RUNS_ON)
    alert = judge(service, mended, runs_on)
    assert (alert.state, alert.held, alert.work) == (State.OPEN, True, Work(check=runs_on))
    last = service.history(alert.id)[-1]
    assert (last.actor, last.action, last.details) == ("monitor", "reopened", {"check": check_json(runs_on)})
    service.apply([finding(0, 2, 9, ended=8)])
    service.apply([])
    assert service.get(alert.id).state is State.OPEN
    again = service.act(alert.id, "repaired", version=service.get(alert.id).version)
    assert again.work.check is None


def test_waiting_is_kept_but_not_announced(service: AlertService, mended: Alert) -> None:
    cursor = service.cursor()
    for after in (1, 1, 2):
        alert = judge(service, mended, Check(Outcome.WAITING, "night_flow", leak=0.003, after=after))
    assert (alert.version, alert.revision, service.cursor()) == (mended.version, mended.revision + 2, cursor)
    assert alert.work.check is not None and alert.work.check.after == 2


def test_what_cannot_be_told_is_said_once_and_left_to_people(service: AlertService, mended: Alert) -> None:
    unsure = replace(FELL, outcome=Outcome.UNDECIDED)
    for _ in range(3):
        alert = judge(service, mended, unsure)
    assert alert.state is State.REPAIRED
    assert [e.action for e in service.history(alert.id)].count("undecided") == 1
    closed = service.act(alert.id, "close", version=alert.version, reason=Reason.REPAIRED)
    assert closed.reason is Reason.REPAIRED


def test_the_verdict_on_an_earlier_repair_is_not_that_on_a_later_one(
    service: AlertService, mended: Alert, at: Callable[[float], datetime]
) -> None:
    service.act(mended.id, "start_repair", version=mended.version)
    again = service.act(mended.id, "repaired", version=None, key="k", happened=at(30))
    assert judge(service, mended, FELL) == again


def test_a_check_is_the_same_after_a_round_trip() -> None:
    told = check_json(FELL)
    assert check_json(check_of(told)) == told
