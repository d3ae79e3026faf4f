"""A small town with a day and a half of readings, for tests of what people see of it; L-TOWN's example."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from ingest.handed_in import HandIn
from ingest.reasons import Reason as Rejection
from ingest.rejected import Rejected, RejectedLog
from ingest.spool.behind import SpoolOptions
from ingest.store.duck import DuckStore
from twuin.alerts.model import Finding, Kind, Suspect
from twuin.alerts.service import AlertService
from twuin.cli import main
from twuin.db import open_alert_store, open_report_store
from twuin.photos.memory import MemoryPhotoStore
from twuin.photos.service import PhotoService
from twuin.residents.parts import Residents, make_residents
from twuin.views.views import Views
from twuin.works.memory import MemoryWorkStore
from twuin.works.service import WorkService
from waterworks.network import LinkKind, Network, NodeKind
from waterworks.ports import Clock
from waterworks.reading import ReadingBatch, as_datetime, instant
from waterworks.series import Derived, derived
from waterworks.site import Dma, MonitorOptions, Role, Sensor, Site
from waterworks.units import Quantity
from waterworks.zones import link_dma

NOW = np.datetime64("2026-03-10T03:00:00", "us")  # ten in the morning in Malang
STEP = np.timedelta64(300, "s")
M3H = 3600.0


class StillClock:
    """Shows one time until told another."""

    def __init__(self, time: np.datetime64) -> None:
        self.time = time

    def now(self) -> np.datetime64:
        return self.time


def small_site(folder: Path) -> Site:
    """D1 with an inlet, a pressure and a level; D2 fed through D1; D3 without a meter."""
    sensors = (
        Sensor("D1-IN", Quantity.FLOW, "m3/h", "D1", "dev1", Role.INLET, element="P1", name="Inlet Dinoyo"),
        Sensor("D1-D2", Quantity.FLOW, "L/s", "D2", "dev1", Role.INLET, from_dma="D1", element="P2"),
        Sensor("D1-P", Quantity.PRESSURE, "bar", "D1", "dev2", element="J1"),
        Sensor("T-LEVEL", Quantity.LEVEL, "m", "", "dev3", lon=112.5, lat=-7.95, interval_s=60.0),
        Sensor("D2-P", Quantity.PRESSURE, "bar", "D2", "dev4", element="J2"),
    )
    dmas = (Dma("D1", "Dinoyo", 1000), Dma("D2", "Lowokwaru", 500), Dma("D3", "Sumbersari", 0))
    return Site(
        "town",
        "Kota",
        ZoneInfo("Asia/Jakarta"),
        dmas,
        sensors,
        folder,
        crs="EPSG:32749",
        monitor=MonitorOptions(water_cost=5000.0),
    )


def small_network() -> Network:
    """A reservoir and two junctions in a row, near Malang in UTM 49S."""
    nan = np.full(3, np.nan)
    return Network(
        node_ids=("R", "J1", "J2"),
        node_kind=np.array([NodeKind.RESERVOIR, NodeKind.JUNCTION, NodeKind.JUNCTION], np.int32),
        elevation=np.array([520.0, 470.0, 460.0]),
        base_demand=np.zeros(3),
        xy=np.array([[677000.0, 9120000.0], [678000.0, 9120000.0], [679000.0, 9121000.0]]),
        tank_diameter=nan,
        tank_init=nan,
        tank_min=nan,
        tank_max=nan,
        link_ids=("P1", "P2"),
        link_kind=np.array([LinkKind.PIPE, LinkKind.PIPE], np.int32),
        start=np.array([0, 1], np.int32),
        end=np.array([1, 2], np.int32),
        length=np.array([1000.0, 1400.0]),
        diameter=np.array([0.3, 0.2]),
        roughness=np.array([120.0, 120.0]),
        minor_loss=np.zeros(2),
        open=np.ones(2, np.bool_),
        setting=np.zeros(2),
        vertices={},
        headloss="H-W",
        units="LPS",
    )


@dataclass
class Town:
    """The parts that views and API are made of."""

    site: Site
    network: Network
    store: DuckStore
    alerts: AlertService
    rejected: RejectedLog
    clock: StillClock
    works: WorkService
    wall: datetime = datetime(2026, 3, 10, 3, tzinfo=UTC)
    ends: list[Callable[[], None]] = field(default_factory=list)

    def put(self, name: str, times: np.ndarray, values: np.ndarray | float, quality: int = 0) -> None:
        """Store one series, values in SI."""
        self.store.append(self.batch(name, times, values, quality))

    def batch(
        self, name: str, times: np.ndarray, values: np.ndarray | float, quality: int = 0
    ) -> ReadingBatch:
        """One series as a batch."""
        t = np.atleast_1d(times)
        v = np.broadcast_to(np.asarray(values, float), t.shape)
        zeros = np.zeros(len(t), int)
        return ReadingBatch.columns([name], zeros, t, v, received=NOW, quality=quality)

    def residents(self, **more: Any) -> Residents:
        """What looks after residents' reports; ``wall`` is the machine's time."""
        store = open_report_store(f"sqlite:///{self.site.folder}/twuin.sqlite")
        return make_residents(
            self.site, store, self.alerts, self.clock, self.network, b"r" * 32, lambda: self.wall, **more
        )

    def hand_in(self) -> HandIn:
        """What takes messages that come over HTTP, until the town is no more."""
        spool = SpoolOptions(self.site.folder / "spool" / "@http", keep_free_bytes=0)
        made = HandIn(self.site, self.store, self.rejected, self.clock, spool)
        self.ends.append(made.close)
        return made

    def photos(self) -> PhotoService:
        """Where photos of the town are kept."""
        return PhotoService(self.site.id, MemoryPhotoStore(), lambda: as_datetime(self.clock.now()))

    def views(self, photos: PhotoService | None = None) -> Views:
        """What people see of the town."""
        return Views(
            self.site,
            self.store,
            self.alerts,
            clock=self.clock,
            network=self.network,
            rejected=self.rejected,
            photos=photos,
            works=self.works,
        )

    def leak(self, dma: str = "D1", *, onset_h: float = -5, ended_h: float | None = None) -> Finding:
        """A leak of 12 m3/h in ``dma``, hours from now."""
        now = as_datetime(NOW)
        onset = now + timedelta(hours=onset_h)
        return Finding(
            Kind.LEAK,
            dma,
            dma,
            onset,
            onset + timedelta(hours=1),
            now,
            None if ended_h is None else now + timedelta(hours=ended_h),
            flow=12 / M3H,
            flow_low=10 / M3H,
            flow_high=14 / M3H,
            volume=60.0,
            confidence=0.9,
            suspects=(Suspect("P2", 0.8, 112.62, -7.95), Suspect("P1", 0.2)),
            near=("D1-P",),
            evidence={"threshold": 5.0},
        )


@pytest.fixture
def small_town(tmp_path: Path) -> Iterator[Town]:
    """36 hours at five minutes up to NOW: inflow ramps, expectation is steady, one night was analysed."""
    clock = StillClock(NOW)
    checked: Clock = clock
    alerts = AlertService("town", open_alert_store(f"sqlite:///{tmp_path}/twuin.sqlite"), checked)
    rejected = RejectedLog(tmp_path / "rejected.sqlite")
    store = DuckStore(tmp_path / "readings.duckdb")
    site, network = small_site(tmp_path), small_network()
    pipe_dma = dict(zip(network.link_ids, link_dma(network, site.node_dma), strict=True))
    works = WorkService(site, MemoryWorkStore(), checked, pipe_dma)
    town = Town(site, network, store, alerts, rejected, clock, works)
    times = NOW - np.arange(36 * 12)[::-1] * STEP
    ramp = (100 + np.arange(len(times)) / 12) / M3H  # m3/h that grow by one an hour
    parts: list[ReadingBatch] = []

    def add(name: str, at: np.ndarray, values: np.ndarray | float, quality: int = 0) -> None:
        parts.append(town.batch(name, at, values, quality))

    for name in ("D1-IN", derived("D1", Derived.INFLOW)):
        add(name, times, ramp)
    add("D1-D2", times, 0.01)
    add("D1-P", times, 35.0)
    add("T-LEVEL", times, 3.2, quality=2)
    add(derived("D2", Derived.INFLOW), times, 0.01)
    for dma in ("D1", "D2"):
        add(derived(dma, Derived.EXPECTED), times, 90 / M3H)
        add(derived(dma, Derived.BAND), times, 15 / M3H)
        add(derived(dma, Derived.CUSUM), times, 0.5)
    midnight = instant(datetime(2026, 3, 9, 17, tzinfo=UTC))  # of 10 March in Malang
    nights = midnight - np.arange(3)[::-1] * np.timedelta64(1, "D")
    add(derived("D1", Derived.NIGHT_FLOW), nights, np.array([20.0, 21.0, 22.0]) / M3H)
    add(derived("D1", Derived.NIGHT_FLOW_USUAL), nights, 20.5 / M3H)
    store.append(ReadingBatch.concat(parts))
    when = datetime(2026, 3, 10, 2, tzinfo=UTC)
    rejected.add(
        [
            Rejected(when, "twuin/town/dev9/readings", b"\xff<script>", Rejection.BAD_JSON, "no JSON"),
            Rejected(when, "twuin/town/dev9/readings", b"", Rejection.EMPTY, "odd"),
        ]
    )
    yield town
    for end in town.ends:
        end()
    rejected.close()
    store.close()


@pytest.fixture(scope="session")
def ltown(data_dir: Path, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example site of L-TOWN with the network of the data set put in."""
    folder = tmp_path_factory.mktemp("sites") / "ltown"
    shutil.copytree(root / "examples" / "ltown", folder)
    shutil.copy(data_dir / "ltown" / "network.inp", folder / "network.inp")
    return folder


@pytest.fixture
def twuin(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    """Runs ``twuin`` with these arguments, in a folder of the test's own: status, output, errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["twuin", *map(str, arguments)])
        status = 0
        try:
            main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        out, err = capfd.readouterr()
        return status, out, err

    return run
