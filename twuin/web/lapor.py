"""The public's pages: report, follow, withdraw, and what is promised. No account, no script needed."""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from twuin.access import GuardedRoute, guarded_router, needs
from twuin.access.door import source_of
from twuin.accounts.rights import Anyone
from twuin.residents.keys import written_code
from twuin.residents.model import BadReport, Category, Odd, Sent, TooManyReports
from twuin.residents.parts import Residents
from twuin.residents.photo import MOST_BYTES
from twuin.views.models import SiteOut
from twuin.views.residents import charter
from twuin.web.forms import ForeignForm
from twuin.web.locales import LANGUAGES
from twuin.web.render import LANGUAGE_COOKIE, Page, Templates
from twuin.web.resident_words import ResidentWords
from twuin.web.security import same_origin
from twuin.web.street_map import SIZE, read_streets
from waterworks.errors import NotFound
from waterworks.reading import as_datetime

OPEN_HEADERS = {"permissions-policy": "camera=(), microphone=(), geolocation=(self), payment=()"}
"""Where somebody is, is asked for on the page that reports it, when they tap the button."""

CODE_HEADERS = {"x-robots-tag": "noindex, nofollow", "referrer-policy": "same-origin"}
"""The address holds a code: nobody else is told it."""

FIELDS = ("category", "lon", "lat", "where", "words", "phone", "moment", "website")
_MOST = {"words": 4000, "where": 400}
_YEAR = 31_536_000

EXAMPLE = "k3f9-w7ta-m2qd"
"""What a code looks like."""

STEPS = ("received", "checking", "sent", "found", "repairing", "repaired")
"""The way of a report, as whoever sent it sees it."""


