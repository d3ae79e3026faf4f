"""From a network's own coordinates to longitude and latitude, and to GeoJSON for maps."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from waterworks.network import LinkKind, Network, NodeKind
from waterworks.site import Site
from waterworks.zones import link_dma

Floats = NDArray[np.float64]


def wrong_crs(crs: str) -> str | None:
    """What is wrong with ``crs`` as the name of a coordinate system, if anything."""
    try:
        _transformer(crs)
    except Exception as e:  # pyproj's CRSError, and what PROJ itself throws at odd text
        return f"is no coordinate system that PROJ knows ({type(e).__name__}): use a code such as EPSG:32749"
    return None


@functools.lru_cache(maxsize=8)
def _transformer(crs: str) -> Any:
    from pyproj import Transformer  # costs 0.1 s: only where a site has coordinates

    return Transformer.from_crs(crs, "EPSG:4326", always_xy=True)


def to_lonlat(xy: ArrayLike, crs: str) -> Floats:
    """Coordinates (N, 2) in ``crs`` (x before y) -> (N, 2) longitude, latitude [degrees, WGS 84].

    NaN where a coordinate is NaN or has no image. An empty ``crs`` gives the ``local_frame`` of just these
    coordinates: take all of a network at once then, as ``Lines`` does.
    """
    points = np.asarray(xy, np.float64).reshape(-1, 2)
    if not crs:
        return local_frame(points)
    lon, lat = _transformer(crs).transform(points[:, 0], points[:, 1])
    out = np.column_stack([lon, lat])
    out[~np.isfinite(out).all(axis=1)] = np.nan
    return out


LOCAL_SIZE = 0.04
"""Longer side of the frame in which a network without coordinate system is shown [degrees], some 4 km."""


def local_frame(xy: Floats, size: float = LOCAL_SIZE) -> Floats:
    """Coordinates (N, 2) of any scale into a small frame around longitude and latitude 0, shape kept."""
    good = np.isfinite(xy).all(axis=1)
    if not good.any():
        return np.full_like(xy, np.nan)
    low, high = xy[good].min(axis=0), xy[good].max(axis=0)
    extent = float((high - low).max()) or 1.0
    return np.asarray((xy - (low + high) / 2) * (size / extent))


def node_lonlat(site: Site, network: Network) -> Floats:
    """(N, 2) longitude and latitude of all nodes."""
    return Lines(site, network).nodes


def sensor_positions(site: Site, network: Network | None) -> dict[str, tuple[float, float]]:
    """Longitude and latitude of every sensor that has any: its own, else its element's (a link's middle)."""
    out = {}
    lines = Lines(site, network) if network is not None else None
    for s in site.sensors:
        at: tuple[float, float] | None = None
        if s.lon is not None and s.lat is not None:
            at = (s.lon, s.lat)
        elif network is not None and lines is not None:
            if s.element in network.node_index:
                p = lines.nodes[network.node_index[s.element]]
                at = (float(p[0]), float(p[1]))
            elif s.element in network.link_index:
                at = lines.middle(network.link_index[s.element])
        if at is not None and np.isfinite(at).all():
            out[s.id] = at
    return out


def pipe_midpoints(site: Site, network: Network) -> dict[str, tuple[float, float]]:
    """Longitude and latitude half way along every link that has coordinates."""
    lines = Lines(site, network)
    out = {}
    for i, name in enumerate(network.link_ids):
        middle = lines.middle(i)
        if np.isfinite(middle).all():
            out[name] = middle
    return out


class Lines:
    """The links of a network as lines in longitude and latitude."""

    def __init__(self, site: Site, network: Network) -> None:
        bends = list(network.vertices.items())
        stacked = np.concatenate([network.xy, *(v for _, v in bends)])
        lonlat = to_lonlat(stacked, site.crs)
        n = len(network.node_ids)
        self.nodes = lonlat[:n]
        self._bends: dict[int, Floats] = {}
        for link, v in bends:
            self._bends[link] = lonlat[n : n + len(v)]
            n += len(v)
        self._network = network

    def line(self, link: int) -> Floats:
        """(V, 2) points of a link from its start to its end node."""
        ends = self.nodes[[self._network.start[link], self._network.end[link]]]
        return np.concatenate([ends[:1], self._bends.get(link, np.empty((0, 2))), ends[1:]])

    def middle(self, link: int) -> tuple[float, float]:
        """The point half way along a link, NaN where it has no coordinates."""
        line = self.line(link)
        step = np.hypot(*np.diff(line, axis=0).T)
        along = np.concatenate([[0.0], np.cumsum(step)])
        half = along[-1] / 2
        return (float(np.interp(half, along, line[:, 0])), float(np.interp(half, along, line[:, 1])))


def network_geojson(site: Site, network: Network) -> dict[str, Any]:
    """The network as a GeoJSON FeatureCollection (RFC 7946), longitude and latitude.

    Features, told apart by geometry and ``properties.kind``:

    - Polygon or MultiPolygon, kind ``dma``: where a DMA lies; id, dma (the same), name.
    - LineString, kind ``pipe``, ``pump`` or ``valve``: a link; id, dma ("" outside all), diameter_mm,
      length_m (null where there is none), closed (initially).
    - Point, kind ``reservoir``, ``tank``, ``pump`` or ``valve``: id, dma; valves and pumps at their middle.

    Links and nodes without coordinates are left out. The collection's member ``georeferenced`` is false
    where the site has no ``crs``: then longitude and latitude are a frame of their own around (0, 0) that
    keeps only the shape.
    """
    lines = Lines(site, network)
    dmas = link_dma(network, site.node_dma)
    features: list[dict[str, Any]] = _outlines(site, network, lines, dmas)
    for i, name in enumerate(network.link_ids):
        line = lines.line(i)
        if not np.isfinite(line).all():
            continue
        kind = link_word(LinkKind(network.link_kind[i]))
        diameter, length = float(network.diameter[i]), float(network.length[i])
        properties = {
            "id": name,
            "kind": kind,
            "dma": dmas[i],
            "diameter_mm": round(diameter * 1000, 1) if diameter > 0 else None,
            "length_m": round(length, 1) if length > 0 else None,
            "closed": not bool(network.open[i]),
        }
        features.append(_feature("LineString", np.round(line, 7).tolist(), properties))
        if kind != "pipe":
            middle = [round(v, 7) for v in lines.middle(i)]
            features.append(_feature("Point", middle, {"id": name, "kind": kind, "dma": dmas[i]}))
    for i in np.flatnonzero(network.node_kind != NodeKind.JUNCTION).tolist():
        if np.isfinite(lines.nodes[i]).all():
            kind = "tank" if network.node_kind[i] == NodeKind.TANK else "reservoir"
            features.append(
                _feature(
                    "Point",
                    np.round(lines.nodes[i], 7).tolist(),
                    {"id": network.node_ids[i], "kind": kind, "dma": ""},
                )
            )
    return {"type": "FeatureCollection", "georeferenced": bool(site.crs), "features": features}


def link_word(kind: LinkKind) -> str:
    """``pipe``, ``pump`` or ``valve``."""
    if kind in (LinkKind.PIPE, LinkKind.CVPIPE):
        return "pipe"
    return "pump" if kind == LinkKind.PUMP else "valve"


def _feature(shape: str, coordinates: Any, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "Feature",
        "geometry": {"type": shape, "coordinates": coordinates},
        "properties": properties,
    }


def _outlines(site: Site, network: Network, lines: Lines, dmas: tuple[str, ...]) -> list[dict[str, Any]]:
    from waterworks.outlines import outlines  # its parts of SciPy load slowly: only for maps

    good = lines.nodes[np.isfinite(lines.nodes).all(axis=1)]
    if not len(good):
        return []
    # Longitudes shrunk so that both axes measure alike.
    scale = np.array([np.cos(np.radians(good[:, 1].mean())), 1.0])
    spacing = float(np.ptp(good * scale, axis=0).max()) / 300 or 1.0
    points: dict[str, list[Floats]] = {d.id: [] for d in site.dmas}
    for i, dma in enumerate(dmas):
        inner = site.node_dma.get(network.node_ids[network.start[i]]) == dma
        if dma in points and inner and network.open[i]:
            points[dma].append(_sampled(lines.line(i) * scale, spacing))
    drawn = outlines({d: np.concatenate(p) for d, p in points.items() if p})
    features = []
    for d in site.dmas:
        polygons = [
            [np.round(np.array(ring) / scale, 6).tolist() for ring in polygon]
            for polygon in drawn.get(d.id, [])
        ]
        if polygons:
            one = len(polygons) == 1
            features.append(
                _feature(
                    "Polygon" if one else "MultiPolygon",
                    polygons[0] if one else polygons,
                    {"id": d.id, "kind": "dma", "dma": d.id, "name": d.name},
                )
            )
    return features


def _sampled(line: Floats, spacing: float) -> Floats:
    """Points along a line (V, 2), no further apart than ``spacing``."""
    step = np.hypot(*np.diff(line, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(step)])
    at = np.linspace(0.0, along[-1], max(2, int(along[-1] / spacing) + 2))
    return np.column_stack([np.interp(at, along, line[:, 0]), np.interp(at, along, line[:, 1])])
