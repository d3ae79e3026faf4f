"""Means of 15 minutes and of local days: right at once, right again when readings come late."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from ingest.store.influx import downsample
from ingest.store.influx.access import Access
from ingest.store.influx.bins import COUNT
from ingest.store.influx.downsample import Downsampler
from ingest.store.influx.schema import LEVELS
from ingest.store.influx.server import Server
from ingest.store.influx.store import InfluxStore
from waterworks.reading import Quality, ReadingBatch
from waterworks.site import Sensor, Site
from waterworks.units import Quantity

pytestmark = pytest.mark.servers

QUARTER, DAY = LEVELS
MIN = np.timedelta64(60_000_000, "us")
HOUR = 60 * MIN
T0 = np.datetime64("2026-03-01T17:00", "us")  # midnight in Jakarta
FAR = T0 + np.timedelta64(365, "D")


def site(zone: str = "Asia/Jakarta") -> Site:
    sensors = tuple(Sensor(f"s{k}", Quantity.FLOW, "m3/h", "D1", "d") for k in range(3))
    return Site("town", "Town", ZoneInfo(zone), (), sensors, Path())


@pytest.fixture
def access(influxdb: Any) -> Access:
    return Access(influxdb.url, f"t{uuid.uuid4().hex}", version=1, downsample=True)


@pytest.fixture
def store(access: Access) -> Iterator[InfluxStore]:
    store = InfluxStore(access, site())
    yield store
    store.close()


def batch(rng: np.random.Generator, first: int, rows: int) -> ReadingBatch:
    """``rows`` readings of each sensor every five minutes, from minute ``first`` after T0."""
    times = np.repeat(T0 + (first + 5 * np.arange(rows)) * MIN, 3)
    sensor = np.tile(np.arange(3), rows)
    quality = np.where(rng.random(3 * rows) < 0.1, int(Quality.SUSPECT), 0)
    values = rng.normal(size=3 * rows)
    return ReadingBatch.columns(("s0", "s1", "s2"), sensor, times, values, received=T0, quality=quality)


def slowly(store: InfluxStore, start: Callable[[np.datetime64], np.datetime64]) -> dict[Any, tuple[Any, ...]]:
    """Mean, count and flags of each sensor and bin, by a loop over all readings."""
    window = store.window(["s0", "s1", "s2"], T0 - np.timedelta64(400, "D"), FAR)
    found: dict[Any, list[tuple[float, int]]] = {}
    for row, when in enumerate(window.times):
        for k in range(3):
            if not np.isnan(window.values[row, k]):
                value = (float(window.values[row, k]), int(window.quality[row, k]))
                found.setdefault((k, start(when)), []).append(value)
    means = {}
    for key, values in found.items():
        flags = 0
        for _, flag in values:
            flags |= flag
        means[key] = (pytest.approx(sum(v for v, _ in values) / len(values)), len(values), flags)
    return means


def kept(store: InfluxStore, policy: str) -> dict[Any, tuple[Any, ...]]:
    low = T0 - np.timedelta64(400, "D")
    means = store.rows(["s0", "s1", "s2"], low, FAR, policy=policy)
    counts = store.rows(["s0", "s1", "s2"], low, FAR, policy=policy, field=COUNT)
    assert (means.time == counts.time).all()
    rows = zip(means.sensor, means.time, means.value, counts.value, means.quality, strict=True)
    return {(int(k), t): (float(v), int(n), int(q)) for k, t, v, n, q in rows}


def quarter(when: np.datetime64) -> np.datetime64:
    return when - (when - T0) % (15 * MIN)


def day(when: np.datetime64) -> np.datetime64:
    return when - (when - T0) % (24 * HOUR)


def test_means_are_those_of_a_slow_loop_also_after_late_readings(
    store: InfluxStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downsample, "SPAN_DAYS", 2)
    monkeypatch.setattr(downsample, "SENSORS", 2)
    rng = np.random.default_rng(5)
    keeper = Downsampler(store, tmp_path / "means.json")
    everything = batch(rng, 0, 5 * 288)
    late = rng.random(len(everything)) < 0.05
    store.append(everything.take(~late))
    assert keeper.catch_up() > 0
    assert kept(store, "15min") == slowly(store, quarter)
    store.append(everything.take(late))
    store.append(batch(rng, 600, 50))  # corrections
    store.append(batch(rng, -3 * 1440 - 7, 10))  # and what came before all
    assert keeper.catch_up() > 0
    assert kept(store, "15min") == slowly(store, quarter)
    assert kept(store, "day") == slowly(store, day)
    assert keeper.catch_up() == 0


def test_it_goes_on_where_it_was(store: InfluxStore, tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    store.append(batch(rng, 0, 288 * 3))
    assert Downsampler(store, tmp_path / "means.json").catch_up() == 3 * (3 * 96 + 3)
    again = InfluxStore(store.access, site())
    again.append(batch(rng, 288 * 15, 1))
    # What was told last may be told again by another process, but no more than the look back.
    assert Downsampler(again, tmp_path / "means.json").catch_up() <= 3 * (4 * 96 + 4)
    assert kept(again, "day") == slowly(again, day)
    again.close()


def test_a_mean_stays_when_retention_has_dropped_some_of_its_readings(
    store: InfluxStore, access: Access, tmp_path: Path
) -> None:
    store.prepare()
    server = Server(access)
    for sensor in ("s0", "s1"):  # means of more and of fewer readings than there are now
        count = 288 if sensor == "s0" else 5
        at = int(T0.astype(np.int64))
        fields = f"flow_m3s=9,count={count}i,quality=0i,received={at}i"
        server.write(f"flow,dma=D1,kind=monitor,sensor={sensor},site=town {fields} {at}".encode(), "day")
    server.close()
    store.append(batch(np.random.default_rng(7), 23 * 60, 12))
    Downsampler(store, tmp_path / "means.json").catch_up()
    now = kept(store, "day")
    right = slowly(store, day)
    assert now[0, T0] == (9.0, 288, 0)
    assert now[1, T0] == right[1, T0] and now[2, T0] == right[2, T0]


def test_days_are_local_also_where_the_clock_is_changed(access: Access, tmp_path: Path) -> None:
    store = InfluxStore(access, site("Europe/Rome"))
    keeper = Downsampler(store, tmp_path / "means.json")
    low = np.datetime64("2026-03-28T12:00", "us")
    edges = keeper.edges(DAY, low, low + np.timedelta64(2, "D"))
    assert (np.diff(edges) / HOUR).tolist() == [24.0, 23.0, 24.0]
    assert edges[0] == np.datetime64("2026-03-27T23:00", "us")
    assert len(keeper.edges(QUARTER, low, low)) == 2
    store.close()
