// What all scripts of a page share: its settings, its language, numbers and times.

export const client = JSON.parse(document.getElementById("client").textContent);

/** A message in the page's language, with %(name)s filled in. */
export function _(message, values = {}) {
  const text = client.messages[message] ?? message;
  return text.replace(/%\((\w+)\)s/g, (whole, name) => values[name] ?? whole);
}

/** The page's language as the browser formats numbers and dates. */
export const locale = { id: "id-ID", en: "en-GB" }[client.language];
const byDigits = new Map();

/** A number with about three figures, or with a fixed count of decimals. */
export function number(value, digits) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  const places = digits ?? (size >= 100 ? 0 : size >= 10 ? 1 : 2);
  if (!byDigits.has(places)) {
    byDigits.set(
      places,
      new Intl.NumberFormat(locale, { minimumFractionDigits: places, maximumFractionDigits: places }),
    );
  }
  return byDigits.get(places).format(value);
}

/** An amount of the site's currency, in whole units. */
export function money(value) {
  return `${Math.round(value) < 0 ? "-" : ""}${client.currency}\u00a0${number(Math.abs(value), 0)}`;
}

/** A unit as people write it here. */
export function unitName(unit) {
  return { "m3/h": _("m³/h"), m3: "m³", degC: "°C", 1: "" }[unit] ?? unit;
}

const dayAndTime = new Intl.DateTimeFormat(locale, {
  timeZone: client.timezone,
  weekday: "short",
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
});
const parts = (format, when) =>
  Object.fromEntries(format.formatToParts(when).map((part) => [part.type, part.value]));
const colon = client.language === "id" ? "." : ":";

/** A local instant as the server writes it: "Sab 21 Nov 10.10", with its year unless that is the present one. */
export function time(when) {
  const p = parts(dayAndTime, when);
  const year = Number(p.year) === client.year ? "" : ` ${p.year}`;
  return `${p.weekday} ${p.day} ${p.month}${year} ${p.hour}${colon}${p.minute}`;
}

const started = performance.now();
const startedAt = client.now ? Date.parse(client.now) : null;
const offset = { at: startedAt, since: started };

/** The site's clock [ms since 1970]; in a demo it runs faster than the wall's. */
export function siteNow() {
  return offset.at === null ? Date.now() : offset.at + (performance.now() - offset.since) * client.speed;
}

/** Set the site's clock by what the server says. */
export function setSiteNow(iso) {
  offset.at = Date.parse(iso);
  offset.since = performance.now();
}

/** A colour of the page's own palette. */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** Call back when the device turns dark or light. */
export function onTheme(callback) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => callback());
}
