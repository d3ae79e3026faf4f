"""Times as files write them, to UTC: text to local time, local time to an instant. In columns.

When clocks are set back, one local hour comes twice; when they are set forward, one is left out. Which of
its two instants a repeated local time means follows from the order of the rows: the first pass through
the hour is summer time, the second standard time.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Micros = NDArray[np.int64]
Mask = NDArray[np.bool_]

_FIELDS = {
    "Y": r"(?P<Y>\d{4})",
    "y": r"(?P<y>\d{2})",
    "m": r"(?P<m>\d{1,2})",
    "d": r"(?P<d>\d{1,2})",
    "H": r"(?P<H>\d{1,2})",
    "I": r"(?P<I>\d{1,2})",
    "M": r"(?P<M>\d{1,2})",
    "S": r"(?P<S>\d{1,2})",
    "f": r"(?P<f>\d{1,9})",
    "p": r"(?P<p>[AaPp][Mm])",
    "z": r"(?P<z>[Zz]|[+-]\d{2}:?\d{2})",
}
_ISO = (
    r"(?P<Y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})"
    r"(?:[Tt ](?P<H>\d{2}):(?P<M>\d{2})(?::(?P<S>\d{2})(?:[.,](?P<f>\d{1,9}))?)?)?"
    r" ?(?P<z>[Zz]|[+-]\d{2}:?\d{2})?"
)
_DAY = 86_400_000_000
_NUMBERS = {"unix_s": 1_000_000, "unix_ms": 1_000, "unix_us": 1, "excel": _DAY}
_EXCEL_EPOCH = 25_569 * _DAY  # from 1899-12-30, day 0 of Excel's serial dates, to 1970


class Parsed(NamedTuple):
    """N times. us (N,): microseconds since 1970, UTC where ``zoned`` (N,), else of a local clock.

    ok (N,): whether the cell was a time at all; where not, ``us`` is 0.
    """

    us: Micros
    zoned: Mask
    ok: Mask


class TimeFormat:
    """One way to write a time.

    ``iso``: 2026-11-21 10:00:00, with T or a blank, with or without seconds, fraction and zone;
    ``unix_s``, ``unix_ms``, ``unix_us``: a number since 1970 UTC; ``excel``: days as Excel counts them, local
    time; else a pattern of %Y %y %m %d %H %I %M %S %f %p %z and literal text, as in strptime. ValueError for
    another one.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.scale = _NUMBERS.get(text, 0)
        if self.scale:
            self.pattern = r"(?P<n>[+-]?\d+(?:\.\d+)?)"
            return
        if text.lower() == "iso":
            self.pattern = _ISO
            return
        pattern, used = "", set()
        for part in re.split(r"(%.|\s+)", text):
            if part.startswith("%"):
                name = part[1:]
                if name == "%":
                    pattern += "%"
                    continue
                if name not in _FIELDS or name in used:
                    raise ValueError(
                        f"time format {text!r}: {part} is not understood, or stands twice; known are "
                        + ", ".join(f"%{n}" for n in _FIELDS)
                        + ", and the names iso, unix_s, unix_ms, unix_us, excel"
                    )
                used.add(name)
                pattern += _FIELDS[name]
            else:
                pattern += r"\s+" if part.isspace() else re.escape(part)
        if not ({"m", "d"} <= used and used & {"Y", "y"}):
            raise ValueError(f"time format {text!r} has no year, month and day (%Y, %m, %d)")
        self.pattern = pattern

    def from_numbers(self, number: NDArray[np.float64]) -> Parsed:
        """(N,) numbers to times, NaN to none. Only for formats that are numbers."""
        ok = np.abs(number) < 4e18 / self.scale
        us = np.rint(np.where(ok, number, 0) * self.scale).astype(np.int64)
        if self.text != "excel":
            return Parsed(np.where(ok, us, 0), ok, ok)
        us = (us + 500) // 1000 * 1000 - _EXCEL_EPOCH  # a serial date is exact to some microseconds only
        return Parsed(np.where(ok, us, 0), np.zeros(len(ok), bool), ok)

    def parse(self, cells: pa.Array) -> Parsed:
        """(N,) texts to times. A day that its month does not have is no time."""
        n = len(cells)
        found = pc.extract_regex(pc.utf8_trim_whitespace(cells), pattern=f"^{self.pattern}$")
        ok = pc.is_valid(found).to_numpy(zero_copy_only=False)
        if not ok.any():
            return Parsed(np.zeros(n, np.int64), np.zeros(n, bool), ok)

        if self.scale:
            number = pc.cast(pc.struct_field(found, "n"), pa.float64()).fill_null(np.nan).to_numpy()
            return self.from_numbers(number)
        fields = {f.name: pc.struct_field(found, f.name) for f in found.type}

        def number_of(name: str, default: int = 0) -> Micros:
            if name not in fields:
                return np.full(n, default, np.int64)
            text = fields[name]
            text = pc.if_else(pc.equal(text, ""), str(default), text)
            out: Micros = pc.cast(text, pa.int64()).fill_null(default).to_numpy()
            return out

        year = number_of("Y", 1970) if "Y" in fields else 2000 + number_of("y")
        month, day = number_of("m", 1), number_of("d", 1)
        hour, minute, second = number_of("H"), number_of("M"), number_of("S")
        if "I" in fields:
            twelve = number_of("I", 12)
            ok = ok & (twelve >= 1) & (twelve <= 12)
            late = (
                pc.equal(pc.utf8_lower(fields["p"]), "pm").fill_null(False).to_numpy(zero_copy_only=False)
                if "p" in fields
                else np.zeros(n, bool)
            )
            hour = twelve % 12 + 12 * late
        ok = ok & (month >= 1) & (month <= 12) & (day >= 1) & (hour < 24) & (minute < 60) & (second < 60)
        first = ((year - 1970) * 12 + np.where(ok, month, 1) - 1).astype("datetime64[M]")
        date = first.astype("datetime64[D]") + (np.where(ok, day, 1) - 1)
        ok = ok & (date.astype("datetime64[M]") == first)
        us = date.astype(np.int64) * _DAY + ((hour * 60 + minute) * 60 + second) * 1_000_000
        if "f" in fields:
            fraction = pc.utf8_slice_codeunits(pc.utf8_rpad(fields["f"], 9, "0"), 0, 6)
            us = us + pc.cast(fraction, pa.int64()).fill_null(0).to_numpy()
        us, zoned = _apply_zone(us, fields.get("z"))
        return Parsed(np.where(ok, us, 0), zoned & ok, ok)


