"""What reports join, and what they make of alerts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from twuin.alerts.model import Kind, Reason, State, raised
from twuin.alerts.priority import Priority, Why, rank
from twuin.residents.ground import Ground, straight_m
from twuin.residents.model import Outcome, Standing


def test_a_position_has_its_nearest_pipe_and_dma(here: Any) -> None:
    report = here.at()
    assert report.pipe == "P1" and report.dma == here.town.site.node_dma.get("J1", "")


def test_places_are_apart_along_the_pipes_and_not_as_the_crow_flies(small_town: Any) -> None:
    ground = Ground.of(small_town.site, small_town.network)
    assert ground is not None
    a, b = ground.position_on("P1", 900.0), ground.position_on("P2", 100.0)
    assert a is not None and b is not None
    assert ground.apart_m(a, b) == pytest.approx(200.0, abs=30.0)
    assert straight_m(a, b) < 195.0
    assert ground.from_pipe_m("P1", b) == pytest.approx(600.0, abs=30.0)
    assert ground.apart_m(a, a) < 1.0


def test_a_site_without_a_place_on_earth_has_no_ground(small_town: Any) -> None:
    assert Ground.of(replace(small_town.site, crs=""), small_town.network) is None
    assert Ground.of(small_town.site, None) is None


def test_a_leak_near_where_twuin_looks_joins_the_alert_and_makes_it_surer(here: Any) -> None:
    found = replace(
        here.town.leak(), centre="P1", radius_50_m=50.0, radius_90_m=300.0, confidence=0.5, gain=-5.0
    )
    (alert,) = here.town.alerts.apply([found])
    assert alert.watched
    report = here.at()
    after = here.town.alerts.get(alert.id)
    assert report.alert == alert.id and after.work.reported.count == 1
    assert after.confidence == pytest.approx(0.8)  # 1 - 0.5 * 0.4
    assert not after.watched  # where it is is known: no search to pay for
    assert [e.action for e in here.town.alerts.history(alert.id)] == ["opened", "heard"]
    assert here.public.track(here.send(lon=112.6115, lat=-7.957).code, "x").others == 1


def test_a_leak_elsewhere_does_not_join_it(here: Any) -> None:
    found = replace(here.town.leak(), centre="P1", radius_50_m=50.0, radius_90_m=120.0, suspects=())
    here.town.alerts.apply([found])
    assert here.at(east_m=400.0).alert == ""


def test_what_the_monitor_learns_later_takes_nothing_away_from_what_residents_said(here: Any) -> None:
    found = replace(here.town.leak(), centre="P1", radius_50_m=50.0, radius_90_m=300.0)
    (alert,) = here.town.alerts.apply([found])
    here.at()
    here.town.alerts.apply([replace(found, flow=found.flow * 2, confidence=0.95)])
    assert here.town.alerts.get(alert.id).work.reported.count == 1


def test_reports_that_came_first_join_an_alert_that_comes_later(here: Any) -> None:
    report = here.at()
    assert report.alert == ""
    found = replace(here.town.leak(), centre="P1", radius_50_m=50.0, radius_90_m=300.0)
    (alert,) = here.town.alerts.apply([found])
    here.tender.tend()
    assert here.desk.get(report.id).alert == alert.id


def test_three_independent_residents_make_an_alert_of_what_no_reading_shows(here: Any) -> None:
    first, second = here.at(), here.at(east_m=40.0)
    assert second.event == first.id and not here.town.alerts.list().items
    third = here.at(east_m=-30.0)
    (alert,) = here.town.alerts.list().items
    assert alert.finding.kind is Kind.REPORTED and alert.finding.suspects[0].pipe == "P1"
    assert {here.desk.get(r.id).alert for r in (first, second, third)} == {alert.id}
    assert alert.work.reported.reporters == 3 and alert.confidence == pytest.approx(raised(0.0, 3))
    fourth = here.at(north_m=20.0)
    assert fourth.alert == alert.id and len(here.town.alerts.list().items) == 1


def test_two_who_make_an_alert_of_one_event_at_once_make_one(here: Any) -> None:
    reports = [here.at(), here.at()]
    joins = here.desk._joins
    seen = [here.desk.get(r.id) for r in reports]  # as both saw them before either had written
    one = joins.make_alert(seen[0], seen, "Rina")
    other = joins.make_alert(seen[1], seen, "Budi")
    assert one.id == other.id and len(here.town.alerts.list().items) == 1


def test_what_is_reported_again_after_its_alert_was_closed_is_a_new_one(here: Any) -> None:
    reports = [here.at() for _ in range(3)]
    (first,) = here.town.alerts.list().items
    here.town.alerts.act(first.id, "close", version=first.version, reason=Reason.PLANNED)
    here.tender.tend()
    for report in reports:
        here.desk.act(report.id, asked("reopen"), "Rina")
    alerts = here.town.alerts.list().items
    assert len(alerts) == 2 and {here.desk.get(r.id).alert for r in reports} == {
        a.id for a in alerts if a.id != first.id
    }


def test_one_person_alone_makes_no_alert_however_often_they_report(here: Any) -> None:
    for phone, source in (("0812 1111 111", ""), ("0812 1111 111", ""), ("0812 2222 222", "192.0.2.9"),
                          ("0812 3333 333", "192.0.2.9")):  # fmt: skip
        here.at(phone=phone, source=source)
    assert here.town.alerts.list().items == []


def test_held_reports_are_no_evidence_until_somebody_accepts_them(here: Any) -> None:
    held = [here.at(trap="x") for _ in range(3)]
    assert here.town.alerts.list().items == []
    for report in held:
        here.desk.act(report.id, asked("accept"), "Rina")
    assert len(here.town.alerts.list().items) == 1


def test_no_reading_takes_away_an_alert_that_residents_made(here: Any) -> None:
    for _ in range(3):
        here.at()
    here.town.alerts.apply([])
    assert here.town.alerts.list().items[0].state is State.OPEN


def test_an_alert_of_residents_becomes_one_with_what_readings_show_later(here: Any) -> None:
    reports = [here.at() for _ in range(3)]
    (own,) = here.town.alerts.list().items
    found = replace(here.town.leak(), centre="P1", radius_50_m=50.0, radius_90_m=300.0)
    (measured,) = here.town.alerts.apply([found])
    here.tender.tend()
    merged = here.town.alerts.get(own.id)
    assert merged.reason is Reason.DUPLICATE and merged.work.duplicate_of == measured.id
    assert {here.desk.get(r.id).alert for r in reports} == {measured.id}
    assert here.town.alerts.get(measured.id).work.reported.count == 3


def test_one_that_a_crew_is_at_is_left_to_them(here: Any) -> None:
    for _ in range(3):
        here.at()
    (own,) = here.town.alerts.list().items
    here.town.alerts.act(own.id, "assign", version=own.version, assignee="crew 1")
    found = replace(here.town.leak(), centre="P1", radius_50_m=50.0, radius_90_m=300.0)
    here.town.alerts.apply([found])
    here.tender.tend()
    assert here.town.alerts.get(own.id).state is State.ASSIGNED


def test_no_water_joins_the_alert_of_its_dma(here: Any) -> None:
    supply = replace(here.town.leak("D1"), kind=Kind.SUPPLY, flow=0.0)
    (alert,) = here.town.alerts.apply([supply])
    taken = here.send(category="no_water")
    here.desk.act(taken.report.id, asked("place", dma="D1"), "Rina")
    assert here.get(taken).alert == alert.id
    other = here.send(category="no_water")
    here.desk.act(other.report.id, asked("place", dma="D2"), "Rina")
    leak = here.send()
    here.desk.act(leak.report.id, asked("place", dma="D1"), "Rina")
    assert here.get(other).alert == here.get(leak).alert == ""


def test_reports_weeks_apart_are_of_two_leaks(here: Any) -> None:
    first = here.at()
    here.pass_time(days=5)
    assert here.at().event != first.event


def test_a_leak_that_residents_see_is_urgent(here: Any) -> None:
    small = replace(here.town.leak(), flow=0.5 / 3600, centre="P1", radius_50_m=5.0, radius_90_m=300.0)
    (alert,) = here.town.alerts.apply([small])
    assert rank(alert, here.town.site).priority is Priority.LOW
    here.at()
    ranked = rank(here.town.alerts.get(alert.id), here.town.site)
    assert ranked.priority is Priority.MEDIUM and Why.SEEN in ranked.why
    for _ in range(4):
        here.at()
    assert rank(here.town.alerts.get(alert.id), here.town.site).priority is Priority.HIGH


def test_reports_end_with_their_alert(here: Any) -> None:
    taken = [here.send(lon=112.6115, lat=-7.957) for _ in range(3)]
    (alert,) = here.town.alerts.list().items
    alert = here.town.alerts.act(alert.id, "acknowledge", version=alert.version)
    here.tender.tend()
    assert here.get(taken[0]).answered is not None
    assert here.public.track(taken[0].code, "x").step.word == "checking"
    alert = here.town.alerts.act(alert.id, "repaired", version=alert.version)
    assert here.public.track(taken[0].code, "x").step.word == "repaired"
    here.town.alerts.act(alert.id, "close", version=alert.version, reason=Reason.REPAIRED)
    here.tender.tend()
    assert {here.get(t).outcome for t in taken} == {Outcome.SOLVED}


def test_what_joins_an_alert_that_is_taken_on_is_answered_when_it_comes_not_before(here: Any) -> None:
    (alert,) = here.town.alerts.apply([replace(here.town.leak(), centre="P1", radius_50_m=50.0)])
    here.town.alerts.act(alert.id, "acknowledge", version=alert.version)
    here.pass_time(hours=2)
    report = here.at()
    assert report.alert == alert.id
    here.tender.tend()
    after = here.desk.get(report.id)
    assert after.answered == report.received


def test_reports_outlive_an_alert_that_readings_no_longer_support(here: Any) -> None:
    found = replace(here.town.leak(), centre="P1", radius_50_m=50.0, radius_90_m=300.0)
    (alert,) = here.town.alerts.apply([found])
    report = here.at()
    here.town.alerts.apply([])
    assert here.town.alerts.get(alert.id).reason is Reason.WITHDRAWN
    here.tender.tend()
    after = here.desk.get(report.id)
    assert after.state is Standing.OPEN and after.alert == ""


def test_looking_again_changes_nothing(here: Any) -> None:
    for _ in range(4):
        here.at()
    here.tender.tend()
    before = (here.desk.page().items, here.town.alerts.list().items, here.town.alerts.cursor())
    here.tender.tend()
    assert (here.desk.page().items, here.town.alerts.list().items, here.town.alerts.cursor()) == before


def asked(action: str, **more: Any) -> Any:
    from twuin.residents.desk import Asked

    return Asked(action, **more)
