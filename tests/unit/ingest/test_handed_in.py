"""Messages that do not come from a broker: durable when the call returns, or the caller hears that not."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ingest.clocks.quarantine import Quarantine
from ingest.devices import DeviceLog
from ingest.handed_in import HandIn
from ingest.ledger.book import Ledger
from ingest.rejected import RejectedLog
from ingest.spool.behind import SpooledStore, SpoolOptions
from ingest.spool.look import look
from ingest.stats import Stats
from waterworks.codecs import TYPES, ByteField
from waterworks.errors import NotFound, StoreUnavailable, WrongInput
from waterworks.listen import Listening
from waterworks.names import ForeignName, Format
from waterworks.reading import instant
from waterworks.site import Site

NOW = instant("2026-11-21T12:00:00Z")
MS = 1_795_230_000_000
READINGS = "twuin/malang/d1/readings"


class Still:
    def now(self) -> np.datetime64:
        return NOW


def payload(minute: int = 0, value: Any = 36, sensor: str = "D1-IN", **more: Any) -> bytes:
    return json.dumps({"sensor": sensor, "time": MS + 60_000 * minute, "value": value, **more}).encode()


Make = Callable[..., HandIn]


@pytest.fixture
def make(site: Site, store: Any, rejected: RejectedLog, tmp_path: Path) -> Iterator[Make]:
    opened: list[HandIn] = []

    def one(site: Site = site, **options: Any) -> HandIn:
        spool = SpoolOptions(
            tmp_path / "spool" / options.pop("name", "@http"),
            keep_free_bytes=0, retry_s=0.005, retry_most_s=0.02, **options,
        )  # fmt: skip
        opened.append(
            HandIn(
                site, store, rejected, Still(), spool,
                devices=DeviceLog(tmp_path / "devices.sqlite"),
                quarantine=Quarantine(tmp_path / "quarantine.sqlite"),
                ledger=Ledger(tmp_path / "ledger.sqlite", site.timezone),
            )
        )  # fmt: skip
        return opened[-1]

    yield one
    for each in opened:
        each.close()


def test_a_message_is_stored_when_the_call_returns_and_again_it_is_the_same(make: Make, store: Any) -> None:
    hand_in = make()
    for _ in range(2):
        taken = hand_in.take(READINGS, payload())
        assert taken == (1, False, 0, 0, [])
        assert list(store.readings.values()) == [(0.01, 0)]
    assert hand_in.stats.duplicates == 1


def test_what_is_wrong_is_told_and_kept_and_costs_nothing_else(
    make: Make, store: Any, rejected: RejectedLog
) -> None:
    both = json.dumps({"readings": [json.loads(payload()), json.loads(payload(1, sensor="NOWHERE"))]})
    taken = make().take(READINGS, both.encode())
    assert taken.readings == 1 and [r.reason for r in taken.refused] == ["unknown_sensor"]
    assert rejected.counts() == {"unknown_sensor": 1} and len(store.readings) == 1


def test_states_and_times_that_cannot_be_right_go_where_those_of_mqtt_go(make: Make, store: Any) -> None:
    hand_in = make()
    state = {"state": "online", "time": MS, "battery_v": 3.5}
    assert hand_in.take("twuin/malang/d1/status", json.dumps(state).encode()).states == 1
    assert hand_in.devices is not None and hand_in.devices.all()["d1"].battery_v == 3.5
    ahead = hand_in.take(READINGS, payload(60 * 24 * 30))
    assert (ahead.readings, ahead.held, ahead.refused) == (0, 1, []) and not store.readings


def test_while_the_store_is_away_readings_wait_and_then_go_there_by_themselves(
    make: Make, store: Any, tmp_path: Path
) -> None:
    hand_in = make()
    store.failures += [StoreUnavailable("away")] * 40
    taken = [hand_in.take(READINGS, payload(k)) for k in range(5)]
    assert all(t.readings == 1 and t.waiting for t in taken)
    done = threading.Event()
    for _ in range(3000):
        if len(store.readings) == 5:
            break
        done.wait(0.01)
    assert len(store.readings) == 5


def test_what_waits_when_the_process_ends_is_taken_over(make: Make, store: Any, tmp_path: Path) -> None:
    hand_in = make()
    store.failures += [StoreUnavailable("away")] * 1_000_000
    assert hand_in.take(READINGS, payload()).waiting
    hand_in.close()
    (left,) = look(tmp_path / "spool")
    assert (left.name, left.running, left.readings) == ("@http", False, 1)
    store.failures.clear()
    # An ingest process of the same folder looks for what others left behind.
    main = SpooledStore(store, SpoolOptions(tmp_path / "spool" / "main", keep_free_bytes=0), Stats())
    done = threading.Event()
    for _ in range(3000):
        if store.readings:
            break
        done.wait(0.01)
    main.close()
    assert len(store.readings) == 1


def test_where_neither_store_nor_spool_takes_it_the_caller_hears_so(
    make: Make, store: Any, rejected: RejectedLog
) -> None:
    hand_in = make(max_bytes=0)
    store.failures.append(StoreUnavailable("InfluxDB does not answer"))
    with pytest.raises(StoreUnavailable, match="InfluxDB does not answer"):
        hand_in.take(READINGS, payload())
    assert hand_in.take(READINGS, payload()).readings == 1
    hand_in.close()
    with pytest.raises(StoreUnavailable, match="about to end"):
        hand_in.take(READINGS, payload())


def test_a_second_process_with_the_same_spool_takes_nothing(make: Make) -> None:
    make().take(READINGS, payload())
    with pytest.raises(StoreUnavailable):
        make().take(READINGS, payload(1))


def test_many_threads_lose_nothing(make: Make, store: Any) -> None:
    hand_in, failed = make(), list[BaseException]()

    def send(first: int) -> None:
        try:
            for k in range(25):
                hand_in.take(READINGS, payload(first + k))
        except BaseException as e:
            failed.append(e)

    threads = [threading.Thread(target=send, args=(100 * n,)) for n in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failed and len(store.readings) == 100 and hand_in.stats.stored == 100


@pytest.mark.parametrize("topic", ["", "twuin/malang/+/readings", "twuin/#", "twuin/malang/d1/readings\0"])
def test_no_topic_to_publish_to(make: Make, topic: str) -> None:
    with pytest.raises(WrongInput, match="no topic"):
        make().take(topic, payload())


@pytest.mark.parametrize("kind", ["command", "receipt", "heartbeat"])
def test_what_no_device_sends_is_refused_and_not_passed_over(make: Make, kind: str) -> None:
    with pytest.raises(WrongInput, match="MQTT broker"):
        make().take(f"twuin/malang/d1/{kind}", b'{"id": "1", "interval_s": 60}')


def test_what_a_site_listens_to_is_taken_and_nothing_else(make: Make, site: Site, store: Any) -> None:
    root = Path(__file__).parents[2] / "golden" / "chirpstack" / "example_of_the_manual"
    topic, body = (root / "topic").read_text().strip(), (root / "payload.json").read_bytes()
    with pytest.raises(NotFound, match=r"\[listen\]"):
        make().take(topic, body)
    lora = replace(
        site,
        listen=(
            Listening("application/+/device/+/event/up", Format.CHIRPSTACK),
            Listening("spBv1.0/#", Format.SPARKPLUG),
        ),
        codecs=(ByteField("0101010101010101", "level", 0, TYPES["u8"], 1),),
        names=(ForeignName("level", "TANK", Format.CHIRPSTACK, "0101010101010101", "cm"),),
    )
    hand_in = make(lora, name="@other")
    assert hand_in.take(topic, body).readings == 1
    assert [name for name, _ in store.readings] == ["TANK"]
    with pytest.raises(WrongInput, match="MQTT broker"):
        hand_in.take("spBv1.0/group/DDATA/node/device", b"")
    with pytest.raises(NotFound):
        hand_in.take(topic.replace("/up", "/join"), body)
