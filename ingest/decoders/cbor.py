"""CBOR (RFC 8949) of whoever may send it: one item, without the types that could cost time or memory.

The library turns tagged items into dates, patterns, fractions, shared and cyclic values. None of that is in
a message of readings, and some of it is dear to make: such an item stays ``Tagged``, for the caller to
refuse.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any, NamedTuple

import cbor2

from ingest.decoders.columns import Rejection
from ingest.reasons import Reason

MAX_DEPTH = 16
"""Levels of lists, maps and tags; a SenML pack has two, and a decimal fraction two more."""

_MAX_BIGNUM = 128  # bytes: 2**1024 is the first whole number beyond 64-bit floats
_SELF_DESCRIBED = b"\xd9\xd9\xf7"  # tag 55799, which says only that this is CBOR
# What the library would make something of (cbor2 6.2), numbers excepted.
_TAGS = (0, 1, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000)


class Tagged(NamedTuple):
    """An item of a kind that no message of readings holds."""

    tag: int


def load_cbor(payload: bytes) -> Any:
    """The item that ``payload`` is: lists, dicts, text, bytes, numbers, booleans, None, or ``Tagged``.

    Raises Rejection.
    """
    stream = BytesIO(payload.removeprefix(_SELF_DESCRIBED))
    decoder = cbor2.CBORDecoder(
        stream, semantic_decoders=_DECODERS, max_depth=MAX_DEPTH, allow_duplicate_keys=False
    )
    try:
        item = decoder.decode()
    except (cbor2.CBORDecodeError, ValueError, TypeError, OverflowError, RecursionError) as e:
        if isinstance(e.__cause__, UnicodeDecodeError):
            raise Rejection(Reason.BAD_UTF8, f"a text is not UTF-8: {e.__cause__.reason}") from None
        if "nesting depth" in str(e):
            raise Rejection(Reason.TOO_DEEP, f"nested deeper than {MAX_DEPTH} levels") from None
        raise Rejection(Reason.BAD_CBOR, f"no CBOR: {str(e)[:200]}") from None
    rest = len(stream.getbuffer()) - stream.tell()
    if rest:
        raise Rejection(Reason.BAD_CBOR, f"{rest} bytes follow after the end of the CBOR item")
    return item


def _tagged(tag: int) -> Callable[[Any, bool], Any]:
    return lambda value, immutable: Tagged(tag)


def _bignum(value: Any, immutable: bool) -> Any:
    """Tag 2 (RFC 8949, section 3.4.3)."""
    if not isinstance(value, bytes) or len(value) > _MAX_BIGNUM:
        return Tagged(2)
    return int.from_bytes(value, "big")


def _negative_bignum(value: Any, immutable: bool) -> Any:
    """Tag 3."""
    positive = _bignum(value, immutable)
    return Tagged(3) if isinstance(positive, Tagged) else -1 - positive


def _decimal_fraction(value: Any, immutable: bool) -> Any:
    """Tag 4 (section 3.4.4): [exponent, mantissa], to the nearest 64-bit float."""
    if isinstance(value, list | tuple) and len(value) == 2 and type(value[0]) is type(value[1]) is int:
        return float(f"{value[1]}e{value[0]}")
    return Tagged(4)


_DECODERS: dict[int, Callable[[Any, bool], Any]] = {
    **{tag: _tagged(tag) for tag in _TAGS},
    2: _bignum,
    3: _negative_bignum,
    4: _decimal_fraction,
}
