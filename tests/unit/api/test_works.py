"""Planned works over the API: entered, changed, cancelled; what is refused and how that is told."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

ENTER = {
    "kind": "flushing",
    "start": "2026-03-11T08:00:00+07:00",
    "end": "2026-03-11T12:00:00+07:00",
    "dmas": ["D1"],
    "extra_m3h": 20,
}


def test_a_work_is_entered_changed_and_cancelled(client: TestClient) -> None:
    made = client.post("/api/v1/works", json={**ENTER, "actor": "Sari", "key": "k"})
    assert made.status_code == 201
    work = made.json()
    assert (work["entered_by"], work["version"], work["extra_m3h"], work["areas"]) == ("Sari", 1, 20, ["D1"])
    assert client.post("/api/v1/works", json={**ENTER, "key": "k"}).json()["id"] == work["id"]
    where = f"/api/v1/works/{work['id']}"
    changed = client.put(where, json={**ENTER, "extra_m3h": 30, "version": 1, "why": "two hydrants"})
    assert changed.status_code == 200 and changed.json()["version"] == 2
    gone = client.post(f"{where}/cancel", json={"version": 2})
    assert gone.json()["state"] == "cancelled"
    actions = [(x["action"], x["note"]) for x in client.get(where).json()["history"]]
    assert actions == [("entered", ""), ("changed", "two hydrants"), ("cancelled", "")]


def test_an_outdated_change_is_told_how_it_stands(client: TestClient) -> None:
    work = client.post("/api/v1/works", json=ENTER).json()
    where = f"/api/v1/works/{work['id']}"
    client.put(where, json={**ENTER, "extra_m3h": 30, "version": 1})
    answer = client.post(f"{where}/cancel", json={"version": 1})
    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:twuin:problem:stale-work" and answer.json()["current_version"] == 2


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("dmas", {"dmas": []}),
        ("dmas", {"dmas": ["nowhere"]}),
        ("end", {"end": "2026-03-11T07:00:00+07:00"}),
        ("end", {"end": None}),
        ("weekdays", {"from_time": "22:00"}),
        ("from_time", {"weekdays": [0], "from_time": "late", "to_time": "06:00"}),
        ("weekdays", {"weekdays": [0, 0], "from_time": "22:00", "to_time": "06:00"}),
        ("extra_m3h", {"extra_m3h": None}),
        ("extra_m3h", {"extra_m3h": -1}),
        ("kind", {"kind": "picnic"}),
        ("start", {"start": "2026-03-11T08:00:00"}),
        ("sensors", {"sensors": ["nobody"]}),
    ],
    ids=lambda given: given if isinstance(given, str) else "-".join(given),
)
def test_what_cannot_be_is_refused_by_name(client: TestClient, name: str, wrong: dict[str, Any]) -> None:
    answer = client.post("/api/v1/works", json={**ENTER, **wrong})
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:twuin:problem:invalid"
    assert answer.json()["errors"][0]["name"] == name


def test_the_list_is_bounded_by_time_and_dma(client: TestClient) -> None:
    for day, dma in ((11, "D1"), (20, "D2")):
        asked = {
            **ENTER,
            "dmas": [dma],
            "start": f"2026-03-{day}T01:00:00Z",
            "end": f"2026-03-{day}T05:00:00Z",
        }
        client.post("/api/v1/works", json=asked)

    def listed(query: str) -> list[list[str]]:
        return [w["dmas"] for w in client.get(f"/api/v1/works{query}").json()]

    assert listed("") == [["D1"], ["D2"]]
    assert listed("?since=2026-03-15T00:00:00Z") == [["D2"]]
    assert listed("?until=2026-03-15T00:00:00Z") == [["D1"]]
    assert listed("?dma=D2") == [["D2"]]


def test_a_district_tells_the_works_that_go_on(client: TestClient) -> None:
    now = client.get("/api/v1/site").json()["now"]
    assert client.get("/api/v1/dmas/D1").json()["works"] == []
    client.post("/api/v1/works", json={**ENTER, "start": now, "end": "2026-03-12T00:00:00Z"})
    assert client.get("/api/v1/dmas/D1").json()["works"] == ["flushing"]
    assert client.get("/api/v1/dmas/D2").json()["works"] == []


def test_nothing_of_this_name(client: TestClient) -> None:
    assert client.get("/api/v1/works/nothing").status_code == 404
    assert client.post("/api/v1/works/nothing/cancel", json={"version": 1}).status_code == 404
