"""Series as NumPy arrays."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twuin.client.errors import NotUnderstood

Times = NDArray[np.datetime64]
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Readings:
    """Readings of one sensor, oldest first.

    times: (T,) UTC, datetime64[us]. values: (T,) in ``unit``, NaN where there is none. quality: (T,) flags, 0
    is good: 1 the device doubts the value, 2 out of the believable range, 4 doubtful clock, 8 estimated.
    step_s: None for the readings themselves, else they are means over so many seconds.
    """

    sensor: str
    unit: str
    times: Times
    values: Values
    quality: NDArray[np.int64]
    step_s: float | None

    def __len__(self) -> int:
        return len(self.times)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DmaSeries:
    """Inflow of a DMA against what is expected, oldest first; arrays (T,), NaN where nothing is known.

    times: UTC, datetime64[us]. inflow, expected, low, high (the 90 % band), leak: in ``unit``. cusum: test
    statistic as a share of its threshold. step_s: None for all values, else they are means.
    """

    dma: str
    unit: str
    times: Times
    inflow: Values
    expected: Values
    low: Values
    high: Values
    leak: Values
    cusum: Values
    step_s: float | None

    def __len__(self) -> int:
        return len(self.times)


def as_times(texts: Iterable[str]) -> Times:
    """RFC 3339 in UTC as (T,) datetime64[us]. NotUnderstood for other zones, which NumPy does not know."""
    found = []
    for text in texts:
        bare = text.removesuffix("Z").removesuffix("+00:00")
        if bare == text:
            raise NotUnderstood(f"time {text[:40]!r} is not in UTC")
        found.append(bare)
    try:
        return np.array(found, "datetime64[us]")
    except ValueError as e:
        raise NotUnderstood(f"times of the answer cannot be read: {e}") from None


def as_values(told: Iterable[float | None]) -> Values:
    """Numbers as (T,) float64, NaN for null."""
    return np.array([np.nan if x is None else x for x in told], np.float64)


def dma_series(dma: str, told: Any) -> DmaSeries:
    """From the answer of ``/dmas/{id}/series``."""
    try:
        values = {name: as_values(told["values"][name]) for name in _OF_A_DMA}
        return DmaSeries(
            dma=dma, unit=told["unit"], times=as_times(told["times"]), step_s=told["step_s"], **values
        )
    except (KeyError, TypeError, ValueError) as e:
        raise NotUnderstood(f"the answer is no series of a DMA ({type(e).__name__}: {e})") from None


def means(sensor: str, told: Any) -> Readings:
    """From the answer of ``/sensors/{id}/readings``."""
    try:
        return Readings(
            sensor=sensor,
            unit=told["unit"],
            times=as_times(told["times"]),
            values=as_values(told["values"][sensor]),
            quality=np.array(told["quality"][sensor], np.int64),
            step_s=told["step_s"],
        )
    except (KeyError, TypeError, ValueError) as e:
        raise NotUnderstood(f"the answer is no series of a sensor ({type(e).__name__}: {e})") from None


def readings(sensor: str, unit: str, lines: Iterable[str]) -> Readings:
    """From the CSV of ``/export/series`` for one sensor. unit: where there is no reading to tell it."""
    rows = csv.DictReader(lines)
    times: list[str] = []
    values: list[float] = []
    quality: list[int] = []
    try:
        for row in rows:
            times.append(row["time"])
            values.append(float(row["value"] or "nan"))
            quality.append(int(row["quality"]))
            unit = row["unit"]
    except (KeyError, TypeError, ValueError) as e:
        raise NotUnderstood(f"line {rows.line_num} of the series: {type(e).__name__}: {e}") from None
    return Readings(
        sensor=sensor,
        unit=unit,
        times=as_times(times),
        values=np.array(values, np.float64),
        quality=np.array(quality, np.int64),
        step_s=None,
    )


_OF_A_DMA = ("inflow", "expected", "low", "high", "leak", "cusum")
