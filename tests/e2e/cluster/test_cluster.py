"""The monitor on a Dask cluster: real scheduler, real workers, killed and started again."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w

from ingest.store.duck import DuckStore
from ingest.store.embedded import open_store
from twuin.alerts.model import Finding, Kind
from twuin.app import init_store, open_readings
from twuin.cluster.client import Cluster, Keepers
from twuin.cluster.model import Certificates
from twuin.monitor.parts import Alone, Order, PartedMonitor, Report
from twuin.settings import load
from waterworks.errors import ClusterError, ClusterUnavailable
from waterworks.ports import ReadingStore
from waterworks.reading import Window
from waterworks.series import Derived, derived
from waterworks.site import Site

sys.path.insert(0, str(Path(__file__).parent))

from dask_servers import Servers, servers
from made_town import START, Now, Told, feed, make_site

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("installation")]

DAYS, DMAS, MOST = 30, 12, 2
SMALL = 64_000
"""Bytes that an order or an answer of one part may have; its history alone would be ten times as much."""


def monitor(site: Site, crew: Any, now: Now, told: Told) -> PartedMonitor:
    return PartedMonitor(site, told, crew, clock=now, most=MOST)


def series(store: ReadingStore, site: Site) -> Window:
    names = [derived(d.id, what) for d in site.dmas for what in Derived]
    return store.window(names, START, START + np.timedelta64(DAYS + 1, "D"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return make_site(tmp_path_factory.mktemp("site"), DMAS)


@pytest.fixture(scope="module")
def alone(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[list[Finding], Window]]:
    """Findings and derived series of one process, of all days at once."""
    with closing(DuckStore(tmp_path_factory.mktemp("alone") / "one.duckdb")) as store:
        now, told = Now(), Told()
        feed(store, site, now, 0, DAYS)
        with closing(monitor(site, Alone(site, store, None), now, told)) as one:
            one.catch_up(final=True)
        assert {f.dma for f in told.findings if f.kind is Kind.LEAK} == {
            d.id for k, d in enumerate(site.dmas) if k % 3 == 1
        }
        yield told.findings, series(store, site)


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Servers]:
    with servers(tmp_path / "servers") as found:
        yield found


class KillsOne(Keepers):
    """Kills a worker as soon as the first report of a round is in that another one sent."""

    victim = ""

    def __init__(self, cluster: Cluster, who: Servers, names: dict[str, str]) -> None:
        super().__init__(cluster, "monitor")
        self._servers, self._names = who, names

    def look(self, orders: Sequence[Order]) -> Iterator[Report]:
        left = dict.fromkeys(self._names, 0)
        for report in super().look(orders):
            if not self.victim:
                who = self.where[report.part]
                left = {w: list(self.where.values()).count(w) for w in self._names if w != who}
                self.victim = max(left, key=lambda w: left[w])
                self._servers.kill(self._names[self.victim])
            yield report


def test_a_worker_killed_in_mid_cycle_changes_nothing_in_what_is_found(
    site: Site, alone: tuple[list[Finding], Window], started: Servers, tmp_path: Path
) -> None:
    options = ("--site", str(site.folder), "--data-dir", str(tmp_path / "data"))
    with closing(open_store(tmp_path / "data")) as store, closing(Cluster(started.address)) as cluster:
        started.scheduler()
        names: dict[str, str] = {}
        for k in (1, 2):
            started.worker(f"w{k}", *options)
            names |= {w: f"w{k}" for w in started.wait_for(cluster, k) if w not in names}
        now, told = Now(), Told()
        feed(store, site, now, 0, 25)
        crew = KillsOne(cluster, started, names)
        spread = monitor(site, crew, now, told)
        spread.catch_up()
        assert crew.victim, "nobody was killed"
        assert cluster.moved, "the victim had nothing left to do"
        assert set(crew.where.values()) == set(names) - {crew.victim}
        # The next rounds go on where the last ended, with what the living worker keeps.
        feed(store, site, now, 25, DAYS)
        spread.catch_up(final=True)
        assert told.findings == alone[0]
        found = series(store, site)
        assert np.array_equal(found.times, alone[1].times)
        assert np.array_equal(found.values, alone[1].values, equal_nan=True)
        assert max(cluster.largest) < SMALL


def test_workers_read_their_part_from_influxdb(
    site: Site, alone: tuple[list[Finding], Window], started: Servers, influxdb: Any
) -> None:
    file = started.folder / "influxdb.toml"
    said = {"kind": "influxdb", "version": "1", "url": influxdb.url, "database": "spread"}
    file.write_text(
        tomli_w.dumps({"site": str(site.folder), "data_dir": str(started.folder / "data"), "store": said})
    )
    settings = load(file, {})
    init_store(settings)
    with closing(open_readings(settings, site)) as store, closing(Cluster(started.address)) as cluster:
        started.scheduler()
        for k in (1, 2):
            started.worker(f"w{k}", config=str(file))
        started.wait_for(cluster, 2)
        now, told = Now(), Told()
        feed(store, site, now, 0, 25)
        crew = Keepers(cluster, "monitor")
        with closing(monitor(site, crew, now, told)) as spread:
            spread.catch_up()
            feed(store, site, now, 25, DAYS)
            spread.catch_up(final=True)
            assert len(set(crew.where.values())) == 2, "one worker did it all"
            # What one process found in the embedded store, to the last digit.
            assert told.findings == alone[0]
            found = series(store, site)
            assert np.array_equal(found.values, alone[1].values, equal_nan=True)
            assert max(cluster.largest) < SMALL


def test_a_scheduler_that_goes_is_waited_for_and_nothing_is_lost(
    site: Site, alone: tuple[list[Finding], Window], started: Servers, tmp_path: Path
) -> None:
    with closing(open_store(tmp_path / "data")) as store:
        started.scheduler()
        started.worker("w1", "--site", str(site.folder), "--data-dir", str(tmp_path / "data"))
        cluster = Cluster(started.address, wait_s=1)
        now, told = Now(), Told()
        feed(store, site, now, 0, 25)
        spread = monitor(site, Keepers(cluster, "monitor"), now, told)
        with closing(spread):
            started.wait_for(cluster, 1)
            spread.catch_up()
            started.kill("scheduler")
            feed(store, site, now, 25, DAYS)
            with pytest.raises(ClusterUnavailable, match=started.address):
                spread.catch_up()
            started.scheduler()
            started.wait_for(cluster, 1)
            spread.catch_up(final=True)
            assert told.findings == alone[0]


def test_without_workers_the_error_says_how_to_start_one(started: Servers) -> None:
    with closing(Cluster(started.address, wait_s=0)) as cluster:
        with pytest.raises(ClusterUnavailable, match="does not answer"):
            cluster.workers()
        started.scheduler()
        started.wait_for_scheduler()
        with pytest.raises(ClusterUnavailable, match="twuin worker --scheduler"):
            cluster.workers()


def test_over_tls_a_worker_answers_and_who_has_no_certificate_is_not_let_in(started: Servers) -> None:
    authority, own = started.certificates()
    started.address = started.address.replace("tcp://", "tls://")
    started.scheduler("--protocol", "tls", "--tls-ca-file", authority, "--tls-cert", own, "--tls-key", own)
    settings = started.folder / "tls.toml"
    lines = [f'ca_file = "{authority}"', f'cert_file = "{own}"', f'key_file = "{own}"']
    settings.write_text("\n".join(["[cluster]", *lines]) + "\n")
    started.worker("w1", config=str(settings))
    files = Certificates(Path(authority), Path(own), Path(own))
    with closing(Cluster(started.address, files, wait_s=1)) as cluster:
        started.wait_for(cluster, 1)
        # What nobody can do is answered by the worker itself.
        with pytest.raises(ClusterError, match="cannot do 'nothing'"):
            list(cluster.each("nothing", [1]))
    outside = Cluster(started.address.replace("tls://", "tcp://"), wait_s=0)
    with closing(outside), pytest.raises(ClusterUnavailable, match="does not answer"):
        outside.workers()
