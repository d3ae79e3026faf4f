import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ingest.decoders.json_readings import JsonReadings
from ingest.devices import DeviceLog
from ingest.pipeline import Pipeline, RawMessage
from ingest.rejected import RejectedLog
from waterworks.errors import StoreError, StoreUnavailable
from waterworks.reading import instant
from waterworks.site import Site

NOW = instant("2026-11-21T12:00:00Z")
MS = 1_795_230_000_000
READINGS = "twuin/malang/d1/readings"
STATUS = "twuin/malang/d1/status"


def message(payload: Any, topic: str = READINGS) -> RawMessage:
    return RawMessage(topic, payload if isinstance(payload, bytes) else json.dumps(payload).encode())


def reading(minute: int = 0, value: Any = 36, sensor: str = "D1-IN") -> dict[str, Any]:
    return {"sensor": sensor, "time": MS + 60_000 * minute, "value": value}


@pytest.fixture
def devices(tmp_path: Path) -> DeviceLog:
    return DeviceLog(tmp_path / "devices.sqlite")


@pytest.fixture
def pipeline(site: Site, store: Any, rejected: RejectedLog, devices: DeviceLog) -> Pipeline:
    return Pipeline(site, store, rejected, devices=devices)


def test_a_group_is_one_append_however_many_messages(pipeline: Pipeline, store: Any) -> None:
    pipeline.commit(pipeline.prepare([message(reading(i)) for i in range(50)], NOW))
    assert store.calls == 1
    assert len(store.readings) == 50
    assert pipeline.stats.stored == 50


def test_the_same_messages_again_are_duplicates(pipeline: Pipeline, store: Any) -> None:
    for _ in range(2):
        pipeline.commit(pipeline.prepare([message(reading(0)), message(reading(1))], NOW))
    pipeline.commit(pipeline.prepare([message(reading(1, value=72))], NOW))
    stats = pipeline.stats
    assert (stats.stored, stats.duplicates, stats.replaced) == (2, 2, 1)


def test_bad_messages_cost_no_good_ones(pipeline: Pipeline, store: Any, rejected: RejectedLog) -> None:
    bad = [message(b"{"), message(reading(0), "twuin/x"), message(reading(1, sensor="NOWHERE")), message(b"")]
    good = [message(reading(i)) for i in range(4)]
    mixed = [m for pair in zip(bad, good, strict=True) for m in pair]
    pipeline.commit(pipeline.prepare(mixed, NOW))
    assert len(store.readings) == 4
    wanted = {"bad_json": 1, "unknown_topic": 1, "unknown_sensor": 1, "empty": 1}
    assert rejected.counts() == wanted == dict(pipeline.stats.rejected)
    assert {e.payload for e in rejected.list()} == {m.payload for m in bad}


def test_a_batch_with_many_bad_readings_is_kept_once_for_each_reason(
    pipeline: Pipeline, store: Any, rejected: RejectedLog
) -> None:
    items = [reading(i, sensor="NOWHERE" if i % 2 else "D1-IN") for i in range(100)]
    items[50]["value"] = None
    pipeline.commit(pipeline.prepare([message({"readings": items})], NOW))
    assert len(store.readings) == 49
    unknown, missing = sorted(rejected.list(), key=lambda e: -e.readings)
    assert (unknown.reason, unknown.readings) == ("unknown_sensor", 50)
    assert unknown.detail.startswith("reading 1: sensor 'NOWHERE'")
    assert "also 3, 5, 7" in unknown.detail
    assert (missing.reason, missing.readings) == ("not_finite", 1)
    assert missing.detail.startswith("reading 50:")
    assert pipeline.stats.rejected == {"unknown_sensor": 50, "not_finite": 1}


def test_rejections_find_their_own_message_among_empty_ones(
    pipeline: Pipeline, rejected: RejectedLog
) -> None:
    messages = [
        message(b""),
        message(reading(0)),
        message(b"{"),
        message(reading(1, sensor="A")),
        message(b""),
    ]
    messages += [message(reading(2, sensor="B")), message(b"{")]
    pipeline.commit(pipeline.prepare(messages, NOW))
    found = {e.detail.split("'")[1]: e.payload for e in rejected.list(reason="unknown_sensor")}
    assert found == {"A": messages[3].payload, "B": messages[5].payload}


@pytest.mark.parametrize("failure", [StoreUnavailable("busy"), StoreError("refused")])
def test_a_failed_commit_goes_on_where_it_stopped(
    pipeline: Pipeline, store: Any, rejected: RejectedLog, failure: Exception
) -> None:
    group = pipeline.prepare([message(reading(0)), message(b"{")], NOW)
    store.failures = [failure]
    with pytest.raises(type(failure)):
        pipeline.commit(group)
    assert not store.readings and not rejected.list()
    pipeline.commit(group)
    pipeline.commit(group)
    assert (len(store.readings), len(rejected.list()), store.calls) == (1, 1, 2)
    assert pipeline.stats.stored == 1 and pipeline.stats.rejected == {"bad_json": 1}


