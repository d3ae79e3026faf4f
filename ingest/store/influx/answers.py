"""Answers of InfluxDB as columns of NumPy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

from ingest.store.influx.schema import QUALITY, RECEIVED, Column
from ingest.store.influx.text import tag
from waterworks.reading import TIME_DTYPE, Floats, Times


class Rows(NamedTuple):
    """N readings: sensor (N,) numbers, time (N,), value (N,) SI, quality (N,), received (N,) [us]."""

    sensor: NDArray[np.int32]
    time: Times
    value: Floats
    quality: NDArray[np.uint16]
    received: NDArray[np.int64]

    @classmethod
    def concat(cls, parts: Sequence[Rows]) -> Rows:
        """All rows of ``parts``, in their order."""
        if len(parts) == 1:
            return parts[0]
        return cls(*(np.concatenate(column) for column in zip(NO_ROWS, *parts, strict=True)))

    def take(self, rows: NDArray[Any]) -> Rows:
        """The rows at ``rows``: indices or a mask."""
        return Rows(*(column[rows] for column in self))

    def columns(self) -> dict[str, NDArray[Any]]:
        """As ``ingest.store.rows`` takes them."""
        return {"sensor": self.sensor, "time": self.time, "value": self.value, "quality": self.quality}


NO_ROWS = Rows(
    np.empty(0, np.int32),
    np.empty(0, TIME_DTYPE),
    np.empty(0),
    np.empty(0, np.uint16),
    np.empty(0, np.int64),
)


def read_rows(text: bytes, column: Column, number: Mapping[str, int]) -> Rows:
    """Rows of CSV that were grouped by sensor: columns name, tags, time [us], the value, quality, received.

    number: of each sensor that was asked for. Points without a value are left out, and of two at the same
    time (a sensor that was moved to another DMA has two series) all but the one received last.
    """
    if not text:
        return NO_ROWS
    table = csv.read_csv(
        pa.BufferReader(text),
        read_options=csv.ReadOptions(use_threads=False, block_size=len(text) + 1),
        convert_options=csv.ConvertOptions(
            column_types={
                "tags": pa.dictionary(pa.int32(), pa.string()),
                "time": pa.int64(),
                column.field: pa.float64(),
                QUALITY: pa.int64(),
                RECEIVED: pa.int64(),
            },
            include_columns=["tags", "time", column.field, QUALITY, RECEIVED],
            null_values=[""],
            strings_can_be_null=False,
        ),
    ).combine_chunks()
    numbers = {f"sensor={tag(name)}": k for name, k in number.items()}
    tags = table["tags"].combine_chunks()
    if isinstance(tags, pa.ChunkedArray):
        tags = tags.chunk(0)
    known = np.array([numbers.get(text, -1) for text in tags.dictionary.to_pylist()], np.int32)
    value = table[column.field].to_numpy()
    rows = Rows(
        known[tags.indices.to_numpy()],
        table["time"].to_numpy().view(TIME_DTYPE),
        value,
        table[QUALITY].fill_null(0).to_numpy().astype(np.uint16),
        table[RECEIVED].fill_null(0).to_numpy(),
    )
    usable = (rows.sensor >= 0) & ~np.isnan(value)
    return _once(rows if usable.all() else rows.take(usable))


def _once(rows: Rows) -> Rows:
    """Of rows of one sensor and time, the one received last."""
    same = rows.sensor[1:] == rows.sensor[:-1]
    if (~same | (rows.time[1:] > rows.time[:-1])).all():
        return rows
    rows = rows.take(np.lexsort((rows.received, rows.time, rows.sensor)))
    last = np.ones(len(rows.time), bool)
    last[:-1] = (rows.sensor[1:] != rows.sensor[:-1]) | (rows.time[1:] != rows.time[:-1])
    return rows.take(last)
