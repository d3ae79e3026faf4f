// The views: the list of jobs, one job, what was told, and the phone itself.

import { makeMap } from "./fieldmap.js";
import { actionForm, atOnce, picture, placeText, possible } from "./fieldforms.js";
import { button, facts, h } from "./fieldparts.js";
import { tell } from "./fieldqueue.js";
import { WAITING } from "./fieldsend.js";
import { _, metres, number, percent, setup, siteNow, span, time } from "./fieldtext.js";
import { actionName, fittingName, happened, keptWhy, leakTypes, methods, refusal, stageName, stateName } from "./fieldwords.js";

const words = (job, language) => job.words?.[language] ?? {};
const BY_PROGRAM = new Set(["updated", "escalated", "said", "scored", "undecided"]); // of no use on the spot
const OPEN_CLOCKS = new Set(["running", "near", "broken"]);

/** How a job stands once what waits on this phone is told: {state, accepted}. */
export function standing(job, entries) {
  let { state } = job;
  const history = job.history ?? [];
  const last = (action) => history.map((e) => e.action).lastIndexOf(action);
  let accepted = last("accepted") > last("assigned") || (!history.length && state === "assigned" && job.mine);
  for (const entry of entries) {
    if (entry.kind !== "report" || !WAITING.has(entry.state)) continue;
    const step = setup.steps[entry.body.action];
    if (entry.body.action === "accept") accepted = true;
    if (step?.to && step.from.includes(state)) state = step.to;
  }
  return { state, accepted };
}

/** The next promise that is still to be kept. */
function nextPromise(job) {
  return (job.promises ?? []).filter((c) => c.done === null && OPEN_CLOCKS.has(c.standing)).sort((a, b) => (a.due < b.due ? -1 : 1))[0];
}

function promiseText(clock) {
  const left = Date.parse(clock.due) - (siteNow() ?? Date.now());
  const values = { due: time(clock.due), left: span(Math.abs(left)) };
  return left < 0 ? _("overdue by %(left)s (%(due)s)", values) : _("by %(due)s, %(left)s left", values);
}

function chip(text, kind = "") {
  return h("span", { class: `chip ${kind}` }, text);
}

export function listView(app) {
  const { jobs, language } = app;
  if (!jobs) return [h("p", { class: "empty" }, app.how === "offline" ? _("No line, and no jobs on this phone yet.") : _("Just a moment …"))];
  const groups = [
    [_("My jobs"), jobs.jobs.filter((j) => j.mine && j.state !== "repaired"), _("Nothing is assigned to you.")],
    [_("Nobody has taken these"), jobs.jobs.filter((j) => !j.mine), ""],
    [_("Repaired, being checked"), jobs.jobs.filter((j) => j.mine && j.state === "repaired"), ""],
  ];
  return groups.flatMap(([title, found, empty]) =>
    found.length || empty
      ? [
          h("h2", {}, title, found.length ? h("span", { class: "count" }, String(found.length)) : null),
          found.length
            ? h("ul", { class: "jobs" }, found.map((job) => h("li", {}, card(app, job, language))))
            : h("p", { class: "empty" }, empty),
        ]
      : [],
  );
}

function card(app, job, language) {
  const said = words(job, language);
  const own = app.entries.filter((e) => e.alert === job.id);
  const { state } = standing(job, own);
  const waiting = own.filter((e) => WAITING.has(e.state)).length;
  const promise = nextPromise(job);
  return h(
    "a",
    { class: `job priority-${job.priority}`, href: `#job/${job.id}`, "data-job": job.id },
    h("span", { class: "job-head" }, chip(said.priority ?? job.priority, `priority-chip ${job.priority}`), chip(stateName(state)), waiting ? chip(_("%(n)s to send", { n: waiting }), "wait") : null),
    h("strong", {}, said.title ?? job.id),
    said.day ? h("span", { class: "figure" }, _("%(m3)s of water a day", { m3: said.day })) : null,
    promise ? h("span", { class: Date.parse(promise.due) < (siteNow() ?? 0) ? "late" : "" }, `${stageName(promise.stage)}: ${promiseText(promise)}`) : null,
    h("span", { class: "quiet" }, _("since %(time)s", { time: time(job.onset) })),
  );
}

