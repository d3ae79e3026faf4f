"""Labelled years in the format of the Battle of the Leakage Detection and Isolation Methods 2020.

From a nominal network and a seed: two years of measurements of a network that differs from it, the leaks
repaired in the first of them, and the truth. A detector is to find the leaks of the second year.
"""

from __future__ import annotations

import gzip
import math
import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from firmware_sim.battle_plan import MIX, Mix, Variant, scenario_text
from firmware_sim.battle_site import battle_site
from firmware_sim.bound import Bound, BoundLeak
from firmware_sim.files import OutputError
from firmware_sim.labels import write_faults
from firmware_sim.reading_files import WideFiles, wide_csv
from firmware_sim.scenario import parse_scenario
from firmware_sim.scenario_model import Growth, Scenario
from firmware_sim.simulation import Simulation, spans
from firmware_sim.truth import Floats, Ints
from waterworks.epanet_file import read_network
from waterworks.errors import Problem
from waterworks.site import Site
from waterworks.units import GRAVITY

STEP_US = 300_000_000
DAY_US = 86_400_000_000
DISCHARGE = 0.75
"""Discharge coefficient [-] with which the table of leaks tells a hole's diameter, as in the competition."""


class YearsReport(NamedTuple):
    """What was written: the folder, readings, leaks that begin in each year, and repairs that are known."""

    folder: Path
    readings: int
    leaks: tuple[int, ...]
    repairs: int


def write_years(
    network_file: Path,
    out: Path,
    seed: int,
    *,
    like: Path | None = None,
    variant: Variant = Variant.PLAIN,
    years: Sequence[int] = (2018, 2019),
    mix: Mix = MIX,
    progress: Callable[[float], None] | None = None,
) -> YearsReport:
    """Simulate whole calendar ``years`` into the folder ``out``, which must be new or empty.

    network_file: the nominal network, which is copied beside the files. like: a folder whose columns name
    the sensors; None: see ``battle_site``. progress is told the share done [0..1].
    Raises OutputError, SiteError, NetworkError.
    """
    site = battle_site(network_file, like)
    network = read_network(network_file)
    text = scenario_text(site, network, seed, variant, years, mix)
    start = np.datetime64(f"{years[0]}-01-01", "us")
    end = np.datetime64(f"{years[-1] + 1}-01-01", "us")
    return simulate_years(site, parse_scenario(text), out, start, end, progress=progress)


def simulate_years(
    site: Site,
    scenario: Scenario,
    out: Path,
    start: np.datetime64,
    end: np.datetime64,
    *,
    progress: Callable[[float], None] | None = None,
) -> YearsReport:
    """Simulate a scenario of a site from ``start`` to ``end`` [UTC] into ``out``: the readings, the
    repairs of the first calendar year, and the truth."""
    _prepare(out)
    assert site.network_file is not None
    shutil.copyfile(site.network_file, out / "network.inp")
    with Simulation(site, scenario, start) as simulation:
        bound = simulation.bound
        first, last = simulation.now, int(end.astype("datetime64[us]").astype(np.int64))
        sensors = [s.id for s in site.sensors]
        files = WideFiles(out, bound, sensors, last, every=(first, STEP_US))
        flows = _Leakages(out, bound, first, last)
        for _, until in spans(first, last, DAY_US):
            found = simulation.advance(until)
            files.add(found.samples, until)
            flows.add(found.time_s, found.leaks)
            if progress:
                progress((until - first) / (last - first))
        files.close()
        flows.close()
        coefficients = simulation.truth.coefficients
    repairs = _write_leaks(out, bound, coefficients, first, last)
    write_faults(out / "faults.csv", bound)
    (out / "scenario.toml").write_text(scenario.source, encoding="utf-8")
    begun = [_moment(leak.span.start).year for leak in bound.leaks if leak.span.overlaps(first, last)]
    counted = tuple(begun.count(y) for y in range(_moment(first).year, _moment(last - 1).year + 1))
    return YearsReport(out, files.readings, counted, repairs)


