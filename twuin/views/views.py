"""Read models of one site: what API and pages show, made from store, alerts and site."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from twuin import __version__
from twuin.alerts.model import Alert, Kind, State
from twuin.alerts.service import AlertService
from twuin.views.convert import (
    M3H,
    SHOWN_UNIT,
    alert_fields,
    alert_out,
    datetimes,
    entry_out,
    m3h,
    nulls,
    number,
    shown,
)
from twuin.views.curves import DAY, MICROSECOND, curve
from twuin.views.models import (
    AlertDetail,
    AlertOut,
    DmaState,
    Health,
    NightFlow,
    Page,
    RejectedOut,
    RejectedSummary,
    SensorOut,
    Series,
    SiteOut,
)
from waterworks import geo
from waterworks.errors import NotFound, TwuinError
from waterworks.network import Network
from waterworks.ports import Clock, ReadingStore
from waterworks.reading import Floats, Latest, as_datetime, instant
from waterworks.series import Derived, derived
from waterworks.site import Dma, Role, Sensor, Site

HOUR = np.timedelta64(3_600_000_000, "us")

QUIET_INTERVALS = 3
"""A sensor is silent after this many of its intervals without a reading."""

QUIET_FLOOR_S = 900.0
"""... but never before this [s of the site's clock], for devices that send in batches."""

QUIET_WALL_S = 5.0
"""... plus this [s on the wall], which the way of a reading may take however fast the site's clock runs."""

MAX_POINTS = 2000
LIVE = frozenset({State.OPEN, State.ACKNOWLEDGED})


class RejectedSource(Protocol):
    """What the views need of the log of rejected messages (``ingest.rejected.RejectedLog``)."""

    def list(self, limit: int = 100, before: int | None = None, reason: str | None = None) -> Sequence[Any]:
        """Entries with id, received, topic, reason, detail, size; newest first."""
        ...

    def get(self, id: int) -> Any | None:
        """One entry with its ``payload``, None where there is none."""
        ...

    def counts(self) -> dict[str, int]:
        """Entries by reason."""
        ...


class Views:
    """Read models of ``site``. Safe to use from several threads; lookups raise NotFound.

    watermark: up to where the monitor of this process has analysed; where there is none (None), the
    newest derived inflow stands for it. clock_speed: site seconds per second. parts: health of the parts
    that run here, each a dict with "status" (ok, degraded, down) and "detail". ingest: counters of the
    consumer that runs here. rejected: log of rejected messages. devices: kept for what devices report.
    """

    def __init__(
        self,
        site: Site,
        store: ReadingStore,
        alerts: AlertService,
        *,
        clock: Clock,
        network: Network | None = None,
        rejected: RejectedSource | None = None,
        devices: Any | None = None,
        watermark: Callable[[], datetime | None] = lambda: None,
        clock_speed: float = 1.0,
        parts: Callable[[], dict[str, dict[str, Any]]] = dict,
        ingest: Callable[[], dict[str, float]] = dict,
    ) -> None:
        self._site = site
        self._store = store
        self._alerts = alerts
        self._clock = clock
        self._network = network
        self._rejected = rejected
        self._devices = devices
        self._own_watermark = watermark
        self._clock_speed = clock_speed
        self._parts = parts
        self._ingest = ingest

    # The site

    def site(self) -> SiteOut:
        """The site as a whole, and what time it is there."""
        return SiteOut(
            id=self._site.id,
            name=self._site.name,
            timezone=self._site.timezone.key,
            now=self.now(),
            clock_speed=self._clock_speed,
            watermark=self.watermark(),
            has_network=self._network is not None,
            currency=self._site.monitor.currency,
            bounds=self._bounds,
        )

    def now(self) -> datetime:
        """The present on the site's clock."""
        return as_datetime(self._clock.now())

    def watermark(self) -> datetime | None:
        """Up to where readings have been analysed, by this process or another; None: nothing yet."""
        own = self._own_watermark()
        if own is not None:
            return own
        extent = self._store.extent([derived(d.id, Derived.INFLOW) for d in self._site.dmas])
        return None if extent is None else as_datetime(extent[1])

    def network_geojson(self) -> dict[str, Any]:
        """The network as a GeoJSON FeatureCollection; empty for a site without a model. Not to be changed."""
        return self._geojson

    @cached_property
    def _geojson(self) -> dict[str, Any]:
        if self._network is None:
            return {"type": "FeatureCollection", "features": []}
        return geo.network_geojson(self._site, self._network)

    @cached_property
    def _positions(self) -> dict[str, tuple[float, float]]:
        return geo.sensor_positions(self._site, self._network)

    @cached_property
    def _bounds(self) -> tuple[float, float, float, float] | None:
        points = list(self._positions.values())
        for feature in self._geojson["features"]:
            geometry = feature["geometry"]
            if geometry is None:
                continue
            at = geometry["coordinates"]
            points += [at] if geometry["type"] == "Point" else at
        if not points:
            return None
        lonlat = np.array([(p[0], p[1]) for p in points], dtype=np.float64)
        (west, south), (east, north) = lonlat.min(axis=0).tolist(), lonlat.max(axis=0).tolist()
        return (west, south, east, north)

    # DMAs

    def dmas(self) -> list[DmaState]:
        """All DMAs, in the site's order."""
        return self._dma_states(self._site.dmas)

    def dma(self, id: str) -> DmaState:
        """One DMA. Raises NotFound."""
        return self._dma_states([self._find_dma(id)])[0]

    def _dma_states(self, dmas: Sequence[Dma]) -> list[DmaState]:
        if not dmas:
            return []
        now = self._clock.now()
        mark = self.watermark()
        end = (now if mark is None else instant(mark)) + MICROSECOND
        what = (Derived.INFLOW, Derived.EXPECTED, Derived.NIGHT_FLOW, Derived.NIGHT_FLOW_USUAL)
        names = [derived(d.id, w) for d in dmas for w in what]
        # 50 hours hold the label (local midnight) of the last night that is over, whatever time it is.
        hours = self._store.window(names, end - 50 * HOUR, end, step=HOUR)
        recent = self._store.window([derived(d.id, w) for d in dmas for w in what[:2]], end - 3 * HOUR, end)
        inlets = [s for s in self._site.sensors if s.role is Role.INLET]
        latest = self._store.latest([s.id for s in inlets]) if inlets else {}
        live = self._alerts.list(states=LIVE, limit=1000).items
        first = (end - MICROSECOND - 24 * HOUR).astype("datetime64[h]").astype("datetime64[us]") + HOUR
        spark_at = first + np.arange(24) * HOUR
        slot = np.searchsorted(spark_at, hours.times)
        in_spark = (slot < 24) & (hours.times >= first)
        states = []
        for i, dma in enumerate(dmas):
            column = hours.values[:, 4 * i : 4 * i + 4]
            spark = np.full(24, np.nan)
            spark[slot[in_spark]] = column[in_spark, 0]
            night, usual = _last(column[:, 2]), _last(column[:, 3])
            inflow, expected = _last_pair(recent.values[:, 2 * i], recent.values[:, 2 * i + 1])
            legitimate = _legitimate(dma)
            own = [a for a in live if a.finding.dma == dma.id]
            mine = [s for s in inlets if dma.id in (s.dma, s.from_dma)]
            states.append(
                DmaState(
                    id=dma.id,
                    name=dma.name,
                    state=self._state(own, mine, latest, now),
                    connections=dma.connections,
                    inflow_m3h=m3h(inflow),
                    expected_m3h=m3h(expected),
                    night_flow_m3h=m3h(night),
                    night_flow_usual_m3h=m3h(usual),
                    legitimate_night_use_m3h=legitimate,
                    excess_m3day=number(max(night * M3H - legitimate, 0.0) * 24 if night == night else night),
                    open_alerts=len(own),
                    spark_m3h=nulls(spark * M3H, 3),
                )
            )
        return states

    def _state(
        self, alerts: list[Alert], inlets: list[Sensor], latest: dict[str, Latest], now: np.datetime64
    ) -> str:
        lasting = {a.finding.kind for a in alerts if a.finding.ended is None}
        if Kind.LEAK in lasting:
            return "leak"
        if not inlets or any(s.id not in latest or self._quiet(s, latest[s.id], now) for s in inlets):
            return "nodata"  # net inflow is known only where every inlet is
        return "watch" if Kind.NIGHT_FLOW in lasting else "normal"

    def dma_series(
        self,
        id: str,
        start: datetime | None = None,
        end: datetime | None = None,
        max_points: int = MAX_POINTS,
    ) -> Series:
        """Inflow, expected, low, high, leak [m3/h] and cusum [share of its threshold]. Raises NotFound.

        Without ``end`` up to the newest, without ``start`` seven days. At most ``max_points`` times.
        """
        self._find_dma(id)
        what = (Derived.INFLOW, Derived.EXPECTED, Derived.BAND, Derived.LEAK, Derived.CUSUM)
        interval = min((s.interval_s for s in self._inlets_of(id)), default=300.0)
        window, step = curve(
            self._store,
            [derived(id, w) for w in what],
            start,
            end,
            max_points=max_points,
            interval_s=interval,
            default=7 * DAY,
        )
        inflow, expected, band, leak, cusum = window.values.T
        values = {
            "inflow": inflow * M3H,
            "expected": expected * M3H,
            "low": (expected - band) * M3H,
            "high": (expected + band) * M3H,
            "leak": leak * M3H,
            "cusum": cusum,
        }
        return Series(
            unit="m3/h",
            times=datetimes(window.times),
            values={k: nulls(v, 4) for k, v in values.items()},
            step_s=_step_s(step),
        )

    def night_flows(self, dma: str, days: int = 30) -> list[NightFlow]:
        """Night flow of the last ``days`` nights that were analysed, oldest first. Raises NotFound."""
        area = self._find_dma(dma)
        names = [derived(dma, Derived.NIGHT_FLOW), derived(dma, Derived.NIGHT_FLOW_USUAL)]
        extent = self._store.extent(names)
        if extent is None:
            return []
        end = extent[1] + MICROSECOND
        window = self._store.window(names, end - days * DAY, end)
        legitimate = _legitimate(area)
        flows = []
        for at, (night, usual) in zip(datetimes(window.times), window.values, strict=True):
            flows.append(
                NightFlow(
                    night=at.astimezone(self._site.timezone).date(),
                    night_flow_m3h=m3h(night),
                    usual_m3h=m3h(usual),
                    legitimate_m3h=legitimate,
                    excess_m3h=number(max(night * M3H - legitimate, 0.0)) if night == night else None,
                )
            )
        return flows

    # Sensors

    def sensors(self) -> list[SensorOut]:
        """All sensors, in the site's order."""
        latest = self._store.latest([s.id for s in self._site.sensors])
        now = self._clock.now()
        return [self._sensor_out(s, latest.get(s.id), now) for s in self._site.sensors]

    def sensor(self, id: str) -> SensorOut:
        """One sensor. Raises NotFound."""
        sensor = self._find_sensor(id)
        return self._sensor_out(sensor, self._store.latest([id]).get(id), self._clock.now())

    def _sensor_out(self, s: Sensor, latest: Latest | None, now: np.datetime64) -> SensorOut:
        lon, lat = self._positions.get(s.id, (None, None))
        if latest is None:
            state, value = "nodata", None
        else:
            value = number(float(shown(latest.value, s.quantity)))
            state = "silent" if self._quiet(s, latest, now) else "suspect" if latest.quality else "ok"
        return SensorOut(
            id=s.id,
            name=s.name,
            quantity=s.quantity.value,
            unit=SHOWN_UNIT[s.quantity],
            dma=s.dma,
            device=s.device,
            role=s.role.value,
            element=s.element,
            interval_s=s.interval_s,
            lon=lon,
            lat=lat,
            state=state,
            latest=value,
            latest_at=None if latest is None else as_datetime(latest.time),
        )

    def _quiet(self, s: Sensor, latest: Latest, now: np.datetime64) -> bool:
        patience = max(QUIET_INTERVALS * s.interval_s, QUIET_FLOOR_S) + QUIET_WALL_S * self._clock_speed
        return bool((now - latest.time) / np.timedelta64(1, "s") > patience)

    def sensor_series(
        self,
        id: str,
        start: datetime | None = None,
        end: datetime | None = None,
        max_points: int = MAX_POINTS,
    ) -> Series:
        """Readings of a sensor under its id, in the unit people read, with quality flags. Raises NotFound.

        Without ``end`` up to the newest, without ``start`` seven days. At most ``max_points`` times: where
        there are more, means over steps of ``step_s``, flags or-ed.
        """
        s = self._find_sensor(id)
        window, step = curve(
            self._store, [id], start, end, max_points=max_points, interval_s=s.interval_s, default=7 * DAY
        )
        return Series(
            unit=SHOWN_UNIT[s.quantity],
            times=datetimes(window.times),
            values={id: nulls(shown(window.values[:, 0], s.quantity), 4)},
            quality={id: window.quality[:, 0].tolist()},
            step_s=_step_s(step),
        )

    # Alerts

    def alerts(
        self,
        *,
        states: Collection[State] = (),
        kinds: Collection[Kind] = (),
        dma: str | None = None,
        since: datetime | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[AlertOut]:
        """Alerts, newest onset first; empty conditions hold for all. Raises BadCursor."""
        page = self._alerts.list(states=states, kinds=kinds, dma=dma, since=since, limit=limit, cursor=cursor)
        return Page[AlertOut](items=[alert_out(a, self._site) for a in page.items], next=page.next)

    def alert(self, id: str) -> AlertDetail:
        """An alert with its history, oldest first. Raises NotFound."""
        alert = self._alerts.get(id)
        history = [entry_out(e) for e in self._alerts.history(id)]
        return AlertDetail(**alert_fields(alert, self._site), history=history)

    def alert_out(self, alert: Alert) -> AlertOut:
        """An alert that is at hand, as the API shows it."""
        return alert_out(alert, self._site)

    # Ingest and health

    def rejected(
        self, *, limit: int = 50, before: int | None = None, reason: str | None = None
    ) -> Page[RejectedOut]:
        """Rejected messages, newest first. ``next``: the id to give as ``before``."""
        if self._rejected is None:
            return Page[RejectedOut](items=[])
        found = self._rejected.list(limit + 1, before, reason)
        items = [
            RejectedOut(
                id=e.id, received=e.received, topic=e.topic, reason=e.reason, detail=e.detail, size=e.size
            )
            for e in found[:limit]
        ]
        return Page[RejectedOut](items=items, next=str(items[-1].id) if len(found) > limit else None)

    def rejected_summary(self) -> RejectedSummary:
        """How many messages were rejected, by reason."""
        counts = {} if self._rejected is None else self._rejected.counts()
        return RejectedSummary(total=sum(counts.values()), by_reason=counts)

    def rejected_payload(self, id: int) -> bytes:
        """The raw bytes of a rejected message, as far as they were kept. Raises NotFound."""
        entry = None if self._rejected is None else self._rejected.get(id)
        if entry is None:
            raise NotFound(f"no rejected message {id}")
        return bytes(entry.payload)

    def ingest_counters(self) -> dict[str, float]:
        """Counters of the consumer of this process, empty where none runs here."""
        return self._ingest()

    def health(self) -> Health:
        """How Twuin itself is: down when the store is, degraded when any part is not ok."""
        parts = dict(self._parts())
        for name, ask in (("store", lambda: self._store.extent([])), ("alerts", self._alerts.cursor)):
            if name not in parts:
                parts[name] = _probe(ask)
        statuses = {name: p.get("status", "ok") for name, p in parts.items()}
        if "down" in (statuses["store"], statuses["alerts"]):
            status = "down"
        else:
            status = "ok" if all(s == "ok" for s in statuses.values()) else "degraded"
        return Health(status=status, version=__version__, parts=parts)

    # Lookups

    def _find_dma(self, id: str) -> Dma:
        if id not in self._site.dma:
            raise NotFound(f"no DMA {id[:40]!r} at site {self._site.id}")
        return self._site.dma[id]

    def _find_sensor(self, id: str) -> Sensor:
        if id not in self._site.sensor:
            raise NotFound(f"no sensor {id[:40]!r} at site {self._site.id}")
        return self._site.sensor[id]

    def _inlets_of(self, dma: str) -> list[Sensor]:
        return [s for s in self._site.sensors if s.role is Role.INLET and dma in (s.dma, s.from_dma)]


def _legitimate(dma: Dma) -> float:
    return round(dma.connections * dma.night_use_m3s_per_connection * M3H, 6)


def _last(values: Floats) -> float:
    known = np.flatnonzero(np.isfinite(values))
    return float(values[known[-1]]) if len(known) else float("nan")


def _last_pair(inflow: Floats, expected: Floats) -> tuple[float, float]:
    """The newest inflow and what was expected at that very time."""
    known = np.flatnonzero(np.isfinite(inflow))
    return (
        (float(inflow[known[-1]]), float(expected[known[-1]]))
        if len(known)
        else (float("nan"), _last(expected))
    )


def _step_s(step: np.timedelta64 | None) -> float | None:
    return None if step is None else float(step / np.timedelta64(1, "s"))


def _probe(ask: Callable[[], Any]) -> dict[str, Any]:
    try:
        ask()
    except TwuinError as e:
        return {"status": "down", "detail": str(e)}
    return {"status": "ok", "detail": "can be read"}
