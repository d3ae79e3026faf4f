"""What Twuin needs from the outside: a store of readings and a clock. Adapters live elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from waterworks.reading import AppendResult, Changes, Gap, Latest, ReadingBatch, Window


@runtime_checkable
class Clock(Protocol):
    """What time it is. In a demo or a replay this is not the time on the wall."""

    def now(self) -> np.datetime64:
        """The present instant, UTC ``datetime64[us]``."""
        ...


@runtime_checkable
class ReadingStore(Protocol):
    """A durable store of readings, keyed by (sensor, device time). Safe to use from several threads.

    Derived series (expected inflow, night flow, ...) live here too, under names with a colon
    (``dma:D1:expected``), which no sensor of a site may have.

    Raises StoreUnavailable when asking again later may help, StoreError when it will not.
    """

    def append(self, batch: ReadingBatch) -> AppendResult:
        """Store a batch; when this returns, it is durable, and what it changed shows in ``changes``.

        When this raises, nothing was stored, or, in a store without transactions (InfluxDB), perhaps a
        part of it: appending it again makes it whole.

        A reading that is there already changes nothing. One with the same key and another value or
        quality takes the old one's place (the last appended wins); in a batch, the later row wins.
        """
        ...

    def window(
        self,
        sensors: Sequence[str],
        start: np.datetime64,
        end: np.datetime64,
        *,
        step: np.timedelta64 | None = None,
        exclude: int = 0,
    ) -> Window:
        """Readings with ``start <= time < end``: (T,) times and (T, S) values in the order of ``sensors``.

        With ``step``, means over bins [k*step, (k+1)*step) since 1970-01-01 UTC, labelled by their start,
        empty bins left out, quality flags or-ed. Readings with any quality flag in ``exclude`` are left
        out. Unknown sensors give columns of NaN. T is 0 where there is nothing.
        """
        ...

    def batch(self, sensors: Sequence[str], start: np.datetime64, end: np.datetime64) -> ReadingBatch:
        """Readings with ``start <= time < end`` as they are stored, in no certain order: to copy them."""
        ...

    def latest(self, sensors: Sequence[str] | None = None) -> dict[str, Latest]:
        """The newest reading of each sensor that has any; None: of all sensors."""
        ...

    def gaps(
        self, sensor: str, start: np.datetime64, end: np.datetime64, longer_than: np.timedelta64
    ) -> list[Gap]:
        """Stretches of [start, end] longer than ``longer_than`` without a reading, in order.

        ``start`` and ``end`` bound the first and the last gap.
        """
        ...

    def extent(self, sensors: Sequence[str] | None = None) -> tuple[np.datetime64, np.datetime64] | None:
        """First and last device time of these sensors (None: all), or None where there is no reading."""
        ...

    def changes(self, since: int) -> Changes:
        """What was stored after cursor ``since`` (0: from the beginning), and the cursor to ask from next.

        A batch that changed nothing (all duplicates) does not show where the store tells duplicates from
        new readings. Spans may be wider than what was touched, never narrower, and a change may be told
        twice, never not at all. What a raised ``append`` left behind shows once that is repeated.
        """
        ...

    def names(self) -> list[str]:
        """All sensors that have readings, sorted."""
        ...

    def close(self) -> None:
        """Release the store. Closing twice is allowed."""
        ...
