// The kinds of chart: from a series of the interface to what uPlot draws and what is said of it.

import {
  alpha,
  axes,
  base,
  DAY,
  from0,
  GAP_INTERVALS,
  gapsPlugin,
  held,
  marksPlugin,
  night,
  nightTicks,
  timeSeries,
  usual,
  value,
  withGaps,
} from "./chartparts.js";
import { _, colour, unitName } from "./common.js";

const uPlot = globalThis.uPlot;
const ANY_FLAG = 0xffff;

export const drawings = {
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
          {
            label: _("Band, upper edge"),
            stroke: "transparent",
            points: { show: false },
            value: value(unit),
            class: "u-band",
          },
          {
            label: _("Band, lower edge"),
            stroke: "transparent",
            points: { show: false },
            value: value(unit),
            class: "u-band",
          },
          {
            label: _("Expected"),
            stroke: colour("ink-2"),
            width: 1.5,
            dash: [6, 4],
            points: { show: false },
            value: value(unit),
          },
          {
            label: _("Inflow"),
            stroke: colour("water"),
            width: 2,
            points: { show: false },
            value: value(unit),
          },
          ...(hasLeak
            ? [
                {
                  label: _("Known leaks"),
                  stroke: colour("leak"),
                  fill: alpha(colour("leak"), 0.25),
                  width: 1.5,
                  points: { show: false },
                  value: value(unit),
                },
              ]
            : []),
        ],
        bands: [{ series: [1, 2], fill: alpha(colour("ink-2"), 0.18) }],
        plugins: [marksPlugin(figure.marks), gapsPlugin(s.gaps)],
      }),
      notes: [["band", _("band that holds nine values of ten")]],
      say: _(
        "Inflow in %(unit)s over time, with what was expected and the band that holds nine values of ten",
        { unit },
      ),
    };
  },

  residual(figure, data) {
    const unit = unitName(data.unit);
    const s = withGaps(data, 0);
    const none = s.x.map(() => null);
    const [inflow, expected] = [s.values.inflow ?? none, s.values.expected ?? none];
    const residual = inflow.map((v, i) => (v === null || expected[i] === null ? null : v - expected[i]));
    const leaks = held(s.x, s.values.leak ?? none).map((v) => (v > 0 ? v : null));
    return {
      data: [s.x, residual, leaks],
      empty: residual.every((v) => v === null),
      options: base(figure, unit, {
        scales: {
          y: { range: (u, low, high) => uPlot.rangeNum(Math.min(0, low ?? 0), Math.max(0, high ?? 1), 0.1, true) },
          x: figure.span,
        },
        series: [
          timeSeries(),
          {
            label: _("Residual"),
            stroke: colour("water"),
            width: 1.5,
            fill: alpha(colour("water"), 0.14),
            points: { show: false },
            value: value(unit),
          },
          {
            label: _("Known leaks"),
            stroke: colour("leak"),
            width: 1.5,
            dash: [8, 4],
            points: { show: false },
            value: value(unit),
          },
        ],
        plugins: [marksPlugin(figure.marks), gapsPlugin(s.gaps)],
      }),
      say: _("Inflow less what is expected, in %(unit)s over time", { unit }),
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
        scales: {
          y: { range: (u, low, high) => [Math.min(0, low ?? 0), Math.max(1.25, (high ?? 1) * 1.1)] },
          x: figure.span,
        },
        series: [
          timeSeries(),
          {
            label: _("Test statistic"),
            stroke: colour("suspect"),
            width: 2,
            fill: alpha(colour("suspect"), 0.14),
            points: { show: false },
            value: value(""),
          },
          {
            label: _("Threshold"),
            stroke: colour("leak"),
            width: 1.5,
            dash: [8, 4],
            points: { show: false },
            value: value(""),
          },
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
    const doubtful = values.map((v, i) => (flags[i] & ANY_FLAG ? v : null));
    const explain = (bits) =>
      meanings
        .filter(([bit]) => bits & Number(bit))
        .map(([, text]) => text)
        .join(", ");
    // Values known to be beyond belief must not squeeze the rest into a flat line.
    const good = values.filter((v, i) => v !== null && !flags[i]);
    const lows = good.length ? [Math.min(...good), Math.max(...good)] : [null, null];
    const last = s.x.at(-1);
    const end = figure.end / 1000;
    const interval = Math.max(Number(figure.element.dataset.interval) || 0, usual(s.x));
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
          {
            label: figure.element.dataset.name || _("Value"),
            stroke: colour("water"),
            width: 1.75,
            points: { show: false },
            value: value(unit),
          },
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
      data: [
        x,
        data.flow,
        data.usual,
        data.legitimate,
        ...(data.reference === null ? [] : [x.map(() => data.reference)]),
      ],
      empty: data.flow.every((v) => v === null),
      options: base(figure, unit, {
        axes: axes(unit).map((axis, i) =>
          i
            ? axis
            : {
                ...axis,
                values: nightTicks,
                incrs: [1, 2, 7, 14, 28, 91, 182, 364, 728, 1820].map((n) => n * DAY),
              },
        ),
        tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "UTC"),
        scales: { y: { range: from0 }, x: { range: (u, low, high) => [low - pad, high + pad] } },
        series: [
          { label: _("Night"), value: (u, at) => (at == null ? "–" : night.format(at * 1000)) },
          {
            label: _("Night flow"),
            stroke: colour("water"),
            fill: alpha(colour("water"), 0.45),
            width: 1,
            points: { show: false },
            paths: uPlot.paths.bars({ size: [0.7, 24], align: 0 }),
            value: value(unit),
          },
          {
            label: _("Usual"),
            stroke: colour("ink-2"),
            width: 2,
            dash: [6, 4],
            points: { show: x.length < 3 },
            value: value(unit),
          },
          {
            label: _("Legitimate use"),
            stroke: colour("normal"),
            width: 2,
            points: { show: x.length < 3 },
            value: value(unit),
          },
          ...(data.reference === null
            ? []
            : [
                {
                  label: _("Measured against"),
                  stroke: colour("leak"),
                  width: 2,
                  dash: [2, 4],
                  points: { show: x.length < 3 },
                  value: value(unit),
                },
              ]),
        ],
      }),
      say: _("Minimum night flow of each night in %(unit)s, beside the usual and the legitimate", { unit }),
    };
  },
};
