// The map: pipes and places of the network, coloured by how their DMA stands. No tiles from elsewhere.

import { _, client, colour, number, onTheme } from "./common.js";
import { boundsOf, dmaCentres, pipeMiddles, suspectWeights } from "./network.js";
import { drawFlat } from "./flatmap.js";

const STATES = ["normal", "watch", "leak", "nodata"];
const box = document.getElementById("map");
const note = document.querySelector("[data-map-note]");

const places = () => JSON.parse(document.getElementById("map-data").textContent);

function canDrawGl() {
  try {
    return document.createElement("canvas").getContext("webgl2") !== null;
  } catch {
    return false;
  }
}

function say(message) {
  note.textContent = message;
  note.hidden = false;
}

async function loadNetwork() {
  const response = await fetch(`${client.api}/network.geojson`);
  if (!response.ok) throw new Error(String(response.status));
  return response.json();
}

/** Shapes by quantity, ink by state, drawn once into images that MapLibre places. */
function sensorImage(shape, state) {
  const size = 44;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size;
  const pen = canvas.getContext("2d");
  pen.translate(size / 2, size / 2);
  const r = 13;
  pen.beginPath();
  if (shape === "flow") {
    pen.moveTo(0, -r - 3);
    pen.lineTo(r + 3, 0);
    pen.lineTo(0, r + 3);
    pen.lineTo(-r - 3, 0);
    pen.closePath();
  } else if (shape === "level") {
    pen.rect(-r, -r, 2 * r, 2 * r);
  } else if (shape === "pressure") {
    pen.arc(0, 0, r, 0, 2 * Math.PI);
  } else {
    pen.moveTo(0, -r - 2);
    pen.lineTo(r + 2, r);
    pen.lineTo(-r - 2, r);
    pen.closePath();
  }
  pen.lineWidth = 4;
  pen.strokeStyle = state === "ok" ? colour("surface") : sensorInk(state);
  pen.fillStyle = state === "ok" ? colour("sensor") : colour("surface");
  pen.fill();
  pen.stroke();
  if (state === "silent") {
    pen.beginPath();
    pen.moveTo(-6, -6);
    pen.lineTo(6, 6);
    pen.moveTo(6, -6);
    pen.lineTo(-6, 6);
    pen.stroke();
  }
  return pen.getImageData(0, 0, size, size);
}

const sensorInk = (state) => colour({ ok: "sensor", suspect: "watch", silent: "leak" }[state] ?? "nodata");
const shapeOf = (quantity) => (["flow", "pressure", "level"].includes(quantity) ? quantity : "other");

function withStates(network, now) {
  const states = new Map(now.dmas.map((d) => [d.id, d.state]));
  const weights = suspectWeights(now.alerts);
  return {
    type: "FeatureCollection",
    features: network.features
      .filter((f) => f.geometry)
      .map((f) => ({
        ...f,
        properties: {
          ...f.properties,
          state: states.get(f.properties.dma) ?? "none",
          suspect: weights.get(f.properties.id)?.rank ?? 0,
          share: weights.get(f.properties.id)?.share ?? 0,
        },
      })),
  };
}

function sensorFeatures(now) {
  return {
    type: "FeatureCollection",
    features: now.sensors.map((s) => ({
      type: "Feature",
      geometry: { type: "Point", coordinates: [s.lon, s.lat] },
      properties: { ...s, image: `${shapeOf(s.quantity)}-${s.state}` },
    })),
  };
}

