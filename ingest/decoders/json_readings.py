"""JSON messages of readings: a single one, a batch, or columns by sensor (``docs/mqtt.md``).

A sound message takes one typed pass. Whatever is not sound goes to ``ingest.decoders.salvage``, which
takes its time to say what is wrong and to save the readings that are right.
"""

from __future__ import annotations

from datetime import datetime
from math import nan
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from ingest.decoders.columns import Columns, Fault, Rejection, micros
from ingest.decoders.salvage import salvage
from ingest.reasons import Reason

MAX_BYTES = 2**20
MAX_READINGS = 10_000

Mark = Literal["good", "suspect"]


class Reading(msgspec.Struct, gc=False):
    """One reading of a batch."""

    sensor: str
    time: datetime | int
    value: float | None
    unit: str = ""
    quality: Mark = "good"


class Series(msgspec.Struct, gc=False):
    """Readings of one sensor in columns."""

    sensor: str
    times: list[datetime | int]
    values: list[float | None]
    unit: str = ""
    quality: Mark = "good"


class Message(msgspec.Struct, gc=False):
    """Any of the three forms."""

    sensor: str | UnsetType = UNSET
    time: datetime | int | UnsetType = UNSET
    value: float | UnsetType | None = UNSET
    unit: str = ""
    quality: Mark = "good"
    device: str | UnsetType = UNSET
    seq: int | UnsetType = UNSET
    boot: int | UnsetType = UNSET
    oldest: int = 0
    readings: list[Reading] | UnsetType = UNSET
    series: list[Series] | UnsetType = UNSET


class JsonReadings:
    """Decodes messages of readings. max_bytes, max_readings: bounds on one message."""

    def __init__(self, *, max_bytes: int = MAX_BYTES, max_readings: int = MAX_READINGS) -> None:
        self.max_bytes = max_bytes
        self.max_readings = max_readings
        self._decoder = msgspec.json.Decoder(Message)

    def decode(self, device: str, payload: bytes, out: Columns) -> list[Fault]:
        """Add the readings of a message from ``device`` to ``out``; what could not be used is returned.

        Raises Rejection, with ``out`` as it was, when nothing of the message can be used.
        """
        if len(payload) > self.max_bytes:
            raise Rejection(Reason.TOO_LARGE, f"{len(payload)} bytes; at most {self.max_bytes} are allowed")
        if not payload:
            raise Rejection(Reason.EMPTY, "a message without content")
        try:
            message = self._decoder.decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return salvage(device, payload, out, self.max_readings)
        done = self._take(device, message, out) if message.device in (UNSET, device) else None
        if done is None:
            return salvage(device, payload, out, self.max_readings)
        if message.seq is not UNSET:
            out.mark(device, None if message.boot is UNSET else message.boot, message.seq, message.oldest)
        return done

    def _take(self, device: str, m: Message, out: Columns) -> list[Fault] | None:
        """Add a message that decoded; None, with ``out`` as it was, when something else is wrong with it."""
        if m.readings is not UNSET:
            if _has_single(m) or m.series is not UNSET or not 0 < len(m.readings) <= self.max_readings:
                return None
            return _take_batch(device, m.readings, out)
        if m.series is not UNSET:
            return None if _has_single(m) else self._take_series(device, m.series, out)
        if m.sensor is UNSET or not m.sensor or m.time is UNSET or m.value is UNSET:
            return None
        at = micros(m.time)
        value = nan if m.value is None else m.value
        out.add(out.source(device, m.sensor, m.unit), at, value, 0, m.quality == "suspect")
        return []

    def _take_series(self, device: str, series: list[Series], out: Columns) -> list[Fault] | None:
        if not 0 < sum(len(s.times) for s in series) <= self.max_readings:
            return None
        columns = []
        for s in series:
            if len(s.times) != len(s.values) or not s.sensor:
                return None
            try:
                columns.append([micros(t) for t in s.times])
            except Rejection:
                return None
        place = 0
        for s, times in zip(series, columns, strict=True):
            values = [nan if v is None else v for v in s.values]
            out.extend(out.source(device, s.sensor, s.unit), times, values, place, s.quality == "suspect")
            place += len(times)
        return []


def _has_single(m: Message) -> bool:
    return m.sensor is not UNSET or m.time is not UNSET or m.value is not UNSET


def _take_batch(device: str, readings: list[Reading], out: Columns) -> list[Fault]:
    faults: list[Fault] = []
    for place, r in enumerate(readings):
        try:
            at = micros(r.time)
        except Rejection as e:
            faults.append(Fault(place, e.reason, e.detail))
            continue
        if not r.sensor:
            faults.append(Fault(place, Reason.WRONG_TYPE, "`sensor` is empty"))
            continue
        value = nan if r.value is None else r.value
        out.add(out.source(device, r.sensor, r.unit), at, value, place, r.quality == "suspect")
    return faults
