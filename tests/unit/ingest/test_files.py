"""Files of readings, read as a mapping describes them; and what is said of files that are not so."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingest import tabular
from ingest.files import Tally, open_files
from ingest.mapping import load_mapping
from ingest.order import in_time_order
from ingest.reasons import Reason
from waterworks.errors import DataFileError
from waterworks.reading import Quality, ReadingBatch
from waterworks.site import Site

RECEIVED = np.datetime64("2026-11-21T12:00", "us")

WIDE = """
[[source]]
files = "*"
{more}
time = {{ column = "t", zone = "UTC" }}
ignore = ["note.*"]
[[source.column]]
name = "flow"
sensor = "D1-IN"
[[source.column]]
match = 'p (\\w+)'
sensor = "D1-P1"
unit = "{{1}}"
"""

LONG = """
[[source]]
files = "*"
{more}
time = {{ column = "t", zone = "UTC" }}
[source.long]
sensor = "id"
value = "v"
{long}
"""

Read = Callable[..., tuple[list[tuple[str, str, float, int]], Tally]]


@pytest.fixture
def read(tmp_path: Path, site: Site) -> Read:
    """Readings (sensor, time, value, quality) of a file with this content, and the tally."""

    def reader(
        content: str | bytes | Path,
        mapping: str = WIDE,
        *,
        name: str = "x.csv",
        more: str = "",
        long: str = "",
    ) -> tuple[list[tuple[str, str, float, int]], Tally]:
        path = content if isinstance(content, Path) else tmp_path / name
        if not isinstance(content, Path):
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        told = tmp_path / "mapping.toml"
        told.write_text(mapping.format(more=more, long=long), encoding="utf-8")
        tally = Tally()
        (file,) = open_files([path], load_mapping(told), site)
        batch = ReadingBatch.concat(list(file.batches(tally, received=RECEIVED)))
        return [
            (batch.names[s], str(t)[:19], float(v), int(q))
            for s, t, v, q in zip(batch.sensor, batch.time, batch.value, batch.quality, strict=True)
        ], tally

    return reader


def lines_of(tally: Tally) -> list[tuple[int, Reason]]:
    return [(r.line, r.reason) for r in tally.refused]


class TestWide:
    def test_units_come_from_the_heading_or_the_site(self, read: Read) -> None:
        rows, tally = read("t,flow,p bar\n2026-01-01 00:00,36,1\n")
        assert rows == [
            ("D1-IN", "2026-01-01T00:00:00", 0.01, 0),
            ("D1-P1", "2026-01-01T00:00:00", pytest.approx(10.197, abs=1e-3), 0),
        ]
        assert (tally.read, tally.empty, tally.rejected) == (2, 0, {})

    def test_missing_values_are_counted_not_stored(self, read: Read) -> None:
        text = "t,flow,p m\n2026-01-01,,5\n2026-01-02,NaN,-999\n2026-01-03,3.6,-999.0\n2026-01-04, - ,NA\n"
        rows, tally = read(text, more='missing = ["", "NaN", "-", "NA", -999]')
        assert [(n, t[:10]) for n, t, _, _ in rows] == [("D1-P1", "2026-01-01"), ("D1-IN", "2026-01-03")]
        assert (tally.read, tally.empty, tally.rejected) == (8, 6, {})

    def test_text_in_a_number_is_rejected_by_line(self, read: Read) -> None:
        rows, tally = read(
            "t,flow,p m\n2026-01-01,1,5\n2026-01-02,abc,6\n2026-01-03,3,1.2.3\n2026-01-04,1,2\n"
        )
        assert len(rows) == 6
        assert lines_of(tally) == [(3, Reason.WRONG_TYPE), (4, Reason.WRONG_TYPE)]
        assert "'abc' in column 'flow'" in tally.refused[0].detail
        assert str(tally.refused[1]).startswith("x.csv:4: '1.2.3'")
        assert tally.read == len(rows) + sum(tally.rejected.values())

    def test_infinity_is_no_reading(self, read: Read) -> None:
        rows, tally = read("t,flow,p m\n2026-01-01,inf,5\n2026-01-02,1e400,5\n")
        assert [r[0] for r in rows] == ["D1-P1", "D1-P1"]
        assert lines_of(tally) == [(2, Reason.NOT_FINITE), (3, Reason.NOT_FINITE)]

    def test_decimal_comma_and_thousands(self, read: Read) -> None:
        rows, _ = read(
            't;flow;p m\n2026-01-01;"3.600,0";5,25\n2026-01-02;3600;1.5e1\n',
            more='delimiter = ";"\ndecimal = ","\nthousands = "."',
        )
        assert [r[2] for r in rows[:3]] == [1.0, 5.25, 1.0]

    def test_a_point_beside_a_decimal_comma_is_not_guessed_at(self, read: Read) -> None:
        rows, tally = read(
            "t;flow;p m\n2026-01-01;3,6;1.234\n2026-01-02;3,6;1,2\n", more='delimiter = ";"\ndecimal = ","'
        )
        assert len(rows) == 3 and lines_of(tally) == [(2, Reason.WRONG_TYPE)]

    def test_a_wrong_time_costs_its_row_only(self, read: Read) -> None:
        text = (
            "t,flow,p m\n2026-01-01,1,5\n2026-02-30,1,\n,1,5\n,,\n\nTotal,,\n1999-12-31,1,\n2027-06-01,,1\n"
        )
        rows, tally = read(text)
        assert len(rows) == 2
        assert lines_of(tally) == [
            (3, Reason.BAD_TIME),
            (4, Reason.NO_TIME),
            (7, Reason.BAD_TIME),
            (8, Reason.TIME_TOO_OLD),
            (9, Reason.TIME_AHEAD),
        ]
        assert [r.readings for r in tally.refused] == [1, 2, 0, 1, 1]
        assert tally.read == len(rows) + tally.empty + sum(tally.rejected.values())

    def test_a_line_with_too_few_or_too_many_cells_is_rejected_by_line(self, read: Read) -> None:
        text = "t,flow,p m\n2026-01-01,1,5\n2026-01-02,1\n2026-01-03,1,5,9\n2026-01-04,x,5\n"
        rows, tally = read(text)
        assert len(rows) == 3
        assert sorted(lines_of(tally)) == [
            (3, Reason.UNEQUAL_COLUMNS),
            (4, Reason.UNEQUAL_COLUMNS),
            (5, Reason.WRONG_TYPE),
        ]
        assert tally.read == len(rows) + sum(tally.rejected.values())

    def test_lines_are_right_after_skipped_and_blank_ones_and_in_later_blocks(
        self, read: Read, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tabular, "BLOCK_BYTES", 2000)
        lines = ["made by a logger", "of 2026", "t,flow,p m"]
        bad = {50, 51, 200, 777}
        torn = {60, 300, 301, 900}
        blank = {70, 500}
        for line in range(4, 1001):
            day = np.datetime64("2026-01-01") + line // 60
            text = f"{day} {line % 24:02d}:{line % 60:02d},{'x' if line in bad else 1},5"
            lines.append("" if line in blank else "torn" if line in torn else text)
        rows, tally = read("\n".join(lines) + "\n", more="skip_rows = 2")
        found = {
            reason: [r.line for r in tally.refused if r.reason is reason] for _, reason in lines_of(tally)
        }
        assert found == {Reason.WRONG_TYPE: sorted(bad), Reason.UNEQUAL_COLUMNS: sorted(torn)}
        assert len(rows) == 2 * (997 - len(torn) - len(blank)) - len(bad)

    def test_values_out_of_range_are_stored_and_flagged(self, read: Read) -> None:
        rows, _ = read("t,flow,p m\n2026-01-01,1,9999\n")
        assert rows[1][3] == int(Quality.OUT_OF_RANGE)

    def test_rows_out_of_order_are_counted_and_stored(self, read: Read) -> None:
        rows, tally = read("t,flow,p m\n2026-01-03,1,5\n2026-01-01,1,5\n2026-01-02,1,5\n2026-01-04,1,5\n")
        assert len(rows) == 8 and tally.out_of_order == 2

    def test_a_file_without_headings(self, read: Read) -> None:
        mapping = (
            '[[source]]\nfiles = "*"\nheader = false\ntime = {{ column = ["1", "2"], zone = "UTC" }}\n'
            '[[source.column]]\nname = "3"\nsensor = "D1-IN"\n'
        )
        rows, _ = read("2026-01-01,10:00,3.6\n2026-01-01,11:00,7.2\n", mapping)
        assert [(t, v) for _, t, v, _ in rows] == [
            ("2026-01-01T10:00:00", 0.001),
            ("2026-01-01T11:00:00", 0.002),
        ]

    def test_other_encodings_and_line_ends(self, read: Read) -> None:
        text = "t\tflow\tp m\tnote °\r\n2026-01-01\t3,6\t5\tJünger\r\n"
        more = 'delimiter = "\\t"\ndecimal = ","\nencoding = "cp1252"'
        rows, _ = read(text.encode("cp1252"), more=more)
        assert [r[2] for r in rows] == [0.001, 5.0]
        rows, _ = read(b"\xef\xbb\xbf" + text.encode(), more='delimiter = "\\t"\ndecimal = ","')
        assert [r[2] for r in rows] == [0.001, 5.0]

    def test_gzip_is_known_by_its_bytes(self, read: Read) -> None:
        text = b"t,flow,p m\n2026-01-01,3.6,5\n"
        for name, content in (
            ("x.csv.gz", gzip.compress(text)),
            ("x.csv", gzip.compress(text)),
            ("y.gz", text),
        ):
            rows, _ = read(content, name=name, more='format = "csv"')
            assert len(rows) == 2


class TestLong:
    def test_one_reading_a_row(self, read: Read) -> None:
        text = (
            "t,id,v,u,q\n2026-01-01T07:00:00+07:00,IN,36,,0\n2026-01-01T00:00:00Z,P1,1,bar,1\n"
            "2026-01-01 00:05,P1,10,m,\n"
        )
        rows, tally = read(text, LONG, long='id = "D1-{column}"\nunit_column = "u"\nquality_column = "q"')
        assert rows == [
            ("D1-IN", "2026-01-01T00:00:00", 0.01, 0),
            ("D1-P1", "2026-01-01T00:00:00", pytest.approx(10.197, abs=1e-3), 1),
            ("D1-P1", "2026-01-01T00:05:00", 10.0, 0),
        ]
        assert tally.read == 3 and not tally.refused

    def test_each_wrong_row_is_rejected_by_line(self, read: Read) -> None:
        text = (
            "t,id,v,u,q\n2026-01-01,D1-IN,1,m3/h,0\n2026-01-01,WHO,1,,0\n2026-01-01,D1-P1,1,apples,0\n"
            "2026-01-01,D1-IN,x,,0\n2026-01-02,D1-IN,2,,bad\nno,D1-IN,2,,\n2026-01-03,D1-IN,,,\n"
        )
        rows, tally = read(text, LONG, long='unit_column = "u"\nquality_column = "q"')
        assert len(rows) == 1
        assert sorted(lines_of(tally)) == [
            (3, Reason.UNKNOWN_SENSOR),
            (4, Reason.UNKNOWN_UNIT),
            (5, Reason.WRONG_TYPE),
            (6, Reason.WRONG_TYPE),
            (7, Reason.BAD_TIME),
        ]
        assert tally.read == len(rows) + tally.empty + sum(tally.rejected.values())

    def test_the_repeated_hour_is_told_apart_for_each_sensor(self, read: Read) -> None:
        hours = ["01:00", "02:00", "02:00", "03:00"]
        text = "t,id,v\n" + "".join(f"2022-10-30 {h},{s},1\n" for s in ("D1-IN", "D1-P1") for h in hours)
        rows, _ = read(text, LONG.replace('"UTC"', '"Europe/Rome"'))
        expected = ["2022-10-29T23:00:00", *(f"2022-10-30T0{k}:00:00" for k in range(3))]
        assert [t for n, t, _, _ in rows if n == "D1-IN"] == expected
        assert [t for n, t, _, _ in rows if n == "D1-P1"] == expected


class TestClockChange:
    MAPPING = WIDE.replace('"UTC"', '"Europe/Rome"{more2}')
    TEXT = "t,flow,p m\n2022-03-27 01:00,1,\n2022-03-27 02:00,2,5\n2022-03-27 03:00,3,\n"

    def test_a_time_that_never_was_is_rejected(self, read: Read) -> None:
        rows, tally = read(self.TEXT, self.MAPPING.replace("{more2}", ""))
        assert [t for _, t, _, _ in rows] == ["2022-03-27T00:00:00", "2022-03-27T01:00:00"]
        assert lines_of(tally) == [(3, Reason.BAD_TIME)]
        assert "never was in Europe/Rome" in tally.refused[0].detail
        assert tally.rejected == {Reason.BAD_TIME: 2}

    def test_or_shifted_where_the_mapping_says_so(self, read: Read) -> None:
        text = self.TEXT.replace("02:00,2,5", "02:30,2,5")
        rows, tally = read(text, self.MAPPING.replace("{more2}", ', skipped_hour = "shift"'))
        assert [t for n, t, _, _ in rows if n == "D1-IN"] == [
            "2022-03-27T00:00:00",
            "2022-03-27T01:30:00",
            "2022-03-27T01:00:00",
        ]
        assert not tally.refused


class TestSheet:
    def test_cells_of_any_kind(self, read: Read, tmp_path: Path) -> None:
        path = tmp_path / "x.xlsx"
        book = openpyxl.Workbook()
        assert book.active is not None
        book.active.title = "Cover"
        sheet = book.create_sheet("Data")
        sheet.append(["a title"])
        sheet.append(["t", "flow", "p m", "note"])
        sheet.append([np.datetime64("2026-01-01T00:00").item(), 3.6, "5.5", "x"])
        sheet.append(["2026-01-01 01:00", 36, None, None])
        sheet.append([])
        sheet.append([np.datetime64("2026-01-01T02:00").item(), "n/a", 7, None])
        book.save(path)
        rows, tally = read(path, more='sheet = "Data"\nskip_rows = 1')
        assert [(n, t[11:13], v) for n, t, v, _ in rows] == [
            ("D1-IN", "00", 0.001),
            ("D1-P1", "00", 5.5),
            ("D1-IN", "01", 0.01),
            ("D1-P1", "02", 7.0),
        ]
        assert lines_of(tally) == [(6, Reason.WRONG_TYPE)]

    def test_dates_of_excel_beside_dates_that_are_text(self, read: Read, tmp_path: Path) -> None:
        path = tmp_path / "x.xlsx"
        book = openpyxl.Workbook()
        sheet = book.create_sheet("Data")
        sheet.append(["t", "flow", "p m"])
        sheet.append([np.datetime64("2026-02-01T10:30").item(), 3.6, 1])
        sheet.append(["13/02/2026 11:00", 3.6, 1])
        book.save(path)
        mapping = WIDE.replace('column = "t"', 'column = "t", format = "%d/%m/%Y %H:%M"')
        rows, tally = read(path, mapping, more='sheet = "Data"')
        assert [t for _, t, _, _ in rows[::2]] == ["2026-02-01T10:30:00", "2026-02-13T11:00:00"]
        assert not tally.refused

    def test_a_file_that_is_no_sheet(self, read: Read) -> None:
        with pytest.raises(DataFileError, match=r"x\.xlsx: cannot be read as a sheet"):
            read(b"PK\x03\x04 nonsense", name="x.xlsx")
        with pytest.raises(DataFileError, match=r"x\.xlsx: cannot be read as a sheet"):
            read("t,flow\n", name="x.xlsx")

    def test_a_sheet_that_is_not_there(self, read: Read, tmp_path: Path) -> None:
        openpyxl.Workbook().save(tmp_path / "x.xlsx")
        with pytest.raises(DataFileError, match="no sheet 'Data', only 'Sheet'"):
            read(tmp_path / "x.xlsx", more='sheet = "Data"')
        with pytest.raises(DataFileError, match="is empty"):
            read(tmp_path / "x.xlsx")


class TestParquet:
    def test_one_reading_a_row_with_coded_names(self, read: Read, tmp_path: Path) -> None:
        path = tmp_path / "x.parquet"
        times = pa.array(
            [np.datetime64("2026-01-01T00:00", "us").item()] * 3 + [None], pa.timestamp("us", "UTC")
        )
        table = pa.table(
            {
                "t": times,
                "id": pa.array(["D1-IN", "D1-P1", "WHO", "D1-IN"]).dictionary_encode(),
                "v": pa.array([36.0, np.nan, 1.0, 2.0]),
                "u": pa.array(["m3/h", "bar", "m", "m3/h"]).dictionary_encode(),
            }
        )
        pq.write_table(table, path)
        rows, tally = read(path, LONG, long='unit_column = "u"')
        assert rows == [("D1-IN", "2026-01-01T00:00:00", 0.01, 0)]
        assert sorted(lines_of(tally)) == [(3, Reason.UNKNOWN_SENSOR), (4, Reason.NO_TIME)]
        assert tally.empty == 1 and tally.read == 4

    def test_a_file_that_is_none(self, read: Read) -> None:
        with pytest.raises(DataFileError, match="cannot be read as Parquet"):
            read(b"PAR1 nonsense", name="x.parquet")


class TestFilesThatAreNot:
    @pytest.mark.parametrize(
        ("content", "more", "message"),
        [
            (b"", "", r"x\.csv: is empty"),
            (b"t,flow,p m\n", "", "only headings"),
            (b"\n\n", "", r"x\.csv:1: is empty where the headings"),
            (b"t;flow;p m\n2026-01-01;1;2\n", "", r"x\.csv:1: column 't' is missing.*is ',' the delimiter\?"),
            (b"t,flow,p m\n2026-01-01;1;2\n2026-01-02;1;2\n", "", r"x\.csv:2: .*is ',' the delimiter\?"),
            (b"t,p m\n2026-01-01,1\n", "", r"x\.csv:1: column 'flow' is missing"),
            (b"t,flow,flow\n2026-01-01,1,2\n", "", "column 'flow' occurs twice"),
            (b"t,t,flow\n2026-01-01,1,2\n", "", "column 't' occurs twice"),
            (b"t,flow,p m,extra\n2026-01-01,1,2,3\n", "", "column 'extra' is mapped to no sensor"),
            (b"t,flow,p m,p bar\n2026-01-01,1,2,3\n", "", "both mapped to sensor 'D1-P1'"),
            (b"t,flow,p apples\n2026-01-01,1,2\n", "", "unknown unit 'apples' of pressure"),
            (
                b"t,flow,p m\n01/02/2026,1,2\n",
                "",
                r"x\.csv:2: '01/02/2026' in column 't' is no time of format",
            ),
            (b't,flow,p m\n2026-01-01,"1,5","2,5"\n', "", r"x\.csv:2: '1,5'.*is decimal set right\?"),
            (b"t,flow,p m\n2026-01-01,1,\xe9\n", "", "is not utf-8: set encoding"),
            (b"t,flow,p m\xe9\n2026-01-01,1,2\n", "", "is not utf-8: set encoding"),
            (
                gzip.compress(b"t,flow,p m\n" + b"2026-01-01,1,2\n" * 9999, mtime=0)[:-30],
                "",
                "gzip file ends too early",
            ),
            (b"\x1f\x8b\x08nonsense that is no gzip file at all", "", "gzip file is damaged|ends too early"),
        ],
    )
    def test_they_are_told_in_one_line(self, read: Read, content: bytes, more: str, message: str) -> None:
        with pytest.raises(DataFileError, match=message) as caught:
            read(content, more=more)
        assert len(caught.value.problems) == 1

    def test_a_sensor_that_the_site_does_not_have(self, read: Read) -> None:
        mapping = WIDE.replace("D1-P1", "D9-P1")
        with pytest.raises(DataFileError, match=r"'D9-P1', which sensors\.csv of site malang does not have"):
            read("t,flow,p m\n2026-01-01,1,2\n", mapping)

    def test_a_file_that_is_not_there(self, read: Read, tmp_path: Path) -> None:
        with pytest.raises(DataFileError, match="there is no such file"):
            read(tmp_path / "none.csv")

    def test_all_bad_files_are_told_at_once(self, tmp_path: Path, site: Site) -> None:
        told = tmp_path / "mapping.toml"
        told.write_text(WIDE.format(more=""), encoding="utf-8")
        (tmp_path / "a.csv").write_text("")
        (tmp_path / "b.csv").write_text("t,flow\n")
        with pytest.raises(DataFileError) as caught:
            open_files([tmp_path / n for n in ("a.csv", "b.csv", "c.csv")], load_mapping(told), site)
        assert [Path(p.file).name for p in caught.value.problems] == ["a.csv", "b.csv", "c.csv"]

    def test_no_file_at_all(self, tmp_path: Path, site: Site) -> None:
        told = tmp_path / "mapping.toml"
        told.write_text(WIDE.format(more=""), encoding="utf-8")
        with pytest.raises(DataFileError, match="no file to read"):
            open_files([], load_mapping(told), site)


class TestOrder:
    def test_streams_are_merged_by_time(self) -> None:
        rng = np.random.default_rng(5)

        def stream(name: str, sizes: list[int]) -> tuple[list[ReadingBatch], list[int]]:
            minutes = np.cumsum(rng.integers(0, 20, sum(sizes)))
            parts = np.split(minutes, np.cumsum(sizes)[:-1])
            made = [
                ReadingBatch.of(
                    [name] * len(p), p.astype("datetime64[m]"), p.astype(float), received=RECEIVED
                )
                for p in parts
            ]
            return made, minutes.tolist()

        made = [stream("a", [5, 0, 7, 1]), stream("b", [300]), stream("c", []), stream("d", [1] * 40)]
        out = list(in_time_order([iter(batches) for batches, _ in made]))
        merged = ReadingBatch.concat(out)
        assert sorted(merged.value.tolist()) == sorted(m for _, minutes in made for m in minutes)
        assert (np.diff(merged.time) >= np.timedelta64(0, "us")).all()
        for (_, minutes), name in zip(made, "abcd", strict=True):
            if minutes:
                rows = merged.sensor == merged.names.index(name)
                assert merged.value[rows].tolist() == minutes

    def test_a_stream_that_goes_back_in_time_loses_nothing(self) -> None:
        def one(name: str, minute: int) -> ReadingBatch:
            return ReadingBatch.of([name], [np.datetime64(minute, "m")], [float(minute)], received=RECEIVED)

        out = in_time_order([iter([one("a", 5), one("a", 1), one("a", 9)]), iter([one("b", 3), one("b", 7)])])
        merged = ReadingBatch.concat(list(out))
        assert sorted(merged.value.tolist()) == [1.0, 3.0, 5.0, 7.0, 9.0]


def test_a_file_that_is_not_there_is_called_so_whatever_its_name(tmp_path: Path, site: Site) -> None:
    mapping = tmp_path / "mapping.toml"
    mapping.write_text(WIDE.format(more="").replace('files = "*"', 'files = "*.csv"'))
    with pytest.raises(DataFileError, match=r"flows\.xlsx: there is no such file"):
        open_files([tmp_path / "flows.xlsx"], load_mapping(mapping), site)
