"""Readings as line protocol, built column by column.

Arrow turns whole columns into text and joins them; its buffer of joined lines is what is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ingest.store.influx.bins import COUNT, Bins
from ingest.store.influx.schema import QUALITY, RECEIVED, Schema
from ingest.store.influx.text import tag
from waterworks.reading import ReadingBatch

CHUNK = 20_000
"""Lines in a request: some 2 MB. InfluxDB 1.x refuses more than 25 MB; more at once is not faster."""

_REMEMBERED = 200_000
"""Sensors whose beginning of a line is kept."""


class Lines:
    """Makes lines of a site's readings."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._site = tag(schema.site.id)
        self._heads: dict[str, str] = {}

    def head(self, name: str) -> str:
        """Measurement and tags of a series, up to its value. The order of the tags is InfluxDB's own."""
        head = self._heads.get(name)
        if head is None:
            if len(self._heads) >= _REMEMBERED:
                self._heads.clear()
            place = self._schema.place(name)
            dma = f",dma={tag(place.dma)}" if place.dma else ""
            kind = f",kind={tag(place.kind)}" if place.kind else ""
            series = f"{place.column.measurement}{dma}{kind},sensor={tag(name)},site={self._site}"
            head = self._heads[name] = f"{series} {place.column.field}="
        return head

    def of(self, batch: ReadingBatch) -> bytes:
        """All readings of a batch, a line each. StoreError for a name that cannot be stored."""
        return self._lines(
            batch.names,
            batch.sensor,
            _text(batch.value),
            f",{QUALITY}=",
            _text(batch.quality),
            f"i,{RECEIVED}=",
            _text(batch.received.astype(np.int64)),
            "i ",
            _text(batch.time.astype(np.int64)),
        )

    def of_bins(self, names: Sequence[str], bins: Bins) -> bytes:
        """Means over bins, a line each: in the field of their readings, with lowest, highest and count."""
        return self._lines(
            names,
            bins.sensor,
            _text(bins.mean),
            ",min=",
            _text(bins.low),
            ",max=",
            _text(bins.high),
            f",{COUNT}=",
            _text(bins.readings),
            f"i,{QUALITY}=",
            _text(bins.quality),
            f"i,{RECEIVED}=",
            _text(bins.received),
            "i ",
            _text(bins.time.astype(np.int64)),
        )

    def _lines(self, names: Sequence[str], sensor: NDArray[np.int32], *parts: Any) -> bytes:
        occurs = np.zeros(len(names), bool)
        occurs[sensor] = True
        heads = pa.array(
            [self.head(n) if used else "" for n, used in zip(names, occurs.tolist(), strict=True)],
            pa.string(),
        )
        lines = pc.binary_join_element_wise(heads.take(pa.array(sensor)), *parts, "\n", "")
        # The lines lie one behind the other in the buffer of their text: that is what is sent.
        _, offsets, text = lines.buffers()
        ends = np.frombuffer(offsets, np.int32)
        return bytes(text[int(ends[lines.offset]) : int(ends[lines.offset + len(lines)])].to_pybytes())


def _text(column: np.ndarray[Any, Any]) -> Any:
    """A column as text; one that is the same all along, as it often is, as a single one.

    Floats are written as the shortest text that reads back as the same number.
    """
    if column.dtype.kind != "f" and (column == column[0]).all():
        return str(column[0])
    return pc.cast(pa.array(np.ascontiguousarray(column)), pa.string())
