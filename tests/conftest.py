"""Fixtures that every room's tests share. Servers run on loopback and are stopped by pid."""

from __future__ import annotations

import importlib.util
import logging
import os
import pwd
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import uvicorn

import twuin  # noqa: F401 - before NumPy, so that BLAS works as it does in the program

ROOT = Path(__file__).resolve().parent.parent
IN_CI = os.environ.get("CI") == "true"


def _absent(what: str) -> None:
    """In CI a missing server or data set is a failure; on a developer's machine the test is skipped."""
    if IN_CI:
        pytest.fail(what, pytrace=False)
    pytest.skip(what)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """For ``pytest -n 2``: whole installations one after another, pages likewise, all else file by file."""
    for item in items:
        file = item.nodeid.split("::")[0]
        browser = Path(file).name in ("test_field.py", "test_pages.py", "test_wall.py")
        item.add_marker(
            pytest.mark.xdist_group("browser" if browser else "e2e" if "tests/e2e/" in file else file)
        )


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """What a command sets up to log is that of its test alone."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's folder."""
    return ROOT


@pytest.fixture(scope="session")
def samples() -> ModuleType:
    """The module that makes sample sites, for the tests of pages."""
    name = "web_samples"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, ROOT / "tests" / "unit" / "web" / "sample.py")
        assert spec is not None and spec.loader is not None
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder with the data sets ``ltown`` and ``ferrara``: $TWUIN_DATA, else ../shared/data."""
    folder = Path(os.environ.get("TWUIN_DATA") or ROOT.parent / "shared" / "data").resolve()
    for name in ("ltown", "ferrara"):
        if not (folder / name).is_dir():
            _absent(f"no data set {name!r} in {folder}; name its parent folder with TWUIN_DATA")
    return folder


def _program(name: str) -> str:
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if path is None:
        _absent(f"{name} is not installed; deploy/setup/test-servers.sh installs it")
        raise AssertionError("unreachable")
    return path


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """Finds an installed program by name; in CI a missing one fails the test."""
    return _program


@pytest.fixture(scope="session")
def mosquitto() -> str:
    """Path of the mosquitto program."""
    return _program("mosquitto")


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the chromium program."""
    return _program("chromium")


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Gives a TCP port on 127.0.0.1 that nothing listens on, another one at each call."""

    def take() -> int:
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        s.close()
        return port

    return take


class Server:
    """A server on loopback in a folder of its own, which can be killed, stopped and started again.

    command: what to run. url: where it answers. ready: the path that answers 2xx once it is up.
    """

    def __init__(self, command: list[str], url: str, ready: str, log: Path) -> None:
        self.command, self.url, self._ready, self._log = command, url, ready, log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Run it, and wait until it answers."""
        assert self.process is None
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        give_up = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(self.url + self._ready, timeout=5):
                    return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > give_up:
                    said = self._log.read_text(errors="replace")[-2000:]
                    pytest.fail(f"{self.command[0]} does not answer at {self.url}: {said}", pytrace=False)
                time.sleep(0.02)

    def end(self, number: int = signal.SIGTERM) -> None:
        """Send it a signal that ends it (SIGKILL: at once), and wait."""
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _take_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


INFLUXDB_CONF = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  query-log-enabled = false
[monitor]
  store-enabled = false
[http]
  bind-address = "127.0.0.1:{port}"
  log-enabled = false
  auth-enabled = {auth}
  {more}
"""


@pytest.fixture(scope="session")
def new_influxdb() -> Iterator[Callable[..., Server]]:
    """Starts Debian's InfluxDB 1.6 in a folder.

    auth: with users and passwords. more: another line of its configuration, under ``[http]``.
    """
    binary = _program("influxd")
    started: list[Server] = []

    def start(folder: Path, *, auth: bool = False, more: str = "") -> Server:
        port, rpc = _take_port(), _take_port()
        conf = folder / "influxdb.conf"
        conf.write_text(
            INFLUXDB_CONF.format(folder=folder, port=port, rpc=rpc, auth=str(auth).lower(), more=more)
        )
        command = [binary, "-config", str(conf)]
        server = Server(command, f"http://127.0.0.1:{port}", "/ping", folder / "influxd.log")
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.end()


@pytest.fixture(scope="session")
def influxdb(new_influxdb: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory) -> Server:
    """One InfluxDB 1.6 for all tests that do not harm it: each takes a database of its own."""
    return new_influxdb(tmp_path_factory.mktemp("influxdb"))


@pytest.fixture(scope="session")
def victoria(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Debian's VictoriaMetrics, for the write path of InfluxDB 2."""
    folder, port = tmp_path_factory.mktemp("victoria"), _take_port()
    command = [
        _program("victoria-metrics"),
        f"-storageDataPath={folder / 'data'}",
        f"-httpListenAddr=127.0.0.1:{port}",
        "-retentionPeriod=100y",
        "-search.latencyOffset=0s",
    ]
    server = Server(command, f"http://127.0.0.1:{port}", "/health", folder / "victoria.log")
    server.start()
    yield server
    server.end(signal.SIGINT)


