"""Devices of other makers at a real broker: what they say arrives under its sensor, at its time."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import paho.mqtt.client as paho
import pytest

from ingest.births import Births
from ingest.broker import HOST, RunningBroker, start_broker
from ingest.consumer import Consumer, ConsumerOptions
from ingest.devices import DeviceLog
from ingest.rejected import RejectedLog
from ingest.store.duck import DuckStore
from waterworks.clocks import WallClock
from waterworks.codecs import TYPES, ByteField
from waterworks.listen import Listening
from waterworks.names import ForeignName, Format
from waterworks.reading import instant
from waterworks.site import Sensor, Site
from waterworks.units import Quantity

pytestmark = pytest.mark.servers

SITE = Site(
    "malang",
    "Malang",
    ZoneInfo("Asia/Jakarta"),
    (),
    (
        Sensor("TANK", Quantity.LEVEL, "m", "D1", "d1"),
        Sensor("D1-IN", Quantity.FLOW, "m3/h", "D1", "d2"),
    ),
    Path(),
    names=(
        ForeignName("pdam/reservoir3/level", "TANK", Format.PLAIN, unit="cm"),
        ForeignName("meter7/flow", "D1-IN", Format.PLAIN, unit="L/s"),
    ),
    listen=(Listening("pdam/#", Format.PLAIN),),
)


def until(done: Callable[[], bool], what: str, patience_s: float = 60.0) -> None:
    deadline = time.monotonic() + patience_s
    while not done():
        assert time.monotonic() < deadline, f"still not: {what}"
        time.sleep(0.02)


class Client:
    """A device: publishes, and returns once the broker has it."""

    def __init__(self, port: int, name: str, will: tuple[str, bytes] | None = None) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=name)
        if will is not None:
            self._client.will_set(will[0], will[1], qos=1)
        self._client.on_message = lambda _c, _u, m: self.heard.append((m.topic, m.payload))
        self._client.connect(HOST, port)
        self._client.loop_start()

    def subscribe(self, filter: str) -> None:
        done = threading.Event()
        self._client.on_subscribe = lambda *_: done.set()
        self._client.subscribe(filter, qos=1)
        assert done.wait(30)

    def publish(self, topic: str, payload: str | bytes, *, retain: bool = False, qos: int = 1) -> None:
        info = self._client.publish(topic, payload, qos=qos, retain=retain)
        info.wait_for_publish(60)
        assert info.is_published()
        if qos == 0:  # of which the broker says nothing: when it has this one, it had that before
            self.publish("sync", b"")

    def cut(self) -> None:
        """The line is cut: no DISCONNECT."""
        sock = self._client.socket()
        self._client.loop_stop()
        if sock is not None:
            sock.close()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def consuming(port: int, store: Any, folder: Path, site: Site = SITE, **options: Any) -> Iterator[Consumer]:
    """A consumer in a thread; stopped at the end."""
    rejected, devices = RejectedLog(folder / "rejected.sqlite"), DeviceLog(folder / "devices.sqlite")
    births = Births(folder / "births.sqlite")
    consumer = Consumer(
        ConsumerOptions(port=port, retry_s=0.1, retry_most_s=0.3, **options),
        site,
        store,
        rejected,
        WallClock(),
        devices=devices,
        births=births,
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
        devices.close()
        births.close()


@pytest.fixture
def broker(mosquitto: str, tmp_path: Path) -> Iterator[RunningBroker]:
    with start_broker(tmp_path / "broker", 0, kind="mosquitto") as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckStore]:
    duck = DuckStore(tmp_path / "readings.duckdb")
    yield duck
    duck.close()


def readings(store: DuckStore, sensor: str) -> list[tuple[datetime, float]]:
    """Time and value [SI] of all readings of a sensor."""
    extent = store.extent([sensor])
    if extent is None:
        return []
    end = extent[1] + np.timedelta64(1, "us")
    series = store.window([sensor], extent[0], end)
    return [
        (t.astype("datetime64[us]").item().replace(tzinfo=UTC), float(v))
        for t, v in zip(series.times, series.values[:, 0], strict=True)
    ]


def test_a_number_on_a_topic_is_a_reading_of_when_it_came(
    broker: RunningBroker, store: DuckStore, tmp_path: Path
) -> None:
    began = WallClock().now()
    device = Client(broker.port, "dev")
    with consuming(broker.port, store, tmp_path) as consumer:
        device.publish("pdam/reservoir3/level", "243")
        device.publish("meter7/flow", "1.5")  # of no filter, but of names.csv
        device.publish("pdam/reservoir4/level", "1.75 m")
        device.publish("elsewhere/level", "9")
        until(lambda: consumer.stats.stored == 2, "both stored")
        until(lambda: consumer.stats.rejected == {"unknown_sensor": 1}, "the other heard of")
    device.close()
    [(at, level)] = readings(store, "TANK")
    assert level == pytest.approx(2.43)
    assert began <= instant(at) <= WallClock().now()
    assert readings(store, "D1-IN")[0][1] == pytest.approx(0.0015)
    log = RejectedLog(tmp_path / "rejected.sqlite")
    [heard] = log.unknown()
    assert (heard.name, heard.value, heard.unit) == ("pdam/reservoir4/level", 1.75, "m")
    log.close()


@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_a_number_that_waited_at_the_broker_gets_no_time_that_is_not_its_own(
    broker: RunningBroker, store: DuckStore, tmp_path: Path, version: str
) -> None:
    device = Client(broker.port, "dev")
    device.publish("pdam/reservoir3/level", "100", retain=True)  # long ago, for all we know
    with consuming(broker.port, store, tmp_path, version=version) as consumer:
        until(lambda: consumer.stats.rejected == {"no_time": 1}, "the retained one refused")
    for value in range(3):
        device.publish("pdam/reservoir3/level", str(200 + value))  # while nobody takes them
    with consuming(broker.port, store, tmp_path, version=version) as consumer:
        until(lambda: sum(consumer.stats.rejected.values()) >= 4, "those that waited refused")
        assert consumer.stats.stored == 0
        device.publish("pdam/reservoir3/level", "300")
        until(lambda: consumer.stats.stored == 1, "the fresh one stored")
    device.close()
    assert [value for _, value in readings(store, "TANK")] == [pytest.approx(3.0)]
    log = RejectedLog(tmp_path / "rejected.sqlite")
    assert {e.payload for e in log.list()} == {b"100", b"200", b"201", b"202"}  # none is gone
    log.close()


LORA = replace(
    SITE,
    names=(
        ForeignName("flow", "D1-IN", Format.CHIRPSTACK, "24e124aa00000001", "m3/h"),
        ForeignName("level", "TANK", Format.THINGS_STACK, "probe-3"),
    ),
    listen=(
        Listening("application/+/device/+/event/+", Format.CHIRPSTACK),
        Listening("v3/+/devices/+/up", Format.THINGS_STACK),
    ),
    codecs=(ByteField("probe-*", "level", 0, TYPES["u16be"], scale=0.001, unit="m"),),
)


def test_uplinks_of_both_network_servers_are_stored_at_their_own_times(
    broker: RunningBroker, store: DuckStore, tmp_path: Path
) -> None:
    server = Client(broker.port, "server")
    with consuming(broker.port, store, tmp_path, LORA):
        pass  # makes the session, so that the broker keeps what comes
    chirp = {
        "deduplicationId": "3ac7e3c4-4401-4b8d-9386-a5c902f9202d",
        "time": "2026-11-21T03:00:00.5+00:00",
        "deviceInfo": {"devEui": "24e124aa00000001", "deviceProfileName": "meter"},
        "object": {"flow": 36.0, "valve": "open"},
        "rxInfo": [{"rssi": -101}],
    }
    things = {
        "end_device_ids": {"device_id": "probe-3"},
        "received_at": "2026-11-21T03:05:01Z",
        "uplink_message": {
            "f_port": 2, "frm_payload": "CX4=", "received_at": "2026-11-21T03:05:00.25Z",
            "rx_metadata": [{"rssi": -88}],
        },
    }  # fmt: skip
    for _ in range(2):  # a network server that is not sure sends again
        server.publish("application/7/device/24e124aa00000001/event/up", json.dumps(chirp))
        server.publish("v3/app1@ttn/devices/probe-3/up", json.dumps(things))
    with consuming(broker.port, store, tmp_path, LORA) as consumer:
        until(lambda: consumer.stats.received == 4, "all received")
        until(lambda: consumer.stats.unacked == 0, "all durable")
        assert not consumer.stats.rejected
    server.close()
    assert readings(store, "D1-IN") == [(datetime(2026, 11, 21, 3, 0, 0, 500_000, tzinfo=UTC), 0.01)]
    assert readings(store, "TANK") == [(datetime(2026, 11, 21, 3, 5, 0, 250_000, tzinfo=UTC), 2.43)]
    log = DeviceLog(tmp_path / "devices.sqlite")
    assert {d: s.signal_dbm for d, s in log.all().items()} == {"d2": -101.0, "d1": -88.0}
    log.close()


SCADA = replace(
    SITE,
    names=(
        ForeignName("Flow/Inlet", "D1-IN", Format.SPARKPLUG, "PDAM/rtu-9/meter", "m3/h"),
        ForeignName("Level", "TANK", Format.SPARKPLUG, "PDAM/rtu-9", "m"),
    ),
    listen=(Listening("spBv1.0/PDAM/#", Format.SPARKPLUG),),
)
T0 = 1_795_230_000_000  # 2026-11-21T03:00:00Z


class EdgeNode:
    """A Sparkplug edge node with one device, which answers requests for its births as it has to."""

    def __init__(self, port: int, write: Callable[..., bytes], bdseq: int = 0, alias: int = 1) -> None:
        self._write, self._bdseq, self.alias = write, bdseq, alias
        self.seq, self.tick, self.rebirths = 0, 0, 0
        death = write(T0, None, {"name": "bdSeq", "datatype": 4, "long": bdseq})
        self._client = Client(port, f"edge-{bdseq}", will=("spBv1.0/PDAM/NDEATH/rtu-9", death))
        self._client.subscribe("spBv1.0/PDAM/NCMD/rtu-9")
        self.birth()

    def _send(self, verb: str, *metrics: dict[str, Any]) -> None:
        device = "/meter" if verb[0] == "D" else ""
        payload = self._write(T0 + 1000 * self.tick, self.seq, *metrics)
        self._client.publish(f"spBv1.0/PDAM/{verb}/rtu-9{device}", payload, qos=0)
        self.seq = (self.seq + 1) % 256

    def birth(self) -> None:
        self.seq = 0
        at = T0 + 1000 * self.tick
        self._send(
            "NBIRTH",
            {"name": "bdSeq", "t": at, "datatype": 4, "long": self._bdseq},
            {"name": "Node Control/Rebirth", "t": at, "datatype": 11, "boolean": False},
            {"name": "Level", "alias": 100, "t": at, "datatype": 10, "double": 2.0},
        )
        flow = {"name": "Flow/Inlet", "alias": self.alias, "t": at, "datatype": 10, "double": 36.0}
        self._send("DBIRTH", flow)

    def data(self, flow: float) -> None:
        self.tick += 1
        self._send("DDATA", {"alias": self.alias, "t": T0 + 1000 * self.tick, "double": flow})

    def obey(self) -> None:
        """Answer what has been asked."""
        for topic, payload in self._client.heard:
            assert topic == "spBv1.0/PDAM/NCMD/rtu-9" and b"Node Control/Rebirth" in payload
            self.rebirths += 1
            self.birth()
        self._client.heard.clear()

    def cut(self) -> None:
        self._client.cut()


def test_an_edge_node_is_followed_over_restarts_of_ingest_and_asked_for_what_was_missed(
    broker: RunningBroker, store: DuckStore, tmp_path: Path, sparkplug: Callable[..., bytes]
) -> None:
    with consuming(broker.port, store, tmp_path, SCADA) as consumer:
        node = EdgeNode(broker.port, sparkplug)
        node.data(72.0)
        until(lambda: consumer.stats.stored == 3, "birth and data stored")
    # Nothing is sent while ingest is away: the aliases of the births still hold.
    with consuming(broker.port, store, tmp_path, SCADA) as consumer:
        node.data(108.0)
        until(lambda: consumer.stats.stored == 1, "data by alias stored")
        node.obey()
        assert node.rebirths == 0
    # Now the node turns its alias over to another metric while nobody listens.
    node.alias = 5
    node.birth()
    node.data(144.0)
    with consuming(broker.port, store, tmp_path, SCADA) as consumer:
        node.data(180.0)
        until(lambda: consumer.stats.rejected == {"no_birth": 1}, "not believed")
        until(lambda: bool(node._client.heard), "asked for its births")
        node.obey()
        until(lambda: consumer.stats.stored == 2, "both values of the births stored")
        node.data(216.0)
        until(lambda: consumer.stats.stored == 3, "data stored again")
        log = DeviceLog(tmp_path / "devices.sqlite")
        until(lambda: log.all()["d2"].online and log.all()["d1"].online, "known to be there")
        node.cut()
        until(lambda: not log.all()["d2"].online and not log.all()["d1"].online, "known to be gone")
        log.close()
    assert node.rebirths == 1
    flows = [(round(at.timestamp() - T0 / 1000), round(v * 3600)) for at, v in readings(store, "D1-IN")]
    assert flows == [(0, 36), (1, 72), (2, 108), (4, 36), (5, 216)]


def test_several_processes_divide_what_can_be_divided_and_each_follow_the_rest(
    broker: RunningBroker, store: DuckStore, tmp_path: Path, sparkplug: Callable[..., bytes]
) -> None:
    site = replace(SCADA, names=(*SITE.names, *SCADA.names), listen=(*SITE.listen, *SCADA.listen))
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
    device = Client(broker.port, "dev")
    with (
        consuming(broker.port, store, folders[0], site, name="a", shared=True) as one,
        consuming(broker.port, store, folders[1], site, name="b", shared=True) as other,
    ):
        for k in range(100):
            device.publish("pdam/spare", str(k))
        until(
            lambda: sum(c.stats.rejected["unknown_sensor"] for c in (one, other)) == 100, "each number once"
        )
        assert one.stats.rejected and other.stats.rejected
        node = EdgeNode(broker.port, sparkplug)
        for k in range(20):
            node.data(float(k))
        until(lambda: len(readings(store, "D1-IN")) == 21, "all stored")
        until(lambda: one.stats.unacked == other.stats.unacked == 0, "all durable")
        assert not {"no_birth"} & {*one.stats.rejected, *other.stats.rejected}
        node.obey()
        assert node.rebirths == 0
        node.cut()
    device.close()
