"""The fleet on a real broker: what arrives is what the vectorised run says, whatever happens on the way."""

from __future__ import annotations

import getpass
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import paho.mqtt.client as paho
import pytest

from firmware_sim.fleet import BrokerAddress, FleetReport, readings, run_fleet
from firmware_sim.scenario import parse_scenario
from firmware_sim.scenario_model import Scenario
from firmware_sim.town import demo_site_folder
from waterworks.clocks import ScaledClock
from waterworks.errors import BrokerError
from waterworks.reading import ReadingBatch
from waterworks.site import Site
from waterworks.site_folder import read_site
from waterworks.units import to_si

pytestmark = pytest.mark.servers

START = np.datetime64("2026-10-19T13:00:00", "us")
PATIENCE_S = 60.0

TROUBLE = """
[[fault]]
kind = "offline"
device = "D2-P3-LOG"
start = "+2h"
end = "+5h"

[[fault]]
kind = "garbage"
device = "D4-P2-LOG"
start = "+0s"
share = 0.2

[[fault]]
kind = "duplicates"
device = "D1-P4-LOG"
start = "+0s"
share = 0.2

[[fault]]
kind = "clock_offset"
device = "D3-P2-LOG"
start = "+1h"
end = "+3h"
value = 777

[[fault]]
kind = "stuck"
sensor = "D6-P3"
start = "+2h"

[[leak]]
dma = "D3"
start = "+3h"
flow_m3h = 10
"""


class Broker:
    """A mosquitto that keeps its messages when it is restarted."""

    def __init__(self, binary: str, folder: Path, port: int) -> None:
        self.port, self._binary, self._config = port, binary, folder / "mosquitto.conf"
        self._config.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\nlog_type none\nmax_queued_messages 0\n"
            f"persistence true\npersistence_location {folder}/\n"
            f"user {getpass.getuser()}\n"  # as root it would become one who may not write there
        )
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen([self._binary, "-c", str(self._config)])
        until(lambda: self.answers(), "mosquitto to listen")

    def answers(self) -> bool:
        try:
            paho.Client(paho.CallbackAPIVersion.VERSION2).connect("127.0.0.1", self.port)
        except OSError:
            return False
        return True

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None


def until(ready: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not ready():
        assert time.monotonic() < end, f"waited {PATIENCE_S:g} s in vain for {what}"
        time.sleep(0.02)


@dataclass
class Ear:
    """Hears all that the fleet says. Its session outlives a restart of the broker."""

    port: int
    site: Site
    readings: list[tuple[str, np.datetime64, float]] = field(default_factory=list)
    garbage: int = 0
    status: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="ear", clean_session=False)
        self.client.reconnect_delay_set(1, 1)
        subscribed = threading.Event()
        self.client.on_message = lambda _c, _u, message: self._hear(message)
        self.client.on_subscribe = lambda *_: subscribed.set()
        self.client.on_connect = lambda *_: self.client.subscribe("twuin/#", 1)
        self.client.connect("127.0.0.1", self.port)
        self.client.loop_start()
        assert subscribed.wait(PATIENCE_S)

    def _hear(self, message: paho.MQTTMessage) -> None:
        _, _, device, what = message.topic.split("/", 3)
        if what == "status" and not message.retain and message.payload:
            self.status.append((device, json.loads(message.payload)))
        elif what == "command/result":
            self.results.append(json.loads(message.payload))
        elif what == "readings":
            try:
                self._read(json.loads(message.payload))
            except (ValueError, KeyError):
                self.garbage += 1

    def _read(self, said: dict[str, Any]) -> None:
        rows = said.get("readings") or [said]
        if "series" in said:
            rows = [
                {"sensor": s["sensor"], "unit": s["unit"], "time": t, "value": v}
                for s in said["series"]
                for t, v in zip(s["times"], s["values"], strict=True)
            ]
        for row in rows:
            at = np.datetime64(round(datetime.fromisoformat(row["time"]).timestamp() * 1000), "ms")
            value = float(to_si(row["value"], row["unit"], self.site.sensor[row["sensor"]].quantity))
            self.readings.append((row["sensor"], at.astype("datetime64[us]"), value))

    def heard(self) -> set[tuple[str, np.datetime64, float]]:
        return set(self.readings)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def site() -> Site:
    return read_site(demo_site_folder())


