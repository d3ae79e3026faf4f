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

import hashlib
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol


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

Buckets = Sequence[tuple[tuple[str, ...], "Allowance"]]
"""What a try is taken from: what names each bucket, and how much is in it."""

CODES = Allowance(20, 60.0)
"""One-time codes from one address, which have 98 bits."""

KEPT = 100_000
"""Buckets kept, some 10 MB; beyond that those that are nearest to being full are forgotten."""

PRUNED = timedelta(minutes=1)
"""Buckets that are full again are forgotten this often by a process in which there are tries."""

REFUSED = 10_000
"""Empty buckets that a process remembers, so that it refuses further tries without asking the database."""


class TooMany(Exception):
    """No try is left; ``wait_s``: when there will be one. ``first``: it was not refused a moment before."""

    def __init__(self, wait_s: float, first: bool) -> None:
        self.wait_s = wait_s
        self.first = first
        super().__init__(f"try again in {math.ceil(wait_s)} s")


@dataclass(frozen=True, slots=True)
class Filling:
    """How full a bucket is. full_at: when it has all its tries again if nobody takes one. refused: the last
    try was."""

    full_at: datetime
    refused: bool = False

    def left(self, allowed: Allowance, now: datetime) -> float:
        """Tries that are in it now. A clock that was set back empties it at most."""
        lacking = (self.full_at - now).total_seconds() / allowed.every_s
        return allowed.most - min(max(lacking, 0.0), allowed.most)

    def plus(self, tries: float, allowed: Allowance, now: datetime) -> Filling:
        """The same with more tries in it (below 0: fewer)."""
        lacking = min(max(allowed.most - self.left(allowed, now) - tries, 0.0), allowed.most)
        return Filling(now + timedelta(seconds=lacking * allowed.every_s))


Wanted = Mapping[str, Allowance]
Fillings = Mapping[str, Filling]


class TryStore(Protocol):
    """Where buckets are kept: for all processes, and longer than any of them."""

    def change_tries(
        self, keys: Collection[str], now: datetime, change: Callable[[Fillings], Fillings]
    ) -> None:
        """Put what ``change`` makes of the buckets of these keys in their place, with nobody in between.

        Those that are not there are full.
        """
        ...

    def prune_tries(self, now: datetime, most: int) -> None:
        """Forget buckets that are full, and all but ``most`` that are not."""
        ...


class Tries:
    """Buckets of tries of one site. Safe from several threads and processes; a new start forgets none."""

    def __init__(self, store: TryStore, site: str, now: Callable[[], datetime]) -> None:
        self._store = store
        self._site = site
        self._now = now
        self._lock = threading.Lock()
        self._empty: OrderedDict[str, datetime] = OrderedDict()  # until when, as far as this process knows
        self._pruned: datetime | None = None

    def take(self, buckets: Buckets) -> None:
        """Take a try from each bucket, or from none and raise TooMany."""
        now, wanted = self._now(), self._named(buckets)
        self._known_empty(wanted, now)
        refused: list[tuple[str, TooMany]] = []

        def change(kept: Fillings) -> Fillings:
            waits = {
                key: (1.0 - left) * allowed.every_s
                for key, allowed in wanted.items()
                if (left := kept[key].left(allowed, now)) < 1.0 - 1e-6
            }
            if not waits:
                return {key: kept[key].plus(-1.0, allowed, now) for key, allowed in wanted.items()}
            worst = max(waits, key=lambda key: waits[key])
            refused[:] = [(worst, TooMany(waits[worst], first=not kept[worst].refused))]
            same = {
                key: replace(kept[key].plus(0.0, allowed, now), refused=kept[key].refused)
                for key, allowed in wanted.items()
            }
            return same | {worst: replace(same[worst], refused=True)}

        self._store.change_tries(wanted, now, change)
        self._prune(now)
        for key, error in refused:
            self._remember(key, now + timedelta(seconds=error.wait_s))
            raise error

    def give_back(self, buckets: Buckets) -> None:
        """Return the try to each bucket: it succeeded."""
        now, wanted = self._now(), self._named(buckets)
        with self._lock:
            for key in wanted:
                self._empty.pop(key, None)
        self._store.change_tries(
            wanted, now, lambda kept: {k: kept[k].plus(1.0, allowed, now) for k, allowed in wanted.items()}
        )

    def _named(self, buckets: Buckets) -> dict[str, Allowance]:
        # Of a name or an address somebody tried, no more is kept than it takes to count.
        return {
            hashlib.blake2b(repr((self._site, key)).encode(), digest_size=20).hexdigest(): allowed
            for key, allowed in buckets
        }

    def _known_empty(self, wanted: Wanted, now: datetime) -> None:
        with self._lock:
            for key in wanted:
                until = self._empty.get(key)
                # A clock that was set back must not keep anybody out.
                if until is None or not now < until <= now + timedelta(seconds=wanted[key].every_s):
                    continue
                raise TooMany((until - now).total_seconds(), first=False)

    def _remember(self, key: str, until: datetime) -> None:
        with self._lock:
            self._empty[key] = until
            self._empty.move_to_end(key)
            while len(self._empty) > REFUSED:
                self._empty.popitem(last=False)

    def _prune(self, now: datetime) -> None:
        with self._lock:
            due = self._pruned is None or abs(now - self._pruned) >= PRUNED
            if due:
                self._pruned = now
        if due:
            self._store.prune_tries(now, KEPT)
