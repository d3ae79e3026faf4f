"""Live, replayed and backfilled, the same data end in the same alerts; sent again they change nothing."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from firmware_sim.broker_address import BrokerAddress
from firmware_sim.files import write_files
from firmware_sim.live import run_fleet
from firmware_sim.scenario import parse_scenario
from firmware_sim.town import demo_site_folder
from ingest.broker import start_broker
from ingest.link import BrokerOptions
from ingest.mapping import load_mapping
from ingest.replay import replay
from twuin.app import (
    Parts,
    build,
    every_alert,
    health_parts,
    make_monitor,
    make_views,
    start_ingest,
    start_monitor,
)
from twuin.file_jobs import run_backfill
from twuin.settings import Settings, load
from waterworks.site import Site
from waterworks.site_folder import read_site

pytestmark = pytest.mark.servers

START = np.datetime64("2026-03-01T17:00:00", "us")  # midnight in the town
DAYS = 20
SCENARIO = """
name = "same"
seed = 7

[[leak]]
id = "burst"
pipe = "P2040"
start = "+16d 09:00"
end = "+18d 15:00"
flow_m3h = 9

# A logger that is away for half a day and then sends what it kept: late data, across the burst.
[[fault]]
id = "away"
kind = "offline"
device = "D2-P3-LOG"
start = "+16d 03:00"
end = "+16d 16:00"

# An inlet meter that does the same: the DMA's inflow itself comes late.
[[fault]]
id = "meter"
kind = "offline"
device = "D4-INLET"
start = "+12d 03:00"
end = "+12d 09:00"

# Sensors that do not tell the truth: their alerts, too, are the same however the readings came.
[[fault]]
id = "shifted"
kind = "offset"
sensor = "D3-P2"
start = "+14d 05:00"
end = "+17d 12:00"
value = 3.0

[[fault]]
id = "stuck"
kind = "stuck"
sensor = "D5-IN2"
start = "+15d 06:00"
end = "+17d 06:00"
"""


@pytest.fixture(scope="module")
def town() -> Site:
    return read_site(demo_site_folder())


@pytest.fixture(scope="module")
def recorded(town: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the readings of the scenario, as ``twuin simulate --out`` writes them."""
    folder = tmp_path_factory.mktemp("recorded") / "out"
    write_files(town, parse_scenario(SCENARIO), folder, START, START + np.timedelta64(DAYS, "D"))
    return folder


def settings(folder: Path, port: int = 1883, influx: str = "") -> Settings:
    """influx: address of an InfluxDB 1.x to keep the readings in; "": the embedded store."""
    return load(
        None,
        {
            "site": demo_site_folder(),
            "data_dir": folder,
            "mqtt": {"port": port},
            "store": {"kind": "influxdb", "version": "1", "url": influx} if influx else {},
            "clock": {"kind": "data"},
            "monitor": {"poll_s": 0.2},
        },
    )


@contextmanager
def watching(folder: Path, influx: str = "") -> Iterator[tuple[Parts, int]]:
    """Broker, ingest and monitor at work, as ``twuin serve`` runs them; and the broker's port."""
    broker = start_broker(folder / "broker", 0)
    try:
        parts = build(settings(folder, broker.port, influx))
        with closing(parts):
            start_ingest(parts)
            start_monitor(parts)
            assert parts.consumer is not None
            wait(lambda: parts.consumer is not None and parts.consumer.stats.connected)
            yield parts, broker.port
            parts.jobs.finish()
    finally:
        broker.stop()


def wait(ready: Any, patience_s: float = 120.0) -> None:
    end = time.monotonic() + patience_s
    while not ready():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.1)


def settle(parts: Parts, readings: int) -> None:
    """Wait until ``readings`` have come and the monitor has seen them all."""
    consumer = parts.consumer
    assert consumer is not None
    wait(lambda: consumer.stats.stored + (consumer.stats.duplicates or 0) >= readings)


def alerts_after_all(parts: Parts) -> list[dict[str, Any]]:
    """All alerts as people see them, once every reading is analysed."""
    monitor = parts.monitor or make_monitor(parts)
    monitor.catch_up(final=True)
    alerts = [comparable(a.model_dump(mode="json")) for a in every_alert(make_views(parts))]
    return [a for a in alerts if clockless(a)]


def comparable(alert: dict[str, Any]) -> dict[str, Any]:
    """Without what counts the steps on the way there."""
    return {k: v for k, v in alert.items() if k != "version"}


def clockless(alert: dict[str, Any]) -> bool:
    """Whether the alert is about the readings alone. That a sensor says nothing *now* is for the clock to
    tell: a device that was away and sends later what it kept was silent for who looked on, not afterwards.
    """
    return not (alert["kind"] == "silent" and alert["reason"] == "withdrawn")


def assert_same(alerts: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """The same alerts in the same order; says which fields of which alert differ."""
    assert [(a["kind"], a["subject"], a["id"]) for a in alerts] == [
        (a["kind"], a["subject"], a["id"]) for a in expected
    ]
    for alert, wanted in zip(alerts, expected, strict=True):
        differing = {k: (alert[k], wanted[k]) for k in wanted if not same(alert[k], wanted[k])}
        assert not differing


def same(value: Any, wanted: Any) -> bool:
    """Equal; numbers to nine digits, because threads of the linear algebra may add up in another order."""
    if isinstance(wanted, dict):
        return value.keys() == wanted.keys() and all(same(value[k], wanted[k]) for k in wanted)
    if isinstance(wanted, list):
        return len(value) == len(wanted) and all(map(same, value, wanted))
    if isinstance(wanted, float):
        return math.isclose(value, wanted, rel_tol=1e-9, abs_tol=1e-12)
    return bool(value == wanted)


def stored(parts: Parts) -> int:
    """Number of measured readings in the store."""
    names = [s.id for s in parts.site.sensors]
    window = parts.store.window(names, START - np.timedelta64(1, "D"), START + np.timedelta64(DAYS + 1, "D"))
    return int(np.isfinite(window.values).sum())


@pytest.fixture(scope="module")
def backfilled(recorded: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], int]:
    """The alerts of a backfill into the embedded store, and how many readings it stored."""
    chosen = settings(tmp_path_factory.mktemp("backfill"))
    report = run_backfill(
        chosen, [recorded / "readings.parquet"], recorded / "mapping.toml", progress=lambda share: None
    )
    with closing(build(chosen)) as parts:
        expected = alerts_after_all(parts)
        readings = stored(parts)
    assert report["stored"] == readings > 100_000
    return expected, readings


