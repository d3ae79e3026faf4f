"""When something happens in a scenario: an absolute instant, or one relative to the scenario's start.

2026-11-21T10:00:00+07:00   an instant with its zone
+3h, +90min, +2d 6h         so long after the start (d, h, min, s; parts add up)
+2d 04:00                   at 04:00 local time, two days after the start's local day
-7d                         before the start
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from waterworks.reading import instant

_PART = re.compile(r"(\d+(?:\.\d+)?)(d|h|min|s)", re.ASCII)
_SECONDS = {"d": 86400.0, "h": 3600.0, "min": 60.0, "s": 1.0}
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?", re.ASCII)
EXAMPLES = '"+3h", "+2d 04:00" (local time of that day) or "2026-11-21T10:00:00+07:00"'


@dataclass(frozen=True, slots=True)
class When:
    """An instant: ``absolute``, or ``after`` the start; with ``clock`` that time of day, ``days`` later."""

    text: str
    absolute: np.datetime64 | None = None
    after: timedelta = timedelta()
    days: int = 0
    clock: time | None = None

    def at(self, start: np.datetime64, zone: ZoneInfo) -> np.datetime64:
        """The instant [UTC] in a run that starts at ``start``."""
        if self.absolute is not None:
            return self.absolute
        if self.clock is None:
            return start + np.timedelta64(round(self.after.total_seconds() * 1e6), "us")
        return instant(datetime.combine(local_day(start, zone) + timedelta(self.days), self.clock, zone))

    def on(self, start: np.datetime64, zone: ZoneInfo) -> date:
        """The local day of the instant."""
        return local_day(self.at(start, zone), zone)


def local_day(moment: np.datetime64, zone: ZoneInfo) -> date:
    """The local day of an instant."""
    return local_time(moment, zone).date()


def local_time(moment: np.datetime64, zone: ZoneInfo) -> datetime:
    """An instant as a local datetime."""
    seen = moment.astype("datetime64[us]").item()
    assert isinstance(seen, datetime)
    return seen.replace(tzinfo=UTC).astimezone(zone)


def parse_when(text: object) -> When:
    """Read an instant of a scenario. ValueError says what would be right."""
    if isinstance(text, datetime):
        if text.tzinfo is None:
            raise ValueError(f"time {text.isoformat()} has no zone: write for example {EXAMPLES}")
        return When(text.isoformat(), absolute=instant(text))
    if isinstance(text, date):
        raise ValueError(f"{text.isoformat()} is a day, not an instant: write for example {EXAMPLES}")
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is no time: write for example {EXAMPLES}")
    spelled = text.strip()
    if spelled[:1] in ("+", "-"):
        return _relative(spelled)
    try:
        return When(spelled, absolute=instant(spelled))
    except ValueError as error:
        if "has no zone" in str(error):
            raise
        raise ValueError(f"{text!r} is no time: write for example {EXAMPLES}") from None


def parse_duration(text: object) -> timedelta:
    """Read ``"90min"`` or ``"2d 6h"``. ValueError says what would be right."""
    words = text.split() if isinstance(text, str) else []
    parts = [_PART.fullmatch(word) for word in words]
    if not parts or not all(parts):
        raise ValueError(f'{text!r} is no length of time: write for example "90min", "3h" or "2d 6h"')
    return timedelta(seconds=sum(float(p[1]) * _SECONDS[p[2]] for p in parts if p))


def _relative(spelled: str) -> When:
    sign = -1 if spelled[0] == "-" else 1
    *parts, last = spelled[1:].split() or [""]
    clock = _CLOCK.fullmatch(last)
    if clock is None:
        try:
            return When(spelled, after=sign * parse_duration(spelled[1:]))
        except ValueError:
            raise ValueError(f"{spelled!r} is no time: write for example {EXAMPLES}") from None
    hours = parse_duration(" ".join(parts)) if parts else timedelta()
    if hours.seconds or hours.microseconds:
        raise ValueError(f'{spelled!r}: before a time of day only whole days may stand, as in "+2d 04:00"')
    hour, minute, second = (int(g or 0) for g in clock.groups())
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError(f"{spelled!r}: {last} is no time of day")
    return When(spelled, days=sign * hours.days, clock=time(hour, minute, second))
