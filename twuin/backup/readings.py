"""Readings out of any store and into any other, through the port: as Parquet, a part of them a file.

A copy is made while others append: it holds all that was stored before it began, and of what came meanwhile
more or less. A reading is known by sensor and time, so what is appended twice stands there once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from waterworks.errors import BackupError
from waterworks.ports import ReadingStore
from waterworks.reading import TIME_DTYPE, AppendResult, ReadingBatch

ROWS_A_FILE = 1_000_000

ROWS_A_QUESTION = 500_000
"""The span that is asked for next is made for so many."""

NAMES_A_QUESTION = 5_000

LONGEST = np.timedelta64(32, "D")

ROWS_AN_APPEND = 200_000

_US = np.timedelta64(1, "us")
_SCHEMA = pa.schema(
    [
        pa.field("sensor", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("time", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("value", pa.float64(), nullable=False),
        pa.field("quality", pa.uint16(), nullable=False),
        pa.field("received", pa.timestamp("us", "UTC"), nullable=False),
    ]
)


def all_batches(store: ReadingStore) -> Iterator[ReadingBatch]:
    """All readings of a store, some at a time, by their time."""
    names = store.names()
    for first in range(0, len(names), NAMES_A_QUESTION):
        some = names[first : first + NAMES_A_QUESTION]
        extent = store.extent(some)
        if extent is None:
            continue
        start, end = extent[0].astype(TIME_DTYPE), extent[1].astype(TIME_DTYPE) + _US
        # Never more than each a reading a second: so much memory there has to be.
        longest = min(LONGEST, np.timedelta64(max(60, 4 * ROWS_A_QUESTION // len(some)) * 60, "s"))
        span = np.timedelta64(3600, "s")
        while start < end:
            span = min(span, longest)
            batch = store.batch(some, start, min(start + span, end))
            if len(batch):
                yield batch
            start = start + span
            if len(batch) < ROWS_A_QUESTION // 2:
                span = span * 2
            elif len(batch) > ROWS_A_QUESTION:
                span = max(span // 2, np.timedelta64(1, "s"))


def count(store: ReadingStore) -> int:
    """How many readings a store gives."""
    return sum(len(batch) for batch in all_batches(store))


def save(
    store: ReadingStore, folder: Path, keep: Callable[[Path], None]
) -> tuple[int, int, list[np.datetime64]]:
    """Write all readings into files in ``folder``, each handed to ``keep`` as it is done.

    Gives how many readings, of how many series, and the first and last instant ([]: there are none). Raises
    OSError.
    """
    number = rows = 0
    series: set[str] = set()
    extent: list[np.datetime64] = []
    waiting: list[ReadingBatch] = []

    def write() -> None:
        nonlocal number
        number += 1
        path = folder / f"{number:06d}.parquet"
        pq.write_table(_table(ReadingBatch.concat(waiting)), path, compression="zstd")
        waiting.clear()
        keep(path)

    for batch in all_batches(store):
        rows += len(batch)
        series.update(batch.names[k] for k in np.unique(batch.sensor).tolist())
        ends = [batch.time.min(), batch.time.max(), *extent]
        extent = [min(ends), max(ends)]
        waiting.append(batch)
        if sum(map(len, waiting)) >= ROWS_A_FILE:
            write()
    if waiting:
        write()
    return rows, len(series), extent


def _table(batch: ReadingBatch) -> pa.Table:
    sensor = pa.DictionaryArray.from_arrays(pa.array(batch.sensor), pa.array(batch.names, pa.string()))
    instant = pa.timestamp("us", "UTC")
    return pa.Table.from_arrays(
        [
            sensor,
            pa.array(batch.time.astype(np.int64)).cast(instant),
            pa.array(batch.value),
            pa.array(batch.quality),
            pa.array(batch.received.astype(np.int64)).cast(instant),
        ],
        schema=_SCHEMA,
    )


def load(store: ReadingStore, files: Iterable[Path]) -> AppendResult:
    """Append the readings of ``files`` to a store; what became of them. BackupError for what is none."""
    stored = expired = 0
    for path in files:
        for batch in _batches(path):
            done = store.append(batch)
            stored += done.stored
            expired += done.expired
    return AppendResult(stored, None, None, expired)


def _batches(path: Path) -> Iterator[ReadingBatch]:
    try:
        file = pq.ParquetFile(path)
        if not file.schema_arrow.equals(_SCHEMA):
            raise BackupError(f"{path.name} holds other columns than readings have: use another archive")
        for part in file.iter_batches(ROWS_AN_APPEND):
            table = pa.table(part).unify_dictionaries().combine_chunks()
            sensor = table["sensor"].chunk(0)
            yield ReadingBatch.columns(
                tuple(sensor.dictionary.to_pylist()),
                sensor.indices.to_numpy(),
                table["time"].cast(pa.int64()).to_numpy().view(TIME_DTYPE),
                table["value"].to_numpy(),
                received=table["received"].cast(pa.int64()).to_numpy().view(TIME_DTYPE),
                quality=table["quality"].to_numpy(),
            )
    except pa.ArrowException as e:
        raise BackupError(f"{path.name} is damaged: {e}") from e
