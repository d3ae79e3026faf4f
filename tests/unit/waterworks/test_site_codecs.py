"""``codecs.csv``: what it says of the bytes of uplinks, and how each mistake in it is named."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waterworks.codecs import TYPES, ByteField, fields_for
from waterworks.site_codecs import CODECS_OPTIONAL, CODECS_REQUIRED, read_codecs
from waterworks.site_folder import check_site, read_site
from waterworks.tables import Problems

# ``folder`` is the fixture of conftest.py: a right site to be spoilt.


def test_a_line_is_a_number_at_its_place(folder: Any) -> None:
    folder.write(
        "codecs.csv",
        "device,port,name,byte,type,mask,missing,scale,offset,unit\n"
        "A84041*,2,BatV,0,u16be,0x3FFF,,0.001,,V\n"
        "a84041*,,level,4,I16LE,,-32768,0.1,5,cm\n",
    )
    assert check_site(folder.path) == []
    assert read_site(folder.path).codecs == (
        ByteField("A84041*", "BatV", 0, TYPES["u16be"], 2, 0x3FFF, None, 0.001, 0.0, "V"),
        ByteField("a84041*", "level", 4, TYPES["i16le"], None, 0, -32768, 0.1, 5.0, "cm"),
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (",,x,0,u8,,,,,", "device is empty"),
        ("*,,,0,u8,,,,,", "name is empty"),
        ("*,,x,,u8,,,,,", "byte is empty"),
        ("*,,x,one,u8,,,,,", "byte 'one' is not a whole number"),
        ("*,,x,-1,u8,,,,,", "byte '-1' is not from 0 to 254"),
        ("*,,x,254,u16be,,,,,", "u16be from byte 254 goes beyond byte 254"),
        ("*,,x,0,u16,,,,,", "unknown type 'u16': write u16be where the high byte comes first"),
        ("*,,x,0,double,,,,,", "unknown type 'double'"),
        ("*,256,x,0,u8,,,,,", "port '256' is not from 0 to 255"),
        ("*,,x,0,u8,0x100,,,,", "mask '0x100' has no bit of u8"),
        ("*,,x,0,u8,0,,,,", "mask '0' has no bit of u8"),
        ("*,,x,0,i8,1,,,,", "write u8 in place of i8"),
        ("*,,x,0,f32be,,7,,,", "mask and missing are for whole numbers"),
        ("*,,x,0,u8,,,0,,", "scale is 0"),
        ("*,,x,0,u8,,,,,furlong", "unknown unit 'furlong'"),
        ("A,,ok,0,u8,,,,,", "name 'ok' of 'A' is there already, on line 2"),
    ],
)
def test_a_mistake_is_named_by_line(folder: Any, line: str, message: str) -> None:
    head = "device,port,name,byte,type,mask,missing,scale,offset,unit\na,,ok,0,u8,,,,,\n"
    folder.write("codecs.csv", head + line + "\n")
    found = [(p.file, p.line, p.message) for p in check_site(folder.path)]
    assert [(f, n) for f, n, m in found if message in m] == [("codecs.csv", 3)], found


def test_every_column_is_described(root: Any) -> None:
    text = (root / "docs" / "formats.md").read_text(encoding="utf-8")
    assert all(f"| `{column}`" in text for column in (*CODECS_REQUIRED, *CODECS_OPTIONAL))
    assert all(f"`{name}`" in text for name in ("u8", "i8", "u16be", "i24le", "f32be", "f64le"))


def test_the_example_of_the_description_is_read_as_it_stands(root: Any, tmp_path: Any) -> None:
    text = (root / "docs" / "formats.md").read_text(encoding="utf-8")
    [block] = [b for b in text.split("\n\n") if b.startswith("    device,")]
    (tmp_path / "codecs.csv").write_text("\n".join(line[4:] for line in block.splitlines()) + "\n")
    problems = Problems("codecs.csv")
    fields = read_codecs(tmp_path / "codecs.csv", problems)
    assert not problems.found and len(fields) == 3
    battery, level, flow = fields
    payload = bytes.fromhex("cc1c 0019 0000a041")
    assert battery.read(payload) == pytest.approx(3.1)  # 0xCC1C & 0x3FFF = 3100
    assert level.read(payload) == pytest.approx(2.5)
    assert flow.read(payload) == pytest.approx(20.0)


_FORMATS = {
    "u8": "B", "i8": "b", "u16be": ">H", "u16le": "<H", "i16be": ">h", "i16le": "<h", "u32be": ">I",
    "u32le": "<I", "i32be": ">i", "i32le": "<i", "u64be": ">Q", "u64le": "<Q", "i64be": ">q", "i64le": "<q",
    "f32be": ">f", "f32le": "<f", "f64be": ">d", "f64le": "<d",
}  # fmt: skip


@given(st.sampled_from(sorted(TYPES)), st.integers(0, 20), st.binary(max_size=32))
def test_numbers_are_read_as_struct_reads_them(name: str, at: int, payload: bytes) -> None:
    field = ByteField("*", "x", at, TYPES[name])
    if at + field.type.size > len(payload):
        with pytest.raises(ValueError, match="there are"):
            field.read(payload)
        return
    value = field.read(payload)
    if name not in _FORMATS:  # of 24 bits: those of 32, with the sign put before
        raw = payload[at : at + 3]
        raw = raw if name.endswith("be") else raw[::-1]
        sign = b"\xff" if name[0] == "i" and raw[0] > 127 else b"\0"
        assert value == struct.unpack(">i" if name[0] == "i" else ">I", sign + raw)[0]
        return
    [wanted] = struct.unpack_from(_FORMATS[name], payload, at)
    assert value == float(wanted) or (math.isnan(wanted) and value is not None and math.isnan(value))


def test_fields_are_chosen_by_device_or_kind_and_port() -> None:
    fields = [
        ByteField("24E124*", "a", 0, TYPES["u8"]),
        ByteField("*", "b", 0, TYPES["u8"], 2),
        ByteField("Dragino LDDS*", "c", 0, TYPES["u8"]),
    ]
    assert [f.name for f in fields_for(fields, "24e12400", "", 1)] == ["a"]
    assert [f.name for f in fields_for(fields, "24e12400", "", 2)] == ["a", "b"]
    assert [f.name for f in fields_for(fields, "ffff", "Dragino LDDS75", 3)] == ["c"]
