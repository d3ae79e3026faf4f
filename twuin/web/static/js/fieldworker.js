// The service worker of /field: keeps the page and its files on the phone, and sends what waits when the page is
// closed. It touches nothing else that goes over the line.

import { SYNC, send } from "./fieldsend.js";

const PREFIX = "twuin-field-";

/** about: build, page (its path), files (that it needs). */
export function start(about) {
  const name = PREFIX + about.build;
  const base = about.page.slice(0, -"/field".length);
  const files = new Set(about.files);

  self.addEventListener("install", (event) => {
    event.waitUntil(fill(name, about));
  });

  self.addEventListener("activate", (event) => {
    event.waitUntil(
      (async () => {
        const old = (await caches.keys()).filter((n) => n.startsWith(PREFIX) && n !== name);
        await Promise.all(old.map((n) => caches.delete(n)));
        await self.clients.claim();
      })(),
    );
  });

  self.addEventListener("message", (event) => {
    if (event.data === "take over") self.skipWaiting();
  });

  self.addEventListener("fetch", (event) => {
    const url = new URL(event.request.url);
    if (event.request.method !== "GET" || url.origin !== self.location.origin) return;
    if (event.request.mode === "navigate" && url.pathname === about.page) {
      event.respondWith(kept(name, about.page, event.request));
    } else if (files.has(url.pathname)) {
      event.respondWith(kept(name, url.pathname, event.request));
    }
  });

  self.addEventListener("sync", (event) => {
    if (event.tag === SYNC) event.waitUntil(sync(base));
  });
}

async function fill(name, { page, files }) {
  const cache = await caches.open(name);
  // The page anew; its files have addresses of their own for each version, and the browser may have them.
  await cache.addAll([new Request(page, { cache: "reload" }), ...files]);
}

async function kept(name, key, request) {
  const found = await (await caches.open(name)).match(key);
  return found ?? fetch(request);
}

async function sync(base) {
  const how = await send(base);
  const channel = new BroadcastChannel(SYNC);
  channel.postMessage(how);
  channel.close();
  // Tells the browser to try again later.
  if (how === "offline" || how === "later") throw new Error(how);
}
