"""The one place that chooses adapters and starts things."""

from __future__ import annotations

import math
import shlex
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
from fastapi import FastAPI

from ingest.births import Births
from ingest.clocks.quarantine import Quarantine
from ingest.clocks.release import Released, release
from ingest.consumer import Consumer, ConsumerOptions
from ingest.devices import DeviceLog
from ingest.foreign import in_sequence
from ingest.handed_in import HandIn
from ingest.ledger.book import Ledger
from ingest.mapping import load_mapping
from ingest.rejected import RejectedLog
from ingest.spool.behind import SpoolOptions
from ingest.spool.look import SpoolSeen, look
from ingest.stats import Stats
from ingest.store.embedded import open_store
from ingest.watch import Watch
from twuin import __version__
from twuin.access import Access, AccountAccess, check_routes, install_access
from twuin.accounts.service import AccountService, By
from twuin.accounts.sign_in import Lifetimes, SignIn
from twuin.alerts.measure import PipeMeasure
from twuin.alerts.service import AlertService
from twuin.api import api_router, install_errors, install_guards
from twuin.cluster.model import Certificates, Works
from twuin.db import (
    Database,
    open_account_store,
    open_alert_store,
    open_database,
    open_photo_store,
    open_report_store,
    open_work_store,
)
from twuin.hooks.senders import Senders
from twuin.instance import Instance, check_owner, claim_folder, prepare_folder
from twuin.notify.links import load_key
from twuin.notify.ports import Attachment
from twuin.outside import open_provider
from twuin.photos.service import PhotoService
from twuin.process import Jobs, address, is_loopback, listen, serve_web, until_stopped
from twuin.reports.desk import Calendar, Reporter
from twuin.reports.render import render
from twuin.reports.shelf import Shelf
from twuin.residents.charter import Complaints, complaints_of
from twuin.residents.parts import Residents, make_residents
from twuin.residents.service import Options
from twuin.settings import ClockSettings, Settings, StoreSettings
from twuin.signs import FILES, INGEST, MONITOR, Beat, Signs, added, health_of_others, stats_fields
from twuin.traces import NO_TRACES_OF_ITS_OWN, traces
from twuin.views.clock_models import ClocksOut
from twuin.views.clocks import ClockViews
from twuin.views.ledger import LedgerViews
from twuin.views.ledger_models import LedgerOut
from twuin.views.loss_models import LossesOut
from twuin.views.models import AlertOut
from twuin.views.report_desk import ReportFile, StoredReport
from twuin.views.reports import Period, last_month, make_report
from twuin.views.views import Views
from twuin.web import Takes, WallFile, mount_pages
from twuin.works.service import WorkService
from waterworks.clocks import DataClock, ScaledClock, WallClock
from waterworks.epanet_file import read_network
from waterworks.errors import NotFound, SettingsError, TwuinError
from waterworks.figures import FigureStore
from waterworks.network import Network
from waterworks.ports import Clock, ReadingStore
from waterworks.reading import as_datetime, instant
from waterworks.site import Site
from waterworks.site_folder import read_site
from waterworks.wording import counted
from waterworks.zones import link_dma

if TYPE_CHECKING:
    from ingest.store.influx.store import InfluxStore
    from twuin.cluster.client import Cluster
    from twuin.monitor import Watching
    from twuin.notify.desk import Desk
    from twuin.oidc.signing_in import ProviderSignIn
    from twuin.reports.bills import BillChanges

Say = Callable[[str], None]
"""Tells the person at the terminal one line."""

SETTLE_S = 3.0
"""Where the clock follows the data: after so long without a reading, no more are waited for [s]."""


TOLD_S = 10.0
"""How often the monitor's sign of life says anew how messages to people fare [s]."""

PROMISES_S = 5.0
"""How often it is looked whether a service promise is near its end [s]."""


def read_settings_site(settings: Settings) -> Site:
    """The site that the settings name. SettingsError when they name none, SiteError when it is wrong."""
    if settings.site is None:
        raise SettingsError(
            "no site folder: name one with --site FOLDER, the environment variable TWUIN_SITE, "
            "or `site = ...` in twuin.toml"
        )
    return read_site(settings.site)


def check_named_site(settings: Settings) -> None:
    """SettingsError where a site is named and the data folder is another's; for who needs no site."""
    if settings.site is not None:
        check_owner(settings.data_dir, read_settings_site(settings).id)


def open_embedded(data_dir: Path) -> ReadingStore:
    """The embedded reading store of a data folder, whatever the settings say."""
    return open_store(data_dir)


def open_readings(settings: Settings, site: Site) -> ReadingStore:
    """The reading store that the settings ask for. An InfluxDB may be away: it is asked when it is used."""
    if settings.store.kind == "influxdb":
        return open_influx(settings.store, site)
    return open_store(settings.data_dir)


def open_influx(store: StoreSettings, site: Site) -> InfluxStore:
    """The InfluxDB that ``store`` names. SettingsError where it is not named well."""
    from ingest.store.influx.access import Access
    from ingest.store.influx.store import InfluxStore  # half a second to import: only who needs it pays

    token, password = store.secrets()
    if store.version == "2":
        for name, value in (("org", store.org), ("token", token)):
            if not value:
                raise SettingsError(
                    f"setting store.{name} is missing: InfluxDB 2 needs organisation and token"
                )
    access = Access(
        store.url,
        store.database,
        version=2 if store.version == "2" else 1,
        org=store.org,
        token=token,
        username=store.username,
        password=password,
        ca_file=store.ca_file,
        retention_days=store.retention_days,
        downsample=store.downsample,
        timeout_s=store.timeout_s,
    )
    return InfluxStore(access, site)


