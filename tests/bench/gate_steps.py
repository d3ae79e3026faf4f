"""The longest step of the gate of sensors on L-TOWN, quarter of an hour by quarter, as readings come online.

    TWUIN_DATA=DATA python tests/bench/gate_steps.py [--days 730]

DATA holds the folder ``ltown``. Prints how long steps take, of the clock and of the processor, the dearest of
them, and what was found, so that two versions can be held against each other. The aim: none over 50 ms.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np

from analytics.gate.gate import Gate
from twuin.benchmark.battle_data import points, read_scada
from twuin.benchmark.battle_gate import STEPS, site_of
from twuin.monitor.distrust import layout_of
from twuin.monitor.plant import Plant, hourly
from waterworks.epanet_file import read_network
from waterworks.gating import gating

ROOT = Path(__file__).resolve().parents[2]
AIM_MS = 50.0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--days", type=int, default=730, help="of the two years, from the first on")
    days = parser.parse_args().days
    data = Path(os.environ.get("TWUIN_DATA") or ROOT.parent / "shared" / "data") / "ltown"
    if not data.is_dir():
        print(f"no data set in {data}: name its parent folder with TWUIN_DATA")
        return 1
    measured = [read_scada(data, year) for year in (2018, 2019)]
    network = read_network(data / "network.inp")
    plant = Plant(network, data / "network.inp", points(network, measured[0].names))
    frame = gating(site_of(plant, measured[0].names), network)
    plant.solver.close()
    seconds = np.concatenate([m.times.astype(np.int64) for m in measured])
    values = np.concatenate([np.hstack([m.pressure, m.flow, m.level]) for m in measured])
    step = next(s for s in STEPS if s >= np.median(np.diff(seconds)))
    begin = np.arange(seconds[0], seconds[0] + days * 86400 + step, step)
    rows = hourly(values, np.searchsorted(seconds, begin).astype(np.int64))
    day, second = np.divmod(begin[:-1], 86400)

    gate = Gate(layout_of(frame), step)
    wrong = np.zeros((1, rows.shape[1]), bool)
    clock, processor = np.empty(len(rows)), np.empty(len(rows))
    for i in range(len(rows)):
        t, p = time.perf_counter(), time.thread_time()
        one = slice(i, i + 1)
        gate.advance(rows[one], wrong, day[one], second[one] // step)
        clock[i], processor[i] = time.perf_counter() - t, time.thread_time() - p
        if (i + 1) % (86400 // step) == 0:
            gate.forget(1)
    for what, taken in (("clock", 1e3 * clock), ("processor", 1e3 * processor)):
        median, most = np.quantile(taken, [0.5, 0.99])
        print(
            f"{len(taken)} steps by the {what}: mean {taken.mean():.2f} ms, median {median:.2f}, 99 in 100 "
            f"within {most:.1f}, {(taken > AIM_MS).sum()} over {AIM_MS:.0f}, longest {taken.max():.1f} ms"
        )
    for i in np.argsort(-processor)[:10].tolist():
        when = np.datetime64(int(begin[i]), "s")
        print(f"  {when} {1e3 * processor[i]:.1f} ms of the processor, {1e3 * clock[i]:.1f} by the clock")
    print(f"{len(gate.faults)} faults, {len(gate.dry)} times without water; all of them:")
    for f in gate.faults:
        print(f"  {frame.ids[f.sensor]} {f!r}")
    for d in gate.dry:
        print(f"  {d!r}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
