"""The pages in a real browser, narrow and wide, light and dark, in both languages."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

pytestmark = pytest.mark.servers

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-sync",
    "--no-first-run",
    # WebGL in software, for machines without a graphics card
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]
WIDTHS = {"phone": 390, "desk": 1440}
PATIENCE_MS = 20_000


@pytest.fixture(scope="module")
def serve(
    samples: ModuleType, sample_server: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Any]]:
    """A server of a sample site by name, kept for the module's tests that change nothing."""
    running: dict[str, Any] = {}

    def get(name: str) -> Any:
        if name not in running:
            running[name] = sample_server(samples.BUILDERS[name](tmp_path_factory.mktemp(name)))
        return running[name]

    yield get
    for served in running.values():
        served.close()


@pytest.fixture
def own(samples: ModuleType, sample_server: Any, tmp_path: Path) -> Iterator[Any]:
    """A town of a test's own."""
    served = sample_server(samples.town(tmp_path))
    yield served
    served.close()


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def window(
    browser: Browser, url: str, *, width: int = 1440, scheme: str = "light", language: str = "id-ID"
) -> Iterator[BrowserContext]:
    """A reader's window that fails the test on any console error or any request that leaves or fails."""
    phone = width < 700
    context = browser.new_context(
        base_url=url,
        viewport={"width": width, "height": 844 if phone else 900},
        color_scheme=scheme,  # type: ignore[arg-type]
        locale=language,
        is_mobile=phone,
        has_touch=phone,
    )
    context.set_default_timeout(PATIENCE_MS)
    wrong: list[str] = []

    def watch(page: Page) -> None:
        page.on("console", lambda m: wrong.append(f"console: {m.text}") if m.type == "error" else None)
        page.on("pageerror", lambda e: wrong.append(f"error: {e}"))
        page.on("response", lambda r: wrong.append(f"{r.status}: {r.url}") if r.status >= 400 else None)
        page.on(
            "request", lambda r: None if r.url.startswith((url, "data:", "blob:")) else wrong.append(r.url)
        )

    context.on("page", watch)
    yield context
    context.close()
    assert wrong == []


def settled(page: Page) -> None:
    """Wait until the map and all charts of a page are drawn."""
    if page.locator("#map").count():
        page.wait_for_selector("#map[data-drawn]")
    for chart in page.locator("[data-chart]").all():
        chart.locator("canvas, .empty").first.wait_for()


COUNT_COLOURS = """async (png) => {
  const image = new Image();
  image.src = `data:image/png;base64,${png}`;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height);
  const pen = canvas.getContext("2d");
  pen.drawImage(image, 0, 0);
  const pixels = new Uint32Array(pen.getImageData(0, 0, image.width, image.height).data.buffer);
  return new Set(pixels).size;
}"""


def colours_in(page: Page, selector: str) -> int:
    """How many different colours a drawing shows: one or two for an empty box."""
    shot = base64.b64encode(page.locator(selector).first.screenshot()).decode()
    count: int = page.evaluate(COUNT_COLOURS, shot)
    return count


COUNT_INK = """(canvas) => {
  const probe = document.createElement("span");
  probe.style.color = "var(--water)";
  document.body.append(probe);
  const [r, g, b] = getComputedStyle(probe).color.match(/\\d+/g).map(Number);
  probe.remove();
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const columns = new Set();
  for (let i = 0; i < data.length; i += 4) {
    if (data[i] === r && data[i + 1] === g && data[i + 2] === b) columns.add((i / 4) % canvas.width);
  }
  return columns.size / canvas.width;
}"""


def drawn_share(page: Page, nth: int = 0) -> float:
    """The share of a chart's width over which its main line is drawn."""
    share: float = page.locator(".chart canvas").nth(nth).evaluate(COUNT_INK)
    return share


def overflow(page: Page) -> int:
    wide: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return wide


def leak_of(served: Any) -> Any:
    return next(a for a in served.sample.views.alerts().items if a.kind.value == "leak" and a.ended is None)


def addresses(served: Any) -> list[str]:
    sample = served.sample
    firsts = {a.kind: f"/alerts/{a.id}" for a in reversed(sample.views.alerts().items)}
    sensor = f"/sensors/{sample.site.sensors[0].id}"
    dma = f"/dmas/{sample.site.dmas[-1].id}"
    return [
        "/",
        "/alerts",
        "/losses",
        "/results",
        "/reports",
        "/sensors",
        "/ingest",
        "/about",
        dma,
        sensor,
        *firsts.values(),
    ]


