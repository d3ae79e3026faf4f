"""Alerts, their histories, and what they and planned works span, as figures."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime

import numpy as np

from twuin.alerts.lifecycle import MONITOR
from twuin.alerts.model import LIVING, PENDING, Alert, Entry, Kind, Reason
from twuin.figures.names import ALERT, EVENT, SPAN, SUSPECT
from twuin.views.models import AlertOut
from twuin.works.calendar import Spell
from waterworks.figures import Figure, Key, Value
from waterworks.reading import instant

RANKS = 10
"""Suspects that are written of an alert. Ranks beyond those that it has are written empty: what a longer list
left there must not stand."""

WATER = (Kind.LEAK, Kind.NIGHT_FLOW, Kind.REPORTED)
"""Kinds by which water is lost."""

SPANS = {
    **dict.fromkeys(WATER, "leak"),
    Kind.SENSOR: "fault",
    Kind.SILENT: "fault",
    Kind.LOW_INFLOW: "supply",
    Kind.SUPPLY: "supply",
}
"""What a span of each kind is called."""

NOT_SO = (Reason.FALSE_ALARM, Reason.WITHDRAWN, Reason.DUPLICATE)
"""Reasons for which an alert was closed that say there was no such event, or not of its own."""

LASTS = datetime(2100, 1, 1, tzinfo=UTC)
"""Until when lasts what has no end yet."""


def alert_figures(alert: Alert, shown: AlertOut, last: Entry) -> list[Figure]:
    """An alert as it stands, and its suspects, at the time of the last line of its history.

    shown: the same alert, as pages show it.
    """
    found = alert.finding
    tags = {"dma": found.dma, "kind": found.kind.value, "alert": alert.id}
    fields: dict[str, Value] = {
        "state": alert.state.value,
        "reason": "" if alert.reason is None else alert.reason.value,
        "priority": shown.priority,
        "subject": found.subject,
        "open": int(alert.state in PENDING),
        "watched": int(alert.watched),
        "flow_m3s": float(found.flow),
        "flow_low_m3s": float(found.flow_low),
        "flow_high_m3s": float(found.flow_high),
        "volume_m3": float(found.volume),
        "confidence_1": float(alert.confidence),
        "onset_ms": _ms(found.onset),
        "detected_ms": _ms(found.detected),
        "until_ms": _ms(found.ended or LASTS),
        "search_from": found.centre,
    }
    place = next(((s.lon, s.lat) for s in found.suspects if s.lon is not None), (None, None))
    if shown.place is not None and shown.place.lon is not None:
        place = (shown.place.lon, shown.place.lat)
    _put(fields, lon=place[0], lat=place[1], cost=shown.cost, gain=found.gain)
    _put(fields, radius_50_m=found.radius_50_m, radius_90_m=found.radius_90_m)
    out = [Figure(ALERT, instant(last.at), tags, fields)]
    if found.kind in WATER:
        for rank in range(RANKS):
            of: dict[str, Value] = {"pipe": "", "share_1": 0.0}
            if rank < len(found.suspects):
                suspect = found.suspects[rank]
                of = {"pipe": suspect.pipe, "share_1": float(suspect.probability)}
                _put(of, lon=suspect.lon, lat=suspect.lat)
            key = {"dma": found.dma, "alert": alert.id, "rank": f"{rank + 1:02d}"}
            out.append(Figure(SUSPECT, instant(last.at), key, of))
    return out


def event_figures(alert: Alert, history: Iterable[Entry]) -> Iterator[Figure]:
    """The lines of an alert's history, without the names of people and what they wrote."""
    for entry in history:
        by = "monitor" if entry.actor == MONITOR else "person"
        tags = {
            "dma": alert.finding.dma,
            "kind": alert.finding.kind.value,
            "alert": alert.id,
            "action": entry.action,
        }
        said = entry.note if entry.actor == MONITOR else ""
        reason = "" if entry.reason is None else entry.reason.value
        yield Figure(EVENT, instant(entry.when), tags, {"by": by, "what": said, "reason": reason})


