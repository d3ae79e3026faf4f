"""SenML beside its golden cases: bounds, units, times, and what the documentation shows."""

from __future__ import annotations

import json
import re
import tracemalloc
from pathlib import Path

import cbor2
import pytest

from ingest.decoders.columns import Columns, Rejection
from ingest.decoders.json_readings import MAX_READINGS
from ingest.decoders.senml import CBOR_LABELS, MAX_NAME, Senml
from ingest.decoders.senml_units import OTHERWISE, twuin_unit
from ingest.reasons import Reason
from ingest.topics import Channel
from waterworks.errors import UnitError
from waterworks.units import Quantity, conversion

NOW = 1_795_230_000_000_000

# IANA's registries of units of SenML (RFC 8428 section 12.1) and of secondary units (RFC 8798).
REGISTERED = {
    "m", "kg", "g", "s", "A", "K", "cd", "mol", "Hz", "rad", "sr", "N", "Pa", "J",
    "W", "C", "V", "F", "Ohm", "S", "Wb", "T", "H", "Cel", "lm", "lx", "Bq", "Gy",
    "Sv", "kat", "m2", "m3", "l", "m/s", "m/s2", "m3/s", "l/s", "W/m2", "cd/m2", "bit", "bit/s", "lat",
    "lon", "pH", "dB", "dBW", "Bspl", "count", "/", "%", "%RH", "%EL", "EL", "1/s", "1/min", "beat/min",
    "beats", "S/m", "B", "VA", "VAs", "var", "vars", "J/m", "kg/m3", "deg", "NTU", "ms", "min", "h",
    "MHz", "kW", "kVA", "kvar", "Ah", "Wh", "kWh", "varh", "kvarh", "kVAh", "Wh/km", "KiB", "GB", "Mbit/s",
    "B/s", "MB/s", "mV", "mA", "dBm", "ug/m3", "mm/h", "m/h", "ppm", "/100", "/1000", "hPa", "mm", "cm",
    "km", "km/h",
}  # fmt: skip

# What those that measure something of Twuin's are in SI, by the registry's own words.
MEANT: dict[tuple[str, Quantity], float] = {
    ("m3/s", Quantity.FLOW): 1.0,
    ("l/s", Quantity.FLOW): 1e-3,
    ("Pa", Quantity.PRESSURE): 1 / 9806.65,
    ("hPa", Quantity.PRESSURE): 100 / 9806.65,
    **{(u, Quantity.PRESSURE): f for u, f in (("m", 1.0), ("cm", 0.01), ("mm", 0.001))},
    **{(u, Quantity.LEVEL): f for u, f in (("m", 1.0), ("cm", 0.01), ("mm", 0.001))},
    ("m3", Quantity.VOLUME): 1.0,
    ("l", Quantity.VOLUME): 1e-3,
    ("Cel", Quantity.TEMPERATURE): 1.0,
    ("K", Quantity.TEMPERATURE): 1.0,
    ("V", Quantity.VOLTAGE): 1.0,
    ("mV", Quantity.VOLTAGE): 1e-3,
    ("dBm", Quantity.SIGNAL): 1.0,
    ("/", Quantity.RATIO): 1.0,
    **{(u, Quantity.RATIO): 0.01 for u in ("%", "/100", "%RH")},
}


def test_every_registered_unit_means_to_twuin_what_the_registry_says_or_nothing() -> None:
    found = {}
    for symbol in REGISTERED - set(OTHERWISE):
        for quantity in Quantity:
            try:
                found[symbol, quantity] = conversion(twuin_unit(symbol), quantity).factor
            except UnitError:
                continue
    assert found == {k: pytest.approx(v, rel=1e-12) for k, v in MEANT.items()}


def test_a_unit_that_people_mean_otherwise_is_refused_before_any_alias_takes_it() -> None:
    for symbol in OTHERWISE:
        out = Columns()
        pack = json.dumps([{"n": "T", "u": symbol, "v": 20}]).encode()
        [fault] = Senml().decode_json("d", pack, out, NOW)
        assert (fault.reason, len(out)) == (Reason.UNKNOWN_UNIT, 0)