@pytest.mark.parametrize(
    ("width", "scheme", "language"),
    [(390, "light", "id-ID"), (390, "dark", "en-GB"), (1440, "dark", "id-ID"), (1440, "light", "en-GB")],
)
def test_all_pages_of_a_town_are_whole(
    width: int, scheme: str, language: str, serve: Callable[[str], Any], browser: Browser
) -> None:
    served = serve("town")
    with window(browser, served.url, width=width, scheme=scheme, language=language) as reader:
        page = reader.new_page()
        for address in addresses(served):
            page.goto(address)
            settled(page)
            assert overflow(page) == 0, address
            if page.locator("#map").count():
                assert page.locator("#map").get_attribute("data-renderer") == "webgl"
                assert colours_in(page, "#map canvas") > 20, address
            for i in range(page.locator(".chart canvas").count()):
                assert colours_in(page, f".chart canvas >> nth={i}") > 20, address


@pytest.mark.parametrize("kind", ["bare", "empty"])
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS.keys())
def test_a_site_without_network_or_readings_gets_whole_pages_too(
    kind: str, width: int, serve: Callable[[str], Any], browser: Browser
) -> None:
    served = serve(kind)
    with window(browser, served.url, width=width) as reader:
        page = reader.new_page()
        for address in addresses(served):
            page.goto(address)
            settled(page)
            assert overflow(page) == 0, address
        page.goto("/")
        assert page.locator("#map").count() == 0
        expect(page.locator(".dma-rows tbody tr")).to_have_count(len(served.sample.site.dmas))
        expect(page.locator("#stale .notice")).to_be_visible()


def test_a_new_alert_appears_and_is_read_out_without_reload(own: Any, browser: Browser) -> None:
    with window(browser, own.url) as reader:
        page = reader.new_page()
        page.goto("/")
        settled(page)
        page.evaluate("window.kept = true")
        expect(page.locator("#keys .key-leak .key-value")).to_have_text("1")
        id = own.sample.new_leak()
        card = page.locator(f'[data-alert="{id}"]')
        expect(card).to_be_visible(timeout=PATIENCE_MS)
        expect(page.locator("#announcer[aria-live]")).to_contain_text(
            "Peringatan baru: Kebocoran di DMA Dinoyo, 9,40\u00a0m³/jam"
        )
        expect(page.locator("#keys .key-leak .key-value")).to_have_text("2")
        expect(page.locator('tr.dma-leak:has-text("DMA Dinoyo")')).to_be_visible()
        expect(page.locator('.map-dma.state-leak[aria-label*="DMA Dinoyo"]')).to_be_visible()
        assert page.evaluate("window.kept") is True


def test_water_lost_counts_up_between_looks_at_the_server(
    serve: Callable[[str], Any], browser: Browser
) -> None:
    served = serve("town")
    with window(browser, served.url, language="en-GB") as reader:
        page = reader.new_page()
        page.goto(f"/alerts/{leak_of(served).id}")
        lost = page.locator("#facts [data-money]")
        before = lost.inner_text()
        expect(lost).not_to_have_text(before, timeout=PATIENCE_MS)
        digits = [int(re.sub(r"\D", "", text)) for text in (before, lost.inner_text())]
        assert digits[0] < digits[1]


def test_an_alert_is_acknowledged_and_everyone_sees_it(own: Any, browser: Browser) -> None:
    alert = leak_of(own)
    with window(browser, own.url) as reader:
        other = reader.new_page()
        other.goto("/")
        page = reader.new_page()
        page.goto(f"/alerts/{alert.id}")
        page.get_by_label("Nama Anda").fill("Sari")
        page.get_by_role("button", name="Tanggapi").click()
        expect(page.get_by_text("Anda menanggapi peringatan ini.")).to_be_visible()
        expect(page.locator("#history")).to_contain_text("Sari")
        expect(page.get_by_label("Nama Anda")).to_have_value("Sari")
        expect(other.locator(f'[data-alert="{alert.id}"]')).to_have_attribute("data-state", "acknowledged")


