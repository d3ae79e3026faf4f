"""A report on paper: A4, the fonts within, text that can be searched and copied."""

from __future__ import annotations

import io
import threading
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from babel.dates import format_date
from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import registerFont, registerFontFamily, stringWidth
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import CondPageBreak, Flowable, LongTable, Paragraph, SimpleDocTemplate, Spacer

from twuin.reports.charts import bars
from twuin.reports.excel import total_of
from twuin.web.report_tables import As, Cell, Column, Document, Num, Row, Section, Table

FONTS = Path(__file__).parent / "fonts"
FONT, BOLD = "RobotoCondensed", "RobotoCondensed-Bold"
INK, SHADE, RULE = HexColor("#14323f"), HexColor("#e6eff2"), HexColor("#b7c9cf")
MARGIN = 15 * mm
WIDTH = A4[0] - 2 * MARGIN
SIZES = (8.0, 7.5, 7.0, 6.5, 6.0, 5.5)
"""Of a table's text [pt], the largest first that fits."""
_FRAME = 6.0  # that the library leaves inside a page's margins [pt]
_PAD, _APART = 2.4, 8.0  # left and right in a cell; left of text behind a column of numbers [pt]
_FIRST_ROWS = 8
_MOST_LINES, _READABLE = 2.6, 7.0  # of a cell; and a size [pt] below which lines are rather broken
_TEXT_LEAST = 34.0  # width of a column of text [pt]

_one_at_a_time = threading.Lock()  # the library keeps fonts and their subsets for all documents together


@cache
def _fonts() -> None:
    registerFont(TTFont(FONT, FONTS / "RobotoCondensed-Regular.ttf"))
    registerFont(TTFont(BOLD, FONTS / "RobotoCondensed-Bold.ttf"))
    registerFontFamily(FONT, normal=FONT, bold=BOLD, italic=FONT, boldItalic=BOLD)


def paper(document: Document) -> bytes:
    """The file (.pdf). The same document gives the same bytes."""
    with _one_at_a_time:
        _fonts()
        out = io.BytesIO()
        frame = SimpleDocTemplate(
            out,
            pagesize=A4,
            leftMargin=MARGIN - _FRAME, rightMargin=MARGIN - _FRAME, topMargin=16 * mm, bottomMargin=17 * mm,
            title=f"{document.title}, {document.period}",
            author=document.site,
            subject=document.title,
            creator="Twuin",
            lang=document.formats.code,
            invariant=1,
        )  # fmt: skip
        frame.build(_story(document), canvasmaker=_pages(document))
        return out.getvalue()


# -- pages ---------------------------------------------------------------------------------------------


def _pages(document: Document) -> Any:
    made = document.made.astimezone(UTC)

    class Numbered(Canvas):
        """Keeps its pages until it is known how many there are."""

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self._kept: list[dict[str, Any]] = []
            self.setDateFormatter(lambda *_now: f"D:{made:%Y%m%d%H%M%S}Z")

        def showPage(self) -> None:
            self._kept.append(dict(self.__dict__))
            self._startPage()  # type: ignore[attr-defined]

        def save(self) -> None:
            for number, page in enumerate(self._kept, 1):
                self.__dict__.update(page)
                _margins(self, document, number, len(self._kept))
                super().showPage()
            super().save()

    return Numbered


def _margins(canvas: Canvas, document: Document, number: int, of: int) -> None:
    canvas.saveState()
    canvas.setFont(FONT, 8)
    canvas.setFillColor(HexColor("#4a5a61"))
    canvas.setStrokeColor(RULE)
    canvas.setLineWidth(0.5)
    low = 11 * mm
    page = document.labels["page"] % {"n": number, "of": of}
    room = WIDTH - stringWidth(page, FONT, 8) - 12
    canvas.drawString(MARGIN, low, _cut(f"{document.site} · {document.title}, {document.period}", room))
    canvas.drawRightString(A4[0] - MARGIN, low, page)
    canvas.line(MARGIN, low + 11, A4[0] - MARGIN, low + 11)
    canvas.restoreState()


def _cut(text: str, room: float) -> str:
    if stringWidth(text, FONT, 8) <= room:
        return text
    while text and stringWidth(text + "…", FONT, 8) > room:
        text = text[:-1]
    return text + "…"


