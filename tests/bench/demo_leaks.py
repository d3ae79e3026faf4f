"""What the monitor says of the demo town's scripted burst, and of quiet months.

    python tests/bench/demo_leaks.py [SEED ...] [--quiet DAYS]

For each seed (another makes other customers, noise and failing devices) 28 quiet days, then the burst of the
demo's scenario: what is told six and 36 hours after it began. With ``--quiet`` also that many days
without any leak: every leak alert there is a false one.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from firmware_sim.fleet import readings
from firmware_sim.scenario import Scenario, load_scenario
from firmware_sim.town import demo_site_folder
from ingest.store.embedded import open_store
from twuin.alerts.model import Finding, Kind
from twuin.monitor import Monitor
from waterworks.clocks import WallClock
from waterworks.epanet_file import read_network
from waterworks.reading import as_datetime
from waterworks.site import Site
from waterworks.site_folder import read_site

BEGAN = np.datetime64("2026-03-02T13:00", "us")
"""20:00 in the demo town, from which its scenario counts."""

HISTORY_DAYS = 28

LOOK_H = (6, 36)
"""After these hours of the burst: by inflow alone, and with the tracker's first evenings."""


class Kept:
    """Keeps the findings that an alert service would be handed."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def apply(self, findings: Sequence[Finding], *, since: datetime | None = None) -> None:
        self.findings = list(findings)


def told(site: Site, scenario: Scenario, until: np.datetime64, days: float) -> list[Finding]:
    """Leaks that the monitor tells of after ``days`` of readings that end at ``until`` [UTC]."""
    assert site.network_file is not None
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder))
        for batch in readings(site, scenario, until - np.timedelta64(round(days * 86_400), "s"), until):
            store.append(batch)
        kept = Kept()
        monitor = Monitor(site, store, kept, clock=WallClock(), network=read_network(site.network_file))
        monitor.catch_up(final=True)
        monitor.close()
        store.close()
    return [f for f in kept.findings if f.kind is Kind.LEAK]


def line(f: Finding, began: datetime, pipe: str) -> str:
    seen = (f.detected - began).total_seconds() / 3600
    onset = (f.onset - began).total_seconds() / 3600
    rank = next((k for k, s in enumerate(f.suspects, 1) if s.pipe == pipe), None)
    within = "no radius" if f.radius_50_m is None else f"half of it within {f.radius_50_m:.0f} m"
    flows = f"{f.flow * 3600:.1f} m3/h ({f.flow_low * 3600:.1f}-{f.flow_high * 3600:.1f})"
    return (
        f"{f.dma} seen {seen:.1f} h after it began, onset off by {onset:+.1f} h, {flows}, "
        f"true pipe at rank {rank} of {len(f.suspects)}, {within}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("seeds", type=int, nargs="*", default=[1, 2, 3, 4, 5])
    parser.add_argument("--quiet", type=int, default=0, metavar="DAYS")
    options = parser.parse_args()
    site = read_site(demo_site_folder())
    assert site.network_file is not None
    network = read_network(site.network_file)
    for seed in options.seeds:
        scenario = replace(load_scenario("demo").starting(BEGAN), seed=seed)
        leak = scenario.leaks[0]
        began = as_datetime(BEGAN) + timedelta(minutes=90)
        link = network.link_index[leak.pipe]
        dmas = {site.node_dma.get(network.node_ids[end[link]], "") for end in (network.start, network.end)}
        for hours in LOOK_H:
            until = BEGAN + np.timedelta64(90 + 60 * hours, "m")
            for f in told(site, scenario, until, HISTORY_DAYS + (90 / 60 + hours) / 24):
                kind = "" if f.dma in dmas else "FALSE "
                print(f"seed {seed}, after {hours} h: {kind}{line(f, began, leak.pipe)}", flush=True)
        if options.quiet:
            calm = replace(scenario, leaks=())
            found = told(site, calm, BEGAN, options.quiet)
            said = "; ".join(f"{f.dma} {f.onset} {f.flow * 3600:.1f} m3/h" for f in found) or "no leak told"
            print(f"seed {seed}, {options.quiet} quiet days: {said}", flush=True)


if __name__ == "__main__":
    main()
