"""Pages of planned works: what is shown, and what becomes of a form."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from twuin.alerts.model import Kind

Browse = Callable[..., TestClient]
Shown = Callable[[str], Any]

FORM = {
    "kind": "flushing",
    "start": "2026-11-23T08:00",
    "end": "2026-11-23T12:00",
    "dmas": "D1",
    "extra_m3h": "12,5",
    "actor": "Sari",
    "key": "a",
}


@pytest.mark.parametrize(
    ("language", "words"),
    [("id", ("Pekerjaan terencana", "sedang berlangsung")), ("en", ("Planned works", "under way"))],
)
def test_the_list_shows_what_goes_on_and_what_comes(
    shown: Shown, browse: Browse, language: str, words: tuple[str, ...]
) -> None:
    client = browse(shown("town"), language)
    page = client.get("/works")
    assert page.status_code == 200
    assert all(word in page.text for word in words)
    links = set(re.findall(r'href="(/works/[a-z0-9]{10})"', page.text))
    assert len(links) == 4
    assert all(client.get(link).status_code == 200 for link in links)
    assert "badge-speed" not in page.text, "it is not past data that are looked at"
    assert client.get("/works?start=2031-01-01").status_code == 200
    assert client.get("/works?start=nonsense").status_code == 200


def test_a_work_is_entered_once_in_local_time(fresh: Any, browse: Browse) -> None:
    client = browse(fresh)
    answer = client.post("/works", data=FORM)
    assert answer.status_code == 303
    assert client.post("/works", data=FORM).headers["location"] == answer.headers["location"]
    work = next(w for w in fresh.views.works.works() if w.by == "Sari" and w.plan.dmas == ("D1",))
    assert work.plan.start.isoformat() == "2026-11-23T01:00:00+00:00"
    assert work.plan.extra_flow == pytest.approx(12.5 / 3600)
    assert "12,5" in client.get(answer.headers["location"]).text


@pytest.mark.parametrize(
    "wrong",
    [
        {"end": "2026-11-23T07:00"},
        {"dmas": "D9"},
        {"extra_m3h": "much"},
        {"extra_m3h": "-3"},
        {"extra_m3h": "nan"},
        {"extra_m3h": ""},
        {"start": "tomorrow"},
        {"start": "2026-11-23T08:00+99:00"},
        {"weekdays": "0", "from_time": "8", "to_time": "9"},
        {"kind": "picnic"},
        {"refill_h": "900"},
        {"pipes": "nowhere"},
        {"sensors": "D1-P1 nobody"},
        {"note": "x" * 2001},
        {"start": "0001-01-01T00:00", "end": "0001-01-01T01:00"},
    ],
    ids=lambda wrong: "-".join(wrong),
)
def test_a_form_that_cannot_be_says_what_would_be_right_and_keeps_what_was_given(
    fresh: Any, browse: Browse, wrong: dict[str, str]
) -> None:
    before = len(fresh.views.works.works())
    answer = browse(fresh, "en").post("/works", data={**FORM, **wrong})
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text and 'name="actor"' in answer.text
    assert len(fresh.views.works.works()) == before


def test_a_work_is_changed_and_cancelled_with_its_history(fresh: Any, browse: Browse) -> None:
    client = browse(fresh, "en")
    where = client.post("/works", data=FORM).headers["location"].split("?")[0]
    changed = {**FORM, "extra_m3h": "30", "version": "1", "why": "two hydrants", "action": "save"}
    assert client.post(where, data=changed).headers["location"].endswith("done=changed")
    assert client.post(where, data=changed).status_code == 409
    gone = client.post(where, data={"action": "cancel", "version": "2", "why": "rain"})
    assert gone.headers["location"].endswith("done=cancelled")
    text = client.get(where).text
    assert "two hydrants" in text and "rain" in text and "Keep the change" not in text


def test_an_alert_offers_to_enter_the_work_that_it_was(fresh: Any, browse: Browse) -> None:
    client = browse(fresh, "en")
    alert = next(a for a in fresh.views.alerts(kind=Kind.LEAK).items if a.ended is None)
    assert f"/works/new?alert={alert.id}" in client.get(f"/alerts/{alert.id}").text
    text = client.get(f"/works/new?alert={alert.id}").text
    assert re.search(rf'name="dmas" value="{alert.dma}" checked', text)
    assert re.search(r'name="extra_m3h" value="\d+"', text)
    assert client.get("/works/new?alert=nonsense&kind=nonsense&dma=nonsense").status_code == 200


def test_an_alert_that_a_work_explains_says_so_in_plain_words(fresh: Any, browse: Browse) -> None:
    client = browse(fresh, "en")
    work = fresh.views.works.works()[0]
    known = next(f for f in fresh.findings if f.kind is Kind.LEAK and f.ended is None)
    named = {**known.evidence, "planned_work": work.id, "planned_kind": "flushing"}
    excused = replace(known, evidence=named)
    (alert,) = fresh.alerts.apply([excused if f is known else f for f in fresh.findings])
    text = client.get(f"/alerts/{alert.id}").text
    assert "A planned work explains this: Flushing of hydrants or mains" in text
    assert f'href="/works/{work.id}"' in text


def test_a_district_under_works_says_so_on_the_overview(shown: Shown, browse: Browse) -> None:
    text = browse(shown("town"), "en").get("/").text
    rows = text.split('<tr class="dma-')[1:]
    row = next(r for r in rows if "/dmas/D3" in r)
    assert "badge-work-now" in row and "Planned work" in row
    other = next(r for r in rows if "/dmas/D2" in r)
    assert "badge-work-now" not in other
