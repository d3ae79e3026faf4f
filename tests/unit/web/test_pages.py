"""What the server sends: pages of every kind of site, forms, errors, headers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from babel import Locale
from fastapi.testclient import TestClient

from twuin.alerts.model import Finding, Kind, Reason, State
from twuin.alerts.work import Check, Outcome
from twuin.views.urgent import Order
from twuin.web import locales
from twuin.web.pages import LOUD
from twuin.web.render import Templates
from waterworks.errors import DatabaseRefused, DatabaseUnavailable, StoreError, StoreUnavailable

Browse = Callable[..., TestClient]
Shown = Callable[[str], Any]


def addresses(sample: Any) -> list[str]:
    alerts = [f"/alerts/{a.id}" for a in sample.views.alerts().items]
    sensors = [f"/sensors/{s.id}" for s in sample.site.sensors[:3]]
    dmas = [f"/dmas/{d.id}" for d in sample.site.dmas]
    lists = ["/", "/alerts", "/alerts?state=open&kind=leak", "/sensors", "/sensors?state=silent&q=d4"]
    others = ["/ingest", "/ingest?reason=unknown_sensor", "/about", "/dmas/nowhere"]
    others += ["/works", "/works/new", *(f"/works/{w.id}" for w in sample.views.works.works())]
    others += ["/losses", "/losses?range=90d", "/losses?range=forever"]
    others += ["/results", "/results?range=1y", "/results?range=forever"]
    return [*lists, *others, *alerts, *sensors, *dmas]


class Visible(HTMLParser):
    """The words of a page that a reader sees or hears, without what is marked as English or code."""

    SILENT = frozenset({"script", "style"})
    VOID = frozenset({"meta", "link", "input", "br", "path", "use"})

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self._hidden: list[bool] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        technical = "code" in (given.get("class") or "").split()
        other = tag != "html" and "lang" in given
        hidden = tag in self.SILENT or technical or other or (bool(self._hidden) and self._hidden[-1])
        if not hidden:
            self.words += [
                given[a] or "" for a in ("aria-label", "title", "placeholder", "alt") if given.get(a)
            ]
        if tag not in self.VOID:
            self._hidden.append(hidden)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID and self._hidden:
            self._hidden.pop()

    def handle_data(self, data: str) -> None:
        if not (self._hidden and self._hidden[-1]):
            self.words.append(data)


class Marking:
    """Messages that show where they are: what a page says outside of the marks was never translated."""

    def gettext(self, message: str) -> str:
        return f"⟦{message}⟧"

    def ngettext(self, one: str, many: str, count: int) -> str:
        return f"⟦{many}⟧"


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    fake = locales.Language("id", Marking(), {})  # type: ignore[arg-type]
    monkeypatch.setattr("twuin.web.render.language", lambda code: fake)
    yield


@pytest.mark.parametrize("kind", ["town", "bare", "empty"])
def test_no_word_of_an_indonesian_page_bypasses_translation(
    kind: str, samples: Any, tmp_path: Any, browse: Browse, marked: None
) -> None:
    sample = samples.BUILDERS[kind](tmp_path)
    if kind == "town":
        sample.mend()
    client = browse(sample)
    names = {
        sample.site.name,
        "Twuin",
        "Rina",
        "Regu Utara",
        "Tank Lowokwaru",
        "Bahasa Indonesia",
        "English",
        "DMA",
    }
    names |= {f"Inlet {d.name.removeprefix('DMA ')}" for d in sample.site.dmas}
    names |= {n for d in sample.site.dmas for n in (d.name, d.id)} | set(sample.site.sensor)
    names |= {
        "Clamp fitted, night flow down.",
        "Hydrants along the river, with the crew of the north",
        "Spare parts have not come",
        "Sari",
        "Budi",
        "dBm",
        "MapLibre GL JS",
        "MapLibre contributors",
        "BSD-3-Clause",
    }
    names |= {"Roboto Condensed", "Google Inc.", "Apache-2.0", "PDF"}
    names |= {"uPlot", "Leon Sorokin", "MIT", "WIB", "WITA", "CEST", "CET"}
    dates = Locale("id")
    calendar = [
        *dates.days["format"]["abbreviated"].values(),
        *dates.days["format"]["wide"].values(),
        *dates.months["format"]["abbreviated"].values(),
    ]
    for address in addresses(sample):
        reader = Visible()
        reader.feed(client.get(address).text)
        for text in reader.words:
            left = text
            while (shorter := re.sub(r"⟦[^⟦⟧]*⟧", " ", left)) != left:
                left = shorter
            for name in sorted(names, key=len, reverse=True):
                left = left.replace(name, " ")
            loose = [w for w in re.findall(r"[^\W\d_]{3,}", left) if w not in calendar]
            assert loose == [], f"{address}: {text.strip()[:120]}"
    sample.store.close()


@pytest.mark.parametrize("kind", ["town", "bare", "empty"])
@pytest.mark.parametrize("language", ["id", "en"])
def test_every_page_of_every_kind_of_site_is_shown(
    kind: str, language: str, shown: Shown, browse: Browse
) -> None:
    sample = shown(kind)
    client = browse(sample, language)
    for address in addresses(sample):
        answer = client.get(address)
        assert answer.status_code == (404 if "nowhere" in address else 200), address
        assert answer.headers["content-language"] == language
        assert f'<html lang="{language}"' in answer.text
        spoken = re.sub(r"<script.*?</script>", "", answer.text)
        assert not re.search(r"%\(\w+\)s|\bNone\b|\bnan\b|Undefined", spoken)


def test_every_answer_carries_the_security_headers(shown: Shown, browse: Browse) -> None:
    client = browse(shown("town"))
    for address in ("/", "/nowhere", "/api/v1/site", "/static/nowhere"):
        headers = client.get(address).headers
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy and "unsafe" not in policy and "http" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "same-origin"


def test_static_files_are_kept_by_browsers_and_pages_are_not(shown: Shown, browse: Browse) -> None:
    client = browse(shown("town"))
    page = client.get("/")
    assert page.headers["cache-control"] == "no-store"
    files = re.findall(r'(?:src|href)="(/static/[^"#]+)', page.text)
    assert len(set(files)) >= 5
    for file in set(files):
        answer = client.get(file)
        assert answer.status_code == 200, file
        assert "immutable" in answer.headers["cache-control"]
    assert client.get("/static/other/js/page.js").status_code == 404


def test_language_follows_the_browser_until_the_reader_chooses(shown: Shown, browse: Browse) -> None:
    client = browse(shown("town"), "en-GB,id;q=0.5")
    assert "District metered areas" in client.get("/").text
    answer = client.post("/language?to=id&next=/alerts?state=open")
    assert (answer.status_code, answer.headers["location"]) == (303, "/alerts?state=open")
    assert "Distrik meter area" in client.get("/").text
    assert client.post("/language?to=xx").status_code == 404


def test_theme_is_the_devices_until_the_reader_chooses(shown: Shown, browse: Browse) -> None:
    client = browse(shown("town"))
    assert 'data-theme="auto"' in client.get("/").text
    client.post("/theme?to=dark&next=/")
    assert 'data-theme="dark"' in client.get("/").text


@pytest.mark.parametrize("next", ["//evil.example", "https://evil.example", "/\\evil.example", "x", "/a\nb"])
def test_no_switch_leads_to_another_host(next: str, shown: Shown, browse: Browse) -> None:
    answer = browse(shown("town")).post("/language", params={"to": "en", "next": next})
    assert answer.headers["location"] == "/"


def test_readings_that_wait_for_the_store_are_shown_while_there_are_any(
    fresh: Any, browse: Browse, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Waiting for the store" not in browse(fresh, "en").get("/ingest").text
    stats = fresh.views.ingest_stats()
    waits = stats.model_copy(update={"spool_readings": 4321, "spool_oldest": stats.last_message})
    monkeypatch.setattr(fresh.views, "ingest_stats", lambda: waits)
    page = browse(fresh, "en").get("/ingest").text
    assert "Waiting for the store" in page and "4,321" in page and "the oldest since" in page


def test_unknown_pages_get_a_page_and_unknown_interfaces_a_problem(shown: Shown, browse: Browse) -> None:
    client = browse(shown("town"), "en")
    page = client.get("/alerts/none")
    assert page.status_code == 404 and "There is nothing here" in page.text
    assert client.get("/ingest?before=x").status_code == 404
    assert client.put("/alerts").status_code == 405
    problem = client.get("/api/v1/none")
    assert problem.status_code == 404
    assert problem.headers["content-type"] == "application/problem+json"


def test_a_broken_or_unreachable_store_gets_a_page_without_its_inner_words(
    fresh: Any, browse: Browse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = browse(fresh, "en", raise_server_exceptions=False)

    def fail(error: Exception) -> Callable[..., Any]:
        def raising(*args: object, **kwargs: object) -> Any:
            raise error

        return raising

    monkeypatch.setattr(fresh.views, "dmas", fail(StoreUnavailable("secret inside")))
    answer = client.get("/")
    assert answer.status_code == 503 and "Nothing is lost" in answer.text and "secret" not in answer.text
    for language, words in (("en", "database cannot be reached"), ("id", "Basis data Twuin")):
        monkeypatch.setattr(fresh.views, "dmas", fail(DatabaseUnavailable("secret inside")))
        answer = browse(fresh, language, raise_server_exceptions=False).get("/")
        assert answer.status_code == 503 and words in answer.text and "secret" not in answer.text
        assert "Nothing is lost" not in answer.text
    monkeypatch.setattr(fresh.views, "dmas", fail(RuntimeError("secret inside")))
    answer = client.get("/")
    assert answer.status_code == 500 and "has been logged" in answer.text and "secret" not in answer.text
    for language, words in (("en", "The readings cannot be read"), ("id", "Bacaan tidak dapat dibaca")):
        monkeypatch.setattr(fresh.views, "dmas", fail(StoreError("the file is of another version")))
        caplog.clear()
        answer = browse(fresh, language, raise_server_exceptions=False).get("/")
        assert answer.status_code == 503 and words in answer.text and "version" not in answer.text
        assert "the file is of another version" in caplog.text  # who can mend it finds it named
    for language, words in (("en", "database cannot be used"), ("id", "Basis data Twuin tidak dapat")):
        monkeypatch.setattr(fresh.views, "dmas", fail(DatabaseRefused("no such table")))
        answer = browse(fresh, language, raise_server_exceptions=False).get("/")
        assert answer.status_code == 503 and words in answer.text and "no such table" not in answer.text
        assert "The readings" not in answer.text and "no such table" in caplog.text
    monkeypatch.setattr(fresh.views, "site", fail(StoreUnavailable("secret inside")))
    caplog.clear()
    answer = client.get("/")
    assert answer.status_code == 503 and "secret" not in answer.text
    assert not [record for record in caplog.records if record.exc_info], (
        "no traceback for a store that is away"
    )
    monkeypatch.setattr(fresh.views, "site", fail(RuntimeError("secret inside")))
    answer = client.get("/")
    assert answer.status_code == 500 and "has been logged" in answer.text and "secret" not in answer.text


def test_a_leak_that_is_repaired_runs_no_longer(fresh: Any, browse: Browse) -> None:
    def now() -> int:
        page = browse(fresh, "en").get("/").text
        return int(page.split("Leaks now</span>")[1].split(">")[1].split("<")[0].replace("–", "0"))

    before = now()
    alert = leak_of(fresh)
    fresh.alerts.act(alert.id, "repaired", version=alert.version)
    assert before > 0 and now() == before - 1


def leak_of(sample: Any) -> Any:
    return next(a for a in sample.views.alerts(state=State.OPEN).items if a.kind.value == "leak")


def form_of(page: str) -> dict[str, str]:
    version = re.search(r'name="version" value="(\d+)"', page)
    assert version is not None
    return {"version": version.group(1), "actor": "Sari", "note": "", "reason": ""}


def way_of(page: str) -> list[str]:
    """The steps that an alert's page says it has gone, up to where it stands."""
    return re.findall(r'<li class="way-(?:past|now)"[^>]*>([^<]+)', page)


