"""What became of alerts over some days: how leaks were dealt with, and how well they were located."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from twuin.alerts.model import Kind
from twuin.views.base import Model
from twuin.views.locator import found_in, locator_out
from twuin.views.models import AlertDetail
from twuin.views.response import responses_out
from twuin.views.run import LONGEST
from twuin.views.run_models import ResponsesOut
from twuin.views.score_models import LocatorOut
from waterworks.site import Site

if TYPE_CHECKING:
    from twuin.views.views import Views

YEAR = timedelta(days=365)
"""Over which it is told how well leaks are located: of fewer months there are too few leaks."""

USUAL_DAYS = 28

WATER = (Kind.LEAK, Kind.NIGHT_FLOW, Kind.LOW_INFLOW, Kind.SUPPLY, Kind.REPORTED)


class ResultsOut(Model):
    """How leaks were dealt with in some days, and how well they were located in the year up to their end."""

    response: ResponsesOut
    locator: LocatorOut


def results(views: Views, site: Site, start: date | None = None, end: date | None = None) -> ResultsOut:
    """Of the local days from ``start`` up to and with ``end``; without ``end`` up to today, without ``start``
    28 days. What is still to come of them is not counted."""
    now, zone = views.now(), site.timezone
    last = end or now.astimezone(zone).date()
    first = start or last - timedelta(days=USUAL_DAYS - 1)
    begin, over = midnight(first, zone), min(midnight(last + timedelta(days=1), zone), now)
    alerts = alerts_about(views, WATER, begin, over, worked_on=min(begin - LONGEST, over - YEAR))
    return ResultsOut(
        response=responses_out(alerts, site, views.night_day_factors(), (first, last), begin, over),
        locator=locator_out(found_in(alerts, over - YEAR, over), (over - YEAR).astimezone(zone).date(), last),
    )


def alerts_about(
    views: Views, kinds: Collection[Kind], since: datetime, over: datetime, *, worked_on: datetime
) -> list[AlertDetail]:
    """Alerts detected before ``over`` that lasted at or after ``since``; of those over before, but not before
    ``worked_on``, the ones that a crew has found or mended."""
    found: list[AlertDetail] = []
    cursor: str | None = None
    while True:
        page = views.alerts(kind=kinds, since=min(since, worked_on), limit=200, cursor=cursor)
        for a in page.items:
            lasted = a.ended is None or a.ended >= since
            if a.detected < over and (lasted or a.place is not None or a.repaired_at is not None):
                found.append(views.alert(a.id))
        cursor = page.next
        if cursor is None:
            return found


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """At which a local day begins."""
    return datetime(day.year, day.month, day.day, tzinfo=zone)
