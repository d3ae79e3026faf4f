"""Workbook and paper as others read them: openpyxl, calamine, a PDF reader."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from datetime import datetime
from typing import Any

import openpyxl
import pypdfium2
import pytest
import python_calamine

from twuin.alerts.promises import Stage
from twuin.reports.render import render
from twuin.views.report_models import PromiseCount, ReportOut
from twuin.web.locales import LANGUAGES
from twuin.web.report_words import document

Maker = Callable[..., ReportOut]
HOSTILE = ["=1+1", "+62 811", "-lorong", "@SUM(A1)", "<b>&amp;", '=HYPERLINK("http://x")', "http://x.id/"]
LONG = "Wilayah Pelayanan Kecamatan Lowokwaru Sebelah Timur %(n)s (Perumahan Tlogomas Permai)"


def book_of(report: ReportOut, code: str = "en") -> openpyxl.Workbook:
    return openpyxl.load_workbook(io.BytesIO(render(report, code, "xlsx").body))


def pages_of(report: ReportOut, code: str = "en") -> list[Any]:
    return list(pypdfium2.PdfDocument(render(report, code, "pdf").body))


def text_of(report: ReportOut, code: str = "en") -> str:
    return "\n".join(p.get_textpage().get_text_bounded() for p in pages_of(report, code))


def heading_of(sheet: Any) -> int:
    """The row under which the sheet is frozen."""
    return int(re.sub(r"\D", "", sheet.freeze_panes)) - 1


def _plain(value: Any) -> Any:
    """Of readers' habits: an empty cell is None or "", midnight a date or an instant."""
    if isinstance(value, datetime):
        return value.date() if value.isoformat().endswith("T00:00:00") else value
    return "" if value is None else value


# -- both --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("kind", ["pdf", "xlsx"])
def test_the_same_report_gives_the_same_bytes(made: Maker, code: str, kind: str) -> None:
    report = made(unknown="D2", leaks=6)
    first, again = render(report, code, kind), render(report.model_copy(deep=True), code, kind)
    assert first.body == again.body
    assert first.name == f"kota-2026-10.{code}.{kind}"


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_word_of_a_report_is_in_its_language(made: Maker, code: str) -> None:
    words = document(made(unknown="D2", leaks=6), code)
    said = [s.title for s in words.sections]
    assert len(said) == 13
    other = {s.title for s in document(made(), "en" if code == "id" else "id").sections}
    assert not set(said) & other
    assert len({s.sheet for s in words.sections}) == 13
    assert all(len(s.sheet) <= 31 and not re.search(r"[\[\]:*?/\\]", s.sheet) for s in words.sections)


def test_promises_and_what_repairs_brought_are_told_where_they_are_known(made: Maker) -> None:
    report = made()
    assert "Service promises" not in text_of(report) and "Fell by" not in text_of(report)
    leaks = [report.leaks[0].model_copy(update={"fell_m3h": 11.25}), *report.leaks[1:]]
    told = [
        PromiseCount(stage=Stage.RESPOND, kept=3, broken=1),
        PromiseCount(stage=Stage.REPAIR, kept=0, broken=2),
    ]
    report = report.model_copy(update={"leaks": leaks, "promises": told})
    assert "due in these days: response 3 of 4; repair 0 of 2." in text_of(report)
    sheet = book_of(report)["Leaks"]
    at = heading_of(sheet)
    column = [c.value for c in sheet[at]].index("Fell by [m³/h]")
    assert [sheet.cell(at + 1 + i, column + 1).value for i in range(3)] == [11.25, None, None]


def test_what_a_month_that_is_not_over_lacks_is_said_first(made: Maker) -> None:
    report = made().model_copy(update={"complete": False})
    assert "PRELIMINARY" in text_of(report)
    assert "PRELIMINARY" not in text_of(made())