def test_an_alert_is_acknowledged_noted_closed_and_reopened_by_form(fresh: Any, browse: Browse) -> None:
    client = browse(fresh, "en")
    at = f"/alerts/{leak_of(fresh).id}"
    for action, extra, state, said in (
        ("acknowledge", {}, State.ACKNOWLEDGED, "You took this alert on."),
        ("note", {"note": "Crew <b>underway</b>"}, State.ACKNOWLEDGED, "The note is kept in the history."),
        ("close", {"reason": "planned"}, State.CLOSED, "The alert is closed."),
        ("reopen", {}, State.OPEN, "The alert is open again."),
        ("assign", {"assignee": "Crew Utara"}, State.ASSIGNED, "The alert is assigned."),
    ):
        form = {**form_of(client.get(at).text), **extra, "action": action}
        answer = client.post(at, data=form)
        assert answer.status_code == 303, action
        page = client.get(answer.headers["location"]).text
        assert said in page
        if action == "close":
            assert way_of(page) == ["Open", "Acknowledged", "Closed"], "nobody repaired it"
        assert fresh.alerts.get(at.rsplit("/", 1)[1]).state is state
    assert way_of(page) == ["Open", "Assigned"], "that it was acknowledged was before it was opened again"
    assert "Crew &lt;b&gt;underway&lt;/b&gt;" in page and "Sari" in page
    assert fresh.alerts.history(at.rsplit("/", 1)[1])[3].reason is Reason.PLANNED