def test_acting_on_an_outdated_page_says_so_and_saves_nothing(own: Any, browser: Browser) -> None:
    alert = leak_of(own)
    context = browser.new_context(base_url=own.url, locale="en-GB")
    page = context.new_page()
    page.route("**/api/v1/events", lambda route: route.abort())
    page.goto(f"/alerts/{alert.id}")
    own.sample.alerts.act(alert.id, "acknowledge", version=alert.version, actor="Budi")
    page.get_by_text("Close it").click()
    page.get_by_label("Reason").select_option("false_alarm")
    page.get_by_role("button", name="Close alert").click()
    expect(page.get_by_role("alert").filter(has_text="Nothing was saved")).to_be_visible()
    expect(page.locator("#state")).to_contain_text("Acknowledged")
    context.close()


def test_the_form_acts_on_what_the_reader_saw_even_when_the_page_went_on(own: Any, browser: Browser) -> None:
    alert = leak_of(own)
    context = browser.new_context(base_url=own.url, locale="en-GB")
    page = context.new_page()
    page.goto(f"/alerts/{alert.id}")
    page.get_by_label("Note", exact=True).fill("half a sent")
    own.sample.alerts.act(alert.id, "note", version=alert.version, note="seen on site", actor="Budi")
    expect(page.locator("#history")).to_contain_text("seen on site")
    expect(page.get_by_label("Note", exact=True)).to_have_value("half a sent")
    page.get_by_role("button", name="Add note").click()
    expect(page.get_by_text("The note is kept in the history.")).to_be_visible()
    context.close()


def test_language_and_colours_are_switched_and_kept(serve: Callable[[str], Any], browser: Browser) -> None:
    with window(browser, serve("town").url, language="en-GB") as reader:
        page = reader.new_page()
        page.goto("/sensors?state=silent")
        page.get_by_role("button", name="Bahasa Indonesia").click()
        expect(page).to_have_url(re.compile(r"/sensors\?state=silent$"))
        expect(page.get_by_role("heading", level=1)).to_have_text("Sensor")
        expect(page.get_by_role("button", name="English")).to_be_visible()
        before = page.evaluate("getComputedStyle(document.body).backgroundColor")
        for _ in range(2):
            page.locator('form[action*="/theme"] button').click()
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
        page.goto("/")
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        expect(page.locator("html")).to_have_attribute("lang", "id")


def test_span_of_a_chart_changes_without_leaving_the_page(
    serve: Callable[[str], Any], browser: Browser
) -> None:
    with window(browser, serve("town").url) as reader:
        page = reader.new_page()
        page.goto("/dmas/D2")
        settled(page)
        page.evaluate("window.kept = true")
        choice = page.locator('[data-ranges="range"]')
        with page.expect_response(lambda r: "/series?" in r.url) as answer:
            choice.get_by_role("link", name="28 hari").click()
        assert answer.value.ok
        expect(page).to_have_url(re.compile(r"range=28d$"))
        expect(choice.get_by_role("link", name="28 hari")).to_have_attribute("aria-current", "true")
        assert page.evaluate("window.kept") is True
        page.reload()
        expect(choice.get_by_role("link", name="28 hari")).to_have_attribute("aria-current", "true")


def test_lines_are_drawn_wherever_there_are_readings(serve: Callable[[str], Any], browser: Browser) -> None:
    """The sample's sensors send every 15 minutes though the site says 5: that is a habit, not a gap."""
    with window(browser, serve("town").url) as reader:
        page = reader.new_page()
        for address, least, most in (
            ("/sensors/D1-P2", 0.85, 1.0),
            ("/sensors/D1-P1", 0.75, 0.9),  # nothing came in the first hours of the week
            ("/sensors/D4-P2?range=1d", 0.4, 0.7),  # silent for the last nine hours
            ("/dmas/D2", 0.85, 1.0),
        ):
            page.goto(address)
            settled(page)
            assert least < drawn_share(page) < most, address


def test_what_is_said_of_how_current_the_picture_is_moves_nothing(own: Any, browser: Browser) -> None:
    views = own.sample.views
    said = views.site()
    states = [
        {},
        {"watermark": said.now - timedelta(days=365)},
        {"watermark": said.now - timedelta(days=20), "catching_up": True},
        {"watermark": None},
        {"clock": "data", "stale_after_s": None},
    ]
    for width in WIDTHS.values():
        for language in ("id-ID", "en-GB"):
            with window(browser, own.url, width=width, language=language) as reader:
                page = reader.new_page()
                seen = set()
                for changes in states:
                    now = said.model_copy(update=changes)
                    views.site = lambda now=now: now
                    page.goto("/about")
                    strip = page.locator("#stale")
                    expect(strip).to_be_visible()
                    seen.add(page.locator("main").evaluate("(e) => e.getBoundingClientRect().top"))
                    assert strip.evaluate("(e) => e.scrollHeight <= e.clientHeight"), (language, changes)
                assert len(seen) == 1, (language, width)


