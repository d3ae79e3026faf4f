"""The application takes webhooks of senders in its data folder, and none into past data."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from firmware_sim.town import demo_site_folder
from twuin.access import OpenAccess
from twuin.app import build, open_senders, web_app
from twuin.hooks.senders import Topic
from twuin.notify.webhook import key_of, sign
from twuin.settings import ClockSettings, Settings
from waterworks.clocks import WallClock

BODY = (
    b'{"type": "complaint.received", "data": {"category": "leak", "phone": "08123456789", "where": "Jl. 3"}}'
)


@pytest.mark.parametrize(("clock", "status"), [("wall", 200), ("data", 404)])
def test_past_data_take_no_webhooks(tmp_path: Path, clock: str, status: int) -> None:
    settings = Settings(
        site=demo_site_folder(),
        data_dir=tmp_path / "data",
        clock=ClockSettings.model_validate({"kind": clock}),
    )
    with closing(build(settings)) as parts:
        secret = open_senders(settings).add("crm", [Topic.COMPLAINTS])
        client = TestClient(web_app(parts, OpenAccess()), base_url="http://localhost")
        at = int(WallClock().now().astype("datetime64[s]").astype(int))
        headers = {
            "webhook-id": "1",
            "webhook-timestamp": str(at),
            "webhook-signature": sign(key_of(secret), "1", at, BODY),
        }
        assert client.post("/api/v1/webhooks/crm", content=BODY, headers=headers).status_code == status