@pytest.fixture
def broker(mosquitto: str, tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Broker]:
    running = Broker(shutil.which(mosquitto) or mosquitto, tmp_path, free_port())
    yield running
    running.stop()


@pytest.fixture
def ear(broker: Broker, site: Site) -> Iterator[Ear]:
    listening = Ear(broker.port, site)
    yield listening
    listening.close()


def expected(site: Site, scenario: Scenario, end: np.datetime64) -> set[tuple[str, np.datetime64, float]]:
    batch = ReadingBatch.concat(readings(site, scenario, START, end))
    names = [batch.names[i] for i in batch.sensor]
    return set(zip(names, batch.time, batch.value.tolist(), strict=True))


def hours(count: float) -> np.timedelta64:
    return np.timedelta64(round(count * 3600), "s")


@pytest.mark.parametrize("speed", [None, 7200.0])
def test_a_live_run_delivers_what_the_vectorised_run_says(
    site: Site, broker: Broker, ear: Ear, speed: float | None
) -> None:
    scenario, end = parse_scenario(TROUBLE), START + hours(8)
    clock = None if speed is None else ScaledClock(START, speed)
    address = BrokerAddress("127.0.0.1", broker.port)
    report = run_fleet(site, scenario, address, clock, threading.Event(), start=START, end=end)
    wanted = expected(site, scenario, end)
    until(lambda: len(ear.readings) >= report.readings + report.duplicates, "the last readings")
    until(lambda: ear.garbage >= report.garbage, "the last garbage")
    assert ear.heard() == wanted
    assert report.readings >= len(wanted)  # a clock that is set back gives times twice
    assert ear.garbage == report.garbage > 0
    assert report.duplicates > 0
    assert report.dropped == 0


def test_an_outage_shows_as_last_will_and_new_birth(site: Site, broker: Broker, ear: Ear) -> None:
    address = BrokerAddress("127.0.0.1", broker.port)
    run_fleet(
        site, parse_scenario(TROUBLE), address, ScaledClock(START, 7200), threading.Event(),
        start=START, end=START + hours(6),
    )  # fmt: skip
    of = [said for device, said in ear.status if device == "D2-P3-LOG"]
    until(lambda: any("time" in said for said in of[-1:]), "the goodbye")
    states = [said["state"] for said in of]
    assert {"state": "offline"} in of, "the broker sends the last will, which has no time"
    birth = [k for k, s in enumerate(states) if s == "online"]
    assert birth[0] < of.index({"state": "offline"}) < birth[-1]
    assert of[birth[0]]["sensors"] == ["D2-P3"] and of[birth[0]]["battery_v"] > 3


def test_a_device_samples_faster_when_told_to(site: Site, broker: Broker, ear: Ear) -> None:
    stop, address = threading.Event(), BrokerAddress("127.0.0.1", broker.port)
    reports: list[FleetReport] = []

    def live() -> None:
        clock = ScaledClock(START, 600)
        reports.append(run_fleet(site, parse_scenario(""), address, clock, stop, start=START))

    thread = threading.Thread(target=live)
    thread.start()
    try:
        until(lambda: sum(s == "D1-P2" for s, _, _ in ear.readings) >= 2, "readings")
        topic = "twuin/kota-wening/D1-P2-LOG/command"
        ear.client.publish(topic, '{"id":"c1","interval_s":30}', qos=1)
        ear.client.publish(topic, '{"id":"c2","interval_s":-1}', qos=1)
        until(lambda: len(ear.results) == 2, "answers")

        def fast() -> bool:
            times = sorted(t for s, t, _ in ear.heard() if s == "D1-P2")
            return bool((np.diff(times[-5:]) == np.timedelta64(30, "s")).all())

        until(fast, "samples each 30 s")
    finally:
        stop.set()
        thread.join(PATIENCE_S)
    assert ear.results[0] == {"id": "c1", "ok": True, "interval_s": 30}
    assert ear.results[1]["id"] == "c2" and ear.results[1]["ok"] is False
    assert reports[0].commands == 2
    assert ("D1-P2-LOG", 30) in [(device, said.get("interval_s")) for device, said in ear.status]


