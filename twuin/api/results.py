"""Results: how leaks were dealt with, and how well they were located."""

from __future__ import annotations

from fastapi import APIRouter

from twuin.access import guarded_router, needs
from twuin.accounts.rights import Right
from twuin.api.losses import Day, days_or_refused
from twuin.api.params import PREFIX
from twuin.views.results import ResultsOut
from twuin.views.views import Views


def result_routes(views: Views) -> APIRouter:
    """/results."""
    routes = guarded_router(prefix=PREFIX, tags=["alerts"])

    @routes.get("/results", summary="How leaks were dealt with, and how well they were located")
    @needs(Right.SEE)
    def results(start: Day = None, end: Day = None) -> ResultsOut:
        """From the local day `start` up to and with `end`; without `end` up to today, without `start` 28
        days. `locator` is of the year up to `end`. docs/results.md says how each figure is counted."""
        days_or_refused(start, end)
        return views.results(start, end)

    return routes