def init_store(settings: Settings) -> list[str]:
    """Make what the store needs and see that it answers; what was made, and what there is, in lines."""
    site = read_settings_site(settings)
    said = []
    if settings.store.kind == "influxdb":
        with closing(open_influx(settings.store, site)) as influx:
            said = [f"made: {what}" for what in influx.prepare()]
            where = f"InfluxDB {influx.server_version()} at {settings.store.url}"
            extent = influx.extent()
            names = influx.names()
    else:
        claim_folder(settings.data_dir, site.id)
        with closing(open_store(settings.data_dir)) as store:
            where, extent, names = f"the embedded store in {settings.data_dir}", store.extent(), store.names()
    if extent is None:
        return [*said, f"{where} is ready, and holds no readings of {site.name} yet"]
    first, last = (as_datetime(when).astimezone(site.timezone) for when in extent)
    return [
        *said,
        f"{where} is ready, and holds {len(names)} series of {site.name} "
        f"from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M}",
    ]


def make_store_token(settings: Settings, *, writes: bool) -> str | None:
    """A new token for what Twuin keeps in an InfluxDB 2, by one that may make tokens; None for other stores.

    writes: it may write as well as read.
    """
    if settings.store.kind != "influxdb" or settings.store.version != "2":
        return None
    with closing(open_influx(settings.store, read_settings_site(settings))) as influx:
        return influx.make_token(writes=writes)


def make_store_user(settings: Settings, user: str, password: str, *, writes: bool) -> None:
    """A user of an InfluxDB 1.x who reaches the database of the settings and no other, by an administrator.

    One that is there gets this password, and no right but this one. writes: it may write as well as read.
    """
    with closing(open_influx(settings.store, read_settings_site(settings))) as influx:
        influx.make_user(user, password, writes=writes)


def make_clock(settings: ClockSettings, store: ReadingStore) -> Clock:
    """The clock that the settings ask for."""
    return DataClock(store) if settings.kind == "data" else _own_clock(settings)


@contextmanager
def site_clock(settings: Settings, site: Site) -> Iterator[Clock]:
    """The clock alone. The readings are opened only where it follows them: a server of theirs may be away."""
    if settings.clock.kind != "data":
        yield _own_clock(settings.clock)
        return
    with closing(open_readings(settings, site)) as store:
        yield DataClock(store)


def _own_clock(settings: ClockSettings) -> Clock:
    if settings.kind == "scaled":
        if settings.start is None:
            raise SettingsError("setting clock.start is missing: a scaled clock needs the time to start from")
        origin = None if settings.origin is None else instant(settings.origin)
        return ScaledClock(instant(settings.start), settings.speed, origin)
    return WallClock()


@dataclass
class Parts:
    """Everything that works together on one site, chosen by ``build``."""

    settings: Settings
    site: Site
    network: Network | None
    store: ReadingStore
    clock: Clock
    rejected: RejectedLog
    devices: DeviceLog
    ledger: Ledger
    quarantine: Quarantine
    alerts: AlertService
    jobs: Jobs
    database: Database
    photos: PhotoService
    consumer: Consumer | None = None
    monitor: Watching | None = None
    watch: Watch | None = None
    desk: Desk | None = None
    works: WorkService | None = None
    residents: Residents | None = None
    hand_in: HandIn | None = None
    needed: tuple[str, ...] = ()
    """Jobs that other processes are to do: health tells where nobody does them."""

    @property
    def signs(self) -> Signs:
        """What the processes of this data folder say of themselves."""
        return Signs(self.settings.data_dir)

    @property
    def own_jobs(self) -> tuple[str, ...]:
        """The jobs of this process, as their signs are called."""
        found = [] if self.consumer is None else [f"{INGEST}-{self.settings.mqtt.name}"]
        if self.watch is not None and self.consumer is None:
            found.append(FILES)
        return (*found, MONITOR) if self.monitor is not None else tuple(found)

    def close(self) -> None:
        """End the jobs, then the stores that they work on."""
        self.jobs.finish()
        if self.monitor is not None:
            self.monitor.close()
        if self.desk is not None:
            self.desk.outbox.close()
        if self.hand_in is not None:
            self.hand_in.close()
        self.database.close()
        self.store.close()


def build(
    settings: Settings,
    *,
    site: Site | None = None,
    clock: Clock | None = None,
    database: Database | None = None,
) -> Parts:
    """Choose and open the adapters that ``settings`` ask for. Nothing runs yet.

    database: one that is open already, and that whoever opened it closes after the parts.
    """
    site = site or read_settings_site(settings)
    prepare_folder(settings.data_dir)
    database = open_database(database or settings.database_url)
    network = site_network(site)
    store = open_readings(settings, site)
    clock = clock or make_clock(settings.clock, store)
    pipes = {} if network is None else network.pipe_length
    measure = None if network is None else PipeMeasure(site, network)
    alerts = AlertService(site.id, open_alert_store(database), clock, pipes, measure)
    return Parts(
        settings=settings,
        site=site,
        network=network,
        store=store,
        clock=clock,
        rejected=RejectedLog(settings.data_dir / "rejected.sqlite"),
        devices=DeviceLog(settings.data_dir / "devices.sqlite"),
        ledger=open_ledger(settings, site),
        quarantine=open_quarantine(settings),
        alerts=alerts,
        jobs=Jobs(),
        database=database,
        photos=PhotoService(site.id, open_photo_store(database), lambda: as_datetime(clock.now())),
        works=open_works(database, site, clock, network),
    )


def site_network(site: Site) -> Network | None:
    """The network model of a site; None where it has none."""
    return None if site.network_file is None else read_network(site.network_file)


def open_works(database: Database, site: Site, clock: Clock, network: Network | None) -> WorkService:
    """The planned works of a site."""
    pipe_dma = {}
    if network is not None:
        pipe_dma = dict(zip(network.link_ids, link_dma(network, site.node_dma), strict=True))
        pipe_dma = {pipe: dma for pipe, dma in pipe_dma.items() if pipe in network.pipe_length}
    return WorkService(site, open_work_store(database), clock, pipe_dma)


