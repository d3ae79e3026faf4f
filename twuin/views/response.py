"""How leaks were dealt with over some days: promises kept, times, water lost meanwhile and saved since."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from analytics.losses.uncertain import ZERO, Uncertain
from twuin.alerts.model import Kind
from twuin.alerts.promises import Stage, Standing
from twuin.views.base import Limited
from twuin.views.models import AlertDetail
from twuin.views.run import (
    NO_LEAK,
    Course,
    Factors,
    course,
    hours,
    limited,
    lost_of,
    parts_of,
    saving_of,
)
from twuin.views.run_models import MedianOut, ResponseOut, ResponsesOut, StageOut
from waterworks.promises import PRIORITIES, Promise
from waterworks.site import Site

UNVERIFIED = ("waiting", "undecided")
"""What the readings say of a repair that may have saved something."""


def responses_out(
    alerts: Iterable[AlertDetail],
    site: Site,
    factors: Factors,
    days: tuple[date, date],
    begin: datetime,
    over: datetime,
) -> ResponsesOut:
    """How leaks were dealt with from ``begin`` to ``over``, which ``days`` (first and last) stand for.

    alerts: those about water that may have to do with these days, or whose repair may still save.
    """
    alerts = list(alerts)
    each = [
        _response(p, [a for a in alerts if a.priority == p], site, factors, begin, over) for p in PRIORITIES
    ]
    return ResponsesOut(
        start=days[0],
        end=days[1],
        all=_response("", alerts, site, factors, begin, over),
        priorities=[r for r in each if _any(r)],
    )


def _any(r: ResponseOut) -> bool:
    due = sum(s.kept + s.broken for s in r.stages)
    return bool(due or r.awareness.leaks or r.location.leaks or r.over or r.repairs or r.unverified)


@dataclass
class _Sums:
    """What leaks come to, one after the other."""

    factors: Factors
    begin: datetime
    over: datetime
    awareness: list[float] = field(default_factory=list)
    location: list[float] = field(default_factory=list)
    mending: list[float] = field(default_factory=list)
    ended: int = 0
    lost: Uncertain = ZERO
    parts: tuple[Uncertain, Uncertain, Uncertain] = (ZERO, ZERO, ZERO)
    late: Uncertain = ZERO
    repairs: int = 0
    saved: Uncertain = ZERO
    new_repairs: int = 0
    saved_new: Uncertain = ZERO
    assumed: bool = False
    unverified: int = 0
    unverified_m3h: float = 0.0

    def _in(self, when: datetime | None) -> bool:
        return when is not None and self.begin <= when < self.over

    def add(self, alert: AlertDetail) -> None:
        at = course(alert)
        known, found, mended = at.times(alert)
        if self._in(alert.detected):
            self.awareness.append(known)
        if found is not None and self._in(at.found):
            self.location.append(found)
        if mended is not None and self._in(at.repaired):
            self.mending.append(mended)
        if self._in(at.repaired or alert.ended):
            self.ended += 1
            self.lost = self.lost + lost_of(alert, at)
            a, b, c = parts_of(alert, at)
            self.parts = (self.parts[0] + a, self.parts[1] + b, self.parts[2] + c)
            self.late = self.late + _late(alert, at)
        self._add_saving(alert, at.repaired)

    def _add_saving(self, alert: AlertDetail, repaired: datetime | None) -> None:
        saving, days, why = saving_of(alert, self.factors, self.begin, self.over)
        if saving is not None and days:
            self.repairs += 1
            self.saved = self.saved + saving
            by_night = alert.check is not None and alert.check.by == "night_flow"
            self.assumed = self.assumed or (by_night and alert.dma not in self.factors)
            if self._in(repaired):
                self.new_repairs += 1
                self.saved_new = self.saved_new + saving
        elif why in UNVERIFIED and self._in(alert.repaired_at):
            self.unverified += 1
            told = None if alert.check is None else alert.check.leak_m3h
            self.unverified_m3h += abs(alert.flow_m3h) if told is None else told


def _response(
    priority: str,
    alerts: Sequence[AlertDetail],
    site: Site,
    factors: Factors,
    begin: datetime,
    over: datetime,
) -> ResponseOut:
    sums = _Sums(factors, begin, over)
    for alert in alerts:
        if alert.kind is Kind.LEAK and (alert.reason is None or alert.reason.value not in NO_LEAK):
            sums.add(alert)
    return ResponseOut(
        priority=priority,
        stages=_stages(priority, alerts, site, begin, over),
        awareness=_median(sums.awareness),
        location=_median(sums.location),
        mending=_median(sums.mending),
        over=sums.ended,
        lost_m3=limited(sums.lost),
        awareness_m3=limited(sums.parts[0]),
        location_m3=limited(sums.parts[1]),
        mending_m3=limited(sums.parts[2]),
        late_m3=limited(sums.late),
        repairs=sums.repairs,
        saved_m3=limited(sums.saved) if sums.repairs else None,
        saved_new_m3=limited(sums.saved_new) if sums.new_repairs else None,
        unverified=sums.unverified,
        unverified_m3h=sums.unverified_m3h,
        ndf_assumed=sums.assumed,
    )


def _late(alert: AlertDetail, at: Course) -> Uncertain:
    """Water lost after the promised time of repair, as if the leak had always run alike [m3]."""
    due = next((c.due for c in alert.promises if c.stage is Stage.REPAIR), None)
    ran = hours(alert.onset, at.end)
    if due is None or not ran:
        return ZERO
    return lost_of(alert, at) * (min(hours(due, at.end), ran) / ran)


def _stages(
    priority: str, alerts: Sequence[AlertDetail], site: Site, begin: datetime, over: datetime
) -> list[StageOut]:
    standing: dict[Stage, list[Standing]] = {stage: [] for stage in Stage}
    for alert in alerts:
        for clock in alert.promises:
            if begin <= clock.due < over:
                standing[clock.stage].append(clock.standing)
    promise = Promise()
    if priority and site.promises is not None:
        promise = site.promises.by_priority.get(priority, promise)
    spans = {Stage.RESPOND: promise.respond, Stage.LOCATE: promise.locate, Stage.REPAIR: promise.repair}
    found = []
    for stage, span in spans.items():
        kept, broken = (standing[stage].count(s) for s in (Standing.KEPT, Standing.BROKEN))
        if span is None and not kept + broken:
            continue
        found.append(
            StageOut(
                stage=stage,
                promised_h=None if span is None else span.total_seconds() / 3600.0,
                working=promise.working,
                kept=kept,
                broken=broken,
                share=_share(kept, kept + broken),
            )
        )
    return found


def _share(kept: int, due: int) -> Limited | None:
    from analytics.calibration import share  # brings SciPy with it: pages need not wait for that

    if not due:
        return None
    found = share(kept, due)
    return Limited(value=found.value, low=found.low, high=found.high)


def _median(values: Sequence[float]) -> MedianOut:
    from analytics.calibration import median

    found = median(values)
    value, low, high = (x if x == x else None for x in found)
    return MedianOut(leaks=len(values), value=value, low=low, high=high)
