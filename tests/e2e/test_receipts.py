"""Receipts end to end: a broker that is killed loses what it held, and devices send it again."""

from __future__ import annotations

import getpass
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firmware_sim import unconfirmed
from firmware_sim.fleet import BrokerAddress, FleetReport, readings, run_fleet
from firmware_sim.scenario import parse_scenario
from firmware_sim.scenario_model import Scenario
from firmware_sim.town import demo_site_folder
from ingest.consumer import Consumer, ConsumerOptions
from ingest.ledger.book import Ledger
from ingest.rejected import RejectedLog
from ingest.store.duck import DuckStore
from waterworks.clocks import ScaledClock
from waterworks.reading import ReadingBatch
from waterworks.site import Site
from waterworks.site_folder import read_site

pytestmark = pytest.mark.servers

START = np.datetime64("2026-10-19T13:00:00", "us")
SPEED = 1800.0  # a reading of each of the town's devices every sixth of a second
HOURS = 12
PATIENCE_S = 90.0


class Broker:
    """A mosquitto with its defaults: it saves what it holds every half hour, and at its end."""

    def __init__(self, binary: str, folder: Path, port: int) -> None:
        self.port, self._binary, self._config = port, binary, folder / "mosquitto.conf"
        self._config.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\nlog_type none\nmax_queued_messages 0\n"
            f"max_inflight_messages 0\npersistence true\npersistence_location {folder}/\n"
            f"user {getpass.getuser()}\n"
        )
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen([self._binary, "-c", str(self._config)])
        time.sleep(0.5)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)


@pytest.fixture
def site() -> Site:
    return read_site(demo_site_folder())


@pytest.fixture
def broker(mosquitto: str, tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Broker]:
    folder = tmp_path / "broker"
    folder.mkdir()
    started = Broker(mosquitto, folder, free_port())
    yield started
    started.kill()


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unconfirmed, "SETTLE_S", 1.5)
    monkeypatch.setattr(unconfirmed, "TIMEOUT_S", 4.0)


def until(done: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < deadline, f"waited {PATIENCE_S:g} s in vain for {what}"
        time.sleep(0.02)


@contextmanager
def ingesting(site: Site, port: int, folder: Path, store: DuckStore, clock: Any) -> Iterator[Consumer]:
    ledger, rejected = (
        Ledger(folder / "ledger.sqlite", site.timezone),
        RejectedLog(folder / "rejected.sqlite"),
    )
    options = ConsumerOptions(port=port, receipt_s=0.5, retry_s=0.1, retry_most_s=0.3)
    consumer = Consumer(options, site, store, rejected, clock, ledger=ledger)
    stop = threading.Event()
    thread = threading.Thread(target=consumer.run, args=(stop,))
    thread.start()
    try:
        until(lambda: consumer.stats.connected, "the ingest to connect")
        yield consumer
    finally:
        stop.set()
        thread.join()
        ledger.close()
        rejected.close()


@contextmanager
def living(site: Site, scenario: Scenario, port: int, clock: Any) -> Iterator[list[FleetReport]]:
    reports: list[FleetReport] = []
    end = START + np.timedelta64(HOURS, "h")

    def live() -> None:
        address = BrokerAddress("127.0.0.1", port)
        reports.append(run_fleet(site, scenario, address, clock, threading.Event(), start=START, end=end))

    thread = threading.Thread(target=live)
    thread.start()
    yield reports
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def wanted(site: Site, scenario: Scenario) -> set[tuple[str, np.datetime64]]:
    batch = ReadingBatch.concat(readings(site, scenario, START, START + np.timedelta64(HOURS, "h")))
    return set(zip((batch.names[i] for i in batch.sensor), batch.time, strict=True))


def found(site: Site, store: DuckStore) -> set[tuple[str, np.datetime64]]:
    names = [s.id for s in site.sensors]
    window = store.window(names, START - np.timedelta64(1, "D"), START + np.timedelta64(2, "D"))
    rows, columns = np.nonzero(~np.isnan(window.values))
    return {(names[c], window.times[r]) for r, c in zip(rows, columns, strict=True)}


def test_every_reading_is_stored_though_the_broker_is_killed_with_what_it_held(
    site: Site, broker: Broker, tmp_path: Path
) -> None:
    scenario, clock = parse_scenario(""), ScaledClock(START, SPEED)
    store = DuckStore(tmp_path / "readings.duckdb")
    with living(site, scenario, broker.port, clock) as reports:
        for round_ in range(2):
            with ingesting(site, broker.port, tmp_path, store, clock) as consumer:
                until(lambda c=consumer: c.stats.stored > 200, "readings")
                until(lambda c=consumer: c.stats.receipts > 20, "receipts")
            time.sleep(1.5)  # nobody takes what comes, so the broker holds it, acknowledged to the devices
            broker.kill()
            time.sleep(0.3 * round_)
            broker.start()
        with ingesting(site, broker.port, tmp_path, store, clock):
            until(lambda: reports, "the end of the run, and all receipts")
    (report,) = reports
    assert found(site, store) == wanted(site, scenario)
    assert (report.dropped, report.unconfirmed) == (0, 0)
    assert report.resent > 0
    assert report.confirmed > 0
    ledger = Ledger(tmp_path / "ledger.sqlite", site.timezone)
    ledger.settle()
    assert sum(m.missing + m.lost for m in ledger.messages()) == 0
    ledger.close()
    store.close()


def test_without_receipts_what_the_broker_lost_is_missing_and_the_ledger_names_it(
    site: Site, broker: Broker, tmp_path: Path
) -> None:
    scenario, clock = parse_scenario("[devices]\nreceipts = false\n"), ScaledClock(START, SPEED)
    store = DuckStore(tmp_path / "readings.duckdb")
    with living(site, scenario, broker.port, clock) as reports:
        with ingesting(site, broker.port, tmp_path, store, clock) as consumer:
            until(lambda: consumer.stats.stored > 200, "readings")
        time.sleep(1.5)
        broker.kill()
        broker.start()
        with ingesting(site, broker.port, tmp_path, store, clock) as consumer:
            until(lambda: reports, "the end of the run")
            until(lambda: consumer.stats.unacked == 0, "the last readings")
            time.sleep(1.0)
    lost = wanted(site, scenario) - found(site, store)
    assert lost
    ledger = Ledger(tmp_path / "ledger.sqlite", site.timezone)
    ledger.settle()
    assert {m.device for m in ledger.messages() if m.missing} == {
        site.sensor[name].device for name, _ in lost
    }
    assert sum(m.missing for m in ledger.messages()) <= len(lost)
    assert reports[0].resent == 0
    ledger.close()
    store.close()
