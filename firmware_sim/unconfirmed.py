"""What a device has sent and keeps until Twuin confirms that it is stored (docs/receipts.md)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Generic, NamedTuple, TypeVar

S = TypeVar("S")

SETTLE_S = 10.0
"""A message that a receipt does not have yet may still be on its way for so long after it left [s]."""

TIMEOUT_S = 60.0
"""A message that no receipt speaks of is sent again after so long, then after twice that, ... [s]"""

LONGEST_S = 900.0

RECONNECT_S = 2.0
"""After connecting, so long is waited for the receipt that the broker keeps [s]."""


class Receipt(NamedTuple):
    """All up to ``stored`` is settled; so is what comes after it up to ``highest``, but for the ``gaps``."""

    boot: int
    stored: int
    highest: int
    gaps: Sequence[tuple[int, int]]


@dataclass
class _Kept(Generic[S]):
    payload: bytes
    samples: Sequence[S]
    sent: float
    again_at: float = inf  # monotonic time; not before the broker has it
    tries: int = 0


class Unconfirmed(Generic[S]):
    """Messages of the count ``boot`` by number, oldest first. All times are monotonic [s].

    ``told``: whether a receipt ever came. Until then nothing is sent again: perhaps nobody confirms here.
    ``samples``: how many samples the messages hold.
    """

    def __init__(self, boot: int) -> None:
        self.boot = boot
        self.told = False
        self.samples = 0
        self._kept: OrderedDict[int, _Kept[S]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def oldest(self, number: int) -> int:
        """The lowest number that is kept when ``number`` is about to leave."""
        return next(iter(self._kept), number)

    def add(self, number: int, payload: bytes, samples: Sequence[S], now: float) -> None:
        """A message leaves."""
        self._kept[number] = _Kept(payload, samples, now)
        self.samples += len(samples)

    def acknowledged(self, number: int, now: float) -> None:
        """The broker has a message. That alone makes it safe from nothing."""
        kept = self._kept.get(number)
        if kept is not None:
            kept.again_at = now + min(TIMEOUT_S * 2**kept.tries, LONGEST_S)

    def reconnected(self, now: float) -> None:
        """The connection is there again; the broker may have forgotten what it had."""
        for kept in self._kept.values():
            if kept.again_at < inf:
                kept.again_at = min(kept.again_at, now + RECONNECT_S)

    def confirm(self, receipt: Receipt, now: float) -> int:
        """Let go what is stored, and mark what is missing. How many samples were confirmed."""
        if receipt.boot != self.boot:
            return 0
        self.told = True
        gaps = list(receipt.gaps)
        before = self.samples
        for number in list(self._kept):
            if number > receipt.highest:
                break
            while gaps and gaps[0][1] < number:
                gaps.pop(0)
            if number > receipt.stored and gaps and gaps[0][0] <= number:
                kept = self._kept[number]
                if kept.again_at < inf:
                    kept.again_at = min(kept.again_at, max(now, kept.sent + SETTLE_S))
            else:
                self.samples -= len(self._kept.pop(number).samples)
        return before - self.samples

    def again(self, now: float) -> int | None:
        """The oldest message that is to be sent again now, None where there is none."""
        if not self.told:
            return None
        return next((number for number, kept in self._kept.items() if kept.again_at <= now), None)

    def resend(self, number: int, now: float) -> bytes:
        """The payload of a message that leaves again."""
        kept = self._kept[number]
        kept.sent, kept.again_at, kept.tries = now, inf, kept.tries + 1
        return kept.payload

    def let_go(self) -> int:
        """Forget the oldest message, for want of room; how many samples that costs."""
        _, kept = self._kept.popitem(last=False)
        self.samples -= len(kept.samples)
        return len(kept.samples)

    def all(self) -> list[S]:
        """All samples that are kept, oldest first."""
        return [sample for kept in self._kept.values() for sample in kept.samples]