def test_a_reason_stands_beside_what_is_missing_and_nowhere_else(made: Maker) -> None:
    """Bills of a month whose inflow was not measured are known, and need no excuse."""
    report = made()
    balance = report.losses.site.balance.model_copy(update={"system_input": None, "nrw": None})
    why = {"system_input": "gaps", "nrw": "gaps", "uarl": "no_mains"}
    site = report.losses.site.model_copy(update={"balance": balance, "nrw_share": None, "why": why})
    losses = report.losses.model_copy(update={"site": site})
    sheet = book_of(report.model_copy(update={"losses": losses}))["Summary"]
    said = {row[0].value: (row[1].value, row[5].value) for row in sheet.iter_rows()}
    gaps = "Less than half of the inflow was measured, or some hour of the day never."
    assert said["System input volume"] == said["Non-revenue water (NRW)"] == (None, gaps)
    assert said["Billed authorised consumption"] == (balance.billed.value, None)
    assert said["Unavoidable real losses (UARL)"] == (61.25, None)


# -- the workbook -------------------------------------------------------------------------------------


def test_numbers_are_numbers_with_units_in_the_headings(made: Maker) -> None:
    report = made()
    sheet = book_of(report)["Balance by DMA"]
    at = heading_of(sheet)
    headings = [c.value for c in sheet[at]]
    assert headings[:4] == ["DMA", "Connections", "Days", "Input [m³]"]
    row = sheet[at + 1]
    assert row[3].value == report.losses.dmas[0].balance.system_input.value
    assert row[3].number_format == "#,##0"
    share = row[headings.index("NRW [%]")]
    assert (share.value, share.number_format) == (0.331, "0.0%")


def test_zones_stand_between_their_dmas_and_the_whole_site(made: Maker) -> None:
    report = made()
    zone = report.losses.dmas[1].model_copy(update={"id": "Utara", "name": "Utara"})
    losses = report.losses.model_copy(update={"zones": [zone]})
    for name in ("Balance by DMA", "Real losses and ILI"):
        sheet = book_of(report.model_copy(update={"losses": losses}))[name]
        at = heading_of(sheet)
        first = [sheet[row][0].value for row in range(at + 1, at + 7)]
        assert first == ["DMA 1", "DMA 2", "DMA 3", "DMA 4", "Zone Utara", "Perumda Tirta Kota"]
        assert sheet[at + 5][3].value == sheet[at + 2][3].value
        assert sheet[at + 5][0].font.bold and not sheet[at + 4][0].font.bold


def test_what_is_not_known_is_an_empty_cell_and_no_zero(made: Maker) -> None:
    sheet = book_of(made(unknown="D1"))["Balance by DMA"]
    assert [c.value for c in sheet[heading_of(sheet) + 1]][3:] == [None] * 9


def test_dates_are_dates_in_local_time(made: Maker) -> None:
    sheet = book_of(made(leaks=1))["Leaks"]
    at = heading_of(sheet)
    column = [c.value for c in sheet[at]].index("Detected [WIB]")
    cell = sheet[at + 1][column]
    assert (cell.value.isoformat(" "), cell.number_format) == ("2026-10-01 14:24:00", "yyyy-mm-dd hh:mm")


def test_both_readers_read_the_same_and_find_nothing_to_repair(made: Maker) -> None:
    body = render(made(unknown="D2", leaks=6), "id", "xlsx").body
    ours = openpyxl.load_workbook(io.BytesIO(body), data_only=True)
    theirs = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(body))
    assert theirs.sheet_names == ours.sheetnames
    for name in ours.sheetnames:
        other = theirs.get_sheet_by_name(name).to_python(skip_empty_area=False)
        mine = [[_plain(v) for v in row] for row in ours[name].iter_rows(values_only=True)]
        assert [[_plain(v) for v in row[: len(mine[0])]] for row in other] == mine
    with zipfile.ZipFile(io.BytesIO(body)) as parts:
        assert parts.testzip() is None


def test_names_that_look_like_formulas_stay_text(made: Maker) -> None:
    for name in HOSTILE:
        book = book_of(made(count=1, name=name.replace("%", "%%")))
        cells = [c for s in book for row in s.iter_rows() for c in row if c.value == name]
        assert len(cells) > 3
        assert {c.data_type for c in cells} == {"s"}
        assert not any(c.hyperlink for c in cells)