def open_ledger(settings: Settings, site: Site) -> Ledger:
    """The ledger of the data folder: what came of what was to come."""
    path = settings.data_dir / "ledger.sqlite"
    return Ledger(
        path, site.timezone, late_s=settings.monitor.lateness_s, max_bytes=settings.ledger.max_bytes
    )


def read_ledger(
    settings: Settings, day: date | None, *, days: int, sensor: str | None, device: str | None
) -> LedgerOut:
    """The ledger of ``days`` local days up to ``day`` (None: today), whether an ingest runs or not."""
    site = read_settings_site(settings)
    path = settings.data_dir / "ledger.sqlite"
    if not path.exists():
        raise NotFound(f"no ledger: {path} does not exist; name the data folder with --data-dir")
    check_owner(settings.data_dir, site.id)
    with closing(open_ledger(settings, site)) as ledger:
        with site_clock(settings, site) as clock:
            now = as_datetime(clock.now())
        views = LedgerViews(ledger, site, lambda: now, settings.monitor.lateness_s)
        return views.report(day, days=days, sensor=sensor, device=device)


def open_quarantine(settings: Settings) -> Quarantine:
    """Readings of the data folder whose times cannot be right."""
    path = settings.data_dir / "quarantine.sqlite"
    return Quarantine(path, max_readings=settings.quarantine.max_readings)


def read_clocks(settings: Settings, days: int) -> ClocksOut:
    """Clocks that are wrong and what is held because of it, whether an ingest runs or not."""
    site = read_settings_site(settings)
    _some_ingest_ran(settings)
    check_owner(settings.data_dir, site.id)
    with (
        closing(open_ledger(settings, site)) as ledger,
        closing(open_quarantine(settings)) as quarantine,
        site_clock(settings, site) as clock,
    ):
        now = as_datetime(clock.now())
        return ClockViews(ledger, quarantine, site, lambda: now).report(days)


def release_quarantine(settings: Settings, device: str | None, *, as_stamped: bool) -> Released:
    """Store what is held, corrected by clocks.csv, as far as its times can then be right."""
    site = read_settings_site(settings)
    _some_ingest_ran(settings)
    check_owner(settings.data_dir, site.id)
    with (
        closing(open_ledger(settings, site)) as ledger,
        closing(open_quarantine(settings)) as quarantine,
        closing(open_readings(settings, site)) as store,
    ):
        ahead = np.timedelta64(round(settings.quarantine.ahead_s * 1e6), "us")
        return release(quarantine, site, store, ahead, device=device, as_stamped=as_stamped, ledger=ledger)


def discard_quarantine(settings: Settings, device: str) -> int:
    """Throw away what is held of a device; how many readings that were."""
    _some_ingest_ran(settings)
    check_named_site(settings)
    with closing(open_quarantine(settings)) as quarantine:
        return quarantine.discard(device)


def _some_ingest_ran(settings: Settings) -> None:
    path = settings.data_dir / "quarantine.sqlite"
    if not path.exists():
        raise NotFound(f"nothing is held: {path} does not exist; name the data folder with --data-dir")


def broker_options(settings: Settings) -> dict[str, Any]:
    """Where the broker is and how to speak to it."""
    mqtt = settings.mqtt
    return {
        "host": mqtt.host,
        "port": mqtt.port,
        "version": mqtt.version,
        "username": mqtt.username,
        "password": mqtt.secret(),
        "tls": mqtt.tls,
        "ca_file": mqtt.ca_file,
        "cert_file": mqtt.cert_file,
        "key_file": mqtt.key_file,
    }


def start_ingest(parts: Parts) -> None:
    """Run the MQTT consumer in a thread of its own."""
    births = None
    if in_sequence(parts.site):
        births = Births(parts.settings.data_dir / f"births-{parts.settings.mqtt.name}.sqlite")
    parts.consumer = Consumer(
        ConsumerOptions(
            **broker_options(parts.settings),
            name=parts.settings.mqtt.name,
            shared=parts.settings.mqtt.shared,
            strays=parts.settings.mqtt.strays,
            rebirths=parts.settings.mqtt.rebirths,
            receipt_s=parts.settings.mqtt.receipt_s,
            heartbeat_s=parts.settings.mqtt.heartbeat_s,
        ),
        parts.site,
        parts.store,
        parts.rejected,
        ingest_clock(parts),
        devices=parts.devices,
        ledger=parts.ledger,
        quarantine=parts.quarantine,
        ahead_s=parts.settings.quarantine.ahead_s,
        births=births,
        spool=spool_options(parts.settings, parts.settings.mqtt.name),
    )
    parts.jobs.start("ingest", parts.consumer.run)


def open_hand_in(parts: Parts) -> HandIn:
    """Takes messages that come over HTTP; what it opens, ``parts`` closes."""
    parts.hand_in = HandIn(
        parts.site,
        parts.store,
        parts.rejected,
        ingest_clock(parts),
        spool_options(parts.settings, HTTP),
        devices=parts.devices,
        quarantine=parts.quarantine,
        ahead_s=parts.settings.quarantine.ahead_s,
        ledger=parts.ledger,
    )
    parts.hand_in.resume()
    return parts.hand_in


HTTP = "@http"
"""Spool of what comes over HTTP: no ingest process can have this name."""


def ingest_clock(parts: Parts) -> Clock:
    """A clock that follows the data cannot tell what is in the future: then the wall's."""
    return WallClock() if isinstance(parts.clock, DataClock) else parts.clock


def spool_options(settings: Settings, name: str) -> SpoolOptions:
    """The spool of the ingest process ``name``."""
    return SpoolOptions(
        spool_root(settings) / name,
        max_bytes=settings.spool.max_bytes,
        keep_free_bytes=settings.spool.keep_free_bytes,
        slow_s=settings.spool.slow_s,
    )


