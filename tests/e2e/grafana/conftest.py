"""A town with a leak that runs, one that was repaired, sensor faults and works, in a real InfluxDB 1.6."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from firmware_sim.files import write_files
from firmware_sim.scenario import parse_scenario
from firmware_sim.town import demo_site_folder
from ingest.broker import start_broker
from twuin.alerts.model import State
from twuin.alerts.work import Method, Place
from twuin.app import Parts, build, make_monitor, make_views, start_ingest
from twuin.figures.keeper import Keeper, Running
from twuin.file_jobs import run_backfill
from twuin.settings import Settings, load
from twuin.works.model import Plan, WorkKind
from waterworks.figures import FigureStore
from waterworks.reading import as_datetime
from waterworks.site_folder import read_site

START = np.datetime64("2026-03-01T17:00:00", "us")  # midnight in the town
DAYS = 32
SCENARIO = """
name = "dashboards"
seed = 7

[[leak]]
id = "burst"
pipe = "P2040"
start = "+21d 09:00"
end = "+24d 15:00"
flow_m3h = 9

[[leak]]
id = "runs"
pipe = "P4040"
start = "+29d 02:00"
flow_m3h = 11

[[fault]]
id = "shifted"
kind = "offset"
sensor = "D3-P2"
start = "+26d 05:00"
end = "+31d 12:00"
value = 3.0

[[fault]]
id = "away"
kind = "offline"
device = "D2-P3-LOG"
start = "+30d 03:00"
end = "+30d 16:00"
"""


@dataclass(frozen=True)
class Filled:
    """An InfluxDB with all that dashboards show. begin, end: of its readings. leak: the open one's alert."""

    url: str
    database: str
    site: str
    begin: np.datetime64
    end: np.datetime64
    leak: str
    leak_dma: str
    fault_sensor: str
    settings: Settings


class StillClock:
    """Shows one time."""

    def __init__(self, time: np.datetime64) -> None:
        self.time = time

    def now(self) -> np.datetime64:
        return self.time


def settings(folder: Path, influx: str, port: int) -> Settings:
    return load(
        None,
        {
            "site": demo_site_folder(),
            "data_dir": folder,
            "mqtt": {"port": port},
            "store": {"kind": "influxdb", "version": "1", "url": influx, "database": "grafana"},
            "clock": {"kind": "data"},
        },
    )


def fill(folder: Path, influx: str) -> Filled:
    """Simulate, store, analyse, act as people do, and write the figures."""
    site = read_site(demo_site_folder())
    write_files(site, parse_scenario(SCENARIO), folder / "out", START, START + np.timedelta64(DAYS, "D"))
    (folder / "broker").mkdir()
    broker = start_broker(folder / "broker", 0)
    try:
        chosen = settings(folder / "data", influx, broker.port)
        out = folder / "out"
        run_backfill(chosen, [out / "readings.parquet"], out / "mapping.toml", progress=lambda share: None)
        with closing(build(chosen)) as parts:
            return _watch(parts, broker.port)
    finally:
        broker.stop()


def _watch(parts: Parts, port: int) -> Filled:
    monitor = parts.monitor = make_monitor(parts)
    start_ingest(parts)
    _publish(parts, port)
    assert parts.works is not None and isinstance(parts.store, FigureStore)
    end = as_datetime(START + np.timedelta64(DAYS, "D"))
    day = timedelta(days=1)
    begin = end - 5 * day
    parts.works.enter(Plan(WorkKind.METER, begin, begin + timedelta(hours=3), dmas=("D5",), silent=True))
    monitor.catch_up(final=True)
    views = make_views(parts)
    leaks = [a for a in views.alerts(limit=200).items if a.kind.value == "leak"]
    mended = next(a for a in leaks if a.dma == "D2")
    running = next(a for a in leaks if a.ended is None)
    act = partial(parts.alerts.act, version=None)
    if mended.state is State.CLOSED:  # by itself, as the burst ended
        act(mended.id, "reopen", actor="Rina", key="1")
    act(mended.id, "assign", actor="Rina", assignee="Regu Utara", key="2")
    act(mended.id, "locate", actor="Regu Utara", place=Place("P2040", 10.0), key="3")
    when = end - 6 * day
    act(mended.id, "repaired", actor="Regu Utara", method=Method.CLAMP, happened=when, key="4")
    act(running.id, "acknowledge", actor="Rina", key="5")
    Keeper(parts.site, views, parts.alerts, parts.store).catch_up()
    for minutes in (2, 1, 0):
        then = StillClock(parts.clock.now() - np.timedelta64(minutes, "m"))
        Running(make_views(replace(parts, clock=then)), parts.store, "serve", ingest=True).write()
    store = parts.settings.store
    return Filled(
        store.url,
        store.database,
        parts.site.id,
        START,
        START + np.timedelta64(DAYS, "D"),
        running.id,
        running.dma,
        "D3-P2",
        parts.settings,
    )


def _publish(parts: Parts, port: int) -> None:
    """Readings over MQTT too, and one message that is refused: what the ingest counts."""
    assert parts.consumer is not None
    stats = parts.consumer.stats
    _wait(lambda: stats.connected)
    client = Client(CallbackAPIVersion.VERSION2, client_id="D1-INLET")
    client.connect("127.0.0.1", port)
    client.loop_start()
    client.publish(f"twuin/{parts.site.id}/D1-INLET/readings", b"not a reading", qos=1).wait_for_publish(10)
    _wait(lambda: sum(stats.rejected.values()) > 0)
    said = b'{"state": "online", "battery_v": 3.55, "signal_dbm": -87}'
    for device in {s.device for s in parts.site.sensors}:
        client.publish(f"twuin/{parts.site.id}/{device}/status", said, qos=1).wait_for_publish(10)
    _wait(lambda: len(parts.devices.all()) == len({s.device for s in parts.site.sensors}))
    client.disconnect()
    client.loop_stop()


def _wait(ready: Callable[[], Any], patience_s: float = 60.0) -> None:
    end = time.monotonic() + patience_s
    while not ready():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def filled(influxdb: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    yield fill(tmp_path_factory.mktemp("grafana"), influxdb.url)
