// What all charts are made of: axes in the site's time, marks, gaps, and series as uPlot takes them.

import { _, client, colour, locale, number, time } from "./common.js";

const uPlot = globalThis.uPlot;
export const GAP_INTERVALS = 2.6; // readings farther apart than this many of their intervals leave a gap

const format = (options) =>
  new Intl.DateTimeFormat(locale, { timeZone: client.timezone, hourCycle: "h23", ...options });
const clock = format({ hour: "2-digit", minute: "2-digit" });
const day = format({ day: "numeric", month: "short" });
const month = format({ month: "short", year: "numeric" });
export const night = new Intl.DateTimeFormat(locale, {
  timeZone: "UTC",
  weekday: "short",
  day: "numeric",
  month: "short",
  year: "numeric",
});
const nightTick = new Intl.DateTimeFormat(locale, { timeZone: "UTC", day: "numeric", month: "short" });
export const DAY = 86400;

const yearOf = format({ year: "numeric" });
const nightYear = new Intl.DateTimeFormat(locale, { timeZone: "UTC", year: "numeric" });

/** A second line with the year, where it is not the present one: under the first label, and where it changes. */
export function yearLine(when, before, years = yearOf) {
  const year = years.format(when);
  if (before !== null && years.format(before) === year) return "";
  return Number(year) === client.year ? "" : `\n${year}`;
}

function ticks(u, splits, axis, space, step) {
  let before = null;
  return splits.map((at) => {
    const when = at * 1000;
    const date = day.format(when);
    const year = yearLine(when, before);
    const newDay = before === null || day.format(before) !== date;
    before = when;
    if (step >= 27 * DAY) return month.format(when);
    if (step >= DAY) return date + year;
    return newDay ? `${clock.format(when)}\n${date}${year.replace("\n", " ")}` : clock.format(when);
  });
}

/** Labels of an axis of nights, which are dates and know no zone. */
export function nightTicks(u, splits) {
  return splits.map((at, i) => {
    const before = i ? splits[i - 1] * 1000 : null;
    return nightTick.format(at * 1000) + yearLine(at * 1000, before, nightYear);
  });
}

/** Digits after the decimal mark that tell labels apart which are a step from one another. */
export function stepDigits(step) {
  for (let digits = 0; digits < 4; digits++) {
    const scaled = step * 10 ** digits;
    if (Math.abs(scaled - Math.round(scaled)) < 1e-6 * scaled) return digits;
  }
  return 4;
}

const local = (seconds) => uPlot.tzDate(new Date(seconds * 1000), client.timezone);

export function axes(unit, title) {
  const common = { stroke: colour("ink-2"), font: `12px ${fontFamily()}`, labelFont: `12px ${fontFamily()}` };
  const line = { stroke: colour("grid"), width: 1 };
  return [
    { ...common, grid: line, ticks: { ...line, size: 4 }, values: ticks, space: 64, size: 40 },
    {
      ...common,
      grid: line,
      ticks: { show: false },
      size: innerWidth < 700 ? 44 : 56,
      values: (u, splits) => {
        const digits = stepDigits(Math.abs(splits[1] - splits[0]) || 1);
        return splits.map((v) => number(v, digits));
      },
      label: title ?? unit,
      labelSize: 18,
      labelGap: 2,
    },
  ];
}

function fontFamily() {
  return getComputedStyle(document.body).fontFamily;
}

export function alpha(hex, share) {
  return `color-mix(in srgb, ${hex} ${Math.round(share * 100)}%, transparent)`;
}

/** Vertical lines with a label: where something began, was detected, ended. */
export function marksPlugin(marks) {
  return {
    hooks: {
      draw: [
        (u) => {
          const { ctx, bbox } = u;
          const ratio = devicePixelRatio;
          ctx.save();
          ctx.font = `600 ${12 * ratio}px ${fontFamily()}`;
          ctx.textBaseline = "top";
          ctx.textAlign = "left";
          let row = 0;
          for (const mark of marks) {
            const x = u.valToPos(Date.parse(mark.at) / 1000, "x", true);
            if (x < bbox.left || x > bbox.left + bbox.width) continue;
            const ink = colour(
              mark.kind === "onset" ? "leak" : mark.kind === "detected" ? "accent" : "ink-2",
            );
            ctx.strokeStyle = ink;
            ctx.lineWidth = 2 * ratio;
            ctx.setLineDash(mark.kind === "onset" ? [] : [6 * ratio, 4 * ratio]);
            ctx.beginPath();
            ctx.moveTo(x, bbox.top);
            ctx.lineTo(x, bbox.top + bbox.height);
            ctx.stroke();
            const width = ctx.measureText(mark.label).width;
            const room = x + width + 12 * ratio < bbox.left + bbox.width;
            const before = x - width - 12 * ratio > bbox.left;
            const right = before && (mark.kind === "onset" || !room);
            const left = right ? x - width - 8 * ratio : x + 8 * ratio;
            const top = bbox.top + (4 + 18 * (row++ % 4)) * ratio;
            ctx.fillStyle = alpha(colour("surface"), 0.85);
            ctx.fillRect(left - 3 * ratio, top - 2 * ratio, width + 6 * ratio, 17 * ratio);
            ctx.fillStyle = ink;
            ctx.fillText(mark.label, left, top);
          }
          ctx.restore();
        },
      ],
    },
  };
}

