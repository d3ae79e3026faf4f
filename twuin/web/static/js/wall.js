// A display on the wall of a control room. One timer drives everything, so that weeks leave nothing behind.

import { _, client, locale, number, setSiteNow, siteNow, time } from "./common.js";
import { arrange, fit, typeSize } from "./wallfit.js";
import { Link } from "./walllink.js";
import { WallMap } from "./wallmap.js";
import { WallTrend } from "./walltrend.js";

const TICK_MS = 1000;
const AT_MOST_MS = 3000; // between two looks at the server, however much happens
const AT_LEAST_MS = 60000;
const ANSWER_MS = 30000; // a look that takes longer has failed
const TREND_MS = Math.max(10000, 60000 / Math.max(client.speed, 1)); // a demo's clock runs ahead of its trends
const RECENT_MS = 18 * 3600000; // a time that is older is told with its day
const NEW_MS = 60000; // an alert that came is framed for so long; no page is loaded anew meanwhile
const AGAIN_MS = 3600000; // a version that did not come with a reload is not tried again before
const MARK = "twuin-wall-reload";

const wall = document.getElementById("wall");
const banner = document.getElementById("wall-banner");
const pages = [...wall.querySelectorAll(".wall-page")];
const dots = [...document.querySelectorAll("#wall-dots i")];
const bodies = () => pages.flatMap((page) => [...page.querySelectorAll(".wall-body")]);

// How it stands

const state = {
  lookedAt: performance.now(),
  looking: false,
  wanted: false,
  failures: 0, // looks in a row that did not succeed
  trouble: null, // {what, since} while the server answers and has no data for us
  current: 0,
  turnedAt: performance.now(),
  build: wall.dataset.build,
  newBuild: null,
  alertAt: -Infinity,
};

// Size and place

function size() {
  const { inches, distance } = document.body.dataset;
  const type = typeSize(Number(inches), Number(distance), innerWidth, innerHeight);
  document.documentElement.style.fontSize = `${type.toFixed(2)}px`;
  const file = document.getElementById("wall-file"); // what is wrong in wall.toml hides no figure
  wall.style.bottom = file.hasChildNodes() ? `${innerHeight - file.getBoundingClientRect().top}px` : "";
  for (const page of pages) arrange(page, innerHeight > innerWidth);
  for (const body of bodies()) fit(body);
  drawMaps();
  for (const trend of trends.values()) trend.draw();
}

// Maps and trends

let network = null;
let networkAsked = -Infinity;
const maps = new Map();
const trends = new Map();

function drawMaps() {
  const text = document.getElementById("map-data")?.textContent;
  const boxes = [...wall.querySelectorAll(".wall-map-box")];
  if (!text || !boxes.length) return;
  if (network === null) {
    loadNetwork();
    return;
  }
  const now = JSON.parse(text);
  for (const box of boxes) {
    if (!maps.has(box.id)) maps.set(box.id, new WallMap(box, network));
    maps.get(box.id).draw(now, JSON.parse(document.getElementById(`${box.id}-focus`).dataset.focus));
    box.dataset.drawn = "true";
  }
}

async function loadNetwork() {
  if (performance.now() - networkAsked < 10000) return;
  networkAsked = performance.now();
  try {
    const response = await fetch(`${client.api}/network.geojson`, { signal: AbortSignal.timeout(ANSWER_MS) });
    if (!response.ok) return;
    network = await response.json();
    network.features = network.features.filter((f) => f.geometry);
    drawMaps();
  } catch {
    // the next look tries again
  }
}

async function drawTrends(at) {
  for (const box of wall.querySelectorAll(".wall-chart")) {
    if (!trends.has(box.id)) trends.set(box.id, new WallTrend(box));
    const trend = trends.get(box.id);
    const what = JSON.parse(document.getElementById(`${box.id}-what`).dataset.trend);
    const same = trend.what !== null && trend.what.source === what.source;
    if (same && at - trend.loadedAt < TREND_MS) continue;
    try {
      await trend.load(what);
      delete box.dataset.failed;
    } catch {
      box.dataset.failed = "true";
    }
    box.dataset.drawn = "true";
  }
}

