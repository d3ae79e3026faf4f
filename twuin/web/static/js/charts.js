// Charts of the pages: fetch the series, draw it, follow the present, change the span.

import { _, client, onTheme, siteNow } from "./common.js";
import { drawings } from "./drawings.js";

const uPlot = globalThis.uPlot;
const MAX_POINTS = 1500;
const FOLLOW_MS = 15000;
const charts = [];

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
  const param = picker.dataset.ranges;
  const chart = charts.find((c) => picker.closest("section").contains(c.element));
  picker.addEventListener("click", (event) => {
    const link = event.target.closest("[data-days]");
    if (!link || !chart || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    // The address may have changed since the links were written: only this picker's choice changes in it.
    const address = new URL(location.href);
    address.searchParams.set(param, link.dataset.range);
    if (chart.own) {
      address.hash = new URL(link.href).hash;
      location.assign(address);
      return;
    }
    address.hash = "";
    for (const other of picker.querySelectorAll("[aria-current]")) other.removeAttribute("aria-current");
    link.setAttribute("aria-current", "true");
    history.replaceState(null, "", address);
    chart.start = chart.end - Number(link.dataset.days) * 86400000;
    chart.load();
  });
}

onTheme(() => charts.forEach((chart) => chart.data && chart.draw()));
document.addEventListener("twuin:refreshed", () => charts.forEach((chart) => chart.follow(siteNow())));
