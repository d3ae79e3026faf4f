// The crew's phone. Shows what the phone has, at once; looks at the server when there is a line.

import { h, toast } from "./fieldparts.js";
import { flush, onQueue } from "./fieldqueue.js";
import { WAITING, Unreachable, ask, askSession, readJson } from "./fieldsend.js";
import { details, dropDetail, dropEntry, fact, forget, keepDetail, keepFact, queue } from "./fieldstore.js";
import { _, clockOf, language, setClock, setup, speak, time } from "./fieldtext.js";
import { doView, jobView, listView, phoneView, toldListView } from "./fieldviews.js";

const LOOK_MS = 90_000; // how often the server is asked while the page is looked at
const BEAT_MS = 20_000; // how often what waits is tried, and times are written anew

const app = {
  jobs: null,
  details: new Map(),
  entries: [],
  session: null,
  settings: {},
  how: "",
  signedOut: false,
  ready: null, // a service worker with a newer page
  install: null, // the browser's offer
  storage: true,
  get language() {
    return language();
  },
  may: (right) => app.session?.rights?.includes(right) ?? false,
  say: toast,
  titleOf: (id) => (app.details.get(id) ?? app.jobs?.jobs.find((j) => j.id === id))?.words?.[language()]?.title ?? id,
};

// What the phone has

async function load() {
  try {
    const [jobs, session, settings, clock, kept, entries] = await Promise.all([
      fact("jobs"),
      fact("session"),
      fact("settings"),
      fact("clock"),
      details(),
      queue(),
    ]);
    Object.assign(app, { jobs: jobs ?? null, session: session ?? null, settings: settings ?? {}, entries });
    app.details = new Map(kept.map((d) => [d.id, d]));
    if (clock) setClock(clock);
  } catch {
    app.storage = false; // a private window, or a full phone: then it works as long as there is a line
  }
}

// What the server has

let looked = 0;

app.sync = async (now = false) => {
  await flush();
  if (!now && Date.now() - looked < LOOK_MS) return;
  looked = Date.now();
  try {
    const session = await askSession(setup.base);
    app.signedOut = !session.signed_in;
    if (session.signed_in) {
      if (app.session && app.session.account !== session.account) await clearJobs();
      app.session = session;
      keepFact("session", session).catch(() => {});
      await look();
    }
    app.how = app.signedOut ? "signed out" : "done";
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
    app.how = "offline";
    looked = 0;
  }
  await redraw();
};

function crewQuery() {
  const names = [app.settings.crew, app.session?.open ? app.settings.name : ""].filter(Boolean);
  return names.map((n) => `crew=${encodeURIComponent(n)}`).join("&");
}

async function look() {
  const answer = await ask(`${setup.base}/field/jobs?${crewQuery()}`);
  if (!answer.ok) {
    app.signedOut = answer.type === "opaqueredirect";
    if (answer.status === 403) app.jobs = null;
    return;
  }
  const jobs = await readJson(answer);
  app.jobs = jobs;
  const clock = clockOf(jobs);
  setClock(clock);
  keepFact("jobs", jobs).catch(() => {});
  keepFact("clock", clock).catch(() => {});
  await redraw();
  for (const job of jobs.jobs) {
    const kept = app.details.get(job.id);
    if (kept?.version !== job.version || kept?.mine !== job.mine) await app.fetchDetail(job.id);
  }
  const listed = new Set(jobs.jobs.map((j) => j.id));
  const told = new Set(app.entries.map((e) => e.alert));
  for (const id of app.details.keys()) {
    if (listed.has(id)) continue;
    if (location.hash.includes(id)) {
      await app.fetchDetail(id); // no list tells that it went on: it is others' now, or over
      continue;
    }
    if (told.has(id)) continue;
    app.details.delete(id);
    dropDetail(id).catch(() => {});
  }
}

