"""The link of a message in a real browser, which says by itself where a form comes from."""

from __future__ import annotations

import socket
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import expect, sync_playwright

from twuin.alerts.model import State
from twuin.api import install_errors, install_guards
from twuin.notify.links import Links, Taken
from twuin.web import Takes, mount_pages

pytestmark = pytest.mark.servers

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


def test_one_tap_on_a_phone_acknowledges(chromium: str, samples: ModuleType, tmp_path: Path) -> None:
    town = samples.town(tmp_path)
    links = Links("kota", b"k" * 32, "")
    app = FastAPI()
    install_errors(app)
    install_guards(app, allowed_hosts=("127.0.0.1",))
    mount_pages(app, town.views, town.alerts, Takes(links, {"regu-utara": "id"}))
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        id = town.new_leak()
        token = links.token(Taken(id, "regu-utara", datetime.now(UTC) + timedelta(hours=1)))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
            page = browser.new_page(viewport={"width": 390, "height": 800}, locale="en-GB")
            wrong: list[str] = []
            page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
            page.goto(f"http://127.0.0.1:{listening.getsockname()[1]}/a/{token}")
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
            assert town.alerts.get(id).state is State.OPEN
            page.get_by_role("button", name="Ya, saya tangani").click()
            expect(page.get_by_text("Anda menangani ini.")).to_be_visible()
            page.reload()  # as impatient people do: the tap is sent once more
            expect(page.get_by_text("regu-utara sudah menangani ini")).to_be_visible()
            assert wrong == []
            browser.close()
    finally:
        server.should_exit = True
        thread.join(20)
        town.store.close()
    entry = [e for e in town.alerts.history(id) if e.action == "acknowledged"]
    assert [e.actor for e in entry] == ["regu-utara (link)"]
