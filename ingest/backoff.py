"""How long to wait before trying again."""

from __future__ import annotations

import random


class Backoff:
    """Waits that double from ``first`` to ``most`` [s], each shortened at random by up to half.

    The randomness keeps many clients from coming back at the same instant.
    """

    def __init__(self, first: float = 0.5, most: float = 30.0, rng: random.Random | None = None) -> None:
        self.first = first
        self.most = most
        self._rng = rng or random.Random()
        self._tries = 0

    def next(self) -> float:
        """The next wait [s]."""
        wait = min(self.most, self.first * 2.0 ** min(self._tries, 60))
        self._tries += 1
        return wait * self._rng.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Begin with short waits again."""
        self._tries = 0