def lapor_routes(templates: Templates, residents: Residents) -> APIRouter:
    """/lapor and what is below it."""
    routes = guarded_router(GuardedRoute)
    public = residents.public
    site = public.site
    streets = read_streets(site.folder)

    def page(request: Request, lang: str = "") -> Page:
        # Nothing of the readings: this page stands while their store is away.
        shown = SiteOut(
            id=site.id,
            name=site.name,
            timezone=site.timezone.key,
            now=as_datetime(residents.clock.now()),
            clock_speed=1.0,
            clock="wall",
            watermark=None,
            stale_after_s=None,
            catching_up=False,
            has_readings=True,
            has_network=False,
            currency=site.monitor.currency,
            bounds=None,
        )
        return Page(templates, request, shown, lang if lang in LANGUAGES else None)

    def answer(p: Page, template: str, status: int = 200, **context: Any) -> Response:
        given = {"rw": ResidentWords(p.formats), "call": residents.call, "example": EXAMPLE, **context}
        response = p.response(template, status, **given)
        for name, value in OPEN_HEADERS.items():
            response.headers[name] = value
        asked = p.request.query_params.get("lang", "")
        if asked in LANGUAGES:
            https = p.request.url.scheme == "https"
            response.set_cookie(
                LANGUAGE_COOKIE, asked, max_age=_YEAR, httponly=True, samesite="lax", secure=https
            )
        return response

    def form_page(
        p: Page, given: dict[str, str], *, problem: str = "", status: int = 200, tapped: bool = False
    ) -> Response:
        said = charter_words(p)
        mark = _position(given)
        return answer(
            p,
            "lapor.html",
            status,
            categories=list(Category),
            given={name: given.get(name, "") for name in FIELDS},
            problem=problem,
            tapped=tapped,
            moment=given.get("moment") or public.moment(),
            streets=streets is not None,
            map_size=SIZE,
            pin=None if streets is None or mark is None else streets.pixel(*mark),
            corners=None if streets is None else [*streets.at(0, 0), *streets.at(SIZE, SIZE)],
            promised=said,
            most_bytes=MOST_BYTES,
            days=math.ceil(public.options.erase / timedelta(days=1)),
            latest=math.ceil(public.options.erase_latest / timedelta(days=1)),
        )

    def charter_words(p: Page) -> list[str]:
        return ResidentWords(p.formats).promised(charter(residents).residents)

    @routes.get("/lapor")
    @needs(Anyone.PUBLIC)
    def form(request: Request, lang: str = "") -> Response:
        return form_page(page(request, lang), {})

    @routes.post("/lapor")
    @needs(Anyone.PUBLIC)
    async def send(request: Request) -> Response:
        if not same_origin(request.headers):
            raise ForeignForm
        async with request.form(max_files=2, max_fields=30, max_part_size=64 * 1024) as said:
            given = {n: v[: _MOST.get(n, 200)] for n in FIELDS if isinstance(v := said.get(n), str)}
            tap = [said.get("map.x"), said.get("map.y")]
            photo = said.get("photo")
            data = await photo.read(MOST_BYTES + 1) if isinstance(photo, UploadFile) else b""
        return await run_in_threadpool(_send, request, given, tap, data)

    def _send(request: Request, given: dict[str, str], tap: list[Any], photo: bytes) -> Response:
        p = page(request)
        if streets is not None and all(isinstance(v, str) and v.isdigit() and len(v) < 5 for v in tap):
            lon, lat = streets.at(float(tap[0]), float(tap[1]))
            return form_page(p, {**given, "lon": str(lon), "lat": str(lat)}, tapped=True)
        at = _position(given)
        sent = Sent(
            given.get("category", ""),
            given.get("moment", ""),
            given.get("phone", ""),
            given.get("where", ""),
            given.get("words", ""),
            at[0] if at else None,
            at[1] if at else None,
            photo or None,
            given.get("website", ""),
        )
        try:
            taken = public.submit(sent, source_of(request))
        except BadReport as e:
            if e.word == "moment":
                given.pop("moment", None)
            return form_page(p, given, problem=e.word, status=422)
        except TooManyReports as e:
            word = {Odd.PHONE: "many_phone", None: "many_all"}.get(e.by, "many")
            response = form_page(p, given, problem=word, status=429)
            response.headers["retry-after"] = str(math.ceil(e.wait_s))
            return response
        kept = "" if taken.photo else "&photo=no"
        return RedirectResponse(f"{p.base}/lapor/{taken.code}?new=1{kept}", 303)

    @routes.get("/lapor/peta.svg")
    @needs(Anyone.PUBLIC)
    def picture(request: Request, lon: str = "", lat: str = "") -> Response:
        """The map of streets, with a pin."""
        if streets is None:
            raise HTTPException(404)
        drawn = streets.svg(_position({"lon": lon[:20], "lat": lat[:20]}))
        return Response(drawn, media_type="image/svg+xml", headers={"cache-control": "max-age=3600"})

    @routes.get("/lapor/janji")
    @needs(Anyone.PUBLIC)
    def promises(request: Request, month: str = "", lang: str = "") -> Response:
        """What is promised, and how it is kept."""
        p = page(request, lang)
        present = p.known_site.now.astimezone(site.timezone).date().replace(day=1)
        first = _month(month) or present
        if first > present or first < present - timedelta(days=800):
            first = present
        found = charter(residents, first)
        before = (first - timedelta(days=1)).replace(day=1)
        after = (first + timedelta(days=32)).replace(day=1)
        return answer(
            p,
            "lapor_janji.html",
            found=found,
            first=first,
            before=f"{before:%Y-%m}",
            after=f"{after:%Y-%m}" if after <= present else None,
        )

    @routes.get("/lapor/cek")
    @needs(Anyone.PUBLIC)
    def look_up(request: Request, code: str = "", lang: str = "") -> Response:
        """From a code that was typed in to its page."""
        p = page(request, lang)
        typed = code.strip()[:60]
        if typed:
            return RedirectResponse(f"{p.base}/lapor/{quote(typed, safe='')}", 303)
        return answer(p, "lapor_cek.html", problem="", code="")

    @routes.get("/lapor/{code}")
    @needs(Anyone.PUBLIC)
    def follow(request: Request, code: str, new: str = "", photo: str = "", lang: str = "") -> Response:
        return code_page(page(request, lang), code, new=bool(new), no_photo=photo == "no")

    def code_page(
        p: Page, code: str, *, new: bool = False, no_photo: bool = False, problem: str = ""
    ) -> Response:
        try:
            found = public.track(code, source_of(p.request))
        except NotFound:
            response = answer(p, "lapor_cek.html", 404, problem="code", code=code[:60])
        except TooManyReports as e:
            response = answer(p, "lapor_cek.html", 429, problem="many", code=code[:60])
            response.headers["retry-after"] = str(math.ceil(e.wait_s))
        else:
            response = answer(
                p,
                "lapor_status.html",
                422 if problem else 200,
                found=found,
                code=written_code(code),
                new=new,
                no_photo=no_photo,
                problem=problem,
                steps=STEPS,
            )
        for name, value in CODE_HEADERS.items():
            response.headers[name] = value
        return response

    @routes.post("/lapor/{code}")
    @needs(Anyone.PUBLIC)
    async def withdraw(request: Request, code: str) -> Response:
        """Withdraw it, by the phone number that it came with."""
        if not same_origin(request.headers):
            raise ForeignForm
        async with request.form(max_files=1, max_fields=5, max_part_size=1024) as said:
            phone = said.get("phone")
        number = phone[:60] if isinstance(phone, str) else ""
        return await run_in_threadpool(_withdraw, request, code, number)

    def _withdraw(request: Request, code: str, phone: str) -> Response:
        p = page(request)
        try:
            public.withdraw(code, phone, source_of(request))
        except NotFound:
            return code_page(p, code, problem="phone")
        except TooManyReports:
            return code_page(p, code)
        return RedirectResponse(f"{p.base}/lapor/{quote(code, safe='')}", 303)

    return routes


def _position(given: dict[str, str]) -> tuple[float, float] | None:
    try:
        lon, lat = float(given.get("lon", "")), float(given.get("lat", ""))
    except ValueError:
        return None
    return (lon, lat) if abs(lon) <= 180 and abs(lat) <= 90 else None


def _month(text: str) -> date | None:
    try:
        return date.fromisoformat(f"{text}-01") if len(text) == 7 else None
    except ValueError:
        return None
