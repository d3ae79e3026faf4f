"""Alert rules, asked of a real InfluxDB 1.6 and judged as Grafana judges them."""

from __future__ import annotations

import importlib.util
import sys
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from twuin.figures.names import STATE
from twuin.grafana.bundle import make_bundle
from twuin.grafana.installation import Installation

pytestmark = pytest.mark.servers

NOW = 1_772_323_200_000  # ms

Ask = Callable[[str, list[str]], dict[tuple[tuple[str, str], ...], bool]]


def _asker(url: str, database: str, begin: int, end: int) -> Any:
    name = "grafana_asking"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("asking.py"))
        assert spec is not None and spec.loader is not None
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name].Asker(url, database, begin, end)


@pytest.fixture
def ask(influxdb: Any, request: pytest.FixtureRequest) -> Ask:
    """Gives what a rule says of points: its labels and whether it fires. No data: nothing."""
    database = f"rules_{abs(hash(request.node.name))}"

    def send(path: str, body: str) -> None:
        urllib.request.urlopen(f"{influxdb.url}{path}", body.encode(), timeout=30).close()

    def ask(
        name: str, points: list[str], installation: Installation | None = None
    ) -> dict[tuple[tuple[str, str], ...], bool]:
        send("/query", urllib.parse.urlencode({"q": f'CREATE DATABASE "{database}"'}))
        send(f"/write?db={database}&precision=ms", "\n".join(points) or f"other x=1 {NOW}")
        rules = make_bundle(installation or Installation(), "en").rules
        steps = rules[("events", "readings", "monitor").index(name)].model["data"]
        begin = NOW - 1000 * steps[0]["relativeTimeRange"]["from"]
        series = _asker(influxdb.url, database, begin, NOW).ask(steps[0]["model"]["query"])
        limit = steps[2]["model"]["conditions"][0]["evaluator"]
        found: dict[tuple[tuple[str, str], ...], bool] = {}
        for one in series:
            values = [row[1] for row in one["values"] if row[1] is not None]
            value = sum(values) if steps[1]["model"]["reducer"] == "sum" else values[-1]
            labels = tuple(sorted(one.get("tags", {}).items()))
            assert labels not in found, "Grafana takes two series of the same labels for an error"
            fires = value > limit["params"][0] if limit["type"] == "gt" else value < limit["params"][0]
            found[labels] = fires
        return found

    return ask


def dma(name: str, alerts: int, minutes: float, site: str = "kota") -> str:
    return f"{STATE},site={site},what=dma,dma={name} open_alerts={alerts}i {NOW - int(minutes * 60_000)}"


def sensor(name: str, age_s: float, minutes: float, site: str = "kota") -> str:
    return f"{STATE},site={site},what=sensor,sensor={name} age_s={age_s} {NOW - int(minutes * 60_000)}"


def test_one_alarm_for_each_dma_with_open_alerts_as_it_stands_now(ask: Ask) -> None:
    points = [dma("D1", 0, 10), dma("D1", 2, 5), dma("D2", 1, 10), dma("D2", 0, 5), dma("D3", 3, 60)]
    assert ask("events", points) == {
        (("dma", "D1"), ("site", "kota")): True,
        (("dma", "D2"), ("site", "kota")): False,
    }


def test_a_rule_of_one_site_sees_no_other(ask: Callable[..., Any]) -> None:
    points = [dma("D1", 1, 5, "it's"), dma("D1", 1, 5, "other")]
    found = ask("events", points, Installation(site="it's"))
    assert found == {(("dma", "D1"), ("site", "it's")): True}


def test_a_single_silent_sensor_does_not_stop_the_readings(ask: Ask) -> None:
    assert ask("readings", [sensor("A", 4000, 5), sensor("B", 90, 5)]) == {(("site", "kota"),): False}


def test_readings_that_stopped_fire_once(ask: Ask) -> None:
    stopped = [sensor("A", 7000, 1), sensor("B", 4000, 1), sensor("A", 6900, 14), sensor("B", 3900, 14)]
    assert ask("readings", stopped) == {(("site", "kota"),): True}


def test_a_monitor_that_writes_is_well(ask: Ask) -> None:
    points = [f"{STATE},site=kota,what=site open_alerts=0i {NOW - 60_000 * m}" for m in (1, 6, 11)]
    assert ask("monitor", points) == {(): False}


def test_where_nothing_is_written_one_rule_of_three_alarms(ask: Ask) -> None:
    rules = {r.uid: r.model for r in make_bundle(Installation(), "en").rules}
    for uid in rules:
        assert ask(uid.rpartition("-")[2], []) == {}
    assert [uid for uid, model in rules.items() if model["noDataState"] != "OK"] == ["twuin-rule-monitor"]
    assert [uid for uid, model in rules.items() if model["execErrState"] != "OK"] == ["twuin-rule-monitor"]
