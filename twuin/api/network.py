"""Site, network and DMAs."""

from __future__ import annotations

import hashlib
import json
import threading
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from fastapi.exceptions import RequestValidationError
from starlette.responses import Response

from twuin.access import guarded_router, needs
from twuin.access.current import KEPT, current
from twuin.accounts.rights import Right
from twuin.api.params import PREFIX, DmaId, End, MaxPoints, PipeId, Start
from twuin.views.isolation import IsolationOut
from twuin.views.models import DmaState, NightFlow, Series, SiteOut
from twuin.views.views import MAX_POINTS, Views

GEOJSON = "application/geo+json"
_NAMED: dict[int | str, dict[str, Any]] = {404: {}}


def network_routes(views: Views) -> APIRouter:
    """/site, /dmas, /network.geojson."""
    routes = guarded_router(prefix=PREFIX, tags=["network"])
    lock = threading.Lock()
    drawn: dict[frozenset[str] | None, tuple[bytes, str]] = {}  # by what the asker is limited to

    @routes.get("/site", summary="The site and what time it is there")
    @needs(Right.SEE)
    def site() -> SiteOut:
        return views.site()

    @routes.get("/dmas", summary="All DMAs and how they stand")
    @needs(Right.SEE)
    def dmas() -> list[DmaState]:
        """`state` is `leak` while a leak alert that is not closed lasts, `nodata` when an inlet meter is
        silent, `watch` while a night flow alert lasts, else `normal`."""
        return views.dmas()

    @routes.get("/dmas/{id}", summary="One DMA", responses=_NAMED)
    @needs(Right.SEE)
    def dma(id: DmaId) -> DmaState:
        return views.dma(id)

    @routes.get("/dmas/{id}/series", summary="Inflow against expectation", responses=_NAMED)
    @needs(Right.SEE)
    def dma_series(
        id: DmaId, start: Start = None, end: End = None, max_points: MaxPoints = MAX_POINTS
    ) -> Series:
        """`inflow`, `expected`, `low` and `high` (the 90 % band) and `leak` in m3/h; `cusum` is the test
        statistic as a share of its threshold: at 1 and above there is an alarm."""
        check_range(start, end)
        return views.dma_series(id, start, end, max_points)

    @routes.get("/dmas/{id}/night-flow", summary="Minimum night flow by night", responses=_NAMED)
    @needs(Right.SEE)
    def night_flow(
        id: DmaId, days: Annotated[int, Query(ge=1, le=3660, description="How many days back")] = 30
    ) -> list[NightFlow]:
        """Oldest first. `night` is the local day that begins with it."""
        return views.night_flows(id, days)

    @routes.get(
        "/pipes/{id}/isolation", summary="Valves to shut to take a pipe out of service", responses=_NAMED
    )
    @needs(Right.SEE)
    def isolation(id: PipeId) -> IsolationOut:
        """Few valves that stop all water to the pipe and leave few service connections without: one more is
        shut where that spares more than 20. Valves are those of `valves.csv`, beside the valves and pumps of
        the model; where the site lists none, each pipe is taken to have one at either end (`assumed`)."""
        return views.isolations.of(id)

    @routes.get(
        "/network.geojson",
        summary="Pipes, valves, pumps and tanks",
        response_class=Response,
        responses={
            200: {"content": {GEOJSON: {"schema": {"type": "object"}}}},
            304: {"description": "The client's copy is current"},
        },
    )
    @needs(Right.SEE)
    def network(if_none_match: Annotated[str | None, Header()] = None) -> Response:
        """A GeoJSON FeatureCollection (RFC 7946), empty for a site without a hydraulic model."""
        limit = current().dmas
        with lock:
            if limit not in drawn:
                if len(drawn) >= KEPT:
                    drawn.pop(next(iter(drawn)))
                body = json.dumps(views.network_geojson(), separators=(",", ":"), allow_nan=False).encode()
                drawn[limit] = (body, f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"')
            body, tag = drawn[limit]
        headers = {
            "ETag": tag,
            "Cache-Control": "private, no-cache",
            "Vary": "Accept-Encoding, Authorization, Cookie",
        }
        if _matches(if_none_match, tag):
            return Response(status_code=304, headers=headers)
        return Response(body, media_type=GEOJSON, headers=headers)

    return routes


def _matches(if_none_match: str | None, tag: str) -> bool:
    given = [t.strip().removeprefix("W/") for t in (if_none_match or "").split(",")]
    return tag in given or "*" in given


def check_range(start: datetime | None, end: datetime | None) -> None:
    """RequestValidationError where a range ends before it begins."""
    if start is not None and end is not None and start >= end:
        raise RequestValidationError(
            [{"loc": ("query", "start"), "msg": "must lie before end", "type": "value_error", "input": None}]
        )