def test_nothing_is_lost_when_the_broker_is_restarted(site: Site, broker: Broker, ear: Ear) -> None:
    scenario, end = parse_scenario(TROUBLE), START + hours(16)
    reports: list[FleetReport] = []

    def live() -> None:
        address = BrokerAddress("127.0.0.1", broker.port)
        clock = ScaledClock(START, 3600)
        reports.append(run_fleet(site, scenario, address, clock, threading.Event(), start=START, end=end))

    thread = threading.Thread(target=live)
    thread.start()
    until(lambda: len(ear.readings) > 300, "readings")
    broker.stop()
    time.sleep(2)  # two hours of the town's life
    broker.start()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    wanted = expected(site, scenario, end)
    until(lambda: ear.heard() >= wanted, "the last readings")
    assert ear.heard() == wanted
    assert reports[0].connections > len({s.device for s in site.sensors}) + 1


def test_a_run_taken_up_again_goes_on_where_it_was(
    site: Site, broker: Broker, ear: Ear, tmp_path: Path
) -> None:
    scenario, file = parse_scenario(TROUBLE).starting(START), tmp_path / "town.json"
    address = BrokerAddress("127.0.0.1", broker.port)
    for _ in readings(site, scenario, START - hours(30), START, checkpoint=file):
        pass
    cuts = [0, 3.4, 8]  # in the middle of the outage
    for a, b in pairwise(cuts):
        run_fleet(
            site, scenario, address, None, threading.Event(),
            start=START + hours(a), end=START + hours(b), checkpoint=file,
        )  # fmt: skip
    batch = ReadingBatch.concat(readings(site, scenario, START - hours(30), START + hours(8)))
    batch = batch.take(batch.received >= START)
    names = [batch.names[i] for i in batch.sensor]
    wanted = set(zip(names, batch.time, batch.value.tolist(), strict=True))
    until(lambda: len(ear.heard()) >= len(wanted), "the last readings")
    assert ear.heard() == wanted


def test_a_broker_that_is_not_there_is_one_clear_line(site: Site, free_port: Callable[[], int]) -> None:
    port = free_port()
    with pytest.raises(BrokerError, match=f"127.0.0.1:{port} cannot be reached"):
        run_fleet(
            site, parse_scenario(""), BrokerAddress("127.0.0.1", port), None, threading.Event(), start=START
        )


@pytest.mark.parametrize("tls", [False, True])
def test_a_broker_that_hangs_up_is_one_clear_line_and_not_asked_for_ever(site: Site, tls: bool) -> None:
    """As one that wants TLS does with a device that speaks plainly."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        over = threading.Event()

        def hang_up() -> None:
            while not over.is_set():
                with suppress(TimeoutError):
                    listening.accept()[0].close()

        listening.settimeout(0.1)
        thread = threading.Thread(target=hang_up)
        thread.start()
        address = BrokerAddress("127.0.0.1", port, tls=tls)
        match = "cannot be reached" if tls else r"without an answer: does it want TLS \(mqtt\.tls"
        try:
            with pytest.raises(BrokerError, match=match):
                run_fleet(site, parse_scenario(""), address, None, threading.Event(), start=START)
        finally:
            over.set()
            thread.join()
