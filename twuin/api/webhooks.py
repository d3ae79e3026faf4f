"""What other systems tell: planned works, customers' complaints, how work orders stand."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.exceptions import RequestValidationError
from pydantic import Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from twuin.access import guarded_router, needs
from twuin.access.door import Access, source_of, visitor_of
from twuin.accounts.rights import Anyone
from twuin.alerts.service import AlertService
from twuin.alerts.work import LeakType, Method, Place
from twuin.api.pace import Pace
from twuin.api.params import PREFIX, When
from twuin.api.problems import NotTold
from twuin.api.works import WorkIn
from twuin.hooks.senders import Sender, Senders, Topic
from twuin.hooks.signature import NotSigned, check, once
from twuin.residents.model import Category, Sent
from twuin.residents.parts import Residents
from twuin.views.models import Model, PlaceOut
from twuin.works.service import WorkService
from waterworks.errors import NotFound

log = logging.getLogger(__name__)

PACE_S, BURST = 5.0, 200
"""Messages a second that one address may send in the long run, and at once."""

Ref = Annotated[str, Field(min_length=1, max_length=80, description="The sender's own number of it")]
ACTION = {
    "assigned": "assign",
    "on_site": "arrive",
    "located": "locate",
    "not_found": "not_found",
    "repairing": "start_repair",
    "repaired": "repaired",
    "note": "note",
}
"""The step with an alert that a work order's state is."""


class Planned(WorkIn):
    """``work.planned``: a planned work, entered once for each ``ref``."""

    ref: Ref


class Cancelled(Model):
    """``work.cancelled``: it does not take place, or is over."""

    ref: Ref
    why: str = Field("", max_length=2000)


class Complaint(Model):
    """``complaint.received``: what a customer said, as a resident's report."""

    category: Category
    phone: str = Field(max_length=60)
    where: str = Field("", max_length=400, description="Street or landmark")
    words: str = Field("", max_length=4000)
    lon: float | None = Field(None, ge=-180, le=180, allow_inf_nan=False)
    lat: float | None = Field(None, ge=-90, le=90, allow_inf_nan=False)


class Order(Model):
    """``order.changed``: how the work order of an alert stands."""

    alert: str = Field(min_length=1, max_length=40, description="Id of the alert")
    state: str = Field(pattern=f"^({'|'.join(ACTION)})$")
    assignee: str = Field("", max_length=80, description="Person or crew; required for assigned")
    note: str = Field("", max_length=2000)
    place: PlaceOut | None = Field(None, description="Required for located")
    leak_type: LeakType | None = None
    method: Method | None = None
    happened: When | None = None


class HookOut(Model):
    """What became of a message. id: of the work, report or alert. code: with which a report is followed."""

    type: str
    id: str
    code: str = ""


TYPES: dict[str, tuple[Topic, type[Model]]] = {
    "work.planned": (Topic.WORKS, Planned),
    "work.cancelled": (Topic.WORKS, Cancelled),
    "complaint.received": (Topic.COMPLAINTS, Complaint),
    "order.changed": (Topic.ORDERS, Order),
}
"""Types of messages: who may send each, and what their data are."""

_BODY = {
    "requestBody": {
        "required": True,
        "description": "Signed as Standard Webhooks says; docs/webhooks-in.md tells the data of each type",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["type", "data"],
                    "properties": {
                        "type": {"type": "string", "enum": list(TYPES)},
                        "data": {"type": "object"},
                    },
                }
            }
        },
    },
    "parameters": [
        {"name": name, "in": "header", "required": True, "schema": {"type": "string"}}
        for name in ("webhook-id", "webhook-timestamp", "webhook-signature")
    ],
}