function layers(outlined) {
  const byState = ["match", ["get", "state"], ...STATES.flatMap((s) => [s, colour(s)]), colour("pipe")];
  const width = (thin, wide) => [
    "interpolate", ["linear"], ["zoom"],
    11, ["interpolate", ["linear"], ["coalesce", ["get", "diameter_mm"], 100], 50, thin, 500, thin * 3],
    17, ["interpolate", ["linear"], ["coalesce", ["get", "diameter_mm"], 100], 50, wide, 500, wide * 3],
  ];
  const isLine = ["==", ["geometry-type"], "LineString"];
  return [
    { id: "ground", type: "background", paint: { "background-color": colour("map") } },
    { id: "dma-area", type: "fill", source: "network", filter: ["==", ["geometry-type"], "Polygon"], paint: { "fill-color": byState, "fill-opacity": 0.14 } },
    { id: "dma-edge", type: "line", source: "network", filter: ["==", ["geometry-type"], "Polygon"], paint: { "line-color": byState, "line-width": 1.5 } },
    // A network whose DMAs have no outline gets a glow along their pipes instead.
    !outlined && {
      id: "dma-halo", type: "line", source: "network", filter: isLine,
      layout: { "line-cap": "round", "line-join": "round" },
      paint: {
        "line-color": ["match", ["get", "state"], "none", "rgba(0,0,0,0)", byState],
        "line-width": ["interpolate", ["exponential", 2], ["zoom"], 10, 6, 13, 26, 16, 120],
        "line-opacity": 0.1,
      },
    },
    { id: "pipes", type: "line", source: "network", filter: isLine, layout: { "line-cap": "round", "line-join": "round" }, paint: { "line-color": byState, "line-width": width(1, 3.5) } },
    {
      id: "suspects-casing", type: "line", source: "network", filter: ["all", isLine, [">", ["get", "suspect"], 0]],
      layout: { "line-cap": "round", "line-join": "round" },
      paint: { "line-color": colour("surface"), "line-width": ["interpolate", ["linear"], ["get", "suspect"], 0, 8, 1, 16] },
    },
    {
      id: "suspects", type: "line", source: "network", filter: ["all", isLine, [">", ["get", "suspect"], 0]],
      layout: { "line-cap": "round", "line-join": "round", "line-sort-key": ["get", "suspect"] },
      paint: {
        "line-color": colour("suspect"),
        "line-opacity": ["interpolate", ["linear"], ["get", "suspect"], 0, 0.7, 0.4, 1],
        "line-width": ["interpolate", ["linear"], ["get", "suspect"], 0, 4, 1, 12],
      },
    },
    {
      id: "plants", type: "circle", source: "network",
      filter: ["all", ["==", ["geometry-type"], "Point"], ["in", ["get", "kind"], ["literal", ["reservoir", "tank"]]]],
      paint: { "circle-radius": 9, "circle-color": colour("water"), "circle-stroke-color": colour("surface"), "circle-stroke-width": 2.5 },
    },
    { id: "sensors", type: "symbol", source: "sensors", layout: { "icon-image": ["get", "image"], "icon-size": 0.5, "icon-allow-overlap": true, "icon-padding": 0 } },
  ].filter(Boolean);
}

function popup(rows, href, label) {
  const content = document.createElement("div");
  content.className = "popup";
  for (const [tag, text] of rows) {
    const row = document.createElement(tag);
    row.textContent = text;
    content.append(row);
  }
  if (href) {
    const link = document.createElement("a");
    link.href = href;
    link.textContent = label;
    content.append(link);
  }
  return content;
}

function marker(className, href, label, symbol) {
  const link = document.createElement("a");
  link.className = className;
  link.href = href;
  link.setAttribute("aria-label", label);
  link.title = label;
  if (symbol) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("class", "icon");
    svg.setAttribute("aria-hidden", "true");
    const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
    use.setAttribute("href", `${client.static}/img/icons.svg#${symbol}`);
    svg.append(use);
    link.append(svg);
  }
  return link;
}

