"""The monitor's promise: findings are a function of the readings, however and whenever they came."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ingest.store.duck import DuckStore
from twuin.alerts.memory import MemoryAlertStore
from twuin.alerts.model import Finding, Kind, State
from twuin.alerts.service import AlertService
from twuin.monitor import Monitor
from waterworks.errors import StoreUnavailable
from waterworks.reading import ReadingBatch, Window, as_datetime
from waterworks.series import Derived, derived
from waterworks.site import Site

Readings = Callable[..., ReadingBatch]
START = np.datetime64("2026-03-01T00:00:00", "us")
END = START + np.timedelta64(40, "D")


@pytest.fixture
def stores(tmp_path: Path) -> Any:
    opened: list[DuckStore] = []

    def make() -> DuckStore:
        opened.append(DuckStore(tmp_path / f"{len(opened)}.duckdb"))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


def series(store: DuckStore, site: Site) -> Window:
    names = [derived(d.id, what) for d in site.dmas for what in Derived]
    return store.window(names, START, END)


def all_at_once(
    site: Site, store: DuckStore, batch: ReadingBatch, recorder: Any, clock: Any
) -> list[Finding]:
    store.append(batch)
    rec = recorder()
    Monitor(site, store, rec, clock=clock).catch_up(final=True)
    findings: list[Finding] = rec.findings
    return findings


def assert_same(a: Window, b: Window) -> None:
    assert np.array_equal(a.times, b.times)
    assert np.array_equal(a.values, b.values, equal_nan=True)


def test_a_leak_is_found_with_its_onset_size_and_volume(
    site: Site, stores: Any, readings: Readings, recorder: Any, clock: Any
) -> None:
    findings = all_at_once(site, stores(), readings(leak=0.004, begins=20.4), recorder, clock)
    assert [(f.kind, f.dma) for f in findings] == [(Kind.LEAK, "D1")]
    leak = findings[0]
    onset = datetime(2026, 3, 21, 9, 36, tzinfo=UTC)
    assert abs((leak.onset - onset).total_seconds()) <= 3600
    assert 0 < (leak.detected - onset).total_seconds() <= 3 * 3600
    assert leak.ended is None
    assert leak.flow == pytest.approx(0.004, rel=0.1)
    assert leak.flow_low < leak.flow < leak.flow_high
    assert leak.volume == pytest.approx(0.004 * 5.6 * 86400, rel=0.15)
    assert leak.confidence > 0.95
    assert leak.near[0] == "P1"


def test_a_quiet_town_raises_nothing(
    site: Site, stores: Any, readings: Readings, recorder: Any, clock: Any
) -> None:
    for seed in (2, 3, 4):
        assert all_at_once(site, stores(), readings(leak=0.0, seed=seed), recorder, clock) == []


def test_a_repair_ends_the_finding_at_its_time(
    site: Site, stores: Any, readings: Readings, recorder: Any, clock: Any
) -> None:
    (leak,) = all_at_once(site, stores(), readings(begins=18.4, ends=22.5), recorder, clock)
    assert leak.ended is not None
    assert abs((leak.ended - datetime(2026, 3, 23, 12, tzinfo=UTC)).total_seconds()) <= 3600


def test_a_cut_in_supply_is_low_inflow_and_no_leak(
    site: Site, stores: Any, readings: Readings, recorder: Any, clock: Any
) -> None:
    (cut,) = all_at_once(site, stores(), readings(leak=-0.008, begins=20.0, ends=21.0), recorder, clock)
    assert cut.kind is Kind.LOW_INFLOW
    assert cut.flow < 0
    assert cut.ended is not None


def test_small_increments_give_the_findings_of_one_pass(
    site: Site, stores: Any, readings: Readings, recorder: Any, clock: Any
) -> None:
    batch = readings(ends=23.0)
    one, many = stores(), stores()
    expected = all_at_once(site, one, batch, recorder, clock)
    rec = recorder()
    monitor = Monitor(site, many, rec, clock=clock)
    rng = np.random.default_rng(0)
    at = 0
    while at < len(batch):
        n = int(rng.integers(1, 500))
        many.append(batch.take(np.arange(at, min(at + n, len(batch)))))
        monitor.catch_up()
        at += n
    monitor.catch_up(final=True)
    assert rec.findings == expected
    assert_same(series(many, site), series(one, site))


@pytest.mark.parametrize("restart", [False, True])
def test_late_and_shuffled_readings_give_the_findings_of_one_pass(
    site: Site, stores: Any, readings: Readings, recorder: Any, clock: Any, restart: bool
) -> None:
    batch = readings(ends=23.0)
    one, late = stores(), stores()
    expected = all_at_once(site, one, batch, recorder, clock)
    rng = np.random.default_rng(5)
    delay_h = rng.exponential(1.0, len(batch))
    # A meter that is offline for two days around the onset, and another one that lost a day long ago.
    day = (batch.time - START) / np.timedelta64(1, "D")
    delay_h[(batch.sensor == 0) & (day > 19.5) & (day < 21.5)] += 60
    delay_h[(batch.sensor == 1) & (day > 8) & (day < 9)] += 300
    delay_h[(batch.sensor == 3) & (day > 20) & (day < 22)] += 80
    arrival = day * 24 + delay_h
    rec = recorder()
    monitor = Monitor(site, late, rec, clock=clock)
    for hour in range(0, int(arrival.max()) + 14, 13):
        rows = np.flatnonzero((arrival >= hour) & (arrival < hour + 13))
        late.append(batch.take(rows[np.argsort(arrival[rows])]))
        if restart and hour % 65 == 0:
            monitor = Monitor(site, late, rec, clock=clock)
        monitor.catch_up()
    monitor.catch_up(final=True)
    assert rec.findings == expected
    assert_same(series(late, site), series(one, site))


def test_the_same_readings_again_change_nothing(
    site: Site, stores: Any, readings: Readings, recorder: Any, clock: Any
) -> None:
    store, rec, batch = stores(), recorder(), readings()
    alerts = AlertService(site.id, MemoryAlertStore(), clock)
    monitor = Monitor(site, store, rec, clock=clock)
    store.append(batch)
    monitor.catch_up(final=True)
    before, calls = series(store, site), rec.calls
    assert alerts.apply(rec.findings)
    store.append(batch)
    monitor.catch_up(final=True)
    assert rec.calls == calls
    assert alerts.apply(rec.findings) == []
    again = Monitor(site, store, rec, clock=clock)
    again.catch_up(final=True)
    assert alerts.apply(rec.findings) == []
    assert_same(series(store, site), before)


def test_findings_never_use_readings_from_after_the_watermark(
    site: Site, stores: Any, readings: Readings, recorder: Any, clock: Any
) -> None:
    batch = readings()
    cut = START + np.timedelta64(21 * 24, "h")
    short, long = stores(), stores()
    expected = all_at_once(site, short, batch.take(batch.time < cut), recorder, clock)
    full = recorder()
    long.append(batch)
    monitor = Monitor(site, long, full, clock=clock)
    monitor.catch_up(final=True)
    early = [f for f in full.findings if f.detected <= expected[0].as_of]
    assert [(f.kind, f.dma, f.onset, f.detected) for f in early] == [
        (f.kind, f.dma, f.onset, f.detected) for f in expected
    ]
    rows = (series(short, site), series(long, site))
    n = int((rows[1].times < cut).sum())
    # Known leaks reach back to their onset, so only what is decided at once may be compared.
    names = [what for _ in site.dmas for what in Derived]
    keep = [i for i, what in enumerate(names) if what in (Derived.INFLOW, Derived.EXPECTED, Derived.BAND)]
    assert np.array_equal(rows[0].values[:n, keep], rows[1].values[:n, keep], equal_nan=True)


def test_a_start_with_the_clock_behind_withdraws_no_alert(
    site: Site, stores: Any, readings: Readings, clock: Any
) -> None:
    store, batch = stores(), readings(days=24)
    store.append(replace(batch, received=batch.time + np.timedelta64(5, "s")))  # in operation
    clock.time = START + np.timedelta64(24, "D")
    alerts = AlertService(site.id, MemoryAlertStore(), clock)
    Monitor(site, store, alerts, clock=clock).catch_up()
    (before,) = alerts.list().items
    assert before.state is State.OPEN
    for boot in ("1970-01-01T00:01", "2026-03-18T12:00"):  # no battery; one that was set long ago
        clock.time = np.datetime64(boot, "us")
        Monitor(site, store, alerts, clock=clock).catch_up()
        assert alerts.list().items == [before]


def test_a_meter_that_returns_still_behind_the_others_withdraws_no_alert(
    site: Site, stores: Any, readings: Readings, recorder: Any, clock: Any
) -> None:
    batch = readings(days=24)
    store = stores()
    detected = all_at_once(site, stores(), batch, recorder, clock)[0].detected
    hour = (batch.time - np.datetime64(detected.replace(tzinfo=None), "us")) / np.timedelta64(1, "h")
    # The tank of D2, which D1's balance does not need, was away for two days. It sends what it kept.
    tank = batch.sensor == 2
    rec = recorder()
    monitor = Monitor(site, store, rec, clock=clock)
    store.append(batch.take((hour < 0.5) & (~tank | (hour < -48))))
    reached = monitor.catch_up()
    assert [(f.kind, f.dma) for f in rec.findings if f.kind is Kind.LEAK] == [(Kind.LEAK, "D1")]
    store.append(batch.take(tank & (hour < -0.5)))
    assert monitor.catch_up() == reached
    assert [(f.kind, f.dma) for f in rec.findings if f.kind is Kind.LEAK] == [(Kind.LEAK, "D1")]


@pytest.mark.parametrize("first", [False, True])
def test_a_device_whose_clock_was_never_set_does_not_cost_a_pass_over_all_the_years(
    site: Site, stores: Any, readings: Readings, recorder: Any, clock: Any, first: bool
) -> None:
    batch, store, rec = readings(), stores(), recorder()
    unset = np.datetime64("2000-01-01T00:05", "us") + (np.arange(4) * 900_000_000).astype("timedelta64[us]")
    strays = ReadingBatch.columns(("M1", "M2"), [0, 0, 1, 1], unset, [0.01] * 4, received=batch.received[0])
    expected = all_at_once(site, stores(), batch, recorder, clock)
    monitor = Monitor(site, store, rec, clock=clock)
    for part in (strays, batch) if first else (batch, strays):
        store.append(part)
        monitor.catch_up(final=part is batch)
    for k in range(4):
        store.append(replace(strays, time=strays.time + np.timedelta64(k + 1, "h")))
        monitor.catch_up(final=True)
    assert [f for f in rec.findings if f.kind is not Kind.SILENT] == expected
    extent = store.extent([derived("D1", Derived.EXPECTED)])
    assert extent is not None and extent[0] >= START
    assert monitor._engine.origin == START.astype("datetime64[s]").astype(int)


def test_a_season_measured_long_ago_keeps_its_findings(
    site: Site, stores: Any, readings: Readings, recorder: Any, clock: Any
) -> None:
    old, store = readings(), stores()
    expected = all_at_once(site, store, old, recorder, clock)
    later = readings(days=2, leak=0.0)
    store.append(replace(later, time=later.time + np.timedelta64(200, "D")))
    rec = recorder()
    Monitor(site, store, rec, clock=clock).catch_up(final=True)
    leaks = [(f.kind, f.onset, f.detected) for f in rec.findings if f.kind is Kind.LEAK]
    assert leaks == [(f.kind, f.onset, f.detected) for f in expected]


def test_a_growing_leak_stays_one_finding(
    site: Site, stores: Any, readings: Readings, recorder: Any, clock: Any
) -> None:
    quiet = readings(days=60, leak=0.0)
    day = (quiet.time - START) / np.timedelta64(1, "D")
    leak = np.clip((day - 25) / 20, 0, 1) * 0.006
    # Pressures fall by it as by demand, and as head loss does (to the power 1.852): a flow that only the
    # meter shows, or that pressures feel otherwise than all other flow, would be the meter's fault.
    columns = quiet.value.reshape(-1, len(quiet.names)).copy()
    noise = columns[:, 3:] - (40 - 300 * columns[:, :1])
    columns[:, 0] += leak.reshape(columns.shape)[:, 0]
    columns[:, 3:] = 40 - 7700 * columns[:, :1] ** 1.852 + noise
    batch = ReadingBatch.columns(
        quiet.names, quiet.sensor, quiet.time, columns.ravel(), received=quiet.received
    )
    findings = all_at_once(site, stores(), batch, recorder, clock)
    assert [(f.kind, f.dma) for f in findings] == [(Kind.LEAK, "D1")]
    assert findings[0].flow == pytest.approx(0.006, rel=0.25)
    assert (findings[0].detected - datetime(2026, 3, 26, tzinfo=UTC)).days < 8


def test_a_store_that_does_not_answer_is_asked_again(
    site: Site, stores: Any, readings: Readings, recorder: Any, clock: Any
) -> None:
    store, rec = stores(), recorder()
    store.append(readings())
    stop, failures = threading.Event(), []

    class Flaky:
        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        def window(self, *args: Any, **kwargs: Any) -> Window:
            if len(failures) < 2:
                failures.append(1)
                raise StoreUnavailable("the store is being moved")
            return store.window(*args, **kwargs)

    class StopWhenDone(recorder):  # type: ignore[misc]
        def apply(self, findings: Any, *, since: Any = None) -> None:
            super().apply(findings)
            stop.set()

    rec = StopWhenDone()
    thread = threading.Thread(
        target=Monitor(site, Flaky(), rec, clock=clock).run, args=(stop,), kwargs={"poll_s": 0.01}
    )
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    assert [f.kind for f in rec.findings] == [Kind.LEAK]
    assert len(failures) == 2


def test_past_data_are_analysed_to_their_end_and_what_comes_later_still_counts(
    site: Site, tmp_path: Path, readings: Readings, recorder: Any, clock: Any
) -> None:
    batch = readings(days=30, leak=10.0)
    store, rec, stop = DuckStore(tmp_path / "a.duckdb"), recorder(), threading.Event()
    half = batch.time < batch.time[0] + np.timedelta64(20, "D")
    store.append(batch.take(half))
    monitor = Monitor(site, store, rec, clock=clock)
    thread = threading.Thread(target=monitor.run, args=(stop, 0.01), kwargs={"settle_s": 0.1})
    thread.start()

    def reaches(end: np.datetime64) -> None:
        patience = time.monotonic() + 60
        while monitor.status().watermark != as_datetime(end):
            assert time.monotonic() < patience, monitor.status()
            time.sleep(0.05)

    step = np.timedelta64(900, "s")
    reaches(batch.time[half].max() + step)
    store.append(batch.take(~half))
    reaches(batch.time.max() + step)
    stop.set()
    thread.join(30)
    alone = recorder()
    Monitor(site, store, alone, clock=clock).catch_up(final=True)
    assert rec.findings == alone.findings
    store.close()
