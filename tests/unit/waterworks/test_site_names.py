"""``names.csv``: what it says, which line counts, and how each mistake in it is named."""

from __future__ import annotations

from typing import Any

import pytest

from waterworks.errors import Severity
from waterworks.names import ForeignName, Format, Meaning, Names
from waterworks.site_folder import check_site, read_site

# ``folder`` is the fixture of conftest.py: a right site to be spoilt. Its F1 belongs to LOG-1.


def errors(folder: Any) -> list[tuple[str, int | None, str]]:
    return [(p.file, p.line, p.message) for p in check_site(folder.path) if p.severity is Severity.ERROR]


def test_names_become_sensors_units_and_scales(folder: Any) -> None:
    folder.write(
        "names.csv",
        "name;sensor;format;source;unit;scale;offset\n"
        "urn:dev:ow:10e2:flow;F1;SenML;LOG-1;CMH;;\n"
        "druk 1;P1;;;;0,5;-1\n",
    )
    assert check_site(folder.path) == []
    assert read_site(folder.path).names == (
        ForeignName("urn:dev:ow:10e2:flow", "F1", Format.SENML, "LOG-1", "m3/h"),
        ForeignName("druk 1", "P1", None, "", "", 0.5, -1.0),
    )


def test_a_site_without_the_table_has_no_names(folder: Any) -> None:
    assert read_site(folder.path).names == ()


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("name,id\nx,F1\n", 1, "unknown column 'id'"),
        ("name,sensor\n,F1\n", 2, "name is empty"),
        ("name,sensor\nx,\n", 2, "sensor is empty"),
        ("name,sensor\nx,F9\n", 2, "sensor 'F9' is not in sensors.csv"),
        ("name,sensor,format\nx,F1,senmll\n", 2, "unknown format 'senmll': did you mean 'senml'?"),
        ("name,sensor,format\nx,F1,xml\n", 2, "unknown format 'xml'"),
        ("name,sensor,unit\nx,F1,bar\n", 2, "sensor 'F1': unknown unit 'bar' of flow"),
        ("name,sensor,scale\nx,F1,0\n", 2, "scale is 0"),
        ("name,sensor,scale\nx,F1,ten\n", 2, "scale 'ten' is not a number"),
        ("name,sensor,offset\nx,F1,inf\n", 2, "offset 'inf' is not a finite number"),
        ("name,sensor\nx,F1\ny,F1\nx,F2\n", 4, "name 'x' is there already, on line 2"),
        ("name,sensor,format\nfloß,F1,senml\n", 2, "name 'floß' cannot come in SenML"),
        (
            "name,sensor,format,source\nx,F1,senml,LOG-2\n",
            2,
            "source 'LOG-2' is not the device of sensor 'F1'",
        ),
        ("name,sensor,format\npdam/#,F1,plain\n", 2, "name 'pdam/#' has a wildcard"),
        ("name,sensor,format\ntwuin/kota/x,F1,plain\n", 2, "is under twuin/"),
        ("name,sensor,format,source\npdam/f,F1,plain,LOG-1\n", 2, "a plain topic has no sender"),
        ("name,sensor\n*,F1\n", 2, "name '*' is any name"),
        ("name,sensor,unit\nx,-,bar\n", 2, "what is not wanted"),
    ],
)
def test_a_mistake_is_named_by_line(folder: Any, text: str, line: int, message: str) -> None:
    folder.write("names.csv", text)
    found = errors(folder)
    assert [(f, n) for f, n, m in found if message in m] == [("names.csv", line)], found


def test_every_mistake_is_named_at_once(folder: Any) -> None:
    folder.write("names.csv", "name,sensor,unit,scale\n,F1,,\nx,F9,,\ny,F1,bar,0\n")
    assert [line for _, line, _ in errors(folder)] == [2, 3, 4, 4]


def test_what_only_follows_from_a_mistake_in_sensors_is_not_told(folder: Any) -> None:
    folder.write("names.csv", "name,sensor\nx,F1\n")
    folder.change("sensors.csv", "F1,flow", "F1,flaw")
    assert "names.csv" not in {file for file, _, _ in errors(folder)}


def test_the_line_that_says_more_counts() -> None:
    names = Names(
        [
            ForeignName("x", "any"),
            ForeignName("x", "senml", Format.SENML),
            ForeignName("x", "source", None, "LOG-1"),
            ForeignName("x", "both", Format.SENML, "LOG-2", "bar", 2.0, 1.0),
            ForeignName("y", "any"),
        ]
    )
    found = {source: names.find(Format.SENML, source, "x") for source in ("LOG-1", "LOG-2", "LOG-3")}
    assert found == {
        "LOG-1": Meaning("source", of_source=True),
        "LOG-2": Meaning("both", "bar", 2.0, 1.0, of_source=True),
        "LOG-3": Meaning("senml"),
    }
    assert names.find(Format.SENML, "LOG-1", "y") == Meaning("any")
    assert names.find(Format.SENML, "LOG-1", "z") is None


def test_what_is_not_wanted_is_said_by_name_or_of_all_others() -> None:
    names = Names(
        [ForeignName("x", "X"), ForeignName("y", "-"), ForeignName("*", "-", Format.SENML, "LOG-1")], {"S1"}
    )
    found = {name: names.find(Format.SENML, "LOG-1", name) for name in ("x", "y", "z", "S1")}
    assert {name: m and m.unwanted for name, m in found.items()} == {
        "x": False,
        "y": True,
        "z": True,
        "S1": None,  # a sensor's id: it stands for that sensor
    }
    assert names.find(Format.SENML, "LOG-2", "z") is None


def test_topics_and_what_is_not_wanted_need_no_sensor_of_their_own(folder: Any) -> None:
    folder.write(
        "names.csv",
        "name,sensor,format,unit,scale\npdam/f1,F1,plain,m3/h,0.1\npdam/state,-,plain,,\n*,-,,,\n",
    )
    assert check_site(folder.path) == []
    assert [n.sensor for n in read_site(folder.path).names] == ["F1", "-", "-"]


def test_a_line_that_no_message_can_be_about_is_told(folder: Any) -> None:
    folder.write("names.csv", "name,sensor,format,source\nFlow,F1,sparkplug,PDAM/rtu-9\npdam/f2,F2,plain,\n")
    [warning] = check_site(folder.path)
    assert (warning.file, warning.line, warning.severity) == ("names.csv", 2, Severity.WARNING)
    assert "nothing of format sparkplug is listened to" in warning.message
    site = (folder.path / "site.toml").read_text()
    folder.write("site.toml", site + '\n[listen]\nsparkplug = ["spBv1.0/PDAM/#"]\nchirpstack = ["pdam/#"]\n')
    [error] = check_site(folder.path)
    assert (error.line, error.severity) == (3, Severity.ERROR)
    assert "topic 'pdam/f2' is one of those that chirpstack in site.toml listens to" in error.message
