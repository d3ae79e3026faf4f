// Keeps a page alive: clock, counters, and regions that are fetched anew when the server tells of change.

import { _, client, money, number, setSiteNow, siteNow, time } from "./common.js";

const REFRESH_AT_MOST_MS = 2000;
const REFRESH_AT_LEAST_MS = 60000;
const DOWN_AFTER_MS = 4000;
const COUNT_ON_S = client.countOn; // a counter goes no further beyond what was analysed: then the picture is stale

// Clock and counters

function tick() {
  const now = siteNow();
  for (const element of document.querySelectorAll("[data-clock]")) {
    const shown = time(now).replace(/ (?=.* )/g, "\u00a0"); // breaks before the hour, nowhere else
    if (element.textContent !== shown) element.textContent = shown;
  }
  for (const element of document.querySelectorAll("[data-count]")) {
    const { count, rate, from, unit } = element.dataset;
    const seconds = Math.min(Math.max(0, (now - Date.parse(from)) / 1000), COUNT_ON_S);
    const value = Number(count) + Number(rate) * seconds;
    const shown = "money" in element.dataset ? money(value) : `${number(value)}\u00a0${unit}`;
    if (element.textContent !== shown) element.textContent = shown;
  }
}
tick();
setInterval(tick, client.speed > 1 ? 250 : 1000);

// Regions marked data-live are replaced by what the server renders now.

let refreshing = false;
let wanted = false;
let last = performance.now();
let timer = null;

export function refreshSoon() {
  wanted = true;
  if (timer !== null || refreshing) return;
  const wait = Math.max(0, REFRESH_AT_MOST_MS - (performance.now() - last));
  timer = setTimeout(() => {
    timer = null;
    refresh();
  }, wait);
}

async function refresh() {
  if (document.hidden) return; // caught up with when the page is looked at again
  refreshing = true;
  wanted = false;
  last = performance.now();
  try {
    const response = await fetch(location.href, { headers: { accept: "text/html" } });
    if (response.redirected && new URL(response.url).pathname.endsWith("/signin")) {
      location.assign(response.url); // the session is over
    } else if (response.ok) {
      swap(new DOMParser().parseFromString(await response.text(), "text/html"));
      reached();
    } else {
      lost();
    }
  } catch {
    lost();
  } finally {
    refreshing = false;
    if (wanted) refreshSoon();
  }
}

function swap(fresh) {
  const before = alertsShown();
  const settings = fresh.getElementById("client");
  if (settings) {
    const { now } = JSON.parse(settings.textContent);
    if (now) setSiteNow(now);
  }
  for (const old of document.querySelectorAll("[data-live]")) {
    const replacement = fresh.getElementById(old.id);
    if (!replacement || replacement.innerHTML === old.dataset.seen) continue;
    replacement.dataset.seen = replacement.innerHTML;
    if (old.contains(document.activeElement) || open(old)) keepPlace(old, replacement);
    else old.replaceWith(document.adoptNode(replacement));
  }
  tick();
  announce(before);
  document.dispatchEvent(new Event("twuin:refreshed"));
}

/** Replace a region in which someone is reading: focus and unfolded details stay. */
function keepPlace(old, replacement) {
  const focused = document.activeElement;
  const key = old.contains(focused) ? place(old, focused) : null;
  const unfolded = [...old.querySelectorAll("details")].map((d) => d.open);
  old.replaceWith(document.adoptNode(replacement));
  [...replacement.querySelectorAll("details")].forEach((d, i) => {
    if (unfolded[i]) d.open = true;
  });
  if (key) [...replacement.querySelectorAll(key.selector)][key.index]?.focus({ preventScroll: true });
}

function open(element) {
  return element.querySelector("details[open]") !== null;
}

function place(region, element) {
  const href = element.getAttribute("href");
  const selector = href ? `[href="${CSS.escape(href)}"]` : element.tagName.toLowerCase();
  return { selector, index: [...region.querySelectorAll(selector)].indexOf(element) };
}

for (const element of document.querySelectorAll("[data-live]")) element.dataset.seen = element.innerHTML;

// New alerts are announced

function alertsShown() {
  return new Map(
    [...document.querySelectorAll("[data-alerts] [data-alert]")].map((e) => [
      e.dataset.alert,
      e.dataset.state,
    ]),
  );
}

function announce(before) {
  for (const card of document.querySelectorAll('[data-alerts] [data-alert][data-state="open"]')) {
    if (before.has(card.dataset.alert)) continue;
    card.classList.add("fresh");
    toast(card.dataset.announce, card.querySelector("a")?.getAttribute("href"));
  }
}

function toast(message, href) {
  const box = document.createElement("div");
  box.className = "toast";
  const text = document.createElement(href ? "a" : "span");
  if (href) text.href = href;
  text.textContent = message;
  const close = document.createElement("button");
  close.type = "button";
  close.className = "tool";
  close.setAttribute("aria-label", _("Dismiss"));
  close.textContent = "×";
  close.addEventListener("click", () => box.remove());
  box.append(text, close);
  document.getElementById("announcer").append(box);
  setTimeout(() => box.remove(), 30000);
}

// The menu closes when somebody turns to something else

const pages = document.querySelector("details.more-pages");
if (pages) {
  document.addEventListener("click", (event) => {
    if (pages.open && !pages.contains(event.target)) pages.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !pages.open) return;
    pages.open = false;
    pages.querySelector("summary").focus();
  });
  pages.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !pages.contains(event.relatedTarget)) pages.open = false;
  });
}

// The stream of events says when to look; a slow look every minute covers what it may miss.

const notice = document.getElementById("connection");
let downSince = null;

function lost() {
  downSince ??= performance.now();
}

function reached() {
  downSince = null;
  if (notice) notice.hidden = true;
}

setInterval(() => {
  if (downSince !== null && performance.now() - downSince > DOWN_AFTER_MS && notice) notice.hidden = false;
}, 1000);

let stream = null;

function listen() {
  stream?.close();
  stream = new EventSource(`${client.api}/events`);
  let again = false;
  stream.addEventListener("open", () => {
    if (downSince !== null || again) refreshSoon();
    again = true;
    reached();
  });
  stream.addEventListener("error", () => {
    lost();
    if (stream.readyState === EventSource.CLOSED) {
      refreshSoon(); // refused: perhaps the session is over, which the page itself is told
      setTimeout(listen, 5000);
    }
  });
  stream.addEventListener("heartbeat", reached);
  for (const kind of ["alert", "dma", "watermark"]) stream.addEventListener(kind, refreshSoon);
}

if (client.now) {
  listen();
  setInterval(refreshSoon, REFRESH_AT_LEAST_MS);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) refreshSoon();
  });
  addEventListener("pagehide", () => stream?.close());
  addEventListener("pageshow", (event) => {
    if (event.persisted) {
      listen();
      refreshSoon();
    }
  });
}
