"""Devices that publish one number on a topic: ``2.43``, or with its unit ``2.43 m``.

Such a message says no time. Its value gets the time at which it came; where that may be long after it was
sent, it is refused rather than put where it does not belong.
"""

from __future__ import annotations

import re
from math import inf, nan

from ingest.decoders.columns import Columns, Rejection
from ingest.decoders.named import Named
from ingest.reasons import Reason

MAX_TEXT = 64
"""Bytes of a number and its unit. A number of 17 digits with its exponent has 24."""

NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(\S.*)?", re.ASCII)
"""A number, and what follows it."""

_NOT_FINITE = {"nan": nan, "inf": inf, "+inf": inf, "-inf": -inf, "infinity": inf, "-infinity": -inf}


def take_plain(named: Named, topic: str, payload: bytes, out: Columns, now: int, stale: bool) -> None:
    """Add the value of a message on ``topic``, at ``now`` [us since 1970 UTC]. Raises Rejection."""
    if named.unwanted("", topic):
        out.unwanted += 1
        return
    value, unit = read_number(payload)
    if stale and named.known("", topic):  # else it is heard of, with its value, as an unknown name
        raise Rejection(
            Reason.NO_TIME,
            "the broker had kept it, nobody knows how long, and it says no time itself",
        )
    named.add(out, "", topic, value, now, 0, unit)


def read_number(payload: bytes) -> tuple[float, str]:
    """The number of a payload and its unit, "" where there is none. Raises Rejection."""
    if not payload.strip():
        raise Rejection(Reason.EMPTY, "a message without content")
    if len(payload) > MAX_TEXT:
        raise Rejection(
            Reason.WRONG_TYPE, f"{len(payload)} bytes; one number, with its unit or not, is wanted"
        )
    try:
        text = payload.decode("utf-8").strip()
    except UnicodeDecodeError as e:
        raise Rejection(Reason.BAD_UTF8, f"byte {e.start} is not UTF-8") from None
    if (special := _NOT_FINITE.get(text.lower())) is not None:
        return special, ""
    found = NUMBER.fullmatch(text)
    if found is None or (found[2] or "").startswith((",", ".")):
        comma = ": write a decimal point" if "," in text else ""
        raise Rejection(
            Reason.WRONG_TYPE, f"{text!r} is no number, nor one and its unit, such as '2.43 m'{comma}"
        )
    return float(found[1]), found[2] or ""
