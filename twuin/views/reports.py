"""A report of a month or a year, put together from what is known of losses, alerts and the ledger.

No figure is worked out here that is not counted or subtracted from what others know: losses are those of
``twuin.losses``, volumes those of the monitor, times those of an alert's history.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from analytics.losses.uncertain import Uncertain
from twuin.alerts.model import Kind
from twuin.alerts.promises import Stage, Standing
from twuin.residents.charter import Complaints
from twuin.views.indicators import indicators
from twuin.views.ledger_models import LedgerCounts, LedgerLine
from twuin.views.locator import found_in, locator_out
from twuin.views.loss_models import LossesOut
from twuin.views.models import AlertDetail, SiteOut
from twuin.views.report_models import (
    ComplaintsOut,
    DmaAvailability,
    LeakOut,
    LeakTotals,
    Outcome,
    PromiseCount,
    ReportOut,
    SensorAvailability,
)
from twuin.views.response import responses_out
from twuin.views.results import YEAR, alerts_about, midnight
from twuin.views.run import LONGEST, NO_LEAK, Factors, course, hours, limited, parts_of, saving_of
from twuin.views.views import Views
from waterworks.errors import SettingsError
from waterworks.site import Site

LOOK_BACK = timedelta(days=92)
"""How long before a report's days an event may have ended whose repair was entered only in them."""

LEAKS = (Kind.LEAK, Kind.NIGHT_FLOW)
WATER = (*LEAKS, Kind.LOW_INFLOW, Kind.SUPPLY, Kind.REPORTED)
"""Alerts about water, to which service promises belong."""

YEARS = (1990, 2200)


@dataclass(frozen=True, slots=True)
class Period:
    """A calendar month, or a year (month 0), of local days."""

    year: int
    month: int = 0

    @classmethod
    def of(cls, said: str) -> Period:
        """From "2026-10" or "2026". SettingsError for anything else."""
        match = re.fullmatch(r"(\d{4})(?:-(\d{2}))?", said, re.ASCII)
        if match and YEARS[0] <= int(match[1]) < YEARS[1] and (not match[2] or 1 <= int(match[2]) <= 12):
            return cls(int(match[1]), int(match[2] or 0))
        raise SettingsError(f"{said[:40]!r} is no month or year to report on: write 2026-10 or 2026")

    @classmethod
    def month_of(cls, day: date) -> Period:
        """The month that a day lies in."""
        return cls(day.year, day.month)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}" if self.month else f"{self.year:04}"

    @property
    def kind(self) -> str:
        """month or year."""
        return "month" if self.month else "year"

    @property
    def first(self) -> date:
        """Its first day."""
        return date(self.year, self.month or 1, 1)

    @property
    def last(self) -> date:
        """Its last day."""
        month = self.month or 12
        return date(self.year, month, calendar.monthrange(self.year, month)[1])

    def before(self) -> Period:
        """The month, or year, before."""
        if not self.month:
            return Period(self.year - 1)
        return Period.month_of(self.first - timedelta(days=1))


def last_month(views: Views) -> Period:
    """The last month all of whose days were analysed."""
    newest = views.losses_end()
    return Period.month_of(newest + timedelta(days=1)).before()


def make_report(views: Views, site: Site, period: Period) -> ReportOut:
    """The report of ``period``, of its days that were analysed as a whole. SettingsError: none was."""
    newest = views.losses_end()
    if newest < period.first:
        raise SettingsError(
            f"nothing of {period} can be reported on yet: its first day, {period.first}, was not analysed as "
            f"a whole; the last one was {newest}"
        )
    end = min(period.last, newest)
    shown = views.site()
    zone = site.timezone
    begin, over = midnight(period.first, zone), midnight(end + timedelta(days=1), zone)
    alerts = alerts_about(views, WATER, begin - LOOK_BACK, over, worked_on=begin - max(LONGEST, YEAR))
    ledger = views.ledger.report(end, days=(end - period.first).days + 1)
    return report(
        shown,
        site,
        period,
        views.losses(period.first, end),
        alerts,
        ledger.items,
        begin=begin,
        over=over,
        limit=views.limit,
        complaints=views.complaints(begin, over),
    )


