"""Message numbers of one device: which came, which came twice, which are missing."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from ingest.ledger.arrivals import Ints

MOST_GAPS = 200
"""Gaps of one count that are kept apart. A device has none or a few; one gone mad makes up any number, and of
one that sends hundreds of messages a second, two ingest processes hear every other one for a while."""

MOST_TOLD = 20
"""Gaps that one receipt names; it then speaks of the numbers up to the first one that it leaves out."""

PLAIN = -1
"""In place of the number of a boot, of devices that send none."""


class Receipt(NamedTuple):
    """What a device is told: of its count ``boot``, all numbers up to ``stored`` are settled, and those up to
    ``highest`` are durable but for the ``gaps`` (first and last number of each)."""

    boot: int
    stored: int
    highest: int
    gaps: tuple[tuple[int, int], ...]


@dataclass
class Count:
    """The messages that a device numbered since one boot.

    settled: up to here every number came, or was given up. runs: first and last of what came beyond.
    received: different numbers; duplicate: messages with a number that had come; lost: numbers given up, and
    gone: the last stretches of these, which are found again if they come after all (in the broker they may
    have waited for another process). newest: the newest device time among them [us]. heard: when the last
    came [us].
    """

    settled: int
    runs: list[tuple[int, int]] = field(default_factory=list)
    received: int = 0
    duplicate: int = 0
    lost: int = 0
    newest: int = -(2**63)
    heard: int = 0
    gone: list[tuple[int, int]] = field(default_factory=list)

    @property
    def highest(self) -> int:
        """The highest number that came."""
        return self.runs[-1][1] if self.runs else self.settled

    @property
    def gaps(self) -> list[tuple[int, int]]:
        """First and last number of each stretch that did not come yet, ascending."""
        ends = [self.settled, *(b for _, b in self.runs)]
        return [(end + 1, a - 1) for end, (a, _) in zip(ends, self.runs, strict=False)]

    @property
    def missing(self) -> int:
        """Numbers below the highest one that did not come."""
        return sum(b - a + 1 for a, b in self.gaps)

    def take(self, numbers: Ints, newest: int, *, asks: bool = False) -> None:
        """Messages with these numbers came; newest: the newest time of their readings [us].

        asks: the device is told by receipts what it may let go. Where there are more gaps than are kept, of
        what came just now the highest is then forgotten, and will be sent again; what came before may have
        been confirmed. Of other devices the first gap is given up as lost.
        """
        before = self.runs
        unique = np.unique(numbers)
        breaks = np.flatnonzero(np.diff(unique) != 1)
        firsts = unique[np.append(0, breaks + 1)].tolist()
        lasts = unique[np.append(breaks, len(unique) - 1)].tolist()
        fresh = 0
        if not self.runs and len(firsts) == 1 and firsts[0] == self.settled + 1:  # as nearly always
            fresh, self.settled = len(unique), lasts[0]
        else:
            for a, b in zip(firsts, lasts, strict=True):
                fresh += self._cover(a, b)
            self._settle()
        self.received += fresh
        if asks:
            self._forget(before)
        while len(self.runs) > MOST_GAPS:
            self.give_up(self.runs[0][0])
        self.duplicate += len(numbers) - fresh
        self.newest = max(self.newest, newest)

    def give_up(self, oldest: int) -> None:
        """What is missing below ``oldest`` will not come any more."""
        if oldest <= self.settled + 1:
            return
        ends = [self.settled, *(b for a, b in self.runs if a < oldest)]
        firsts = [*(a for a, _ in self.runs if a < oldest), oldest]
        given_up = [(end + 1, a - 1) for end, a in zip(ends, firsts, strict=True) if end < a - 1]
        self.lost += sum(b - a + 1 for a, b in given_up)
        self.gone = [*self.gone, *given_up][-MOST_GAPS:]
        self.settled = oldest - 1
        self.runs = [(max(a, oldest), b) for a, b in self.runs if b >= oldest]
        self._settle()

    def receipt(self, boot: int) -> Receipt:
        """What to tell the device."""
        gaps = self.gaps
        highest = gaps[MOST_TOLD][0] - 1 if len(gaps) > MOST_TOLD else self.highest
        return Receipt(boot, self.settled, highest, tuple(gaps[:MOST_TOLD]))

    def _forget(self, before: list[tuple[int, int]]) -> None:
        """Forget the highest runs beyond the bound, but none of ``before`` or that grew from one of these."""
        for i in range(len(self.runs) - 1, -1, -1):
            if len(self.runs) <= MOST_GAPS:
                return
            a, b = self.runs[i]
            at = bisect_right(before, b, key=itemgetter(0)) - 1
            if at < 0 or before[at][1] < a:
                del self.runs[i]
                self.received -= b - a + 1

    def _cover(self, a: int, b: int) -> int:
        """Take in the numbers from a to b; how many of them are new."""
        found = self._find(a, b) if a <= self.settled and self.gone else 0
        a = max(a, self.settled + 1)
        if a > b:
            return found
        fresh = found + b - a + 1
        low, high, kept, at = a, b, [], 0
        for run in self.runs:
            if run[1] < a - 1:
                at += 1
                kept.append(run)
            elif run[0] > b + 1:
                kept.append(run)
            else:
                fresh -= max(0, min(b, run[1]) - max(a, run[0]) + 1)
                low, high = min(low, run[0]), max(high, run[1])
        kept.insert(at, (low, high))
        self.runs = kept
        return fresh

    def _find(self, a: int, b: int) -> int:
        """What of the numbers from a to b had been given up is not lost; how many."""
        left, found = [], 0
        for first, last in self.gone:
            low, high = max(a, first), min(b, last)
            if low > high:
                left.append((first, last))
                continue
            found += high - low + 1
            left += [run for run in ((first, low - 1), (high + 1, last)) if run[0] <= run[1]]
        self.gone = left[-MOST_GAPS:]
        self.lost -= found
        return found

    def _settle(self) -> None:
        while self.runs and self.runs[0][0] <= self.settled + 1:
            self.settled = max(self.settled, self.runs.pop(0)[1])


def begins_anew(numbers: Ints, newest: Ints, count: Count) -> int:
    """At which message (index) a device without boot numbers began to count anew, len(numbers): at none.

    numbers, newest (N,): of its messages in the order in which they came, and the newest time of each [us].
    A number that is not beyond the highest, in a message newer than all before, is no repetition.
    """
    high = np.maximum.accumulate(np.append(count.highest, numbers))[:-1]
    last = np.maximum.accumulate(np.append(count.newest, newest))[:-1]
    found = np.flatnonzero((numbers <= high) & (newest > last))
    return int(found[0]) if len(found) else len(numbers)


def told(receipt: Receipt) -> dict[str, int | Sequence[Sequence[int]]]:
    """A receipt as the object that goes over the air (``docs/receipts.md``)."""
    return {
        "boot": receipt.boot,
        "stored": receipt.stored,
        "highest": receipt.highest,
        "gaps": [list(gap) for gap in receipt.gaps],
    }
