"""What every answer tells the browser, and which forms are taken."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Everything comes from here: no inline script or style, no other host. MapLibre's style sheet has its icons
# in data: URLs.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data: blob:",
        "worker-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)

HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=()",
}


HSTS = "max-age=31536000"
"""Where it is reached by TLS, a browser is to come back by nothing else, for a year."""


class SecurityHeaders:
    """Adds the headers above to every answer that does not bring its own. Streams pass untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if scope.get("scheme") == "https":
                    headers.setdefault("strict-transport-security", HSTS)
            await send(message)

        await self.app(scope, receive, send_with_headers)


def install_headers(app: Starlette) -> None:
    """Put the headers on every answer of ``app``, also on that to a defect.

    What answers a defect stands before all middleware, so these headers stand before that.
    """
    build = app.build_middleware_stack
    app.build_middleware_stack = lambda: SecurityHeaders(build())  # type: ignore[method-assign]


def same_origin(headers: Headers) -> bool:
    """Whether a form came from a page of ours, and not from one that another site put before the reader.

    Browsers say where a request comes from in Sec-Fetch-Site and Origin; a client that sends neither is
    no browser and carries nobody's session.
    """
    site = headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host", "")


def local_path(path: str | None) -> str:
    """``path`` if it leads to a page of ours, else the first page: no redirect leaves this server."""
    if not path or not path.startswith("/") or path.startswith(("//", "/\\")) or "\\" in path:
        return "/"
    if any(ord(character) < 32 for character in path):
        return "/"
    return path
