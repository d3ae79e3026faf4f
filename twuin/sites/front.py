"""Before the applications of all sites: the host name of a request alone says whose it is."""

from __future__ import annotations

import re
from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from twuin.api.problems import problem
from twuin.web.outside import NO_UTILITY
from twuin.web.security import SecurityHeaders

_HOST = re.compile(r"([a-z0-9._-]+)(?::[0-9]{1,5})?")


class ByHost:
    """Gives a request to the application of its host; no other application hears of it.

    A host of its own makes each site an origin of its own: browsers keep cookies, service workers, stored
    pages and scripts apart by it. Paths are not looked at, so no path leads to another site.
    """

    def __init__(self, stranger: ASGIApp | None = None) -> None:
        """stranger: what answers requests for hosts that are nobody's; None: a problem by RFC 9457."""
        self._applications: dict[str, ASGIApp] = {}
        self._refuse = SecurityHeaders(_nobody)
        self._stranger = stranger or self._refuse

    def put(self, hosts: Iterable[str], application: ASGIApp) -> None:
        """From now on requests for ``hosts`` (small letters, no port) go to ``application``."""
        self._applications |= dict.fromkeys(hosts, application)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        await self._of(scope)(scope, receive, send)

    def _of(self, scope: Scope) -> ASGIApp:
        named = Headers(scope=scope).getlist("host")
        # Two names: another program on the way may have believed the other one.
        found = _HOST.fullmatch(named[0].lower()) if len(named) == 1 else None
        return self._applications.get(found[1], self._stranger) if found else self._refuse


async def _nobody(scope: Scope, receive: Receive, send: Send) -> None:
    await problem(421, NO_UTILITY)(scope, receive, send)


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
