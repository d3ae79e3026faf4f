"""Losses: water balance, indicators, night flow, pressure and costs."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.exceptions import RequestValidationError

from twuin.access import guarded_router, needs
from twuin.accounts.rights import Right
from twuin.api.params import PREFIX
from twuin.views.loss_models import LossesOut
from twuin.views.losses import wrong_days
from twuin.views.views import Views

Day = Annotated[date | None, Query(examples=["2026-10-31"])]


def loss_routes(views: Views) -> APIRouter:
    """/losses."""
    routes = guarded_router(prefix=PREFIX, tags=["losses"])

    @routes.get("/losses", summary="Losses of the site and of each DMA")
    @needs(Right.SEE)
    def losses(start: Day = None, end: Day = None) -> LossesOut:
        """From the local day `start` up to and with `end`; without `end` up to the last whole day, without
        `start` 28 days. A figure that is not known is null; `why` has a word for the reason, which
        docs/losses.md explains."""
        days_or_refused(start, end)
        return views.losses(start, end)

    return routes


def days_or_refused(start: date | None, end: date | None) -> None:
    """Refuse days that nothing can be told of, as a mistake in the request."""
    wrong = wrong_days(start, end)
    if wrong is not None:
        name, message = wrong
        raise RequestValidationError(
            [{"loc": ("query", name), "msg": message, "type": "value_error", "input": None}]
        )
