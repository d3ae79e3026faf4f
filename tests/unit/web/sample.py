"""A small invented town with everything that pages show, on the real store, alerts and read models."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from fastapi import FastAPI

from ingest.clocks.quarantine import Held, Quarantine
from ingest.devices import DeviceLog, DeviceState
from ingest.ledger.book import SENSOR, Entry, Ledger, Marks
from ingest.reasons import Reason as RejectReason
from ingest.rejected import Rejected, RejectedLog
from ingest.stats import Stats
from ingest.store.duck import DuckStore
from ingest.unknown import Heard
from twuin.access import Access, OpenAccess, install_access
from twuin.alerts.measure import PipeMeasure
from twuin.alerts.memory import MemoryAlertStore
from twuin.alerts.model import Finding, Kind, Suspect
from twuin.alerts.service import AlertService
from twuin.alerts.work import Check, Method, Outcome, Place
from twuin.api import api_router, install_errors, install_guards
from twuin.db import open_report_store
from twuin.photos.memory import MemoryPhotoStore
from twuin.photos.service import PhotoService
from twuin.reports.desk import Reporter
from twuin.reports.shelf import Shelf
from twuin.residents.parts import Residents, make_residents
from twuin.views.views import Views
from twuin.web import WallFile, mount_pages
from twuin.works.memory import MemoryWorkStore
from twuin.works.model import Plan, Weekly, WorkKind
from twuin.works.service import WorkService
from waterworks.clocks import ScaledClock
from waterworks.network import LinkKind, Network, NodeKind
from waterworks.promises import Promise, Promises, WorkingHours
from waterworks.reading import Quality, ReadingBatch, as_datetime, instant
from waterworks.series import Derived, derived
from waterworks.site import Dma, MonitorOptions, Role, Sensor, Site, StopValve
from waterworks.units import Quantity
from waterworks.zones import link_dma

NOW = datetime(2026, 11, 21, 3, 10, tzinfo=UTC)  # Saturday, 10.10 WIB
DAYS = 35
STEP = timedelta(minutes=15)
M3H = 1 / 3600


@dataclass
class Sample:
    """A site with its parts, and the application that shows it."""

    site: Site
    store: DuckStore
    alerts: AlertService
    views: Views
    app: FastAPI
    photos: PhotoService
    findings: list[Finding] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    residents: Residents | None = None

    def new_leak(self) -> str:
        """A leak in the first DMA is found now; returns the alert's id."""
        self.findings.append(leak(self.site.dmas[0].id, NOW - timedelta(hours=2), NOW, 9.4, []))
        changed = self.alerts.apply(self.findings)
        return changed[0].id

    def mend(self) -> str:
        """The leak in the second DMA is found by a crew near where Twuin says, and mended: by the nights
        after that it has fallen. Returns the alert's id."""
        dma = self.site.dmas[1].id
        alert = next(a for a in self.alerts.list(dma=dma).items if a.finding.kind is Kind.LEAK)
        found = Place(alert.finding.suspects[2].pipe, 60.0)
        when = {h: NOW - timedelta(hours=h) for h in (22, 20, 18)}
        act = partial(self.alerts.act, alert.id, version=None)
        act("assign", assignee="Regu Utara", actor="Rina", happened=when[22], key="mend-1")
        act("locate", place=found, actor="Regu Utara", happened=when[20], key="mend-2")
        act("repaired", method=Method.CLAMP, actor="Regu Utara", happened=when[18], key="mend-3")
        fell = Check(Outcome.FELL, "night_flow", 11.6 * M3H, 10.1 * M3H, 13.1 * M3H, 12.4 * M3H, 7, 3, NOW)
        self.alerts.judge(alert.id, when[18], fell)
        return alert.id


def leak(
    dma: str, onset: datetime, detected: datetime, m3h: float, pipes: list[str], ended: datetime | None = None
) -> Finding:
    hours = ((ended or NOW) - onset) / timedelta(hours=1)
    weights = 0.6 ** np.arange(len(pipes))
    shares = (weights / weights.sum()).tolist() if pipes else []
    return Finding(
        Kind.LEAK,
        dma,
        dma,
        onset,
        detected,
        NOW,
        ended,
        flow=m3h * M3H,
        flow_low=0.85 * m3h * M3H,
        flow_high=1.18 * m3h * M3H,
        volume=m3h * hours,
        confidence=0.97,
        suspects=tuple(Suspect(p, s) for p, s in zip(pipes, shares, strict=True)),
        near=(f"{dma}-P1", f"{dma}-P2"),
        evidence={"statistic": 1.93, "threshold": 1.0, "baseline_weeks": 4, "residual_std_m3h": 1.41},
    )


