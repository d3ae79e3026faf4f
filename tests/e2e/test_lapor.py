"""A resident with a cheap phone: without a script, and with one."""

from __future__ import annotations

import io
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import uvicorn
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from firmware_sim.town import demo_site_folder

pytestmark = pytest.mark.servers

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
PHONE = {"viewport": {"width": 390, "height": 800}, "locale": "id-ID"}


@pytest.fixture
def town(samples: ModuleType, tmp_path: Path) -> Iterator[Any]:
    """The sample town with a map of streets, served; ``url``: where."""
    (tmp_path / "streets.geojson").write_bytes((demo_site_folder() / "streets.geojson").read_bytes())
    made = samples.town(tmp_path)
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(made.app, log_level="warning", timeout_graceful_shutdown=2))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    made.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    yield made
    made.stopping.set()
    server.should_exit = True
    thread.join(20)
    made.store.close()


def photo(folder: Path) -> Path:
    path = folder / "leak.jpg"
    out = io.BytesIO()
    Image.effect_noise((2600, 2000), 30).convert("RGB").save(out, "JPEG", quality=95)
    path.write_bytes(out.getvalue())
    return path


def fill_in(page: Page, town: Any, folder: Path) -> None:
    page.goto(f"{town.url}/lapor")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_text("Air bocor", exact=True).click()
    page.get_by_label("Nomor telepon").fill("0812 3456 7890")
    page.get_by_label("Apa yang Anda lihat?").fill("Air keluar dari aspal.")


def follow(page: Page, town: Any) -> None:
    """What is there once the report is sent; then it is withdrawn."""
    expect(page.get_by_text("Laporan Anda sudah diterima.")).to_be_visible()
    assert re.search(r"/lapor/[a-z2-9]{4}-[a-z2-9]{4}-[a-z2-9]{4}", page.url)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_text("Tarik laporan ini").click()
    page.get_by_label("Nomor telepon yang Anda tulis").fill("08123456 7890")
    page.get_by_role("button", name="Tarik").click()
    expect(page.get_by_text("Anda sudah menarik laporan ini.")).to_be_visible()


def test_without_a_script_by_street_and_by_a_tap_on_the_map(chromium: str, town: Any, tmp_path: Path) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_context(**PHONE, java_script_enabled=False).new_page()
        page.goto(f"{town.url}/lapor")
        page.get_by_text("Air bocor", exact=True).click()
        page.get_by_label("Nomor telepon").fill("0812 3456 7890")
        page.get_by_text("Atau ketuk di peta").click()
        page.get_by_role("button", name="Peta jalan").click(position={"x": 200, "y": 120})
        expect(page.get_by_text("Tempat di peta sudah disimpan.")).to_be_visible()
        page.get_by_label("Foto").set_input_files(photo(tmp_path))
        page.get_by_role("button", name="Kirim laporan").click()
        expect(page.get_by_text("Laporan Anda sudah diterima.")).to_be_visible()
        (report,) = town.residents.desk.page().items
        assert report.lon is not None and report.photo
        kept = town.residents.desk.person(report.id)
        assert kept.phone == "+6281234567890" and len(kept.photo) < 2_000_000
        browser.close()


def test_with_a_script_by_the_phone_s_own_position(chromium: str, town: Any, tmp_path: Path) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        context = browser.new_context(
            **PHONE,
            geolocation={"latitude": -7.97, "longitude": 112.63, "accuracy": 12},
            permissions=["geolocation"],
        )
        page = context.new_page()
        wrong: list[str] = []
        page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
        fill_in(page, town, tmp_path)
        page.get_by_role("button", name="Pakai lokasi saya").click()
        expect(page.get_by_text("Lokasi Anda tersimpan")).to_be_visible()
        page.get_by_label("Foto").set_input_files(photo(tmp_path))
        whole = (tmp_path / "leak.jpg").stat().st_size
        for _ in range(100):  # until it is made smaller: what goes over a poor line
            if (size := page.evaluate("document.querySelector('[name=photo]').files[0].size")) != whole:
                break
            page.wait_for_timeout(100)
        assert size < whole / 2
        page.get_by_role("button", name="Kirim laporan").click()
        follow(page, town)
        (report,) = town.residents.desk.page().items
        assert (report.lon, report.lat) != (None, None) and wrong == []
        browser.close()
