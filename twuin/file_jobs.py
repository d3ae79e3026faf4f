"""What the commands do that work through files or make them: backfill, replay, simulate."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import numpy as np

from firmware_sim.broker_address import BrokerAddress, read_logins
from firmware_sim.files import Format, write_files
from firmware_sim.live import run_fleet
from firmware_sim.scenario import load_scenario
from firmware_sim.scenario_model import Scenario
from firmware_sim.town import demo_site_folder
from ingest.backfill import BackfillReport, backfill
from ingest.link import BrokerOptions
from ingest.mapping import load_mapping
from ingest.rejected import RejectedLog
from ingest.replay import ReplayReport, replay
from twuin.app import Say, broker_options, open_readings, read_settings_site
from twuin.instance import claim_folder
from twuin.process import until_stopped
from twuin.settings import Settings
from waterworks.clocks import ScaledClock, WallClock
from waterworks.errors import BrokerError, SettingsError
from waterworks.reading import as_datetime, instant
from waterworks.site import Site
from waterworks.site_folder import read_site
from waterworks.wording import counted

Moved = Callable[[float], None]
"""Is told the share of the work done [0..1]."""


def _of_files(report: BackfillReport | ReplayReport) -> dict[str, Any]:
    """What any work through files tells of them."""
    return {
        "empty": report.empty,
        "rejected": {str(reason): count for reason, count in report.rejected.items()},
        "examples": [str(example) for example in report.examples],
        "first": _iso(report.first),
        "last": _iso(report.last),
    }


def run_backfill(
    settings: Settings, files: Sequence[Path], mapping: Path, *, progress: Moved
) -> dict[str, Any]:
    """Load files into the store; what became of their cells."""
    site = read_settings_site(settings)
    described = load_mapping(mapping)
    claim_folder(settings.data_dir, site.id)
    rejected = RejectedLog(settings.data_dir / "rejected.sqlite")
    with closing(open_readings(settings, site)) as store:
        report = backfill(store, site, files, described, rejected=rejected, progress=progress)
    return {
        "read": report.read,
        "stored": report.stored,
        "duplicates": report.duplicates,
        "replaced": report.replaced,
        "expired": report.expired,
        "out_of_range": report.flagged,
        **_of_files(report),
    }


def run_replay(
    settings: Settings, files: Sequence[Path], mapping: Path, *, speed: float, progress: Moved
) -> dict[str, Any]:
    """Send files over MQTT; what was sent."""
    site = read_settings_site(settings)
    described = load_mapping(mapping)
    stop = threading.Event()
    with until_stopped(stop):
        report = replay(
            files,
            described,
            site,
            BrokerOptions(**broker_options(settings)),
            speed=speed,
            stop=stop,
            progress=progress,
        )
    return {
        "readings": report.readings,
        "messages": report.messages,
        **_of_files(report),
        "complete": report.complete,
    }


def run_simulation(
    settings: Settings,
    scenario: str | None,
    *,
    start: datetime | None,
    days: float | None,
    speed: float,
    seed: int | None,
    say: Say,
    logins: Path | None = None,
) -> dict[str, Any]:
    """Be the devices of the site at a broker until ``days`` are over, or until stopped.

    logins: the file of the devices' own user names and passwords that ``twuin device add --out`` wrote.
    Raises BrokerError where it lacks a device: that would connect as ``mqtt.username``, which is the ingest's
    where settings and simulator share a folder, and throw the ingest out.
    """
    site = _site(settings)
    own = {} if logins is None else read_logins(logins)
    names = sorted({sensor.device for sensor in site.sensors if sensor.device})
    without = [name for name in names if name not in own]
    if logins is not None and without:
        raise BrokerError(
            f"{logins} has no line for {counted(len(without), 'device')} of {site.name} "
            f"({', '.join(without[:3])}{', ...' if len(without) > 3 else ''}): "
            "`twuin device add NAME --renew` makes a new password, to be added as a line `NAME,USER,PASSWORD`"
        )
    mqtt = broker_options(settings)
    address = BrokerAddress(
        mqtt["host"],
        mqtt["port"],
        mqtt["username"],
        mqtt["password"],
        mqtt["tls"],
        mqtt["ca_file"],
        own,
    )
    begin = _begin(start, days, speed)
    end = None if days is None else begin + _days(days)
    clock = None if math.isinf(speed) else ScaledClock(begin, speed)
    stop = threading.Event()
    devices = len({sensor.device for sensor in site.sensors})
    plan = _scenario(scenario, seed)
    say(f"Connecting {counted(devices, 'device')} of {site.name} to the {address}   (Ctrl-C ends it)")
    with until_stopped(stop):
        report = run_fleet(site, plan, address, clock, stop, start=begin, end=end)
    return {
        "devices": report.devices,
        "readings": report.readings,
        "messages": report.messages,
        "acknowledged": report.acknowledged,
        "confirmed": report.confirmed,
        "resent": report.resent,
        "unconfirmed": report.unconfirmed,
        "garbage": report.garbage,
        "dropped": report.dropped,
        "refused": list(report.refused),
        "start": _iso(report.start),
        "end": _iso(report.end),
    }


def _begin(start: datetime | None, days: float | None, speed: float) -> np.datetime64:
    """When a run over MQTT begins. Times that run ahead of the present would be rejected as future ones."""
    if start is not None:
        return instant(start)
    if speed <= 1:
        return WallClock().now()
    if days is None:
        raise SettingsError(
            "--speed above 1 needs --days, or a --start in the past: devices that begin now and run ahead "
            "of the clock send times of the future, which ingest holds back"
        )
    return WallClock().now() - _days(days)


def run_simulation_to_files(
    settings: Settings,
    scenario: str | None,
    folder: Path,
    *,
    layout: str,
    start: datetime | None,
    days: float,
    seed: int | None,
    progress: Moved,
) -> dict[str, Any]:
    """Write the readings and the truth of ``days`` to files in ``folder``."""
    length = _days(days)
    site = _site(settings)
    if start is None:
        midnight = datetime.now(site.timezone).replace(hour=0, minute=0, second=0, microsecond=0)
        start = midnight - timedelta(days=math.ceil(days))
    begin = instant(start)
    plan = _scenario(scenario, seed)
    report = write_files(site, plan, folder, begin, begin + length, format=_layout(layout), progress=progress)
    return {
        "readings": report.readings,
        "leaks": len(plan.leaks),
        "files": [str(path) for path in report.paths],
        "not_simulated": list(report.unsimulated),
        "start": _iso(begin),
        "end": _iso(begin + length),
    }


def _site(settings: Settings) -> Site:
    """The site that the settings name, or the demo town."""
    return read_site(demo_site_folder()) if settings.site is None else read_settings_site(settings)


def _scenario(named: str | None, seed: int | None) -> Scenario:
    scenario = Scenario() if named is None else load_scenario(named)
    return scenario if seed is None else replace(scenario, seed=seed)


def _layout(name: str) -> Format:
    known: tuple[Format, ...] = get_args(Format)
    for layout in known:
        if layout == name:
            return layout
    raise SettingsError(f"--format {name!r} is none of {', '.join(known)}")


MAX_DAYS = 36_525
"""A hundred years: more is a slip of the hand."""


def _days(days: float) -> np.timedelta64:
    """SettingsError for what is no length of a simulation."""
    if not 0 < days <= MAX_DAYS:  # NaN is neither
        raise SettingsError(f"--days {days:g} is not a number above 0, {MAX_DAYS:,} at most")
    return np.timedelta64(round(days * 86_400e6), "us")


def _iso(when: np.datetime64 | None) -> str | None:
    return None if when is None else as_datetime(when).isoformat()
