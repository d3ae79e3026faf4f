"""Whether a plan can be: complete, within bounds, about things that the site has."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from twuin.works.model import HOUR_S, Plan, WorkKind, WorkRefused

LONGEST = timedelta(days=92)
"""Without a weekly pattern. What lasts longer, as low pressure all year, is no event, but what is usual."""

MOST_REFILL_S = 72 * HOUR_S
MOST_EXTRA = 10_000 / 3600.0  # m3/s: more than any DMA takes
FIRST_YEAR, LAST_YEAR = 2000, 2100
MOST_NAMES, MOST_NOTE = 500, 2000


@dataclass(frozen=True, slots=True)
class Known:
    """Ids that a site has; sensors that measure what flows in or lies in some DMAs only."""

    dmas: Collection[str]
    sensors: Collection[str]
    pipes: Collection[str]


def check(plan: Plan, known: Known) -> None:
    """Raises WorkRefused for a plan that cannot be."""
    _named("dmas", "DMA", plan.dmas, known.dmas)
    _named("pipes", "pipe", plan.pipes, known.pipes)
    _named("sensors", "sensor", plan.sensors, known.sensors)
    if not (plan.dmas or plan.pipes or plan.sensors):
        raise WorkRefused("dmas", "say where: at least one DMA, pipe or sensor")
    _times(plan)
    _effects(plan)
    if len(plan.note) > MOST_NOTE:
        raise WorkRefused("note", f"the note is longer than {MOST_NOTE:,} characters")


def _named(field: str, what: str, given: Collection[str], known: Collection[str]) -> None:
    if len(given) > MOST_NAMES:
        raise WorkRefused(field, f"more than {MOST_NAMES} are named: enter it for the DMA")
    for name in given:
        if name not in known:
            raise WorkRefused(field, f"there is no {what} {name[:40]!r} here")


def _times(plan: Plan) -> None:
    for when, field in ((plan.start, "start"), (plan.end, "end")):
        if when is not None and not FIRST_YEAR <= when.year < LAST_YEAR:
            raise WorkRefused(field, f"use a time between {FIRST_YEAR} and {LAST_YEAR}")
    if plan.end is not None and plan.end <= plan.start:
        raise WorkRefused("end", "it ends before it begins: the end must be later than the start")
    if plan.weekly is None:
        if plan.end is None:
            raise WorkRefused("end", "say until when: only weekly hours may go on until they are cancelled")
        if plan.end - plan.start > LONGEST:
            raise WorkRefused(
                "end", f"that is longer than {LONGEST.days} days: enter weekly hours, or a shorter time"
            )
    else:
        days, minutes = plan.weekly.days, (plan.weekly.start_min, plan.weekly.end_min)
        if not days or any(d not in range(7) for d in days) or len(set(days)) != len(days):
            raise WorkRefused(
                "weekdays", "weekly hours need days of the week, each once: 0 Monday .. 6 Sunday"
            )
        if any(m not in range(1440) for m in minutes):
            raise WorkRefused("from_time", "hours of a day lie between 00:00 and 23:59")
        if minutes[0] == minutes[1]:
            raise WorkRefused("to_time", "weekly hours end when they begin: that would be the whole day")
    if not 0 <= plan.refill_s <= MOST_REFILL_S:
        raise WorkRefused("refill_h", f"refilling takes between 0 and {MOST_REFILL_S / HOUR_S:.0f} hours")


def _effects(plan: Plan) -> None:
    if plan.extra_flow is not None and not (
        math.isfinite(plan.extra_flow) and 0 < plan.extra_flow <= MOST_EXTRA
    ):
        raise WorkRefused("extra_m3h", f"the extra flow is between 0 and {MOST_EXTRA * 3600:,.0f} m3/h")
    if plan.moves_water and not (plan.dmas or plan.pipes):
        raise WorkRefused("dmas", "an effect on flow or pressure needs the DMA or the pipe where it shows")
    if not (plan.moves_water or plan.silent or plan.sensors):
        raise WorkRefused(
            "extra_m3h",
            "say what it does: extra flow (how much at most), no supply, low pressure, or sensors silent",
        )


REFILL_S = 2 * HOUR_S
"""After a cut, unless said otherwise: as long as the monitor lets a DMA fill again."""

AFTERWARDS = frozenset({WorkKind.FIRE})
"""What nobody can know beforehand."""


def utc(when: datetime) -> datetime:
    """The same instant in UTC. WorkRefused for a time without zone."""
    if when.tzinfo is None:
        raise WorkRefused("start", f"time {when.isoformat()} has no zone")
    try:
        return when.astimezone(UTC)
    except OverflowError:  # at the ends of the calendar
        raise WorkRefused("start", f"use a time between {FIRST_YEAR} and {LAST_YEAR}") from None