def town(folder: Path) -> Sample:
    """A hillside town with a network, four DMAs and alerts of every kind."""
    names = {"D1": "Dinoyo", "D2": "Sukun", "D3": "Klojen", "D4": "Tlogomas"}
    dmas = tuple(
        Dma(id, f"DMA {name}", 900 + 260 * i, 9_000 + 1_500 * i) for i, (id, name) in enumerate(names.items())
    )
    network, node_dma, pipes = _network()
    sensors = []
    for i, d in enumerate(dmas):
        device = f"RTU-{i + 1:02d}"
        inlet = next(p for p in pipes[d.id])
        sensors.append(
            Sensor(
                f"{d.id}-IN",
                Quantity.FLOW,
                "m3/h",
                d.id,
                device,
                Role.INLET,
                element=inlet,
                name=f"Inlet {names[d.id]}",
            )
        )
        sensors.append(Sensor(f"{d.id}-BAT", Quantity.VOLTAGE, "V", d.id, device, interval_s=3600))
        nodes = [n for n, dma in node_dma.items() if dma == d.id]
        for k in range(4):
            node = nodes[(7 + 17 * k) % len(nodes)]
            sensors.append(
                Sensor(f"{d.id}-P{k + 1}", Quantity.PRESSURE, "bar", d.id, f"LOG-{d.id}{k}", element=node)
            )
    sensors.append(
        Sensor(
            "T1-LEVEL", Quantity.LEVEL, "m", "D1", "RTU-T1", Role.STORAGE, element="T1", name="Tank Lowokwaru"
        )
    )
    site = Site(
        "kota",
        "Perumda Tirta Kota",
        ZoneInfo("Asia/Jakarta"),
        dmas,
        tuple(sensors),
        folder,
        crs="EPSG:4326",
        network_file=folder / "network.inp",
        node_dma=node_dma,
        monitor=MonitorOptions(water_cost=4500.0),
    )
    site = replace(site, promises=_promises(site.timezone), valves=_valves(network))
    day = timedelta(days=1)
    leaking = [pipes["D2"][i] for i in (20, 21, 33, 19, 46, 34)]
    findings = [
        replace(
            leak("D2", NOW - timedelta(hours=31), NOW - timedelta(hours=25), 12.4, leaking),
            onset_low=NOW - timedelta(hours=33), onset_high=NOW - timedelta(hours=30),
            centre=leaking[0], radius_50_m=123.4, radius_90_m=312.0, gain=41_234_000.0,
        ),
        leak("D3", NOW - 16 * day, NOW - 15.5 * day, 7.9, pipes["D3"][5:8], ended=NOW - 12 * day),
        Finding(
            Kind.NIGHT_FLOW, "D3", "D3", NOW - 4 * day, NOW - 2 * day, NOW,
            flow=4.6 * M3H, flow_low=3.1 * M3H, flow_high=6.2 * M3H, volume=430.0, confidence=0.83,
        ),
        Finding(Kind.SILENT, "D4-P2", "D4", NOW - timedelta(hours=9), NOW - timedelta(hours=8), NOW),
        Finding(
            Kind.LOW_INFLOW, "D1", "D1", NOW - 6 * day, NOW - 6 * day + timedelta(hours=2), NOW,
            NOW - 5.8 * day, flow=-18.0 * M3H, flow_low=-21.0 * M3H, flow_high=-15.0 * M3H, confidence=0.9,
        ),
    ]  # fmt: skip
    sample = _assemble(folder, site, network, findings, NOW - timedelta(minutes=10), speed=1.0)
    for i, d in enumerate(dmas):
        _fill_dma(sample, d.id, 46.0 + 9 * i, silent=d.id == "D4")
    _fill_sensors(sample)
    taken = next(a for a in sample.views.alerts().items if a.kind is Kind.NIGHT_FLOW)
    sample.alerts.act(taken.id, "acknowledge", version=taken.version, actor="Rina")
    old = next(a for a in sample.views.alerts().items if a.kind is Kind.LEAK and a.ended)
    sample.alerts.act(
        old.id, "note", version=old.version, note="Clamp fitted, night flow down.", actor="Rina"
    )
    return sample


