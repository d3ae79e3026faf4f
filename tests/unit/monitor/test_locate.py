"""Suspect pipes on the demo town: simulated with chance in demand, so the model knows it only roughly."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firmware_sim.fleet import readings
from firmware_sim.scenario import load_scenario, parse_scenario
from firmware_sim.town import demo_site_folder
from ingest.store.duck import DuckStore
from twuin.alerts.model import Finding, Kind
from twuin.monitor import Monitor, locate
from twuin.monitor import monitor as monitors
from twuin.monitor.locate import Locator, Place, Span
from twuin.monitor.placing import Placing
from waterworks.epanet_file import read_network
from waterworks.errors import NetworkError, Problem
from waterworks.geo import pipe_midpoints
from waterworks.network import Network
from waterworks.reading import ReadingBatch
from waterworks.site import Site
from waterworks.site_folder import read_site

BEGAN = np.datetime64("2026-03-02T13:00:00", "us")
LEAK = load_scenario("demo").leaks[0]
ONSET = BEGAN + np.timedelta64(90, "m")
SCENARIO = f"""
seed = 5
[[leak]]
id = "burst"
pipe = "{LEAK.pipe}"
start = "+90min"
flow_m3h = 10
"""


@pytest.fixture(scope="module")
def town() -> tuple[Site, Network]:
    site = read_site(demo_site_folder())
    assert site.network_file is not None
    return site, read_network(site.network_file)


@pytest.fixture(scope="module")
def batches(town: tuple[Site, Network]) -> list[ReadingBatch]:
    scenario = parse_scenario(SCENARIO).starting(BEGAN)
    begin, end = BEGAN - np.timedelta64(28, "D"), BEGAN + np.timedelta64(1, "D")
    return list(readings(town[0], scenario, begin, end))


@pytest.fixture(scope="module")
def store(batches: list[ReadingBatch], tmp_path_factory: pytest.TempPathFactory) -> Any:
    kept = DuckStore(tmp_path_factory.mktemp("located") / "a.duckdb")
    for batch in batches:
        kept.append(batch)
    yield kept
    kept.close()


def span(hours: float, flow_m3h: float = 10.0) -> Span:
    onset = int(ONSET.astype("datetime64[s]").astype(np.int64))
    return Span(onset, onset + round(hours * 3600), flow_m3h / 3600, 1.0 / 3600)


def placed(locator: Locator) -> Place:
    """Where it is in D3 after half a day."""
    return Placing(locator.place).place((0, 0), "D3", span(12), math.inf)


def test_the_leaking_pipe_is_among_the_suspects_and_the_best_of_them_is_near(
    town: tuple[Site, Network], store: DuckStore
) -> None:
    site, network = town
    place = placed(Locator(site, store, network))
    assert LEAK.pipe in [s.pipe for s in place.suspects]
    weights = [s.probability for s in place.suspects]
    assert weights == sorted(weights, reverse=True) and 0 < sum(weights) <= 1 + 1e-9
    where = pipe_midpoints(site, network)
    (lon, lat), (true_lon, true_lat) = where[place.suspects[0].pipe], where[LEAK.pipe]
    metres = np.hypot((lon - true_lon) * np.cos(np.radians(true_lat)), lat - true_lat) * 111_195
    assert metres < 300


def test_without_a_model_the_sensors_that_felt_it_are_named(
    town: tuple[Site, Network], store: DuckStore
) -> None:
    place = placed(Locator(town[0], store, None))
    assert place.suspects == ()
    assert place.near and all(name.startswith("D3-") for name in place.near)


def test_a_model_that_cannot_be_solved_does_not_cost_the_alert(
    town: tuple[Site, Network], store: DuckStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(path: Path, hours: object) -> object:
        raise NetworkError([Problem(path.name, None, "EPANET cannot solve it at 3 h")])

    monkeypatch.setattr(locate, "steady_states", fails)
    place = placed(Locator(town[0], store, town[1]))
    assert place.suspects == () and place.near
    assert "EPANET cannot solve it" in place.evidence["model_trouble"]


def test_an_alert_is_raised_at_once_and_its_place_follows_and_is_that_of_one_pass(
    town: tuple[Site, Network],
    batches: list[ReadingBatch],
    tmp_path: Path,
    recorder: Any,
    clock: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def leaks(findings: list[Finding]) -> list[Finding]:
        return [f for f in findings if f.kind is Kind.LEAK]

    def put(rows: Any) -> None:
        for batch in batches:
            some = batch.take(np.flatnonzero(rows(batch.time)))
            if len(some):
                store.append(some)

    monkeypatch.setattr(monitors, "network_watch", lambda *_: None)  # leaks by inflow alone
    store, rec = DuckStore(tmp_path / "live.duckdb"), recorder()
    monitor = Monitor(town[0], store, rec, clock=clock, network=town[1])
    put(lambda time: time < ONSET)
    clock.time = ONSET
    monitor.catch_up()
    assert leaks(rec.findings) == []
    monkeypatch.setattr(monitors, "PLACING_S", 0.0)
    while not leaks(rec.findings):
        first, clock.time = clock.time, clock.time + np.timedelta64(900, "s")
        assert clock.time < ONSET + np.timedelta64(12, "h")
        put(lambda time, first=first, last=clock.time: (time >= first) & (time < last))
        monitor.catch_up()
    (leak,) = leaks(rec.findings)
    assert leak.dma == "D3" and leak.suspects == ()
    calls = 0
    while not leaks(rec.findings)[0].suspects:
        calls += 1
        assert calls < 1000
        monitor.catch_up()
    expected = recorder()
    Monitor(town[0], store, expected, clock=clock, network=town[1]).catch_up()
    assert rec.findings == expected.findings
    store.close()