def test_the_only_formulas_are_sums_and_their_values_stand_beside_them(made: Maker) -> None:
    report = made()
    body = render(report, "en", "xlsx").body
    book, values = (openpyxl.load_workbook(io.BytesIO(body), data_only=d) for d in (False, True))
    formulas = [(s.title, c) for s in book for row in s.iter_rows() for c in row if c.data_type == "f"]
    assert {t for t, _ in formulas} == {"Sensors"}
    for title, cell in formulas:
        first, last = re.fullmatch(r"=SUM\(([A-Z]+\d+):([A-Z]+\d+)\)", cell.value).groups()
        summed = sum(c.value for (c,) in book[title][first:last])
        assert values[title][cell.coordinate].value == summed


def test_sheets_print_on_a4_with_their_heading_on_every_page(made: Maker) -> None:
    for sheet in book_of(made()):
        assert sheet.page_setup.paperSize == 9
        assert sheet.page_setup.orientation == "landscape"
        assert sheet.sheet_properties.pageSetUpPr.fitToPage
        assert sheet.page_setup.fitToWidth in (None, 1) and sheet.page_setup.fitToHeight == 0
        assert sheet.print_title_rows == f"${heading_of(sheet)}:${heading_of(sheet)}"
        assert "&P" in sheet.oddFooter.right.text


# -- paper ---------------------------------------------------------------------------------------------


def test_numbers_are_written_as_the_language_writes_them(made: Maker) -> None:
    report = made()
    assert "208.002" in text_of(report, "id") and "33,1" in text_of(report, "id")
    assert "208,002" in text_of(report, "en") and "33.1" in text_of(report, "en")


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_page_has_its_number_the_site_and_the_month(made: Maker, code: str) -> None:
    pages = pages_of(made(count=12, leaks=30), code)
    month, page = {"id": ("Oktober 2026", "Halaman"), "en": ("October 2026", "Page")}[code]
    for number, each in enumerate(pages, 1):
        text = each.get_textpage().get_text_bounded()
        assert "Perumda Tirta Kota" in text and month in text
        assert re.search(rf"{page} {number} \w+ {len(pages)}\b", text)
        assert each.get_size() == pytest.approx((595.28, 841.89), abs=0.1)


def test_text_can_be_searched_whatever_letters_it_has(made: Maker) -> None:
    text = text_of(made(count=2, name="Città Ñuñoa Żółw %(n)s ≥ 10 m³"), "id")
    assert "Città Ñuñoa Żółw 1 ≥ 10 m³" in text


def test_markup_in_names_stays_text(made: Maker) -> None:
    assert "<b>&amp;" in text_of(made(count=1, name="<b>&amp;"))


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("name", [LONG, "DMA-%(n)s", "Lowokwaru" * 18 + "%(n)s"])
def test_forty_dmas_and_long_names_stay_within_the_margins(made: Maker, code: str, name: str) -> None:
    for page in pages_of(made(count=40, name=name, leaks=40, unknown="D7"), code):
        text, width = page.get_textpage(), page.get_size()[0]
        for i in range(text.count_rects()):
            left, bottom, right, _top = text.get_rect(i)
            assert 40 < left < right < width - 40
            assert bottom > 25


def test_fonts_are_within_and_charts_are_no_pictures(made: Maker) -> None:
    body = render(made(), "id", "pdf").body
    assert body.count(b"/FontFile2") == 2
    assert b"/Subtype /Image" not in body and b"/Subtype/Image" not in body
    pdf = pypdfium2.PdfDocument(body)
    assert pdf.get_metadata_dict()["Title"].endswith("Oktober 2026")
    assert pdf.get_metadata_dict()["CreationDate"] == "D:20261102230500Z"
    assert len(list(pdf.get_toc())) == 13


@pytest.mark.parametrize(("count", "name"), [(4, "DMA %(n)s"), (40, LONG)])
def test_figures_of_paper_are_those_of_the_report(made: Maker, count: int, name: str) -> None:
    """Each a word of its own: columns that ran into one another would not be."""
    report = made(count, name)
    words = set(text_of(report, "en").split())
    for dma in report.losses.dmas:
        assert f"{dma.balance.system_input.value:,.0f}" in words
        assert f"{dma.leakage_m3h.value:,.2f}" in words
    for leak in report.leaks:
        assert {leak.alert, f"{leak.lost_m3:,.0f}", f"{leak.cost:,.0f}"} <= words
