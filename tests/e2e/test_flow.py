"""From a burst pipe to the report, with the real parts on simulated time.

Devices on real hydraulics publish over Mosquitto; ingest, store, monitor, promises, messages, pages and the
crew's phone are those of the program. The town's time is that of its newest reading, so that days pass as
fast as they are taken in. The burst is over when the crew mends it: the readings show that, nothing else.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as default_policy
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pypdfium2
import pytest
from aiosmtpd.controller import Controller
from argon2 import PasswordHasher
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from pytest_httpserver import HTTPServer

from firmware_sim.fleet import BrokerAddress, readings, run_fleet
from firmware_sim.instants import parse_when
from firmware_sim.scenario import load_scenario
from firmware_sim.scenario_model import Scenario
from firmware_sim.town import demo_site_folder
from twuin import app as program
from twuin.access import AccountAccess
from twuin.access.cookies import SESSION
from twuin.accounts.passwords import Passwords
from twuin.accounts.rights import Role
from twuin.accounts.service import AccountService, By
from twuin.accounts.sign_in import SignIn, Visitor
from twuin.alerts.model import Alert, Kind, State
from twuin.alerts.score import score_of
from twuin.db import open_account_store
from twuin.settings import load
from waterworks.clocks import DataClock, WallClock
from waterworks.epanet_file import read_network
from waterworks.pinpoint import Pinpoint
from waterworks.reading import as_datetime
from waterworks.site_folder import read_site

pytestmark = pytest.mark.servers

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
PATIENCE_S = 120.0
PASSWORD = "lumbung-derita-sepeda-merah"
BEGAN = np.datetime64("2026-10-05T13:00", "us")
"""Monday, 20.00 in the town."""

LEAK_M3H = 12.0
MENDED_H = 40
"""The crew mends the burst so many hours after ``BEGAN``: Wednesday, 12.00."""

PROMISE = "high = { repair_h = 24 }\n"
"""Beside what the town promises already."""

RULES = """
[[receiver]]
name = "posko"
channels.mail = "mailto://127.0.0.1:{mail}?from=twuin@pdam.example&to=posko@pdam.example"

[[receiver]]
name = "hp-utara"
crew = "regu-utara"
channels.chat = "json://127.0.0.1:{chat}/chat"

[[rule]]
to = ["posko"]
kinds = ["leak"]
events = ["new", "again", "over", "late", "assigned"]

[[rule]]
crew = "regu-utara"
kinds = ["leak"]
events = ["assigned", "over"]
"""


def until(what: str, ready: Callable[[], Any]) -> Any:
    """The first truthy answer of ``ready``."""
    end = time.monotonic() + PATIENCE_S
    while not (found := ready()):
        assert time.monotonic() < end, f"waited {PATIENCE_S:g} s in vain for {what}"
        time.sleep(0.05)
    return found


class Present:
    """The town's time: that of its newest reading. No clock for past data, though: here people act."""

    speed = 1.0

    def __init__(self) -> None:
        self.follows: DataClock | None = None

    def now(self) -> np.datetime64:
        assert self.follows is not None
        return self.follows.now()


