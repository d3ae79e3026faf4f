// The network around a job on a canvas: pipes, where to search, valves to shut, where the phone is. No tiles, so
// it is there without a line.

import { _, metres } from "./fieldtext.js";
import { h } from "./fieldparts.js";

const DEGREE_M = 111320;
const FINGER_PX = 28; // how far from a pipe a tap still means it
const FITTINGS = new Set(["hydrant", "air_valve", "washout", "tap", "other"]);
const LOOK = {
  pipe: ["#55646f", 2],
  thin: ["#8b98a2", 1.4],
  dry: ["#1d6fb8", 3.2],
  90: ["#e7b84b", 9],
  50: ["#f08a24", 11],
};

/** What part of a job's map was looked at last: it is drawn anew when something changed. */
const seen = new Map();

/**
 * A map of `job` in an element of its own. onPipe: called with {pipe, along_m, lon, lat} when a pipe is tapped.
 *
 * The element has: show({position, chosen}) to mark where the phone is and what is chosen, focus(lon, lat).
 */
export function makeMap(job, { onPipe = null, height = 320 } = {}) {
  const places = projection(job);
  const drawing = prepare(job, places);
  const canvas = h("canvas", {
    role: "img",
    "aria-label": _("Map of the pipes around this job"),
    class: "map-canvas",
  });
  const view = seen.get(job.id) ?? { x: 0, y: 0, scale: 0 };
  seen.set(job.id, view);
  const marks = { position: null, chosen: null };
  const box = h(
    "div",
    { class: "map" },
    canvas,
    h(
      "div",
      { class: "map-buttons" },
      tool("+", _("Nearer"), () => zoom(1.6)),
      tool("−", _("Farther"), () => zoom(1 / 1.6)),
      tool("⌂", _("All of it"), () => fit(drawing.inner)),
    ),
    h("p", { class: "map-scale", "aria-hidden": "true" }),
  );
  box.style.height = `${height}px`;

  function tool(sign, name, work) {
    return h("button", { type: "button", class: "map-tool", "aria-label": name, title: name, onclick: work }, sign);
  }

  function fit([west, south, east, north]) {
    const { clientWidth: w, clientHeight: t } = canvas;
    const [wide, high] = [Math.max(east - west, 40), Math.max(north - south, 40)];
    view.scale = Math.min(w / wide, t / high) * 0.88;
    view.x = (west + east) / 2;
    view.y = (south + north) / 2;
    draw();
  }

  function zoom(by, at = null) {
    const before = at && toWorld(at);
    view.scale = Math.min(20, Math.max(0.02, view.scale * by));
    if (before) {
      const after = toWorld(at);
      view.x += before[0] - after[0];
      view.y += before[1] - after[1];
    }
    draw();
  }

  const toScreen = ([x, y]) => [
    canvas.clientWidth / 2 + (x - view.x) * view.scale,
    canvas.clientHeight / 2 - (y - view.y) * view.scale,
  ];
  const toWorld = ([x, y]) => [
    view.x + (x - canvas.clientWidth / 2) / view.scale,
    view.y - (y - canvas.clientHeight / 2) / view.scale,
  ];

  let due = false;
  function draw() {
    if (due) return;
    due = true;
    requestAnimationFrame(() => {
      due = false;
      paint(canvas, drawing, view, marks, toScreen, places);
      const bar = 80 / view.scale;
      const step = 10 ** Math.floor(Math.log10(bar));
      const round = step * (bar / step >= 5 ? 5 : bar / step >= 2 ? 2 : 1);
      const scale = box.querySelector(".map-scale");
      scale.textContent = job.georeferenced ? metres(round) : "";
      scale.style.width = `${round * view.scale}px`;
      scale.hidden = !job.georeferenced;
      box.dataset.drawn = "true";
    });
  }

  gestures(canvas, {
    drag(dx, dy) {
      view.x -= dx / view.scale;
      view.y += dy / view.scale;
      draw();
    },
    zoom,
    tap(at) {
      if (!onPipe) return;
      const hit = nearestPipe(drawing, toWorld(at));
      if (hit && hit.distance * view.scale <= FINGER_PX) onPipe(found(hit, places));
    },
  });

  box.show = (change) => {
    Object.assign(marks, change);
    draw();
  };
  box.focus = (lon, lat) => {
    [view.x, view.y] = places.to([lon, lat]);
    view.scale = Math.max(view.scale, 1.2);
    draw();
  };
  box.snap = (lon, lat) => {
    const hit = nearestPipe(drawing, places.to([lon, lat]));
    return hit && { ...found(hit, places), off_m: hit.distance };
  };
  new ResizeObserver(() => {
    const ratio = Math.min(self.devicePixelRatio || 1, 2);
    canvas.width = Math.round(canvas.clientWidth * ratio);
    canvas.height = Math.round(canvas.clientHeight * ratio);
    if (!view.scale) fit(drawing.inner);
    else draw();
  }).observe(canvas);
  return box;
}

