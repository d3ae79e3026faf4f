"""The crew's phone in a real browser: no line, killed, signed out, overtaken; all arrives, and once."""

from __future__ import annotations

import io
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from argon2 import PasswordHasher
from PIL import Image
from playwright.sync_api import BrowserContext, Page, Playwright, expect, sync_playwright
from playwright.sync_api import Error as PlaywrightError

from twuin.access import AccountAccess
from twuin.access.cookies import SESSION
from twuin.accounts.passwords import Passwords
from twuin.accounts.rights import Role
from twuin.accounts.service import AccountService, By
from twuin.accounts.sign_in import SignIn, Visitor
from twuin.alerts.model import Kind, Reason, State
from twuin.alerts.work import Cause, LeakType, Method
from twuin.db import open_account_store
from twuin.web import field

pytestmark = pytest.mark.servers

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
PATIENCE_MS = 30_000
PASSWORD = "lumbung-derita-sepeda-merah"
FIRST_LOAD = 300_000
"""Bytes that the first look may cost, the maps of jobs left out."""


class Station:
    """A sample site with accounts behind a server that can go away, and come back at the same address."""

    def __init__(self, samples: ModuleType, web_server: Any, folder: Path) -> None:
        self.samples = samples
        self.town: Any = samples.town(folder)
        self._store = open_account_store(f"sqlite:///{folder}/accounts.sqlite")
        cheap = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        sign_in = SignIn("kota", self._store, now, passwords=cheap)
        dmas = [d.id for d in self.town.site.dmas]
        self.accounts = AccountService("kota", self._store, now, sign_in=sign_in, dmas=dmas)
        self._server = web_server(self.town.stopping)
        self.url: str = self._server.url
        self.sent: dict[str, int] = {}
        self.start()

    def start(self) -> None:
        self._server.start(self._counted(self.samples.application(self.town, AccountAccess(self.accounts))))

    def _counted(self, app: Any) -> Any:
        """Counts the bytes of each path's answers as they go over the line, headers too."""

        async def counting(scope: Any, receive: Any, send: Any) -> None:
            async def noted(message: Any) -> None:
                size = len(message.get("body", b""))
                size += sum(len(k) + len(v) + 4 for k, v in message.get("headers", ()))
                self.sent[scope["path"]] = self.sent.get(scope["path"], 0) + size
                await send(message)

            await app(scope, receive, noted if scope["type"] == "http" else send)

        return counting

    def stop(self) -> None:
        self._server.stop()

    def close(self) -> None:
        self.stop()
        self.town.store.close()
        self._store.close()

    def person(self, name: str, role: Role = Role.CREW, dmas: list[str] | None = None) -> None:
        _, code = self.accounts.add(name, role, By("test"), dmas=dmas)
        self.accounts.sign_in.use_code(name, code, PASSWORD, Visitor("192.0.2.7"))

    def cookie(self, name: str) -> Any:
        """A new session of somebody, as the browser keeps it."""
        signed = self.accounts.sign_in.sign_in(name, PASSWORD, Visitor("192.0.2.7"))
        return {"name": SESSION, "value": signed.secret, "url": self.url}

    @property
    def leak(self) -> str:
        found = self.town.views.alerts(kind=Kind.LEAK).items
        return str(next(a.id for a in found if a.dma == "D2"))

    def lines(self, id: str) -> list[tuple[str, str]]:
        """(action, actor) of all that people did, in order."""
        return [(e.action, e.actor) for e in self.town.alerts.history(id) if e.actor != "monitor"]

    def office(self, id: str, action: str, **what: Any) -> None:
        self.town.alerts.act(id, action, version=self.town.alerts.get(id).version, actor="Rina", **what)


def now() -> datetime:
    return datetime.now(UTC)