def webhook_routes(
    senders: Senders,
    works: WorkService | None,
    alerts: AlertService,
    residents: Residents | None,
    clock: Callable[[], float] = time.time,
) -> APIRouter:
    """/webhooks. clock: of the wall [s since 1970]."""
    routes = guarded_router(prefix=PREFIX, tags=["webhooks"])
    pace = Pace(PACE_S, BURST, clock)

    def work_planned(sender: Sender, said: Planned) -> HookOut:
        assert works is not None
        made = works.enter(said.plan(), actor=sender.shown, key=once(sender, f"work {said.ref}"))
        return HookOut(type="", id=made.id)

    def work_cancelled(sender: Sender, said: Cancelled) -> HookOut:
        assert works is not None
        try:
            work = works.keyed(once(sender, f"work {said.ref}"))
        except NotFound:
            raise NotFound(f"there is no planned work with ref {said.ref[:40]!r} of {sender.name}") from None
        if not work.cancelled:
            works.cancel(work.id, version=work.version, actor=sender.shown, note=said.why)
        return HookOut(type="", id=work.id)

    def complaint(sender: Sender, said: Complaint, id: str) -> HookOut:
        assert residents is not None
        sent = Sent(said.category.value, "", said.phone, said.where, said.words, said.lon, said.lat)
        taken = residents.public.pass_on(sent, once(sender, id), sender.shown)
        return HookOut(type="", id=taken.report.id, code=taken.code)

    def order(sender: Sender, said: Order, id: str) -> HookOut:
        place = None if said.place is None else Place(**said.place.model_dump())
        alert = alerts.act(
            said.alert,
            ACTION[said.state],
            version=None,
            actor=sender.shown,
            assignee=said.assignee,
            note=said.note,
            place=place,
            leak_type=said.leak_type,
            method=said.method,
            happened=said.happened,
            key=once(sender, id),
        )
        return HookOut(type="", id=alert.id)

    def take(request: Request, name: str, body: bytes) -> HookOut:
        pace.take(source_of(request))
        sender = senders.get(name)
        id = request.headers.get("webhook-id", "")
        try:
            check(
                sender,
                id,
                request.headers.get("webhook-timestamp", ""),
                request.headers.get("webhook-signature", ""),
                body,
                now=clock(),
            )
        except NotSigned as e:
            _note(request, name, str(e))
            raise
        assert sender is not None
        kind, said = _read(body)
        topic = TYPES[kind][0]
        if topic not in sender.may:
            _note(request, name, f"{kind}: may not tell {topic}")
            raise NotTold(f"{sender.name} may not tell {topic}: twuin webhook add says what a sender may")
        if isinstance(said, Planned | Cancelled) and works is None:
            raise NotFound("planned works are not kept here")
        if isinstance(said, Complaint) and residents is None:
            raise NotFound("complaints are not taken here")
        if isinstance(said, Planned):
            done = work_planned(sender, said)
        elif isinstance(said, Cancelled):
            done = work_cancelled(sender, said)
        elif isinstance(said, Complaint):
            done = complaint(sender, said, id)
        else:
            assert isinstance(said, Order)
            done = order(sender, said, id)
        return done.model_copy(update={"type": kind})

    @routes.post(
        "/webhooks/{sender}",
        summary="Tell what happened, signed",
        openapi_extra=_BODY,
        responses={401: {}, 403: {}, 404: {}, 409: {}, 413: {}, 429: {}},
    )
    @needs(Anyone.PUBLIC)
    async def webhook(
        request: Request, sender: Annotated[str, Path(max_length=80, description="Name of the sender")]
    ) -> HookOut:
        """A message of another system, by Standard Webhooks. Its signature says who sends it; the same
        `webhook-id` again is done once."""
        body = await request.body()
        return await run_in_threadpool(take, request, sender, body)

    return routes


def _read(body: bytes) -> tuple[str, Model]:
    """Type and data of a body whose signature is good. Raises RequestValidationError."""
    try:
        told: Any = json.loads(body)
    except (ValueError, RecursionError):
        raise _wrong("", "the body is no JSON") from None
    if not isinstance(told, dict):
        raise _wrong("", "the body is no object with type and data")
    kind, data = told.get("type"), told.get("data")
    if not isinstance(kind, str) or kind not in TYPES:
        raise _wrong("type", f"use one of {', '.join(TYPES)}")
    try:
        # As JSON, which takes times and words as they are written there.
        return kind, TYPES[kind][1].model_validate_json(json.dumps(data))
    except ValidationError as e:
        found = [{**error, "loc": ("body", "data", *error["loc"])} for error in e.errors()]
        raise RequestValidationError(found) from None
    except (ValueError, RecursionError):
        raise _wrong("data", "cannot be read") from None


def _wrong(where: str, message: str) -> RequestValidationError:
    return RequestValidationError([{"loc": ("body", where), "msg": message, "type": "value_error"}])


def _note(request: Request, name: str, why: str) -> None:
    """Into the security log, where there is one."""
    access: Access = request.state.access
    if access.accounts is None:
        log.warning("webhook of %r refused: %s", name[:80], why)
        return
    access.accounts.sign_in.failed(f"webhook {name}", visitor_of(request), why)
