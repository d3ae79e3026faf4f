// The map: pipes and places of the network, coloured by how their DMA stands. No tiles from elsewhere.

import { _, client, number, onTheme } from "./common.js";
import { drawFlat } from "./flatmap.js";
import { spread } from "./labels.js";
import { layers, sensorImage, shapeOf } from "./maplooks.js";
import { boundsOf, dmaCentres, pipeMiddles, suspectWeights } from "./network.js";

const SIGN_ABOVE = -12; // an alert's sign stands so far above its place [px]

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
          area: now.area?.[f.properties.id] ?? 0,
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
  let names = [];
  let signs = [];
  function mark() {
    markers.forEach((m) => m.remove());
    [markers, names, signs] = [[], [], []];
    const add = (element, at, options = {}) => {
      const added = new gl.Marker({ element, ...options }).setLngLat(at).addTo(map);
      markers.push(added);
      return added;
    };
    for (const dma of now.dmas) {
      const at = centres.get(dma.id);
      if (!at) continue;
      const label = marker(
        `map-dma state-${dma.state}`,
        dma.href,
        `${dma.name}: ${dma.stateName}, ${dma.inflow}`,
        dma.state,
      );
      const name = document.createElement("span");
      name.textContent = dma.name;
      label.append(name);
      names.push(add(label, at));
    }
    for (const alert of now.alerts) {
      const at = placeOf(alert, now, middles);
      if (at)
        signs.push(
          add(
            marker(`map-alert kind-${alert.kind}`, alert.href, `${alert.title}, ${alert.flow}`, alert.kind),
            at,
            { anchor: "bottom", offset: [0, SIGN_ABOVE] },
          ),
        );
    }
    arrange();
  }

  /** Move names out of the way of signs and of each other. */
  function arrange() {
    const sized = (m) => {
      const { x, y } = map.project(m.getLngLat());
      return { x, y, width: m.getElement().offsetWidth, height: m.getElement().offsetHeight };
    };
    const taken = signs.map(sized).map(({ x, y, width, height }) => ({
      left: x - width / 2,
      right: x + width / 2,
      top: y + SIGN_ABOVE - height,
      bottom: y + SIGN_ABOVE,
    }));
    const size = { width: box.clientWidth, height: box.clientHeight };
    spread(names.map(sized), taken, size).forEach((offset, i) => names[i].setOffset(offset));
  }
  map.on("moveend", arrange);
  map.on("resize", arrange);

  await new Promise((resolve) => (map.isStyleLoaded() ? resolve() : map.once("load", resolve)));
  map.addSource("network", { type: "geojson", data: withStates(network, now) });
  map.addSource("sensors", { type: "geojson", data: sensorFeatures(now) });
  dress();
  mark();
  map.once("idle", () => (box.dataset.drawn = "true"));

  const say = (event, content) =>
    new gl.Popup({ maxWidth: "280px", offset: 10 }).setLngLat(event).setDOMContent(content).addTo(map);
  map.on("click", (event) => {
    const { x, y } = event.point;
    const near = (size, ...ids) =>
      map.queryRenderedFeatures(
        [
          [x - size, y - size],
          [x + size, y + size],
        ],
        { layers: ids },
      )[0];
    const sensor = near(10, "sensors");
    if (sensor) {
      const s = sensor.properties;
      say(
        sensor.geometry.coordinates,
        popup(
          [
            ["strong", s.name],
            ["span", `${s.quantityName}: ${s.value}`],
            ["span", `${s.stateName}, ${s.at}`],
          ],
          s.href,
          _("Open the sensor"),
        ),
      );
      return;
    }
    const pipe = near(6, "pipes");
    if (!pipe) return;
    const p = pipe.properties;
    const dma = now.dmas.find((d) => d.id === p.dma);
    const facts = [["strong", p.id]];
    if (p.diameter_mm) facts.push(["span", _("diameter %(value)s mm", { value: number(p.diameter_mm, 0) })]);
    if (p.length_m) facts.push(["span", _("length %(value)s m", { value: number(p.length_m, 0) })]);
    if (p.suspect > 0)
      facts.push([
        "span",
        _("suspect: %(share)s of the ranking", { share: `${number(100 * p.share, 0)}\u00a0%` }),
      ]);
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
    const at =
      button &&
      (middles.get(button.dataset.suspect) ?? [Number(button.dataset.lon), Number(button.dataset.lat)]);
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