/** Longitude and latitude to metres and back, around the job. */
function projection(job) {
  const first = job.map.features[0]?.geometry;
  const any = first?.type === "Point" ? first.coordinates : first?.coordinates[0];
  const origin = job.lon === null ? (any ?? [0, 0]) : [job.lon, job.lat];
  const squeeze = Math.cos((origin[1] * Math.PI) / 180) || 1;
  return {
    to: ([lon, lat]) => [(lon - origin[0]) * squeeze * DEGREE_M, (lat - origin[1]) * DEGREE_M],
    from: ([x, y]) => [origin[0] + x / (squeeze * DEGREE_M), origin[1] + y / DEGREE_M],
  };
}

function prepare(job, places) {
  const shares = new Map(job.area.map((a) => [a.pipe, a.share]));
  const best = Math.max(0.0001, ...job.suspects.map((s) => s.probability));
  const suspects = new Map(job.suspects.map((s) => [s.pipe, s.probability / best]));
  const dry = new Set(job.isolation?.pipes ?? []);
  const shut = new Set((job.isolation?.shut ?? []).map((v) => v.id));
  const [lines, points] = [[], []];
  for (const f of job.map.features) {
    const p = f.properties;
    if (f.geometry.type === "Point") {
      points.push({ ...p, at: places.to(f.geometry.coordinates), shut: shut.has(p.id) });
    } else {
      const line = f.geometry.coordinates.map(places.to);
      lines.push({ ...p, line, share: shares.get(p.id) ?? 0, suspect: suspects.get(p.id) ?? 0, dry: dry.has(p.id) });
    }
  }
  for (const v of job.isolation?.shut ?? []) {
    if (v.lon !== null && !points.some((p) => p.id === v.id)) {
      points.push({ id: v.id, kind: "stop_valve", at: places.to([v.lon, v.lat]), shut: true });
    }
  }
  const wanted = lines.filter((l) => l.suspect > 0 || l.share > 0 || l.id === job.place?.pipe);
  const inner = (wanted.length ? wanted : lines).flatMap((l) => l.line);
  const all = inner.length ? inner : [[-100, -100], [100, 100]];
  return {
    lines,
    points,
    place: job.place?.lon != null ? places.to([job.place.lon, job.place.lat]) : null,
    start: job.lon === null ? null : places.to([job.lon, job.lat]),
    inner: [
      Math.min(...all.map((c) => c[0])),
      Math.min(...all.map((c) => c[1])),
      Math.max(...all.map((c) => c[0])),
      Math.max(...all.map((c) => c[1])),
    ],
  };
}

