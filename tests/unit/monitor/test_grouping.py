"""One cause is one alert, through the real monitor and the real alerts: not sixty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from ingest.store.duck import DuckStore
from twuin.alerts.memory import MemoryAlertStore
from twuin.alerts.model import Alert, Kind, State
from twuin.alerts.service import AlertService
from twuin.monitor import Monitor
from waterworks.reading import ReadingBatch
from waterworks.site import Dma, Sensor, Site
from waterworks.units import Quantity

START = np.datetime64("2026-03-01T00:00:00", "us")
HOUR = np.timedelta64(3600, "s")
SENSORS = 8
DAYS = 34


class Clock:
    def __init__(self) -> None:
        self.time = START

    def now(self) -> np.datetime64:
        return self.time


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Two districts with four pressures each, of loggers of their own."""
    sensors = tuple(
        Sensor(f"P{k}", Quantity.PRESSURE, "m", "D1" if k < 4 else "D2", f"LOG{k}", interval_s=3600.0)
        for k in range(SENSORS)
    )
    return Site(
        id="grouping",
        name="Grouping",
        timezone=ZoneInfo("Asia/Jakarta"),
        dmas=(Dma("D1", "Upper", 800), Dma("D2", "Lower", 500)),
        sensors=sensors,
        folder=tmp_path,
    )


def quiet() -> ReadingBatch:
    """Hourly pressures along a main, without a leak."""
    rng = np.random.default_rng(5)
    hour = np.arange(DAYS * 24)
    places = np.arange(SENSORS, dtype=float)
    where = np.linspace(-0.5, SENSORS - 0.5, 17)
    drawn = 1 + 0.5 * np.sin(2 * np.pi * hour / 24)[:, None] + 0.05 * rng.standard_normal((len(hour), 17))
    falls = 0.05 * (0.3 + 0.7 * np.exp(-np.abs(where[:, None] - places)))
    values = 40 - drawn @ falls + 0.004 * rng.standard_normal((len(hour), SENSORS))
    time = np.repeat(START + hour * HOUR, SENSORS)
    names = [f"P{k}" for k in range(SENSORS)]
    return ReadingBatch.columns(
        names, np.tile(np.arange(SENSORS), len(hour)), time, values.ravel(), received=time
    )


def lived(site: Site, folder: Path, batch: ReadingBatch) -> tuple[list[Alert], int]:
    """All alerts after the readings came, by six hours in the last days; the most that were open at once."""
    store, clock = DuckStore(folder / "readings.duckdb"), Clock()
    alerts = AlertService(site.id, MemoryAlertStore(), clock)
    monitor = Monitor(site, store, alerts, clock=clock, lateness_s=0.0)
    first = START + 24 * 24 * HOUR
    edges: Sequence[Any] = [START, *np.arange(first, START + (DAYS * 24 + 6) * HOUR, 6 * HOUR)]
    most = 0
    for a, b in pairwise(edges):
        rows = np.flatnonzero((batch.time >= a) & (batch.time < b))
        if len(rows):
            store.append(batch.take(rows))
        clock.time = b - HOUR
        monitor.catch_up()
        most = max(most, sum(x.state is State.OPEN for x in alerts.list().items))
    store.close()
    return alerts.list().items, most


def without(batch: ReadingBatch, gone: Any) -> ReadingBatch:
    return batch.take(np.flatnonzero(~gone))


def hours_of(batch: ReadingBatch) -> Any:
    return (batch.time - START) // HOUR


def test_a_flapping_sensor_is_one_alert(site: Site, tmp_path: Path) -> None:
    """A logger that falls silent every night for nine nights, longer than a silence takes."""
    site = replace(site, sensors=tuple(replace(s, interval_s=600.0) for s in site.sensors))
    batch = quiet()
    hour = hours_of(batch)
    night = (hour >= 25 * 24) & (hour % 24 < 9) & (batch.sensor == 2)
    found, most = lived(site, tmp_path, without(batch, night))
    assert [(a.finding.kind, a.finding.subject) for a in found] == [(Kind.SILENT, "P2")]
    assert found[0].finding.evidence["silences"] >= 8 and most == 1


def test_a_gap_in_all_data_is_one_alert(site: Site, tmp_path: Path) -> None:
    """The line is down for two days: eight loggers are silent, and their silence is over."""
    batch = quiet()
    hour = hours_of(batch)
    found, most = lived(site, tmp_path, without(batch, (hour >= 28 * 24) & (hour < 30 * 24)))
    assert [a.finding.kind for a in found] == [Kind.SILENT]
    assert len(found[0].finding.evidence["sensors"]) == SENSORS
    assert found[0].state is State.CLOSED and most == 1


def test_a_district_wide_fall_of_pressure_is_one_alert_and_over_with_it(site: Site, tmp_path: Path) -> None:
    batch = quiet()
    hour = hours_of(batch)
    low = (hour >= 28 * 24 + 8) & (hour < 28 * 24 + 20) & (batch.sensor < 4)
    found, most = lived(site, tmp_path, replace(batch, value=np.where(low, batch.value - 12.0, batch.value)))
    assert [(a.finding.kind, a.finding.dma) for a in found] == [(Kind.LEAK, "D1")]
    assert found[0].state is State.CLOSED and found[0].finding.ended is not None and most == 1
