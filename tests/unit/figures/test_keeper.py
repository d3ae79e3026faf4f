"""The job that keeps figures: after a restart, while the store is away, as alerts come and go."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from twuin.figures.keeper import Keeper, Running, _every
from twuin.figures.names import ALERT, EVENT, LEDGER, LOSS, PART, PROCESS, SPAN, STATE
from twuin.views.views import Views
from waterworks.errors import StoreError, StoreUnavailable
from waterworks.figures import Figure, FigureStore, Key
from waterworks.series import Derived, derived


class MemoryFigures:
    """As InfluxDB keeps them: a point is its key, its fields are merged."""

    def __init__(self) -> None:
        self.points: dict[tuple[str, Key, np.datetime64], dict[str, Any]] = {}
        self.away: type[Exception] | None = None

    def write_figures(self, figures: Sequence[Figure]) -> None:
        if self.away is not None:
            raise self.away("away")
        for f in figures:
            self.points.setdefault((f.measurement, f.key, f.time), {}).update(f.fields)

    def figure_times(self, measurement: str, field: str) -> dict[Key, list[np.datetime64]]:
        if self.away is not None:
            raise self.away("away")
        found: dict[Key, list[np.datetime64]] = {}
        for (name, key, time), fields in self.points.items():
            if name == measurement and fields.get(field):
                found.setdefault(key, []).append(time)
        return found

    def of(self, measurement: str) -> list[dict[str, Any]]:
        return [
            dict(key) | fields | {"time": time}
            for (name, key, time), fields in self.points.items()
            if name == measurement
        ]


@pytest.fixture
def figures() -> MemoryFigures:
    return MemoryFigures()


def keeper(town: Any, store: FigureStore) -> Keeper:
    views = Views(
        town.site, town.store, town.alerts, clock=town.clock, network=town.network, works=town.works
    )
    return Keeper(town.site, views, town.alerts, store)


def test_a_second_run_over_the_same_writes_the_same(small_town: Any, figures: MemoryFigures) -> None:
    small_town.alerts.apply([small_town.leak()])
    keeper(small_town, figures).catch_up()
    before = {k: dict(v) for k, v in figures.points.items()}
    assert {name for name, _, _ in before} >= {ALERT, EVENT, SPAN, STATE}
    keeper(small_town, figures).catch_up()
    assert figures.points == before


def test_a_withdrawn_alert_is_not_open_and_spans_nothing(small_town: Any, figures: MemoryFigures) -> None:
    small_town.alerts.apply([small_town.leak()])
    keep = keeper(small_town, figures)
    keep.write_alerts()
    assert [s["shown"] for s in figures.of(SPAN)] == [1]
    small_town.clock.time = small_town.clock.time + np.timedelta64(1, "h")
    small_town.alerts.apply([])
    keep.write_alerts()
    newest = max(figures.of(ALERT), key=lambda a: a["time"])
    assert (newest["open"], newest["state"], newest["reason"]) == (0, "closed", "withdrawn")
    assert [s["shown"] for s in figures.of(SPAN)] == [0]


def test_alerts_of_another_database_are_closed(small_town: Any, figures: MemoryFigures) -> None:
    small_town.alerts.apply([small_town.leak()])
    keeper(small_town, figures).write_alerts()
    (kept,) = small_town.alerts.list().items
    when = next(a["time"] for a in figures.of(ALERT))
    lost = {"alert": "lost", "dma": "D1", "kind": "leak"}
    mark = {"what": "leak", "span": "leak:lost", "dma": "D1"}
    figures.write_figures([Figure(ALERT, when, lost, {"open": 1}), Figure(SPAN, when, mark, {"shown": 1})])
    keeper(small_town, figures).write_alerts()
    assert {a["alert"]: a["open"] for a in figures.of(ALERT)} == {kept.id: 1, "lost": 0}
    assert {s["span"]: s["shown"] for s in figures.of(SPAN)} == {f"leak:{kept.id}": 1, "leak:lost": 0}


def test_an_onset_found_earlier_while_twuin_was_down_leaves_one_span(
    small_town: Any, figures: MemoryFigures
) -> None:
    small_town.alerts.apply([small_town.leak()])
    keeper(small_town, figures).write_alerts()
    (alert,) = small_town.alerts.list().items
    moved = replace(alert.finding, onset=small_town.leak(onset_h=-7).onset, flow=alert.finding.flow * 2)
    small_town.clock.time = small_town.clock.time + np.timedelta64(1, "h")
    small_town.alerts.apply([moved])
    assert small_town.alerts.get(alert.id).finding.onset == moved.onset
    keeper(small_town, figures).write_alerts()
    assert sorted(s["shown"] for s in figures.of(SPAN)) == [0, 1]


def test_what_came_while_the_store_was_away_is_written_once_it_is_back(
    small_town: Any, figures: MemoryFigures
) -> None:
    keep = keeper(small_town, figures)
    keep.catch_up()
    small_town.alerts.apply([small_town.leak()])
    figures.away = StoreUnavailable
    with pytest.raises(StoreUnavailable):
        keep.catch_up()
    figures.away = None
    keep.catch_up()
    assert [a["open"] for a in figures.of(ALERT)] == [1]
    assert {e["action"] for e in figures.of(EVENT)} == {"opened"}


@pytest.mark.parametrize("error", [StoreUnavailable, StoreError])
def test_the_job_goes_on_after_a_store_that_refuses(error: type[Exception]) -> None:
    stop, tries = threading.Event(), []

    def work() -> None:
        tries.append(1)
        stop.set()
        raise error("no")

    _every(stop, 0.0, work)
    assert tries == [1]


def test_states_of_dmas_sensors_and_site_stand_at_five_minutes(
    small_town: Any, figures: MemoryFigures
) -> None:
    small_town.clock.time = np.datetime64("2026-03-10T03:03:20", "us")
    keep = keeper(small_town, figures)
    keep.catch_up()
    keep.catch_up()
    found = figures.of(STATE)
    assert {f["time"] for f in found} == {np.datetime64("2026-03-10T03:00", "us")}
    by_what = {what: [f for f in found if f["what"] == what] for what in ("site", "dma", "sensor")}
    assert [len(v) for v in by_what.values()] == [1, 3, 5]
    assert next(s for s in by_what["sensor"] if s["sensor"] == "T-LEVEL")["lon"] == 112.5


def test_losses_are_written_for_each_day_up_to_the_last_whole_one(
    small_town: Any, figures: MemoryFigures
) -> None:
    keep = keeper(small_town, figures)
    keep.catch_up()
    losses = figures.of(LOSS)
    if small_town.store.extent([derived("D1", Derived.INFLOW)]) is None:
        assert losses == []
    else:
        assert len({f["time"] for f in losses}) == 15
    assert figures.of(LEDGER) == [] or all(f["expected"] >= f["missing"] for f in figures.of(LEDGER))


def test_a_process_tells_of_itself_and_its_parts(small_town: Any, figures: MemoryFigures) -> None:
    views = Views(small_town.site, small_town.store, small_town.alerts, clock=small_town.clock)
    Running(views, figures, "serve").write()
    (process,) = figures.of(PROCESS)
    assert process["memory_bytes"] > 1_000_000 and process["cpu_s"] > 0 and process["process"] == "serve"
    assert {p["part"]: p["state"] for p in figures.of(PART)} == {"store": 0, "alerts": 0}
