"""Which findings works explain that people have entered, and only as far as they do.

Most of what a work does never becomes a finding, as the detectors take it off what they look at
(``Calendar``). This is for the rest: sensors that are silent as announced, and works that were entered
after the finding was there.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime

from twuin.alerts.model import Finding, Kind
from twuin.works.calendar import Calendar, Spell
from twuin.works.model import HOUR_S
from waterworks.site import Site

SLACK_S = HOUR_S
"""Works seldom begin and end to the minute, nor are changes seen to the minute."""

COARSE_S = 36 * HOUR_S
"""The same for what is seen by the day: leaks by pressures alone, or by the network model."""

MOST_GRACE_S = 12 * HOUR_S
"""That an excess has gone is decided once the fall has lasted as long as it had, at most so long."""

FAULT_S = 24 * HOUR_S
"""A sensor is held to be well again some time after it is."""

NIGHTS_S = 72 * HOUR_S
"""What night flows show they show over some nights."""


def excused(finding: Finding, calendar: Calendar, site: Site) -> Finding:
    """The finding, with the work that explains it where one does (``Finding.planned_work``)."""
    s = _explaining(finding, calendar, site)
    if s is None:
        return finding
    named = {"planned_work": s.work, "planned_kind": s.plan.kind.value}
    return replace(finding, evidence={**finding.evidence, **named})


def _explaining(f: Finding, calendar: Calendar, site: Site) -> Spell | None:
    begin, end = f.onset.timestamp(), _end(f)
    far = max(FAULT_S, NIGHTS_S)
    standing = calendar.standing(begin - far, end + far)
    if not standing:
        return None
    if f.kind in (Kind.SILENT, Kind.SENSOR):
        return _of_sensors(f, standing, site, begin, end)
    here = [s for s in standing if f.dma in s.areas and s.plan.moves_water]
    if f.kind is Kind.SUPPLY:
        return _of_supply(f, here, begin)
    fitting = [s for s in here if _shows(f, s) and _in_time(f, s, begin, end)]
    if not fitting or not _large_enough(f, fitting):
        return None
    return fitting[0]


def _end(f: Finding) -> float:
    return (f.ended or max(f.as_of, f.detected)).timestamp()


def _of_sensors(f: Finding, standing: list[Spell], site: Site, begin: float, end: float) -> Spell | None:
    """All sensors of the finding must be covered."""
    names = f.evidence.get("sensors") or [f.subject]
    grace = float(f.evidence.get("limit_s", SLACK_S)) if f.kind is Kind.SILENT else FAULT_S
    early = grace if f.kind is Kind.SILENT else SLACK_S  # the last reading came before it began
    first: Spell | None = None
    for name in names:
        sensor = site.sensor.get(name)
        found = next(
            (
                s
                for s in standing
                if sensor is not None
                and (name in s.sensors or (s.plan.silent and s.touches(sensor)))
                and begin >= s.start - early
                and end <= s.over + grace
            ),
            None,
        )
        if found is None:
            return None
        first = first or found
    return first


def _of_supply(f: Finding, here: list[Spell], begin: float) -> Spell | None:
    """Without water from the first to the last hour within announced cuts, and no longer than they say."""
    cuts = [s for s in here if s.plan.no_supply]
    last = f.evidence.get("last_without")
    dry = f.evidence.get("hours_without")
    end = last.timestamp() if isinstance(last, datetime) else _end(f)
    first = next((s for s in cuts if s.start - SLACK_S <= begin <= s.over), None)
    final = next((s for s in cuts if s.start <= end <= s.over + SLACK_S), None)
    if first is None or final is None:
        return None
    between = [s for s in cuts if s.over > begin and s.start < end]
    announced = sum(s.over - s.start + SLACK_S for s in between)
    known = float(dry) * HOUR_S if isinstance(dry, int | float) else end - begin
    return first if known <= announced else None


def _shows(f: Finding, s: Spell) -> bool:
    """Whether a work does such a thing at all."""
    if f.kind is Kind.LOW_INFLOW:
        return s.plan.no_supply or s.plan.low_pressure
    if f.kind is Kind.LEAK and f.evidence.get("found_by") == "pressure":
        return True
    return s.plan.extra_flow is not None or s.plan.no_supply


def _in_time(f: Finding, s: Spell, begin: float, end: float) -> bool:
    coarse = f.kind is Kind.NIGHT_FLOW or f.evidence.get("found_by") in ("pressure", "model")
    slack = COARSE_S if coarse else SLACK_S
    latest = begin if f.onset_high is None else max(begin, f.onset_high.timestamp())
    # Where water is cut, more than usual flows only once it is back.
    start = s.start if s.plan.extra_flow is not None or f.kind is Kind.LOW_INFLOW or coarse else s.end
    if latest < start - slack:
        return False
    late = NIGHTS_S if f.kind is Kind.NIGHT_FLOW else slack
    if f.ended is None:
        late += min(max(s.over - begin, 0.0), MOST_GRACE_S)
    return end <= s.over + late


def _large_enough(f: Finding, spells: list[Spell]) -> bool:
    """Whether the works together explain so much extra flow."""
    if f.flow <= 0:
        return True
    bound = sum(math.inf if s.plan.extra_flow is None else s.plan.extra_flow for s in spells)
    return f.flow_low <= bound
