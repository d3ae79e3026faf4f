"""Pages of other origins can neither act nor read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from twuin.api import install_guards
from twuin.api.guards import MAX_BODY

ACT = "/api/v1/alerts/a1/transitions"
NOTE = {"action": "note", "version": 1, "note": "x"}


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8000",
        "127.0.0.1",
        "127.0.0.1:80",
        "[::1]:8000",
        "192.168.1.20:8000",
        "testserver",
    ],
)
def test_a_name_of_ours_or_an_address_is_served(client: TestClient, host: str) -> None:
    assert client.get("/api/v1/site", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "evil.example:80",
        "",
        "127.0.0.1.evil.example",
        "[::1",
        "a@localhost:x",
    ],
)
def test_a_foreign_name_is_refused(client: TestClient, host: str) -> None:
    answer = client.get("/api/v1/site", headers={"host": host})
    assert answer.status_code == 421
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://testserver:9999"},
        {"origin": "http://[::1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "origin": "http://testserver"},
    ],
)
def test_another_origin_changes_nothing(client: TestClient, headers: dict[str, str]) -> None:
    assert client.post(ACT, json=NOTE, headers=headers).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [{}, {"origin": "http://testserver"}, {"sec-fetch-site": "same-origin", "origin": "http://testserver"}],
)
def test_our_pages_and_programs_may_act(client: TestClient, small_town: Any, headers: dict[str, str]) -> None:
    (alert,) = small_town.alerts.apply([small_town.leak()])
    answer = client.post(f"/api/v1/alerts/{alert.id}/transitions", json=NOTE, headers=headers)
    assert answer.status_code == 200


def test_reading_from_elsewhere_is_the_browsers_business(client: TestClient) -> None:
    assert client.get("/api/v1/site", headers={"origin": "http://evil.example"}).status_code == 200
    assert "access-control-allow-origin" not in client.get("/api/v1/site").headers


def test_a_long_body_is_refused_by_its_length(client: TestClient) -> None:
    assert client.post(ACT, content=b"x" * (MAX_BODY + 1)).status_code == 413


def test_a_long_body_is_cut_off_when_it_does_not_say_its_length(client: TestClient) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(100):
            sent += 1
            yield b"x" * 10_000

    assert client.post(ACT, content=endless()).status_code == 413


def test_any_host_may_be_allowed_behind_a_proxy() -> None:
    app = FastAPI()
    install_guards(app, allowed_hosts=("*",))

    @app.get("/")
    def root() -> str:
        return "here"

    assert TestClient(app).get("/", headers={"host": "anything.example"}).json() == "here"
