"""Checks readings in columns and brings them to SI: the one gate of messages and files alike."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ingest.reasons import Reason as Reason
from waterworks.errors import UnitError
from waterworks.reading import TIME_DTYPE, Floats, Quality, ReadingBatch, Times
from waterworks.site import Site
from waterworks.units import Quantity, Unit, conversion

EARLIEST = np.datetime64("2000-01-01", "us")
"""No device of today measured before: an earlier time is a clock that was never set."""

MAX_AHEAD = np.timedelta64(86_400_000_000, "us")
"""A day: wider than any time-zone mistake (14 h), so those are stored and can be seen."""

BELIEVABLE: dict[Quantity, tuple[float, float]] = {
    Quantity.FLOW: (-10.0, 10.0),  # m3/s: at 3 m/s, a main of DN 2000
    Quantity.PRESSURE: (-10.4, 400.0),  # m: from vacuum to the test pressure of PN 25 pipes and some more
    Quantity.LEVEL: (-1.0, 100.0),  # m
    Quantity.VOLUME: (-1e9, 1e9),  # m3: a counter of nine digits
    Quantity.TEMPERATURE: (-40.0, 85.0),  # degC: the industrial range of electronics
    Quantity.VOLTAGE: (0.0, 60.0),  # V: extra-low voltage
    Quantity.SIGNAL: (-160.0, 0.0),  # dBm: below, NB-IoT hears nothing any more
    Quantity.RATIO: (0.0, 1.0),
}
"""Values [SI] to believe of a sensor for which the site gives no range of its own."""

# Where the seconds of the years 2000 to 2100 land when they are taken for milliseconds.
_SECONDS = (np.datetime64(946_684_800, "ms"), np.datetime64(4_102_444_800, "ms"))

_MAX_UNIT = 32  # characters; longer text is no unit and not worth remembering

# What is wrong with a row, in the order in which it is looked for: the first one found is reported.
_ORDER = (
    Reason.UNKNOWN_SENSOR,
    Reason.WRONG_DEVICE,
    Reason.UNKNOWN_UNIT,
    Reason.BAD_TIME,
    Reason.TIME_TOO_OLD,
    Reason.TIME_AHEAD,
    Reason.BEFORE_COMMISSIONING,
    Reason.NOT_FINITE,
)
_CODE = {reason: code for code, reason in enumerate(_ORDER, start=1)}


class Validated(NamedTuple):
    """``batch``: what may be stored. ``rejected`` (K,): the other rows, ascending; ``reasons`` (K,): why;
    ``si``, ``flags`` (K,): their values [SI] and quality, which count where only the time is wrong."""

    batch: ReadingBatch
    rejected: NDArray[np.intp]
    reasons: list[Reason]
    si: Floats
    flags: NDArray[np.uint16]


def validate_columns(
    site: Site,
    names: Sequence[str],
    sensor: ArrayLike,
    time: ArrayLike,
    value: ArrayLike,
    units: Sequence[str],
    *,
    received: ArrayLike | np.datetime64,
    quality: ArrayLike = 0,
    now: np.datetime64 | None = None,
    devices: Sequence[str] | None = None,
    ahead: np.timedelta64 = MAX_AHEAD,
) -> Validated:
    """Check N readings and convert them to SI.

    names (M,): sensor ids; one may occur more than once, with different units.
    sensor (N,): index into ``names``. time (N,): device time, UTC; NaT where there is none.
    value (N,): as sent. units (M,): unit of each name's values, "" for the one that the site gives.
    received: when Twuin got them, scalar or (N,). quality: flags that the sender gave, scalar or (N,).
    now: what times are compared with; default: ``received``.
    ahead: how far a time may lie beyond that.
    devices (M,): who sent each name's values, "" or None where that is not known.

    Values outside the believable range are kept and flagged ``Quality.OUT_OF_RANGE``. ValueError when
    columns differ in length.
    """
    raw = ReadingBatch.columns(names, sensor, time, value, received=received, quality=quality)
    if len(units) != len(names) or (devices is not None and len(devices) != len(names)):
        raise ValueError(f"{len(names)} names, but {len(units)} units or another number of devices")
    if not len(raw):
        return Validated(ReadingBatch.empty(), np.empty(0, np.intp), [], np.empty(0), np.empty(0, np.uint16))
    per_name = _per_name(site, raw.names, units, devices)

    ix = raw.sensor
    with np.errstate(over="ignore", invalid="ignore"):
        si = raw.value * per_name.factor[ix] + per_name.offset[ix]
    code = per_name.code[ix]
    limit = (raw.received if now is None else now.astype(TIME_DTYPE)) + ahead
    _mark(code, np.isnat(raw.time), Reason.BAD_TIME)
    _mark(code, raw.time < EARLIEST, Reason.TIME_TOO_OLD)
    _mark(code, raw.time > limit, Reason.TIME_AHEAD)
    if site.commissioned:
        _mark(code, raw.time < commissioned(site, raw.names)[ix], Reason.BEFORE_COMMISSIONING)
    _mark(code, ~np.isfinite(si), Reason.NOT_FINITE)
    outside = (si < per_name.low[ix]) | (si > per_name.high[ix])
    flags = raw.quality | np.where(outside, np.uint16(Quality.OUT_OF_RANGE), np.uint16(0))

    rejected = np.flatnonzero(code)
    spoiled, doubts = si[rejected], flags[rejected]
    if len(rejected):
        keep = np.flatnonzero(code == 0)
        ix, si, flags = ix[keep], si[keep], flags[keep]
        times, got = raw.time[keep], raw.received[keep]
    else:
        times, got = raw.time, raw.received
    known, index = _unique(raw.names, ix)
    batch = ReadingBatch(known, index, times, si, flags, got)
    return Validated(batch, rejected, [_ORDER[c - 1] for c in code[rejected].tolist()], spoiled, doubts)


def commissioned(site: Site, names: Sequence[str]) -> Times:
    """(M,) when each of these sensors began to measure, as far as the site says so, else ``EARLIEST``."""
    began = site.commissioned
    return np.array([began.get(name, EARLIEST) for name in names], TIME_DTYPE)


def explain(
    site: Site,
    reason: Reason,
    name: str,
    unit: str = "",
    time: np.datetime64 | None = None,
    value: float | None = None,
    device: str = "",
) -> str:
    """One line on a rejected reading: what it was, and what would be right."""
    name = _short(name)
    owner = site.sensor.get(name)
    match reason:
        case Reason.UNKNOWN_SENSOR:
            return f"sensor {name!r} is not in sensors.csv of site {site.id}"
        case Reason.WRONG_DEVICE if owner:
            return f"sensor {name!r} belongs to device {owner.device!r}, not {_short(device)!r}"
        case Reason.UNKNOWN_UNIT if owner:
            try:
                conversion(unit or owner.unit, owner.quantity)
            except UnitError as e:
                return f"sensor {name!r}: {_short(str(e), 300)}"
        case Reason.TIME_TOO_OLD if time is not None and _SECONDS[0] <= time < _SECONDS[1]:
            return f"sensor {name!r}: time {time} is before 2000: seconds where milliseconds are meant?"
        case Reason.TIME_TOO_OLD:
            return f"sensor {name!r}: time {time} is before 2000: is the device's clock set?"
        case Reason.TIME_AHEAD:
            return f"sensor {name!r}: time {time} is in the future: is the device's clock right?"
        case Reason.BEFORE_COMMISSIONING if owner:
            return f"sensor {name!r}: time {time} is before {owner.since}, when it began by the site folder"
        case Reason.BAD_TIME:
            return f"sensor {name!r}: the time is no instant"
        case Reason.NOT_FINITE:
            return f"sensor {name!r}: value {value} is no finite number"
        case _:
            pass
    return f"sensor {name!r}: {reason.value}"


class _PerName(NamedTuple):
    factor: Floats
    offset: Floats
    low: Floats
    high: Floats
    code: NDArray[np.uint8]


def _per_name(
    site: Site, names: Sequence[str], units: Sequence[str], devices: Sequence[str] | None
) -> _PerName:
    """What each name's values are multiplied with and compared to; all arrays are (M,)."""
    m = len(names)
    columns = np.empty((4, m))
    columns[:] = ((1.0,), (0.0,), (-np.inf,), (np.inf,))
    code = np.zeros(m, np.uint8)
    sensors = site.sensor
    for i, (name, unit) in enumerate(zip(names, units, strict=True)):
        sensor = sensors.get(name)
        if sensor is None:
            code[i] = _CODE[Reason.UNKNOWN_SENSOR]
            continue
        device = devices[i] if devices is not None else ""
        if device and sensor.device and device != sensor.device:
            code[i] = _CODE[Reason.WRONG_DEVICE]
            continue
        to_si = _conversion(unit or sensor.unit, sensor.quantity)
        if to_si is None:
            code[i] = _CODE[Reason.UNKNOWN_UNIT]
            continue
        low, high = BELIEVABLE[sensor.quantity]
        columns[:, i] = (
            to_si.factor,
            to_si.offset,
            low if sensor.low is None else sensor.low,
            high if sensor.high is None else sensor.high,
        )
    return _PerName(columns[0], columns[1], columns[2], columns[3], code)


def _conversion(unit: str, quantity: Quantity) -> Unit | None:
    return _known_conversion(unit, quantity) if len(unit) <= _MAX_UNIT else None


@lru_cache(maxsize=1024)
def _known_conversion(unit: str, quantity: Quantity) -> Unit | None:
    try:
        return conversion(unit, quantity)
    except UnitError:
        return None


def _mark(code: NDArray[np.uint8], bad: NDArray[np.bool_], reason: Reason) -> None:
    """Write the code of ``reason`` where a row is bad and nothing was found before. In place."""
    if bad.any():
        code[bad & (code == 0)] = _CODE[reason]


def _unique(names: Sequence[str], sensor: NDArray[np.int32]) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    """Names that occur, each once, and the rows' index into them (N,)."""
    index: dict[str, int] = {}
    remap = np.zeros(len(names), np.int32)
    for i in np.flatnonzero(np.bincount(sensor, minlength=len(names))).tolist():
        remap[i] = index.setdefault(names[i], len(index))
    return tuple(index), remap[sensor]


def _short(text: str, most: int = 80) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


__all__ = ["BELIEVABLE", "EARLIEST", "MAX_AHEAD", "Reason", "Validated", "explain", "validate_columns"]
