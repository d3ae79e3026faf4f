"""Alerts: list, look at, act on."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from twuin.alerts.model import Kind, State
from twuin.alerts.service import AlertService
from twuin.api.params import PREFIX, AlertId, Cursor, Limit, When
from twuin.views.models import AlertDetail, AlertOut, EntryOut, Page, Transition
from twuin.views.views import Views

_NAMED: dict[int | str, dict[str, Any]] = {404: {}}


def alert_routes(views: Views, alerts: AlertService) -> APIRouter:
    """/alerts."""
    routes = APIRouter(prefix=PREFIX, tags=["alerts"])

    @routes.get("/alerts", summary="Alerts, newest onset first")
    def listed(
        state: Annotated[list[State] | None, Query(description="May be repeated; default: all")] = None,
        kind: Annotated[list[Kind] | None, Query(description="May be repeated; default: all")] = None,
        dma: Annotated[str | None, Query(max_length=200, description="Id of a DMA")] = None,
        since: Annotated[When | None, Query(description="Only events that lasted at or after this")] = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Page[AlertOut]:
        return views.alerts(state=state, kind=kind, dma=dma, since=since, limit=limit, cursor=cursor)

    @routes.get("/alerts/{id}", summary="One alert with its history", responses=_NAMED)
    def one(id: AlertId) -> AlertDetail:
        return views.alert(id)

    @routes.get("/alerts/{id}/history", summary="What happened to an alert, oldest first", responses=_NAMED)
    def history(id: AlertId) -> list[EntryOut]:
        return views.alert(id).history

    @routes.post(
        "/alerts/{id}/transitions",
        summary="Acknowledge, close or reopen an alert, or add a note",
        responses={404: {}, 403: {}, 409: {}, 413: {}},
    )
    def transition(id: AlertId, asked: Transition) -> AlertDetail:
        """`version` is that of the alert as the person saw it. Where the alert has changed since, the
        answer is 409 with `current_version`: fetch it, look again, then act. Closing takes a `reason`:
        `repaired`, `false_alarm`, `planned`, or `ended` once `ended` is set."""
        alerts.act(
            id, asked.action, version=asked.version, reason=asked.reason, note=asked.note, actor=asked.actor
        )
        return views.alert(id)

    return routes