class _Mark(Flowable):
    """An entry of the reader's list of contents, at the place where it stands."""

    def __init__(self, name: str, key: str) -> None:
        super().__init__()
        self._name, self._key = name, key

    def wrap(self, *room: float) -> tuple[float, float]:
        return 0.0, 0.0

    def draw(self) -> None:
        self.canv.bookmarkPage(self._key)
        self.canv.addOutlineEntry(self._name, self._key, 0)


# -- what stands on them -------------------------------------------------------------------------------


def _style(name: str, size: float, **more: Any) -> ParagraphStyle:
    options: dict[str, Any] = {
        "fontName": FONT,
        "fontSize": size,
        "leading": size * 1.22,
        "splitLongWords": 1,
    }
    return ParagraphStyle(name, **{**options, **more})


_TITLE = {"fontName": BOLD, "textColor": INK}


def _story(document: Document) -> list[Flowable]:
    story: list[Flowable] = [
        Paragraph(escape(document.site), _style("site", 12, **_TITLE)),
        Spacer(0, 2),
        Paragraph(escape(f"{document.title}, {document.period}"), _style("title", 19, **_TITLE)),
        Spacer(0, 5),
    ]
    story += [Paragraph(escape(text), _style("about", 8.5)) for text in document.about]
    for number, section in enumerate(document.sections):
        story += _section(document, section, f"s{number}")
    return story


def _section(document: Document, section: Section, key: str) -> list[Flowable]:
    heading = _style("heading", 12.5, **_TITLE, spaceBefore=15, spaceAfter=4)
    lead = _style("lead", 8.5, spaceAfter=3)
    note = _style("note", 7.5, textColor=HexColor("#4a5a61"), spaceBefore=2)
    table = section.table
    chart = None if section.chart is None else bars(section.chart, WIDTH, document.formats, FONT)
    # A heading never stands alone: with it come its chart and the first lines of its table.
    room = 50.0 + 24.0 * len(section.lead) + (0.0 if chart is None else chart.height)
    room += 40.0 + 16.0 * min(len(table.rows), _FIRST_ROWS)
    out: list[Flowable] = [CondPageBreak(min(room, A4[1] / 2)), Paragraph(escape(section.title), heading)]
    out.append(_Mark(section.title, key))
    out += [Paragraph(escape(text), lead) for text in section.lead]
    if chart is not None:
        out += [chart, Spacer(0, 5)]
    if not table.rows:
        out.append(Paragraph(escape(table.empty), _style("empty", 8.5)))
    else:
        out.append(_table(document, table))
    if table.most is not None and len(table.rows) > table.most:
        out.append(Paragraph(escape(table.rest % {"n": len(table.rows) - table.most}), note))
    out += [Paragraph(escape(text), note) for text in table.notes if table.rows]
    return out


def _table(document: Document, table: Table) -> LongTable:
    shown = list(table.rows if table.most is None else table.rows[: table.most])
    if table.sums:
        cells = (total_of(table, c) if c in table.sums else None for c in range(1, len(table.columns)))
        shown.append(Row((table.total, *cells), strong=True))
    texts = [
        [_text(document, cell, column) for cell, column in zip(row.cells, table.columns, strict=True)]
        for row in shown
    ]
    size, widths = _fitted(table.columns, shown, texts)
    body: list[list[Paragraph | str]] = [[_heading(c, size) for c in table.columns]]
    for row, line in zip(shown, texts, strict=True):
        body.append([_cell(row, line[i], c, i, size) for i, c in enumerate(table.columns)])
    made = LongTable(body, widths, repeatRows=1, style=_looks(table.columns, shown, size))
    made.hAlign = "LEFT"
    return made


def _text(document: Document, cell: Cell, column: Column) -> str:
    """A cell as it is read in the report's language."""
    formats = document.formats
    if cell is None:
        return "–" if column.how is not As.TEXT else ""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, datetime):
        day = format_date(cell.astimezone(formats.zone).date(), "d MMM y", formats.code)
        return f"{day}, {formats.time(cell, 'clock')}"
    if not isinstance(cell, Num):
        cell = Num(cell, column.digits, column.how is As.PERCENT)
    if cell.value is None:
        return "–"
    if cell.percent:
        return formats.number(cell.value * 100, cell.digits)
    return formats.number(cell.value, cell.digits)


def _heading(column: Column, size: float) -> Paragraph:
    right = {} if column.how is As.TEXT else {"alignment": TA_RIGHT}
    name = escape(column.name)
    if column.unit:
        name += f" <font name='{FONT}'>[{escape(column.unit)}]</font>"
    return Paragraph(name, _style("th", size, fontName=BOLD, textColor=INK, **right))


