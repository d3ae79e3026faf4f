"""What a value in a scenario file may be: one rule a key, each of which says what would be right."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Any

import numpy as np

from firmware_sim.instants import When, parse_when
from firmware_sim.scenario_model import EventKind, FaultKind, Growth, Phase


class WrongValue(Exception):
    """One value that cannot be used; the message says what would be right."""


Rules = Mapping[str, Callable[[Any], Any]]


def number(low: float, high: float = math.inf, *, above: bool = False) -> Callable[[Any], float]:
    """A rule: a number from ``low`` (``above``: beyond it) to ``high``."""

    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise WrongValue(f"{value!r} is no number")
        if value < low or (above and value == low) or value > high:
            bound = f"above {low:g}" if above else f"at least {low:g}"
            raise WrongValue(
                f"{value:g} must be {bound}" + (f" and at most {high:g}" if high < math.inf else "")
            )
        return float(value)

    return check


def whole(low: int, high: int) -> Callable[[Any], int]:
    """A rule: a whole number."""

    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise WrongValue(f"{value!r} must be a whole number from {low} to {high}")
        return value

    return check


def one_of(of: type[StrEnum]) -> Callable[[Any], StrEnum]:
    """A rule: one of an enumeration's words."""

    def check(value: Any) -> StrEnum:
        try:
            return of(value)
        except ValueError:
            raise WrongValue(f"{value!r} is unknown: use one of {', '.join(of)}") from None

    return check


def word(*known: str) -> Callable[[Any], str]:
    """A rule: one of these words."""

    def check(value: Any) -> str:
        if value not in known:
            raise WrongValue(f"{value!r} is unknown: use one of {', '.join(known)}")
        return str(value)

    return check


def text(value: Any) -> str:
    """A rule: text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise WrongValue(f"{value!r} must be text")
    return value


def flag(value: Any) -> bool:
    """A rule: true or false."""
    if not isinstance(value, bool):
        raise WrongValue(f"{value!r} must be true or false")
    return value


def absolute(value: Any) -> np.datetime64:
    """A rule: an instant with a zone."""
    when = parse_when(value)
    if when.absolute is None:
        raise WrongValue(f"{value!r} must be an instant with its zone, as 2026-11-21T10:00:00+07:00")
    return when.absolute


def step(value: Any) -> int:
    """A rule: a hydraulic step of which whole ones make a day."""
    seconds = whole(1, 3600)(value)
    if 86400 % seconds:
        raise WrongValue(f"{seconds} s do not divide a day: use for example 60, 300 or 900")
    return seconds


def days(value: Any) -> tuple[When | date, ...]:
    """A rule: a list of days, absolute or relative to the start."""
    if not isinstance(value, list):
        raise WrongValue('must be a list of days, as ["2026-12-25", "+10d"]')
    found: list[When | date] = []
    for one in value:
        if isinstance(one, date) and not isinstance(one, datetime):
            found.append(one)
        elif isinstance(one, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", one):
            found.append(date.fromisoformat(one))
        else:
            found.append(parse_when(one))
    return tuple(found)


def hours(value: Any) -> tuple[tuple[float, float], ...]:
    """A rule: local hours of the day, as ``["04:00-07:30"]``; a span may cross midnight."""
    if not isinstance(value, list) or not value:
        raise WrongValue('must be a list of hours, as ["04:00-07:30", "16:00-20:00"]')
    spans: list[tuple[float, float]] = []
    for one in value:
        match = (
            re.fullmatch(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})", one) if isinstance(one, str) else None
        )
        if match is None:
            raise WrongValue(f'{one!r} is no span of hours: write "04:00-07:30"')
        h1, m1, h2, m2 = map(int, match.groups())
        if max(h1, h2) > 24 or max(m1, m2) > 59:
            raise WrongValue(f"{one!r}: there is no such time of day")
        spans.append((h1 + m1 / 60, h2 + m2 / 60))
    return tuple(spans)


LEAK: Rules = {
    "id": text, "start": parse_when, "pipe": text, "dma": text, "position": number(0, 1), "end": parse_when,
    "growth": one_of(Growth), "peak": parse_when, "hole_mm": number(0, 2000, above=True),
    "flow_m3h": number(0, above=True), "pressure_m": number(0, above=True),
    "discharge": number(0, 1, above=True),
}  # fmt: skip
FAULT: Rules = {
    "id": text, "kind": one_of(FaultKind), "start": parse_when, "end": parse_when, "sensor": text,
    "device": text, "value": number(-math.inf), "share": number(0, 1, above=True),
}  # fmt: skip
EVENT: Rules = {
    "id": text, "kind": one_of(EventKind), "start": parse_when, "end": parse_when, "link": text,
    "node": text, "value": number(0), "hours": hours,
}  # fmt: skip
MODEL: Rules = {
    "roughness_error": number(0, 0.9), "diameter_error": number(0, 0.5), "error_common": number(0, 1),
}  # fmt: skip
DEMAND: Rules = {
    "node_noise": number(0, 3), "node_noise_slow": number(0, 3), "node_correlation_h": number(0, above=True),
    "common_noise": number(0, 3), "common_step_noise": number(0, 3),
    "common_correlation_h": number(0, above=True), "weekend": number(0, 10),
    "weekend_shift_h": number(-12, 12), "holiday": number(0, 10), "holidays": days, "season": number(0, 1),
    "season_peak": number(0, 366), "scale": number(0, above=True), "node_error": number(0, 3),
    "node_drift": number(0, 3), "node_drift_days": number(0, above=True), "level_noise": number(0, 3),
    "level_correlation_days": number(0, above=True),
}  # fmt: skip
DEVICES: Rules = {
    "interval_s": number(1, 86400), "phase": one_of(Phase), "send_delay_s": number(0, 3600),
    "buffer_samples": whole(0, 10_000_000), "buffer_keep": word("newest", "oldest"),
    "reconnect_delay_s": number(0, 86400), "flow_noise": number(0, 1), "pressure_noise_m": number(0),
    "level_noise_m": number(0), "flow_resolution_m3h": number(0, above=True),
    "consumption_resolution_m3h": number(0, above=True), "pressure_resolution_m": number(0, above=True),
    "level_resolution_m": number(0, above=True), "clock_spread_s": number(0, 3600),
    "battery_v": number(0, 60), "battery_v_per_year": number(0), "status_interval_s": number(1),
    "time_format": word("rfc3339", "ms"), "receipts": flag,
}  # fmt: skip
NEEDS_VALUE = {
    FaultKind.OFFSET: "what is added, in the sensor's unit",
    FaultKind.DRIFT: "what is added in a day, in the sensor's unit",
    FaultKind.SPIKES: "their height, in the sensor's unit",
    FaultKind.NOISE: "its standard deviation, in the sensor's unit",
    FaultKind.CLOCK_OFFSET: "seconds that the clock is ahead",
    FaultKind.CLOCK_DRIFT: "ppm that the clock gains",
    FaultKind.ZONE: "hours that times are ahead",
}
NEEDS_SHARE = frozenset({FaultKind.SPIKES, FaultKind.DUPLICATES, FaultKind.GARBAGE})