def _promises(zone: ZoneInfo) -> Promises:
    hour = timedelta(hours=1)
    office = Promise(4 * hour, 16 * hour, 40 * hour, working=True)
    residents = Promise(24 * hour, None, 72 * hour)
    return Promises(
        WorkingHours(zone), {"high": Promise(hour, 8 * hour, 36 * hour), "medium": office}, residents
    )


def _valves(network: Network) -> tuple[StopValve, ...]:
    """One at the start of every other pipe."""
    return tuple(
        StopValve(f"V-{link:03d}", name, network.node_ids[network.start[link]], name=f"Jl. {link}")
        for link, name in enumerate(network.link_ids)
        if link % 2 == 0
    )


def bare(folder: Path) -> Sample:
    """Two DMAs with inlets only, in another zone, whose data ended long ago."""
    dmas = (Dma("A", "Centro", 4200), Dma("B", "Mare", 800))
    sensors = tuple(
        Sensor(f"{d.id}-IN", Quantity.FLOW, "L/s", d.id, "", Role.INLET, interval_s=3600) for d in dmas
    )
    site = Site(
        "citta", "Città d'esempio", ZoneInfo("Europe/Rome"), dmas, sensors, folder,
        monitor=MonitorOptions(water_cost=0.6, currency="EUR"),
    )  # fmt: skip
    sample = _assemble(
        folder, site, None, [], NOW - timedelta(minutes=10), speed=1.0, ahead=timedelta(days=500)
    )
    _fill_dma(sample, "A", 140.0)
    return sample


def empty(folder: Path) -> Sample:
    """A site of which nothing is known yet: no reading, no alert, no position."""
    dmas = (Dma("D1", "DMA 1", 100),)
    sensors = (Sensor("D1-IN", Quantity.FLOW, "m3/h", "D1", "RTU-1", Role.INLET),)
    site = Site("baru", "PDAM Baru", ZoneInfo("Asia/Makassar"), dmas, sensors, folder)
    return _assemble(folder, site, None, [], None, speed=60.0)


