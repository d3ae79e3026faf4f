"""Sensors, their readings and the devices that send them."""

from __future__ import annotations

import csv
import io
import re
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from twuin.access import guarded_router, needs
from twuin.accounts.rights import Right
from twuin.api.network import check_range
from twuin.api.params import PREFIX, End, MaxPoints, SensorId, Start
from twuin.views.models import DeviceOut, SensorOut, Series
from twuin.views.views import MAX_POINTS, Views

_NAMED: dict[int | str, dict[str, Any]] = {404: {}}


class Format(StrEnum):
    JSON = "json"
    CSV = "csv"


def sensor_routes(views: Views) -> APIRouter:
    """/sensors, /devices."""
    routes = guarded_router(prefix=PREFIX, tags=["sensors"])

    @routes.get("/sensors", summary="All sensors with their newest reading")
    @needs(Right.SEE)
    def sensors() -> list[SensorOut]:
        """`state` is `ok`, `suspect` (the newest reading has a quality flag), `silent` (nothing for three
        intervals and at least 15 minutes) or `nodata` (never anything)."""
        return views.sensors()

    @routes.get("/sensors/{id}", summary="One sensor", responses=_NAMED)
    @needs(Right.SEE)
    def sensor(id: SensorId) -> SensorOut:
        return views.sensor(id)

    @routes.get(
        "/sensors/{id}/readings",
        summary="Readings of a sensor",
        response_model=Series,
        responses={
            200: {
                "content": {
                    "text/csv": {
                        "schema": {"type": "string"},
                        "example": "time,value [m3/h],quality\n2026-11-21T03:00:00Z,41.2,0\n",
                    }
                }
            },
            404: {},
        },
    )
    @needs(Right.SEE)
    def readings(
        id: SensorId,
        start: Start = None,
        end: End = None,
        max_points: MaxPoints = MAX_POINTS,
        format: Annotated[Format | None, Query(description="Default: by the header Accept")] = None,
        accept: Annotated[str | None, Header(include_in_schema=False)] = None,
    ) -> Any:
        """The values stand under the sensor's id. `quality` are flags, 0 is good: 1 marked suspect by the
        device, 2 out of the believable range, 4 doubtful clock, 8 estimated."""
        check_range(start, end)
        series = views.sensor_series(id, start, end, max_points)
        if format is Format.CSV or (format is None and _prefers_csv(accept)):
            return _csv(id, series)
        return series

    @routes.get("/devices", summary="What each device last said of itself")
    @needs(Right.SEE)
    def devices() -> list[DeviceOut]:
        return views.devices()

    return routes


def _prefers_csv(accept: str | None) -> bool:
    return any(part.split(";")[0].strip().lower() == "text/csv" for part in (accept or "").split(","))


def _csv(id: str, series: Series) -> Response:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\r\n")  # RFC 4180
    rows.writerow(["time", f"value [{series.unit}]", "quality"])
    for at, value, quality in zip(series.times, series.values[id], series.quality[id], strict=True):
        rows.writerow([at.isoformat().replace("+00:00", "Z"), "" if value is None else repr(value), quality])
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", id)[:80] or "sensor"
    return Response(
        text.getvalue(),
        media_type="text/csv",
        headers={
            "Content-Disposition": f'attachment; filename="{name}.csv"',
            "X-Content-Type-Options": "nosniff",
            "Vary": "Accept",
        },
    )
