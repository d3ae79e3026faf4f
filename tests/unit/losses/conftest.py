"""A made-up utility: two DMAs in a row with known demand, leakage, pressure and bills, on a real store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from ingest.store.duck import DuckStore
from waterworks.localtime import midnight
from waterworks.losses import Bill, LossOptions
from waterworks.reading import ReadingBatch
from waterworks.site import Dma, MonitorOptions, Role, Sensor, Site
from waterworks.units import Quantity

ZONE = ZoneInfo("Asia/Jakarta")
FIRST = date(2026, 3, 2)
DAYS = 42
STEP_S = 900
M3H = 1 / 3600


@dataclass
class Utility:
    """What truly happens, (T,): ``demand`` and ``leakage`` of A and B [m3/s], ``pressure`` of A [m]."""

    site: Site
    store: DuckStore
    times: np.ndarray
    hour: np.ndarray
    demand: dict[str, np.ndarray]
    leakage: dict[str, np.ndarray]
    pressure: np.ndarray

    def put(self, name: str, values: np.ndarray) -> None:
        known = np.isfinite(values)
        self.store.append(
            ReadingBatch.columns(
                (name,), np.zeros(known.sum(), np.int32), self.times[known], values[known],
                received=self.times[-1],
            )
        )  # fmt: skip

    def fill(self) -> None:
        """A is fed by its inlet, B through A."""
        through = self.demand["B"] + self.leakage["B"]
        self.put("A-IN", self.demand["A"] + self.leakage["A"] + through)
        self.put("AB", through)
        self.put("A-P", self.pressure)


@pytest.fixture
def utility(tmp_path: Path) -> Iterator[Callable[..., Utility]]:
    """Makes the utility; ``demand`` a connection is 20 l/h by day and 2 l/h at night, leakage 6 and 2
    m3/h."""
    opened: list[DuckStore] = []

    def make(losses: LossOptions | None = None, billing: tuple[Bill, ...] = (), **change: object) -> Utility:
        dmas = (
            replace(
                Dma("A", "Atas", 1000, mains_m=12_000.0, night_use_m3s_per_connection=2e-3 / 3600),
                **change,  # type: ignore[arg-type]
            ),
            Dma("B", "Bawah", 400, night_use_m3s_per_connection=2e-3 / 3600),
        )
        sensors = (
            Sensor("A-IN", Quantity.FLOW, "m3/h", "A", "d1", Role.INLET, interval_s=STEP_S),
            Sensor("AB", Quantity.FLOW, "m3/h", "B", "d2", Role.INLET, from_dma="A", interval_s=STEP_S),
            Sensor("A-P", Quantity.PRESSURE, "m", "A", "d1", interval_s=STEP_S),
        )
        site = Site(
            "u", "Tirta", ZONE, dmas, sensors, tmp_path,
            monitor=MonitorOptions(water_cost=5000.0),
            losses=losses or LossOptions(), billing=billing,
        )  # fmt: skip
        store = DuckStore(tmp_path / f"readings{len(opened)}.duckdb")
        opened.append(store)
        begin = midnight(FIRST.toordinal(), ZONE)
        count = DAYS * 86400 // STEP_S
        times = begin + np.arange(count) * np.timedelta64(STEP_S, "s")
        hour = np.arange(count) * STEP_S / 3600 % 24
        use = np.where(hour < 5, 2.0, 20.0) * 1e-3 / 3600
        pressure = np.where(hour < 5, 50.0, 40.0)
        leak = 6 * M3H * pressure / 50  # N1 = 1
        return Utility(
            site, store, times, hour,
            {"A": 1000 * use, "B": 400 * use}, {"A": leak, "B": np.full(count, 2 * M3H)}, pressure,
        )  # fmt: skip

    yield make
    for store in opened:
        store.close()


LAST = FIRST + timedelta(days=DAYS - 1)


@pytest.fixture
def span() -> tuple[date, date]:
    """Four weeks up to the last day."""
    return LAST - timedelta(days=27), LAST
