"""What the ledger shows people: by sensor and local day, what was to come and what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from ingest.ledger.arrivals import MICROS, SOUND
from ingest.ledger.book import DEVICE, SENSOR, Ledger
from ingest.ledger.tally import Counts, count, missing
from waterworks.localtime import midnight
from waterworks.reading import TIME_DTYPE
from waterworks.site import Sensor, Site

_LOOK_ASIDE_US = 6 * 3600 * MICROS  # how far beyond a day to look for the readings before and after it


@dataclass(frozen=True, slots=True)
class Line:
    """What became of the readings of one sensor on one local day.

    expected: by ``interval_s`` of sensors.csv, from when the ledger began, up to now less the lateness that
    is allowed. received: different readings; late: of these, came later after their time than is allowed;
    duplicate: came again; rejected: were not stored; missing: were to come and did not.
    """

    day: date
    sensor: str
    device: str
    expected: int
    received: int
    late: int
    duplicate: int
    rejected: int
    missing: int


@dataclass(frozen=True, slots=True)
class Untold:
    """Messages of a device that were rejected on one local day and name no sensor of the site. device: ""
    for all that is no device of the site."""

    day: date
    device: str
    rejected: int


@dataclass(frozen=True, slots=True)
class DayReport:
    """One local day: a line for each sensor of the site that was asked for, in its order."""

    day: date
    lines: Sequence[Line]
    untold: Sequence[Untold]


def day_report(
    ledger: Ledger,
    site: Site,
    day: date,
    now: np.datetime64,
    *,
    sensors: Iterable[str] | None = None,
    devices: Iterable[str] | None = None,
    late_s: float = 900.0,
) -> DayReport:
    """The ledger of a local ``day``. now: the present; sensors, devices: only these (None: all)."""
    asked = _asked(site, sensors, devices)
    ordinal = day.toordinal()
    start, end = (_micros(midnight(o, site.timezone)) for o in (ordinal, ordinal + 1))
    names = ledger.names()
    around = ledger.arrivals(start - _LOOK_ASIDE_US, end + _LOOK_ASIDE_US)
    today = around.take((around.time >= start) & (around.time < end))
    size = max(names, default=0) + 1
    counts = count(today, size, late_s)
    counts, closed = _with_closed(ledger, ordinal, counts)

    # Numbers of the ledger to rows of the report, and what is due of each.
    number = {name: id for id, (kind, name) in names.items() if kind == SENSOR}
    numbers = np.array([number.get(s.id, -1) for s in asked], np.int64)
    row = np.full(size, -1, np.int32)
    row[numbers[numbers >= 0]] = np.flatnonzero(numbers >= 0)
    sound = around.take((around.kind == SOUND) & (row[around.sensor] >= 0))
    due_from, due_to = _due(ledger, start, end, now, late_s)
    interval = np.array([s.interval_s * MICROS for s in asked], np.float64)
    lost, due = missing(
        row[sound.sensor],
        sound.time,
        np.full(len(asked), float(due_from)),
        np.full(len(asked), float(due_to)),
        interval,
    )
    of = {k: np.where(numbers >= 0, c[numbers], 0) for k, c in counts._asdict().items()}
    if closed:  # which ones it had is not known any more: what came since fills up what was missing
        over = np.maximum(of["received"] - due, 0)
        of["received"], of["duplicate"] = of["received"] - over, of["duplicate"] + over
        lost = due - of["received"]
    lines = [
        Line(
            day,
            s.id,
            s.device,
            int(due[i]),
            int(of["received"][i]),
            int(of["late"][i]),
            int(of["duplicate"][i]),
            int(of["rejected"][i]),
            int(lost[i]),
        )
        for i, s in enumerate(asked)
    ]
    wanted = {s.device for s in asked} | ({""} if sensors is None and devices is None else set())
    untold = [
        Untold(day, name, int(counts.rejected[id]))
        for id, (kind, name) in sorted(names.items(), key=lambda item: item[1][1])
        if kind == DEVICE and counts.rejected[id] and name in wanted and sensors is None
    ]
    return DayReport(day, lines, untold)


def total(lines: Iterable[Line]) -> dict[str, int]:
    """Sums over ``lines`` by what was counted."""
    fields = ("expected", "received", "late", "duplicate", "rejected", "missing")
    out = dict.fromkeys(fields, 0)
    for line in lines:
        for f in fields:
            out[f] += getattr(line, f)
    return out


def _asked(site: Site, sensors: Iterable[str] | None, devices: Iterable[str] | None) -> list[Sensor]:
    wanted = None if sensors is None else set(sensors)
    of = None if devices is None else set(devices)
    return [s for s in site.sensors if (wanted is None or s.id in wanted) and (of is None or s.device in of)]


def _due(ledger: Ledger, start: int, end: int, now: np.datetime64, late_s: float) -> tuple[int, int]:
    """From when to when readings of a day are due [us]."""
    began = ledger.began()
    if began is None:
        return start, start
    until = min(end, _micros(now) - round(late_s * MICROS))
    return min(max(start, began), end), max(until, start)


def _with_closed(ledger: Ledger, day: int, counts: Counts) -> tuple[Counts, bool]:
    """``counts`` and what is known of that day beside its arrivals; whether there is any such."""
    rows = ledger.closed(day, day)
    if not rows:
        return counts, False
    columns = [c.copy() for c in counts]
    for _, sensor, *known in rows:
        for column, more in zip(columns, known, strict=True):
            column[sensor] += more
    return Counts(*columns), True


def _micros(when: np.datetime64) -> int:
    return int(when.astype(TIME_DTYPE).astype(np.int64))


__all__ = ["DayReport", "Line", "Untold", "day_report", "total"]
