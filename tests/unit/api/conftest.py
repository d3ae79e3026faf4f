from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from twuin.api import api_router, install_errors, install_guards
from twuin.reports.desk import Reporter
from twuin.reports.shelf import Shelf
from twuin.views.views import Views


@pytest.fixture
def stopping() -> threading.Event:
    return threading.Event()


@pytest.fixture
def app(small_town: Any, stopping: threading.Event) -> FastAPI:
    t = small_town
    views = Views(t.site, t.store, t.alerts, clock=t.clock, network=t.network, rejected=t.rejected)
    made = FastAPI(title="Twuin", openapi_url="/api/v1/openapi.json", docs_url=None, redoc_url=None)
    install_errors(made)
    install_guards(made, allowed_hosts=("localhost", "testserver"))
    reports = Reporter(t.site, t.store, views, Shelf(t.site.folder / "reports"))
    made.include_router(api_router(views, t.alerts, reports=reports, stopping=stopping))
    return made


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, raise_server_exceptions=False) as opened:
        yield opened