def test_a_leak_is_taken_all_the_way_by_form(fresh: Any, browse: Browse) -> None:
    client = browse(fresh, "en")
    alert = leak_of(fresh)
    at, pipe = f"/alerts/{alert.id}", alert.suspects[0].pipe
    for action, extra, state, said in (
        ("assign", {"assignee": "Crew Utara"}, State.ASSIGNED, "Assigned to"),
        ("arrive", {}, State.ON_SITE, "You are on site."),
        (
            "locate",
            {"pipe": pipe, "along_m": "12,5", "leak_type": "joint"},
            State.LOCATED,
            "m along it",
        ),
        ("not_found", {}, State.ASSIGNED, "The search goes on."),
        ("repaired", {"pipe": pipe, "method": "clamp"}, State.REPAIRED, "Repair clamp"),
        ("close", {"reason": "repaired"}, State.CLOSED, "Closed"),
    ):
        # As a browser sends it: every field of the form, whichever button was pressed.
        rest = {
            "assignee": "Crew Utara",
            "pipe": "",
            "along_m": "",
            "leak_type": "",
            "method": "",
            "cause": "",
        }
        form = {**rest, **form_of(client.get(at).text), **extra, "action": action}
        answer = client.post(at, data=form)
        assert answer.status_code == 303, action
        page = client.get(answer.headers["location"]).text
        assert said in page, action
        assert fresh.alerts.get(alert.id).state is state
    assert way_of(page) == ["Open", "Assigned", "On site", "Located", "Repaired", "Closed"]


