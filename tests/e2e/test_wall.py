"""Displays of the control room's wall in a real browser: read from afar, and alive for weeks."""

from __future__ import annotations

import os
import re
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from twuin.access import AccountAccess
from twuin.accounts.rights import Right, Role
from twuin.accounts.service import AccountService, By
from twuin.accounts.sign_in import SignIn
from twuin.alerts.model import Finding, Kind
from twuin.db import open_account_store
from waterworks.errors import StoreUnavailable

pytestmark = pytest.mark.servers

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
PATIENCE_MS = 20_000
DISPLAYS = {"1080p": (1920, 1080), "4K": (3840, 2160), "on end": (1080, 1920)}
ROUNDS = int(os.environ.get("TWUIN_WALL_ROUNDS", "40"))
"""Minutes of sped-up time for the test of weeks; 20,160 would be two whole weeks."""

QUICK = """\
[[screen]]
[[screen.page]]
seconds = 5
grid = ["map alerts trend"]
[[screen.page]]
seconds = 5
grid = ["dmas sensors", "figures clock"]
"""


@pytest.fixture
def station(samples: ModuleType, sample_server: Any, tmp_path: Path) -> Iterator[Any]:
    found = sample_server(samples.town(tmp_path))
    yield found
    found.close()


@pytest.fixture(scope="module")
def still(samples: ModuleType, sample_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A station for tests that change nothing."""
    found = sample_server(samples.town(tmp_path_factory.mktemp("still")))
    yield found
    found.close()


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def display(
    browser: Browser, size: tuple[int, int] = DISPLAYS["1080p"], *, quiet: bool = True
) -> Iterator[Page]:
    """A display; quiet: it fails the test on any error in its console."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda e: wrong.append(f"error: {e}"))
    if quiet:
        page.on("console", lambda m: wrong.append(f"console: {m.text}") if m.type == "error" else None)
        page.on("response", lambda r: wrong.append(f"{r.status}: {r.url}") if r.status >= 400 else None)
    yield page
    context.close()
    assert wrong == []


def drawn(page: Page) -> None:
    """Wait until all maps and trends are drawn."""
    waited_for = page.locator(":is(.wall-map-box, .wall-chart):not([data-drawn])")
    expect(waited_for).to_have_count(0, timeout=PATIENCE_MS)


def shown(page: Page, number: int) -> None:
    """Turn to a page, as the wall itself does."""
    page.evaluate(
        "(n) => document.querySelectorAll('.wall-page')"
        ".forEach((e, i) => e.classList.toggle('here', i === n))",
        number,
    )


SMALL = """() => {
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    if (!walk.currentNode.textContent.trim()) continue;
    if (!element.checkVisibility({ visibilityProperty: true })) continue;
    const size = parseFloat(getComputedStyle(element).fontSize) / rem;
    const cut = element.getBoundingClientRect();
    if (size < 0.745) found.push(`${size.toFixed(2)}: ${walk.currentNode.textContent.trim().slice(0, 40)}`);
    if (cut.right > innerWidth + 1 || cut.bottom > innerHeight + 1 || cut.left < -1 || cut.top < -1)
      found.push(`outside: ${walk.currentNode.textContent.trim().slice(0, 40)}`);
  }
  return found;
}"""

CUT = """() => [...document.querySelectorAll(".wall-page.here .wall-body")]
  .filter((e) => e.scrollHeight > e.clientHeight + 2 || e.scrollWidth > e.clientWidth + 2)
  .map((e) => `${e.id}: ${e.scrollWidth}x${e.scrollHeight} in ${e.clientWidth}x${e.clientHeight}`)"""

SIDEWAYS = """() => [...document.querySelectorAll(
    ".wall-page.here :is(h3, dd, dt, b, .state, .figure, .small, .as-of)")]
  .filter((e) => e.checkVisibility({ visibilityProperty: true }) && e.scrollWidth > e.clientWidth + 1
    && getComputedStyle(e).display !== "inline" && getComputedStyle(e).textOverflow !== "ellipsis")
  .map((e) => e.textContent.trim().slice(0, 60))"""


@pytest.mark.parametrize("language", ["id", "en"])
@pytest.mark.parametrize("size", DISPLAYS.values(), ids=DISPLAYS.keys())
def test_everything_on_every_display_is_large_and_whole(
    size: tuple[int, int], language: str, still: Any, browser: Browser
) -> None:
    with display(browser, size) as page:
        for screen, pages in ((1, 3), (2, 1)):
            page.goto(f"{still.url}/wall?screen={screen}&lang={language}")
            drawn(page)
            expect(page.locator(".wall-page")).to_have_count(pages)
            for number in range(pages):
                shown(page, number)
                where = (screen, number)
                assert page.evaluate(SMALL) == [], where
                assert page.evaluate(CUT) == [], where
                assert page.evaluate(SIDEWAYS) == [], where
            root = "document.documentElement"
            assert page.evaluate(f"[{root}.scrollWidth, {root}.scrollHeight]") == list(size)


ON_DISPLAY = [
    (55, 5, (1920, 1080), 0.0472),
    (55, 5, (3840, 2160), 0.0472),
    (65, 5, (1920, 1080), 0.0399),
    (55, 5, (1080, 1920), 0.0265),
    (75, 5, (1920, 1080), 0.0346),
    (55, 2.5, (1920, 1080), 0.0236),
    (10, 5, (1920, 1080), 1 / 11),
]
"""Diagonal [inch], distance [m], picture [px], and the share of its height that docs/wall.md gives."""


def test_capitals_are_seen_under_sixteen_minutes_of_arc(still: Any, browser: Browser) -> None:
    with display(browser) as page:
        page.goto(f"{still.url}/wall")
        script = page.locator('script[src$="/js/wall.js"]').get_attribute("src")
        assert script is not None
        sizes = page.evaluate(
            "async ([url, given]) => {"
            "  const { typeSize } = await import(url);"
            "  return given.map(([inches, metres, [w, h]]) => typeSize(inches, metres, w, h)); }",
            [script.replace("wall.js", "wallfit.js"), ON_DISPLAY],
        )
        for found, (inches, metres, (_, height), share) in zip(sizes, ON_DISPLAY, strict=True):
            assert found / height == pytest.approx(share, rel=0.01), (inches, metres)
        rem = float(page.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)"))
        assert rem == pytest.approx(sizes[0], rel=0.001)


def silences(samples: ModuleType, count: int) -> list[Finding]:
    since = samples.NOW - timedelta(hours=9)
    return [
        Finding(Kind.SILENT, f"X-{i}", "D1", since, since + timedelta(hours=1), samples.NOW)
        for i in range(count)
    ]


def test_of_too_many_alerts_the_worst_are_there_and_the_others_counted(
    station: Any, samples: ModuleType, browser: Browser
) -> None:
    station.find(
        *silences(samples, 60), samples.leak("D1", samples.NOW - timedelta(hours=2), samples.NOW, 9, [])
    )
    with display(browser) as page:
        page.goto(f"{station.url}/wall?lang=en")
        drawn(page)
        seen = page.locator(".wall-alert:visible")
        assert "Leak in DMA" in seen.first.inner_text()
        more = page.locator(".wall-page.here [data-more]").inner_text()
        beyond = re.fullmatch(r"… and (\d+) more", more)
        assert beyond is not None
        assert seen.count() + int(beyond[1]) == 2 + 1 + 1 + 60
        assert 1 < seen.count() < 10
        page.goto(f"{station.url}/wall?lang=id")
        expect(page.locator(".wall-page.here [data-more]")).to_have_text(f"… dan {beyond[1]} lagi")


def test_of_too_many_areas_those_in_the_worst_way_stay(station: Any, browser: Browser) -> None:
    station.wall("[[screen]]\ndistance_m = 7\n[[screen.page]]\ngrid = ['dmas .', '. .', '. .']\n")
    with display(browser) as page:
        page.goto(f"{station.url}/wall?lang=en")
        tiles = page.locator(".wall-tile:visible")
        expect(tiles).to_have_count(1)
        expect(tiles).to_contain_text("DMA Sukun")  # the leak; three that are better off gave way
        expect(page.locator("[data-more]")).to_have_text("… and 3 more")


COUNT_INK = """(canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const columns = new Set();
  for (let i = 0; i < data.length; i += 4)
    if (data[i + 2] > 200 && data[i + 2] > data[i] + 60) columns.add((i / 4) % canvas.width);
  return columns.size / canvas.width;
}"""


def test_trends_of_areas_and_sensors_are_drawn_across_their_panel(station: Any, browser: Browser) -> None:
    station.wall(
        "[[screen]]\n[[screen.page]]\ngrid = ['area', 'sensor']\n"
        "panel.area = { kind = 'trend', dma = 'D2', hours = 48 }\n"
        "panel.sensor = { kind = 'trend', sensor = 'D1-P2', hours = 12 }\n"
    )
    with display(browser) as page:
        page.goto(f"{station.url}/wall?lang=id")
        drawn(page)
        expect(page.locator(".wall-chart canvas")).to_have_count(2)
        assert page.locator(".wall-panel.old, [data-failed]").count() == 0
        for number in range(2):
            assert page.locator(".wall-chart canvas").nth(number).evaluate(COUNT_INK) > 0.75
        expect(page.locator(".as-of")).to_have_text(["per 10.00", "per 10.00"])
        texts = page.locator(".u-legend").all_inner_texts()
        assert "Debit masuk" in texts[0] and "Tekanan" in texts[1]


def test_pages_turn_by_themselves(station: Any, browser: Browser) -> None:
    station.wall(QUICK)
    with display(browser) as page:
        page.goto(f"{station.url}/wall")
        expect(page.locator(".wall-clock, [data-hour]").first).to_be_visible()
        first = page.locator(".wall-page").first
        expect(first).to_be_visible()
        expect(first).not_to_have_class(re.compile("here"), timeout=PATIENCE_MS)
        expect(first).to_have_class(re.compile("here"), timeout=PATIENCE_MS)


def test_a_new_alert_comes_by_itself_and_is_framed(station: Any, browser: Browser) -> None:
    with display(browser) as page:
        page.goto(f"{station.url}/wall?lang=en")
        drawn(page)
        page.evaluate("window.kept = true")
        id = station.sample.new_leak()
        expect(page.locator(f'.wall-alert.new[data-alert="{id}"]')).to_have_count(1)
        assert page.evaluate("window.kept") is True


def test_an_alert_whose_event_is_over_stays_in_its_list(
    station: Any, samples: ModuleType, browser: Browser
) -> None:
    station.wall("[[screen]]\ndistance_m = 2\n[[screen.page]]\ngrid = ['alerts']\n")
    id = station.sample.new_leak()
    alerts = station.sample.alerts
    alerts.act(id, "acknowledge", version=alerts.get(id).version)
    station.sample.findings[-1] = replace(station.sample.findings[-1], ended=samples.NOW)
    station.find()
    with display(browser) as page:
        page.goto(f"{station.url}/wall?lang=en")
        drawn(page)
        card = page.locator(f'.wall-page.here .wall-alert.over[data-alert="{id}"]')
        expect(card).to_be_visible()
        edges = page.locator(".wall-page.here .wall-alert:visible").evaluate_all(
            "(cards) => cards.map((e) => [e.getBoundingClientRect().left, e.getBoundingClientRect().width])"
        )
        assert len(edges) > 1 and edges == edges[:1] * len(edges)


def test_a_stopped_server_is_said_at_once_and_all_is_brought_up_to_date_when_it_is_back(
    station: Any, browser: Browser
) -> None:
    with display(browser, quiet=False) as page:
        page.goto(f"{station.url}/wall?lang=en")
        drawn(page)
        banner = page.locator("#wall-banner")
        expect(banner).to_be_hidden()
        page.wait_for_timeout(1500)  # the stream is open
        station.stop()
        expect(banner).to_be_visible(timeout=10_000)
        expect(banner).to_contain_text("No connection to Twuin")
        expect(banner).to_contain_text(re.compile(r"since Sat 21 Nov 10:1\d"))
        assert page.locator(".wall-page.here .wall-panel:not(.old)").count() == 0
        id = station.sample.new_leak()
        station.start()
        expect(banner).to_be_hidden(timeout=40_000)
        expect(page.locator(f'[data-alert="{id}"]')).to_have_count(1)
        assert page.locator(".wall-panel.old").count() == 0


class Cable:
    """A line to a server that can be pulled: nothing is closed, nothing comes through any more."""

    def __init__(self, port: int) -> None:
        self._to = port
        self.pulled = threading.Event()
        self._ended = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(0.2)
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def _accept(self) -> None:
        pairs: list[tuple[socket.socket, socket.socket]] = []
        while not self._ended.is_set():
            with suppress(TimeoutError):
                near, _ = self._listening.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
                pairs.append((near, far))
                threading.Thread(target=self._carry, args=(near, far), daemon=True).start()
        for pair in pairs:
            for end in pair:
                end.close()
        self._listening.close()

    def _carry(self, near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError, ValueError):
            while not self._ended.is_set():
                ready, _, _ = select.select([near, far], [], [], 0.1)
                if self.pulled.is_set():
                    self._ended.wait(0.1)
                    continue
                for end in ready:
                    data = end.recv(65536)
                    if not data:
                        near.close()
                        far.close()
                        return
                    (far if end is near else near).sendall(data)

    def end(self) -> None:
        self._ended.set()
        self._thread.join(10)


def test_a_pulled_cable_is_noticed_though_nothing_is_closed(station: Any, browser: Browser) -> None:
    cable = Cable(station.port)
    with display(browser, quiet=False) as page:
        page.goto(f"{cable.url}/wall?lang=id")
        drawn(page)
        page.wait_for_timeout(1500)
        banner = page.locator("#wall-banner")
        cable.pulled.set()
        expect(banner).to_be_visible(timeout=PATIENCE_MS)
        expect(banner).to_contain_text("Sambungan ke Twuin terputus")
        cable.pulled.clear()
        expect(banner).to_be_hidden(timeout=40_000)
    cable.end()


def test_a_monitor_that_stands_still_is_told_and_greys_what_it_made(station: Any, browser: Browser) -> None:
    views = station.sample.views
    said = views.site()
    with display(browser) as page:
        page.goto(f"{station.url}/wall?screen=2&lang=id")
        page.wait_for_timeout(1500)
        banner, alerts = page.locator("#wall-banner"), page.locator('[data-kind="alerts"]')
        expect(banner).to_be_hidden()
        stood = said.watermark - timedelta(hours=3)
        views.site = lambda: said.model_copy(update={"watermark": stood, "now": views.now()})
        station.sample.new_leak()  # makes the display look
        expect(banner).to_be_visible()
        expect(banner).to_contain_text("Data tidak mutakhir")
        expect(banner).to_contain_text("sejak Sab 21 Nov 07.00")
        expect(alerts).to_have_class(re.compile("old"))
        expect(alerts.locator(".as-of")).to_have_text("per 07.00")
        # The newest reading is of now: sensors are as current as they say.
        expect(page.locator('[data-kind="sensors"]')).not_to_have_class(re.compile("old"))


def test_a_picture_grows_old_on_the_display_itself(still: Any, browser: Browser) -> None:
    with display(browser) as page:
        page.clock.install()
        page.goto(f"{still.url}/wall?lang=en")
        page.wait_for_timeout(1500)
        page.clock.run_for(2000)
        expect(page.locator("#wall-banner")).to_be_hidden()
        page.route("**/wall?lang=en", lambda route: None)  # looks get no answer
        page.route("**/api/v1/events", lambda route: None)
        page.clock.run_for(65 * 60_000)
        assert page.locator(".wall-page.here .wall-panel:not(.old)").count() == 0


def test_a_store_that_is_away_is_told_and_taken_back(station: Any, browser: Browser) -> None:
    views = station.sample.views
    whole = views.dmas

    def away(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable("the store is away")

    with display(browser, quiet=False) as page:
        page.goto(f"{station.url}/wall?lang=en")
        drawn(page)
        views.dmas = away
        station.sample.new_leak()
        banner = page.locator("#wall-banner")
        expect(banner).to_be_visible()
        expect(banner).to_contain_text("Twuin cannot read its data")
        expect(page.locator(".wall-alert").first).to_contain_text("Leak")  # what was there stays
        views.dmas = whole
        expect(banner).to_be_hidden(timeout=60_000)


def test_a_display_that_began_without_data_gets_its_wall_by_itself(station: Any, browser: Browser) -> None:
    views = station.sample.views
    whole = views.site

    def away() -> Any:
        raise StoreUnavailable("the store is away")

    views.site = away
    with display(browser, quiet=False) as page:
        page.goto(f"{station.url}/wall?lang=en")
        expect(page.locator("#wall-none")).to_contain_text("Twuin cannot read its data at the moment.")
        views.site = whole
        expect(page.locator(".wall-alert").first).to_be_attached(timeout=60_000)


def test_a_display_with_a_token_that_may_only_see_works_until_that_is_revoked(
    samples: ModuleType, sample_server: Any, tmp_path: Path, browser: Browser
) -> None:
    sample = samples.town(tmp_path)
    store = open_account_store(f"sqlite:///{tmp_path}/accounts.sqlite")
    sign_in = SignIn("kota", store, lambda: datetime.now(UTC))
    accounts = AccountService("kota", store, lambda: datetime.now(UTC), sign_in=sign_in)
    owner, _ = accounts.add("dinding", Role.VIEWER, By("test"))
    rights = (Right.SEE, Right.SITE)
    token, text = accounts.add_token(owner, By("test"), name="screen 1", rights=rights, days=700)
    sample.app = samples.application(sample, AccountAccess(accounts))
    station = sample_server(sample)
    with display(browser, quiet=False) as page:
        refused: list[str] = []
        page.on("response", lambda r: refused.append(r.url) if r.status >= 400 else None)
        # As the proxy on the display's own machine does it.
        page.context.set_extra_http_headers({"authorization": f"Bearer {text}"})
        page.goto(f"{station.url}/wall?lang=en")
        drawn(page)
        page.wait_for_timeout(1500)
        assert refused == []
        id = sample.new_leak()
        expect(page.locator(f'[data-alert="{id}"]')).to_have_count(1, timeout=PATIENCE_MS)
        assert accounts.revoke(token.id, By("test"))
        banner = page.locator("#wall-banner")
        expect(banner).to_contain_text("This display is not signed in", timeout=90_000)
        expect(page.locator(f'[data-alert="{id}"]')).to_have_count(1)
    station.stop()
    sample.store.close()
    store.close()


def test_a_changed_wall_toml_is_followed(station: Any, browser: Browser) -> None:
    with display(browser) as page:
        page.goto(f"{station.url}/wall?lang=en")
        drawn(page)
        station.wall("[[screen]]\ntitle = 'New'\n[[screen.page]]\ngrid = ['clock']\n")
        station.sample.new_leak()
        expect(page.locator("#wall-title")).to_have_text("New")
        expect(page.locator(".wall-panel")).to_have_count(1)


@pytest.mark.parametrize("size", DISPLAYS.values(), ids=DISPLAYS)
def test_what_is_wrong_in_wall_toml_is_said_beside_the_figures_not_over_them(
    station: Any, browser: Browser, size: tuple[int, int]
) -> None:
    with display(browser, size) as page:
        page.goto(f"{station.url}/wall?lang=en")
        drawn(page)
        whole = page.locator("#wall").bounding_box()
        station.wall("[[screen]]\n[[screen.page]]\nseconds = 2\ngrid = ['clok']\n")
        station.sample.new_leak()
        said = page.locator("#wall-file")
        expect(said).to_contain_text("2 mistakes in wall.toml")
        note, rest = said.bounding_box(), page.locator("#wall").bounding_box()
        assert note and rest and whole
        assert rest["y"] + rest["height"] <= note["y"] + 1
        (station.sample.site.folder / "wall.toml").unlink()
        station.sample.new_leak()
        expect(said).to_be_hidden()
        page.wait_for_timeout(100)
        assert page.locator("#wall").bounding_box() == whole


def test_a_new_version_is_loaded_once_and_never_in_a_circle(station: Any, browser: Browser) -> None:
    station.wall(QUICK)
    loads: list[str] = []

    def other(route: Route) -> None:
        """A proxy before two servers: pages come from the old version, looks at them from the new."""
        if route.request.is_navigation_request():
            loads.append(route.request.url)
            route.continue_()
            return
        answer = route.fetch()
        route.fulfill(response=answer, body=re.sub(r'data-build="[^"]*"', 'data-build="new"', answer.text()))

    with display(browser) as page:
        page.route("**/wall?lang=en", other)
        page.goto(f"{station.url}/wall?lang=en")
        for _ in range(100):
            page.wait_for_timeout(250)
            if len(loads) == 2:
                break
        assert len(loads) == 2
        page.wait_for_timeout(12_000)  # two more pages
        assert len(loads) == 2


def test_a_wrong_clock_of_the_display_does_no_harm(still: Any, browser: Browser) -> None:
    with display(browser) as page:
        page.clock.set_system_time(datetime(2001, 1, 1, tzinfo=UTC))
        page.goto(f"{still.url}/wall?screen=2&lang=en")
        expect(page.locator(".wall-day")).to_have_text("Saturday, 21 November 2026")
        expect(page.locator(".wall-hour")).to_have_text(re.compile(r"10:1\d"))
        page.wait_for_timeout(2500)
        expect(page.locator("#wall-banner")).to_be_hidden()
        assert page.locator(".wall-panel.old").count() == 0


def test_midnight_and_the_turn_of_the_year_come_without_a_reload(station: Any, browser: Browser) -> None:
    views = station.sample.views
    ahead = datetime(2026, 12, 31, 16, 59, 50, tzinfo=UTC) - views.now()  # ten seconds before midnight
    real = views.now
    views.now = lambda: real() + ahead
    with display(browser) as page:
        page.goto(f"{station.url}/wall?screen=2&lang=id")
        expect(page.locator(".wall-day")).to_have_text("Kamis, 31 Desember 2026")
        page.evaluate("window.kept = true")
        expect(page.locator(".wall-day")).to_have_text("Jumat, 1 Januari 2027", timeout=PATIENCE_MS)
        expect(page.locator(".wall-hour")).to_have_text("00.00")
        # The year is told of times that are not of this one, from the first look on.
        station.sample.new_leak()
        expect(page.locator(".wall-odd .small").first).to_contain_text("2026", timeout=PATIENCE_MS)
        assert page.evaluate("window.kept") is True


KEEP = """
  window.intervals = 0;
  const every = window.setInterval;
  window.setInterval = (...given) => { window.intervals += 1; return every(...given); };
  window.EventSource = class extends EventSource {
    constructor(...given) { super(...given); window.stream = this; }
  };
"""


def test_weeks_leave_nothing_behind(station: Any, samples: ModuleType, browser: Browser) -> None:
    station.wall(QUICK)
    context = browser.new_context(viewport={"width": 1920, "height": 1080})
    page = context.new_page()
    page.clock.install()
    page.add_init_script(KEEP)
    page.goto(f"{station.url}/wall?lang=en")
    drawn(page)
    page.evaluate("window.kept = true")
    cdp = context.new_cdp_session(page)
    cdp.send("Performance.enable")
    leak = samples.leak("D1", samples.NOW - timedelta(hours=2), samples.NOW, 9.0, [])
    looks = [0]
    page.on("requestfinished", lambda r: looks.__setitem__(0, looks[0] + r.url.endswith("/wall?lang=en")))

    def minute(number: int) -> None:
        """A minute of twelve turns and forty events, in which an alert changes."""
        station.sample.alerts.apply([*station.sample.findings, replace(leak, flow=(9 + number % 7) / 3600)])
        page.evaluate(
            "() => { for (let i = 0; i < 40; i++) for (const name of ['dma', 'alert'])"
            "  window.stream?.dispatchEvent(new MessageEvent(name, { data: '{}' })); }"
        )
        before = looks[0]
        page.clock.run_for(60_000)
        for _ in range(100):
            if looks[0] > before:
                break
            page.wait_for_timeout(20)

    def held() -> dict[str, float]:
        page.wait_for_timeout(300)
        for _ in range(3):
            cdp.send("HeapProfiler.collectGarbage")
        found = {m["name"]: m["value"] for m in cdp.send("Performance.getMetrics")["metrics"]}
        return {k: found[k] for k in ("JSHeapUsedSize", "Nodes", "JSEventListeners", "Documents")}

    for number in range(10):
        minute(number)
    before = held()
    for number in range(ROUNDS):
        minute(number)
    after = held()
    print(f"{ROUNDS} minutes, {looks[0]} looks: {before} -> {after}")
    assert looks[0] >= ROUNDS
    assert page.evaluate("window.kept") is True
    assert page.evaluate("window.intervals") == 1
    assert after["Documents"] <= before["Documents"]
    assert after["Nodes"] <= before["Nodes"] * 1.1
    # A stream that was made anew has six, and the one before it may not have been collected yet.
    assert after["JSEventListeners"] <= before["JSEventListeners"] + 12
    assert after["JSHeapUsedSize"] <= before["JSHeapUsedSize"] * 1.1 + 200_000
    context.close()
