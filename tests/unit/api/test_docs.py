"""docs/api.md and the program agree."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from ingest.stats import Stats
from twuin.api import api_router
from twuin.views.views import Views


@pytest.fixture
def text(root: Path) -> str:
    return (root / "docs" / "api.md").read_text()


def test_every_route_is_documented_and_every_documented_route_exists(client: TestClient, text: str) -> None:
    described = {
        (method.upper(), path)
        for path, operations in client.get("/api/v1/openapi.json").json()["paths"].items()
        for method in operations
    }
    documented = set(re.findall(r"^\| `(GET|POST|PUT|PATCH|DELETE) (\S+)` \|", text, re.MULTILINE))
    assert documented == described


def test_every_figure_is_documented_and_every_documented_figure_exists(small_town: Any, text: str) -> None:
    from fastapi import FastAPI

    from twuin.access import OpenAccess, install_access
    from twuin.api import install_guards

    t = small_town
    views = Views(t.site, t.store, t.alerts, clock=t.clock, rejected=t.rejected, ingest=lambda: Stats())
    app = FastAPI()
    install_access(app, OpenAccess())
    install_guards(app, allowed_hosts=("testserver",))
    app.include_router(api_router(views, t.alerts, messages=lambda: {"waiting": 0}))
    client = TestClient(app)
    client.get("/api/v1/site")
    scraped = set(
        re.findall(r"^# TYPE (\w+) (?:counter|gauge|histogram|info)$", client.get("/metrics").text, re.M)
    )
    documented = set(re.findall(r"`(twuin_\w+)", text[text.index("## Figures for Prometheus") :]))
    assert {name for name in scraped if not name.endswith("_created")} == documented
