"""Every error is a problem document, and none tells of our insides."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from twuin.api import install_errors
from waterworks.errors import StoreError, StoreUnavailable

V1 = "/api/v1"


def check(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["title"]
    return body


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/dmas/D9",
        "/dmas/D9/series",
        "/dmas/D9/night-flow",
        "/sensors/none/readings",
        "/alerts/none",
        "/alerts/none/history",
        "/ingest/rejected/999",
        "/dmas/D1/series/more",
        "/dmas/%2e%2e/D1",
        "/dmas//",
        "/sensors/a%2Fb%2Fc",
        "/sensors/%00",
        "/sensors/%ff%fe",
        "/sensors/日本/readings",
        "/alerts/" + "x" * 10_000,
    ],
)
def test_what_is_not_there_is_404(client: TestClient, path: str) -> None:
    body = check(client.get(V1 + path), 404)
    assert len(body["detail"]) < 300


def test_a_method_that_a_route_lacks_is_405_with_those_it_has(client: TestClient) -> None:
    for method, path, allowed in (
        ("POST", "/site", "GET"),
        ("GET", "/alerts/a/transitions", "POST"),
        ("DELETE", "/sensors/D1-P", "GET"),
        ("PUT", "/openapi.json", "GET, HEAD"),
    ):
        answer = client.request(method, V1 + path)
        check(answer, 405)
        assert answer.headers["allow"] == allowed


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/dmas/D1/series?start=2026-03-02T00:00:00Z&end=2026-03-01T00:00:00Z", "start"),
        ("/sensors/D1-P/readings?start=2026-03-01T00:00:00Z&end=2026-03-01T00:00:00Z", "start"),
        ("/sensors/D1-P/readings?start=2026-03-01T00:00:00", "start"),
        ("/sensors/D1-P/readings?start=yesterday", "start"),
        ("/sensors/D1-P/readings?end=9999-12-31T23:59:59-12:00", "end"),
        ("/sensors/D1-P/readings?start=0001-01-01T00:00:00%2B14:00", "start"),
        ("/sensors/D1-P/readings?start=1e400", "start"),
        ("/sensors/D1-P/readings?max_points=0", "max_points"),
        ("/sensors/D1-P/readings?max_points=1000000000", "max_points"),
        ("/sensors/D1-P/readings?format=xml", "format"),
        ("/dmas/D1/night-flow?days=-1", "days"),
        ("/dmas/D1/night-flow?days=99999999999999999999", "days"),
        ("/alerts?limit=-5", "limit"),
        ("/alerts?state=broken", "state.0"),
        ("/alerts?kind=leak&kind=x", "kind.1"),
        ("/alerts?since=0", "since"),
        ("/ingest/rejected?cursor=abc", "cursor"),
        ("/ingest/rejected?limit=1e9", "limit"),
        ("/ingest/rejected/-1", "id"),
        ("/ingest/rejected/99999999999999999999999", "id"),
    ],
)
def test_a_parameter_that_cannot_be_is_422_and_named(client: TestClient, path: str, name: str) -> None:
    body = check(client.get(V1 + path), 422)
    assert [e["name"] for e in body["errors"]] == [name]


def test_what_is_wrong_is_said_in_our_words(client: TestClient) -> None:
    told = check(client.get(V1 + "/alerts", params={"since": "yesterday"}), 422)
    assert "use RFC 3339 with a zone" in told["detail"]
    assert "Value error" not in str(told)


def test_a_cursor_that_was_never_given_out_is_422(client: TestClient) -> None:
    check(client.get(f"{V1}/alerts", params={"cursor": "somewhere"}), 422)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b'{"action": "note", "version": 1, "note": "\\ud800"}']
)
def test_a_body_that_is_no_json_is_422(client: TestClient, content: bytes) -> None:
    answer = client.post(
        f"{V1}/alerts/a/transitions", content=content, headers={"content-type": "application/json"}
    )
    check(answer, 422)


def test_a_store_that_cannot_answer_is_503_with_the_time_to_wait(
    client: TestClient, small_town: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*args: Any, **kwargs: Any) -> None:
        raise StoreUnavailable("the store is being handed over: try again")

    monkeypatch.setattr(small_town.store, "window", gone)
    monkeypatch.setattr(small_town.store, "extent", gone)
    for path in ("/dmas", "/dmas/D1/series", "/sensors/D1-P/readings", "/health/ready"):
        answer = client.get(V1 + path)
        assert "handed over" in check(answer, 503)["detail"]
        assert int(answer.headers["retry-after"]) > 0
    assert client.get(f"{V1}/health").status_code == 503
    assert client.get(f"{V1}/health").json()["parts"]["store"]["status"] == "down"
    assert client.get(f"{V1}/health/live").status_code == 200
    metrics = client.get("/metrics")
    assert "twuin_up 0.0" in metrics.text
    assert "twuin_alerts{" in metrics.text


def test_a_store_that_refuses_for_good_is_500(
    client: TestClient, small_town: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any) -> None:
        raise StoreError("the file is damaged")

    monkeypatch.setattr(small_town.store, "latest", broken)
    assert check(client.get(f"{V1}/sensors"), 500)["detail"] == "the file is damaged"


def test_a_defect_of_ours_shows_nothing_of_our_insides() -> None:
    app = FastAPI()
    install_errors(app)

    @app.get("/boom")
    def boom() -> None:
        raise RuntimeError("secret /home/someone")

    body = check(TestClient(app, raise_server_exceptions=False).get("/boom"), 500)
    assert "secret" not in str(body)


def test_the_description_shows_problems_not_fastapis_own_errors(client: TestClient) -> None:
    schema = client.get(f"{V1}/openapi.json").json()
    assert "HTTPValidationError" not in str(schema)
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            assert operation.get("summary")
            assert operation.get("tags")
            for status, answer in operation["responses"].items():
                if status >= "400":
                    assert list(answer["content"]) == ["application/problem+json"], (path, status)
    assert schema["paths"]["/api/v1/alerts/{id}/transitions"]["post"]["responses"]["409"]
