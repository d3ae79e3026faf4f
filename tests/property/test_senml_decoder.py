"""Whatever bytes come as SenML, each record becomes a reading or a reason; and both forms say the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import cbor2
import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest.decoders.columns import Columns, Fault, Rejection
from ingest.decoders.senml import CBOR_LABELS, Senml
from ingest.pipeline import Pipeline, RawMessage
from ingest.reasons import Reason
from waterworks.names import ForeignName
from waterworks.reading import instant
from waterworks.site import Sensor, Site
from waterworks.units import Quantity

NOW = 1_795_230_000_000_000
LABELS = {name: number for number, name in CBOR_LABELS.items()}
BASES = {"bver", "bn", "bt", "bu", "bv", "bs"}
SITE = Site(
    "s",
    "S",
    ZoneInfo("UTC"),
    (),
    (Sensor("A", Quantity.FLOW, "m3/h", "D", ""),),
    Path(),
    names=(ForeignName("urn:x:b", "A", scale=2.0),),
)

finite = st.floats(-1e9, 1e9, allow_nan=False)
names = st.sampled_from(["A", "d/A", "urn:x:", "b", "Sensor é", "", "-"])
good = {
    "bn": st.sampled_from(["", "d/", "urn:x:"]),
    "bt": st.one_of(st.just(0), st.integers(1_500_000_000, 1_795_230_000)),
    "bu": st.sampled_from(["m3/h", "l/s", "Cel"]),
    "bv": finite,
    "bs": finite,
    "n": names,
    "u": st.sampled_from(["m3/h", "l/s", "lon", "C"]),
    "v": st.one_of(finite, st.integers(-(10**18), 10**18)),
    "vs": st.text(max_size=5),
    "vb": st.booleans(),
    "s": finite,
    "t": st.one_of(st.integers(-3600, 3600), finite),
    "ut": finite,
    "x": st.none(),
}
junk = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
sound = st.fixed_dictionaries({}, optional=good)
odd = st.dictionaries(st.sampled_from([*good, "vd", "bver", "y"]), junk, max_size=4)
records = st.lists(st.one_of(sound, sound, odd, junk), max_size=6)

Decode = Callable[[str, bytes, Columns, int], list[Fault]]


def run(decode: Decode, payload: bytes) -> tuple[Any, ...]:
    """Faults or the reason for the whole, and what came into the columns."""
    out = Columns()
    try:
        faults: Any = [(f.place, f.reason, f.readings) for f in decode("d", payload, out, NOW)]
    except Rejection as e:
        assert len(out) == 0
        assert isinstance(e.reason, Reason) and e.detail and "\n" not in e.detail
        faults = e.reason
    source, time, value, _ = out.arrays()
    places = [out.place(i) for i in range(len(out))]
    return faults, list(out.sources), source.tolist(), time.tolist(), [repr(v) for v in value], places


def in_cbor(pack: Any, labels: dict[str, int]) -> bytes:
    if not isinstance(pack, list):
        return cbor2.dumps(pack)
    return cbor2.dumps(
        [{labels.get(k, k): v for k, v in r.items()} if isinstance(r, dict) else r for r in pack]
    )


def carries_no_value(record: Any) -> bool:
    """Whether a record does nothing but set base fields."""
    core = set(record) & set(LABELS) if isinstance(record, dict) else set()
    return bool(core) and core <= BASES


@settings(max_examples=400)
@given(records)
@example([{"bn": "d/"}, {"n": "A", "v": 1}])
@example([{"bt": "x"}, {"n": "A", "v": 1}])
@example([{"n": "A", "v": 10**400}])
def test_each_record_is_a_reading_or_a_reason(pack: list[Any]) -> None:
    result = run(Senml().decode_json, json.dumps(pack).encode())
    if isinstance(result[0], Reason):
        return
    faulty, taken = [place for place, _, _ in result[0]], result[-1]
    accounted = sorted(faulty + taken)
    assert len(set(accounted)) == len(accounted)
    left = set(range(len(pack))) - set(accounted)
    assert all(carries_no_value(pack[place]) for place in left)


@settings(max_examples=400)
@given(records)
def test_cbor_says_what_json_says(pack: list[Any]) -> None:
    spelled = json.loads(json.dumps(pack))  # NaN and all, as JSON hands them on
    wanted = run(Senml().decode_json, json.dumps(pack).encode())
    assert run(Senml().decode_cbor, in_cbor(spelled, LABELS)) == wanted
    assert run(Senml().decode_cbor, in_cbor(spelled, {})) == wanted


@given(st.binary(max_size=300))
def test_no_bytes_whatever_upset_either_form(payload: bytes) -> None:
    run(Senml().decode_json, payload)
    run(Senml().decode_cbor, payload)


@settings(max_examples=400)
@given(records, st.data())
def test_damaged_packs_upset_neither_form(pack: list[Any], data: st.DataObject) -> None:
    for decode, payload in (
        (Senml().decode_json, json.dumps(pack).encode()),
        (Senml().decode_cbor, in_cbor(pack, LABELS)),
    ):
        at = data.draw(st.integers(0, len(payload) - 1))
        patch = data.draw(st.binary(max_size=4))
        run(decode, payload[:at] + patch + payload[at + data.draw(st.integers(0, 4)) :])


class Untouched:
    """A store that is not to be asked."""


@given(st.lists(st.tuples(st.sampled_from(["senml", "senml-cbor"]), records), min_size=1, max_size=4))
def test_every_record_of_a_group_is_stored_or_rejected(packs: list[tuple[str, list[Any]]]) -> None:
    pipeline = Pipeline(SITE, Untouched(), Untouched())  # type: ignore[arg-type]
    for channel, pack in packs:
        payload = json.dumps(pack).encode() if channel == "senml" else in_cbor(pack, LABELS)
        group = pipeline.prepare(
            [RawMessage(f"twuin/s/d/{channel}", payload)], instant(np.datetime64(NOW, "us"))
        )
        assert not [r for r in group.rejected if r.reason is Reason.DECODER_FAILED]
        of_message = [r for r in group.rejected if not r.detail.startswith("reading ")]
        if of_message:
            assert len(group.rejected) == 1 and not len(group.batch)
            continue
        values = sum(not carries_no_value(r) for r in pack)
        told = len(group.batch) + sum(r.readings for r in group.rejected)
        bad_bases = told - values  # records of base fields alone, of which one cannot be read
        assert 0 <= bad_bases <= len(pack) - values
