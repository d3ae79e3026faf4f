"""Sensor faults and dry hours from the store to findings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ingest.store.duck import DuckStore
from twuin.alerts.model import Finding, Kind
from twuin.monitor import Monitor
from waterworks.metering import UNUSABLE
from waterworks.reading import Quality, ReadingBatch, as_datetime
from waterworks.series import Derived, derived
from waterworks.site import Site

Readings = Callable[..., ReadingBatch]
START = np.datetime64("2026-03-01T00:00:00", "us")
DAYS = 20


def changed(batch: ReadingBatch, sensor: int, since_day: float, until_day: float, make: Any) -> ReadingBatch:
    day = (batch.time - START) / np.timedelta64(1, "D")
    rows = (batch.sensor == sensor) & (day >= since_day) & (day < until_day)
    value = batch.value.copy()
    value[rows] = make(value[rows])
    return replace(batch, value=value)


@pytest.fixture
def found(site: Site, tmp_path: Path, recorder: Any, clock: Any) -> Any:
    """(readings) -> findings, store, monitor."""
    opened: list[DuckStore] = []

    def run(batch: ReadingBatch) -> tuple[list[Finding], DuckStore, Monitor]:
        store, rec = DuckStore(tmp_path / f"{len(opened)}.duckdb"), recorder()
        opened.append(store)
        store.append(batch)
        monitor = Monitor(site, store, rec, clock=clock)
        monitor.catch_up(final=True)
        return rec.findings, store, monitor

    yield run
    for store in opened:
        store.close()


def test_a_stuck_inlet_meter_is_a_finding_and_leaves_its_districts_unwatched(
    readings: Readings, found: Any
) -> None:
    quiet = readings(days=DAYS, leak=0.0)
    findings, store, _ = found(changed(quiet, 1, 15.5, 99, lambda x: np.full(len(x), x[0])))
    (fault,) = findings
    assert (fault.kind, fault.subject, fault.dma, fault.ended) == (Kind.SENSOR, "M2", "D2", None)
    assert fault.evidence["fault"] == "stuck"
    assert fault.evidence["unit"] == "m3/s"
    assert fault.evidence["unwatched"] == ["D1", "D2"]
    assert fault.onset == as_datetime(START + np.timedelta64(15 * 24 + 12, "h"))
    # What it measured is kept, but nobody takes it for inflow.
    names = [derived(d, Derived.INFLOW) for d in ("D1", "D2")]
    end = START + np.timedelta64(DAYS, "D")
    kept = store.window(names, START + np.timedelta64(16, "D"), end)
    assert np.isfinite(kept.values).all() and (kept.quality == int(Quality.SUSPECT)).all()
    assert not len(store.window(names, START + np.timedelta64(16, "D"), end, exclude=UNUSABLE).times)


def test_a_sensor_that_is_well_again_counts_again(readings: Readings, found: Any) -> None:
    quiet = readings(days=DAYS, leak=0.0)
    findings, _, monitor = found(changed(quiet, 0, 15.5, 17.0, lambda x: np.full(len(x), x[0])))
    (fault,) = findings
    assert fault.subject == "M1"
    assert fault.ended is not None
    assert abs((fault.ended - as_datetime(START + np.timedelta64(17, "D"))).total_seconds()) <= 3600
    inflow = monitor._engine.detector.inflow[:, 0]
    assert np.isnan(inflow[15 * 96 + 60 : 17 * 96]).all()
    assert np.isfinite(inflow[17 * 96 + 16 :]).all()


def test_readings_out_of_range_are_evidence(readings: Readings, found: Any) -> None:
    quiet = readings(days=DAYS, leak=0.0)
    wrong = changed(quiet, 3, 15.5, 16.0, lambda x: x + 500)
    marked = replace(
        wrong, quality=np.where(wrong.value > 400, int(Quality.OUT_OF_RANGE), 0).astype(np.uint16)
    )
    (fault,) = found(marked)[0]
    assert (fault.kind, fault.subject, fault.evidence["fault"]) == (Kind.SENSOR, "P1", "impossible")


def test_a_district_without_water_has_one_finding_and_no_leak_when_water_returns(
    readings: Readings, found: Any
) -> None:
    batch = readings(days=DAYS, leak=0.0)
    for day in (15, 16):
        for sensor in (0, 3, 4, 5):
            batch = changed(batch, sensor, day + 0.2, day + 0.6, np.zeros_like)
    findings, _, monitor = found(batch)
    assert [(f.kind, f.subject) for f in findings] == [(Kind.SUPPLY, "D1")]
    assert findings[0].evidence["hours_without"] == pytest.approx(2 * 9.6, abs=0.6)
    assert np.isnan(monitor._engine.detector.inflow[15 * 96 + 25 : 15 * 96 + 50, 0]).all()


def test_findings_are_the_same_however_the_readings_came(
    site: Site, tmp_path: Path, readings: Readings, found: Any, recorder: Any, clock: Any
) -> None:
    batch = readings(days=DAYS, leak=0.0)
    batch = changed(batch, 0, 15.5, 17.0, lambda x: np.full(len(x), x[0]))
    batch = changed(batch, 4, 16.2, 18.0, lambda x: x + 4.0)
    expected, whole, _ = found(batch)
    assert {f.evidence["fault"] for f in expected} == {"stuck", "offset"}
    store, rec = DuckStore(tmp_path / "late.duckdb"), recorder()
    monitor = Monitor(site, store, rec, clock=clock)
    hour = (batch.time - START) / np.timedelta64(1, "h")
    late = hour + np.where((batch.sensor == 5) & (hour > 380) & (hour < 400), 50, 0)
    for begin in range(0, DAYS * 24 + 60, 31):
        rows = np.flatnonzero((late >= begin) & (late < begin + 31))
        store.append(batch.take(rows))
        monitor.catch_up()
    monitor.catch_up(final=True)
    assert rec.findings == expected
    end = START + np.timedelta64(DAYS, "D")
    names = [derived(d, w) for d in ("D1", "D2") for w in (Derived.INFLOW, Derived.NIGHT_FLOW)]
    a, b = (s.window(names, START, end) for s in (store, whole))
    assert np.array_equal(a.values, b.values, equal_nan=True) and np.array_equal(a.quality, b.quality)
    store.close()
