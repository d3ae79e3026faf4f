"""Whether repairs took their leaks away: the nights after them, and the network model's estimate.

Causal and in event time: the readings are gone through night by night, and the first night that decides does.
So it comes to the same whether they come live or all at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from analytics.night import NightFlow
from analytics.repair import by_nights, verdict
from twuin.alerts.model import Alert, Finding, Kind
from twuin.alerts.steps import WATER
from twuin.alerts.work import Check, Outcome
from twuin.monitor.grid import midnight
from twuin.monitor.network_watch import Tracked
from waterworks.reading import as_datetime
from waterworks.site import Site

Bools = NDArray[np.bool_]

NIGHTS = 14
"""Nights after a repair for which Twuin waits; then it says that it cannot tell."""

MODEL_DAYS = 2
"""Whole days after a repair from which on the model's estimate of a leak counts: it lags by about one."""

NORMAL_95 = 1.96
"""Half width of a 95 % interval in standard deviations."""


class Repairs(Protocol):
    """What the monitor needs of the alert service to look at repairs."""

    def repaired(self) -> Sequence[Alert]:
        """Alerts whose repair is to be looked at."""
        ...

    def judge(self, id: str, repaired_at: datetime, check: Check) -> None:
        """Tell what the readings say of a repair."""
        ...


class Seen(NamedTuple):
    """What is known of the readings. until: they were analysed up to there; nights: of all DMAs, those that
    are over; findings: all; tracked: leaks of the network model."""

    until: datetime
    nights: NightFlow | None
    findings: Sequence[Finding]
    tracked: Sequence[Tracked]


def look_at_repairs(site: Site, repairs: Repairs, seen: Seen) -> None:
    """Judge every repair that waits for it."""
    for alert in repairs.repaired():
        when = alert.work.repaired_at
        if when is not None:
            repairs.judge(alert.id, when, check(site, alert, when, seen))


def check(site: Site, alert: Alert, repaired: datetime, seen: Seen) -> Check:
    """What the readings say of the repair of ``alert`` at ``repaired``."""
    deadline = _days(site, repaired, NIGHTS + 1)
    leak = alert.work.leak or 0.0
    if alert.finding.kind in WATER and leak > 0:
        return _by_flow(site, alert, repaired, leak, deadline, seen)
    if alert.finding.kind is Kind.REPORTED:  # no reading showed it, so none shows that it is over
        return Check(Outcome.UNDECIDED, at=repaired)
    # What shows in no flow is over when its readings are right again.
    ended = alert.finding.ended
    if ended is not None and seen.until >= repaired:
        return Check(Outcome.FELL, "readings", at=max(ended, repaired))
    return _not_yet(Check(Outcome.WAITING, "readings"), deadline, seen.until)


def _by_flow(
    site: Site, alert: Alert, repaired: datetime, leak: float, deadline: datetime, seen: Seen
) -> Check:
    last = min(seen.until, deadline)
    by_night = _by_night_flow(site, alert, repaired, leak, last, seen)
    by_model = _by_model(site, alert, repaired, leak, last, seen)
    decided = [c for c in (by_night, by_model) if c is not None and c.outcome is not Outcome.WAITING]
    if decided:
        return min(decided, key=lambda c: c.at or deadline)  # at the same time, the nights go before
    best = by_night or by_model or Check(Outcome.WAITING, leak=leak)
    return _not_yet(best, deadline, seen.until)


def _not_yet(waiting: Check, deadline: datetime, until: datetime) -> Check:
    """What is said while nothing is decided: wait for it, or give up."""
    over = until >= deadline
    return Check(
        Outcome.UNDECIDED if over else Outcome.WAITING,
        waiting.by,
        waiting.fell,
        waiting.low,
        waiting.high,
        waiting.leak,
        waiting.before,
        waiting.after,
        deadline if over else None,
        deadline,
    )


