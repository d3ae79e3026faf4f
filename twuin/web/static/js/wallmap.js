// The map of a display: the network as lines, drawn once for its size and part, and coloured anew as states change.

import { client } from "./common.js";
import { spread } from "./labels.js";
import { dmaCentres, eachPoint, pipeMiddles, suspectWeights } from "./network.js";

const SVG = "http://www.w3.org/2000/svg";
const MARGIN = 0.06; // of the box, around what is shown
const LEAST_DEGREES = 0.004; // some 400 m: no closer, or nobody knows where it is

function make(tag, attributes, parent) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  parent?.append(element);
  return element;
}

function sign(name) {
  const svg = make("svg", { class: "icon", "aria-hidden": "true" });
  make("use", { href: `${client.static}/img/icons.svg#${name}` }, svg);
  return svg;
}

export class WallMap {
  /** box: the element to fill. network: GeoJSON of the interface. */
  constructor(box, network) {
    this.box = box;
    this.network = network;
    this.centres = dmaCentres(network);
    this.middles = pipeMiddles(network);
    this.shape = "";
    this.seen = "";
  }

  /** now: what lies on the map (map-data). focus: {dma, alert}, "" for the whole. */
  draw(now, focus) {
    const { clientWidth: width, clientHeight: height } = this.box;
    if (!width || !height) return;
    const [low, high] = this.bounds(now, focus);
    const shape = [width, height, ...low, ...high].join();
    const seen = JSON.stringify(now);
    if (shape === this.shape && seen === this.seen) return;
    if (shape !== this.shape) this.ground(width, height, low, high);
    this.shape = shape;
    this.seen = seen;
    this.colour(now, focus);
  }

  bounds(now, focus) {
    const low = [Infinity, Infinity];
    const high = [-Infinity, -Infinity];
    const stretch = (c) => {
      for (const i of [0, 1]) {
        low[i] = Math.min(low[i], c[i]);
        high[i] = Math.max(high[i], c[i]);
      }
    };
    const alert = now.alerts.find((a) => a.id === focus.alert);
    const pipes = new Set(alert?.suspects.map((s) => s.pipe));
    const dma = focus.dma || (pipes.size ? "" : (alert?.dma ?? ""));
    const all = !dma && !pipes.size;
    for (const f of this.network.features) {
      if (all || pipes.has(f.properties.id) || (dma && f.properties.dma === dma)) eachPoint(f.geometry, stretch);
    }
    if (all || !Number.isFinite(low[0])) for (const s of now.sensors) stretch([s.lon, s.lat]);
    if (!Number.isFinite(low[0])) return [[-1, -1], [1, 1]];
    const wide = Math.max(high[0] - low[0], high[1] - low[1]);
    const more = pipes.size ? Math.max(wide * 0.3, (LEAST_DEGREES - wide) / 2) : 0;
    return [low.map((v) => v - more), high.map((v) => v + more)];
  }

