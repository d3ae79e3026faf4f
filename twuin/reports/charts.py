"""Lying bars for paper: vectors and text, no picture."""

from __future__ import annotations

from reportlab.graphics.shapes import Drawing, Line, Rect, String
from reportlab.lib.colors import HexColor
from reportlab.pdfbase.pdfmetrics import stringWidth

from twuin.web.formats import Formats
from twuin.web.report_tables import Bars

COLOURS = {
    "billed": "#2f6f8f",
    "unbilled": "#7fb3c8",
    "apparent": "#e3b04b",
    "real": "#c2502e",
    "nrw": "#d98b5f",
}
"""By part, told apart by lightness too: a report is copied in black and white."""

_SIZE, _BAR, _GAP, _NAME_MOST = 7.0, 9.0, 4.0, 150.0  # [pt]
_MOST_BARS = 40


def bars(chart: Bars, width: float, formats: Formats, font: str) -> Drawing:
    """The chart, ``width`` [pt] wide. Bars beyond the fortieth, which are the shortest, are left out."""
    rows = chart.rows[:_MOST_BARS]
    names = [_fitted(name, font) for name, _parts in rows]
    left = max((stringWidth(n, font, _SIZE) for n in names), default=0.0)
    left += 6.0 if left else 0.0
    most = max(sum(v for _kind, v in parts) for _name, parts in rows) or 1.0
    said = {i: formats.number(sum(v for _kind, v in parts)) for i, (_name, parts) in enumerate(rows)}
    right = max(stringWidth(f"{t} {chart.unit}", font, _SIZE) for t in said.values()) + 8.0
    scale = (width - left - right) / most
    legend = 14.0
    height = legend + len(rows) * (_BAR + _GAP) + 2.0
    drawing = Drawing(width, height)
    x = left
    for kind, name in chart.parts.items():
        drawing.add(_part(kind, x, height - 9, 7, 7))
        drawing.add(String(x + 10, height - 8, name, fontName=font, fontSize=_SIZE))
        x += 22 + stringWidth(name, font, _SIZE)
    y = height - legend - _BAR
    for i, (_name, parts) in enumerate(rows):
        drawing.add(String(0, y + 2, names[i], fontName=font, fontSize=_SIZE))
        x = left
        for kind, value in parts:
            long = max(value, 0.0) * scale
            drawing.add(_part(kind, x, y, long, _BAR))
            x += long
        drawing.add(String(x + 4, y + 2, f"{said[i]} {chart.unit}", fontName=font, fontSize=_SIZE))
        y -= _BAR + _GAP
    drawing.add(Line(left, 1, left, height - legend + 1, strokeColor=HexColor("#5b6b72"), strokeWidth=0.5))
    return drawing


def _part(kind: str, x: float, y: float, width: float, height: float) -> Rect:
    shape = Rect(x, y, width, height)
    shape.fillColor = HexColor(COLOURS.get(kind, "#8a8a8a"))
    shape.strokeColor = None
    return shape


def _fitted(name: str, font: str) -> str:
    """``name``, without its middle where it is longer than its place: names differ at their ends."""
    if stringWidth(name, font, _SIZE) <= _NAME_MOST:
        return name
    for kept in range(len(name) - 1, 0, -1):
        head = kept - kept // 3
        short = f"{name[:head].rstrip()}…{name[len(name) - kept // 3 :].lstrip()}"
        if stringWidth(short, font, _SIZE) <= _NAME_MOST:
            return short
    return "…"
