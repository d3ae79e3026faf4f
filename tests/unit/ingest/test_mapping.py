"""The mapping file and what it says of its mistakes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ingest.mapping import Mapping, load_mapping
from waterworks.errors import DataFileError

GOOD = """\
[[source]]
files = "*.csv"
[source.time]
column = "t"

[[source.column]]
name = "a"
sensor = "A"

[[source]]
files = ["x*.xlsx", "y.xlsx"]
sheet = "Data"
time = { column = ["Date", "Time"], format = ["%d/%m/%Y %H:%M"], zone = "Europe/Rome" }
[source.long]
sensor = "id"
value = "v"
"""


def load(tmp_path: Path, text: str) -> Mapping:
    path = tmp_path / "mapping.toml"
    path.write_text(text, encoding="utf-8")
    return load_mapping(path)


def test_a_file_finds_its_source_by_name(tmp_path: Path) -> None:
    mapping = load(tmp_path, GOOD)
    assert mapping.source_of(Path("/any/where/b.csv")) is mapping.sources[0]
    assert mapping.source_of(Path("y.xlsx")) is mapping.sources[1]
    with pytest.raises(DataFileError, match=r"z\.xlsx: no \[\[source\]\].*\*\.csv, x\*\.xlsx"):
        mapping.source_of(Path("z.xlsx"))


def test_a_folder_gives_the_files_that_fit(tmp_path: Path) -> None:
    mapping = load(tmp_path, GOOD)
    folder = tmp_path / "data"
    folder.mkdir()
    with pytest.raises(DataFileError, match="holds no file"):
        mapping.files_in(folder)
    for name in ("b.csv", "a.csv", "notes.txt", "y.xlsx"):
        (folder / name).touch()
    assert [f.name for f in mapping.files_in(folder)] == ["a.csv", "b.csv", "y.xlsx"]


@pytest.mark.parametrize("site", ["ferrara", "ltown"])
def test_the_examples_are_read(root: Path, site: str) -> None:
    assert load_mapping(root / "examples" / site / "mapping.toml").sources


def test_headings_give_sensor_and_unit(root: Path) -> None:
    (column,) = load_mapping(root / "examples" / "ferrara" / "mapping.toml").sources[0].column
    assert column.fit("DMA 3 (L/s)") == ("DMA3-IN", "L/s")
    assert column.fit("Pressure") is None


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ('files = "*.csv"', 'files = "*.csv', 2, "is not TOML"),
        ('[[source]]\nfiles = "*.csv"', 'name = "x"\n[[source]]\nfiles = "*.csv"', 1, "unknown key 'name'"),
        ('files = "*.csv"', 'files = "*.csv"\ndelimeter = ";"', 3, "did you mean 'delimiter'"),
        ('column = "t"', 'colum = "t"', 4, "unknown key 'colum'"),
        ('column = "t"', 'column = "t"\nzone = "Europe/Roma"', 5, "did you mean 'Europe/Rome'"),
        ('column = "t"', 'column = "t"\nformat = "DD/MM/YYYY"', 5, "no year, month and day"),
        ('column = "t"', 'column = "t"\nskipped_hour = "drop"', 5, "skipped_hour"),
        ('column = "t"', 'format = "iso"', 3, "column is missing"),
        ('files = "*.csv"', 'files = "*.csv"\ndelimiter = ";;"', 3, "not one character"),
        ('files = "*.csv"', 'files = "*.csv"\ndecimal = ","', 3, "same character"),
        ('files = "*.csv"', 'files = "*.csv"\ndecimal = "x"', 3, "decimal"),
        ('files = "*.csv"', 'files = "*.csv"\nencoding = "utf-9"', 3, "unknown encoding"),
        ('files = "*.csv"', 'files = "*.csv"\nskip_rows = -1', 3, "below 0"),
        ('files = "*.csv"', 'files = "*.csv"\nskip_rows = "2"', 3, "skip_rows: expected int"),
        ('files = "*.csv"', 'files = "*.csv"\nignore = ["("]', 3, "no regular expression"),
        ('name = "a"', 'match = "a("', 7, "no regular expression"),
        ('name = "a"', 'name = "a"\nmatch = "a"', 8, "either name"),
        ('name = "a"\n', "", 6, "either name"),
        ('sensor = "A"', 'sensor = "A{1}"', 8, "there is no {1} here, only {column}"),
        ('sensor = "A"', 'sensor = "A"\nunit = "{u}"', 9, "there is no {u} here"),
        ('value = "v"', 'value = "v"\nid = "{name}"', 17, "there is no {name} here"),
        ('value = "v"', 'value = "v"\nunits = "m"', 17, "unknown key 'units'"),
        ('value = "v"\n', "", 14, "value is missing"),
    ],
)
def test_mistakes_are_named_by_line(tmp_path: Path, old: str, new: str, line: int, message: str) -> None:
    assert old in GOOD
    with pytest.raises(DataFileError) as caught:
        load(tmp_path, GOOD.replace(old, new, 1))
    told = [p for p in caught.value.problems if message in p.message]
    assert told, caught.value
    assert told[0].line == line
    assert re.match(r".*mapping\.toml:\d+: ", str(told[0]))


def test_a_source_is_wide_or_long(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match="give either"):
        load(tmp_path, GOOD.replace('[[source.column]]\nname = "a"\nsensor = "A"\n', ""))


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = GOOD.replace('"*.csv"', '"*.csv"\ndelimiter = ""').replace("Europe/Rome", "Rome")
    with pytest.raises(DataFileError) as caught:
        load(tmp_path, text)
    assert [p.line for p in caught.value.problems] == [3, 14]


def test_a_file_that_is_not_there_or_empty(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match="cannot be read"):
        load_mapping(tmp_path / "none.toml")
    with pytest.raises(DataFileError, match=r"no \[\[source\]\]"):
        load(tmp_path, "")
