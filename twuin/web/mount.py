"""Puts the pages into the application."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from twuin.access.current import seen_alerts, seen_views
from twuin.accounts.service import AccountService
from twuin.alerts.service import AlertService
from twuin.views.report_desk import ReportDesk
from twuin.views.views import Views
from twuin.web.admin_pages import admin_routes
from twuin.web.errors import install_error_pages
from twuin.web.own_pages import own_routes
from twuin.web.pages import page_routes
from twuin.web.render import STATIC, Templates
from twuin.web.report_pages import report_page_routes
from twuin.web.security import SecurityHeaders
from twuin.web.sign_in_pages import sign_in_routes
from twuin.web.take import Takes, take_routes
from twuin.web.wall import wall_routes
from twuin.web.wall_file import WallFile


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
) -> None:
    """Serve the pages from the root of ``app``. Call it last: they take every path that is left over.

    takes: what links in messages do; None: there are none. reports: those that are made and kept; None: no
    pages for them. wall: what the control room's displays show; None: every site's usual wall. accounts:
    None in a demo, which has none.

    Also sets the security headers, on every answer of ``app``.
    """
    templates = Templates(views.site().name)
    seen = seen_views(views)
    pages = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    pages.mount(f"/static/{templates.digest}", _KeptFiles(directory=STATIC))
    if takes is not None:
        pages.include_router(take_routes(templates, views, alerts, takes))
    pages.include_router(page_routes(templates, seen, seen_alerts(alerts, views)))
    if reports is not None:
        pages.include_router(report_page_routes(templates, seen, reports))
    pages.include_router(wall_routes(templates, views, wall))  # for who sees the whole site
    pages.include_router(sign_in_routes(templates, accounts))
    if accounts is not None:
        pages.include_router(own_routes(templates, seen, accounts))
        pages.include_router(admin_routes(templates, seen, accounts))
    install_error_pages(pages, templates, seen)
    app.mount("/", pages)
    app.add_middleware(SecurityHeaders)
