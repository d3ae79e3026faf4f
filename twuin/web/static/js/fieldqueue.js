// What a crew tells: put into the queue at once, sent when there is a line, and followed until it is answered.

import { SYNC, send } from "./fieldsend.js";
import { enqueue, fact } from "./fieldstore.js";
import { setup, siteNow } from "./fieldtext.js";

const listeners = new Set();
const channel = "BroadcastChannel" in self ? new BroadcastChannel(SYNC) : null;
if (channel) channel.onmessage = (event) => announce(event.data);

/** Be told when something of the queue has changed. */
export function onQueue(listener) {
  listeners.add(listener);
}

function announce(how) {
  for (const listener of listeners) listener(how);
}

/** Keep what was done, with its photos; on the disk when this returns. Sent as soon as there is a line. */
export async function tell(alert, body, photos = []) {
  const [session, settings] = [await fact("session"), (await fact("settings")) ?? {}];
  const now = siteNow();
  const common = {
    alert,
    owner: session?.account ?? "",
    by: session?.shown ?? "",
    happened: now === null ? null : new Date(now).toISOString(),
    made: Date.now(),
    state: "queued",
    tries: 0,
  };
  const actor = session?.open ? { actor: settings.name ?? "" } : {};
  const entries = [];
  if (body) {
    entries.push({ ...common, kind: "report", key: newKey(), body: { crew: settings.crew ?? "", ...body, ...actor } });
  }
  for (const photo of photos) {
    entries.push({ ...common, kind: "photo", key: newKey(), body: { step: body?.action ?? "", ...actor }, ...photo });
  }
  await enqueue(entries);
  announce("queued");
  wake(); // not waited for: without a service worker it is never ready
  flush();
}

/** Ask the browser to send when there is a line, also when this page is closed by then. */
async function wake() {
  try {
    const worker = await navigator.serviceWorker?.ready;
    await worker?.sync?.register(SYNC);
  } catch {
    // no Background Sync here: the page itself tries whenever it is open
  }
}

let again = false;
let running = false;

/** Send what waits, now. */
export async function flush() {
  if (running) {
    again = true;
    return;
  }
  running = true;
  let how = "done";
  try {
    do {
      again = false;
      how = await send(setup.base, () => announce("sent"));
    } while (again && how === "done");
  } catch (error) {
    console.warn("not sent:", error); // the phone's own storage: nothing can be said of what waits
    how = "failed";
  } finally {
    running = false;
  }
  announce(how);
}

function newKey() {
  return crypto.randomUUID
    ? crypto.randomUUID()
    : [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");
}
