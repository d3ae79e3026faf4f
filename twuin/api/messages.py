"""Readings over HTTP: messages as devices publish them, for what cannot speak MQTT."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query
from fastapi.exceptions import RequestValidationError
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from ingest.handed_in import HandIn
from twuin.access import guarded_router, needs
from twuin.access.door import source_of
from twuin.accounts.rights import Right
from twuin.api.pace import Pace
from twuin.api.params import PREFIX
from twuin.views.models import Model
from waterworks.errors import NotFound

PACE_S, BURST = 50.0, 2_000
"""Messages a second that one address may send in the long run, and at once: a network server brings what all
its devices send."""

_UPLINK = "up"  # the event of ChirpStack that carries readings


class RefusedOut(Model):
    reason: str = Field(description="As in docs/bad-input.md")
    detail: str
    readings: int


class HandedInOut(Model):
    """What became of a message."""

    readings: int = Field(description="Durable now")
    waiting: bool = Field(description="They wait on disk, as the store is away; it gets them by itself")
    held: int = Field(description="Readings with times that cannot be right, in the quarantine")
    states: int = Field(description="What it said of devices: status, battery")
    refused: list[RefusedOut] = Field(description="What was wrong with the rest, kept as rejected input")


def message_routes(hand_in: HandIn) -> APIRouter:
    """/messages."""
    routes = guarded_router(prefix=PREFIX, tags=["ingest"])
    pace = Pace(PACE_S, BURST)

    @routes.post(
        "/messages/{topic:path}",
        summary="Take a message as from a device",
        openapi_extra={
            "requestBody": {
                "required": True,
                "description": "What would be published to the topic; docs/formats.md",
                "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
            }
        },
        responses={404: {}, 413: {}, 415: {}, 429: {}},
    )
    @needs(Right.SEND)
    async def message(
        request: Request,
        topic: Annotated[str, Path(max_length=1000, description="The topic it would be published to")],
        event: Annotated[
            str | None,
            Query(max_length=80, description="Last level of the topic, where the sender gives it so"),
        ] = None,
    ) -> HandedInOut:
        """Readings of a message are durable when this answers 200; the same again is stored once. Of any
        other answer take it that they are not."""
        pace.take(source_of(request))
        if (coding := request.headers.get("content-encoding", "identity").strip().lower()) != "identity":
            raise HTTPException(
                415,
                f"a body in the encoding {coding[:40]!r} is not taken: send it uncompressed, without "
                "the header Content-Encoding",
                headers={"Accept-Encoding": "identity"},
            )
        body = await request.body()
        whole = topic if event is None else f"{topic}/{event}"
        try:
            taken = await run_in_threadpool(hand_in.take, whole, body)
        except NotFound:
            if event in (None, _UPLINK):  # readings, lost without a word if this were answered 200
                raise
            # Who gives the event so sends all kinds to one address, and takes an error for a fault of ours.
            return HandedInOut(readings=0, waiting=False, held=0, states=0, refused=[])
        if taken.refused and not (taken.readings or taken.held or taken.states):
            raise RequestValidationError(
                [
                    {"loc": ("body", r.reason.value), "msg": r.detail, "type": "value_error"}
                    for r in taken.refused
                ]
            )
        return HandedInOut(
            readings=taken.readings,
            waiting=taken.waiting,
            held=taken.held,
            states=taken.states,
            refused=[
                RefusedOut(reason=r.reason.value, detail=r.detail, readings=r.readings) for r in taken.refused
            ],
        )

    return routes
