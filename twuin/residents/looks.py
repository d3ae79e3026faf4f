"""How often codes may be looked up, counted in memory.

A look costs no write to the database: whoever floods the page must not keep the others from it. That a new
start forgets the counts, and that each process has its own, gains nobody a code of 59 bits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from datetime import datetime

from twuin.accounts.tries import Filling, Fillings


class MemoryTryStore:
    """A TryStore of one process. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, Filling] = {}

    def change_tries(
        self, keys: Collection[str], now: datetime, change: Callable[[Fillings], Fillings]
    ) -> None:
        with self._lock:
            self._kept.update(change({key: self._kept.get(key, Filling(now)) for key in keys}))

    def prune_tries(self, now: datetime, most: int) -> None:
        with self._lock:
            lasting = [(k, f) for k, f in self._kept.items() if f.full_at > now]
            lasting.sort(key=lambda item: item[1].full_at, reverse=True)
            self._kept = dict(lasting[:most])
