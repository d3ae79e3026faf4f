"""What each route answers."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from unittest.mock import ANY

import numpy as np
import pytest
from fastapi.testclient import TestClient

from ingest.reasons import Reason
from ingest.rejected import Rejected
from ingest.unknown import Heard
from twuin.alerts.model import Reason as AlertReason
from twuin.alerts.model import State
from twuin.alerts.work import Cause
from twuin.views.convert import M3H

V1 = "/api/v1"


def test_the_site_and_its_dmas(client: TestClient) -> None:
    assert client.get(f"{V1}/site").json()["timezone"] == "Asia/Jakarta"
    dmas = client.get(f"{V1}/dmas").json()
    assert [d["id"] for d in dmas] == ["D1", "D2", "D3"]
    assert client.get(f"{V1}/dmas/D1").json() == dmas[0]


def test_series_take_local_times_with_a_plus_as_browsers_write_it(client: TestClient) -> None:
    for plus in ("+", "%2B"):
        window = f"start=2026-03-10T09:00:00{plus}07:00&end=2026-03-10T10:00:00{plus}07:00"
        series = client.get(f"{V1}/dmas/D1/series?{window}").json()
        assert len(series["times"]) == 12
        assert series["times"][0] == "2026-03-10T02:00:00Z"
        assert series["values"]["leak"] == [None] * 12


def test_night_flows(client: TestClient) -> None:
    nights = client.get(f"{V1}/dmas/D1/night-flow", params={"days": 2}).json()
    assert [n["night"] for n in nights] == ["2026-03-09", "2026-03-10"]


def test_sensors_and_their_readings(client: TestClient) -> None:
    assert {s["id"] for s in client.get(f"{V1}/sensors").json()} >= {"D1-IN", "T-LEVEL"}
    assert client.get(f"{V1}/sensors/D1-P").json()["latest"] == 35.0
    readings = client.get(f"{V1}/sensors/D1-P/readings", params={"max_points": 10}).json()
    assert readings["unit"] == "m"
    assert 1 <= len(readings["times"]) <= 10


@pytest.mark.parametrize("ask", [{"params": {"format": "csv"}}, {"headers": {"accept": "text/csv;q=0.9"}}])
def test_readings_as_csv(client: TestClient, ask: dict[str, Any]) -> None:
    answer = client.get(f"{V1}/sensors/T-LEVEL/readings", **ask)
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="T-LEVEL.csv"'
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert rows[0] == ["time", "value [m]", "quality"]
    assert rows[-1] == ["2026-03-10T03:00:00Z", "3.2", "2"]
    assert len(rows) == 433


def test_the_format_asked_for_by_name_goes_before_the_header(client: TestClient) -> None:
    answer = client.get(
        f"{V1}/sensors/D1-P/readings", params={"format": "json"}, headers={"accept": "text/csv"}
    )
    assert answer.headers["content-type"] == "application/json"


def test_the_network_is_sent_once_then_confirmed(client: TestClient) -> None:
    first = client.get(f"{V1}/network.geojson")
    assert first.headers["content-type"] == "application/geo+json"
    assert first.json()["type"] == "FeatureCollection"
    tag = first.headers["etag"]
    for given in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = client.get(f"{V1}/network.geojson", headers={"if-none-match": given})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
    assert client.get(f"{V1}/network.geojson", headers={"if-none-match": '"x"'}).status_code == 200


def test_long_answers_are_compressed(client: TestClient) -> None:
    assert client.get(f"{V1}/dmas/D1/series").headers["content-encoding"] == "gzip"


def test_alerts_are_paged_and_filtered(client: TestClient, small_town: Any) -> None:
    t = small_town
    t.alerts.apply([t.leak(), t.leak("D2"), t.leak("D3", ended_h=-2)])
    first = client.get(f"{V1}/alerts", params={"limit": 2}).json()
    second = client.get(f"{V1}/alerts", params={"limit": 2, "cursor": first["next"]}).json()
    assert len(first["items"]) == 2
    assert len(second["items"]) == 1
    assert second["next"] is None
    both = client.get(f"{V1}/alerts?state=open&state=acknowledged").json()["items"]
    assert {a["dma"] for a in both} == {"D1", "D2"}
    assert client.get(f"{V1}/alerts?kind=silent").json()["items"] == []
    assert len(client.get(f"{V1}/alerts?since=2026-03-10T09:00:00+07:00").json()["items"]) == 2


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 6, 7, 50])
def test_the_most_urgent_come_first_page_by_page(client: TestClient, small_town: Any, limit: int) -> None:
    t = small_town
    found = [
        t.leak("D1", onset_h=-9),  # of 288 m3 a day: high
        replace(t.leak("D2", onset_h=-2), flow=3 / M3H),  # medium
        t.leak("D3", onset_h=-4),  # high, and newer than the first
        replace(t.leak("D1", onset_h=-30), gain=-1.0),  # large, but only watched
        replace(t.leak("D2", onset_h=-28, ended_h=-20), flow=3 / M3H),  # over
        t.leak("D3", onset_h=-30),
        t.leak("D2", onset_h=-34),
        t.leak("D1", onset_h=-60),  # as large as the first, and mended
    ]
    made = t.alerts.apply(found)
    place = {(a.finding.dma, a.finding.onset): a for a in made}
    ids = [place[f.dma, f.onset].id for f in found]
    for k in (5, 6):
        t.alerts.act(
            ids[k],
            "close",
            version=1,
            actor="Ani",
            reason=AlertReason.FALSE_ALARM,
            cause=Cause.OTHER,
            note="x",
        )
    mended = t.alerts.act(ids[7], "repaired", version=1, actor="Ani", note="clamp")
    assert mended.state is State.REPAIRED
    listed: list[str] = []
    asked: dict[str, Any] = {"order": "urgent", "limit": limit}
    while True:
        page = client.get(f"{V1}/alerts", params=asked).json()
        assert len(page["items"]) <= limit and (page["items"] or not listed)
        listed += [a["id"] for a in page["items"]]
        if page["next"] is None:
            break
        asked["cursor"] = page["next"]
    assert listed == [ids[k] for k in (2, 0, 1, 3, 7, 4, 5, 6)]
    closed = client.get(f"{V1}/alerts?order=urgent&state=closed").json()
    assert [a["id"] for a in closed["items"]] == ids[4:7]
    newest = client.get(f"{V1}/alerts").json()["items"]
    assert newest == sorted(newest, key=lambda a: a["onset"], reverse=True)


def test_a_cursor_of_another_order_is_refused(client: TestClient, small_town: Any) -> None:
    t = small_town
    t.alerts.apply([t.leak(), t.leak("D2")])
    for order, other in (("urgent", "newest"), ("newest", "urgent")):
        cursor = client.get(f"{V1}/alerts?order={order}&limit=1").json()["next"]
        assert client.get(f"{V1}/alerts?order={order}&cursor={cursor}").status_code == 200
        assert client.get(f"{V1}/alerts?order={other}&cursor={cursor}").status_code == 422
    for cursor in ("u-", "u-1", "u-1-", "u-x-1-a", "u-9999-1-a", "r-x", "x-1-a", "u-²-1-a"):
        assert client.get(f"{V1}/alerts", params={"order": "urgent", "cursor": cursor}).status_code == 422


def test_an_alert_is_acknowledged_and_closed_over_http(client: TestClient, small_town: Any) -> None:
    (alert,) = small_town.alerts.apply([small_town.leak()])
    path = f"{V1}/alerts/{alert.id}"
    taken = client.post(
        f"{path}/transitions", json={"action": "acknowledge", "version": 1, "actor": "Ani", "note": "going"}
    )
    assert taken.status_code == 200
    assert (taken.json()["state"], taken.json()["version"]) == ("acknowledged", 2)
    closed = client.post(
        f"{path}/transitions", json={"action": "close", "version": 2, "reason": "planned", "actor": "Ani"}
    )
    assert closed.json()["reason"] == "planned"
    history = client.get(f"{path}/history").json()
    assert [(e["actor"], e["action"]) for e in history] == [
        ("monitor", "opened"),
        ("Ani", "acknowledged"),
        ("Ani", "closed"),
    ]
    assert client.get(path).json()["history"] == history


def test_a_stale_version_is_a_conflict_that_shows_the_present(client: TestClient, small_town: Any) -> None:
    (alert,) = small_town.alerts.apply([small_town.leak()])
    small_town.alerts.act(alert.id, "acknowledge", version=1)
    answer = client.post(f"{V1}/alerts/{alert.id}/transitions", json={"action": "acknowledge", "version": 1})
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["current_version"] == 2
    assert answer.json()["current_state"] == "acknowledged"


def test_a_crews_way_is_told_over_http_with_what_was_found(client: TestClient, small_town: Any) -> None:
    (alert,) = small_town.alerts.apply([small_town.leak()])
    path = f"{V1}/alerts/{alert.id}"
    asked = {"action": "assign", "version": 1, "assignee": "Crew Utara", "actor": "Ani"}
    taken = client.post(f"{path}/transitions", json=asked).json()
    assert (taken["state"], taken["assignee"]) == ("assigned", "Crew Utara")
    assert taken["actions"] == [
        *("assign", "accept", "arrive", "locate", "start_repair", "repaired", "close", "note"),
    ]
    assert [a["id"] for a in client.get(f"{V1}/alerts?assignee=Crew Utara").json()["items"]] == [alert.id]
    assert client.get(f"{V1}/alerts?assignee=Crew Selatan").json()["items"] == []
    found = {
        "action": "repaired",
        "key": "phone-1",
        "happened": "2026-03-10T10:00:00+07:00",
        "place": {"lon": 112.6, "lat": -7.9},
        "leak_type": "joint",
        "method": "clamp",
    }
    first = client.post(f"{path}/transitions", json=found)
    assert client.post(f"{path}/transitions", json=found).json() == first.json()
    done = first.json()
    assert (done["state"], done["repaired_at"]) == ("repaired", "2026-03-10T03:00:00Z")
    assert done["place"] == {"pipe": "", "along_m": None, "lon": 112.6, "lat": -7.9}
    last = done["history"][-1]
    assert last["happened"] == "2026-03-10T03:00:00Z"
    assert last["details"] == {
        "place": {"lon": 112.6, "lat": -7.9},
        "leak_type": "joint",
        "method": "clamp",
    }
    other = client.post(f"{path}/transitions", json={**found, "method": "section"})
    assert (other.status_code, "another request" in other.json()["detail"]) == (422, True)


def test_duplicates_and_causes_of_false_alarms_are_told_over_http(
    client: TestClient, small_town: Any
) -> None:
    one, two = small_town.alerts.apply([small_town.leak(), small_town.leak("D3")])
    joined = {"action": "close", "version": 1, "reason": "duplicate", "duplicate_of": one.id}
    assert client.post(f"{V1}/alerts/{two.id}/transitions", json=joined).json()["duplicate_of"] == one.id
    assert client.get(f"{V1}/alerts/{one.id}").json()["duplicates"] == [two.id]
    false = {"action": "close", "version": 2, "reason": "false_alarm", "cause": "meter"}
    assert client.post(f"{V1}/alerts/{one.id}/transitions", json=false).status_code == 200
    assert client.get(f"{V1}/alerts/causes").json() == [
        {"dma": "D1", "dma_name": ANY, "kind": "leak", "cause": "meter", "alerts": 1}
    ]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"action": "close", "version": 1, "reason": "repaired"}, 409),
        ({"action": "close", "version": 1, "reason": "false_alarm"}, 422),
        ({"action": "close", "version": 1, "reason": "duplicate", "duplicate_of": "nope"}, 422),
        ({"action": "assign", "version": 1}, 422),
        ({"action": "locate", "version": 1, "place": {"along_m": 3}}, 422),
        ({"action": "locate", "version": 1, "place": {"lon": 200, "lat": 0}}, 422),
        ({"action": "arrive", "version": 1, "happened": 1700000000}, 422),
        ({"action": "arrive"}, 422),
        ({"action": "close", "version": 1}, 422),
        ({"action": "close", "version": 1, "reason": "withdrawn"}, 422),
        ({"action": "close", "version": 1, "reason": "ended"}, 409),
        ({"action": "reopen", "version": 1}, 409),
        ({"action": "note", "version": 1}, 422),
        ({"action": "note", "version": 1, "note": "x" * 2001}, 422),
        ({"action": "erase", "version": 1}, 422),
        ({"action": "acknowledge"}, 422),
        ({"action": "acknowledge", "version": 10**30}, 409),
        ({"action": "acknowledge", "version": 1, "extra": True}, 422),
        ([], 422),
        (None, 422),
    ],
)
def test_a_transition_that_cannot_be_says_why(
    client: TestClient, small_town: Any, body: Any, status: int
) -> None:
    (alert,) = small_town.alerts.apply([small_town.leak()])
    answer = client.post(f"{V1}/alerts/{alert.id}/transitions", json=body)
    assert answer.status_code == status
    assert answer.json()["detail"]
    assert small_town.alerts.get(alert.id).version == 1


def test_rejected_messages_are_listed_and_downloaded_as_bytes(client: TestClient) -> None:
    listed = client.get(f"{V1}/ingest/rejected", params={"reason": "bad_json"}).json()["items"]
    raw = client.get(f"{V1}/ingest/rejected/{listed[0]['id']}")
    assert raw.content == b"\xff<script>"
    assert raw.headers["content-type"] == "application/octet-stream"
    assert raw.headers["content-disposition"].startswith("attachment")
    assert raw.headers["x-content-type-options"] == "nosniff"
    page = client.get(f"{V1}/ingest/rejected", params={"limit": 1}).json()
    rest = client.get(f"{V1}/ingest/rejected", params={"limit": 1, "cursor": page["next"]}).json()
    assert rest["items"][0]["id"] < page["items"][0]["id"]
    assert client.get(f"{V1}/ingest/stats").json()["rejected"]["total"] == 2


def test_health_answers_live_ready_and_whole(client: TestClient) -> None:
    assert client.get(f"{V1}/health/live").json() == {"status": "ok"}
    assert client.get(f"{V1}/health/ready").json() == {"status": "ok"}
    assert client.get(f"{V1}/health").json()["parts"]["store"]["status"] == "ok"


def test_metrics_count_alerts_rejections_and_requests(client: TestClient, small_town: Any) -> None:
    small_town.alerts.apply([small_town.leak()])
    client.get(f"{V1}/dmas/D1")
    client.get(f"{V1}/dmas/nope")
    client.get("/wp-login.php")
    text = client.get("/metrics").text
    for line in (
        'twuin_alerts{kind="leak",state="open"} 1.0',
        'twuin_alerts{kind="silent",state="open"} 0.0',
        'twuin_rejected_total{reason="bad_json"} 1.0',
        "twuin_watermark_lag_seconds 0.0",
        "twuin_up 1.0",
        'twuin_http_request_seconds_count{method="GET",route="/api/v1/dmas/{id}",status="404"} 1.0',
        'twuin_http_request_seconds_count{method="GET",route="other",status="404"} 1.0',
    ):
        assert line in text.splitlines()
    assert "wp-login" not in text


def test_two_applications_keep_their_metrics_apart(app: Any, client: TestClient) -> None:
    from twuin.access import OpenAccess, install_access
    from twuin.api import install_guards

    other = type(app)()
    install_access(other, OpenAccess())
    install_guards(other, allowed_hosts=("x",))
    assert other.state.registry is not app.state.registry


def test_clocks_are_all_right_where_nothing_is_held(client: TestClient) -> None:
    assert client.get(f"{V1}/ingest/clocks").json() == {"offsets": [], "held": [], "evicted": 0}


def test_the_ledger_answers_for_any_sensor_and_day(client: TestClient, small_town: Any) -> None:
    sensor = small_town.site.sensors[0]
    found = client.get(f"{V1}/ingest/ledger", params={"sensor": sensor.id, "days": 2}).json()
    assert [
        (i["sensor"], i["device"], i["received"]) for i in found["items"]
    ] == []  # there is no ledger here
    assert found["total"] == dict.fromkeys(
        ("expected", "received", "late", "duplicate", "rejected", "missing"), 0
    )
    assert client.get(f"{V1}/ingest/ledger", params={"sensor": "X"}).status_code == 404
    assert client.get(f"{V1}/ingest/ledger", params={"day": "2026-02-30"}).status_code == 422
    assert client.get(f"{V1}/ingest/ledger", params={"days": 32}).status_code == 422


def test_unknown_names_are_listed_with_what_they_said_last(client: TestClient, small_town: Any) -> None:
    assert client.get(f"{V1}/ingest/unknown").json()["items"] == []
    at = np.datetime64("2026-11-21T03:00", "us")
    names = (Heard("urn:x:flow", 12.5, "m3/h", at, 3), Heard("urn:x:level", math.nan, "", at))
    received = datetime(2026, 11, 21, 12, tzinfo=UTC)
    small_town.rejected.add(
        [Rejected(received, "twuin/a/b/senml", b"[]", Reason.UNKNOWN_SENSOR, "", 4, names)]
    )
    flow, level = client.get(f"{V1}/ingest/unknown").json()["items"]
    assert flow == {
        "name": "urn:x:flow",
        "topic": "twuin/a/b/senml",
        "value": 12.5,
        "unit": "m3/h",
        "time": "2026-11-21T03:00:00Z",
        "heard": "2026-11-21T12:00:00Z",
        "readings": 3,
    }
    assert level["value"] is None
    assert len(client.get(f"{V1}/ingest/unknown", params={"limit": 1}).json()["items"]) == 1
