"""A report as sections of tables and charts, in words: what paper and workbook are both made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from twuin.web.formats import Formats


class As(StrEnum):
    """How the cells of a column are written."""

    TEXT = "text"
    NUMBER = "number"
    PERCENT = "percent"  # held as a share: 0.25 is 25 %
    TIME = "time"  # a local instant, to the minute


@dataclass(frozen=True, slots=True)
class Num:
    """A number in a column whose rows differ in digits, or hold shares."""

    value: float | None
    digits: int = 0
    percent: bool = False


Cell = str | int | float | datetime | Num | None


@dataclass(frozen=True, slots=True)
class Column:
    """unit: behind the heading, "" for none. digits: after the decimal mark."""

    name: str
    unit: str = ""
    how: As = As.NUMBER
    digits: int = 0

    @property
    def heading(self) -> str:
        """Name and unit."""
        return f"{self.name} [{self.unit}]" if self.unit else self.name


@dataclass(frozen=True, slots=True)
class Row:
    """depth: how far the first cell is set in. strong: a sum, or what the table is about."""

    cells: tuple[Cell, ...]
    depth: int = 0
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """sums: columns of whole numbers that a last row adds up (a workbook by formulas); total: its name.
    most: rows that paper shows at most, None for all; rest: said of those left out, with ``%(n)s``."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    empty: str = ""
    notes: tuple[str, ...] = ()
    sums: frozenset[int] = frozenset()
    total: str = ""
    most: int | None = None
    rest: str = ""


@dataclass(frozen=True, slots=True)
class Bars:
    """Lying bars of parts beside one another. rows: name, [(part, value)]; parts: their names by kind."""

    unit: str
    parts: dict[str, str]
    rows: tuple[tuple[str, tuple[tuple[str, float], ...]], ...]
    says: str


@dataclass(frozen=True, slots=True)
class Section:
    """sheet: its name in a workbook (31 characters at most)."""

    title: str
    sheet: str
    table: Table
    lead: tuple[str, ...] = ()
    chart: Bars | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A report in one language. made: the instant that stands in the file. labels: words that paper and
    workbook need: "page" with %(n)s and %(of)s."""

    formats: Formats
    site: str
    title: str
    period: str
    about: tuple[str, ...]
    made: datetime
    sections: tuple[Section, ...]
    labels: dict[str, str] = field(default_factory=dict)
