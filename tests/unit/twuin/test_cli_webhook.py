"""``twuin webhook``: secrets are shown once, changed without a gap, and logged."""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any

import pytest

from firmware_sim.town import demo_site_folder
from twuin.app import open_accounts, open_senders, read_settings_site
from twuin.notify.webhook import key_of
from twuin.settings import load


def test_a_sender_from_its_first_secret_to_its_end(twuin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWUIN_SITE", str(demo_site_folder()))
    monkeypatch.setenv("COLUMNS", "40")  # a secret is one line however narrow the terminal is
    status, first, told = twuin("webhook", "add", "crm", "--may", "complaints", "--may", "works")
    assert status == 0 and "only now" in told and "/api/v1/webhooks/crm" in told
    assert len(key_of(first.strip())) == 32
    assert twuin("webhook", "add", "crm", "--may", "works")[0] == 1
    assert twuin("webhook", "add", "../x", "--may", "works")[0] == 1
    assert twuin("webhook", "add", "gis")[0] == 2
    _, second, _ = twuin("webhook", "rotate", "crm")
    settings = load()
    keys = open_senders(settings).get("crm")
    assert keys is not None and [k.secret for k in keys.keys] == [second.strip(), first.strip()]
    (row,) = json.loads(twuin("webhook", "list", "--json")[1])
    assert row["name"] == "crm" and row["may"] == ["complaints", "works"] and len(row["secrets"]) == 2
    assert second.strip() not in twuin("webhook", "list")[1]
    assert "1 secret of crm retired" in twuin("webhook", "retire", "crm")[1]
    assert twuin("webhook", "remove", "crm")[0] == 0 and twuin("webhook", "remove", "crm")[0] == 1
    with closing(open_accounts(settings, read_settings_site(settings))) as accounts:
        events = [(e.what.value, e.about, e.detail) for e in accounts.events()]
    assert events == [
        ("token_revoked", "webhook crm", "removed"),
        ("token_revoked", "webhook crm", "the secret before"),
        ("token_made", "webhook crm", "a new secret"),
        ("token_made", "webhook crm", "may tell complaints, works"),
    ]
