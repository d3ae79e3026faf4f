"""Work in pieces."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeAlias, TypeVar

T = TypeVar("T")

Work: TypeAlias = Generator[None, None, T]
"""Work that stops now and then, for others to go on; what it comes to is its return value."""


def done(work: Work[T]) -> T:
    """What ``work`` comes to, without a stop."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: T = end.value
            return result
