"""Backfill of L-TOWN's 2018 (pressures, flows, levels: 3.9 million readings) into an empty store, and again.

    TWUIN_DATA=DATA python tests/bench/backfill_ltown.py

DATA holds the folder ``ltown``. Prints wall time, readings a second and the peak of resident memory. The
aim: under 60 s and under 1.5 GB on two cores.
"""

from __future__ import annotations

import os
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

from ingest.backfill import backfill
from ingest.mapping import load_mapping
from ingest.store.embedded import FILE, open_store
from waterworks.site_folder import read_site

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    data = Path(os.environ.get("TWUIN_DATA") or ROOT.parent / "shared" / "data") / "ltown"
    if not data.is_dir():
        print(f"no data set in {data}: name its parent folder with TWUIN_DATA")
        return 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        site_folder = folder / "site"
        shutil.copytree(ROOT / "examples" / "ltown", site_folder)
        shutil.copy(data / "network.inp", site_folder)
        site = read_site(site_folder)
        mapping = load_mapping(site_folder / "mapping.toml")
        files = [data / f"2018_SCADA_{kind}.csv.gz" for kind in ("Pressures", "Flows", "Levels")]
        store = open_store(folder / "data")
        for what in ("first time", "once more"):
            began, cpu = time.perf_counter(), time.process_time()
            report = backfill(store, site, files, mapping)
            wall = time.perf_counter() - began
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(
                f"{what}: {wall:.1f} s (CPU {time.process_time() - cpu:.1f} s), "
                f"{report.read / wall / 1e6:.2f} M readings/s, "
                f"{report.stored} stored, {report.duplicates} known, peak {peak:.0f} MB"
            )
        store.close()
        print(f"{FILE}: {(folder / 'data' / FILE).stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
