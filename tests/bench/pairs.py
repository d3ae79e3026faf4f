"""What pressures alone find: L-TOWN's two years, and false alarms in made-up towns without leaks.

    TWUIN_DATA=DATA python tests/bench/pairs.py [--towns N]

DATA holds the folder ``ltown``. Per year and DMA: leaks that began, those found (the sensor that an alarm
names first is at most 500 m along the pipes from a leak that runs, in the same DMA, and no alarm named it
before), named again, false alarms, and the delay. 2018 is the year the method was tried out on, 2019 the
check; what runs on from 2018 does not count as 2019's. Beside it the same for pairwise regressions with a
CUSUM on each sensor's mean residual, fitted on two weeks and anew after each alarm, after LILA (Daniel et
al. 2022). The truth is read for scoring alone, after the watch has run. --towns: how many made-up towns of
8 sensors and a year each.
"""

from __future__ import annotations

import argparse
import gzip
import os
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from analytics.pairs import PairWatch
from analytics.radius import walk
from waterworks.epanet_file import read_network
from waterworks.network import LinkKind, Network

ROOT = Path(__file__).resolve().parents[2]
T0 = datetime(2018, 1, 1, tzinfo=UTC)
HIT_M = 500.0
C_NODES = ("n1", "n4", "n31")
"""The sensors of area C; the others stand in A and B."""


@dataclass
class Leak:
    """Times in days since 2018; metres: from each sensor, (M,)."""

    pipe: str
    start: float
    end: float
    abrupt: bool
    metres: np.ndarray


@dataclass
class Alarm:
    """day: of the decision; sensor: named first."""

    day: float
    sensor: int


def table(path: Path) -> tuple[list[str], np.ndarray]:
    with gzip.open(path, "rt") as lines:
        names = next(lines).strip().split(";")[1:]
        rows = [line.strip().replace(",", ".").split(";")[1:] for line in lines]
    return names, np.array(rows, np.float64)


def hourly(folder: Path) -> tuple[list[str], np.ndarray]:
    """Sensors and, beside them, inflows and the tank's level, (hours, 37)."""
    years, names = [], []
    for year in (2018, 2019):
        parts = [table(folder / f"{year}_SCADA_{kind}.csv.gz") for kind in ("Pressures", "Flows", "Levels")]
        names = parts[0][0]
        years.append(np.concatenate([values for _, values in parts], axis=1))
    rows = np.concatenate(years)
    return names, rows.reshape(-1, 12, rows.shape[1]).mean(axis=1)


def truth(folder: Path, network: Network, names: list[str]) -> list[Leak]:
    pipes = np.flatnonzero(network.link_kind <= LinkKind.PIPE)
    start, end = network.start[pipes].astype(np.int64), network.end[pipes].astype(np.int64)
    at = [
        int(np.flatnonzero((start == network.node_index[n]) | (end == network.node_index[n]))[0])
        for n in names
    ]

    def days(text: str) -> float:
        return (datetime.fromisoformat(text).replace(tzinfo=UTC) - T0).total_seconds() / 86400

    out = []
    for line in (folder / "leaks_truth.txt").read_text().splitlines():
        if line.startswith("- "):
            pipe, begun, over, _, kind, _ = (x.strip() for x in line[2:].split(","))
            way = walk(
                int(np.flatnonzero(pipes == network.link_index[pipe])[0]),
                start, end, network.length[pipes], len(network.node_ids),
            )  # fmt: skip
            out.append(Leak(pipe, days(begun), days(over), kind == "abrupt", way.near[at]))
    return out


def regressions(rows: np.ndarray, sensors: int, limit: float, k: float, train: int = 14) -> list[Alarm]:
    """Each sensor by each other and the inflow, mean residual over the others, CUSUM a day; after LILA."""
    days, out, begin = len(rows) // 24, [], 0
    flow = rows[:, sensors : sensors + 2].sum(1)
    while begin + train < days:
        use = slice(begin * 24, (begin + train) * 24)
        weights = np.zeros((sensors, sensors, 3))
        for j in range(sensors):
            x = np.stack([np.ones(train * 24), rows[use, j], flow[use]], axis=1)
            weights[:, j] = np.linalg.lstsq(x, rows[use, :sensors], rcond=None)[0].T
        left = np.zeros((days - begin, sensors))
        for d in range(begin, days):
            hours = slice(d * 24, (d + 1) * 24)
            y = rows[hours, :sensors]
            said = weights[..., 0] + weights[..., 1] * y[:, None] + weights[..., 2] * flow[hours, None, None]
            apart = y[:, :, None] - said
            apart[:, np.arange(sensors), np.arange(sensors)] = 0
            left[d - begin] = apart.sum(2).mean(0) / (sensors - 1)
        z = left / (left[:train].std(0) + 1e-4)
        total = np.zeros(sensors)
        for d in range(train, len(z)):
            total = np.maximum(0, total - z[d] - k)
            if total.max() > limit:
                out.append(Alarm(begin + d + 1.0, int(np.argmax(total))))
                break
        else:
            return out
        begin += d + 1
    return out


def middle(values: list[float]) -> float:
    known = [v for v in values if np.isfinite(v)]
    return float(np.median(known)) if known else float("nan")


