"""Results of a benchmark: tables for people, JSON for scripts, pictures for reports."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

Cell = str | int | float | None
"""None and NaN are shown as a dash."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a title, a heading per column (with its unit) and notes below it."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()


class Result(Protocol):
    """What every case returns."""

    def tables(self) -> Sequence[Table]:
        """What a person reads."""

    def as_json(self) -> dict[str, Any]:
        """What a script reads: plain values, SI or with the unit in the key, NaN as None."""

    def plot(self, folder: Path) -> list[Path]:
        """Draw the pictures into ``folder`` (made if missing) and return their paths.

        Raises BenchmarkError where Matplotlib is missing.
        """


def text(cell: Cell) -> str:
    """A cell as it is shown: three significant digits, large numbers whole."""
    if cell is None or (isinstance(cell, float) and not math.isfinite(cell)):
        return "-"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        return f"{cell:,.0f}" if abs(cell) >= 100 else f"{cell:.3g}"
    if isinstance(cell, int):
        return f"{cell:,}"
    return cell


def print_table(table: Table, console: Console) -> None:
    """Draw a table; the first column to the left, numbers to the right."""
    drawn = RichTable(title=escape(table.title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for i, heading in enumerate(table.columns):
        words = all(isinstance(row[i], str) for row in table.rows)
        drawn.add_column(escape(heading), justify="left" if i == 0 or words else "right", overflow="fold")
    for row in table.rows:
        drawn.add_row(*(escape(text(cell)) for cell in row))
    console.print(drawn)
    for note in table.notes:
        console.print(note, markup=False)


def plain(value: Any) -> Any:
    """A value as JSON has it: NumPy scalars and arrays as numbers and lists, what is not finite as None."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
