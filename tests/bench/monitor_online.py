"""The whole monitor on L-TOWN as readings come: what each 5-minute step takes after months of history.

    TWUIN_DATA=DATA python tests/bench/monitor_online.py [--history 340] [--days 3]

DATA holds the folder ``ltown``. The history is evaluated in one pass; then readings of 5 minutes are stored
and the monitor catches up, step by step: store, gate, inflow, pressures, tracker, derived series, findings.
Prints what the steps took, of the clock and of the processor, the dearest of them, and the new leaks with the
number of steps from the alert to its pipes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from ingest.backfill import backfill
from ingest.mapping import load_mapping
from ingest.store.embedded import open_store
from twuin.alerts.model import Finding, Kind
from twuin.monitor import Monitor
from waterworks.epanet_file import read_network
from waterworks.reading import ReadingBatch
from waterworks.site_folder import read_site

ROOT = Path(__file__).resolve().parents[2]
STEP = np.timedelta64(300, "s")
DAY = np.timedelta64(1, "D")
AIM_MS = 50.0


class Heard:
    """Takes findings, and notes at which step a leak was first told of and at which first with pipes."""

    def __init__(self) -> None:
        self.step = -1
        self.told: dict[tuple[str, datetime], int] = {}
        self.placed: dict[tuple[str, datetime], int] = {}

    def apply(self, findings: Sequence[Finding], *, since: datetime | None = None) -> None:
        """See the monitor's ``Alerts``."""
        for f in findings:
            if f.kind is Kind.LEAK:
                self.told.setdefault((f.subject, f.detected), self.step)
                if f.suspects:
                    self.placed.setdefault((f.subject, f.detected), self.step)


class Told:
    """A clock that is told the time."""

    time = np.datetime64(0, "us")

    def now(self) -> np.datetime64:
        return self.time


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--history", type=int, default=340, help="days")
    parser.add_argument("--days", type=int, default=3, help="after them, step by step")
    options = parser.parse_args()
    data = Path(os.environ.get("TWUIN_DATA") or ROOT.parent / "shared" / "data") / "ltown"
    if not data.is_dir():
        print(f"no data set in {data}: name its parent folder with TWUIN_DATA")
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "site"
        shutil.copytree(ROOT / "examples" / "ltown", folder)
        shutil.copy(data / "network.inp", folder)
        site = read_site(folder)
        assert site.network_file is not None
        files = [data / f"2018_SCADA_{kind}.csv.gz" for kind in ("Pressures", "Flows", "Levels")]
        source = open_store(Path(scratch) / "files")
        backfill(source, site, files, load_mapping(folder / "mapping.toml"))
        names = [s.id for s in site.sensors]
        begin, end = source.extent(names) or (Told.time, Told.time)
        year = source.window(names, begin, end + STEP)
        source.close()

        store, clock, heard = open_store(Path(scratch) / "live"), Told(), Heard()
        monitor = Monitor(site, store, heard, clock=clock, network=read_network(site.network_file))

        def put(first: np.datetime64, last: np.datetime64) -> None:
            rows = slice(*np.searchsorted(year.times, [first, last]))
            row, column = np.nonzero(np.isfinite(year.values[rows]))
            values, times = year.values[rows][row, column], year.times[rows][row]
            clock.time = last
            store.append(ReadingBatch.columns(names, column.astype(np.int32), times, values, received=last))

        at = begin + options.history * DAY
        put(begin, at)
        monitor.catch_up(progress=lambda share: None)
        ends = at + STEP * np.arange(1, options.days * 288 + 1)
        taken = np.empty((2, len(ends)))
        for i, until in enumerate(ends):
            put(until - STEP, until)
            heard.step = i
            clocked, processed = time.perf_counter(), time.process_time()
            monitor.catch_up()
            taken[:, i] = time.perf_counter() - clocked, time.process_time() - processed
        monitor.close()
        store.close()
    taken *= 1e3
    for what, ms in zip(("clock", "processor"), taken, strict=True):
        median, most = np.quantile(ms, [0.5, 0.99])
        print(
            f"{ms.size} steps by the {what}: mean {ms.mean():.1f} ms, median {median:.1f}, 99 in 100 within "
            f"{most:.0f}, {(ms > AIM_MS).sum()} over {AIM_MS:.0f}, longest {ms.max():.0f} ms"
        )
    for i in np.argsort(-taken[1])[:12].tolist():
        print(f"  {ends[i]} {taken[1, i]:.0f} ms of the processor, {taken[0, i]:.0f} by the clock")
    for leak, step in heard.told.items():
        if step >= 0:
            after = f"{heard.placed[leak] - step} steps later" if leak in heard.placed else "not yet"
            print(f"  leak in {leak[0]} told at {ends[step]}, its pipes {after}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