export async function jobView(app, id) {
  const job = app.details.get(id) ?? (await app.fetchDetail(id));
  if (!job) {
    // Without a line nobody knows whether it is there: only the server can say that it is not.
    const unknown = app.how === "offline" || !navigator.onLine || app.jobs?.jobs.some((j) => j.id === id);
    return [back("#", _("Jobs")), h("p", { class: "banner warn" }, unknown ? _("This job is not on the phone yet: it needs a line once.") : _("This job is not there for you any more."))];
  }
  const said = words(job, app.language);
  const own = app.entries.filter((e) => e.alert === id);
  const { state, accepted } = standing(job, own);
  const promise = nextPromise(app.jobs?.jobs.find((j) => j.id === id) ?? job);
  const may = app.may("work") ? possible(job, state, accepted) : [];
  return [
    back("#", _("Jobs")),
    h("h1", {}, said.title ?? id),
    h("p", { class: "job-head" }, chip(said.priority ?? job.priority, `priority-chip ${job.priority}`), chip(stateName(state)), job.assignee ? chip(job.assignee) : null),
    job.mine || !job.assignee ? null : h("p", { class: "banner warn" }, _("This job is now assigned to %(who)s.", { who: job.assignee })),
    outcome(own),
    actions(app, job, may),
    facts([
      [_("Lost a day"), said.day],
      [_("Flow"), said.flow],
      [_("Began"), time(job.onset), h("span", { class: "quiet" }, said.began ?? "")],
      [promise ? stageName(promise.stage) : "", promise && promiseText(promise)],
      [_("Why so urgent"), said.why],
      [_("Found at"), job.place && placeText(job.place)],
    ]),
    h("p", {}, said.sentence ?? ""),
    whereView(job, said),
    listenView(job),
    shutView(job, said),
    photosView(app, job, own),
    toldView(own),
    historyView(job),
  ];
}

function back(href, text) {
  return h("a", { class: "back", href }, `‹ ${text}`);
}

/** What the server said of the last thing told that was no step. */
function outcome(entries) {
  return entries
    .filter((e) => e.state === "kept" || e.state === "refused")
    .map((e) => h("div", { class: "banner warn", role: "alert" }, h("p", {}, h("b", {}, entryName(e)), " – ", e.state === "kept" ? keptWhy(e.result?.why) : refusal(e)), meanwhileList(e)));
}

function meanwhileList(entry) {
  const lines = entry.result?.meanwhile ?? [];
  return lines.length ? h("ul", { class: "plain" }, lines.map((m) => h("li", {}, `${time(m.at)} · ${happened(m.action)} · ${m.actor}${m.details?.assignee && m.details.assignee !== m.actor ? ` → ${m.details.assignee}` : ""}${m.note ? ` · ${m.note}` : ""}`))) : null;
}

function actions(app, job, may) {
  if (!may.length) return null;
  return h(
    "div",
    { class: "actions" },
    may.map((action, i) => {
      const look = { class: `button${i === 0 && action !== "note" ? " primary" : ""}`, "data-action": action };
      if (!atOnce(action)) return h("a", { ...look, href: `#do/${job.id}/${action}` }, actionName(action));
      return button(actionName(action), async () => {
        try {
          await tell(job.id, { action });
        } catch {
          app.say(_("This phone could not keep it: its storage is full or closed. Free some space, then try again."), "bad");
        }
        await app.show();
      }, look);
    }),
  );
}

function whereView(job, said) {
  const geo = job.georeferenced && job.lon !== null ? `${job.lat},${job.lon}` : "";
  return h(
    "section",
    {},
    h("h2", {}, _("Where")),
    facts([
      [_("DMA"), job.dma_name || job.dma],
      [_("Near"), job.landmarks.map((l) => `${l.name} (${l.id}), ${metres(l.distance_m)}`).join("; ")],
    ]),
    said.search ? h("p", {}, said.search) : null,
    geo ? h("a", { class: "button", href: `geo:${geo}?q=${geo}(${encodeURIComponent(said.title ?? job.id)})` }, _("Take me there")) : null,
    job.map.features.length ? makeMap(job) : null,
    job.map.features.length ? legend(job) : null,
  );
}

function legend(job) {
  const rows = [
    [job.suspects.length, "suspect", _("suspect pipe, thicker = likelier")],
    [job.area.some((a) => a.share === 50), "half", _("half of the probability lies in these pipes")],
    [job.area.some((a) => a.share === 90), "most", _("nine tenths of it in these as well")],
    [job.isolation?.shut.length, "shut", _("valve to shut")],
    [job.isolation?.pipes.length > 1, "dry", _("without water then")],
  ];
  return h("ul", { class: "legend" }, rows.filter(([there]) => there).map(([, kind, text]) => h("li", {}, h("span", { class: `swatch ${kind}`, "aria-hidden": "true" }), text)));
}

