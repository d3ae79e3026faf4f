"""The way of a reading from a real broker into a real store, and what must not go wrong on it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import cbor2
import numpy as np
import paho.mqtt.client as paho
import pytest

from ingest.broker import HOST, RunningBroker, start_broker
from ingest.consumer import Consumer, ConsumerOptions
from ingest.devices import DeviceLog
from ingest.rejected import RejectedLog
from ingest.store.duck import DuckStore
from ingest.store.embedded import open_store
from ingest.topics import Channel, build
from waterworks.clocks import WallClock
from waterworks.errors import StoreError, StoreUnavailable
from waterworks.ports import ReadingStore
from waterworks.reading import AppendResult, ReadingBatch
from waterworks.site import Sensor, Site
from waterworks.units import Quantity

pytestmark = pytest.mark.servers

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = ["3.1.1", "5"]
DEVICES = 20
T0 = 1_795_230_000_000  # 2026-11-21T03:00:00Z
FAST = {"retry_s": 0.1, "retry_most_s": 0.3}


def make_site() -> Site:
    sensors = tuple(Sensor(f"S{i}", Quantity.FLOW, "m3/h", "D1", f"d{i}") for i in range(DEVICES))
    return Site("malang", "Malang", ZoneInfo("Asia/Jakarta"), (), sensors, Path())


def topic(device: int, channel: Channel = Channel.READINGS) -> str:
    return build("malang", f"d{device}", channel)


def single(i: int) -> tuple[str, str]:
    """The i-th of many readings: topic and payload. No two have the same sensor and time."""
    device = i % DEVICES
    payload = {"sensor": f"S{device}", "time": T0 + 1000 * (i // DEVICES), "value": i, "seq": i}
    return topic(device), json.dumps(payload)


def until(done: Callable[[], bool], what: str, patience_s: float = 60.0) -> None:
    deadline = time.monotonic() + patience_s
    while not done():
        assert time.monotonic() < deadline, f"still not: {what}"
        time.sleep(0.02)


@contextmanager
def publisher(port: int) -> Iterator[Callable[[Sequence[tuple[str, str | bytes]]], None]]:
    """Publishes with QoS 1 and returns once the broker has everything."""
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="test-publisher")
    client.max_inflight_messages_set(500)
    client.connect(HOST, port)
    client.loop_start()

    def publish(messages: Sequence[tuple[str, str | bytes]], retain: bool = False) -> None:
        for info in [client.publish(t, p, qos=1, retain=retain) for t, p in messages]:
            info.wait_for_publish(60)
            assert info.is_published()

    yield publish
    client.disconnect()
    client.loop_stop()


@contextmanager
def consuming(
    port: int, store: Any, folder: Path, *, until_connected: bool = True, **options: Any
) -> Iterator[Consumer]:
    """A consumer in a thread; stopped at the end."""
    rejected, devices = RejectedLog(folder / "rejected.sqlite"), DeviceLog(folder / "devices.sqlite")
    consumer = Consumer(
        ConsumerOptions(port=port, **{**FAST, **options}),
        make_site(),
        store,
        rejected,
        WallClock(),
        devices=devices,
    )
    stop = threading.Event()
    thread = threading.Thread(target=consumer.run, args=(stop,))
    thread.start()
    try:
        if until_connected:
            until(lambda: consumer.stats.connected, "connected")
        yield consumer
    finally:
        stop.set()
        thread.join()
        rejected.close()
        devices.close()


class FailingStore:
    """Raises ``failure`` as long as there is one, else hands on to ``inner``."""

    def __init__(self, inner: ReadingStore, failure: Exception | None = None) -> None:
        self.inner = inner
        self.failure = failure
        self.tries = 0

    def append(self, batch: ReadingBatch) -> AppendResult:
        self.tries += 1
        if self.failure is not None:
            raise self.failure
        return self.inner.append(batch)


CHILD = """
import json, sys, threading, time
from pathlib import Path
sys.path.insert(0, {here!r})
from test_ingest_mqtt import *
port, folder, name = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
shared, pause = sys.argv[4] == "shared", float(sys.argv[5])
store = open_store(folder)
class Slow:
    def append(self, batch):
        time.sleep(pause / 2)
        done = store.append(batch)
        time.sleep(pause / 2)
        return done
options = ConsumerOptions(port=port, name=name, shared=shared, group_messages=100, **FAST)
consumer = Consumer(options, make_site(), Slow(), RejectedLog(folder / "rejected.sqlite"), WallClock())
threading.Thread(target=consumer.run, args=(threading.Event(),), daemon=True).start()
while True:
    time.sleep(0.05)
    s = consumer.stats
    print(json.dumps([s.connected, s.stored, s.duplicates]), flush=True)
