"""Labelled files of a scenario: readings as the devices deliver them, and the truth behind them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from firmware_sim.labels import LeakFlows, write_faults
from firmware_sim.reading_files import LongFiles, ReadingFiles, WideFiles
from firmware_sim.scenario_model import Phase, Scenario
from firmware_sim.simulation import Simulation, spans
from waterworks.errors import Problem, ProblemsError
from waterworks.site import Site

DAY_US = 86_400_000_000
Format = Literal["parquet", "csv", "battle"]


class OutputError(ProblemsError):
    """Files that cannot be written as asked."""


@dataclass(frozen=True, slots=True)
class FilesReport:
    """What was written. readings: how many; paths: all files; unsimulated: sensors without any."""

    readings: int
    paths: tuple[Path, ...]
    unsimulated: tuple[str, ...]


def write_files(
    site: Site,
    scenario: Scenario,
    out: Path,
    start: np.datetime64,
    end: np.datetime64,
    *,
    format: Format = "parquet",
    progress: Callable[[float], None] | None = None,
) -> FilesReport:
    """Simulate ``start`` to ``end`` [UTC] into the folder ``out``, which is made and must be empty.

    format: "parquet" or "csv" (one reading a row), or "battle" (wide files, see ``WideFiles``). Beside the
    readings come ``mapping.toml`` for ``twuin backfill``, ``leaks.csv``, ``leak_flows.csv.gz``,
    ``faults.csv`` and ``scenario.toml``. Times of the scenario are relative to its own start, or where it
    has none to ``start``. progress is told the share done [0..1].

    Raises OutputError, ScenarioError, SiteError, NetworkError.
    """
    if format == "battle" and scenario.devices.phase is not Phase.ALIGNED:
        message = 'wide files need devices that sample at the same moments: set phase = "aligned"'
        raise OutputError([Problem(scenario.file, None, message)])
    _prepare(out)
    with Simulation(site, scenario, start) as simulation:
        bound = simulation.bound
        first, last = simulation.now, int(end.astype("datetime64[us]").astype(np.int64))
        sensors = [m.sensor.id for d in simulation.devices for s in d.samplers for m in s.meters]
        order = {s.id: i for i, s in enumerate(site.sensors)}
        sensors.sort(key=order.__getitem__)
        files: ReadingFiles = (
            WideFiles(out, bound, sensors, last) if format == "battle" else LongFiles(out, site, format)
        )
        flows = LeakFlows(out / "leak_flows.csv.gz", bound, simulation.truth.step_s)
        for _, until in spans(first, last, DAY_US):
            found = simulation.advance(until)
            files.add(found.samples, until)
            flows.add(found.time_s, found.leaks)
            if progress:
                progress((until - first) / (last - first))
        files.close()
        flows.close()
        flows.write_leaks(out / "leaks.csv", simulation.truth.coefficients)
        write_faults(out / "faults.csv", bound)
        (out / "mapping.toml").write_text(files.mapping(), encoding="utf-8")
        source = scenario.source or f"# not from a file; seed {scenario.seed}\n"
        (out / "scenario.toml").write_text(source, encoding="utf-8")
        names = ("leak_flows.csv.gz", "leaks.csv", "faults.csv", "mapping.toml", "scenario.toml")
        paths = (*files.paths, *(out / name for name in names))
        return FilesReport(files.readings, paths, simulation.unsimulated)


def _prepare(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        if any(out.iterdir()):
            message = "is not empty: name a new folder, so that no truth stands beside other readings"
            raise OutputError([Problem(str(out), None, message)])
        (out / "scenario.toml").touch()
    except (FileExistsError, NotADirectoryError):
        raise OutputError([Problem(str(out), None, "is a file: name a folder")]) from None
    except OSError as error:
        raise OutputError([Problem(str(out), None, f"cannot be written: {error.strerror}")]) from error