def _assemble(
    folder: Path,
    site: Site,
    network: Network | None,
    findings: list[Finding],
    watermark: datetime | None,
    *,
    speed: float,
    ahead: timedelta = timedelta(0),
) -> Sample:
    clock = ScaledClock(instant(NOW + ahead), speed)
    store = DuckStore(folder / "readings.duckdb")
    measure = None if network is None else PipeMeasure(site, network)
    alerts = AlertService(site.id, MemoryAlertStore(), clock, measure=measure)
    devices = DeviceLog(folder / "devices.sqlite")
    devices.update(
        [
            DeviceState(s.device, "online", NOW, NOW, 3.61, -87.0, "1.4.2", s.interval_s)
            for s in site.sensors
            if s.device.startswith("LOG")
        ]
    )
    ledger = Ledger(folder / "ledger.sqlite", site.timezone)
    if findings:  # of the first sensor, all of today but the last quarter of an hour
        since = instant(NOW - timedelta(hours=11)).astype(np.int64)
        time = since + 300_000_000 * np.arange(11 * 12 - 6)
        n = len(time)
        names = [site.sensors[0].id]
        ledger.add(
            Entry(
                int(since), names, [SENSOR], np.zeros(n, np.int32), time, np.zeros(n, np.uint8), Marks.empty()
            )
        )
    quarantine = Quarantine(folder / "quarantine.sqlite")
    if findings:  # the first sensor's device is seven hours ahead
        first = site.sensors[0]
        for k in range(20):
            came = instant(NOW - timedelta(minutes=15 * (20 - k)))
            stamp = np.array([came + np.timedelta64(7, "h")])
            why = [RejectReason.TIME_AHEAD]
            quarantine.add(
                Held([first.device], [first.id], stamp, np.ones(1), np.zeros(1, np.uint16), why, came)
            )
    stats = Stats(received=18_230, stored=44_112, duplicates=31, connected=True, last_message=NOW)
    rejected = RejectedLog(folder / "rejected.sqlite")
    if findings:
        topic = "twuin/kota/RTU-09/readings"
        heard = (
            Heard("X-1", 1.5, "m3/h", instant(NOW)),
            Heard("<b>X-2</b>", float("nan"), "", instant(NOW)),
        )
        rejected.add(
            [
                Rejected(
                    NOW - timedelta(minutes=5 * i),
                    topic,
                    b'{"sensor":"X-1","value":1}',
                    reason,
                    "sensor 'X-1' is not in sensors.csv",
                    unknown=heard if reason is RejectReason.UNKNOWN_SENSOR else (),
                )
                for i, reason in enumerate(
                    [RejectReason.UNKNOWN_SENSOR] * 12
                    + [RejectReason.BAD_JSON, RejectReason.NO_ZONE, RejectReason.TIME_AHEAD]
                )
            ]
        )
    photos = PhotoService(site.id, MemoryPhotoStore(), lambda: as_datetime(clock.now()))
    pipe_dma = {}
    if network is not None:
        pipe_dma = dict(zip(network.link_ids, link_dma(network, site.node_dma), strict=True))
    works = WorkService(site, MemoryWorkStore(), clock, pipe_dma)
    if findings:
        _enter_works(works)
    views = Views(
        site,
        store,
        alerts,
        photos=photos,
        clock=clock,
        network=network,
        works=works,
        rejected=rejected,
        watermark=lambda: watermark,
        clock_speed=speed,
        devices=devices,
        ledger=ledger,
        quarantine=quarantine,
        ingest=lambda: stats,
        parts=lambda: {
            "ingest": {"status": "ok", "detail": "connected"},
            "monitor": {"status": "degraded", "detail": "the store answers slowly"},
        },
    )
    alerts.apply(findings)
    sample = Sample(site, store, alerts, views, FastAPI(), photos, findings)
    sample.app = application(sample)
    return sample


def _enter_works(works: WorkService) -> None:
    """One that goes on, one to come, hours of every week, one that was cancelled."""
    morning = NOW.replace(hour=1, minute=0)  # 08.00 WIB
    flushing = Plan(
        WorkKind.FLUSHING,
        morning,
        morning + timedelta(hours=4),
        ("D3",),
        extra_flow=20 * M3H,
        note="Hydrants along the river, with the crew of the north",
    )
    works.enter(flushing, actor="Sari", key="now")
    next_week = flushing.start + timedelta(days=3)
    repair = Plan(
        WorkKind.REPAIR,
        next_week,
        next_week + timedelta(hours=6),
        ("D2",),
        no_supply=True,
        refill_s=3 * 3600.0,
    )
    works.enter(repair, actor="Budi", key="repair")
    hours = Weekly((0, 1, 2, 3, 4, 5, 6), 22 * 60, 4 * 60)
    dry = Plan(
        WorkKind.INTERMITTENT, morning - timedelta(days=9), None, ("D4",), weekly=hours, no_supply=True,
        refill_s=7200.0,
    )  # fmt: skip
    works.enter(dry, actor="Sari", key="dry")
    meter = Plan(WorkKind.METER, morning + timedelta(days=1), next_week, sensors=("D1-P1", "D1-P2"))
    cancelled = works.enter(meter, actor="Budi", key="meter")
    works.cancel(cancelled.id, version=1, actor="Budi", note="Spare parts have not come")


def application(sample: Sample, access: Access | None = None) -> FastAPI:
    """A sample's API and pages, open to all or for whom ``access`` lets in."""
    app = FastAPI(openapi_url=None)
    access = access or OpenAccess()
    install_errors(app)
    install_access(app, access)
    install_guards(app, allowed_hosts=("localhost", "testserver"))
    site = sample.site
    reports = Reporter(site, sample.store, sample.views, Shelf(site.folder / "reports"))
    residents = residents_of(sample)
    api = api_router(
        sample.views,
        sample.alerts,
        access.accounts,
        reports=reports,
        stopping=sample.stopping,
        photos=sample.photos,
        residents=residents,
    )
    app.include_router(api)
    wall = WallFile(site.folder, site.dma, site.sensor)
    mount_pages(app, sample.views, sample.alerts, None, reports, wall, access.accounts, residents=residents)
    return app