function paint(canvas, drawing, view, marks, toScreen, places) {
  const context = canvas.getContext("2d");
  const ratio = canvas.width / Math.max(1, canvas.clientWidth);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.fillStyle = "#f3f5f2";
  context.fillRect(0, 0, canvas.clientWidth, canvas.clientHeight);
  context.lineJoin = context.lineCap = "round";
  const stroke = (lines, colour, width) => {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    for (const { line } of lines) {
      line.forEach((c, i) => context[i ? "lineTo" : "moveTo"](...toScreen(c)));
    }
    context.stroke();
  };
  for (const share of [90, 50]) stroke(drawing.lines.filter((l) => l.share === share), ...LOOK[share]);
  stroke(drawing.lines.filter((l) => l.dry), ...LOOK.dry);
  stroke(drawing.lines.filter((l) => !l.dry && (l.diameter_mm ?? 0) < 150), ...LOOK.thin);
  stroke(drawing.lines.filter((l) => !l.dry && (l.diameter_mm ?? 0) >= 150), ...LOOK.pipe);
  for (const l of drawing.lines.filter((l) => l.suspect > 0)) stroke([l], "#6a1b9a", 2.5 + 5 * l.suspect);
  for (const p of drawing.points) point(context, p, toScreen(p.at), view.scale);
  context.font = "600 12px system-ui, sans-serif";
  const middle = (line) => toScreen(line[Math.floor(line.length / 2)].map((v, i) => (v + line[0][i]) / 2));
  const suspects = drawing.lines.filter((l) => l.suspect > 0.15).sort((a, b) => b.suspect - a.suspect);
  const named = [
    ...drawing.points.filter((p) => p.shut).map((p) => ({ text: p.id, at: toScreen(p.at) })),
    ...suspects.map((l) => ({ text: l.id, at: middle(l.line) })),
  ].map((n) => ({ ...n, width: context.measureText(n.text).width }));
  for (const n of apart(named)) label(context, n.text, n.at);
  if (drawing.start) cross(context, toScreen(drawing.start));
  const chosen = marks.chosen?.lon != null ? places.to([marks.chosen.lon, marks.chosen.lat]) : drawing.place;
  if (chosen) pin(context, toScreen(chosen));
  if (marks.position) here(context, toScreen(places.to([marks.position.lon, marks.position.lat])), marks.position.accuracy * view.scale);
}

function point(context, p, [x, y], scale) {
  if (p.shut) {
    context.fillStyle = "#b3001b";
    context.fillRect(x - 8, y - 8, 16, 16);
    context.fillStyle = "#fff";
    context.fillRect(x - 5, y - 1.5, 10, 3);
  } else if (p.kind === "stop_valve") {
    if (scale < 0.12) return;
    context.fillStyle = "#fff";
    context.strokeStyle = p.state === "stuck" ? "#b3001b" : "#20303b";
    context.lineWidth = 1.5;
    context.beginPath();
    context.rect(x - 3.5, y - 3.5, 7, 7);
    context.fill();
    context.stroke();
  } else if (FITTINGS.has(p.kind)) {
    if (scale < 0.12) return;
    context.fillStyle = "#0b6cb0";
    context.beginPath(); // a hydrant and the like: a triangle, told from valves without colour
    context.moveTo(x, y - 6);
    context.lineTo(x + 6, y + 5);
    context.lineTo(x - 6, y + 5);
    context.fill();
  } else {
    context.fillStyle = "#14324a";
    context.beginPath();
    context.arc(x, y, p.kind === "tank" || p.kind === "reservoir" ? 7 : 4, 0, 7);
    context.fill();
  }
}

/**
 * Names beside their places, none over another: below, above, to the right or to the left; what finds no room is
 * left out. names: {text, at: [x, y], width} in pixels, what matters most first.
 */
export function apart(names) {
  const taken = [];
  const placed = [];
  for (const { text, at, width } of names) {
    const [x, y] = at;
    const aside = 14 + width / 2;
    for (const [mx, my] of [[x, y + 20], [x, y - 12], [x + aside, y + 4], [x - aside, y + 4]]) {
      const box = [mx - width / 2 - 2, my - 12, mx + width / 2 + 2, my + 4];
      if (taken.some((o) => box[0] < o[2] && o[0] < box[2] && box[1] < o[3] && o[1] < box[3])) continue;
      taken.push(box);
      placed.push({ text, at: [mx, my] });
      break;
    }
  }
  return placed;
}

function label(context, text, [x, y]) {
  context.textAlign = "center";
  context.lineWidth = 4;
  context.strokeStyle = "#ffffffdd";
  context.strokeText(text, x, y);
  context.fillStyle = "#16202a";
  context.fillText(text, x, y);
}

