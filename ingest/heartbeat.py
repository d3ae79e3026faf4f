"""A heartbeat to oneself through the broker: whether a connection still brings anything.

After a blip of the network a connection can stay open for minutes, and answer to nobody. Whatever comes is a
sign of life; where nothing is sent, the heartbeat is what comes.
"""

from __future__ import annotations

import time

from ingest.link import Link
from waterworks.errors import BrokerError

PATIENCE = 3
"""A connection is given up after so many intervals of silence."""

_AWAY_S = 1.0  # whoever was not here for so long may have left unread what came


class Stalled(BrokerError):
    """The connection is open, but nothing comes back on it."""


class Heartbeat:
    """Says something on ``topic`` ("": never) each ``every_s`` [s], and expects it back.

    Only a broker that let a heartbeat through once is held to it: one that does not allow the topic says
    nothing about it. Outlives connections.
    """

    def __init__(self, topic: str, every_s: float) -> None:
        self.topic = topic
        self.every_s = every_s
        self._answers = False  # whether the broker ever brought one back
        self.begin()

    def begin(self) -> None:
        """A new connection."""
        self._said_at = 0.0
        self._waiting_since: float | None = None
        self._heard = 0
        self._here_at = time.monotonic()

    def tend(self, link: Link) -> None:
        """Call often, between reads of ``link``. Raises Stalled."""
        if not self.topic:
            return
        now = time.monotonic()
        away, self._here_at = now - self._here_at, now
        if link.heartbeats > self._heard:
            self._answers, self._heard, self._waiting_since = True, link.heartbeats, None
        if self._waiting_since is not None:
            if away > _AWAY_S:  # storing took its time
                self._waiting_since = now
            silent = now - max(self._waiting_since, link.heard_at)
            if self._answers and silent > PATIENCE * self.every_s:
                raise Stalled(
                    f"{link.options.where} has been silent for {silent:.0f} s on an open connection, "
                    "own heartbeats included: connecting anew"
                )
        if now - self._said_at >= self.every_s:
            self._said_at = now
            if self._waiting_since is None:
                self._waiting_since = now
            link.publish(self.topic, b"")