def residents_of(sample: Sample) -> Residents:
    """What looks after residents' reports of a sample, by its own clock on the wall too."""
    if sample.residents is None:
        store = open_report_store(f"sqlite:///{sample.site.folder}/residents.sqlite")
        sample.residents = make_residents(
            sample.site,
            store,
            sample.alerts,
            sample.views._clock,
            sample.views._network,
            b"s" * 32,
            lambda: datetime.now(UTC),
            call="0341-123456",
        )
    return sample.residents


def _times(step: timedelta = STEP) -> np.ndarray:
    end = instant(NOW - timedelta(minutes=10))
    count = int(timedelta(days=DAYS) / step)
    return end - np.arange(count)[::-1] * np.timedelta64(int(step.total_seconds()), "s")


def _append(store: DuckStore, name: str, times: np.ndarray, values: np.ndarray, quality: object = 0) -> None:
    known = np.isfinite(values)
    flags = np.broadcast_to(np.asarray(quality, np.uint16), values.shape)[known]
    store.append(
        ReadingBatch.columns(
            (name,),
            np.zeros(known.sum(), np.int32),
            times[known],
            values[known],
            received=instant(NOW),
            quality=flags,
        )
    )


def _demand(times: np.ndarray, zone_hours: float) -> np.ndarray:
    """The shape of a day: two peaks, low at night; mean about 1."""
    hour = ((times - times[0].astype("datetime64[D]")) / np.timedelta64(1, "h") + zone_hours) % 24
    return (
        0.2
        + 0.75 * np.exp(-(((hour - 6.5) / 2.0) ** 2))
        + 0.7 * np.exp(-(((hour - 17.5) / 2.8) ** 2))
        + 0.25 * np.exp(-(((hour - 12) / 3) ** 2))
    )


def _fill_dma(sample: Sample, id: str, scale: float, *, silent: bool = False) -> None:
    noise = np.random.default_rng(len(id) + int(scale))
    t = _times()
    expected = scale * _demand(t, 7.0)
    band = 0.07 * expected + 1.0
    inflow = expected * (1 + 0.035 * noise.standard_normal(len(t)))
    flow = np.zeros(len(t))
    cusum = np.abs(0.12 * noise.standard_normal(len(t)))
    for f in sample.findings:
        if f.dma != id or f.kind is not Kind.LEAK:
            continue
        on = (t >= instant(f.onset)) & (t < instant(f.ended or NOW))
        inflow[on] += f.flow / M3H
        known = (t >= instant(f.detected)) & (t < instant(f.ended or NOW))
        flow[known] = f.flow / M3H
        hours = (t[on] - instant(f.onset)) / np.timedelta64(1, "h")
        need = (f.detected - f.onset) / timedelta(hours=1)
        cusum[on] += np.minimum(hours / need, 2.0)
    if silent:
        inflow[t >= instant(NOW - timedelta(hours=9))] = np.nan
    store = sample.store
    for what, values in (
        (Derived.INFLOW, inflow * M3H),
        (Derived.EXPECTED, expected * M3H),
        (Derived.BAND, band * M3H),
        (Derived.CUSUM, cusum),
        (Derived.LEAK, np.where(flow > 0, flow, np.nan) * M3H),
    ):
        _append(store, derived(id, what), t, values)
    if f"{id}-IN" in sample.site.sensor and not silent:
        _append(store, f"{id}-IN", t, inflow * M3H)
    midnights = np.arange(t[0].astype("datetime64[D]"), t[-1].astype("datetime64[D]") + 1).astype(
        "datetime64[us]"
    )
    midnights = midnights - np.timedelta64(7, "h") + np.timedelta64(24, "h")
    midnights = midnights[midnights < instant(NOW - timedelta(hours=6))]
    night = 0.21 * scale * (1 + 0.03 * noise.standard_normal(len(midnights)))
    for f in sample.findings:
        if f.dma == id and f.kind in (Kind.LEAK, Kind.NIGHT_FLOW):
            night[(midnights >= instant(f.onset)) & (midnights < instant(f.ended or NOW))] += f.flow / M3H
    usual = np.array([np.quantile(night[max(0, i - 6) : i + 1], 0.2) for i in range(len(night))])
    night[9] = np.nan
    _append(store, derived(id, Derived.NIGHT_FLOW), midnights, night * M3H)
    _append(store, derived(id, Derived.NIGHT_FLOW_USUAL), midnights, usual * M3H)


