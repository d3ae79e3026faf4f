"""A store with a spool before it: durable in the one or in the other, whatever the store does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ingest.spool import behind
from ingest.spool.behind import SpooledStore, SpoolOptions
from ingest.spool.spool import Spool
from ingest.stats import Stats
from waterworks.errors import StoreError, StoreUnavailable
from waterworks.reading import AppendResult, ReadingBatch

T0 = np.datetime64("2026-11-22T00:00:00", "us")
AWAY = StoreUnavailable("the server is away")


class Store:
    """Keeps what it is given. ``failure``: raised instead. ``hold()``: it hangs until ``let_go``."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.given: list[ReadingBatch] = []
        self.values: dict[tuple[str, np.datetime64], float] = {}
        self.calls = 0
        self._go = threading.Event()
        self._go.set()

    def hold(self) -> None:
        self._go.clear()

    def let_go(self) -> None:
        self._go.set()

    def append(self, batch: ReadingBatch) -> AppendResult:
        self.calls += 1
        assert self._go.wait(60)
        if self.failure is not None:
            raise self.failure
        self.given.append(batch)
        before = len(self.values)
        for k in range(len(batch)):
            self.values[batch.names[batch.sensor[k]], batch.time[k]] = float(batch.value[k])
        new = len(self.values) - before
        return AppendResult(new, len(batch) - new, 0)


def batch(n: int, value: float | None = None) -> ReadingBatch:
    """One reading, at a time of its own."""
    time = T0 + n * np.timedelta64(1_000_000, "us")
    return ReadingBatch.of(["S"], [time], [n if value is None else value], received=time)


