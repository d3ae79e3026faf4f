"""Which monthly reports are due: a pure function of the calendar."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from twuin.views.reports import Period

CATCH_UP = 3
"""Months that are made up for after Twuin did not run, or ran for the first time on old data: further back
nobody waits for them, and they can be made by hand."""


def due(now: datetime, begun: date, analysed: date, day: int, at: int, keep: int) -> list[Period]:
    """Months whose report is due at the local time ``now`` (without zone), the oldest first.

    A month is due from day ``day`` of the next month, ``at`` minutes after midnight, on, once its last day
    was ``analysed``; of the newest months, ``CATCH_UP`` at most and not more than are kept. begun: the day
    of the first reading: months before it have no report.
    """
    month = Period.month_of(now.date()).before()
    next_first = month.last + timedelta(days=1)
    moment = datetime.combine(next_first, datetime.min.time()) + timedelta(days=day - 1, minutes=at)
    if now < moment:
        month = month.before()
    found = []
    for _ in range(min(CATCH_UP, keep)):
        if month.last < begun:
            break
        if month.last <= analysed:
            found.append(month)
        month = month.before()
    return found[::-1]
