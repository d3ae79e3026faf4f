"""Reports: those that are kept, and any month or year made now."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.exceptions import RequestValidationError
from starlette.responses import Response

from twuin.access import guarded_router, needs
from twuin.accounts.rights import Right
from twuin.api.params import PREFIX
from twuin.views.models import Model
from twuin.views.report_desk import ReportDesk, ReportFile, StoredReport
from twuin.views.report_models import ReportOut
from waterworks.errors import SettingsError

Period = Annotated[str, Path(max_length=20, description="Month or year", examples=["2026-10"])]

_FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "application/pdf": {"schema": {"type": "string", "format": "binary"}},
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": {
                "schema": {"type": "string", "format": "binary"}
            },
        },
        "description": "The file",
    },
    404: {},
}


class Format(StrEnum):
    """What a report is sent as."""

    PDF = "pdf"
    XLSX = "xlsx"


class Language(StrEnum):
    """What a report is written in."""

    ID = "id"
    EN = "en"


class ReportsOut(Model):
    """Reports that are kept, and the months and years that one can be made of."""

    items: list[StoredReport]
    periods: list[str]


def report_routes(reports: ReportDesk) -> APIRouter:
    """/reports."""
    routes = guarded_router(prefix=PREFIX, tags=["reports"])

    @routes.get("/reports", summary="Reports that are kept, and what others can be made of")
    @needs(Right.SITE)
    def listed() -> ReportsOut:
        return ReportsOut(items=reports.stored(), periods=reports.periods())

    @routes.get(
        "/reports/files/{name}", summary="A report that is kept", responses=_FILE, response_class=Response
    )
    @needs(Right.SITE)
    def kept(name: Annotated[str, Path(max_length=200)]) -> Response:
        return attached(reports.file(name))

    @routes.get("/reports/{period}", summary="A report of a month or a year, made now")
    @needs(Right.SITE)
    def figures(period: Period) -> ReportOut:
        """Of a month that is not over: of its days up to the last one that was analysed (`complete` is
        then false). docs/reports.md says what its figures are."""
        try:
            return reports.report(period)
        except SettingsError as e:
            raise _wrong(e) from None

    @routes.get(
        "/reports/{period}/file", summary="The same as PDF or Excel", responses=_FILE, response_class=Response
    )
    @needs(Right.SITE)
    def made(period: Period, format: Format = Format.PDF, language: Language = Language.ID) -> Response:
        """Takes some seconds: it is made when it is asked for."""
        try:
            return attached(reports.make(period, language.value, format.value))
        except SettingsError as e:
            raise _wrong(e) from None

    return routes


def attached(file: ReportFile) -> Response:
    """A file for the browser to save under its name."""
    headers = {"content-disposition": f'attachment; filename="{file.name}"', "cache-control": "no-store"}
    return Response(file.body, media_type=file.media, headers=headers)


def _wrong(error: SettingsError) -> RequestValidationError:
    return RequestValidationError(
        [{"loc": ("path", "period"), "msg": str(error), "type": "value_error", "input": None}]
    )