class Mailbox:
    """What an SMTP server got."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        mail = message_from_bytes(envelope.content, policy=default_policy)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"

    def subjects(self) -> list[str]:
        return [str(m["Subject"]) for m in self.mails]


@dataclass
class Town:
    """The program at work on the demo town, and the town itself."""

    parts: program.Parts
    accounts: AccountService
    scenario: Scenario
    broker: BrokerAddress
    folder: Path
    web: Any
    mailbox: Mailbox
    chat: HTTPServer
    reached: np.datetime64 = BEGAN
    stop: threading.Event = field(default_factory=threading.Event)

    def live(self, hours: float) -> None:
        """The town lives until so many hours after ``BEGAN``, and Twuin has looked at all of it."""
        end = BEGAN + np.timedelta64(round(hours * 60), "m")
        run_fleet(
            self.parts.site, self.scenario, self.broker, None, self.stop,
            start=self.reached, end=end, checkpoint=self.folder / "town.json",
        )  # fmt: skip
        self.reached = end
        monitor = self.parts.monitor
        assert monitor is not None
        seen = as_datetime(end) - timedelta(hours=2)  # whole hours, and what may still come late
        try:
            until(
                f"the monitor at {end}", lambda: (m := monitor.status().watermark) is not None and m >= seen
            )
        except AssertionError as e:
            ingest = self.parts.consumer
            e.add_note(f"monitor: {monitor.status()}")
            e.add_note(f"ingest: {ingest and ingest.stats}")
            e.add_note(f"clock: {self.parts.clock.now()}; threads: {[t.name for t in threading.enumerate()]}")
            e.add_note(f"newest: { {n: str(r.time) for n, r in self.parts.store.latest().items()} }")
            raise

    def leaks(self) -> list[Alert]:
        return self.parts.alerts.list(kinds=[Kind.LEAK]).items

    def hours(self, when: datetime) -> float:
        return (when - as_datetime(BEGAN)) / timedelta(hours=1)

    def cookie(self, name: str) -> Any:
        signed = self.accounts.sign_in.sign_in(name, PASSWORD, Visitor("192.0.2.7"))
        return {"name": SESSION, "value": signed.secret, "url": self.web.url}

    def chats(self) -> list[dict[str, Any]]:
        return [request.get_json() for request, _ in self.chat.log]


@pytest.fixture
def mosquitto_port(mosquitto: str, tmp_path: Path, free_port: Callable[[], int]) -> Iterator[int]:
    port, log = free_port(), (tmp_path / "mosquitto.log").open("wb")
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n")
    process = subprocess.Popen([mosquitto, "-c", str(config)], stdout=log, stderr=log)
    yield port
    process.terminate()
    process.wait(20)
    log.close()


@pytest.fixture
def town(
    tmp_path: Path,
    mosquitto_port: int,
    free_port: Callable[[], int],
    web_server: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Town]:
    monkeypatch.setattr(program, "PROMISES_S", 0.05)  # time passes quickly here
    box = Mailbox()
    with ExitStack() as stack:
        smtp = Controller(box, hostname="127.0.0.1", port=free_port())
        smtp.start()
        stack.callback(smtp.stop)
        chat = stack.enter_context(HTTPServer(host="127.0.0.1", threaded=True))
        chat.expect_request("/chat", method="POST").respond_with_data("")
        site_folder = tmp_path / "site"
        shutil.copytree(demo_site_folder(), site_folder)
        about = (site_folder / "site.toml").read_text(encoding="utf-8")
        assert "[promises]\n" in about and "high =" not in about
        promising = about.replace("[promises]\n", "[promises]\n" + PROMISE)
        (site_folder / "site.toml").write_text(promising, encoding="utf-8")
        (site_folder / "notify.toml").write_text(RULES.format(mail=smtp.port, chat=chat.port))
        site = read_site(site_folder)

        demo = load_scenario("demo")
        burst = replace(demo.leaks[0], flow_m3h=LEAK_M3H, end=parse_when(f"+{MENDED_H}h"))
        scenario = replace(demo, seed=1, leaks=(burst,), events=(), faults=()).starting(BEGAN)
        settings = load(
            None,
            {
                "data_dir": tmp_path / "data",
                "mqtt": {"host": "127.0.0.1", "port": mosquitto_port},
                "monitor": {"poll_s": 0.1},
            },
        )
        settings.data_dir.mkdir()
        clock = Present()
        parts = program.build(settings, site=site, clock=clock)
        stack.callback(parts.close)
        clock.follows = DataClock(parts.store, refresh_s=0.05)
        past = readings(
            site, scenario, BEGAN - np.timedelta64(28, "D"), BEGAN, checkpoint=tmp_path / "town.json"
        )
        for batch in past:
            parts.store.append(batch)

        accounts = open_accounts(settings.database_url, site)
        web = web_server()
        program.open_notify(parts, web.url)
        web.start(program.web_app(parts, AccountAccess(accounts)))
        stack.callback(web.stop)
        made = Town(
            parts, accounts, scenario, BrokerAddress("127.0.0.1", mosquitto_port), tmp_path, web, box, chat
        )
        # A day is taken in within seconds: by a clock that follows the data it would be received before it
        # was measured, and wait for time to pass. As in ``start_ingest`` for past data.
        taking_in = replace(parts, clock=WallClock())
        program.start_ingest(taking_in)
        parts.consumer = taking_in.consumer
        program.start_monitor(parts)
        program.start_promises(parts)
        program.start_notify(parts)
        yield made


def open_accounts(url: str, site: Any) -> AccountService:
    """A dispatcher and a crew, whose passwords cost nothing to check."""

    def now() -> datetime:
        return datetime.now(UTC)

    store = open_account_store(url)
    cheap = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    sign_in = SignIn(site.id, store, now, passwords=cheap)
    accounts = AccountService(site.id, store, now, sign_in=sign_in, dmas=[d.id for d in site.dmas])
    for name, role in (("rina", Role.DISPATCHER), ("regu-utara", Role.CREW)):
        _, code = accounts.add(name, role, By("test"))
        sign_in.use_code(name, code, PASSWORD, Visitor("192.0.2.7"))
    return accounts


@pytest.fixture
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


def place_of_the_burst(town: Town) -> tuple[float, float]:
    """Where the crew will dig, as its phone tells it: the simulator alone knows."""
    leak = town.scenario.leaks[0]
    site = town.parts.site
    assert site.network_file is not None and leak.pipe is not None
    network = read_network(site.network_file)
    link = network.link_index[leak.pipe]
    found = Pinpoint(site, network).point(link, leak.position * float(network.length[link]))
    assert found is not None
    return found


@contextmanager
def phone(browser: Browser, town: Town) -> Iterator[tuple[BrowserContext, Page]]:
    """The crew's phone at the burst, signed in, with its job and the map on it."""
    lon, lat = place_of_the_burst(town)
    context = browser.new_context(
        base_url=town.web.url, locale="id-ID", viewport={"width": 360, "height": 740}, is_mobile=True,
        has_touch=True, geolocation={"longitude": lon, "latitude": lat}, permissions=["geolocation"],
    )  # fmt: skip
    context.set_default_timeout(PATIENCE_S * 1000)
    context.add_cookies([town.cookie("regu-utara")])
    wrong: list[str] = []
    page = context.new_page()
    page.on("pageerror", lambda e: wrong.append(str(e)))
    yield context, page
    context.close()
    assert wrong == []


