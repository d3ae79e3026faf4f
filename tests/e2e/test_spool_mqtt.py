"""The store is taken away from under a real broker's consumer: readings wait on the disk, and none is lost.

TWUIN_KILL_ROUNDS sets the number of kills of the last test, TWUIN_KILL_SEED its seed, which is printed.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import paho.mqtt.client as paho
import pytest

from firmware_sim.town import demo_site_folder
from ingest.broker import HOST, RunningBroker, start_broker
from ingest.consumer import Consumer, ConsumerOptions
from ingest.rejected import RejectedLog
from ingest.spool.behind import SpoolOptions
from ingest.spool.look import look
from ingest.store.embedded import open_store
from ingest.store.influx.access import Access
from ingest.store.influx.store import InfluxStore
from ingest.topics import Channel, build
from waterworks.clocks import WallClock
from waterworks.errors import StoreUnavailable
from waterworks.ports import ReadingStore
from waterworks.reading import AppendResult, ReadingBatch
from waterworks.site import Sensor, Site
from waterworks.site_folder import read_site
from waterworks.units import Quantity

pytestmark = pytest.mark.servers

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = int(os.environ.get("TWUIN_KILL_ROUNDS", "8"))
SEED = int(os.environ.get("TWUIN_KILL_SEED", random.randrange(1_000_000)))
T0 = 1_795_230_000_000  # 2026-11-21T03:00:00Z
SENSOR = Sensor("S0", Quantity.FLOW, "m3/s", "D1", "d0")
SITE = Site("malang", "Malang", ZoneInfo("Asia/Jakarta"), (), (SENSOR,), Path())


def message(i: int, site: Site = SITE, sensor: Sensor = SENSOR) -> tuple[str, str]:
    """The i-th of many readings, topic and payload: a time of its own, and a value that tells i."""
    payload = {"sensor": sensor.id, "time": T0 + 1000 * i, "value": i / 1000, "unit": "m3/s"}
    return build(site.id, sensor.device, Channel.READINGS), json.dumps(payload)


def numbers(store: ReadingStore, sensor: str = "S0") -> list[int]:
    """Which readings are stored: each stands at its own time, or it is not counted."""
    start = np.datetime64(T0, "ms").astype("datetime64[us]")
    window = store.window([sensor], start, start + np.timedelta64(100, "D"))
    found = np.rint(window.values[:, 0] * 1000).astype(int)
    at = ((window.times - start) / np.timedelta64(1, "s")).astype(int)
    return sorted(found[found == at].tolist())


def until(done: Callable[[], bool], what: str, patience_s: float = 90.0) -> None:
    deadline = time.monotonic() + patience_s
    while not done():
        assert time.monotonic() < deadline, f"still not: {what}"
        time.sleep(0.05)


def publish(port: int, messages: Sequence[tuple[str, str]]) -> None:
    """Send with QoS 1; returns once the broker has everything."""
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="test-publisher")
    client.max_inflight_messages_set(500)
    client.connect(HOST, port)
    client.loop_start()
    for info in [client.publish(t, p, qos=1) for t, p in messages]:
        info.wait_for_publish(60)
        assert info.is_published()
    client.disconnect()
    client.loop_stop()


@pytest.fixture
def broker(mosquitto: str, tmp_path: Path) -> Iterator[RunningBroker]:
    with start_broker(tmp_path / "broker", 0, kind="mosquitto") as running:
        yield running


@contextmanager
def consuming(port: int, store: Any, folder: Path, **spool: Any) -> Iterator[Consumer]:
    """A consumer with a spool, in a thread; stopped at the end."""
    rejected = RejectedLog(folder / "rejected.sqlite")
    options = {"keep_free_bytes": 0, "retry_s": 0.05, "retry_most_s": 0.2, **spool}
    consumer = Consumer(
        ConsumerOptions(port=port, retry_s=0.1, retry_most_s=0.3),
        SITE,
        store,
        rejected,
        WallClock(),
        spool=SpoolOptions(folder / "spool" / "main", **options),
    )
    stop = threading.Event()
    thread = threading.Thread(target=consumer.run, args=(stop,))
    thread.start()
    try:
        until(lambda: consumer.stats.connected, "connected")
        yield consumer
    finally:
        stop.set()
        thread.join()
        rejected.close()


class Absent:
    """A store that is away while ``away`` is set."""

    def __init__(self, inner: ReadingStore) -> None:
        self.inner = inner
        self.away = True

    def append(self, batch: ReadingBatch) -> AppendResult:
        if self.away:
            raise StoreUnavailable("the store is away")
        return self.inner.append(batch)


@contextmanager
def twuin_ingest(folder: Path, port: int, influx: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """``twuin ingest`` of the demo town, storing into InfluxDB 1."""
    store = {"KIND": "influxdb", "VERSION": "1", "URL": influx, "TIMEOUT_S": "5"}
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TWUIN_SITE": str(demo_site_folder()),
        "TWUIN_DATA_DIR": str(folder),
        **{f"TWUIN_STORE__{name}": value for name, value in store.items()},
    }
    command = [sys.executable, "-m", "twuin", "ingest", "--broker", f"{HOST}:{port}"]
    with log.open("ab") as out:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=out, cwd=ROOT)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def spools(folder: Path) -> list[dict[str, Any]]:
    """What ``twuin ingest spool`` says."""
    command = [sys.executable, "-m", "twuin", "ingest", "spool", "--json", "--data-dir", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, check=True, cwd=ROOT)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def test_what_came_while_influxdb_was_down_survives_a_kill_and_is_stored_once_when_it_is_back(
    broker: RunningBroker, new_influxdb: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "influxdb").mkdir()
    server = new_influxdb(tmp_path / "influxdb")
    town = read_site(demo_site_folder())
    flow = next(s for s in town.sensors if s.quantity is Quantity.FLOW and s.device)
    sent = [message(i, town, flow) for i in range(1500)]
    data, log = tmp_path / "data", tmp_path / "ingest.log"
    store = InfluxStore(Access(server.url, "twuin", version=1), town)
    with twuin_ingest(data, broker.port, server.url, log) as process:
        until(lambda: "connected to" in log.read_text(), "connected")
        publish(broker.port, sent[:500])
        until(lambda: len(numbers(store, flow.id)) == 500, "stored while all is well")
        server.end(signal.SIGKILL)
        publish(broker.port, sent[500:])
        until(lambda: sum(s.readings for s in look(data / "spool")) >= 1000, "waiting on the disk")
        process.send_signal(signal.SIGKILL)
        process.wait()
    [waits] = spools(data)
    assert waits["name"] == "main" and not waits["running"] and waits["damaged"] == []
    server.start()
    with twuin_ingest(data, broker.port, server.url, log):
        until(lambda: len(numbers(store, flow.id)) == 1500, "all stored")
        until(lambda: look(data / "spool")[0].readings == 0, "nothing waits")
        publish(broker.port, [message(1500, town, flow)])
        until(lambda: numbers(store, flow.id) == list(range(1501)), "and it goes on")
    store.close()
    assert "the store takes no readings, so they wait in the spool" in log.read_text()


def test_an_influxdb_that_hangs_holds_no_message_up(
    broker: RunningBroker, new_influxdb: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "influxdb").mkdir()
    server = new_influxdb(tmp_path / "influxdb")
    store = InfluxStore(Access(server.url, "twuin", version=1, timeout_s=2.0), SITE)
    with consuming(broker.port, store, tmp_path, slow_s=0.3) as consumer:
        publish(broker.port, [message(i) for i in range(100)])
        until(lambda: consumer.stats.stored >= 100, "stored")
        server.process.send_signal(signal.SIGSTOP)
        try:
            publish(broker.port, [message(i) for i in range(100, 1000)])
            until(lambda: consumer.stats.spooled == 900, "on the disk")
            until(lambda: consumer.stats.unacked == 0, "acknowledged")
            assert consumer.stats.spool_readings == 900
            assert consumer.stats.spool_problem
        finally:
            server.process.send_signal(signal.SIGCONT)
        until(lambda: consumer.stats.spool_readings == 0, "drained")
        until(lambda: consumer.stats.spool_problem == "", "well again")
    assert numbers(store) == list(range(1000))
    store.close()


def test_a_full_spool_leaves_messages_at_the_broker_says_so_and_goes_on_by_itself(
    broker: RunningBroker, tmp_path: Path
) -> None:
    inner = open_store(tmp_path)
    store = Absent(inner)
    with consuming(broker.port, store, tmp_path, max_bytes=60_000) as consumer:
        for start in range(0, 3000, 500):
            publish(broker.port, [message(i) for i in range(start, start + 500)])
        until(lambda: "is full" in consumer.stats.problem, "said so")
        assert "readings wait at the broker" in consumer.stats.problem
        assert consumer.stats.unacked > 0
        assert consumer.stats.spooled < 3000
        store.away = False
        until(lambda: consumer.stats.stored == 3000, "all stored")
        until(lambda: consumer.stats.problem == consumer.stats.spool_problem == "", "all is well")
    assert numbers(inner) == list(range(3000))
    inner.close()


def test_acknowledged_messages_do_not_come_again_after_a_restart(
    broker: RunningBroker, tmp_path: Path
) -> None:
    """They are the spool's: the broker has forgotten them."""
    inner = open_store(tmp_path)
    store = Absent(inner)
    with consuming(broker.port, store, tmp_path) as consumer:
        publish(broker.port, [message(i) for i in range(500)])
        until(lambda: consumer.stats.spool_readings == 500, "on the disk")
        until(lambda: consumer.stats.unacked == 0, "acknowledged")
    store.away = False
    with consuming(broker.port, store, tmp_path) as consumer:
        until(lambda: consumer.stats.drained == 500, "stored from the disk")
        publish(broker.port, [message(500)])
        until(lambda: len(numbers(inner)) == 501, "and it goes on")
        assert consumer.stats.received == 1
    inner.close()