def test_live_replay_and_backfill_end_in_the_same_alerts(
    town: Site, recorded: Path, tmp_path: Path, backfilled: tuple[list[dict[str, Any]], int]
) -> None:
    files = [recorded / "readings.parquet"]
    mapping = recorded / "mapping.toml"
    expected, readings = backfilled
    leaks = [a for a in expected if a["kind"] == "leak"]
    assert [a["dma"] for a in leaks] == ["D2"], "the burst, the whole burst and nothing but the burst"
    assert leaks[0]["ended"] is not None
    faults = {(a["subject"], a["evidence"]["fault"]) for a in expected if a["kind"] == "sensor"}
    assert faults == {("D3-P2", "offset"), ("D5-IN2", "stuck")}

    with watching(tmp_path / "replay") as (parts, port):
        options = BrokerOptions(port=port)
        sent = replay(files, load_mapping(mapping), town, options, speed=math.inf)
        assert sent.readings == readings
        settle(parts, readings)
    with closing(build(settings(tmp_path / "replay"))) as parts:
        assert_same(alerts_after_all(parts), expected)
        assert stored(parts) == readings

    with watching(tmp_path / "live") as (parts, port):
        fleet = run_fleet(
            town,
            parse_scenario(SCENARIO),
            BrokerAddress("127.0.0.1", port),
            None,
            threading.Event(),
            start=START,
            end=START + np.timedelta64(DAYS, "D"),
        )
        assert fleet.readings == readings
        settle(parts, readings)
    with closing(build(settings(tmp_path / "live"))) as parts:
        assert_same(alerts_after_all(parts), expected)
        assert stored(parts) == readings


def test_the_same_file_twice_adds_no_reading_and_no_alert(town: Site, recorded: Path, tmp_path: Path) -> None:
    files = [recorded / "readings.parquet"]
    mapping = recorded / "mapping.toml"
    chosen = settings(tmp_path)
    run_backfill(chosen, files, mapping, progress=lambda share: None)
    with closing(build(chosen)) as parts:
        before = alerts_after_all(parts)
        readings = stored(parts)
    assert before

    again = run_backfill(chosen, files, mapping, progress=lambda share: None)
    assert (again["stored"], again["replaced"], again["duplicates"]) == (0, 0, readings)
    with watching(tmp_path) as (parts, port):
        replay(files, load_mapping(mapping), town, BrokerOptions(port=port), speed=math.inf)
        settle(parts, readings)
        assert parts.consumer is not None and parts.consumer.stats.stored == 0
    with closing(build(chosen)) as parts:
        assert_same(alerts_after_all(parts), before)
        assert stored(parts) == readings


def test_on_influxdb_late_readings_of_another_process_end_in_the_same_alerts(
    town: Site,
    recorded: Path,
    tmp_path: Path,
    new_influxdb: Any,
    backfilled: tuple[list[dict[str, Any]], int],
) -> None:
    expected, readings = backfilled
    mapping = recorded / "mapping.toml"
    table = parquet.read_table(recorded / "readings.parquet")
    burst = np.datetime64("2026-03-17T00:00", "us")
    late = np.array([name.startswith("D2-") for name in table["sensor"].to_pylist()])
    late &= table["time"].to_numpy() > burst
    for name, rows in (("first", ~late), ("late", late)):
        (tmp_path / name).mkdir()
        parquet.write_table(table.filter(pa.array(rows)), tmp_path / name / "readings.parquet")
    (tmp_path / "influxdb").mkdir()
    server = new_influxdb(tmp_path / "influxdb")
    chosen = settings(tmp_path / "live", influx=server.url)

    with watching(tmp_path / "live", server.url) as (parts, port):
        first = [tmp_path / "first" / "readings.parquet"]
        sent = replay(first, load_mapping(mapping), town, BrokerOptions(port=port), speed=math.inf)
        settle(parts, sent.readings)
        assert sent.readings < readings
        assert parts.consumer is not None and parts.consumer.stats.duplicates is None
        # Another store in the same InfluxDB, as another process has it: what it stores the monitor hears of.
        report = run_backfill(
            chosen, [tmp_path / "late" / "readings.parquet"], mapping, progress=lambda share: None
        )
        assert report["stored"] == readings - sent.readings

        def agreed() -> bool:
            alerts = [comparable(a.model_dump(mode="json")) for a in every_alert(make_views(parts))]
            return same([a for a in alerts if clockless(a)], expected)

        wait(agreed)
        assert stored(parts) == readings
        assert health_parts(parts)["store"]["status"] == "ok"
        server.end()
        away = health_parts(parts)["store"]
        assert away["status"] == "down" and "does not answer" in away["detail"]
        server.start()
        wait(lambda: health_parts(parts)["store"]["status"] == "ok")
        wait(lambda: health_parts(parts)["monitor"]["status"] == "ok")
