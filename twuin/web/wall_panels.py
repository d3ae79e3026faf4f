"""What the panels of a wall show, gathered once for all panels of a screen."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from twuin.access.current import KEPT, current
from twuin.alerts.model import PENDING, UNREPAIRED, Kind, Reason, State
from twuin.views.loss_models import Limited
from twuin.views.models import AlertOut, DmaState, SensorOut, SiteOut
from twuin.views.views import Views
from twuin.web.figures import running
from waterworks.errors import TwuinError
from waterworks.wall import Panel, PanelKind

log = logging.getLogger(__name__)

NRW_DAYS = 28
"""Days of the share of water without revenue: whole weeks, as on the page of losses."""

NRW_KEEP_S = 900.0
"""A share of four weeks changes by the day: it is worked out anew four times an hour at most [s]."""

MOST_ALERTS = 40
"""More than fit on any display; how many there are beyond is said by number."""

URGENCY = (
    Kind.LEAK,
    Kind.REPORTED,
    Kind.LOW_INFLOW,
    Kind.SUPPLY,
    Kind.NIGHT_FLOW,
    Kind.SENSOR,
    Kind.SILENT,
)
_PRIORITY = ("high", "medium", "low")
_WORST_DMA = ("leak", "watch", "nodata", "normal")
_WORST_SENSOR = ("silent", "suspect", "nodata", "ok")


@dataclass(frozen=True)
class Nrw:
    """Share of the water that brings no revenue, None where it is not known. until: last day of it."""

    share: Limited | None
    until: date


class NrwFigure:
    """The NRW of the last four weeks, of what whoever asks sees, kept a while. Safe from several threads."""

    def __init__(self, views: Views) -> None:
        self._views = views
        self._lock = threading.Lock()
        self._kept: dict[frozenset[str] | None, tuple[float, Nrw | None]] = {}

    def get(self) -> Nrw | None:
        """None where it cannot be worked out now."""
        whose = current().dmas
        with self._lock:
            kept = self._kept.get(whose)
            if kept is None or time.monotonic() - kept[0] > NRW_KEEP_S:
                if len(self._kept) >= KEPT:
                    self._kept.clear()
                kept = self._kept[whose] = (time.monotonic(), self._made())
            return kept[1]

    def _made(self) -> Nrw | None:
        try:
            until = self._views.losses_end()
            found = self._views.losses(until - timedelta(days=NRW_DAYS - 1), until)
        except TwuinError as e:
            log.warning("the wall's NRW cannot be worked out: %s", e)
            return None
        return Nrw(found.site.nrw_share, until)


class WallData:
    """The read models of one look at a site, each read at most once, when a panel first needs it."""

    def __init__(self, views: Views, site: SiteOut, nrw: NrwFigure) -> None:
        self._views = views
        self._nrw = nrw
        self.site = site

    @cached_property
    def dmas(self) -> list[DmaState]:
        return self._views.dmas()

    @cached_property
    def sensors(self) -> list[SensorOut]:
        return self._views.sensors()

    @cached_property
    def alerts(self) -> list[AlertOut]:
        """Alerts of which nobody knows yet that they are over, those worth most first."""
        loud = self._views.alerts(state=PENDING, kind=set(Kind) - {Kind.SILENT}, limit=500).items
        silent = self._views.alerts(state=PENDING, kind=Kind.SILENT, limit=500).items
        return sorted([*loud, *silent], key=worth)

    @cached_property
    def leaks(self) -> list[AlertOut]:
        """Leaks that run."""
        return running(self.alerts)

    @cached_property
    def midnight(self) -> datetime:
        """When the site's day began."""
        zone = ZoneInfo(self.site.timezone)
        return self.site.now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)

    @cached_property
    def analysed(self) -> datetime:
        """Up to when losses are known: what was analysed, never beyond the site's clock."""
        mark = self.site.watermark
        return self.site.now if mark is None else min(mark, self.site.now)

    @cached_property
    def lost_today_m3(self) -> float:
        today = self._views.alerts(kind=Kind.LEAK, since=self.midnight, limit=500).items
        return lost_m3(today, self.midnight, self.analysed)

    @cached_property
    def nrw(self) -> Nrw | None:
        return self._nrw.get()

    @cached_property
    def newest_reading(self) -> datetime | None:
        return max((s.latest_at for s in self.sensors if s.latest_at is not None), default=None)

    def shown_dmas(self, panel: Panel) -> list[tuple[int, DmaState]]:
        """The DMAs of a panel in their usual places, each with its rank: 0 is in the worst way."""
        chosen = [d for d in self.dmas if not panel.dmas or d.id in panel.dmas]
        worst = sorted(chosen, key=lambda d: (_WORST_DMA.index(d.state), -(d.excess_m3day or 0.0)))
        return [(worst.index(d), d) for d in chosen]

    def shown_alerts(self, panel: Panel) -> list[AlertOut]:
        return [a for a in self.alerts if not panel.dmas or a.dma in panel.dmas]

    def shown_sensors(self, panel: Panel) -> tuple[dict[str, int], list[SensorOut]]:
        """How many sensors are in each state, and those that are in another than the best, worst first."""
        chosen = [s for s in self.sensors if not panel.dmas or s.dma in panel.dmas]
        counts = {state: sum(s.state == state for s in chosen) for state in ("ok", *_WORST_SENSOR[:3])}
        odd = [s for s in chosen if s.state != "ok"]
        return counts, sorted(odd, key=lambda s: _WORST_SENSOR.index(s.state))

    def dma_of(self, panel: Panel) -> DmaState | None:
        """The DMA of a trend: the one it names, else that of the alert worth most, else the largest."""
        known = {d.id: d for d in self.dmas}
        first = next((a.dma for a in self.alerts if a.dma in known and a.kind is not Kind.SILENT), "")
        wanted = known.get(panel.dma or first)
        return wanted or max(self.dmas, key=lambda d: d.connections, default=None)

    def sensor_of(self, panel: Panel) -> SensorOut | None:
        return next((s for s in self.sensors if s.id == panel.sensor), None)

    def newest_alert(self) -> AlertOut | None:
        """The alert that was raised last of those that run: where a map goes that follows."""
        placed = [a for a in self.alerts if a.ended is None and a.kind is not Kind.SILENT]
        return max(placed, key=lambda a: a.detected, default=None)

    def as_of(self, panel: Panel) -> datetime | None:
        """The time of what a panel shows; None: none has come yet, or the panel needs none."""
        match panel.kind:
            case PanelKind.CLOCK:
                return None
            case PanelKind.SENSORS:
                return self.newest_reading
            case PanelKind.TREND if panel.sensor:
                sensor = self.sensor_of(panel)
                return None if sensor is None else sensor.latest_at
            case _:
                return self.site.watermark

    def old_after_s(self, panel: Panel) -> float | None:
        """What a panel shows is old when it is behind the site's clock by more than this [s]; None: never."""
        usual = self.site.stale_after_s
        sensor = self.sensor_of(panel) if panel.sensor else None
        if usual is None or sensor is None:
            return usual
        return max(usual, 4 * sensor.interval_s)


def worth(alert: AlertOut) -> tuple[bool, bool, bool, int, int, float, float]:
    """Sorts alerts by what it is worth to act on them: those that run, by priority, by what a visit saves."""
    return (
        alert.ended is not None,
        alert.state is State.REPAIRED,
        alert.watched,
        _PRIORITY.index(alert.priority),
        URGENCY.index(alert.kind),
        -(alert.gain or 0.0),
        -abs(alert.flow_m3h),
    )


def lost_m3(leaks: Sequence[AlertOut], start: datetime, end: datetime) -> float:
    """Water that leaks lost between two instants [m3], each at its flow. What is no leak lost none."""
    lost = 0.0
    for a in leaks:
        if a.reason in (Reason.FALSE_ALARM, Reason.WITHDRAWN, Reason.DUPLICATE, Reason.PLANNED):
            continue
        if a.state not in UNREPAIRED and a.ended is None:
            continue  # mended by word of a person: since when it does not run, readings have yet to show
        hours = (min(a.ended or end, end) - max(a.onset, start)) / timedelta(hours=1)
        lost += max(hours, 0.0) * max(a.flow_m3h, 0.0)
    return lost