def _by_night_flow(
    site: Site, alert: Alert, repaired: datetime, leak: float, last: datetime, seen: Seen
) -> Check | None:
    """By the nights of its DMA; None where it has none."""
    column = next((i for i, d in enumerate(site.dmas) if d.id == alert.finding.dma), None)
    if column is None or seen.nights is None or not len(seen.nights.night):
        return None
    lowest = seen.nights.lowest[:, column]
    if not np.isfinite(lowest).any():
        return None
    begin, end = _spans(site, seen.nights)
    onset = min(alert.finding.onset, repaired)
    first, until = _undisturbed(alert, seen.findings, repaired)
    base = end <= _second(onset)
    before = (begin >= max(_second(onset), first)) & (end <= _second(_ran_until(alert, repaired)))
    after = (begin >= _second(repaired)) & (end <= min(_second(last), until))
    found = by_nights(lowest, base, before, after, leak, alert.work.leak_sd or 0.0)
    known = math.isfinite(found.fall)
    return Check(
        {1: Outcome.FELL, -1: Outcome.RUNS_ON, 0: Outcome.WAITING}[found.verdict],
        "night_flow",
        found.fall if known else None,
        found.low if known else None,
        found.high if known else None,
        leak,
        found.before,
        found.after,
        as_datetime(np.datetime64(int(end[found.last]), "s")) if found.verdict else None,
    )


def _ran_until(alert: Alert, repaired: datetime) -> datetime:
    """Up to when its leak ran, as far as is known: a repair may be told of days late."""
    ended = alert.finding.ended
    return repaired if ended is None else min(ended, repaired)


def _undisturbed(alert: Alert, findings: Sequence[Finding], repaired: datetime) -> tuple[float, float]:
    """The stretch around the repair [s since 1970] in which no other leak of the DMA began or ended: what
    another one does to the night flow is not the repair's."""
    first, until = -math.inf, math.inf
    mine = alert.finding
    for f in findings:
        same = (f.kind, f.subject, f.detected) == (mine.kind, mine.subject, mine.detected)
        if f.kind is not Kind.LEAK or f.dma != mine.dma or same or f.onset == mine.onset:
            continue
        for change in (f.onset, f.ended):
            if change is None:
                continue
            if change < repaired:
                first = max(first, _second(change))
            elif change - repaired > timedelta(days=1):  # nearer, it may be this very repair
                until = min(until, _second(change))
    return first, until


def _spans(site: Site, nights: NightFlow) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """When each night begins and ends [s since 1970], (D,) each."""
    start, stop = site.monitor.night
    zero = np.array([_second(as_datetime(midnight(int(n), site.timezone))) for n in nights.night])
    back = 24.0 if start > stop else 0.0  # over midnight, it belongs to the day on which it ends
    return zero + (start - back) * 3600.0, zero + stop * 3600.0


def _by_model(
    site: Site, alert: Alert, repaired: datetime, leak: float, last: datetime, seen: Seen
) -> Check | None:
    """By the model's estimate of this leak, evening by evening; None where it has none."""
    named = alert.finding.evidence.get("model_leak")
    mine = next((t for t in seen.tracked if t.finding.evidence.get("model_leak") == named), None)
    if named is None or mine is None:
        return None
    day = repaired.astimezone(site.timezone).toordinal()
    stopped = _ran_until(alert, repaired).astimezone(site.timezone).toordinal()
    ran = [(flow, sd) for d, flow, sd in mine.told.course if d < stopped]
    if not ran:
        return None
    was, was_sd = ran[-1]
    found: Check | None = None
    for n, (d, flow, sd) in enumerate((c for c in mine.told.course if c[0] > day), 1):
        at = as_datetime(midnight(d + 1, site.timezone))
        if n < MODEL_DAYS or at > last:
            continue
        half = NORMAL_95 * math.hypot(was_sd, sd)
        fell = was - flow
        says = verdict(fell - half, fell + half, leak)
        outcome = {1: Outcome.FELL, -1: Outcome.RUNS_ON, 0: Outcome.WAITING}[says]
        decided = at if says else None
        found = Check(outcome, "model", fell, fell - half, fell + half, leak, len(ran), n, decided)
        if says:
            return found
    return found or Check(Outcome.WAITING, "model", leak=leak, before=len(ran))


def _days(site: Site, when: datetime, days: int) -> datetime:
    """The local midnight so many days after that of ``when``."""
    return as_datetime(midnight(when.astimezone(site.timezone).toordinal() + days, site.timezone))


def _second(when: datetime) -> float:
    return when.timestamp()
