// How the map looks: its layers, and the signs of its sensors.

import { colour } from "./common.js";

const STATES = ["normal", "watch", "leak", "nodata"];

/** Shapes by quantity, ink by state, drawn once into images that MapLibre places. */
export function sensorImage(shape, state) {
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
export const shapeOf = (quantity) => (["flow", "pressure", "level"].includes(quantity) ? quantity : "other");

/** The layers of the map, from the ground up, in the page's colours. */
export function layers(outlined) {
  const byState = ["match", ["get", "state"], ...STATES.flatMap((s) => [s, colour(s)]), colour("pipe")];
  const width = (thin, wide) => [
    "interpolate",
    ["linear"],
    ["zoom"],
    11,
    ["interpolate", ["linear"], ["coalesce", ["get", "diameter_mm"], 100], 50, thin, 500, thin * 3],
    17,
    ["interpolate", ["linear"], ["coalesce", ["get", "diameter_mm"], 100], 50, wide, 500, wide * 3],
  ];
  const isLine = ["==", ["geometry-type"], "LineString"];
  return [
    { id: "ground", type: "background", paint: { "background-color": colour("map") } },
    {
      id: "dma-area",
      type: "fill",
      source: "network",
      filter: ["==", ["geometry-type"], "Polygon"],
      paint: { "fill-color": byState, "fill-opacity": 0.14 },
    },
    {
      id: "dma-edge",
      type: "line",
      source: "network",
      filter: ["==", ["geometry-type"], "Polygon"],
      paint: { "line-color": byState, "line-width": 1.5 },
    },
    // A network whose DMAs have no outline gets a glow along their pipes instead.
    !outlined && {
      id: "dma-halo",
      type: "line",
      source: "network",
      filter: isLine,
      layout: { "line-cap": "round", "line-join": "round" },
      paint: {
        "line-color": ["match", ["get", "state"], "none", "rgba(0,0,0,0)", byState],
        "line-width": ["interpolate", ["exponential", 2], ["zoom"], 10, 6, 13, 26, 16, 120],
        "line-opacity": 0.1,
      },
    },
    {
      id: "pipes",
      type: "line",
      source: "network",
      filter: isLine,
      layout: { "line-cap": "round", "line-join": "round" },
      paint: { "line-color": byState, "line-width": width(1, 3.5) },
    },
    {
      id: "area",
      type: "line",
      source: "network",
      filter: ["all", isLine, [">", ["get", "area"], 0]],
      layout: { "line-cap": "round", "line-join": "round" },
      paint: {
        "line-color": colour("suspect"),
        "line-opacity": ["case", ["==", ["get", "area"], 50], 0.4, 0.18],
        "line-width": ["interpolate", ["linear"], ["zoom"], 11, 8, 17, 22],
      },
    },
    {
      id: "suspects-casing",
      type: "line",
      source: "network",
      filter: ["all", isLine, [">", ["get", "suspect"], 0]],
      layout: { "line-cap": "round", "line-join": "round" },
      paint: {
        "line-color": colour("surface"),
        "line-width": ["interpolate", ["linear"], ["get", "suspect"], 0, 8, 1, 16],
      },
    },
    {
      id: "suspects",
      type: "line",
      source: "network",
      filter: ["all", isLine, [">", ["get", "suspect"], 0]],
      layout: { "line-cap": "round", "line-join": "round", "line-sort-key": ["get", "suspect"] },
      paint: {
        "line-color": colour("suspect"),
        "line-opacity": ["interpolate", ["linear"], ["get", "suspect"], 0, 0.7, 0.4, 1],
        "line-width": ["interpolate", ["linear"], ["get", "suspect"], 0, 4, 1, 12],
      },
    },
    {
      id: "plants",
      type: "circle",
      source: "network",
      filter: [
        "all",
        ["==", ["geometry-type"], "Point"],
        ["in", ["get", "kind"], ["literal", ["reservoir", "tank"]]],
      ],
      paint: {
        "circle-radius": 9,
        "circle-color": colour("water"),
        "circle-stroke-color": colour("surface"),
        "circle-stroke-width": 2.5,
      },
    },
    {
      id: "sensors",
      type: "symbol",
      source: "sensors",
      layout: {
        "icon-image": ["get", "image"],
        "icon-size": 0.5,
        "icon-allow-overlap": true,
        "icon-padding": 0,
      },
    },
  ].filter(Boolean);
}