/** A job with its map, from the server; null where it cannot be had. */
app.fetchDetail = async (id) => {
  try {
    const answer = await ask(`${setup.base}/field/jobs/${encodeURIComponent(id)}?${crewQuery()}`);
    if (answer.status === 404) {
      app.details.delete(id);
      dropDetail(id).catch(() => {});
    }
    if (!answer.ok) return null;
    const job = await readJson(answer);
    app.details.set(id, job);
    keepDetail(job).catch(() => {});
    return job;
  } catch (error) {
    if (error instanceof Unreachable) return null;
    throw error;
  }
};

async function clearJobs() {
  app.jobs = null;
  app.details.clear();
  await forget();
  await keepFact("settings", app.settings);
  app.entries = await queue();
}

// What people do beside telling

app.save = async (settings) => {
  app.settings = settings;
  await keepFact("settings", settings).catch(() => {});
  location.hash = "#";
  await app.sync(true);
};

app.dismiss = async (entry) => {
  await dropEntry(entry.seq);
  app.entries = await queue();
  await app.show();
};

app.clear = async () => {
  await clearJobs();
  app.say(_("Cleared."), "good");
  await app.sync(true);
};

app.installNow = async () => {
  app.install.prompt();
  await app.install.userChoice;
  app.install = null;
  await app.show();
};

// Showing it

function bar() {
  const waiting = app.entries.filter((e) => WAITING.has(e.state)).length;
  const trouble = app.entries.some((e) => e.state === "kept" || e.state === "refused");
  const other = Object.keys(setup.languages).find((code) => code !== language());
  const line = app.how === "offline" || !navigator.onLine ? _("no line") : app.how ? _("online") : "…";
  document.getElementById("bar").replaceChildren(
    h("a", { class: "brand", href: "#" }, "Twuin"),
    h("span", { class: `line ${line === _("no line") ? "off" : ""}`, id: "line" }, line),
    h("a", { class: `tool ${trouble ? "alarm" : ""}`, href: "#told", id: "told", "aria-label": waiting ? _("%(n)s to send", { n: waiting }) : _("Told from this phone") }, waiting ? `↑ ${waiting}` : trouble ? "!" : "✓"),
    h("button", { type: "button", class: "tool", lang: other, "aria-label": `${other.toUpperCase()}, ${setup.languages[other]}`, onclick: () => (speak(other), app.show()) }, other.toUpperCase()),
    h("a", { class: "tool", href: "#phone", "aria-label": _("This phone") }, "⚙"),
  );
}

function banners() {
  const found = [];
  const waiting = app.entries.filter((e) => WAITING.has(e.state)).length;
  if (app.signedOut) {
    const next = encodeURIComponent(`${setup.base}/field`);
    found.push(
      h("div", { class: "banner warn", id: "signed-out" }, h("p", {}, waiting ? _("Your session has ended. What you told is kept and is sent once you sign in again.") : _("Sign in to see your jobs.")), h("a", { class: "button primary", href: `${setup.base}/signin?next=${next}` }, _("Sign in"))),
    );
  } else if (app.how === "offline" && app.jobs) {
    found.push(h("p", { class: "banner" }, _("No line. You see what was known at %(time)s; what you tell is kept and sent later.", { time: time(app.jobs.now) })));
  }
  if (!app.storage) found.push(h("p", { class: "banner bad" }, _("This browser keeps nothing on the phone: without a line this page cannot work.")));
  if (app.ready) {
    found.push(h("div", { class: "banner", id: "renewed" }, h("p", {}, _("A newer version of this page is ready.")), h("button", { type: "button", class: "button", onclick: () => app.ready.postMessage("take over") }, _("Load it"))));
  }
  document.getElementById("banners").replaceChildren(...found);
}

let shown = "";
let drawing = Promise.resolve();

/** Draw the view that the address names. */
app.show = () => {
  drawing = drawing.then(draw, draw);
  return drawing;
};

