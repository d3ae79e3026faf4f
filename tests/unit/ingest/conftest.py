"""A small site, and a store in memory that fails when told to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from ingest.rejected import RejectedLog
from waterworks.reading import AppendResult, ReadingBatch
from waterworks.site import Sensor, Site
from waterworks.units import Quantity


class MemoryStore:
    """``append`` as the port promises it; raises what stands in ``failures``, one a call."""

    def __init__(self) -> None:
        self.readings: dict[tuple[str, np.datetime64], tuple[float, int]] = {}
        self.failures: list[Exception] = []
        self.calls = 0

    def append(self, batch: ReadingBatch) -> AppendResult:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        stored = duplicates = replaced = 0
        for i in range(len(batch)):
            key = (batch.names[batch.sensor[i]], batch.time[i])
            new = (float(batch.value[i]), int(batch.quality[i]))
            old = self.readings.get(key)
            stored += old is None
            duplicates += old == new
            replaced += old is not None and old != new
            self.readings[key] = new
        return AppendResult(stored, duplicates, replaced)


@pytest.fixture
def site() -> Site:
    return Site(
        id="malang",
        name="Malang",
        timezone=ZoneInfo("Asia/Jakarta"),
        dmas=(),
        sensors=(
            Sensor("D1-IN", Quantity.FLOW, "m3/h", "D1", "d1"),
            Sensor("D1-P1", Quantity.PRESSURE, "bar", "D1", "d1"),
            Sensor("TANK", Quantity.LEVEL, "cm", "D1", "d2", low=0.0, high=6.0),
            Sensor("FREE", Quantity.TEMPERATURE, "degF", "D1", ""),
        ),
        folder=Path(),
    )


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def rejected(tmp_path: Path) -> Iterator[RejectedLog]:
    log = RejectedLog(tmp_path / "rejected.sqlite")
    yield log
    log.close()
