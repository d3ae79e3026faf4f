"""Map layers as an OGC GeoPackage: one file for QGIS and every other GIS."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twuin.views.export.layers import FIELDS, SHAPE, Layer, layer_geojson
from waterworks.errors import WrongInput

if TYPE_CHECKING:
    from twuin.views.views import Views

SRS = 4326
_MEANING = {
    Layer.PIPES: "Pipes, valves and pumps of the network model",
    Layer.FACILITIES: "Tanks, reservoirs, valves and pumps",
    Layer.DMAS: "District metered areas and how they stand",
    Layer.SENSORS: "Sensors with their newest reading",
    Layer.ALERTS: "Alerts, at the place that was found or is suspected",
}


def write_geopackage(views: Views, path: Path) -> None:
    """Write all layers into ``path``, a new file that ends in .gpkg: WGS 84, each layer with an R-tree.

    Raises WrongInput where the site has no coordinate system, or the file is there or cannot be written.
    """
    layers = {layer: layer_geojson(views, layer)["features"] for layer in Layer}
    if path.suffix != ".gpkg":
        raise WrongInput(f"{path.name}: a GeoPackage's name ends in .gpkg")
    if path.exists():
        raise WrongInput(f"{path} is there already: name a new file, or remove it")
    try:
        _write(path, layers)
    except (sqlite3.Error, OSError, ValueError) as e:
        path.unlink(missing_ok=True)
        raise WrongInput(f"{path} cannot be written: {e}") from e


def _write(path: Path, layers: dict[Layer, list[dict[str, Any]]]) -> None:
    from fudgeo.enumeration import FieldType, GPKGFlavors, ShapeType
    from fudgeo.geopkg import Field, GeoPackage

    logging.getLogger("fudgeo").setLevel(logging.WARNING)
    shapes = {
        "Point": ShapeType.point,
        "LineString": ShapeType.linestring,
        "MultiPolygon": ShapeType.multi_polygon,
    }
    types = {str: FieldType.text, float: FieldType.double, int: FieldType.integer, bool: FieldType.boolean}
    file = GeoPackage.create(path, flavor=GPKGFlavors.epsg, ogr_contents=True)
    with file.connection as connection:
        wgs84 = file.spatial_references[SRS]
        for layer, features in layers.items():
            columns = FIELDS[layer]
            table = file.create_feature_class(
                layer.value,
                srs=wgs84,
                shape_type=shapes[SHAPE[layer]],
                fields=[Field(name, types[kind]) for name, kind in columns.items()],
                description=_MEANING[layer],
                spatial_index=True,
                geom_name="geom",
            )
            names = ", ".join(f'"{name}"' for name in ("geom", *columns))
            marks = ", ".join("?" * (len(columns) + 1))
            connection.executemany(
                f'INSERT INTO "{layer.value}" ({names}) VALUES ({marks})',
                [(_geometry(f["geometry"]), *(f["properties"][c] for c in columns)) for f in features],
            )
            bounds = _bounds([f["geometry"] for f in features])
            if bounds is not None:
                table.extent = bounds
    file.connection.close()


def _geometry(found: dict[str, Any] | None) -> Any:
    from fudgeo.geometry import LineString, MultiPolygon, Point

    if found is None:
        return None
    coordinates = found["coordinates"]
    if found["type"] == "Point":
        return Point(x=coordinates[0], y=coordinates[1], srs_id=SRS)
    return {"LineString": LineString, "MultiPolygon": MultiPolygon}[found["type"]](coordinates, SRS)


def _bounds(geometries: list[dict[str, Any] | None]) -> tuple[float, float, float, float] | None:
    from shapely import total_bounds
    from shapely.geometry import shape

    shapes = [shape(g) for g in geometries if g is not None]
    if not shapes:
        return None
    west, south, east, north = total_bounds(shapes).tolist()
    return west, south, east, north