@pytest.mark.parametrize(
    ("outcome", "state", "said"),
    [
        (Outcome.FELL, State.VERIFIED, "11.9\N{NO-BREAK SPACE}m³/h saved"),
        (Outcome.RUNS_ON, State.OPEN, "The loss fell too little"),
        (Outcome.UNDECIDED, State.REPAIRED, "Decide by what the crew saw."),
        (Outcome.WAITING, State.REPAIRED, "Not sure yet"),
    ],
)
def test_a_page_tells_what_became_of_a_repair(
    fresh: Any, browse: Browse, outcome: Outcome, state: State, said: str
) -> None:
    alert = leak_of(fresh)
    done = fresh.alerts.act(alert.id, "repaired", version=alert.version, actor="Budi")
    flows = (11.9 / 3600, 11.1 / 3600, 12.8 / 3600, 12.4 / 3600)
    fresh.alerts.judge(alert.id, done.work.repaired_at, Check(outcome, "night_flow", *flows, 7, 3))
    assert fresh.alerts.get(alert.id).state is state
    page = browse(fresh, "en").get(f"/alerts/{alert.id}").text
    assert said in page
    if outcome is Outcome.FELL:
        client = browse(fresh, "en")
        assert said in client.get("/").text
        assert fresh.views.dma(alert.dma).state != "leak"
        assert client.get(f"/api/v1/alerts/{alert.id}").json()["check"] == {
            **dict.fromkeys(("at", "until")),
            "outcome": "fell",
            "by": "night_flow",
            "fell_m3h": 11.9,
            "low_m3h": 11.1,
            "high_m3h": 12.8,
            "leak_m3h": 12.4,
            "before": 7,
            "after": 3,
        }


def test_a_leak_that_was_found_and_mended_tells_how_it_went(fresh: Any, browse: Browse) -> None:
    id = fresh.mend()
    pipe = fresh.alerts.get(id).work.place.pipe
    page = browse(fresh, "en").get(f"/alerts/{id}").text
    for told in (
        "How it went", "Until Twuin knew of it", "6&nbsp;hours", "How near Twuin was", "number 3 of 6",
        "The right pipe was number 3 of 6 that Twuin had named", "Saved since the repair",
        "as the crew was sent", "Twuin&#39;s word",
    ):  # fmt: skip
        assert told.replace("&nbsp;", " ") in page.replace("\u00a0", " "), told
    results = browse(fresh, "en").get("/results").text
    assert pipe in results and "1 leak was found" in results and "too few leaks to tell" in results
    assert "1 repair verified" in results
    api = browse(fresh).get("/api/v1/results").json()
    (find,) = api["locator"]["finds"]
    assert (find["alert"], find["score"]["pipe"], find["score"]["hit"]["rank"]) == (id, pipe, 3)
    assert api["response"]["all"]["repairs"] == 1
    detail = browse(fresh).get(f"/api/v1/alerts/{id}").json()
    assert detail["score"]["sent_hit"] == detail["score"]["hit"]
    assert detail["run"]["location_h"] == pytest.approx(5.0)
    assert detail["run"]["saved_m3"]["low"] < detail["run"]["saved_m3"]["value"]


def test_a_silence_of_many_sensors_names_them(fresh: Any, browse: Browse) -> None:
    silent = next(f for f in fresh.findings if f.kind is Kind.SILENT)
    others = [f for f in fresh.findings if f is not silent]
    fresh.alerts.apply([*others, replace(silent, evidence={"sensors": ["D4-P2", "D4-P3", "D1-P1"]})])
    (alert,) = fresh.views.alerts(kind=Kind.SILENT).items
    page = browse(fresh, "en").get(f"/alerts/{alert.id}").text
    assert "Sensor D4-P2 and 2 more are silent" in page
    assert all(f'href="/sensors/{id}"' in page for id in ("D4-P2", "D4-P3", "D1-P1"))


def test_a_form_sent_twice_is_one_action(fresh: Any, browse: Browse) -> None:
    client = browse(fresh, "en")
    alert = leak_of(fresh)
    page = client.get(f"/alerts/{alert.id}").text
    key = re.search(r'name="key" value="(\w+)"', page)
    assert key is not None
    form = {**form_of(page), "key": key.group(1), "action": "acknowledge"}
    assert [client.post(f"/alerts/{alert.id}", data=form).status_code for _ in range(2)] == [303, 303]
    assert fresh.alerts.get(alert.id).version == alert.version + 1


