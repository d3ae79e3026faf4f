"""A connection that stays open but brings nothing any more is noticed, and made anew."""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from zoneinfo import ZoneInfo

import paho.mqtt.client as paho
import pytest

from ingest.broker import HOST, start_broker
from ingest.consumer import Consumer, ConsumerOptions
from ingest.rejected import RejectedLog
from ingest.store.duck import DuckStore
from waterworks.clocks import WallClock
from waterworks.reading import instant
from waterworks.site import Sensor, Site
from waterworks.units import Quantity

pytestmark = pytest.mark.servers

T0 = 1_795_230_000_000
SITE = Site(
    "malang",
    "Malang",
    ZoneInfo("Asia/Jakarta"),
    (),
    (Sensor("S", Quantity.FLOW, "m3/h", "D1", "d1"),),
    Path(),
)


class Proxy:
    """Forwards TCP connections to ``port``; ``stall`` stops those that are open, without closing them."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listening = socket.create_server((HOST, 0))
        self.port = self._listening.getsockname()[1]
        self.connections = 0
        self._stalled: set[int] = set()
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def stall(self) -> None:
        self._stalled = set(range(self.connections))

    def close(self) -> None:
        for s in (self._listening, *self._sockets):
            with suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            far = socket.create_connection((HOST, self._to))
            self._sockets += [near, far]
            number, self.connections = self.connections, self.connections + 1
            for a, b in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(number, a, b), daemon=True).start()

    def _pump(self, number: int, a: socket.socket, b: socket.socket) -> None:
        with suppress(OSError):
            while data := a.recv(65536):
                if number in self._stalled:
                    continue  # swallowed, and never acknowledged to anybody
                b.sendall(data)
            b.shutdown(socket.SHUT_RDWR)


def until(done: Callable[[], bool], what: str, patience_s: float = 60.0) -> None:
    deadline = time.monotonic() + patience_s
    while not done():
        assert time.monotonic() < deadline, f"still not: {what}"
        time.sleep(0.02)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckStore]:
    opened = DuckStore(tmp_path / "readings.duckdb")
    yield opened
    opened.close()


def stored(store: DuckStore) -> int:
    window = store.window(["S"], instant("2026-01-01T00:00:00Z"), instant("2027-01-01T00:00:00Z"))
    return len(window.times)


def test_a_connection_that_went_silent_is_made_anew_and_nothing_is_lost(
    mosquitto: str, tmp_path: Path, store: DuckStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with start_broker(tmp_path / "broker", 0, kind="mosquitto") as broker:
        proxy = Proxy(broker.port)
        options = ConsumerOptions(port=proxy.port, heartbeat_s=0.3, retry_s=0.1, retry_most_s=0.3)
        consumer = Consumer(options, SITE, store, RejectedLog(tmp_path / "rejected.sqlite"), WallClock())
        stop = threading.Event()
        thread = threading.Thread(target=consumer.run, args=(stop,))
        thread.start()
        publisher = paho.Client(paho.CallbackAPIVersion.VERSION2)
        publisher.connect(HOST, broker.port)  # the devices' way is sound
        publisher.loop_start()

        def publish(first: int, last: int) -> None:
            for i in range(first, last):
                payload = json.dumps({"sensor": "S", "time": T0 + 1000 * i, "value": i})
                publisher.publish("twuin/malang/d1/readings", payload, qos=1).wait_for_publish(30)

        try:
            until(lambda: consumer.stats.connected, "connected")
            publish(0, 20)
            until(lambda: stored(store) == 20, "the first readings")
            time.sleep(1.0)  # quiet for longer than the patience: heartbeats come, so nothing is given up
            assert (consumer.stats.stalls, proxy.connections) == (0, 1)
            proxy.stall()
            publish(20, 40)
            until(
                lambda: stored(store) == 40, "the readings after the blip", 30.0
            )  # TCP itself takes minutes
            assert consumer.stats.stalls == 1 and proxy.connections == 2
            assert consumer.stats.reconnects == 1
            assert any("silent" in r.message and "open connection" in r.message for r in caplog.records)
            assert sum(consumer.stats.rejected.values()) == 0
        finally:
            stop.set()
            thread.join()
            publisher.disconnect()
            publisher.loop_stop()
            proxy.close()


def test_a_broker_that_allows_no_heartbeat_is_not_given_up(
    mosquitto: str, tmp_path: Path, store: DuckStore, free_port: Callable[[], int]
) -> None:
    acl = tmp_path / "acl"
    acl.write_text("topic read twuin/#\ntopic write twuin/malang/d1/#\n")
    port = free_port()
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"listener {port} {HOST}\nallow_anonymous true\nacl_file {acl}\nuser root\n")
    broker = subprocess.Popen([mosquitto, "-c", str(config)], stderr=subprocess.DEVNULL)
    options = ConsumerOptions(port=port, heartbeat_s=0.1, retry_s=0.1, retry_most_s=0.2)
    consumer = Consumer(options, SITE, store, RejectedLog(tmp_path / "rejected.sqlite"), WallClock())
    stop = threading.Event()
    thread = threading.Thread(target=consumer.run, args=(stop,))
    thread.start()
    try:
        until(lambda: consumer.stats.connected, "connected")
        time.sleep(1.5)
        assert (consumer.stats.stalls, consumer.stats.reconnects) == (0, 0)
    finally:
        stop.set()
        thread.join()
        broker.terminate()
        broker.wait(10)