def test_labels_of_an_axis_keep_the_digits_of_its_step(serve: Callable[[str], Any], browser: Browser) -> None:
    with window(browser, serve("town").url) as reader:
        page = reader.new_page()
        page.goto("/dmas/D2")
        settled(page)
        script = page.locator('script[src$="/js/charts.js"]').get_attribute("src")
        assert script is not None
        digits = page.evaluate(
            "async (url) => [0.05, 0.25, 0.5, 1, 2.5, 20].map((await import(url)).stepDigits)",
            script.replace("charts.js", "chartparts.js"),
        )
        assert digits == [2, 2, 1, 0, 1, 0]


def test_a_legend_is_a_key_until_a_place_of_the_chart_is_pointed_at(
    serve: Callable[[str], Any], browser: Browser
) -> None:
    with window(browser, serve("town").url) as reader:
        page = reader.new_page()
        page.goto("/dmas/D2")
        settled(page)
        chart = page.locator(".chart").first
        value = chart.locator(".u-legend .u-series:not(.u-band) .u-value").nth(2)
        expect(value).to_be_hidden()
        chart.locator(".u-over").hover()
        expect(value).to_be_visible()
        expect(value).to_contain_text("m³")


def test_nights_of_another_span_keep_the_span_of_the_chart_above(
    serve: Callable[[str], Any], browser: Browser
) -> None:
    with window(browser, serve("town").url, language="en-GB") as reader:
        page = reader.new_page()
        page.goto("/dmas/D2")
        settled(page)
        inflow, nights = (page.locator(f'[data-ranges="{name}"]') for name in ("range", "nights"))
        inflow.get_by_role("link", name="28 days").click()
        nights.get_by_role("link", name="all").click()
        expect(page).to_have_url(re.compile(r"\?range=28d&nights=all#nights-title$"))
        settled(page)
        expect(inflow.locator("[aria-current]")).to_have_text("28 days")
        expect(nights.locator("[aria-current]")).to_have_text("all")


COVERED = """() => {
  const boxes = (what) =>
    [...document.querySelectorAll(what)].map((e) => [e.title, e.getBoundingClientRect()]);
  const names = boxes(".map-dma");
  const others = [...boxes(".map-alert"), ...names];
  return names.flatMap(([name, a]) => others
    .filter(([other, b]) => other !== name
      && a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)
    .map(([other]) => `${name} is covered by ${other}`));
}"""


@pytest.mark.parametrize("width", WIDTHS.values())
def test_no_sign_on_the_map_covers_a_name(width: int, serve: Callable[[str], Any], browser: Browser) -> None:
    with window(browser, serve("town").url, width=width) as reader:
        page = reader.new_page()
        page.goto("/")
        settled(page)
        assert page.locator(".map-alert").count() >= 2 and page.locator(".map-dma").count() == 4
        assert page.evaluate(COVERED) == []


def test_names_go_around_signs_and_stay_where_nothing_is_in_the_way(
    serve: Callable[[str], Any], browser: Browser
) -> None:
    names = [{"x": 90 + 200 * i, "y": 150, "width": 110, "height": 24} for i in range(4)]
    above = {
        "left": 70,
        "right": 114,
        "top": 110,
        "bottom": 154,
    }  # over the first; the third's is well above it
    signs = [above, {"left": 470, "right": 514, "top": 60, "bottom": 104}]
    with window(browser, serve("town").url) as reader:
        page = reader.new_page()
        page.goto("/")
        script = page.locator('script[src$="/js/map.js"]').get_attribute("src")
        assert script is not None
        spread = page.evaluate(
            "async ([url, ...given]) => (await import(url)).spread(...given)",
            [script.replace("map.js", "labels.js"), names, signs, {"width": 800, "height": 300}],
        )
    assert spread[1:] == [[0, 0]] * 3
    assert spread[0][1] >= 154 + 12 - 150  # below the sign


