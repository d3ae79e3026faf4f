// The network as a plain drawing, for browsers without WebGL.

import { boundsOf, dmaCentres } from "./network.js";

const SVG = "http://www.w3.org/2000/svg";

function make(tag, attributes, parent) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  parent?.append(element);
  return element;
}

/** Draw pipes, suspects, sensors and names into `box`; links lead to DMAs, sensors and alerts. */
export function drawFlat(box, network, now) {
  const [[west, south], [east, north]] = boundsOf(network, now);
  const squeeze = Math.cos((((south + north) / 2) * Math.PI) / 180);
  const width = 1000;
  const scale = width / ((east - west) * squeeze);
  const height = Math.max(300, (north - south) * scale);
  const at = ([lon, lat]) => [(lon - west) * squeeze * scale, (north - lat) * scale];
  const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, class: "flat-map" });
  const path = (coordinates) =>
    `M${coordinates
      .map((c) =>
        at(c)
          .map((v) => v.toFixed(1))
          .join(" "),
      )
      .join("L")}`;
  const lines = network.features.filter((f) => f.geometry.type === "LineString");
  for (const f of lines)
    make("path", { d: path(f.geometry.coordinates), class: `pipe state-${f.properties.state}` }, svg);
  for (const f of lines.filter((f) => f.properties.area > 0))
    make("path", { d: path(f.geometry.coordinates), class: `area-pipe area-${f.properties.area}` }, svg);
  for (const f of lines.filter((f) => f.properties.suspect > 0)) {
    const pipe = make(
      "path",
      {
        d: path(f.geometry.coordinates),
        class: "suspect-pipe",
        "stroke-width": 6 + 12 * f.properties.suspect,
      },
      svg,
    );
    make("title", {}, pipe).textContent = f.properties.id;
  }
  for (const f of network.features.filter(
    (f) => f.geometry.type === "Point" && ["reservoir", "tank"].includes(f.properties.kind),
  )) {
    const [x, y] = at(f.geometry.coordinates);
    make("circle", { cx: x, cy: y, r: 14, class: "plant" }, svg);
  }
  for (const s of now.sensors) {
    const [x, y] = at([s.lon, s.lat]);
    const link = make("a", { href: s.href, "aria-label": `${s.name}: ${s.stateName}` }, svg);
    make("circle", { cx: x, cy: y, r: 9, class: `place sensor-${s.state}` }, link);
  }
  const centres = dmaCentres(network);
  for (const d of now.dmas) {
    if (!centres.has(d.id)) continue;
    const [x, y] = at(centres.get(d.id));
    const link = make("a", { href: d.href }, svg);
    make("text", { x, y, class: "flat-name" }, link).textContent = `${d.name}: ${d.stateName}`;
  }
  box.replaceChildren(svg);
  box.dataset.renderer = "svg";
  box.dataset.drawn = "true";
}
