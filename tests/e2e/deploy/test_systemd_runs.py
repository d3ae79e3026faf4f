"""What the systemd units run, in their order, as plain processes: in folders of the test, else unchanged."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.servers

PATIENCE_S = 300.0


class Units:
    """The units, with paths and ports of the test in the place of the machine's."""

    def __init__(self, root: Path, folder: Path, bin: Path, free_port: Callable[[], int]) -> None:
        self.folder, self._source = folder, root / "deploy" / "systemd"
        self._paths = {
            "/opt/twuin/bin": bin,
            "/opt/twuin/mosquitto": folder / "mosquitto",
            "/etc/twuin": folder / "etc",
            "/var/lib": folder / "lib",
        }
        self.ports = {"8883": free_port(), "8080": free_port()}
        self._processes: list[subprocess.Popen[bytes]] = []

    def here(self, text: str) -> str:
        for path, own in self._paths.items():
            text = text.replace(path, str(own))
        for port, own_port in self.ports.items():
            text = re.sub(rf"\b{port}\b", str(own_port), text)
        return text

    def command(self, unit: str) -> tuple[list[str], dict[str, Any]]:
        """What a unit (``NAME.service``, ``NAME@INSTANCE.service``) runs, and where."""
        name, _, instance = unit.removesuffix(".service").partition("@")
        file = f"{name}@.service" if instance else unit
        read = configparser.ConfigParser(interpolation=None, strict=True)
        read.optionxform = str  # type: ignore[assignment,method-assign]
        read.read_string(self.here((self._source / file).read_text().replace("%i", instance)))
        said = read["Service"]
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("TWUIN_", "PYTHON"))}
        variable, _, value = said.get("Environment", "=").partition("=")
        if variable:
            clean[variable] = value
        return shlex.split(said["ExecStart"]), {"env": clean, "cwd": said["WorkingDirectory"]}

    def run(self, unit: str) -> str:
        command, where = self.command(unit)
        done = subprocess.run(command, capture_output=True, text=True, **where)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, unit: str) -> subprocess.Popen[bytes]:
        command, where = self.command(unit)
        with (self.folder / f"{unit}.log").open("wb") as log:
            self._processes.append(
                subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, **where)
            )
        return self._processes[-1]

    def twuin(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command as an administrator gives it, with the settings of the units."""
        (program, *_), where = self.command("twuin-web.service")
        return subprocess.run([program, *arguments], capture_output=True, text=True, check=check, **where)

    def end(self) -> None:
        for process in reversed(self._processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(timeout=60)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()


@pytest.fixture
def units(root: Path, tmp_path: Path, installed: Path, free_port: Callable[[], int]) -> Iterator[Units]:
    made = Units(root, tmp_path, installed, free_port)
    for folder in ("etc/secrets", "lib/twuin", "lib/twuin-broker"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copytree(root / "firmware_sim" / "demo_town", tmp_path / "etc" / "site")
    shutil.copytree(root / "deploy" / "mosquitto", tmp_path / "mosquitto")
    text = (root / "deploy" / "systemd" / "twuin.toml").read_text()
    head, mqtt = text.split("[mqtt]")
    with_broker = re.sub("^#(?=[a-z_]+ = )", "", mqtt, flags=re.MULTILINE)
    (tmp_path / "etc" / "twuin.toml").write_text(made.here(f"{head}[mqtt]{with_broker}"))
    yield made
    made.end()


def wait(ask: Callable[[], Any], what: Callable[[], str]) -> Any:
    give_up = time.monotonic() + PATIENCE_S
    while not (found := ask()):
        assert time.monotonic() < give_up, what()
        time.sleep(0.3)
    return found


def test_the_units_bring_up_an_installation(units: Units, program: Callable[[str], str]) -> None:
    program("mosquitto")
    units.twuin("broker", "init", "--host", "localhost")
    lib, etc = units.folder / "lib" / "twuin-broker", units.folder / "etc"
    shutil.copy(lib / "certs" / "ca.crt", etc / "ca.crt")
    shutil.copy(lib / "ingest-main.password", etc / "secrets" / "ingest-main.password")
    conf = units.folder / "mosquitto" / "mosquitto.conf"
    more = "user root\n" if os.geteuid() == 0 else ""
    conf.write_text(units.here(conf.read_text()) + more)
    units.start("twuin-broker.service")

    code = r"one-time code \S+ "
    assert re.search(code, units.run("twuin-prepare.service"))
    assert not re.search(code, units.run("twuin-prepare.service"))
    started = [
        units.start(u) for u in ("twuin-ingest@main.service", "twuin-monitor.service", "twuin-web.service")
    ]

    def logs() -> str:
        return "\n".join(p.read_text() for p in units.folder.glob("*.log"))

    for job in ("ingest-main", "monitor"):
        wait(lambda job=job: not units.twuin("health", job, check=False).returncode, logs)  # type: ignore[misc]
    token = units.twuin("token", "add", "admin", "--for", "test").stdout.strip()
    url = f"http://127.0.0.1:{units.ports['8080']}/api/v1/health"

    def parts() -> dict[str, dict[str, str]]:
        try:
            request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
            with urllib.request.urlopen(request, timeout=30) as answer:
                return dict(json.load(answer)["parts"])
        except OSError:
            return {}

    wait(lambda: (p := parts()) and all(part["status"] == "ok" for part in p.values()) and len(p) > 4, logs)
    for process in started:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0, logs()
