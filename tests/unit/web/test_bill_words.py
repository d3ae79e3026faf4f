"""All that can be wrong with a file of bills is said in the reader's language."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pytest

from twuin.reports.bill_desk import SiteBills
from twuin.views.bill_desk import MAX_BYTES, BillProblem
from twuin.web.bill_words import BillWords
from twuin.web.formats import Formats
from twuin.web.locales import language
from waterworks.site_folder import read_site

HEAD = "month,dma,billed_metered_m3\n"


def words(code: str) -> BillWords:
    messages = language(code).messages
    return BillWords(Formats(code, messages.gettext, messages.ngettext, ZoneInfo("Asia/Jakarta"), "IDR", 0))


def workbook(*sheets: str, cell: str = "A1") -> bytes:
    made = openpyxl.Workbook()
    for title in sheets:
        made.create_sheet(title)[cell] = "month"
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


@pytest.fixture
def told(tmp_path: Path) -> Callable[..., list[BillProblem]]:
    """What is wrong with, or doubtful in, a file at a site of two DMAs with bills of September (by DMA) and
    August (as a whole)."""
    (tmp_path / "site.toml").write_text('id = "kota"\nname = "Kota"\n')
    (tmp_path / "dmas.csv").write_text("id,name,connections\nD1,Dinoyo,900\nD2,Sukun,700\n")
    (tmp_path / "sensors.csv").write_text(
        "id,quantity,unit,dma,device,role\nS1,flow,m3/h,D1,R1,inlet\nS2,flow,m3/h,D2,R2,inlet\n"
    )
    (tmp_path / "billed.csv").write_text(HEAD + "2026-08,,9000\n2026-09,D1,12000\n2026-09,D2,9000\n")
    desk = SiteBills(read_site(tmp_path), tmp_path / "bills", lambda: datetime(2026, 11, 10, 3, tzinfo=UTC))

    def of(name: str, body: bytes | str, sheet: str = "") -> list[BillProblem]:
        seen = desk.check(name, body.encode() if isinstance(body, str) else body, sheet)
        return [*seen.errors, *seen.doubts]

    return of


EXAMPLES: dict[str, tuple[Any, ...]] = {
    "wrong_kind": ("a.pdf", "x"),
    "too_large": ("a.csv", b"x" * (MAX_BYTES + 1)),
    "far_cell": ("a.xlsx", workbook("One", cell="A60000")),
    "not_a_workbook": ("a.xlsx", b"PK\x03\x04 no workbook"),
    "no_sheet": ("a.xlsx", workbook("One"), "Two"),
    "several_sheets": ("a.xlsx", workbook("One", "Two")),
    "empty_workbook": ("a.xlsx", workbook()),
    "utf16": ("a.csv", HEAD.encode("utf-16")),
    "not_utf8": ("a.csv", b"\xe9\n"),
    "nul": ("a.csv", HEAD + "\0"),
    "not_csv": ("a.csv", HEAD + '2026-10,"D1,5\n'),
    "empty": ("a.csv", ""),
    "no_bills": ("a.csv", HEAD),
    "column_unnamed": ("a.csv", "month,,billed_metered_m3\n"),
    "column_unknown": ("a.csv", "mont,billed_metered_m3\n"),
    "column_twice": ("a.csv", "month,month,billed_metered_m3\n"),
    "column_missing": ("a.csv", "month\n"),
    "cells_many": ("a.csv", HEAD + "2026-10,D1,5,6\n"),
    "empty_cell": ("a.csv", HEAD + "2026-10,D1,\n"),
    "not_a_number": ("a.csv", HEAD + "2026-10,D1,x\n"),
    "decimal_comma": ("a.csv", HEAD + '2026-10,D1,"1,5"\n'),
    "thousands": ("a.csv", HEAD.replace(",", ";") + "2026-10;D1;1.2,5\n"),
    "not_finite": ("a.csv", "month,billed_metered_m3,unbilled_metered_m3\n2026-10,5,inf\n"),
    "not_finite_needed": ("a.csv", HEAD + "2026-10,D1,nan\n"),
    "below": ("a.csv", HEAD + "2026-10,D1,-1\n"),
    "ambiguous": ("a.csv", HEAD + "2026-10,D1,1.250\n"),
    "not_a_month": ("a.csv", HEAD + "October,D1,5\n"),
    "dma_unknown": ("a.csv", HEAD + "2026-10,D11,5\n"),
    "twice": ("a.csv", HEAD + "2026-10,,5\n2026-10,,5\n"),
    "both_ways": ("a.csv", HEAD + "2026-10,,5\n2026-10,D1,5\n"),
    "stands_by_dma": ("a.csv", HEAD + "2026-09,,5\n"),
    "stands_whole": ("a.csv", HEAD + "2026-08,D1,5\n"),
    "unusual": ("a.csv", HEAD + "2026-10,D1,999999\n"),
    "not_over": ("a.csv", HEAD + "2026-11,D1,12000\n"),
    "lacking": ("a.csv", HEAD + "2026-10,D1,12000\n"),
}


@pytest.mark.parametrize("code", EXAMPLES)
def test_each_mistake_is_said_in_both_languages(told: Callable[..., list[BillProblem]], code: str) -> None:
    found = {p.code: p for p in told(*EXAMPLES[code])}
    assert code in found
    for problem in found.values():
        indonesian, english = (words(language).problem(problem) for language in ("id", "en"))
        assert indonesian and english and indonesian != english
        assert "%(" not in indonesian + english


def test_every_sentence_has_an_example() -> None:
    """But two that a disk that fails, or a bomb, would bring."""
    assert set(words("en").known()) - set(EXAMPLES) == {"unreadable", "unpacks"}


def test_values_are_written_as_the_reader_writes_them(told: Callable[..., list[BillProblem]]) -> None:
    [doubt] = told("a.csv", HEAD + "2026-10,D1,120000\n2026-10,D2,9000\n")
    said = "2026-10 untuk D1: 120.000 m³, padahal biasanya 12.000 m³."
    assert words("id").problem(doubt) == said
    [wrong] = told("a.csv", HEAD + "2026-10,D11,5\n2026-10,D2,9000\n")
    assert words("en").problem(wrong) == "The DMA D11 is not in dmas.csv. Did you mean D1?"
    [wrong, _] = told("a.xlsx", workbook("Oktober"))
    assert words("id").where(wrong) == "a.xlsx, lembar Oktober"
    [nan] = told(*EXAMPLES["not_finite_needed"])
    assert (nan.line, nan.values["column"]) == (2, "billed_metered_m3")
    assert (
        words("en").problem(nan).endswith("leave the row out where it is unknown.")
    )  # an empty cell is none
    [twice] = told(*EXAMPLES["twice"])
    assert words("id").problem(twice) == "2026-10 untuk seluruh wilayah sudah ada, di baris 2."
