"""What an embedded store does with columns: check them, fold repeated keys, lay windows side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from waterworks.errors import StoreError
from waterworks.reading import TIME_DTYPE, AppendResult, Floats, Gap, ReadingBatch, Window


def check(batch: ReadingBatch) -> None:
    """Raises StoreError for a batch that breaks the promises of ``ReadingBatch``: nothing of it is stored."""
    n = len(batch)
    columns = (batch.sensor, batch.value, batch.quality, batch.received)
    if any(len(column) != n for column in columns):
        raise StoreError(f"a batch's columns differ in length: {n} times, {[len(c) for c in columns]}")
    if not n:
        return
    if int(batch.sensor.min()) < 0 or int(batch.sensor.max()) >= len(batch.names):
        raise StoreError(f"a batch of {len(batch.names)} names has a sensor index outside of them")
    wrong = ~np.isfinite(batch.value)
    if wrong.any():
        row = int(wrong.argmax())
        name = batch.names[int(batch.sensor[row])]
        raise StoreError(
            f"value {batch.value[row]} of {name} at {batch.time[row]} is not finite: reject it first"
        )
    if np.isnat(batch.time).any() or np.isnat(batch.received).any():
        raise StoreError("a batch has a reading without a time: reject it first")


class Folded(NamedTuple):
    """The G distinct keys of N rows.

    head (G,): the first row of each key. last (G,): the row that a store of nothing would keep: the last
    one that changed anything. duplicates, replaced: what the rows after the heads were.
    """

    head: NDArray[np.int64]
    last: NDArray[np.int64]
    duplicates: int
    replaced: int

    def against(self, stored: Stored, value: Floats, quality: NDArray[np.uint16]) -> Outcome:
        """What to write and delete, given what the store holds, and the (N,) columns of the batch."""

        def differs(rows: NDArray[np.int64]) -> NDArray[np.bool_]:
            different: NDArray[np.bool_] = (value[rows] != stored.value) | (quality[rows] != stored.quality)
            return different

        known = stored.key
        replaces = int(np.count_nonzero(differs(self.head[known])))
        ends_different = differs(self.last[known])
        write = np.ones(len(self.head), bool)
        write[known[~ends_different]] = False
        return Outcome(
            # in the order of the batch: rows that came together lie together
            write=np.sort(self.last[write]),
            delete=stored.rowid[ends_different],
            result=AppendResult(
                stored=len(self.head) - len(known),
                duplicates=self.duplicates + len(known) - replaces,
                replaced=self.replaced + replaces,
            ),
        )


class Stored(NamedTuple):
    """K of the keys of a batch that the store holds: which ones, their value and quality, and where."""

    key: NDArray[np.int64]
    value: Floats
    quality: NDArray[np.uint16]
    rowid: NDArray[np.int64]


class Outcome(NamedTuple):
    """Rows of the batch to write, row ids of the store to delete, and the counts."""

    write: NDArray[np.int64]
    delete: NDArray[np.int64]
    result: AppendResult


def fold(
    sensor: NDArray[np.int32], time: NDArray[np.int64], value: Floats, quality: NDArray[np.uint16]
) -> Folded:
    """Find the distinct (sensor, time) among N rows; counts are as if the rows were appended one by one."""
    n = len(time)
    ahead = np.diff(time)
    if ((ahead > 0) | ((ahead == 0) & (np.diff(sensor) > 0))).all():  # the common case: sorted, no repeats
        rows = np.arange(n)
        return Folded(rows, rows, 0, 0)
    order = np.lexsort((time, sensor))  # stable: rows of one key keep their order
    s, t = sensor[order], time[order]
    first = np.ones(n, bool)
    first[1:] = (s[1:] != s[:-1]) | (t[1:] != t[:-1])
    if first.all():
        rows = np.arange(n)
        return Folded(rows, rows, 0, 0)
    v, q = value[order], quality[order]
    changed = first.copy()
    changed[1:] |= (v[1:] != v[:-1]) | (q[1:] != q[:-1])
    heads = np.flatnonzero(first)
    last_changed = np.maximum.accumulate(np.where(changed, np.arange(n), 0))
    ends = np.append(heads[1:], n) - 1
    replaced = int(np.count_nonzero(changed & ~first))
    return Folded(order[heads], order[last_changed[ends]], n - len(heads) - replaced, replaced)


def means(columns: Mapping[str, NDArray[Any]], step_us: int) -> dict[str, NDArray[Any]]:
    """Means of N rows over bins [k*step, (k+1)*step) since 1970, labelled by their start; flags or-ed.

    columns: as ``pivot`` takes them, and so is what comes back: one row for each sensor and bin.
    """
    time = columns["time"].astype(np.int64)
    bin_ = time - time % step_us  # NumPy's remainder is not negative, before 1970 either
    sensor = columns["sensor"]
    order = np.lexsort((time, sensor))
    s, b = sensor[order], bin_[order]
    heads = np.flatnonzero(np.r_[True, (s[1:] != s[:-1]) | (b[1:] != b[:-1])]) if len(s) else order
    if not len(heads):
        return {name: column[:0] for name, column in columns.items()}
    counts = np.diff(np.append(heads, len(s)))
    return {
        "sensor": s[heads],
        "time": b[heads].view(TIME_DTYPE),
        "value": np.add.reduceat(columns["value"][order], heads) / counts,
        "quality": np.bitwise_or.reduceat(columns["quality"][order], heads),
    }


def pivot(columns: Mapping[str, NDArray[Any]], column_of: NDArray[np.int32], width: int) -> Window:
    """Lay N rows side by side.

    columns: ``sensor`` (N,), ``time`` (N,) datetime64[us], ``value`` (N,), ``quality`` (N,), no key twice.
    column_of: for each sensor number its column in the window of ``width`` columns.
    """
    time = columns["time"]
    steps = np.diff(time) if len(time) else np.empty(0, "timedelta64[us]")
    zero = np.timedelta64(0, "us")
    if len(time) and (steps >= zero).all():  # rows mostly come in order of time: no sort needed
        new = np.empty(len(time), bool)
        new[0] = True
        np.greater(steps, zero, out=new[1:])
        times, row = time[new], np.cumsum(new) - 1
    else:
        times, row = np.unique(time, return_inverse=True)
    values = np.full((len(times), width), np.nan)
    quality = np.zeros((len(times), width), np.uint16)
    at = column_of[columns["sensor"]]
    values[row, at] = columns["value"]
    quality[row, at] = columns["quality"]
    return Window(times.astype(TIME_DTYPE, copy=False), values, quality)


def gaps_between(
    times: NDArray[np.datetime64], start: np.datetime64, end: np.datetime64, longer_than: np.timedelta64
) -> list[Gap]:
    """Stretches of [start, end] longer than ``longer_than`` without any of ``times`` (N,), in order."""
    edges = np.concatenate([[start], times, [end]])
    (wide,) = np.nonzero(np.diff(edges) > longer_than)
    return [Gap(edges[k], edges[k + 1]) for k in wide]
