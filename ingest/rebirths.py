"""Which Sparkplug nodes to ask for their births, and how often: one that answers sends no data meanwhile."""

from __future__ import annotations

from typing import NamedTuple

from ingest.decoders.sparkplug import ROOT
from ingest.decoders.sparkplug_payload import rebirth_request

FIRST_S, LONGEST_S = 10.0, 600.0
"""Between two requests to one node that does not answer."""

MOST_AT_ONCE = 20
"""Requests after one group of messages: births of a thousand nodes at once would be a flood."""

_REMEMBERED = 10_000  # nodes


class Message(NamedTuple):
    """What to publish, with QoS 0 and not retained (Sparkplug 3.0.0, section 6.4.27)."""

    topic: str
    payload: bytes


class Rebirths:
    """Requests for births, each node's ever more seldom until it answers."""

    def __init__(self) -> None:
        self._wanted: dict[tuple[str, str], None] = {}
        self._asked: dict[tuple[str, str], tuple[float, float]] = {}  # when again, and how long after that

    def want(self, key: tuple[str, str]) -> None:
        if len(self._wanted) < _REMEMBERED:
            self._wanted[key] = None

    def born(self, key: tuple[str, str]) -> None:
        """The node sent its birth."""
        self._wanted.pop(key, None)
        if key in self._asked:  # asked soon after, it has a reason: so the wait stays, but grows no more
            again, _ = self._asked[key]
            self._asked[key] = again, FIRST_S

    def due(self, now: float, now_ms: int) -> list[Message]:
        """What to publish now. now: of a clock that only goes on [s]; now_ms: since 1970 UTC."""
        found: list[Message] = []
        for key in list(self._wanted):
            if len(found) == MOST_AT_ONCE:
                break
            again, wait = self._asked.get(key, (now, FIRST_S))
            if now < again:
                continue
            del self._wanted[key]
            self._asked.pop(key, None)
            self._asked[key] = now + wait, min(2 * wait, LONGEST_S)
            if len(self._asked) > _REMEMBERED:
                del self._asked[next(iter(self._asked))]
            group, node = key
            found.append(Message(f"{ROOT}/{group}/NCMD/{node}", rebirth_request(now_ms)))
        return found
