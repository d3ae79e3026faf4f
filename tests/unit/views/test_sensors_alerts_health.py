"""How sensors, alerts, rejected input and Twuin itself are shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ingest.devices import DeviceLog, DeviceState
from ingest.stats import Stats
from twuin.alerts.model import Kind, State
from twuin.alerts.service import BadCursor
from twuin.views.views import Views
from waterworks.errors import NotFound, StoreUnavailable
from waterworks.priorities import Critical, PriorityLimits
from waterworks.promises import Promise, Promises, WorkingHours

NOW = datetime(2026, 3, 10, 3, tzinfo=UTC)


def test_a_sensor_is_shown_in_the_unit_that_people_read(views: Views) -> None:
    shown = {s.id: (s.unit, s.latest) for s in views.sensors()}
    assert shown["D1-D2"] == ("m3/h", pytest.approx(36.0))
    assert shown["D1-P"] == ("m", pytest.approx(35.0))
    assert shown["D2-P"] == ("m", None)


def test_a_sensor_says_how_it_is(small_town: Any, views: Views) -> None:
    states = {s.id: s.state for s in views.sensors()}
    assert states == {"D1-IN": "ok", "D1-D2": "ok", "D1-P": "ok", "T-LEVEL": "suspect", "D2-P": "nodata"}
    small_town.clock.time += np.timedelta64(16, "m")
    assert {s.state for s in views.sensors()} == {"silent", "nodata"}
    assert views.sensor("D1-P").state == "silent"


def test_a_sensor_that_an_alert_calls_faulty_is_doubtful_until_the_fault_is_over(
    small_town: Any, views: Views
) -> None:
    fault = replace(small_town.leak(), kind=Kind.SENSOR, subject="D1-P", flow=0.0, volume=0.0)
    small_town.alerts.apply([fault])
    assert {s.id for s in views.sensors() if s.state == "suspect"} == {"D1-P", "T-LEVEL"}
    assert views.sensor("D1-P").state == "suspect"
    small_town.alerts.apply([])
    assert views.sensor("D1-P").state == "ok"


def test_a_sensor_stands_where_it_says_or_at_its_element(views: Views) -> None:
    tank, inlet = views.sensor("T-LEVEL"), views.sensor("D1-IN")
    assert (tank.lon, tank.lat) == (112.5, -7.95)
    assert inlet.lon == pytest.approx(112.61, abs=0.02)
    assert inlet.lat == pytest.approx(-7.96, abs=0.02)


def test_readings_come_with_their_quality(small_town: Any, views: Views) -> None:
    series = views.sensor_series("T-LEVEL", NOW - timedelta(minutes=10), NOW + timedelta(minutes=1))
    assert series.values == {"T-LEVEL": pytest.approx([3.2, 3.2, 3.2])}
    assert series.quality == {"T-LEVEL": [2, 2, 2]}
    assert series.unit == "m"


def test_thinned_readings_are_means_over_even_steps(views: Views) -> None:
    series = views.sensor_series("D1-IN", NOW - timedelta(hours=24), NOW, max_points=25)
    assert series.step_s == 3600
    assert all(t.minute == 0 for t in series.times)
    assert series.values["D1-IN"][1] == pytest.approx(100 + np.arange(155, 167).mean() / 12)


def test_readings_closer_than_announced_are_thinned_too(small_town: Any, views: Views) -> None:
    fast = np.datetime64(NOW.replace(tzinfo=None), "us") - np.arange(7200)[::-1] * np.timedelta64(1, "s")
    small_town.put("D2-P", fast, 20.0)
    assert 1 <= len(views.sensor_series("D2-P", max_points=100).times) <= 100


def test_an_unknown_sensor_is_not_found(views: Views) -> None:
    for ask in (views.sensor, views.sensor_series):
        with pytest.raises(NotFound, match="no sensor"):
            ask("dma:D1:inflow")


def test_an_alert_is_shown_with_flow_loss_and_cost(small_town: Any, views: Views) -> None:
    (alert,) = small_town.alerts.apply([small_town.leak()])
    shown = views.alert(alert.id)
    assert shown.flow_m3h == pytest.approx(12)
    assert (shown.flow_low_m3h, shown.flow_high_m3h) == pytest.approx((10, 14))
    assert shown.lost_m3 == 60
    assert shown.cost == 300_000
    assert shown.dma_name == "Dinoyo"
    assert [s.pipe for s in shown.suspects] == ["P2", "P1"]
    assert [e.action for e in shown.history] == ["opened"]


def test_an_alert_has_a_priority_and_the_clocks_that_are_promised_for_it(small_town: Any) -> None:
    t = small_town
    (alert,) = t.alerts.apply([t.leak()])
    plain = Views(t.site, t.store, t.alerts, clock=t.clock).alert(alert.id)
    assert (plain.priority, plain.priority_why, plain.promises) == ("high", ["water"], [])
    promises = Promises(WorkingHours(t.site.timezone), {"high": Promise(repair=timedelta(hours=24))})
    hospital = replace(
        t.site,
        promises=promises,
        priority=PriorityLimits(high_m3_day=1000),
        critical=(Critical("RSUD", "D1"),),
    )
    found = Views(hospital, t.store, t.alerts, clock=t.clock).alert(alert.id)
    assert (found.priority, found.priority_why, found.critical) == ("high", ["water", "critical"], ["RSUD"])
    (clock,) = found.promises
    assert (clock.stage, clock.standing) == ("repair", "running")
    assert clock.due - clock.begun == timedelta(hours=24)


def test_only_lost_water_has_a_cost(small_town: Any, views: Views) -> None:
    silent = replace(small_town.leak(), kind=Kind.SILENT, subject="D1-P", flow=0.0, volume=0.0)
    (alert,) = small_town.alerts.apply([silent])
    assert views.alert(alert.id).cost is None


def test_an_alert_of_a_dma_that_is_gone_is_still_shown(small_town: Any, views: Views) -> None:
    (alert,) = small_town.alerts.apply([small_town.leak("OLD")])
    assert views.alert(alert.id).dma_name == "OLD"


def test_alerts_come_in_pages_that_leave_nothing_out(small_town: Any, views: Views) -> None:
    findings = [replace(small_town.leak(), subject=f"S{i}") for i in range(7)]  # all with one onset
    small_town.alerts.apply(findings)
    seen, cursor = [], None
    for _ in range(4):
        page = views.alerts(limit=2, cursor=cursor)
        seen += [a.subject for a in page.items]
        cursor = page.next
    assert cursor is None
    assert sorted(seen) == sorted(f.subject for f in findings)


def test_alerts_are_filtered(small_town: Any, views: Views) -> None:
    t = small_town
    t.alerts.apply([t.leak(), t.leak("D2", ended_h=-2), replace(t.leak("D2"), kind=Kind.NIGHT_FLOW)])
    assert [a.dma for a in views.alerts(state=State.CLOSED).items] == ["D2"]
    assert len(views.alerts(state=[State.OPEN, State.CLOSED]).items) == 3
    assert len(views.alerts(kind=Kind.LEAK).items) == 2
    assert len(views.alerts(dma="D2").items) == 2
    assert len(views.alerts(since=NOW - timedelta(hours=1)).items) == 2


@pytest.mark.parametrize("cursor", ["", "x", "-", "zz-a1", "f" * 200 + "-a", "\0-\0", "5 - 7"])
def test_a_made_up_cursor_is_refused_or_harmless(views: Views, cursor: str) -> None:
    try:
        assert views.alerts(cursor=cursor).items == []
    except BadCursor as e:
        assert "cursor" in str(e)


def test_rejected_input_is_listed_counted_and_kept(views: Views) -> None:
    page = views.rejected(limit=1)
    assert [r.reason for r in page.items] == ["empty"]
    assert page.next is not None
    (older,) = views.rejected(before=int(page.next)).items
    assert (older.reason, older.size) == ("bad_json", 9)
    assert views.rejected_payload(older.id) == b"\xff<script>"
    assert views.rejected_summary().by_reason == {"bad_json": 1, "empty": 1}
    assert [r.id for r in views.rejected(reason="bad_json").items] == [older.id]
    with pytest.raises(NotFound):
        views.rejected_payload(10**6)


def test_devices_tell_of_themselves(small_town: Any, tmp_path: Path) -> None:
    t = small_town
    log = DeviceLog(tmp_path / "devices.sqlite")
    log.update([DeviceState("dev1", "online", NOW, battery_v=3.6, signal_dbm=-71.0, sensors=("D1-IN",))])
    (device,) = Views(t.site, t.store, t.alerts, clock=t.clock, devices=log).devices()
    assert (device.id, device.state, device.battery_v, device.sensors) == ("dev1", "online", 3.6, ["D1-IN"])
    assert Views(t.site, t.store, t.alerts, clock=t.clock).devices() == []
    log.close()


def test_ingest_counters_are_those_of_this_process(small_town: Any, views: Views) -> None:
    t = small_town
    assert not views.ingest_stats().running
    stats = Stats(received=5, stored=40, duplicates=2, connected=True)
    shown = Views(t.site, t.store, t.alerts, clock=t.clock, ingest=lambda: stats).ingest_stats()
    assert (shown.running, shown.connected, shown.messages, shown.readings_stored) == (True, True, 5, 40)


def test_health_is_the_worst_that_matters(small_town: Any) -> None:
    t = small_town

    def status(**parts: dict[str, Any]) -> str:
        return Views(t.site, t.store, t.alerts, clock=t.clock, parts=lambda: dict(parts)).health().status

    assert status() == "ok"
    assert status(ingest={"status": "degraded", "detail": "no broker"}) == "degraded"
    assert status(monitor={"status": "down", "detail": "failed"}) == "degraded"
    assert status(store={"status": "down", "detail": "gone"}) == "down"


def test_health_tells_of_a_store_that_cannot_answer(small_town: Any) -> None:
    t = small_town

    class Gone:
        def extent(self, sensors: Any = None) -> None:
            raise StoreUnavailable("the store is being handed over")

    health = Views(t.site, Gone(), t.alerts, clock=t.clock).health()  # type: ignore[arg-type]
    assert health.status == "down"
    assert health.parts["store"] == {"status": "down", "detail": "the store is being handed over"}
    assert health.parts["alerts"]["status"] == "ok"


def test_the_site_has_bounds_and_a_clock(small_town: Any, views: Views) -> None:
    site = views.site()
    assert (site.id, site.timezone, site.now) == ("town", "Asia/Jakarta", NOW)
    assert site.bounds is not None
    west, south, east, north = site.bounds
    assert west == pytest.approx(112.5)
    assert east == pytest.approx(112.626, abs=0.01)
    assert -8 < south < north < -7.9
    t = small_town
    bare = replace(t.site, sensors=tuple(s for s in t.site.sensors if s.lon is None))
    assert Views(bare, t.store, t.alerts, clock=t.clock).site().bounds is None


def test_the_network_is_drawn_once(views: Views) -> None:
    drawn = views.network_geojson()
    assert {f["properties"]["id"] for f in drawn["features"]} >= {"P1", "P2", "R"}
    assert views.network_geojson() is drawn
