"""The page on which bills are put in: a file, what is wrong with it by line, then yes or no."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from twuin.access import GuardedRoute, guarded_router, needs
from twuin.access.cookies import FORM_FIELD, is_own_form
from twuin.access.current import current
from twuin.accounts.model import Via
from twuin.accounts.rights import Right
from twuin.views.bill_desk import MAX_BYTES, BillDesk, BillsChecked
from twuin.views.views import Views
from twuin.web.bill_words import BillWords
from twuin.web.forms import ForeignForm, read_form
from twuin.web.render import Page, Templates
from twuin.web.security import same_origin
from waterworks.errors import NotFound


def bill_page_routes(templates: Templates, views: Views, bills: BillDesk) -> APIRouter:
    """/bills."""
    routes = guarded_router(GuardedRoute)

    def page(
        request: Request, looked: BillsChecked | None = None, status: int = 200, problem: str = ""
    ) -> Response:
        p = Page(templates, request, views.frame())
        return p.response(
            "bills.html",
            status,
            bill_words=BillWords(p.formats),
            looked=looked,
            problem=problem,
            done=request.query_params.get("done", ""),
            uploads=bills.uploads(),
            names={d.id: d.name for d in views.known_dmas},
            most=MAX_BYTES // 2**20,
        )

    @routes.get("/bills")
    @needs(Right.BILLS)
    def shown(request: Request) -> Response:
        return page(request)

    @routes.post("/bills")
    @needs(Right.BILLS)
    async def look(request: Request) -> Response:
        """A file that was chosen is looked at, and held until somebody says yes."""
        if not same_origin(request.headers):
            raise ForeignForm
        name, body, sheet = "", b"", ""
        try:
            async with request.form(max_files=1, max_fields=5, max_part_size=1024) as said:
                token, file = said.get(FORM_FIELD), said.get("file")
                if current().via is not Via.OPEN and not is_own_form(request, str(token or "")):
                    raise ForeignForm
                sheet = str(said.get("sheet") or "").strip()[:80]
                if isinstance(file, UploadFile):
                    name, body = file.filename or "", await file.read(MAX_BYTES + 1)
        except MultiPartException:
            raise HTTPException(400) from None
        if not name:
            return await run_in_threadpool(page, request, None, 422, "no_file")
        looked = await run_in_threadpool(bills.hold, name, body, sheet)
        return await run_in_threadpool(page, request, looked, 422 if looked.errors else 200)

    @routes.post("/bills/take")
    @needs(Right.BILLS)
    async def take(request: Request) -> Response:
        form = await read_form(request)
        base = Page(templates, request, None).base
        try:
            await run_in_threadpool(bills.take_held, form.get("digest", ""), current().shown or "demo")
        except NotFound:
            return await run_in_threadpool(page, request, None, 409, "gone")
        return RedirectResponse(f"{base}/bills?done=1", 303)

    return routes
