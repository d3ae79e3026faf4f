"""How often passwords may be tried: slower and slower for strangers, never a lock for those who belong.

A lock after some wrong passwords would be a gift: whoever knows a name could keep its owner out. So tries
are counted in buckets that fill again with time, and whose tries go into which bucket depends on where
they come from:

- a **known device** (a browser in which this account signed in before; it keeps a cookie that says so) has
  a bucket of its own, and no other counts for it: nobody else can empty it;
- a **known address** (one from which this account signed in during the last weeks) shares no bucket with
  strangers elsewhere;
- **strangers** share one bucket an account, beside one for their address and one for both: thousands of
  addresses together get no more tries than that.

So an attack from anywhere can delay only sign-ins from a device and an address that are both new, and that
only while it goes on; an administrator's one-time code (which has its own bucket by address) leads past it.
A try that succeeds is given back. Unknown names are counted just the same, so nothing tells them apart.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Allowance:
    """``most`` tries at once, and one more every ``every_s`` seconds."""

    most: float
    every_s: float


DEVICE = Allowance(10, 60.0)
"""A known device of an account: a person who has forgotten the password."""

PAIR = Allowance(10, 60.0)
"""An account from one address."""

SOURCE = Allowance(60, 10.0)
"""All accounts from one address: an office of many people behind one, who also mistype."""

STRANGERS = Allowance(50, 36.0)
"""An account from all addresses and devices that are new to it: 100 tries an hour."""

CODES = Allowance(20, 60.0)
"""One-time codes from one address, which have 98 bits."""

KEPT = 50_000
"""Buckets kept in memory, some 10 MB; beyond that those that were idle longest are forgotten."""


class TooMany(Exception):
    """No try is left; ``wait_s``: when there will be one. ``first``: it was not refused a moment before."""

    def __init__(self, wait_s: float, first: bool) -> None:
        self.wait_s = wait_s
        self.first = first
        super().__init__(f"try again in {math.ceil(wait_s)} s")


class Tries:
    """Buckets of tries, in memory: a new start of the program fills them all. Safe from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._left: OrderedDict[Hashable, tuple[float, float, bool]] = OrderedDict()  # left, at, refused

    def take(self, buckets: Sequence[tuple[Hashable, Allowance]]) -> None:
        """Take a try from each bucket, or from none and raise TooMany."""
        with self._lock:
            now = self._clock()
            left = {key: self._now(key, allowed, now) for key, allowed in buckets}
            waits = {key: (1.0 - left[key]) * allowed.every_s for key, allowed in buckets if left[key] < 1.0}
            if waits:
                worst = max(waits, key=lambda key: waits[key])
                refused = self._left[worst][2]
                self._put(worst, left[worst], now, refused=True)
                raise TooMany(waits[worst], first=not refused)
            for key, n in left.items():
                self._put(key, n - 1.0, now)

    def give_back(self, buckets: Sequence[tuple[Hashable, Allowance]]) -> None:
        """Return the try to each bucket: it succeeded."""
        with self._lock:
            now = self._clock()
            for key, allowed in buckets:
                self._put(key, min(self._now(key, allowed, now) + 1.0, allowed.most), now)

    def _now(self, key: Hashable, allowed: Allowance, now: float) -> float:
        kept = self._left.get(key)
        if kept is None:
            self._put(key, allowed.most, now)
            return allowed.most
        return min(kept[0] + (now - kept[1]) / allowed.every_s, allowed.most)

    def _put(self, key: Hashable, left: float, now: float, *, refused: bool = False) -> None:
        self._left[key] = (left, now, refused)
        self._left.move_to_end(key)
        while len(self._left) > KEPT:
            self._left.popitem(last=False)
