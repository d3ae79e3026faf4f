"""What goes over the air: topics and payloads, written here anew from docs/mqtt.md.

The simulator exists to test the decoders, so it shares no code with them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from firmware_sim.device import Device, Meter
from firmware_sim.draws import uniform
from firmware_sim.unconfirmed import Receipt

FIRMWARE = "sim-1"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Topics:
    """Topics of one device."""

    def __init__(self, site: str, device: str, root: str = "twuin") -> None:
        base = f"{root}/{site}/{device}"
        self.readings = f"{base}/readings"
        self.status = f"{base}/status"
        self.command = f"{base}/command"
        self.result = f"{base}/command/result"
        self.receipt = f"{base}/receipt"


class Number(NamedTuple):
    """Of a message: its number since ``boot``, and the oldest one that the device still keeps; boot None: the
    device wants no receipts."""

    seq: int
    boot: int | None = None
    oldest: int = 0

    def fields(self) -> dict[str, int]:
        """As they stand in a message."""
        if self.boot is None:
            return {"seq": self.seq}
        return {"seq": self.seq, "boot": self.boot, "oldest": self.oldest}


class Series(NamedTuple):
    """Readings of one sensor: times [us since 1970] and values [its unit]."""

    meter: Meter
    stamps: Sequence[int]
    values: Sequence[float]


class Writer:
    """Writes a device's payloads. zone: of its times; milliseconds: since 1970 instead of text."""

    def __init__(self, device: Device, zone: ZoneInfo, *, milliseconds: bool) -> None:
        self._device, self._zone, self._milliseconds = device, zone, milliseconds

    def time(self, stamp: int) -> str | int:
        """A device time as it is sent."""
        if self._milliseconds:
            return stamp // 1000
        moment = _EPOCH + timedelta(microseconds=stamp)
        whole = stamp % 1_000_000 == 0
        return moment.astimezone(self._zone).isoformat(timespec="seconds" if whole else "milliseconds")

    def sample(self, number: Number, meters: Sequence[Meter], stamp: int, values: Sequence[float]) -> bytes:
        """One moment of one sensor, or of several together."""
        time = self.time(stamp)
        rows = [
            {"sensor": m.sensor.id, "time": time, "value": value, "unit": m.sensor.unit}
            for m, value in zip(meters, values, strict=True)
        ]
        if len(rows) == 1:
            return _json({**rows[0], **number.fields()})
        return _json({"device": self._device.id, **number.fields(), "readings": rows})

    def series(self, number: Number, series: Sequence[Series]) -> bytes:
        """Many moments at once, in columns: what was kept while offline."""
        columns = [
            {
                "sensor": s.meter.sensor.id,
                "unit": s.meter.sensor.unit,
                "times": [self.time(t) for t in s.stamps],
                "values": list(s.values),
            }
            for s in series
        ]
        return _json({**number.fields(), "series": columns})

    def status(self, at: int, *, online: bool) -> bytes:
        """Birth and sign of life, or goodbye."""
        stamp = self._device.clock.stamp(at) // 1000 * 1000
        if not online:
            return _json({"state": "offline", "time": self.time(stamp)})
        health = self._device.health(at)
        return _json(
            {
                "state": "online",
                "time": self.time(stamp),
                "battery_v": health.battery_v,
                "signal_dbm": health.signal_dbm,
                "firmware": FIRMWARE,
                "interval_s": _plain(self._device.interval_s),
                "sensors": list(self._device.sensors),
            }
        )


def last_will() -> bytes:
    """What the broker says for a device that is gone; when that will be, nobody knows yet."""
    return _json({"state": "offline"})


def _plain(number: float) -> float | int:
    return int(number) if number == int(number) else number


def _json(said: dict[str, Any]) -> bytes:
    return json.dumps(said, separators=(",", ":")).encode()


def garbled(payload: bytes, key: int, at: int) -> bytes:
    """A payload destroyed in one of the ways that radios and bad firmware have, drawn by key and time."""
    ways = (
        payload[: max(1, len(payload) // 2)],  # cut off
        bytes(b ^ 0x80 if i % 3 == 0 else b for i, b in enumerate(payload)),  # bits turned, no UTF-8 any more
        b"",
        b"\x00" * 24,
        payload.replace(b'"value":', b'"valve":').replace(b'"values":', b'"valves":'),  # a wrong key
        b"ERR 0x1F sensor bus timeout",
    )
    return ways[int(float(uniform(key ^ 9, at)) * len(ways))]


def read_receipt(payload: bytes) -> Receipt | None:
    """Understand a receipt; None for what is none."""
    try:
        said = json.loads(payload)
        receipt = Receipt(
            said["boot"], said["stored"], said["highest"], [(first, last) for first, last in said["gaps"]]
        )
    except (ValueError, KeyError, TypeError):
        return None
    numbers = (*receipt[:3], *(n for gap in receipt.gaps for n in gap))
    return receipt if all(type(n) is int for n in numbers) else None


class Command(NamedTuple):
    """A command as understood: ``interval_s`` is what to set, None where ``error`` says why not."""

    id: str
    interval_s: float | None
    error: str = ""


def read_command(payload: bytes) -> Command | None:
    """Understand a command; None for what is none at all and gets no answer."""
    try:
        said = json.loads(payload)
    except ValueError:
        return None
    if not isinstance(said, dict) or not isinstance(said.get("id"), str):
        return None
    interval = said.get("interval_s")
    if isinstance(interval, bool) or not isinstance(interval, int | float):
        return Command(said["id"], None, "interval_s is missing or no number")
    if not 1 <= interval <= 86400:
        return Command(said["id"], None, "interval_s must be from 1 to 86400")
    return Command(said["id"], float(interval))


def command_result(command: Command) -> bytes:
    """The device's answer."""
    if command.interval_s is None:
        return _json({"id": command.id, "ok": False, "error": command.error})
    return _json({"id": command.id, "ok": True, "interval_s": _plain(command.interval_s)})
