"""Files over MQTT: the messages, and that the way ends where a backfill does."""

from __future__ import annotations

import json
import math
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from ingest import replay as replay_module
from ingest.backfill import backfill
from ingest.consumer import Consumer, ConsumerOptions
from ingest.link import BrokerOptions
from ingest.mapping import Mapping, load_mapping
from ingest.publisher import Publisher
from ingest.reasons import Reason
from ingest.rejected import RejectedLog
from ingest.replay import replay
from ingest.store.duck import DuckStore
from waterworks.clocks import WallClock
from waterworks.errors import BrokerError, DataFileError
from waterworks.reading import ReadingBatch
from waterworks.site import Site

MAPPING = """
[[source]]
files = "*.csv"
time = { column = "t" }
[source.long]
sensor = "id"
value = "v"
unit_column = "u"
quality_column = "q"
"""


@pytest.fixture
def mapping(tmp_path: Path) -> Mapping:
    path = tmp_path / "mapping.toml"
    path.write_text(MAPPING, encoding="utf-8")
    return load_mapping(path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Two hours of three sensors of two devices, and what cannot be sent."""
    lines = ["t,id,v,u,q"]
    for k in range(25):
        when = np.datetime64("2026-01-01T00:00:00.000", "ms") + k * 5 * 60_000
        lines.append(f"{when},D1-IN,{10 + k / 7!r},m3/h,0")
        lines.append(f"{when},D1-P1,{3 + k / 11!r},bar,{k % 2}")
        lines.append(f"{when}001,TANK,{k},cm,0")
    lines += ["2026-01-01,D1-IN,x,,", "2026-01-01,NOBODY,1,,", "2026-01-01T03:00,D1-IN,,,"]
    path = tmp_path / "x.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


class Listening:
    """Takes what would be published."""

    sent_to: list[tuple[str, bytes]]

    def __init__(self, *_: object, **__: object) -> None:
        type(self).sent_to = []
        self.sent = 0
        self.reconnects = 0

    def __enter__(self) -> Listening:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def publish(self, topic: str, payload: bytes, stop: threading.Event | None = None) -> bool:
        self.sent_to.append((topic, payload))
        self.sent += 1
        return not (stop is not None and stop.is_set())

    def drain(self, stop: threading.Event | None = None) -> bool:
        return True


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> type[Listening]:
    monkeypatch.setattr(replay_module, "Publisher", Listening)
    return Listening


def test_each_message_is_one_that_the_schema_allows(
    root: Path, file: Path, mapping: Mapping, site: Site, listening: type[Listening]
) -> None:
    report = replay([file], mapping, site, BrokerOptions())
    schema = json.loads((root / "docs" / "schema" / "readings.schema.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    seqs: dict[str, list[int]] = {}
    for topic, payload in listening.sent_to:
        message = json.loads(payload)
        validator.validate(message)
        assert topic == f"twuin/malang/{message['device']}/readings"
        seqs.setdefault(message["device"], []).append(message["seq"])
        for series in message["series"]:
            assert site.sensor[series["sensor"]].device == message["device"]
    assert seqs == {"d1": [1, 2, 3], "d2": [1, 2, 3]}
    assert report.readings == 75 and report.messages == 6 and report.complete
    assert report.read == 78 and report.empty == 1
    assert report.rejected == {Reason.WRONG_TYPE: 1, Reason.UNKNOWN_SENSOR: 1}
    suspect = {
        s.get("quality", "good")
        for _, p in listening.sent_to
        for s in json.loads(p)["series"]
        if s["sensor"] == "D1-P1"
    }
    assert suspect == {"good", "suspect"}


def test_messages_are_bounded(
    file: Path, mapping: Mapping, site: Site, listening: type[Listening], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_module, "MAX_READINGS", 4)
    replay([file], mapping, site, BrokerOptions())
    counts = [sum(len(s["times"]) for s in json.loads(p)["series"]) for _, p in listening.sent_to]
    assert max(counts) == 4 and sum(counts) == 75


def test_devices_take_turns_in_the_order_of_time(
    file: Path, mapping: Mapping, site: Site, listening: type[Listening]
) -> None:
    replay([file], mapping, site, BrokerOptions())
    latest = 0
    for _, payload in listening.sent_to:
        for series in json.loads(payload)["series"]:
            if isinstance(series["times"][0], int):
                assert series["times"] == sorted(series["times"])
                assert series["times"][0] >= latest - 3_600_000  # within a slice devices take turns
                latest = max(latest, series["times"][-1])


def test_at_a_speed_readings_wait_for_their_turn(
    file: Path, mapping: Mapping, site: Site, listening: type[Listening], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    sent_at: list[tuple[float, str]] = []
    publish = Listening.publish

    def noting(self: Listening, topic: str, payload: bytes, stop: threading.Event | None = None) -> bool:
        for series in json.loads(payload)["series"]:
            sent_at.extend((now[0], str(t)) for t in series["times"] if isinstance(t, int))
        return publish(self, topic, payload, stop)

    class Waiting(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            now[0] += timeout or 0.0
            return self.is_set()

    monkeypatch.setattr(Listening, "publish", noting)
    monkeypatch.setattr("ingest.replay.time.monotonic", lambda: now[0])
    replay([file], mapping, site, BrokerOptions(), speed=600.0, stop=Waiting())
    begin = min(int(t) for _, t in sent_at)
    for wall, t in sent_at:
        assert wall == pytest.approx((int(t) - begin) / 1000 / 600, abs=0.25)
    assert now[0] == pytest.approx(7200 / 600, abs=0.25)


def test_it_ends_when_told_to(file: Path, mapping: Mapping, site: Site, listening: type[Listening]) -> None:
    stop = threading.Event()
    shares: list[float] = []

    def moved(share: float) -> None:
        shares.append(share)
        stop.set()

    report = replay([file], mapping, site, BrokerOptions(), stop=stop, progress=moved)
    assert not report.complete and 0 < report.readings < 75 and len(shares) == 1


def test_a_file_sorted_by_sensor_is_sent_by_time(
    tmp_path: Path,
    mapping: Mapping,
    site: Site,
    listening: type[Listening],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ingest.tabular.BLOCK_BYTES", 64)  # a row or two at a time
    rows = [f"2026-01-0{day},{name},1,," for name in ("D1-IN", "TANK") for day in (3, 1, 2)]
    (tmp_path / "x.csv").write_text("\n".join(["t,id,v,u,q", *rows]) + "\n")
    replay([tmp_path / "x.csv"], mapping, site, BrokerOptions())
    times = [json.loads(p)["series"][0]["times"][0] for _, p in listening.sent_to]
    assert len(times) == 6 and times == sorted(times)


@pytest.mark.parametrize("speed", [0.0, -1.0, math.nan])
def test_a_speed_is_above_nothing(file: Path, mapping: Mapping, site: Site, speed: float) -> None:
    with pytest.raises(ValueError, match="not above 0"):
        replay([file], mapping, site, BrokerOptions(), speed=speed)


def test_a_bad_file_is_told_before_anyone_connects(tmp_path: Path, mapping: Mapping, site: Site) -> None:
    (tmp_path / "bad.csv").write_text("")
    with pytest.raises(DataFileError, match="is empty"):
        replay([tmp_path / "bad.csv"], mapping, site, BrokerOptions(port=1))


def test_no_broker_is_one_clear_line(
    file: Path, mapping: Mapping, site: Site, free_port: Callable[[], int]
) -> None:
    with pytest.raises(
        BrokerError, match=r"no MQTT broker 127\.0\.0\.1:\d+: connection refused; is it running"
    ):
        replay([file], mapping, site, BrokerOptions(port=free_port()))


def test_what_is_no_broker_is_one_clear_line(
    file: Path, mapping: Mapping, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def serve() -> None:
            while True:
                try:
                    sock, _ = server.accept()
                except OSError:
                    return
                with sock:
                    sock.recv(100)
                    sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=serve, daemon=True).start()
        monkeypatch.setattr("ingest.publisher.CONNECT_S", 1.0)
        with pytest.raises(BrokerError, match="does not answer as an MQTT broker"):
            replay([file], mapping, site, BrokerOptions(port=port))


# -- with a real broker ----------------------------------------------------------------------------


class Mosquitto:
    """A broker on a port of its own that can be stopped and started."""

    def __init__(self, program: str, folder: Path, port: int) -> None:
        self.port = port
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\n"
            f"persistence_location {folder}/\n"
            "max_queued_messages 0\nmax_inflight_messages 0\nuser root\n"
        )
        self._program = program
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            [self._program, "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=10)


@pytest.fixture
def broker(mosquitto: str, tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Mosquitto]:
    folder = tmp_path / "broker"
    folder.mkdir()
    running = Mosquitto(mosquitto, folder, free_port())
    yield running
    running.stop()


class Ingesting:
    """A consumer at work on a store of its own."""

    def __init__(self, port: int, site: Site, rejected: RejectedLog, folder: Path) -> None:
        self.store = DuckStore(folder / "ingested" / "readings.duckdb")
        options = ConsumerOptions(port=port, retry_s=0.05, retry_most_s=0.2)
        self.consumer = Consumer(options, site, self.store, rejected, WallClock())
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.consumer.run, args=(self._stop,))
        self._thread.start()
        self.until(lambda: self.consumer.stats.connected)

    def until(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not done():
            assert time.monotonic() < deadline, self.consumer.stats
            time.sleep(0.02)

    def end(self) -> None:
        self._stop.set()
        self._thread.join()
        self.store.close()


@pytest.fixture
def ingesting(broker: Mosquitto, site: Site, rejected: RejectedLog, tmp_path: Path) -> Iterator[Ingesting]:
    at_work = Ingesting(broker.port, site, rejected, tmp_path)
    yield at_work
    at_work.end()


@pytest.mark.servers
def test_a_replay_stores_what_a_backfill_does_and_twice_adds_nothing(
    file: Path, mapping: Mapping, site: Site, broker: Mosquitto, ingesting: Ingesting, tmp_path: Path
) -> None:
    stats = ingesting.consumer.stats
    for round_ in (1, 2):
        report = replay([file], mapping, site, BrokerOptions(port=broker.port))
        assert report.complete and report.readings == 75
        ingesting.until(lambda n=75 * round_: stats.stored + stats.duplicates + stats.replaced == n)  # type: ignore[misc]
    assert (stats.stored, stats.duplicates, stats.replaced) == (75, 75, 0)
    filled = DuckStore(tmp_path / "filled" / "readings.duckdb")
    backfill(filled, site, [file], mapping)
    assert filled.names() == ingesting.store.names() and len(filled.names()) == 3
    far = np.datetime64("2030", "us")
    one, two = (s.window(filled.names(), np.datetime64("2020", "us"), far) for s in (filled, ingesting.store))
    for mine, theirs in zip(one, two, strict=True):
        assert mine.tobytes() == theirs.tobytes()  # to the last bit
    filled.close()
    again = backfill(ingesting.store, site, [file], mapping)
    assert (again.stored, again.duplicates, again.replaced) == (0, 75, 0)


@pytest.mark.servers
def test_a_broker_that_goes_and_comes_back_loses_nothing(
    tmp_path: Path, mapping: Mapping, site: Site, broker: Mosquitto, ingesting: Ingesting
) -> None:
    file = tmp_path / "long.csv"
    times = np.datetime64("2026-01-01T00:00", "m") + np.arange(0, 4000 * 60, 60)
    file.write_text("t,id,v,u,q\n" + "".join(f"{t},D1-IN,{k},m3/h,\n" for k, t in enumerate(times)))
    stats = ingesting.consumer.stats
    restarted = threading.Event()

    def moved(share: float) -> None:
        if share > 0.3 and not restarted.is_set():
            restarted.set()
            broker.stop()
            broker.start()

    report = replay([file], mapping, site, BrokerOptions(port=broker.port), progress=moved)
    assert restarted.is_set() and report.complete and report.reconnects >= 1
    ingesting.until(lambda: stats.stored == 4000)


@pytest.mark.servers
@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_the_publisher_bounds_what_is_under_way(broker: Mosquitto, version: str) -> None:
    with Publisher(BrokerOptions(port=broker.port, version=version), "test", in_flight=3) as publisher:  # type: ignore[arg-type]
        most = 0
        for k in range(500):
            assert publisher.publish("twuin/x/y/readings", b"%d" % k)
            most = max(most, publisher.under_way)
        assert publisher.drain() and publisher.under_way == 0 and publisher.sent == 500
        assert most <= 3


@pytest.mark.servers
def test_a_broker_that_stays_away_is_given_up(broker: Mosquitto) -> None:
    publisher = Publisher(BrokerOptions(port=broker.port), "test", patience_s=0.5)
    broker.stop()
    publisher.publish("twuin/x/y/readings", b"1")
    with pytest.raises(BrokerError, match=r"for 0\.5 s; 1 messages wait"):
        publisher.drain()
    publisher.close()
    broker.start()


def test_suspect_readings_travel_as_such(site: Site) -> None:
    t = np.datetime64("2026-01-01", "us")
    batch = ReadingBatch.of(["D1-IN"] * 3, t + np.arange(3), [1.0, 2.0, 3.0], received=t, quality=[0, 1, 3])
    ((_, payload, count),) = replay_module._Messages(site).of(batch)
    assert count == 3
    assert [(s.get("quality"), s["values"]) for s in json.loads(payload)["series"]] == [
        (None, [1.0]),
        ("suspect", [2.0, 3.0]),
    ]