def test_a_false_alarm_says_what_it_was_and_a_duplicate_of_what(fresh: Any, browse: Browse) -> None:
    client = browse(fresh, "en")
    alert = leak_of(fresh)
    other = next(a for a in fresh.views.alerts(state=State.ACKNOWLEDGED).items)
    at = f"/alerts/{alert.id}"
    false = {"action": "close", "reason": "false_alarm"}
    assert client.post(at, data={**form_of(client.get(at).text), **false}).status_code == 422
    false["cause"] = "large_use"
    assert client.post(at, data={**form_of(client.get(at).text), **false}).status_code == 303
    assert "A customer took much water" in client.get(at).text
    results = client.get("/results").text
    assert "A customer took much water" in results and "Meter that customer" in results
    client.post(at, data={**form_of(client.get(at).text), "action": "reopen"})
    same = {"action": "close", "reason": "duplicate", "duplicate_of": other.id, "cause": "meter"}
    assert client.post(at, data={**form_of(client.get(at).text), **same}).status_code == 303
    assert f'href="/alerts/{other.id}"' in client.get(at).text
    assert f'href="{at}"' in client.get(f"/alerts/{other.id}").text


def test_a_page_says_when_readings_no_longer_support_what_people_are_at(fresh: Any, browse: Browse) -> None:
    alert = leak_of(fresh)
    fresh.alerts.act(alert.id, "arrive", version=alert.version, actor="Budi")
    fresh.alerts.apply([f for f in fresh.findings if f.onset != alert.onset])
    page = browse(fresh, "en").get(f"/alerts/{alert.id}").text
    assert "Later readings no longer support this alert." in page and "On site" in page


def test_acting_on_an_outdated_view_saves_nothing_and_shows_how_it_stands(fresh: Any, browse: Browse) -> None:
    client = browse(fresh, "en")
    alert = leak_of(fresh)
    old = form_of(client.get(f"/alerts/{alert.id}").text)
    fresh.alerts.act(alert.id, "acknowledge", version=alert.version, actor="Budi")
    answer = client.post(f"/alerts/{alert.id}", data={**old, "action": "close", "reason": "repaired"})
    assert answer.status_code == 409
    assert "Nothing was saved" in answer.text and "Budi" in answer.text
    assert fresh.alerts.get(alert.id).state is State.ACKNOWLEDGED
    assert int(form_of(answer.text)["version"]) == fresh.alerts.get(alert.id).version


@pytest.mark.parametrize(
    "form", [{"action": "close"}, {"action": "close", "reason": "ended"}, {"action": "note"}, {"action": "x"}]
)
def test_what_an_alert_cannot_do_is_refused_with_a_page(
    form: dict[str, str], fresh: Any, browse: Browse
) -> None:
    client = browse(fresh, "en")
    alert = leak_of(fresh)
    answer = client.post(
        f"/alerts/{alert.id}", data={**form_of(client.get(f"/alerts/{alert.id}").text), **form}
    )
    assert answer.status_code == 422 and "cannot be done" in answer.text
    assert fresh.alerts.get(alert.id).state is State.OPEN


