"""Makes hostile payloads: damage to sound ones, and structures that no device sends."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import cbor2

NUMBERS = (
    "0", "-0", "1e999", "-1e999", "1e-999", "NaN", "Infinity", "-Infinity", "0x10", "1_0", "1.", ".5", "00",
    "9" * 400, "-" + "9" * 30, "18446744073709551616", "1795230000000", "1795230000",
    "-62135596800001", "2e308",
)  # fmt: skip
TEXTS = (
    "", " ", "\0", "D1-IN", "d1", "\ud800", "é" * 300, "../../x", "%s%n", "' OR 1=1", "=1+1", "\r\n",
    "\u202e",
    "2026-11-21T10:00:00", "2026-02-30T00:00:00Z", "9999-12-31T23:59:60Z", "0000-00-00T00:00:00Z",
    "2026-11-21T10:00:00+99:99", "m3/h", "x" * 5000, "true", "null", "-", "*",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**31, 2**53, 2**63, 2**64, -(2**63), 10**400, 1e308, -1e308, 5e-324,
    float("nan"), float("inf"), [], {}, [[]], [{}], {"": None}, *TEXTS,
)  # fmt: skip
KEYS = (
    "sensor", "time", "value", "unit", "readings", "series", "times", "values", "device", "seq",
    "boot", "oldest", "quality", "state", "id", "ok", "bn", "bt", "bu", "bv", "bver", "n", "u", "v",
    "vs", "vb", "vd", "s", "t", "x_", "deviceInfo", "devEui", "object", "data", "fCnt", "fPort",
    "rxInfo", "rssi", "end_device_ids", "device_id", "uplink_message", "decoded_payload",
    "frm_payload", "received_at", "rx_metadata", "simulated", "",
)  # fmt: skip


def damage(payload: bytes, other: bytes, rng: random.Random) -> bytes:
    """One to four kinds of damage to the bytes of ``payload``; ``other``: what to splice in."""
    data = bytearray(payload)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        length = min(rng.choice((1, 1, 2, 4, 8, 32, 200)), len(data) - at)
        match rng.randrange(9):
            case 0 if data:
                data[at % len(data)] ^= 1 << rng.randrange(8)
            case 1 if data:
                data[at % len(data)] = rng.choice((0, 1, 0x7F, 0x80, 0xC0, 0xFE, 0xFF, 0x22, 0x5B, 0x7B))
            case 2:
                data[at:at] = rng.randbytes(rng.choice((1, 2, 4, 16)))
            case 3:
                del data[at : at + length]
            case 4:
                data[at:at] = data[at : at + length] * rng.choice((1, 2, 50))
            case 5:
                del data[at:]
            case 6:
                data[at : at + length] = rng.choice(NUMBERS).encode()
            case 7:
                start = rng.randrange(len(other) + 1)
                data[at : at + length] = other[start : start + rng.choice((4, 20, 200))]
            case _:
                data[at : at + length] = rng.choice(TEXTS).encode("utf-8", "surrogatepass")
    return bytes(data)


def restructure(value: Any, rng: random.Random, depth: int = 0) -> Any:
    """A value like ``value`` in which some parts are others."""
    if rng.random() < 0.08 or depth > 30:
        return rng.choice(VALUES)
    if isinstance(value, dict):
        made = {}
        for key, inner in value.items():
            if rng.random() < 0.05:
                continue
            name = rng.choice(KEYS) if rng.random() < 0.05 else key
            made[name] = restructure(inner, rng, depth + 1)
        if rng.random() < 0.2:
            made[rng.choice(KEYS)] = rng.choice(VALUES)
        return made
    if isinstance(value, list):
        kept = [restructure(inner, rng, depth + 1) for inner in value if rng.random() > 0.05]
        return kept * rng.choice((1, 1, 1, 1, 2, 40)) if depth < 2 and len(kept) < 100 else kept
    if isinstance(value, str) and rng.random() < 0.2:
        return rng.choice(TEXTS)
    if isinstance(value, int | float) and rng.random() < 0.3:
        return rng.choice((value * 1000, -value, value / 1000, value + 1, 0, 2 ** rng.randrange(70)))
    return value


def rewritten(payload: bytes, rng: random.Random) -> bytes | None:
    """A JSON or CBOR payload with another structure; None where it is neither."""
    try:
        if payload[:1] in (b"{", b"["):
            return json.dumps(restructure(json.loads(payload), rng)).encode("utf-8", "surrogatepass")
        return cbor2.dumps(restructure(cbor2.loads(payload), rng))
    except (ValueError, RecursionError, OverflowError, UnicodeError, cbor2.CBORError):
        return None


def varint(number: int) -> bytes:
    """A number as Protocol Buffers write it, whatever its size."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes((*out, number))


