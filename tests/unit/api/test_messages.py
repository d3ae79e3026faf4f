"""Messages as from devices, over HTTP."""

from __future__ import annotations

import gzip
import json
from typing import Any

import anyio
import numpy as np
import pytest
from fastapi.testclient import TestClient

from waterworks.errors import StoreUnavailable

WHERE = "/api/v1/messages/twuin/town/dev1/readings"


def reading(value: Any = 36, sensor: str = "D1-IN", second: int = 7) -> dict[str, Any]:
    return {"sensor": sensor, "time": f"2026-03-10T02:59:{second:02d}Z", "value": value}


def test_what_is_answered_200_is_stored(client: TestClient, small_town: Any) -> None:
    for _ in range(2):
        answer = client.post(WHERE, json=reading())
        assert answer.status_code == 200
        assert answer.json() == {"readings": 1, "waiting": False, "held": 0, "states": 0, "refused": []}
    at = np.datetime64("2026-03-10T02:59:07", "us")
    kept = small_town.store.window(["D1-IN"], at, at + np.timedelta64(1, "s"))
    assert kept.values.tolist() == [[0.01]]


def test_a_part_that_is_wrong_is_named(client: TestClient, small_town: Any) -> None:
    answer = client.post(WHERE, json={"readings": [reading(), reading(sensor="NOBODY")]})
    told = answer.json()
    assert answer.status_code == 200 and told["readings"] == 1
    (refused,) = told["refused"]
    assert refused["reason"] == "unknown_sensor" and "NOBODY" in refused["detail"]
    assert client.get("/api/v1/ingest/rejected").json()["items"][0]["reason"] == "unknown_sensor"


@pytest.mark.parametrize(
    ("path", "body", "status", "told"),
    [
        (WHERE, b"{", 422, "bad_json"),
        (WHERE, b"", 422, "empty"),
        (WHERE, json.dumps(reading(value="NaN")).encode(), 422, "body"),
        ("/api/v1/messages/twuin/other/dev1/readings", b"{}", 422, "other"),
        ("/api/v1/messages/twuin/town/%2B/readings", b"{}", 422, "no topic"),
        ("/api/v1/messages/application/1/device/2/event/up", b"{}", 404, "listens to no topic"),
        ("/api/v1/messages/application/1/device/2/event?event=up", b"{}", 404, "listens to no topic"),
        ("/api/v1/messages/", b"{}", 422, "no topic"),
        (WHERE, b" " * (2**20 + 1), 413, "1048576"),
        (
            "/api/v1/messages/twuin/town/dev1/readngs",
            b"{}",
            422,
            "'readngs': devices publish to readings, senml",
        ),
        ("/api/v1/messages/twuin/readings", b"{}", 422, "not of the layout twuin/{site}/{device}/"),
    ],
)
def test_what_cannot_be_taken_is_told(
    client: TestClient, path: str, body: bytes, status: int, told: str
) -> None:
    answer = client.post(path, content=body)
    assert answer.status_code == status and told in answer.text


def test_a_compressed_body_is_asked_for_as_it_is(client: TestClient) -> None:
    body = gzip.compress(json.dumps(reading()).encode())
    answer = client.post(WHERE, content=body, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 415 and "'gzip'" in answer.text and "uncompressed" in answer.text
    assert answer.headers["accept-encoding"] == "identity"
    plain = client.post(WHERE, json=reading(), headers={"Content-Encoding": "identity"})
    assert plain.status_code == 200


def test_of_a_server_that_sends_all_kinds_to_one_address_only_uplinks_matter(client: TestClient) -> None:
    answer = client.post("/api/v1/messages/application/1/device/any/event?event=join", content=b"{}")
    assert answer.status_code == 200 and answer.json()["readings"] == 0


def test_what_is_not_durable_is_not_answered_200(
    client: TestClient, small_town: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(batch: Any) -> None:
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr("ingest.handed_in.SpooledStore.append", lambda self, batch: full(batch))
    answer = client.post(WHERE, json=reading())
    assert answer.status_code == 503 and "disk is full" in answer.text and answer.headers["retry-after"]


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twuin.api.messages.BURST", 3)
    monkeypatch.setattr("twuin.api.messages.PACE_S", 0.001)


def test_one_address_does_not_keep_all_others_waiting(slow: None, client: TestClient) -> None:
    answers = [client.post(WHERE, json=reading(second=k)) for k in range(4)]
    assert [a.status_code for a in answers] == [200, 200, 200, 429]
    assert int(answers[-1].headers["retry-after"]) > 0


def test_who_hangs_up_amid_a_message_leaves_no_defect_behind(client: TestClient, small_town: Any) -> None:
    sent = list[str]()

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(str(message.get("status", "")))

    headers = [(b"host", b"127.0.0.1"), (b"content-length", b"9")]
    scope = {
        "type": "http", "method": "POST", "path": WHERE, "raw_path": WHERE.encode(), "query_string": b"",
        "headers": headers, "http_version": "1.1", "scheme": "http", "root_path": "",
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    anyio.run(client.app, scope, receive, send)
    assert sent[:1] == ["400"]
