"""What the public may do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from twuin.residents.limits import ADDRESS, PHONE
from twuin.residents.model import BadReport, Category, Odd, Outcome, Standing, TooManyReports
from waterworks.errors import NotFound


def test_a_report_is_taken_with_a_code_that_leads_back_to_it(here: Any) -> None:
    taken = here.send(category="no_water", words="Since this morning")
    found = here.public.track(taken.code.upper().replace("-", " "), "203.0.113.9")
    assert found.category is Category.NO_WATER and found.step.word == "received"
    report = here.get(taken)
    assert report.state is Standing.OPEN and taken.code not in repr(report)
    person = here.desk.person(report.id)
    assert person.phone.startswith("+62812") and person.words == "Since this morning"


def test_the_same_form_twice_is_one_report(here: Any) -> None:
    sent = here.sent()
    first, second = here.public.submit(sent, "198.51.100.1"), here.public.submit(sent, "198.51.100.1")
    assert first.code == second.code and len(here.desk.page().items) == 1


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"category": "flood"}, "category"),
        ({"phone": "call me"}, "phone"),
        ({"phone": "0812"}, "phone"),
        ({"where": " \u200b "}, "place"),
        ({"where": "", "lon": 112.6}, "place"),
        ({"where": "", "lon": 500.0, "lat": 3.0}, "place"),
        ({"moment": "66.aa.bb"}, "moment"),
        ({"moment": "é.."}, "moment"),
        ({"photo": b"<svg onload=alert(1)>"}, "photo"),
        ({"photo": b"x" * (9 * 2**20)}, "photo"),
    ],
)
def test_what_is_missing_is_named(here: Any, more: dict[str, Any], word: str) -> None:
    with pytest.raises(BadReport) as e:
        here.send(**more)
    assert e.value.word == word and here.desk.page().items == []


def test_a_form_is_good_for_a_day(here: Any) -> None:
    sent = here.sent()
    here.pass_time(hours=25)
    with pytest.raises(BadReport, match="older than 24 hours"):
        here.public.submit(sent, "198.51.100.1")


def test_another_installation_s_form_is_not_ours(here: Any, neighbours: Any) -> None:
    mark = here.public.moment()
    when, nonce, tag = mark.split(".")
    with pytest.raises(BadReport):
        here.send(moment=f"{when}.{nonce[:-1]}0.{tag}" if nonce[-1] != "0" else f"{when}.{nonce[:-1]}1.{tag}")


def test_what_is_odd_is_held_for_a_look_and_not_lost(here: Any) -> None:
    for more, odd in (
        ({"trap": "https://spam.example"}, Odd.TRAP),
        ({"words": "cheap loans at www.example.com"}, Odd.LINKS),
        ({"lon": 106.8, "lat": -6.2}, Odd.FAR),
    ):
        taken = here.send(**more)
        assert here.get(taken).state is Standing.HELD and here.get(taken).odd == (odd,)
        # Whoever sent it sees no difference.
        assert here.public.track(taken.code, "203.0.113.9").step.word == "received"


def test_a_form_that_nobody_could_fill_in_so_fast_is_held(here: Any) -> None:
    sent = replace(here.sent(), moment=here.public.moment())
    assert here.get(here.public.submit(sent, "198.51.100.1")).odd == (Odd.QUICK,)


def test_many_from_one_address_are_held_and_far_too_many_refused(here: Any) -> None:
    states = [here.get(here.send("192.0.2.1")).state for _ in range(ADDRESS.held + 2)]
    assert states == [Standing.OPEN] * ADDRESS.held + [Standing.HELD] * 2
    for _ in range(ADDRESS.refused - len(states)):
        here.send("192.0.2.1")
    with pytest.raises(TooManyReports):
        here.send("192.0.2.1")
    assert here.get(here.send("203.0.113.50")).state is Standing.OPEN  # others are not shut out
    here.pass_time(hours=2)
    assert here.get(here.send("192.0.2.1")).state is Standing.OPEN


def test_many_with_one_phone_number_are_held_however_it_is_written(here: Any) -> None:
    numbers = ["0812 3456 789", "+62 812-3456-789", "0062 812 3456789", "628123456789"]
    states = [here.get(here.send(phone=n)).state for n in numbers[: PHONE.held + 1]]
    assert states == [Standing.OPEN] * 3 + [Standing.HELD]


def test_a_flood_from_everywhere_is_held_and_not_lost(neighbours: Callable[..., Any]) -> None:
    here = neighbours(flood=4)
    reports = [here.get(here.send()) for _ in range(7)]
    assert [r.state for r in reports].count(Standing.OPEN) == 4
    assert all(Odd.FLOOD in r.odd for r in reports if r.state is Standing.HELD)
    assert here.desk.counts()["held"] == 3


def test_codes_cannot_be_guessed_for_long(here: Any) -> None:
    for _ in range(60):
        with pytest.raises(NotFound):
            here.public.track("aaaa-bbbb-cccc", "192.0.2.66")
    with pytest.raises(TooManyReports):
        here.public.track("aaaa-bbbb-cccc", "192.0.2.66")
    assert here.public.track(here.send().code, "192.0.2.67").step.word == "received"


def test_who_has_the_code_sees_nothing_personal_and_nothing_of_the_network(here: Any) -> None:
    taken = here.send(lon=112.6115, lat=-7.957, words="By the red gate", photo=None)
    here.town.alerts.apply([here.town.leak()])
    here.tender.tend()
    shown = repr(here.public.track(taken.code, "203.0.113.9"))
    for hidden in ("0812", "62812", "red gate", "Melati", "P1", "P2", "D1", "112.6", taken.report.id):
        assert hidden not in shown, hidden


def test_a_report_is_withdrawn_by_its_code_and_phone_number(here: Any) -> None:
    taken = here.send(phone="0812 3456 789")
    with pytest.raises(NotFound):
        here.public.withdraw(taken.code, "0812 3456 788", "192.0.2.1")
    with pytest.raises(NotFound):
        here.public.withdraw(taken.code, "", "192.0.2.1")
    here.public.withdraw(taken.code, "+62 8123456789", "192.0.2.1")
    report = here.get(taken)
    assert report.outcome is Outcome.WITHDRAWN and report.erased and not report.phone
    assert here.desk.person(report.id) is None
    with pytest.raises(NotFound):  # there is nothing left to show that it was theirs
        here.public.withdraw(taken.code, "0812 3456 789", "192.0.2.1")


def test_promised_times_are_told(here: Any) -> None:
    from waterworks.promises import Promise, Promises, WorkingHours

    hour = timedelta(hours=1)
    here.public.site = replace(
        here.public.site,
        promises=Promises(WorkingHours(here.public.site.timezone), {}, Promise(4 * hour, None, 48 * hour)),
    )
    step = here.public.track(here.send().code, "203.0.113.9").step
    received = here.desk.page().items[0].received
    assert (step.answer_by, step.repair_by) == (received + 4 * hour, received + 48 * hour)
