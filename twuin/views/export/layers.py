"""Map layers of a site as GeoJSON (RFC 7946: longitude and latitude, WGS 84)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from waterworks.errors import WrongInput

if TYPE_CHECKING:
    from twuin.views.models import AlertOut, SensorOut
    from twuin.views.views import Views


class Layer(StrEnum):
    """What a map can show."""

    PIPES = "pipes"  # and valves and pumps, as lines
    FACILITIES = "facilities"  # tanks, reservoirs, valves and pumps, as points
    DMAS = "dmas"
    SENSORS = "sensors"
    ALERTS = "alerts"


SHAPE: dict[Layer, str] = {
    Layer.PIPES: "LineString",
    Layer.FACILITIES: "Point",
    Layer.DMAS: "MultiPolygon",
    Layer.SENSORS: "Point",
    Layer.ALERTS: "Point",
}
"""The one geometry of each layer, or none where a feature's place is not known."""

FIELDS: dict[Layer, dict[str, type]] = {
    Layer.PIPES: {
        "id": str,
        "kind": str,
        "dma": str,
        "diameter_mm": float,
        "length_m": float,
        "closed": bool,
    },
    Layer.FACILITIES: {"id": str, "kind": str, "dma": str},
    Layer.DMAS: {
        "id": str,
        "name": str,
        "state": str,
        "connections": int,
        "inflow_m3h": float,
        "expected_m3h": float,
        "night_flow_m3h": float,
        "open_alerts": int,
    },
    Layer.SENSORS: {
        "id": str,
        "name": str,
        "quantity": str,
        "unit": str,
        "dma": str,
        "device": str,
        "role": str,
        "element": str,
        "state": str,
        "latest": float,
        "latest_at": str,
    },
    Layer.ALERTS: {
        "id": str,
        "kind": str,
        "state": str,
        "dma": str,
        "subject": str,
        "onset": str,
        "detected": str,
        "ended": str,
        "flow_m3h": float,
        "flow_low_m3h": float,
        "flow_high_m3h": float,
        "lost_m3": float,
        "confidence": float,
        "priority": str,
        "pipe": str,
        "place_is": str,
        "radius_50_m": float,
        "radius_90_m": float,
    },
}
"""Columns of each layer; instants are RFC 3339 in UTC. ``place_is``: found, suspected, sensor, or empty."""


def layer_geojson(views: Views, layer: Layer) -> dict[str, Any]:
    """A layer as a FeatureCollection. Raises WrongInput where the site has no coordinate system."""
    if layer is Layer.SENSORS:
        features = [_sensor(s) for s in views.sensors()]
    elif layer is Layer.ALERTS:
        features = _alerts(views)
    else:
        features = _network(views, layer)
    _on_earth(views, features)
    return {"type": "FeatureCollection", "name": layer.value, "features": features}


def _on_earth(views: Views, features: Iterable[dict[str, Any]]) -> None:
    if not views.georeferenced and any(f["geometry"] is not None for f in features):
        raise WrongInput(
            "the network's coordinates have no place on the earth: give the site a coordinate system in "
            'site.toml, as in crs = "EPSG:32749"'
        )


def _network(views: Views, layer: Layer) -> list[dict[str, Any]]:
    states = {d.id: d for d in views.dmas()} if layer is Layer.DMAS else {}
    drawn = views.network_geojson()["features"]
    out, seen = [], set()
    for found in drawn:
        shape, kind = found["geometry"]["type"], found["properties"]["kind"]
        geometry = found["geometry"]
        if kind == "dma" and layer is Layer.DMAS:
            if shape == "Polygon":
                geometry = {"type": "MultiPolygon", "coordinates": [geometry["coordinates"]]}
            id = found["properties"]["id"]
            seen.add(id)
            out.append(_feature(layer, geometry, states[id].model_dump(mode="json")))
        elif kind != "dma" and shape == SHAPE[layer] and layer is not Layer.DMAS:
            out.append(_feature(layer, geometry, found["properties"]))
    out += [_feature(layer, None, d.model_dump(mode="json")) for id, d in states.items() if id not in seen]
    return out


def _sensor(sensor: SensorOut) -> dict[str, Any]:
    at = None if sensor.lon is None or sensor.lat is None else _point(sensor.lon, sensor.lat)
    return _feature(Layer.SENSORS, at, sensor.model_dump(mode="json"))


def _alerts(views: Views) -> list[dict[str, Any]]:
    sensors = {s.id: s for s in views.sensors()}
    out, cursor = [], None
    while True:
        page = views.alerts(limit=500, cursor=cursor)
        out += [_alert(alert, sensors) for alert in page.items]
        cursor = page.next
        if cursor is None:
            return out


def _alert(alert: AlertOut, sensors: dict[str, SensorOut]) -> dict[str, Any]:
    place, pipe, how = None, "", ""
    sensor = sensors.get(alert.subject)
    if alert.place is not None:
        pipe, how = alert.place.pipe, "found"
        if alert.place.lon is not None and alert.place.lat is not None:
            place = _point(alert.place.lon, alert.place.lat)
    elif alert.suspects:
        first = alert.suspects[0]
        pipe, how = first.pipe, "suspected"
        if first.lon is not None and first.lat is not None:
            place = _point(first.lon, first.lat)
    elif sensor is not None and sensor.lon is not None and sensor.lat is not None:
        place, how = _point(sensor.lon, sensor.lat), "sensor"
    return _feature(Layer.ALERTS, place, {**alert.model_dump(mode="json"), "pipe": pipe, "place_is": how})


def _point(lon: float, lat: float) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [round(lon, 7), round(lat, 7)]}


def _feature(layer: Layer, geometry: Any, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "Feature",
        "id": properties["id"],
        "geometry": geometry,
        "properties": {name: properties.get(name) for name in FIELDS[layer]},
    }


def geojson_bytes(views: Views, layer: Layer) -> bytes:
    """A layer as the bytes of a GeoJSON file."""
    drawn = layer_geojson(views, layer)
    return json.dumps(drawn, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
