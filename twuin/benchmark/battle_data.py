"""A folder of the Battle of the Leakage Detection and Isolation Methods 2020, without its truth.

Read are ``network.inp``, ``YEAR_SCADA_{Pressures,Flows,Levels,Demands}.csv.gz`` and ``YEAR_repairs.txt``;
nothing else, whatever lies beside them.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
from numpy.typing import NDArray

from analytics.model.layout import Hours
from ingest.validate import BELIEVABLE
from twuin.monitor.plant import Plant, Points, Rows
from waterworks.errors import BenchmarkError
from waterworks.network import Network
from waterworks.units import Quantity

Floats = NDArray[np.float64]

M3H = 1 / 3600
LITRES_H = 1e-3 / 3600
DIALECT = pacsv.ParseOptions(delimiter=";")
MISSING = ["", "NaN", "nan", "-9999", "-9999,0", "-99999", "-99999,0"]
"""How systems write that nothing was measured."""

KINDS = ("Pressures", "Flows", "Levels", "Demands")
QUANTITY = {
    "Pressures": (Quantity.PRESSURE, 1.0),
    "Flows": (Quantity.FLOW, M3H),
    "Levels": (Quantity.LEVEL, 1.0),
    "Demands": (Quantity.FLOW, LITRES_H),
}
"""What each kind of file measures, and its unit in SI."""


class Repair(NamedTuple):
    pipe: str
    when: datetime


class Scada(NamedTuple):
    """Measurements of one year, 5-minute or other even steps. times (T,) datetime64[s]; pressure (T, M) [m],
    flow (T, F), consumption (T, C) [m3/s], level (T, K) [m], NaN where nothing was measured that can be
    believed; names of the columns."""

    times: NDArray[np.datetime64]
    pressure: Floats
    flow: Floats
    level: Floats
    consumption: Floats
    names: dict[str, tuple[str, ...]]


def local_instant(text: str) -> datetime:
    """A local time of the data, which name no zone."""
    return datetime.strptime(text, "%Y-%m-%d %H:%M")  # noqa: DTZ007


def years(folder: Path) -> list[int]:
    found = sorted(int(p.name[:4]) for p in folder.glob("[0-9][0-9][0-9][0-9]_SCADA_Pressures.csv*"))
    if not found:
        raise BenchmarkError(f"{folder}: no YEAR_SCADA_Pressures.csv.gz there; give the battle's folder")
    return found


def _table(
    folder: Path, year: int, kind: str
) -> tuple[NDArray[np.datetime64], Floats, tuple[str, ...]] | None:
    for path in (folder / f"{year}_SCADA_{kind}.csv.gz", folder / f"{year}_SCADA_{kind}.csv"):
        if path.is_file():
            break
    else:
        return None
    try:
        with pa.input_stream(path, compression="detect") as stream:
            content = stream.read()
        heading = content.split(b"\n", 1)[0] + b"\n"
        names = pacsv.read_csv(pa.BufferReader(heading), parse_options=DIALECT).column_names
        types = {name: pa.float64() for name in names[1:]} | {names[0]: pa.timestamp("s")}
        table = pacsv.read_csv(
            pa.BufferReader(content),
            parse_options=DIALECT,
            convert_options=pacsv.ConvertOptions(decimal_point=",", null_values=MISSING, column_types=types),
        )
    except (pa.ArrowException, OSError) as e:
        why = str(e).splitlines()[0]
        raise BenchmarkError(
            f"{path.name}: cannot be read: {why} (';' between columns, times in the first, "
            "numbers with a decimal comma in the others)"
        ) from None
    times = table.column(0).to_numpy().astype("datetime64[s]")
    columns = [c.to_numpy() for c in table.columns[1:]]
    if len(times) < 2 or not columns:
        raise BenchmarkError(
            f"{path.name}: holds {len(times)} rows of {len(columns)} columns: nothing to use"
        )
    if not (np.diff(times) > np.timedelta64(0)).all():
        raise BenchmarkError(f"{path.name}: times must rise from line to line")
    quantity, unit = QUANTITY[kind]
    values = np.column_stack(columns) * unit
    low, high = BELIEVABLE[quantity]
    values[(values < low) | (values > high)] = np.nan
    return times, values, tuple(table.column_names[1:])


def read_scada(folder: Path, year: int) -> Scada:
    """Raises BenchmarkError naming file and what is wrong."""
    tables = {kind: _table(folder, year, kind) for kind in KINDS}
    pressure = tables["Pressures"]
    if pressure is None:
        raise BenchmarkError(f"{folder}: no {year}_SCADA_Pressures.csv.gz there")
    times = pressure[0]
    out: dict[str, Floats] = {}
    names: dict[str, tuple[str, ...]] = {}
    for kind, table in tables.items():
        if table is None:
            out[kind], names[kind] = np.empty((len(times), 0)), ()
            continue
        if len(table[0]) != len(times) or (table[0] != times).any():
            raise BenchmarkError(f"{year}_SCADA_{kind}: its times are not those of {year}_SCADA_Pressures")
        out[kind], names[kind] = table[1], table[2]
    return Scada(times, out["Pressures"], out["Flows"], out["Levels"], out["Demands"], names)


def read_text(path: Path) -> str:
    """The text of a small file. Raises BenchmarkError where it is none."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as e:
        raise BenchmarkError(f"{path.name}: cannot be read: {e.strerror or e}") from None
    except UnicodeDecodeError:
        raise BenchmarkError(f"{path.name}: is no text (UTF-8)") from None


