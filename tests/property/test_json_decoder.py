"""Whatever comes, the decoder answers with readings or reasons; and its two ways agree."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.decoders.columns import Columns, Fault, Rejection
from ingest.decoders.json_readings import JsonReadings
from ingest.decoders.salvage import salvage
from ingest.pipeline import Pipeline, RawMessage
from ingest.topics import Channel, Topic, build, parse
from waterworks.reading import instant
from waterworks.site import Sensor, Site
from waterworks.units import Quantity

SITE = Site("s", "S", ZoneInfo("UTC"), (), (Sensor("A", Quantity.FLOW, "m3/h", "D", ""),), Path())
NOW = instant("2026-11-21T12:00:00Z")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
instants = st.integers(10**13, 4 * 10**15).map(lambda us: EPOCH + timedelta(microseconds=us))
zones = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))
texts = st.builds(lambda t, z: t.astimezone(z).isoformat(), instants, zones)
millis = st.integers(10**10, 4 * 10**12)
times = st.one_of(texts, millis)
values = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(10**18), 10**18))
sensors = st.sampled_from(["A", "B", "Sensor é"])
units = st.sampled_from(["m3/h", "bar", ""])
marks = st.sampled_from(["good", "suspect"])
readings = st.fixed_dictionaries(
    {"sensor": sensors, "time": times, "value": values}, optional={"unit": units, "quality": marks}
)
columns = st.lists(st.tuples(times, values), min_size=1, max_size=5).map(
    lambda rows: {"times": [r[0] for r in rows], "values": [r[1] for r in rows]}
)
series = st.builds(
    lambda s, c, u, q: {"sensor": s, "unit": u, "quality": q, **c}, sensors, columns, units, marks
)
messages = st.one_of(
    readings,
    st.fixed_dictionaries(
        {"readings": st.lists(readings, min_size=1, max_size=5)}, optional={"seq": st.integers()}
    ),
    st.fixed_dictionaries({"series": st.lists(series, min_size=1, max_size=3)}),
)

anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=10), times, sensors),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(["sensor", "time", "value", "unit", "quality", "readings", "series", "times",
                             "values", "device", "seq", "x"]), inner, max_size=5),
    ),
    max_leaves=20,
)  # fmt: skip


def state(out: Columns) -> tuple[Any, ...]:
    source, time, value, quality = out.arrays()
    return list(out.sources), source.tolist(), time.tolist(), [repr(v) for v in value], quality.tolist()


def run(way: Any, payload: bytes) -> tuple[Any, ...]:
    out = Columns()
    try:
        faults: Any = [(f.place, f.reason, f.readings) for f in way(payload, out)]
    except Rejection as e:
        faults = e.reason
        assert len(out) == 0
    return faults, state(out)


def fast(payload: bytes, out: Columns) -> list[Fault]:
    return JsonReadings().decode("d", payload, out)


def slow(payload: bytes, out: Columns) -> list[Fault]:
    return salvage("d", payload, out, 10_000)


@given(messages)
def test_sound_messages_lose_nothing_and_both_ways_agree(message: dict[str, Any]) -> None:
    payload = json.dumps(message).encode()
    faults, columns = run(fast, payload)
    assert faults == []
    assert (faults, columns) == run(slow, payload)
    rows = message.get("readings") or [message]
    wanted = sum(len(s["times"]) for s in message["series"]) if "series" in message else len(rows)
    assert len(columns[1]) == wanted


@given(texts)
def test_a_time_of_any_zone_is_the_instant_it_names(text: str) -> None:
    out = Columns()
    JsonReadings().decode("d", json.dumps({"sensor": "A", "time": text, "value": 1}).encode(), out)
    assert out.arrays()[1][0] == instant(text)


@settings(max_examples=400)
@given(anything)
def test_any_json_is_taken_the_same_way_by_both(message: Any) -> None:
    payload = json.dumps(message).encode()
    assert run(fast, payload) == run(slow, payload)


@given(st.one_of(st.binary(max_size=200), anything.map(lambda m: json.dumps(m).encode()[:-1])))
def test_no_bytes_whatever_upset_the_decoder(payload: bytes) -> None:
    run(fast, payload)


class Untouched:
    """A store that is not to be asked."""


@given(
    st.lists(st.tuples(st.sampled_from(["readings", "status", "command/result", "x"]), anything), max_size=6)
)
def test_every_reading_of_a_group_is_stored_or_rejected(group: list[tuple[str, Any]]) -> None:
    messages = [RawMessage(f"twuin/s/d/{channel}", json.dumps(m).encode()) for channel, m in group]
    prepared = Pipeline(SITE, Untouched(), Untouched()).prepare(messages, NOW)  # type: ignore[arg-type]
    assert not [r for r in prepared.rejected if r.reason == "decoder_failed"]
    spoken_for = {r.payload for r in prepared.rejected}
    for m, (channel, _) in zip(messages, group, strict=True):
        alone = Pipeline(SITE, Untouched(), Untouched()).prepare([m], NOW)  # type: ignore[arg-type]
        if channel == "readings":
            assert len(alone.batch) or m.payload in spoken_for


@given(st.text(min_size=1, max_size=30), st.text(min_size=1, max_size=30), st.sampled_from(Channel))
def test_topics_of_any_ids_come_back(site: str, device: str, channel: Channel) -> None:
    assert parse(build(site, device, channel)) == Topic(site, device, channel)
