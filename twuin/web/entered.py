"""What people type into the fields of a form that asks something."""

from __future__ import annotations

import math

from waterworks.errors import WrongInput

MOST = 1e5


def number(text: str) -> float | None:
    """A number, None for an empty field; a decimal comma is one too. Raises WrongInput."""
    said = text.strip()
    if not said:
        return None
    try:
        value = float(said.replace(",", "."))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise WrongInput(f"{said[:40]!r} is no number", "not_a_number", value=said[:40])
    if abs(value) > MOST:
        raise WrongInput(f"{said[:40]!r} is too large", "too_large", value=said[:40])
    return value


def whole(text: str | None, low: int, high: int, default: int) -> int:
    """A whole number between bounds, ``default`` where there is none."""
    if text is None or not (text.isascii() and text.isdigit()) or len(text) > 4:
        return default
    return min(max(int(text), low), high)
