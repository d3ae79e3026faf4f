"""What chaos needs: an installation of real servers and processes, and everything that may happen to it."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from ingest.broker import HOST, mosquitto_config
from ingest.spool.look import look
from ingest.store.embedded import open_store
from ingest.store.influx.access import Access
from ingest.store.influx.store import InfluxStore
from ingest.topics import Channel, build
from waterworks.ports import ReadingStore
from waterworks.site import Site
from waterworks.site_folder import read_site

ROOT = Path(__file__).resolve().parents[3]
T0 = 1_795_230_000_000  # 2026-11-21T03:00:00Z
SENSORS = 4  # of each device
PATIENCE_S = 180.0
DISK_BYTES = 48 * 2**20


def until(done: Callable[[], bool], what: Callable[[], str], patience_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + patience_s
    while not done():
        assert time.monotonic() < deadline, f"still not: {what()}"
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((HOST, 0))
        return int(s.getsockname()[1])


class Proxy:
    """A network between two parts, which can be cut without closing a socket, and be slow.

    While ``cut`` nothing moves in either direction, and whoever connects waits; what was sent arrives when
    it is mended, as over a radio that was away. ``delay_s``: how long each piece takes.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.delay_s = 0.0
        self._open = threading.Event()
        self._open.set()
        self._server = socket.create_server((HOST, 0), backlog=128)
        self.port = int(self._server.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self._open.clear()

    def mend(self) -> None:
        self.delay_s = 0.0
        self._open.set()

    def close(self) -> None:
        self.mend()
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        self._open.wait()
        try:
            far = socket.create_connection((HOST, self.target), timeout=10)
        except OSError:
            near.close()
            return
        far.settimeout(None)
        for a, b in ((near, far), (far, near)):
            threading.Thread(target=self._pump, args=(a, b), daemon=True).start()

    def _pump(self, a: socket.socket, b: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._open.wait()
                data = a.recv(1 << 16)
                self._open.wait()
                if self.delay_s:
                    time.sleep(self.delay_s)
                if not data:
                    break
                b.sendall(data)
        for s in (a, b):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()


class Process:
    """A program that can be killed and started again."""

    def __init__(self, command: list[str], log: Path, environment: dict[str, str] | None = None) -> None:
        self.command, self.log, self._environment = command, log, environment
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        if self._running is None:
            with self.log.open("ab") as out:
                self._running = subprocess.Popen(
                    self.command,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    env=self._environment,
                    cwd=ROOT,
                )

    def send(self, number: int) -> None:
        if self._running is not None:
            self._running.send_signal(number)

    def end(self, number: int = signal.SIGKILL) -> None:
        running, self._running = self._running, None
        if running is None:
            return
        running.send_signal(signal.SIGCONT)
        running.send_signal(number)
        try:
            running.wait(30)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()

    def alive(self) -> bool:
        return self._running is not None and self._running.poll() is None


class Publisher:
    """A device that sends with QoS 1 and knows what the broker acknowledged. Message i has one reading."""

    def __init__(self, site: str, device: str, port: int, first: int) -> None:
        self.device, self.sent, self.acknowledged = device, first, set[int]()
        self._first, self._site = first, site
        self._topic = build(site, device, Channel.READINGS)
        self._mids: dict[int, int] = {}
        self._answered: deque[int] = deque()  # packet ids, which paho's thread hears of first
        self._stop = threading.Event()
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=f"dev-{device}", clean_session=False
        )
        self._client.reconnect_delay_set(0.2, 1)
        self._client.max_inflight_messages_set(200)
        self._client.on_publish = lambda _c, _u, mid, *_: self._answered.append(mid)
        self._client.connect_async(HOST, port, keepalive=5)
        self._prepare()
        self._client.loop_start()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _prepare(self) -> None:
        """What else the client is to do."""

    def payload(self, i: int) -> str:
        return reading(self.device, i, seq=i + 1, boot=1)

    def begin(self, rate: float) -> None:
        self._rate = rate
        self._thread.start()

    def _run(self) -> None:
        begun = time.monotonic()
        while not self._stop.is_set():
            due = self._first + int((time.monotonic() - begun) * self._rate)
            while self.sent < due:
                self._publish(self.sent)
                self.sent += 1
            self._note()
            time.sleep(0.01)

    def _publish(self, i: int) -> None:
        self._mids[self._client.publish(self._topic, self.payload(i), qos=1).mid] = i

    def _note(self) -> bool:
        """Take note of what the broker has acknowledged; whether that is everything."""
        while self._answered:
            self.acknowledged.add(self._mids.pop(self._answered.popleft()))
        return not self._mids

    def finish(self) -> None:
        """Stop, once the broker has acknowledged everything."""
        self._stop.set()
        self._thread.join()
        until(self._note, lambda: f"{len(self._mids)} messages of {self.device} acknowledged")
        self._client.disconnect()
        self._client.loop_stop()


class Careful(Publisher):
    """A device that keeps what it sent until a receipt says that it is stored, as docs/receipts.md has it.

    Its waits are shorter than those of the page, as a round is.
    """

    GAP_S, SILENT_S, RECONNECT_S = 3.0, 8.0, 2.0

    def _prepare(self) -> None:
        self._kept: dict[int, float] = {}  # by number: when it last left, monotonic
        self._receipts: deque[dict[str, Any]] = deque()
        self._connected_at: float | None = None
        self._client.on_connect = self._on_connect
        self._client.on_message = lambda _c, _u, m: self._receipts.append(json.loads(m.payload))

    def _on_connect(self, client: paho.Client, *_: Any) -> None:
        client.subscribe(build(self._site, self.device, Channel.RECEIPT), qos=1)
        self._connected_at = time.monotonic()

    def payload(self, i: int) -> str:
        return reading(self.device, i, seq=i + 1, boot=1, oldest=min(self._kept, default=i) + 1)

    def _publish(self, i: int) -> None:
        self._kept.setdefault(i, 0.0)
        super()._publish(i)
        self._kept[i] = time.monotonic()

    def _note(self) -> bool:
        """Let go what is settled, and send again what is not; whether nothing is kept any more."""
        super()._note()
        now = time.monotonic()
        again: list[int] = []
        waits = set(self._mids.values())
        while self._receipts:
            receipt = self._receipts.popleft()
            if receipt["boot"] != 1:
                continue
            gaps = {n - 1 for a, b in receipt["gaps"] for n in range(a, b + 1)}
            for i in [i for i in self._kept if i < receipt["highest"]]:
                if i not in gaps:
                    del self._kept[i]
                elif i not in waits and now - self._kept[i] > self.GAP_S:
                    again.append(i)
        if self._connected_at is not None and now - self._connected_at > self.RECONNECT_S:
            self._connected_at = None
            again += self._kept
        again += [i for i, left in self._kept.items() if now - left > self.SILENT_S]
        for i in dict.fromkeys(again):
            if i in self._kept and i not in waits:
                self._publish(i)
        return not self._kept and not self._mids


def reading(device: str, i: int, **numbers: int) -> str:
    """The i-th reading of a device: a time of its own, and a value that tells i."""
    sensor = f"{device}-{i % SENSORS}"
    known = {"sensor": sensor, "time": T0 + 1000 * i, "value": i / 1000, "unit": "m3/s"}
    return json.dumps({**known, **numbers})


def write_site(folder: Path, devices: list[str]) -> Site:
    folder.mkdir()
    (folder / "site.toml").write_text('id = "chaos"\nname = "Chaos"\ntimezone = "Asia/Jakarta"\n')
    (folder / "dmas.csv").write_text("id,name,connections\nD1,One,100\n")
    rows = [
        f"{d}-{k},{d} {k},flow,m3/s,inlet,D1,{d},1,-1000000,1000000" for d in devices for k in range(SENSORS)
    ]
    (folder / "sensors.csv").write_text(
        "id,name,quantity,unit,role,dma,device,interval_s,low,high\n" + "\n".join(rows) + "\n"
    )
    return read_site(folder)


class Installation:
    """Broker, store and ingest processes, with a network between each two that can be cut.

    processes: ingest processes, which share the load where there are two. kind: of the store. mqtt: version
    that the ingest processes speak.
    """

    def __init__(
        self, folder: Path, kind: str, processes: int, program: Callable[[str], str], mqtt: str = "3.1.1"
    ) -> None:
        self.folder, self.kind = folder, kind
        self.site = write_site(folder / "site", ["plain", "careful"])
        self.data = folder / "data"
        self.data.mkdir()
        self._mounted = _mount(self.data)
        self._ballast = self.data / "ballast"
        broker_port = free_port()
        (folder / "broker").mkdir()
        config = folder / "broker" / "mosquitto.conf"
        config.write_text(mosquitto_config(folder / "broker", broker_port))
        self.broker = Process([program("mosquitto"), "-c", str(config)], folder / "broker.log")
        self.devices_net, self.ingest_net = Proxy(broker_port), Proxy(broker_port)
        self.broker_port = broker_port
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "TWUIN_SITE": str(self.site.folder),
            "TWUIN_DATA_DIR": str(self.data),
            "TWUIN_MQTT__PORT": str(self.ingest_net.port),
            "TWUIN_SPOOL__KEEP_FREE_BYTES": str(2**20),
            "TWUIN_SPOOL__SLOW_S": "0.5",
            "TWUIN_MQTT__RECEIPT_S": "1",
            "TWUIN_MQTT__VERSION": mqtt,
        }
        self.store_net: Proxy | None = None
        self.store_server: Process | None = None
        self.url = ""
        if kind == "influxdb":
            self.store_server, port = _influxdb(folder, program("influxd"))
            self.url = f"http://{HOST}:{port}"
            self.store_net = Proxy(port)
            environment |= {
                "TWUIN_STORE__KIND": "influxdb",
                "TWUIN_STORE__VERSION": "1",
                "TWUIN_STORE__URL": f"http://{HOST}:{self.store_net.port}",
                "TWUIN_STORE__TIMEOUT_S": "2",
            }
        self._environment = environment
        self.ingest = []
        for k in range(processes):
            command = [sys.executable, "-m", "twuin", "ingest", "--name", f"n{k}"]
            command += ["--shared"] if processes > 1 else []
            self.ingest.append(Process(command, folder / f"ingest-{k}.log", environment))
        self.start()
        for each in self.ingest:
            until(
                lambda each=each: "connected to" in each.log.read_text(),
                lambda each=each: f"connected: {each.log.read_text()}",
            )

    @property
    def parts(self) -> list[Process]:
        return [self.broker, *([self.store_server] if self.store_server else []), *self.ingest]

    @property
    def nets(self) -> list[Proxy]:
        return [self.devices_net, self.ingest_net, *([self.store_net] if self.store_net else [])]

    def start(self) -> None:
        for part in self.parts:
            part.start()

    def heal(self) -> None:
        """Everything runs again, and all networks are whole."""
        self._ballast.unlink(missing_ok=True)
        for net in self.nets:
            net.mend()
        for part in self.parts:
            part.send(signal.SIGCONT)
            if not part.alive():
                part.end()
                part.start()

    def close(self) -> None:
        for part in reversed(self.parts):
            part.end()
        for net in self.nets:
            net.close()
        if self._mounted:
            subprocess.run(["umount", "-l", str(self.data)], check=False)

    # -- what is stored --------------------------------------------------------------------------------

    @contextlib.contextmanager
    def reader(self) -> Iterator[ReadingStore]:
        """The store, past all networks."""
        if self.kind == "embedded":
            store: ReadingStore = open_store(self.data)
        else:
            store = InfluxStore(Access(self.url, "twuin", version=1), self.site)
        with contextlib.closing(store):
            yield store

    def stored(self, store: ReadingStore, device: str) -> list[int]:
        """Which readings of a device are stored, each at its own time and with its own value."""
        names = [f"{device}-{k}" for k in range(SENSORS)]
        start = np.datetime64(T0, "ms").astype("datetime64[us]")
        window = store.window(names, start, start + np.timedelta64(100, "D"))
        found: list[int] = []
        for k in range(SENSORS):
            value = window.values[:, k]
            there = np.isfinite(value)
            number = np.rint(value[there] * 1000).astype(int)
            at = ((window.times[there] - start) / np.timedelta64(1, "s")).astype(int)
            assert (number == at).all(), "a reading stands at another's time"
            assert (number % SENSORS == k).all(), "a reading stands under another's sensor"
            found += number.tolist()
        return sorted(found)

    def waiting(self) -> int:
        """Readings in the spools."""
        return sum(seen.readings for seen in look(self.data / "spool"))

    def missing(self, store: ReadingStore, device: str, due: list[int]) -> str:
        """What to say when not all is stored that was acknowledged."""
        gone = sorted(set(due) - set(self.stored(store, device)))
        logs = "\n".join(f"{p.log.name}: {p.log.read_text()[-1500:]}" for p in self.ingest)
        return f"{len(due)} readings of {device} stored, {len(gone)} are missing: {gone[:20]}\n{logs}"

    def lost_by_number(self, device: str) -> int:
        """How many messages of a device are missing, as `twuin ingest ledger` says."""
        command = [sys.executable, "-m", "twuin", "ingest", "ledger", "--device", device, "--json"]
        done = subprocess.run(
            command, env=self._environment, capture_output=True, text=True, check=True, cwd=ROOT
        )
        return sum(m["missing"] + m["lost"] for m in json.loads(done.stdout)["messages"])

    def rows(self) -> int | None:
        """Rows of the embedded store, once nobody has it open; None for InfluxDB, which has one a key."""
        if self.kind != "embedded":
            return None
        with duckdb.connect(str(next(self.data.glob("*.duckdb"))), read_only=True) as db:
            return int(db.execute("SELECT count(*) FROM readings").fetchall()[0][0])

    # -- what may happen -------------------------------------------------------------------------------

    @property
    def forgetting(self) -> set[str]:
        """What makes the broker forget messages that it has acknowledged to devices.

        Mosquitto 2.0 keeps what waits for a shared subscription over a restart, but not the subscription:
        what comes before an ingest process has subscribed again goes nowhere (docs/broker.md).
        """
        return {"broker killed", "broker killed with a backlog"} | (
            {"everything restarted"} if len(self.ingest) > 1 else set()
        )

    def faults(self, rng: random.Random) -> dict[str, Callable[[float], None]]:
        """What may happen to it, by name; each is given how long it lasts [s]."""
        server, store_net = self.store_server, self.store_net

        def killed(part: Process) -> Callable[[float], None]:
            def fault(seconds: float) -> None:
                part.end(signal.SIGKILL)
                time.sleep(seconds)
                part.start()

            return fault

        def frozen(part: Process) -> Callable[[float], None]:
            def fault(seconds: float) -> None:
                part.send(signal.SIGSTOP)
                time.sleep(seconds)
                part.send(signal.SIGCONT)

            return fault

        def cut(net: Proxy) -> Callable[[float], None]:
            def fault(seconds: float) -> None:
                net.cut()
                time.sleep(seconds)
                net.mend()

            return fault

        def slow(net: Proxy) -> Callable[[float], None]:
            def fault(seconds: float) -> None:
                net.delay_s = 0.4
                time.sleep(seconds)
                net.mend()

            return fault

        def backlogged(seconds: float) -> None:
            """The broker is killed while it holds what nobody took."""
            self.ingest_net.cut()
            time.sleep(max(seconds, 1.0))
            self.broker.end(signal.SIGKILL)
            self.ingest_net.mend()
            self.broker.start()

        def full(seconds: float) -> None:
            with contextlib.suppress(OSError), self._ballast.open("wb") as ballast:
                while True:
                    ballast.write(bytes(1 << 16))
                    ballast.flush()
            time.sleep(seconds)
            self._ballast.unlink()

        def everything(seconds: float) -> None:
            for part in rng.sample(self.parts, len(self.parts)):
                if part is not self.broker:
                    part.end(rng.choice([signal.SIGKILL, signal.SIGTERM]))
                else:
                    part.end(signal.SIGTERM)  # it writes its queue; what a kill of it costs is another fault
            time.sleep(seconds)
            for part in rng.sample(self.parts, len(self.parts)):
                part.start()
                time.sleep(rng.uniform(0, 0.5))

        found = {
            "broker killed": killed(self.broker),
            "broker killed with a backlog": backlogged,
            "ingest killed": killed(rng.choice(self.ingest)),
            "ingest frozen": frozen(rng.choice(self.ingest)),
            "broker frozen": frozen(self.broker),
            "network of devices cut": cut(self.devices_net),
            "network of ingest cut": cut(self.ingest_net),
            "everything restarted": everything,
        }
        if self._mounted:
            found["disk full"] = full
        if server is not None and store_net is not None:
            found |= {
                "store killed": killed(server),
                "store frozen": frozen(server),
                "store slow": slow(store_net),
                "network of store cut": cut(store_net),
            }
        return found