def _apply_zone(us: Micros, cells: pa.Array | None) -> tuple[Micros, Mask]:
    """Bring times that name their distance from UTC to UTC."""
    if cells is None:
        return us, np.zeros(len(us), bool)
    zones = pc.dictionary_encode(cells.fill_null(""))
    seconds, zoned = [], []
    for text in zones.dictionary.to_pylist():
        digits = text.replace(":", "")
        east = 0 if digits in ("", "Z", "z") else int(digits[1:3]) * 3600 + int(digits[3:5]) * 60
        seconds.append(-east if digits.startswith("-") else east)
        zoned.append(bool(digits))
    which = zones.indices.to_numpy()
    return us - np.array(seconds, np.int64)[which] * 1_000_000, np.array(zoned)[which]


def parse(cells: pa.Array, formats: list[TimeFormat]) -> Parsed:
    """(N,) texts, numbers or Arrow timestamps to times; of several formats the first that fits a cell."""
    if pa.types.is_timestamp(cells.type):
        ok = cells.is_valid().to_numpy(zero_copy_only=False)
        us = cells.cast(pa.timestamp("us", cells.type.tz), safe=False).cast(pa.int64()).fill_null(0)
        return Parsed(us.to_numpy(), np.full(len(cells), cells.type.tz is not None) & ok, ok)
    if pa.types.is_floating(cells.type) or pa.types.is_integer(cells.type):
        for format in formats:
            if format.scale:
                return format.from_numbers(
                    cells.cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy(zero_copy_only=False)
                )
    if not pa.types.is_string(cells.type):
        cells = cells.cast(pa.string())
    out = formats[0].parse(cells)
    for other in formats[1:]:
        left = ~out.ok
        if not left.any():
            break
        more = other.parse(cells.filter(pa.array(left)))
        for mine, theirs in zip(out, more, strict=True):
            mine[left] = theirs
    return out


