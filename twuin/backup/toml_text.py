"""Settings as text: what ``tomllib`` reads, written."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date, time
from typing import Any

_BARE = re.compile("[A-Za-z0-9_-]+")


def toml(values: Mapping[str, Any], _above: str = "") -> str:
    """``values``, as nested as settings are: tables of tables, numbers, text, times and lists of these."""
    plain = {k: v for k, v in values.items() if not isinstance(v, Mapping)}
    lines = [f"{_key(k)} = {_value(v)}\n" for k, v in plain.items()]
    for name, inner in values.items():
        if isinstance(inner, Mapping):
            path = f"{_above}{_key(name)}"
            lines.append(f"\n[{path}]\n{toml(inner, f'{path}.')}")
    return "".join(lines)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    return repr(value)
