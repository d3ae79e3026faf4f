"""A value with its limits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limited:
    """A value with its 95 % limits."""

    value: float
    low: float
    high: float
