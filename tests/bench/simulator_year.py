"""How long a year of L-TOWN takes the simulator, written to files.

    python tests/bench/simulator_year.py DATA_FOLDER [--days 365] [--format battle]

DATA_FOLDER holds ``ltown/network.inp``. The site is ``examples/ltown`` with that network put beside it.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

from firmware_sim.files import write_files
from firmware_sim.scenario import parse_scenario
from waterworks.site_folder import read_site

SCENARIO = """
name = "bench"
seed = 1

[[leak]]
pipe = "p461"
start = "+22d 13:00"
end = "+90d"
hole_mm = 23

[[leak]]
pipe = "p232"
start = "+30d"
growth = "linear"
peak = "+120d"
end = "+200d"
flow_m3h = 9

[[leak]]
pipe = "p673"
start = "+63d"
growth = "quadratic"
peak = "+200d"
flow_m3h = 12

[[fault]]
kind = "drift"
sensor = "P-n105"
start = "+100d"
end = "+160d"
value = 0.02
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--format", choices=("parquet", "csv", "battle"), default="parquet")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "ltown")
        shutil.copytree(Path(__file__).parents[2] / "examples" / "ltown", folder)
        shutil.copy(options.data / "ltown" / "network.inp", folder / "network.inp")
        site = read_site(folder)
        start = np.datetime64("2026-01-01T00:00", "us")
        began, cpu = time.monotonic(), time.process_time()
        report = write_files(
            site,
            parse_scenario(SCENARIO),
            Path(scratch, "out"),
            start,
            start + np.timedelta64(options.days, "D"),
            format=options.format,
        )
        took = time.monotonic() - began
        size = sum(path.stat().st_size for path in report.paths) / 1e6
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{options.days} days, {len(site.sensors)} sensors, {report.readings:,} readings "
            f"to {options.format}: {took:.1f} s (CPU {time.process_time() - cpu:.1f} s), "
            f"{size:.0f} MB, peak memory {peak:.0f} MB"
        )


if __name__ == "__main__":
    main()
