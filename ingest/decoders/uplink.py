"""Uplinks of LoRaWAN devices, as ChirpStack 4 and The Things Stack 3 publish them in JSON.

The network server decoded the device's bytes into an object, or it did not: then the site's ``codecs.csv``
says what they mean. Where it does, the bytes go before the object.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from ingest.decoders.columns import Columns, Fault, Rejection
from ingest.decoders.json_readings import MAX_READINGS
from ingest.decoders.named import MAX_NAME, Named
from ingest.decoders.plain import MAX_TEXT, NUMBER
from ingest.decoders.salvage import load_json, time_of
from ingest.reasons import Reason
from waterworks.codecs import ByteField, fields_for
from waterworks.names import Format

MAX_DEPTH = 8
"""Levels of a decoded object. Codecs make one or two."""

_KINDS_REMEMBERED = 10_000  # devices and ports whose fields are known


class _Reception(msgspec.Struct, frozen=True):
    rssi: float | None = None


class _ChirpDevice(msgspec.Struct, rename="camel", frozen=True):
    dev_eui: str
    device_profile_name: str = ""


class _ChirpUplink(msgspec.Struct, rename="camel", frozen=True):
    """``UplinkEvent`` of ChirpStack's integration API, in Protobuf's JSON mapping."""

    device_info: _ChirpDevice
    time: str | None = None
    f_port: int = 0
    f_cnt: int = 0
    data: str = ""
    object: Any = None
    rx_info: list[_Reception] = []


class _ThingsDevice(msgspec.Struct, frozen=True):
    device_id: str


class _ThingsVersion(msgspec.Struct, frozen=True):
    model_id: str = ""


class _ThingsMessage(msgspec.Struct, frozen=True):
    received_at: str | None = None
    f_port: int = 0
    f_cnt: int = 0
    frm_payload: str = ""
    decoded_payload: Any = None
    rx_metadata: list[_Reception] = []
    version_ids: _ThingsVersion = _ThingsVersion()


class _ThingsUplink(msgspec.Struct, frozen=True):
    """An application uplink message of The Things Stack."""

    end_device_ids: _ThingsDevice
    uplink_message: _ThingsMessage
    received_at: str | None = None
    simulated: bool = False


class Uplink(NamedTuple):
    """What a message says of itself. device: its id, in small letters; kind: its profile or model.

    time: text as sent, None where there is none. counter: of the device's frames. rssi: the best of all
    gateways that heard it [dBm], None where none says.
    """

    device: str
    kind: str
    time: str | None
    port: int
    counter: int
    data: str
    object: Any
    rssi: float | None
    simulated: bool = False


class Taken(NamedTuple):
    """What became of an uplink. time: its own, microseconds since 1970 UTC."""

    uplink: Uplink
    time: int
    faults: list[Fault]


class Uplinks:
    """Decodes uplinks of ``format``. fields: what the site says of bytes. max_readings: of one message."""

    def __init__(
        self, format: Format, named: Named, fields: Sequence[ByteField], *, max_readings: int = MAX_READINGS
    ) -> None:
        chirpstack = format is Format.CHIRPSTACK
        self._type: type[_ChirpUplink] | type[_ThingsUplink] = _ChirpUplink if chirpstack else _ThingsUplink
        self._decoder = msgspec.json.Decoder(self._type)
        self._named = named
        self._fields = fields
        self._max_readings = max_readings
        self._of: dict[tuple[str, str, int], tuple[ByteField, ...]] = {}

    def take(self, payload: bytes, out: Columns) -> Taken:
        """Add the values of an uplink to ``out``. Raises Rejection, with ``out`` as it was."""
        uplink = self._read(payload)
        if not uplink.device:
            raise Rejection(Reason.WRONG_TYPE, "the device's id is empty")
        if len(uplink.device) > MAX_NAME or len(uplink.kind) > MAX_NAME:
            raise Rejection(
                Reason.BAD_NAME, f"the id of the device or of its kind is longer than {MAX_NAME} characters"
            )
        if uplink.simulated:
            raise Rejection(Reason.UNSUPPORTED, "a simulated uplink: nothing was measured")
        micros = time_of(uplink.time)
        faults: list[Fault] = []
        fields = self._fields_of(uplink)
        values = self._bytes(uplink, fields, faults) if fields else self._object(uplink)
        for place, name, value, unit in values:
            try:
                self._named.add(out, uplink.device, name, value, micros, place, unit)
            except Rejection as e:
                faults.append(Fault(place, e.reason, e.detail))
        return Taken(uplink, micros, faults)

    def _read(self, payload: bytes) -> Uplink:
        if not payload:
            raise Rejection(Reason.EMPTY, "a message without content")
        try:
            message = self._decoder.decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raw = load_json(payload)
            try:
                message = msgspec.convert(raw, self._type)
            except msgspec.ValidationError as e:
                raise Rejection(Reason.WRONG_TYPE, str(e)[:300]) from None
            except UnicodeEncodeError:
                raise Rejection(Reason.WRONG_TYPE, "a text with half a surrogate pair") from None
            except RecursionError:
                raise Rejection(Reason.TOO_DEEP, "nested too deep to read") from None
        if isinstance(message, _ChirpUplink):
            of = message.device_info
            return Uplink(
                of.dev_eui.lower(),
                of.device_profile_name,
                message.time,
                message.f_port,
                message.f_cnt,
                message.data,
                message.object,
                _best(message.rx_info),
            )
        up = message.uplink_message
        return Uplink(
            message.end_device_ids.device_id.lower(),
            up.version_ids.model_id,
            up.received_at or message.received_at,
            up.f_port,
            up.f_cnt,
            up.frm_payload,
            up.decoded_payload,
            _best(up.rx_metadata),
            message.simulated,
        )

    def _fields_of(self, uplink: Uplink) -> tuple[ByteField, ...]:
        if not self._fields:
            return ()
        key = uplink.device, uplink.kind, uplink.port
        found = self._of.get(key)
        if found is None:
            if len(self._of) >= _KINDS_REMEMBERED:
                self._of.clear()
            found = self._of[key] = fields_for(self._fields, *key)
        return found

    def _bytes(
        self, uplink: Uplink, fields: Sequence[ByteField], faults: list[Fault]
    ) -> Iterator[tuple[int, str, Any, str]]:
        """(place, name, value, unit) of the fields that the bytes have; the others become faults."""
        try:
            data = binascii.a2b_base64(uplink.data, strict_mode=True)
        except (binascii.Error, ValueError):
            raise Rejection(Reason.WRONG_TYPE, "the uplink's bytes are no base64") from None
        if not data:  # nothing but commands of the network
            return
        for place, field in enumerate(fields):
            try:
                value = field.read(data)
            except ValueError as e:
                faults.append(Fault(place, Reason.UNDECODED, str(e)))
                continue
            if value is not None:
                yield place, field.name, value, field.unit

    def _object(self, uplink: Uplink) -> Iterator[tuple[int, str, Any, str]]:
        """(place, name, value, "") of what the network server made of the bytes: the numbers in it.

        Texts, booleans and nulls are no measurements, unless the site says that they are.
        """
        if uplink.object is None and uplink.data:
            raise Rejection(
                Reason.UNDECODED,
                f"device {uplink.device!r} on port {uplink.port}: neither did the network server decode its "
                "bytes, nor does codecs.csv say what they are",
            )
        for place, (name, value) in enumerate(self._leaves(uplink.object)):
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if number or self._named.known(uplink.device, name):
                yield place, name, _as_number(value), ""

    def _leaves(self, item: Any) -> list[tuple[str, Any]]:
        """The values of a nested object by their path, as ``a.b`` or ``a.0``. Raises Rejection."""
        found: list[tuple[str, Any]] = []
        stack: list[tuple[str, Any, int]] = [("", item, 0)]
        while stack:
            path, value, depth = stack.pop()
            if len(path) > MAX_NAME:  # a long key before ten thousand others would be ten thousand long names
                raise Rejection(Reason.BAD_NAME, f"a name of {len(path)} characters; at most {MAX_NAME}")
            if not isinstance(value, dict | list):
                if path:
                    found.append((path, value))
                continue
            if depth == MAX_DEPTH:
                raise Rejection(Reason.TOO_DEEP, f"an object nested deeper than {MAX_DEPTH} levels")
            if len(found) + len(stack) + len(value) > self._max_readings:
                raise Rejection(
                    Reason.TOO_MANY_READINGS,
                    f"more than {self._max_readings} values in a message",
                )
            pairs = value.items() if isinstance(value, dict) else enumerate(value)
            stack += [(f"{path}.{key}" if path else str(key), inner, depth + 1) for key, inner in pairs]
        return found[::-1]  # as a stack gives them back, so that the first stands first


def _best(receptions: Sequence[_Reception]) -> float | None:
    return max((r.rssi for r in receptions if r.rssi is not None), default=None)


def _as_number(value: Any) -> Any:
    """A number that a codec wrote as text (JavaScript's ``toFixed`` does) as the number it is."""
    if isinstance(value, str) and len(value) <= MAX_TEXT:
        found = NUMBER.fullmatch(value.strip())
        return float(found[1]) if found and not found[2] else value
    return value
