import json
import re
from pathlib import Path

import pytest

from ingest.decoders.columns import Columns, Rejection
from ingest.decoders.json_readings import MAX_BYTES, MAX_READINGS, JsonReadings
from ingest.reasons import Reason
from ingest.rejected import RejectedLog
from ingest.validate import BELIEVABLE
from waterworks.units import SI_UNIT, UNITS

MS = 1_795_230_000_000


def decode(payload: object) -> Columns:
    out = Columns()
    assert JsonReadings().decode("d1", json.dumps(payload).encode(), out) == []
    return out


def test_three_forms_of_the_same_readings_are_the_same() -> None:
    readings = [{"sensor": "A", "time": MS + i, "value": i, "unit": "L/s"} for i in range(3)]
    batch = decode({"readings": readings})
    series = decode(
        {"series": [{"sensor": "A", "unit": "L/s", "times": [MS, MS + 1, MS + 2], "values": [0, 1, 2]}]}
    )
    singles = Columns()
    for r in readings:
        JsonReadings().decode("d1", json.dumps(r).encode(), singles)
    for other in (series, singles):
        assert other.sources == batch.sources == {("d1", "A", "L/s"): 0}
        for a, b in zip(other.arrays(), batch.arrays(), strict=True):
            assert a.tolist() == b.tolist()


def test_one_sensor_in_two_units_keeps_them_apart() -> None:
    out = decode(
        {"readings": [{"sensor": "A", "time": MS, "value": 1, "unit": u} for u in ("L/s", "", "L/s")]}
    )
    assert out.arrays()[0].tolist() == [0, 1, 0]


def test_the_largest_allowed_message_is_taken_and_one_more_is_not() -> None:
    def of(n: int) -> bytes:
        return json.dumps({"series": [{"sensor": "A", "times": [MS] * n, "values": [1] * n}]}).encode()

    out = Columns()
    assert JsonReadings().decode("d1", of(MAX_READINGS), out) == []
    assert len(out) == MAX_READINGS
    with pytest.raises(Rejection) as e:
        JsonReadings().decode("d1", of(MAX_READINGS + 1), out)
    assert e.value.reason is Reason.TOO_MANY_READINGS
    assert len(out) == MAX_READINGS


def test_a_rejected_message_leaves_nothing_behind() -> None:
    out = Columns()
    series = [{"sensor": "A", "times": [MS], "values": [1]}] * 2
    with pytest.raises(Rejection):
        JsonReadings(max_readings=1).decode("d1", json.dumps({"series": series}).encode(), out)
    assert len(out) == 0


def test_every_reason_is_documented_and_no_other(root: Path) -> None:
    page = (root / "docs" / "mqtt.md").read_text()
    table = page[page.index("| reason | what is wrong |") :]
    named = re.findall(r"^\| `(\w+)` \|", table[: table.index("\n\n")], re.MULTILINE)
    assert sorted(named) == sorted(r.value for r in Reason)


def test_documented_units_and_ranges_are_those_of_the_code(root: Path) -> None:
    page = (root / "docs" / "mqtt.md").read_text()
    for quantity, names in UNITS.items():
        low, high = BELIEVABLE[quantity]
        si = "" if SI_UNIT[quantity] == "1" else f" {SI_UNIT[quantity]}"
        units = ", ".join(f"`{n}`" for n in names)
        assert f"| {quantity.value} | {units} | {low:g} to {high:g}{si} |" in page


def test_documented_limits_are_those_of_the_code(root: Path, tmp_path: Path) -> None:
    page = (root / "docs" / "mqtt.md").read_text()
    assert f"at most {MAX_BYTES // 2**20} MiB and {MAX_READINGS:,} readings" in page
    log = RejectedLog(tmp_path / "r.sqlite")
    assert f"Rejected messages take {log.max_bytes // 2**20} MiB at most" in page
    assert f"its first {log.max_payload // 2**10} KiB are kept" in page


def test_documented_examples_are_taken(root: Path) -> None:
    page = (root / "docs" / "mqtt.md").read_text()
    readings = page[page.index("## Readings") : page.index("## Status")]
    examples = re.findall(r"```json\n(.*?)```", readings, re.DOTALL)
    assert len(examples) == 3
    for example in examples:
        out = Columns()
        assert JsonReadings().decode("logger-7", example.encode(), out) == []
        assert len(out)
