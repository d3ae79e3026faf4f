"""Alerts in the order in which a dispatcher takes them up."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from enum import StrEnum

from twuin.alerts.model import PENDING, Alert, State
from twuin.alerts.priority import rank
from twuin.alerts.service import MAX_LIMIT, AlertPage, BadCursor, decode_cursor, encode_cursor
from waterworks.site import Site

_LIVING, _REST = "u", "r"


class Order(StrEnum):
    """How alerts are listed."""

    NEWEST = "newest"  # onset
    URGENT = "urgent"  # those that are not over before the others, by priority, then by onset


def rung(alert: Alert, site: Site) -> int:
    """How far behind the most urgent an alert stands that is not over; 0: it runs, and its priority is high.

    What is mended or seems to have ended stands behind what runs, what is only watched behind what pays a
    visit; within these the priority counts.
    """
    mended = alert.state is State.REPAIRED or alert.finding.ended is not None
    return (2 * mended + alert.watched) * 3 + 2 - rank(alert, site).priority


def urgent_page(
    listed: Callable[..., AlertPage], site: Site, states: Collection[State], limit: int, cursor: str | None
) -> AlertPage:
    """A page of alerts, the most urgent first; after them those that are over, newest onset first.

    listed: ``AlertService.list`` with all conditions but states, limit and cursor. Raises BadCursor.
    """
    wanted = set(states or State)
    living, rest = wanted & set(PENDING), wanted - set(PENDING)
    kind, _, place = (cursor or f"{_LIVING}-").partition("-")
    if kind not in (_LIVING, _REST) or (kind == _LIVING and cursor is not None and not place):
        raise BadCursor(f"no page cursor of this order: {(cursor or '')[:40]!r}")
    items: list[Alert] = []
    if kind == _LIVING and living:
        ranked = _ranked(listed, site, living)
        if place:
            after = _read(place)
            ranked = [r for r in ranked if _behind(r, after)]
        items = [alert for _, alert in ranked[:limit]]
        if len(ranked) > limit:
            behind, last = ranked[limit - 1]
            return AlertPage(items, f"{_LIVING}-{behind}-{encode_cursor(last)}")
    if not rest:
        return AlertPage(items, None)
    if len(items) == limit:
        # Whether there is more is not known without a look; it begins at the first of the rest.
        more = listed(states=rest, limit=1).items
        return AlertPage(items, f"{_REST}-" if more else None)
    page = listed(states=rest, limit=limit - len(items), cursor=place if kind == _REST and place else None)
    return AlertPage([*items, *page.items], page.next and f"{_REST}-{page.next}")


def _ranked(
    listed: Callable[..., AlertPage], site: Site, states: Collection[State]
) -> list[tuple[int, Alert]]:
    """All alerts of ``states``, most urgent first. They are those of now: few, however long a site runs."""
    found: list[tuple[int, Alert]] = []
    cursor: str | None = None
    while True:
        page = listed(states=states, limit=MAX_LIMIT, cursor=cursor)
        found += [(rung(alert, site), alert) for alert in page.items]
        cursor = page.next
        if cursor is None:
            return sorted(found, key=lambda r: r[0])  # stable: within a rung newest onset first


def _read(place: str) -> tuple[int, datetime, str]:
    behind, _, where = place.partition("-")
    if not (behind.isascii() and behind.isdigit() and len(behind) < 4):
        raise BadCursor(f"no page cursor of this order: {place[:40]!r}")
    return int(behind), *decode_cursor(where)


def _behind(ranked: tuple[int, Alert], after: tuple[int, datetime, str]) -> bool:
    behind, alert = ranked
    if behind != after[0]:
        return behind > after[0]
    return (alert.finding.onset, alert.id) < after[1:]