async function draw() {
  const [view, id, action] = location.hash.slice(1).split("/").map(decodeURIComponent);
  const views = { job: () => jobView(app, id), do: () => doView(app, id, action), told: () => toldListView(app), phone: () => phoneView(app) };
  const main = document.getElementById("main");
  document.documentElement.lang = language();
  document.title = _("Twuin in the field");
  bar();
  banners();
  const content = (await (views[view] ?? (() => listView(app)))()).flat().filter(Boolean);
  const [same, at] = [shown === location.hash, self.scrollY];
  const open = [...main.querySelectorAll("details")].map((d) => d.open);
  main.replaceChildren(...content);
  main.dataset.view = view || "list";
  if (same) {
    [...main.querySelectorAll("details")].forEach((d, i) => (d.open = open[i] ?? false));
    self.scrollTo(0, at);
  } else {
    self.scrollTo(0, 0);
    if (shown) main.focus({ preventScroll: true });
  }
  shown = location.hash;
  drawn = signature();
  known = Boolean(app.session);
}

/** Draw anew what changed by itself, but never under the finger of somebody who fills something in. */
async function redraw() {
  app.entries = await queue().catch(() => app.entries);
  bar();
  banners();
  if (location.hash.startsWith("#do")) return;
  if (location.hash.startsWith("#phone") && known === Boolean(app.session)) return;
  if (signature() !== drawn || known !== Boolean(app.session)) await app.show();
}

let drawn = "";
let known = false; // who is signed in, when the page was drawn

/** What a view is made of: the same again needs no drawing. In a list promises count down. */
function signature() {
  const told = app.entries.map((e) => `${e.seq}${e.state}`);
  const jobs = app.jobs?.jobs.map((j) => [j.id, j.version, j.mine, j.state]);
  const minute = /^#job/.test(location.hash) ? 0 : app.jobs?.now;
  const detail = app.details.get(location.hash.split("/")[1]);
  return JSON.stringify([location.hash, language(), told, jobs, minute, detail?.version, detail?.photos.length]);
}

// Beginning

async function register() {
  if (!("serviceWorker" in navigator)) return;
  const { serviceWorker } = navigator;
  let had = Boolean(serviceWorker.controller);
  let loading = false;
  serviceWorker.addEventListener("controllerchange", () => {
    if (had && !loading) {
      loading = true;
      location.reload();
    }
    had = true; // the very first one takes over a page that is new already
  });
  try {
    const worker = await serviceWorker.register(`${setup.base}/field/sw.js`, {
      scope: `${setup.base}/field`,
      type: "module",
      updateViaCache: "none",
    });
    if (worker.waiting && had) {
      worker.waiting.postMessage("take over"); // nothing has been filled in yet
      return;
    }
    worker.addEventListener("updatefound", () => {
      const fresh = worker.installing;
      fresh?.addEventListener("statechange", () => {
        if (fresh.state !== "installed" || !serviceWorker.controller) return;
        app.ready = fresh;
        banners();
      });
    });
    setInterval(() => worker.update().catch(() => {}), 3_600_000);
  } catch (error) {
    console.warn("no service worker:", error);
  }
  navigator.storage?.persist?.().catch(() => {});
}

onQueue(async (how) => {
  if (how === "signed out") app.signedOut = true;
  if (how === "offline") app.how = "offline";
  if (how === "sent") looked = 0; // the server knows more now
  await redraw();
  if (how === "done" && !looked) app.sync();
});

self.addEventListener("hashchange", async () => {
  await app.show();
  const [view, id] = location.hash.slice(1).split("/").map(decodeURIComponent);
  if (view !== "job" || !app.details.has(id) || app.jobs?.jobs.some((j) => j.id === id)) return;
  await app.fetchDetail(id); // as no list tells that it went on
  await redraw();
});
self.addEventListener("online", () => app.sync(true));
self.addEventListener("offline", () => {
  app.how = "offline";
  redraw();
});
self.addEventListener("beforeinstallprompt", (event) => {
  event.preventDefault();
  app.install = event;
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) app.sync();
});
setInterval(() => {
  if (!document.hidden) app.sync();
}, BEAT_MS);

await load();
await app.show();
register();
await app.sync(true);