class Phone:
    """A browser with a folder of its own, which can be killed and started again."""

    def __init__(self, playwright: Playwright, chromium: str, folder: Path, url: str) -> None:
        self._playwright, self._chromium, self._folder, self.url = playwright, chromium, folder, url
        self.wrong: list[str] = []
        self.start()

    def start(self) -> None:
        self.context: BrowserContext = self._playwright.chromium.launch_persistent_context(
            str(self._folder), executable_path=self._chromium, args=FLAGS, locale="id-ID", base_url=self.url,
            viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True,
            geolocation={"longitude": 112.6205, "latitude": -7.9639}, permissions=["geolocation"],
        )  # fmt: skip
        self.context.set_default_timeout(PATIENCE_MS)
        self.page: Page = self.context.pages[0]
        self.page.on("pageerror", lambda e: self.wrong.append(str(e)))
        self.page.on("console", lambda m: self.wrong.append(m.text) if "Security Policy" in m.text else None)

    def kill(self) -> None:
        """As when the battery is taken out."""
        ours = f"--user-data-dir={self._folder}"
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError):
                    words = (entry / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
                    if ours in words and not any(w.startswith("--type=") for w in words):
                        os.kill(int(entry.name), signal.SIGKILL)
        with suppress(Exception):
            self.context.close()

    def close(self) -> None:
        with suppress(Exception):
            self.context.close()

    def open(self, path: str = "/field") -> None:
        self.page.goto(self.url + path)

    def ready(self, id: str) -> None:
        """Wait until the page and a job with its map are on the phone."""
        self.open()
        expect(self.page.locator(f'[data-job="{id}"]')).to_be_visible(timeout=PATIENCE_MS)
        self.page.evaluate("navigator.serviceWorker.ready.then(() => 1)")
        self.until(lambda: bool(self.page.evaluate("navigator.serviceWorker.controller !== null")))
        self.until(lambda: bool(self.page.evaluate(KEPT, id)))

    def until(self, true: Callable[[], bool]) -> None:
        """Wait for what the phone does by itself."""
        give_up = time.monotonic() + 60
        while not true():
            assert time.monotonic() < give_up
            self.page.wait_for_timeout(100)

    def waiting(self) -> int:
        """How many entries wait to be sent, as the phone has them."""
        return int(self.page.evaluate(WAITING))

    def tap(self, action: str) -> None:
        """Tap a step, and wait until the phone has kept it or asks more in a form."""
        before = len(self.entries())
        self.page.locator(f'[data-action="{action}"]').first.click()
        self.until(lambda: self.page.locator("main form").count() > 0 or len(self.entries()) > before)

    def submit(self) -> None:
        self.page.locator("form .button.primary").click()
        expect(self.page.locator("main")).to_have_attribute("data-view", "job")

    def entries(self) -> list[Any]:
        """All that was told on the phone and is still on it."""
        return list(self.page.evaluate(ENTRIES))

    def nothing_waits(self) -> None:
        self.page.evaluate("dispatchEvent(new Event('online'))")  # as phones tell it
        self.until(lambda: self.waiting() == 0)
        assert self.refused() == []

    def refused(self) -> list[Any]:
        """What the server did not take, and why."""
        return list(self.page.evaluate(REFUSED))


OPEN = """new Promise((good, bad) => {
  const asked = indexedDB.open("twuin-field");
  asked.onsuccess = () => good(asked.result); asked.onerror = bad;
})"""
KEPT = f"""async (id) => {{
  const db = await {OPEN};
  const got = db.transaction("details").objectStore("details").get(id);
  return new Promise((good) => {{ got.onsuccess = () => {{ db.close(); good(Boolean(got.result)); }}; }});
}}"""
ENTRIES = f"""async () => {{
  const db = await {OPEN};
  const got = db.transaction("queue").objectStore("queue").getAll();
  return new Promise((good) => {{ got.onsuccess = () => {{ db.close(); good(got.result); }}; }});
}}"""
CUT = """() => [...document.querySelectorAll("#bar, #bar > *")].filter(
  (e) => e.scrollWidth > e.clientWidth || e.clientHeight > 64).map((e) => e.textContent)"""
"""What of the bar is broken into lines, or wider than its place."""
WAITING = f"""() => ({ENTRIES})().then(
  (all) => all.filter((e) => ["queued", "sending"].includes(e.state)).length)"""
REFUSED = f"""() => ({ENTRIES})().then(
  (all) => all.filter((e) => e.state === "refused").map((e) => [e.body.action, e.why, e.detail]))"""


@pytest.fixture
def station(samples: ModuleType, web_server: Any, tmp_path: Path) -> Iterator[Station]:
    made = Station(samples, web_server, tmp_path)
    made.person("regu1", dmas=["D2"])
    yield made
    made.close()


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


@pytest.fixture
def phones(
    playwright: Playwright, chromium: str, station: Station, tmp_path: Path
) -> Iterator[Callable[[], Phone]]:
    made: list[Phone] = []

    def make(who: str = "regu1") -> Phone:
        phone = Phone(playwright, chromium, tmp_path / f"phone{len(made)}", station.url)
        phone.context.add_cookies([station.cookie(who)])
        made.append(phone)
        return phone

    yield make
    for phone in made:
        phone.close()
        assert phone.wrong == []


@contextmanager
def no_line(station: Station, phone: Phone) -> Iterator[None]:
    """The server is away, and the phone knows it."""
    phone.context.set_offline(True)
    station.stop()
    yield
    station.start()
    phone.context.set_offline(False)


def photo(folder: Path) -> Path:
    exif = Image.Exif()
    exif[0x010F] = "Telepon Murah"
    image = Image.linear_gradient("L").resize((2400, 1800)).convert("RGB")
    path = folder / "foto.jpg"
    image.save(path, exif=exif.tobytes())
    return path


def test_a_whole_job_is_done_without_a_line_and_arrives_exactly_once(
    station: Station, phones: Any, tmp_path: Path
) -> None:
    id, phone = station.leak, phones()
    phone.ready(id)
    with no_line(station, phone):
        phone.open(f"/field#job/{id}")
        expect(phone.page.locator(".map-canvas")).to_be_visible()
        phone.tap("accept")
        phone.tap("arrive")
        phone.tap("locate")
        submit = phone.page.locator("form .button.primary")
        expect(submit).to_be_disabled()  # without a place it is not found
        phone.page.get_by_role("button", name="Posisi ponsel").click()
        expect(phone.page.locator(".place-said")).to_contain_text("pipa P")
        phone.page.get_by_label("Sambungan pipa").check()
        phone.page.locator('[data-photo="camera"]').set_input_files(photo(tmp_path))
        expect(phone.page.locator(".thumb")).to_have_count(1)
        phone.page.locator("textarea").fill("menyembur di sambungan")
        phone.submit()
        expect(phone.page.locator("#line")).to_have_text("tanpa sinyal")
        assert phone.waiting() == 4  # the photo is one of its own
        expect(phone.page.locator("#told")).to_have_accessible_name("4 belum terkirim")
        assert phone.page.evaluate(CUT) == []

        phone.kill()
        phone.start()
        phone.open()  # there is no server: the phone has it all
        expect(phone.page.locator(f'[data-job="{id}"]')).to_contain_text("4 belum terkirim")
        phone.open(f"/field#job/{id}")
        phone.tap("repaired")
        phone.page.get_by_label("Klem perbaikan").check()
        phone.submit()
        assert phone.waiting() == 5
    phone.context.add_cookies([station.cookie("regu1")])  # the kill may have taken the old one
    phone.open(f"/field#job/{id}")
    phone.nothing_waits()
    steps = ["accepted", "arrived", "located", "repaired"]
    assert station.lines(id) == [(s, "regu1") for s in steps]
    found = station.town.alerts.get(id)
    assert (found.state, found.work.assignee) == (State.REPAIRED, "regu1")
    assert (found.work.leak_type, found.work.method) == (LeakType.JOINT, Method.CLAMP)
    assert found.work.place.pipe.startswith("P") and found.work.place.lon == pytest.approx(112.6205)
    told = [e for e in station.town.alerts.history(id) if e.action in steps]
    assert [e.happened for e in told] == sorted(e.happened for e in told)
    assert all(e.happened < e.at for e in told) and told[2].note == "menyembur di sambungan"
    [kept] = station.town.photos.of(id)
    assert (kept.actor, kept.step, kept.width) == ("regu1", "locate", 1600)
    picture = station.town.photos.file(id, kept.id)
    assert Image.open(io.BytesIO(picture)).size == (1600, 1200) and b"Telepon" not in picture
    expect(phone.page.locator('.entry[data-state="sent"]')).to_have_count(4)


def test_what_was_decided_meanwhile_stands_and_the_crews_word_is_kept_beside_it(
    station: Station, phones: Any
) -> None:
    id, phone = station.leak, phones()
    station.office(id, "assign", assignee="regu1")
    phone.ready(id)
    with no_line(station, phone):
        phone.open(f"/field#job/{id}")
        phone.tap("accept")
        phone.tap("arrive")
        station.office(id, "assign", assignee="Regu 2", note="lebih dekat")
    phone.nothing_waits()
    page = phone.page
    kept = page.locator(".banner.warn", has_text="diberikan kepada yang lain").first
    expect(kept).to_contain_text("Rina → Regu 2 · lebih dekat")
    expect(page.locator(".banner.warn").first).to_have_text("Pekerjaan ini sekarang diberikan kepada Regu 2.")
    assert [a for a, _ in station.lines(id)] == ["assigned", "assigned", "reported", "reported"]
    assert station.town.alerts.get(id).work.assignee == "Regu 2"
    expect(page.locator('.entry[data-state="kept"]')).to_have_count(2)

    with no_line(station, phone):
        phone.tap("start_repair")
        phone.page.locator("textarea").fill("pipa sudah digali")
        phone.submit()
        station.office(id, "close", reason=Reason.FALSE_ALARM, cause=Cause.LARGE_USE)
    phone.nothing_waits()
    line = station.town.alerts.history(id)[-1]
    assert (line.action, line.note, line.details["asked"]) == ("reported", "pipa sudah digali", "repairing")
    assert station.town.alerts.get(id).state is State.CLOSED

    phone.open("/field#told")
    expect(page.locator('.entry[data-state="kept"]')).to_have_count(3)
    for left in (2, 1, 0):
        page.get_by_role("button", name="Sudah saya baca").first.click()
        expect(page.locator('.entry[data-state="kept"]')).to_have_count(left)


def test_a_job_that_another_phone_took_is_shown_as_it_stands_now_not_as_it_was(
    station: Station, phones: Any
) -> None:
    station.person("regu2", dmas=["D2"])
    id, phone, other = station.leak, phones(), phones("regu2")
    phone.ready(id)
    other.ready(id)
    phone.context.set_offline(True)
    phone.open(f"/field#job/{id}")
    phone.tap("accept")
    other.open(f"/field#job/{id}")
    other.tap("accept")
    other.nothing_waits()
    phone.context.set_offline(False)
    phone.nothing_waits()
    state, banner = phone.page.locator("main .chip").nth(1), phone.page.locator("main .banner.warn")
    expect(state).to_have_text("Ditugaskan")
    expect(banner.first).to_contain_text("regu2")  # whose job it is now
    expect(banner.nth(1)).to_contain_text("Diterima · regu2")
    expect(banner.nth(1)).not_to_contain_text("→")  # who took it gave it to nobody else

    phone.open("/field")
    expect(phone.page.locator("main")).to_have_attribute("data-view", "list")
    other.tap("arrive")
    other.nothing_waits()
    phone.open(f"/field#job/{id}")  # no list names it any more
    expect(state).to_have_text("Di lokasi")


def test_what_was_cut_off_on_its_way_waits_again_and_the_page_says_so(station: Station, phones: Any) -> None:
    id, phone = station.leak, phones()
    phone.ready(id)
    tried: list[str] = []

    def cut(route: Any) -> None:
        tried.append(route.request.url)
        route.abort()

    phone.context.route("**/reports", cut)
    phone.open(f"/field#job/{id}")
    phone.tap("accept")
    phone.until(lambda: bool(tried) and [e["state"] for e in phone.entries()] == ["queued"])
    phone.open("/field#told")
    expect(phone.page.locator(".entry .chip")).to_have_text("menunggu sinyal")


def test_large_letters_on_a_small_phone_leave_all_within_reach(station: Station, phones: Any) -> None:
    id, phone = station.leak, phones()
    phone.ready(id)
    phone.page.set_viewport_size({"width": 180, "height": 370})  # 360 px, everything twice as large
    with no_line(station, phone):
        phone.open(f"/field#job/{id}")
        phone.tap("accept")
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert phone.page.evaluate(wide) == 0
        expect(phone.page.locator("#line")).to_have_text("tanpa sinyal")
        for tool in phone.page.locator("#bar > *").all():
            box = tool.bounding_box()
            assert box and box["x"] >= 0 and box["x"] + box["width"] <= 180
        phone.open("/field#phone")
        phone.page.get_by_role("link", name="Akun saya").click()
        expect(phone.page.locator("#toasts")).to_contain_text("perlu sinyal")
        assert phone.page.url.endswith("/field#phone")  # not the browser's own page of no line


def test_an_answer_that_is_lost_on_the_way_makes_nothing_happen_twice(
    station: Station, phones: Any, tmp_path: Path
) -> None:
    id, phone = station.leak, phones()
    phone.ready(id)
    lost: list[str] = []

    def lose(route: Any) -> None:
        if len(lost) < 2 and route.request.method == "POST":
            lost.append(route.request.url)
            route.fetch()  # the server has it
            route.abort()  # and nobody hears of it
        else:
            route.continue_()

    phone.context.route("**/api/v1/**", lose)
    phone.open(f"/field#job/{id}")
    phone.tap("note")
    phone.page.locator('[data-photo="gallery"]').set_input_files(photo(tmp_path))
    expect(phone.page.locator(".thumb")).to_have_count(1)
    phone.page.locator("textarea").fill("genangan di tepi jalan")
    phone.submit()
    for _ in range(3):  # each try that is cut off waits for the next
        phone.page.evaluate("dispatchEvent(new Event('online'))")
        phone.page.wait_for_timeout(300)
    phone.nothing_waits()
    assert lost and station.lines(id) == [("note", "regu1")]
    assert len(station.town.photos.of(id)) == 1


def test_a_session_that_has_ended_keeps_what_waits_for_the_one_who_told_it(
    station: Station, phones: Any
) -> None:
    station.person("siti", dmas=["D2"])
    id, phone = station.leak, phones()
    phone.ready(id)
    account = next(a for a in station.accounts.accounts() if a.name == "regu1")
    station.accounts.end_sessions(account.id, By("test"))
    phone.open(f"/field#job/{id}")
    phone.tap("accept")
    expect(phone.page.locator("#signed-out")).to_be_visible()
    assert phone.waiting() == 1
    phone.context.add_cookies([station.cookie("siti")])
    phone.open("/field#told")
    phone.page.reload()  # signing in comes back by loading the page
    expect(phone.page.locator("main .banner.warn")).to_contain_text("regu1")
    assert (phone.waiting(), station.lines(id)) == (1, [])
    phone.context.add_cookies([station.cookie("regu1")])
    phone.open("/field#job/" + id)
    phone.page.reload()
    phone.nothing_waits()
    assert station.lines(id) == [("accepted", "regu1")]


def test_what_waits_is_sent_by_the_browser_when_the_page_is_closed(station: Station, phones: Any) -> None:
    id, phone = station.leak, phones()
    phone.ready(id)
    with no_line(station, phone):
        phone.open(f"/field#job/{id}")
        phone.tap("accept")
        assert phone.waiting() == 1
        empty = phone.context.new_page()
        phone.page.close()
    assert station.lines(id) == []
    worker = phone.context.new_cdp_session(empty)
    known: dict[str, str] = {}
    worker.on(
        "ServiceWorker.workerRegistrationUpdated",
        lambda e: known.update({r["scopeURL"]: r["registrationId"] for r in e["registrations"]}),
    )
    worker.send("ServiceWorker.enable")
    phone.page = empty
    phone.until(lambda: bool(known))
    [registration] = known.values()
    # What Android does by itself once a line is there, at a time of its own.
    asked = {
        "origin": station.url,
        "registrationId": registration,
        "tag": "twuin-field-sync",
        "lastChance": False,
    }
    worker.send("ServiceWorker.dispatchSyncEvent", asked)
    phone.until(lambda: station.lines(id) == [("accepted", "regu1")])
    phone.open(f"/field#job/{id}")
    phone.nothing_waits()
    assert station.lines(id) == [("accepted", "regu1")]


def test_a_wrong_clock_of_the_phone_does_no_harm(station: Station, phones: Any) -> None:
    id, phone = station.leak, phones()
    phone.context.add_init_script(
        "const real = Date.now; Date.now = () => real() - 40 * 86400e3;"  # forty days behind
    )
    phone.ready(id)
    phone.open(f"/field#job/{id}")
    phone.tap("accept")
    phone.nothing_waits()
    [line] = [e for e in station.town.alerts.history(id) if e.action == "accepted"]
    assert abs((line.at - line.happened).total_seconds()) < 120


def test_a_newer_page_is_told_and_loaded(
    station: Station, phones: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    id, phone = station.leak, phones()
    phone.ready(id)
    station.stop()
    monkeypatch.setattr(field, "_build", lambda templates: "newer")
    station.start()
    phone.page.evaluate("navigator.serviceWorker.ready.then((r) => r.update())")
    expect(phone.page.locator("#renewed")).to_be_visible()
    phone.page.get_by_role("button", name="Muat sekarang").click()

    def newer() -> bool:
        with suppress(PlaywrightError):  # in the middle of loading
            return '"build":"newer"' in phone.page.content()
        return False

    phone.until(newer)
    phone.until(lambda: phone.page.evaluate("caches.keys()") == ["twuin-field-newer"])
    expect(phone.page.locator("#renewed")).to_have_count(0)


def test_the_first_load_is_light_and_the_page_can_be_installed(station: Station, phones: Any) -> None:
    phone = phones()
    tools = phone.context.new_cdp_session(phone.page)
    tools.send("Network.enable")
    loaded: list[float] = []
    tools.on("Network.loadingFinished", lambda e: loaded.append(e["encodedDataLength"]))
    station.sent.clear()
    phone.ready(station.leak)
    maps = sum(n for path, n in station.sent.items() if path.startswith("/field/jobs/"))
    everything = sum(station.sent.values()) - maps  # the service worker's share too
    print(f"first load: {sum(loaded):,.0f} bytes by Chromium, {everything:,} by the server; maps {maps:,}")
    assert 20_000 < sum(loaded) - maps < FIRST_LOAD
    assert everything < FIRST_LOAD
    assert tools.send("Page.getAppManifest")["errors"] == []
    assert tools.send("Page.getInstallabilityErrors")["installabilityErrors"] == []


TARGETS = """() => [
    ...document.querySelectorAll("a, button, label.choice, label.button, input, textarea, summary")]
  .filter((e) => e.checkVisibility() && !e.closest(".visually-hidden") && e.type !== "radio")
  .map((e) => [e.textContent.trim().slice(0, 30) || e.tagName, e.getBoundingClientRect()])
  .filter(([, box]) => box.height < 44 || box.width < 44).map(([text]) => text)"""


@pytest.mark.parametrize("language", ["id", "en"])
def test_every_view_fits_a_narrow_phone_and_is_made_for_fingers(
    language: str, station: Station, phones: Any
) -> None:
    id, phone = station.leak, phones()
    phone.ready(id)
    phone.page.evaluate("(code) => localStorage.setItem('twuin-field-language', code)", language)
    for view in ("", f"#job/{id}", f"#do/{id}/locate", f"#do/{id}/repaired", "#told", "#phone"):
        phone.page.goto(f"{station.url}/field{view}")
        phone.page.reload()
        expect(phone.page.locator("main")).to_have_attribute("data-view", view[1:].split("/")[0] or "list")
        assert phone.page.evaluate("document.documentElement.scrollWidth") <= 360, view
        assert phone.page.evaluate(TARGETS) == [], view
        assert phone.page.evaluate("document.documentElement.lang") == language


def test_names_on_the_map_keep_apart_and_a_small_share_is_not_nothing(station: Station, phones: Any) -> None:
    phone = phones()
    phone.ready(station.leak)
    script = phone.page.locator('script[src$="/js/field.js"]').get_attribute("src")
    assert script is not None
    names = [{"text": f"P{i}", "at": [200 + 3 * i, 100], "width": 40} for i in range(7)]
    placed, shares = phone.page.evaluate(
        """async ([url, names]) => {
          const map = await import(url.replace("field.js", "fieldmap.js"));
          const text = await import(url.replace("field.js", "fieldtext.js"));
          return [map.apart(names), [0, 0.00001, 0.034, 0.44].map(text.percent)]; }""",
        [script, names],
    )
    assert [p["text"] for p in placed][:4] == ["P0", "P1", "P2", "P3"] and len(placed) < 7
    boxes = [p["at"] for p in placed]
    for i, (x, y) in enumerate(boxes):
        assert all(abs(x - a) >= 40 or abs(y - b) >= 16 for a, b in boxes[:i])
    assert shares == ["0,0\xa0%", "<\xa00,1\xa0%", "3,4\xa0%", "44\xa0%"]


def test_a_tap_on_a_pipe_says_where_on_it(station: Station, phones: Any) -> None:
    id, phone = station.leak, phones()
    phone.ready(id)
    phone.open(f"/field#do/{id}/locate")
    canvas = phone.page.locator(".map-canvas")
    expect(phone.page.locator(".map")).to_have_attribute("data-drawn", "true")
    box = canvas.bounding_box()
    assert box is not None
    phone.page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(phone.page.locator(".place-said")).to_contain_text("sepanjang pipa")


def test_the_alerts_page_shows_what_the_crew_sent(station: Station, phones: Any, tmp_path: Path) -> None:
    station.person("ani", Role.ENGINEER)
    station.town.photos.add(station.leak, photo(tmp_path).read_bytes(), key="k", actor="regu1", step="locate")
    desk = phones("ani")
    desk.open(f"/alerts/{station.leak}")
    picture = desk.page.locator("#photos img")
    picture.scroll_into_view_if_needed()
    expect(picture).to_have_js_property("complete", True)
    assert picture.evaluate("(e) => e.naturalWidth") == 320
    stranger = phones("regu1")
    other = replace(station.samples.leak("D1", station.samples.NOW, station.samples.NOW, 9.0, []))
    station.town.alerts.apply([*station.town.findings, other])
    hidden = next(a.id for a in station.town.views.alerts().items if a.dma == "D1" and a.ended is None)
    station.town.photos.add(hidden, photo(tmp_path).read_bytes(), key="k2", actor="x")
    assert stranger.page.goto(f"{station.url}/api/v1/alerts/{hidden}/photos").status == 404
