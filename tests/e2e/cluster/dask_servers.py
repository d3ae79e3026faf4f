"""A Dask scheduler and workers as processes of their own, on loopback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from twuin.cluster.client import Cluster


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


class Servers:
    """Processes that were started, by name; ``folder`` holds what they said."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.folder, self.port = folder, port or free_port()
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", *command],
                stdout=said,
                stderr=said,
                cwd=self.folder,
                env=dict(os.environ),
            )
        self.running[name] = process
        return process

    def scheduler(self, *options: str) -> None:
        self.start(
            "scheduler", "distributed.cli.dask_scheduler",
            "--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard", *options,
        )  # fmt: skip

    def worker(self, name: str, *options: str, config: str = "") -> None:
        before = ("--config", config) if config else ()
        self.start(name, "twuin", *before, "worker", "--scheduler", self.address, "--name", name, *options)

    def certificates(self) -> tuple[str, str]:
        """A certificate authority, and a certificate of it with its key: one file each."""

        def openssl(*words: str) -> None:
            subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)

        kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
        openssl("req", "-x509", *kind, "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.pem")
        openssl(
            "req", "-x509", *kind, "-subj", "/CN=twuin", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-keyout", "own.key", "-out", "own.crt",
        )  # fmt: skip
        own = self.folder / "own.pem"
        own.write_text((self.folder / "own.crt").read_text() + (self.folder / "own.key").read_text())
        return str(self.folder / "ca.pem"), str(own)

    def wait_for_scheduler(self, seconds: float = 300) -> None:
        """Until its port is open."""
        until = time.monotonic() + seconds
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                assert time.monotonic() < until, "the scheduler has not come"
                time.sleep(0.2)

    def wait_for(self, cluster: Cluster, workers: int, seconds: float = 300) -> list[str]:
        """Until so many workers are there; how slow the machine is, is no matter of the test's."""
        until = time.monotonic() + seconds
        while True:
            for name, process in self.running.items():
                if process.poll() is not None:
                    raise AssertionError(f"{name} ended: {(self.folder / f'{name}.log').read_text()}")
            try:
                found = cluster.workers()
                if len(found) == workers:
                    return found
            except Exception:
                if time.monotonic() > until:
                    raise
            assert time.monotonic() < until, f"{workers} workers have not come"
            time.sleep(0.2)

    def kill(self, name: str) -> None:
        """At once, as when the machine's power fails."""
        process = self.running.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def close(self) -> None:
        for name in list(self.running):
            self.kill(name)


@contextmanager
def servers(folder: Path) -> Iterator[Servers]:
    folder.mkdir(parents=True, exist_ok=True)
    found = Servers(folder)
    try:
        yield found
    finally:
        found.close()
