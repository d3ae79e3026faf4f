// A display's line to the server: one stream of events, made anew for as long as it takes, and how it stands.

const SILENT_MS = 6000; // the server has said nothing for so long: it is asked
const ANSWER_MS = 4000; // ... and has so long to answer
const GRACE_MS = 3000; // a gap shorter than this is not told: the stream is being made anew
const LONGEST_WAIT_MS = 30000; // between two attempts
const EVENTS = ["alert", "dma", "watermark", "heartbeat"];

/**
 * url: of the stream. ask(signal): asks the server whether it is there, a promise that fails where it is not.
 * onEvent(name, data): something came. onBack(): the line stands again, after it was down.
 * Driven by `tick` alone: it has no timer of its own.
 */
export class Link {
  constructor(url, { ask, onEvent, onBack }) {
    this.url = url;
    this.ask = ask;
    this.onEvent = onEvent;
    this.onBack = onBack;
    this.stream = null;
    this.failures = 0;
    this.nextTry = 0;
    this.heard = performance.now();
    this.asking = false;
    this.lostAt = null; // since when nothing has been heard, while the line is down
    this.missedAt = 0; // when that was found out
  }

  /** Whether the line has been down for long enough to say so. */
  get down() {
    return this.lostAt !== null && performance.now() - this.missedAt > GRACE_MS;
  }

  hear() {
    this.heard = performance.now();
    if (this.lostAt === null) return;
    this.lostAt = null;
    this.onBack();
  }

  lose(missedAt) {
    this.missedAt = this.lostAt === null ? missedAt : Math.min(this.missedAt, missedAt);
    this.lostAt ??= this.heard;
  }

  open() {
    this.stream?.close();
    const stream = new EventSource(this.url);
    this.stream = stream;
    stream.addEventListener("open", () => {
      this.failures = 0;
      this.hear();
    });
    stream.addEventListener("error", () => {
      if (this.stream !== stream) return;
      stream.close();
      this.stream = null;
      this.lose(performance.now());
      const wait = Math.min(1000 * 2 ** this.failures, LONGEST_WAIT_MS);
      this.failures += 1;
      // Many displays of one server do not come back all at once.
      this.nextTry = performance.now() + wait * (0.75 + 0.5 * Math.random());
    });
    for (const name of EVENTS)
      stream.addEventListener(name, (event) => {
        this.hear();
        this.onEvent(name, event.data);
      });
  }

  tick() {
    const now = performance.now();
    if (this.stream === null && now >= this.nextTry) this.open();
    // A line that is open and silent may be a pulled cable; one that is closed, a server with too many displays.
    if (this.asking || (this.lostAt === null && now - this.heard < SILENT_MS)) return;
    this.asking = true;
    this.ask(AbortSignal.timeout(ANSWER_MS))
      .then(
        () => this.hear(),
        () => this.lose(this.heard),
      )
      .finally(() => (this.asking = false));
  }
}