class WebServer:
    """An application behind a real web server on loopback, which can go away and come back where it was.

    stopping: set before it goes, so that open event streams end, and cleared as it comes. url: where it is,
    or will be.
    """

    def __init__(self, stopping: threading.Event | None = None) -> None:
        self._stopping = stopping or threading.Event()
        self.port = _take_port()
        # By this name browsers hold it for as safe as TLS: they keep its pages for when it is away.
        self.url = f"http://localhost:{self.port}"
        self.app: Any = None

    def start(self, app: Any = None) -> None:
        """Serve ``app`` (None: the one from before), and wait until it answers."""
        self.app = app or self.app
        self._stopping.clear()
        config = uvicorn.Config(
            self.app, port=self.port, log_level="warning", timeout_graceful_shutdown=2, lifespan="off"
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive()
            self._thread.join(0.01)

    def stop(self) -> None:
        """Go away."""
        self._stopping.set()
        self._server.should_exit = True
        self._thread.join(timeout=20)


class Served(WebServer):
    """A sample site behind a real server."""

    def __init__(self, sample: Any) -> None:
        super().__init__(sample.stopping)
        self.sample = sample
        self.start(sample.app)

    def wall(self, text: str) -> None:
        """Write the site's ``wall.toml``."""
        (self.sample.site.folder / "wall.toml").write_text(text)

    def find(self, *findings: Any) -> None:
        """These are found now, beside what was."""
        self.sample.findings.extend(findings)
        self.sample.alerts.apply(self.sample.findings)

    def close(self) -> None:
        """Go away for good."""
        self.stop()
        self.sample.store.close()


@pytest.fixture(scope="session")
def sample_server() -> type[Served]:
    """``sample_server(sample)`` serves a sample site until its ``close``."""
    return Served


@pytest.fixture(scope="session")
def web_server() -> type[WebServer]:
    """``web_server(stopping)`` makes one; its ``start(app)`` serves until its ``stop``."""
    return WebServer


class PostgreSQL:
    """A server of ours in a folder of its own, on a Unix socket. fsync is off: nothing outlives the tests."""

    def __init__(self) -> None:
        binaries = _postgresql_binaries()
        # It refuses to run as root, and whom it runs as must reach its folder: pytest's are root's own.
        self._as: dict[str, Any] = {}
        self.folder = Path(tempfile.mkdtemp(prefix="twuin-pg-"))
        if os.geteuid() == 0:
            owner = pwd.getpwnam("nobody")
            self._as = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        self._log = self.folder / "log"
        data = str(self.folder / "data")
        made = subprocess.run(
            [str(binaries / "initdb"), "-D", data, "-U", "twuin", "-A", "trust", "-E", "UTF8", "--no-sync"],
            cwd=self.folder,
            capture_output=True,
            text=True,
            **self._as,
        )
        if made.returncode:
            pytest.fail(f"initdb: {made.stderr[-2000:]}", pytrace=False)
        options = ("listen_addresses=", f"unix_socket_directories={self.folder}", "fsync=off")
        command = [str(binaries / "postgres"), "-D", data, *(f"--{o}" for o in options)]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self._as
            )
        self._databases = 0
        self._wait()

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://twuin@/{database}?host={self.folder}"

    def database(self) -> str:
        """URL of a new, empty database."""
        self._databases += 1
        name = f"test{self._databases}"
        self._sql(f"CREATE DATABASE {name} TEMPLATE template0")
        return self.url(name)

    def drop(self, url: str) -> None:
        """Remove a database, whoever is still connected."""
        name = url.split("@/", 1)[1].split("?", 1)[0]
        self._sql(f"DROP DATABASE {name} WITH (FORCE)")

    def disconnect(self, database: str) -> None:
        """Break all connections to a database, as a restart of the server does."""
        self._sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)  # without waiting for clients
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _sql(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(f"host={self.folder} user=twuin dbname=postgres", autocommit=True) as db:
            db.execute(statement.encode())

    def _wait(self) -> None:
        import psycopg

        give_up = time.monotonic() + 60
        while True:
            try:
                self._sql("SELECT 1")
                return
            except psycopg.OperationalError as e:
                if self.process.poll() is not None or time.monotonic() > give_up:
                    said = self._log.read_text(errors="replace")[-2000:]
                    pytest.fail(f"PostgreSQL does not answer: {e}; {said}", pytrace=False)
                time.sleep(0.02)


def _postgresql_binaries() -> Path:
    """Where initdb and postgres are: Debian keeps them apart, by version."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    if not versions:
        _absent("PostgreSQL is not installed; deploy/setup/test-servers.sh installs it")
    return versions[-1].parent


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A real PostgreSQL for all tests: each takes a database of its own (``database``)."""
    server = PostgreSQL()
    yield server
    server.stop()


@pytest.fixture
def postgresql_url(postgresql: PostgreSQL) -> Iterator[str]:
    """URL of an empty database in it."""
    url = postgresql.database()
    yield url
    postgresql.drop(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database, of each kind that Twuin runs on: for tests of what is kept in tables."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgresql_url"))
    return f"sqlite:///{tmp_path}/twuin.sqlite"


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes((*out, number))


def _field(number: int, value: int | float | bool | str | bytes) -> bytes:
    """A field of Protocol Buffers; a float as a double."""
    if isinstance(value, float):
        return _varint(number << 3 | 1) + struct.pack("<d", value)
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    raw = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(raw)) + raw


# Numbers of the fields of a metric (Sparkplug 3.0.0, section 6.4.1).
_METRIC = {
    "name": 1, "alias": 2, "t": 3, "datatype": 4, "historical": 5, "transient": 6, "null": 7,
    "int": 10, "long": 11, "double": 13, "boolean": 14, "string": 15,
}  # fmt: skip


@pytest.fixture(scope="session")
def sparkplug() -> Callable[..., bytes]:
    """Writes a payload of Sparkplug B with none of our code: time [ms], seq, and a dict for each metric."""

    def write(t: int, seq: int | None, *metrics: dict[str, Any]) -> bytes:
        body = _field(1, t)
        for metric in metrics:
            body += _field(2, b"".join(_field(_METRIC[key], value) for key, value in metric.items()))
        return body if seq is None else body + _field(3, seq)

    return write
