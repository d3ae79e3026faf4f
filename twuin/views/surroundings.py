"""The part of the network around an alert: small for bad mobile data, enough to stand at the right spot."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from twuin.views.isolation import IsolationOut
from twuin.views.models import AlertDetail
from waterworks.geo import Lines
from waterworks.network import LinkKind, Network
from waterworks.site import Site

if TYPE_CHECKING:
    from twuin.views.views import Views

MARGIN_M = 200.0
"""How far around the pipes in question the map goes [m]: to the next known corner."""

MOST_FEATURES = 1500
"""Features of a map: some 40 kB as they are sent."""

DRY_SHOWN = 400
"""Pipes without water that the map is made to hold."""

_DEGREE_M = 111_320.0
"""Metres of a degree of latitude."""

Point = tuple[float, float]


class Surroundings:
    """Maps cut out of the network that ``views`` shows. network: None where the site has no model."""

    def __init__(self, views: Views, site: Site, network: Network | None) -> None:
        self._views = views
        self._site = site
        self._network = network

    @cached_property
    def pipes(self) -> dict[str, tuple[dict[str, Any], Point]]:
        """Of each pipe its length [m] and diameter [mm], None where unknown, and its middle."""
        network = self._network
        if network is None:
            return {}
        lines = self._lines
        found = {}
        for link in np.flatnonzero(network.link_kind <= LinkKind.PIPE).tolist():
            middle = lines.middle(link)
            if math.isfinite(middle[0]) and math.isfinite(middle[1]):
                length, diameter = float(network.length[link]), float(network.diameter[link])
                about = {
                    "length_m": round(length, 1) if length > 0 else None,
                    "diameter_mm": round(diameter * 1000) if diameter > 0 else None,
                }
                found[network.link_ids[link]] = (about, (round(middle[0], 6), round(middle[1], 6)))
        return found

    @cached_property
    def nodes(self) -> dict[str, Point]:
        """Where nodes are."""
        network = self._network
        if network is None:
            return {}
        places = zip(network.node_ids, self._lines.nodes.tolist(), strict=True)
        return {id: (round(lon, 6), round(lat, 6)) for id, (lon, lat) in places if math.isfinite(lon + lat)}

    @cached_property
    def _lines(self) -> Lines:
        assert self._network is not None
        return Lines(self._site, self._network)

    def named(self) -> Iterator[tuple[str, str, str, Point]]:
        """(kind, id, name, place) of what has a name and a place."""
        for valve in self._site.valves:
            if valve.name and valve.node in self.nodes:
                yield "valve", valve.id, valve.name, self.nodes[valve.node]
        for fitting in self._site.fittings:
            if fitting.name and fitting.node in self.nodes:
                yield fitting.kind.value, fitting.id, fitting.name, self.nodes[fitting.node]
        places = self._views.sensor_positions
        for sensor in self._views.known_sensors:
            if sensor.name and sensor.id in places:
                yield "sensor", sensor.id, sensor.name, places[sensor.id]

    def metres(self, a: Point, b: Point) -> float:
        """From one place to another as the crow flies [m]."""
        squeeze = math.cos(math.radians((a[1] + b[1]) / 2))
        return _DEGREE_M * math.hypot((a[0] - b[0]) * squeeze, a[1] - b[1])

    def map(self, alert: AlertDetail, isolation: IsolationOut | None) -> tuple[dict[str, Any], Point | None]:
        """GeoJSON of the network around an alert, and where to go; nowhere where no place is known.

        Where no pipe is suspect it is the DMA.
        """
        features = self._views.network_geojson()["features"]
        wanted = {s.pipe for s in alert.suspects} | {a.pipe for a in alert.area}
        if alert.place is not None and alert.place.pipe:
            wanted.add(alert.place.pipe)
        place = self._place(alert)
        shut = set() if isolation is None else {v.pipe for v in isolation.shut}
        dry = set() if isolation is None else set(isolation.pipes[:DRY_SHOWN])
        inner = [f for f in features if f["properties"]["id"] in wanted | shut | dry and _is_line(f)]
        if not inner:
            inner = [f for f in features if f["properties"]["dma"] == alert.dma and _is_line(f)]
        points = [c for f in inner for c in f["geometry"]["coordinates"]] + ([place] if place else [])
        if not points:
            return {"type": "FeatureCollection", "features": []}, place
        box = _box(points)
        middle = place or ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        found = [
            _small(f)
            for f in features
            if f["properties"]["kind"] != "dma" and _touches(box, _points(f["geometry"]))
        ]
        found += self._stop_valves(box) + self._fittings(box)
        if len(found) > MOST_FEATURES:
            found.sort(key=lambda f: min(self.metres(middle, (c[0], c[1])) for c in _points(f["geometry"])))
        return {"type": "FeatureCollection", "features": found[:MOST_FEATURES]}, place

    def _place(self, alert: AlertDetail) -> Point | None:
        """Where to go: where it was found, else where the search begins, else the likeliest pipe."""
        if alert.place is not None and alert.place.lon is not None and alert.place.lat is not None:
            return (alert.place.lon, alert.place.lat)
        found = alert.place.pipe if alert.place else ""
        likeliest = alert.suspects[0].pipe if alert.suspects else ""
        for pipe in (found, alert.search_from, likeliest):
            if pipe in self.pipes:
                return self.pipes[pipe][1]
        return None

    def _fittings(self, box: tuple[float, float, float, float]) -> list[dict[str, Any]]:
        return [
            {
                "type": "Feature",
                "geometry": {"type": "Point", "coordinates": list(self.nodes[f.node])},
                "properties": {"id": f.id, "kind": f.kind.value, "pipe": f.pipe, "name": f.name},
            }
            for f in self._site.fittings
            if f.node in self.nodes and _touches(box, [self.nodes[f.node]])
        ]

    def _stop_valves(self, box: tuple[float, float, float, float]) -> list[dict[str, Any]]:
        network = self._network
        seen = {f["properties"]["id"] for f in self._views.network_geojson()["features"]}
        return [
            {
                "type": "Feature",
                "geometry": {"type": "Point", "coordinates": list(self.nodes[v.node])},
                "properties": {
                    "id": v.id,
                    "kind": "stop_valve",
                    "pipe": v.pipe,
                    "name": v.name,
                    "state": v.state.value,
                },
            }
            for v in self._site.valves
            if network is not None
            and v.pipe in seen
            and v.node in self.nodes
            and _touches(box, [self.nodes[v.node]])
        ]


def _is_line(feature: dict[str, Any]) -> bool:
    return bool(feature["geometry"]["type"] == "LineString")


def _points(geometry: dict[str, Any]) -> list[Any]:
    found: list[Any] = geometry["coordinates"]
    return [found] if geometry["type"] == "Point" else found


def _box(points: list[Any]) -> tuple[float, float, float, float]:
    """West, south, east, north of ``points``, with a margin around them."""
    lons, lats = [p[0] for p in points], [p[1] for p in points]
    high = MARGIN_M / _DEGREE_M
    wide = high / max(0.1, math.cos(math.radians(sum(lats) / len(lats))))
    return (min(lons) - wide, min(lats) - high, max(lons) + wide, max(lats) + high)


def _touches(box: tuple[float, float, float, float], points: list[Any]) -> bool:
    """Whether the rectangle around ``points`` and ``box`` share anything."""
    west, south, east, north = box
    lons, lats = [p[0] for p in points], [p[1] for p in points]
    return bool(min(lons) <= east and max(lons) >= west and min(lats) <= north and max(lats) >= south)


def _small(feature: dict[str, Any]) -> dict[str, Any]:
    """A feature without what a phone does not need: a decimetre is enough."""
    geometry, properties = feature["geometry"], feature["properties"]
    if geometry["type"] == "Point":
        coordinates: Any = [round(v, 6) for v in geometry["coordinates"]]
    else:
        coordinates = [[round(v, 6) for v in c] for c in geometry["coordinates"]]
    kept = {
        k: properties[k] for k in ("id", "kind", "length_m", "diameter_mm") if properties.get(k) is not None
    }
    return {
        "type": "Feature",
        "geometry": {"type": geometry["type"], "coordinates": coordinates},
        "properties": kept,
    }
