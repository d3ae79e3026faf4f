"""One ingest process under load: what ``twuin ingest`` runs, with a note of when what was durable.

    python -m twuin.load.worker SPEC.json

Ends at SIGTERM, and prints what it has measured as JSON.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
import threading
import time
from array import array
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from firmware_sim.flood import SITE, Flood, Progress
from twuin.app import build, start_ingest
from twuin.settings import Settings
from waterworks.site import Dma, Site

SAMPLE_S = 0.004
DRAIN_S = 100.0
"""How long readings that went into the spool may take into the store, once no more come."""


class Seen:
    """Samples of an ingest process: when (monotonic) so many messages were acknowledged, and memory (MB).

    In arrays of 16 bytes a sample: what is measured is the memory of ingest, not of these.
    """

    def __init__(self) -> None:
        self.at, self.acknowledged = array("d"), array("q")
        self.memory: list[tuple[float, float]] = []


def resident_mb() -> float:
    """What this process has in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def watch(consumer: Any, progress: Progress, per_message: int, stop: threading.Event) -> Seen:
    """Sample a consumer until ``stop``."""
    seen, last, remembered = Seen(), -1, 0.0
    while not stop.is_set():
        # What has come is counted before what of it is not durable yet: the lower of two looks is true.
        looks = []
        for _ in range(2):
            received = consumer.stats.received
            looks.append(received - consumer.stats.unacked)
            time.sleep(SAMPLE_S / 2)
        now, done = time.monotonic(), min(looks)
        if done > last:
            last = done
            seen.at.append(now)
            seen.acknowledged.append(done)
            progress.set(done * per_message)
        if now - remembered > 1.0:
            remembered = now
            seen.memory.append((now, resident_mb()))
    return seen


def main() -> None:
    spec = json.loads(Path(sys.argv[1]).read_text())
    flood = Flood(**spec["flood"])
    site = Site(SITE, "Bench", ZoneInfo("UTC"), (Dma("D", "D", 1000),), flood.site_sensors(), Path())
    parts = build(Settings(**spec["settings"]), site=site)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    start_ingest(parts)
    consumer = parts.consumer
    assert consumer is not None
    while not consumer.stats.connected and not stop.is_set():
        time.sleep(0.01)
    before = resource.getrusage(resource.RUSAGE_SELF)
    idle_mb = resident_mb()
    Path(spec["ready"]).touch()
    seen = watch(consumer, Progress([Path(spec["progress"])]), flood.per_message, stop)
    over = time.monotonic()
    while consumer.stats.spool_readings and time.monotonic() - over < DRAIN_S:
        time.sleep(0.01)
    drained_s = time.monotonic() - over
    parts.jobs.finish()
    after = resource.getrusage(resource.RUSAGE_SELF)
    stats = consumer.stats
    stored = stats.stored
    parts.close()
    report = {
        "acknowledged": list(zip(seen.at, seen.acknowledged, strict=True)),
        "memory": seen.memory,
        "idle_mb": idle_mb,
        "peak_mb": after.ru_maxrss * 1024 / 1e6,  # kept in KiB
        "cpu_s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "spooled": stats.spooled,
        "drained_s": drained_s,
        "messages": stats.received,
        "stored": stored,
        "duplicates": stats.duplicates,
        "rejected": sum(stats.rejected.values()),
        "problem": stats.problem,
    }
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
