"""``twuin demo``: a simulated town on embedded parts, in one command.

The main process runs broker (as a child), ingest, monitor and pages; the town runs as a child of its own,
so that hydraulics never hold up a page. The town's clock runs faster than the wall's, from an evening some
weeks ago. What a run leaves (readings, alerts, where the clock stood) is taken up by the next one.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from firmware_sim.town import demo_site_folder
from ingest.broker import start_broker
from twuin.access import OpenAccess
from twuin.app import (
    build,
    open_notify,
    start_ingest,
    start_monitor,
    start_notify,
    start_promises,
    start_residents,
    web_app,
)
from twuin.instance import OWNER, Instance, claim_folder
from twuin.process import address, is_loopback, listen, serve_web, until_stopped
from twuin.settings import MqttSettings, Settings, StoreSettings
from waterworks.clocks import ScaledClock, WallClock
from waterworks.errors import SettingsError
from waterworks.reading import as_datetime, instant
from waterworks.site import Site
from waterworks.site_folder import read_site

log = logging.getLogger("twuin.demo")

HISTORY_DAYS = 28
"""Quiet days before the watching begins: what the baselines learn from."""

_WATCH_FROM = time(20, 0)
"""Local time at which the watching begins: the evening falls, demand with it, and leaks show best."""

_KEPT = (
    "readings.duckdb*",
    "twuin.sqlite*",
    "rejected.sqlite*",
    "devices.sqlite*",
    "demo.json",
    "town.json",
    "residents.key",
)


@dataclass
class Progress:
    """What a run hands to the next one. Times are ISO 8601 with zone."""

    began: str  # when the watching first began, on the town's clock
    reached: str  # where the town's clock stood last
    history: bool = False  # the quiet weeks before are in the store

    @classmethod
    def read(cls, path: Path) -> Progress | None:
        """What an earlier run left; None if there was none. SettingsError if it cannot be understood."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as e:
            raise SettingsError(f"{path} is damaged ({e}): start over with --fresh") from e

    def write(self, path: Path) -> None:
        """Put it in the place of what was there, whole or not at all."""
        new = path.with_suffix(".new")
        new.write_text(json.dumps(asdict(self), indent=2), encoding="utf-8")
        new.replace(path)


class TownClock:
    """Stands still at ``start`` until ``go``; from then on runs ``speed`` times as fast as the wall's."""

    def __init__(self, start: datetime, speed: float) -> None:
        self.start = instant(start)
        self.speed = speed
        self.origin: np.datetime64 | None = None

    def go(self) -> None:
        self.origin = WallClock().now()

    def now(self) -> np.datetime64:
        if self.origin is None:
            return self.start
        return ScaledClock(self.start, self.speed, self.origin).now()


def first_evening(site: Site, today: datetime) -> datetime:
    """The evening of the last Monday that lies at least 28 days before ``today``, in the site's zone.

    A fixed weekday, so that every first run of the demo shows the same town; far enough back that the
    town's fast clock stays in the past for hours of watching.
    """
    day = today.astimezone(site.timezone).date() - timedelta(days=28)
    monday = day - timedelta(days=day.weekday())
    return datetime.combine(monday, _WATCH_FROM, site.timezone)


def run_demo(settings: Settings, *, fresh: bool, speed: float, say: Callable[[str], None]) -> None:
    """Run the demo until it is stopped."""
    folder = settings.data_dir
    refuse_foreign(folder)
    site = read_site(demo_site_folder())
    claim_folder(folder, site.id)
    with ExitStack() as stack:
        stack.enter_context(Instance(folder, "monitor"))
        if fresh:
            forget(folder)
        sock = stack.enter_context(listen(settings.web.host, settings.web.port))
        if not is_loopback(sock):
            raise SettingsError(
                f"the demo has no accounts, so it is for this machine only, not for {settings.web.host}: "
                "leave --host out"
            )
        kept = folder / "demo.json"
        progress = Progress.read(kept)
        if progress is None:
            began = first_evening(site, datetime.now(UTC)).isoformat()
            progress = Progress(began=began, reached=began)
            progress.write(kept)
        clock = TownClock(datetime.fromisoformat(progress.reached), speed)

        say("Twuin demo: a simulated hillside town. Starting ...")
        broker = start_broker(folder / "broker", 0)
        stack.callback(broker.stop)
        mqtt = MqttSettings(host=broker.host, port=broker.port)  # type: ignore[call-arg]
        residents = settings.residents.model_copy(update={"open": True})
        own = {"mqtt": mqtt, "store": StoreSettings(), "residents": residents}  # type: ignore[call-arg]
        parts = build(settings.model_copy(update=own), site=site, clock=clock)
        stop = parts.jobs.stop
        stack.enter_context(until_stopped(stop))
        stack.callback(parts.close)
        open_notify(parts, settings.web.public_url or address(sock))
        app = web_app(parts, OpenAccess())
        start_ingest(parts)

        def ready() -> None:
            start_monitor(parts)
            start_promises(parts)
            start_residents(parts)
            start_notify(parts)

        # The monitor waits for the past weeks: half a past would look like sensors gone silent.
        town = Town(
            settings,
            progress,
            kept,
            clock,
            broker.port,
            say,
            ready=ready,
            zone=site.timezone,
        )
        parts.jobs.start("town", town.run)
        say("It is open, without accounts, to everybody on this machine and to nobody else.")
        say(f"Residents report leaks at {address(sock)}lapor")
        say(f"Open {address(sock)}   (Ctrl-C ends it; the next run goes on from here)")
        serve_web(app, sock, stop)
        say("Stopping ...")


