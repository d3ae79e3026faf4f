"""Every panel, variable and annotation of every dashboard gets rows from a real InfluxDB 1.6."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from twuin.grafana.bundle import Bundle, make_bundle
from twuin.grafana.installation import LANGUAGES, Installation

pytestmark = pytest.mark.servers


def _asking() -> ModuleType:
    name = "grafana_asking"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("asking.py"))
        assert spec is not None and spec.loader is not None
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


asking = _asking()

BOARDS = ("overview", "dma", "sensor", "leak", "pressure", "balance", "ingest", "twuin")
DAY_MS = 86_400_000
BY_KIND = {"sensor"}
"""Dashboards whose panels ask for each quantity: a sensor answers to its own."""


@pytest.fixture(scope="module", params=LANGUAGES)
def bundle(request: pytest.FixtureRequest) -> Bundle:
    return make_bundle(Installation(), request.param)


def model_of(bundle: Bundle, name: str) -> dict[str, Any]:
    return dict(next(b.model for b in bundle.dashboards if b.name == name))


def asker(filled: Any, model: dict[str, Any], **picked: str) -> Any:
    """Looks at what the dashboard shows at first, at the end of the data."""
    end = int(filled.end.astype("datetime64[ms]").astype(np.int64))
    match = re.fullmatch(r"now-(\d+)d", model["time"]["from"])
    assert match is not None
    a = asking.Asker(filled.url, filled.database, end - int(match[1]) * DAY_MS, end)
    for variable in model["templating"]["list"]:
        name = variable["name"]
        if variable["type"] == "constant":
            a.picked[name] = variable["query"]
            continue
        choices = a.choices(variable["query"])
        assert choices, f"variable {name} has nothing to pick"
        if variable["includeAll"]:
            a.picked[name] = variable["allValue"]
            a.raw.add(name)
        else:
            a.picked[name] = picked.get(name, choices[0])
            assert a.picked[name] in choices
    return a


def picks(filled: Any, name: str) -> list[dict[str, str]]:
    """What to pick at the top so that each of a dashboard's questions has an answer."""
    own = {"site": filled.site}
    if name == "sensor":
        return [{**own, "sensor": s} for s in ("D2-IN", filled.fault_sensor, "TANK-1-L")]
    return [{**own, "dma": filled.leak_dma, "leak": filled.leak}]


def test_no_dashboard_is_forgotten(bundle: Bundle) -> None:
    assert tuple(b.name for b in bundle.dashboards) == BOARDS


@pytest.mark.parametrize("name", BOARDS)
def test_no_panel_is_empty(filled: Any, bundle: Bundle, name: str) -> None:
    model = model_of(bundle, name)
    answered: set[tuple[int, str]] = set()
    asked: set[tuple[int, str]] = set()
    for picked in picks(filled, name):
        a = asker(filled, model, **picked)
        for panel in asking.panels(model):
            some = False
            for target in panel["targets"]:
                key = (panel["id"], target["refId"])
                asked.add(key)
                found = a.ask(target["query"], panel.get("interval"))
                if target["resultFormat"] == "table":
                    # Of several tags Grafana's data source orders the columns at random, row by row.
                    assert all(len(series.get("tags", {})) <= 1 for series in found), target["query"]
                if asking.values(found):
                    answered.add(key)
                    some = True
            assert some, f"{name}: panel {panel['title']!r} is empty with {picked}"
    empty = sorted(asked - answered)
    if name in BY_KIND:  # quantities that this town has no sensor of
        empty = [key for key in empty if key[1] not in "DEFGH"]
    assert not empty, [p["title"] for p in asking.panels(model) for key in empty if p["id"] == key[0]]


def test_annotations_show_leaks_repairs_works_and_faults(filled: Any, bundle: Bundle) -> None:
    for name in BOARDS:
        model = model_of(bundle, name)
        if not model["annotations"]["list"]:
            assert name == "twuin"
            continue
        a = asker(filled, model, **picks(filled, name)[0])
        a.begin -= 20 * DAY_MS
        found = {x["name"]: a.ask(x["target"]["query"]) for x in model["annotations"]["list"]}
        assert len(found) == 4
        if name in ("overview", "balance", "ingest", "pressure"):
            assert all(asking.values(rows) for rows in found.values()), name
        for annotation in model["annotations"]["list"]:
            for series in found[annotation["name"]]:
                assert {"time", "text", "until_ms", "dma", "id"} == set(series["columns"])


def test_what_they_show_is_what_happened(filled: Any) -> None:
    model = model_of(make_bundle(Installation(), "en"), "dma")
    a = asker(filled, model, site=filled.site, dma=filled.leak_dma)
    panel = next(p for p in model["panels"] if p["title"] == "Inflow against expected")
    curves = {}
    for target in panel["targets"]:
        (series,) = a.ask(target["query"], panel["interval"])
        curves[target["alias"]] = {row[0]: row[1] for row in series["values"]}
    times = sorted(set.intersection(*(set(c) for c in curves.values())))
    assert len(times) > 600
    assert all(curves["low"][t] < curves["expected"][t] < curves["high"][t] for t in times)
    width = [curves["high"][t] - curves["expected"][t] for t in times]
    assert all(
        abs(w - (curves["expected"][t] - curves["low"][t])) < 1e-6 for w, t in zip(width, times, strict=True)
    )
    last_day = [t for t in times if t > a.end - DAY_MS]
    excess = np.mean([curves["inflow"][t] - curves["expected"][t] for t in last_day])
    assert excess == pytest.approx(11, abs=3), "the leak that runs"

    model = model_of(make_bundle(Installation(), "en"), "leak")
    a = asker(filled, model, site=filled.site, leak=filled.leak)
    panel = next(p for p in model["panels"] if p["title"] == "Flow")
    assert a.ask(panel["targets"][0]["query"])[0]["values"][0][1] == pytest.approx(11, abs=3)
    panel = next(p for p in model["panels"] if p["title"] == "Suspect pipes")
    shares = [row for s in a.ask(panel["targets"][0]["query"]) for row in s["values"]]
    assert 1 <= len(shares) <= 10 and 0 < sum(row[2] for row in shares) <= 1 + 1e-9

    model = model_of(make_bundle(Installation(), "en"), "overview")
    a = asker(filled, model, site=filled.site)
    by_title = {p["title"]: p for p in model["panels"]}
    nrw = a.ask(by_title["NRW"]["targets"][0]["query"])[0]["values"][0][1]
    assert 0 < nrw < 0.6
    table = a.ask([p for p in model["panels"] if p["title"] == "Open leaks"][1]["targets"][0]["query"])
    rows = [dict(zip(s["columns"], row, strict=True)) | s["tags"] for s in table for row in s["values"]]
    assert filled.leak in {row["alert"] for row in rows}
    assert all(row["dma"] and row["kind"] for row in rows)
