"""Brokers of one's own: real ones, on loopback."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest import broker as broker_module
from ingest.broker import HOST, Kind, mosquitto_config, start_broker
from waterworks.errors import BrokerError

pytestmark = pytest.mark.servers

KINDS: list[Kind] = ["mosquitto", "amqtt"]


def gone(pid: int) -> bool:
    """Whether a process has ended (it may still wait to be reaped)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def until(done: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline, f"still not: {what}"
        time.sleep(0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_a_broker_answers_when_started_and_is_gone_when_stopped(
    mosquitto: str, tmp_path: Path, kind: Kind
) -> None:
    with start_broker(tmp_path / "broker", 0, kind=kind) as broker:
        assert broker.kind == kind and broker.alive
        pid = broker.pid
        socket.create_connection((HOST, broker.port)).close()
    assert not broker.alive and gone(pid)
    broker.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, broker.port))


@pytest.mark.parametrize("kind", KINDS)
def test_a_broker_ends_with_its_parent_even_when_that_is_killed(
    mosquitto: str, tmp_path: Path, kind: Kind
) -> None:
    code = (
        "import sys, time, threading; from pathlib import Path; from ingest.broker import start_broker\n"
        "def start():\n"
        "    print(start_broker(Path(sys.argv[1]), 0, kind=sys.argv[2]).pid, flush=True)\n"
        "t = threading.Thread(target=start); t.start(); t.join(); time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), kind], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert not gone(child)  # although the thread that started it has ended
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    until(lambda: gone(child), "the broker has ended")


def test_ctrl_c_in_the_terminal_reaches_the_parent_only(mosquitto: str, tmp_path: Path) -> None:
    with start_broker(tmp_path, 0) as broker:
        assert os.getpgid(broker.pid) != os.getpgid(0)


def test_mosquitto_is_preferred_and_amqtt_does_without(
    mosquitto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with start_broker(tmp_path, 0) as broker:
        assert broker.kind == "mosquitto"
    monkeypatch.setattr(broker_module, "find_mosquitto", lambda: None)
    with start_broker(tmp_path, 0) as broker:
        assert broker.kind == "amqtt"


def test_mosquitto_is_found_where_debian_puts_it(mosquitto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert broker_module.find_mosquitto() == mosquitto


def test_without_any_broker_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_module, "find_mosquitto", lambda: None)
    monkeypatch.setattr(broker_module.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(BrokerError, match=r"apt install mosquitto.*'\.\[demo\]'"):
        start_broker(tmp_path, 0)
    with pytest.raises(BrokerError, match="apt install mosquitto"):
        start_broker(tmp_path, 0, kind="mosquitto")


def test_a_port_in_use_is_named_in_one_line(mosquitto: str, tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BrokerError, match=f"port {port} on {HOST} is in use") as e:
            start_broker(tmp_path, port)
    assert "\n" not in str(e.value)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BrokerError, match=r"file.broker.*cannot be made"):
        start_broker(tmp_path / "file" / "broker", 0)


def test_a_broker_that_fails_at_once_is_quoted(
    mosquitto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker_module, "mosquitto_config", lambda *_: "no_such_option true\n")
    with pytest.raises(BrokerError, match=r"mosquitto ended at once: .*no_such_option"):
        start_broker(tmp_path, 0)


def test_what_mosquitto_would_drop_in_silence_is_set(tmp_path: Path) -> None:
    config = mosquitto_config(tmp_path, 1883).splitlines()
    assert "listener 1883 127.0.0.1" in config
    assert {"persistence true", "max_queued_messages 0", "max_inflight_messages 0"} <= set(config)
    assert any(line.startswith("max_queued_bytes ") for line in config)
