"""Readings into files: one reading a row (Parquet or CSV), or a column a sensor as the BattLeDIM had it."""

from __future__ import annotations

import gzip
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv as arrow_csv

from firmware_sim.bound import Bound
from firmware_sim.demands import utc_offsets
from firmware_sim.fleet import delivered
from firmware_sim.scenario_model import FaultKind
from firmware_sim.simulation import Owned
from waterworks.reading import ReadingBatch
from waterworks.site import Role, Sensor, Site
from waterworks.units import Quantity, conversion

Array = np.ndarray[Any, Any]


class ReadingFiles(Protocol):
    """Takes samples day by day. readings: how many were written. paths: the files."""

    readings: int
    paths: list[Path]

    def add(self, samples: list[Owned], until: int) -> None:
        """What was sampled before ``until`` [us], day after day."""
        ...

    def close(self) -> None:
        """Finish the files."""
        ...

    def mapping(self) -> str:
        """The mapping file with which ``twuin backfill`` reads them."""
        ...


class LongFiles:
    """One reading a row: sensor, device time [UTC], value in ``unit``, and when the message left."""

    def __init__(self, out: Path, site: Site, kind: str) -> None:
        self._site, self._kind = site, kind
        self.readings = 0
        self._waiting: list[Owned] = []
        path = out / ("readings.parquet" if kind == "parquet" else "readings.csv.gz")
        self.paths = [path]
        words = pa.dictionary(pa.int32(), pa.string())
        stamp = pa.timestamp("us", tz="UTC")
        self._schema = pa.schema(
            [
                ("sensor", words),
                ("time", stamp),
                ("value", pa.float64()),
                ("unit", words),
                ("received", stamp),
            ]
        )
        self._gzip: IO[bytes] | None = None
        self._sink: Any
        if kind == "parquet":
            self._sink = pq.ParquetWriter(path, self._schema, compression="zstd")
        else:
            self._gzip = gzip.open(path, "wb", compresslevel=4)  # type: ignore[assignment]  # noqa: SIM115
            plain = pa.schema([(f.name, pa.string() if f.type == words else f.type) for f in self._schema])
            options = arrow_csv.WriteOptions(quoting_style="needed")
            self._sink = arrow_csv.CSVWriter(self._gzip, plain, write_options=options)

    def add(self, samples: list[Owned], until: int) -> None:
        batch, self._waiting = delivered(self._waiting + samples, until, si=False)
        if len(batch):
            self.readings += len(batch)
            self._sink.write_table(self._table(batch))

    def _table(self, batch: ReadingBatch) -> pa.Table:
        units = [self._site.sensor[name].unit for name in batch.names]
        unit_names = sorted(set(units))
        unit = np.array([unit_names.index(u) for u in units], np.int32)[batch.sensor]
        stamp = self._schema.field("time").type
        columns = [
            pa.DictionaryArray.from_arrays(pa.array(batch.sensor), pa.array(batch.names)),
            pa.array(batch.time).cast(pa.timestamp("us")).cast(stamp),
            pa.array(batch.value),
            pa.DictionaryArray.from_arrays(pa.array(unit), pa.array(unit_names)),
            pa.array(batch.received).cast(pa.timestamp("us")).cast(stamp),
        ]
        if self._kind != "parquet":
            columns = [c.cast(pa.string()) if pa.types.is_dictionary(c.type) else c for c in columns]
        return pa.table(columns, names=self._schema.names)

    def close(self) -> None:
        self._sink.close()
        if self._gzip is not None:
            self._gzip.close()

    def mapping(self) -> str:
        return (
            f'[[source]]\nfiles = "{self.paths[0].name}"\n'
            'time = { column = "time", format = "iso" }\nignore = ["received"]\n\n'
            '[source.long]\nsensor = "sensor"\nvalue = "value"\nunit_column = "unit"\n'
        )


WIDE = {
    # name in the file's name, unit of its columns, decimals
    "Pressures": ("m", 2),
    "Flows": ("m3/h", 2),
    "Levels": ("m", 2),
    "Demands": ("L/h", 0),
}


def wide_kind(sensor: Sensor) -> str | None:
    """Which wide file a sensor belongs to."""
    if sensor.quantity is Quantity.FLOW:
        return "Demands" if sensor.role is Role.CONSUMPTION else "Flows"
    return {Quantity.PRESSURE: "Pressures", Quantity.LEVEL: "Levels"}.get(sensor.quantity)


