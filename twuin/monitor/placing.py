"""Where leaks are, worked out in pieces: the alert is there at once, its place some steps later."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from analytics.model.work import Work
from twuin.monitor.locate import NOWHERE, Place, Span

Leak = tuple[int, int]
"""Area and block of detection of an event."""


@dataclass(slots=True)
class _Kept:
    """place: as last worked out, from the readings of ``span``, None: these have changed since. work: what is
    being worked out, from those of ``asked``."""

    place: Place = NOWHERE
    span: Span | None = None
    work: Work[Place] | None = None
    asked: Span | None = None


class Placing:
    """The places of leaks. locate: works out the place of a leak in a DMA, in pieces."""

    def __init__(self, locate: Callable[[str, Span], Work[Place]]) -> None:
        self._locate = locate
        self._kept: dict[Leak, _Kept] = {}

    def touched(self, first: int) -> None:
        """Readings from ``first`` [s since 1970] on have changed: what they went into is worked out anew."""
        for kept in self._kept.values():
            if kept.span is not None and kept.span.until > first:
                kept.span = None
            if kept.asked is not None and kept.asked.until > first:
                kept.work = None

    def place(self, leak: Leak, dma: str, span: Span, until: float) -> Place:
        """Where ``leak`` is, by the readings of ``span``, or as far as that is known by ``until``.

        until: of the monotonic clock [s], inf: as long as it takes. When the time is over, the place that was
        worked out before is told, ``NOWHERE`` if there was none; the next call goes on. Work on an earlier
        span is ended first: where leaks grow faster than there is time, none would be ended otherwise.
        """
        kept = self._kept.setdefault(leak, _Kept())
        if kept.asked != span and until == math.inf:
            kept.work = None
        while kept.span != span:
            if time.monotonic() >= until:
                break
            if kept.work is None:
                kept.work, kept.asked = self._locate(dma, span), span
            try:
                next(kept.work)
            except StopIteration as done:
                kept.place, kept.span, kept.work = done.value, kept.asked, None
            except Exception:  # of the store: it is asked again the next time
                kept.work = None
                raise
        return kept.place