def read_repairs(folder: Path, year: int) -> list[Repair]:
    path = folder / f"{year}_repairs.txt"
    if not path.is_file():
        return []
    out = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        text = line.split("#")[0].strip()
        if not text:
            continue
        try:
            pipe, when = (x.strip() for x in text.split(","))
            out.append(Repair(pipe, local_instant(when)))
        except ValueError:
            raise BenchmarkError(
                f"{path.name}, line {number}: '{text}' is not 'pipe, YYYY-MM-DD HH:MM'"
            ) from None
    return out


def points(network: Network, names: dict[str, tuple[str, ...]]) -> Points:
    """Where the columns of the measurements are in the network. Raises BenchmarkError for one that is not."""

    def found(index: dict[str, int], kind: str, what: str) -> NDArray[np.int64]:
        for name in names[kind]:
            if name not in index:
                raise BenchmarkError(f"SCADA_{kind}: column {name} is no {what} of network.inp")
        return np.array([index[name] for name in names[kind]], np.int64)

    nodes, links = network.node_index, network.link_index
    return Points(
        found(nodes, "Pressures", "node"),
        found(links, "Flows", "link"),
        found(nodes, "Levels", "node"),
        found(nodes, "Demands", "node"),
    )


class Day(NamedTuple):
    """One day of measurements. rows: with the one before its first; edges (25,): rows of its hours."""

    when: datetime
    rows: Rows
    edges: NDArray[np.int64]

    def hours(self, plant: Plant, rows: Rows) -> Hours:
        """For the tracker, by ``rows`` or what is believed of them."""
        return plant.day(rows, self.edges, np.arange(24), self.when.weekday())


def daily(scada: Scada) -> list[Day]:
    """Whole days in their order."""
    t = scada.times.astype(np.int64)
    first = int(t[0] // 86400)
    count = int(t[-1] // 86400) - first + 1
    slot = (t - first * 86400) // 3600
    edges = np.searchsorted(slot, np.arange(count * 24 + 1)).astype(np.int64)
    out = []
    for d in range(count):
        here = edges[24 * d : 24 * d + 25]
        begin = max(int(here[0]) - 1, 0)
        part = slice(begin, int(here[-1]))
        rows = Rows(
            t[part], scada.pressure[part], scada.flow[part], scada.level[part], scada.consumption[part]
        )
        when = datetime(1970, 1, 1) + timedelta(days=first + d)  # noqa: DTZ001 - local time, no zone
        out.append(Day(when, rows, here - begin))
    return out