// Looks at the server: the page as it is now, of which the parts marked data-live are taken

function look() {
  state.wanted = true;
}

async function refresh() {
  state.looking = true;
  state.wanted = false;
  state.lookedAt = performance.now();
  try {
    const response = await fetch(location.href, {
      headers: { accept: "text/html" },
      cache: "no-store",
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    const there = fresh.getElementById("wall");
    link.hear();
    if (!there || response.status >= 500) {
      const what = response.status >= 500 ? _("Twuin cannot read its data") : _("This display is not signed in");
      state.trouble = { what, since: state.trouble?.since ?? siteNow() };
      state.failures += 1;
      return;
    }
    state.trouble = null;
    state.failures = 0;
    take(fresh, there);
    await drawTrends(performance.now());
  } catch {
    state.failures += 1;
  } finally {
    state.looking = false;
    tick();
  }
}

function take(fresh, there) {
  const settings = JSON.parse(fresh.getElementById("client").textContent);
  if (settings.now) setSiteNow(settings.now);
  client.year = settings.year;
  if (there.dataset.layout !== wall.dataset.layout) {
    location.reload(); // wall.toml changed; the server has just answered
    return;
  }
  state.newBuild = there.dataset.build === state.build ? null : there.dataset.build;
  wall.dataset.watermark = there.dataset.watermark;
  wall.dataset.oldAfter = there.dataset.oldAfter;
  const before = new Set([...wall.querySelectorAll("[data-alert]")].map((e) => e.dataset.alert));
  for (const old of document.querySelectorAll("[data-live]")) {
    const replacement = fresh.getElementById(old.id);
    if (!replacement || replacement.outerHTML === old.dataset.seen) continue;
    const seen = replacement.outerHTML;
    const taken = document.adoptNode(replacement);
    taken.dataset.seen = seen;
    old.replaceWith(taken);
    if (taken.id === "wall-file") size();
    if (taken.classList.contains("wall-body")) fit(taken);
    for (const item of taken.querySelectorAll("[data-alert]"))
      if (!before.has(item.dataset.alert)) {
        item.classList.add("new");
        state.alertAt = performance.now();
      }
  }
  drawMaps();
}

// Rotation, and a reload for a new version between two pages

function turn(at) {
  const seconds = Number(pages[state.current].dataset.seconds);
  const due = at - state.turnedAt >= 1000 * seconds;
  if (!due) return;
  if (calm(at) && reload(at)) return;
  show((state.current + 1) % pages.length, at);
}

function show(index, at) {
  state.current = index;
  state.turnedAt = at;
  pages.forEach((page, i) => page.classList.toggle("here", i === index));
  dots.forEach((dot, i) => dot.classList.toggle("here", i === index));
  const title = document.getElementById("wall-title");
  title.dataset.own ??= title.textContent;
  title.textContent = pages[index].dataset.title || title.dataset.own;
}

/** Nothing is wrong, and no alert has just come. */
function calm(at) {
  return !link.down && state.trouble === null && state.failures === 0 && at - state.alertAt > NEW_MS;
}

/** Load the page anew where the server is of another version: once, not in a circle. */
function reload(at) {
  if (state.newBuild === null || at - state.lookedAt > AT_LEAST_MS) return false;
  let tried = null;
  try {
    tried = JSON.parse(sessionStorage.getItem(MARK));
    sessionStorage.setItem(MARK, JSON.stringify({ build: state.newBuild, at: Date.now() }));
  } catch {
    // no storage, or nothing in it: then without this guard
  }
  if (tried?.build === state.newBuild && Math.abs(Date.now() - tried.at) < AGAIN_MS) return false;
  location.reload();
  return true;
}

// What is told of the connection, and of how old what is shown is

function tell() {
  let [what, since, down] = ["", null, false];
  const behind = wall.dataset.watermark ? siteNow() - Date.parse(wall.dataset.watermark) : 0;
  const stale = wall.dataset.oldAfter && behind > 1000 * Number(wall.dataset.oldAfter);
  if (link.down) {
    const gone = (performance.now() - link.lostAt) * client.speed;
    [what, since, down] = [_("No connection to Twuin"), siteNow() - gone, true];
  } else if (state.trouble) {
    [what, since, down] = [state.trouble.what, state.trouble.since, true];
  } else if (stale) {
    [what, since] = [_("Data are not up to date"), Date.parse(wall.dataset.watermark)];
  }
  put(document.getElementById("wall-banner-what"), what);
  put(
    document.getElementById("wall-banner-since"),
    since === null ? "" : _("since %(time)s: what is below is as of then", { time: time(since) }),
  );
  banner.hidden = !what;
  banner.classList.toggle("down", down);
  for (const panel of wall.querySelectorAll(".wall-panel")) {
    const note = panel.querySelector(".as-of");
    if (!note) continue;
    const asOf = trendEnd(panel, note) ?? Date.parse(note.dataset.asOf);
    const after = 1000 * Number(note.dataset.oldAfter);
    const failed = panel.querySelector("[data-failed]") !== null;
    panel.classList.toggle("old", down || failed || (after > 0 && siteNow() - asOf > after));
  }
}

/** Until when the trend of a panel is drawn, told where it stands; null where it has none. */
function trendEnd(panel, note) {
  const until = trends.get(panel.querySelector(".wall-chart")?.id)?.until ?? null;
  if (until !== null)
    put(
      note.querySelector("span"),
      _("as of %(time)s", { time: siteNow() - until < RECENT_MS ? hour.format(until) : time(until) }),
    );
  return until;
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Clock and counters

const format = (options) => new Intl.DateTimeFormat(locale, { timeZone: client.timezone, ...options });
const hour = format({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const day = format({ weekday: "short", day: "numeric", month: "short" });
const longDay = format({ weekday: "long", day: "numeric", month: "long", year: "numeric" });

function clock() {
  const now = siteNow();
  for (const [mark, how] of [["hour", hour], ["day", day], ["day-long", longDay]])
    for (const element of document.querySelectorAll(`[data-${mark}]`))
      // "Sen 2 Nov" as everywhere: without the comma that Indonesian has there.
      put(element, how === day ? how.format(now).replace(",", "") : how.format(now));
  for (const element of wall.querySelectorAll("[data-count]")) {
    const { count, rate, from } = element.dataset;
    const seconds = Math.min(Math.max(0, (now - Date.parse(from)) / 1000), client.countOn);
    put(element, `${number(Number(count) + Number(rate) * seconds, 0)}\u00a0m³`);
  }
}

// The one timer

const link = new Link(`${client.api}/events`, {
  ask: (signal) => fetch(`${client.api}/health`, { cache: "no-store", signal }),
  onEvent: (name, data) => {
    if (name === "watermark" || name === "heartbeat") {
      const { now } = JSON.parse(data);
      setSiteNow(now);
    }
    if (name !== "heartbeat") look();
  },
  onBack: look,
});

function tick() {
  const at = performance.now();
  link.tick();
  const since = at - state.lookedAt;
  const wait = Math.min(AT_MOST_MS * 2 ** state.failures, AT_LEAST_MS);
  const due = state.wanted || state.failures ? since >= wait : since >= AT_LEAST_MS;
  if (due && !state.looking && !link.down) refresh();
  turn(at);
  tell();
  clock();
}

performance.setResourceTimingBufferSize(0); // the browser would keep a line for each look
size();
show(0, performance.now());
for (const element of document.querySelectorAll("[data-live]")) element.dataset.seen = element.outerHTML;
addEventListener("resize", size);
document.fonts?.ready.then(size);
drawTrends(performance.now());
setInterval(tick, TICK_MS);
tick();
look();
