"""How fast readings become durable: broker, store, publisher and ingest processes, all on this machine."""

from __future__ import annotations

import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from firmware_sim.flood import Flood, Progress
from ingest.broker import HOST, start_broker
from waterworks.errors import BenchmarkError

Store = Literal["embedded", "influxdb"]

DRAIN_S = 130.0
"""How long the readings that are on their way at the end may take."""

_PATHS = os.pathsep.join((os.defpath, "/usr/sbin", "/usr/local/sbin"))


@dataclass(frozen=True)
class Options:
    """A load. processes: ingest processes, which share it where there are more than one.

    Publishes for ``seconds``. rate: messages a second at most; None: as many as become
    durable. peer: a subscriber of paho-mqtt that only counts, in the place of ingest.
    """

    flood: Flood
    store: Store = "embedded"
    processes: int = 1
    seconds: float = 30.0
    rate: float | None = None
    backlog: int = 20_000
    version: str = "3.1.1"
    peer: bool = False


class Report(NamedTuple):
    """What was measured. per_s: messages; delays: from publishing to durable [s].

    cpu: seconds of processor a message, of ingest (all processes), broker, store server and publisher;
    memory: of an ingest process, in use by quarter of the run and at its peak [MB]. spooled: readings that
    were durable in the spool first, as the store was slow; drained_s: until it had them all, after the last
    message [s].
    """

    options: Options
    sent: int
    lost: int
    duplicates: int | None
    rejected: int
    seconds: float
    per_s: float
    delay_p50: float
    delay_p99: float
    cpu: dict[str, float]
    memory: list[float]
    peak_mb: float
    spooled: int
    drained_s: float

    @property
    def readings_per_s(self) -> float:
        return self.per_s * self.options.flood.per_message

    def as_json(self) -> dict[str, Any]:
        return {
            **asdict(self.options),
            "sent": self.sent,
            "lost": self.lost,
            "duplicates": self.duplicates,
            "rejected": self.rejected,
            "seconds": self.seconds,
            "messages_per_s": self.per_s,
            "readings_per_s": self.readings_per_s,
            "delay_s": {"p50": self.delay_p50, "p99": self.delay_p99},
            "cpu_us_per_message": {k: 1e6 * v for k, v in self.cpu.items()},
            "memory_mb": self.memory,
            "peak_mb": self.peak_mb,
            "spooled": self.spooled,
            "drained_s": self.drained_s,
        }


