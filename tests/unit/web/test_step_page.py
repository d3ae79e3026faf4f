"""The page of step tests: a plan to print, flows to enter, and what they say, in both languages."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from fastapi.testclient import TestClient

from twuin.web.formats import Formats
from twuin.web.locales import LANGUAGES, language
from twuin.web.step_words import StepWords
from waterworks.errors import WrongInput

Browse = Callable[..., TestClient]
Shown = Callable[[str], Any]

CODES = (
    "no_valve", "no_time", "no_reading", "other_dma", "no_step", "nothing_shut", "nothing_dry", "no_flow",
    "nothing_more", "disorder", "not_a_number", "too_large", "not_a_time", "gap",
)  # fmt: skip


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("id", "Kebocoran ada di bagian yang tetap"),
        ("en", "The leak is in the part that keeps its water, with"),
    ],
)
def test_a_leak_in_no_step_is_said_in_a_sentence(shown: Shown, browse: Browse, code: str, said: str) -> None:
    client = browse(shown("town"), code)
    plan = client.get("/api/v1/dmas/D1/step-test?steps=2").json()
    before = plan["inflow_m3h"] + 40
    fields = {"of": "D1", "steps": "2", "judge": "1", "f0": f"{before:.2f}"}
    for s in plan["steps"]:
        before -= s["drop_m3h"]
        fields[f"v{s['step']}"] = " ".join(v["id"] for v in s["shut"])
        fields[f"f{s['step']}"] = f"{before:.2f}"
    assert said in unescape(client.get("/step-test", params=fields).text)


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_plan_names_valves_drops_and_who_is_without_water(shown: Shown, browse: Browse, code: str) -> None:
    client = browse(shown("town"), code)
    page = client.get("/step-test?dma=D1&steps=3")
    plan = client.get("/api/v1/dmas/D1/step-test?steps=3").json()
    assert page.status_code == 200 and plan["steps"]
    for valve in (v for s in plan["steps"] for v in s["shut"]):
        assert valve["id"] in page.text and valve["name"] in page.text
    assert page.text.count('class="step-valve"') == plan["valves"]
    assert "style=" not in page.text
    assert ("Tanpa air" if code == "id" else "Without water") in page.text


def test_an_alert_s_suspects_are_what_is_cornered(shown: Shown, browse: Browse) -> None:
    sample = shown("town")
    client = browse(sample, "en")
    leak = next(a for a in sample.views.alerts().items if a.kind == "leak" and not a.ended)
    assert f"/step-test?alert={leak.id}" in client.get(f"/alerts/{leak.id}").text
    assert "/step-test?dma=D2" in client.get("/dmas/D2").text
    page = client.get(f"/step-test?alert={leak.id}").text
    assert f'value="alert:{leak.id}" selected' in page
    chosen = client.get(f"/step-test?of=alert:{leak.id}").text
    assert re.findall('class="code">(.*?)<', page) == re.findall('class="code">(.*?)<', chosen)


@pytest.mark.parametrize("code", LANGUAGES)
def test_flows_that_are_entered_are_judged(shown: Shown, browse: Browse, code: str) -> None:
    client = browse(shown("town"), code)
    plan = client.get("/api/v1/dmas/D1/step-test?steps=2").json()
    before = plan["inflow_m3h"] + 9
    fields = {"of": "D1", "steps": "2", "judge": "1", "f0": f"{before:.2f}".replace(".", ",")}
    for s in plan["steps"]:
        before -= s["drop_m3h"] + (9 if s["step"] == 1 else 0)
        fields[f"v{s['step']}"] = " ".join(v["id"] for v in s["shut"])
        fields[f"f{s['step']}"] = f"{before:.2f}"
    page = unescape(client.get("/step-test", params=fields).text)
    assert re.search("Kebocoran ada di Bagian 1" if code == "id" else "The leak is in Area 1", page)
    made = {
        "before_m3h": plan["inflow_m3h"] + 9,
        "steps": [
            {"shut": fields[f"v{s['step']}"].split(), "flow_m3h": float(fields[f"f{s['step']}"])}
            for s in plan["steps"]
        ],
    }
    told = client.post("/api/v1/dmas/D1/step-test/evaluation", json=made)
    assert told.status_code == 200 and told.json()["verdict_steps"] == [1]


def test_a_time_without_readings_is_named_with_its_day(shown: Shown, browse: Browse) -> None:
    client = browse(shown("town"), "en")
    [step, *_] = client.get("/api/v1/dmas/D1/step-test?steps=2").json()["steps"]
    shut = " ".join(v["id"] for v in step["shut"])
    asked = {"of": "D1", "judge": "1", "f0": "3", "v1": shut, "t1": "2026-11-29T01:30"}
    page = unescape(client.get("/step-test", params=asked).text)
    assert re.search(r"Step 1: no reading of .* from Sun 29 Nov 01:33 to 01:53", page)
    page = unescape(client.get("/step-test", params={k: v for k, v in asked.items() if k != "f0"}).text)
    assert re.search(r"All valves open: no reading of .* from Sun 29 Nov 01:10 to 01:30", page)


def test_what_was_entered_stays_where_the_plan_of_today_has_fewer_steps(shown: Shown, browse: Browse) -> None:
    """The leak's suspects move while a crew is out: what they entered is not to be lost with the next tap."""
    client = browse(shown("town"), "en")
    [step] = client.get("/api/v1/dmas/D1/step-test?steps=1").json()["steps"]
    shut = " ".join(v["id"] for v in step["shut"])
    asked = {
        "of": "D1",
        "steps": "1",
        "judge": "1",
        "f0": "30",
        "v1": shut,
        "f1": "29",
        "v2": "V-004",
        "f2": "28,5",
    }
    page = client.get("/step-test", params=asked).text
    for name in (name for name in asked if name[1:].isdigit()):
        assert re.search(f'name="{name}"[^>]* value="{asked[name]}"', page), name


