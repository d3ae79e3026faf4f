// The trend of a display: the chart of the pages, with type and lines that are seen from across the room.

import { client, siteNow } from "./common.js";
import { drawings } from "./drawings.js";

const uPlot = globalThis.uPlot;
const POINTS = 600;
const ANSWER_MS = 30000;
const USUAL_TYPE = 12; // [px] of the charts of the pages, whose proportions are kept

export class WallTrend {
  /** box: the element to fill; its dataset.nothing says that there are no readings. */
  constructor(box) {
    this.box = box;
    this.plot = null;
    this.data = null;
    this.what = null;
    this.until = null; // time of the newest value drawn [ms]
    this.loadedAt = -Infinity;
  }

  /** what: {kind, source, hours, interval, name}. Fails where the server does not answer. */
  async load(what) {
    const same = this.what !== null && this.what.source === what.source && this.what.hours === what.hours;
    const end = siteNow();
    const start = end - what.hours * 3600000;
    const query = new URLSearchParams({
      start: new Date(start).toISOString(),
      end: new Date(end).toISOString(),
      max_points: POINTS,
    });
    if (!what.source) return;
    const response = await fetch(`${client.api}${what.source}?${query}`, { signal: AbortSignal.timeout(ANSWER_MS) });
    if (!response.ok) throw new Error(String(response.status));
    const data = await response.json();
    Object.assign(this, { data, what, start, end, loadedAt: performance.now() });
    if (!same) this.clear();
    this.draw();
  }

  clear() {
    this.plot?.destroy();
    this.plot = null;
    this.box.replaceChildren();
  }

  draw() {
    if (!this.data || !this.box.clientWidth) return;
    const type = 0.75 * Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
    const figure = {
      element: this.box,
      body: this.box,
      marks: [],
      quality: {},
      start: this.start,
      end: this.end,
      span: { range: () => [this.start / 1000, this.end / 1000] },
    };
    this.box.dataset.interval = this.what.interval;
    this.box.dataset.name = this.what.name;
    const { data, options, empty } = drawings[this.what.kind](figure, this.data);
    this.clear();
    const main = this.data.values[this.what.kind === "inflow" ? "inflow" : Object.keys(this.data.values)[0]] ?? [];
    const newest = main.findLastIndex((v) => v !== null);
    this.until = newest < 0 ? null : Date.parse(this.data.times[newest]);
    if (empty) {
      const text = document.createElement("p");
      text.className = "wall-empty";
      text.textContent = this.box.dataset.nothing;
      this.box.append(text);
      return;
    }
    const k = type / USUAL_TYPE;
    const font = `${type}px ${getComputedStyle(document.body).fontFamily}`;
    const [x, y] = options.axes;
    Object.assign(x, { font, space: x.space * k * 0.9, size: 2.6 * type, gap: 2 * k });
    Object.assign(y, { font, labelFont: font, size: 3.4 * type, labelSize: 1.3 * type, space: 3 * type, gap: 4 * k });
    for (const line of options.series) if (line.width) line.width *= k;
    for (const line of options.series) if (line.points?.size) line.points.size *= k;
    options.padding = [0.5 * type, 2.2 * type, 0, 0];
    options.cursor = { show: false };
    options.width = this.box.clientWidth;
    options.height = this.box.clientHeight;
    this.plot = new uPlot(options, data, this.box);
    const legend = this.box.querySelector(".u-legend");
    const left = this.box.clientHeight - (legend?.offsetHeight ?? 0);
    this.plot.setSize({ width: this.box.clientWidth, height: Math.max(left, 4 * type) });
  }
}
