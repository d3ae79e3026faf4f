// The crew's phone: its two languages, numbers, and the site's time. Both languages are there without a line.

export const setup = JSON.parse(document.getElementById("setup").textContent);

const KEPT = "twuin-field-language";
let chosen = kept() ?? setup.language;

function kept() {
  try {
    const code = localStorage.getItem(KEPT);
    return code in setup.languages ? code : null;
  } catch {
    return null; // a browser that keeps nothing
  }
}

export const language = () => chosen;

/** Speak another language from now on. */
export function speak(code) {
  chosen = code;
  document.documentElement.lang = code;
  try {
    localStorage.setItem(KEPT, code);
  } catch {
    // then until the page is closed
  }
}

/** A message in the reader's language, with %(name)s filled in. */
export function _(message, values = {}) {
  const text = setup.messages[chosen]?.[message] ?? message;
  return text.replace(/%\((\w+)\)s/g, (whole, name) => values[name] ?? whole);
}

const locale = () => (chosen === "id" ? "id-ID" : "en-GB");

/** A number, with as many decimals as given. */
export function number(value, digits = 0) {
  return new Intl.NumberFormat(locale(), { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
}

/** Metres as people say them: "40 m", "1,2 km". */
export function metres(value) {
  return value >= 1000 ? `${number(value / 1000, 1)}\u00a0km` : `${number(value)}\u00a0m`;
}

/** A share; what is there at all is never shown as nothing. */
export function percent(share) {
  if (share > 0 && share < 0.0005) return `<\u00a0${number(0.1, 1)}\u00a0%`;
  return `${number(share * 100, share < 0.1 ? 1 : 0)}\u00a0%`;
}

// What time it is at the site. Told by the server at each contact; between contacts the phone's own clock counts
// on, however wrong it stands.

const clock = { site: null, local: 0, speed: 1, timezone: "UTC", zone: "" };

/** Take over a clock that was kept, or that the server just told. */
export function setClock(told) {
  Object.assign(clock, told);
}

/** What the server said of the site's time, as it is kept. */
export function clockOf(answer) {
  return {
    site: Date.parse(answer.now),
    local: Date.now(),
    speed: answer.speed,
    timezone: answer.timezone,
    zone: answer.zone,
  };
}

/** The site's time [ms since 1970]; null before the server was ever reached. */
export function siteNow() {
  if (clock.site === null) return null;
  // A clock that was set back meanwhile cannot make time go backwards.
  return clock.site + Math.max(0, Date.now() - clock.local) * clock.speed;
}

/** An instant as the site's local time: "Sab 21 Nov 10.10". */
export function time(iso) {
  const when = new Date(iso);
  const format = new Intl.DateTimeFormat(locale(), {
    timeZone: clock.timezone,
    weekday: "short",
    day: "numeric",
    month: "short",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
  const p = Object.fromEntries(format.formatToParts(when).map((part) => [part.type, part.value]));
  const colon = chosen === "id" ? "." : ":";
  return `${p.weekday} ${p.day} ${p.month} ${p.hour}${colon}${p.minute}`;
}

/** A span in its two largest units: "2 h 10 min". */
export function span(ms) {
  const minutes = Math.max(1, Math.round(ms / 60000));
  const [days, hours, rest] = [Math.floor(minutes / 1440), Math.floor((minutes % 1440) / 60), minutes % 60];
  const values = { days: number(days), hours: number(hours), minutes: number(rest) };
  if (days) return hours ? _("%(days)s d %(hours)s h", values) : _("%(days)s d", values);
  if (hours) return rest ? _("%(hours)s h %(minutes)s min", values) : _("%(hours)s h", values);
  return _("%(minutes)s min", values);
}
