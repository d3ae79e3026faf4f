"""SenML packs in JSON and CBOR (RFC 8428): records of name, time, unit and value that share base fields.

What the RFC demands of the pack as a whole is looked at first, so that a message that must not be used
leaves nothing behind; after that, a bad record costs itself, and those that rest on what is bad in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf, nan
from typing import Any, NamedTuple

import msgspec

from ingest.decoders.cbor import load_cbor
from ingest.decoders.columns import Columns, Fault, Rejection
from ingest.decoders.json_readings import MAX_BYTES, MAX_READINGS
from ingest.decoders.salvage import load_json
from ingest.decoders.senml_units import OTHERWISE, twuin_unit
from ingest.reasons import Reason
from waterworks.names import SENML_NAME, ForeignName, Format, Meaning, Names

VERSION = 10
"""The version of SenML that RFC 8428 defines; a pack of a later one must not be used (section 4.4)."""

ABSOLUTE = 2**28
"""Times from here on count from 1970, below it from now [s] (section 4.5.3)."""

MAX_NAME = 255
"""Characters of a name. One base name of a megabyte before ten thousand names would be ten gigabytes."""

CBOR_LABELS = {
    -1: "bver", -2: "bn", -3: "bt", -4: "bu", -5: "bv", -6: "bs",
    0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb", 5: "s", 6: "t", 7: "ut", 8: "vd",
}  # fmt: skip
"""Section 6, table 4. Labels of extensions are text in CBOR too."""

_CORE = frozenset(CBOR_LABELS.values())
_BASES = frozenset({"bver", "bn", "bt", "bu", "bv", "bs"})
_VALUES = ("v", "vs", "vb", "vd")
_NOT_NUMBERS = {"vs": "text (`vs`)", "vb": "a boolean (`vb`)", "vd": "data (`vd`)"}
_TWICE = object()  # in place of a record in which a field stands twice
_MOST_S = 2**62 // 10**6  # seconds; later instants are beyond 64-bit microseconds
_KINDS = {
    type(None): "null",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "text",
    bytes: "bytes",
    list: "a list",
    dict: "an object",
}


class Senml:
    """Decodes packs. names: what the site calls the sensors.

    max_bytes, max_readings: bounds on one message.
    """

    def __init__(
        self,
        names: Names | Iterable[ForeignName] = (),
        *,
        max_bytes: int = MAX_BYTES,
        max_readings: int = MAX_READINGS,
    ) -> None:
        self.max_bytes = max_bytes
        self.max_readings = max_readings
        self._names = names if isinstance(names, Names) else Names(names)

    def decode_json(
        self, device: str, payload: bytes, out: Columns, now: int, stale: bool = False
    ) -> list[Fault]:
        """Add the values of a pack from ``device`` to ``out``; what could not be used is returned.

        now: when the message came, microseconds since 1970 UTC; relative times count from it. stale: it may
        have waited since it was sent, so that nobody knows what they count from.

        Each record becomes a reading or a fault, except those that do nothing but set base fields.

        Raises Rejection, with ``out`` as it was, when nothing of the pack can be used.
        """
        self._bound(payload)
        try:
            pack = msgspec.json.decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pack = load_json(payload)
        return self._take(device, self._records(pack), out, None if stale else now)

    def decode_cbor(
        self, device: str, payload: bytes, out: Columns, now: int, stale: bool = False
    ) -> list[Fault]:
        """As ``decode_json``. Fields may also be labelled with their names in place of their numbers."""
        self._bound(payload)
        records = self._records(load_cbor(payload))
        named = [_named(r) if isinstance(r, dict) else r for r in records]
        return self._take(device, named, out, None if stale else now)

    def _bound(self, payload: bytes) -> None:
        if len(payload) > self.max_bytes:
            raise Rejection(Reason.TOO_LARGE, f"{len(payload)} bytes; at most {self.max_bytes} are allowed")
        if not payload:
            raise Rejection(Reason.EMPTY, "a message without content")

    def _records(self, pack: Any) -> list[Any]:
        if not isinstance(pack, list):
            raise _wrong("the message", pack, "a list of records")
        if not pack:
            raise Rejection(Reason.EMPTY, "the pack holds no record")
        if len(pack) > self.max_readings:
            raise Rejection(
                Reason.TOO_MANY_READINGS,
                f"{len(pack)} records in a message; at most {self.max_readings} are allowed",
            )
        for place, record in enumerate(pack):
            if isinstance(record, dict):
                for label in record.keys() - _CORE:
                    if isinstance(label, str) and label.endswith("_"):
                        raise Rejection(
                            Reason.UNSUPPORTED,
                            f"record {place}: field {_show(label)} must be understood, but Twuin does not",
                        )
        return pack

    def _take(self, device: str, records: list[Any], out: Columns, now: int | None) -> list[Fault]:
        _check_versions(records)
        faults: list[Fault] = []
        resolver = _Resolver(device, self._names, out, now)
        before, unwanted = len(out), out.unwanted
        for place, record in enumerate(records):
            try:
                resolver.take(place, record)
            except Rejection as e:
                faults.append(Fault(place, e.reason, e.detail))
        if not faults and len(out) == before and out.unwanted == unwanted:
            raise Rejection(Reason.EMPTY, "the pack sets base fields, but holds no value")
        return faults


def _named(record: dict[Any, Any]) -> Any:
    """A record of CBOR with the labels of JSON; ``_TWICE`` where that makes one label of two."""
    named = {CBOR_LABELS.get(k, k) if type(k) is int else k: v for k, v in record.items()}
    return named if len(named) == len(record) else _TWICE


def _check_versions(records: list[Any]) -> None:
    """Raises Rejection for a pack of a later version than ours, or of several (section 4.4)."""
    found: set[int] = set()
    for place, record in enumerate(records):
        if isinstance(record, dict) and "bver" in record:
            version = record["bver"]
            if isinstance(version, float) and version.is_integer():
                version = int(version)
            if type(version) is not int or version < 1:
                raise _wrong(f"record {place}: `bver`", record["bver"], "a whole number above 0")
            if version > VERSION:
                said = f"{version}" if version < 10**9 else "a number beyond all sense"
                raise Rejection(
                    Reason.UNSUPPORTED, f"record {place}: SenML version {said}; Twuin knows {VERSION}"
                )
            found.add(version)
    if len(found) > 1:
        raise Rejection(
            Reason.WRONG_TYPE, f"records of versions {sorted(found)}; all of a pack have the same"
        )


class _Target(NamedTuple):
    """Where the values of a name and unit go: times ``scale`` plus ``offset`` into column ``source``."""

    source: int
    scale: float
    offset: float


class _Resolver:
    """Goes through the records of one pack, with the base fields that hold so far (section 4.6)."""

    def __init__(self, device: str, names: Names, out: Columns, now: int | None) -> None:
        self._device = device
        self._names = names
        self._out = out
        self._now = now
        self._texts = {"bn": "", "bu": ""}
        self._numbers = {"bt": 0.0, "bv": 0.0}
        self._sums = False
        self._bad: dict[str, Rejection] = {}  # base fields that cannot be read, and why
        self._targets: dict[tuple[str, str], _Target] = {}

    def take(self, place: int, record: Any) -> None:
        """Add the record's value, if it has one. Raises Rejection."""
        if record is _TWICE:
            raise Rejection(Reason.WRONG_TYPE, "a field stands in it by its number and by its name")
        if not isinstance(record, dict):
            raise _wrong("it", record, "an object")
        if not _BASES.isdisjoint(record):
            fresh = self._rebase(place, record)
            if _BASES.issuperset(_CORE.intersection(record)):  # no more than base fields, as in section 5.1.7
                if fresh is not None:
                    raise fresh
                return
        self._add(place, record)

    def _rebase(self, place: int, record: dict[Any, Any]) -> Rejection | None:
        """Take the record's base fields; the first that cannot be read is returned."""
        first = None
        for label in ("bn", "bu", "bt", "bv"):
            if label not in record:
                continue
            try:
                if label in self._texts:
                    self._texts[label] = _text(label, record[label])
                else:
                    self._numbers[label] = _number(label, record[label])
                self._bad.pop(label, None)
            except Rejection as e:
                bad = Rejection(e.reason, f"record {place}: {e.detail}")
                self._bad[label] = bad
                first = first or bad
        self._sums = self._sums or "bs" in record
        return first

    def _add(self, place: int, record: dict[Any, Any]) -> None:
        self._must_hold("bn")
        base, own = self._texts["bn"], _text("n", record.get("n", ""))
        if len(base) + len(own) > MAX_NAME:
            raise Rejection(
                Reason.BAD_NAME, f"a name of {len(base) + len(own)} characters; at most {MAX_NAME}"
            )
        name = base + own
        if "u" in record:
            unit = _text("u", record["u"])
        else:
            self._must_hold("bu")
            unit = self._texts["bu"]
        if self._names.any_unwanted and self._meaning(name).unwanted:
            self._out.unwanted += 1
            return
        value = self._value(record)
        micros = self._micros(record)
        target = self._targets.get((name, unit)) or self._target(name, unit)
        self._out.add(target.source, micros, value * target.scale + target.offset, place)

    def _must_hold(self, label: str) -> None:
        """Raises Rejection where the base field that is in force cannot be read."""
        if label in self._bad:
            bad = self._bad[label]
            raise Rejection(bad.reason, bad.detail)

    def _value(self, record: dict[Any, Any]) -> float:
        given = [label for label in _VALUES if label in record]
        if len(given) > 1:
            raise Rejection(
                Reason.WRONG_TYPE, f"it has {' and '.join(f'`{g}`' for g in given)}; a record has one value"
            )
        if not given:
            if "s" in record or self._sums:
                raise Rejection(
                    Reason.WRONG_TYPE,
                    "it has a sum (`s`), no value: send volumes as the value (`v`) of a sensor of its own",
                )
            raise Rejection(Reason.WRONG_TYPE, "it has no value (`v`)")
        if given != ["v"]:
            raise Rejection(
                Reason.WRONG_TYPE, f"its value is {_NOT_NUMBERS[given[0]]}; a sensor's is a number (`v`)"
            )
        if record["v"] is None:
            return nan
        self._must_hold("bv")
        return _number("v", record["v"]) + self._numbers["bv"]

    def _micros(self, record: dict[Any, Any]) -> int:
        """The record's time, microseconds since 1970 UTC (section 4.5.3)."""
        self._must_hold("bt")
        seconds = self._numbers["bt"]
        if "t" in record:
            seconds += _number("t", record["t"])
        if not -_MOST_S < seconds < _MOST_S:  # nor NaN
            raise Rejection(Reason.BAD_TIME, f"time {seconds:g} is no number of seconds in any calendar")
        micros = round(seconds * 1e6)
        if seconds >= ABSOLUTE:
            return micros
        if self._now is None:
            raise Rejection(
                Reason.NO_TIME,
                "its time counts from when it comes, but the broker had kept it, nobody knows how long",
            )
        return self._now + micros

    def _meaning(self, name: str) -> Meaning:
        short = name.removeprefix(f"{self._device}/")
        meaning = self._names.find(Format.SENML, self._device, name)
        if (meaning is None or meaning.unwanted) and short != name:
            meaning = self._names.find(Format.SENML, self._device, short) or meaning
        return meaning or Meaning(short)

    def _target(self, name: str, unit: str) -> _Target:
        """Raises Rejection for a name that SenML does not allow, and for a unit that means something else."""
        if not SENML_NAME.fullmatch(name):
            raise Rejection(
                Reason.BAD_NAME,
                f"name {_show(name)}: letters A to Z, digits and - : . / _ only, a letter or digit first"
                if name
                else "it has no name: neither base name (`bn`) nor name (`n`)",
            )
        meaning = self._meaning(name)
        if not meaning.unit and unit in OTHERWISE:
            raise Rejection(Reason.UNKNOWN_UNIT, f"unit {unit!r} is the {OTHERWISE[unit]}")
        known = meaning.unit or twuin_unit(unit)
        source = self._out.source(self._device, meaning.sensor, known)
        target = self._targets[name, unit] = _Target(source, meaning.scale, meaning.offset)
        return target


def _text(label: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong(f"`{label}`", value, "text")
    return value


def _number(label: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(f"`{label}`", value, "a number")
    try:
        return float(value)
    except OverflowError:
        return inf if value > 0 else -inf


def _wrong(what: str, value: Any, wanted: str) -> Rejection:
    kind = _KINDS.get(type(value), "of a type that no reading has")
    return Rejection(Reason.WRONG_TYPE, f"{what} is {kind}; {wanted} is wanted")


def _show(text: str) -> str:
    shown = repr(text[:80])
    return shown if len(text) <= 80 else f"{shown[:-1]}…'"
