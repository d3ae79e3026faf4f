"""Alerts: list, look at, act on."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from twuin.access import guarded_router, needs
from twuin.access.current import current, permit
from twuin.accounts.model import Via
from twuin.accounts.rights import Right, right_of_action
from twuin.alerts.model import Kind, State
from twuin.alerts.service import AlertService
from twuin.alerts.steps import RequestIncomplete
from twuin.api.params import PREFIX, AlertId, Cursor, Limit, When
from twuin.api.transition import Transition
from twuin.views.models import AlertDetail, AlertOut, CauseOut, EntryOut, Page
from twuin.views.urgent import Order
from twuin.views.views import Views

_NAMED: dict[int | str, dict[str, Any]] = {404: {}}


def alert_routes(views: Views, alerts: AlertService) -> APIRouter:
    """/alerts."""
    routes = guarded_router(prefix=PREFIX, tags=["alerts"])

    @routes.get("/alerts", summary="Alerts, newest onset first or most urgent first")
    @needs(Right.SEE)
    def listed(
        state: Annotated[list[State] | None, Query(description="May be repeated; default: all")] = None,
        kind: Annotated[list[Kind] | None, Query(description="May be repeated; default: all")] = None,
        dma: Annotated[str | None, Query(max_length=200, description="Id of a DMA")] = None,
        assignee: Annotated[
            str | None, Query(max_length=80, description="Person or crew that they are assigned to")
        ] = None,
        since: Annotated[When | None, Query(description="Only events that lasted at or after this")] = None,
        order: Annotated[
            Order,
            Query(
                description="`newest`: by onset. `urgent`: what is not over before the rest, what runs before"
                " what is mended or seems to have ended, what is only watched behind; by priority, then onset"
            ),
        ] = Order.NEWEST,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Page[AlertOut]:
        return views.alerts(
            state=state,
            kind=kind,
            dma=dma,
            assignee=assignee,
            since=since,
            order=order,
            limit=limit,
            cursor=cursor,
        )

    @routes.get("/alerts/causes", summary="False alarms by DMA, kind and cause, most frequent first")
    @needs(Right.SEE)
    def causes() -> list[CauseOut]:
        return views.causes()

    @routes.get("/alerts/{id}", summary="One alert with its history", responses=_NAMED)
    @needs(Right.SEE)
    def one(id: AlertId) -> AlertDetail:
        return views.alert(id)

    @routes.get("/alerts/{id}/history", summary="What happened to an alert, oldest first", responses=_NAMED)
    @needs(Right.SEE)
    def history(id: AlertId) -> list[EntryOut]:
        return views.alert(id).history

    @routes.post(
        "/alerts/{id}/transitions",
        summary="Take a step with an alert, or add a note",
        responses={404: {}, 403: {}, 409: {}, 413: {}},
    )
    @needs(Right.WORK)
    def transition(id: AlertId, asked: Transition) -> AlertDetail:
        """`actions` of the alert says what can be done with it now; `docs/alerts.md` what each takes.

        `version` is that of the alert as the person saw it. Where the alert has changed since, the answer is
        409 with `current_version`: fetch it, look again, then act. The same action sent again with the same
        `key` is done once. With a `key`, `version` may be left out: the action is then done whatever has
        happened since, if the alert's state still allows it. `actor` is for a demo, which has no accounts:
        else it is who is signed in, and another one is refused."""
        permit(right_of_action(asked.action))
        alerts.act(id, **{**asked.asked(), "actor": actor_of(asked.actor)})
        return views.alert(id)

    return routes


def actor_of(asked: str) -> str:
    """Who acts: whoever is signed in; in a demo, who they say. RequestIncomplete for another name."""
    asker = current()
    if asker.via is Via.OPEN:
        return asked
    if asked.strip() not in ("", asker.shown):
        raise RequestIncomplete("the actor is who is signed in: leave `actor` out")
    return asker.shown
