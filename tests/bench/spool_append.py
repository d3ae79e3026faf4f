"""How many readings a second the disk spool takes, each batch durable when its ``append`` returns, and gives.

    python tests/bench/spool_append.py [--folder FOLDER] [--batches 500] [--readings 2000]

Prints the disk's own limit beside it: writing and syncing as many bytes without anything around it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from ingest.spool.records import pack
from ingest.spool.spool import Spool
from waterworks.reading import ReadingBatch

T0 = np.datetime64("2026-11-22", "us")
RUNS = 5


def make(readings: int) -> ReadingBatch:
    """A batch as live operation gives it: a reading each of many sensors, of this minute."""
    rng = np.random.default_rng(7)
    names = [f"D{k // 40}-P{k % 40}" for k in range(readings)]
    times = T0 + rng.integers(0, 60_000_000, readings).astype("timedelta64[us]")
    return ReadingBatch.of(names, times, rng.normal(30.0, 5.0, readings), received=T0)


def bare(folder: Path, size: int, count: int) -> float:
    """Seconds to write and sync ``count`` times ``size`` bytes at the end of a file."""
    data = os.urandom(size)
    path = folder / "bare"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    began = time.perf_counter()
    for k in range(count):
        os.pwrite(handle, data, k * size)
        os.fdatasync(handle)
    took = time.perf_counter() - began
    os.close(handle)
    path.unlink()
    return took


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--folder", type=Path, help="on the disk to be measured; default: the temporary folder"
    )
    parser.add_argument("--batches", type=int, default=500)
    parser.add_argument("--readings", type=int, default=2000)
    a = parser.parse_args()
    batch = make(a.readings)
    size, total = len(pack(batch)), a.batches * a.readings
    took: dict[str, list[float]] = {"append": [], "read": [], "bare": [], "open": []}
    slowest = []
    with tempfile.TemporaryDirectory(dir=a.folder) as name:
        for run in range(RUNS):
            folder = Path(name) / str(run)
            spool = Spool(folder, keep_free_bytes=0, max_bytes=2**40)
            each = []
            for _ in range(a.batches):
                began = time.perf_counter()
                spool.append(batch)
                each.append(time.perf_counter() - began)
            took["append"].append(sum(each))
            slowest.append(float(np.quantile(each, 0.99)))
            spool.close()
            began = time.perf_counter()
            spool = Spool(folder, keep_free_bytes=0)
            took["open"].append(time.perf_counter() - began)
            began = time.perf_counter()
            while (taken := spool.read(50_000)) is not None:
                spool.done(taken.position)
            took["read"].append(time.perf_counter() - began)
            spool.close()
            took["bare"].append(bare(folder, size, a.batches))
    middle = {what: statistics.median(times) for what, times in took.items()}
    print(
        f"{a.batches} batches of {a.readings} readings ({size / a.readings:.1f} bytes a reading), "
        f"median of {RUNS}:\n"
        f"  append, durable   {total / middle['append']:>12,.0f} readings/s   "
        f"{middle['append'] / a.batches * 1e3:.2f} ms a batch, "
        f"p99 {statistics.median(slowest) * 1e3:.2f} ms\n"
        f"  bare write + sync {total / middle['bare']:>12,.0f} readings/s\n"
        f"  read and remove   {total / middle['read']:>12,.0f} readings/s\n"
        f"  open, all checked {total / middle['open']:>12,.0f} readings/s"
    )


if __name__ == "__main__":
    main()
