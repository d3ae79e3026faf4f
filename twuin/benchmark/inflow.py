"""Net inflow of DMAs from files, on the monitor's grid, as the benchmarks of inflow read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import twuin
from analytics.inflow import net_inflow
from analytics.resample import to_rows
from ingest.files import Tally, open_files
from ingest.mapping import load_mapping
from twuin.monitor.grid import site_step
from waterworks.errors import BenchmarkError
from waterworks.localtime import LocalTime, local_time
from waterworks.metering import UNUSABLE, balance
from waterworks.site import Site
from waterworks.site_folder import read_site

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

EXAMPLE = Path(twuin.__file__).resolve().parents[1] / "examples" / "ferrara"
"""The site that the published data belong to; present in a source checkout."""


@dataclass(frozen=True, slots=True)
class Inflow:
    """Net inflow of S DMAs: flow (T, S) [m3/s], NaN where unknown; local: of each row; step_s [s]."""

    dmas: tuple[str, ...]
    flow: Floats
    local: LocalTime
    step_s: int

    @property
    def first_day(self) -> int:
        """Ordinal of the first local day."""
        return int(self.local.day[0])

    @property
    def per_day(self) -> int:
        return 86400 // self.step_s

    @property
    def mean(self) -> Floats:
        """Mean inflow (S,) [m3/s] over all that was read: the measure of injected leaks."""
        return np.asarray(np.nanmean(self.flow, axis=0))

    def days(self) -> Floats:
        """(D, J, S): by local day and slot; the mean where a clock change has an hour twice."""
        d = self.local.day - self.first_day
        shape = (int(d[-1]) + 1, self.per_day, self.flow.shape[1])
        total, count = np.zeros(shape), np.zeros(shape)
        known = np.isfinite(self.flow)
        np.add.at(total, (d, self.local.slot), np.where(known, self.flow, 0.0))
        np.add.at(count, (d, self.local.slot), known)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.where(count > 0, total / count, np.nan))

    def weekdays(self) -> Ints:
        """(D,): 0 Monday .. 6 Sunday or holiday of each local day."""
        d = self.local.day - self.first_day
        out = (self.first_day + np.arange(int(d[-1]) + 1) + 6) % 7
        out[d] = self.local.weekday
        return out


def read_inflow(files: Sequence[Path], site_folder: Path | None) -> Inflow:
    """Read files of flow as the ``mapping.toml`` of a site folder says, and make up net inflow.

    Raises BenchmarkError, SiteError or DataFileError, each naming what is wrong and where.
    """
    folder = site_folder or EXAMPLE
    if not folder.is_dir():
        raise BenchmarkError(
            f"no site folder {folder}: name one with --site (site.toml, sensors.csv, dmas.csv, mapping.toml)"
        )
    if not (folder / "mapping.toml").is_file():
        raise BenchmarkError(f"{folder} has no mapping.toml, which says how the files are to be read")
    site = read_site(folder)
    return _assemble(site, files, folder)


def _assemble(site: Site, files: Sequence[Path], folder: Path) -> Inflow:
    step = site_step(site)
    flows = balance(site, None)
    if flows.tanks:
        raise BenchmarkError(f"{folder} has tanks with levels: this benchmark takes metered flow alone")
    column = {name: i for i, name in enumerate(flows.meters)}
    tally = Tally()
    sensors, times, values = [], [], []
    for file in open_files(files, load_mapping(folder / "mapping.toml"), site):
        for batch in file.batches(tally, received=np.datetime64("now", "us")):
            which = np.array([column.get(name, -1) for name in batch.names])[batch.sensor]
            use = (which >= 0) & ((batch.quality & UNUSABLE) == 0)
            sensors.append(which[use])
            times.append(batch.time[use].astype("datetime64[s]").astype(np.int64))
            values.append(batch.value[use])
    if not times or not sum(map(len, times)):
        raise BenchmarkError(f"{', '.join(map(str, files))}: no usable reading of an inlet meter of {folder}")
    sensor, when, value = np.concatenate(sensors), np.concatenate(times), np.concatenate(values)
    first = int(when.min()) // 86400 * 86400 // step
    count = -(-(int(when.max()) // step + 1 - first) * step // 86400) * 86400 // step
    total, seen = np.zeros((count, len(column))), np.zeros((count, len(column)))
    np.add.at(total, (when // step - first, sensor), value)
    np.add.at(seen, (when // step - first, sensor), 1)
    with np.errstate(invalid="ignore"):
        metered = np.where(seen > 0, total / seen, np.nan)
    rows = to_rows(first + np.arange(count), metered, first, count)
    flow = net_inflow(rows, flows.signs, np.empty((count, 0)), flows.tank_signs)
    local = local_time((first + np.arange(count)) * step, step, site.timezone, site.monitor.holidays)
    return Inflow(tuple(d.id for d in site.dmas), flow, local, step)