def test_without_webgl_the_network_is_drawn_flat(serve: Callable[[str], Any], browser: Browser) -> None:
    with window(browser, serve("town").url) as reader:
        reader.add_init_script(
            "const get = HTMLCanvasElement.prototype.getContext;"
            "HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {"
            "  return kind.startsWith('webgl') ? null : get.call(this, kind, ...rest); };"
        )
        page = reader.new_page()
        page.goto("/")
        settled(page)
        assert page.locator("#map").get_attribute("data-renderer") == "svg"
        assert colours_in(page, "#map") > 20
        expect(page.locator("[data-map-note]")).to_contain_text("WebGL")
        expect(page.locator(".flat-map .suspect-pipe")).to_have_count(6)


def test_a_lost_connection_is_said_plainly_and_taken_back(own: Any, browser: Browser) -> None:
    context = browser.new_context(base_url=own.url, locale="en-GB")
    page = context.new_page()
    page.goto("/")
    settled(page)
    expect(page.locator("#connection")).to_be_hidden()
    context.set_offline(True)
    own.sample.stopping.set()  # ends the open stream, as a stopping server does
    expect(page.locator("#connection")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator("#connection")).to_contain_text("The connection to Twuin is down")
    own.sample.stopping.clear()
    context.set_offline(False)
    expect(page.locator("#connection")).to_be_hidden(timeout=PATIENCE_MS)
    context.close()


def test_the_suspects_of_a_leak_are_reached_by_keyboard(
    serve: Callable[[str], Any], browser: Browser
) -> None:
    served = serve("town")
    with window(browser, served.url) as reader:
        page = reader.new_page()
        page.goto("/")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Langsung ke isi")).to_be_focused()
        page.keyboard.press("Enter")
        page.goto(f"/alerts/{leak_of(served).id}")
        settled(page)
        page.locator("[data-suspect]").first.focus()
        page.keyboard.press("Enter")
        expect(page.locator("#map")).to_be_in_viewport()


TOO_SMALL = """() => {
  const fields = "button, select, input:not([type=hidden]), textarea, summary";
  const links = "nav a, a.button, a.more, a.chip, a.row-link, .near a";
  return [...document.querySelectorAll(`${fields}, ${links}`)]
    .filter((e) => e.checkVisibility())
    .map((e) => [e.textContent.trim() || e.name || e.className, e.getBoundingClientRect()])
    .filter(([, r]) => r.height < 43.5 || r.width < 43.5)
    .map(([name, r]) => `${name} ${r.width.toFixed(0)}x${r.height.toFixed(0)}`);
}"""


@pytest.mark.parametrize("width", WIDTHS.values())
def test_a_large_count_of_rejected_messages_does_not_run_into_their_name(
    width: int, serve: Callable[[str], Any], browser: Browser
) -> None:
    served = serve("town")
    with window(browser, served.url, width=width) as reader:
        page = reader.new_page()
        page.goto(served.url + "/ingest")
        settled(page)
        card = page.locator(".reason-card").first
        gap = card.evaluate("""(card) => {
          const [count, name] = card.children;
          count.textContent = "115,599,000";
          const text = document.createRange();
          text.selectNodeContents(count);
          return name.getBoundingClientRect().left - text.getBoundingClientRect().right;
        }""")
        assert gap >= 8


@pytest.mark.parametrize("language", ["id-ID", "en-GB"])
def test_everything_to_touch_on_a_phone_is_big_enough(
    language: str, serve: Callable[[str], Any], browser: Browser
) -> None:
    served = serve("town")
    with window(browser, served.url, width=390, language=language) as reader:
        page = reader.new_page()
        for address in addresses(served):
            page.goto(address)
            settled(page)
            small = page.evaluate(TOO_SMALL)
            assert small == [], address


def test_every_control_and_picture_has_a_name(serve: Callable[[str], Any], browser: Browser) -> None:
    served = serve("town")
    with window(browser, served.url) as reader:
        page = reader.new_page()
        for address in addresses(served):
            page.goto(address)
            settled(page)
            nameless = page.evaluate(
                """() => [
                  ...[...document.querySelectorAll("a[href], button")].filter(
                    (e) => !(e.textContent.trim() || e.getAttribute("aria-label") || e.title)),
                  ...[...document.querySelectorAll("input:not([type=hidden]), select, textarea")].filter(
                    (e) => !e.labels.length),
                  ...[...document.querySelectorAll("[role=img], [role=region]")].filter(
                    (e) => !e.getAttribute("aria-label")),
                ].map((e) => e.outerHTML.slice(0, 200))"""
            )
            assert nameless == [], address
            assert page.locator("h1").count() == 1, address
