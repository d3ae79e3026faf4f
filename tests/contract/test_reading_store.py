"""What every reading store does. An adapter joins by a fixture in ``ADAPTERS``: nothing else changes.

Each test gets ``open_it``: called, it opens the store; called again after a close, the same store again.

The suite runs on Debian's InfluxDB 1.6, and on a real InfluxDB 2.x where TWUIN_TEST_INFLUX_URL, _TOKEN and
_ORG name one: in a bucket of its own for each test, which it deletes again.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from ingest.store.duck import DuckStore
from ingest.store.embedded import open_store
from ingest.store.influx.access import Access
from ingest.store.influx.server import JOURNAL_POLICY
from ingest.store.influx.store import InfluxStore
from waterworks.errors import StoreError, StoreUnavailable
from waterworks.ports import ReadingStore
from waterworks.reading import AppendResult, Gap, Quality, ReadingBatch
from waterworks.site import Role, Sensor, Site
from waterworks.units import Quantity

Opener = Callable[[], ReadingStore]

T0 = np.datetime64("2026-03-01T00:00:00", "us")
MIN = np.timedelta64(60_000_000, "us")
HOUR = 60 * MIN
FAR = T0 + np.timedelta64(3650, "D")


@pytest.fixture
def duck(tmp_path: Path) -> Iterator[Opener]:
    opened: list[ReadingStore] = []

    def opener() -> ReadingStore:
        opened.append(DuckStore(tmp_path / "readings.duckdb"))
        return opened[-1]

    yield opener
    for store in opened:
        store.close()


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[Opener]:
    opened: list[ReadingStore] = []

    def opener() -> ReadingStore:
        store = open_store(tmp_path)
        assert store.owner
        opened.append(store)
        return store

    yield opener
    for store in opened:
        store.close()


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Opener]:
    """A store that another one owns: all goes through its socket, as between processes."""
    opened: list[ReadingStore] = [open_store(tmp_path)]

    def opener() -> ReadingStore:
        store = open_store(tmp_path)
        assert not store.owner
        opened.append(store)
        return store

    yield opener
    for store in reversed(opened):
        store.close()


SITE = Site(
    'kota hujan, \\"utara" = 水',
    "Kota Hujan",
    ZoneInfo("Asia/Jakarta"),
    (),
    (
        Sensor("a", Quantity.FLOW, "m3/h", "D 1", "d", Role.INLET),
        Sensor("b", Quantity.PRESSURE, "bar", "D 1", "d"),
        Sensor("w0", Quantity.LEVEL, "m", "", "d"),
    ),
    Path(),
)
"""Some names of the tests are sensors of this site; InfluxDB keeps the others as series of no sensor."""


def influx_stores(access: Access) -> Iterator[Opener]:
    opened: list[InfluxStore] = []

    def opener() -> ReadingStore:
        opened.append(InfluxStore(access, SITE))
        return opened[-1]

    yield opener
    for store in opened:
        store.close()


@pytest.fixture
def influx1(influxdb: Any) -> Iterator[Opener]:
    """InfluxDB 1.x by ``/write`` and ``/query``, in a database of its own."""
    yield from influx_stores(Access(influxdb.url, f"t-{uuid.uuid4().hex}", version=1))


@pytest.fixture
def influx2() -> Iterator[Opener]:
    """InfluxDB 2.x by ``/api/v2/write`` and ``/query``, in a bucket of its own."""
    url, token, org = (os.environ[f"TWUIN_TEST_INFLUX_{what}"] for what in ("URL", "TOKEN", "ORG"))
    access = Access(url, f"twuin-test-{uuid.uuid4().hex}", org=org, token=token)
    yield from influx_stores(access)
    store = InfluxStore(access, SITE)
    store.prepare()
    buckets = store._server.client.buckets_api()
    for name in (access.database, f"{access.database}/{JOURNAL_POLICY}"):
        for bucket in buckets.find_buckets(name=name, org=org).buckets:
            buckets.delete_bucket(bucket)
    store.close()


ADAPTERS = ["duck", "owner", "client", "influx1"]
if os.environ.get("TWUIN_TEST_INFLUX_URL"):
    ADAPTERS.append("influx2")


@pytest.fixture(params=ADAPTERS)
def adapter(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def embedded(adapter: str) -> bool:
    """Whether the store tells duplicates from new readings, and shows a batch whole or not at all."""
    return not adapter.startswith("influx")


@pytest.fixture
def open_it(adapter: str, request: pytest.FixtureRequest) -> Opener:
    opener: Opener = request.getfixturevalue(adapter)
    return opener


@pytest.fixture
def store(open_it: Opener) -> ReadingStore:
    return open_it()


def batch(*rows: tuple[str, int, float] | tuple[str, int, float, int], received: int = 0) -> ReadingBatch:
    """Readings (sensor, minutes after T0, value[, quality]); ``received``: minutes after T0."""
    return ReadingBatch.of(
        [row[0] for row in rows],
        [T0 + row[1] * MIN for row in rows],
        [row[2] for row in rows],
        received=T0 + received * MIN,
        quality=[row[3] if len(row) == 4 else 0 for row in rows],
    )


def told(result: AppendResult, stored: int, duplicates: int, replaced: int) -> bool:
    """Whether a store counted so; one that does not tell duplicates counts all as stored."""
    if result.duplicates is None or result.replaced is None:
        return result == AppendResult(stored + duplicates + replaced, None, None)
    return result == AppendResult(stored, duplicates, replaced)


def test_it_is_a_reading_store(store: ReadingStore) -> None:
    assert isinstance(store, ReadingStore)


class TestBatch:
    def test_readings_come_as_they_were_stored(self, store: ReadingStore) -> None:
        store.append(batch(("a", 0, 1.25), ("b", 5, -2.5, int(Quality.CLOCK)), received=7))
        store.append(batch(("a", 10, 3.0), ("nobody", 2, 9.0), received=20))
        got = store.batch(["b", "a", "absent", "nobody"], T0, T0 + 10 * MIN)
        rows = sorted(
            (got.names[s], t, v, q, r)
            for s, t, v, q, r in zip(
                got.sensor.tolist(),
                got.time,
                got.value.tolist(),
                got.quality.tolist(),
                got.received,
                strict=True,
            )
        )
        assert rows == [
            ("a", T0, 1.25, 0, T0 + 7 * MIN),
            ("b", T0 + 5 * MIN, -2.5, int(Quality.CLOCK), T0 + 7 * MIN),
            ("nobody", T0 + 2 * MIN, 9.0, 0, T0 + 20 * MIN),
        ]

    def test_where_nothing_is_it_is_empty(self, store: ReadingStore) -> None:
        store.append(batch(("a", 0, 1.0)))
        assert not len(store.batch(["a"], T0 + MIN, FAR))
        assert not len(store.batch(["absent"], T0, FAR))
        assert not len(store.batch(["a"], FAR, T0))

    def test_a_copy_appended_elsewhere_changes_nothing_here(self, store: ReadingStore) -> None:
        store.append(batch(("a", 0, 1.0), ("w0", 1, 2.0)))
        before = store.window(["a", "w0"], T0, FAR)
        store.append(store.batch(["a", "w0"], T0, FAR))
        assert np.array_equal(store.window(["a", "w0"], T0, FAR).values, before.values, equal_nan=True)


class TestAppend:
    def test_an_empty_batch_stores_nothing(self, store: ReadingStore) -> None:
        assert told(store.append(ReadingBatch.empty()), 0, 0, 0)
        assert store.changes(0).spans == {}

    def test_new_readings_count_as_stored(self, store: ReadingStore) -> None:
        assert told(store.append(batch(("a", 0, 1.0), ("b", 0, 2.0), ("a", 1, 3.0))), 3, 0, 0)

    def test_the_same_reading_twice_is_one_reading(self, store: ReadingStore) -> None:
        store.append(batch(("a", 0, 1.0), ("a", 1, 2.0)))
        again = batch(("a", 0, 1.0), ("a", 1, 2.0), received=99)
        assert told(store.append(again), 0, 2, 0)
        window = store.window(["a"], T0, FAR)
        assert window.values.tolist() == [[1.0], [2.0]]

    def test_another_value_takes_the_old_ones_place(self, store: ReadingStore) -> None:
        store.append(batch(("a", 0, 1.0), ("a", 1, 2.0)))
        assert told(store.append(batch(("a", 0, 7.0))), 0, 0, 1)
        assert store.window(["a"], T0, FAR).values.tolist() == [[7.0], [2.0]]

    def test_another_quality_takes_the_old_ones_place(self, store: ReadingStore) -> None:
        store.append(batch(("a", 0, 1.0)))
        assert told(store.append(batch(("a", 0, 1.0, Quality.SUSPECT))), 0, 0, 1)
        assert store.window(["a"], T0, FAR).quality.tolist() == [[int(Quality.SUSPECT)]]

    def test_within_a_batch_the_later_row_wins(self, store: ReadingStore) -> None:
        rows = batch(("a", 0, 1.0), ("b", 0, 5.0), ("a", 0, 2.0), ("a", 0, 2.0), ("a", 0, 3.0))
        assert told(store.append(rows), 2, 1, 2)
        assert store.window(["a", "b"], T0, FAR).values.tolist() == [[3.0, 5.0]]

    def test_a_batch_that_ends_at_the_stored_value_leaves_it(
        self, store: ReadingStore, embedded: bool
    ) -> None:
        store.append(batch(("a", 0, 1.0)))
        cursor = store.changes(0).cursor
        assert told(store.append(batch(("a", 0, 2.0), ("a", 0, 1.0))), 0, 0, 2)
        assert store.window(["a"], T0, FAR).values.tolist() == [[1.0]]
        assert store.changes(cursor).spans == ({} if embedded else {"a": (T0, T0)})

    def test_counts_add_up_for_a_mixed_batch(self, store: ReadingStore) -> None:
        store.append(batch(*[("a", k, float(k)) for k in range(10)]))
        mixed = batch(("a", 3, 3.0), ("a", 4, -4.0), ("a", 20, 1.0), ("a", -5, 1.0), ("b", 3, 3.0))
        assert told(store.append(mixed), 3, 1, 1)

    def test_readings_may_come_in_any_order(self, store: ReadingStore) -> None:
        minutes = np.random.default_rng(7).permutation(500)
        for part in np.split(minutes, 10):
            store.append(batch(*[("a", int(k), float(k)) for k in part]))
        window = store.window(["a"], T0, FAR)
        assert window.values[:, 0].tolist() == [float(k) for k in range(500)]
        assert (np.diff(window.times) == MIN).all()

    def test_names_that_do_not_occur_are_not_stored(self, store: ReadingStore) -> None:
        store.append(batch(("a", 0, 1.0), ("b", 0, 1.0)).take([0]))
        assert store.names() == ["a"]

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_a_value_that_is_not_finite_is_refused_with_its_batch(
        self, store: ReadingStore, value: float
    ) -> None:
        with pytest.raises(StoreError, match="finite"):
            store.append(batch(("a", 0, 1.0), ("b", 0, value)))
        assert store.names() == []

    def test_a_reading_without_time_is_refused_with_its_batch(self, store: ReadingStore) -> None:
        bad = ReadingBatch.of(["a", "a"], [T0, np.datetime64("NaT", "us")], [1.0, 2.0], received=T0)
        with pytest.raises(StoreError, match="time"):
            store.append(bad)
        assert store.extent() is None

    def test_a_sensor_index_outside_of_the_names_is_refused(self, store: ReadingStore) -> None:
        bad = ReadingBatch.columns(["a"], [0, 1], [T0, T0], [1.0, 2.0], received=T0)
        with pytest.raises(StoreError, match="index"):
            store.append(bad)
        assert store.names() == []

    def test_values_come_back_to_the_last_bit(self, store: ReadingStore) -> None:
        values = [0.1 + 0.2, -0.0, 5e-324, 1.7976931348623157e308, 28.84 / 3600]
        store.append(batch(*[("a", k, v) for k, v in enumerate(values)]))
        back = store.window(["a"], T0, FAR).values[:, 0]
        assert back.tobytes() == np.array(values).tobytes()

    def test_times_come_back_to_the_microsecond(self, store: ReadingStore) -> None:
        times = T0 + np.array([1, 2, 1_000_003], "timedelta64[us]")
        store.append(ReadingBatch.of(["a"] * 3, times, [1.0, 2.0, 3.0], received=T0))
        assert store.window(["a"], T0, FAR).times.tolist() == times.tolist()

    def test_names_may_hold_any_text(self, store: ReadingStore) -> None:
        names = [
            "dma:D1:expected",
            "dma:D1:cusum",
            "jalan Ijen ½\"';--",
            "水",
            "a/b+c#d",
            "a, b=c\\",
            "\\ 5%",
        ]
        store.append(batch(*[(name, 0, float(k)) for k, name in enumerate(names)]))
        assert store.names() == sorted(names)
        assert store.window(names, T0, FAR).values.tolist() == [[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]
        assert set(store.latest(names)) == set(store.changes(0).spans) == set(names)


class TestWindow:
    def test_where_nothing_is_there_are_no_rows(self, store: ReadingStore) -> None:
        window = store.window(["a", "b"], T0, FAR)
        assert window.times.shape == (0,) and window.times.dtype == "datetime64[us]"
        assert window.values.shape == (0, 2) and window.quality.shape == (0, 2)

    def test_columns_stand_in_the_order_asked_for(self, store: ReadingStore) -> None:
        store.append(batch(("a", 0, 1.0), ("b", 1, 2.0), ("c", 0, 3.0, 2)))
        window = store.window(["c", "unknown", "b", "a"], T0, FAR)
        assert window.times.tolist() == [T0.item(), (T0 + MIN).item()]
        expected = [[3.0, np.nan, np.nan, 1.0], [np.nan, np.nan, 2.0, np.nan]]
        np.testing.assert_array_equal(window.values, expected)
        assert window.quality.tolist() == [[2, 0, 0, 0], [0, 0, 0, 0]]
        assert window.values.dtype == np.float64 and window.quality.dtype == np.uint16

    def test_a_sensor_asked_for_twice_stands_there_twice(self, store: ReadingStore) -> None:
        store.append(batch(("a", 0, 1.0), ("b", 0, 2.0)))
        assert store.window(["a", "b", "a"], T0, FAR).values.tolist() == [[1.0, 2.0, 1.0]]

    def test_it_begins_with_start_and_ends_before_end(self, store: ReadingStore) -> None:
        store.append(batch(*[("a", k, float(k)) for k in range(5)]))
        assert store.window(["a"], T0 + MIN, T0 + 3 * MIN).values.tolist() == [[1.0], [2.0]]
        assert len(store.window(["a"], T0 + MIN, T0 + MIN).times) == 0
        assert len(store.window(["a"], T0 + MIN, T0).times) == 0

    def test_readings_with_an_excluded_flag_are_left_out(self, store: ReadingStore) -> None:
        store.append(batch(("a", 0, 1.0), ("a", 1, 2.0, Quality.SUSPECT), ("a", 2, 3.0, Quality.CLOCK)))
        window = store.window(["a"], T0, FAR, exclude=int(Quality.SUSPECT | Quality.OUT_OF_RANGE))
        assert window.values.tolist() == [[1.0], [3.0]]

    def test_steps_give_means_over_bins_of_the_clock(self, store: ReadingStore) -> None:
        store.append(batch(*[("a", k, float(k)) for k in (0, 5, 10, 65)], ("b", 59, 4.0, 2)))
        window = store.window(["a", "b"], T0, FAR, step=HOUR)
        assert window.times.tolist() == [T0.item(), (T0 + HOUR).item()]
        np.testing.assert_array_equal(window.values, [[5.0, 4.0], [65.0, np.nan]])
        assert window.quality.tolist() == [[0, 2], [0, 0]]

    def test_steps_or_the_flags_of_a_bin(self, store: ReadingStore) -> None:
        store.append(batch(("a", 0, 1.0, 1), ("a", 1, 2.0, 4), ("a", 2, 3.0, 8)))
        assert store.window(["a"], T0, FAR, step=HOUR).quality.tolist() == [[13]]
        excluded = store.window(["a"], T0, FAR, step=HOUR, exclude=8)
        assert excluded.values.tolist() == [[1.5]] and excluded.quality.tolist() == [[5]]

    def test_a_bin_cut_by_the_window_is_labelled_by_its_own_start(self, store: ReadingStore) -> None:
        store.append(batch(*[("a", k, float(k)) for k in range(60)]))
        window = store.window(["a"], T0 + 30 * MIN, T0 + 40 * MIN, step=HOUR)
        assert window.times.tolist() == [T0.item()]
        assert window.values.tolist() == [[34.5]]

    def test_bins_before_1970_are_labelled_by_their_start(self, store: ReadingStore) -> None:
        early = np.datetime64("1969-12-31T23:50", "us")
        store.append(ReadingBatch.of(["a"], [early], [1.0], received=T0))
        window = store.window(["a"], early, early + MIN, step=HOUR)
        assert window.times.tolist() == [np.datetime64("1969-12-31T23:00", "us").item()]

    def test_means_equal_those_of_a_slow_loop(self, store: ReadingStore) -> None:
        rng = np.random.default_rng(3)
        rows = [(f"s{k % 7}", int(m), float(rng.normal())) for k, m in enumerate(rng.permutation(3000))]
        store.append(batch(*rows))
        window = store.window([f"s{k}" for k in range(7)], T0, FAR, step=7 * MIN)
        sums: dict[tuple[int, int], list[float]] = {}
        offset = int(T0.astype(np.int64)) // 60_000_000
        for name, minute, value in rows:
            sums.setdefault(((offset + minute) // 7, int(name[1:])), []).append(value)
        bins = sorted({key[0] for key in sums})
        expected = np.full((len(bins), 7), np.nan)
        for (bin_, column), values in sums.items():
            expected[bins.index(bin_), column] = sum(values) / len(values)
        assert (window.times.astype(np.int64) // 60_000_000).tolist() == [b * 7 for b in bins]
        np.testing.assert_allclose(window.values, expected, rtol=1e-12, atol=1e-15)

    def test_an_instant_that_is_none_is_refused(self, store: ReadingStore) -> None:
        store.append(batch(("a", 0, 1.0)))
        with pytest.raises(StoreError, match="no instant"):
            store.window(["a"], T0, np.datetime64("+99999-01-01", "us"))
        with pytest.raises(StoreError, match="not above 0"):
            store.window(["a"], T0, FAR, step=np.timedelta64(0, "s"))
        assert len(store.window(["a"], T0, FAR).times) == 1

    def test_what_it_gives_may_be_written_to(self, store: ReadingStore) -> None:
        store.append(batch(("a", 0, 1.0)))
        window = store.window(["a"], T0, FAR)
        window.values[0, 0] = 9.0
        window.quality[0, 0] = 1
        assert store.window(["a"], T0, FAR).values.tolist() == [[1.0]]


class TestLatest:
    def test_of_no_readings_there_is_none(self, store: ReadingStore) -> None:
        assert store.latest() == {} and store.latest(["a"]) == {}

    def test_it_is_the_newest_by_device_time(self, store: ReadingStore) -> None:
        store.append(batch(("a", 5, 1.5, 2), ("b", 1, 9.0), received=7))
        store.append(batch(("a", 3, 1.0), received=8))
        latest = store.latest()
        assert sorted(latest) == ["a", "b"]
        assert latest["a"] == (T0 + 5 * MIN, 1.5, 2, T0 + 7 * MIN)
        assert store.latest(["b", "unknown"]) == {"b": latest["b"]}

    def test_a_newest_reading_that_comes_again_was_received_the_first_time(self, open_it: Opener) -> None:
        store = open_it()
        store.append(batch(("a", 4, 1.0), ("a", 5, 1.0), ("b", 5, 2.0), received=7))
        store.append(batch(("a", 5, 1.0), ("b", 5, 3.0), received=99))
        store.close()
        again = open_it()
        again.append(batch(("a", 5, 1.0), ("a", 5, 1.0), received=999))
        received = {name: reading.received for name, reading in again.latest().items()}
        assert received == {"a": T0 + 7 * MIN, "b": T0 + 99 * MIN}

    def test_a_corrected_newest_reading_shows(self, store: ReadingStore) -> None:
        store.append(batch(("a", 5, 1.0)))
        store.append(batch(("a", 5, 2.0), received=9))
        assert store.latest()["a"] == (T0 + 5 * MIN, 2.0, 0, T0 + 9 * MIN)


class TestGaps:
    def test_a_sensor_without_readings_is_one_gap(self, store: ReadingStore) -> None:
        assert store.gaps("a", T0, T0 + HOUR, MIN) == [Gap(T0, T0 + HOUR)]

    def test_gaps_lie_between_readings_and_the_bounds(self, store: ReadingStore) -> None:
        store.append(batch(*[("a", k, 0.0) for k in (10, 15, 20, 50, 55)], ("b", 30, 0.0)))
        gaps = store.gaps("a", T0, T0 + HOUR, 5 * MIN)
        assert gaps == [Gap(T0, T0 + 10 * MIN), Gap(T0 + 20 * MIN, T0 + 50 * MIN)]

    def test_a_stretch_of_just_that_length_is_no_gap(self, store: ReadingStore) -> None:
        store.append(batch(("a", 0, 0.0), ("a", 5, 0.0), ("a", 10, 0.0)))
        assert store.gaps("a", T0, T0 + 10 * MIN, 5 * MIN) == []

    def test_an_empty_span_has_none(self, store: ReadingStore) -> None:
        assert store.gaps("a", T0, T0, MIN) == []


class TestExtentAndNames:
    def test_nothing_has_no_extent(self, store: ReadingStore) -> None:
        assert store.extent() is None and store.extent(["a"]) is None and store.names() == []

    def test_it_spans_the_sensors_asked_for(self, store: ReadingStore) -> None:
        store.append(batch(("b", 3, 0.0), ("a", 5, 0.0), ("a", 9, 0.0), ("b", 1, 0.0)))
        assert store.extent() == (T0 + MIN, T0 + 9 * MIN)
        assert store.extent(["a"]) == (T0 + 5 * MIN, T0 + 9 * MIN)
        assert store.extent(["unknown"]) is None
        assert store.extent([]) is None
        assert store.names() == ["a", "b"]


class TestChanges:
    def test_of_nothing_there_are_none(self, store: ReadingStore) -> None:
        assert store.changes(0).spans == {}

    def test_spans_cover_what_was_stored_since(self, store: ReadingStore) -> None:
        store.append(batch(("a", 0, 1.0), ("a", 9, 1.0), ("b", 4, 1.0)))
        first = store.changes(0)
        assert first.spans == {"a": (T0, T0 + 9 * MIN), "b": (T0 + 4 * MIN, T0 + 4 * MIN)}
        store.append(batch(("a", 3, 1.0), ("a", 5, 1.0)))
        second = store.changes(first.cursor)
        assert set(second.spans) == {"a"}
        low, high = second.spans["a"]
        assert low <= T0 + 3 * MIN and high >= T0 + 5 * MIN
        assert store.changes(second.cursor) == (second.cursor, {})

    def test_a_correction_is_a_change(self, store: ReadingStore) -> None:
        store.append(batch(*[("a", k, 1.0) for k in range(10)]))
        cursor = store.changes(0).cursor
        store.append(batch(("a", 4, 2.0)))
        low, high = store.changes(cursor).spans["a"]
        assert low <= T0 + 4 * MIN <= high

    def test_duplicates_are_none(self, store: ReadingStore, embedded: bool) -> None:
        rows = batch(("a", 0, 1.0), ("a", 1, 1.0))
        store.append(rows)
        before = store.changes(0)
        store.append(rows)
        if embedded:
            assert store.changes(before.cursor) == (before.cursor, {})
            assert store.changes(0) == before
        else:  # a store that does not tell them from new readings shows them
            assert store.changes(before.cursor).spans == before.spans == store.changes(0).spans

    def test_no_reader_misses_a_change(self, open_it: Opener, adapter: str) -> None:
        shared = adapter not in ("duck", "owner")  # of which there can be but one in a process
        stores = [open_it(), open_it()] if shared else [open_it()] * 2
        cursors, seen = [0, 0], [{0}, {0}]
        stores[0].append(batch(("a", 0, 0.0)))
        for k in range(1, 12):
            for reader in (0, 1) if k % 3 else (0,):
                found = stores[reader].changes(cursors[reader])
                cursors[reader] = found.cursor
                for low, high in found.spans.values():
                    seen[reader] |= set(range(int((low - T0) / MIN) // 10, int((high - T0) / MIN) // 10 + 1))
                stores[reader].latest()
            stores[k % 2].append(batch(("a", 10 * k, float(k))))
        for reader in (0, 1):
            low, high = stores[reader].changes(cursors[reader]).spans["a"]
            assert low > T0
            assert seen[reader] | set(range(int((low - T0) / MIN) // 10, 12)) == set(range(12))
            assert high == T0 + 110 * MIN

    def test_a_cursor_of_a_store_that_was_started_over_shows_all(self, store: ReadingStore) -> None:
        store.append(batch(("a", 0, 1.0)))
        now = store.changes(0)
        assert store.changes(now.cursor + 1000) == now


class TestLife:
    def test_all_is_there_after_closing_and_opening(self, open_it: Opener, embedded: bool) -> None:
        store = open_it()
        store.append(batch(("a", 0, 1.0), ("a", 1, 2.0, 4), ("b", 0, 3.0), received=5))
        store.append(batch(("a", 1, 2.5)))
        before = (store.latest(), store.extent(), store.names(), store.changes(0))
        store.close()
        again = open_it()
        assert (again.latest(), again.extent(), again.names(), again.changes(0)) == before
        assert told(again.append(batch(("a", 0, 1.0), ("a", 1, 9.0), ("c", 0, 1.0))), 1, 1, 1)
        changed = again.changes(before[3].cursor).spans.keys()
        assert changed == {"a", "c"} if embedded else changed >= {"a", "c"}  # what was told is told again

    def test_closing_twice_is_allowed_and_ends_all_use(self, open_it: Opener) -> None:
        store = open_it()
        store.append(batch(("a", 0, 1.0)))
        store.close()
        store.close()
        with pytest.raises(StoreUnavailable, match="closed"):
            store.append(batch(("a", 1, 1.0)))
        with pytest.raises(StoreUnavailable, match="closed"):
            store.window(["a"], T0, FAR)
        with pytest.raises(StoreUnavailable, match="closed"):
            store.latest()

    def test_many_threads_append_and_read_side_by_side(self, store: ReadingStore, embedded: bool) -> None:
        rounds, writers = 40, 3
        errors: list[BaseException] = []
        done = threading.Event()

        def write(k: int) -> None:
            try:
                for n in range(rounds):
                    # both readings of a pair are stored together or not at all
                    store.append(batch((f"w{k}", n, float(n)), (f"v{k}", n, float(n))))
            except BaseException as error:
                errors.append(error)

        def read() -> None:
            try:
                seen = 0
                while not done.is_set():
                    window = store.window(["w0", "v0"], T0, FAR)
                    if embedded:
                        np.testing.assert_array_equal(window.values[:, 0], window.values[:, 1])
                    assert len(window.times) >= seen
                    seen = len(window.times)
                    store.latest()
                    store.changes(0)
            except BaseException as error:
                errors.append(error)

        readers = [threading.Thread(target=read) for _ in range(2)]
        threads = [threading.Thread(target=write, args=(k,)) for k in range(writers)]
        for thread in (*readers, *threads):
            thread.start()
        for thread in threads:
            thread.join()
        done.set()
        for thread in readers:
            thread.join()
        assert errors == []
        names = [f"{c}{k}" for c in "wv" for k in range(writers)]
        window = store.window(names, T0, FAR)
        expected = np.repeat(np.arange(rounds, dtype=float)[:, None], len(names), axis=1)
        np.testing.assert_array_equal(window.values, expected)