def _fill_sensors(sample: Sample) -> None:
    noise = np.random.default_rng(5)
    t = _times()
    for s in sample.site.sensors:
        wave = _demand(t, 7.0)
        if s.quantity is Quantity.PRESSURE:
            values = 42 - 9 * wave + 0.25 * noise.standard_normal(len(t))
            quality = np.zeros(len(t), np.uint16)
            if s.id == "D1-P1":
                values[-700:-610] = np.nan
                values[-300:-296] = 400.0
                quality[-300:-296] = Quality.OUT_OF_RANGE
                quality[-120:-90] = Quality.SUSPECT
            if s.id == "D1-P3":
                quality[-1] = Quality.SUSPECT
            if s.id in ("D4-P2",):
                values[t >= instant(NOW - timedelta(hours=9))] = np.nan
            _append(sample.store, s.id, t, values, quality)
        elif s.quantity is Quantity.VOLTAGE and not s.id.startswith("D4"):
            slow = t[::4]
            _append(sample.store, s.id, slow, np.linspace(3.68, 3.61, len(slow)))
        elif s.quantity is Quantity.LEVEL:
            _append(sample.store, s.id, t, 2.6 + 0.8 * np.sin(np.arange(len(t)) / 15.0))


def _network() -> tuple[Network, dict[str, str], dict[str, list[str]]]:
    """A grid of streets bent over a hillside, cut into four DMAs, with a reservoir and a tank."""
    noise = np.random.default_rng(11)
    rows, columns = 12, 14
    ids, xy, node_dma = [], [], {}
    for r in range(rows):
        for c in range(columns):
            ids.append(f"J{r * columns + c + 1}")
            bend = 0.0009 * np.sin(c / 2.6)
            x = 112.608 + 0.0019 * c + 0.0004 * noise.standard_normal()
            y = -7.968 + 0.0017 * r + bend + 0.0003 * noise.standard_normal()
            xy.append((x, y))
            node_dma[ids[-1]] = ("D1", "D2", "D3", "D4")[2 * (r >= rows // 2) + (c >= columns // 2)]
    start, end, pipes = [], [], {d: [] for d in ("D1", "D2", "D3", "D4")}
    names, diameters = [], []
    for r in range(rows):
        for c in range(columns):
            here = r * columns + c
            for other, ok in ((here + 1, c + 1 < columns), (here + columns, r + 1 < rows)):
                if not ok or (noise.random() < 0.18 and c not in (0, 7)):
                    continue
                name = f"P{len(names) + 1}"
                main = c in (0, 7) or r in (0, 6)
                names.append(name)
                diameters.append(0.25 if main else float(noise.choice([0.063, 0.09, 0.11, 0.16])))
                start.append(here)
                end.append(other)
                pipes[node_dma[ids[here]]].append(name)
    n = len(ids)
    ids += ["R1", "T1"]
    xy += [(112.6045, -7.9445), (112.6225, -7.9455)]
    for source, to in ((n, (rows - 1) * columns), (n + 1, (rows - 1) * columns + 7)):
        names.append(f"M{source - n + 1}")
        diameters.append(0.4)
        start.append(source)
        end.append(to)
    total, links = len(ids), len(names)
    kind = np.full(total, NodeKind.JUNCTION, np.int32)
    kind[n], kind[n + 1] = NodeKind.RESERVOIR, NodeKind.TANK
    nothing = np.full(total, np.nan)
    network = Network(
        tuple(ids), kind, np.zeros(total), np.zeros(total), np.array(xy), nothing, nothing, nothing, nothing,
        tuple(names), np.full(links, LinkKind.PIPE, np.int32),
        np.array(start, np.int32), np.array(end, np.int32),
        np.full(links, 190.0), np.array(diameters), np.full(links, 120.0), np.zeros(links),
        np.ones(links, bool), np.zeros(links), {}, "H-W", "CMH",
    )  # fmt: skip
    return network, node_dma, pipes


BUILDERS = {"town": town, "bare": bare, "empty": empty}
