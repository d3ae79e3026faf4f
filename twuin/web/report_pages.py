"""The page of reports: make one, and those that are kept."""

from __future__ import annotations

from babel.dates import format_date
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from twuin.access import GuardedRoute, guarded_router, needs
from twuin.accounts.rights import Right
from twuin.views.report_desk import ReportDesk
from twuin.views.reports import Period
from twuin.views.views import Views
from twuin.web.locales import LANGUAGES
from twuin.web.render import Page, Templates
from waterworks.errors import SettingsError

FORMATS = {"pdf": "PDF", "xlsx": "Excel"}


def report_page_routes(templates: Templates, views: Views, reports: ReportDesk) -> APIRouter:
    """/reports."""
    routes = guarded_router(GuardedRoute)

    @routes.get("/reports")
    @needs(Right.SITE)
    def shown(request: Request) -> Response:
        page = Page(templates, request, views.frame())
        stored: dict[str, list[object]] = {}
        for x in reports.stored():
            stored.setdefault(x.period, []).append(x)
        periods = reports.periods()
        present = str(Period.month_of(views.losses_end()))
        over = next((p for p in periods if "-" in p and p < present), periods[0] if periods else "")
        return page.response(
            "reports.html",
            stored=stored,
            periods=periods,
            chosen=over,
            formats=FORMATS,
            named={p: period_name(p, page.code) for p in {*stored, *periods}},
            language=page.code,
        )

    @routes.get("/reports/make")
    @needs(Right.SITE)
    def make(request: Request, period: str = "", format: str = "", language: str = "") -> Response:
        """Sends the browser on to the file; what is chosen wrongly, back to the page."""
        base = Page(templates, request, None).base
        try:
            asked = str(Period.of(period))
        except SettingsError:
            return RedirectResponse(f"{base}/reports", 303)
        kind = format if format in FORMATS else "pdf"
        code = language if language in LANGUAGES else "id"
        return RedirectResponse(f"{base}/api/v1/reports/{asked}/file?format={kind}&language={code}", 303)

    return routes


def period_name(period: str, code: str) -> str:
    """A month or year as people say it."""
    first = Period.of(period).first
    return str(format_date(first, "MMMM y" if "-" in period else "y", code))
