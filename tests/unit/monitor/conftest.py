"""A small town without a model: two districts, one of them fed through the other, with a tank."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from twuin.alerts.model import Finding
from waterworks.reading import ReadingBatch
from waterworks.site import Dma, Role, Sensor, Site
from waterworks.units import Quantity

START = np.datetime64("2026-03-01T00:00:00", "us")
ARRIVED = np.datetime64("2027-01-01T00:00:00", "us")


class Recorder:
    """Stands in for the alert service: remembers what it was handed."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.calls = 0

    def apply(self, findings: Sequence[Finding], *, since: datetime | None = None) -> None:
        assert since is None
        self.findings = list(findings)
        self.calls += 1


class FixedClock:
    def __init__(self, now: np.datetime64 = ARRIVED) -> None:
        self.time = now

    def now(self) -> np.datetime64:
        return self.time


@pytest.fixture
def recorder() -> type[Recorder]:
    return Recorder


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    def meter(id: str, dma: str, from_dma: str = "", role: Role = Role.INLET) -> Sensor:
        return Sensor(id, Quantity.FLOW, "m3/h", dma, id, role, from_dma, interval_s=900.0)

    return Site(
        id="small",
        name="Small",
        timezone=ZoneInfo("Asia/Jakarta"),
        dmas=(Dma("D1", "Upper", 800), Dma("D2", "Lower", 500)),
        sensors=(
            meter("M1", "D1"),
            meter("M2", "D2", "D1"),
            Sensor("T1", Quantity.LEVEL, "m", "D2", "T1", Role.STORAGE, interval_s=900.0, tank_area_m2=200.0),
            Sensor("P1", Quantity.PRESSURE, "m", "D1", "P1", interval_s=900.0),
            Sensor("P2", Quantity.PRESSURE, "m", "D1", "P2", interval_s=900.0),
            Sensor("P3", Quantity.PRESSURE, "m", "D1", "P3", interval_s=900.0),
        ),
        folder=tmp_path,
    )


@pytest.fixture
def readings() -> Callable[..., ReadingBatch]:
    """(days, leak m3/s in D1, its first day, its last day, seed, share of it that runs on after that) ->
    readings of all sensors, in order."""

    def make(
        days: int = 26,
        leak: float = 0.004,
        begins: float = 20.4,
        ends: float = 99.0,
        seed: int = 1,
        left: float = 0.0,
    ) -> ReadingBatch:
        rng = np.random.default_rng(seed)
        n = days * 96
        day = np.arange(n) / 96
        hour = (day * 24 + 7) % 24  # Jakarta

        def use(mean: float) -> np.ndarray:
            course = mean * (
                1 + 0.5 * np.sin((hour - 9) / 24 * 2 * np.pi) + 0.2 * np.sin(hour / 24 * 4 * np.pi)
            )
            return course * (1 + 0.04 * rng.standard_normal(n))

        lost = np.where(day >= begins, np.where(day < ends, leak, left * leak), 0.0)
        upper, lower = use(0.014) + lost, use(0.008)
        filling = 0.002 * np.sin(day * 2 * np.pi)  # the tank takes up and gives back
        m2 = lower + filling
        level = 3 + np.concatenate([[0.0], np.cumsum(filling[:-1] + filling[1:]) / 2]) * 900 / 200
        m1 = upper + m2
        pressure = [40 - 300 * m1 + 0.05 * rng.standard_normal(n) - k * 2000 * lost for k in (1.0, 0.3, 0.1)]
        columns = np.column_stack([m1, m2, level, *pressure])
        names = ("M1", "M2", "T1", "P1", "P2", "P3")
        time = START + (np.arange(n) * 900_000_000).astype("timedelta64[us]")
        return ReadingBatch.columns(
            names,
            np.tile(np.arange(len(names)), n),
            np.repeat(time, len(names)),
            columns.ravel(),
            received=ARRIVED,
        )

    return make
