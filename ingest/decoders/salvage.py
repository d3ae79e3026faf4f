"""What is wrong with a JSON message of readings, and which of its readings can be kept all the same.

Reads what the typed pass refused. It also takes the ``NaN`` and ``Infinity`` that many JSON writers
emit against RFC 8259, so that one such value does not cost a whole batch.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from math import inf, nan
from typing import Any

import msgspec

from ingest.decoders.columns import Columns, Fault, Rejection, micros
from ingest.reasons import Reason

_SINGLE = ("sensor", "time", "value")
_FORMS = "one of `sensor`+`time`+`value`, `readings` or `series`"
_TYPES = {
    type(None): "null",
    bool: "a boolean",
    int: "a number",
    float: "a number with a fraction",
    str: "text",
    list: "a list",
    dict: "an object",
}


def load_json(payload: bytes) -> Any:
    """The value of a JSON text, NaN and infinities included. Raises Rejection."""
    try:
        return json.loads(payload.decode("utf-8"))
    except UnicodeDecodeError as e:
        raise Rejection(Reason.BAD_UTF8, f"byte {e.start} is not UTF-8") from None
    except RecursionError:
        raise Rejection(Reason.TOO_DEEP, "nested too deep to read") from None
    except json.JSONDecodeError as e:
        raise Rejection(Reason.BAD_JSON, f"no JSON: {e.msg} at character {e.pos}") from None
    except ValueError as e:  # a number of thousands of digits
        raise Rejection(Reason.BAD_JSON, f"no JSON: {e}") from None


def salvage(device: str, payload: bytes, out: Columns, max_readings: int) -> list[Fault]:
    """As ``JsonReadings.decode``, without its speed."""
    raw = load_json(payload)
    if not isinstance(raw, dict):
        raise _wrong("the message", raw, "an object")
    if "device" in raw and raw["device"] != device:
        raise Rejection(
            Reason.WRONG_DEVICE,
            f"the message names device {_show(raw['device'])}, its topic {_show(device)}",
        )
    for name in ("seq", "boot", "oldest"):
        if not _is_int(raw.get(name, 0)):
            raise _wrong(f"`{name}`", raw[name], "an integer")
    try:
        return _take(device, raw, out, max_readings)
    finally:  # a message of which nothing can be used came all the same: it is kept as it is
        if "seq" in raw:
            out.mark(device, raw.get("boot"), raw["seq"], raw.get("oldest", 0))


def _take(device: str, raw: dict[str, Any], out: Columns, max_readings: int) -> list[Fault]:
    forms: list[str] = [name for name in ("readings", "series") if name in raw]
    forms += ["single"] if any(name in raw for name in _SINGLE) else []
    if len(forms) != 1:
        raise Rejection(
            Reason.WRONG_TYPE,
            f"the message has more than {_FORMS}" if forms else f"the message has not {_FORMS}",
        )
    if forms == ["single"]:
        _add(device, raw, out, 0)
        return []
    items = raw[forms[0]]
    if not isinstance(items, list):
        raise _wrong(f"`{forms[0]}`", items, "a list")
    count = len(items) if forms == ["readings"] else sum(_length(s) for s in items)
    if count == 0:
        raise Rejection(Reason.EMPTY, f"`{forms[0]}` holds no readings")
    if count > max_readings:
        raise Rejection(
            Reason.TOO_MANY_READINGS, f"{count} readings in a message; at most {max_readings} are allowed"
        )
    return list(_batch(device, items, out) if forms == ["readings"] else _all_series(device, items, out))


def _batch(device: str, items: list[Any], out: Columns) -> Iterator[Fault]:
    for place, item in enumerate(items):
        try:
            _add(device, item, out, place)
        except Rejection as e:
            yield Fault(place, e.reason, e.detail)


def _all_series(device: str, items: list[Any], out: Columns) -> Iterator[Fault]:
    place = 0
    for item in items:
        count = _length(item)
        try:
            yield from _series(device, item, out, place)
        except Rejection as e:
            yield Fault(place, e.reason, e.detail, max(count, 1))
        place += count


def _series(device: str, item: Any, out: Columns, place: int) -> Iterator[Fault]:
    sensor, unit, suspect = _source(item)
    columns: list[list[Any]] = []
    for name in ("times", "values"):
        if name not in item:
            raise Rejection(Reason.NO_TIME if name == "times" else Reason.WRONG_TYPE, f"`{name}` is missing")
        if not isinstance(item[name], list):
            raise _wrong(f"`{name}`", item[name], "a list")
        columns.append(item[name])
    times, values = columns
    if len(times) != len(values):
        raise Rejection(
            Reason.UNEQUAL_COLUMNS,
            f"series of sensor {_show(sensor)} has {len(times)} times and {len(values)} values",
        )
    for offset, (time, value) in enumerate(zip(times, values, strict=True)):
        try:
            at, number = time_of(time), number_of(value)
        except Rejection as e:
            yield Fault(place + offset, e.reason, e.detail)
        else:
            out.add(out.source(device, sensor, unit), at, number, place + offset, suspect)


def _add(device: str, item: Any, out: Columns, place: int) -> None:
    sensor, unit, suspect = _source(item)
    if item.get("time") in (None, ""):
        raise Rejection(Reason.NO_TIME, f"reading of sensor {_show(sensor)} has no `time`")
    at = time_of(item["time"])
    if "value" not in item:
        raise Rejection(Reason.WRONG_TYPE, f"reading of sensor {_show(sensor)} has no `value`")
    value = number_of(item["value"])
    out.add(out.source(device, sensor, unit), at, value, place, suspect)


def _source(item: Any) -> tuple[str, str, bool]:
    """Sensor, unit and whether it is marked as suspect, of a reading or a series."""
    if not isinstance(item, dict):
        raise _wrong("it", item, "an object")
    if "sensor" not in item:
        raise Rejection(Reason.WRONG_TYPE, "`sensor` is missing")
    sensor, unit, quality = item["sensor"], item.get("unit", ""), item.get("quality", "good")
    if not isinstance(sensor, str):
        raise _wrong("`sensor`", sensor, "text")
    if not sensor:
        raise Rejection(Reason.WRONG_TYPE, "`sensor` is empty")
    if not isinstance(unit, str):
        raise _wrong("`unit`", unit, "text")
    if quality not in ("good", "suspect"):
        raise Rejection(Reason.WRONG_TYPE, f'`quality` is {_show(quality)}; it is "good" or "suspect"')
    return sensor, unit, quality == "suspect"


def time_of(time: Any) -> int:
    """A time as sent, microseconds since 1970 UTC. Raises Rejection."""
    if time is None or time == "":
        raise Rejection(Reason.NO_TIME, "a reading has no time")
    if _is_int(time):
        return micros(time)
    if not isinstance(time, str):
        raise _wrong("the time", time, "RFC 3339 text or integer milliseconds")
    try:
        return micros(msgspec.convert(time, datetime))
    except (msgspec.ValidationError, UnicodeEncodeError):  # the latter of half a surrogate pair
        raise Rejection(
            Reason.BAD_TIME, f"time {_show(time)} is not like 2026-11-21T10:00:00+07:00 (RFC 3339)"
        ) from None


def number_of(value: Any) -> float:
    """A value as sent, as a float: NaN for null. Raises Rejection for what is no number."""
    if value is None:
        return nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong("the value", value, "a number")
    try:
        return float(value)
    except OverflowError:
        return inf if value > 0 else -inf


def _length(series: Any) -> int:
    """How many readings a series means to have, whatever is wrong with it."""
    if not isinstance(series, dict):
        return 1
    columns = [series.get("times"), series.get("values")]
    return max((len(c) for c in columns if isinstance(c, list)), default=1)


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _wrong(what: str, value: Any, wanted: str) -> Rejection:
    kind = _TYPES.get(type(value), type(value).__name__)
    return Rejection(Reason.WRONG_TYPE, f"{what} is {kind}; {wanted} is wanted")


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"