function listenView(job) {
  if (!job.listen.length) return null;
  return h(
    "section",
    {},
    h("h2", {}, _("Where to listen")),
    h("p", { class: "quiet" }, _("A leak hisses or rushes without a pause, day and night; use that stops and starts is no leak. Listen when it is quiet. Touch valves and fittings first, then go along the pipe: where it is loudest, it is near. Plastic carries sound only some metres, steel and iron a hundred.")),
    h(
      "ol",
      { class: "listen" },
      job.listen.map((p) =>
        h(
          "li",
          {},
          h("b", {}, _("Pipe %(pipe)s", { pipe: p.pipe })),
          " ",
          h("span", { class: "quiet" }, [p.probability === null ? "" : percent(p.probability), p.diameter_mm ? `Ø ${number(p.diameter_mm)} mm` : "", p.length_m ? metres(p.length_m) : ""].filter(Boolean).join(" · ")),
          p.points.length
            ? h("ul", { class: "plain" }, p.points.map((v) => h("li", {}, fittingText(v, p.pipe))))
            : h("p", { class: "quiet" }, _("No valve or hydrant is known on it: go along it with the ground microphone.")),
        ),
      ),
    ),
  );
}

function fittingText(at, pipe) {
  const what = [fittingName(at.kind), [at.id, at.name].filter(Boolean).join(" · ")].join(" ");
  return at.pipe === pipe ? what : _("%(what)s, at its end in pipe %(pipe)s", { what, pipe: at.pipe });
}

function shutView(job, said) {
  if (!said.shut) return null;
  return h(
    "section",
    {},
    h("h2", {}, _("Shutting off the water")),
    h("p", {}, said.shut),
    job.isolation.shut.length ? h("ul", { class: "valves" }, job.isolation.shut.map((v) => h("li", {}, h("b", {}, v.id), v.name ? ` ${v.name}` : "", " ", h("span", { class: "quiet" }, _("pipe %(pipe)s at %(node)s", { pipe: v.pipe, node: v.node }))))) : null,
    said.dry ? h("p", {}, said.dry) : null,
    said.assumed ? h("p", { class: "quiet" }, said.assumed) : null,
  );
}

function photosView(app, job, own) {
  const waiting = own.filter((e) => e.kind === "photo" && e.state !== "sent");
  if (!job.photos.length && !waiting.length) return null;
  const src = (p) => `${setup.base}/api/v1/alerts/${encodeURIComponent(job.id)}/photos/${p.id}?small=true`;
  return h(
    "section",
    {},
    h("h2", {}, _("Photos")),
    h(
      "div",
      { class: "thumbs" },
      job.photos.map((p) => h("span", { class: "thumb" }, h("img", { src: src(p), alt: `${p.actor}, ${time(p.happened ?? p.at)}`, loading: "lazy", width: "96", height: "96" }))),
      waiting.map((e) => h("span", { class: `thumb ${e.state}` }, picture(e.thumb), h("span", { class: "thumb-state" }, stateOf(e)))),
    ),
  );
}

function toldView(own) {
  const shown = own.filter((e) => e.kind === "report" || e.state === "refused");
  return shown.length ? h("section", {}, h("h2", {}, _("Told from this phone")), h("ul", { class: "entries" }, shown.map((e) => entryLine(e)))) : null;
}

function historyView(job) {
  const lines = job.history.filter((e) => !BY_PROGRAM.has(e.action)).slice(-8).reverse();
  return h(
    "details",
    { class: "history" },
    h("summary", {}, _("History")),
    h("ul", { class: "plain" }, lines.map((e) => h("li", {}, `${time(e.happened ?? e.at)} · ${happened(e.action)} · ${e.actor}`, e.note ? h("p", { class: "quiet" }, e.note) : null))),
  );
}

export async function doView(app, id, action) {
  const job = app.details.get(id) ?? (await app.fetchDetail(id));
  if (!job || !setup.steps[action]) return [back(`#job/${id}`, _("Job")), h("p", { class: "banner warn" }, _("This job is not there for you any more."))];
  const said = words(job, app.language);
  const form = await actionForm(job, action, () => {
    app.say(navigator.onLine ? _("Kept, and being sent.") : _("Kept on the phone. It is sent when there is a line."), "good");
    location.hash = `#job/${id}`;
  });
  return [back(`#job/${id}`, said.title ?? id), h("h1", {}, actionName(action)), form];
}

// What was told

function entryName(entry) {
  if (entry.kind === "photo") return _("Photo");
  const { place, leak_type: leak, method } = entry.body;
  const more = [place && placeText(place), leak && new Map(leakTypes()).get(leak), method && new Map(methods()).get(method)];
  return [actionName(entry.body.action), ...more.filter(Boolean)].join(", ");
}

