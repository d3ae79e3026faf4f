from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI

from twuin.access import OpenAccess, install_access
from twuin.api import api_router, install_errors, install_guards
from twuin.client import Twuin


@pytest.fixture
def app(small_town: Any) -> FastAPI:
    """The API of the small town, with a leak in D1."""
    t = small_town
    t.alerts.apply([t.leak("D1")])
    made = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    install_errors(made)
    install_access(made, OpenAccess())
    install_guards(made, allowed_hosts=("localhost",))
    made.include_router(api_router(t.views(), t.alerts))
    return made


@pytest.fixture
def server(app: FastAPI, web_server: Any) -> Iterator[Any]:
    """The same behind a real web server."""
    made = web_server()
    made.start(app)
    yield made
    made.stop()


@pytest.fixture
def twuin(server: Any) -> Iterator[Twuin]:
    """A client of it."""
    with Twuin(server.url) as client:
        yield client