async function drawGl(network) {
  const gl = await import("../vendor/maplibre-gl-6.17.0.js");
  gl.setWorkerUrl(new URL("../vendor/maplibre-gl-worker-6.17.0.js", import.meta.url).href);
  let now = places();
  const centres = dmaCentres(network);
  const middles = pipeMiddles(network);
  const outlined = network.features.some((f) => f.properties.kind === "dma");
  const bounds = boundsOf(network, now);
  const map = new gl.Map({
    container: box,
    style: { version: 8, sources: {}, layers: [] },
    attributionControl: false,
    bounds,
    fitBoundsOptions: { padding: innerWidth < 700 ? 24 : 44 },
    maxZoom: 19,
    dragRotate: false,
    pitchWithRotate: false,
    touchPitch: false,
    cooperativeGestures: matchMedia("(pointer: coarse)").matches,
    locale: {
      "NavigationControl.ZoomIn": _("Zoom in"),
      "NavigationControl.ZoomOut": _("Zoom out"),
      "Popup.Close": _("Close"),
      "Map.Title": _("Map of the network"),
      "Marker.Title": _("Map marker"),
      "CooperativeGesturesHandler.WindowsHelpText": _("Hold Ctrl and scroll to zoom the map"),
      "CooperativeGesturesHandler.MacHelpText": _("Hold ⌘ and scroll to zoom the map"),
      "CooperativeGesturesHandler.MobileHelpText": _("Use two fingers to move the map"),
    },
  });
  map.touchZoomRotate.disableRotation();
  map.addControl(new gl.NavigationControl({ showCompass: false }), "top-right");
  map.addControl(new gl.ScaleControl({ maxWidth: 100 }), "bottom-left");
  box.dataset.renderer = "webgl";

  function dress() {
    for (const shape of ["flow", "pressure", "level", "other"]) {
      for (const state of ["ok", "suspect", "silent", "nodata"]) {
        const name = `${shape}-${state}`;
        if (map.hasImage(name)) map.removeImage(name);
        map.addImage(name, sensorImage(shape, state));
      }
    }
    for (const layer of layers(outlined)) {
      if (map.getLayer(layer.id)) map.removeLayer(layer.id);
      map.addLayer(layer);
    }
  }

  let markers = [];
  function mark() {
    markers.forEach((m) => m.remove());
    markers = [];
    const add = (element, at, options = {}) => markers.push(new gl.Marker({ element, ...options }).setLngLat(at).addTo(map));
    for (const dma of now.dmas) {
      const at = centres.get(dma.id);
      if (!at) continue;
      const label = marker(`map-dma state-${dma.state}`, dma.href, `${dma.name}: ${dma.stateName}, ${dma.inflow}`, dma.state);
      const name = document.createElement("span");
      name.textContent = dma.name;
      label.append(name);
      add(label, at);
    }
    for (const alert of now.alerts) {
      const at = placeOf(alert, now, middles);
      if (at) add(marker(`map-alert kind-${alert.kind}`, alert.href, `${alert.title}, ${alert.flow}`, alert.kind), at, { anchor: "bottom", offset: [0, -12] });
    }
  }

  await new Promise((resolve) => (map.isStyleLoaded() ? resolve() : map.once("load", resolve)));
  map.addSource("network", { type: "geojson", data: withStates(network, now) });
  map.addSource("sensors", { type: "geojson", data: sensorFeatures(now) });
  dress();
  mark();
  map.once("idle", () => (box.dataset.drawn = "true"));

  const say = (event, content) => new gl.Popup({ maxWidth: "280px", offset: 10 }).setLngLat(event).setDOMContent(content).addTo(map);
  map.on("click", (event) => {
    const { x, y } = event.point;
    const near = (size, ...ids) => map.queryRenderedFeatures([[x - size, y - size], [x + size, y + size]], { layers: ids })[0];
    const sensor = near(10, "sensors");
    if (sensor) {
      const s = sensor.properties;
      say(sensor.geometry.coordinates, popup([["strong", s.name], ["span", `${s.quantityName}: ${s.value}`], ["span", `${s.stateName}, ${s.at}`]], s.href, _("Open the sensor")));
      return;
    }
    const pipe = near(6, "pipes");
    if (!pipe) return;
    const p = pipe.properties;
    const dma = now.dmas.find((d) => d.id === p.dma);
    const facts = [["strong", p.id]];
    if (p.diameter_mm) facts.push(["span", _("diameter %(value)s mm", { value: number(p.diameter_mm, 0) })]);
    if (p.length_m) facts.push(["span", _("length %(value)s m", { value: number(p.length_m, 0) })]);
    if (p.suspect > 0) facts.push(["span", _("suspect: %(share)s of the ranking", { share: `${number(100 * p.share, 0)}\u00a0%` })]);
    say(event.lngLat, popup(facts, dma?.href, dma ? dma.name : ""));
  });
  for (const id of ["sensors", "pipes"]) {
    map.on("mouseenter", id, () => (map.getCanvas().style.cursor = "pointer"));
    map.on("mouseleave", id, () => (map.getCanvas().style.cursor = ""));
  }

  onTheme(() => {
    dress();
    mark();
  });
  let seen = document.getElementById("map-data").textContent;
  document.addEventListener("twuin:refreshed", () => {
    const text = document.getElementById("map-data").textContent;
    if (text === seen) return;
    seen = text;
    now = places();
    map.getSource("network").setData(withStates(network, now));
    map.getSource("sensors").setData(sensorFeatures(now));
    mark();
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-suspect]");
    const at = button && (middles.get(button.dataset.suspect) ?? [Number(button.dataset.lon), Number(button.dataset.lat)]);
    if (!at || !at.every(Number.isFinite)) return;
    map.flyTo({ center: at, zoom: Math.max(map.getZoom(), 16) });
    box.scrollIntoView({ block: "nearest" });
  });
}

/** Where an alert points to; one that means a whole DMA has no place but the DMA's own sign. */
function placeOf(alert, now, middles) {
  for (const s of alert.suspects) {
    const at = s.lon !== null ? [s.lon, s.lat] : middles.get(s.pipe);
    if (at) return at;
  }
  const sensor = now.sensors.find((s) => s.id === alert.subject);
  return sensor ? [sensor.lon, sensor.lat] : null;
}

if (box) {
  loadNetwork()
    .then(async (network) => {
      if (canDrawGl()) {
        try {
          await drawGl(network);
          return;
        } catch (error) {
          console.warn("WebGL map failed, drawing a flat one", error);
          box.replaceChildren();
        }
      }
      say(_("This browser has no WebGL: a plain drawing instead of the movable map."));
      const draw = () => drawFlat(box, withStates(network, places()), places());
      draw();
      document.addEventListener("twuin:refreshed", draw);
    })
    .catch(() => {
      box.classList.add("map-failed");
      say(_("The network could not be loaded."));
    });
}
