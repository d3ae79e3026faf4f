// Charts of the pages: series from the interface, drawn by uPlot in the page's own colours.

import { _, client, colour, number, onTheme, siteNow, time, unitName } from "./common.js";

const uPlot = globalThis.uPlot;
const MAX_POINTS = 1500;
const FOLLOW_MS = 15000;
const GAP_INTERVALS = 2.6;
const SUSPECT_QUALITY = 0xffff;
const charts = [];

const locale = { id: "id-ID", en: "en-GB" }[client.language];
const format = (options) => new Intl.DateTimeFormat(locale, { timeZone: client.timezone, hourCycle: "h23", ...options });
const clock = format({ hour: "2-digit", minute: "2-digit" });
const day = format({ day: "numeric", month: "short" });
const month = format({ month: "short", year: "numeric" });
const night = new Intl.DateTimeFormat(locale, { timeZone: "UTC", weekday: "short", day: "numeric", month: "short" });
const nightTick = new Intl.DateTimeFormat(locale, { timeZone: "UTC", day: "numeric", month: "short" });
const DAY = 86400;

function ticks(u, splits, axis, space, step) {
  let before = null;
  return splits.map((at) => {
    const when = at * 1000;
    const label = step < DAY ? clock.format(when) : step < 27 * DAY ? day.format(when) : month.format(when);
    const date = day.format(when);
    const shown = step < DAY && date !== before ? `${label}\n${date}` : label;
    before = date;
    return shown;
  });
}

const local = (seconds) => uPlot.tzDate(new Date(seconds * 1000), client.timezone);