function cross(context, [x, y]) {
  context.strokeStyle = "#16202a";
  context.lineWidth = 2;
  context.beginPath();
  context.arc(x, y, 9, 0, 7);
  context.moveTo(x - 14, y);
  context.lineTo(x + 14, y);
  context.moveTo(x, y - 14);
  context.lineTo(x, y + 14);
  context.stroke();
}

function pin(context, [x, y]) {
  context.fillStyle = "#00694a";
  context.strokeStyle = "#fff";
  context.lineWidth = 2;
  context.beginPath();
  context.moveTo(x, y);
  context.bezierCurveTo(x - 14, y - 14, x - 10, y - 30, x, y - 30);
  context.bezierCurveTo(x + 10, y - 30, x + 14, y - 14, x, y);
  context.fill();
  context.stroke();
}

function here(context, [x, y], radius) {
  context.fillStyle = "#0b6cb033";
  context.beginPath();
  context.arc(x, y, Math.min(Math.max(radius, 8), 400), 0, 7);
  context.fill();
  context.fillStyle = "#0b6cb0";
  context.strokeStyle = "#fff";
  context.lineWidth = 2.5;
  context.beginPath();
  context.arc(x, y, 7, 0, 7);
  context.fill();
  context.stroke();
}

/** The pipe nearest to a point, and where on it: {line, share of its drawn length, at, distance [m]}. */
function nearestPipe(drawing, [px, py]) {
  let best = null;
  for (const l of drawing.lines) {
    if (l.kind !== "pipe") continue;
    let [before, at] = [0, null];
    for (let i = 1; i < l.line.length; i++) {
      const [[ax, ay], [bx, by]] = [l.line[i - 1], l.line[i]];
      const size = Math.hypot(bx - ax, by - ay);
      const t = size ? Math.max(0, Math.min(1, ((px - ax) * (bx - ax) + (py - ay) * (by - ay)) / size ** 2)) : 0;
      const [x, y] = [ax + t * (bx - ax), ay + t * (by - ay)];
      const distance = Math.hypot(px - x, py - y);
      if (!at || distance < at.distance) at = { distance, at: [x, y], along: before + t * size };
      before += size;
    }
    if (at && (!best || at.distance < best.distance)) best = { ...at, pipe: l, share: before ? at.along / before : 0 };
  }
  return best;
}

function found(hit, places) {
  const [lon, lat] = places.from(hit.at);
  const length = hit.pipe.length_m ?? null;
  return {
    pipe: hit.pipe.id,
    along_m: length === null ? null : Math.round(hit.share * length * 10) / 10,
    lon: Math.round(lon * 1e6) / 1e6,
    lat: Math.round(lat * 1e6) / 1e6,
  };
}

/** One finger moves, two fingers zoom, a short touch taps; a mouse and its wheel do likewise. */
function gestures(canvas, { drag, zoom, tap }) {
  const fingers = new Map();
  let [moved, spread] = [0, 0];
  const place = (e) => [e.offsetX, e.offsetY];
  canvas.addEventListener("pointerdown", (e) => {
    canvas.setPointerCapture(e.pointerId);
    fingers.set(e.pointerId, place(e));
    if (fingers.size === 1) moved = 0;
    spread = 0;
  });
  canvas.addEventListener("pointermove", (e) => {
    const before = fingers.get(e.pointerId);
    if (!before) return;
    const now = place(e);
    fingers.set(e.pointerId, now);
    if (fingers.size === 1) {
      moved += Math.hypot(now[0] - before[0], now[1] - before[1]);
      if (moved > 6) drag(now[0] - before[0], now[1] - before[1]);
    } else if (fingers.size === 2) {
      const [a, b] = [...fingers.values()];
      const apart = Math.hypot(a[0] - b[0], a[1] - b[1]);
      if (spread) zoom(apart / spread, [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2]);
      spread = apart;
      moved = 99;
    }
  });
  const up = (e) => {
    const at = fingers.get(e.pointerId);
    fingers.delete(e.pointerId);
    if (e.type === "pointerup" && at && moved <= 6 && fingers.size === 0) tap(at);
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener(
    "wheel",
    (e) => {
      e.preventDefault();
      zoom(e.deltaY < 0 ? 1.2 : 1 / 1.2, place(e));
    },
    { passive: false },
  );
}
