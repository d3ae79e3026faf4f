"""Series as CSV and Parquet, written as they are read: window by window, in bounded memory."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np

from twuin.views.convert import SHOWN_UNIT, shown
from waterworks.ports import ReadingStore
from waterworks.reading import Floats, Quality, Times, instant
from waterworks.site import Sensor
from waterworks.units import Quantity

ROWS = 50_000
"""Readings that one window holds, about."""

MICROSECOND = np.timedelta64(1, "us")


class SeriesFormat(StrEnum):
    """What a series is written as."""

    CSV = "csv"
    PARQUET = "parquet"


MEDIA_TYPE = {
    SeriesFormat.CSV: "text/csv; charset=utf-8",
    SeriesFormat.PARQUET: "application/vnd.apache.parquet",
}
COLUMNS = ("time", "sensor", "quantity", "value", "unit", "quality", "flags")


class Part(NamedTuple):
    """Readings of one sensor: (T,) times UTC, (T,) values in the unit people read, (T,) flags."""

    sensor: Sensor
    times: Times
    values: Floats
    quality: Any


def parts(
    store: ReadingStore, sensors: Sequence[Sensor], start: datetime | None, end: datetime | None
) -> Iterator[Part]:
    """Readings with ``start <= time < end``, sensor by sensor, by time, a window at a time."""
    for sensor in sensors:
        extent = store.extent([sensor.id])
        if extent is None:
            continue
        low = extent[0] if start is None else max(extent[0], instant(start))
        high = extent[1] + MICROSECOND
        high = high if end is None else min(high, instant(end))
        step = np.timedelta64(max(int(ROWS * max(sensor.interval_s, 1e-3) * 1e6), 1), "us")
        while low < high:
            upto = min(low + step, high)
            window = store.window([sensor.id], low, upto)
            if len(window.times):
                yield Part(
                    sensor, window.times, shown(window.values[:, 0], sensor.quantity), window.quality[:, 0]
                )
            low = upto


def flags(quality: int) -> str:
    """Quality flags in words, "good" where there are none."""
    return "|".join(q.name.lower() for q in Quality if q and q & quality and q.name) or "good"


def csv_chunks(found: Iterator[Part], zone: tzinfo = UTC) -> Iterator[bytes]:
    """A CSV file (RFC 4180) with the columns ``COLUMNS``, times with their offset from UTC."""
    yield (",".join(COLUMNS) + "\r\n").encode()
    words: dict[int, str] = {}
    for part in found:
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\r\n")
        sensor, unit = part.sensor, SHOWN_UNIT[part.sensor.quantity]
        values = np.round(part.values, 6).tolist()
        for at, value, quality in zip(part.times.tolist(), values, part.quality.tolist(), strict=True):
            when = at.replace(tzinfo=UTC)
            when = when if zone is UTC else when.astimezone(zone)
            stamp = when.isoformat().replace("+00:00", "Z") if zone is UTC else when.isoformat()
            word = words.setdefault(quality, flags(quality))
            rows.writerow([stamp, sensor.id, sensor.quantity.value, repr(value), unit, quality, word])
        yield text.getvalue().encode()


def parquet_chunks(found: Iterator[Part], zone: tzinfo = UTC, site: str = "") -> Iterator[bytes]:
    """A Parquet file with the same columns; ``time`` is an instant that is shown in ``zone``.

    The file's metadata name the site, the meaning of the flags and what wrote it.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    words = pa.dictionary(pa.int32(), pa.string())
    schema = pa.schema(
        [
            pa.field("time", pa.timestamp("us", tz=str(zone)), nullable=False),
            pa.field("sensor", words, nullable=False),
            pa.field("quantity", words, nullable=False),
            pa.field("value", pa.float64(), nullable=False),
            pa.field("unit", words, nullable=False),
            pa.field("quality", pa.uint16(), nullable=False),
            pa.field("flags", words, nullable=False),
        ],
        metadata={
            "twuin.site": site,
            "twuin.quality": ", ".join(f"{int(q)} {q.name.lower()}" for q in Quality if q and q.name),
            "twuin.units": ", ".join(f"{q.value} [{SHOWN_UNIT[q]}]" for q in Quantity),
        },
    )
    sink = _Sink()
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        for part in found:
            n = len(part.times)
            sensor = part.sensor
            distinct, index = np.unique(part.quality, return_inverse=True)
            columns = [
                pa.array(part.times.astype("datetime64[us]"), pa.timestamp("us")).cast(
                    schema.field("time").type
                ),
                _same(sensor.id, n),
                _same(sensor.quantity.value, n),
                pa.array(part.values),
                _same(SHOWN_UNIT[sensor.quantity], n),
                pa.array(part.quality, pa.uint16()),
                pa.DictionaryArray.from_arrays(
                    pa.array(index.astype(np.int32)), pa.array([flags(int(q)) for q in distinct], pa.string())
                ),
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
            yield sink.drain()
    yield sink.drain()


def _same(word: str, n: int) -> Any:
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array([word], pa.string()))


class _Sink(io.RawIOBase):
    """A file that is only written, and hands on what was written."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting = bytearray()
        self._at = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._waiting += bytes(data)
        self._at += len(data)
        return len(data)

    def tell(self) -> int:
        return self._at

    def drain(self) -> bytes:
        """What was written since."""
        out, self._waiting = bytes(self._waiting), bytearray()
        return out