function axes(unit, title) {
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
        const step = Math.abs(splits[1] - splits[0]) || 1;
        const digits = step >= 1 ? 0 : step >= 0.1 ? 1 : 2;
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

function alpha(hex, share) {
  return `color-mix(in srgb, ${hex} ${Math.round(share * 100)}%, transparent)`;
}

/** Vertical lines with a label: where something began, was detected, ended. */
function marksPlugin(marks) {
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
            const ink = colour(mark.kind === "onset" ? "leak" : mark.kind === "detected" ? "accent" : "ink-2");
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
function gapsPlugin(gaps) {
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

function base(figure, unit, extra) {
  const { plugins = [], title, ...rest } = extra;
  return {
    width: Math.max(figure.body.clientWidth, 200),
    height: figure.element.classList.contains("low") ? 170 : innerWidth < 700 ? 240 : 300,
    tzDate: local,
    padding: [10, 8, 0, 0],
    legend: { live: true },
    cursor: { y: false, drag: { x: true, y: false }, points: { size: 7 } },
    axes: axes(unit, title),
    plugins,
    ...rest,
  };
}

const when = { label: () => _("Time"), value: (u, at) => (at == null ? "–" : time(at * 1000)) };
const timeSeries = () => ({ label: when.label(), value: when.value });
const value = (unit) => (u, v) => (v == null ? "–" : `${number(v)} ${unit}`);

/** Readings farther apart than the sensor's interval are not joined by a line. */
function withGaps(series, interval) {
  const xs = series.times.map((t) => Date.parse(t) / 1000);
  const names = Object.keys(series.values);
  const longest = GAP_INTERVALS * Math.max(series.step_s ?? 0, interval || usual(xs));
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

function usual(xs) {
  const steps = xs.slice(1, 200).map((x, i) => x - xs[i]);
  steps.sort((a, b) => a - b);
  return steps[Math.floor(steps.length / 2)] ?? 300;
}

/** A series that comes at longer steps than the others it stands beside: each value holds until the next. */
function held(xs, values) {
  const known = xs.filter((x, i) => values[i] != null);
  const longest = GAP_INTERVALS * usual(known);
  let last = -1;
  return values.map((v, i) => {
    if (v != null) last = i;
    return last >= 0 && xs[i] - xs[last] < longest ? values[last] : null;
  });
}

const from0 = (u, low, high) => {
  const [bottom, top] = uPlot.rangeNum(Math.min(low ?? 0, 0), Math.max(high ?? 1, 0.001), 0.08, true);
  return [low !== null && low >= 0 ? 0 : bottom, top];
};

const drawings = {
  inflow(figure, data) {
    const unit = unitName(data.unit);
    const s = withGaps(data, 0);
    const none = s.x.map(() => null);
    const get = (name) => s.values[name] ?? none;
    const leaks = held(s.x, get("leak")).map((v) => (v > 0 ? v : null));
    const hasLeak = leaks.some((v) => v !== null);
    return {
      data: [s.x, get("high"), get("low"), get("expected"), get("inflow"), ...(hasLeak ? [leaks] : [])],
      empty: get("inflow").every((v) => v === null),
      options: base(figure, unit, {
        scales: { y: { range: from0 }, x: figure.span },
        series: [
          timeSeries(),
          { label: _("Band, upper edge"), stroke: "transparent", points: { show: false }, value: value(unit), class: "u-band" },
          { label: _("Band, lower edge"), stroke: "transparent", points: { show: false }, value: value(unit), class: "u-band" },
          { label: _("Expected"), stroke: colour("ink-2"), width: 1.5, dash: [6, 4], points: { show: false }, value: value(unit) },
          { label: _("Inflow"), stroke: colour("water"), width: 2, points: { show: false }, value: value(unit) },
          ...(hasLeak
            ? [{ label: _("Known leaks"), stroke: colour("leak"), fill: alpha(colour("leak"), 0.25), width: 1.5, points: { show: false }, value: value(unit) }]
            : []),
        ],
        bands: [{ series: [1, 2], fill: alpha(colour("ink-2"), 0.18) }],
        plugins: [marksPlugin(figure.marks), gapsPlugin(s.gaps)],
      }),
      say: _("Inflow in %(unit)s over time, with what was expected and the band that holds nine values of ten", { unit }),
    };
  },

  cusum(figure, data) {
    const s = withGaps(data, 0);
    const values = held(s.x, s.values.cusum ?? s.x.map(() => null));
    return {
      data: [s.x, values, s.x.map(() => 1)],
      empty: values.every((v) => v === null),
      options: base(figure, "", {
        title: _("share of threshold"),
        scales: { y: { range: (u, low, high) => [Math.min(0, low ?? 0), Math.max(1.25, (high ?? 1) * 1.1)] }, x: figure.span },
        series: [
          timeSeries(),
          { label: _("Test statistic"), stroke: colour("suspect"), width: 2, fill: alpha(colour("suspect"), 0.14), points: { show: false }, value: value("") },
          { label: _("Threshold"), stroke: colour("leak"), width: 1.5, dash: [8, 4], points: { show: false }, value: value("") },
        ],
        plugins: [marksPlugin(figure.marks), gapsPlugin(s.gaps)],
      }),
      say: _("Test statistic over time as a share of its threshold"),
    };
  },

  readings(figure, data) {
    const unit = unitName(data.unit);
    const s = withGaps(data, Number(figure.element.dataset.interval) || 0);
    const name = Object.keys(s.values)[0];
    const values = s.values[name] ?? [];
    const flags = s.quality[name] ?? values.map(() => 0);
    const meanings = Object.entries(figure.quality);
    const doubtful = values.map((v, i) => (flags[i] & SUSPECT_QUALITY ? v : null));
    const explain = (bits) => meanings.filter(([bit]) => bits & Number(bit)).map(([, text]) => text).join(", ");
    // Values known to be beyond belief must not squeeze the rest into a flat line.
    const good = values.filter((v, i) => v !== null && !flags[i]);
    const lows = good.length ? [Math.min(...good), Math.max(...good)] : [null, null];
    const last = s.x.at(-1);
    const end = figure.end / 1000;
    const interval = Number(figure.element.dataset.interval) || usual(s.x);
    if (s.x.length && s.x[0] - figure.start / 1000 > GAP_INTERVALS * Math.max(data.step_s ?? 0, interval)) {
      s.gaps.push([figure.start / 1000, s.x[0]]);
    }
    if (last && end - last > GAP_INTERVALS * Math.max(data.step_s ?? 0, interval)) s.gaps.push([last, end]);
    return {
      data: [s.x, values, doubtful],
      empty: values.every((v) => v === null),
      options: base(figure, unit, {
        scales: {
          y: {
            range: (u, low, high) => {
              const [bottom, top] = [lows[0] ?? low ?? 0, lows[1] ?? high ?? 1];
              const [a, b] = uPlot.rangeNum(bottom, top === bottom ? bottom + 1 : top, 0.15, true);
              return bottom >= 0 ? [Math.max(a, 0), b] : [a, b];
            },
          },
          x: figure.span,
        },
        series: [
          timeSeries(),
          { label: figure.element.dataset.name || _("Value"), stroke: colour("water"), width: 1.75, points: { show: false }, value: value(unit) },
          {
            label: _("Doubtful"),
            stroke: colour("leak"),
            width: 0,
            paths: () => null,
            points: { show: true, size: 7, stroke: colour("leak"), fill: colour("surface"), width: 2 },
            value: (u, v, series, i) => (v == null || i == null ? "–" : explain(flags[i]) || _("yes")),
          },
        ],
        plugins: [marksPlugin(figure.marks), gapsPlugin(s.gaps)],
      }),
      notes: [
        ...(s.gaps.length ? [["gap", _("nothing received")]] : []),
        ...(doubtful.some((v) => v !== null)
          ? [["doubtful", explain(flags.reduce((all, f) => all | f, 0)) || _("doubtful values")]]
          : []),
      ],
      say: _("Readings in %(unit)s over time", { unit }),
    };
  },

  nights(figure, data) {
    const unit = _("m³/h");
    // Nights are dates, not instants: their axis knows no zone.
    const x = data.nights.map((n) => Date.parse(`${n}T00:00:00Z`) / 1000);
    const pad = x.length < 8 ? 4 * DAY : DAY;
    return {
      data: [x, data.flow, data.usual, data.legitimate],
      empty: data.flow.every((v) => v === null),
      options: base(figure, unit, {
        axes: axes(unit).map((axis, i) =>
          i ? axis : { ...axis, values: (u, splits) => splits.map((at) => nightTick.format(at * 1000)), incrs: [1, 2, 7, 14, 28, 91].map((n) => n * DAY) },
        ),
        tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "UTC"),
        scales: { y: { range: from0 }, x: { range: (u, low, high) => [low - pad, high + pad] } },
        series: [
          { label: _("Night"), value: (u, at) => (at == null ? "–" : night.format(at * 1000)) },
          { label: _("Night flow"), stroke: colour("water"), fill: alpha(colour("water"), 0.45), width: 1, points: { show: false }, paths: uPlot.paths.bars({ size: [0.7, 24], align: 0 }), value: value(unit) },
          { label: _("Usual"), stroke: colour("ink-2"), width: 2, dash: [6, 4], points: { show: x.length < 3 }, value: value(unit) },
          { label: _("Legitimate use"), stroke: colour("normal"), width: 2, points: { show: x.length < 3 }, value: value(unit) },
        ],
      }),
      say: _("Minimum night flow of each night in %(unit)s, beside the usual and the legitimate", { unit }),
    };
  },
};

class Chart {
  constructor(element) {
    this.element = element;
    this.kind = element.dataset.chart;
    const own = element.querySelector("script");
    this.own = own ? JSON.parse(own.textContent) : null;
    this.marks = JSON.parse(element.dataset.marks ?? "[]");
    this.quality = JSON.parse(element.dataset.quality ?? "{}");
    this.start = Date.parse(element.dataset.start);
    this.end = Date.parse(element.dataset.end);
    this.body = document.createElement("div");
    this.body.className = "chart-body";
    this.caption = document.createElement("figcaption");
    this.caption.className = "chart-notes quiet";
    element.append(this.body, this.caption);
    this.loaded = 0;
    new ResizeObserver(() => this.fit()).observe(element);
  }

  get span() {
    return { range: () => [this.start / 1000, this.end / 1000] };
  }

  async load() {
    this.loaded = performance.now();
    if (this.own) {
      this.data = this.own;
    } else {
      const query = new URLSearchParams({
        start: new Date(this.start).toISOString(),
        end: new Date(this.end).toISOString(),
        max_points: MAX_POINTS,
      });
      this.element.setAttribute("aria-busy", "true");
      try {
        const response = await fetch(`${client.api}${this.element.dataset.source}?${query}`);
        if (!response.ok) throw new Error(String(response.status));
        this.data = await response.json();
      } catch {
        if (!this.data) this.tell(_("The data of this chart could not be loaded."));
        return;
      } finally {
        this.element.removeAttribute("aria-busy");
      }
    }
    this.draw();
  }

  tell(message) {
    this.plot?.destroy();
    this.plot = null;
    const text = document.createElement("p");
    text.className = "empty";
    text.textContent = message;
    this.body.replaceChildren(text);
    this.caption.replaceChildren();
  }

  draw() {
    const drawing = drawings[this.kind](this, this.data);
    if (drawing.empty) {
      this.tell(_("No readings in this span of time."));
      return;
    }
    this.plot?.destroy();
    this.body.replaceChildren();
    this.plot = new uPlot(drawing.options, drawing.data, this.body);
    const canvas = this.body.querySelector("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", drawing.say);
    this.caption.replaceChildren(
      ...(drawing.notes ?? []).map(([kind, text]) => {
        const note = document.createElement("span");
        note.className = `note note-${kind}`;
        note.textContent = text;
        return note;
      }),
    );
    if (client.zone && this.kind !== "nights") {
      const note = document.createElement("span");
      note.textContent = _("Times in %(zone)s", { zone: client.zone });
      this.caption.append(note);
    }
  }

  fit() {
    if (this.plot && this.body.clientWidth && Math.abs(this.plot.width - this.body.clientWidth) > 1) {
      this.plot.setSize({ width: this.body.clientWidth, height: this.plot.height });
    }
  }

  follow(now) {
    if (!("follow" in this.element.dataset) || performance.now() - this.loaded < FOLLOW_MS) return;
    const length = this.end - this.start;
    if (now > this.end && now - this.end < 86400000) {
      this.end = now;
      this.start = now - length;
    }
    this.load();
  }
}

for (const element of document.querySelectorAll("[data-chart]")) {
  const chart = new Chart(element);
  charts.push(chart);
  chart.load();
}

// The span of time is chosen without leaving the page; the address keeps the choice.
for (const picker of document.querySelectorAll("[data-ranges]")) {
  const chart = charts.find((c) => picker.closest("section").contains(c.element));
  picker.addEventListener("click", (event) => {
    const link = event.target.closest("[data-days]");
    if (!link || !chart || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    for (const other of picker.querySelectorAll("[aria-current]")) other.removeAttribute("aria-current");
    link.setAttribute("aria-current", "true");
    history.replaceState(null, "", link.href);
    chart.start = chart.end - Number(link.dataset.days) * 86400000;
    chart.load();
  });
}

onTheme(() => charts.forEach((chart) => chart.data && chart.draw()));
document.addEventListener("twuin:refreshed", () => charts.forEach((chart) => chart.follow(siteNow())));
