"""``clocks.csv``: which devices' clocks are wrong, by how much, and from when to when."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from waterworks.site import ClockCorrection
from waterworks.tables import Problems, Row, read_table, suggestion

CLOCKS_FILE = "clocks.csv"
CLOCKS_REQUIRED = ("device", "ahead_s", "since")
CLOCKS_OPTIONAL = ("until", "note")

MOST_AHEAD_S = 366 * 86_400.0
"""A clock that is further off was never set; there is no constant to take off [s]."""


def read_clocks(
    path: Path, problems: Problems, devices: Iterable[str] | None, zone: ZoneInfo
) -> tuple[ClockCorrection, ...]:
    """The corrections of ``path``, those with mistakes left out; () where there is no such file.

    devices: those there are; None: not known, as their own table has mistakes. zone: of times without one.
    """
    if not path.is_file():
        return ()
    known = None if devices is None else sorted(set(devices))
    rows = read_table(path, problems, required=CLOCKS_REQUIRED, optional=CLOCKS_OPTIONAL)
    found: list[tuple[ClockCorrection, int]] = []
    for row in rows or []:
        correction = _correction(row, known, zone)
        if correction is None:
            continue
        for other, line in found:
            if other.device == correction.device and other.overlaps(correction):
                row.error(f"device {other.device!r} has another correction for the same time, on line {line}")
        found.append((correction, row.line))
    return tuple(correction for correction, _ in found)


def _correction(row: Row, known: list[str] | None, zone: ZoneInfo) -> ClockCorrection | None:
    before = len(row.problems.found)
    device = row.required("device")
    if device and known is not None and device not in known:
        row.error(f"device {device!r} carries no sensor of sensors.csv{suggestion(device, known)}")
    row.required("ahead_s")
    ahead = row.number("ahead_s", least=-MOST_AHEAD_S, most=MOST_AHEAD_S)
    if ahead == 0:
        row.error("ahead_s is 0: a clock that is right needs no line")
    since = _instant(row, "since", zone) if row.required("since") else None
    until = _instant(row, "until", zone) if row.text("until") else None
    if since is not None and until is not None and until <= since:
        row.error("until is not after since")
    if len(row.problems.found) > before or since is None or ahead is None:
        return None
    return ClockCorrection(device, ahead, since, until)


def _instant(row: Row, column: str, zone: ZoneInfo) -> np.datetime64 | None:
    """The cell as an instant (UTC); a time without a zone is the site's."""
    said = row.text(column)
    try:
        when = datetime.fromisoformat(said)
    except ValueError:
        row.error(f"{column} {said!r} is no time: write it as 2026-11-21T10:00+07:00, or 2026-11-21 10:00")
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=zone)
    try:
        return np.datetime64(when.astimezone(UTC).replace(tzinfo=None), "us")
    except OverflowError:
        row.error(f"{column} {said!r} is beyond any calendar")
        return None
