"""Readings of several sources in the order of their time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from waterworks.reading import ReadingBatch


def in_time_order(streams: Sequence[Iterator[ReadingBatch]]) -> Iterator[ReadingBatch]:
    """Readings of several files by time, holding one block of each.

    Where a file's own rows are not in order across its blocks, late ones come as soon as they are read.
    """
    held: dict[int, ReadingBatch] = {}
    live = dict(enumerate(streams))
    while True:
        for k, stream in list(live.items()):
            while k not in held:
                batch = next(stream, None)
                if batch is None:
                    del live[k]
                    break
                if len(batch):
                    held[k] = _sorted(batch)
        if not held:
            return
        # All that comes later is later than the end of the block that ends first.
        ends = [held[k].time[-1] for k in live if k in held]
        horizon = min(ends) if ends else max(b.time[-1] for b in held.values())
        parts = []
        for k, batch in list(held.items()):
            count = int(np.searchsorted(batch.time, horizon, side="right"))
            parts.append(_rows(batch, 0, count))
            if count == len(batch):
                del held[k]
            else:
                held[k] = _rows(batch, count, len(batch))
        yield _sorted(ReadingBatch.concat(parts))


def _sorted(batch: ReadingBatch) -> ReadingBatch:
    if (batch.time[1:] >= batch.time[:-1]).all():
        return batch
    return batch.take(np.argsort(batch.time, kind="stable"))


def pieces(batch: ReadingBatch, size: int) -> Iterator[ReadingBatch]:
    """``batch`` in parts of at most ``size`` readings."""
    for start in range(0, len(batch), size):
        yield _rows(batch, start, start + size)


def _rows(batch: ReadingBatch, start: int, end: int) -> ReadingBatch:
    return ReadingBatch(
        batch.names,
        batch.sensor[start:end],
        batch.time[start:end],
        batch.value[start:end],
        batch.quality[start:end],
        batch.received[start:end],
    )
