// What the phone keeps: the last jobs and their maps, and what waits to be sent. IndexedDB outlives the browser.

const NAME = "twuin-field";
const VERSION = 1;

let opened = null;

function open() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => {
      const db = request.result;
      db.createObjectStore("facts"); // by name: clock, session, jobs, settings
      db.createObjectStore("details", { keyPath: "id" }); // of jobs
      db.createObjectStore("queue", { keyPath: "seq", autoIncrement: true }); // in the order of telling
    };
    request.onsuccess = () => {
      const db = request.result;
      db.onversionchange = () => db.close();
      db.onclose = () => {
        opened = null;
      };
      resolve(db);
    };
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error("blocked"));
  }).catch((error) => {
    opened = null;
    throw error;
  });
  return opened;
}

/** Run `work` in one transaction; what it returns once all of it is on the disk. */
async function within(stores, mode, work) {
  const db = await open();
  return new Promise((resolve, reject) => {
    // Strict: an entry must survive the battery being taken out.
    const transaction = db.transaction(stores, mode, { durability: mode === "readwrite" ? "strict" : "default" });
    let result;
    transaction.oncomplete = () => resolve(result?.result);
    transaction.onabort = () => reject(transaction.error ?? new Error("not kept"));
    result = work(...[stores].flat().map((name) => transaction.objectStore(name)));
  });
}

export const fact = (name) => within("facts", "readonly", (s) => s.get(name));
export const keepFact = (name, value) => within("facts", "readwrite", (s) => s.put(value, name));
export const detail = (id) => within("details", "readonly", (s) => s.get(id));
export const details = () => within("details", "readonly", (s) => s.getAll());
export const keepDetail = (value) => within("details", "readwrite", (s) => s.put(value));
export const dropDetail = (id) => within("details", "readwrite", (s) => s.delete(id));
export const queue = () => within("queue", "readonly", (s) => s.getAll());
export const dropEntry = (seq) => within("queue", "readwrite", (s) => s.delete(seq));

/** Put entries into the queue together, in their order. */
export const enqueue = (entries) =>
  within("queue", "readwrite", (s) => {
    for (const entry of entries) s.add(entry);
  });

/** Change an entry of the queue; nothing where it is gone. */
export const mark = (seq, change) =>
  within("queue", "readwrite", (s) => {
    const found = s.get(seq);
    found.onsuccess = () => {
      if (found.result) s.put({ ...found.result, ...change });
    };
  });

/** Forget all that is kept but what was not sent. */
export const forget = () =>
  within(["facts", "details", "queue"], "readwrite", (facts, kept, waiting) => {
    facts.clear();
    kept.clear();
    const cursor = waiting.openCursor();
    cursor.onsuccess = () => {
      const at = cursor.result;
      if (!at) return;
      if (at.value.state === "sent" || at.value.state === "kept") at.delete();
      at.continue();
    };
  });