def start_watch(parts: Parts) -> None:
    """Store the files that come into a folder, in a thread of its own, where the settings name one."""
    watch = parts.settings.watch
    if watch.folder is None:
        return
    if watch.mapping is None:
        raise SettingsError(
            "setting watch.mapping is missing: name the file that says what the files in watch.folder hold"
        )
    mapping = load_mapping(watch.mapping)
    folder = Watch(watch.folder, mapping, parts.site, parts.store, parts.rejected, settle_s=watch.settle_s)

    def work(stop: threading.Event) -> None:
        with Instance(parts.settings.data_dir, "watch"):  # two would take the same file
            folder.run(stop)

    parts.watch = folder
    parts.jobs.start("files", work)


def spool_root(settings: Settings) -> Path:
    """The folder in which each ingest process of this data folder has its spool, under its name."""
    return settings.data_dir / "spool"


def look_at_spools(settings: Settings) -> list[SpoolSeen]:
    """What waits in the spools of the data folder, whether their processes run or not."""
    try:
        return look(spool_root(settings))
    except OSError as e:
        raise SettingsError(
            f"the spools in {spool_root(settings)} cannot be read ({e.strerror}): "
            "run this as the user that runs the ingest, or name another folder with --data-dir"
        ) from e


def start_monitor(parts: Parts) -> None:
    """Run the monitor in a thread of its own."""
    monitor = parts.monitor = make_monitor(parts)
    poll_s = parts.settings.monitor.poll_s
    settle_s = SETTLE_S if isinstance(parts.clock, DataClock) else None
    parts.jobs.start("monitor", lambda stop: monitor.run(stop, poll_s, settle_s=settle_s))


def start_promises(parts: Parts) -> None:
    """Note which service promises are near their end or broken, in a thread of its own."""
    promises, site, alerts = parts.site.promises, parts.site, parts.alerts
    if promises is None or not promises.by_priority or isinstance(parts.clock, DataClock):
        return

    def watch(stop: threading.Event) -> None:
        while not stop.wait(PROMISES_S):
            alerts.escalate(site)

    parts.jobs.start("promises", watch)


def open_notify(parts: Parts, public_url: str | None = None) -> None:
    """Choose what tells people of alerts, where rules say whom. Nothing is told yet.

    Where the clock follows past data nobody is told: what they tell of is long over.
    """
    from twuin.telling import open_desk

    if not isinstance(parts.clock, DataClock):
        parts.desk = open_desk(
            parts.settings,
            parts.site,
            parts.alerts,
            parts.clock,
            public_url,
            parts.database,
            files=lambda name: report_file(parts.settings, name),
        )


def open_residents(parts: Parts) -> Residents:
    """Residents' reports: of the public where the settings open it, of staff in any case.

    Past data are looked at by staff alone: what a resident sees now is not of them.
    """
    said = parts.settings.residents
    options = Options(
        confirm=said.confirm,
        flood=said.most_per_hour,
        country=said.country_code,
        erase=timedelta(days=said.erase_days),
        erase_latest=timedelta(days=said.erase_latest_days),
    )
    secret = load_key(said.key_file or parts.settings.data_dir / "residents.key")
    parts.residents = make_residents(
        parts.site,
        open_report_store(parts.database),
        parts.alerts,
        parts.clock,
        parts.network,
        secret,
        utc_now,
        options,
        open=said.open and not isinstance(parts.clock, DataClock),
        call=said.call,
    )
    return parts.residents


def start_residents(parts: Parts) -> None:
    """Look after residents' reports, in a thread of its own: they are forgotten in time also where no more
    may come."""
    if parts.residents is not None and not isinstance(parts.clock, DataClock):
        parts.jobs.start("residents", parts.residents.tender.run)


def start_notify(parts: Parts) -> None:
    """Tell people, in threads of their own."""
    if parts.desk is not None:
        parts.jobs.start("notify", parts.desk.run)


def start_means(parts: Parts) -> None:
    """Keep the means that the settings ask for, in a thread of its own."""
    if parts.settings.store.kind == "influxdb" and parts.settings.store.downsample:
        from ingest.store.influx.downsample import Downsampler
        from ingest.store.influx.store import InfluxStore

        assert isinstance(parts.store, InfluxStore)
        keeper = Downsampler(parts.store, parts.settings.data_dir / "means.json")
        parts.jobs.start("means", keeper.run)


def start_figures(parts: Parts, process: str) -> None:
    """Write what dashboards show beside readings, in threads of its own, where readings are in InfluxDB.

    process: what this process is called there. The one that runs the monitor writes those of the site.
    """
    if parts.settings.store.kind != "influxdb" or not parts.settings.store.figures:
        return
    from twuin.figures.keeper import Keeper, Running

    assert isinstance(parts.store, FigureStore)
    views = make_views(parts)
    running = Running(views, parts.store, process, ingest=parts.consumer is not None)
    parts.jobs.start("figures", running.run)
    if parts.monitor is not None:
        keeper = Keeper(parts.site, views, parts.alerts, parts.store)
        parts.jobs.start("dashboards", keeper.run)


def open_reports(parts: Parts, views: Views) -> Reporter:
    """Reports of this site, on demand and those that are kept."""
    return Reporter(parts.site, parts.store, views, Shelf(parts.settings.data_dir / "reports"))


def report_file(settings: Settings, name: str) -> Attachment | None:
    """A report that is kept, for a message; None where it is not there any more."""
    try:
        return Attachment(*Shelf(settings.data_dir / "reports").read(name))
    except NotFound:
        return None


def report_post(desk: Desk | None) -> Callable[[list[StoredReport]], None]:
    """What sends reports that are kept, as the rules say then; nothing where nobody is told anything."""
    if desk is None:
        return lambda stored: None
    from twuin.notify.post import MadeReport, ReportPost

    post = ReportPost(desk)

    def look(stored: list[StoredReport]) -> None:
        monthly = [s for s in stored if "-" in s.period]  # a year's was put there by somebody
        post.look([MadeReport(s.name, s.period, s.language, s.format, s.made) for s in monthly])

    return look


