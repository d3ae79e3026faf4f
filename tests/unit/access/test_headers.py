"""What every answer tells a browser, whatever it is an answer to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from twuin.views.views import Views
from waterworks.errors import StoreUnavailable

EXPECTED = {"x-content-type-options": "nosniff", "x-frame-options": "DENY", "referrer-policy": "same-origin"}
HSTS = "strict-transport-security"


def directives(policy: str) -> dict[str, list[str]]:
    return {name: rest for name, *rest in (part.split() for part in policy.split(";"))}


def check(answer: Any, *, https: bool = False) -> None:
    headers = answer.headers
    assert EXPECTED.items() <= dict(headers).items(), (answer.request.url, answer.status_code, dict(headers))
    policy = directives(headers["content-security-policy"])
    assert policy["default-src"] == ["'self'"] and policy["frame-ancestors"] == ["'none'"]
    assert policy["object-src"] == ["'none'"] and policy["base-uri"] == ["'none'"]
    # Scripts and styles come from files of ours alone: neither inline nor from other hosts.
    for name in ("script-src", "style-src", "default-src"):
        assert set(policy.get(name, ["'self'"])) == {"'self'"}
    assert (HSTS in headers) == https
    assert "server" not in headers


def fails(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


def every_kind(office: Any, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An answer of each kind there is."""
    admin = office.browser("admin")
    static = client.get("/signin").text.split('href="/static/')[1].split('"')[0]
    for path in (
        "/signin", f"/static/{static}", "/static/none.css", "/nowhere", "/api/v1/nowhere", "/about",
        "/alerts", "/api/v1/alerts", "/api/v1/health", "/api/v1/openapi.json", "/metrics", "/a/none",
        "/signin/return", "/signin/provider", "/favicon.ico", "/%00", "/api/v1/%ff",
    ):  # fmt: skip
        yield client.get(path)
    yield client.post("/signin")
    yield client.put("/alerts")
    yield client.delete("/api/v1/alerts")
    yield client.options("/")
    yield client.head("/signin")
    yield client.get("/signin", headers={"host": "evil.example"})
    yield client.get("/api/v1/dmas", headers={"authorization": "Bearer twuin_none"})
    for path in (
        "/",
        "/api/v1/dmas",
        "/dmas/none",
        "/api/v1/dmas/none",
        "/api/v1/alerts?limit=x",
        "/accounts",
    ):
        yield admin.get(path)
    yield office.browser("viewer").get("/accounts")
    for error in (StoreUnavailable("away"), RuntimeError("broken")):
        monkeypatch.setattr(Views, "dmas", fails(error))
        for path in ("/", "/api/v1/dmas"):
            yield admin.get(path)


def test_every_answer_has_the_headers(office: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = set()
    for answer in every_kind(office, office.client(), monkeypatch):
        check(answer)
        seen.add(answer.status_code)
    assert {200, 303, 401, 403, 404, 405, 422, 500, 503} <= seen


def test_behind_tls_every_answer_says_to_come_back_by_tls(
    office: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy says so, which uvicorn takes over as the scheme."""
    client = office.client(base_url="https://localhost")
    for path in ("/signin", "/nowhere", "/api/v1/nowhere", "/api/v1/dmas", "/static/none.css"):
        check(client.get(path), https=True)
    check(client.get("/signin", headers={"host": "evil.example"}), https=True)


def test_pages_hold_no_inline_script_or_style(office: Any) -> None:
    admin = office.browser("admin")
    paths = (
        "/",
        "/alerts",
        "/losses",
        "/sensors",
        "/reports",
        "/wall",
        "/ingest",
        "/accounts",
        "/security",
        "/me",
    )
    for path in (*paths, f"/alerts/{office.leak('D1')}", "/dmas/D1", "/about", "/nowhere"):
        text = admin.get(path).text
        assert "<style" not in text and "javascript:" not in text, path
        for tag in text.split("<script")[1:]:
            assert tag.startswith((' type="application/json"', ' type="module" src=', " defer src=")), path
        assert not [w for w in (" onclick=", " onload=", " onerror=", " style=") if w in text], path