class _Change(NamedTuple):
    """The clocks of a zone go from one distance from UTC to another at ``at`` (all microseconds)."""

    at: int
    before: int
    after: int


def _offset(zone: ZoneInfo, us: int) -> int:
    shift = datetime.fromtimestamp(us // 1_000_000, UTC).astimezone(zone).utcoffset()
    assert shift is not None
    return round(shift.total_seconds() * 1e6)


def _changes(zone: ZoneInfo, low: int, high: int) -> list[_Change]:
    """All changes of the zone's clocks between two instants."""
    out = []
    start, before = low, _offset(zone, low)
    while start < high:
        end = min(start + _DAY, high)
        after = _offset(zone, end)
        if after != before:
            left, right = start // 1_000_000, end // 1_000_000
            while right - left > 1:
                middle = (left + right) // 2
                if _offset(zone, middle * 1_000_000) == before:
                    left = middle
                else:
                    right = middle
            out.append(_Change(right * 1_000_000, before, after))
        start, before = end, after
    return out


class Resolved(NamedTuple):
    """utc (N,): the instants. skipped (N,): the local time never was; ``utc`` goes on as if clocks had
    not changed, which is what a logger shows that changes late."""

    utc: Micros
    skipped: Mask


def to_utc(local: Micros, zone: ZoneInfo, series: NDArray[np.int32] | None = None) -> Resolved:
    """Local times (N,) in the order of their file to instants.

    series (N,): which series each row belongs to; None: all to one. The order of rows counts within a
    series only. A series that runs backwards (newest row first) is understood too.
    """
    n = len(local)
    skipped = np.zeros(n, bool)
    if not n:
        return Resolved(local.copy(), skipped)
    low, high = int(local.min()) - 2 * _DAY, int(local.max()) + 2 * _DAY
    changes = _changes(zone, low, high)
    utc = local - _offset(zone, low)
    backwards: Mask | None = None
    for change in changes:
        if change.after < change.before:
            # local clocks show [at + after, at + before) twice
            later = local >= change.at + change.before
            utc[later] = local[later] - change.after
            twice = np.flatnonzero(~later & (local >= change.at + change.after))
            if len(twice):
                if backwards is None:
                    backwards = _backwards(local, series)
                second = twice[_second_pass(local, twice, series, backwards)]
                utc[second] = local[second] - change.after
        else:
            # local clocks never show [at + before, at + after)
            skipped |= (local >= change.at + change.before) & (local < change.at + change.after)
            later = local >= change.at + change.after
            utc[later] = local[later] - change.after
    return Resolved(utc, skipped)


def _second_pass(
    local: Micros, rows: NDArray[np.intp], series: NDArray[np.int32] | None, backwards: Mask
) -> Mask:
    """Which of ``rows``, all within one repeated hour, belong to its second pass."""
    second = np.zeros(len(rows), bool)
    of = np.zeros(len(rows), np.int32) if series is None else series[rows]
    order = np.argsort(of, kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(of[order])) + 1):
        if backwards[of[group[0]]]:
            group = group[::-1]
        steps = np.diff(local[rows[group]])
        falls = np.flatnonzero(steps < 0)
        if not len(falls):
            # Hourly values: the same time twice is the hour's two passes. Where it falls back somewhere,
            # the same time twice is a row written twice.
            falls = np.flatnonzero(steps == 0)
        if len(falls):
            second[group[falls[0] + 1 :]] = True
    return second


def _backwards(local: Micros, series: NDArray[np.int32] | None) -> Mask:
    """For each series, whether its rows run from the newest to the oldest."""
    if series is None:
        return np.array([np.count_nonzero(np.diff(local) < 0) > len(local) // 2])
    order = np.argsort(series, kind="stable")
    same = np.diff(series[order]) == 0
    of, steps = series[order][1:][same], np.diff(local[order])[same]
    count = int(series.max()) + 1
    falls = np.bincount(of[steps < 0], minlength=count)
    backwards: Mask = falls > np.bincount(of, minlength=count) // 2
    return backwards