def told(town: Town, id: str) -> list[tuple[str, str]]:
    """(action, actor) of all that people did, in order."""
    return [(e.action, e.actor) for e in town.parts.alerts.history(id) if e.actor != "monitor"]


def test_a_burst_is_found_told_of_mended_verified_and_handed_in(town: Town, browser: Browser) -> None:
    alerts = town.parts.alerts

    # Detected: one leak is one alert, and one message.
    town.live(14)
    (leak,) = until("the leak", town.leaks)
    assert leak.finding.dma == "D3"
    until("the first mail", town.mailbox.subjects)
    opened = town.hours(alerts.history(leak.id)[0].at)
    assert 1.5 < opened <= 14
    (mail,) = town.mailbox.mails
    body = mail.get_body(("plain",))
    assert str(mail["Subject"]).startswith("Mendesak: Kebocoran di ") and body is not None
    (link,) = re.findall(r"http://localhost:\d+/a/\S+", body.get_content())

    # Taken on with one tap on the link in it.
    context = browser.new_context(locale="id-ID")
    page = context.new_page()
    page.goto(link)
    page.get_by_role("button", name="Ya, saya tangani").click()
    expect(page.locator(".notice-good")).to_be_visible()
    assert told(town, leak.id) == [("acknowledged", "posko (link)")]

    # Late: told as most of the promised time is gone, and as it is over.
    town.live(opened + 20.5)
    until("the warning", lambda: len(town.mailbox.mails) == 2)
    town.live(opened + 24.5)
    until("what is overdue", lambda: len(town.mailbox.mails) == 3)

    # Assigned by the dispatcher: the crew is told, and nobody else.
    context.add_cookies([town.cookie("rina")])
    page.goto(f"{town.web.url}/alerts/{leak.id}")
    page.locator("[name=assignee]").fill("regu-utara")
    page.get_by_role("button", name="Tugaskan", exact=True).click()
    expect(page.locator("#history")).to_contain_text("kepada regu-utara")
    context.close()
    until("the crew's message", town.chats)

    # The crew has no line where it digs. What it tells comes later, and once.
    with phone(browser, town) as (mobile, page):
        page.goto("/field")
        expect(page.locator(f'[data-job="{leak.id}"]')).to_be_visible()
        page.evaluate("navigator.serviceWorker.ready.then(() => 1)")
        page.wait_for_function("navigator.serviceWorker.controller !== null")
        page.goto(f"/field#job/{leak.id}")
        expect(page.locator(".map-canvas")).to_be_visible()
        town.live(MENDED_H)
        # Once more with a line, by which the phone knows the town's time.
        page.reload()
        expect(page.locator(".map-canvas")).to_be_visible()
        expect(page.locator("#line")).to_have_text("tersambung")  # the site's time has come
        mobile.set_offline(True)
        town.web.stop()
        for action in ("accept", "arrive"):
            page.locator(f'[data-action="{action}"]').first.click()
        page.locator('[data-action="locate"]').first.click()
        page.get_by_role("button", name="Posisi ponsel").click()
        expect(page.locator(".place-said")).to_contain_text("pipa P")
        page.get_by_label("Sambungan pipa").check()
        page.locator("form .button.primary").click()
        expect(page.locator("main")).to_have_attribute("data-view", "job")
        page.locator('[data-action="repaired"]').first.click()
        page.get_by_label("Klem perbaikan").check()
        page.locator("form .button.primary").click()
        expect(page.locator("main")).to_have_attribute("data-view", "job")
        assert told(town, leak.id)[2:] == []
        town.web.start()
        mobile.set_offline(False)
        page.evaluate("dispatchEvent(new Event('online'))")
        until("what the crew told", lambda: page.wait_for_timeout(100) or len(told(town, leak.id)) == 6)
    steps = ["accepted", "arrived", "located", "repaired"]
    assert told(town, leak.id)[1:] == [("assigned", "rina"), *((s, "regu-utara") for s in steps)]
    mended = alerts.get(leak.id)
    assert mended.state is State.REPAIRED and mended.work.repaired_at is not None
    assert town.hours(mended.work.repaired_at) == pytest.approx(MENDED_H, abs=1.0)

    # Where it was found gives the locator its score, by what it had said as the crew was sent and later.
    score = score_of(alerts.history(leak.id))
    assert score is not None and score.sent_hit is not None
    burst = town.scenario.leaks[0]
    assert score.pipe == burst.pipe and score.exact
    for hit in (score.sent_hit, score.hit):
        assert hit.rank is not None and hit.probability is not None and hit.probability > 0
        assert hit.best_m is not None and hit.best_m < 800 and hit.inside_90 is not None

    # Verified by the readings after it: how much fell is what leaked.
    day = MENDED_H
    while alerts.get(leak.id).state is State.REPAIRED and day < MENDED_H + 7 * 24:
        day += 24
        town.live(day)
    verified = alerts.get(leak.id)
    assert verified.state is State.VERIFIED, verified.work.check
    check = verified.work.check
    assert check is not None and check.fell is not None
    assert check.fell * 3600 == pytest.approx(LEAK_M3H, abs=1.5)

    # Exactly these messages, each once.
    until("the messages of its end", lambda: len(town.mailbox.mails) == 4 and len(town.chats()) == 2)
    town.live(day + 6)
    subjects = town.mailbox.subjects()
    assert [s.split(":")[0] for s in subjects] == [
        "Mendesak", "Segera jatuh tempo", "Lewat waktu", "Selesai"
    ]  # fmt: skip
    assert len({str(m["Message-ID"]) for m in town.mailbox.mails}) == 4
    assert [c["title"].split(":")[0] for c in town.chats()] == ["Untuk Anda", "Selesai"]
    assert [a.id for a in town.leaks()] == [leak.id]

    handed_in(town, browser, leak.id)


