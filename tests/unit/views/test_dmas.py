"""How a DMA is shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from twuin.alerts.model import Kind, Reason
from twuin.views.views import Views
from waterworks.errors import NotFound
from waterworks.series import Derived, derived

NOW = datetime(2026, 3, 10, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)


def states(views: Views) -> dict[str, str]:
    return {d.id: d.state for d in views.dmas()}


def test_flows_are_in_m3_per_hour(views: Views) -> None:
    dma = views.dma("D1")
    assert dma.inflow_m3h == pytest.approx(100 + 431 / 12)
    assert dma.expected_m3h == pytest.approx(90)
    assert dma.night_flow_m3h == pytest.approx(22)
    assert dma.night_flow_usual_m3h == pytest.approx(20.5)


def test_excess_is_night_flow_beyond_what_customers_use(views: Views) -> None:
    dma = views.dma("D1")
    assert dma.legitimate_night_use_m3h == pytest.approx(1.7)  # 1000 connections at 1.7 l/h
    assert dma.excess_m3day == pytest.approx((22 - 1.7) * 24)


def test_the_spark_is_the_hourly_mean_of_the_last_24_hours(views: Views) -> None:
    spark = views.dma("D1").spark_m3h
    assert len(spark) == 24
    assert spark[-1] == pytest.approx(
        100 + 431 / 12, abs=1e-3
    )  # the hour that has just begun holds one value
    assert spark[-2] == pytest.approx(100 + np.arange(419, 431).mean() / 12, abs=1e-3)
    assert np.diff(np.array(spark[:-1], float)) == pytest.approx(1.0, abs=2e-3)


def test_hours_without_a_reading_are_gaps_in_the_spark(small_town: Any, views: Views) -> None:
    name = derived("D3", Derived.INFLOW)
    small_town.put(name, np.datetime64("2026-03-09T20:10", "us"), 1 / 3600)
    spark = views.dma("D3").spark_m3h
    assert [i for i, v in enumerate(spark) if v is not None] == [16]
    assert views.dma("D3").inflow_m3h is None  # seven hours old: not the present


def test_a_dma_is_normal_while_its_inlets_speak(views: Views) -> None:
    assert states(views) == {"D1": "normal", "D2": "normal", "D3": "nodata"}


def test_a_silent_inlet_makes_no_data_on_both_of_its_sides(small_town: Any, views: Views) -> None:
    later = np.datetime64("2026-03-10T03:16", "us")
    small_town.put("D1-IN", later, 0.01)
    small_town.clock.time = later
    assert states(views)["D1"] == "nodata"  # D1-D2 is silent for more than three intervals
    assert states(views)["D2"] == "nodata"
    small_town.put("D1-D2", later, 0.01)
    assert states(views)["D1"] == "normal"


def test_a_fast_clock_leaves_readings_time_to_arrive(small_town: Any) -> None:
    t = small_town
    t.clock.time = t.clock.time + np.timedelta64(20, "m")
    slow = Views(t.site, t.store, t.alerts, clock=t.clock)
    fast = Views(t.site, t.store, t.alerts, clock=t.clock, clock_speed=300)
    assert states(slow)["D1"] == "nodata"
    assert states(fast)["D1"] == "normal"


def test_a_lasting_leak_is_shown_until_it_ends_or_is_closed(small_town: Any, views: Views) -> None:
    (alert,) = small_town.alerts.apply([small_town.leak()])
    assert states(views)["D1"] == "leak"
    assert views.dma("D1").open_alerts == 1
    small_town.alerts.act(alert.id, "acknowledge", version=1)
    assert states(views)["D1"] == "leak"
    small_town.alerts.act(alert.id, "close", version=2, reason=Reason.PLANNED)
    assert states(views)["D1"] == "normal"
    assert views.dma("D1").open_alerts == 0


def test_an_acknowledged_leak_that_ended_is_no_leak_any_more(small_town: Any, views: Views) -> None:
    (alert,) = small_town.alerts.apply([small_town.leak()])
    small_town.alerts.act(alert.id, "acknowledge", version=1)
    small_town.alerts.apply([small_town.leak(ended_h=-1)])
    assert states(views)["D1"] == "normal"
    assert views.dma("D1").open_alerts == 1


def test_a_leak_is_shown_even_without_data(small_town: Any, views: Views) -> None:
    small_town.alerts.apply([small_town.leak("D3")])
    assert states(views)["D3"] == "leak"


def test_high_night_flow_is_watched_unless_there_is_a_leak(small_town: Any, views: Views) -> None:
    night = replace(small_town.leak(), kind=Kind.NIGHT_FLOW)
    small_town.alerts.apply([night])
    assert states(views)["D1"] == "watch"
    small_town.alerts.apply([night, small_town.leak()])
    assert states(views)["D1"] == "leak"


def test_a_dma_is_shown_as_of_the_watermark(small_town: Any) -> None:
    t = small_town
    mark = NOW - 6 * HOUR
    views = Views(t.site, t.store, t.alerts, clock=t.clock, watermark=lambda: mark)
    assert views.dma("D1").inflow_m3h == pytest.approx(100 + (431 - 72) / 12)
    assert views.watermark() == mark
    assert Views(t.site, t.store, t.alerts, clock=t.clock).watermark() == NOW


def test_past_data_are_not_said_to_be_analysed_beyond_their_end(small_town: Any) -> None:
    t = small_town
    ahead = Views(t.site, t.store, t.alerts, clock=t.clock, watermark=lambda: NOW + HOUR, clock_is="data")
    assert ahead.site().watermark == ahead.site().now


def test_a_site_without_any_reading_is_shown_too(small_town: Any, tmp_path: Any) -> None:
    from ingest.store.duck import DuckStore

    t = small_town
    store = DuckStore(tmp_path / "empty.duckdb")
    views = Views(t.site, store, t.alerts, clock=t.clock)
    assert {d.state for d in views.dmas()} == {"nodata"}
    assert views.dma("D1").inflow_m3h is None
    assert views.dma("D1").spark_m3h == [None] * 24
    assert views.night_flows("D1") == []
    assert views.dma_series("D1").times == []
    assert views.sensor_series("D1-IN").times == []
    assert views.sensor("D1-IN").state == "nodata"
    assert views.site().watermark is None
    store.close()


def test_nights_are_named_by_the_local_day_they_begin(views: Views) -> None:
    nights = views.night_flows("D1")
    assert [n.night for n in nights] == [date(2026, 3, 8), date(2026, 3, 9), date(2026, 3, 10)]
    assert [n.night_flow_m3h for n in nights] == pytest.approx([20, 21, 22])
    assert nights[-1].excess_m3h == pytest.approx(22 - 1.7)
    assert [n.night for n in views.night_flows("D1", days=1)] == [date(2026, 3, 10)]


def test_a_series_holds_the_band_and_the_statistic(views: Views) -> None:
    series = views.dma_series("D1", NOW - HOUR, NOW)
    assert series.unit == "m3/h"
    assert len(series.times) == 12
    assert series.step_s is None
    assert set(series.values) == {"inflow", "expected", "low", "high", "leak", "cusum"}
    assert series.values["low"] == pytest.approx([75] * 12)
    assert series.values["high"] == pytest.approx([105] * 12)
    assert series.values["cusum"] == pytest.approx([0.5] * 12)
    assert series.values["leak"] == [None] * 12


@pytest.mark.parametrize("points", [2, 3, 10, 100, 431, 432, 5000])
def test_no_series_is_longer_than_asked_for(views: Views, points: int) -> None:
    series = views.dma_series("D1", NOW - 48 * HOUR, NOW + HOUR, max_points=points)
    assert 1 <= len(series.times) <= points
    assert (series.step_s is None) == (points >= 432)


def test_a_series_begins_a_week_before_the_newest_by_default(small_town: Any, views: Views) -> None:
    old = np.datetime64("2026-02-01", "us")
    small_town.put(derived("D1", Derived.INFLOW), old, 1.0)
    assert views.dma_series("D1").times[0] == NOW - timedelta(minutes=5 * 431)
    assert views.dma_series("D1", start=datetime(2000, 1, 1, tzinfo=UTC)).times[0].date() == date(2026, 2, 1)


def test_absurd_ranges_are_answered(views: Views) -> None:
    far = datetime(2199, 1, 1, tzinfo=UTC)
    assert len(views.dma_series("D1", datetime(1900, 1, 1, tzinfo=UTC), far).times) == 432
    assert views.dma_series("D1", far, far + HOUR).times == []
    assert views.dma_series("D1", NOW, NOW - HOUR).times == []


@pytest.mark.parametrize("id", ["", "D9", "../D1", "d1", "D1\0"])
def test_an_unknown_dma_is_not_found(views: Views, id: str) -> None:
    for ask in (views.dma, views.dma_series, views.night_flows):
        with pytest.raises(NotFound, match="no DMA"):
            ask(id)


def test_a_dma_whose_inlet_meter_is_not_trusted_is_not_watched(small_town: Any, views: Views) -> None:
    fault = replace(small_town.leak(), kind=Kind.SENSOR, subject="D1-D2", flow=0.0, volume=0.0)
    small_town.alerts.apply([fault])
    assert states(views) == {"D1": "nodata", "D2": "nodata", "D3": "nodata"}
    small_town.alerts.apply([])
    assert states(views)["D1"] == "normal"