"""


class Child:
    """A consumer in a process of its own, which can be killed."""

    def __init__(
        self, port: int, folder: Path, name: str, *, shared: bool = False, pause_s: float = 0.0
    ) -> None:
        code = CHILD.format(here=str(Path(__file__).parent))
        args = [str(port), str(folder), name, "shared" if shared else "alone", str(pause_s)]
        self.process = subprocess.Popen([sys.executable, "-c", code, *args], stdout=subprocess.PIPE, cwd=ROOT)
        self.connected, self.stored, self.duplicates = False, 0, 0
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.connected, self.stored, self.duplicates = json.loads(line)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def children() -> Iterator[list[Child]]:
    started: list[Child] = []
    yield started
    for child in started:
        child.kill()


@pytest.fixture
def broker(mosquitto: str, tmp_path: Path) -> Iterator[RunningBroker]:
    with start_broker(tmp_path / "broker", 0, kind="mosquitto") as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckStore]:
    duck = DuckStore(tmp_path / "readings.duckdb")
    yield duck
    duck.close()


def values(store: ReadingStore) -> list[int]:
    """All stored values as they were sent, sorted: each reading that was sent has one of its own."""
    extent = store.extent()
    if extent is None:
        return []
    names = store.names()
    window = store.window(names, extent[0], extent[1] + np.timedelta64(1, "us"))
    found = window.values[np.isfinite(window.values)]
    return sorted(np.rint(found * 3600).astype(int).tolist())


@pytest.mark.parametrize("version", VERSIONS)
def test_every_form_is_stored_and_garbage_does_not_stop_the_flow(
    broker: RunningBroker, store: DuckStore, tmp_path: Path, version: str
) -> None:
    batch = {
        "readings": [{"sensor": "S0", "time": T0 + 1000 * i, "value": i, "unit": "L/s"} for i in range(3)]
    }
    series = {"series": [{"sensor": "S1", "times": [T0, T0 + 1000], "values": [36, 72]}]}
    partly = {
        "readings": [{"sensor": "S2", "time": T0, "value": 1}, {"sensor": "NO", "time": T0, "value": 1}]
    }
    garbage = [
        (topic(5), os.urandom(200)),
        (topic(5), b""),
        (topic(5), b"{" * 5000),
        ("twuin/malang/lost", b"x"),
    ]
    sent: list[tuple[str, Any]] = [
        garbage[0], (topic(0), json.dumps(batch)), garbage[1], (topic(1), json.dumps(series)),
        garbage[2], (topic(2), json.dumps(partly)), garbage[3],
        (topic(3), '{"sensor":"S3","time":"2026-11-21T10:00:00+07:00","value":3.6}'),
        (topic(6, Channel.SENML), json.dumps([{"n": "S6", "t": T0 / 1000, "u": "l/s", "v": 5}])),
        (topic(7, Channel.SENML_CBOR), cbor2.dumps([{0: "d7/S7", 6: T0 // 1000, 2: 18}, {0: "X", 2: 1}])),
        ("twuin/elsewhere/d1/readings", "{}"), ("other/topic", "{}"),
    ]  # fmt: skip
    with (
        consuming(broker.port, store, tmp_path, version=version) as consumer,
        publisher(broker.port) as publish,
    ):
        publish(sent)
        until(lambda: consumer.stats.received == len(sent) - 1, "all received")
        until(lambda: consumer.stats.unacked == 0, "all done")
        log = RejectedLog(tmp_path / "rejected.sqlite")
        rejected = log.counts()
        assert {n.name for n in log.unknown()} == {"NO", "X"}
    got = store.window(
        [f"S{i}" for i in (0, 1, 2, 3, 6, 7)],
        np.datetime64("2026-11-21T03:00:00"),
        np.datetime64("2027-01-01"),
    )
    assert got.values[:, 0] == pytest.approx([0, 0.001, 0.002])
    assert got.values[:2, 1] == pytest.approx([0.01, 0.02])
    assert got.values[0, 2:] == pytest.approx([1 / 3600, 0.001, 0.005, 0.005])
    assert consumer.stats.stored == 9
    assert sum(rejected.values()) == 7
    assert rejected["unknown_sensor"] == 2
    assert rejected["empty"] == rejected["unknown_topic"] == 1
    assert rejected["wrong_site"] == 1


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("failure", [StoreUnavailable("the disk is full"), StoreError("out of its mind")])
def test_what_is_not_durable_stays_at_the_broker(
    broker: RunningBroker, store: DuckStore, tmp_path: Path, version: str, failure: Exception
) -> None:
    failing = FailingStore(store, failure)
    options = {"version": version, "group_messages": 50}
    with consuming(broker.port, failing, tmp_path, **options) as consumer, publisher(broker.port) as publish:
        publish([single(i) for i in range(200)])
        until(lambda: failing.tries >= 3, "tried again")
        assert str(failure) in consumer.stats.problem
        assert 0 < consumer.stats.unacked <= 50
        assert consumer.stats.stored == 0
    # that consumer is gone without having acknowledged anything; the next one of its name gets it all
    with consuming(broker.port, store, tmp_path, **options) as consumer:
        until(lambda: consumer.stats.stored == 200, "all stored")
        until(lambda: consumer.stats.unacked == 0, "all acknowledged")
    assert values(store) == list(range(200))
    with consuming(broker.port, store, tmp_path, **options) as consumer, publisher(broker.port) as publish:
        publish([single(200)])
        until(lambda: consumer.stats.stored == 1, "the next one")
        assert consumer.stats.received == 1  # what was acknowledged did not come again


def test_a_store_that_comes_back_gets_all_and_the_complaint_ends(
    broker: RunningBroker, store: DuckStore, tmp_path: Path
) -> None:
    failing = FailingStore(store, StoreUnavailable("away"))
    with consuming(broker.port, failing, tmp_path) as consumer, publisher(broker.port) as publish:
        publish([single(i) for i in range(100)])
        until(lambda: failing.tries >= 2, "tried again")
        failing.failure = None
        until(lambda: consumer.stats.stored == 100, "all stored")
        assert consumer.stats.problem == ""
        assert consumer.stats.retries >= 2


def test_an_outage_of_the_store_beyond_the_keepalive_loses_nothing(
    broker: RunningBroker, store: DuckStore, tmp_path: Path
) -> None:
    failing = FailingStore(store, StoreUnavailable("away"))
    options = {"keepalive_s": 1, "group_messages": 50}
    with consuming(broker.port, failing, tmp_path, **options) as consumer, publisher(broker.port) as publish:
        publish([single(i) for i in range(200)])
        until(lambda: not consumer.stats.connected, "the connection is given up")
        failing.failure = None
        until(lambda: consumer.stats.stored == 200, "all stored")
        until(lambda: consumer.stats.reconnects >= 1, "reconnected")
    assert values(store) == list(range(200))


def test_a_consumer_killed_on_its_way_gets_again_what_it_had_not_stored(
    broker: RunningBroker, tmp_path: Path, children: list[Child]
) -> None:
    total = 3000
    for _ in range(4):
        children.append(Child(broker.port, tmp_path, "main", pause_s=0.1))
        until(lambda: children[-1].connected, "connected")
        if len(children) == 1:
            with publisher(broker.port) as publish:
                publish([single(i) for i in range(total)])
        until(lambda: children[-1].stored > 200, "on its way")
        children[-1].kill()
    store = open_store(tmp_path)
    assert len(values(store)) < total
    with consuming(broker.port, store, tmp_path):
        until(lambda: len(values(store)) == total, "everything stored")
    assert values(store) == list(range(total))
    store.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_broker_that_restarts_is_found_again_with_what_it_kept(
    mosquitto: str, store: DuckStore, tmp_path: Path, free_port: Callable[[], int], version: str
) -> None:
    port = free_port()
    broker = start_broker(tmp_path / "broker", port, kind="mosquitto")
    with consuming(port, store, tmp_path, version=version) as consumer:
        with publisher(port) as publish:
            publish([single(i) for i in range(100)])
        until(lambda: consumer.stats.stored == 100, "stored before")
        broker.stop()
        until(lambda: not consumer.stats.connected, "noticed")
        assert f"{HOST}:{port}" in consumer.stats.problem
        with start_broker(tmp_path / "broker", port, kind="mosquitto"):
            with publisher(port) as publish:  # perhaps before the consumer is back: its session keeps these
                publish([single(i) for i in range(100, 200)])
            until(lambda: consumer.stats.stored == 200, "stored after")
            assert consumer.stats.reconnects >= 1
            assert consumer.stats.problem == ""


def test_a_consumer_waits_for_a_broker_that_is_not_there_yet(
    mosquitto: str, store: DuckStore, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    port = free_port()
    with consuming(port, store, tmp_path, until_connected=False) as consumer:
        until(lambda: "refused" in consumer.stats.problem, "said so")
        assert consumer.stats.problem.startswith(f"no MQTT broker {HOST}:{port}")
        with start_broker(tmp_path / "broker", port, kind="mosquitto"), publisher(port) as publish:
            until(lambda: consumer.stats.connected, "connected")
            publish([single(0)])
            until(lambda: consumer.stats.stored == 1, "stored")


def test_messages_are_divided_and_none_is_lost_when_one_is_killed(
    broker: RunningBroker, tmp_path: Path, children: list[Child]
) -> None:
    total = 4000
    owner = open_store(tmp_path)
    children += [Child(broker.port, tmp_path, name, shared=True, pause_s=0.05) for name in ("a", "b")]
    until(lambda: all(c.connected for c in children), "both connected")
    with publisher(broker.port) as publish:
        publish([single(i) for i in range(total // 2)])
        until(lambda: all(c.stored > 100 for c in children), "both at work")
        children[1].kill()
        publish([single(i) for i in range(total // 2, total)])
    children.append(Child(broker.port, tmp_path, "b", shared=True))
    until(lambda: len(values(owner)) == total, "everything stored")
    assert values(owner) == list(range(total))
    assert children[0].duplicates == 0  # nobody did the other's work as well
    owner.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_one_of_several_that_is_stopped_leaves_its_share_to_the_others(
    broker: RunningBroker, store: DuckStore, tmp_path: Path, version: str
) -> None:
    options = {"shared": True, "version": version, "group_messages": 50}
    with (
        consuming(broker.port, store, tmp_path, name="a", **options) as stays,
        publisher(broker.port) as publish,
    ):
        with consuming(broker.port, store, tmp_path, name="b", **options) as leaves:
            publish([single(i) for i in range(1000)])
            until(lambda: leaves.stats.stored > 0, "both at work")
        publish([single(i) for i in range(1000, 2000)])
        until(lambda: stays.stats.stored + leaves.stats.stored == 2000, "everything stored")
    assert values(store) == list(range(2000))


@pytest.mark.parametrize("version", VERSIONS)
def test_two_of_the_same_name_are_told_so(
    broker: RunningBroker, store: DuckStore, tmp_path: Path, version: str
) -> None:
    with (
        consuming(broker.port, store, tmp_path, version=version) as one,
        consuming(broker.port, store, tmp_path, version=version, until_connected=False) as two,
    ):
        seen: set[str] = set()

        def told() -> bool:
            seen.update(
                c.stats.problem for c in (one, two) if "'twuin-ingest-malang-main'" in c.stats.problem
            )
            return bool(seen)

        until(told, "told that the client id is used twice")
        [line] = list(seen)[:1]
        assert "mqtt.name" in line and "\n" not in line


def test_a_device_is_known_from_its_retained_birth_and_its_last_will(
    broker: RunningBroker, store: DuckStore, tmp_path: Path
) -> None:
    device = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="d7")
    device.will_set(topic(7, Channel.STATUS), '{"state":"offline"}', qos=1, retain=True)
    device.connect(HOST, broker.port, keepalive=60)
    device.loop_start()
    birth = {"state": "online", "time": T0, "battery_v": 3.6, "interval_s": 300, "sensors": ["S7"]}
    device.publish(topic(7, Channel.STATUS), json.dumps(birth), qos=1, retain=True).wait_for_publish(10)
    with consuming(broker.port, store, tmp_path):
        log = DeviceLog(tmp_path / "devices.sqlite")
        until(lambda: "d7" in log.all(), "birth known")
        assert log.all()["d7"].online and log.all()["d7"].battery_v == 3.6
        sock = device.socket()
        assert sock is not None
        device.loop_stop()
        sock.close()  # the line is cut: no DISCONNECT
        until(lambda: not log.all()["d7"].online, "will known")
        assert log.all()["d7"].sensors == ("S7",)
        log.close()


def test_a_broker_that_allows_few_messages_in_flight_is_not_waited_for(
    mosquitto: str, store: DuckStore, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    """Waiting ``group_s`` for each 20 messages would take four times as long as the test has patience."""
    config = "allow_anonymous true\nmax_inflight_messages 20\nmax_queued_messages 0"
    with (
        own_mosquitto(mosquitto, tmp_path, free_port(), config) as port,
        consuming(port, store, tmp_path, group_s=5.0) as consumer,
        publisher(port) as publish,
    ):
        publish([single(i) for i in range(1000)])
        until(lambda: consumer.stats.stored == 1000, "all stored")


@pytest.mark.parametrize("version", VERSIONS)
def test_readings_come_through_tls_with_a_password_and_from_a_trusted_broker_only(
    mosquitto: str, store: DuckStore, tmp_path: Path, free_port: Callable[[], int], version: str
) -> None:
    openssl, passwd = shutil.which("openssl"), shutil.which("mosquitto_passwd")
    if openssl is None or passwd is None:
        absent = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        absent("needs openssl and mosquitto_passwd to make a certificate and a password file")
        raise AssertionError("unreachable")
    key, certificate = tmp_path / "key.pem", tmp_path / "ca.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test",
         "-addext", f"subjectAltName=IP:{HOST}", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    subprocess.run([passwd, "-c", "-b", str(tmp_path / "users"), "ani", "right"], check=True)
    config = f"per_listener_settings true\npassword_file {tmp_path / 'users'}\n"
    config += f"certfile {certificate}\nkeyfile {key}"
    plain = free_port()
    config += f"\nlistener {plain} {HOST}\nallow_anonymous true"
    options = {"version": version, "tls": True, "ca_file": certificate, "username": "ani"}
    with own_mosquitto(mosquitto, tmp_path, free_port(), f"{config}\nmax_queued_messages 0") as port:
        with consuming(port, store, tmp_path, until_connected=False, tls=True, version=version) as consumer:
            until(lambda: "mqtt.ca_file" in consumer.stats.problem, "certificate not trusted")
        with consuming(plain, store, tmp_path, until_connected=False, tls=True, version=version) as consumer:
            until(lambda: "no TLS connection" in consumer.stats.problem, "no TLS on this port")
        with consuming(port, store, tmp_path, until_connected=False, version=version) as consumer:
            until(lambda: "does it want TLS" in consumer.stats.problem, "no plain connection on this port")
        with consuming(port, store, tmp_path, until_connected=False, password="no", **options) as consumer:
            until(lambda: "does not admit user 'ani'" in consumer.stats.problem, "wrong password")
        with (
            consuming(port, store, tmp_path, password="right", **options) as consumer,
            publisher(plain) as publish,
        ):
            publish([single(i) for i in range(5000)])
            until(lambda: consumer.stats.stored == 5000, "all stored")
    assert values(store) == list(range(5000))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_broker_that_wants_a_password_is_named_with_the_user(
    mosquitto: str, store: DuckStore, tmp_path: Path, free_port: Callable[[], int], version: str
) -> None:
    with own_mosquitto(mosquitto, tmp_path, free_port(), "allow_anonymous false") as port:
        options = {"version": version, "username": "ani", "password": "wrong"}
        with consuming(port, store, tmp_path, until_connected=False, **options) as consumer:
            until(lambda: "does not admit user 'ani'" in consumer.stats.problem, "said so")
            assert "mqtt.username" in consumer.stats.problem
            assert "wrong" not in repr(consumer.options)


def test_what_the_broker_does_not_let_us_read_is_said(store: DuckStore, tmp_path: Path) -> None:
    """Mosquitto's access list only keeps the messages back; other brokers refuse, as this one does."""
    with socket.create_server((HOST, 0)) as server:
        server.settimeout(30)

        def refuse() -> None:
            while True:
                try:
                    link, _ = server.accept()
                except OSError:
                    return
                with link:
                    link.recv(1000)
                    link.sendall(b"\x20\x02\x00\x00")  # CONNACK, accepted
                    packet = link.recv(1000)  # SUBSCRIBE: type, length, packet id
                    link.sendall(b"\x90\x03" + packet[2:4] + b"\x80")  # SUBACK, failure
                    link.recv(1000)

        threading.Thread(target=refuse, daemon=True).start()
        port = server.getsockname()[1]
        with consuming(port, store, tmp_path, until_connected=False) as consumer:
            until(lambda: "subscribe to twuin/#" in consumer.stats.problem, "said so")


@contextmanager
def own_mosquitto(program: str, folder: Path, port: int, config: str) -> Iterator[int]:
    """Mosquitto with a configuration of the test's own."""
    user = "user root\n" if os.geteuid() == 0 else ""
    (folder / "own.conf").write_text(f"listener {port} {HOST}\n{user}{config}\n")
    process = subprocess.Popen([program, "-c", str(folder / "own.conf")], stderr=subprocess.DEVNULL)
    try:
        yield port
    finally:
        process.terminate()
        process.wait()


def test_readings_flow_through_the_broker_in_pure_python(store: DuckStore, tmp_path: Path) -> None:
    with start_broker(tmp_path / "broker", 0, kind="amqtt") as broker:
        assert broker.kind == "amqtt"
        with consuming(broker.port, store, tmp_path) as consumer, publisher(broker.port) as publish:
            publish([*[single(i) for i in range(300)], (topic(0), b"garbage")])
            until(lambda: consumer.stats.stored == 300, "all stored")
            until(lambda: consumer.stats.rejected == {"bad_json": 1}, "garbage kept")
    assert values(store) == list(range(300))
