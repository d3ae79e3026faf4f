"""From what is stored (SI, NaN, arrays) to what people read (m3/h, null, lists)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twuin.alerts.escalation import promised
from twuin.alerts.model import Alert, Entry, Kind
from twuin.alerts.priority import rank
from twuin.alerts.steps import allowed
from twuin.alerts.work import Place, check_json
from twuin.views.models import AlertOut, CheckOut, ClockOut, EntryOut, PlaceOut, ReportedOut, SuspectOut
from waterworks.reading import Times
from waterworks.site import Site
from waterworks.units import SI_UNIT, Quantity, conversion

M3H = 3600.0
"""1 m3/s in m3/h."""

SHOWN_UNIT: dict[Quantity, str] = {**SI_UNIT, Quantity.FLOW: "m3/h"}
"""The unit in which people read each quantity."""

# Steps of a thinned series [s]: those that a clock face and a calendar show.
_STEPS = (60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)


def shown(values: ArrayLike, quantity: Quantity) -> NDArray[np.float64]:
    """SI values in the unit that people read."""
    factor, offset = conversion(SHOWN_UNIT[quantity], quantity)
    return (np.asarray(values, np.float64) - offset) / factor


def nulls(values: NDArray[np.float64], digits: int = 6) -> list[float | None]:
    """(T,) values as a list with None for NaN, rounded to ``digits`` decimals."""
    rounded = np.round(values, digits).tolist()
    return [v if math.isfinite(v) else None for v in rounded]


def number(value: float, digits: int = 6) -> float | None:
    """A value, or None for NaN and infinity."""
    return round(float(value), digits) if math.isfinite(value) else None


def m3h(flow: float) -> float | None:
    """A flow [m3/s] in m3/h, None for NaN."""
    return number(flow * M3H)


def datetimes(times: Times) -> list[datetime]:
    """(T,) instants as aware datetimes."""
    return [t.replace(tzinfo=UTC) for t in times.astype("datetime64[us]").tolist()]


def thinning(span: np.timedelta64, max_points: int) -> np.timedelta64:
    """The step of bins of which at most ``max_points`` touch any stretch of this span."""
    seconds = span / np.timedelta64(1, "s") / max(max_points - 1, 1)
    for step in _STEPS:
        if step >= seconds:
            return np.timedelta64(step, "s")
    return np.timedelta64(math.ceil(seconds / 86400), "D")


def alert_out(alert: Alert, site: Site) -> AlertOut:
    """An alert as the API shows it."""
    return AlertOut(**alert_fields(alert, site))


def alert_fields(alert: Alert, site: Site) -> dict[str, Any]:
    """The fields of ``AlertOut``, flows in m3/h."""
    f = alert.finding
    dma = site.dma.get(f.dma)
    ranked = rank(alert, site)
    costs = f.kind in (Kind.LEAK, Kind.NIGHT_FLOW) and site.monitor.water_cost > 0
    return {
        "id": alert.id,
        "kind": f.kind,
        "state": alert.state,
        "reason": alert.reason,
        "dma": f.dma,
        "dma_name": f.dma if dma is None else dma.name,
        "subject": f.subject,
        "onset": f.onset,
        "detected": f.detected,
        "ended": f.ended,
        "as_of": f.as_of,
        "flow_m3h": _finite(f.flow) * M3H,
        "flow_low_m3h": _finite(f.flow_low) * M3H,
        "flow_high_m3h": _finite(f.flow_high) * M3H,
        "lost_m3": _finite(f.volume),
        "cost": _finite(f.volume) * site.monitor.water_cost if costs else None,
        "confidence": _finite(alert.confidence),
        "reported": None if alert.work.reported is None else ReportedOut(**asdict(alert.work.reported)),
        "suspects": [
            SuspectOut(pipe=s.pipe, probability=_finite(s.probability), lon=s.lon, lat=s.lat)
            for s in f.suspects
        ],
        "near": list(f.near),
        "evidence": f.evidence,
        "onset_low": f.onset_low,
        "onset_high": f.onset_high,
        "search_from": f.centre,
        "radius_50_m": None if f.radius_50_m is None else number(f.radius_50_m, 1),
        "radius_90_m": None if f.radius_90_m is None else number(f.radius_90_m, 1),
        "gain": None if f.gain is None else number(f.gain, 2),
        "priority": ranked.priority.word,
        "priority_why": list(ranked.why),
        "critical": list(ranked.critical),
        "watched": alert.watched,
        "assignee": alert.work.assignee,
        "place": None if alert.work.place is None else place_out(alert.work.place),
        "leak_type": alert.work.leak_type,
        "method": alert.work.method,
        "repaired_at": alert.work.repaired_at,
        "check": None if alert.work.check is None else CheckOut.model_validate(check_json(alert.work.check)),
        "cause": alert.work.cause,
        "duplicate_of": alert.work.duplicate_of,
        "supported": alert.supported,
        "actions": allowed(alert),
        "version": alert.version,
    }


def clocks_out(alert: Alert, history: Sequence[Entry], site: Site, now: datetime) -> list[ClockOut]:
    """What was promised of an alert by its priority, and how that stands."""
    return [
        ClockOut(stage=c.stage, begun=c.begun, due=c.due, done=c.done, standing=c.standing)
        for c in promised(alert, history, site, now)
    ]


def entry_out(entry: Entry) -> EntryOut:
    """A line of an alert's history."""
    return EntryOut(
        at=entry.at,
        actor=entry.actor,
        action=entry.action,
        note=entry.note,
        reason=entry.reason,
        details=entry.details,
        happened=entry.happened,
    )


def place_out(place: Place) -> PlaceOut:
    """A place as the API shows it."""
    return PlaceOut(pipe=place.pipe, along_m=place.along_m, lon=place.lon, lat=place.lat)


def _finite(value: float) -> float:
    return float(value) if math.isfinite(value) else 0.0