function stateOf(entry) {
  return {
    queued: _("waits for a line"),
    sending: _("being sent"),
    sent: _("arrived"),
    kept: _("arrived, kept as a note"),
    refused: _("refused"),
  }[entry.state];
}

function entryLine(entry, more = null) {
  return h(
    "li",
    { class: `entry ${entry.state}`, "data-state": entry.state, "data-entry": entry.body?.action ?? entry.kind },
    h("span", { class: "entry-head" }, h("b", {}, entryName(entry)), chip(stateOf(entry), entry.state)),
    h("span", { class: "quiet" }, entry.happened ? time(entry.happened) : ""),
    entry.body?.note ? h("p", {}, entry.body.note) : null,
    entry.state === "kept" ? h("p", {}, keptWhy(entry.result?.why)) : null,
    entry.state === "refused" ? h("p", {}, refusal(entry), entry.detail ? h("span", { class: "quiet", lang: "en" }, ` ${entry.detail}`) : null) : null,
    entry.state === "kept" || entry.state === "sent" ? meanwhileList(entry) : null,
    more,
  );
}

export function toldListView(app) {
  const shown = [...app.entries].reverse();
  const others = app.entries.filter((e) => WAITING.has(e.state) && app.session && e.owner !== app.session.account);
  const names = [...new Set(others.map((e) => e.by || _("somebody else")))].join(", ");
  return [
    back("#", _("Jobs")),
    h("h1", {}, _("Told from this phone")),
    others.length ? h("p", { class: "banner warn" }, _("%(n)s of these wait until %(who)s signs in on this phone again.", { n: others.length, who: names })) : null,
    shown.some((e) => WAITING.has(e.state) && !others.includes(e)) ? button(_("Send now"), () => app.sync(true), { class: "button primary wide" }) : null,
    shown.length
      ? h("ul", { class: "entries" }, shown.map((e) => entryLine(e, h("span", { class: "row" }, h("a", { href: `#job/${e.alert}` }, app.titleOf(e.alert)), e.state === "kept" || e.state === "refused" ? button(_("I have read it"), () => app.dismiss(e), { class: "button small" }) : null))))
      : h("p", { class: "empty" }, _("Nothing has been told from this phone yet.")),
  ];
}

/** A page that the phone does not keep: without a line the browser would show its own, outside of the app. */
function needsLine(app, event) {
  if (navigator.onLine && app.how !== "offline") return;
  event.preventDefault();
  app.say(_("This needs a line."), "bad");
}

export function phoneView(app) {
  const crew = h("input", { maxlength: "80", list: "crews", autocomplete: "off" });
  crew.value = app.settings.crew ?? "";
  const name = h("input", { maxlength: "80", autocomplete: "name" });
  name.value = app.settings.name ?? "";
  return [
    back("#", _("Jobs")),
    h("h1", {}, _("This phone")),
    facts([
      [_("Signed in as"), app.session?.open ? _("a demo, without accounts") : app.session?.shown],
      [_("Site"), app.jobs?.site],
      [_("Last jobs"), app.jobs ? time(app.jobs.now) : _("none yet")],
      [_("Jobs with their map on the phone"), app.jobs ? String(app.jobs.jobs.filter((j) => app.details.has(j.id)).length) : ""],
    ]),
    h(
      "form",
      { class: "form", onsubmit: (e) => e.preventDefault() },
      app.session?.open ? h("label", { class: "field" }, h("span", {}, _("Your name")), name) : null,
      h("label", { class: "field" }, h("span", {}, _("Crew I go with today")), crew, h("datalist", { id: "crews" }, (app.jobs?.crews ?? []).map((c) => h("option", { value: c })))),
      h("p", { class: "quiet" }, _("The name by which the control room assigns jobs to it. You then see its jobs too.")),
      button(_("Save"), () => app.save({ crew: crew.value.trim(), name: name.value.trim() }), { class: "button primary wide" }),
    ),
    app.install ? button(_("Install on this phone"), () => app.installNow(), { class: "button wide" }) : null,
    app.session?.signed_in && !app.session.open ? h("a", { class: "button wide", href: `${setup.base}/me`, onclick: (e) => needsLine(app, e) }, _("My account")) : null,
    button(_("Clear this phone"), () => app.clear(), { class: "button wide quiet-button" }),
    h("p", { class: "quiet" }, _("Clearing forgets jobs and maps; what was not sent yet stays.")),
  ];
}
