"""The payload of Sparkplug B (Protocol Buffers): those of its fields that Twuin reads.

Names and numbers of the fields are those of the Sparkplug specification 3.0.0, section 6.4.1; the rest of its
schema (templates, data sets, meta data) stays unread. Texts are declared as bytes, which is the same on the
wire: whether they are UTF-8 is looked at where it matters. Properties stay bytes until they are wanted.
"""

from __future__ import annotations

from math import nan
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory

from ingest.decoders.columns import Rejection
from ingest.reasons import Reason

_F = descriptor_pb2.FieldDescriptorProto
_SCHEMA: dict[str, tuple[tuple[str, int, Any, str], ...]] = {
    # name, number, type, and: "" optional, "*" repeated, "?" one of the values, else repeated of that message
    "PropertyValue": (
        ("is_null", 2, _F.TYPE_BOOL, ""),
        ("int_value", 3, _F.TYPE_UINT32, "?"),
        ("long_value", 4, _F.TYPE_UINT64, "?"),
        ("string_value", 8, _F.TYPE_BYTES, "?"),
    ),
    "PropertySet": (
        ("keys", 1, _F.TYPE_BYTES, "*"),
        ("values", 2, _F.TYPE_MESSAGE, "PropertyValue"),
    ),
    "Metric": (
        ("name", 1, _F.TYPE_BYTES, ""),
        ("alias", 2, _F.TYPE_UINT64, ""),
        ("timestamp", 3, _F.TYPE_UINT64, ""),
        ("datatype", 4, _F.TYPE_UINT32, ""),
        ("is_historical", 5, _F.TYPE_BOOL, ""),
        ("is_transient", 6, _F.TYPE_BOOL, ""),
        ("is_null", 7, _F.TYPE_BOOL, ""),
        ("properties", 9, _F.TYPE_BYTES, ""),
        ("int_value", 10, _F.TYPE_UINT32, "?"),
        ("long_value", 11, _F.TYPE_UINT64, "?"),
        ("float_value", 12, _F.TYPE_FLOAT, "?"),
        ("double_value", 13, _F.TYPE_DOUBLE, "?"),
        ("boolean_value", 14, _F.TYPE_BOOL, "?"),
        ("string_value", 15, _F.TYPE_BYTES, "?"),
        ("bytes_value", 16, _F.TYPE_BYTES, "?"),
        ("dataset_value", 17, _F.TYPE_BYTES, "?"),
        ("template_value", 18, _F.TYPE_BYTES, "?"),
        ("extension_value", 19, _F.TYPE_BYTES, "?"),
    ),
    "Payload": (
        ("timestamp", 1, _F.TYPE_UINT64, ""),
        ("metrics", 2, _F.TYPE_MESSAGE, "Metric"),
        ("seq", 3, _F.TYPE_UINT64, ""),
    ),
}

DOUBLE, BOOLEAN = 10, 11
SIGNED = {1: 8, 2: 16, 3: 32, 4: 64}
"""Bits of the whole numbers with a sign, by data type (section 6.4.16): they come as unsigned ones."""

NUMBERS = frozenset({*SIGNED, 5, 6, 7, 8, 9, DOUBLE})
"""Data types that are numbers: whole ones with and without a sign, and 32- and 64-bit floats."""

GOOD_QUALITY = 192
"""Of the property "Quality" (section 6.4.11): 0 is bad, 500 stale."""

_MAX_UNIT = 32  # characters
_UNIT_KEYS = frozenset({"engunit", "engunits", "unit", "units"})


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(
        name="twuin/sparkplug_b.proto", package="twuin.sparkplug", syntax="proto2"
    )
    for name, fields in _SCHEMA.items():
        of = file.message_type.add(name=name)
        if any(kind == "?" for *_, kind in fields):
            of.oneof_decl.add(name="value")
        for field, number, type, kind in fields:
            repeated = kind not in ("", "?")
            added = of.field.add(
                name=field,
                number=number,
                type=type,
                label=_F.LABEL_REPEATED if repeated else _F.LABEL_OPTIONAL,
            )
            if kind == "?":
                added.oneof_index = 0
            if type == _F.TYPE_MESSAGE:
                added.type_name = f".twuin.sparkplug.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"twuin.sparkplug.{name}"))
        for name in _SCHEMA
    }


_CLASSES = _classes()


def parse_payload(payload: bytes, most: int) -> Any:
    """A message of ``timestamp``, ``metrics`` and ``seq``. Rejection: it is none, or has too many metrics."""
    try:
        parsed = _CLASSES["Payload"].FromString(payload)
    except message.DecodeError:
        raise Rejection(Reason.BAD_PROTOBUF, "no payload of Sparkplug B (Protocol Buffers)") from None
    if len(parsed.metrics) > most:
        raise Rejection(
            Reason.TOO_MANY_READINGS,
            f"{len(parsed.metrics)} metrics in a message; at most {most} are allowed",
        )
    return parsed


def text(raw: bytes, what: str) -> str:
    """Raises Rejection for bytes that are not UTF-8."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as e:
        raise Rejection(Reason.BAD_UTF8, f"{what} is not UTF-8: {e.reason}") from None


def number(metric: Any, datatype: int) -> Any:
    """The value of a metric: a float or int, NaN for null; text, bytes or a bool where it is no number.

    datatype: what the birth says, 0 where nothing does. Raises Rejection where there is no value.
    """
    if metric.is_null:
        return nan
    kind = metric.WhichOneof("value")
    if kind is None:
        raise Rejection(Reason.WRONG_TYPE, "it has neither a value nor says that it is null")
    value = getattr(metric, kind)
    if kind == "string_value":
        return value.decode("utf-8", "replace")
    if kind not in ("int_value", "long_value"):
        return value
    bits = SIGNED.get(datatype)
    if bits is None:
        return value
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def unit_and_doubt(metric: Any) -> tuple[str, bool]:
    """What a metric's properties say: its unit ("" where they do not), and whether its value is doubtful."""
    if not metric.properties:
        return "", False
    try:
        properties = _CLASSES["PropertySet"].FromString(metric.properties)
    except message.DecodeError:
        return "", False
    unit, doubt = "", False
    for key, value in zip(properties.keys, properties.values, strict=False):
        name = key[:20].decode("utf-8", "replace").lower()
        if name in _UNIT_KEYS and not value.is_null and value.HasField("string_value"):
            unit = value.string_value[: 4 * _MAX_UNIT].decode("utf-8", "replace")[:_MAX_UNIT]
        elif name == "quality" and (value.HasField("int_value") or value.HasField("long_value")):
            doubt = (value.int_value or value.long_value) != GOOD_QUALITY
    return unit, doubt


def rebirth_request(now_ms: int) -> bytes:
    """The payload that asks an edge node for its births anew (section 5.17)."""
    payload = _CLASSES["Payload"](timestamp=now_ms)
    payload.metrics.add(name=b"Node Control/Rebirth", timestamp=now_ms, datatype=BOOLEAN, boolean_value=True)
    encoded: bytes = payload.SerializeToString()
    return encoded
