"""What stands before every route: hosts, origins, sizes, compression, and a stopwatch.

A browser can be made to send requests to a server on its own machine or network by any page that it
shows. Such a page must not act (cross-origin requests that change something are refused) and must not
read (a name that an attacker points to 127.0.0.1 is no name of ours, so its requests are refused).
"""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from fastapi import FastAPI
from opentelemetry import propagate, trace
from prometheus_client import CollectorRegistry, Histogram
from starlette.datastructures import Headers
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ingest.decoders.json_readings import MAX_BYTES
from twuin.api.problems import problem
from twuin.photos.picture import MAX_FILE

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]+)?")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
MAX_BODY = 64 * 1024
"""Longest request body [bytes]: the longest that most routes take is a note."""

LARGER: tuple[tuple[re.Pattern[str], int], ...] = (
    (re.compile(r"(?!.*/api/).*/bills"), 24 * 2**20),  # a file of 2 MB in a form; of more the page says so
    (re.compile(r".*/api/v1/bills"), 3 * 2**20),
    (re.compile(r".*/api/v1/alerts/[^/]+/photos"), MAX_FILE),
    (re.compile(r".*/api/v1/messages/.+"), MAX_BYTES),
    (re.compile(r".*/lapor"), 24 * 2**20),  # a form with a photo; of more than 8 MB the page itself says so
    (re.compile(r".*/api/v1/public-reports"), 12 * 2**20),  # a photo of 8 MB in base64
)
"""Routes that take more [bytes]: files."""


def install_guards(
    app: FastAPI, *, allowed_hosts: Sequence[str], max_body: int = MAX_BODY, site: str = ""
) -> None:
    """Put the guards before all routes of ``app``.

    allowed_hosts: names by which this server is called (without port); "*" for any, which is safe only
    behind a proxy that checks them. A bare IP address is always taken: nobody can point it elsewhere.
    Durations of requests are kept in ``app.state.registry``. site: whose requests these are, for traces.
    """
    registry = CollectorRegistry()
    app.state.registry = registry
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=6)
    app.add_middleware(Guard, allowed_hosts=allowed_hosts, max_body=max_body)
    app.add_middleware(Stopwatch, registry=registry, site=site)


class Guard:
    """Refuses foreign hosts, foreign origins and oversized bodies."""

    def __init__(self, app: ASGIApp, allowed_hosts: Sequence[str], max_body: int = MAX_BODY) -> None:
        self.app = app
        self._max_body = max_body
        self._any = "*" in allowed_hosts
        self._hosts = frozenset(h.lower().strip("[]") for h in allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._is_ours(host):
            answer = problem(
                421,
                f"this server is not called {host[:80]!r}: add the name to web.allowed_hosts, or use another",
            )
            await answer(scope, receive, send)
        elif scope["method"] not in SAFE_METHODS and not same_origin(headers):
            await problem(403, "a page of another origin may not change anything here")(scope, receive, send)
        elif _length(headers) > (limit := self._limit(scope)):
            await _too_large(limit, scope)(scope, receive, send)
        else:
            await _bounded(self.app, limit, scope, receive, send)

    def _limit(self, scope: Scope) -> int:
        return max((size for path, size in LARGER if path.fullmatch(scope["path"])), default=self._max_body)

    def _is_ours(self, host: str) -> bool:
        if self._any:
            return True
        parsed = _HOST.fullmatch(host.lower())
        if parsed is None:
            return False
        name = parsed[1].strip("[]")
        return name in self._hosts or _is_address(name)


async def _bounded(app: ASGIApp, limit: int, scope: Scope, receive: Receive, send: Send) -> None:
    """Cut off a body that is longer than it may be, whatever its headers said."""
    seen, started = 0, False

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise _TooLarge
        return message

    async def noted(message: Message) -> None:
        nonlocal started
        started = True
        await send(message)

    try:
        await app(scope, counted, noted)
    except _TooLarge:
        if not started:
            await _too_large(limit, scope)(scope, receive, send)


def _too_large(limit: int, scope: Scope) -> ASGIApp:
    """A page where a browser's form was too large and the application has pages, else a problem."""
    page: Callable[[Scope], Response] | None = getattr(scope["app"].state, "too_large", None)
    browser = "text/html" in Headers(scope=scope).get("accept", "") and "/api/" not in scope["path"]
    if page is not None and browser:
        answer = page(scope)
        answer.headers["Connection"] = "close"
        return answer
    return problem(413, f"the body is longer than {limit} bytes", headers={"Connection": "close"})


class _TooLarge(BaseException):
    """Passes all handlers of errors on its way out."""


def _length(headers: Headers) -> int:
    text = headers.get("content-length", "0")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def same_origin(headers: Headers) -> bool:
    """Whether a request comes from a page of ours or from a program, and not from another site's page.

    Browsers say so in Sec-Fetch-Site, older ones in Origin; programs send neither.
    """
    site = headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    if origin is None:
        return True
    try:
        return urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
    except ValueError:
        return False


tracer = trace.get_tracer("twuin.http")


class Stopwatch:
    """Measures and traces requests by route; what is no route of the application itself counts as "other".

    Addresses are left out of traces: some hold a secret, as a link in a message to a crew does.
    """

    def __init__(self, app: ASGIApp, registry: CollectorRegistry, site: str = "") -> None:
        self.app, self._site = app, site
        self._seconds = Histogram(
            "twuin_http_request_seconds",
            "Time to the end of an answer, event streams left out",
            ("method", "route", "status"),
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=registry,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status, stream = time.perf_counter(), 500, False

        async def noted(message: Message) -> None:
            nonlocal status, stream
            if message["type"] == "http.response.start":
                status = message["status"]
                stream = (
                    Headers(raw=message["headers"]).get("content-type", "").startswith("text/event-stream")
                )
            await send(message)

        method = scope["method"] if scope["method"] in _METHODS else "other"
        with tracer.start_as_current_span(
            method,
            context=propagate.extract(Headers(scope=scope)),
            kind=trace.SpanKind.SERVER,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                await self.app(scope, receive, noted)
            finally:
                route = getattr(scope.get("route"), "path", None) or "other"
                if not stream:
                    self._seconds.labels(method, route, str(status)).observe(time.perf_counter() - began)
                span.update_name(f"{method} {route}")
                span.set_attribute("twuin.site", self._site)
                span.set_attribute("http.request.method", method)
                span.set_attribute("http.route", route)
                span.set_attribute("http.response.status_code", status)
                if status >= 500:
                    span.set_status(trace.StatusCode.ERROR)


_METHODS = SAFE_METHODS | {"POST", "PUT", "PATCH", "DELETE"}
