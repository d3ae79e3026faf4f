"""A crew's jobs, reports and photos over HTTP."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from twuin.alerts.model import Kind, Reason
from twuin.alerts.work import Cause
from waterworks.reading import as_datetime

V1 = "/api/v1"


@pytest.fixture
def leak(small_town: Any) -> str:
    return str(small_town.alerts.apply([small_town.leak()])[0].id)


def tell(client: TestClient, id: str, action: str, **more: Any) -> Any:
    body = {"action": action, "key": f"k-{action}", "actor": "Budi", **more}
    return client.post(f"{V1}/field/jobs/{id}/reports", json=body)


def picture(size: tuple[int, int] = (640, 480), format: str = "JPEG") -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(out, format)
    return out.getvalue()


def send(client: TestClient, id: str, body: bytes, key: str = "p1", **query: str) -> Any:
    about = {"key": key, "actor": "Budi", **query}
    return client.post(f"{V1}/alerts/{id}/photos", params=about, content=body)


def test_jobs_are_ones_own_and_those_that_nobody_took(client: TestClient, small_town: Any, leak: str) -> None:
    t = small_town
    t.alerts.apply([t.leak(), t.leak("D2"), t.leak("D3")])
    by_dma = {a.finding.dma: a.id for a in t.alerts.list().items}
    t.alerts.act(by_dma["D2"], "assign", version=1, assignee="Regu 1")
    t.alerts.act(by_dma["D3"], "assign", version=1, assignee="Regu 2")
    found = client.get(f"{V1}/field/jobs", params={"crew": "regu  1"}).json()
    assert {(j["id"], j["mine"]) for j in found["jobs"]} == {(by_dma["D1"], False), (by_dma["D2"], True)}
    assert found["crews"] == ["Regu 1", "Regu 2"]
    assert [j["mine"] for j in client.get(f"{V1}/field/jobs").json()["jobs"]] == [False]


def test_a_job_stays_until_its_repair_is_verified_and_then_is_gone(
    client: TestClient, small_town: Any, leak: str
) -> None:
    tell(client, leak, "accept", crew="Regu 1")
    tell(client, leak, "repaired", crew="Regu 1")
    [job] = client.get(f"{V1}/field/jobs?crew=Regu 1").json()["jobs"]
    assert (job["state"], job["mine"]) == ("repaired", True)
    small_town.alerts.act(leak, "close", version=job["version"], reason=Reason.REPAIRED)
    assert client.get(f"{V1}/field/jobs?crew=Regu 1").json()["jobs"] == []


def test_jobs_that_are_no_work_for_a_crew_are_not_offered(client: TestClient, small_town: Any) -> None:
    t, now = small_town, as_datetime(small_town.clock.now())
    silent = t.leak()
    from dataclasses import replace

    t.alerts.apply(
        [
            replace(silent, kind=Kind.SILENT, subject="D1-P"),
            replace(t.leak("D2"), gain=-1000.0, onset=now - timedelta(hours=3)),  # not worth a visit
        ]
    )
    assert client.get(f"{V1}/field/jobs").json()["jobs"] == []


def test_a_job_brings_all_that_is_needed_without_a_line(client: TestClient, leak: str) -> None:
    job = client.get(f"{V1}/field/jobs/{leak}").json()
    assert [p["pipe"] for p in job["listen"]] == ["P2", "P1"]  # by probability
    assert job["listen"][0]["length_m"] == 1400 and job["listen"][0]["diameter_mm"] == 200
    lines = {
        f["properties"]["id"]: f for f in job["map"]["features"] if f["geometry"]["type"] == "LineString"
    }
    assert set(lines) == {"P1", "P2"} and lines["P2"]["properties"]["length_m"] == 1400
    middle = job["listen"][0]["lon"], job["listen"][0]["lat"]
    assert (job["lon"], job["lat"]) == middle and job["georeferenced"] is True
    assert job["isolation"]["pipe"] == "P2" and job["photos"] == [] and job["history"]
    assert client.get(f"{V1}/field/jobs/none").status_code == 404


def test_a_job_found_is_shown_where_it_was_found(client: TestClient, leak: str) -> None:
    tell(client, leak, "locate", place={"pipe": "P1", "lon": 112.61, "lat": -7.95})
    job = client.get(f"{V1}/field/jobs/{leak}").json()
    assert (job["lon"], job["lat"], job["isolation"]["pipe"]) == (112.61, -7.95, "P1")


def test_what_is_told_late_is_done_or_kept_and_says_who_did_what(
    client: TestClient, small_town: Any, leak: str
) -> None:
    t = small_town
    at = as_datetime(t.clock.now())
    done = tell(client, leak, "accept", crew="Regu 1", happened=(at - timedelta(hours=1)).isoformat())
    assert done.status_code == 200 and done.json()["done"] is True and done.json()["meanwhile"] == []
    assert done.json()["alert"]["assignee"] == "Regu 1"
    version = t.alerts.get(leak).version
    t.alerts.act(
        leak,
        "close",
        version=version,
        actor="Rina",
        reason=Reason.FALSE_ALARM,
        cause=Cause.LARGE_USE,
        note="tank",
    )
    told = {"crew": "Regu 1", "place": {"pipe": "P2"}, "happened": (at - timedelta(minutes=30)).isoformat()}
    for _ in range(2):  # the second is the same one again
        kept = tell(client, leak, "locate", **told).json()
        assert (kept["done"], kept["why"], kept["alert"]["state"]) == (False, "state", "closed")
        assert [(m["action"], m["actor"], m["note"]) for m in kept["meanwhile"]] == [
            ("closed", "Rina", "tank")
        ]
    history = client.get(f"{V1}/alerts/{leak}/history").json()
    assert [h["action"] for h in history if h["action"] == "reported"] == ["reported"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"action": "close"}, 422),
        ({"action": "locate"}, 422),
        ({"action": "locate", "place": {"along_m": 3}}, 422),
        ({"action": "arrive", "key": " "}, 422),
        ({"action": "note"}, 422),
        ({"action": "arrive", "happened": "yesterday"}, 422),
    ],
)
def test_reports_that_say_nothing_usable_are_refused(
    client: TestClient, leak: str, body: dict[str, Any], status: int
) -> None:
    answer = client.post(f"{V1}/field/jobs/{leak}/reports", json={"key": "k", **body})
    assert answer.status_code == status
    assert len(client.get(f"{V1}/alerts/{leak}/history").json()) == 1


def test_a_photo_is_sent_listed_fetched_and_taken_away(client: TestClient, leak: str) -> None:
    sent = send(client, leak, picture((3000, 2000)), step="locate", happened="2026-03-10T01:00:00Z")
    assert sent.status_code == 201
    photo = sent.json()
    assert (photo["actor"], photo["step"], photo["width"]) == ("Budi", "locate", 1600)
    assert send(client, leak, picture((3000, 2000)), step="locate").json() == photo  # the same again
    assert client.get(f"{V1}/alerts/{leak}/photos").json() == [photo]
    for query, width in (("", 1600), ("?small=true", 320)):
        answer = client.get(f"{V1}/alerts/{leak}/photos/{photo['id']}{query}")
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.headers["cache-control"].startswith("private")
        assert Image.open(io.BytesIO(answer.content)).width == width
    assert client.delete(f"{V1}/alerts/{leak}/photos/{photo['id']}").status_code == 204
    assert client.get(f"{V1}/alerts/{leak}/photos").json() == []
    assert client.get(f"{V1}/alerts/{leak}/photos/{photo['id']}").status_code == 404


def test_files_that_are_no_photos_are_refused(client: TestClient, leak: str) -> None:
    for body in (b"", b"<svg onload='alert(1)'/>", picture(format="GIF"), picture()[:500]):
        answer = send(client, leak, body)
        assert answer.status_code == 422 and "photo" in answer.json()["detail"]
    assert send(client, leak, picture(), key=" ").status_code == 422
    assert send(client, leak, picture(), step="explode").status_code == 422
    assert send(client, "none", picture()).status_code == 404
    send(client, leak, picture())
    assert send(client, leak, picture((8, 8))).status_code == 422  # its key was another photo's
    assert len(client.get(f"{V1}/alerts/{leak}/photos").json()) == 1


def test_only_photos_may_be_long_and_those_not_too_long(client: TestClient, leak: str) -> None:
    long = bytes(200_000)
    assert send(client, leak, long).status_code == 422  # was read, and is no photo
    assert send(client, leak, bytes(4 * 2**20 + 1)).status_code == 413
    chunks = (bytes(2**20) for _ in range(6))  # without a length that says so beforehand
    address = f"{V1}/alerts/{leak}/photos?key=k"
    assert client.post(address, content=chunks).status_code == 413
    assert client.post(f"{V1}/field/jobs/{leak}/reports", content=long).status_code == 413
