"""Puts the pages into the application."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from twuin.access.current import seen_alerts, seen_reports, seen_views
from twuin.accounts.service import AccountService
from twuin.alerts.service import AlertService
from twuin.oidc.signing_in import ProviderSignIn
from twuin.residents.parts import Residents
from twuin.traces import NO_TRACES_OF_ITS_OWN
from twuin.views.report_desk import ReportDesk
from twuin.views.views import Views
from twuin.web.admin_pages import admin_routes
from twuin.web.bill_pages import bill_page_routes
from twuin.web.errors import install_error_pages, too_large_page
from twuin.web.field import field_page_routes
from twuin.web.lapor import lapor_routes
from twuin.web.own_pages import own_routes
from twuin.web.pages import page_routes
from twuin.web.render import STATIC, Templates
from twuin.web.report_pages import report_page_routes
from twuin.web.resident_pages import resident_desk_routes
from twuin.web.result_pages import result_page_routes
from twuin.web.security import install_headers
from twuin.web.sign_in_pages import sign_in_routes
from twuin.web.step_pages import step_page_routes
from twuin.web.take import Takes, take_routes
from twuin.web.wall import wall_routes
from twuin.web.wall_file import WallFile
from twuin.web.what_if_pages import what_if_page_routes
from twuin.web.work_pages import work_page_routes


class _KeptFiles(StaticFiles):
    """Files whose address changes with their content: browsers need never ask again."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.setdefault("cache-control", "public, max-age=31536000, immutable")
        return response


def mount_pages(
    app: FastAPI,
    views: Views,
    alerts: AlertService,
    takes: Takes | None = None,
    reports: ReportDesk | None = None,
    wall: WallFile | None = None,
    accounts: AccountService | None = None,
    provider: ProviderSignIn | None = None,
    residents: Residents | None = None,
) -> None:
    """Serve the pages from the root of ``app``. Call it last: they take every path that is left over.

    takes: what links in messages do; None: there are none. reports: those that are made and kept; None: no
    pages for them. wall: what the control room's displays show; None: every site's usual wall. accounts:
    None in a demo, which has none. provider: where people may sign in instead of here. residents: their
    reports; None: no pages for them.

    Also sets the security headers, on every answer of ``app``.
    """
    templates = Templates(views.site_name)
    seen = seen_views(views)
    pages = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, telemetry=NO_TRACES_OF_ITS_OWN)
    pages.mount(f"/static/{templates.digest}", _KeptFiles(directory=STATIC))
    if takes is not None:
        pages.include_router(take_routes(templates, views, alerts, takes))
    if residents is not None:
        if residents.open:
            pages.include_router(lapor_routes(templates, residents))
        pages.include_router(resident_desk_routes(templates, seen, residents))
    pages.include_router(page_routes(templates, seen, seen_alerts(alerts, views), residents))
    pages.include_router(step_page_routes(templates, seen))
    pages.include_router(result_page_routes(templates, seen))
    if views.works is not None:
        pages.include_router(work_page_routes(templates, seen))
    pages.include_router(what_if_page_routes(templates, seen))
    if reports is not None:
        pages.include_router(report_page_routes(templates, seen, seen_reports(reports, views)))
        pages.include_router(bill_page_routes(templates, seen, reports.bills))
    pages.include_router(field_page_routes(templates, seen))
    pages.include_router(wall_routes(templates, seen, wall))
    pages.include_router(sign_in_routes(templates, accounts, provider))
    if accounts is not None:
        called = "" if provider is None else provider.name
        pages.include_router(own_routes(templates, seen, accounts, called))
        pages.include_router(admin_routes(templates, seen, accounts, called))
    install_error_pages(pages, templates, seen, residents)
    app.mount("/", pages)
    app.state.too_large = lambda scope: too_large_page(templates, Request(scope), residents)
    install_headers(app)
