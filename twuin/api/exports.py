"""Files to take along: maps and series."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response, StreamingResponse

from twuin.access import guarded_router, needs
from twuin.accounts.rights import Right
from twuin.api.network import GEOJSON, check_range
from twuin.api.params import PREFIX, End, Start
from twuin.views.export.geopackage import write_geopackage
from twuin.views.export.layers import Layer, geojson_bytes
from twuin.views.export.series import MEDIA_TYPE, SeriesFormat
from twuin.views.views import Views

GPKG = "application/geopackage+sqlite3"
MAX_SENSORS = 500
_HEADERS = {"X-Content-Type-Options": "nosniff", "Vary": "Accept-Encoding, Authorization, Cookie"}


def _file(media_type: str) -> dict[int | str, dict[str, Any]]:
    return {200: {"content": {media_type: {"schema": {"type": "string", "format": "binary"}}}}, 422: {}}


def export_routes(views: Views) -> APIRouter:
    """/export."""
    routes = guarded_router(prefix=PREFIX, tags=["export"])

    @routes.get(
        "/export/geopackage",
        summary="All map layers as a GeoPackage",
        response_class=Response,
        responses=_file(GPKG),
    )
    @needs(Right.SEE)
    def geopackage() -> Response:
        """Layers `pipes`, `facilities`, `dmas`, `sensors`, `alerts` in WGS 84, each with a spatial index."""
        with tempfile.TemporaryDirectory(prefix="twuin-export-") as folder:
            path = Path(folder) / "site.gpkg"
            write_geopackage(views, path)
            body = path.read_bytes()
        return Response(body, media_type=GPKG, headers=_named(f"{views.site().id}.gpkg"))

    @routes.get(
        "/export/layers/{layer}",
        summary="A map layer as GeoJSON",
        response_class=Response,
        responses={200: {"content": {GEOJSON: {"schema": {"type": "object"}}}}, 422: {}},
    )
    @needs(Right.SEE)
    def layer(layer: Layer) -> Response:
        """A FeatureCollection (RFC 7946, WGS 84); what has no place has no geometry."""
        body = geojson_bytes(views, layer)
        return Response(body, media_type=GEOJSON, headers=_named(f"{views.site().id}-{layer}.geojson"))

    @routes.get(
        "/export/series",
        summary="Readings as CSV or Parquet",
        response_class=Response,
        responses={
            200: {
                "content": {
                    kind: {"schema": {"type": "string", "format": "binary"}}
                    for kind in ("text/csv", MEDIA_TYPE[SeriesFormat.PARQUET])
                }
            },
            404: {},
        },
    )
    @needs(Right.SEE)
    def series(
        sensor: Annotated[
            list[str] | None, Query(description="May be repeated. Default: all", max_length=MAX_SENSORS)
        ] = None,
        start: Start = None,
        end: End = None,
        format: SeriesFormat = SeriesFormat.CSV,
        local: Annotated[bool, Query(description="Times in the site's zone instead of UTC")] = False,
    ) -> Response:
        """Every reading, sensor by sensor: `time` (with its offset), `sensor`, `quantity`, `value`, `unit`,
        `quality` (flags added up), `flags` (in words). Without `start` and `end` all there are."""
        check_range(start, end)
        body = views.export_series(sensor or (), start, end, format, local=local)
        name = sensor[0] if sensor and len(sensor) == 1 else "series"
        return StreamingResponse(
            body, media_type=MEDIA_TYPE[format], headers=_named(f"{views.site().id}-{name}.{format.value}")
        )

    return routes


def _named(name: str) -> dict[str, str]:
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name)[:100]
    return {**_HEADERS, "Content-Disposition": f'attachment; filename="{safe}"'}
