"""Read models of devices whose clocks are wrong."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np

from ingest.clocks.offsets import Offset, find_offsets
from ingest.clocks.quarantine import Quarantine
from ingest.ledger.arrivals import DAY_US, SOUND
from ingest.ledger.book import SENSOR, Ledger
from twuin.views.clock_models import ClocksOut, HeldOut, OffsetOut
from waterworks.reading import instant
from waterworks.site import Site

DAYS = 3
"""So many days back are looked at for the beginning of an offset."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AHEAD_DAYS = 2  # times of the future that are stored at most, and some more
_KEPT_S = 60.0  # how long an answer is shown without looking again
_PAUSE = 20.0  # and so many times as long as looking took


class ClockViews:
    """Clocks of the devices of ``site``. now: the site's present."""

    def __init__(
        self,
        ledger: Ledger | None,
        quarantine: Quarantine | None,
        site: Site,
        now: Callable[[], datetime],
    ) -> None:
        self._ledger = ledger
        self._quarantine = quarantine
        self._site = site
        self._now = now
        self._kept: tuple[float, ClocksOut] | None = None
        self._lock = threading.Lock()

    def latest(self) -> ClocksOut:
        """As ``report``, some seconds old at most; longer where looking takes long."""
        with self._lock:
            if self._kept is None or time.monotonic() >= self._kept[0]:
                began = time.monotonic()
                found = self.report()
                took = time.monotonic() - began
                self._kept = (time.monotonic() + max(_KEPT_S, _PAUSE * took), found)
            return self._kept[1]

    def held(self) -> dict[str, int]:
        """Readings in the quarantine, by reason."""
        out: dict[str, int] = {}
        for group in self._quarantine.groups() if self._quarantine is not None else ():
            out[group.reason] = out.get(group.reason, 0) + group.readings
        return out

    def report(self, days: int = DAYS) -> ClocksOut:
        """Offsets as the last readings show them, their beginning looked for ``days`` back; what is held."""
        q = self._quarantine
        held = [
            HeldOut(
                device=g.device,
                reason=g.reason,
                readings=g.readings,
                first=_moment(g.first),
                last=_moment(g.last),
                first_received=_moment(g.first_received),
                last_received=_moment(g.last_received),
            )
            for g in (q.groups() if q is not None else ())
        ]
        return ClocksOut(offsets=self._offsets(days), held=held, evicted=q.evicted() if q is not None else 0)

    def _offsets(self, days: int) -> list[OffsetOut]:
        devices = sorted({s.device for s in self._site.sensors} - {""})
        index = {device: i for i, device in enumerate(devices)}
        now = int(instant(self._now()).astype(np.int64))
        start = now - days * DAY_US
        parts: list[tuple[np.ndarray, ...]] = []
        if self._ledger is not None:
            names = self._ledger.names()
            of = np.full(max(names, default=0) + 1, -1, np.int32)
            for number, (kind, name) in names.items():
                if kind == SENSOR and name in self._site.sensor:
                    of[number] = index.get(self._site.sensor[name].device, -1)
            a = self._ledger.arrivals(start, now + _AHEAD_DAYS * DAY_US)
            a = a.take((a.kind == SOUND) & (of[a.sensor] >= 0))
            parts.append((of[a.sensor], a.time, a.lag))
        if self._quarantine is not None:
            batch = self._quarantine.newest().batch
            own = np.array(
                [
                    index.get(self._site.sensor[n].device, -1) if n in self._site.sensor else -1
                    for n in batch.names
                ],
                np.int32,
            )[batch.sensor]
            received, stamped = batch.received.astype(np.int64), batch.time.astype(np.int64)
            rows = (own >= 0) & (received >= start)
            lag = ((received - stamped) // 1_000_000).astype(np.int32)
            parts.append((own[rows], stamped[rows], lag[rows]))
        if not parts:
            return []
        device, stamps, lags = (np.concatenate(c) for c in zip(*parts, strict=True))
        return [self._out(devices[o.device], o) for o in find_offsets(device, stamps, lags)]

    def _out(self, device: str, o: Offset) -> OffsetOut:
        since = _moment(o.since)
        local = since.astimezone(self._site.timezone).replace(second=0, microsecond=0)
        return OffsetOut(
            device=device,
            ahead_s=o.ahead_s,
            since=since,
            zone=o.zone,
            readings=o.readings,
            line=f"{device},{o.ahead_s},{local.isoformat(timespec='minutes')},,",
        )


def _moment(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