def score(alarms: list[Alarm], leaks: list[Leak], names: list[str], first: float, last: float) -> list[str]:
    """A line a DMA for alarms within [first, last)."""
    in_c = np.array([n in C_NODES for n in names])
    area = ["C" if in_c[int(np.argmin(leak.metres))] else "AB" for leak in leaks]
    found: dict[str, float] = {}
    again = {"AB": 0, "C": 0}
    false = {"AB": 0, "C": 0}
    for alarm in sorted(alarms, key=lambda a: a.day):
        where = "C" if in_c[alarm.sensor] else "AB"
        near = [
            leak
            for leak, dma in zip(leaks, area, strict=True)
            if dma == where and leak.start <= alarm.day <= leak.end + 1 and leak.metres[alarm.sensor] <= HIT_M
        ]
        new = [leak for leak in near if leak.pipe not in found]
        if new:
            # Of several that it may mean, the one that began last before it.
            leak = max(new, key=lambda x: x.start)
            found[leak.pipe] = alarm.day - leak.start if first <= alarm.day < last else np.nan
        elif first <= alarm.day < last:
            (again if near else false)[where] += 1
    lines = []
    for dma in ("AB", "C"):
        mine = [x for x, a in zip(leaks, area, strict=True) if a == dma and first <= x.start < last]
        hit = [x for x in mine if x.pipe in found]
        late = [found[x.pipe] for x in hit]
        sudden = [found[x.pipe] for x in hit if x.abrupt]
        lines.append(
            f"{dma:>3} {len(mine):6d} {len(hit):6d} {again[dma]:6d} {false[dma]:6d}"
            f" {middle(late):10.1f} {middle(sudden):10.1f}"
            "   missed: " + " ".join(x.pipe for x in mine if x.pipe not in found)
        )
    return lines


def ltown(folder: Path) -> None:
    names, rows = hourly(folder)
    begun = time.perf_counter()
    watch = PairWatch(len(names), rows.shape[1] - len(names))
    watch.advance(rows)
    took = time.perf_counter() - begun
    ours = [Alarm((d.detected + 1) / watch.PARTS, d.sensor) for d in watch.drops]
    leaks = truth(folder, read_network(folder / "network.inp"), names)
    print(f"two years of {len(names)} sensors: {took:.1f} s")
    print("method            DMA  began  found  again  false  delay [d] abrupt [d]")
    for year, first in ((2018, 0.0), (2019, 365.0)):
        for line in score(ours, leaks, names, first, first + 365):
            print(f"{year} watch        {line}")
        for limit, k in ((10.0, 1.0), (40.0, 1.0), (160.0, 1.0)):
            part = rows[int(first) * 24 : (int(first) + 365) * 24]
            theirs = [Alarm(a.day + first, a.sensor) for a in regressions(part, len(names), limit, k)]
            for line in score(theirs, leaks, names, first, first + 365):
                print(f"{year} LILA-like {limit:3.0f}{line}")


def town(rng: np.random.Generator, days: int, sensors: int = 8) -> np.ndarray:
    """Pressures of sensors on a line that answers to 25 places where water is drawn, and the inflow.

    Days differ by 5 % (lag-one correlation 0.5), homes from works, places by 10 % an hour (0.9); a season of
    15 %; loggers of 1 cm.
    """
    hour = np.arange(days * 24)
    kinds = []
    for weekend, phase in ((1.1, 0), (0.6, 5)):
        daily = np.zeros(days)
        for d in range(1, days):
            daily[d] = 0.5 * daily[d - 1] + 0.05 * np.sqrt(0.75) * rng.standard_normal()
        season = 1 + 0.15 * np.sin(2 * np.pi * hour / 24 / 365 + rng.uniform(0, 6))
        week = np.where(hour // 24 % 7 >= 5, weekend, 1.0)
        kinds.append(
            (1 + 0.5 * np.sin(2 * np.pi * (hour - phase) / 24)) * season * week * np.repeat(1 + daily, 24)
        )
    where = np.linspace(-0.5, sensors - 0.5, 25)
    homes = rng.uniform(0.1, 0.9, 25)
    local = np.stack(kinds, 1) @ np.stack([homes, 1 - homes])
    wander = np.zeros(25)
    for t in range(len(hour)):
        wander = 0.9 * wander + 0.1 * np.sqrt(1 - 0.81) * rng.standard_normal(25)
        local[t] *= 1 + wander
    falls = 0.1 * (0.3 + 0.7 * np.exp(-np.abs(where[:, None] - np.arange(sensors)))) / 2
    pressure = 50 - np.maximum(local, 0) ** 1.85 @ falls
    pressure = np.round(pressure + 0.003 * rng.standard_normal(pressure.shape), 2)
    return np.column_stack([pressure, local.sum(1) * 0.001])


def towns(count: int) -> None:
    print(f"made-up towns without leaks, {count} years of 8 sensors:")
    alarms, worst = 0, []
    for seed in range(count):
        watch = PairWatch(8, 1)
        watch.advance(town(np.random.default_rng(seed), 365))
        alarms += len(watch.drops)
        worst.append(float(np.nanmax(watch.statistic)))
    share = float(np.median(worst))
    print(f"false alarms: {alarms}; largest comparison of a year by the limit: median {share:.2f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--towns", type=int, default=0)
    args = parser.parse_args()
    if args.towns:
        towns(args.towns)
        return 0
    folder = Path(os.environ.get("TWUIN_DATA") or ROOT.parent / "shared" / "data") / "ltown"
    if not folder.is_dir():
        print(f"no data set in {folder}: name its parent folder with TWUIN_DATA")
        return 1
    ltown(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
