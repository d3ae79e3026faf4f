"""What the whole monitor makes of faulty sensors: leak alerts that no leak explains.

    python tests/bench/monitor_faults.py [SEED ...]

Runs of ``twuin benchmark faults`` (107 days of the demo town, from day 35 on a trouble in each DMA every
twelve days), here through store, gate, inflow detector, hydraulic model and pressures as in operation. A leak
alert is right where a leak ran in its DMA, or beside it within a day; one that was taken back as a meter's
fault does not count. A wrong one is put down to the fault of its own DMA that it began with, where there is
one, else to the fault nearest in time, which may have nothing to do with it.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from firmware_sim.town import demo_site_folder
from ingest.store.embedded import open_store
from twuin.alerts.model import Finding, Kind
from twuin.benchmark.fault_plan import Trouble, draw, measure
from twuin.benchmark.faults import NO_FAULT, START, STEP_S
from twuin.monitor import Monitor
from waterworks.clocks import WallClock
from waterworks.epanet_file import read_network
from waterworks.reading import Quality, ReadingBatch, as_datetime
from waterworks.site import Site
from waterworks.site_folder import read_site

DAY = timedelta(days=1)


class Kept:
    """Keeps the findings that an alert service would be handed."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def apply(self, findings: Sequence[Finding], *, since: datetime | None = None) -> None:
        self.findings = list(findings)


def at(row: int) -> datetime:
    return as_datetime(START) + timedelta(seconds=STEP_S * row)


def watched(site: Site, seed: int, troubles: Sequence[Trouble], folder: Path) -> list[Finding]:
    """All findings of the monitor over one run."""
    assert site.network_file is not None
    values = measure(site, seed, list(troubles))
    names = [s.id for s in site.sensors]
    times = START.astype("datetime64[us]") + np.arange(len(values)) * np.timedelta64(STEP_S, "s")
    low = np.array([-np.inf if s.low is None else s.low for s in site.sensors])
    high = np.array([np.inf if s.high is None else s.high for s in site.sensors])
    outside = (values < low) | (values > high)
    store = open_store(folder)
    for flag, rows in ((0, ~outside), (int(Quality.OUT_OF_RANGE), outside)):
        i, j = np.nonzero(rows & np.isfinite(values))
        if len(i):
            store.append(
                ReadingBatch.columns(
                    names, j.astype(np.int32), times[i], values[i, j], received=times[-1], quality=flag
                )
            )
    kept = Kept()
    monitor = Monitor(site, store, kept, clock=WallClock(), network=read_network(site.network_file))
    monitor.catch_up(final=True)
    monitor.close()
    store.close()
    return kept.findings


def main() -> int:
    site = read_site(demo_site_folder())
    sure, perhaps, faults, found, leaks, wrong = 0, 0, 0, 0, 0, 0
    for seed in [int(a) for a in sys.argv[1:]] or [401, 402, 403, 404, 405, 406]:
        troubles = draw(site, seed)
        with tempfile.TemporaryDirectory() as folder:
            findings = watched(site, seed, troubles, Path(folder))
        true = [t for t in troubles if t.what == "leak"]
        faulty = [t for t in troubles if t.what not in NO_FAULT]
        alerts = [f for f in findings if f.kind is Kind.LEAK and "meter" not in f.evidence]
        right = [
            [t for t in true if t.dma == f.dma and at(t.start) - DAY <= f.onset <= at(t.end) + DAY]
            for f in alerts
        ]
        mine: set[int] = set()
        others: set[int] = set()
        for f, leak in zip(alerts, right, strict=True):
            if leak:
                continue
            wrong += 1
            own = [t for t in faulty if t.dma == f.dma and at(t.start) - DAY <= f.onset <= at(t.end) + DAY]
            onset = f.onset
            cause = min(own or faulty, key=lambda t, onset=onset: abs(at(t.start) - onset))
            (mine if own else others).add(id(cause))
            flow = f"{f.flow * 3600:.1f} m3/h"
            print(f"{seed}: {f.dma} {f.onset:%m-%d %H:%M} {flow}: {cause.what} {cause.sensors}")
        sure, perhaps, faults = sure + len(mine), perhaps + len(others - mine), faults + len(faulty)
        leaks, found = leaks + len(true), found + len({id(t) for ts in right for t in ts})
    print(
        f"{faults} faults: {sure} ended as leak alerts in their DMA, {perhaps} may have elsewhere "
        f"({wrong} alerts in all); {found} of {leaks} leaks found"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