@pytest.mark.parametrize("headers", [{"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}])
def test_forms_of_other_sites_are_refused(headers: dict[str, str], fresh: Any, browse: Browse) -> None:
    client = browse(fresh, "en")
    alert = leak_of(fresh)
    form = {**form_of(client.get(f"/alerts/{alert.id}").text), "action": "acknowledge"}
    assert client.post(f"/alerts/{alert.id}", data=form, headers=headers).status_code == 403
    assert client.post("/language?to=en", headers=headers).status_code == 403
    assert fresh.alerts.get(alert.id).state is State.OPEN


def test_an_oversized_form_is_refused(fresh: Any, browse: Browse) -> None:
    client = browse(fresh, "en")
    alert = leak_of(fresh)
    answer = client.post(f"/alerts/{alert.id}", data={"action": "note", "note": "x" * 30_000, "version": "1"})
    assert answer.status_code == 413


def test_alert_list_is_filtered_and_goes_on_where_it_stops(fresh: Any, browse: Browse) -> None:
    client = browse(fresh, "en")
    assert client.get("/alerts?kind=silent").text.count("data-alert=") == 1
    assert client.get("/alerts?dma=D3&state=acknowledged").text.count("data-alert=") == 1
    assert "No alerts here." in client.get("/alerts?dma=none").text
    assert client.get("/alerts?cursor=nonsense").status_code == 404
    assert client.get("/alerts?state=nonsense").status_code == 200


def test_alerts_stand_in_the_order_that_was_chosen_last(fresh: Any, browse: Browse) -> None:
    client = browse(fresh, "en")
    findings = [a.finding for a in fresh.alerts.list(limit=100).items]
    fresh.alerts.apply([replace(f, gain=-1.0) if f.kind is Kind.LEAK else f for f in findings])  # watched

    def shown_order(address: str) -> tuple[str, list[str]]:
        page = client.get(address).text
        chosen = re.search(r'<option value="(\w+)" selected>(?:most urgent|newest) first', page)
        assert chosen is not None
        return chosen[1], re.findall(r'data-alert="([^"]+)"', page)

    def ids(order: Order) -> list[str]:
        return [a.id for a in fresh.views.alerts(kind=LOUD, order=order).items]

    urgent, newest = ids(Order.URGENT), ids(Order.NEWEST)
    assert urgent != newest
    name, listed = shown_order("/alerts")
    assert (name, listed[: len(urgent)]) == ("urgent", urgent)
    name, listed = shown_order("/alerts?order=newest")
    assert (name, listed[: len(newest)]) == ("newest", newest)
    assert shown_order("/alerts?state=")[0] == "newest"  # it is kept
    assert shown_order("/alerts?order=nonsense")[0] == "newest"
    assert shown_order("/alerts?order=urgent")[0] == shown_order("/alerts")[0] == "urgent"


def test_a_demo_says_that_nobody_puts_in_bills_there(shown: Shown, browse: Browse) -> None:
    sample = shown("town")
    answer = browse(sample).get("/bills")
    assert answer.status_code == 403 and "Rekening air demo adalah bagian dari kota contohnya" in answer.text
    assert "administrator Twuin" not in answer.text
    problem = browse(sample).get("/api/v1/bills/uploads").json()
    assert problem["detail"].startswith("the demo's bills are part of its town")


def test_a_leak_page_tells_flow_loss_cost_and_where_to_look(shown: Shown, browse: Browse) -> None:
    sample = shown("town")
    alert = leak_of(sample)
    page = browse(sample).get(f"/alerts/{alert.id}").text
    assert "Sejak Jum 20 Nov 03.10\u00a0WIB, debit masuk ke DMA Sukun 12,4\u00a0m³/jam lebih tinggi" in page
    assert "kisaran 10,5–14,6" in page
    assert "298\u00a0m³" in page and "Rp\u00a01.339.200" in page
    assert page.index(alert.suspects[0].pipe) < page.index(alert.suspects[1].pipe)


def test_a_leak_page_tells_how_far_to_search_since_when_and_whether_a_visit_pays(
    shown: Shown, browse: Browse
) -> None:
    sample = shown("town")
    alert = leak_of(sample)
    client = browse(sample)
    page = client.get(f"/alerts/{alert.id}").text
    pipe = alert.search_from
    assert f"Mulai dari pipa {pipe} dan cari dalam jarak 120\u00a0m sepanjang pipa" in page
    assert "sembilan persepuluh dalam jarak 310\u00a0m" in page
    assert "kemungkinan antara Jum 20 Nov 01.10 dan Jum 20 Nov 04.10" in page
    assert "menghemat Rp\u00a041.000.000 lebih banyak daripada biayanya" in page
    area = json.loads(re.search(r'id="map-data" data-live>(.*?)</script>', page, re.S)[1])["area"]  # type: ignore[index]
    assert area[pipe] == 50 and 90 in area.values()
    assert f"Cari dalam jarak 120\u00a0m sepanjang pipa di sekitar {pipe}" in client.get("/alerts").text


def test_a_leak_not_worth_a_visit_is_watched_and_stays_in_view(fresh: Any, browse: Browse) -> None:
    sample = fresh
    stored = sample.views.alerts(kind=Kind.LEAK, state=State.OPEN).items[0]
    found = next(a for a in sample.alerts.list(limit=100).items if a.id == stored.id).finding
    others = [a.finding for a in sample.alerts.list(limit=100).items if a.id != stored.id]
    sample.alerts.apply([*others, replace(found, gain=-250_400.0)])
    client = browse(sample)
    assert sample.views.alert(stored.id).watched and sample.views.dma("D2").state == "watch"
    page = client.get(f"/alerts/{stored.id}").text
    assert "menelan biaya Rp\u00a0250.000 lebih banyak" in page and "Twuin terus memantaunya" in page
    for address in ("/", "/alerts?state=open"):
        shown_list = client.get(address).text
        assert f'data-alert="{stored.id}"' in shown_list and "Dipantau" in shown_list
    listed = client.get("/alerts?kind=leak").text
    assert "badge-watched" in listed


def test_losses_are_not_counted_on_while_the_picture_is_stale(
    samples: Any, fresh: Any, browse: Browse
) -> None:
    client = browse(fresh)
    assert "data-count" in client.get("/").text
    now = fresh.views.site()
    old = now.model_copy(update={"watermark": now.now.replace(year=now.now.year - 1)})
    fresh.views.site = lambda: old
    page = client.get("/").text
    assert 'data-rate="0"' in page or "data-count" not in page
    assert "Tidak ada bacaan baru yang dianalisis selama 365 hari" in page


def test_names_from_files_and_devices_cannot_become_markup(
    samples: Any, tmp_path: Any, browse: Browse
) -> None:
    sample = samples.empty(tmp_path)
    evil = "</script><script>alert(1)</script>\"'<img src=x onerror=alert(1)>"
    site = replace(
        sample.site,
        name=evil,
        dmas=(replace(sample.site.dmas[0], name=evil),),
        sensors=(replace(sample.site.sensors[0], name=evil, device=evil, lon=112.0, lat=-7.0),),
    )
    sample.views._site = site
    client = browse(sample)
    for address in ("/", "/sensors", "/sensors/D1-IN", "/dmas/D1", "/alerts", f"/sensors?q={evil}"):
        page = client.get(address)
        assert page.status_code == 200
        assert "<img" not in page.text and "<script>alert" not in page.text
    sample.store.close()


def test_the_digest_of_static_files_names_their_content() -> None:
    assert Templates().digest == Templates().digest
    assert re.fullmatch(r"[0-9a-f]{12}", Templates().digest)


def test_many_silences_are_folded_behind_alerts_about_water(samples: Any, fresh: Any, browse: Browse) -> None:
    fresh.findings += [
        Finding(Kind.SILENT, f"{d}-P{k}", d, samples.NOW - timedelta(hours=h), samples.NOW, samples.NOW)
        for h, (d, k) in enumerate([("D1", 1), ("D1", 2), ("D1", 3), ("D1", 4), ("D2", 1)], start=3)
    ]
    fresh.alerts.apply(fresh.findings)
    client = browse(fresh, "en")
    for address in ("/", "/alerts", "/alerts?state=open"):
        page = client.get(address).text
        assert (
            page.index("Leak in DMA Sukun") < page.index("6 sensor silences") < page.index("D2-P1 is silent")
        )
    assert "4 sensor silences" in client.get("/dmas/D1").text
    assert "sensor silences</summary>" not in client.get("/alerts?kind=silent").text


@pytest.mark.parametrize(
    "address",
    ["/dmas/D1?range=3w", "/dmas/D1?nights=7d", "/sensors/D1-IN?range=<b>", "/alerts?state=nonsense"],
)
def test_a_choice_that_a_page_does_not_know_is_said(address: str, shown: Shown, browse: Browse) -> None:
    page = browse(shown("town"), "en").get(address)
    assert page.status_code == 200
    assert "This page does not know “" in page.text
    assert "<b>”" not in page.text


def test_a_dma_shows_as_many_nights_as_chosen_and_its_links_lead_to_what_it_knows(
    shown: Shown, browse: Browse
) -> None:
    client = browse(shown("town"), "en")
    page = client.get("/dmas/D1").text
    links = re.findall(r'href="(\?(?:range|nights)=[^"]*)"', page)
    assert len(links) == 9
    counts = {}
    for link in links:
        answer = client.get(f"/dmas/D1{link.replace('&amp;', '&').split('#')[0]}").text
        assert "does not know" not in answer
        nights = re.search(r'"nights":\[(.*?)\]', answer)
        assert nights is not None
        counts[link] = nights[1].count(",") + 1
    few, many = (next(n for k, n in counts.items() if f"?nights={s}" in k) for s in ("28d", "all"))
    assert few <= 28 < many


def test_high_night_flow_says_what_it_is_measured_against(samples: Any, fresh: Any, browse: Browse) -> None:
    high = next(f for f in fresh.findings if f.kind is Kind.NIGHT_FLOW)
    evidence = {"night_flow_m3h": 78.2, "reference_m3h": 56.4, "legitimate_m3h": 6.05, "nights": 45}
    fresh.findings[fresh.findings.index(high)] = replace(high, evidence=evidence)
    fresh.alerts.apply(fresh.findings)
    client = browse(fresh, "en")
    alert = next(a for a in fresh.views.alerts().items if a.kind is Kind.NIGHT_FLOW)
    page = client.get(f"/alerts/{alert.id}").text
    assert "Measured against 56.4\u00a0m³/h" in page and "rose to 78.2\u00a0m³/h" in page
    assert "45 nights" in page
    assert '"reference":56.4' in page
    assert "78.2\u00a0m³/h at night against 56.4\u00a0m³/h" in client.get("/").text
    assert '"reference":56.4' in client.get("/dmas/D3").text
    assert '"reference":null' in client.get("/dmas/D1").text


def test_what_was_to_come_and_what_came_is_shown_by_day_and_where_something_is_missing(
    browse: Browse, samples: Any, tmp_path: Any
) -> None:
    page = browse(samples.BUILDERS["town"](tmp_path), "en").get("/ingest").text
    part = page[page.index('id="ledger"') :]
    rows = re.findall(r"<tr>.*?</tr>", part[: part.index("</table>")], re.S)
    days = [row for row in rows if "/sensors/" not in row][1:]
    assert ["Sat 21 Nov 2026" in days[0], "Fri 20 Nov 2026" in days[1]] == [True, True]
    assert len(rows) > 3 and "Missing" in rows[0]
    (tmp_path / "empty").mkdir()
    assert (
        'id="ledger"' not in browse(samples.BUILDERS["empty"](tmp_path / "empty"), "id").get("/ingest").text
    )


def test_wrong_clocks_are_shown_with_the_line_that_corrects_them(
    browse: Browse, samples: Any, tmp_path: Any
) -> None:
    town = samples.BUILDERS["town"](tmp_path)
    page = browse(town, "en").get("/ingest").text
    part = page[page.index('id="clocks"') :]
    device = town.site.sensors[0].device
    assert "7 hours ahead" in part and "a wrong time zone?" in part
    assert f"{device},25200,2026-11-21T05:10+07:00,," in part
    assert "Time in the future" in part
    (tmp_path / "empty").mkdir()
    assert (
        'id="clocks"' not in browse(samples.BUILDERS["empty"](tmp_path / "empty"), "id").get("/ingest").text
    )


def test_names_that_no_sensor_has_are_shown_as_text_with_what_they_said_last(
    browse: Browse, samples: Any, tmp_path: Any
) -> None:
    page = browse(samples.BUILDERS["town"](tmp_path), "en").get("/ingest").text
    assert "Heard but unknown" in page and "1.5 m3/h" in page and "no number" in page
    assert "&lt;b&gt;X-2&lt;/b&gt;" in page and "<b>X-2" not in page
    (tmp_path / "empty").mkdir()
    empty = browse(samples.BUILDERS["empty"](tmp_path / "empty"), "en").get("/ingest").text
    assert "Heard but unknown" not in empty


@pytest.mark.parametrize(("code", "said"), [("id", "Terlalu besar"), ("en", "This is too large")])
def test_a_form_that_is_too_large_is_answered_with_a_page(
    shown: Callable[[str], Any], browse: Callable[..., TestClient], code: str, said: str
) -> None:
    client = browse(shown("town"), code)
    here = {"accept": "text/html,*/*;q=0.8", "content-type": "application/x-www-form-urlencoded"}
    answer = client.post("/works", content=b"note=" + b"x" * 2**20, headers=here)
    assert answer.status_code == 413 and answer.headers["content-type"].startswith("text/html")
    assert said in answer.text and "content-security-policy" in answer.headers
    answer = client.post("/api/v1/works", content=b"x" * 2**20, headers=here)
    assert answer.status_code == 413 and answer.json()["status"] == 413


@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize("language", ["id", "en"])
def test_alerts_and_work_are_there_while_the_readings_are_away(
    fresh: Any, browse: Browse, monkeypatch: pytest.MonkeyPatch, language: str, seen: bool
) -> None:
    client = browse(fresh, language, raise_server_exceptions=False)
    leak, own = leak_of(fresh), fresh.views._own_watermark
    monkeypatch.setattr(fresh.views, "_own_watermark", lambda: None)  # the monitor is another process
    if seen:
        assert client.get("/alerts").status_code == 200

    def away(*args: object, **kwargs: object) -> Any:
        raise StoreUnavailable("secret inside")

    said = {"en": "The readings cannot be reached now", "id": "Bacaan sedang tidak dapat diakses"}
    last_seen = {"en": "Analysed up to", "id": "Dianalisis sampai"}
    for name in ("window", "extent", "batch", "latest", "gaps", "changes", "names"):
        monkeypatch.setattr(fresh.store, name, away)
    listed = client.get("/alerts")
    assert listed.status_code == 200 and leak.id in listed.text
    assert said[language] in listed.text and "secret" not in listed.text
    assert (last_seen[language] in listed.text) == seen
    for path in ("/works", "/works/new", "/public-reports", "/about"):
        page = client.get(path)
        assert page.status_code == 200 and said[language] in page.text, path
    for path in ("/field/jobs", f"/field/jobs/{leak.id}", f"/api/v1/field/jobs/{leak.id}"):
        assert client.get(path).status_code == 200, path
    page = client.get(f"/alerts/{leak.id}")
    assert page.status_code == 200 and said[language] in page.text
    form = {**form_of(page.text), "action": "acknowledge"}
    assert client.post(f"/alerts/{leak.id}", data=form).status_code == 303
    assert fresh.alerts.get(leak.id).state is State.ACKNOWLEDGED
    for path in ("/", "/sensors", f"/dmas/{leak.dma}", "/api/v1/site"):
        assert client.get(path).status_code == 503, path
    monkeypatch.setattr(fresh.views, "_own_watermark", own)
    assert said[language] in client.get(f"/alerts/{leak.id}").text


def test_a_silence_whose_readings_came_later_says_so_in_its_history(fresh: Any, browse: Any) -> None:
    silent = next(a for a in fresh.alerts.list().items if a.finding.kind is Kind.SILENT)
    fresh.alerts.apply([f for f in fresh.findings if f.kind is not Kind.SILENT])
    page = browse(fresh, "en").get(f"/alerts/{silent.id}").text
    history = page.partition('id="history"')[2]
    assert "Closed</strong> (Withdrawn: the readings of that time came later)" in history
    assert "no longer support" not in page


@pytest.mark.parametrize(
    ("code", "none"), [("en", "none in these days"), ("id", "belum ada pada hari-hari ini")]
)
def test_a_time_of_no_leak_is_no_median(shown: Any, browse: Browse, code: str, none: str) -> None:
    page = browse(shown("town"), code).get("/results").text
    assert page.count(none) == 2 and "median of 0" not in page and "median dari 0" not in page