def _mount(folder: Path) -> bool:
    """A small disk at ``folder``, where we may."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "twuin-chaos", str(folder)],
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


def _influxdb(folder: Path, program: str) -> tuple[Process, int]:
    place, port, rpc = folder / "influxdb", free_port(), free_port()
    place.mkdir()
    environment = {
        **os.environ,
        "INFLUXDB_REPORTING_DISABLED": "true",
        "INFLUXDB_BIND_ADDRESS": f"{HOST}:{rpc}",
        "INFLUXDB_HTTP_BIND_ADDRESS": f"{HOST}:{port}",
        "INFLUXDB_HTTP_LOG_ENABLED": "false",
        "INFLUXDB_META_DIR": str(place / "meta"),
        "INFLUXDB_DATA_DIR": str(place / "data"),
        "INFLUXDB_DATA_WAL_DIR": str(place / "wal"),
        "INFLUXDB_MONITOR_STORE_ENABLED": "false",
    }
    return Process([program, "-config", ""], folder / "influxdb.log", environment), port


@pytest.fixture
def install(
    program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str, int, str], Installation]]:
    """Makes an installation: kind of store, number of ingest processes, version of MQTT."""
    made: list[Installation] = []

    def make(kind: str, processes: int, mqtt: str) -> Installation:
        made.append(Installation(tmp_path_factory.mktemp("chaos"), kind, processes, program, mqtt))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture(scope="session")
def devices() -> dict[str, type[Publisher]]:
    """How each device of the site behaves."""
    return {"plain": Publisher, "careful": Careful}


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., None]:
    return until
