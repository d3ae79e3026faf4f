"""JSON messages that devices send about themselves: status (birth and last will) and command results."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Literal, TypeVar

import msgspec

from ingest.decoders.columns import Rejection, micros
from ingest.decoders.json_readings import MAX_BYTES
from ingest.decoders.salvage import load_json
from ingest.reasons import Reason


class Status(msgspec.Struct, frozen=True):
    """What a device says of itself. battery_v [V], signal_dbm [dBm], interval_s [s]; None: not said."""

    state: Literal["online", "offline"]
    time: datetime | int | None = None
    battery_v: float | None = None
    signal_dbm: float | None = None
    firmware: str = ""
    interval_s: float | None = None
    sensors: list[str] = []

    def at(self) -> datetime | None:
        """The device's time of it, UTC. Rejection for a time without a zone."""
        return None if self.time is None else datetime.fromtimestamp(micros(self.time) / 1e6, UTC)


class Result(msgspec.Struct, frozen=True):
    """How a command went. ``id`` is the command's; interval_s [s]: the interval now in force."""

    id: str
    ok: bool
    interval_s: float | None = None
    error: str = ""


_T = TypeVar("_T")
_status = msgspec.json.Decoder(Status)
_result = msgspec.json.Decoder(Result)


def decode_status(payload: bytes) -> Status:
    """Raises Rejection."""
    status = _decode(_status, payload)
    try:
        status.at()
    except (OverflowError, ValueError, OSError):
        raise Rejection(Reason.BAD_TIME, f"time {status.time} is in no calendar") from None
    return status


def decode_result(payload: bytes) -> Result:
    """Raises Rejection."""
    return _decode(_result, payload)


def _decode(decoder: msgspec.json.Decoder[_T], payload: bytes) -> _T:
    if len(payload) > MAX_BYTES:
        raise Rejection(Reason.TOO_LARGE, f"{len(payload)} bytes; at most {MAX_BYTES} are allowed")
    if not payload:
        raise Rejection(Reason.EMPTY, "a message without content")
    try:
        return decoder.decode(payload)
    except msgspec.ValidationError as e:
        raise Rejection(Reason.WRONG_TYPE, _plain(str(e))) from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        load_json(payload)
        raise Rejection(Reason.WRONG_TYPE, "a value that JSON cannot carry, such as NaN") from None


_KINDS = {
    "object": "an object", "array": "a list", "str": "text", "bool": "a boolean", "null": "null",
    "int": "a number", "float": "a number",
}  # fmt: skip


def _plain(said: str) -> str:
    """What msgspec says of a message that is not of its type, in the words of ``salvage``."""
    what, _, path = said.partition(" - at ")
    field = path.strip("`").removeprefix("$").removeprefix(".") or "the message"
    field = field if field == "the message" else f"`{field}`"
    if found := re.fullmatch(r"Expected `(.+)`, got `(.+)`", what):
        wanted, got = ([_KINDS.get(kind, kind) for kind in side.split(" | ")] for side in found.groups())
        return f"{field} is {got[0]}; {' or '.join(dict.fromkeys(wanted))} is wanted"
    if found := re.fullmatch(r"Object missing required field `(.+)`", what):
        return f"field `{found[1]}` is missing"
    if found := re.fullmatch(r"Invalid enum value (.+)", what):
        return f"{field} is {found[1][:80]}; 'online' or 'offline' is wanted"
    if "RFC3339" in what:
        return f"{field} is not like 2026-11-21T10:00:00+07:00 (RFC 3339)"
    return said
