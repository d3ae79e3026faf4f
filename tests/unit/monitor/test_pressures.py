"""Leaks by pressures alone, through store and monitor: a district that nobody meters."""

from __future__ import annotations

from dataclasses import replace
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


def lowered(batch: ReadingBatch, sensors: tuple[int, ...], metres: float, hours: int) -> ReadingBatch:
    """The readings with the pressure of some sensors lower for a while."""
    hour = (batch.time - START) // np.timedelta64(3600, "s")
    during = (hour >= BEGAN) & (hour < BEGAN + hours) & np.isin(batch.sensor, sensors)
    return replace(batch, value=np.where(during, batch.value - metres, batch.value))


@pytest.mark.parametrize("metres", [0.5, 15.0], ids=["half-a-metre", "nearly-all"])
@pytest.mark.parametrize("hours", [7, 13, 20], ids=["7h", "13h", "20h"])
def test_a_fall_of_a_whole_district_is_one_finding_that_ends(
    unmetered: Site, tmp_path: Path, recorder: Any, clock: Any, metres: float, hours: int
) -> None:
    batch = lowered(pressures(days=44, leak_m=0.0), (0, 1), metres, hours)
    findings, _ = watched(unmetered, tmp_path, [batch], recorder, clock)
    (fall,) = findings
    assert (fall.kind, fall.dma) == (Kind.LEAK, "D1")
    over = datetime(2026, 3, 31, 10, tzinfo=UTC) + timedelta(hours=hours)
    assert fall.ended is not None and abs(fall.ended - over) <= timedelta(hours=12)
    assert fall.as_of <= over + timedelta(days=1)


def test_a_fall_of_the_whole_town_is_at_most_one_finding_a_district_and_ends(
    unmetered: Site, tmp_path: Path, recorder: Any, clock: Any
) -> None:
    batch = lowered(pressures(days=44, leak_m=0.0), (0, 1, 2, 3), 0.1, 18)
    findings, _ = watched(unmetered, tmp_path, [batch], recorder, clock)
    assert 1 <= len(findings) <= 2 and len({f.dma for f in findings}) == len(findings)
    assert all(f.ended is not None for f in findings)


def test_a_leak_that_follows_a_fall_that_passed_is_found_as_without_it(
    unmetered: Site, tmp_path: Path, recorder: Any, clock: Any
) -> None:
    """Half a day of low pressure two days before the leak began hides nothing of it."""
    quiet = pressures(days=40)
    hour = (quiet.time - START) // np.timedelta64(3600, "s")
    before = (hour >= BEGAN - 60) & (hour < BEGAN - 48) & (quiet.sensor < 2)
    batch = replace(quiet, value=np.where(before, quiet.value - 15.0, quiet.value))
    findings, _ = watched(unmetered, tmp_path, [batch], recorder, clock)
    leak = next(f for f in findings if f.dma == "D2")
    assert leak.near[0] == "P2" and leak.ended is None
    assert leak.detected <= datetime(2026, 3, 31, 10, tzinfo=UTC) + timedelta(hours=60)
    assert all(f.ended is not None for f in findings if f.dma == "D1")
