"""The page behind a message's link: one tap acknowledges an alert, without an account.

Looking at it changes nothing: programs that preview links look at them too. Whoever holds the link acts as
its receiver, which the history then names. Its signature is what lets it in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from twuin.access import GuardedRoute, guarded_router, needs
from twuin.accounts.rights import Anyone
from twuin.alerts.model import State
from twuin.alerts.service import AlertService
from twuin.alerts.steps import TransitionRefused
from twuin.notify.links import Links, Taken
from twuin.notify.model import Receiver
from twuin.views.models import AlertDetail
from twuin.views.views import Views
from twuin.web.render import Page, Templates
from twuin.web.security import same_origin
from waterworks.errors import NotFound

HEADERS = {
    # The link is a key: other hosts are not told it. (Without any referrer a browser would not even say that
    # the form comes from here, and the tap would be refused.)
    "referrer-policy": "same-origin",
    "x-robots-tag": "noindex, nofollow",
}

BY_LINK = " (link)"
"""Behind a receiver's name in the history: it was whoever held the link."""


@dataclass(frozen=True)
class Takes:
    """What links in messages let their holders do.

    languages, crews: of the receivers, by name. wall: the machine's time.
    """

    links: Links
    languages: Mapping[str, str] = field(default_factory=dict)
    wall: Callable[[], datetime] = lambda: datetime.now(UTC)
    crews: Mapping[str, str] = field(default_factory=dict)

    def is_theirs(self, receiver: str, assignee: str) -> bool:
        """Whether an alert with this assignee is for the receiver, or the crew it belongs to."""
        return Receiver(receiver, (), crew=self.crews.get(receiver, "")).answers_to(assignee)


def take_routes(templates: Templates, views: Views, alerts: AlertService, takes: Takes) -> APIRouter:
    """/a/{token}: the one page that acts without an account.

    views, alerts: the whole site's, as the link's signature says for which alert it is.
    """
    routes = guarded_router(GuardedRoute)

    def answer(request: Request, token: str, *, tapped: bool) -> Response:
        taken = takes.links.read(token)
        language = None if taken is None else takes.languages.get(taken.receiver)
        page = Page(templates, request, views.frame(), language)
        if taken is None:
            return _say(page, "foreign", 404)
        alert = _alert(taken)
        if alert is None:  # the database was restored from an older back-up, or is another one
            return _say(page, "gone", 404, taken=taken)
        if taken.until <= takes.wall():
            return _say(page, "expired", 410, taken=taken)
        if alert.state is State.ASSIGNED and takes.is_theirs(taken.receiver, alert.assignee):
            return go(page, token, taken, alert, tapped=tapped)
        if alert.state is not State.OPEN:
            return _say(page, "settled", 200, taken=taken, alert=alert, who=_who(page, alert))
        if not tapped:
            return _say(page, "ask", 200, taken=taken, alert=alert)
        try:
            # Whatever was measured since: as long as the alert is open, it can be taken on. By the version
            # in the key a second tap is the same one, and one after the alert was opened again is another.
            alerts.act(
                taken.alert,
                "acknowledge",
                version=None,
                key=f"link-{_digest(token)}-{alert.version}",
                actor=taken.receiver + BY_LINK,
            )
        except TransitionRefused:  # somebody was faster
            alert = _alert(taken) or alert
            return _say(page, "settled", 200, taken=taken, alert=alert, who=_who(page, alert))
        return _say(page, "done", 200, taken=taken, alert=_alert(taken) or alert)

    def go(page: Page, token: str, taken: Taken, alert: AlertDetail, *, tapped: bool) -> Response:
        """Say that whom the alert was assigned to has heard of it and goes, once an assignment."""
        sent = max((i for i, e in enumerate(alert.history) if e.action == "assigned"), default=0)
        accepted = [e.actor for e in alert.history[sent:] if e.action == "accepted"]
        heard = bool(accepted)
        if heard and taken.receiver + BY_LINK not in accepted:  # another of the crew said so
            return _say(page, "settled", 200, taken=taken, alert=alert, who=_who(page, alert))
        if not tapped and not heard:
            return _say(page, "go", 200, taken=taken, alert=alert)
        if not heard:
            with suppress(TransitionRefused):  # it went on meanwhile: the page says how it stands
                alerts.act(
                    taken.alert,
                    "accept",
                    version=None,
                    key=f"link-{_digest(token)}-go-{sent}",
                    assignee=alert.assignee,
                    actor=taken.receiver + BY_LINK,
                )
        return _say(page, "going", 200, taken=taken, alert=_alert(taken) or alert)

    def _alert(taken: Taken) -> AlertDetail | None:
        try:
            return views.alert(taken.alert)
        except NotFound:
            return None

    @routes.get("/a/{token}")
    @needs(Anyone.PUBLIC)
    def look(request: Request, token: str) -> Response:
        return answer(request, token, tapped=False)

    @routes.post("/a/{token}")
    @needs(Anyone.PUBLIC)
    async def tap(request: Request, token: str) -> Response:
        if not same_origin(request.headers):
            raise HTTPException(403)
        return await run_in_threadpool(answer, request, token, tapped=True)

    return routes


def _say(page: Page, what: str, status: int, **facts: object) -> Response:
    empty: dict[str, object] = {"taken": None, "alert": None, "who": ""}
    response = page.response("take.html", status, what=what, **{**empty, **facts})
    response.headers.update(HEADERS)
    return response


def _who(page: Page, alert: AlertDetail) -> str:
    """Who took the alert on, by its history; "" where nobody did."""
    actors = [
        e.actor for e in alert.history if e.action in ("acknowledged", "assigned", "accepted", "arrived")
    ]
    return page.words.actor(actors[-1]).removesuffix(BY_LINK) if actors else ""


def _digest(token: str) -> str:
    return hashlib.blake2b(token.encode(), digest_size=10).hexdigest()
