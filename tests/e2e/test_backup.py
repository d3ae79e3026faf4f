"""A machine is lost, with all that was on it, and comes back from its back-up on another.

Devices with identities of their own publish over TLS to Mosquitto; `twuin serve` takes in and watches. The
back-up is made amid that. Then everything ends with SIGKILL, and data folder, database, site and the
broker's folder are deleted. What is restored runs from other folders, on another database, behind the same
devices: they know nothing of it but that the broker was away.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import create_engine, inspect, text

from twuin.accounts.rights import Role
from twuin.accounts.service import By
from twuin.accounts.sign_in import Visitor
from twuin.alerts.model import Finding, Kind
from twuin.app import build, open_accounts, open_readings
from twuin.db.copying import OF_BROWSERS
from twuin.settings import Settings, load
from waterworks.reading import ReadingBatch
from waterworks.site_folder import read_site

pytestmark = pytest.mark.servers

PATIENCE_S = 300.0
PASSWORD = "lumbung-derita-sepeda-merah"
FIRST, LAST = np.datetime64("1970-01-01", "us"), np.datetime64("2200-01-01", "us")


def until(what: str, ready: Callable[[], Any]) -> Any:
    """The first truthy answer of ``ready``."""
    end = time.monotonic() + PATIENCE_S
    while not (found := ready()):
        assert time.monotonic() < end, f"waited {PATIENCE_S:g} s in vain for {what}"
        time.sleep(0.3)
    return found


class Machine:
    """One machine: its folders, its settings file, and what runs on it."""

    def __init__(self, folder: Path, settings: Path, broker: Path, ports: dict[str, int], root: Path) -> None:
        self.folder, self.settings_file, self.broker, self.ports, self._root = (
            folder, settings, broker, ports, root,
        )  # fmt: skip
        self._running: list[subprocess.Popen[bytes]] = []

    @property
    def settings(self) -> Settings:
        return load(self.settings_file)

    def twuin(self, *arguments: str) -> str:
        """A command to its end; what it said."""
        command = [sys.executable, "-m", "twuin", "--config", str(self.settings_file), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=environment(self._root))
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._running.append(
                subprocess.Popen(
                    command, stdout=log, stderr=log, start_new_session=True, env=environment(self._root)
                )
            )
        return self._running[-1]

    def run(self) -> None:
        """The broker and Twuin, until both answer."""
        conf = self.folder / "mosquitto.conf"
        said = (self._root / "deploy" / "mosquitto" / "mosquitto.conf").read_text()
        more = "user root\n" if os.geteuid() == 0 else ""
        conf.write_text(re.sub(r"\b8883\b", str(self.ports["mqtt"]), said) + more)
        run = self._root / "deploy" / "mosquitto" / "run.sh"
        self.start("broker", "/bin/sh", str(run), str(self.broker), str(conf))
        self.start("serve", sys.executable, "-m", "twuin", "--config", str(self.settings_file), "serve")
        until("the pages", lambda: self._answers() or self._dead())

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/health/live", timeout=5):
                return True
        except OSError:
            return False

    def _dead(self) -> None:
        assert all(p.poll() is None for p in self._running), self.logs()

    def logs(self) -> str:
        return "\n".join(p.read_text(errors="replace")[-3000:] for p in self.folder.glob("*.log"))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['web']}"

    def ask(self, path: str, token: str, body: bytes | None = None) -> bytes:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "image/jpeg"}
        request = urllib.request.Request(f"{self.url}{path}", body, headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return bytes(answer.read())

    def readings(self) -> ReadingBatch:
        """All that the store holds, as any other process reads it."""
        with closing(open_readings(self.settings, read_site(self.settings.site or Path()))) as store:
            return store.batch(store.names(), FIRST, LAST)

    def rows(self) -> dict[str, set[str]]:
        """All rows of the database, by table."""
        url = self.settings.database_url
        engine = create_engine(url)
        with engine.connect() as db:
            names = [n for n in inspect(db).get_table_names() if n not in OF_BROWSERS]
            found = {n: {repr(tuple(r)) for r in db.execute(text(f'SELECT * FROM "{n}"'))} for n in names}
        engine.dispose()
        return found

    def end(self, number: int = signal.SIGTERM) -> None:
        for process in reversed(self._running):
            if process.poll() is None:
                os.killpg(process.pid, number)
            process.wait(timeout=60)
        self._running.clear()


def environment(root: Path) -> dict[str, str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("TWUIN_")}
    return {**clean, "PYTHONPATH": str(root), "PATH": f"{clean['PATH']}:/usr/sbin:/usr/local/sbin"}


def keys(batch: ReadingBatch) -> dict[tuple[str, int], float]:
    """Sensor and time [us] with the value; fails where one stands there twice."""
    named = [batch.names[k] for k in batch.sensor.tolist()]
    found = dict(zip(zip(named, batch.time.astype(np.int64).tolist(), strict=True), batch.value, strict=True))
    assert len(found) == len(batch), "a reading is there twice"
    return found


@pytest.fixture(params=["own files", "servers"])
def kind(request: pytest.FixtureRequest) -> str:
    """SQLite and the embedded store, or PostgreSQL and InfluxDB."""
    return str(request.param)


@pytest.fixture
def store_of(kind: str, request: pytest.FixtureRequest) -> Callable[[], str]:
    """Settings of a database and a store that are empty, new at each call."""
    if kind == "own files":
        return lambda: ""
    influxdb, postgresql = (request.getfixturevalue(name) for name in ("influxdb", "postgresql"))

    def make() -> str:
        return (
            f'database = "{postgresql.database()}"\n'
            f'[store]\nkind = "influxdb"\nversion = "1"\nurl = "{influxdb.url}"\n'
            f'database = "t-{uuid.uuid4().hex}"\nfigures = false\n'
        )

    return make


@pytest.fixture
def machines() -> Iterator[list[Machine]]:
    made: list[Machine] = []
    yield made
    for machine in made:
        machine.end(signal.SIGKILL)


def test_a_lost_machine_comes_back_from_its_backup(
    kind: str,
    store_of: Callable[[], str],
    machines: list[Machine],
    root: Path,
    tmp_path: Path,
    free_port: Callable[[], int],
    program: Callable[[str], str],
) -> None:
    program("mosquitto")
    ports = {"mqtt": free_port(), "web": free_port()}
    old_folder, safe, devices = (tmp_path / name for name in ("old", "safe", "devices"))
    for folder in (old_folder, safe, devices):
        folder.mkdir()
    shutil.copytree(root / "firmware_sim" / "demo_town", old_folder / "site")

    def settings(folder: Path, stores: str) -> str:
        top, _, store = stores.partition("[store]")
        store = f"[store]{store}" if store else ""
        return f"""
