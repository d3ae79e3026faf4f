"""Runs what docker-compose.yml says as plain processes: its commands, environment and health checks.

Nothing of them is copied here: they are read from the file as ``docker-compose config`` understands it. What
a container has of its own is stood in for: folders of volumes by folders of the test, hosts and ports by
free ports of loopback, the image by a virtual environment into which the wheel is installed.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

PORTS = ("8883", "8080", "5432", "8086", "3000", "2019")
"""What the containers listen on."""

PATIENCE_S = 300.0


@pytest.fixture(scope="session")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that the Dockerfile builds, from the files that it copies."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (root / "Dockerfile").read_text(), re.MULTILINE)
    for name in " ".join(copied).split():
        if (root / name).is_dir():
            shutil.copytree(root / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(root / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", folder, source]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` of a fresh environment that has the wheel; what it depends on is this environment's."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", wheel]
    subprocess.run(command, check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin"


class Container:
    """One service of the file, as a process."""

    def __init__(self, name: str, said: dict[str, Any], world: World) -> None:
        self.name, self.said, self.world = name, said, world
        self.process: subprocess.Popen[bytes] | None = None
        self.log = world.folder / f"{name}.log"

    def here(self, text: str) -> str:
        """``text`` with the paths, hosts and ports of this machine in the place of the container's."""
        for volume in self.said.get("volumes", ()):
            source, target = volume.split(":")[:2]
            text = re.sub(
                rf"(?<![\w.])(?<!\w/){re.escape(target)}(?![\w.-])", str(self.world.place(source)), text
            )
        for name in self.world.services:
            text = re.sub(rf"\b{name}:(?=\d)", "127.0.0.1:", text)
        for port in PORTS:
            text = re.sub(rf"\b{port}\b", str(self.world.port(port)), text)
        return text

    @property
    def environment(self) -> dict[str, str]:
        own = {k: self.here(str(v)) for k, v in (self.said.get("environment") or {}).items()}
        own = {
            k: "127.0.0.1" if v in self.world.services and k.endswith("HOST") else v for k, v in own.items()
        }
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("TWUIN_", "PYTHON"))}
        path = f"{self.world.bin}:{clean['PATH']}:/usr/sbin:/usr/local/sbin"
        return {**clean, "PATH": path, "COLUMNS": "200", **own, **self.world.instead}

    @property
    def command(self) -> list[str]:
        return [
            self.here(a) for a in [*(self.said.get("entrypoint") or []), *(self.said.get("command") or [])]
        ]

    def run(self, expect: int = 0) -> str:
        """Run it to its end, as a container that does something once; what it printed."""
        done = subprocess.run(
            self.command, env=self.environment, cwd=self.world.folder, capture_output=True, text=True
        )
        assert done.returncode == expect, f"{self.name}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def start(self, command: list[str] | None = None, **as_whom: Any) -> Container:
        """Start it. command: one that stands in for it, where it has to."""
        folder = self.here(self.said.get("working_dir") or str(self.world.folder))
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command or self.command,
                env=self.environment,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **as_whom,
            )
        return self

    def check(self) -> subprocess.CompletedProcess[str]:
        """Its health check, run once."""
        kind, *command = self.said["healthcheck"]["test"]
        if kind == "CMD-SHELL":
            command = ["/bin/sh", "-c", *command]
        command = [self.here(a.replace("$$", "$")) for a in command]
        folder = self.here(self.said.get("working_dir") or str(self.world.folder))
        return subprocess.run(command, env=self.environment, cwd=folder, capture_output=True, text=True)

    def healthy(self) -> Container:
        """Wait until its health check is content."""
        give_up = time.monotonic() + PATIENCE_S
        while (done := self.check()).returncode:
            dead = self.process is not None and self.process.poll() is not None
            if dead or time.monotonic() > give_up:
                log = self.log.read_text(errors="replace")[-3000:]
                pytest.fail(f"{self.name} is not healthy: {done.stdout}{done.stderr}\n{log}", pytrace=False)
            time.sleep(0.3)
        return self

    def stop(self) -> int:
        """End it as a container is ended; its status."""
        process, self.process = self.process, None
        if process is None:
            return 0
        # Its image asks for SIGINT: upon SIGTERM PostgreSQL waits until its last client has gone.
        process.send_signal(signal.SIGINT if self.name == "postgres" else signal.SIGTERM)
        status = -signal.SIGKILL
        with suppress(subprocess.TimeoutExpired):
            status = process.wait(timeout=60)
        with suppress(ProcessLookupError):  # what its shell had started ends with it
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return status


class World:
    """All services of one profile in one folder."""

    def __init__(
        self, root: Path, folder: Path, bin: Path, free_port: Callable[[], int], compose: str
    ) -> None:
        self.folder, self.bin, self._free_port, self._compose, self._root = (
            folder,
            bin,
            free_port,
            compose,
            root,
        )
        self._ports: dict[str, int] = {}
        self._places: dict[str, Path] = {}
        self.instead: dict[str, str] = {}
        self.services: dict[str, dict[str, Any]] = {}
        self._made: dict[str, Container] = {}

    def read(self, **variables: str) -> World:
        """Read the file, with these variables as an .env file would have them."""
        done = subprocess.run(
            [self._compose, "-f", self._root / "docker-compose.yml", "config"],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        self.services = yaml.safe_load(done.stdout)["services"]
        return self

    def port(self, inside: str) -> int:
        """Of this machine, for one of a container."""
        if inside not in self._ports:
            self._ports[inside] = self._free_port()
        return self._ports[inside]

    def place(self, source: str) -> Path:
        """The folder of a volume, or the file or folder that is mounted."""
        if source.startswith("/"):
            return self._places.get(source, Path(source))
        path = self.folder / "volumes" / source
        path.mkdir(parents=True, exist_ok=True)
        return path

    def replaced(self, source: Path, by: Path) -> None:
        """Mount ``by`` where the file says ``source``."""
        self._places[str(source)] = by

    def __getitem__(self, name: str) -> Container:
        if name not in self._made:
            self._made[name] = Container(name, self.services[name], self)
        return self._made[name]

    def end(self) -> None:
        for container in reversed(self._made.values()):
            container.stop()


@pytest.fixture
def world(
    root: Path, tmp_path: Path, installed: Path, free_port: Callable[[], int], program: Callable[[str], str]
) -> Iterator[World]:
    made = World(root, tmp_path, installed, free_port, program("docker-compose"))
    yield made
    made.end()