def protobuf(rng: random.Random, depth: int = 0) -> bytes:
    """Fields of Protocol Buffers with the numbers that Sparkplug uses, and wild contents."""
    out = b""
    for _ in range(rng.randint(0, 5)):
        field = rng.choice((1, 2, 2, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 2**28))
        wire = rng.choice((0, 1, 2, 2, 3, 4, 5, 7))
        out += varint(field << 3 | wire)
        if wire == 0:
            out += varint(rng.choice((0, 1, 7, 255, 256, 2**31, 2**32 - 1, 2**63, 2**64 - 1, 2**70)))
        elif wire in (1, 5):
            out += rng.randbytes(8 if wire == 1 else 4)
        elif wire == 2:
            inner = protobuf(rng, depth + 1) if depth < 6 and rng.random() < 0.6 else rng.randbytes(8)
            out += varint(len(inner) if rng.random() < 0.9 else 2**31) + inner
    return out


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _nested_cbor(rng: random.Random) -> bytes:
    head = rng.choice((b"\x81", b"\x9f", b"\xa1\x00", b"\xbf\x00", b"\xc1", b"\xd8\x1c", b"\xd9\x01\x00"))
    return head * rng.choice((10, 17, 1000, 100_000)) + b"\x00"


def _large(rng: random.Random) -> bytes:
    """Up to some 2 MiB: beyond what is taken in, or just below it."""
    size = rng.choice((200_000, 2**20 - 1, 2**20, 2**20 + 1, 2**21))
    return rng.choice((b"x", b"[", b'{"a":', b"9", b"\0", b"\x12\x00", b'"', b"[1,", b"\xff"))[:5] * (
        size // 5
    )


HOSTILE: tuple[Callable[[random.Random], bytes], ...] = (
    lambda rng: rng.randbytes(rng.choice((0, 1, 2, 16, 300))),
    lambda rng: b"[" * rng.choice((10, 1000, 100_000)) + b"]" * rng.choice((0, 1000)),
    lambda rng: b'{"readings":' * rng.choice((10, 5000)) + b"1",
    lambda rng: b'{"object":' + b'{"a":' * 5000 + b"1" + b"}" * 5001,
    lambda rng: _json({"readings": [{"sensor": "D1-IN", "time": 1, "value": k} for k in range(10_001)]}),
    lambda rng: _json({"series": [{"sensor": "A", "times": [1] * k, "values": [1]} for k in range(100)]}),
    lambda rng: _json([{"bn": "x" * 100_000}] + [{"n": str(k), "v": k} for k in range(2000)]),
    lambda rng: _json({rng.choice(KEYS): "x" * 100_000, "time": rng.choice(VALUES)}),
    lambda rng: b'{"sensor":"D1-IN","time":1,"value":' + b"9" * rng.choice((300, 5000, 200_000)) + b"}",
    lambda rng: b'{"sensor":"D1-IN",' * 2 + b'"value":1}',
    _nested_cbor,
    lambda rng: b"\x9b" + b"\xff" * 8,  # a list of 2**64 - 1 items
    lambda rng: b"\x5b" + b"\x7f" * 8 + b"x",  # bytes without end
    lambda rng: b"\xc2\x5a\x00\x0f\xff\xff" + b"\xff" * 1_048_575,  # a number of a megabyte
    lambda rng: b"\xc4\x82" + b"\x1b" + b"\xff" * 8 + b"\x01",  # ten to the power of 2**64
    lambda rng: cbor2.dumps([{0: "D1-IN", 2: cbor2.CBORTag(rng.randrange(300), rng.choice(VALUES[:10]))}]),
    lambda rng: b"\x12\x00" * rng.choice((10_001, 500_000)),  # metrics without anything
    lambda rng: b"\x12" + varint(2**31) + b"x",
    lambda rng: b"\x13" * rng.choice((50, 100_000)),  # groups that never end
    lambda rng: b"\x18\x00" + b"".join(b"\x12\x03\x0a\x01" + bytes((65 + k % 26,)) for k in range(3000)),
    protobuf,
    protobuf,
    protobuf,
    _large,
)  # fmt: skip
