"""One leak is one finding: what inflow, the hydraulic model and pressures say of it, put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from analytics.drops import PairOptions
from twuin.alerts.model import Finding, Kind
from twuin.monitor.network_watch import OVER, Tracked
from twuin.monitor.search import visit_gain
from waterworks.site import MonitorOptions

EXPLAINED = 0.5
"""An excess of inflow is that of tracked leaks where these have grown since by this share of it."""

HALF_DAY_S = 43_200.0

SLACK = timedelta(days=2)
"""A start may be later than it was: of a leak that grows, inflow and pressures see it at different sizes."""

FALL_NEAR = timedelta(days=max(PairOptions().windows_days))
"""A fall of pressure belongs to a leak by inflow that began so near it: as far as pressures are compared."""

INSIDE = 0.2
"""Probability of a tracked leak to be in a DMA, for it to be what this DMA's inflow shows."""


def with_tracked(
    leaks: Sequence[Finding], tracked: Sequence[Tracked], zone: ZoneInfo, options: MonitorOptions
) -> list[Finding]:
    """Leaks by inflow, each put together with the tracked leak that has caused most of it.

    An excess that tracked leaks do not account for stands for itself, as does a leak that inflow has not
    shown, once it is proven: a small one after so many days that a drift of a sensor would have been called.
    A tracked leak that was first told of after its excess was over adds nothing to it (``_late``).
    """
    parts: dict[int, list[Finding]] = {}
    left: list[Finding] = []
    for leak in leaks:
        cause = _cause(leak, tracked, zone) if leak.kind is Kind.LEAK else None
        if cause is None:
            left.append(leak)
        else:
            parts.setdefault(cause, []).append(_lasting(leak, cause, tracked, zone))
    late = {k for k, of_leak in parts.items() if _late(tracked[k], of_leak, zone)}
    return [
        *left,
        *(leak for k in sorted(late) for leak in parts[k]),
        *(
            _one(t, sorted(parts.get(k, []), key=lambda f: f.onset), zone, options)
            for k, t in enumerate(tracked)
            if k not in late and (k in parts or t.told.proven is not None)
        ),
    ]


def _late(t: Tracked, inflow: Sequence[Finding], zone: ZoneInfo) -> bool:
    """Whether the model told of the leak only after the inflow had shown its end, and has since seen no day
    on which it still ran.

    Of a day of which the leak ran for some hours the model makes a smaller one, that runs all day, elsewhere.
    """
    ends = [part.ended for part in inflow if part.ended is not None]
    if len(ends) < len(inflow) or t.finding.detected <= max(ends):
        return False
    over = max(ends).astimezone(zone).toordinal()
    least = OVER * max(t.flow.values(), default=0.0)
    return all(flow < least for day, flow in t.flow.items() if day > over)


def _cause(leak: Finding, tracked: Sequence[Tracked], zone: ZoneInfo) -> int | None:
    """Index of the tracked leak that made the excess, if all that have grown since explain it.

    It is the one that grew most until the excess was seen: what came later, however large, was not what was
    seen. (An excess may stay open for months, over one leak after the other.)
    """
    since = _since(leak, zone)
    until = (leak.ended or leak.as_of).astimezone(zone).toordinal()
    seen = (leak.detected + SLACK).astimezone(zone).toordinal()
    inside = [t.told.share.get(leak.dma, 0.0) >= INSIDE for t in tracked]
    growth, early = (
        [_growth(t.flow, since, last) if here else 0.0 for t, here in zip(tracked, inside, strict=True)]
        for last in (until, min(until, seen))
    )
    if sum(growth) < EXPLAINED * abs(leak.flow) or not any(growth):
        return None
    made = early if any(early) else growth
    return max(range(len(made)), key=lambda k: made[k])


def _lasting(leak: Finding, cause: int, tracked: Sequence[Tracked], zone: ZoneInfo) -> Finding:
    """The excess, over with the leak that made it where other tracked leaks explain what is left of it."""
    ended = tracked[cause].finding.ended
    if leak.ended is not None or ended is None:
        return leak
    since, today = _since(leak, zone), leak.as_of.astimezone(zone).toordinal()
    others = sum(
        _growth(t.flow, since, today, after=today - SLACK.days)
        for k, t in enumerate(tracked)
        if k != cause and t.finding.ended is None and t.told.share.get(leak.dma, 0.0) >= INSIDE
    )
    return replace(leak, ended=ended) if others >= EXPLAINED * abs(leak.flow) else leak


