"""A site watched in parts: the same whoever does them, however often they are begun anew."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ingest.store.duck import DuckStore
from twuin.monitor import Monitor
from twuin.monitor.parts import Alone, Order, PartedMonitor, PartWork, Report
from waterworks.errors import ClusterError, StoreUnavailable
from waterworks.reading import ReadingBatch
from waterworks.site import Dma, Role, Sensor, Site
from waterworks.units import Quantity


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckStore]:
    found = DuckStore(tmp_path / "one.duckdb")
    yield found
    found.close()


@pytest.fixture
def wide(site: Site) -> Site:
    """The small town and a third DMA that nothing joins to it."""
    alone = Sensor("M3", Quantity.FLOW, "m3/h", "D3", "M3", Role.INLET, "", interval_s=900.0)
    return replace(site, dmas=(*site.dmas, Dma("D3", "Far", 200)), sensors=(*site.sensors, alone))


def far(batch: ReadingBatch) -> ReadingBatch:
    """What the meter of the third DMA measured: half of what the first did, with a leak of its own."""
    first = batch.sensor == batch.names.index("M1")
    time, value = batch.time[first], 0.5 * batch.value[first]
    leak = np.where(time >= time[0] + np.timedelta64(18, "D"), 0.004, 0.0)
    return ReadingBatch.columns(
        ("M3",), np.zeros(len(time), np.int64), time, value + leak, received=batch.received[0]
    )


class Fickle:
    """A crew in which each round somebody else does each part, who knows nothing."""

    def __init__(self, site: Site, store: Any) -> None:
        self._site, self._store = site, store
        self.bytes = 0

    def look(self, orders: Sequence[Order]) -> Iterator[Report]:
        for order in reversed(orders):
            work = PartWork(lambda: (self._site, self._store, None))
            report = work(pickle.loads(pickle.dumps(order)))
            self.bytes = max(self.bytes, len(pickle.dumps(order)), len(pickle.dumps(report)))
            work.close()
            yield pickle.loads(pickle.dumps(report))

    def close(self) -> None:
        pass


def test_parts_begun_anew_in_every_round_come_to_what_living_ones_do(
    wide: Site, store: DuckStore, readings: Callable[..., ReadingBatch], recorder: Any, clock: Any
) -> None:
    batch = readings(days=24)
    fickle = Fickle(wide, store)
    told = [recorder(), recorder()]
    crews = (Alone(wide, store, None), fickle)
    both = [PartedMonitor(wide, t, crew, clock=clock, most=2) for t, crew in zip(told, crews, strict=True)]
    store.append(batch)
    for one in both:
        one.catch_up()
    store.append(far(batch))
    for one in both:
        one.catch_up(final=True)
    assert told[0].findings == told[1].findings
    assert {f.dma for f in told[0].findings} == {"D1", "D3"}
    assert fickle.bytes < 20_000


def test_a_site_of_one_part_comes_to_what_its_monitor_does(
    site: Site, store: DuckStore, readings: Callable[..., ReadingBatch], recorder: Any, clock: Any
) -> None:
    store.append(readings(days=24))
    whole, parted = recorder(), recorder()
    Monitor(site, store, whole, clock=clock).catch_up(final=True)
    PartedMonitor(site, parted, Alone(site, store, None), clock=clock).catch_up(final=True)
    assert whole.findings
    assert parted.findings == whole.findings


class Fails:
    """A crew of which the second part fails once."""

    def __init__(self, site: Site, store: Any) -> None:
        self._alone, self.failed = Alone(site, store, None), False

    def look(self, orders: Sequence[Order]) -> Iterator[Report]:
        for report in self._alone.look(orders):
            if report.part and not self.failed:
                self.failed = True
                raise StoreUnavailable("away")
            yield report

    def close(self) -> None:
        self._alone.close()


def test_alerts_hear_nothing_before_every_part_was_looked_at(
    wide: Site, store: DuckStore, readings: Callable[..., ReadingBatch], recorder: Any, clock: Any
) -> None:
    store.append(readings(days=24))
    told = recorder()
    monitor = PartedMonitor(wide, told, Fails(wide, store), clock=clock, most=2)
    with pytest.raises(StoreUnavailable):
        monitor.catch_up(final=True)
    assert told.calls == 0
    monitor.catch_up(final=True)
    assert told.calls == 1
    assert told.findings


def test_a_worker_with_another_site_does_nothing_and_says_so(
    wide: Site, site: Site, store: DuckStore, recorder: Any, clock: Any
) -> None:
    monitor = PartedMonitor(wide, recorder(), Alone(site, store, None), clock=clock, most=2)
    with pytest.raises(ClusterError, match="is not the monitor's"):
        monitor.catch_up()
