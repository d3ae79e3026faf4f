"""An MQTT broker of one's own, on loopback: Mosquitto where it is installed, else amqtt."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Literal

from waterworks.errors import BrokerError

HOST = "127.0.0.1"
QUEUE_BYTES = 256 * 2**20
"""What Mosquitto keeps at most for each client that is away or slow: a day of 1,000 devices and more."""

_READY_S = 15.0
_STOP_S = 5.0
_TETHER = Path(__file__).with_name("tether.py")
_SBIN = (os.defpath, "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")

Kind = Literal["mosquitto", "amqtt"]


class RunningBroker:
    """A broker that runs as a child of this process, and ends with it. Usable in a ``with`` statement."""

    def __init__(self, port: int, kind: Kind, command: list[str], log: Path) -> None:
        self.host = HOST
        self.port = port
        self.kind = kind
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._failure: OSError | None = None
        started = threading.Event()
        # The child is tied to the thread that starts it, not to the process (prctl(2)): so that thread
        # has to stay. A session of its own keeps Ctrl-C from it, which would end it before its clients.
        self._thread = threading.Thread(
            target=self._tend, args=(command, started), name=f"{kind}-{port}", daemon=True
        )
        self._thread.start()
        started.wait()
        if self._failure is not None:
            raise BrokerError(f"{kind} cannot be started: {self._failure}") from self._failure

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End the broker; it writes what it holds to disk first. Stopping twice is allowed."""
        process = self._process
        if process is None or not self.alive:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def last_words(self) -> str:
        """The end of its log, in one line."""
        try:
            lines = self.log.read_text(errors="replace").split("\n")
        except OSError:
            return ""
        return " / ".join([line.strip() for line in lines if line.strip()][-3:])

    def __enter__(self) -> RunningBroker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _tend(self, command: list[str], started: threading.Event) -> None:
        tethered = [sys.executable, "-I", "-S", str(_TETHER), str(os.getpid()), *command]
        try:
            with self.log.open("wb") as out:
                self._process = subprocess.Popen(
                    tethered,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as e:
            self._failure = e
            return
        finally:
            started.set()
        self._process.wait()


def find_mosquitto() -> str | None:
    """Path of the mosquitto program. Debian puts it into /usr/sbin, which is on no user's path."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path=os.pathsep.join(_SBIN))


def start_broker(folder: Path, port: int, *, kind: Kind | None = None) -> RunningBroker:
    """Start a broker on 127.0.0.1 that keeps its state in ``folder``; returns when it takes connections.

    port: 0 for any free one. kind: None for Mosquitto where there is one, else amqtt.
    Raises BrokerError when the port is taken, the folder cannot be written or there is no broker.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise BrokerError(f"folder {folder} of the MQTT broker cannot be made: {e.strerror}") from e
    port = _claim(port)
    mosquitto = find_mosquitto() if kind != "amqtt" else None
    if mosquitto is not None:
        config = folder / "mosquitto.conf"
        try:
            config.write_text(mosquitto_config(folder, port))
        except OSError as e:
            raise BrokerError(f"{config} cannot be written: {e.strerror}") from e
        broker = RunningBroker(port, "mosquitto", [mosquitto, "-c", str(config)], folder / "mosquitto.log")
    elif kind == "mosquitto":
        raise BrokerError("mosquitto is not installed: install it (Debian: apt install mosquitto)")
    elif importlib.util.find_spec("amqtt") is None:
        raise BrokerError(
            "no MQTT broker on this machine: install mosquitto (Debian: apt install mosquitto) "
            "or the Python package (pip install '.[demo]' in a copy of Twuin's source)"
        )
    else:
        command = [sys.executable, "-P", "-m", "ingest.amqtt_child", HOST, str(port)]
        broker = RunningBroker(port, "amqtt", command, folder / "amqtt.log")
    _wait_ready(broker)
    return broker


def mosquitto_config(folder: Path, port: int) -> str:
    """Configuration of a Mosquitto 2 that loses nothing it was given, within ``QUEUE_BYTES`` a client."""
    lines = [
        f"listener {port} {HOST}",
        "allow_anonymous true",
        "persistence true",
        f"persistence_location {folder.resolve()}/",
        "autosave_interval 10",
        "persistent_client_expiration 30d",
        # its defaults drop what is beyond 1,000 messages without a word, and send 20 before an answer
        "max_queued_messages 0",
        f"max_queued_bytes {QUEUE_BYTES}",
        "max_inflight_messages 0",
        "max_packet_size 8388608",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        "log_type notice",
        "connection_messages false",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        lines.append("user root")  # as root it would change to a user that may not write into the folder
    return "\n".join(lines) + "\n"


def _claim(port: int) -> int:
    """``port``, or a free one for 0. BrokerError when something listens there."""
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind((HOST, port))
        except PermissionError:
            raise BrokerError(f"port {port} may not be used by this user: choose one above 1023") from None
        except OSError:
            raise BrokerError(
                f"port {port} on {HOST} is in use: end what listens there or choose another port"
            ) from None
        found: int = s.getsockname()[1]
        return found


def _wait_ready(broker: RunningBroker) -> None:
    """Return once the broker answers a CONNECT; BrokerError when it ends before, or never does."""
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline:
        if not broker.alive:
            raise BrokerError(f"{broker.kind} ended at once: {broker.last_words() or 'it did not say why'}")
        if _answers(broker.port):
            return
        time.sleep(0.05)
    broker.stop()
    raise BrokerError(f"{broker.kind} did not answer within {_READY_S:.0f} s: {broker.last_words()}")


def _answers(port: int) -> bool:
    """Whether a CONNECT of MQTT 3.1.1 (clean session, client id "ready") is answered with CONNACK 0."""
    body = b"\x00\x04MQTT\x04\x02\x00\x0a\x00\x05ready"
    try:
        with socket.create_connection((HOST, port), timeout=1.0) as s:
            s.sendall(b"\x10" + bytes([len(body)]) + body)
            answer = s.recv(4)
            s.sendall(b"\xe0\x00")
            return answer == b"\x20\x02\x00\x00"
    except OSError:
        return False