def _since(leak: Finding, zone: ZoneInfo) -> int:
    return (min(leak.onset, leak.onset_low or leak.onset) - SLACK).astimezone(zone).toordinal()


def _growth(flow: dict[int, float], since: int, until: int, after: int = 0) -> float:
    """Most by which a flow [m3/s] by day was above that before ``since``, from then (and ``after``) on."""
    before = flow.get(since - 1, 0.0)
    first = max(since, after)
    return max([0.0, *(f - before for day, f in flow.items() if first <= day <= until)])


def _one(t: Tracked, inflow: Sequence[Finding], zone: ZoneInfo, options: MonitorOptions) -> Finding:
    """Size and place of the tracked leak, with the hours of the inflow."""
    leak = t.finding
    if not inflow:
        return replace(leak, detected=t.told.proven or leak.detected)
    first = inflow[0]
    confidence, as_of, ended = leak.confidence, leak.as_of, leak.ended
    for part in inflow:
        confidence = 1 - (1 - confidence) * (1 - part.confidence)
        as_of = max(as_of, part.as_of)
    # It lasts as long as either says so; where both do not, inflow has the hour.
    ends = [part.ended for part in inflow if part.ended is not None]
    if len(ends) < len(inflow):
        ended = None
    elif t.told.fallen and (ended is None or abs(ended - max(ends)) <= SLACK):
        ended = max(ends)
    elif ended is not None:
        ended = max(ended, *ends)
    near_start = abs(first.onset - leak.onset) <= SLACK
    volume = leak.volume + (_at_first(t, first.onset, zone) if near_start else 0.0)
    if ended is None and as_of > leak.as_of:
        volume += leak.flow * (as_of - leak.as_of).total_seconds()
    return replace(
        leak,
        subject=first.subject if first.detected <= leak.detected else leak.subject,
        onset=first.onset if near_start else min(first.onset, leak.onset),
        onset_low=first.onset_low if near_start else leak.onset_low,
        onset_high=first.onset_high if near_start else leak.onset_high,
        detected=min(leak.detected, *(f.detected for f in inflow)),
        as_of=as_of,
        ended=ended,
        volume=volume,
        confidence=confidence,
        near=leak.near or first.near,
        evidence={**leak.evidence, "inflow": first.evidence},
        gain=None
        if ended is not None
        else visit_gain(options, leak.flow, leak.flow_low, leak.flow_high, confidence, t.told.found),
    )


def _at_first(t: Tracked, onset: datetime, zone: ZoneInfo) -> float:
    """What is to be added to a tracked leak's volume [m3] when its ``onset`` is known to the hour: by itself
    it is taken to have run for half of its first day."""
    begin = t.finding.onset
    flow = t.flow.get(begin.astimezone(zone).toordinal(), 0.0)
    ran_s = max((begin + timedelta(days=1) - onset).total_seconds(), 0.0)
    return flow * (ran_s - HALF_DAY_S)


def joined(leaks: Sequence[Finding], drops: Sequence[Finding]) -> list[Finding]:
    """Leaks with the fall of pressure that belongs to each, and the falls that are left.

    The inflow says how much, the pressures near what, and whichever saw it first when. To a leak belongs the
    fall of its DMA, at the same time, whose onset is nearest, and not further than pressures look back: what
    began months before is another matter, however long it lasts.
    """
    left, out = list(drops), []
    for leak in leaks:
        mine = [
            d
            for d in left
            if leak.kind is Kind.LEAK
            and d.dma == leak.dma
            and _together(leak, d)
            and abs(d.onset - leak.onset) <= FALL_NEAR
        ]
        if not mine:
            out.append(leak)
            continue
        drop = min(mine, key=lambda d: abs(d.onset - leak.onset))
        left.remove(drop)
        evidence = {**leak.evidence, "pressure": drop.evidence}
        detected, near = min(leak.detected, drop.detected), leak.near or drop.near
        out.append(replace(leak, detected=detected, near=near, evidence=evidence))
    return [*out, *left]


def _together(a: Finding, b: Finding) -> bool:
    return a.onset <= (b.ended or max(b.as_of, a.onset)) and b.onset <= (a.ended or max(a.as_of, b.onset))
