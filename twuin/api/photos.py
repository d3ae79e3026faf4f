"""Photos of alerts: send, list, fetch, take away."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from twuin.access import guarded_router, needs
from twuin.access.current import current
from twuin.accounts.rights import Right
from twuin.alerts.crew import CREW_ACTIONS
from twuin.alerts.service import SOMEONE, AlertService
from twuin.api.alerts import actor_of
from twuin.api.params import PREFIX, AlertId, When
from twuin.photos.model import MEDIA_TYPE
from twuin.photos.service import PhotoService
from twuin.views.photos import PhotoOut, photo_out
from twuin.views.views import Views

PhotoId = Annotated[str, Path(max_length=40, description="Id of a photo")]
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_NAMED: dict[int | str, dict[str, Any]] = {404: {}}


def photo_routes(views: Views, alerts: AlertService, photos: PhotoService) -> APIRouter:
    """/alerts/{id}/photos. views, alerts: as whoever asks sees them, which is asked before each photo."""
    routes = guarded_router(prefix=PREFIX, tags=["alerts"])

    @routes.get("/alerts/{id}/photos", summary="Photos of an alert, oldest first", responses=_NAMED)
    @needs(Right.SEE)
    def listed(id: AlertId) -> list[PhotoOut]:
        return views.photos.of(id)

    @routes.post(
        "/alerts/{id}/photos",
        summary="Send a photo",
        status_code=201,
        responses={404: {}, 403: {}, 413: {}},
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"image/jpeg": _BINARY, "image/png": _BINARY, "image/webp": _BINARY},
            }
        },
    )
    @needs(Right.WORK)
    async def add(
        request: Request,
        id: AlertId,
        key: Annotated[
            str,
            Query(min_length=1, max_length=80, pattern=r"\S", description="Made anew for each; kept once"),
        ],
        happened: Annotated[When | None, Query(description="When it was taken, by the site's clock")] = None,
        step: Annotated[
            str, Query(pattern=f"^({'|'.join(CREW_ACTIONS)})?$", description="The action it was taken for")
        ] = "",
        actor: Annotated[str, Query(max_length=80, description="For a demo, which has no accounts")] = "",
    ) -> PhotoOut:
        """The file itself is the body: JPEG, PNG or WebP of at most 4 MiB. It is read and written anew as
        JPEG of at most 1600 pixels, without what the phone wrote into it (place, time, make). At most 24 an
        alert. The same `key` again is kept once."""
        await run_in_threadpool(alerts.get, id)
        file = await request.body()

        def keep() -> PhotoOut:
            who = actor_of(actor) or SOMEONE
            return photo_out(photos.add(id, file, key=key, actor=who, happened=happened, step=step))

        return await run_in_threadpool(keep)

    @routes.get(
        "/alerts/{id}/photos/{photo}",
        summary="A photo's picture",
        response_class=Response,
        responses={200: {"content": {MEDIA_TYPE: _BINARY}}, 404: {}},
    )
    @needs(Right.SEE)
    def picture(
        id: AlertId,
        photo: PhotoId,
        small: Annotated[bool, Query(description="Of 320 pixels, for lists")] = False,
    ) -> Response:
        headers = {"cache-control": "private, max-age=86400, immutable", "content-disposition": "inline"}
        return Response(views.photos.file(id, photo, small=small), media_type=MEDIA_TYPE, headers=headers)

    @routes.delete(
        "/alerts/{id}/photos/{photo}", summary="Take a photo away", status_code=204, responses=_NAMED
    )
    @needs(Right.CLOSE)
    def remove(id: AlertId, photo: PhotoId) -> None:
        """For good: its picture is forgotten; that there was one is kept."""
        alerts.get(id)
        photos.remove(id, photo, current().shown or SOMEONE)

    return routes
