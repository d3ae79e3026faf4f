"""The truth beside the readings: tables of what leaked and what failed."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from firmware_sim.bound import Bound
from firmware_sim.truth import Floats, Ints

LEAK_COLUMNS = (
    "id", "pipe", "position", "dma", "start", "end", "growth", "peak", "coefficient", "peak_flow_m3h",
    "volume_m3",
)  # fmt: skip
FAULT_COLUMNS = ("id", "kind", "sensor", "device", "start", "end", "value", "share")


def local_text(us: int | None, zone: ZoneInfo) -> str:
    """An instant as people read it, with its zone; empty where there is none."""
    if us is None:
        return ""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)).astimezone(zone).isoformat()


def write_table(path: Path, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A small CSV file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(heads)
        writer.writerows(rows)


class LeakFlows:
    """Writes the flow of every leak at every step [m3/h], and remembers what the table of leaks needs."""

    def __init__(self, path: Path, bound: Bound, step_s: int) -> None:
        self._bound, self._step_s = bound, step_s
        count = len(bound.leaks)
        self.peak_m3h, self.volume_m3 = np.zeros(count), np.zeros(count)
        self._file = gzip.open(path, "wb", compresslevel=6)  # noqa: SIM115 closed by close()
        self._file.write((",".join(["time", *(leak.leak.id for leak in bound.leaks)]) + "\n").encode())

    def add(self, time_s: Ints, flows: Floats) -> None:
        """Flows (T, K) [m3/s] at steps (T,) [s since 1970]."""
        if not len(time_s):
            return
        m3h = flows * 3600
        if m3h.shape[1]:
            self.peak_m3h = np.maximum(self.peak_m3h, m3h.max(axis=0))
            self.volume_m3 += flows.sum(axis=0) * self._step_s
        times = np.char.add(np.datetime_as_string(time_s.astype("datetime64[s]")), "Z")
        columns = [pa.array(times), *(pa.array(np.round(m3h[:, k], 3)) for k in range(m3h.shape[1]))]
        table = pa.table(columns, names=[str(i) for i in range(len(columns))])
        options = arrow_csv.WriteOptions(include_header=False, quoting_style="none")
        arrow_csv.write_csv(table, self._file, options)

    def close(self) -> None:
        """Finish the file."""
        self._file.close()

    def write_leaks(self, path: Path, coefficients: Sequence[float]) -> None:
        """The table of leaks, after the run."""
        zone = self._bound.site.timezone
        network = self._bound.network
        rows = []
        for k, bound in enumerate(self._bound.leaks):
            leak = bound.leak
            ends = (n[network.link_index[bound.pipe]] for n in (network.start, network.end))
            dmas = [self._bound.site.node_dma.get(network.node_ids[n], "") for n in ends]
            rows.append(
                (
                    leak.id, bound.pipe, leak.position, next((d for d in dmas if d), ""),
                    local_text(bound.span.start, zone), local_text(bound.span.end, zone), leak.growth.value,
                    local_text(round(bound.course.peak_s * 1e6), zone), round(coefficients[k], 5),
                    round(float(self.peak_m3h[k]), 3), round(float(self.volume_m3[k]), 2),
                )
            )  # fmt: skip
        write_table(path, LEAK_COLUMNS, rows)


def write_faults(path: Path, bound: Bound) -> None:
    """The table of faults: value in the units that ``FaultKind`` tells, one row a sensor or device."""
    zone = bound.site.timezone
    rows = []
    for one in bound.faults:
        fault = one.fault
        span = (local_text(one.span.start, zone), local_text(one.span.end, zone))
        rows.append((fault.id, fault.kind.value, fault.sensor, one.device, *span, fault.value, fault.share))
    write_table(path, FAULT_COLUMNS, rows)
