"""Billed volumes from files: every mistake named where it stands; with one, nothing is written."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from twuin.losses.current import CurrentBills
from twuin.reports.bills import BillChanges, read_changes, write_bills
from waterworks.errors import DataFileError
from waterworks.losses import Bill
from waterworks.site_folder import read_site
from waterworks.site_losses import read_bills
from waterworks.tables import Problems

HEADING = ("month", "dma", "billed_metered_m3", "billed_unmetered_m3", "unbilled_metered_m3")
TODAY = date(2026, 11, 10)
OCTOBER = date(2026, 10, 1)
Read = Callable[..., BillChanges]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A site of three DMAs with bills of September."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "site.toml").write_text('id = "kota"\nname = "Kota"\n')
    (folder / "dmas.csv").write_text("id,name,connections\nD1,Dinoyo,900\nD2,Sukun,700\nD3,Klojen,500\n")
    (folder / "sensors.csv").write_text(
        "id,quantity,unit,dma,device,role\n"
        + "".join(f"D{i}-IN,flow,m3/h,D{i},RTU-{i},inlet\n" for i in (1, 2, 3))
    )
    (folder / "billed.csv").write_text(
        "# from the billing department\nmonth,dma,billed_metered_m3\n"
        "2026-09,D1,12000\n2026-09,D2,9000\n2026-09,D3,7000.5\n"
    )
    return folder


def sheet_of(path: Path, rows: Sequence[Sequence[Any]], title: str = "Rekening") -> Path:
    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    page.title = title
    for row in rows:
        page.append(list(row))
    book.save(path)
    return path


@pytest.fixture
def read(folder: Path, tmp_path: Path) -> Read:
    """What the rows of a workbook, or a CSV text, change."""

    def of(content: Sequence[Sequence[Any]] | str) -> BillChanges:
        if isinstance(content, str):
            path = tmp_path / "october.csv"
            path.write_text(content)
        else:
            path = sheet_of(tmp_path / "october.xlsx", content)
        return read_changes(path, read_site(folder), TODAY)

    return of


def mistakes(read: Read, content: Sequence[Sequence[Any]] | str) -> str:
    with pytest.raises(DataFileError) as wrong:
        read(content)
    return str(wrong.value)


def test_a_workbook_as_a_billing_system_writes_it(read: Read, folder: Path) -> None:
    """A title above, months as dates, names for ids, numbers as numbers."""
    found = read(
        [
            ("Air berekening bulan Oktober",),
            (),
            ("month", "DMA", "billed_metered_m3"),
            (datetime(2026, 10, 1), "Dinoyo", 11_234.25),  # noqa: DTZ001 - as a spreadsheet has it
            ("2026-10", "D2", 9100),
            ("2026-10", "klojen", "7050,5"),
        ]
    )
    assert found.added == [
        Bill("D1", OCTOBER, 11_234.25), Bill("D2", OCTOBER, 9100.0), Bill("D3", OCTOBER, 7050.5),
    ]  # fmt: skip
    assert (found.changed, found.same, found.doubts) == ([], 0, [])
    write_bills(read_site(folder), found.bills)
    assert (folder / "billed.csv").read_text() == (
        "# from the billing department\n"
        "month,dma,billed_metered_m3,billed_unmetered_m3,unbilled_metered_m3\n"
        "2026-09,D1,12000,0,0\n2026-09,D2,9000,0,0\n2026-09,D3,7000.5,0,0\n"
        "2026-10,D1,11234.25,0,0\n2026-10,D2,9100,0,0\n2026-10,D3,7050.5,0,0\n"
    )
    assert "2026-10" not in (folder / "billed.csv.before").read_text()


def test_what_is_there_is_replaced_and_the_rest_stays(read: Read) -> None:
    found = read("month;dma;billed_metered_m3\n2026-09;D1;12500,5\n2026-09;D2;9000\n")
    assert found.changed == [(Bill("D1", date(2026, 9, 1), 12_000.0), Bill("D1", date(2026, 9, 1), 12_500.5))]
    assert (found.added, found.same, len(found.bills)) == ([], 1, 3)


def test_what_is_written_is_read_as_it_was_meant(read: Read, folder: Path) -> None:
    found = read(
        "month,dma,billed_metered_m3,unbilled_metered_m3\n2026-10,D1,0.1,1e3\n2026-10,D2,12345678.25,\n"
    )
    path = write_bills(read_site(folder), found.bills)
    problems = Problems("billed.csv")
    assert (
        sorted(read_bills(path, problems, {"D1", "D2", "D3"}), key=lambda b: (b.month, b.dma)) == found.bills
    )
    assert not problems.found


def test_every_mistake_is_named_by_sheet_and_row(read: Read) -> None:
    said = mistakes(
        read,
        [
            HEADING,
            ("2026-10", "D1", 100),
            ("October", "D2", 100),
            ("2026-10", "D9", 100),
            ("2026-10", "D3", -5),
            ("2026-10", "D2", None),
            ("2026-10", "D1", 7),
            ("2026-10", "D2", "=1+1x"),
            ("Total", "", 12),
        ],
    )
    lines = said.splitlines()
    where = "october.xlsx, sheet Rekening"
    assert f"{where}:3: month 'October' is not a month: write it as 2026-10" in lines
    assert any(x.startswith(f"{where}:4: dma 'D9' is not in dmas.csv") for x in lines)
    assert f"{where}:5: billed_metered_m3 '-5' is below 0" in lines
    assert f"{where}:6: billed_metered_m3 is empty" in lines
    assert f"{where}:7: 2026-10 of D1 is there already, on line 2" in lines
    assert any(x.startswith(f"{where}:9: month 'Total' is not a month") for x in lines)


@pytest.mark.parametrize("said", ["1.250", "12.345.678", "1,250"])
def test_a_text_that_may_be_a_thousand_or_one_is_refused(read: Read, said: str) -> None:
    digits = said.replace(".", "").replace(",", "")
    text = mistakes(read, f"month;dma;billed_metered_m3\n2026-10;D1;{said}\n")
    assert text == f"october.csv:2: billed_metered_m3 '{said}' may mean {digits}: write it without separators"


def test_a_number_in_a_cell_is_what_it_is(read: Read) -> None:
    assert read([HEADING, ("2026-10", "D1", 1.25)]).added == [Bill("D1", OCTOBER, 1.25)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([HEADING], "holds no bills"),
        ([("a", "b"), (1, 2)], "unknown column 'a'"),
        ([("month", "dma"), ("2026-10", "D1")], "column billed_metered_m3 is missing"),
        ([], "is empty"),
        (
            "month,billed_metered_m3\n2026-09,5\n",
            "for the whole site, but stands in billed.csv by DMA",
        ),
        ("", "is empty"),
    ],
)
def test_a_file_that_is_none_is_told_in_words(read: Read, content: Any, said: str) -> None:
    assert said in mistakes(read, content)


def test_a_broken_workbook_and_one_of_several_sheets(read: Read, folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.xlsx"
    broken.write_bytes(b"PK\x03\x04 this is no workbook")
    site = read_site(folder)
    with pytest.raises(DataFileError, match="cannot be read as a workbook"):
        read_changes(broken, site, TODAY)
    path = sheet_of(tmp_path / "two.xlsx", [HEADING, ("2026-10", "D1", 5000)], "Satu")
    book = openpyxl.load_workbook(path)
    book.create_sheet("Dua").append(["note"])
    book.create_sheet("Kosong")
    book.save(path)
    with pytest.raises(DataFileError, match=r"has several sheets \(Satu, Dua\): name one with --sheet"):
        read_changes(path, site, TODAY)
    assert read_changes(path, site, TODAY, "Satu").added == [Bill("D1", OCTOBER, 5000.0)]
    with pytest.raises(DataFileError, match="has no sheet 'Tiga', only 'Satu', 'Dua', 'Kosong'"):
        read_changes(path, site, TODAY, "Tiga")


def test_what_may_be_right_is_only_doubted(read: Read) -> None:
    doubts = [p.message for p in read([HEADING, ("2026-10", "D1", 120_000), ("2026-11", "D2", 9000)]).doubts]
    assert "2026-10 of D1: 120,000 m3, where 12,000 m3 is usual" in doubts
    assert "2026-11 of D2: this month is not over" in doubts
    assert any(d.startswith("2026-10: nothing is given for D2, D3") for d in doubts)


def test_a_full_disk_leaves_the_bills_as_they_were(
    read: Read, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = read([HEADING, ("2026-10", "D1", 5000)])
    before, site = (folder / "billed.csv").read_bytes(), read_site(folder)
    monkeypatch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(OSError, match="No space left"):
        write_bills(site, found.bills)
    assert (folder / "billed.csv").read_bytes() == before


def test_a_running_program_takes_changed_bills_but_none_with_mistakes(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    current = CurrentBills(read_site(folder))
    assert len(current.site().billing) == 3
    (folder / "billed.csv").write_text("month,dma,billed_metered_m3\n2026-10,D1,5\n")
    assert current.site().billing == (Bill("D1", OCTOBER, 5.0),)
    (folder / "billed.csv").write_text("month,dma,billed_metered_m3\n2026-10,D1,many\n")
    assert current.site().billing == (Bill("D1", OCTOBER, 5.0),)
    current.site()
    assert len([r for r in caplog.records if "billed.csv:2" in r.getMessage()]) == 1
    (folder / "billed.csv").unlink()
    assert current.site().billing == ()


def test_the_command_checks_writes_and_tells(folder: Path, tmp_path: Path, twuin: Any) -> None:
    file = sheet_of(tmp_path / "sep.xlsx", [HEADING, ("2026-09", "D1", 13000), ("2026-09", "D2", 9000)])

    run = partial(twuin, "report", "bills", "--site", folder)
    before = (folder / "billed.csv").read_bytes()
    status, out, err = run(str(file), "--check")
    assert (status, err) == (0, "") and "1 changed, 1 as they were: checked, nothing written" in out
    assert (folder / "billed.csv").read_bytes() == before
    assert "2026-09 D1: 13,000 m3, was 12,000 m3" in run(str(file))[1]
    assert b"2026-09,D1,13000" in (folder / "billed.csv").read_bytes()
    status, out, err = run("nowhere.csv")
    assert (status, out) == (1, "") and err.startswith("error: nowhere.csv does not exist")
