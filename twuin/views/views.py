"""Read models of one site: what API and pages show, made from store, alerts and site."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cached_property, partial
from typing import Any, Protocol

import numpy as np

from analytics.losses.uncertain import Uncertain
from ingest.clocks.quarantine import Quarantine
from ingest.devices import DeviceLog
from ingest.ledger.book import Ledger
from ingest.stats import Stats
from twuin import __version__
from twuin.alerts.model import PENDING, Alert, Kind, State
from twuin.alerts.score import score_of
from twuin.alerts.service import AlertService
from twuin.alerts.sight import Sight
from twuin.alerts.work import Outcome
from twuin.photos.service import PhotoService
from twuin.residents.charter import Complaints
from twuin.views.area import area_pipes
from twuin.views.away import unless_away
from twuin.views.believed import believed
from twuin.views.clocks import ClockViews
from twuin.views.convert import (
    M3H,
    SHOWN_UNIT,
    alert_fields,
    alert_out,
    clocks_out,
    datetimes,
    entry_out,
    nulls,
    shown,
)
from twuin.views.curves import DAY, curve
from twuin.views.dmas import dma_states, inlets_of, night_flows
from twuin.views.export.series import SeriesFormat, csv_chunks, parquet_chunks, parts
from twuin.views.field import FieldViews
from twuin.views.isolation import Isolations
from twuin.views.ledger import LedgerViews
from twuin.views.loss_models import LossesOut
from twuin.views.losses import Factors, days_of, losses_out, report_maker
from twuin.views.models import (
    AlertDetail,
    AlertOut,
    CauseOut,
    ClockOut,
    DeviceOut,
    DmaState,
    Health,
    IngestStats,
    NightFlow,
    Page,
    RejectedOut,
    RejectedSummary,
    SensorOut,
    Series,
    SiteFrame,
    SiteOut,
    UnknownNameOut,
)
from twuin.views.pace import Progress, clock_kind, stale_after_s
from twuin.views.photos import PhotoViews
from twuin.views.results import ResultsOut, results
from twuin.views.run import Factors as RunFactors
from twuin.views.run import run_out
from twuin.views.score_models import score_out
from twuin.views.sensors import sensor_out
from twuin.views.sensorthings import SensorThings
from twuin.views.sensorthings.catalogue import Catalogue, georeferenced
from twuin.views.step_test import StepTests
from twuin.views.trimmed import Trimmer
from twuin.views.urgent import Order, urgent_page
from twuin.views.what_if import Leakage, WhatIfs
from twuin.views.works import now_by_dma
from twuin.works.service import WorkService
from waterworks import geo
from waterworks.errors import NotFound, TwuinError
from waterworks.network import Network
from waterworks.ports import Clock, ReadingStore
from waterworks.reading import as_datetime, instant
from waterworks.series import Derived, derived
from waterworks.site import Dma, Sensor, Site, part_of

MAX_POINTS = 2400
"""Enough for a week at five minutes."""
PENDING_STATES = frozenset(PENDING)


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

    def unknown(self, limit: int = 1000) -> Sequence[Any]:
        """Unknown names with name, topic, value, unit, time, heard, readings; last heard first."""
        ...


class Views:
    """Read models of ``site``. Safe to use from several threads; lookups raise NotFound.

    watermark: up to where the monitor of this process has analysed; where there is none (None), the
    newest derived inflow stands for it. clock_speed: site seconds per second. clock_is: wall, scaled or
    data, None: told from the clock itself. parts: health of the parts that run here, each a dict with
    "status" (ok, degraded, down) and "detail". ingest: counters of the consumer, None where none runs
    here. rejected: log of rejected messages. devices: log of their status. ledger: what came of what was
    to come; late_s: what comes later after its time is late [s]. quarantine: readings with times that cannot
    be right. photos: of alerts, None where none are kept. works: what people have entered beforehand; None:
    nothing can be. complaints: what residents reported between two instants, None where they cannot.
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
        devices: DeviceLog | None = None,
        ledger: Ledger | None = None,
        late_s: float = 900.0,
        quarantine: Quarantine | None = None,
        watermark: Callable[[], datetime | None] = lambda: None,
        clock_speed: float = 1.0,
        clock_is: str | None = None,
        parts: Callable[[], dict[str, dict[str, Any]]] = dict,
        ingest: Callable[[], Stats | None] = lambda: None,
        photos: PhotoService | None = None,
        works: WorkService | None = None,
        complaints: Callable[[datetime, datetime], Complaints] | None = None,
    ) -> None:
        self._site = site
        self._store = store
        self._alerts = alerts
        self._clock = clock
        self._limit: frozenset[str] | None = None
        self._trimmer: Trimmer | None = None
        self._more = {
            "clock": clock,
            "network": network,
            "devices": devices,
            "ledger": ledger,
            "late_s": late_s,
            "watermark": watermark,
            "clock_speed": clock_speed,
            "clock_is": clock_is,
            "parts": parts,
            "photos": photos,
            "works": works,
        }
        self.works = works
        self._network = network
        self._rejected = rejected
        self._devices = devices
        self.ledger = LedgerViews(ledger, site, self.now, late_s)
        self.clocks = ClockViews(ledger, quarantine, site, self.now)
        self._own_watermark = watermark
        self._clock_speed = clock_speed
        self._clock_is = clock_is or clock_kind(clock, clock_speed)
        self._progress = Progress(clock_speed)
        self._parts = parts
        self._ingest = ingest
        self._complaints = complaints
        trusted = believed(store, alerts)
        self._losses = report_maker(site, trusted, network, None if works is None else works.calendar)
        self._factors = Factors(site, trusted, network)
        self.isolations = Isolations(site, network)
        self.step_tests = self._step_tests(site)
        self.photos = PhotoViews(alerts, photos)
        self.what_ifs = WhatIfs(site, network, self._leakage)

    def limited_to(self, dmas: frozenset[str]) -> Views:
        """What somebody sees who is limited to ``dmas``: the same site with no others in it.

        Totals are those of these DMAs. A sensor on a boundary belongs to both sides; what belongs to no DMA,
        and what came in from whom, is not there at all.
        """
        site = part_of(self._site, dmas)
        alerts = self._alerts.limited_to(self.sight(dmas))
        limited = Views(site, self._store, alerts, **self._more)  # type: ignore[arg-type]
        limited._limit = dmas
        limited._trimmer = Trimmer(self._site, site)
        limited._progress = self._progress
        limited.works = None if self.works is None else self.works.limited_to(dmas)
        limited.isolations = self.isolations.limited_to(dmas)
        # Of the whole site: what feeds these DMAs, and who is without water, may lie beyond them.
        limited.step_tests = limited._step_tests(self._site, dmas, self.step_tests)
        limited.what_ifs = self.what_ifs.limited_to(dmas, limited._leakage)
        return limited

    @property
    def limit(self) -> list[str] | None:
        """Ids of the DMAs that these views are limited to, in the site's order; None: not limited."""
        return None if self._limit is None else [d.id for d in self._site.dmas]

    def _step_tests(
        self, site: Site, only: frozenset[str] | None = None, shared: StepTests | None = None
    ) -> StepTests:
        return StepTests(
            site,
            self._network,
            self._store,
            night_pressure=self._night_pressure,
            alert=self.alert,
            now=self.now,
            only=only,
            shared=shared,
        )

    def _night_pressure(self, dma: str) -> float | None:
        """Zone pressure at night [m] as it was measured in the last four weeks."""
        found = next((d for d in self.losses().dmas if d.id == dma), None)
        if found is None or found.pressure_source != "measured":
            return None
        return found.night_pressure_m

    def _leakage(self, dma: str) -> Leakage | None:
        """Leakage, pressure and N1 of a DMA as the last four weeks have them."""
        found = next((d for d in self.losses().dmas if d.id == dma), None)
        if found is None:
            return None
        flow, n1 = found.leakage_m3h, found.n1
        background = found.background_m3h
        return Leakage(
            None if flow is None else (flow.value / M3H, flow.low / M3H, flow.high / M3H),
            None if background is None else background / M3H,
            found.night_pressure_m,
            found.pressure_source == "measured",
            None if n1 is None else (n1.value, n1.low, n1.high),
            found.n1_source,
            found.why.get("night_flow") or found.why.get("leakage") or "",
        )

    def sight(self, dmas: frozenset[str]) -> Sight:
        """``dmas`` and the sensors that belong to them."""
        return Sight(dmas, frozenset(part_of(self._site, dmas).sensor))

    @cached_property
    def field(self) -> FieldViews:
        """What a crew takes along."""
        return FieldViews(self, self._site, self._network)

    # The site

    @property
    def site_name(self) -> str:
        """Its name alone, for which no store is asked."""
        return self._site.name

    def site(self) -> SiteOut:
        """The site as a whole, and what time it is there. Raises StoreUnavailable."""
        mark = self.watermark()
        about = self._about(mark, self._progress.leaping(mark))
        about["has_readings"] = mark is not None or self._store.extent(list(self._site.sensor)) is not None
        return SiteOut(**about)

    def frame(self) -> SiteFrame:
        """The same for what needs no readings itself: alerts, work and accounts are there while the store of
        readings is away."""
        site = unless_away(self.site, None)
        if site is None:
            return SiteFrame(**self._about(self._progress.mark, False), away=True)
        return SiteFrame(**dict(site), away=False)

    def _about(self, mark: datetime | None, catching_up: bool) -> dict[str, Any]:
        past = self._clock_is == "data"
        return {
            "id": self._site.id,
            "name": self._site.name,
            "timezone": self._site.timezone.key,
            "now": self.now(),
            "clock_speed": self._clock_speed,
            "clock": self._clock_is,
            # Of past data the last step of the analysis may end after the newest reading, the present there.
            "watermark": min(mark, self.now()) if past and mark is not None else mark,
            "stale_after_s": None if past else stale_after_s(self._site, self._clock_speed),
            "catching_up": catching_up,
            "has_network": self._network is not None,
            "currency": self._site.monitor.currency,
            "bounds": self._bounds,
        }

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
        drawn = geo.network_geojson(self._site, self._network)
        if self._limit is not None:
            drawn["features"] = [f for f in drawn["features"] if f["properties"]["dma"] in self._limit]
        return drawn

    @property
    def georeferenced(self) -> bool:
        """Whether longitude and latitude of the network are those on the earth."""
        return bool(self._site.crs) or self._network is None

    def export_series(
        self,
        sensors: Collection[str],
        start: datetime | None,
        end: datetime | None,
        format: SeriesFormat,
        *,
        local: bool = False,
    ) -> Iterator[bytes]:
        """Readings as the bytes of a file, bit by bit. sensors: ids; none: all. Raises NotFound at once.

        local: times in the site's zone with their offset, not in UTC.
        """
        wanted = [self._find_sensor(id) for id in dict.fromkeys(sensors)] or list(self._site.sensors)
        zone: tzinfo = self._site.timezone if local else UTC
        found = parts(self._store, wanted, start, end)
        if format is SeriesFormat.CSV:
            return csv_chunks(found, zone)
        return parquet_chunks(found, zone, self._site.id)

    @cached_property
    def sensorthings(self) -> SensorThings:
        """The site as OGC SensorThings has it."""
        at = georeferenced(self._site, self.sensor_positions)
        outlines = {
            f["properties"]["id"]: f["geometry"]
            for f in self._geojson["features"]
            if self._site.crs and f["properties"]["kind"] == "dma"
        }
        return SensorThings(Catalogue(self._site, self._store, at, outlines, self.now), self._store, self.now)

    @cached_property
    def sensor_positions(self) -> dict[str, tuple[float, float]]:
        """(longitude, latitude) of each sensor that has a place."""
        return geo.sensor_positions(self._site, self._network)

    @cached_property
    def _bounds(self) -> tuple[float, float, float, float] | None:
        points = list(self.sensor_positions.values())
        for feature in self._geojson["features"]:
            points += _positions_in((feature["geometry"] or {}).get("coordinates", []))
        if not points:
            return None
        lonlat = np.array(points, dtype=np.float64)
        (west, south), (east, north) = lonlat.min(axis=0).tolist(), lonlat.max(axis=0).tolist()
        return (west, south, east, north)

    # DMAs

    @property
    def known_dmas(self) -> Sequence[Dma]:
        """All DMAs as the site has them, without how they stand: no store is asked."""
        return self._site.dmas

    @property
    def known_sensors(self) -> Sequence[Sensor]:
        """All sensors as the site has them, without what they measured: no store is asked."""
        return self._site.sensors

    def dmas(self) -> list[DmaState]:
        """All DMAs, in the site's order."""
        return self._dma_states(self._site.dmas)

    def dma(self, id: str) -> DmaState:
        """One DMA. Raises NotFound."""
        return self._dma_states([self._find_dma(id)])[0]

    def _dma_states(self, dmas: Sequence[Dma]) -> list[DmaState]:
        now = self._clock.now()
        mark = self.watermark()
        return dma_states(
            self._site,
            self._store,
            self._alerts.list(states=PENDING_STATES, limit=1000).items,
            dmas,
            now=now,
            mark=now if mark is None else instant(mark),
            analysed=mark is not None,
            clock_speed=self._clock_speed,
            ndf=None if mark is None else self._factors.get(mark.astimezone(self._site.timezone).date()),
            works={} if self.works is None else now_by_dma(self.works.calendar(), self.now()),
        )

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
        interval = min((s.interval_s for s in inlets_of(self._site, id)), default=300.0)
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
        return night_flows(self._site, self._store, self._find_dma(dma), days)

    # Losses

    def losses(self, start: date | None = None, end: date | None = None) -> LossesOut:
        """Losses of the local days from ``start`` up to and with ``end``.

        Without ``end`` up to the last whole day that was analysed (or, where nothing was, measured); without
        ``start`` four weeks.
        """
        first, last = days_of(start, end, self.losses_end())
        leaks = self.alerts(state=PENDING_STATES, kind=Kind.LEAK, limit=100).items
        return losses_out(self._losses.get(first, last), self._site, leaks)

    def losses_end(self) -> date:
        """The last local day that was analysed (or, where nothing was, measured) as a whole."""
        mark = self.watermark()
        if mark is None:
            extent = self._store.extent([s.id for s in self._site.sensors])
            mark = self.now() if extent is None else as_datetime(extent[1])
        return mark.astimezone(self._site.timezone).date() - timedelta(days=1)

    def complaints(self, begin: datetime, over: datetime) -> Complaints | None:
        """What residents reported from ``begin`` to ``over``; None where they cannot, or of some DMAs."""
        return None if self._complaints is None else self._complaints(begin, over)

    # Sensors

    def sensors(self) -> list[SensorOut]:
        """All sensors, in the site's order."""
        return self._sensors_out(self._site.sensors)

    def sensor(self, id: str) -> SensorOut:
        """One sensor. Raises NotFound."""
        return self._sensors_out([self._find_sensor(id)])[0]

    def _sensors_out(self, sensors: Sequence[Sensor]) -> list[SensorOut]:
        latest = self._store.latest([s.id for s in sensors])
        now = self._clock.now()
        # As long as past readings are only being loaded, nobody can say who is silent.
        judged = not self._site.dmas or self.watermark() is not None
        faults = self._alerts.list(states=PENDING_STATES, kinds=(Kind.SENSOR,), limit=1000).items
        faulty = {a.finding.subject for a in faults if a.finding.ended is None}
        return [
            sensor_out(
                s,
                latest.get(s.id),
                self.sensor_positions.get(s.id),
                now=now,
                clock_speed=self._clock_speed,
                judged=judged,
                faulty=s.id in faulty,
            )
            for s in sensors
        ]

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
        state: State | Collection[State] | None = None,
        kind: Kind | Collection[Kind] | None = None,
        dma: str | None = None,
        assignee: str | None = None,
        since: datetime | None = None,
        order: Order = Order.NEWEST,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[AlertOut]:
        """Alerts in the order asked for. Raises BadCursor, also for a cursor of the other order.

        state, kind: one or several, none: all. since: those that lasted at or after it.
        """
        states = {state} if isinstance(state, State) else set(state or ())
        kinds = {kind} if isinstance(kind, Kind) else set(kind or ())
        listed = partial(self._alerts.list, kinds=kinds, dma=dma, assignee=assignee, since=since)
        if order is Order.URGENT:
            page = urgent_page(listed, self._site, states, limit, cursor)
        else:
            page = listed(states=states, limit=limit, cursor=cursor)
        return Page[AlertOut](items=[self.alert_out(a) for a in page.items], next=page.next)

    def alert(self, id: str) -> AlertDetail:
        """An alert with its history, oldest first. Raises NotFound."""
        alert = self._alerts.get(id)
        history = self._alerts.history(id)
        found = AlertDetail(
            **alert_fields(self._trimmed(alert), self._site),
            history=[entry_out(e) for e in history],
            promises=clocks_out(alert, history, self._site, self.now()),
            area=area_pipes(self._network, alert.finding),
            duplicates=self._alerts.copies(id),
            score=score_out(score_of(history)),
        )
        fell = found.check is not None and found.check.outcome is Outcome.FELL
        factors: RunFactors = unless_away(self.night_day_factors, {}) if fell else {}
        run = run_out(found, factors, self.now())
        return found.model_copy(update={"run": run})

    def night_day_factors(self) -> RunFactors:
        """Hours of the night's flow that make up a day's, of each DMA where that is known."""
        mark = self.watermark()
        today = None if mark is None else mark.astimezone(self._site.timezone).date()
        known = {} if today is None else self._factors.get(today)
        return {dma: Uncertain(hours) for dma, hours in known.items()}

    def results(self, start: date | None = None, end: date | None = None) -> ResultsOut:
        """How leaks were dealt with in the local days from ``start`` up to and with ``end`` (without: the 28
        up to today), and how well they were located in the year up to their end."""
        return results(self, self._site, start, end)

    def promises(self, id: str) -> list[ClockOut]:
        """What was promised of an alert, and how that stands. Raises NotFound."""
        return clocks_out(self._alerts.get(id), self._alerts.history(id), self._site, self.now())

    def causes(self) -> list[CauseOut]:
        """False alarms by DMA, kind and cause, most frequent first."""
        counted = sorted(self._alerts.causes().items(), key=lambda c: (-c[1], c[0]))
        return [
            CauseOut(
                dma=dma,
                dma_name=self._site.dma[dma].name if dma in self._site.dma else dma,
                kind=kind,
                cause=cause,
                alerts=n,
            )
            for (dma, kind, cause), n in counted
        ]

    def alert_out(self, alert: Alert) -> AlertOut:
        """An alert that is at hand, as the API shows it."""
        return alert_out(self._trimmed(alert), self._site)

    def shown_to(self, dmas: frozenset[str]) -> Callable[[Alert], AlertOut]:
        """``alert_out`` for who is limited to ``dmas``, of alerts that they see."""
        part = part_of(self._site, dmas)
        trimmer = Trimmer(self._site, part)
        return lambda alert: alert_out(trimmer.alert(alert), part)

    def _trimmed(self, alert: Alert) -> Alert:
        return alert if self._trimmer is None else self._trimmer.alert(alert)

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

    def unknown_names(self, limit: int = 50) -> Page[UnknownNameOut]:
        """Names that devices send and no sensor has, last heard first."""
        found = () if self._rejected is None else self._rejected.unknown(limit)
        return Page[UnknownNameOut](
            items=[
                UnknownNameOut(
                    name=n.name,
                    topic=n.topic,
                    value=n.value,
                    unit=n.unit,
                    time=n.time,
                    heard=n.heard,
                    readings=n.readings,
                )
                for n in found
            ]
        )

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

    def ingest_stats(self) -> IngestStats:
        """What the consumer of this process did, and what all processes rejected."""
        stats, rejected = self._ingest(), self.rejected_summary()
        if stats is None:
            return IngestStats(running=False, rejected=rejected)
        return IngestStats(
            running=True,
            connected=stats.connected,
            messages=stats.received,
            readings_stored=stats.stored,
            readings_duplicate=stats.duplicates,
            readings_replaced=stats.replaced,
            readings_expired=stats.expired,
            readings_unwanted=stats.unwanted,
            rejected_here=dict(stats.rejected),
            messages_unacknowledged=stats.unacked,
            readings_spooled=stats.spooled,
            readings_drained=stats.drained,
            spool_readings=stats.spool_readings,
            spool_bytes=stats.spool_bytes,
            spool_oldest=stats.spool_oldest,
            spool_damaged=stats.spool_damaged,
            reconnects=stats.reconnects,
            stalls=stats.stalls,
            receipts=stats.receipts,
            readings_uncounted=stats.uncounted,
            last_message=stats.last_message,
            rejected=rejected,
        )

    def devices(self) -> list[DeviceOut]:
        """What each device last said of itself, by id."""
        known = {} if self._devices is None else self._devices.all()
        if self._limit is not None:
            own = {s.device for s in self._site.sensors}
            known = {id: d for id, d in known.items() if id in own}
        return [
            DeviceOut(
                id=d.device,
                state=d.state,
                heard_at=d.received,
                battery_v=d.battery_v,
                signal_dbm=d.signal_dbm,
                firmware=d.firmware,
                interval_s=d.interval_s,
                sensors=[s for s in d.sensors if self._limit is None or s in self._site.sensor],
            )
            for d in known.values()
        ]

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


def _positions_in(coordinates: Any) -> list[tuple[float, float]]:
    """All positions of a GeoJSON geometry, however deep its coordinates are nested."""
    if coordinates and isinstance(coordinates[0], int | float):
        return [(coordinates[0], coordinates[1])]
    return [position for inner in coordinates for position in _positions_in(inner)]


def _step_s(step: np.timedelta64 | None) -> float | None:
    return None if step is None else float(step / np.timedelta64(1, "s"))


def _probe(ask: Callable[[], Any]) -> dict[str, Any]:
    try:
        ask()
    except TwuinError as e:
        return {"status": "down", "detail": str(e)}
    return {"status": "ok", "detail": "can be read"}