def hole_diameter_m(coefficient: float) -> float:
    """Diameter [m] of a round hole with an emitter coefficient [m3/h/m^0.5]: C = Cd A sqrt(2 g)."""
    return math.sqrt(coefficient / 3600 / (DISCHARGE * math.pi / 4 * math.sqrt(2 * GRAVITY)))


class _Leakages:
    """The flow of every leak [m3/h] at every step: a file a year, a column a leak that leaked in it."""

    def __init__(self, out: Path, bound: Bound, first: int, last: int) -> None:
        self._files: dict[int, tuple[IO[bytes], list[int]]] = {}
        for year in range(_moment(first).year, _moment(last - 1).year + 1):
            opens, shuts = _new_year(year), _new_year(year + 1)
            columns = [
                k
                for k, leak in sorted(enumerate(bound.leaks), key=lambda one: one[1].span.start)
                if leak.span.overlaps(max(opens, first), min(shuts, last))
            ]
            file: Any = gzip.open(out / f"{year}_Leakages.csv.gz", "wb", compresslevel=6)  # noqa: SIM115
            heads = ["Timestamp", *(bound.leaks[k].pipe for k in columns)]
            file.write((";".join(heads) + "\n").encode())
            self._files[year] = (file, columns)

    def add(self, time_s: Ints, leaks: Floats) -> None:
        """Flows (T, K) [m3/s] at steps (T,) [s since 1970]."""
        times = time_s.astype("datetime64[s]")
        text = np.char.replace(np.datetime_as_string(times), "T", " ")
        years = times.astype("datetime64[Y]").astype(np.int64) + 1970
        for year in np.unique(years).tolist():
            file, columns = self._files[year]
            of = years == year
            file.write(wide_csv(text[of], np.round(leaks[of][:, columns] * 3600, 2), 2))

    def close(self) -> None:
        for file, _ in self._files.values():
            file.close()


def _write_leaks(out: Path, bound: Bound, coefficients: Sequence[float], first: int, last: int) -> int:
    """The table of leaks, and the repairs of the first year; how many these are."""
    year = _moment(first).year
    mended: list[tuple[int, str]] = []
    rows = []
    order = sorted(range(len(bound.leaks)), key=lambda k: (bound.leaks[k].span.start, bound.leaks[k].pipe))
    for k in order:
        leak = bound.leaks[k]
        if not leak.span.overlaps(first, last):
            continue
        end = leak.span.end
        if end is not None and end < min(_new_year(year + 1), last):
            mended.append((end, leak.pipe))
        rows.append(_row(leak, coefficients[k], last))
    (out / "leaks_truth.txt").write_text("".join(rows), encoding="utf-8")
    listed = "".join(f"{pipe}, {_minute(end)}\n" for end, pipe in sorted(mended))
    (out / f"{year}_repairs.txt").write_text(listed, encoding="utf-8")
    return len(mended)


def _row(leak: BoundLeak, coefficient: float, last: int) -> str:
    end = last - STEP_US if leak.span.end is None else min(leak.span.end, last - STEP_US)
    kind = "abrupt" if leak.leak.growth is Growth.ABRUPT else "incipient"
    times = (_minute(leak.span.start), _minute(end))
    peak = _minute(round(leak.course.peak_s * 1e6))
    return f"- {leak.pipe}, {times[0]}, {times[1]}, {hole_diameter_m(coefficient):.6f}, {kind}, {peak}\n"


def _moment(us: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)


def _minute(us: int) -> str:
    return _moment(us).strftime("%Y-%m-%d %H:%M")


def _new_year(year: int) -> int:
    """The first instant of a year [us since 1970]."""
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000


def _prepare(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        used = any(out.iterdir())
    except OSError as error:
        raise OutputError([Problem(str(out), None, f"cannot be written: {error.strerror}")]) from error
    if used:
        message = "is not empty: name a new folder, so that no truth stands beside other readings"
        raise OutputError([Problem(str(out), None, message)])