site = "{folder}/site"
data_dir = "{folder}/data"
broker_dir = "{folder}/broker"
{top}{store}
[mqtt]
host = "localhost"
port = {ports["mqtt"]}
tls = true
ca_file = "{folder}/broker/certs/ca.crt"
username = "@ingest-main"
password_file = "{folder}/broker/ingest-main.password"
receipt_s = 0.5
[web]
port = {ports["web"]}
[notify]
key_file = "{folder}/keys/notify.key"
"""

    (old_folder / "keys").mkdir()
    key = old_folder / "keys" / "notify.key"
    key.touch(0o600)
    key.write_text("ab" * 32)
    (old_folder / "twuin.toml").write_text(settings(old_folder, store_of()))
    old = Machine(old_folder, old_folder / "twuin.toml", old_folder / "broker", ports, root)
    machines.append(old)
    old.twuin("broker", "init", "--host", "localhost")
    old.twuin("device", "add", "--all", "--out", str(devices / "logins.csv"))
    shutil.copy(old_folder / "broker" / "certs" / "ca.crt", devices / "ca.crt")
    old.twuin("setup", "prepare")
    token = old.twuin("token", "add", "admin", "--for", "test", "--right", "see", "--right", "work").strip()
    alert = _people(old)
    old.run()

    # Devices of their own machine: they outlive all that follows.
    town = Machine(devices, devices / "twuin.toml", devices, ports, root)
    machines.append(town)
    town.settings_file.write_text(
        f'site = "{shutil.copytree(old_folder / "site", devices / "site")}"\n[mqtt]\nhost = "localhost"\n'
        f'port = {ports["mqtt"]}\ntls = true\nca_file = "{devices}/ca.crt"\n'
    )
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2)
    report = devices / "report.json"
    with report.open("wb") as out:
        command = [sys.executable, "-m", "twuin", "--config", str(town.settings_file), "simulate"]
        command += ["--logins", str(devices / "logins.csv"), "--start", start.isoformat(), "--days", "1"]
        sending = subprocess.Popen(
            [*command, "--speed", "600", "--json"],
            stdout=out,
            stderr=(devices / "simulate.log").open("wb"),
            env=environment(root),
            start_new_session=True,
        )
    town._running.append(sending)

    until("readings", lambda: len(old.readings()) > 500 or old._dead())
    image = io.BytesIO()
    Image.linear_gradient("L").resize((64, 48)).convert("RGB").save(image, "JPEG")
    old.ask(f"/api/v1/alerts/{alert}/photos?key=one", token, image.getvalue())
    (photo,) = json.loads(old.ask(f"/api/v1/alerts/{alert}/photos", token))
    picture = old.ask(f"/api/v1/alerts/{alert}/photos/{photo['id']}", token)
    rows, stored = old.rows(), keys(old.readings())
    stored = {
        k: v for k, v in stored.items() if ":" not in k[0]
    }  # what the monitor works out may be corrected

    said = json.loads(old.twuin("backup", "--to", str(safe), "--json"))
    archive = Path(said["file"])
    assert sending.poll() is None, "the devices had nothing more to send: no writes amid the back-up"
    assert archive.stat().st_mode & 0o777 == 0o600 and list(safe.iterdir()) == [archive]
    assert said["readings"]["count"] >= len(stored)
    until("more readings, which will be lost", lambda: len(old.readings()) > said["readings"]["count"])

    old.end(signal.SIGKILL)
    lost = old.settings_file.read_text()
    shutil.rmtree(old_folder)
    if kind == "servers":
        _drop(lost)

    new_folder = tmp_path / "new"
    new_folder.mkdir()
    new = Machine(new_folder, new_folder / "twuin.toml", new_folder / "broker", ports, root)
    machines.append(new)
    if kind == "servers":  # the administrator names the new servers, and restores to where the settings say
        new.settings_file.write_text(settings(new_folder, store_of()))
        (new_folder / "keys").mkdir()
        new.twuin("restore", str(archive))
        assert (new_folder / "keys" / "notify.key").read_text() == "ab" * 32
    else:
        new.twuin("restore", str(archive), "--into", str(new_folder))
        assert load(new.settings_file).notify.key_file == new_folder / "files" / "notify.key_file"

    back = keys(new.readings())
    assert len(back) == said["readings"]["count"]
    assert {k: back.get(k) for k in stored} == stored
    found = new.rows()
    for table in ("account", "alert_entry", "photo", "security_event"):  # what nobody changes meanwhile
        assert rows[table] and rows[table] <= found[table], table

    new.run()
    (photo,) = json.loads(new.ask(f"/api/v1/alerts/{alert}/photos", token))
    assert new.ask(f"/api/v1/alerts/{alert}/photos/{photo['id']}", token) == picture
    with closing(build(new.settings)) as parts:
        accounts = open_accounts(new.settings, parts.site, parts.database)
        accounts.sign_in.sign_in("dewi", PASSWORD, Visitor("192.0.2.7"))
        assert "dewi" in [e.actor for e in parts.alerts.history(alert)]

    until("the devices' end", lambda: sending.poll() is not None)
    assert sending.returncode == 0, new.logs() + town.logs()
    done = json.loads(report.read_text())
    until("the last readings", lambda: len(new.readings()) > len(back))
    assert done["unconfirmed"] == 0 and done["resent"] > 0, done
    at_last = keys(new.readings())
    assert {k: at_last.get(k) for k in stored} == stored
    assert max(t for _, t in at_last) > max(t for _, t in back)


def _people(machine: Machine) -> str:
    """An account with a password, and an alert with a history; the alert's id."""
    with closing(build(machine.settings)) as parts:
        accounts = open_accounts(machine.settings, parts.site, parts.database)
        _, code = accounts.add("dewi", Role.ENGINEER, By("test"))
        accounts.sign_in.use_code("dewi", code, PASSWORD, Visitor("192.0.2.7"))
        now = datetime.now(UTC)
        dma = parts.site.dmas[0].id
        began = now - timedelta(hours=9)
        flow = {"flow": 0.003, "flow_low": 0.002, "flow_high": 0.004, "volume": 97.0, "confidence": 0.9}
        finding = Finding(Kind.LEAK, dma, dma, began, now - timedelta(hours=5), now, **flow)
        (changed,) = parts.alerts.apply([finding])
        parts.alerts.act(changed.id, "acknowledge", version=None, actor="dewi", key="one")
        return str(changed.id)


def _drop(settings: str) -> None:
    """The old machine's servers are gone too: its database and its readings."""
    import tomllib

    said = tomllib.loads(settings)
    engine = create_engine(said["database"])
    with engine.connect() as db:
        for table in inspect(db).get_table_names():
            db.execute(text(f'DROP TABLE "{table}" CASCADE'))
        db.commit()
    engine.dispose()
    query = f'q=DROP DATABASE "{said["store"]["database"]}"'.replace(" ", "%20").replace('"', "%22")
    urllib.request.urlopen(f"{said['store']['url']}/query", query.encode()).read()