class WideFiles:
    """A file a year and quantity: local time without zone, and a column a sensor; ';' and decimal comma.

    Late readings stand where they belong. Columns are called after the network's elements where that is
    unique, else after the sensors. What devices still keep at ``end`` [us] is left out.
    every: first instant and interval [us] of moments that have a row even where no sensor has a value.
    """

    def __init__(
        self,
        out: Path,
        bound: Bound,
        sensors: Sequence[str],
        end: int,
        every: tuple[int, int] | None = None,
    ) -> None:
        self.readings, self._end, self._every = 0, end, every
        self._next: dict[str, int] = {}
        self.paths: list[Path] = []
        self._out, self._zone = out, bound.site.timezone
        self._hold = _furthest_stamp(bound)
        self._rows: dict[str, list[tuple[Array, Array, Array]]] = {}
        self._columns: dict[str, list[Sensor]] = {}
        self._place: dict[str, tuple[str, int]] = {}
        self._factor: dict[str, tuple[float, float]] = {}
        for name in sensors:
            sensor = bound.site.sensor[name]
            kind = wide_kind(sensor)
            if kind is None:
                continue
            columns = self._columns.setdefault(kind, [])
            self._place[name] = (kind, len(columns))
            columns.append(sensor)
            own, wide = (conversion(u, sensor.quantity) for u in (sensor.unit, WIDE[kind][0]))
            self._factor[name] = (own.factor / wide.factor, (own.offset - wide.offset) / wide.factor)
        self._heads = {kind: _heads(columns) for kind, columns in self._columns.items()}
        self._open: dict[tuple[str, int], IO[bytes]] = {}

    def add(self, samples: list[Owned], until: int) -> None:
        for _, sampler, found in samples:
            good = found.take(~found.garbage & (found.sent < self._end))
            for column, meter in enumerate(sampler.meters):
                if meter.sensor.id in self._place:
                    kind, place = self._place[meter.sensor.id]
                    factor, zero = self._factor[meter.sensor.id]
                    values = good.values[:, column] * factor + zero
                    rows = (good.stamp, np.full(len(good.stamp), place), values)
                    self._rows.setdefault(kind, []).append(rows)
        self._write(until - self._hold)

    def close(self) -> None:
        self._write(2**62)
        for file in self._open.values():
            file.close()

    def _write(self, before: int) -> None:
        """Write the rows of device times before ``before`` [us]."""
        for kind, parts in self._rows.items():
            if not parts:
                continue
            rows = [np.concatenate(c) for c in zip(*parts, strict=True)]
            now = rows[0] < before
            later, rows = tuple(c[~now] for c in rows), [c[now] for c in rows]
            self._rows[kind] = [(later[0], later[1], later[2])]
            if now.any() or self._every:
                self._write_rows(kind, rows[0], rows[1], rows[2], self._due(kind, before))

    def _due(self, kind: str, before: int) -> Array:
        """Moments that need a row now, whether or not a sensor has a value."""
        if self._every is None:
            return np.empty(0, np.int64)
        first, step = self._every
        due = np.arange(self._next.get(kind, first), min(before, self._end), step, dtype=np.int64)
        if len(due):
            self._next[kind] = int(due[-1]) + step
        return due

    def _write_rows(self, kind: str, stamp: Array, place: Array, value: Array, due: Array) -> None:
        times = np.union1d(stamp, due)
        if not len(times):
            return
        row = np.searchsorted(times, stamp)
        table = np.full((len(times), len(self._columns[kind])), np.nan)
        table[row, place] = value
        self.readings += len(stamp)
        local = times // 1_000_000 + utc_offsets(times // 1_000_000, self._zone)
        text = np.char.replace(np.datetime_as_string(local.astype("datetime64[s]")), "T", " ")
        years = local.astype("datetime64[s]").astype("datetime64[Y]").astype(np.int64) + 1970
        decimals = WIDE[kind][1]
        for year in np.unique(years).tolist():
            of = years == year
            self._file(kind, year).write(wide_csv(text[of], np.round(table[of], decimals), decimals))

    def _file(self, kind: str, year: int) -> IO[bytes]:
        if (kind, year) not in self._open:
            path = self._out / f"{year}_SCADA_{kind}.csv.gz"
            self.paths.append(path)
            file: Any = gzip.open(path, "wb", compresslevel=6)  # noqa: SIM115 closed by close()
            file.write((";".join(["Timestamp", *self._heads[kind]]) + "\n").encode())
            self._open[kind, year] = file
        return self._open[kind, year]

    def mapping(self) -> str:
        parts = ["# Times are local, of the site's zone."]
        for kind, columns in self._columns.items():
            parts.append(
                f'\n[[source]]\nfiles = "*_SCADA_{kind}.csv.gz"\ndelimiter = ";"\ndecimal = ","\n'
                'time = { column = "Timestamp", format = "iso" }'
            )
            parts += [
                f'\n[[source.column]]\nname = "{head}"\nsensor = "{sensor.id}"\nunit = "{WIDE[kind][0]}"'
                for head, sensor in zip(self._heads[kind], columns, strict=True)
            ]
        return "\n".join(parts) + "\n"


def _heads(sensors: Sequence[Sensor]) -> list[str]:
    often = Counter(s.element for s in sensors)
    return [s.element if often[s.element] == 1 else s.id for s in sensors]


def wide_csv(times: Array, values: Array, decimals: int) -> bytes:
    """Lines of a wide file: times (T,) as text, values (T, S), whole numbers where ``decimals`` is 0; NaN
    is an empty cell."""
    columns: list[Any] = [pa.array(times)]
    for k in range(values.shape[1]):
        column = pa.array(values[:, k], from_pandas=True)
        columns.append(column if decimals else column.cast(pa.int64()))
    sink = io.BytesIO()
    options = arrow_csv.WriteOptions(include_header=False, delimiter=";", quoting_style="none")
    arrow_csv.write_csv(pa.table(columns, names=[str(i) for i in range(len(columns))]), sink, options)
    return sink.getvalue().replace(b".", b",")


def _furthest_stamp(bound: Bound) -> int:
    """How far device times may lie from true ones [us], and a day more."""
    far = 86_400e6
    for one in bound.faults:
        kind, value = one.fault.kind, abs(one.fault.value)
        if kind is FaultKind.CLOCK_OFFSET:
            far += value * 1e6
        elif kind is FaultKind.ZONE:
            far += value * 3600e6
        elif kind is FaultKind.CLOCK_DRIFT:
            far += 1e6 * value * 1e-6 * 366 * 86400
    return int(far)
