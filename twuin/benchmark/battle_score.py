"""The rules by which the Battle of the Leakage Detection and Isolation Methods 2020 scores reports.

Vrachimis et al. 2022, J. Water Resour. Plann. Manage. 148(12): reports in the order of their time; a report
hits a leak while that runs and within 300 m along the pipes (centre to centre; pumps and valves are no
path); a hit is worth the water that would still have leaked less a share of a visit that grows with the
distance; each leak counts once; a report that hits only leaks already found is a repeat and worth nothing;
any other costs a visit. This is the only module that reads the truth, after the last report has been made.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
from numpy.typing import NDArray

from twuin.benchmark.battle_data import DIALECT, local_instant, read_text
from waterworks.errors import BenchmarkError

Floats = NDArray[np.float64]

REACH_M = 300.0
WATER = 0.80
"""EUR a m3."""

VISIT = 500.0
"""EUR a visit of a crew."""


class Report(NamedTuple):
    """pipe, when (local time of the data); sure: probability that the leak is within 300 m; flow [m3/s]."""

    pipe: str
    when: datetime
    sure: float = 1.0
    flow: float = 0.0


class TrueLeak(NamedTuple):
    """pipe, start, end, flow (T,) [m3/s] at every step of the scored year."""

    pipe: str
    start: datetime
    end: datetime
    flow: Floats


class Scored(NamedTuple):
    """report, leak: pipe of the leak that was hit, "repeat" or None; distance [m]; money [EUR]."""

    report: Report
    leak: str | None
    distance: float
    money: float


class Score(NamedTuple):
    """total, perfect [EUR]; rows; delays [days] and distances [m] of hits; missed: pipes."""

    total: float
    perfect: float
    rows: list[Scored]
    leaks: list[TrueLeak]
    delays: list[float]
    missed: list[str]

    @property
    def hits(self) -> list[Scored]:
        return [r for r in self.rows if r.leak not in (None, "repeat")]

    @property
    def false(self) -> int:
        return sum(r.leak is None for r in self.rows)

    @property
    def repeats(self) -> int:
        return sum(r.leak == "repeat" for r in self.rows)


def has_truth(folder: Path, year: int) -> bool:
    return (folder / "leaks_truth.txt").is_file() and (folder / f"{year}_Leakages.csv.gz").is_file()


def read_truth(folder: Path, year: int) -> list[TrueLeak]:
    """The leaks that ran in ``year``. Raises BenchmarkError naming the file."""
    path = folder / f"{year}_Leakages.csv.gz"
    try:
        with pa.input_stream(path, compression="detect") as stream:
            table = pacsv.read_csv(
                stream, parse_options=DIALECT, convert_options=pacsv.ConvertOptions(decimal_point=",")
            )
        flows = {
            name: table.column(name).cast(pa.float64()).to_numpy() / 3600 for name in table.column_names[1:]
        }
    except (pa.ArrowException, OSError) as e:
        raise BenchmarkError(f"{path.name}: cannot be read: {str(e).splitlines()[0]}") from None
    first = datetime(year, 1, 1)  # noqa: DTZ001 - local time, no zone
    out = []
    for number, line in enumerate(read_text(folder / "leaks_truth.txt").splitlines(), 1):
        if not line.startswith("- "):
            continue
        try:
            pipe, start, end = (x.strip() for x in line[2:].split(",")[:3])
            began, ended = local_instant(start), local_instant(end)
        except ValueError:
            raise BenchmarkError(
                f"leaks_truth.txt, line {number}: '{line}' is not '- pipe, start, end, ...' with times as in "
                "2019-01-31 23:55"
            ) from None
        if ended > first and pipe in flows:
            out.append(TrueLeak(pipe, max(began, first), ended, np.asarray(flows[pipe])))
    return out


def score(
    reports: Sequence[Report],
    leaks: Sequence[TrueLeak],
    pipes: dict[str, int],
    distance: Floats,
    year: int,
) -> Score:
    """pipes: index of each pipe in ``distance`` (P, P) [m], inf beyond its reach."""
    made = _judge(reports, leaks, pipes, distance, year)
    first = datetime(year, 1, 1) + timedelta(minutes=5)  # noqa: DTZ001 - local time, no zone
    ideal = [Report(leak.pipe, max(leak.start, first)) for leak in leaks]
    best = sum(r.money for r in _judge(ideal, leaks, pipes, distance, year))
    by_pipe = {leak.pipe: leak for leak in leaks}
    hit = {r.leak: r for r in made if r.leak in by_pipe}
    delays = [(r.report.when - by_pipe[k].start).total_seconds() / 86400 for k, r in hit.items() if k]
    return Score(
        sum(r.money for r in made),
        best,
        made,
        list(leaks),
        delays,
        [leak.pipe for leak in leaks if leak.pipe not in hit],
    )


def _judge(
    reports: Sequence[Report],
    leaks: Sequence[TrueLeak],
    pipes: dict[str, int],
    distance: Floats,
    year: int,
) -> list[Scored]:
    first = datetime(year, 1, 1)  # noqa: DTZ001 - local time, no zone
    found: set[int] = set()
    out = []
    for report in sorted(reports, key=lambda r: r.when):
        metres = [float(distance[pipes[leak.pipe], pipes[report.pipe]]) for leak in leaks]
        hits = [
            k
            for k, leak in enumerate(leaks)
            if leak.start <= report.when <= leak.end and metres[k] <= REACH_M
        ]
        new = [k for k in hits if k not in found]
        if new:
            k = min(new, key=lambda k: metres[k])
            found.add(k)
            step = max(round((report.when - first).total_seconds() / 300), 1)
            saved = float(leaks[k].flow[step - 1 :].sum()) * 300
            money = saved * WATER - metres[k] / REACH_M * VISIT
            out.append(Scored(report, leaks[k].pipe, metres[k], money))
        elif hits:
            out.append(Scored(report, "repeat", float("nan"), 0.0))
        else:
            out.append(Scored(report, None, float("nan"), -VISIT))
    return out