def pack(count: int) -> list[dict[str, object]]:
    return [{"n": "A", "t": 1_795_230_000 + i, "v": i} for i in range(count)]


def test_bounds_hold_in_both_forms() -> None:
    labels = {name: number for number, name in CBOR_LABELS.items()}
    for count, size in ((MAX_READINGS + 1, 2**20), (1, 10)):
        records = pack(count)
        out, senml = Columns(), Senml(max_bytes=size)
        wanted = Reason.TOO_LARGE if size == 10 else Reason.TOO_MANY_READINGS
        with pytest.raises(Rejection) as e:
            senml.decode_json("d", json.dumps(records).encode(), out, NOW)
        assert e.value.reason is wanted
        with pytest.raises(Rejection) as e:
            senml.decode_cbor(
                "d", cbor2.dumps([{labels[k]: v for k, v in r.items()} for r in records]), out, NOW
            )
        assert e.value.reason is wanted
        assert len(out) == 0
    out = Columns()
    assert Senml().decode_json("d", json.dumps(pack(MAX_READINGS)).encode(), out, NOW) == []
    assert len(out) == MAX_READINGS


def test_a_pack_that_must_not_be_used_leaves_nothing_behind() -> None:
    for last in ({"n": "A", "v": 1, "x_": 0}, {"n": "A", "v": 1, "bver": 11}):
        out = Columns()
        with pytest.raises(Rejection) as e:
            Senml().decode_json("d", json.dumps([*pack(3), last]).encode(), out, NOW)
        assert e.value.reason is Reason.UNSUPPORTED
        assert len(out) == 0


def test_a_long_base_name_is_not_multiplied_by_the_records_that_rest_on_it() -> None:
    records: list[dict[str, object]] = [{"bn": "a" * 500_000}]
    records += [{"n": str(i), "v": 1} for i in range(9_000)]
    payload, out = json.dumps(records).encode(), Columns()
    tracemalloc.start()
    try:
        faults = Senml().decode_json("d", payload, out, NOW)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert {f.reason for f in faults} == {Reason.BAD_NAME}
    assert (len(faults), len(out)) == (9_000, 0)
    assert peak < 50 * 2**20
    for length, taken in ((MAX_NAME, 1), (MAX_NAME + 1, 0)):
        out = Columns()
        Senml().decode_json("d", json.dumps([{"n": "a" * length, "v": 1}]).encode(), out, NOW)
        assert len(out) == taken


def test_microseconds_of_a_time_come_through() -> None:
    out = Columns()
    Senml().decode_json(
        "d", b'[{"bt":1.795230000123456e9,"n":"A","v":1},{"n":"A","t":-0.000001,"v":1}]', out, NOW
    )
    assert out.arrays()[1].astype(int).tolist() == [NOW + 123_456, NOW + 123_455]


def test_documented_examples_are_taken_and_say_the_same(root: Path) -> None:
    page = (root / "docs" / "mqtt.md").read_text()
    [text] = re.findall(r"```senml\n(.*?)```", page, re.DOTALL)
    [dump] = re.findall(r"```senml-cbor\n(.*?)```", page, re.DOTALL)
    binary = bytes.fromhex("".join(line.split(";")[0] for line in dump.splitlines()))
    outs = Columns(), Columns()
    assert Senml().decode_json("logger-7", text.encode(), outs[0], 0) == []
    assert Senml().decode_cbor("logger-7", binary, outs[1], 0) == []
    one, other = ([list(o.sources), *(a.tolist() for a in o.arrays())] for o in outs)
    assert one == other
    assert [s.sensor for s in outs[0].sources] == ["D1-IN", "D1-P1"]


def test_documented_topics_are_those_of_the_code(root: Path) -> None:
    page = (root / "docs" / "mqtt.md").read_text()
    named = re.findall(r"^\| `twuin/\{site\}/\{device\}/([\w/-]+)` \|", page, re.MULTILINE)
    assert sorted(named) == sorted(c.value for c in Channel)
