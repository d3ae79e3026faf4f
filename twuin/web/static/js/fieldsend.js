// Sends what waits, from the page or, when that is closed, from the service worker. Each entry has a key, and the
// server does what came with a key once: so sending twice is safe, and losing an answer costs nothing.

import { dropEntry, keepFact, mark, queue } from "./fieldstore.js";

const LOCK = "twuin-field-send";
export const SYNC = "twuin-field-sync";
const PATIENCE_MS = { report: 30_000, photo: 180_000 };
const SESSION_MS = 20_000;
const KEEP_SENT_MS = 7 * 86_400_000;

export const WAITING = new Set(["queued", "sending"]);

/** What a look at the server said. */
export class Unreachable extends Error {}

export async function ask(url, options = {}, patience = SESSION_MS) {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), patience);
  try {
    return await fetch(url, { cache: "no-store", credentials: "same-origin", redirect: "manual", ...options, signal: stop.signal });
  } catch (error) {
    throw new Unreachable(String(error));
  } finally {
    clearTimeout(timer);
  }
}

/** Who is signed in, as the server says now. */
export async function askSession(base) {
  const answer = await ask(`${base}/field/session`);
  if (!answer.ok) throw new Unreachable(String(answer.status));
  return readJson(answer);
}

export async function readJson(answer) {
  try {
    return await answer.json();
  } catch (error) {
    throw new Unreachable(String(error)); // cut off in the middle, or some gateway's own page
  }
}

/**
 * Send all that waits and belongs to whoever is signed in, in its order.
 *
 * Returns how it went: "done", "busy" (somebody else sends), "offline", "signed out", "later" (the server cannot
 * now); told: called after each entry with what became of it.
 */
export async function send(base, told = () => {}) {
  const work = () => sendAll(base, told);
  if (!navigator.locks) return work();
  return navigator.locks.request(LOCK, { ifAvailable: true }, (lock) => (lock ? work() : "busy"));
}

async function sendAll(base, told) {
  const waiting = (await queue()).filter((e) => WAITING.has(e.state));
  if (!waiting.length) return "done";
  for (const entry of waiting) {
    if (entry.state === "sending") await mark(entry.seq, { state: "queued" }); // that try was cut off
  }
  try {
    let session = await askSession(base);
    if (!session.signed_in) return "signed out";
    await keepFact("session", session);
    for (const entry of waiting) {
      if (entry.owner !== session.account) continue; // waits until they sign in again
      let found = await sendOne(base, session, entry);
      if (found === "form") {
        session = await askSession(base); // the session was made anew meanwhile
        if (!session.signed_in) return "signed out";
        found = await sendOne(base, session, entry);
        if (found === "form") found = { state: "refused", why: "right" };
      }
      if (typeof found === "string") {
        await mark(entry.seq, { state: "queued" });
        return found;
      }
      await mark(entry.seq, found);
      told({ ...entry, ...found });
    }
    return "done";
  } catch (error) {
    if (error instanceof Unreachable) return "offline";
    throw error;
  } finally {
    await tidy();
  }
}

async function sendOne(base, session, entry) {
  await mark(entry.seq, { state: "sending", tries: (entry.tries ?? 0) + 1 });
  try {
    return await tryOne(base, session, entry);
  } catch (error) {
    await mark(entry.seq, { state: "queued" }); // the page must not say that it is on its way
    throw error;
  }
}

async function tryOne(base, session, entry) {
  const headers = session.form ? { "X-Twuin-Form": session.form } : {};
  const answer = await (entry.kind === "photo" ? sendPhoto(base, headers, entry) : sendReport(base, headers, entry));
  if (answer.ok) {
    const result = await readJson(answer);
    const state = result.done === false ? "kept" : "sent";
    return { state, at: Date.now(), result: entry.kind === "photo" ? { id: result.id } : result, blob: null };
  }
  if (answer.type === "opaqueredirect" || answer.status === 401) return "signed out";
  if (answer.status === 429 || answer.status >= 500) return "later";
  const problem = await readProblem(answer);
  if (answer.status === 403 && /X-Twuin-Form/i.test(problem)) return "form";
  const why = { 403: "right", 404: "gone", 413: "large" }[answer.status] ?? "invalid";
  return { state: "refused", why, detail: problem.slice(0, 300), at: Date.now() };
}

async function readProblem(answer) {
  try {
    return (await answer.json()).detail ?? "";
  } catch {
    return "";
  }
}

function sendReport(base, headers, entry) {
  return ask(
    `${base}/api/v1/field/jobs/${encodeURIComponent(entry.alert)}/reports`,
    {
      method: "POST",
      headers: { ...headers, "content-type": "application/json" },
      body: JSON.stringify({ ...entry.body, key: entry.key, ...(entry.happened ? { happened: entry.happened } : {}) }),
    },
    PATIENCE_MS.report,
  );
}

function sendPhoto(base, headers, entry) {
  const about = new URLSearchParams({ key: entry.key, step: entry.body.step ?? "" });
  if (entry.happened) about.set("happened", entry.happened);
  if (entry.body.actor) about.set("actor", entry.body.actor);
  return ask(
    `${base}/api/v1/alerts/${encodeURIComponent(entry.alert)}/photos?${about}`,
    { method: "POST", headers: { ...headers, "content-type": entry.blob.type }, body: entry.blob },
    PATIENCE_MS.photo,
  );
}

/** Forget what was taken in a week ago. What was refused stays until somebody has read it. */
async function tidy() {
  for (const entry of await queue()) {
    const over = entry.state === "sent" && Date.now() - entry.at > KEEP_SENT_MS;
    if (over) await dropEntry(entry.seq);
  }
}
