"""Two utilities at one real Mosquitto with Twuin's rights: no identity of one reaches the other's."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.properties import Properties

from ingest.access.grants import Grants, heard, of_device, of_ingest, of_manager
from ingest.access.identities import Identities, Role
from ingest.access.setup import password_file, prepare
from waterworks.site_folder import read_site

pytestmark = pytest.mark.servers

HOST = "127.0.0.1"
LOGGER = "LOGGER-1"  # both have a device of this name
NOW = datetime(2026, 11, 1, tzinfo=UTC)


def until(done: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline, f"still not: {what}"
        time.sleep(0.02)


class Client:
    """An MQTT 5 client, which is told why it is refused."""

    def __init__(self, folder: Path, port: int, user: str, secret: str) -> None:
        self.heard: list[str] = []
        self._acks: list[str] = []
        self._codes: list[Any] = []
        self.paho = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self.paho.username_pw_set(user, secret)
        self.paho.tls_set(str(folder / "certs/ca.crt"))
        self.paho.on_message = lambda c, u, m: self.heard.append(m.topic)
        self.paho.on_publish = lambda c, u, mid, code, p: self._acks.append(str(code))
        self.paho.on_subscribe = lambda c, u, mid, codes, p: self._codes.extend(codes)
        self.paho.connect(HOST, port)
        self.paho.loop_start()
        until(self.paho.is_connected, f"{user} is let in")

    def publish(self, topic: str) -> bool:
        """Whether the broker took it."""
        self._acks.clear()
        self.paho.publish(topic, b"{}", qos=1, properties=Properties(3))
        until(lambda: bool(self._acks), f"an answer to PUBLISH on {topic}")
        return self._acks[0] in ("Success", "No matching subscribers")

    def subscribe(self, *topics: str) -> None:
        self._codes.clear()
        self.paho.subscribe([(t, paho.SubscribeOptions(qos=1)) for t in topics])
        until(lambda: len(self._codes) == len(topics), "SUBACK")

    def close(self) -> None:
        self.paho.disconnect()
        self.paho.loop_stop()


class Town:
    """A broker with the identities of two sites."""

    def __init__(self, root: Path, folder: Path, port: int) -> None:
        self.folder, self.port = folder / "broker", port
        self.sites = {}
        for id in ("kota", "desa"):
            at = folder / id
            at.mkdir()
            (at / "site.toml").write_text(
                f'id = "{id}"\nname = "{id}"\ntimezone = "Asia/Jakarta"\n[listen]\nplain = ["pdam/{id}/#"]\n'
                f'sparkplug = ["spBv1.0/{id}/#"]\n'
            )
            (at / "dmas.csv").write_text("id,name,connections\nD1,Pusat,900\n")
            (at / "sensors.csv").write_text(
                f"id,quantity,unit,dma,device,role\nD1-IN,flow,m3/h,D1,{LOGGER},inlet\n"
            )
            self.sites[id] = read_site(at)
        self.logins: dict[tuple[str, str], tuple[str, str]] = {}
        identities = Identities(self.folder)
        for id, site in self.sites.items():
            prepare(self.folder, id, id, ["localhost", HOST], NOW, heard=heard(site))
            self.logins[id, "ingest"] = (f"@ingest-{id}", password_file(self.folder, id).read_text().strip())
            for what, role, name, grants in (
                ("device", Role.DEVICE, LOGGER, of_device(id, LOGGER)),
                ("manager", Role.MANAGER, "office", of_manager(id)),
            ):
                made, secret = identities.add(role, name, id, grants, NOW)
                self.logins[id, what] = (made.user, secret)
        made, secret = identities.add(Role.INGEST, "sees-all", "", Grants(("#",), ("#",)), NOW)
        self.logins["", "all"] = (made.user, secret)
        conf = (root / "deploy/mosquitto/mosquitto.conf").read_text()
        conf = conf.replace("listener 8883\n", f"listener {port} {HOST}\n")
        if os.geteuid() == 0:
            conf += "user root\n"
        (self.folder / "test.conf").write_text(conf)
        self.log = (self.folder / "log").open("wb")
        self.process = subprocess.Popen(
            [root / "deploy/mosquitto/run.sh", self.folder, self.folder / "test.conf"],
            stdout=self.log,
            stderr=self.log,
        )
        until(self._answers, "the broker answers")

    def _answers(self) -> bool:
        with socket.socket() as s:
            return s.connect_ex((HOST, self.port)) == 0

    def client(self, site: str, what: str) -> Client:
        return Client(self.folder, self.port, *self.logins[site, what])


@pytest.fixture(scope="module")
def town(root: Path, mosquitto: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with socket.socket() as s:
        s.bind((HOST, 0))
        port = s.getsockname()[1]
    running = Town(root, tmp_path_factory.mktemp("town"), port)
    yield running
    running.process.terminate()
    running.process.wait(20)
    running.log.close()


DESA = (
    f"twuin/desa/{LOGGER}/readings",
    f"twuin/desa/{LOGGER}/status",
    f"twuin/desa/{LOGGER}/command",
    f"twuin/desa/{LOGGER}/command/result",
    f"twuin/desa/{LOGGER}/receipt",
    "twuin/desa/ingest-desa/heartbeat",
    "pdam/desa/level",
    "spBv1.0/desa/NDATA/node",
    "spBv1.0/desa/NCMD/node",
)
"""All that is said at Desa."""

WIDE = ("#", "twuin/#", "twuin/+/+/readings", "+/desa/#", "twuin/desa/#", "pdam/#", "spBv1.0/#", *DESA)
"""How one may ask to hear it."""


def test_two_devices_of_one_name_are_two_users(town: Town) -> None:
    assert town.logins["kota", "device"][0] == LOGGER
    assert town.logins["desa", "device"][0] == f"desa@{LOGGER}"


@pytest.mark.parametrize("who", ["device", "manager", "ingest"])
def test_nobody_of_one_site_publishes_anything_at_another(town: Town, who: str) -> None:
    one = town.client("kota", who)
    assert [t for t in DESA if one.publish(t)] == []
    # Each may publish something at home: it was not refused for being nobody.
    assert any(one.publish(t.replace("desa", "kota")) for t in DESA)
    one.close()


@pytest.mark.parametrize("who", ["device", "manager", "ingest"])
def test_nobody_of_one_site_hears_anything_of_another(town: Town, who: str) -> None:
    one, tells = town.client("kota", who), town.client("", "all")
    one.subscribe(*WIDE, *(t.replace("desa", "kota") for t in DESA))
    for topic in DESA:
        assert tells.publish(topic)
    for topic in DESA:  # the last of them shows that the others would have come by now
        assert tells.publish(topic.replace("desa", "kota"))
    until(lambda: any("kota" in t for t in one.heard), "something of home is heard")
    last = town.client("kota", who)
    last.close()
    assert [t for t in one.heard if "desa" in t] == []
    one.close()
    tells.close()


def test_who_may_hear_all_hears_both(town: Town) -> None:
    """So silence above is the broker's refusal, and not nobody speaking."""
    ears, tells = town.client("", "all"), town.client("desa", "device")
    ears.subscribe("#")
    assert tells.publish(DESA[0])
    until(lambda: DESA[0] in ears.heard, "it is heard")
    ears.close()
    tells.close()


def test_the_ingest_of_a_broker_of_ones_own_hears_everything_as_before() -> None:
    assert of_ingest("kota").read == ("#",)
    assert "spBv1.0/+/NCMD/+" in of_ingest("kota").write


def test_a_shared_subscription_can_be_robbed_by_whoever_may_connect(town: Town) -> None:
    """Mosquitto gives each message of a shared subscription to one member, and drops it where that one may
    not hear it: why sites at one broker may not share subscriptions (`twuin sites check`)."""
    ears, thief, tells = (
        town.client("desa", "ingest"),
        town.client("kota", "device"),
        town.client("desa", "device"),
    )
    group = "$share/twuin-desa/twuin/desa/#"
    ears.subscribe(group)
    thief.subscribe(group)
    for _ in range(20):
        assert tells.publish(DESA[0])
    until(lambda: bool(ears.heard), "some are heard")
    assert tells.publish(DESA[1])
    ears.subscribe("twuin/desa/+/status")
    assert thief.heard == []
    assert len([t for t in ears.heard if t == DESA[0]]) < 20
    for one in (ears, thief, tells):
        one.close()
