"""Read models of the ledger: what was to come of each sensor on a day, and what came."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from datetime import UTC, date, datetime, timedelta

from ingest.ledger.book import Ledger
from ingest.ledger.report import DayReport, Line, day_report, total
from twuin.views.ledger_models import LedgerCounts, LedgerLine, LedgerOut, MessagesOut, UntoldOut
from waterworks.errors import NotFound
from waterworks.reading import instant
from waterworks.site import Site

MOST_DAYS = 31
"""Days in one answer."""

_GAPS = 20  # gaps of message numbers shown
_KEPT_S = 30.0  # how long a day of the whole site is shown without counting again
_PAUSE = 20.0  # and so many times as long as counting it took


class LedgerViews:
    """The ledger of ``site``. now: the site's present. late_s: what comes later is late [s]."""

    def __init__(
        self, ledger: Ledger | None, site: Site, now: Callable[[], datetime], late_s: float = 900.0
    ) -> None:
        self._ledger = ledger
        self._site = site
        self._now = now
        self._late_s = late_s
        self._kept: dict[date, tuple[float, DayReport]] = {}
        self._lock = threading.Lock()

    def today(self) -> date:
        """The local day."""
        return self._now().astimezone(self._site.timezone).date()

    def totals(self, day: date) -> LedgerCounts:
        """Of all sensors together; some seconds old at most, longer where counting takes long."""
        return LedgerCounts(**total(self._whole(day).lines))

    def incomplete(self, day: date, limit: int = 20) -> list[LedgerLine]:
        """Sensors of which readings are missing or were rejected on ``day``, the most missing first."""
        lines = [line for line in self._whole(day).lines if line.missing or line.rejected]
        lines.sort(key=lambda line: (-line.missing, -line.rejected, line.sensor))
        return [_line(line) for line in lines[:limit]]

    def report(
        self,
        day: date | None = None,
        *,
        days: int = 1,
        sensor: str | None = None,
        device: str | None = None,
    ) -> LedgerOut:
        """``days`` local days up to ``day`` (None: today). NotFound for a sensor or device that is none."""
        site = self._site
        if sensor is not None and sensor not in site.sensor:
            raise NotFound(f"no sensor {sensor!r} at site {site.id}")
        if device is not None and device not in {s.device for s in site.sensors}:
            raise NotFound(f"no device {device!r} at site {site.id}")
        last = day or self.today()
        first = last - timedelta(days=days - 1)
        found = [
            self._count(
                first + timedelta(days=k),
                sensors=None if sensor is None else [sensor],
                devices=None if device is None else [device],
            )
            for k in range(days)
        ]
        lines = [line for r in found for line in r.lines]
        whose = None if sensor is None and device is None else {line.device for line in lines}
        return LedgerOut(
            first_day=first,
            last_day=last,
            timezone=site.timezone.key,
            late_after_s=self._late_s,
            total=LedgerCounts(**total(lines)),
            items=[_line(line) for line in lines],
            untold=[
                UntoldOut(day=u.day, device=u.device, rejected=u.rejected) for r in found for u in r.untold
            ],
            messages=self.messages(whose),
        )

    def messages(self, devices: Collection[str] | None = None) -> list[MessagesOut]:
        """Numbers of messages by device and boot; devices: only these."""
        if self._ledger is None:
            return []
        return [
            MessagesOut(
                device=m.device,
                boot=m.boot,
                received=m.received,
                duplicate=m.duplicate,
                missing=m.missing,
                lost=m.lost,
                highest=m.highest,
                gaps=m.gaps[:_GAPS],
                heard=datetime.fromtimestamp(m.heard / 1e6, UTC),
            )
            for m in self._ledger.messages(devices)
        ]

    def _whole(self, day: date) -> DayReport:
        with self._lock:
            kept = self._kept.get(day)
            if kept is None or time.monotonic() >= kept[0]:
                began = time.monotonic()
                found = self._count(day)
                took = time.monotonic() - began
                if len(self._kept) > 2:  # today and yesterday are asked for
                    self._kept.clear()
                kept = self._kept[day] = (time.monotonic() + max(_KEPT_S, _PAUSE * took), found)
            return kept[1]

    def _count(
        self, day: date, sensors: Collection[str] | None = None, devices: Collection[str] | None = None
    ) -> DayReport:
        if self._ledger is None:
            return DayReport(day, [], [])
        return day_report(
            self._ledger,
            self._site,
            day,
            instant(self._now()),
            sensors=sensors,
            devices=devices,
            late_s=self._late_s,
        )


def _line(line: Line) -> LedgerLine:
    return LedgerLine(
        day=line.day,
        sensor=line.sensor,
        device=line.device,
        expected=line.expected,
        received=line.received,
        late=line.late,
        duplicate=line.duplicate,
        rejected=line.rejected,
        missing=line.missing,
    )