def report(
    shown: SiteOut,
    site: Site,
    period: Period,
    losses: LossesOut,
    alerts: Iterable[AlertDetail],
    ledger: Sequence[LedgerLine],
    *,
    begin: datetime,
    over: datetime,
    limit: list[str] | None = None,
    complaints: Complaints | None = None,
) -> ReportOut:
    """All of it from its parts. alerts: those that may have to do with the days; begin, over: instants at
    which the report's days begin and are over. limit: ids of the DMAs whose parts these are, None: all.
    complaints: what residents reported in these days."""
    alerts = list(alerts)
    factors = _factors(losses)
    found, set_aside = leaks(alerts, begin, over, factors)
    sensors, dmas, every = availability(site, ledger)
    told = None if complaints is None else complaints_out(complaints)
    return ReportOut(
        period=str(period),
        kind=period.kind,
        site=site.id,
        site_name=site.name,
        dmas=limit,
        timezone=site.timezone.key,
        start=losses.start,
        end=losses.end,
        complete=losses.end == period.last,
        made=shown.now,
        losses=losses,
        nights=ranked_nights(losses),
        leaks=found,
        leak_totals=_totals(found, set_aside),
        promises=promises(alerts, begin, over),
        response=responses_out(alerts, site, factors, (losses.start, losses.end), begin, over),
        locator=locator_out(
            found_in(alerts, over - YEAR, over), (over - YEAR).date(), losses.end, listed_from=begin
        ),
        complaints=told,
        availability=every,
        availability_share=share_of(every),
        availability_dmas=dmas,
        availability_sensors=sensors,
        indicators=[] if limit is not None else indicators(losses, told),
    )


def complaints_out(found: Complaints) -> ComplaintsOut:
    """Residents' reports as a report of the utility has them."""
    answer, settle = found.answer, found.settle
    return ComplaintsOut(
        received=found.received,
        settled=found.settled,
        open=found.open,
        answers_kept=None if answer is None else answer.kept,
        answers_broken=None if answer is None else answer.broken,
        settled_in_time=None if settle is None else settle.kept,
        settled_late=None if settle is None else settle.broken,
    )


def ranked_nights(losses: LossesOut) -> list[str]:
    """DMAs by leakage at night, the largest first; those of which it is not known come last."""
    known = sorted(
        (d for d in losses.dmas if d.leakage_m3h is not None),
        key=lambda d: (-(d.leakage_m3h.value if d.leakage_m3h else 0.0), d.id),
    )
    return [d.id for d in (*known, *(d for d in losses.dmas if d.leakage_m3h is None))]


def _factors(losses: LossesOut) -> Factors:
    """Night-day factors with their limits, where they are known."""
    return {
        d.id: Uncertain(d.ndf_h_day.value, {f"ndf {d.id}": (d.ndf_h_day.high - d.ndf_h_day.low) / 2})
        for d in losses.dmas
        if d.ndf_h_day is not None
    }


def leaks(
    alerts: Iterable[AlertDetail], begin: datetime, over: datetime, factors: Factors | None = None
) -> tuple[list[LeakOut], int]:
    """Leaks that ran, were found or were over from ``begin`` to ``over``, oldest first; and how many alerts
    of these days were no leak."""
    found, set_aside = [], 0
    for alert in alerts:
        if alert.kind not in LEAKS or alert.detected >= over:
            continue
        if alert.reason is not None and alert.reason.value in NO_LEAK:
            set_aside += begin <= alert.detected
            continue
        line = _leak(alert, begin, over, factors or {})
        ran = line.repaired or alert.ended
        if line.found_in or line.over_in or ran is None or ran >= begin:
            found.append(line)
    found.sort(key=lambda x: (x.detected, x.alert))
    return found, set_aside


def _leak(alert: AlertDetail, begin: datetime, over: datetime, factors: Factors) -> LeakOut:
    at = course(alert)
    _, location, mending = at.times(alert)
    parts = parts_of(alert, at)
    saving, _days, why = saving_of(alert, factors, begin, over)
    end = at.repaired or alert.ended
    if end is None or end >= over:
        outcome = Outcome.RUNNING
    else:
        outcome = Outcome.ENDED if at.repaired is None else Outcome.REPAIRED
    return LeakOut(
        alert=alert.id,
        kind=alert.kind,
        dma=alert.dma,
        dma_name=alert.dma_name,
        outcome=outcome,
        state=alert.state.value,
        place=(alert.place.pipe if alert.place is not None else "") or alert.search_from,
        onset=alert.onset,
        detected=alert.detected,
        located=at.found,
        repaired=at.repaired,
        ended=alert.ended,
        flow_m3h=alert.flow_m3h,
        fell_m3h=None if alert.check is None else alert.check.fell_m3h,
        lost_m3=alert.lost_m3,
        cost=alert.cost,
        awareness_h=hours(alert.onset, alert.detected),
        location_h=location,
        mending_h=mending,
        repair_h=None if end is None else hours(alert.detected, end),
        awareness_m3=parts[0].value,
        location_m3=parts[1].value,
        mending_m3=parts[2].value,
        saved_m3=None if saving is None else limited(saving),
        saved_why=why,
        found_in=begin <= alert.detected < over,
        over_in=end is not None and begin <= end < over,
    )


