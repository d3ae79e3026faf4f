"""The broker as deploy/mosquitto runs it, and everybody whom it must refuse."""

from __future__ import annotations

import csv
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from ingest.access.grants import of_device, of_foreign, of_manager
from ingest.access.identities import Identities, Role
from ingest.access.setup import password_file, prepare
from ingest.store.embedded import open_store
from ingest.topics import escape
from waterworks.site_folder import read_site

pytestmark = pytest.mark.servers

HOST, SITE = "127.0.0.1", "malang"
ODD = 'logger "7": #1 +ä'
"""A device id with all that a file of users, a file of rights or a topic could stumble over."""


class Broker:
    """deploy/mosquitto/run.sh in a folder of its own, on a free port."""

    def __init__(self, root: Path, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.identities = Identities(folder)
        prepare(folder, SITE, "main", ["localhost", HOST], datetime.now(UTC))
        conf = (root / "deploy/mosquitto/mosquitto.conf").read_text()
        assert conf.count("listener 8883\n") == 1
        conf = conf.replace("listener 8883\n", f"listener {port} {HOST}\n")
        conf += "log_type information\n"  # which tells of reading anew
        if os.geteuid() == 0:
            conf += "user root\n"  # as root Mosquitto becomes a user who may not read the test's folder
        (folder / "test.conf").write_text(conf)
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [root / "deploy/mosquitto/run.sh", folder, folder / "test.conf"],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(self._answers, lambda: f"the broker answers: {self.log.read_text()}")

    def _answers(self) -> bool:
        assert self._process.poll() is None, self.log.read_text()
        with socket.socket() as s:
            return s.connect_ex((HOST, self.port)) == 0

    def stop(self) -> int:
        self._process.terminate()
        try:
            return self._process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            raise

    def reloaded(self, change: Callable[[], Any]) -> Any:
        """Do ``change`` and wait until the broker has read its files anew."""
        before = self.log.read_text().count("Reloading config")
        result = change()
        until(lambda: self.log.read_text().count("Reloading config") > before, lambda: "reloaded")
        return result

    def device(self, name: str) -> tuple[str, str]:
        made, secret = self.identities.add(
            Role.DEVICE, name, SITE, of_device(SITE, name), datetime.now(UTC), renew=True
        )
        return made.user, secret


class Client:
    """An MQTT 5 client, which is told why it is refused."""

    def __init__(self, broker: Broker, user: str = "", secret: str = "", *, name: str = "", tls: bool = True):
        self.heard: list[tuple[str, bytes]] = []
        self.codes: list[str] = []
        self.ended: list[str] = []
        self._connected: list[ReasonCode] = []
        self._acks: list[str] = []
        self.paho = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=name, protocol=paho.MQTTv5)
        if user:
            self.paho.username_pw_set(user, secret)
        if tls:
            self.paho.tls_set(str(broker.folder / "certs/ca.crt"))
        self.paho.on_connect = lambda c, u, f, code, p: self._connected.append(code)
        self.paho.on_disconnect = lambda c, u, f, code, p: self.ended.append(str(code))
        self.paho.on_message = lambda c, u, m: self.heard.append((m.topic, m.payload))
        self.paho.on_publish = lambda c, u, mid, code, p: self._acks.append(str(code))
        self.paho.on_subscribe = lambda c, u, mid, codes, p: self.codes.extend(str(x) for x in codes)
        self.paho.connect(HOST, broker.port)
        self.paho.loop_start()
        until(lambda: bool(self._connected or self.ended), lambda: "an answer to CONNECT")

    @property
    def refused(self) -> str:
        """Why the broker did not let it in, "" where it did."""
        if not self._connected:
            return "cut off"
        return str(self._connected[0]) if self._connected[0].is_failure else ""

    def publish(self, topic: str, payload: bytes = b"{}", retain: bool = False) -> str:
        """The broker's answer: "taken", or why not."""
        self._acks.clear()
        self.paho.publish(topic, payload, qos=1, retain=retain, properties=Properties(3))
        until(lambda: bool(self._acks), lambda: f"an answer to PUBLISH on {topic}")
        return "taken" if self._acks[0] in ("Success", "No matching subscribers") else self._acks[0]

    def subscribe(self, *topics: str) -> None:
        self.codes.clear()
        self.paho.subscribe([(t, paho.SubscribeOptions(qos=1)) for t in topics])
        until(lambda: len(self.codes) == len(topics), lambda: "SUBACK")

    def close(self) -> None:
        self.paho.disconnect()
        self.paho.loop_stop()