CHILD = """
import sys, threading, time
from pathlib import Path
from zoneinfo import ZoneInfo
from ingest.consumer import Consumer, ConsumerOptions
from ingest.rejected import RejectedLog
from ingest.spool.behind import SpoolOptions
from ingest.store.embedded import open_store
from waterworks.clocks import WallClock
from waterworks.errors import StoreUnavailable
from waterworks.site import Sensor, Site
from waterworks.units import Quantity

port, folder, name = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
store = open_store(folder)

class Moody:
    def append(self, batch):
        if (folder / "away").exists():
            raise StoreUnavailable("the store is away")
        if (folder / "slow").exists():
            time.sleep(0.2)
        return store.append(batch)

sensors = (Sensor("S0", Quantity.FLOW, "m3/s", "D1", "d0"),)
site = Site("malang", "Malang", ZoneInfo("UTC"), (), sensors, Path())
spool = SpoolOptions(folder / "spool" / name, keep_free_bytes=0, slow_s=0.05, retry_s=0.02, retry_most_s=0.1)
options = ConsumerOptions(port=port, name=name, group_messages=50, retry_s=0.05, retry_most_s=0.1)
rejected = RejectedLog(folder / "rejected.sqlite")
Consumer(options, site, Moody(), rejected, WallClock(), spool=spool).run(threading.Event())
"""


