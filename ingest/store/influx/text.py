"""Names as text that InfluxDB takes, in line protocol and in InfluxQL.

InfluxDB's own escaping cannot tell every name with a backslash (one before a comma, or at the end), and its
versions differ there. So a backslash never gets to it: ``\\`` is written as ``%5C``, and a ``%`` before
``5C`` or ``25`` as ``%25``. All other names stand there as they are.
"""

from __future__ import annotations

import re

from waterworks.errors import StoreError

_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_NO_TEXT = re.compile(r"[\ud800-\udfff]")
_SPECIAL = re.compile(r"([,= ])")

MAX_NAME = 4096
"""Bytes. InfluxDB refuses points whose tags are longer than 65,535 in all."""


def plain(name: str) -> str:
    """``name`` without backslashes, and no two names alike. StoreError for one that is no line of text."""
    if not name:
        raise StoreError("a series without a name cannot be stored in InfluxDB")
    if _CONTROL.search(name) or _NO_TEXT.search(name):
        raise StoreError(
            f"the name {name!r} has a line end or another control character: InfluxDB takes none"
        )
    if len(name.encode()) > MAX_NAME:
        raise StoreError(f"the name {name[:60]!r}... is longer than {MAX_NAME} bytes")
    if "\\" not in name and "%" not in name:
        return name
    return re.sub(r"%(?=5C|25)", "%25", name).replace("\\", "%5C")


def original(text: str) -> str:
    """The name that ``plain`` made ``text`` of."""
    if "%" not in text:
        return text
    return re.sub("%5C|%25", lambda found: "\\" if found[0] == "%5C" else "%", text)


def tag(name: str) -> str:
    """``name`` as the value of a tag in line protocol."""
    return _SPECIAL.sub(r"\\\1", plain(name))


def literal(name: str) -> str:
    """``name`` as a string in InfluxQL, quotes and all."""
    return "'" + plain(name).replace("'", "\\'") + "'"


def identifier(name: str) -> str:
    """A measurement, field, database or retention policy in InfluxQL, quotes and all."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def field_text(text: str) -> str:
    """``text`` as the value of a string field in line protocol, quotes and all."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