def handed_in(town: Town, browser: Browser, id: str) -> None:
    """The month's report has the leak with its times, its water and what the repair saved."""
    context = browser.new_context(base_url=town.web.url)
    context.add_cookies([town.cookie("rina")])
    figures = context.request.get("/api/v1/reports/2026-10").json()
    (line,) = [x for x in figures["leaks"] if x["alert"] == id]
    assert line["outcome"] == "repaired" and line["place"] == town.scenario.leaks[0].pipe
    burst_h = MENDED_H - 1.5
    assert line["awareness_h"] + line["location_h"] + line["mending_h"] == pytest.approx(burst_h, abs=3)
    assert line["lost_m3"] == pytest.approx(LEAK_M3H * burst_h, rel=0.2)
    saved = figures["response"]["all"]["saved_m3"]
    days = (as_datetime(town.reached) - as_datetime(BEGAN)) / timedelta(days=1) - MENDED_H / 24
    assert 0.5 * LEAK_M3H * 24 * days < saved["value"] < 1.2 * LEAK_M3H * 24 * days
    assert saved["low"] < saved["value"] < saved["high"]
    assert figures["locator"]["found"]["leaks"] == 1

    file = "/api/v1/reports/2026-10/file?language=en&format="
    book = openpyxl.load_workbook(io.BytesIO(context.request.get(file + "xlsx").body()), data_only=True)
    rows = [row for row in book["Leaks"].iter_rows(values_only=True) if row[0] == id]
    assert len(rows) == 1 and any(
        isinstance(cell, float | int) and cell == pytest.approx(line["lost_m3"], rel=1e-3) for cell in rows[0]
    )
    assert [r for r in book["Leaks found"].iter_rows(values_only=True) if r[0] == id]
    paper = pypdfium2.PdfDocument(context.request.get(file + "pdf").body())
    text = "\n".join(paper[i].get_textpage().get_text_range() for i in range(len(paper)))
    assert id in text and "Repairs saved" in text
    context.close()
