"""Routes that say what they take, and an application that has no others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from twuin.access.cookies import FORM_HEADER, is_own_form
from twuin.access.current import NotPermitted, current, permit
from twuin.accounts.model import Via
from twuin.accounts.rights import Need

F = TypeVar("F", bound=Callable[..., Any])

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_NEEDS = "__twuin_needs__"


def needs(need: Need) -> Callable[[F], F]:
    """Says of an endpoint what it takes; stands directly above its ``def``."""

    def mark(endpoint: F) -> F:
        setattr(endpoint, _NEEDS, need)
        return endpoint

    return mark


def need_of(route: Any) -> Need | None:
    """What a route takes, None where it does not say."""
    found: Need | None = getattr(getattr(route, "endpoint", None), _NEEDS, None)
    return found if isinstance(route, GuardedRoute) else None


class GuardedRoute(APIRoute):
    """A route that asks for its right before anything of the request is read."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        if getattr(endpoint, _NEEDS, None) is None:
            raise TypeError(
                f"route {path} does not say what it takes: put @needs(...) above {endpoint.__name__}"
            )
        super().__init__(path, endpoint, **options)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        permit(getattr(self.endpoint, _NEEDS))
        await super().handle(scope, receive, send)


class ApiRoute(GuardedRoute):
    """A route for programs and scripts: with a session, a change also takes the header of our own pages.

    A token needs no header: no page of another site can make a browser send one.
    """

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in SAFE and current().via is Via.SESSION:
            request = Request(scope)
            if not is_own_form(request, request.headers.get(FORM_HEADER, "")):
                raise NotPermitted(
                    f"with a session, a change takes the header {FORM_HEADER} of a page of ours"
                )
        await super().handle(scope, receive, send)


def guarded_router(route: type[GuardedRoute] = ApiRoute, **options: Any) -> APIRouter:
    """An APIRouter whose routes each say what they take; of pages, ``route`` is GuardedRoute."""
    return APIRouter(route_class=route, **options)


def leaves(routes: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(path, route) of every route, in routers and mounted applications too."""
    for route in routes:
        inner = getattr(route, "original_router", None)  # FastAPI keeps included routers whole
        if inner is not None:
            yield from leaves(inner.routes, prefix)
        elif isinstance(route, Mount) and not isinstance(route.app, StaticFiles):
            yield from leaves(getattr(route.app, "routes", [route]), prefix + route.path)
        else:
            yield prefix + str(getattr(route, "path", route)), route


def check_routes(app: FastAPI) -> None:
    """TypeError where ``app`` has a route that does not say what it takes: it must not be served."""
    for path, route in leaves(app.routes):
        public_files = isinstance(route, Mount) and isinstance(route.app, StaticFiles)
        if not public_files and need_of(route) is None:
            raise TypeError(
                f"route {path} does not say what it takes: make it with guarded_router and @needs"
            )
