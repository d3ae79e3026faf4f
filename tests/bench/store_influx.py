"""The store on InfluxDB: how fast it writes and reads, on servers of its own on loopback.

    python tests/bench/store_influx.py [RUNS]

Prints the median of RUNS (5) runs of each:
- readings/s into VictoriaMetrics by the call for InfluxDB 2 (``/api/v2/write``), building the lines included,
  in one process; beside it the same readings as influxdb-client's own Point objects;
- readings/s into InfluxDB 1.6 by ``append``: durable, and told in the journal;
- seconds to read one sensor-year (105,120 readings) back from InfluxDB 1.6 into arrays, as readings and as
  hourly means, and a day of 200 sensors.
"""

from __future__ import annotations

import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from influxdb_client import Point, WritePrecision
from influxdb_client.client.write_api import SYNCHRONOUS

from ingest.store.influx.access import Access
from ingest.store.influx.lines import CHUNK, Lines
from ingest.store.influx.schema import Schema
from ingest.store.influx.server import Server
from ingest.store.influx.store import InfluxStore
from waterworks.reading import ReadingBatch
from waterworks.site import Role, Sensor, Site
from waterworks.units import Quantity

T0 = np.datetime64("2025-01-01", "us")
STEP = np.timedelta64(300, "s")
SENSORS = 1000
YEAR = 105_120
READINGS = 1_000_000
POINTS = 100_000  # readings of a run with Point objects: they take their time

SITE = Site(
    "town",
    "Town",
    ZoneInfo("Asia/Jakarta"),
    (),
    tuple(
        Sensor(f"D{k % 20}-S{k}", list(Quantity)[k % 3], "m", f"D{k % 20}", "d", Role.MONITOR, interval_s=300)
        for k in range(SENSORS)
    ),
    Path(),
)
NAMES = tuple(sensor.id for sensor in SITE.sensors)


