"""What came in, and what could not be taken."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from twuin.access import guarded_router, needs
from twuin.accounts.rights import Right
from twuin.api.params import PREFIX, Limit, RowId
from twuin.views.clock_models import ClocksOut
from twuin.views.ledger import MOST_DAYS
from twuin.views.ledger_models import LedgerOut
from twuin.views.models import IngestStats, Page, RejectedOut, UnknownNameOut
from twuin.views.views import Views


def ingest_routes(views: Views) -> APIRouter:
    """/ingest."""
    routes = guarded_router(prefix=f"{PREFIX}/ingest", tags=["ingest"])

    @routes.get("/stats", summary="Counters of what came in")
    @needs(Right.INTAKE)
    def stats() -> IngestStats:
        return views.ingest_stats()

    @routes.get("/rejected", summary="Rejected messages, newest first")
    @needs(Right.INTAKE)
    def rejected(
        reason: Annotated[str | None, Query(max_length=80, description="Only this reason code")] = None,
        cursor: Annotated[
            int | None, Query(ge=1, le=2**63 - 1, description="`next` of the page before")
        ] = None,
        limit: Limit = 50,
    ) -> Page[RejectedOut]:
        return views.rejected(limit=limit, before=cursor, reason=reason)

    @routes.get("/ledger", summary="What was to come and what came, by sensor and local day")
    @needs(Right.INTAKE)
    def ledger(
        day: Annotated[date | None, Query(description="The last local day; left out: today")] = None,
        days: Annotated[int, Query(ge=1, le=MOST_DAYS, description="How many days up to it")] = 1,
        sensor: Annotated[str | None, Query(max_length=200, description="Only this sensor")] = None,
        device: Annotated[str | None, Query(max_length=200, description="Only this device")] = None,
    ) -> LedgerOut:
        return views.ledger.report(day, days=days, sensor=sensor, device=device)

    @routes.get("/clocks", summary="Devices with wrong clocks, and readings held because of it")
    @needs(Right.INTAKE)
    def clocks() -> ClocksOut:
        return views.clocks.latest()

    @routes.get("/unknown", summary="Names that devices send and no sensor has, last heard first")
    @needs(Right.INTAKE)
    def unknown(limit: Limit = 50) -> Page[UnknownNameOut]:
        return views.unknown_names(limit)

    @routes.get(
        "/rejected/{id}",
        summary="The raw bytes of a rejected message",
        response_class=Response,
        responses={
            200: {
                "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
            },
            404: {},
        },
    )
    @needs(Right.INTAKE)
    def payload(id: RowId) -> Response:
        # Anyone may have sent these bytes: no browser is to take them for a page or a script.
        return Response(
            views.rejected_payload(id),
            media_type="application/octet-stream",
            headers={
                "Content-Disposition": f'attachment; filename="rejected-{id}.bin"',
                "X-Content-Type-Options": "nosniff",
                "Content-Security-Policy": "sandbox",
                "Cache-Control": "no-store",
            },
        )

    return routes