/** Grey bands where nothing was read. */
export function gapsPlugin(gaps) {
  return {
    hooks: {
      drawClear: [
        (u) => {
          const { ctx, bbox } = u;
          ctx.save();
          ctx.beginPath();
          ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
          ctx.clip();
          ctx.fillStyle = alpha(colour("nodata"), 0.16);
          for (const [from, to] of gaps) {
            const left = u.valToPos(from, "x", true);
            const right = u.valToPos(to, "x", true);
            if (right > bbox.left && left < bbox.left + bbox.width) {
              ctx.fillRect(left, bbox.top, Math.max(right - left, 1), bbox.height);
            }
          }
          ctx.restore();
        },
      ],
    },
  };
}

export function base(figure, unit, extra) {
  const { plugins = [], title, ...rest } = extra;
  return {
    width: Math.max(figure.body.clientWidth, 200),
    height: figure.element.classList.contains("low") ? 170 : innerWidth < 700 ? 240 : 300,
    tzDate: local,
    padding: [10, 32, 0, 0], // half a label beyond the last tick
    hooks: {
      // A legend is a key; it shows values only while a place of the chart is pointed at.
      setCursor: [(u) => u.root.classList.toggle("pointed", u.cursor.idx != null)],
    },
    legend: { live: true },
    cursor: { y: false, drag: { x: true, y: false }, points: { size: 7 } },
    axes: axes(unit, title),
    plugins,
    ...rest,
  };
}

const when = { label: () => _("Time"), value: (u, at) => (at == null ? "–" : time(at * 1000)) };
export const timeSeries = () => ({ label: when.label(), value: when.value });
export const value = (unit) => (u, v) => (v == null ? "–" : `${number(v)} ${unit}`);

/** Readings farther apart than the sensor's interval are not joined by a line. */
export function withGaps(series, interval) {
  const xs = series.times.map((t) => Date.parse(t) / 1000);
  const names = Object.keys(series.values);
  const longest = GAP_INTERVALS * Math.max(series.step_s ?? 0, interval, usual(xs));
  const out = { x: [], values: Object.fromEntries(names.map((n) => [n, []])), quality: {}, gaps: [] };
  for (const n of Object.keys(series.quality ?? {})) out.quality[n] = [];
  xs.forEach((x, i) => {
    if (i && x - xs[i - 1] > longest) {
      out.gaps.push([xs[i - 1], x]);
      out.x.push(xs[i - 1] + 1);
      for (const n of names) out.values[n].push(null);
      for (const n of Object.keys(out.quality)) out.quality[n].push(0);
    }
    out.x.push(x);
    for (const n of names) out.values[n].push(series.values[n][i]);
    for (const n of Object.keys(out.quality)) out.quality[n].push(series.quality[n][i] ?? 0);
  });
  return out;
}

export function usual(xs) {
  const steps = xs.slice(1, 200).map((x, i) => x - xs[i]);
  steps.sort((a, b) => a - b);
  return steps[Math.floor(steps.length / 2)] ?? 300;
}

/** A series that comes at longer steps than the others it stands beside: each value holds until the next. */
export function held(xs, values) {
  const known = xs.filter((x, i) => values[i] != null);
  const longest = GAP_INTERVALS * usual(known);
  let last = -1;
  return values.map((v, i) => {
    if (v != null) last = i;
    return last >= 0 && xs[i] - xs[last] < longest ? values[last] : null;
  });
}

/** A range that holds zero, with room at the top for the labels of marks. */
export const from0 = (u, low, high) => {
  const [bottom, top] = uPlot.rangeNum(Math.min(low ?? 0, 0), Math.max(high ?? 1, 0.001), 0.18, true);
  return [low !== null && low >= 0 ? 0 : bottom, top];
};