def readings(count: int, first: int = 0) -> ReadingBatch:
    """``count`` readings of all sensors in turn, from round ``first`` on, rounded as devices do."""
    rows = np.arange(count)
    values = np.random.default_rng(first).normal(28.0, 3.0, count).round(2) / 3600
    times = T0 + (first + rows // SENSORS) * STEP
    return ReadingBatch.columns(NAMES, rows % SENSORS, times, values, received=times + np.timedelta64(2, "s"))


def port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        number: int = s.getsockname()[1]
        return number


@contextmanager
def running(command: list[str], url: str) -> Iterator[str]:
    if shutil.which(command[0]) is None:
        sys.exit(f"{command[0]} is not installed; deploy/setup/test-servers.sh installs it")
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{url}/ping", timeout=5).close()
                break
            except OSError:
                time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait()


@contextmanager
def victoria(folder: Path) -> Iterator[str]:
    number = port()
    command = ["victoria-metrics", f"-storageDataPath={folder}/vm", f"-httpListenAddr=127.0.0.1:{number}"]
    with running([*command, "-retentionPeriod=100y"], f"http://127.0.0.1:{number}") as url:
        yield url


@contextmanager
def influxdb(folder: Path) -> Iterator[str]:
    number = port()
    conf = folder / "influxdb.conf"
    conf.write_text(
        f'reporting-disabled = true\nbind-address = "127.0.0.1:{port()}"\n[meta]\ndir = "{folder}/meta"\n'
        f'[data]\ndir = "{folder}/data"\nwal-dir = "{folder}/wal"\n[monitor]\nstore-enabled = false\n'
        f'[http]\nbind-address = "127.0.0.1:{number}"\nlog-enabled = false\n'
    )
    with running(["influxd", "-config", str(conf)], f"http://127.0.0.1:{number}") as url:
        yield url


def median(runs: int, what: str, unit: str, measure: Callable[[int], float], digits: int = 0) -> float:
    found = [measure(k) for k in range(runs)]
    middle = statistics.median(found)
    print(
        f"{what}: {middle:,.{digits}f} {unit} (from {min(found):,.{digits}f} to {max(found):,.{digits}f}, "
        f"{runs} runs)",
        flush=True,
    )
    return middle


def writing(url: str, runs: int) -> None:
    lines = Lines(Schema(SITE))
    server = Server(Access(url, "bench", org="any", token="any"))

    def by_columns(run: int) -> float:
        batch = readings(READINGS, run * (READINGS // SENSORS))
        began = time.perf_counter()
        for first in range(0, len(batch), CHUNK):
            server.write(lines.of(batch.take(np.arange(first, first + CHUNK))))
        return READINGS / (time.perf_counter() - began)

    api = server.client.write_api(write_options=SYNCHRONOUS)
    place = {name: Schema(SITE).place(name) for name in NAMES}

    def by_points(run: int) -> float:
        batch = readings(POINTS, 10_000 + run * (POINTS // SENSORS))
        rows = zip(
            batch.sensor.tolist(),
            batch.time.astype(np.int64).tolist(),
            batch.value.tolist(),
            batch.quality.tolist(),
            batch.received.astype(np.int64).tolist(),
            strict=True,
        )
        began = time.perf_counter()
        points: list[Point] = []
        for sensor, when, value, quality, received in rows:
            name = NAMES[sensor]
            to = place[name]
            points.append(
                Point(to.column.measurement)
                .tag("dma", to.dma)
                .tag("kind", to.kind)
                .tag("sensor", name)
                .tag("site", SITE.id)
                .field(to.column.field, value)
                .field("quality", quality)
                .field("received", received)
                .time(when, WritePrecision.US)
            )
            if len(points) == CHUNK:
                api.write("bench", "any", points)
                points = []
        if points:
            api.write("bench", "any", points)
        return POINTS / (time.perf_counter() - began)

    fast = median(runs, "into VictoriaMetrics, lines built by columns", "readings/s", by_columns)
    slow = median(runs, "into VictoriaMetrics, Point objects", "readings/s", by_points)
    print(f"  {fast / slow:.1f} times as many")
    server.close()


def storing(url: str, runs: int) -> None:
    store = InfluxStore(Access(url, "bench", version=1), SITE)
    store.prepare()

    def large(run: int) -> float:
        batch = readings(READINGS // 4, run * (READINGS // 4 // SENSORS))
        began = time.perf_counter()
        store.append(batch)
        return len(batch) / (time.perf_counter() - began)

    def live(run: int) -> float:
        batches = [readings(2000, 10_000 + 2 * (50 * run + k)) for k in range(50)]
        began = time.perf_counter()
        for batch in batches:
            store.append(batch)
        return 50 * 2000 / (time.perf_counter() - began)

    median(runs, "into InfluxDB 1.6, batches of 250,000, durable and journalled", "readings/s", large)
    median(runs, "into InfluxDB 1.6, batches of 2,000, durable and journalled", "readings/s", live)

    def a_year(of: str) -> None:
        times = T0 + np.arange(YEAR) * STEP
        values = np.random.default_rng(1).normal(28.0, 3.0, YEAR).round(2) / 3600
        store.append(ReadingBatch.of([of] * YEAR, times, values, received=times))

    a_year(NAMES[0])
    end = T0 + YEAR * STEP

    def year(step: np.timedelta64 | None) -> Callable[[int], float]:
        def read(run: int) -> float:
            began = time.perf_counter()
            window = store.window(NAMES[:1], T0, end, step=step)
            took = time.perf_counter() - began
            assert len(window.times) == (YEAR if step is None else YEAR // 12)
            return took

        return read

    median(runs, "a sensor-year (105,120 readings) from InfluxDB 1.6 into arrays", "s", year(None), 3)
    median(runs, "the same as hourly means", "s", year(np.timedelta64(1, "h")), 3)

    def a_day(run: int) -> float:
        began = time.perf_counter()
        window = store.window(NAMES[:200], T0, T0 + np.timedelta64(250 // 12, "h"))
        took = time.perf_counter() - began
        assert window.values.shape == (250 // 12 * 12, 200)
        return took

    median(runs, "20 hours of 200 sensors (48,000 readings)", "s", a_day, 3)
    store.close()


def main(runs: int = 5) -> None:
    with tempfile.TemporaryDirectory() as folder:
        with victoria(Path(folder)) as url:
            writing(url, runs)
        with influxdb(Path(folder)) as url:
            storing(url, runs)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