def alert_spans(alert: Alert, shown: AlertOut) -> Iterator[Figure]:
    """From when to when an alert's event lasted, and when it was repaired; none of what was no event."""
    found = alert.finding
    if alert.reason in NOT_SO:
        return
    what = SPANS[found.kind]
    until = found.ended or shown.repaired_at or (LASTS if alert.state in LIVING else found.as_of)
    text = f"{found.subject}: {found.kind.value}"
    if what == "leak":
        text = f"{shown.dma_name}: {shown.flow_m3h:.1f} m3/h, {shown.lost_m3:.0f} m3"
    elif "fault" in found.evidence:
        text = f"{found.subject}: {found.evidence['fault']}"
    yield span(what, alert.id, found.onset, until, found.dma, text, sensor=_sensor(alert))
    if shown.repaired_at is not None:
        yield span("repair", alert.id, shown.repaired_at, shown.repaired_at, found.dma, text)


def _sensor(alert: Alert) -> str:
    return alert.finding.subject if alert.finding.kind in (Kind.SENSOR, Kind.SILENT) else ""


def work_spans(spells: Iterable[Spell]) -> Iterator[Figure]:
    """Planned works, one span for each DMA that they touch."""
    for s in spells:
        begin, end = (datetime.fromtimestamp(t, UTC) for t in (s.start, min(s.end, LASTS.timestamp())))
        text = s.plan.kind.value + (f": {s.plan.note}" if s.plan.note else "")
        for dma in sorted(s.areas) or [""]:
            yield span("work", f"{s.work}@{int(s.start)}{dma and '@' + dma}", begin, end, dma, text)


def span(what: str, id: str, begin: datetime, end: datetime, dma: str, text: str, sensor: str = "") -> Figure:
    """One span. ``id`` is unique among those of its kind."""
    fields: dict[str, Value] = {"until_ms": _ms(max(begin, end)), "text": text, "id": id, "shown": 1}
    return Figure(
        SPAN, instant(begin), {"what": what, "dma": dma, "sensor": sensor, "span": f"{what}:{id}"}, fields
    )


class Spans:
    """Keeps spans where they belong: a begin that moved, or an event that is none, leaves no span behind.

    known: times of all spans that show, by their tags, as the store has them.
    """

    def __init__(self, known: Mapping[Key, list[np.datetime64]]) -> None:
        self._times = {key: set(times) for key, times in known.items()}

    def place(self, wanted: Iterable[Figure], names: Collection[str] = (), prefix: str = "") -> list[Figure]:
        """What to write so that of the spans called ``names``, or beginning with ``prefix``, exactly those
        ``wanted`` show."""
        keep = {f.key: f for f in wanted}
        out = list(keep.values())
        for key in [k for k in self._times if k in keep or _called(k, names, prefix)]:
            now = keep.get(key)
            stale = self._times[key] - ({now.time} if now is not None else set())
            out += [Figure(SPAN, time, dict(key), {"shown": 0}) for time in sorted(stale)]
            del self._times[key]
        self._times.update({key: {f.time} for key, f in keep.items()})
        return out

    def without(self, alerts: Collection[str]) -> list[Figure]:
        """What to write so that of all alerts only those with these ids have spans that show."""
        names = {dict(key).get("span", "") for key in self._times}
        gone = [n for n in names if not n.startswith("work:") and n.partition(":")[2] not in alerts]
        return self.place([], gone)


def _called(key: Key, names: Collection[str], prefix: str) -> bool:
    name = dict(key).get("span", "")
    return name in names or (bool(prefix) and name.startswith(prefix))


def _put(fields: dict[str, Value], **more: float | None) -> None:
    fields.update({k: float(v) for k, v in more.items() if v is not None and math.isfinite(v)})


def _ms(when: datetime) -> int:
    return round(when.timestamp() * 1000)
