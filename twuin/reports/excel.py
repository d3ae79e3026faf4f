"""A report as an Excel workbook: a sheet a section, numbers as numbers, ready to print."""

from __future__ import annotations

import io
import math
from datetime import UTC, datetime
from typing import Any

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.utility import xl_col_to_name
from xlsxwriter.workbook import Workbook
from xlsxwriter.worksheet import Worksheet

from twuin.web.report_tables import As, Cell, Column, Document, Num, Row, Section, Table

A4 = 9  # Excel's number of the paper
_TEXT_MOST, _LEAST = 60, 9  # widths of columns [characters]
_INK, _SHADE, _RULE = "#14323f", "#e6eff2", "#b7c9cf"

# Text stays what it is: nothing that a device or a person is called becomes a formula, a link or a number.
_OPTIONS = {
    "in_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
    "default_date_format": "yyyy-mm-dd hh:mm",
}


def workbook(document: Document) -> bytes:
    """The file (.xlsx). The same document gives the same bytes."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, _OPTIONS)
    book.set_properties(
        {
            "title": f"{document.title}, {document.period}",
            "author": document.site,
            "created": document.made.astimezone(UTC).replace(tzinfo=None, microsecond=0),
        }
    )
    styles = _Styles(book)
    for section in document.sections:
        _sheet(book.add_worksheet(section.sheet[:31]), styles, document, section)
    book.close()
    return out.getvalue()


class _Styles:
    """Formats of the workbook, each made once."""

    def __init__(self, book: Workbook) -> None:
        self._book = book
        self._made: dict[tuple[tuple[str, Any], ...], Format] = {}

    def get(self, **properties: Any) -> Format:
        key = tuple(sorted(properties.items()))
        if key not in self._made:
            self._made[key] = self._book.add_format({"valign": "top", **properties})
        return self._made[key]

    def cell(self, cell: Cell, column: Column, row: Row, first: bool) -> Format:
        how: dict[str, Any] = {"bottom": 1, "bottom_color": _RULE}
        if row.strong:
            how["bold"] = True
        if first and row.depth:
            how["indent"] = row.depth
        if isinstance(cell, str):
            how["text_wrap"] = True
        elif isinstance(cell, datetime):
            how["num_format"] = "yyyy-mm-dd hh:mm"
        elif isinstance(cell, Num):
            how["num_format"] = number_format(cell.digits, cell.percent)
        else:
            how["num_format"] = number_format(column.digits, column.how is As.PERCENT)
        return self.get(**how)


def number_format(digits: int, percent: bool = False) -> str:
    """Excel's pattern, which it shows in the marks of the reader's own country."""
    return ("0" if percent else "#,##0") + ("." + "0" * digits if digits else "") + ("%" if percent else "")


def _sheet(sheet: Worksheet, styles: _Styles, document: Document, section: Section) -> None:
    table, last = section.table, len(section.table.columns) - 1
    sheet.write_string(0, 0, section.title, styles.get(bold=True, font_size=14, font_color=_INK))
    sheet.write_string(1, 0, f"{document.site}, {document.period}", styles.get(bold=True))
    line = 2
    about = document.about if section is document.sections[0] else ()
    for text in (*about, *section.lead):
        sheet.write_string(line, 0, text, styles.get())
        line += 1
    heading = line + 1
    for c, column in enumerate(table.columns):
        align = "left" if column.how is As.TEXT else "right"
        style = styles.get(
            bold=True, text_wrap=True, bg_color=_SHADE, bottom=1, bottom_color=_INK, align=align
        )
        sheet.write_string(heading, c, column.heading, style)
    line = heading + 1
    for row in table.rows:
        for c, (cell, column) in enumerate(zip(row.cells, table.columns, strict=True)):
            _write(sheet, line, c, cell, styles.cell(cell, column, row, c == 0), document)
        line += 1
    if not table.rows and table.empty:
        sheet.write_string(line, 0, table.empty, styles.get(italic=True))
        line += 1
    elif table.sums and table.rows:
        _total(sheet, styles, table, heading, line)
        line += 1
    for text in table.notes:
        line += 1
        sheet.write_string(line, 0, text, styles.get(italic=True))
    for c, column in enumerate(table.columns):
        sheet.set_column(c, c, _width(table, c, column))
    sheet.freeze_panes(heading + 1, 1)
    if len(table.rows) > 1:
        sheet.autofilter(heading, 0, heading + len(table.rows), last)
    sheet.set_paper(A4)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(heading)
    sheet.set_margins(left=0.5, right=0.5, top=0.6, bottom=0.7)
    page = document.labels["page"] % {"n": "&P", "of": "&N"}
    named = f"{document.site}, {document.period}".replace("&", "&&")
    sheet.set_footer(f"&L&8{named[:120]}&R&8{page}")


def _write(sheet: Worksheet, line: int, c: int, cell: Cell, style: Format, document: Document) -> None:
    if isinstance(cell, Num):
        cell = cell.value
    if isinstance(cell, str) and cell:
        sheet.write_string(line, c, cell, style)
    elif isinstance(cell, datetime):  # Excel knows no zones: local time, whose zone the heading names
        local = cell.astimezone(document.formats.zone).replace(tzinfo=None, second=0, microsecond=0)
        sheet.write_datetime(line, c, local, style)
    elif cell is None or isinstance(cell, str) or not math.isfinite(cell):
        sheet.write_blank(line, c, None, style)
    else:
        sheet.write_number(line, c, cell, style)


def _total(sheet: Worksheet, styles: _Styles, table: Table, heading: int, line: int) -> None:
    how: dict[str, Any] = {"bold": True, "top": 1, "top_color": _INK}
    for c, column in enumerate(table.columns):
        if c in table.sums:
            letter = xl_col_to_name(c)
            cells = f"{letter}{heading + 2}:{letter}{line}"
            known = total_of(table, c)
            # The value stands beside the formula for those who do not work formulas out.
            sheet.write_formula(
                line, c, f"=SUM({cells})", styles.get(num_format=number_format(column.digits), **how), known
            )
        elif c == 0:
            sheet.write_string(line, c, table.total, styles.get(**how))
        else:
            sheet.write_blank(line, c, None, styles.get(**how))


def total_of(table: Table, c: int) -> float:
    """The sum of a column's numbers."""
    return sum(cell for row in table.rows if isinstance(cell := row.cells[c], int | float))


def _width(table: Table, c: int, column: Column) -> float:
    """Of a column [characters]: as wide as its longest word or number asks for, text to a limit."""
    longest = max((len(w) for w in column.heading.split()), default=0) + 1
    for row in table.rows:
        cell = row.cells[c]
        if isinstance(cell, str):
            longest = max(longest, min(len(cell) + 2 * row.depth + 2, _TEXT_MOST))
        elif isinstance(cell, datetime):
            longest = max(longest, 17)
        elif isinstance(cell, Num) and cell.value is not None:
            longest = max(longest, len(f"{cell.value:,.{cell.digits}f}") + 2)
        elif isinstance(cell, int | float):
            longest = max(longest, len(f"{cell:,.{column.digits}f}") + 2)
    return max(longest, _LEAST)