def start_reports(parts: Parts) -> None:
    """Make reports by the calendar where the settings say when, in a thread of its own.

    Not where past data are looked at: there the calendar stands still.
    """
    said = parts.settings.reports
    if not said.day or isinstance(parts.clock, DataClock):
        return
    views = make_views(parts)
    calendar = Calendar(
        open_reports(parts, views),
        Shelf(parts.settings.data_dir / "reports"),
        views,
        parts.site,
        day=said.day,
        at=said.minutes,
        languages=said.languages,
        formats=said.formats,
        keep=said.keep,
        on_kept=report_post(parts.desk),
    )
    parts.jobs.start("reports", calendar.run)


def make_monitor(parts: Parts) -> Watching:
    """The monitor of this site, not yet running: of it as a whole, or in parts where it is large or where
    workers are to share them."""
    from twuin.monitor import Monitor  # brings SciPy with it: the page need not wait for that
    from twuin.monitor.cut import cut
    from twuin.monitor.parts import Alone, Crew, PartedMonitor

    settings = parts.settings
    if settings.cluster.scheduler or len(cut(parts.site, settings.monitor.part_dmas)) > 1:
        crew: Crew = Alone(parts.site, parts.store, parts.network)
        if settings.cluster.scheduler:
            from twuin.cluster.client import Keepers

            crew = Keepers(open_cluster(settings), "monitor")
        return PartedMonitor(
            parts.site,
            parts.alerts,
            crew,
            clock=parts.clock,
            repairs=parts.alerts,
            works=parts.works,
            lateness_s=settings.monitor.lateness_s,
            most=settings.monitor.part_dmas,
        )
    return Monitor(
        parts.site,
        parts.store,
        parts.alerts,
        clock=parts.clock,
        network=parts.network,
        repairs=parts.alerts,
        works=parts.works,
        lateness_s=settings.monitor.lateness_s,
    )


def open_cluster(settings: Settings) -> Cluster:
    """The workers of the scheduler that the settings name; it is asked when it is used."""
    certificates = cluster_certificates(settings)
    from twuin.cluster.client import Cluster

    return Cluster(settings.cluster.scheduler, certificates, wait_s=settings.cluster.wait_s)


def cluster_certificates(settings: Settings) -> Certificates | None:
    """What an encrypted scheduler asks for. SettingsError where it does not fit the address."""
    c = settings.cluster
    if not c.scheduler:
        raise SettingsError(
            "no scheduler: name one with --scheduler tcp://HOST:PORT or the setting cluster.scheduler"
        )
    return Certificates.of(c.scheduler, c.ca_file, c.cert_file, c.key_file)


def run_worker(settings: Settings, *, name: str | None, more: Works, say: Say) -> None:
    """Work for a scheduler, until stopped. more: work beside the monitor's."""
    certificates = cluster_certificates(settings)
    from twuin.cluster.worker import serve
    from twuin.monitor.parts import PartWork

    def opened() -> tuple[Site, ReadingStore, Network | None]:
        site = read_settings_site(settings)
        check_owner(settings.data_dir, site.id)
        return site, open_readings(settings, site), site_network(site)

    serve(
        settings.cluster.scheduler,
        certificates,
        {"monitor": PartWork(opened), **more},
        host=settings.cluster.host or None,
        name=name,
        say=say,
    )


def complaint_counter(parts: Parts) -> Callable[[datetime, datetime], Complaints] | None:
    """Counts what residents reported in some days; None where they cannot report."""
    if not parts.settings.residents.open:
        return None
    store, site = open_report_store(parts.database), parts.site

    def count(begin: datetime, over: datetime) -> Complaints:
        now = as_datetime(parts.clock.now())
        return complaints_of(store, site.id, site.promises, begin, over, now)

    return count


def make_views(parts: Parts) -> Views:
    """What people are shown of ``parts``."""

    def watermark() -> datetime | None:
        if parts.monitor is not None:
            return parts.monitor.status().watermark
        sign = parts.signs.read(MONITOR)
        return None if sign is None else sign.watermark

    def stats() -> Stats | None:
        mqtt = parts.signs.stats() if parts.consumer is None else parts.consumer.stats
        if mqtt is None or parts.hand_in is None or not parts.hand_in.stats.received:
            return mqtt
        http = parts.hand_in.stats.copy()
        http.connected = True
        return added(mqtt, http)

    return Views(
        parts.site,
        parts.store,
        parts.alerts,
        clock=parts.clock,
        network=parts.network,
        rejected=parts.rejected,
        devices=parts.devices,
        ledger=parts.ledger,
        late_s=parts.settings.monitor.lateness_s,
        quarantine=parts.quarantine,
        watermark=watermark,
        clock_speed=getattr(parts.clock, "speed", 1.0),
        ingest=stats,
        parts=lambda: health_parts(parts),
        photos=parts.photos,
        works=parts.works,
        complaints=complaint_counter(parts),
    )


def open_accounts(settings: Settings, site: Site, database: Database | None = None) -> AccountService:
    """The accounts of a site. database: the one that the process has open; None: opened by the settings."""
    given = settings.accounts
    lifetimes = Lifetimes(
        timedelta(hours=given.idle_hours),
        timedelta(days=given.session_days),
        timedelta(hours=given.code_hours),
    )
    store = open_account_store(database or settings.database_url)
    # People sign in by the time on the wall, whatever clock the site's data follow.
    sign_in = SignIn(
        site.id,
        store,
        utc_now,
        lifetimes=lifetimes,
        words=(site.id, site.name, *(d.name for d in site.dmas)),
        passwords_for_all=settings.oidc.passwords == "all",
    )
    return AccountService(
        site.id, store, utc_now, sign_in=sign_in, lifetimes=lifetimes, dmas=[d.id for d in site.dmas]
    )


def open_senders(settings: Settings) -> Senders:
    """Who may send webhooks: files in the data folder."""
    return Senders(settings.data_dir / "webhooks")


