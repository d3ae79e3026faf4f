"""Billed volumes: a file checked, put in, and what was put in before."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from twuin.access import guarded_router, needs
from twuin.access.current import current
from twuin.accounts.rights import Right
from twuin.api.params import PREFIX
from twuin.views.bill_desk import BillDesk, BillsChecked, BillUpload

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_FILE: dict[str, Any] = {"requestBody": {"required": True, "content": {"text/csv": _BINARY, _XLSX: _BINARY}}}


def bill_routes(bills: BillDesk) -> APIRouter:
    """/bills."""
    routes = guarded_router(prefix=PREFIX, tags=["reports"])

    @routes.post("/bills", summary="Put in what was billed", openapi_extra=_FILE, responses={413: {}})
    @needs(Right.BILLS)
    async def put(
        request: Request,
        file: Annotated[
            str, Query(min_length=1, max_length=200, description="Its name: ends in .csv or .xlsx")
        ],
        sheet: Annotated[str, Query(max_length=80, description="Of a workbook with several")] = "",
        check: Annotated[bool, Query(description="Only look: nothing is written")] = False,
    ) -> BillsChecked:
        """The file itself is the body, of 2 MB at most, with the columns of billed.csv. With any error
        nothing is written (`taken` is false); a month and DMA that is there already is replaced."""
        body = await request.body()
        who = current().shown or "demo"

        def work() -> BillsChecked:
            return bills.check(file, body, sheet) if check else bills.take(file, body, who, sheet)

        return await run_in_threadpool(work)

    @routes.get("/bills/uploads", summary="Bills that were put in, newest first")
    @needs(Right.BILLS)
    def uploads() -> list[BillUpload]:
        return bills.uploads()

    return routes