def until(done: Callable[[], bool], what: Callable[[], str], patience_s: float = 30.0) -> None:
    deadline = time.monotonic() + patience_s
    while not done():
        assert time.monotonic() < deadline, f"still not: {what()}"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def broker(root: Path, mosquitto: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with socket.socket() as s:
        s.bind((HOST, 0))
        port = s.getsockname()[1]
    running = Broker(root, tmp_path_factory.mktemp("broker"), port)
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def logins(broker: Broker) -> dict[str, tuple[str, str]]:
    """Devices d1, d2 and an odd one, a gateway, an edge node, a manager and the ingest process."""

    def add() -> dict[str, tuple[str, str]]:
        made = {name: broker.device(name) for name in ("d1", "d2", ODD)}
        now = datetime.now(UTC)
        gateway, secret = broker.identities.add(
            Role.DEVICE, "gateway", SITE, of_foreign(["pdam/reservoir 3/#"]), now
        )
        edge, hidden = broker.identities.add(
            Role.DEVICE, "rtu-9", SITE, of_foreign(["spBv1.0/PDAM/+/rtu-9/#"]), now
        )
        manager, other = broker.identities.add(Role.MANAGER, "office", SITE, of_manager(SITE), now)
        return made | {
            "gateway": (gateway.user, secret),
            "edge": (edge.user, hidden),
            "manager": (manager.user, other),
        }

    made = broker.reloaded(add)
    secret = password_file(broker.folder, "main").read_text().strip()
    return {**made, "ingest": ("@ingest-main", secret)}


@pytest.fixture
def client(broker: Broker, logins: dict[str, tuple[str, str]]) -> Iterator[Callable[..., Client]]:
    made: list[Client] = []

    def connect(who: str = "", secret: str | None = None, **more: Any) -> Client:
        user, known = logins.get(who, (who, ""))
        made.append(Client(broker, user, known if secret is None else secret, **more))
        return made[-1]

    yield connect
    for each in made:
        each.close()


def own(device: str, channel: str = "readings") -> str:
    return f"twuin/{SITE}/{escape(device)}/{channel}"


@pytest.mark.parametrize("who", ["d1", ODD])
def test_a_device_publishes_its_readings_and_hears_its_commands(
    client: Callable[..., Client], who: str
) -> None:
    ingest, device, office = client("ingest"), client(who), client("manager")
    ingest.subscribe("twuin/#")
    device.subscribe(own(who, "command"))
    for channel in ("readings", "senml", "senml-cbor", "status", "command/result"):
        assert device.publish(own(who, channel)) == "taken"
    assert office.publish(own(who, "command"), b"go") == "taken"
    until(lambda: len(ingest.heard) == 6, lambda: f"all six heard: {ingest.heard}")
    until(lambda: device.heard == [(own(who, "command"), b"go")], lambda: f"heard: {device.heard}")


def test_an_edge_node_publishes_as_itself_and_hears_what_it_is_asked(client: Callable[..., Client]) -> None:
    ingest, edge = client("ingest"), client("edge")
    ingest.subscribe("spBv1.0/#")
    edge.subscribe("spBv1.0/#")
    assert edge.publish("spBv1.0/PDAM/DDATA/rtu-9/meter") == "taken"
    assert ingest.publish("spBv1.0/PDAM/NCMD/rtu-8", b"not for it") == "taken"
    assert ingest.publish("spBv1.0/PDAM/NCMD/rtu-9", b"births") == "taken"
    until(lambda: ("spBv1.0/PDAM/NCMD/rtu-9", b"births") in edge.heard, lambda: f"heard: {edge.heard}")
    assert [topic for topic, _ in edge.heard] == ["spBv1.0/PDAM/NCMD/rtu-9"]
    assert edge.publish("spBv1.0/PDAM/DDATA/rtu-8/meter") == "Not authorized"
    assert "spBv1.0/PDAM/DDATA/rtu-8/meter" not in [topic for topic, _ in ingest.heard]


@pytest.mark.parametrize(
    ("who", "secret"),
    [("", ""), ("d1", ""), ("d1", "wrong"), ("nobody", "x"), ("d1:", "x"), ("@ingest-main", "")],
)
def test_who_has_no_or_wrong_credentials_is_refused(
    client: Callable[..., Client], who: str, secret: str
) -> None:
    assert client(who, secret).refused == "Not authorized"


def test_a_user_name_of_two_lines_is_cut_off(client: Callable[..., Client]) -> None:
    assert client("d1\n@ingest-main", "x").refused == "cut off"


def test_a_device_with_anothers_password_is_refused(
    client: Callable[..., Client], logins: dict[str, tuple[str, str]]
) -> None:
    assert client("d1", logins["d2"][1]).refused == "Not authorized"


@pytest.mark.parametrize(
    "topic",
    [
        own("d2"),
        own("d2", "status"),
        own("d1", "command"),
        own("d1", "receipt"),
        own("d2", "command"),
        own("d1") + "/more",
        f"twuin/other/{'d1'}/readings",
        "twuin/malang",
        "anything",
        "$SYS/broker/uptime",
    ],
)
def test_a_device_cannot_publish_but_under_its_own_topics(client: Callable[..., Client], topic: str) -> None:
    ingest, device = client("ingest"), client("d1")
    ingest.subscribe("#", "$SYS/broker/uptime")
    assert device.publish(topic, b"forged", retain=True) == "Not authorized"
    assert device.publish(own("d1"), b"true") == "taken"
    until(lambda: (own("d1"), b"true") in ingest.heard, lambda: "its own message")
    assert b"forged" not in [payload for _, payload in ingest.heard]


def test_a_device_hears_no_others_commands_nor_readings_whatever_it_subscribes_to(
    client: Callable[..., Client],
) -> None:
    spy, device, office = client("d2"), client("d1"), client("manager")
    spy.subscribe(
        "#", "twuin/#", own("d1", "command"), own("d1"), f"$share/x/{own('d1', 'command')}", "$SYS/#"
    )
    assert office.publish(own("d1", "command"), b"for d1") == "taken"
    assert device.publish(own("d1"), b"of d1") == "taken"
    assert device.publish(own("d1", "status"), b"kept", retain=True) == "taken"
    assert office.publish(own("d2", "command"), b"for d2") == "taken"
    until(lambda: (own("d2", "command"), b"for d2") in spy.heard, lambda: "its own command")
    assert {topic for topic, _ in spy.heard} == {own("d2", "command")}


def test_a_device_hears_its_own_receipts_which_none_but_the_ingest_can_send(
    client: Callable[..., Client],
) -> None:
    ingest, device, spy = client("ingest"), client("d1"), client("d2")
    ingest.subscribe("twuin/#")
    device.subscribe(own("d1", "receipt"))
    spy.subscribe("#", own("d1", "receipt"))
    assert client("manager").publish(own("d1", "receipt"), b"forged", retain=True) == "Not authorized"
    assert ingest.publish(own("d1", "receipt"), b"stored", retain=True) == "taken"
    assert ingest.publish(own("ingest-main", "heartbeat"), b"beat") == "taken"
    until(lambda: device.heard == [(own("d1", "receipt"), b"stored")], lambda: f"heard: {device.heard}")
    until(lambda: (own("ingest-main", "heartbeat"), b"beat") in ingest.heard, lambda: "its heartbeat")
    assert spy.heard == []
    assert ingest.publish(own("d1", "command"), b"forged") == "Not authorized"


def test_a_gateway_publishes_where_it_may_and_nowhere_else(client: Callable[..., Client]) -> None:
    gateway = client("gateway")
    assert gateway.publish("pdam/reservoir 3/level", b"2.4") == "taken"
    assert gateway.publish("pdam/reservoir 4/level", b"2.4") == "Not authorized"
    assert gateway.publish(own("d1")) == "Not authorized"


def test_nobody_takes_over_the_session_of_another_by_its_client_id(client: Callable[..., Client]) -> None:
    ingest = client("ingest", name="twuin-ingest-malang-main")
    client("d1", name="twuin-ingest-malang-main")
    client("d2", name="@ingest-main")
    ingest.subscribe("twuin/#")
    assert not ingest.ended


def test_plain_text_on_the_tls_port_is_refused(broker: Broker) -> None:
    with socket.create_connection((HOST, broker.port), timeout=10) as s:
        s.sendall(b"\x10\x11\x00\x04MQTT\x04\x02\x00\x0a\x00\x05plain")
        s.settimeout(10)
        try:
            answer = s.recv(64)
        except ConnectionResetError:
            answer = b""
    assert answer[:1] != b"\x20", "a CONNACK"


def test_who_does_not_trust_the_authority_does_not_connect(broker: Broker) -> None:
    with pytest.raises(ssl.SSLCertVerificationError), socket.create_connection((HOST, broker.port)) as s:
        ssl.create_default_context().wrap_socket(s, server_hostname="localhost")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_tls_is_refused(broker: Broker, version: ssl.TLSVersion) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with pytest.raises((ssl.SSLError, OSError)), socket.create_connection((HOST, broker.port)) as s:
        context.wrap_socket(s)


def test_who_is_revoked_is_thrown_out_and_stays_out_until_it_is_added_again(
    broker: Broker, client: Callable[..., Client]
) -> None:
    user, secret = broker.reloaded(lambda: broker.device("d3"))
    device = client(user, secret)
    assert device.publish(own("d3")) == "taken"
    broker.reloaded(lambda: broker.identities.revoke("d3", datetime.now(UTC)))
    until(lambda: bool(device.ended), lambda: "thrown out")
    device.close()
    assert client(user, secret).refused == "Not authorized"
    again, fresh = broker.reloaded(lambda: broker.device("d3"))
    assert (again, client(user, secret).refused) == (user, "Not authorized"), "its old password is gone"
    assert client(user, fresh).refused == ""


def test_the_health_check_of_the_deployment_sees_the_broker(
    broker: Broker, program: Callable[[str], str]
) -> None:
    options = broker.folder / "health/mosquitto_sub"
    options.write_text(options.read_text().replace("-p 8883", f"-p {broker.port}"))
    done = subprocess.run(
        [program("mosquitto_sub"), "-t", "$SYS/broker/uptime", "-C", "1", "-W", "20"],
        env={**os.environ, "XDG_CONFIG_HOME": str(broker.folder / "health")},
        cwd=broker.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "seconds" in done.stdout


def test_the_simulated_town_comes_through_it_into_the_store(
    broker: Broker, root: Path, tmp_path: Path
) -> None:
    """As an installation does it: by the command line alone."""
    site = root / "firmware_sim" / "demo_town"
    environment = {
        **os.environ,
        "PYTHONPATH": str(root),
        "TWUIN_SITE": str(site),
        "TWUIN_BROKER_DIR": str(broker.folder),
        "TWUIN_DATA_DIR": str(tmp_path / "data"),
        "TWUIN_MQTT__PORT": str(broker.port),
        "TWUIN_MQTT__TLS": "true",
        "TWUIN_MQTT__CA_FILE": str(broker.folder / "certs/ca.crt"),
        "TWUIN_MQTT__USERNAME": "@ingest-town",
        "TWUIN_MQTT__PASSWORD_FILE": str(password_file(broker.folder, "town")),
    }

    def twuin(*words: str) -> list[str]:
        return [sys.executable, "-m", "twuin", *words]

    def run(*words: str) -> str:
        done = subprocess.run(
            twuin(*words), env=environment, capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def set_up() -> None:
        said = run("broker", "init", "--host", HOST, "--name", "town")
        assert "kept the broker's certificate" in said
        run("device", "add", "--all", "--out", "logins.csv")

    broker.reloaded(set_up)
    assert (tmp_path / "logins.csv").stat().st_mode & 0o777 == 0o600
    with (tmp_path / "logins.csv").open() as file:
        devices = [row["device"] for row in csv.DictReader(file)]
    assert len(devices) == 27
    log = tmp_path / "ingest.log"
    with log.open("wb") as said:
        command = twuin("ingest", "--name", "town")
        ingest = subprocess.Popen(command, env=environment, stderr=said, stdout=said, cwd=tmp_path)
    try:
        until(lambda: "Readings of" in log.read_text(), log.read_text)
        told = run("simulate", "--days", "0.05", "--speed", "max", "--logins", "logins.csv")
        sent = int(re.findall(r"([\d,]+) readings sent", told)[0].replace(",", ""))
        assert sent > 300
        names = [s.id for s in read_site(site).sensors]
        with closing(open_store(tmp_path / "data")) as store:
            until(lambda: len(store.latest(names)) == len(names), log.read_text)
        broker.reloaded(lambda: run("device", "revoke", devices[-1]))
        done = subprocess.run(
            twuin("simulate", "--days", "0.05", "--speed", "max", "--logins", "logins.csv"),
            env=environment, capture_output=True, text=True, check=True, cwd=tmp_path, timeout=120,
        )  # fmt: skip
        assert "does not let device" in done.stderr
        assert f"1 device not let in by the broker: {devices[-1]}" in done.stderr
    finally:
        ingest.terminate()
        ingest.wait(30)
    assert "not authori" not in log.read_text().lower()


def test_it_ends_when_the_broker_does_and_says_why(broker: Broker, root: Path) -> None:
    """Its port is taken by the first one."""
    done = subprocess.run(
        [root / "deploy/mosquitto/run.sh", broker.folder, broker.folder / "test.conf"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode != 0
    assert "Address already in use" in done.stderr


def test_it_does_not_start_in_a_folder_that_nothing_has_filled(root: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [root / "deploy/mosquitto/run.sh", tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "passwords is missing: run `twuin broker init` first" in done.stderr
