"""The monitor's pass over a year of L-TOWN (or over all of Ferrara) from the embedded store.

    TWUIN_DATA=DATA python tests/bench/monitor_ltown.py [--ferrara]

DATA holds the folders ``ltown`` and ``ferrara``. Backfills into an empty store, then times one pass that
reads inflow, writes derived series and hands over findings, and a second one that has nothing to do, and
prints the findings. The aim: under 3 minutes for L-TOWN's year on two cores.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from ingest.backfill import backfill
from ingest.mapping import load_mapping
from ingest.store.embedded import open_store
from twuin.alerts.model import Finding
from twuin.monitor import Monitor
from waterworks.clocks import WallClock
from waterworks.epanet_file import read_network
from waterworks.site_folder import read_site

ROOT = Path(__file__).resolve().parents[2]


class Kept:
    """Keeps the findings that an alert service would be handed."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def apply(self, findings: Sequence[Finding], *, since: datetime | None = None) -> None:
        self.findings = list(findings)


def line(f: Finding) -> str:
    end = f.ended.strftime("%Y-%m-%d %H:%M") if f.ended else "-"
    best = ", ".join(f"{s.pipe} {s.probability:.2f}" for s in f.suspects[:3])
    return (
        f"{f.kind.value:10s} {f.subject:8s} {f.onset:%Y-%m-%d %H:%M}  seen {f.detected:%m-%d %H:%M}  "
        f"until {end:16s}  {f.flow * 3600:7.2f} m3/h [{f.flow_low * 3600:.2f}, {f.flow_high * 3600:.2f}] "
        f"{f.volume:8.0f} m3  {f.confidence:.2f}  {best}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--ferrara", action="store_true", help="Ferrara instead of L-TOWN")
    name = "ferrara" if parser.parse_args().ferrara else "ltown"
    data = Path(os.environ.get("TWUIN_DATA") or ROOT.parent / "shared" / "data") / name
    if not data.is_dir():
        print(f"no data set in {data}: name its parent folder with TWUIN_DATA")
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "site"
        shutil.copytree(ROOT / "examples" / name, folder)
        if name == "ltown":
            shutil.copy(data / "network.inp", folder)
            files = [data / f"2018_SCADA_{kind}.csv.gz" for kind in ("Pressures", "Flows", "Levels")]
        else:
            files = [data / "InflowData.xlsx"]
        site = read_site(folder)
        network = read_network(site.network_file) if site.network_file else None
        store = open_store(Path(scratch) / "data")
        backfill(store, site, files, load_mapping(folder / "mapping.toml"))
        kept = Kept()
        monitor = Monitor(site, store, kept, clock=WallClock(), network=network)
        for what in ("pass", "again"):
            begun = time.perf_counter()
            mark = monitor.catch_up(final=True)
            print(f"{what}: {time.perf_counter() - begun:.1f} s, up to {mark}")
        print(f"peak of resident memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
        for finding in kept.findings:
            print(line(finding))
        store.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