  /** Pipes and plants, which do not change: one path for all pipes of a DMA. */
  ground(width, height, low, high) {
    const squeeze = Math.cos((((low[1] + high[1]) / 2) * Math.PI) / 180);
    const room = 1 - 2 * MARGIN;
    const scale = Math.min(
      (width * room) / Math.max((high[0] - low[0]) * squeeze, 1e-9),
      (height * room) / Math.max(high[1] - low[1], 1e-9),
    );
    const middle = [(low[0] + high[0]) / 2, (low[1] + high[1]) / 2];
    this.at = ([lon, lat]) => [
      width / 2 + (lon - middle[0]) * squeeze * scale,
      height / 2 - (lat - middle[1]) * scale,
    ];
    this.size = { width, height };
    const lines = new Map();
    this.paths = new Map();
    const plants = [];
    for (const f of this.network.features) {
      if (f.geometry?.type === "LineString") {
        const d = `M${f.geometry.coordinates.map((c) => this.at(c).map((v) => v.toFixed(1)).join(" ")).join("L")}`;
        const dma = f.properties.dma ?? "";
        lines.set(dma, (lines.get(dma) ?? "") + d);
        this.paths.set(f.properties.id, d);
      } else if (["reservoir", "tank"].includes(f.properties.kind)) plants.push(f.geometry.coordinates);
    }
    this.svg = make("svg", { class: "net", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
    this.byDma = new Map([...lines].map(([dma, d]) => [dma, make("path", { d, class: "pipes" }, this.svg)]));
    this.over = make("g", {}, this.svg);
    const type = this.type();
    for (const place of plants) {
      const [cx, cy] = this.at(place);
      make("circle", { cx, cy, r: 0.28 * type, class: "plant" }, this.svg);
    }
    this.labels = document.createElement("div");
    this.box.replaceChildren(this.svg, this.labels);
  }

  type() {
    return Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
  }

  colour(now, focus) {
    const states = new Map(now.dmas.map((d) => [d.id, d.state]));
    for (const [dma, path] of this.byDma)
      path.setAttribute("class", states.has(dma) ? `pipes state-${states.get(dma)}` : "pipes");
    const type = this.type();
    const over = [];
    const focused = now.alerts.filter((a) => !focus.alert || a.id === focus.alert);
    for (const [pipe, { rank }] of suspectWeights(focused)) {
      const d = this.paths.get(pipe);
      if (d) over.push(make("path", { d, class: "suspect", "stroke-width": (0.15 + 0.3 * rank) * type }));
    }
    for (const s of now.sensors) {
      const [cx, cy] = this.at([s.lon, s.lat]);
      const r = (s.state === "ok" ? 0.13 : 0.2) * type;
      over.push(make("circle", { cx, cy, r, class: `place ${s.state}` }));
      if (s.state !== "silent") continue;
      const k = 0.6 * r; // a cross: silent is not told by colour alone
      const d = `M${cx - k} ${cy - k}L${cx + k} ${cy + k}M${cx + k} ${cy - k}L${cx - k} ${cy + k}`;
      over.push(make("path", { d, class: "place silent" }));
    }
    this.over.replaceChildren(...over);
    this.name(now);
  }

  name(now) {
    const inside = ([x, y]) => x > 0 && y > 0 && x < this.size.width && y < this.size.height;
    const pins = [];
    for (const alert of now.alerts) {
      const place = this.placeOf(alert, now);
      const at = place && this.at(place);
      if (!at || !inside(at)) continue;
      const pin = document.createElement("div");
      pin.className = `wall-pin kind-${alert.kind}`;
      pin.append(sign(alert.kind));
      pins.push([pin, at]);
    }
    const names = [];
    for (const dma of now.dmas) {
      const place = this.centres.get(dma.id);
      const at = place && this.at(place);
      if (!at || !inside(at)) continue;
      const name = document.createElement("div");
      name.className = `wall-name state-${dma.state}`;
      const text = document.createElement("span");
      text.textContent = dma.name;
      name.append(sign(dma.state), text);
      names.push([name, at]);
    }
    this.labels.replaceChildren(...names.map(([e]) => e), ...pins.map(([e]) => e));
    for (const [pin, [x, y]] of pins) {
      pin.style.left = `${x}px`;
      pin.style.top = `${y}px`;
    }
    const taken = pins.map(([pin, [x, y]]) => ({
      left: x - pin.offsetWidth / 2,
      right: x + pin.offsetWidth / 2,
      top: y - pin.offsetHeight,
      bottom: y,
    }));
    const sized = names.map(([e, [x, y]]) => ({ x, y, width: e.offsetWidth, height: e.offsetHeight }));
    spread(sized, taken, this.size).forEach(([dx, dy], i) => {
      const { x, y, width, height } = sized[i];
      const held = (v, half, most) => Math.max(half, Math.min(v, most - half));
      names[i][0].style.left = `${held(x + dx, width / 2, this.size.width)}px`;
      names[i][0].style.top = `${held(y + dy, height / 2, this.size.height)}px`;
    });
  }

  placeOf(alert, now) {
    for (const s of alert.suspects) {
      const at = s.lon !== null ? [s.lon, s.lat] : this.middles.get(s.pipe);
      if (at) return at;
    }
    const sensor = now.sensors.find((s) => s.id === alert.subject);
    return sensor && alert.kind !== "silent" ? [sensor.lon, sensor.lat] : null;
  }
}