def run(o: Options) -> Report:
    """Measure a load. Raises BenchmarkError naming what is missing or has failed."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="twuin-bench-")))
        broker = stack.enter_context(start_broker(folder / "broker", 0, kind="mosquitto"))
        settings: dict[str, Any] = {"data_dir": str(folder / "data"), "mqtt": {"port": broker.port}}
        server: subprocess.Popen[bytes] | None = None
        if o.store == "influxdb" and not o.peer:
            server, url = stack.enter_context(influxdb(folder / "influxdb"))
            settings["store"] = {"kind": "influxdb", "version": "1", "url": url}
        servers = {"broker": broker.pid, **({} if server is None else {"store": server.pid})}
        paths = [folder / f"progress-{k}" for k in range(o.processes)]
        workers = [stack.enter_context(_worker(o, folder, k, path, settings)) for k, path in enumerate(paths)]
        _wait(lambda: all((folder / f"ready-{k}").exists() for k in range(o.processes)), workers)
        before = {name: cpu_seconds(pid) for name, pid in servers.items()}
        published, publisher_cpu = _publish(o, folder, broker.port, paths)
        sent = published["sent"]
        target, progress = sent * o.flood.per_message, Progress(paths)
        give_up = time.monotonic() + DRAIN_S
        while progress.total < target and time.monotonic() < give_up:
            time.sleep(0.02)
        cpu = {name: cpu_seconds(pid) - before[name] for name, pid in servers.items()}
        reports = [_end(w) for w in workers]
    return _report(o, sent, published["written"], publisher_cpu, cpu, reports)


def _report(
    o: Options,
    sent: int,
    written: list[tuple[float, int]],
    publisher_cpu: float,
    cpu: dict[str, float],
    reports: list[dict[str, Any]],
) -> Report:
    taken = sum(r["acknowledged"][-1][1] for r in reports if r["acknowledged"])
    at, total = _together([r["acknowledged"] for r in reports])
    begun, up_to = np.array([w[0] for w in written]), np.array([w[1] for w in written])
    count = np.diff(up_to, prepend=0)
    known = up_to <= total[-1]
    delay = at[np.searchsorted(total, up_to[known])] - begun[known]
    order = np.argsort(delay)
    share = np.cumsum(count[known][order]) / count[known].sum()
    p50, p99 = (float(delay[order][np.searchsorted(share, p)]) for p in (0.5, 0.99))
    took = float(at[-1] - begun[0])
    stored = [r["stored"] for r in reports]
    duplicates = [r["duplicates"] for r in reports]
    lost = sent - taken
    if None not in stored:
        lost = max(lost, sent - sum(stored) // o.flood.per_message)
    memory = [m for r in reports[:1] for _, m in r["memory"]]
    return Report(
        options=o,
        sent=sent,
        lost=lost,
        duplicates=None if None in duplicates else sum(duplicates),
        rejected=sum(r["rejected"] for r in reports),
        seconds=took,
        per_s=taken / took,
        delay_p50=p50,
        delay_p99=p99,
        cpu={
            "ingest": sum(r["cpu_s"] for r in reports) / sent,
            **{name: seconds / sent for name, seconds in cpu.items()},
            "publisher": publisher_cpu / sent,
        },
        memory=[float(np.median(part)) for part in np.array_split(memory, 4) if len(part)],
        peak_mb=max(r["peak_mb"] for r in reports),
        spooled=sum(r["spooled"] for r in reports),
        drained_s=max(r["drained_s"] for r in reports),
    )


def _together(notes: list[list[tuple[float, int]]]) -> tuple[Any, Any]:
    """Times and sum of the counts of several processes."""
    at = np.unique([t for part in notes for t, _ in part])
    if not len(at):
        raise BenchmarkError("nothing became durable")
    total = np.zeros(len(at), np.int64)
    for part in notes:
        times, counts = np.array([t for t, _ in part]), np.array([0, *(c for _, c in part)])
        total += counts[np.searchsorted(times, at, side="right")]
    return at, total


@contextmanager
def _worker(
    o: Options, folder: Path, k: int, progress: Path, settings: dict[str, Any]
) -> Iterator[subprocess.Popen[str]]:
    Progress.make(progress)
    ready = folder / f"ready-{k}"
    if o.peer:
        port = str(settings["mqtt"]["port"])
        command = ["ingest.bare", port, str(progress), str(ready), str(o.flood.per_message)]
    else:
        mqtt = {**settings["mqtt"], "name": f"w{k}", "shared": o.processes > 1, "version": o.version}
        spec = {
            "flood": asdict(o.flood),
            "settings": {**settings, "mqtt": mqtt},
            "progress": str(progress),
            "ready": str(ready),
        }
        path = folder / f"spec-{k}.json"
        path.write_text(json.dumps(spec))
        command = ["twuin.load.worker", str(path)]
    with (folder / f"worker-{k}.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", *command], stdout=subprocess.PIPE, stderr=log, text=True
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _wait(done: Callable[[], bool], workers: list[subprocess.Popen[str]]) -> None:
    while not done():
        if any(w.poll() is not None for w in workers):
            raise BenchmarkError("an ingest process ended at once")
        time.sleep(0.02)


def _end(worker: subprocess.Popen[str]) -> dict[str, Any]:
    worker.terminate()
    out, _ = worker.communicate(timeout=DRAIN_S)
    if worker.returncode != 0:
        raise BenchmarkError(f"an ingest process ended with status {worker.returncode}")
    found: dict[str, Any] = json.loads(out)
    if found["problem"]:
        raise BenchmarkError(f"ingest: {found['problem']}")
    return found


def _publish(o: Options, folder: Path, port: int, paths: list[Path]) -> tuple[dict[str, Any], float]:
    """What the publisher says, and its processor time [s]."""
    f = o.flood
    command = [sys.executable, "-P", "-m", "firmware_sim.flood", "--port", str(port)]
    command += ["--sensors", str(f.sensors), "--devices", str(f.devices), "--start-ms", str(f.start_ms)]
    command += ["--per-message", str(f.per_message), "--seconds", str(o.seconds), "--backlog", str(o.backlog)]
    command += ["--columns"] if f.columns else []
    command += [] if o.rate is None else ["--rate", str(o.rate)]
    for path in paths:
        command += ["--progress", str(path)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise BenchmarkError(f"the publisher failed: {done.stderr.strip().splitlines()[-1:]}")
    return json.loads(done.stdout), after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@contextmanager
def influxdb(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """An InfluxDB 1.x of its own on loopback, and its address. Raises BenchmarkError where there is none."""
    program = shutil.which("influxd") or shutil.which("influxd", path=_PATHS)
    if program is None:
        raise BenchmarkError("influxd is not installed: install it (Debian: apt install influxdb)")
    folder.mkdir()
    ports = [_free_port(), _free_port()]
    environment = {
        **os.environ,
        "INFLUXDB_REPORTING_DISABLED": "true",
        "INFLUXDB_BIND_ADDRESS": f"{HOST}:{ports[0]}",
        "INFLUXDB_HTTP_BIND_ADDRESS": f"{HOST}:{ports[1]}",
        "INFLUXDB_HTTP_LOG_ENABLED": "false",
        "INFLUXDB_META_DIR": str(folder / "meta"),
        "INFLUXDB_DATA_DIR": str(folder / "data"),
        "INFLUXDB_DATA_WAL_DIR": str(folder / "wal"),
        "INFLUXDB_DATA_MAX_VALUES_PER_TAG": "0",
        "INFLUXDB_DATA_MAX_SERIES_PER_DATABASE": "0",
        "INFLUXDB_MONITOR_STORE_ENABLED": "false",
    }
    url = f"http://{HOST}:{ports[1]}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "-config", ""], env=environment, stdout=log, stderr=log)
    try:
        give_up = time.monotonic() + 60
        while True:
            with suppress(OSError), urllib.request.urlopen(f"{url}/ping", timeout=5):
                break
            if process.poll() is not None or time.monotonic() > give_up:
                said = (folder / "log").read_text(errors="replace").strip().splitlines()[-1:]
                raise BenchmarkError(f"influxd does not answer: {said}")
            time.sleep(0.05)
        yield process, url
    finally:
        process.terminate()
        process.wait(30)


def _free_port() -> int:
    with socket.socket() as s:
        s.bind((HOST, 0))
        port: int = s.getsockname()[1]
        return port


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used so far [s]."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
