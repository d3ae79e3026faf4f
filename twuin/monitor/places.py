"""Days that one can be taken back to."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")

KEEP_DAYS = 35
"""Late data, and faults that show late, take one back no further [d]; later still: all anew."""

EVERY_DAY = 7
"""Days to which one can go back one by one [d]; further back, week by week."""


class Places(Generic[T]):
    """How things stood at the end of past days: of each of the last ``EVERY_DAY``, before them of one a week,
    for ``keep`` days."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._kept: dict[int, T] = {}

    def put(self, day: int, state: T) -> None:
        """Keep how things stand at the end of ``day``, the newest; what is too old is forgotten."""
        self._kept[day] = state
        self._kept = {
            d: s
            for d, s in self._kept.items()
            if day - d < EVERY_DAY or (d % 7 == 0 and day - d <= self._keep)
        }

    def back(self, day: int) -> tuple[int, T] | None:
        """The newest kept day that is not after ``day``, and how things stood then; later ones are forgotten.
        None where there is none."""
        self._kept = {d: s for d, s in self._kept.items() if d <= day}
        last = max(self._kept, default=None)
        return None if last is None else (last, self._kept[last])