def check_doors(settings: Settings) -> None:
    """SettingsError where hardly anybody could come in."""
    if settings.oidc.passwords == "admins" and not settings.oidc.issuer:
        raise SettingsError(
            "oidc.passwords = admins without oidc.issuer: nobody but administrators could sign in at all"
        )


def utc_now() -> datetime:
    """The time on the wall."""
    return datetime.now(UTC)


def web_app(parts: Parts, access: Access, provider: ProviderSignIn | None = None) -> FastAPI:
    """API and pages over ``parts``, for whom ``access`` lets in. provider: where people may sign in as well.

    Raises TypeError where a route does not say what it takes: such an application is not served.
    """
    views = make_views(parts)
    app = FastAPI(
        title="Twuin",
        version=__version__,
        summary="Open monitor for municipal water networks",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,  # one of our own routes, which says what it takes as all do
        telemetry=NO_TRACES_OF_ITS_OWN,
    )
    web = parts.settings.web
    install_errors(app)
    install_access(app, access, https=web.https)
    public = (urlsplit(web.public_url).hostname,) if web.public_url else ()
    ours = (web.host, "localhost", "127.0.0.1", "[::1]", *public, *web.allowed_hosts)
    install_guards(app, allowed_hosts=tuple(filter(None, ours)), site=parts.site.id)
    messages = None
    if parts.desk is not None:
        messages = parts.desk.counts
    reports = open_reports(parts, views)
    residents = parts.residents or open_residents(parts)
    app.include_router(
        api_router(
            views,
            parts.alerts,
            access.accounts,
            reports=reports,
            stopping=parts.jobs.stop,
            messages=messages,
            photos=parts.photos,
            residents=residents,
            # Past data are looked at: nothing happens in them any more.
            senders=None if isinstance(parts.clock, DataClock) else open_senders(parts.settings),
            hand_in=open_hand_in(parts),
        )
    )
    takes = (
        None if parts.desk is None else Takes(parts.desk.links, parts.desk.languages, crews=parts.desk.crews)
    )
    wall = WallFile(parts.site.folder, parts.site.dma, parts.site.sensor)
    mount_pages(app, views, parts.alerts, takes, reports, wall, access.accounts, provider, residents)
    check_routes(app)
    return app


def health_parts(parts: Parts) -> dict[str, dict[str, Any]]:
    """Each part's status (ok, degraded, down) and one line that explains it."""
    report: dict[str, dict[str, Any]] = {}
    try:
        parts.store.extent([])
        report["store"] = {"status": "ok", "detail": "readings can be stored and read"}
    except TwuinError as e:
        report["store"] = {"status": "down", "detail": str(e)}
    report |= ingest_health(parts)
    report |= monitor_part(parts)
    report |= notify_part(parts)
    report |= health_of_others(parts.signs, parts.own_jobs, parts.needed, utc_now())
    return report | failed_jobs(parts)


def ingest_health(parts: Parts) -> dict[str, dict[str, Any]]:
    """Of what takes readings in, in this process."""
    report: dict[str, dict[str, Any]] = {}
    if parts.consumer is not None:
        stats = parts.consumer.stats
        report["ingest"] = (
            {"status": "ok", "detail": "connected to the MQTT broker"}
            if stats.connected and not stats.problem
            else {"status": "degraded", "detail": stats.problem or "not connected to the MQTT broker"}
        )
        report["spool"] = spool_health(stats, parts.settings)
    if parts.watch is not None:
        files = parts.watch.stats
        moved = f"{counted(files.done, 'file')} stored, {files.failed:,} failed, {files.waiting:,} waiting"
        report["files"] = {
            "status": "degraded" if files.problem else "ok",
            "detail": files.problem or moved,
        }
    return report


def monitor_part(parts: Parts) -> dict[str, dict[str, Any]]:
    """Of what analyses, in this process."""
    if parts.monitor is None:
        return {}
    status = parts.monitor.status()
    done = (
        "nothing analysed yet"
        if status.watermark is None
        else f"analysed up to {status.watermark.isoformat()}"
    )
    how = "degraded" if status.trouble else "ok"
    return {"monitor": {"status": how, "detail": status.trouble or done}}


def notify_part(parts: Parts) -> dict[str, dict[str, Any]]:
    """Of what tells people; it asks the database."""
    if parts.desk is None:
        return {}
    from twuin.telling import notify_health

    try:
        return {"notify": notify_health(parts.desk)}
    except TwuinError as e:
        return {"notify": {"status": "degraded", "detail": str(e)}}


def failed_jobs(parts: Parts) -> dict[str, dict[str, Any]]:
    """The jobs of this process that have failed and are to be tried again."""
    return {name: {"status": "down", "detail": why} for name, why in parts.jobs.failures.items()}


def start_signs(parts: Parts) -> None:
    """Tell the other processes of this data folder how ingest and monitor are, as far as they run here."""

    def of_ingest() -> dict[str, Any]:
        own = (INGEST, FILES)  # what else fails is told by the monitor, where it runs here too
        failed = {n: p for n, p in failed_jobs(parts).items() if parts.monitor is None or n in own}
        stats = None if parts.consumer is None else stats_fields(parts.consumer.stats)
        return {"parts": ingest_health(parts) | failed, "stats": stats}

    told: dict[str, dict[str, Any]] = {}
    asked = -math.inf

    def of_monitor() -> dict[str, Any]:
        nonlocal told, asked
        if time.monotonic() - asked >= TOLD_S:
            told, asked = notify_part(parts), time.monotonic()
        failed = {n: p for n, p in failed_jobs(parts).items() if n not in (INGEST, FILES)}
        mark = None if parts.monitor is None else parts.monitor.status().watermark
        return {"parts": monitor_part(parts) | told | failed, "watermark": mark}

    for job in parts.own_jobs:
        beat = Beat(parts.signs, job, of_monitor if job == MONITOR else of_ingest)
        parts.jobs.start(f"signs of {job}", beat.run)


