from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from twuin.access import AccountAccess, install_access
from twuin.accounts.service import AccountService
from twuin.api import api_router, install_errors, install_guards
from twuin.db import open_account_store
from twuin.hooks.senders import Senders, Topic


@dataclass
class Post:
    """The API of the small town with a leak in D1, and a system that sends to it."""

    app: FastAPI
    client: TestClient
    senders: Senders
    accounts: AccountService
    town: Any
    residents: Any
    secret: str

    def send(
        self,
        body: Any,
        id: str = "m1",
        *,
        sender: str = "crm",
        secret: str = "",
        at: float | None = None,
        **more: str,
    ) -> Any:
        """Send ``body`` signed as www.standardwebhooks.com says, by none of Twuin's code."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        stamp = str(int(time.time() if at is None else at))
        key = base64.b64decode((secret or self.secret).removeprefix("whsec_"))
        signed = hmac.new(key, b".".join((id.encode(), stamp.encode(), raw)), hashlib.sha256).digest()
        headers = {
            "webhook-id": id,
            "webhook-timestamp": stamp,
            "webhook-signature": "v1," + base64.b64encode(signed).decode(),
            "content-type": "application/json",
            **more,
        }
        return self.client.post(f"/api/v1/webhooks/{sender}", content=raw, headers=headers)

    def alert(self) -> Any:
        (found,) = self.town.alerts.list().items
        return found


@pytest.fixture
def post(small_town: Any, tmp_path: Path) -> Iterator[Post]:
    t = small_town
    t.alerts.apply([t.leak("D1")])
    store = open_account_store(f"sqlite:///{tmp_path}/twuin.sqlite")
    accounts = AccountService("town", store, lambda: t.wall)
    senders, residents = Senders(tmp_path / "webhooks"), t.residents(open=False)
    secret = senders.add("crm", list(Topic))
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    install_errors(app)
    install_access(app, AccountAccess(accounts))
    install_guards(app, allowed_hosts=("localhost",))
    app.include_router(api_router(t.views(), t.alerts, accounts, residents=residents, senders=senders))
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        yield Post(app, client, senders, accounts, t, residents, secret)
    store.close()