def promises(alerts: Iterable[AlertDetail], begin: datetime, over: datetime) -> list[PromiseCount]:
    """Service promises that were due from ``begin`` to ``over``, by stage: each counts in one month, that of
    its time. Those that fell away (a false alarm, planned work) do not count."""
    standing: dict[Stage, list[Standing]] = {}
    for alert in alerts:
        for clock in alert.promises:
            if begin <= clock.due < over:
                standing.setdefault(clock.stage, []).append(clock.standing)
    return [
        PromiseCount(stage=s, kept=found.count(Standing.KEPT), broken=found.count(Standing.BROKEN))
        for s in Stage
        if (found := standing.get(s, [])) and {Standing.KEPT, Standing.BROKEN} & set(found)
    ]


def _totals(found: Sequence[LeakOut], set_aside: int) -> LeakTotals:
    own = [x for x in found if x.kind is Kind.LEAK]
    new = [x.awareness_h for x in own if x.found_in]
    over = [x.repair_h for x in own if x.over_in and x.repair_h is not None]
    return LeakTotals(
        found=len(new),
        repaired=sum(x.over_in and x.outcome is Outcome.REPAIRED for x in own),
        ended=sum(x.over_in and x.outcome is Outcome.ENDED for x in own),
        running=sum(x.outcome is Outcome.RUNNING for x in own),
        set_aside=set_aside,
        lost_m3=sum(x.lost_m3 for x in own),
        mean_awareness_h=sum(new) / len(new) if new else None,
        mean_repair_h=sum(over) / len(over) if over else None,
    )


def availability(
    site: Site, lines: Iterable[LedgerLine]
) -> tuple[list[SensorAvailability], list[DmaAvailability], LedgerCounts]:
    """Readings that came of those that were to come: by sensor, the poorest first; by DMA; together."""
    by_sensor: dict[str, dict[str, int]] = {s.id: _none() for s in site.sensors}
    for line in lines:
        _add(by_sensor.setdefault(line.sensor, _none()), line)
    names = {d.id: d.name for d in site.dmas}
    sensors: list[SensorAvailability] = []
    by_dma: dict[str, tuple[dict[str, int], list[int]]] = {}
    every = _none()
    for s in site.sensors:
        counts = LedgerCounts(**by_sensor[s.id])
        sensors.append(
            SensorAvailability(
                sensor=s.id, name=s.name, dma=s.dma, quantity=s.quantity.value, share=share_of(counts),
                **counts.model_dump(),
            )
        )  # fmt: skip
        own, count = by_dma.setdefault(s.dma if s.dma in names else "", (_none(), [0]))
        _add(own, counts)
        count[0] += 1
        _add(every, counts)
    sensors.sort(key=lambda x: (x.share is None, x.share or 0.0, x.sensor))
    dmas = [
        DmaAvailability(
            id=id, name=names.get(id, ""), sensors=by_dma[id][1][0],
            share=share_of(LedgerCounts(**by_dma[id][0])), **by_dma[id][0],
        )
        for id in [*names, ""]
        if id in by_dma
    ]  # fmt: skip
    return sensors, dmas, LedgerCounts(**every)


def share_of(counts: LedgerCounts) -> float | None:
    """Share of what was due that came, None where nothing was due. By what is missing: readings that are not
    due yet, or more than were to come, make up for no gap, of the same sensor or of another."""
    return max(counts.expected - counts.missing, 0) / counts.expected if counts.expected else None


def _none() -> dict[str, int]:
    return dict.fromkeys(LedgerCounts.model_fields, 0)


def _add(sums: dict[str, int], counts: LedgerCounts) -> None:
    for name in sums:
        sums[name] += getattr(counts, name)