def until(done: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline, f"still not: {what}"
        time.sleep(0.005)


@pytest.fixture
def store() -> Iterator[Store]:
    made = Store()
    yield made
    made.let_go()


@contextmanager
def spooled(store: Store, folder: Path, **options: Any) -> Iterator[tuple[SpooledStore, Stats]]:
    fast = {"retry_s": 0.005, "retry_most_s": 0.02, "slow_s": 30.0, "keep_free_bytes": 0}
    stats = Stats()
    keeper = SpooledStore(store, SpoolOptions(folder / "main", **{**fast, **options}), stats)
    try:
        yield keeper, stats
    finally:
        store.let_go()
        keeper.close()


def stored(store: Store) -> list[float]:
    return list(store.values.values())


def test_a_store_that_is_well_gets_batches_at_once_and_tells_what_became_of_them(
    store: Store, tmp_path: Path
) -> None:
    with spooled(store, tmp_path) as (keeper, stats):
        assert keeper.append(batch(1)) == AppendResult(1, 0, 0)
        assert keeper.append(batch(1)) == AppendResult(0, 1, 0)
        assert (stats.spooled, stats.spool_readings, stats.spool_problem) == (0, 0, "")
    assert not list(tmp_path.rglob("*.spool"))


def test_what_a_store_that_is_away_does_not_take_waits_and_is_stored_when_it_is_back(
    store: Store, tmp_path: Path
) -> None:
    with spooled(store, tmp_path) as (keeper, stats):
        store.failure = AWAY
        for n in range(10):
            assert keeper.append(batch(n)) is None
        assert stats.spool_readings == stats.spooled == 10
        assert stats.spool_bytes > 0 and stats.spool_oldest is not None
        assert "away" in stats.spool_problem
        store.failure = None
        until(lambda: stats.spool_readings == 0, "drained")
        until(lambda: stats.spool_problem == "", "well again")
        assert stored(store) == list(range(10))
        assert (stats.stored, stats.drained, stats.spool_oldest) == (10, 10, None)
        assert keeper.append(batch(11)) == AppendResult(1, 0, 0)
    assert len(store.given) < 11  # many small batches went as one


def test_a_value_sent_later_stands_though_the_earlier_one_waited(store: Store, tmp_path: Path) -> None:
    with spooled(store, tmp_path) as (keeper, stats):
        store.failure = AWAY
        keeper.append(batch(1, 10.0))
        store.hold()  # the store is there again, but the spool not yet empty
        store.failure = None
        assert keeper.append(batch(1, 20.0)) is None
        store.let_go()
        until(lambda: stats.spool_readings == 0, "drained")
        assert stored(store) == [20.0]


def test_a_store_that_hangs_is_not_waited_for(store: Store, tmp_path: Path) -> None:
    with spooled(store, tmp_path, slow_s=0.05) as (keeper, stats):
        store.hold()
        for n in range(5):
            assert keeper.append(batch(n)) is None
        assert store.calls == 1
        assert "has not answered for 0.05 s" in stats.spool_problem
        store.let_go()
        until(lambda: stats.spool_readings == 0, "drained")
        until(lambda: stats.spool_problem == "", "well again")
        # what it was asked for first it took in the end: that is not asked for again
        assert (stats.stored, stats.duplicates, stats.drained) == (5, 0, 5)


def test_a_store_that_hangs_and_then_fails_gets_all_from_the_spool(store: Store, tmp_path: Path) -> None:
    with spooled(store, tmp_path, slow_s=0.05) as (keeper, stats):
        store.hold()
        store.failure = AWAY
        for n in range(5):
            keeper.append(batch(n))
        store.let_go()
        until(lambda: store.calls > 2, "asked again")
        store.failure = None
        until(lambda: stats.spool_readings == 0, "drained")
        assert stored(store) == list(range(5))


def test_a_full_spool_confirms_nothing_says_why_and_goes_on_by_itself(store: Store, tmp_path: Path) -> None:
    with spooled(store, tmp_path, max_bytes=5000) as (keeper, _):
        store.failure = AWAY
        n = 0
        with pytest.raises(StoreUnavailable, match=r"is full.*the server is away") as refused:
            while True:
                keeper.append(batch(n))
                n += 1
        assert "\n" not in str(refused.value)
        with pytest.raises(StoreUnavailable):
            keeper.append(batch(n))
        store.failure = None

        def taken() -> bool:
            try:
                keeper.append(batch(n))
            except StoreUnavailable:
                return False
            return True

        until(taken, "room again")
        until(lambda: len(store.values) == n + 1, "all stored")
        assert stored(store) == list(range(n + 1))


def test_without_a_spool_a_slow_store_is_waited_for(store: Store, tmp_path: Path) -> None:
    with spooled(store, tmp_path, max_bytes=0, slow_s=0.01) as (keeper, stats):
        store.hold()
        threading.Timer(0.1, store.let_go).start()
        assert keeper.append(batch(1)) == AppendResult(1, 0, 0)
        store.failure = AWAY
        with pytest.raises(StoreUnavailable, match="away"):
            keeper.append(batch(2))
        assert stats.spooled == 0


def test_what_the_store_refuses_for_good_is_not_taken_for_safe(store: Store, tmp_path: Path) -> None:
    with spooled(store, tmp_path) as (keeper, stats):
        store.failure = StoreError("the token may not write")
        with pytest.raises(StoreError, match="may not write"):
            keeper.append(batch(1))
        assert stats.spooled == 0
        store.failure = None
        assert keeper.append(batch(1)) == AppendResult(1, 0, 0)


def test_what_the_store_refuses_of_the_spool_stays_there(store: Store, tmp_path: Path) -> None:
    with spooled(store, tmp_path) as (keeper, stats):
        store.failure = AWAY
        keeper.append(batch(1))
        store.failure = StoreError("the token may not write")
        until(lambda: "refuses" in stats.spool_problem, "told")
        assert stats.spool_readings == 1
        store.failure = None
        until(lambda: stats.spool_readings == 0, "drained")
        assert stored(store) == [1]


def test_a_disk_full_before_a_slow_store_waits_for_its_answer(store: Store, tmp_path: Path) -> None:
    """The batch is neither asked for a second time nor lost when the store answers late."""
    with spooled(store, tmp_path, slow_s=0.02, keep_free_bytes=2**62) as (keeper, _):
        store.hold()
        first = batch(1)
        for _ in range(3):
            with pytest.raises(StoreUnavailable, match=r"keep_free_bytes.*not answered"):
                keeper.append(first)
        assert store.calls == 1
        store.let_go()
        until(lambda: bool(store.given), "answered")
        assert keeper.append(first) == AppendResult(1, 0, 0)
        assert store.calls == 1


def test_nobody_is_told_that_readings_wait_in_a_spool_that_takes_none(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    store.failure = AWAY
    with spooled(store, tmp_path, keep_free_bytes=2**62) as (keeper, _):
        with pytest.raises(StoreUnavailable, match=r"keep_free_bytes.*the server is away"):
            keeper.append(batch(1))
        store.failure = None
        assert keeper.append(batch(1)) is not None
        assert "spool" not in caplog.text and "again" not in caplog.text
    store.failure = AWAY
    with spooled(store, tmp_path) as (keeper, _):
        keeper.append(batch(2))
        until(lambda: store.calls > 3, "tried again")
        assert caplog.text.count("they wait in the spool: the server is away") == 1


def test_what_waits_when_a_process_ends_is_stored_by_the_next_of_its_name(
    store: Store, tmp_path: Path
) -> None:
    store.failure = AWAY
    with spooled(store, tmp_path) as (keeper, _):
        for n in range(5):
            keeper.append(batch(n))
    store.failure = None
    with spooled(store, tmp_path) as (_, stats):
        until(lambda: len(store.values) == 5, "stored")
        until(lambda: stats.spool_readings == 0, "told")
    assert stored(store) == list(range(5))


def left_behind(folder: Path, name: str, *numbers: int) -> None:
    spool = Spool(folder / name, keep_free_bytes=0)
    for n in numbers:
        spool.append(batch(n))
    spool.close()


def test_what_a_name_that_no_longer_runs_left_behind_is_stored(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    left_behind(tmp_path, "old", 1, 2)
    left_behind(tmp_path, "older", 3)
    with spooled(store, tmp_path) as (keeper, stats):
        until(lambda: len(store.values) == 3, "stored")
        assert keeper.append(batch(4)) is not None
        until(lambda: not list(tmp_path.rglob("*.spool")), "removed")
        until(lambda: stats.spool_readings == 0, "told")
        assert stats.drained == 3
        until(lambda: "'old'" in caplog.text and "'older'" in caplog.text, "said")
        Spool(tmp_path / "old").close()  # it may run again (a look at it is waited for)


def test_a_spool_left_behind_waits_for_a_store_that_is_away(store: Store, tmp_path: Path) -> None:
    left_behind(tmp_path, "old", 1, 2)
    store.failure = AWAY
    with spooled(store, tmp_path) as (keeper, stats):
        until(lambda: store.calls > 1, "tried")
        until(lambda: stats.spool_readings == 2, "told")
        assert keeper.append(batch(7)) is None
        store.failure = None
        until(lambda: stats.spool_readings == 0, "drained")
        assert sorted(stored(store)) == [1, 2, 7]


def test_the_spool_of_a_process_that_runs_is_left_to_it(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(behind, "LOOK_AROUND_S", 0.01)
    other = Spool(tmp_path / "other", keep_free_bytes=0)
    other.append(batch(1))
    with spooled(store, tmp_path) as (keeper, _):
        time.sleep(0.1)
        keeper.append(batch(2))
        assert stored(store) == [2]
        other.close()
        until(lambda: len(store.values) == 2, "stored, now that it does not run")


def test_two_processes_of_one_name_are_told(store: Store, tmp_path: Path) -> None:
    with spooled(store, tmp_path), pytest.raises(StoreUnavailable, match=r"mqtt\.name"):
        SpooledStore(store, SpoolOptions(tmp_path / "main"), Stats())


def test_damage_is_told(store: Store, tmp_path: Path) -> None:
    left_behind(tmp_path, "main", 1, 2, 3)
    [path] = (tmp_path / "main").glob("*.spool")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with spooled(store, tmp_path) as (_, stats):
        until(lambda: len(store.values) == 2, "stored")
        until(lambda: stats.spool_readings == 0, "told")
        assert stats.spool_damaged == 1
    assert stored(store) == [1, 3]


def test_a_defect_of_the_store_costs_nothing_that_waits(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with spooled(store, tmp_path) as (keeper, stats):
        store.failure = AWAY
        keeper.append(batch(1))
        store.failure = ZeroDivisionError("ours")
        until(lambda: "ZeroDivisionError" in caplog.text, "said")
        store.failure = None
        until(lambda: stats.spool_readings == 0, "drained")
        assert stored(store) == [1]
