from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from twuin.access import OpenAccess, install_access
from twuin.accounts.service import AccountService
from twuin.api import api_router, install_errors, install_guards
from twuin.db import open_account_store
from twuin.hooks.senders import Senders
from twuin.reports.desk import Reporter
from twuin.reports.shelf import Shelf


@pytest.fixture
def stopping() -> threading.Event:
    return threading.Event()


@pytest.fixture
def app(small_town: Any, stopping: threading.Event, tmp_path: Path) -> Iterator[FastAPI]:
    """The API of the small town, open to all."""
    t = small_town
    store = open_account_store(f"sqlite:///{tmp_path}/twuin.sqlite")
    accounts = AccountService("town", store, lambda: datetime(2026, 3, 10, tzinfo=UTC))
    photos = t.photos()
    views = t.views(photos)
    made = FastAPI(title="Twuin", openapi_url=None, docs_url=None, redoc_url=None)
    install_errors(made)
    install_access(made, OpenAccess())
    install_guards(made, allowed_hosts=("localhost", "testserver"))
    reports = Reporter(t.site, t.store, views, Shelf(t.site.folder / "reports"))
    made.include_router(
        api_router(
            views,
            t.alerts,
            accounts,
            reports=reports,
            stopping=stopping,
            photos=photos,
            residents=t.residents(),
            senders=Senders(tmp_path / "webhooks"),
            hand_in=t.hand_in(),
        )
    )
    yield made
    store.close()


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, raise_server_exceptions=False) as opened:
        yield opened
