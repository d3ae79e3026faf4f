"""What is shown of the readings where the rest of a page does not need them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from waterworks.errors import DatabaseUnavailable, StoreUnavailable

Found = TypeVar("Found")
Instead = TypeVar("Instead")


def unless_away(ask: Callable[[], Found], instead: Instead) -> Found | Instead:
    """What is asked of the store of readings; ``instead`` while that does not answer."""
    try:
        return ask()
    except DatabaseUnavailable:
        raise
    except StoreUnavailable:
        return instead
