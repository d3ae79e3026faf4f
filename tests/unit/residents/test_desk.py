"""What staff do, what is forgotten, and what is counted."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from twuin.alerts.model import Kind
from twuin.residents.charter import Kept, complaints
from twuin.residents.desk import ACTIONS, MESSAGE_MOST, Asked
from twuin.residents.model import Category, Outcome, ReportChanged, ReportRefused, Standing
from waterworks.errors import NotFound
from waterworks.promises import Promise, Promises, WorkingHours
from waterworks.reading import as_datetime

HOUR = timedelta(hours=1)


def test_an_answer_reaches_whoever_has_the_code(here: Any) -> None:
    taken = here.send()
    report = here.desk.act(
        taken.report.id, Asked("answer", 1, message="A crew comes\u202e tomorrow."), "Rina"
    )
    assert here.public.track(taken.code, "x").message == "A crew comes tomorrow."
    assert report.answered is not None and [x.action for x in here.desk.history(report.id)] == [
        "received",
        "answered",
    ]


def test_nothing_is_done_to_a_report_that_changed_meanwhile(here: Any) -> None:
    id = here.send().report.id
    here.desk.act(id, Asked("answer", 1, message="We come."), "Rina")
    with pytest.raises(ReportChanged):
        here.desk.act(id, Asked("close", 1, outcome=Outcome.SPAM), "Budi")


@pytest.mark.parametrize(
    "asked",
    [
        Asked("close"), Asked("close", outcome=Outcome.WITHDRAWN), Asked("answer"), Asked("part"),
        Asked("answer", message=" \u200b"), Asked("join"), Asked("join", alert="none"), Asked("accept"),
        Asked("reopen"), Asked("dance"),
        Asked("place"), Asked("place", lon=1.0), Asked("place", dma="D9"), Asked("place", lon=900.0, lat=1.0),
        Asked("accept", message="hello"), Asked("answer", message="x" * (MESSAGE_MOST + 1)),
        Asked("close", outcome=Outcome.SOLVED, message="x" * (MESSAGE_MOST + 1)),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_and_changes_nothing(here: Any, asked: Asked) -> None:
    id = here.send().report.id
    with pytest.raises(ReportRefused):
        here.desk.act(id, asked, "Rina")
    assert here.desk.get(id).version == 1


def test_every_action_is_known(here: Any) -> None:
    for action in ACTIONS:
        try:
            here.desk.act(here.send().report.id, Asked(action), "Rina")
        except ReportRefused as e:
            assert e.word != "action"


def test_a_person_makes_an_alert_of_one_report(here: Any) -> None:
    taken = here.send(category="dirty_water")
    report = here.desk.act(taken.report.id, Asked("alert", 1), "Rina")
    alert = here.town.alerts.get(report.alert)
    assert alert.finding.kind is Kind.REPORTED and alert.work.reported.category == "dirty_water"
    assert here.town.alerts.history(alert.id)[0].actor == "Rina"
    with pytest.raises(ReportRefused):
        here.desk.act(report.id, Asked("alert"), "Rina")


def test_what_turns_out_to_be_spam_is_no_evidence_any_more(here: Any) -> None:
    reports = [here.at() for _ in range(3)]
    (alert,) = here.town.alerts.list().items
    here.desk.act(reports[0].id, Asked("close", outcome=Outcome.SPAM), "Rina")
    assert here.town.alerts.get(alert.id).work.reported.count == 2
    here.desk.act(reports[1].id, Asked("part"), "Rina")
    assert here.town.alerts.get(alert.id).work.reported.count == 1
    moved = here.desk.act(reports[0].id, Asked("reopen"), "Rina")
    assert moved.state is Standing.OPEN and moved.alert == alert.id


def test_who_is_limited_to_dmas_sees_only_reports_of_these(here: Any) -> None:
    here.town.site.node_dma.clear()
    taken = here.send()
    here.desk.act(taken.report.id, Asked("place", dma="D2"), "Rina")
    nowhere = here.send()
    assert [r.id for r in here.desk.page(dmas=frozenset({"D2"})).items] == [taken.report.id]
    assert here.desk.page(dmas=frozenset({"D1"})).items == []
    for id in (taken.report.id, nowhere.report.id):
        with pytest.raises(NotFound):
            here.desk.person(id, frozenset({"D1"}))
    assert here.desk.by_code(taken.code, frozenset({"D1"})) is None
    assert here.desk.by_code(taken.code).id == taken.report.id


def test_a_list_goes_on_where_the_page_before_ended(here: Any) -> None:
    for _ in range(5):
        here.send()
        here.pass_time(minutes=1)
    first = here.desk.page(limit=3)
    rest = here.desk.page(limit=3, after=first.next)
    assert len(first.items) == 3 and len(rest.items) == 2 and rest.next is None
    assert first.items[-1].received > rest.items[0].received


def test_who_sent_a_report_is_forgotten_after_a_time(here: Any, picture: Any) -> None:
    closed, open_ = here.at(photo=picture((300, 200))), here.at()
    here.desk.act(closed.id, Asked("close", outcome=Outcome.SOLVED, message="Mended."), "Rina")
    assert here.desk.person(closed.id).photo is not None
    here.pass_time(days=29)
    here.tender.tend()
    assert here.desk.person(closed.id) is not None
    here.pass_time(days=2)
    here.tender.tend()
    assert here.desk.person(closed.id) is None and here.desk.person(open_.id) is not None
    after = here.desk.get(closed.id)
    assert (after.source, after.network, after.phone, after.pipe, after.message) == ("", "", "", "", "")
    assert after.erased and not after.photo and after.lon == round(closed.lon, 3) != closed.lon
    assert after.outcome is Outcome.SOLVED and after.received == closed.received  # enough to count it
    here.pass_time(days=150)
    here.tender.tend()
    assert here.desk.person(open_.id) is None and here.desk.get(open_.id).state is Standing.OPEN
    assert here.tender.forget() == 0


def test_complaints_are_counted_in_the_days_in_which_their_time_is_over(here: Any) -> None:
    begin = as_datetime(here.town.clock.now())
    template = here.get(here.send())

    def report(hours: float, answered: float | None, settled: float | None, **more: Any) -> Any:
        return replace(
            template,
            received=begin + hours * HOUR,
            answered=None if answered is None else begin + answered * HOUR,
            settled=None if settled is None else begin + settled * HOUR,
            **more,
        )

    promises = Promises(WorkingHours(here.town.site.timezone), {}, Promise(4 * HOUR, None, 24 * HOUR))
    reports = [
        report(0, 3, 20),  # answered and settled in time
        report(1, 6, 40),  # both too late
        report(2, None, None, category=Category.NO_WATER),  # neither
        report(-2, 1, 1),  # came before, was due in these days
        report(47, None, None),  # nothing is due yet
        report(3, None, 3, outcome=Outcome.SPAM),
        report(3, None, 3, outcome=Outcome.WITHDRAWN),
    ]
    found = complaints(reports, promises, begin, begin + 48 * HOUR, begin + 480 * HOUR)
    assert (found.received, found.settled, found.open) == (4, 2, 2)
    assert found.answer == Kept(2, 2) and found.settle == Kept(2, 2)
    assert found.settled_share == 0.5 and found.categories == {Category.LEAK: 3, Category.NO_WATER: 1}
    early = complaints(reports, promises, begin, begin + 48 * HOUR, begin + 4.5 * HOUR)
    assert early.answer == Kept(2, 0)
    none = complaints([], None, begin, begin + HOUR, begin)
    assert none.answer is none.settle is none.settled_share is None