def test_an_inflow_that_falls_where_no_water_was_taken_is_not_judged(shown: Shown, browse: Browse) -> None:
    """A valve was forgotten, or another one named: an area would be named for what another lost."""
    client = browse(shown("town"), "en")
    [step, *_] = client.get("/api/v1/dmas/D1/step-test?steps=2").json()["steps"]
    shut = " ".join(v["id"] for v in step["shut"])
    asked = {"of": "D1", "judge": "1", "f0": "30", "v1": shut, "f1": "29", "v2": shut, "f2": "9"}
    page = unescape(client.get("/step-test", params=asked).text)
    assert re.search(r"Step 2: the inflow fell by 20.0\s?m³/h, but by the model", page)
    assert "What the flows say" not in page
    steps = [{"shut": shut.split(), "flow_m3h": 29}, {"shut": shut.split(), "flow_m3h": 9}]
    made = {"before_m3h": 30, "steps": steps}
    told = client.post("/api/v1/dmas/D1/step-test/evaluation", json=made)
    assert told.status_code == 422 and "step 2: the inflow fell by 20 m3/h" in told.json()["detail"]
    steps[1]["flow_m3h"] = 28.9
    assert client.post("/api/v1/dmas/D1/step-test/evaluation", json=made).status_code == 200


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("judge=1&v1=V-000&f0=3&f1=x", "Step 1: “x” is no number"),
        ("judge=1&v1=V-000&f0=x&f1=2", "All valves open: “x” is no number"),
        ("judge=1&v1=V-000&f0=3&f1=99999999", "Step 1: “99999999” is too large"),
        ("judge=1&v1=V-000&f0=3&t1=yesterday", "Step 1: “yesterday” is no time"),
        ("judge=1&v1=none&f0=3&f1=2", "none is no valve"),
        ("judge=1&f0=3&f2=2&v2=V-004", "Step 1 is empty"),
        ("judge=1", "at least one step"),
        ("dma=D9", "does not know “D9”"),
        ("alert=none", "does not know “none”"),
        ("steps=99&dwell=-1", ""),
    ],
    ids=["number", "first number", "large", "time", "valve", "gap", "none", "dma", "alert", "bounds"],
)
def test_what_is_entered_wrongly_is_told(shown: Shown, browse: Browse, query: str, said: str) -> None:
    of = "of=D1&" if "judge" in query else ""
    page = browse(shown("town"), "en").get(f"/step-test?{of}{query}")
    assert page.status_code == 200
    assert said in unescape(page.text)


def test_a_site_without_a_model_is_told_what_it_takes(shown: Shown, browse: Browse) -> None:
    page = browse(shown("bare"), "en").get("/step-test")
    assert page.status_code == 200 and "EPANET" in page.text
    assert browse(shown("bare"), "en").get("/api/v1/dmas/A/step-test").status_code == 404


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_mistake_has_a_sentence_of_its_own(code: str) -> None:
    from zoneinfo import ZoneInfo

    messages = language(code).messages
    words = StepWords(
        Formats(code, messages.gettext, messages.ngettext, ZoneInfo("Asia/Jakarta"), "IDR", 2026)
    )
    values = dict.fromkeys(("step", "valve", "meter", "start", "end", "alert", "value", "drop"), "7")
    said = [words.problem(WrongInput("nothing said", c, **values)) for c in CODES]
    assert len(set(said)) == len(CODES) and "nothing said" not in said
    assert words.problem(WrongInput("as it is")) == "as it is"