def refuse_foreign(folder: Path) -> None:
    """SettingsError unless ``folder`` is new, empty or a demo's. (An empty --data-dir is the current one.)"""
    if (folder / "demo.json").exists() or not folder.is_dir():
        return
    started = ("*.lock", "*.sock", "broker", "spool", OWNER)  # all that a demo leaves which could not start
    if any(not any(path.match(name) for name in started) for path in folder.iterdir()):
        raise SettingsError(
            f"data folder {folder.resolve()} holds other things than a demo's data: "
            "choose an empty or a new one with --data-dir"
        )


def forget(folder: Path) -> None:
    """Remove what earlier runs of the demo kept, and nothing else."""
    for pattern in _KEPT:
        for path in folder.glob(pattern):
            path.unlink()
    for made in ("broker", "spool"):
        shutil.rmtree(folder / made, ignore_errors=True)


class Town:
    """The simulated town in a child process: first its past weeks, then its present."""

    def __init__(
        self,
        settings: Settings,
        progress: Progress,
        kept: Path,
        clock: TownClock,
        broker_port: int,
        say: Callable[[str], None],
        ready: Callable[[], None],
        zone: ZoneInfo,
    ) -> None:
        self._ready = ready
        self._zone = zone
        self._settings = settings
        self._progress = progress
        self._kept = kept
        self._clock = clock
        self._port = broker_port
        self._say = say
        self._said: set[str] = set()

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop``; raises SettingsError when the town's process fails. May be run again then."""
        if not self._progress.history:
            self._tell(
                f"Living through the town's last {HISTORY_DAYS} days, so that Twuin knows what is usual ..."
            )
            if not self._child(stop, "history"):
                return
            self._progress.history = True
            self._progress.write(self._kept)
        if self._clock.origin is None:
            self._clock.go()
            self._ready()
            self._tell(self._outlook())
        self._child(stop, "live")

    def _tell(self, line: str) -> None:
        """Say it once, however often the work has to begin again."""
        if line not in self._said:
            self._said.add(line)
            self._say(line)

    def _outlook(self) -> str:
        """What a person may expect to see."""
        pace = f"The town lives at {self._clock.speed:g} times our time from now on. "
        if instant(datetime.fromisoformat(self._progress.began)) == self._clock.start:
            return pace + "Within two minutes a pipe will burst; watch the page."
        reached = as_datetime(self._clock.start).astimezone(self._zone)
        return (
            f"{pace}It is {reached:%Y-%m-%d %H:%M} there, where the last run ended. "
            "To see the pipe burst again, start over with --fresh."
        )

    def _child(self, stop: threading.Event, what: str) -> bool:
        """Run one stage to its end (True) or until ``stop`` (False)."""
        job = {
            "what": what,
            "data_dir": str(self._settings.data_dir),
            "began": self._progress.began,
            "start": as_datetime(self._clock.start).isoformat(),
            "origin": None if self._clock.origin is None else as_datetime(self._clock.origin).isoformat(),
            "speed": self._clock.speed,
            "port": self._port,
            "history_days": HISTORY_DAYS,
        }
        # The child ends when its standard input closes: at our orderly end, and at kill -9 of this process.
        # -P: a folder named twuin where one stands (a clone of it, say) is not the package.
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "twuin.demo_town", json.dumps(job)],
            stdin=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert child.stdin is not None
        try:
            while child.poll() is None:
                if stop.wait(1.0):
                    return False
                if what == "live":
                    self._progress.reached = as_datetime(self._clock.now()).isoformat()
                    self._progress.write(self._kept)
        finally:
            child.stdin.close()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                log.warning("the town did not end in 10 s; killing it")
                child.kill()
                child.wait()
        if child.returncode != 0:
            raise SettingsError(
                f"the simulated town ended with status {child.returncode}; see the lines above"
            )
        return True