def _cell(row: Row, text: str, column: Column, place: int, size: float) -> Paragraph | str:
    if column.how not in (As.TEXT, As.TIME):
        return text  # set by the table itself: short, and on one line
    how: dict[str, Any] = {"fontName": BOLD} if row.strong else {}
    if place == 0 and row.depth:
        how["leftIndent"] = 7.0 * row.depth
    if column.how is As.TIME:
        how["alignment"] = TA_RIGHT
    return Paragraph(escape(text), _style("td", size, **how))


def _fitted(
    columns: tuple[Column, ...], rows: list[Row], texts: list[list[str]]
) -> tuple[float, list[float]]:
    """Size of the text and widths of the columns [pt]: numbers get what they need, text shares the rest by
    what it asks for. The largest size at which no text takes more than a few lines."""
    for size in SIZES:
        widths = [
            _needed(c, i, rows, texts, size) + (_APART - _PAD if _behind(columns, i) else 0.0)
            for i, c in enumerate(columns)
        ]
        asked = [_asked(c, i, texts, size) for i, c in enumerate(columns)]
        spare = WIDTH - sum(widths)
        short = [max(a - w, 0.0) for a, w in zip(asked, widths, strict=True)]
        if spare > 0 and sum(short) > 0:
            share = min(1.0, spare / sum(short))
            widths = [w + share * s for w, s in zip(widths, short, strict=True)]
        lines = max(a / w for a, w in zip(asked, widths, strict=True))
        if spare >= 0 and (lines <= _MOST_LINES or size <= _READABLE):
            break
    spare = WIDTH - sum(widths)
    if spare >= 0:
        return size, [w + spare / len(widths) for w in widths]
    return size, [w * WIDTH / sum(widths) for w in widths]


def _asked(column: Column, place: int, texts: list[list[str]], size: float) -> float:
    """Width at which a column of text needs one line, 0 for others."""
    if column.how is not As.TEXT:
        return 0.0
    return max((stringWidth(line[place], FONT, size) for line in texts), default=0.0) + 2 * _PAD + 8


def _behind(columns: tuple[Column, ...], place: int) -> bool:
    """Whether a column of text stands right of numbers, which end at its edge."""
    return place > 0 and columns[place].how is As.TEXT and columns[place - 1].how is not As.TEXT


def _needed(column: Column, place: int, rows: list[Row], texts: list[list[str]], size: float) -> float:
    heads = [stringWidth(w, BOLD, size) for w in column.heading.split()]
    if column.how is As.TEXT:
        words = [stringWidth(w, FONT, size) for line in texts for w in line[place].split()]
        # A word that is longer is broken: a hostile name must not push the others off the paper.
        longest = max([*words, *heads, _TEXT_LEAST], default=_TEXT_LEAST)
        return min(longest, WIDTH / 5) + 2 * _PAD + 1
    if column.how is As.TIME:
        cells = [
            stringWidth(w, FONT, size) for line in texts for w in (line[place].rpartition(",")[0] + ",",)
        ]
    else:
        cells = [
            stringWidth(line[place], BOLD if row.strong else FONT, size)
            for row, line in zip(rows, texts, strict=True)
        ]
    return max([*heads, *cells]) + 2 * _PAD + 1


def _looks(columns: tuple[Column, ...], rows: list[Row], size: float) -> list[tuple[Any, ...]]:
    looks: list[tuple[Any, ...]] = [
        ("FONT", (0, 0), (-1, -1), FONT, size, size * 1.22),
        ("BACKGROUND", (0, 0), (-1, 0), SHADE),
        ("LINEBELOW", (0, 0), (-1, 0), 0.8, INK),
        ("LINEBELOW", (0, 1), (-1, -1), 0.3, RULE),
        ("VALIGN", (0, 0), (-1, 0), "BOTTOM"),
        ("VALIGN", (0, 1), (-1, -1), "TOP"),
        ("ALIGN", (0, 0), (-1, -1), "RIGHT"),
        ("LEFTPADDING", (0, 0), (-1, -1), _PAD),
        ("RIGHTPADDING", (0, 0), (-1, -1), _PAD),
        ("TOPPADDING", (0, 0), (-1, -1), 1.8),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2.2),
    ]
    looks += [("LEFTPADDING", (i, 0), (i, -1), _APART) for i in range(len(columns)) if _behind(columns, i)]
    looks += [("FONTNAME", (0, i), (-1, i), BOLD) for i, row in enumerate(rows, 1) if row.strong]
    return looks
