"""How a monitor keeps up with the store: look, wait, and wait longer while something is away."""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from waterworks.errors import ClusterUnavailable, StoreUnavailable

log = logging.getLogger(__name__)

MAX_BACKOFF_S = 30.0


@dataclass(frozen=True, slots=True)
class MonitorStatus:
    """watermark: up to here the readings have been analysed; trouble: why it stands still, "" if not."""

    watermark: datetime | None
    findings: int = 0
    trouble: str = ""


class Watching(ABC):
    """A monitor of one site, in whatever way it works."""

    def __init__(self) -> None:
        self._status = MonitorStatus(None)
        self._cursor = 0

    @abstractmethod
    def catch_up(
        self, final: bool = False, progress: Callable[[float], None] | None = None
    ) -> datetime | None:
        """Evaluate all that there is, and bring the alerts in line; returns the watermark."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what it holds."""

    def status(self) -> MonitorStatus:
        """How far it is. Safe from any thread."""
        return self._status

    @property
    def cursor(self) -> int:
        """Grows with what was read from the store."""
        return self._cursor

    def run(self, stop: threading.Event, poll_s: float = 1.0, *, settle_s: float | None = None) -> None:
        """Keep up with the store until ``stop``. A store or a scheduler that does not answer is asked
        again, ever rarer.

        settle_s: for past data: when nothing new came for so long [s], what there is counts as all there is.
        """
        pause, cursor, since = poll_s, -1, 0.0
        while not stop.is_set():
            try:
                if self._cursor != cursor:
                    cursor, since = self._cursor, time.monotonic()
                self.catch_up(final=settle_s is not None and time.monotonic() - since >= settle_s)
                pause = poll_s
            except (StoreUnavailable, ClusterUnavailable) as e:
                pause = min(max(2 * pause, 1.0), MAX_BACKOFF_S)
                log.warning("the monitor waits %.0f s: %s", pause, e)
                self._status = MonitorStatus(self._status.watermark, self._status.findings, str(e))
            stop.wait(pause)