def spool_health(stats: Stats, settings: Settings) -> dict[str, Any]:
    """Whether readings go their usual way into the store, in one line."""
    said = []
    if stats.spool_readings:
        size = f"{stats.spool_bytes / 2**20:,.1f} of {settings.spool.max_bytes / 2**20:,.0f} MiB"
        wait = "waits" if stats.spool_readings == 1 else "wait"
        said.append(f"{counted(stats.spool_readings, 'reading')} {wait} for the store ({size})")
    if stats.spool_problem:
        said.append(stats.spool_problem)
    if stats.spool_damaged:
        said.append(
            f"{counted(stats.spool_damaged, 'damaged part')} of the spool could not be read, kept as "
            f"*.damaged in {spool_root(settings)}: look, then move away"
        )
    trouble = bool(stats.spool_problem or stats.spool_damaged)
    return {"status": "degraded" if trouble else "ok", "detail": "; ".join(said) or "nothing waits"}


def run_serve(settings: Settings, *, ingest: bool, say: Say, show: Say | None = None) -> None:
    """Ingest, monitor, API and pages in one process, until stopped.

    show: shows a secret to a person at a terminal; None where what is said may end up in a file.
    """
    site = read_settings_site(settings)
    check_doors(settings)
    claim_folder(settings.data_dir, site.id)
    with ExitStack() as alone:
        alone.enter_context(Instance(settings.data_dir, "monitor"))
        if ingest:  # the broker throws out one of two of the same name, over and over
            alone.enter_context(Instance(settings.data_dir, f"ingest-{settings.mqtt.name}"))
        sock = listen(settings.web.host, settings.web.port)
        with closing(open_database(settings.database_url)) as database:
            accounts = open_accounts(settings, site, database)
            first_start(accounts, settings, sock, say, show)
            parts = build(settings, site=site, database=database)
            with traces(settings.traces, "serve", site.id), until_stopped(parts.jobs.stop), closing(parts):
                app = people_app(parts, accounts, address(sock))
                if ingest:
                    start_ingest(parts)
                    start_watch(parts)
                start_monitor(parts)
                start_promises(parts)
                start_residents(parts)
                start_notify(parts)
                start_means(parts)
                start_figures(parts, "serve")
                start_reports(parts)
                start_signs(parts)
                say(f"{site.name}: {address(sock)}   (Ctrl-C ends it)")
                serve_web(app, sock, parts.jobs.stop, trusted_proxies=settings.web.trusted_proxies)


def run_web(settings: Settings, *, say: Say, show: Say | None = None) -> None:
    """API and pages alone, until stopped: ingest and monitor run in processes of their own.

    show: as for ``run_serve``.
    """
    site = read_settings_site(settings)
    check_doors(settings)
    claim_folder(settings.data_dir, site.id)
    sock = listen(settings.web.host, settings.web.port)
    with closing(open_database(settings.database_url)) as database:
        accounts = open_accounts(settings, site, database)
        first_start(accounts, settings, sock, say, show)
        parts = build(settings, site=site, database=database)
        with traces(settings.traces, "web", site.id), until_stopped(parts.jobs.stop), closing(parts):
            app = pages_alone(parts, accounts, address(sock))
            start_figures(parts, "web")
            say(f"Pages of {site.name}: {address(sock)}   (Ctrl-C ends it)")
            serve_web(app, sock, parts.jobs.stop, trusted_proxies=settings.web.trusted_proxies)


def people_app(parts: Parts, accounts: AccountService, base: str) -> FastAPI:
    """API and pages over ``parts``, for who has an account. base: where people reach them, unless
    web.public_url says.

    Make it before there are threads: what signing in through a provider is made of silences warnings for
    itself.
    """
    open_notify(parts)
    access = AccountAccess(accounts, local_metrics=parts.settings.accounts.local_metrics)
    store = open_account_store(parts.database)
    provider = open_provider(parts.settings, parts.site, accounts, store, utc_now, base)
    return web_app(parts, access, provider)


def pages_alone(parts: Parts, accounts: AccountService, base: str) -> FastAPI:
    """``people_app`` where ingest and monitor run in processes of their own."""
    parts.needed = (MONITOR,) if isinstance(parts.clock, DataClock) else (INGEST, MONITOR)
    return people_app(parts, accounts, base)


def first_start(
    accounts: AccountService, settings: Settings, sock: socket.socket, say: Say, show: Say | None
) -> None:
    """Make the first account where there is none. SettingsError where others could reach it without any.

    Its one-time code is shown to a person at a terminal, and to nobody else.
    """
    inside = is_loopback(sock)
    if not inside and not settings.web.https and not settings.web.trusted_proxies:
        say("Passwords cross the network as they are: put a proxy with TLS before Twuin (docs/accounts.md)")
    if not accounts.empty:
        return
    where = ["--site", str(settings.site), "--data-dir", str(settings.data_dir)]
    init = shlex.join(["twuin", "account", "init", *where])
    if not inside:
        sock.close()
        raise SettingsError(
            f"there is no account yet, and others can reach {settings.web.host}: make the first account with "
            f"`{init}`, or serve on 127.0.0.1"
        )
    if show is None:
        say(f"There is no account yet: `{init}` makes the first one and shows its one-time code")
        return
    first, code = accounts.first(By(TERMINAL))
    show(welcome(address(sock), first.name, code, accounts.code_hours))


TERMINAL = "(terminal)"
"""Who does what nobody signed in for, in the security log: no account can have this name."""


def welcome(base: str, name: str, code: str, hours: float) -> str:
    """How to use a one-time code, in a line or two."""
    return (
        f"Sign in for the first time at {base}welcome?name={name}\n"
        f"    name {name}    one-time code {code}    (shown only now, good for {hours:g} hours)"
    )


