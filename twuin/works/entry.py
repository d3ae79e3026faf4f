"""Plans from what people write: local times, m3/h, hours; of a form, the API or a table."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from twuin.works.check import REFILL_S
from twuin.works.model import HOUR_S, Plan, Weekly, WorkKind, WorkRefused
from waterworks.errors import DataFileError, Severity
from waterworks.tables import Problems, Row, read_table

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_YES, _NO = ("1", "yes", "ya", "true", "x"), ("", "0", "no", "tidak", "false", "-")
_CLOCK = re.compile(r"([01]?\d|2[0-3])[:.]([0-5]\d)")

REQUIRED = ("kind", "start", "end")
OPTIONAL = (
    "dmas", "pipes", "sensors", "weekdays", "from_time", "to_time", "extra_m3h", "no_supply",
    "low_pressure", "silent", "refill_h", "note",
)  # fmt: skip


def make_plan(
    kind: WorkKind,
    start: datetime,
    end: datetime | None,
    *,
    dmas: Sequence[str] = (),
    pipes: Sequence[str] = (),
    sensors: Sequence[str] = (),
    weekdays: Sequence[int] = (),
    from_time: str = "",
    to_time: str = "",
    extra_m3h: float | None = None,
    no_supply: bool = False,
    low_pressure: bool = False,
    silent: bool = False,
    refill_h: float | None = None,
    note: str = "",
) -> Plan:
    """A plan in SI units. weekdays: 0 Monday .. 6 Sunday, with the local times of day; none: no pattern.
    refill_h: None: as long as is usual. WorkRefused for times of day that are none."""
    weekly = None
    if weekdays:
        hours = minute_of("from_time", from_time), minute_of("to_time", to_time)
        weekly = Weekly(tuple(sorted(weekdays)), *hours)
    elif from_time or to_time:
        raise WorkRefused("weekdays", "times of day belong to weekly hours: name the days of the week too")
    usual = REFILL_S if no_supply else 0.0
    return Plan(
        kind,
        start,
        end,
        _once(dmas),
        _once(pipes),
        _once(sensors),
        weekly,
        None if extra_m3h is None else extra_m3h / 3600.0,
        no_supply,
        low_pressure,
        silent,
        usual if refill_h is None else refill_h * HOUR_S,
        note,
    )


def minute_of(field: str, text: str) -> int:
    """Minute of the day of a time as people write it, 06:30. WorkRefused for others."""
    found = _CLOCK.fullmatch(text.strip())
    if found is None:
        raise WorkRefused(field, f"{text[:20]!r} is not a time of day: write it as 06:30")
    return int(found[1]) * 60 + int(found[2])


def clock_of(minute: int) -> str:
    """The same the other way."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


def local_time(field: str, text: str, zone: ZoneInfo) -> datetime:
    """A local time as forms and tables have it, 2026-11-23 08:00. WorkRefused for others."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        found = None
    if found is None or not re.match(r"\d{4}-\d\d-\d\d[T ]\d", text.strip()):
        raise WorkRefused(field, f"{text[:40]!r} is not a date with a time: write it as 2026-11-23 08:00")
    return found if found.tzinfo is not None else found.replace(tzinfo=zone)


def read_plans(path: Path, zone: ZoneInfo, check: Callable[[Plan], object] | None = None) -> list[Plan]:
    """The plans of a table (docs/works.md), one a line.

    check: raises WorkRefused for a plan that this site cannot have. DataFileError names every mistake.
    """
    problems = Problems(path.name)
    rows = read_table(path, problems, required=REQUIRED, optional=OPTIONAL)
    found = []
    for row in rows or []:
        before = len(problems.found)
        try:
            plan = _plan_of(row, zone)
            if check is not None and len(problems.found) == before:
                check(plan)
            found.append(plan)
        except WorkRefused as e:
            row.error(f"{e.field}: {e}")
    if rows is not None and not rows:
        problems.error(None, "holds no works: there is nothing below its heading")
    if any(p.severity is Severity.ERROR for p in problems.found):
        raise DataFileError(problems.found)
    return found


def _plan_of(row: Row, zone: ZoneInfo) -> Plan:
    kind = row.text("kind").lower()
    if kind not in set(WorkKind):
        raise WorkRefused("kind", f"{kind[:40]!r} is none of {', '.join(WorkKind)}")
    until = row.text("end")
    days = []
    for name in row.text("weekdays").lower().split():
        if name[:3] not in WEEKDAYS:
            raise WorkRefused("weekdays", f"{name[:20]!r} is none of {' '.join(WEEKDAYS)}")
        days.append(WEEKDAYS.index(name[:3]))
    return make_plan(
        WorkKind(kind),
        local_time("start", row.text("start"), zone),
        local_time("end", until, zone) if until else None,
        dmas=row.text("dmas").split(),
        pipes=row.text("pipes").split(),
        sensors=row.text("sensors").split(),
        weekdays=days,
        from_time=row.text("from_time"),
        to_time=row.text("to_time"),
        extra_m3h=row.number("extra_m3h", above=0),
        no_supply=_yes(row, "no_supply"),
        low_pressure=_yes(row, "low_pressure"),
        silent=_yes(row, "silent"),
        refill_h=row.number("refill_h", least=0),
        note=row.text("note"),
    )


def _yes(row: Row, column: str) -> bool:
    said = row.text(column).lower()
    if said not in (*_YES, *_NO):
        raise WorkRefused(column, f"{said[:20]!r} is neither yes nor no")
    return said in _YES


def _once(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(n.strip() for n in names if n.strip()))
