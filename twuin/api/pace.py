"""How often one asker may ask for what costs more than most."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from waterworks.errors import TwuinError


class TooMany(TwuinError):
    """Asked too often; ``wait_s`` until the next time [s]."""

    def __init__(self, wait_s: float) -> None:
        self.wait_s = wait_s
        super().__init__(f"too many requests: try again in {max(1, round(wait_s))} s")


class Pace:
    """Lets each asker take ``burst`` at once, and ``rate`` a second in the long run. Thread-safe."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._lock = threading.Lock()
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, who: str) -> None:
        """Count one request of ``who``. Raises TooMany."""
        with self._lock:
            now = self._clock()
            left, at = self._left.get(who, (float(self._burst), now))
            left = min(float(self._burst), left + (now - at) * self._rate)
            if left < 1:
                self._left[who] = (left, now)
                raise TooMany((1 - left) / self._rate)
            self._left[who] = (left - 1, now)
            if len(self._left) > 10_000:  # who has asked for nothing long enough has all of it again
                full = self._burst / self._rate
                self._left = {k: v for k, v in self._left.items() if now - v[1] < full}
