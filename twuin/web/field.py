"""The crew's phone: a page that is installed, works without a line, and asks for little data.

The page itself holds nothing of anybody: it is the same for all, so that it can be kept on the phone and
opens also when a session has ended. Who one is and what one may see comes from ``/field/session`` and
``/field/jobs``.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from twuin.access import GuardedRoute, guarded_router, needs
from twuin.access.cookies import form_secret
from twuin.access.current import NotSignedIn, current
from twuin.accounts.model import Via
from twuin.accounts.rights import Anyone, Right
from twuin.accounts.secret import form_token
from twuin.alerts.crew import CREW_ACTIONS
from twuin.alerts.steps import STEPS
from twuin.alerts.work import LeakType, Method
from twuin.views.models import SiteOut
from twuin.views.views import Views
from twuin.web.field_words import job_words
from twuin.web.formats import zone_names
from twuin.web.locales import LANGUAGES, language
from twuin.web.render import STATIC, Page, Templates
from twuin.web.security import HEADERS

SCRIPTS = (
    "field.js",
    "fieldforms.js",
    "fieldmap.js",
    "fieldparts.js",
    "fieldphoto.js",
    "fieldqueue.js",
    "fieldsend.js",
    "fieldstore.js",
    "fieldtext.js",
    "fieldviews.js",
    "fieldwords.js",
)
SHELL = (
    "css/field.css",
    "img/favicon.svg",
    "img/field-192.png",
    *(f"js/{name}" for name in SCRIPTS),
)
"""Files that a phone keeps, beside the page itself."""

THEME = "#0f2a3d"
"""Colour of the bar that the phone draws around an installed page."""

PERMISSIONS = HEADERS["permissions-policy"].replace("geolocation=()", "geolocation=(self)")
"""The one page that may ask where the phone is."""

Crew = Annotated[list[str], Query(max_length=3)]


def field_page_routes(templates: Templates, views: Views) -> APIRouter:
    """/field and what it fetches. views: what whoever asks may see."""
    routes = guarded_router(GuardedRoute)
    build = _build(templates)

    @routes.get("/field")
    @needs(Anyone.PUBLIC)
    def shell(request: Request) -> Response:
        page = Page(templates, request, None)
        answer = page.response("field.html", setup=_setup(page, build), theme_colour=THEME)
        answer.headers["permissions-policy"] = PERMISSIONS
        return answer

    @routes.get("/field/sw.js")
    @needs(Anyone.PUBLIC)
    def worker(request: Request) -> Response:
        """The service worker: it changes with every file that the phone keeps, and so renews them."""
        base = _base(request)
        static = f"{base}/static/{templates.digest}"
        about = {
            "build": build,
            "page": f"{base}/field",
            "files": [f"{static}/{name}" for name in SHELL],
        }
        text = f'import {{ start }} from "{static}/js/fieldworker.js";\nstart({json.dumps(about)});\n'
        headers = {"cache-control": "no-cache", "service-worker-allowed": f"{base}/field"}
        return Response(text, media_type="text/javascript", headers=headers)

    @routes.get("/field/manifest.webmanifest")
    @needs(Anyone.PUBLIC)
    def manifest(request: Request) -> Response:
        page = Page(templates, request, None)
        _, base = page.formats.gettext, page.base
        images = f"{base}/static/{templates.digest}/img"
        about = {
            "id": f"{base}/field",
            "name": _("Twuin in the field"),
            "short_name": "Twuin",
            "description": _("Leaks to find and repair, also without a line"),
            "lang": page.code,
            "dir": "ltr",
            "start_url": f"{base}/field",
            "scope": f"{base}/field",
            "display": "standalone",
            "orientation": "any",
            "theme_color": THEME,
            "background_color": "#ffffff",
            "categories": ["utilities", "productivity"],
            "icons": [
                {"src": f"{images}/field-{size}.png", "sizes": f"{size}x{size}", "type": "image/png"}
                for size in (192, 512)
            ]
            + [
                {
                    "src": f"{images}/field-maskable-512.png",
                    "sizes": "512x512",
                    "type": "image/png",
                    "purpose": "maskable",
                }
            ],
        }
        return Response(json.dumps(about, ensure_ascii=False), media_type="application/manifest+json")

    @routes.get("/field/session")
    @needs(Anyone.PUBLIC)
    def session(request: Request) -> Response:
        """Who is signed in on this phone, and what its scripts need to send something."""
        asker = current()
        if asker.via is Via.NOBODY:
            return _plain({"signed_in": False})
        secret = "" if asker.via is Via.OPEN else form_secret(request)
        site = views.frame()
        return _plain(
            {
                "signed_in": True,
                "account": asker.account,
                "name": asker.name,
                "shown": asker.shown,
                "open": asker.via is Via.OPEN,
                "rights": sorted(asker.rights),
                "form": form_token(secret) if secret else "",
                **_clock(site),
            }
        )

    @routes.get("/field/jobs")
    @needs(Right.SEE)
    def jobs(crew: Crew = []) -> Response:  # noqa: B006 - FastAPI copies it
        """As /api/v1/field/jobs, with the sentences of the page."""
        found = views.field.jobs(_names(crew))
        listed = [{**j.model_dump(mode="json"), "words": job_words(j, found.site)} for j in found.jobs]
        return _plain({**_clock(found.site), "crews": found.crews, "jobs": listed})

    @routes.get("/field/jobs/{id}")
    @needs(Right.SEE)
    def job(id: str, crew: Crew = []) -> Response:  # noqa: B006
        """As /api/v1/field/jobs/{id}, with the sentences of the page."""
        found, site = views.field.job(id, _names(crew)), views.frame()
        return _plain({**found.model_dump(mode="json"), "words": job_words(found, site)})

    return routes


def _names(crews: list[str]) -> list[str]:
    asker = current()
    if asker.via is Via.NOBODY:
        raise NotSignedIn("sign in")
    return [n for n in (asker.name, asker.shown, *(c.strip()[:80] for c in crews)) if n]


def _plain(content: dict[str, Any]) -> JSONResponse:
    return JSONResponse(content, headers={"cache-control": "no-store"})


def _base(request: Request) -> str:
    return str(request.scope.get("root_path", "")).rstrip("/")


def _clock(site: SiteOut) -> dict[str, Any]:
    """What time it is at the site, and how fast it goes there."""
    return {
        "site": site.name,
        "now": site.now.isoformat(),
        "speed": 0.0 if site.clock == "data" else site.clock_speed,
        "timezone": site.timezone,
        "zone": zone_names(ZoneInfo(site.timezone), site.now.year),
    }


def _setup(page: Page, build: str) -> dict[str, Any]:
    """What the page's scripts start from; nothing of whoever looks at it."""
    return {
        "base": page.base,
        "build": build,
        "language": page.code,
        "languages": LANGUAGES,
        "messages": {code: language(code).field_messages for code in LANGUAGES if code != "en"},
        "steps": {
            s.action: {"from": [state.value for state in s.sources], "to": s.target and s.target.value}
            for s in STEPS
            if s.action in CREW_ACTIONS
        },
        "leakTypes": [t.value for t in LeakType],
        "methods": [m.value for m in Method],
    }


def _build(templates: Templates) -> str:
    """Another one whenever anything that a phone keeps has changed."""
    digest = hashlib.blake2b(templates.build.encode(), digest_size=6)
    for code in LANGUAGES:
        digest.update(json.dumps(language(code).field_messages, sort_keys=True).encode())
    for name in SHELL:
        digest.update((STATIC / name).read_bytes())
    return digest.hexdigest()
