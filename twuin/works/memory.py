"""A WorkStore in the memory of one process: for tests and for looking around without a folder."""

from __future__ import annotations

import threading
from dataclasses import replace

from twuin.works.model import Line
from twuin.works.ports import LineConflict


class MemoryWorkStore:
    """Keeps nothing when the process ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: dict[str, list[Line]] = {}

    def newest(self, site: str) -> int:
        with self._lock:
            return len(self._lines.get(site, ()))

    def lines(self, site: str, since: int = 0) -> list[Line]:
        with self._lock:
            return self._lines.get(site, [])[since:]

    def append(self, line: Line) -> Line:
        with self._lock:
            kept = self._lines.setdefault(line.site, [])
            if any((k.work, k.number) == (line.work, line.number) for k in kept):
                raise LineConflict(f"planned work {line.work} was changed by someone else meanwhile")
            stored = replace(line, seq=len(kept) + 1)
            kept.append(stored)
            return stored

    def close(self) -> None:
        """Nothing to release."""
