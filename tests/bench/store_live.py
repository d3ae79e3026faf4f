"""The embedded store under live load: many small commits, then readings late, twice and corrected.

    python tests/bench/store_live.py [SENSORS] [COMMITS] [READINGS_BEFORE]

By default 10,000 commits of 100 readings into an empty store. Prints milliseconds a commit and the sizes
of the file and its log.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ingest.store.duck import DuckStore
from waterworks.reading import ReadingBatch

T0 = np.datetime64("2026-01-01", "us")


def main(sensors: int = 100, commits: int = 10_000, before: int = 0) -> None:
    rng = np.random.default_rng(0)
    names = tuple(f"s{k}" for k in range(sensors))
    index = np.arange(sensors)

    def batch(k: int, rows: int = 1, start: np.datetime64 = T0, shift: float = 0.0) -> ReadingBatch:
        times = start + np.repeat(np.arange(k, k + rows), sensors) * np.timedelta64(100, "ms")
        values = np.round(np.sin(np.arange(k, k + rows))[:, None] * index + shift, 2).ravel()
        return ReadingBatch.columns(names, np.tile(index, rows), times, values, received=times)

    def timed(what: str, count: int, make: Callable[[int], ReadingBatch]) -> None:
        took = np.empty(count)
        for k in range(count):
            made = make(k)
            began = time.perf_counter()
            store.append(made)
            took[k] = (time.perf_counter() - began) * 1e3
        wal = path.with_name(path.name + ".wal")
        print(
            f"{what}: {count} commits of {sensors}, median {np.median(took):.2f} ms, "
            f"99 % {np.percentile(took, 99):.1f}, longest {took.max():.0f}; "
            f"file {path.stat().st_size / 1e6:.1f} MB, "
            f"log {wal.stat().st_size / 1e6 if wal.exists() else 0:.1f} MB"
        )

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "readings.duckdb"
        store = DuckStore(path)
        for k in range(0, before // sensors, 2000):
            store.append(batch(k, 2000, T0 - np.timedelta64(3650, "D")))
        late = rng.permutation(commits) * 2 + 1
        timed("new", commits, lambda k: batch(2 * k))
        timed("late", min(commits, 1000), lambda k: batch(int(late[k])))
        timed("twice", min(commits, 1000), lambda k: batch(2 * k))
        timed("corrected", min(commits, 1000), lambda k: batch(2 * k, shift=1.0))
        began = time.perf_counter()
        window = store.window(names[:33], T0, T0 + np.timedelta64(365, "D"))
        print(f"window {window.values.shape}: {(time.perf_counter() - began) * 1e3:.0f} ms")
        store.close()
        began = time.perf_counter()
        store = DuckStore(path)
        print(f"opened again in {(time.perf_counter() - began) * 1e3:.0f} ms")
        store.close()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
