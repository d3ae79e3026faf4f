"""kill -9 of InfluxDB amid appends: what was acknowledged is there, once, and was told to readers.

TWUIN_KILL_ROUNDS sets the number of kills, TWUIN_KILL_SEED the seed, which is printed.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from ingest.store.influx import store as store_module
from ingest.store.influx.access import Access
from ingest.store.influx.store import InfluxStore
from waterworks.errors import StoreUnavailable
from waterworks.reading import ReadingBatch
from waterworks.site import Sensor, Site
from waterworks.units import Quantity

pytestmark = pytest.mark.servers

ROUNDS = int(os.environ.get("TWUIN_KILL_ROUNDS", "8"))
SEED = int(os.environ.get("TWUIN_KILL_SEED", random.randrange(1_000_000)))

T0 = np.datetime64("2026-03-01", "us")
FAR = T0 + np.timedelta64(3650, "D")
SITE = Site(
    "town",
    "Town",
    ZoneInfo("UTC"),
    (),
    tuple(Sensor(f"s{k}", Quantity.FLOW, "m3/h", "D1", "d") for k in range(3)),
    Path(),
)


def numbered(n: int, value: float) -> ReadingBatch:
    """Batch n: n % 40 + 1 readings of each of three sensors, from its own second on, all of one value.

    Every third is of long ago, in another shard; every fifth has readings of both.
    """
    size = n % 40 + 1
    sensors = [f"s{k}" for k in range(3) for _ in range(size)]
    micros = np.tile(np.arange(size), 3).astype("timedelta64[us]")
    times = T0 + n * np.timedelta64(1, "s") + micros
    if n % 3 == 0:
        times = times - np.timedelta64(400, "D")
    if n % 5 == 0:
        times = times - (np.arange(len(times)) % 2) * np.timedelta64(60, "D")
    return ReadingBatch.of(sensors, times, np.full(len(sensors), value), received=T0)


class Writer(threading.Thread):
    """Appends batches one after the other, each as often as it takes; corrects every fourth."""

    def __init__(self, store: InfluxStore, first: int) -> None:
        super().__init__()
        self.store, self.n = store, first
        self.acknowledged: dict[int, float] = {}
        self.failures = 0
        self.stopping = threading.Event()

    def run(self) -> None:
        while not self.stopping.is_set():
            values = [float(self.n), self.n + 0.5] if self.n % 4 == 0 else [float(self.n)]
            for value in values:
                self.surely(numbered(self.n, value))
                self.acknowledged[self.n] = value
            self.n += 1

    def surely(self, batch: ReadingBatch) -> None:
        while True:
            try:
                assert self.store.append(batch).stored == len(batch)
                return
            except StoreUnavailable:
                self.failures += 1
                time.sleep(0.01)


def test_a_killed_influxdb_loses_nothing_that_it_acknowledged(
    new_influxdb: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    print(f"TWUIN_KILL_SEED={SEED}")
    rng = random.Random(SEED)
    monkeypatch.setattr(store_module, "CHUNK", 50)  # of 20,000, so that batches are of several requests
    server = new_influxdb(tmp_path)
    access = Access(server.url, "twuin", version=1, timeout_s=10)
    writing, reading = InfluxStore(access, SITE), InfluxStore(access, SITE)
    writer = Writer(writing, 0)
    told: dict[str, list[tuple[np.datetime64, np.datetime64]]] = {}
    cursor = reading.changes(0).cursor
    writer.start()
    for _ in range(ROUNDS):
        time.sleep(rng.uniform(0.05, 0.4))
        server.end(signal.SIGKILL)
        server.start()
        found = reading.changes(cursor)
        cursor = found.cursor
        for name, span in found.spans.items():
            told.setdefault(name, []).append(span)
    assert writer.is_alive()
    writer.stopping.set()
    writer.join()
    for name, span in reading.changes(cursor).spans.items():
        told.setdefault(name, []).append(span)
    assert writer.failures >= 1
    assert len(writer.acknowledged) > ROUNDS

    fresh = InfluxStore(access, SITE)
    window = fresh.window(["s0", "s1", "s2"], T0 - np.timedelta64(900, "D"), FAR)
    row = {when: k for k, when in enumerate(window.times.tolist())}
    count = 0
    for n, value in writer.acknowledged.items():
        batch = numbered(n, value)
        at = [row[when] for when in batch.time.tolist()]
        assert (window.values[at, batch.sensor] == value).all()
        count += len(batch)
        for k, name in enumerate(batch.names):
            times = batch.time[batch.sensor == k]
            for when in (times.min(), times.max()):
                assert any(low <= when <= high for low, high in told[name])
    assert np.count_nonzero(~np.isnan(window.values)) == count
    for store in (writing, reading, fresh):
        store.close()
    server.end()