def run_ingest(settings: Settings, *, say: Say) -> None:
    """Ingest alone, until stopped."""
    site = read_settings_site(settings)
    claim_folder(settings.data_dir, site.id)
    with Instance(settings.data_dir, f"ingest-{settings.mqtt.name}"):
        parts = build(settings, site=site)
        with (
            traces(settings.traces, f"ingest-{settings.mqtt.name}", site.id),
            until_stopped(parts.jobs.stop),
            closing(parts),
        ):
            start_ingest(parts)
            start_watch(parts)
            start_figures(parts, f"ingest {parts.settings.mqtt.name}")
            start_signs(parts)
            mqtt = settings.mqtt
            say(f"Readings of {site.name} from {mqtt.host}:{mqtt.port} as {mqtt.name!r}   (Ctrl-C ends it)")
            parts.jobs.stop.wait()


def run_watch(settings: Settings, *, say: Say) -> None:
    """Files of a folder alone, until stopped."""
    if settings.watch.folder is None:
        raise SettingsError("no folder to watch: name one, or set watch.folder")
    site = read_settings_site(settings)
    claim_folder(settings.data_dir, site.id)
    parts = build(settings, site=site)
    with traces(settings.traces, "files", site.id), until_stopped(parts.jobs.stop), closing(parts):
        start_watch(parts)
        start_signs(parts)
        say(f"Files for {site.name} from {settings.watch.folder}   (Ctrl-C ends it)")
        parts.jobs.stop.wait()


def run_monitor(settings: Settings, *, say: Say) -> None:
    """The monitor alone, until stopped."""
    site = read_settings_site(settings)
    claim_folder(settings.data_dir, site.id)
    with Instance(settings.data_dir, "monitor"):
        parts = build(settings, site=site)
        with traces(settings.traces, "monitor", site.id), until_stopped(parts.jobs.stop), closing(parts):
            open_notify(parts)
            open_residents(parts)
            start_monitor(parts)
            start_promises(parts)
            start_residents(parts)
            start_notify(parts)
            start_means(parts)
            start_figures(parts, "monitor")
            start_reports(parts)
            start_signs(parts)
            say(f"Watching {site.name}   (Ctrl-C ends it)")
            parts.jobs.stop.wait()


def every_alert(views: Views) -> list[AlertOut]:
    """All alerts, page by page, newest first."""
    found: list[AlertOut] = []
    cursor: str | None = None
    while True:
        page = views.alerts(cursor=cursor)
        found += page.items
        cursor = page.next
        if cursor is None:
            return found


def run_monitor_once(
    settings: Settings, *, progress: Callable[[float], None]
) -> tuple[Site, tuple[datetime, datetime] | None, list[AlertOut]]:
    """Analyse all readings there are: the site, from when to when they are, the alerts, newest first."""
    site = read_settings_site(settings)
    claim_folder(settings.data_dir, site.id)
    with Instance(settings.data_dir, "monitor"):
        parts = build(settings, site=site)
        with closing(parts), closing(make_monitor(parts)) as monitor:
            monitor.catch_up(final=True, progress=progress)
            extent = parts.store.extent([sensor.id for sensor in site.sensors])
            measured = None if extent is None else (as_datetime(extent[0]), as_datetime(extent[1]))
            return site, measured, every_alert(make_views(parts))


def run_losses(settings: Settings, start: date | None, end: date | None) -> LossesOut:
    """Losses of the local days from ``start`` up to and with ``end``, of all readings there are."""
    site = read_settings_site(settings)
    claim_folder(settings.data_dir, site.id, keep=False)
    with closing(build(settings, site=site)) as parts:
        return make_views(parts).losses(start, end)


def run_report(
    settings: Settings, period: str | None, kinds: Sequence[str], languages: Sequence[str]
) -> list[ReportFile]:
    """The report of a month or year (None: the last month that is over) in each kind and language."""
    site = read_settings_site(settings)
    claim_folder(settings.data_dir, site.id, keep=False)
    asked = None if period is None else Period.of(period)
    with closing(build(settings, site=site)) as parts:
        views = make_views(parts)
        report = make_report(views, site, asked or last_month(views))
    files = [render(report, code, kind) for code in languages for kind in kinds if kind != "json"]
    if "json" in kinds:
        body = report.model_dump_json(indent=2).encode()
        files.append(ReportFile(f"{report.site}-{report.period}.json", "application/json", body))
    return files


def import_works(settings: Settings, file: Path, *, write: bool) -> tuple[int, int]:
    """Planned works of a table: how many were entered (or would be), and how many were there already.

    DataFileError names every mistake; then nothing is entered.
    """
    from twuin.works.entry import read_plans

    site = read_settings_site(settings)
    claim_folder(settings.data_dir, site.id)
    with closing(open_database(settings.database_url)) as database, site_clock(settings, site) as clock:
        works = open_works(database, site, clock, site_network(site))
        plans = read_plans(file, site.timezone, works.check)
        if not write:
            return len(plans), 0
        known = {w.id for w in works.works()}
        made = {works.enter(plan, actor=TERMINAL, key=f"{file.name}\n{plan}").id for plan in plans}
        return len(made - known), len(made & known)


def load_bills(
    settings: Settings, file: Path, sheet: str | None, today: date, *, write: bool
) -> tuple[BillChanges, Path | None]:
    """Billed volumes of ``file`` into the site folder: what they change; billed.csv, None if only checked."""
    from twuin.reports.bills import read_changes, write_bills

    if not file.is_file():
        raise SettingsError(f"{file} does not exist: name a CSV file or a workbook")
    site = read_settings_site(settings)
    changes = read_changes(file, site, today, sheet)
    if not write or not (changes.added or changes.changed):
        return changes, None if not write else site.folder / "billed.csv"
    try:
        return changes, write_bills(site, changes.bills)
    except OSError as e:
        raise SettingsError(
            f"billed.csv in {site.folder} cannot be written ({e.strerror}): "
            "run this as the user to whom the site folder belongs"
        ) from e
