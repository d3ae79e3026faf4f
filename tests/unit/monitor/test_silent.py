"""Sensors that fall silent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ingest.store.duck import DuckStore
from twuin.alerts.model import Kind
from twuin.monitor import Monitor
from waterworks.clocks import DataClock
from waterworks.reading import ReadingBatch, as_datetime
from waterworks.site import Site

START = np.datetime64("2026-03-01T00:00:00", "us")
Readings = Callable[..., ReadingBatch]


def silent(rec: Any) -> list[tuple[str, bool]]:
    return [(f.subject, f.ended is None) for f in rec.findings if f.kind is Kind.SILENT]


def test_a_silence_is_seen_while_it_lasts_and_when_it_is_over(
    site: Site, tmp_path: Path, readings: Readings, recorder: Any, clock: Any
) -> None:
    batch = readings(days=3, leak=0.0)
    hour = (batch.time - START) / np.timedelta64(1, "h")
    heard = ~((batch.sensor == 3) & (hour > 30) & (hour < 40))
    store, rec = DuckStore(tmp_path / "a.duckdb"), recorder()
    monitor = Monitor(site, store, rec, clock=clock)
    for until, expected in ((32, []), (37, [("P1", True)]), (60, [("P1", False)])):
        clock.time = START + np.timedelta64(until, "h")
        store.append(batch.take(heard & (hour < until)))
        monitor.catch_up()
        assert silent(rec) == expected
    (found,) = [f for f in rec.findings if f.kind is Kind.SILENT]
    assert found.onset == as_datetime(START + np.timedelta64(30, "h"))
    assert found.ended == as_datetime(START + np.timedelta64(40, "h"))
    # The device had kept its readings: nothing was silent after all.
    store.append(batch.take(hour < 60))
    monitor.catch_up()
    assert silent(rec) == []
    store.close()


def test_old_data_are_no_silence_of_everything(
    site: Site, tmp_path: Path, readings: Readings, recorder: Any, clock: Any
) -> None:
    batch = readings(days=3, leak=0.0)
    hour = (batch.time - START) / np.timedelta64(1, "h")
    store, rec = DuckStore(tmp_path / "a.duckdb"), recorder()
    store.append(batch.take((batch.sensor != 4) | (hour < 50)))
    Monitor(site, store, rec, clock=clock).catch_up(final=True)  # the clock shows the year after
    assert silent(rec) == [("P2", True)]
    store.close()


def test_a_site_that_falls_silent_as_a_whole_stays_silent_for_as_long_as_it_does(
    site: Site, tmp_path: Path, readings: Readings, recorder: Any, clock: Any
) -> None:
    batch = readings(days=2, leak=0.0)
    heard = replace(batch, received=batch.time + np.timedelta64(5, "s"))  # in operation, not loaded
    store, rec = DuckStore(tmp_path / "a.duckdb"), recorder()
    store.append(heard)
    for days in (2, 3, 30):
        clock.time = START + np.timedelta64(days, "D")
        Monitor(site, store, rec, clock=clock).catch_up()
        found = [f for f in rec.findings if f.kind is Kind.SILENT]
        assert len(found) == (days > 2)  # one event, not one for each sensor
        for f in found:
            assert f.ended is None
            assert sorted(f.evidence["sensors"]) == sorted(s.id for s in site.sensors)
    store.close()


def test_a_silence_lasts_though_our_own_clock_is_behind_after_a_start(
    site: Site, tmp_path: Path, readings: Readings, recorder: Any, clock: Any
) -> None:
    batch = readings(days=3, leak=0.0)
    hour = (batch.time - START) / np.timedelta64(1, "h")
    heard = replace(batch, received=batch.time + np.timedelta64(5, "s")).take(
        (batch.sensor != 4) | (hour < 50)
    )
    store, rec = DuckStore(tmp_path / "a.duckdb"), recorder()
    store.append(heard)
    clock.time = np.datetime64("1970-01-01T00:01", "us")
    Monitor(site, store, rec, clock=clock).catch_up()
    assert silent(rec) == [("P2", True)]
    store.close()


def test_fresh_data_that_are_looked_at_as_past_do_not_fall_silent_where_they_end(
    site: Site, tmp_path: Path, readings: Readings, recorder: Any
) -> None:
    """A file of yesterday, loaded today: the clock follows the data, and no device is heard."""
    batch = readings(days=3, leak=0.0)
    hour = (batch.time - START) / np.timedelta64(1, "h")
    loaded = np.full(batch.time.shape, batch.time.max() + np.timedelta64(20, "h"))
    store, rec = DuckStore(tmp_path / "a.duckdb"), recorder()
    store.append(replace(batch, received=loaded).take((batch.sensor != 4) | (hour < 50)))
    Monitor(site, store, rec, clock=DataClock(store)).catch_up()
    assert silent(rec) == [("P2", True)]  # the one that had ended before the others
    store.close()