def test_killed_at_any_moment_with_the_store_there_away_and_slow_nothing_is_lost_or_twice(
    broker: RunningBroker, tmp_path: Path
) -> None:
    print(f"TWUIN_KILL_SEED={SEED}")
    rng = random.Random(SEED)
    sent = 0
    spooled = 0

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", CHILD, str(broker.port), str(tmp_path), "main"], cwd=ROOT
        )

    inner = open_store(tmp_path)
    with consuming(broker.port, Absent(inner), tmp_path):
        pass  # makes the session, so that the broker keeps what comes from now on
    inner.close()
    for _ in range(ROUNDS):
        for mood in ("away", "slow"):
            (tmp_path / mood).unlink(missing_ok=True)
            if rng.random() < 0.5:
                (tmp_path / mood).touch()
        child = start()
        try:
            publish(broker.port, [message(i) for i in range(sent, sent + 400)])
            sent += 400
            time.sleep(rng.uniform(0.3, 1.5))
        finally:
            child.kill()
            child.wait()
        spooled += bool(list(tmp_path.glob("spool/main/*.spool")))
    for mood in ("away", "slow"):
        (tmp_path / mood).unlink(missing_ok=True)
    store = open_store(tmp_path)
    child = start()
    try:
        until(lambda: len(numbers(store)) >= sent, "all stored")
        until(lambda: not list(tmp_path.glob("spool/main/*.spool")), "nothing waits")
        assert numbers(store) == list(range(sent))
        assert not list(tmp_path.glob("spool/main/*.damaged"))
    finally:
        child.kill()
        child.wait()
        store.close()
    print(f"{ROUNDS} kills, {sent} readings sent, 0 lost, 0 twice; {spooled} times some waited on the disk")
