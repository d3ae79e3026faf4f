"""How long a leak ran until it was known, found and mended; what it lost by then, what its repair saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from analytics.losses.runtime import DAY_H, LONGEST_DAYS, lost_parts, saved
from analytics.losses.uncertain import Z95, Uncertain
from twuin.alerts.model import Kind, Reason
from twuin.alerts.work import Outcome
from twuin.views.base import Limited
from twuin.views.models import AlertDetail
from twuin.views.run_models import RunOut

NORMAL_90 = 1.6449
"""Half width of a 90 % interval in standard deviations."""

NO_LEAK = frozenset({"false_alarm", "planned", "withdrawn", "duplicate"})
"""Reasons for closing an alert that say that there was no leak of its own."""

LONGEST = timedelta(days=LONGEST_DAYS)

Factors = Mapping[str, Uncertain]
"""Night-day factor of DMAs [h/day]."""


@dataclass(frozen=True, slots=True)
class Course:
    """When a leak was found, and mended; None where that was not entered. repaired: as people say, or when
    the flow fell if that was before they came to enter it. until: up to when the alert counts its water;
    ended: whether the readings show that it is over."""

    located: datetime | None
    repaired: datetime | None
    until: datetime
    ended: bool = False

    @property
    def end(self) -> datetime:
        """Up to when it ran."""
        if self.ended or self.repaired is None:
            return self.until
        return min(self.until, self.repaired)

    @property
    def found(self) -> datetime | None:
        """When it was found: who repairs has found it."""
        if self.located is None or self.repaired is None:
            return self.located or self.repaired
        return min(self.located, self.repaired)

    def times(self, alert: AlertDetail) -> tuple[float, float | None, float | None]:
        """Awareness, location and mending time [h]."""
        found = self.found
        location = None if found is None else hours(alert.detected, found)
        mending = None
        if found is not None and self.repaired is not None:
            mending = hours(max(found, alert.detected), self.repaired)
        return hours(alert.onset, alert.detected), location, mending


def course(alert: AlertDetail) -> Course:
    """What the history of ``alert`` says."""
    located, said = last_step(alert, "located"), last_step(alert, "repaired")
    if said is None and alert.reason is Reason.REPAIRED:
        said = last_step(alert, "closed")
    repaired = said
    if said is not None and alert.ended is not None:
        repaired = min(said, alert.ended)
    ended = alert.ended is not None
    return Course(located, repaired, alert.ended or max(alert.as_of, alert.detected), ended)


_UNDONE = {"located": ("not_found",), "repaired": ("repairing", "reopened"), "closed": ("reopened",)}
"""What takes a step back. A place stays known when the alert is opened again."""


def last_step(alert: AlertDetail, action: str) -> datetime | None:
    """When a step (located, repaired, closed) was last taken that nobody took back."""
    when = None
    for entry in alert.history:
        if entry.action == action:
            when = entry.at if entry.happened is None else min(entry.happened, entry.at)
        elif entry.action in _UNDONE[action]:
            when = None
    return when


def lost_of(alert: AlertDetail, at: Course) -> Uncertain:
    """Water lost since the onset [m3], as uncertain as the flow (which is told with 90 % limits).

    As long as the readings of a leak that is mended do not yet show its end, the alert counts on: what it has
    counted since the repair is taken off.
    """
    lost = alert.lost_m3
    if alert.ended is None and at.until > alert.onset:
        lost *= min(hours(alert.onset, at.end) / hours(alert.onset, at.until), 1.0)
    half = 0.0
    if alert.flow_m3h:
        spread = (alert.flow_high_m3h - alert.flow_low_m3h) / 2 / abs(alert.flow_m3h)
        half = lost * spread * Z95 / NORMAL_90
    return Uncertain(lost, {f"flow {alert.id}": half})


def parts_of(alert: AlertDetail, at: Course) -> tuple[Uncertain, Uncertain, Uncertain]:
    """Water lost before it was known, until it was found, and from then on [m3]."""
    until = max(at.end, alert.detected)
    found = max(min(at.found or until, until), alert.detected)
    spans = hours(alert.onset, alert.detected), hours(alert.detected, found), hours(found, until)
    return lost_parts(lost_of(alert, at), *spans)


def saving_of(
    alert: AlertDetail, factors: Factors, begin: datetime | None, over: datetime
) -> tuple[Uncertain | None, float | None, str]:
    """Water not lost from ``begin`` (None: the repair) to ``over`` because of the repair [m3], for how many
    days, and why none is counted."""
    check, when = alert.check, alert.repaired_at
    if alert.reason is not None and alert.reason.value in NO_LEAK:
        return None, None, "no_repair"
    if when is None:  # a repair after which the loss did not fall is none any more
        failed = check is not None and check.outcome is Outcome.RUNS_ON
        return None, None, "runs_on" if failed else "no_repair"
    if check is None or check.outcome is Outcome.WAITING:
        return None, None, "waiting"
    if check.outcome is not Outcome.FELL:
        return None, None, check.outcome.value
    if check.fell_m3h is None or check.low_m3h is None or check.high_m3h is None:
        return None, None, "no_flow"
    since = when if alert.ended is None else min(when, alert.ended)
    first, last = since if begin is None else max(since, begin), min(over, since + LONGEST)
    days = max((last - first) / timedelta(days=1), 0.0)
    fell = Uncertain(check.fell_m3h, {f"fall {alert.id}": (check.high_m3h - check.low_m3h) / 2})
    a_day = Uncertain(DAY_H)
    if check.by == "night_flow":
        a_day = factors.get(alert.dma, a_day)
    return saved(fell, a_day, days), days, ""


def run_out(alert: AlertDetail, factors: Factors, now: datetime) -> RunOut | None:
    """How ``alert`` ran, None where it is about no leak."""
    if alert.kind not in (Kind.LEAK, Kind.NIGHT_FLOW) or "meter" in alert.evidence:
        return None
    at = course(alert)
    awareness, location, mending = at.times(alert)
    parts = parts_of(alert, at)
    saving, days, why = saving_of(alert, factors, None, now)
    return RunOut(
        awareness_h=awareness,
        location_h=location,
        mending_h=mending,
        lost_m3=limited(lost_of(alert, at)),
        awareness_m3=limited(parts[0]),
        location_m3=limited(parts[1]),
        mending_m3=limited(parts[2]),
        saved_m3=None if saving is None else limited(saving),
        saved_days=days,
        saved_why=why,
    )


def limited(value: Uncertain) -> Limited:
    """As the API shows it: what is lost, or saved, is never below nothing."""
    return Limited(value=value.value, low=max(value.low, min(value.value, 0.0)), high=value.high)


def hours(start: datetime, end: datetime) -> float:
    """From ``start`` to ``end`` [h], 0 where the end is no later."""
    return max((end - start).total_seconds() / 3600.0, 0.0)