def test_rejections_that_cannot_be_kept_do_not_store_the_readings_twice(
    pipeline: Pipeline, store: Any, rejected: RejectedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = pipeline.prepare([message(reading(0)), message(b"{")], NOW)
    with monkeypatch.context() as m:

        def full(_: object) -> None:
            raise StoreUnavailable("disk full")

        m.setattr(rejected, "add", full)
        with pytest.raises(StoreUnavailable):
            pipeline.commit(group)
    pipeline.commit(group)
    assert (store.calls, len(rejected.list())) == (1, 1)


def test_a_message_our_code_stumbles_over_is_kept_and_the_rest_stored(
    pipeline: Pipeline, store: Any, rejected: RejectedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest: Callable[..., Any] = JsonReadings.decode

    def decode(self: JsonReadings, device: str, payload: bytes, out: Any) -> Any:
        if b"mine" in payload:
            raise ZeroDivisionError("oh")
        return honest(self, device, payload, out)

    monkeypatch.setattr(JsonReadings, "decode", decode)
    pipeline.commit(pipeline.prepare([message(b"mine"), message(reading(0))], NOW))
    assert len(store.readings) == 1
    [kept] = rejected.list()
    assert (kept.reason, kept.payload, kept.detail) == ("decoder_failed", b"mine", "ZeroDivisionError: oh")


def test_limits_on_one_message_hold(site: Site, store: Any, rejected: RejectedLog) -> None:
    pipeline = Pipeline(site, store, rejected, max_bytes=1000, max_readings=3)
    three = {"readings": [reading(i) for i in range(3)]}
    four = {"series": [{"sensor": "D1-IN", "times": [MS + i for i in range(4)], "values": [1] * 4}]}
    many = {"readings": [reading(i) for i in range(4)]}
    pipeline.commit(
        pipeline.prepare([message(three), message(four), message(many), message(b" " * 1001)], NOW)
    )
    assert len(store.readings) == 3
    assert rejected.counts() == {"too_many_readings": 2, "too_large": 1}


def test_a_device_is_known_by_its_birth_its_will_and_its_answers(
    pipeline: Pipeline, devices: DeviceLog, store: Any
) -> None:
    birth = {"state": "online", "time": "2026-11-21T18:59:00+07:00", "battery_v": 3.6, "sensors": ["D1-IN"]}
    answer = {"id": "c1", "ok": True, "interval_s": 60}
    pipeline.commit(
        pipeline.prepare([message(birth, STATUS), message(answer, "twuin/malang/d1/command/result")], NOW)
    )
    state = devices.all()["d1"]
    assert (state.state, state.battery_v, state.interval_s) == ("online", 3.6, 60)
    pipeline.commit(pipeline.prepare([message({"state": "offline"}, STATUS)], NOW))
    assert devices.all()["d1"].state == "offline"
    pipeline.commit(pipeline.prepare([message(b"", STATUS)], NOW))
    assert devices.all() == {}
    assert store.calls == 0
    assert pipeline.stats.statuses == 4


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        (STATUS, b"{", "bad_json"),
        (STATUS, b'{"state": "asleep"}', "wrong_type"),
        (STATUS, b'{"time": 1}', "wrong_type"),
        (STATUS, b'{"state": "online", "battery_v": NaN}', "wrong_type"),
        (STATUS, b'{"state": "online", "time": "2026-11-21T10:00:00"}', "no_zone"),
        (STATUS, b'{"state": "online", "time": 4000000000000000}', "bad_time"),
        (STATUS, b'{"state": "online", "firmware": "\xff"}', "bad_utf8"),
        (STATUS, b" " * 2_000_000, "too_large"),
        ("twuin/malang/d77/status", b'{"state": "online"}', "unknown_device"),
        ("twuin/malang/d1/command/result", b"", "empty"),
        ("twuin/malang/d1/command/result", b"{}", "wrong_type"),
    ],
)
def test_bad_words_of_a_device_about_itself_are_rejected(
    site: Site, store: Any, rejected: RejectedLog, devices: DeviceLog, topic: str, payload: bytes, reason: str
) -> None:
    sensors = tuple(s for s in site.sensors if s.device)
    strict = Site(site.id, site.name, site.timezone, (), sensors, site.folder)
    pipeline = Pipeline(strict, store, rejected, devices=devices)
    pipeline.commit(pipeline.prepare([message(payload, topic)], NOW))
    assert rejected.counts() == {reason: 1}
    assert devices.all() == {}


def test_commands_on_their_way_to_a_device_are_none_of_ours(
    pipeline: Pipeline, rejected: RejectedLog
) -> None:
    pipeline.commit(pipeline.prepare([message({"id": "c1"}, "twuin/malang/d1/command")], NOW))
    assert pipeline.stats.other == 1 and rejected.list() == []


def test_received_is_when_the_group_came(pipeline: Pipeline) -> None:
    group = pipeline.prepare([message(reading(0))], NOW)
    assert group.batch.received.tolist() == [NOW.astype(object)]
    assert group.batch.time[0] == np.datetime64(MS, "ms")


def test_topics_as_long_as_mqtt_allows_are_not_remembered(pipeline: Pipeline, rejected: RejectedLog) -> None:
    long = [message(b"{", f"twuin/malang/{i:060000}/readings") for i in range(300)]
    tracemalloc.start()
    try:
        pipeline.prepare(long, NOW)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after < 1_000_000
