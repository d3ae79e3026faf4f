"""When the newest reading of each sensor was first received, kept when it comes again.

InfluxDB lets the last write win, ``received`` with the rest. But the monitor tells by it whether the newest
readings came live or from a file: one that a broker or a file brings again hours later must not look as
if it had only then been received.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ingest.store.newest import Newest
from waterworks.reading import Latest, ReadingBatch


class FirstHand:
    """The newest reading of each sensor that this process knows of. Safe to use from several threads.

    latest: those that the store holds now.
    """

    def __init__(self, latest: Mapping[str, Latest]) -> None:
        self._lock = threading.Lock()
        self._newest = Newest({name: k for k, name in enumerate(latest)})
        rows = list(latest.values())
        self._newest.load(
            {
                "sensor": np.arange(len(rows)),
                "first": np.array([r.time for r in rows], "datetime64[us]"),
                "time": np.array([r.time for r in rows], "datetime64[us]"),
                "value": np.array([r.value for r in rows], np.float64),
                "quality": np.array([r.quality for r in rows], np.uint16),
                "received": np.array([r.received for r in rows], "datetime64[us]"),
            }
        )

    def restored(self, batch: ReadingBatch) -> ReadingBatch:
        """``batch``, whose rows that are the newest reading over again have the time of the first time."""
        with self._lock:
            sensor, _ = self._newest.number(batch)
            same, received = self._newest.repeats(sensor, batch)
        if not same.any():
            return batch
        return replace(batch, received=np.where(same, received, batch.received))

    def stored(self, batch: ReadingBatch) -> None:
        """Take in a batch that is durable now."""
        with self._lock:
            sensor, fresh = self._newest.number(batch)
            rows = np.arange(len(batch))
            self._newest.update(fresh, sensor, batch.time.astype(np.int64), batch, rows)
