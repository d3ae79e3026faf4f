"""Readings over HTTP: what was answered 200 is in the store, once, whatever was killed since.

`twuin web` is killed with SIGKILL amid messages, while InfluxDB is stopped or runs, round after round.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w

from twuin.app import open_readings
from twuin.settings import load
from waterworks.site_folder import read_site

pytestmark = pytest.mark.servers

PATIENCE_S = 300.0
ROUNDS = 4
T0_MS = 1_772_323_200_000  # 1 March 2026
SENSOR, DEVICE = "D1-IN", "d1-logger"


def until(what: str, ready: Callable[[], Any]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not ready():
        assert time.monotonic() < end, f"waited {PATIENCE_S:g} s in vain for {what}"
        time.sleep(0.2)


class Web:
    """`twuin web`, which can be killed and started again."""

    def __init__(self, folder: Path, config: Path, url: str, environment: dict[str, str]) -> None:
        self.folder, self.config, self.url, self.environment = folder, config, url, environment
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / "web.log").open("ab") as said:
            command = [sys.executable, "-m", "twuin", "--config", str(self.config), "web"]
            self.process = subprocess.Popen(command, stdout=said, stderr=said, env=self.environment)

        def answers() -> bool:
            assert self.process is not None and self.process.poll() is None, self.said()
            try:
                with urllib.request.urlopen(f"{self.url}/api/v1/health/live", timeout=5):
                    return True
            except OSError:
                return False

        until("the pages", answers)

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def said(self) -> str:
        return (self.folder / "web.log").read_text(errors="replace")[-3000:]


@pytest.fixture
def web(
    tmp_path: Path, root: Path, influxdb_of_its_own: Any, free_port: Callable[[], int]
) -> Iterator[tuple[Web, str]]:
    site, config, port = tmp_path / "site", tmp_path / "twuin.toml", free_port()
    site.mkdir()
    (site / "site.toml").write_text('id = "town"\nname = "Town"\ntimezone = "Asia/Jakarta"\n')
    (site / "dmas.csv").write_text("id,name,connections\nD1,One,100\n")
    (site / "sensors.csv").write_text(
        f"id,name,quantity,unit,role,dma,device\n{SENSOR},Inlet,flow,m3/h,inlet,D1,{DEVICE}\n"
    )
    said = {
        "site": str(site),
        "data_dir": str(tmp_path / "data"),
        "web": {"port": port},
        "store": {"kind": "influxdb", "version": "1", "url": influxdb_of_its_own.url, "database": "http"},
    }
    config.write_text(tomli_w.dumps(said))
    clean = {k: v for k, v in os.environ.items() if not k.startswith("TWUIN_")} | {"PYTHONPATH": str(root)}

    def twuin(*arguments: str) -> str:
        command = [sys.executable, "-m", "twuin", "--config", str(config), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=clean)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    twuin("setup", "prepare")
    token = twuin("token", "add", "admin", "--for", "a network server", "--right", "send")
    made = Web(tmp_path, config, f"http://127.0.0.1:{port}", clean)
    yield made, token
    made.kill()


@pytest.fixture
def influxdb_of_its_own(new_influxdb: Any, tmp_path: Path) -> Any:
    (tmp_path / "influxdb").mkdir()
    return new_influxdb(tmp_path / "influxdb")


class Sender(threading.Thread):
    """Sends one message after the other, each until it is answered 200."""

    def __init__(self, url: str, token: str) -> None:
        super().__init__(daemon=True)
        self.url, self.token = f"{url}/api/v1/messages/twuin/town/{DEVICE}/readings", token
        self.done: list[int] = []
        self.answers: Counter[str] = Counter()
        self.stopping = threading.Event()

    def run(self) -> None:
        n = 0
        while not self.stopping.is_set():
            if self.sent(n):
                self.done.append(n)
                n += 1
            else:
                time.sleep(0.05)

    def sent(self, n: int) -> bool:
        body = {"readings": [{"sensor": SENSOR, "time": T0_MS + 1000 * n, "value": n % 100}]}
        headers = {"Authorization": f"Bearer {self.token}"}
        request = urllib.request.Request(self.url, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                told = json.load(answer)
        except urllib.error.HTTPError as e:
            self.answers[str(e.code)] += 1
            return False
        except (OSError, ValueError):
            self.answers["none"] += 1
            return False
        assert told["readings"] == 1
        self.answers["waits" if told["waiting"] else "stored"] += 1
        return True


def test_what_was_answered_200_is_stored_whatever_is_killed(
    web: tuple[Web, str], influxdb_of_its_own: Any
) -> None:
    server, token = web
    seed = random.randrange(1_000_000)
    chance = random.Random(seed)
    server.start()
    sender = Sender(server.url, token)
    sender.start()
    for round in range(ROUNDS):
        enough = len(sender.done) + chance.randint(10, 60)
        until("messages", lambda enough=enough: len(sender.done) >= enough)
        if round % 2 == 0:
            influxdb_of_its_own.end(signal.SIGKILL)
            waits = sender.answers["waits"] + chance.randint(5, 30)
            until("messages that wait", lambda waits=waits: sender.answers["waits"] >= waits)
        server.kill()
        if influxdb_of_its_own.process is None and round % 4 == 0:
            server.start()  # it starts without its store, too
            enough = len(sender.done) + 5
            until("messages", lambda enough=enough: len(sender.done) >= enough)
            server.kill()
        if influxdb_of_its_own.process is None:
            influxdb_of_its_own.start()
        server.start()
    sender.stopping.set()
    sender.join()
    wanted = {T0_MS + 1000 * n: (n % 100) / 3600 for n in sender.done}
    print(f"seed {seed}: {len(wanted)} messages, answers {dict(sender.answers)}")
    assert sender.answers["waits"] and sender.answers["stored"] and sender.answers["none"]
    settings = load(server.config)
    with closing(open_readings(settings, read_site(settings.site or Path()))) as store:

        def stored() -> dict[int, float]:
            far = np.datetime64(datetime(2027, 1, 1, tzinfo=UTC).replace(tzinfo=None), "us")
            found = store.batch([SENSOR], np.datetime64(T0_MS * 1000, "us"), far)
            times = (found.time.astype(np.int64) // 1000).tolist()
            assert len(set(times)) == len(times)
            return dict(zip(times, found.value.tolist(), strict=True))

        until("what waited", lambda: wanted.keys() <= stored().keys())
        found = stored()
    assert all(found[t] == pytest.approx(v) for t, v in wanted.items())
