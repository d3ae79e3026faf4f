"""Leaks by pressures alone, through store and monitor: a district that nobody meters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from ingest.store.duck import DuckStore
from twuin.alerts.model import Finding, Kind
from twuin.monitor import Monitor
from waterworks.reading import ReadingBatch
from waterworks.site import Dma, Sensor, Site
from waterworks.units import Quantity

START = np.datetime64("2026-03-01T00:00:00", "us")
ARRIVED = np.datetime64("2027-01-01T00:00:00", "us")
BEGAN = 30 * 24 + 10
PLACES = np.array([0.0, 1.0, 2.0, 3.0])


@pytest.fixture
def unmetered(tmp_path: Path) -> Site:
    sensors = tuple(
        Sensor(f"P{k}", Quantity.PRESSURE, "m", "D1" if k < 2 else "D2", f"P{k}", interval_s=3600.0)
        for k in range(4)
    )
    return Site(
        id="unmetered",
        name="Unmetered",
        timezone=ZoneInfo("Asia/Jakarta"),
        dmas=(Dma("D1", "Upper", 800), Dma("D2", "Lower", 500)),
        sensors=sensors,
        folder=tmp_path,
    )


def pressures(days: int = 36, leak_m: float = 0.06) -> ReadingBatch:
    """Hourly pressures of four sensors on a line; from ``BEGAN`` on water leaks near the third."""
    rng = np.random.default_rng(2)
    hour = np.arange(days * 24)
    where = np.linspace(-0.5, 3.5, 9)
    drawn = 1 + 0.5 * np.sin(2 * np.pi * hour / 24)[:, None] + 0.05 * rng.standard_normal((len(hour), 9))
    falls = 0.05 * (0.3 + 0.7 * np.exp(-np.abs(where[:, None] - PLACES)))
    values = 40 - drawn @ falls + 0.004 * rng.standard_normal((len(hour), 4))
    values[BEGAN:] -= leak_m * (0.3 + 0.7 * np.exp(-np.abs(PLACES - 2.1)))
    time = START + hour * np.timedelta64(3600, "s")
    return ReadingBatch.columns(
        [f"P{k}" for k in range(4)],
        np.tile(np.arange(4), len(hour)),
        np.repeat(time, 4),
        values.ravel(),
        received=ARRIVED,
    )


def watched(
    site: Site, folder: Path, pieces: list[ReadingBatch], recorder: Any, clock: Any
) -> tuple[list[Finding], Any]:
    store = DuckStore(folder / f"{len(list(folder.iterdir()))}.duckdb")
    kept = recorder()
    monitor = Monitor(site, store, kept, clock=clock)
    for i, piece in enumerate(pieces):
        store.append(piece)
        monitor.catch_up(final=i == len(pieces) - 1)
    store.close()
    return kept.findings, monitor.status()


def part(batch: ReadingBatch, rows: Any) -> ReadingBatch:
    return ReadingBatch.columns(
        batch.names, batch.sensor[rows], batch.time[rows], batch.value[rows], received=ARRIVED
    )


def test_a_leak_in_a_district_without_meters_is_found_near_its_sensor(
    unmetered: Site, tmp_path: Path, recorder: Any, clock: Any
) -> None:
    findings, status = watched(unmetered, tmp_path, [pressures()], recorder, clock)
    leaks = [f for f in findings if f.kind is Kind.LEAK]
    assert [(f.dma, f.near[0]) for f in leaks] == [("D2", "P2")]
    leak = leaks[0]
    began = datetime(2026, 3, 31, 10, tzinfo=UTC)
    assert abs(leak.onset - began) <= timedelta(hours=6)
    assert leak.onset_low is not None and leak.onset_high is not None
    assert leak.onset_low <= leak.onset <= leak.onset_high
    assert began < leak.detected <= began + timedelta(hours=36)
    assert leak.evidence["found_by"] == "pressure" and leak.flow == 0 and leak.gain is None
    assert set(leak.near) <= {"P2", "P3"} and leak.ended is None
    assert status.watermark == datetime(2026, 4, 5, 18, tzinfo=UTC)  # whole quarters of a day


def test_pieces_and_late_readings_end_in_the_same_findings(
    unmetered: Site, tmp_path: Path, recorder: Any, clock: Any
) -> None:
    whole = pressures()
    hour = (whole.time - START) // np.timedelta64(3600, "s")
    once, _ = watched(unmetered, tmp_path, [whole], recorder, clock)
    days = [part(whole, (hour >= 96 * k) & (hour < 96 * (k + 1))) for k in range(9)]
    assert watched(unmetered, tmp_path, days, recorder, clock)[0] == once
    late = (hour >= 31 * 24) & (hour < 33 * 24) & (whole.sensor == 2)
    shuffled = [part(whole, ~late), part(whole, late)]
    assert watched(unmetered, tmp_path, shuffled, recorder, clock)[0] == once
