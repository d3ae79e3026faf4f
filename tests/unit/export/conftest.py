from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from twuin.access import OpenAccess, install_access
from twuin.api import api_router, install_errors, install_guards
from twuin.views.views import Views

ROOT = "http://localhost/api/v1"


@pytest.fixture
def views(small_town: Any) -> Views:
    t = small_town
    t.alerts.apply([t.leak("D1")])
    return Views(t.site, t.store, t.alerts, clock=t.clock, network=t.network)


@pytest.fixture
def api(small_town: Any, views: Views) -> Iterator[TestClient]:
    """The API of the small town; paths are those behind /api/v1."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    install_errors(app)
    install_access(app, OpenAccess())
    install_guards(app, allowed_hosts=("localhost",))
    app.include_router(api_router(views, small_town.alerts))
    with TestClient(app, base_url=ROOT, raise_server_exceptions=False) as client:
        yield client
