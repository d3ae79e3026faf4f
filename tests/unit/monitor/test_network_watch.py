"""Leaks by the hydraulic model of a site: found, told once, and the same however the readings came."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from ingest.store.duck import DuckStore
from twuin.alerts.model import Finding, Kind
from twuin.monitor import Monitor
from twuin.monitor.network_watch import network_watch
from waterworks.epanet_file import read_network
from waterworks.network import Network
from waterworks.reading import ReadingBatch
from waterworks.site import Dma, MonitorOptions, Role, Sensor, Site
from waterworks.steady import SteadySolver
from waterworks.units import Quantity

SIDE, DAYS = 5, 34
M3H = 1 / 3600
ZONE = ZoneInfo("Asia/Jakarta")
FIRST = datetime(2026, 3, 1, tzinfo=ZONE)
START = np.datetime64(FIRST.astimezone(UTC).replace(tzinfo=None), "us")
ARRIVED = START + np.timedelta64(400, "D")
SENSORS = ("J0-2", "J1-4", "J2-1", "J3-3", "J4-0", "J4-4")


def inp() -> str:
    """A square grid of streets, 100 m from corner to corner, fed at one corner by a metered main."""
    at = [(i, j) for i in range(SIDE) for j in range(SIDE)]
    junctions = "\n".join(f"J{i}-{j} 10 1.0" for i, j in at)
    across = [f"A{i}-{j} J{i}-{j} J{i}-{j + 1} 100 80 110 0 Open" for i, j in at if j + 1 < SIDE]
    down = [f"D{i}-{j} J{i}-{j} J{i + 1}-{j} 100 80 110 0 Open" for i, j in at if i + 1 < SIDE]
    pipes = "\n".join(["MAIN R J0-0 50 200 120 0 Open", *across, *down])
    places = "\n".join([f"J{i}-{j} {100 * j} {100 * i}" for i, j in at] + ["R -50 -50"])
    return (
        f"[JUNCTIONS]\n{junctions}\n[RESERVOIRS]\nR 55\n[PIPES]\n{pipes}\n[COORDINATES]\n{places}\n"
        "[OPTIONS]\nUnits CMH\nHeadloss H-W\n[TIMES]\nDuration 24:00\n[END]\n"
    )


@pytest.fixture
def town(tmp_path: Path) -> tuple[Site, Network]:
    path = tmp_path / "network.inp"
    path.write_text(inp())
    pressure = [
        Sensor(f"P-{n}", Quantity.PRESSURE, "m", "D1", n, element=n, interval_s=3600.0) for n in SENSORS
    ]
    meter = Sensor("F", Quantity.FLOW, "m3/h", "D1", "F", Role.INLET, element="MAIN", interval_s=3600.0)
    site = Site(
        id="grid",
        name="Grid",
        timezone=ZONE,
        dmas=(Dma("D1", "Grid", 400),),
        sensors=(meter, *pressure),
        folder=tmp_path,
        network_file=path,
        node_dma={f"J{i}-{j}": "D1" for i in range(SIDE) for j in range(SIDE)},
        monitor=MonitorOptions(water_cost=0.8, visit_cost=50.0, currency="EUR"),
    )
    return site, read_network(path)


def readings(
    town: tuple[Site, Network], leaks: Callable[[float], dict[str, float]], days: int = DAYS, seed: int = 2
) -> ReadingBatch:
    """leaks: flow [m3/h] by pipe at a time [d]. Demands vary from house to house and hour to hour."""
    site, network = town
    assert site.network_file is not None
    rng = np.random.default_rng(seed)
    hours = 24 * days
    hour = np.arange(hours) % 24
    course = 0.6 + 0.5 * np.sin((hour - 8) * np.pi / 12).clip(0)
    with SteadySolver(site.network_file) as solver:
        demand = (
            solver.weekly[0] * course[:, None] * rng.normal(1, 0.2, (hours, len(network.node_ids))).clip(0)
        )
        for h in range(hours):
            for pipe, flow in leaks(h / 24).items():
                i = network.link_index[pipe]
                demand[h, [network.start[i], network.end[i]]] += flow * M3H / 2
        head, flow = solver.solve(demand, np.full((hours, 1), 55.0))
    nodes = [network.node_index[n] for n in SENSORS]
    pressure = head[:, nodes] - network.elevation[nodes] + rng.normal(0, 0.01, (hours, len(nodes)))
    main = flow[:, network.link_index["MAIN"]]
    values = np.column_stack([main, pressure])
    names = ("F", *(f"P-{n}" for n in SENSORS))
    time = START + np.arange(hours) * np.timedelta64(3600, "s")
    count = len(names)
    return ReadingBatch.columns(
        names, np.tile(np.arange(count), hours), np.repeat(time, count), values.ravel(), received=ARRIVED
    )


def burst(day: float) -> dict[str, float]:
    return {"A3-2": 4.0} if 24.4 <= day < 29.3 else {}


def part(batch: ReadingBatch, rows: Any) -> ReadingBatch:
    return ReadingBatch.columns(
        batch.names, batch.sensor[rows], batch.time[rows], batch.value[rows], received=ARRIVED
    )


def found(
    town: tuple[Site, Network], folder: Path, pieces: list[ReadingBatch], recorder: Any, clock: Any
) -> list[Finding]:
    """Findings after the last of ``pieces``, each of which the monitor saw before the next came."""
    site, network = town
    store = DuckStore(folder / f"{len(list(folder.iterdir()))}.duckdb")
    kept = recorder()
    monitor = Monitor(site, store, kept, clock=clock, network=network)
    for i, piece in enumerate(pieces):
        store.append(piece)
        monitor.catch_up(final=i == len(pieces) - 1)
    monitor.close()
    store.close()
    return [f for f in kept.findings if f.kind is not Kind.SILENT]


def test_a_burst_is_one_finding_with_its_place_size_and_hours(
    town: tuple[Site, Network], tmp_path: Path, recorder: Any, clock: Any
) -> None:
    batch = readings(town, lambda day: {"A3-2": 4.0} if day >= 24.4 else {})
    (leak,) = found(town, tmp_path, [batch], recorder, clock)
    began = FIRST + timedelta(days=24.4)
    assert (leak.kind, leak.dma) == (Kind.LEAK, "D1")
    assert leak.evidence["found_by"] == "model"
    assert abs(leak.onset - began) <= timedelta(hours=12)
    assert leak.onset_low is not None and leak.onset_high is not None
    hour = timedelta(hours=1)
    assert leak.onset_low - hour <= began <= leak.onset_high + hour
    assert leak.detected - began <= timedelta(days=2)
    assert leak.ended is None
    assert leak.flow_low < 4.0 * M3H < leak.flow_high
    assert leak.volume == pytest.approx(4.0 * 9.6 * 24, rel=0.25)
    assert leak.suspects[0].pipe in {"A3-2", "A3-1", "A3-3", "D2-2", "D3-2", "D2-3", "D3-3", "A2-2", "A4-2"}
    assert leak.radius_50_m is not None and leak.radius_90_m is not None
    assert 0 <= leak.radius_50_m <= leak.radius_90_m <= 400
    assert leak.gain is not None and leak.gain > 0


def test_the_day_of_its_repair_makes_a_leak_no_smaller_than_it_was(
    town: tuple[Site, Network], tmp_path: Path, recorder: Any, clock: Any
) -> None:
    batch = readings(town, lambda day: {"A3-2": 4.0} if 24.0 <= day < 27.6 else {})
    (leak,) = found(town, tmp_path, [batch], recorder, clock)
    assert leak.ended is not None
    assert leak.flow == pytest.approx(4.0 * M3H, rel=0.15)
    assert leak.flow_low < leak.flow < leak.flow_high


def test_a_quiet_town_has_no_leak(
    town: tuple[Site, Network], tmp_path: Path, recorder: Any, clock: Any
) -> None:
    assert not found(town, tmp_path, [readings(town, lambda day: {})], recorder, clock)


def test_pieces_late_readings_and_a_restart_end_in_the_same_findings(
    town: tuple[Site, Network], tmp_path: Path, recorder: Any, clock: Any
) -> None:
    whole = readings(town, burst)
    once = found(town, tmp_path, [whole], recorder, clock)
    (leak,) = once
    assert leak.ended is not None and abs(leak.ended - (FIRST + timedelta(days=29.3))) < timedelta(hours=12)
    assert leak.flow == pytest.approx(4.0 * M3H, rel=0.3)
    day = (whole.time - START) / np.timedelta64(86400, "s")
    pieces = [part(whole, (day >= a) & (day < b)) for a, b in ((0, 25.6), (25.6, 28.2), (28.2, 99))]
    assert found(town, tmp_path, pieces, recorder, clock) == once
    late = (day >= 24) & (day < 26) & (whole.sensor > 3)
    assert found(town, tmp_path, [part(whole, ~late), part(whole, late)], recorder, clock) == once


def test_a_network_without_a_meter_or_a_pressure_sensor_in_it_is_not_watched(
    town: tuple[Site, Network], tmp_path: Path
) -> None:
    site, network = town
    store = DuckStore(tmp_path / "none.duckdb")
    assert network_watch(site, store, None, 35) is None
    for quantity in (Quantity.FLOW, Quantity.PRESSURE):
        without = replace(site, sensors=tuple(s for s in site.sensors if s.quantity is not quantity))
        assert network_watch(without, store, network, 35) is None
    store.close()


def test_a_network_that_cannot_be_read_costs_no_alert_by_inflow(
    town: tuple[Site, Network], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site, network = town
    store = DuckStore(tmp_path / "none.duckdb")
    assert site.network_file is not None
    site.network_file.write_text("[JUNCTIONS]\nJ0-0 here 1\n")
    assert network_watch(site, store, network, 35) is None
    assert "hydraulic model" in caplog.text
    store.close()
