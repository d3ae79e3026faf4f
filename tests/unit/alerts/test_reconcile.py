"""How findings move alerts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from twuin.alerts.lifecycle import alert_id
from twuin.alerts.model import Finding, Kind, Reason, State, Suspect
from twuin.alerts.service import AlertService
from twuin.alerts.work import Cause
from waterworks.units import to_si

Make = Callable[..., Finding]
M3H = float(to_si(1.0, "m3/h", "flow"))


def test_a_finding_opens_one_alert_with_a_short_id(service: AlertService, finding: Make) -> None:
    (alert,) = service.apply([finding(0, 2, 5)])
    assert alert.state is State.OPEN
    assert len(alert.id) == 10
    assert alert.id.isalnum()
    assert service.list().items == [alert]


def test_the_id_depends_on_site_kind_subject_and_detection_only(at: Callable[[float], datetime]) -> None:
    one = alert_id("town", Kind.LEAK, "D1", at(2))
    assert one == alert_id("town", Kind.LEAK, "D1", at(2))
    others = {
        alert_id("city", Kind.LEAK, "D1", at(2)),
        alert_id("town", Kind.NIGHT_FLOW, "D1", at(2)),
        alert_id("town", Kind.LEAK, "D2", at(2)),
        alert_id("town", Kind.LEAK, "D1", at(3)),
        alert_id("town", Kind.LEAK, "D1", at(2), taken={one}),
    }
    assert len(others | {one}) == 6


def test_an_event_that_ended_before_it_was_seen_is_opened_and_closed(
    service: AlertService, finding: Make
) -> None:
    (alert,) = service.apply([finding(0, 2, 50, ended=9)])
    assert (alert.state, alert.reason) == (State.CLOSED, Reason.ENDED)
    assert [e.action for e in service.history(alert.id)] == ["opened", "closed"]


def test_an_open_alert_closes_itself_when_its_event_ends(service: AlertService, finding: Make) -> None:
    service.apply([finding(0, 2, 5)])
    (alert,) = service.apply([finding(0, 2, 10, ended=9)])
    assert (alert.state, alert.reason) == (State.CLOSED, Reason.ENDED)


def test_a_shifted_onset_stays_the_same_alert(service: AlertService, finding: Make) -> None:
    (first,) = service.apply([finding(4, 6, 8)])
    service.apply([finding(1, 5, 9)])
    (only,) = service.list().items
    assert only.id == first.id
    assert only.finding == finding(1, 5, 9)


def test_findings_of_other_subjects_and_kinds_are_other_alerts(service: AlertService, finding: Make) -> None:
    found = [finding(0, 2, 5), finding(0, 2, 5, subject="D2"), finding(0, 2, 5, kind=Kind.NIGHT_FLOW)]
    assert len(service.apply(found)) == 3


def test_an_event_after_the_end_of_another_is_a_new_alert(service: AlertService, finding: Make) -> None:
    (first,) = service.apply([finding(0, 2, 10, ended=9)])
    (second,) = service.apply([finding(0, 2, 10, ended=9), finding(20, 22, 25)])
    assert second.id != first.id
    assert second.state is State.OPEN


def test_of_two_findings_the_one_with_the_nearer_onset_keeps_the_alert(
    service: AlertService, finding: Make
) -> None:
    (alert,) = service.apply([finding(0, 2, 30)])
    service.apply([finding(0, 2, 31, ended=10), finding(20, 22, 31)])
    assert service.get(alert.id).finding == replace(finding(0, 2, 10, ended=10))
    assert service.get(alert.id).reason is Reason.ENDED
    assert [a.state for a in service.list().items] == [State.OPEN, State.CLOSED]


def test_an_alert_that_later_data_do_not_support_is_withdrawn(service: AlertService, finding: Make) -> None:
    service.apply([finding(0, 2, 5)])
    (alert,) = service.apply([])
    assert (alert.state, alert.reason) == (State.CLOSED, Reason.WITHDRAWN)
    assert service.apply([]) == []


def test_an_acknowledged_alert_is_withdrawn_too(service: AlertService, finding: Make) -> None:
    (alert,) = service.apply([finding(0, 2, 5)])
    service.act(alert.id, "acknowledge", version=1)
    assert service.apply([])[0].reason is Reason.WITHDRAWN


def test_only_alerts_that_began_since_can_be_withdrawn(
    service: AlertService, finding: Make, at: Callable[[float], datetime]
) -> None:
    service.apply([finding(0, 2, 50), finding(10, 12, 50, subject="D2")])
    (alert,) = service.apply([], since=at(5))
    assert alert.finding.subject == "D2"
    assert service.list(states=[State.OPEN]).items[0].finding.subject == "D1"


def test_evidence_that_comes_back_reopens_the_withdrawn_alert(service: AlertService, finding: Make) -> None:
    (first,) = service.apply([finding(0, 2, 5)])
    service.apply([])
    (again,) = service.apply([finding(1, 2, 6)])
    assert (again.id, again.state, again.reason) == (first.id, State.OPEN, None)
    assert [e.action for e in service.history(first.id)] == ["opened", "closed", "reopened"]


def test_an_event_that_goes_on_after_its_supposed_end_is_reopened(
    service: AlertService, finding: Make
) -> None:
    (first,) = service.apply([finding(0, 2, 10, ended=9)])
    (again,) = service.apply([finding(0, 2, 12)])
    assert (again.id, again.state) == (first.id, State.OPEN)


@pytest.mark.parametrize("reason", [Reason.FALSE_ALARM, Reason.PLANNED, Reason.REPAIRED])
def test_what_a_person_closed_stays_closed_while_the_event_goes_on(
    service: AlertService, finding: Make, reason: Reason
) -> None:
    (alert,) = service.apply([finding(0, 2, 5)])
    if reason is Reason.REPAIRED:
        service.act(alert.id, "repaired", version=1)
    cause = Cause.METER if reason is Reason.FALSE_ALARM else None
    closed = service.act(alert.id, "close", version=None, key="k", reason=reason, cause=cause)
    for hour in range(6, 100, 5):
        assert service.apply([finding(0, 2, hour, flow=hour * M3H)]) == []
    (only,) = service.list().items
    assert (only.state, only.reason, only.version) == (State.CLOSED, reason, closed.version)
    assert only.finding == finding(0, 2, 96, flow=96 * M3H)
    assert service.apply([finding(0, 2, 110, ended=105)]) == []
    (new,) = service.apply([finding(0, 2, 110, ended=105), finding(107, 108, 110)])
    assert new.id != alert.id


def test_what_a_person_closed_does_not_become_withdrawn(service: AlertService, finding: Make) -> None:
    (alert,) = service.apply([finding(0, 2, 5)])
    service.act(alert.id, "close", version=1, reason=Reason.PLANNED)
    assert service.apply([]) == []
    assert service.get(alert.id).reason is Reason.PLANNED


def test_what_a_person_reopened_only_a_person_closes(service: AlertService, finding: Make) -> None:
    (alert,) = service.apply([finding(0, 2, 10, ended=9)])
    service.act(alert.id, "reopen", version=2)
    assert service.apply([finding(0, 2, 10, ended=9)]) == []
    assert service.apply([]) == []
    assert service.get(alert.id).state is State.OPEN
    service.act(alert.id, "close", version=3, reason=Reason.FALSE_ALARM, cause=Cause.METER)
    assert not service.get(alert.id).held


def test_small_moves_are_stored_but_not_announced(service: AlertService, finding: Make) -> None:
    (alert,) = service.apply([finding(0, 2, 5, flow=10 * M3H, volume=50)])
    cursor = service.cursor()
    assert service.apply([finding(0, 2, 6, flow=10.4 * M3H, volume=60)]) == []
    now = service.get(alert.id)
    assert now.version == 1
    assert now.finding.volume == 60
    assert service.cursor() == cursor


def test_small_moves_that_add_up_are_announced(service: AlertService, finding: Make) -> None:
    service.apply([finding(0, 2, 5, flow=10 * M3H)])
    told = [service.apply([finding(0, 2, 5 + i, flow=(10 + 0.4 * i) * M3H)]) for i in range(1, 6)]
    assert [len(t) for t in told] == [0, 0, 1, 0, 0]
    assert service.history(told[2][0].id)[-1].note == "flow"


def test_a_restless_estimate_is_announced_at_most_twice_an_hour(service: AlertService, finding: Make) -> None:
    service.apply([finding(0, 2, 5)])
    told = [service.apply([finding(0, 2, 5 + i / 12, flow=i * M3H)]) for i in range(1, 121)]  # ten hours
    assert 15 <= sum(map(len, told)) <= 20


def test_new_suspects_are_announced(service: AlertService, finding: Make) -> None:
    before = (Suspect("p1", 0.5), Suspect("p2", 0.3))
    service.apply([finding(0, 2, 5, suspects=before)])
    assert service.apply([finding(0, 2, 6, suspects=(Suspect("p1", 0.4), Suspect("p2", 0.3)))]) == []
    (told,) = service.apply([finding(0, 2, 7, suspects=(Suspect("p2", 0.5), Suspect("p1", 0.3)))])
    assert service.history(told.id)[-1].note == "suspects"


def test_an_end_is_announced_at_once(service: AlertService, finding: Make) -> None:
    (alert,) = service.apply([finding(0, 2, 5)])
    service.act(alert.id, "acknowledge", version=1)
    (told,) = service.apply([finding(0, 2, 5.1, ended=5)])
    assert service.history(told.id)[-1].note == "ended"


def test_an_ended_finding_is_the_same_whenever_it_is_looked_at(service: AlertService, finding: Make) -> None:
    service.apply([finding(0, 2, 20, ended=9)])
    before = service.list().items
    assert service.apply([finding(0, 2, 400, ended=9)]) == []
    assert service.list().items == before


def test_numpy_and_unknown_numbers_become_plain_ones(
    service: AlertService, finding: Make, at: Callable[[float], datetime]
) -> None:
    evidence = {
        "statistic": np.float32(1.5),
        "weeks": np.arange(3),
        "gap": float("nan"),
        "seen": at(1),
        "holiday": np.bool_(True),
    }
    (alert,) = service.apply(
        [finding(0, 2, 5, flow=float("nan"), volume=np.float64(3), evidence=evidence)]  # type: ignore[arg-type]
    )
    assert alert.finding.flow == 0.0
    assert alert.finding.evidence == {
        "statistic": 1.5,
        "weeks": [0, 1, 2],
        "gap": None,
        "seen": "2026-03-01T01:00:00Z",
        "holiday": True,
    }
    assert service.apply([replace(finding(0, 2, 5, flow=float("nan"), volume=3.0), evidence=evidence)]) == []


def test_evidence_that_is_no_data_is_refused(service: AlertService, finding: Make) -> None:
    with pytest.raises(TypeError, match="object"):
        service.apply([finding(0, 2, 5, evidence={"x": object()})])
