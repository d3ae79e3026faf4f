"""Signing in on a phone: one-time code, password, what one may do, out again; and a session that ends."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from argon2 import PasswordHasher
from playwright.sync_api import expect, sync_playwright

from twuin.access import AccountAccess
from twuin.accounts.passwords import Passwords
from twuin.accounts.rights import Role
from twuin.accounts.service import AccountService, By
from twuin.accounts.sign_in import SignIn
from twuin.db import open_account_store

pytestmark = pytest.mark.servers

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
PASSWORD = "lumbung-derita-sepeda-merah"


@pytest.fixture
def served(samples: ModuleType, web_server: Any, tmp_path: Path) -> Iterator[tuple[str, AccountService, Any]]:
    """A sample site that takes accounts, behind a real server on loopback."""
    town, store = samples.town(tmp_path), open_account_store(f"sqlite:///{tmp_path}/accounts.sqlite")

    def now() -> datetime:
        return datetime.now(UTC)

    cheap = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    sign_in = SignIn("kota", store, now, passwords=cheap)
    dmas = [d.id for d in town.site.dmas]
    accounts = AccountService("kota", store, now, sign_in=sign_in, dmas=dmas)
    web = web_server(town.stopping)
    web.start(samples.application(town, AccountAccess(accounts)))
    yield web.url, accounts, town
    web.stop()
    town.store.close()
    store.close()


def test_a_crew_gets_in_by_a_code_sees_its_dma_and_leaves(chromium: str, served: Any) -> None:
    url, accounts, town = served
    _, code = accounts.add("regu", Role.CREW, By("test"), dmas=["D2"])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 390, "height": 844}, locale="id-ID")
        wrong: list[str] = []
        page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda e: wrong.append(str(e)))

        page.goto(f"{url}/alerts")
        expect(page.get_by_role("heading", name="Masuk")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.get_by_role("link", name="Saya punya kode sekali pakai").click()
        page.get_by_label("Nama", exact=True).fill("regu")
        page.get_by_label("Kode sekali pakai").fill(code)
        page.locator("[name=password]").fill(PASSWORD)
        page.locator("[name=again]").fill(PASSWORD)
        page.get_by_role("button", name="Simpan kata sandi dan masuk").click()
        expect(page.locator("#alerts, [data-alerts]").first).to_be_visible()

        page.goto(f"{url}/alerts")
        expect(page.locator(".alert-card").first).to_be_visible()
        assert "DMA Sukun" in page.content() and "DMA Dinoyo" not in page.content()
        more = page.locator("details.more-pages")
        assert page.locator("nav.tabs > a").count() == 4
        expect(more.get_by_role("link")).to_have_count(0)
        more.locator("summary").click()
        expect(more.get_by_role("link", name="Layar dinding")).to_be_visible()
        offered = set(more.get_by_role("link").all_inner_texts())  # what a crew may open
        assert "Laporan" in offered and not {"Data masuk", "Akun", "Catatan keamanan"} & offered
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.keyboard.press("Escape")
        expect(more.get_by_role("link")).to_have_count(0)
        page.locator(".alert-card a").first.click()
        expect(page.get_by_role("button", name="Tutup peringatan")).to_have_count(0)
        page.locator("[name=note]").fill("sudah dilihat")
        page.get_by_role("button", name="Tambah catatan").click()
        expect(page.locator("#history")).to_contain_text("regu")
        assert wrong == []

        page.goto(f"{url}/me")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.get_by_role("button", name="Keluar", exact=True).click()
        expect(page.get_by_role("heading", name="Masuk")).to_be_visible()
        browser.close()
    actors = [e.actor for a in town.alerts.list().items for e in town.alerts.history(a.id)]
    assert "regu" in actors


def test_a_page_that_is_open_asks_to_sign_in_when_the_session_ends(chromium: str, served: Any) -> None:
    url, accounts, town = served
    account, code = accounts.add("teknisi", Role.ENGINEER, By("test"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900}, locale="en-GB")
        page.goto(f"{url}/welcome?name=teknisi")
        page.get_by_label("One-time code").fill(code)
        page.locator("[name=password]").fill(PASSWORD)
        page.locator("[name=again]").fill(PASSWORD)
        page.get_by_role("button", name="Set password and sign in").click()
        expect(page.locator("[data-alerts]").first).to_be_visible()
        accounts.end_sessions(account.id, By("test"))
        town.new_leak()  # tells the page that there is something new
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible(timeout=30_000)
        browser.close()
