"""What benchmarks print and draw."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from twuin.benchmark.plots import figure, save
from twuin.benchmark.table import Table, plain, print_table, text
from waterworks.errors import BenchmarkError


def test_cells_are_short_and_what_is_not_known_is_a_dash() -> None:
    assert [text(c) for c in (None, float("nan"), 0.12345, 1234.5, 12345, "x", True)] == [
        "-", "-", "0.123", "1,234", "12,345", "x", "yes",
    ]  # fmt: skip


def test_a_table_shows_title_headings_rows_and_notes() -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    print_table(Table("A [title]", ["method", "n"], [["mine", 3]], ["A note."]), console)
    shown = console.export_text()
    assert all(word in shown for word in ("A [title]", "method", "mine", "3", "A note."))


def test_json_has_numbers_and_no_nan() -> None:
    value = plain({"a": np.array([1.0, np.nan]), 2: (np.int64(3), float("inf"))})
    assert value == {"a": [1.0, None], "2": [3, None]}


def test_a_picture_is_written_without_a_display(tmp_path: Path) -> None:
    fig, (ax,) = figure()
    ax.plot([1, 2], [3, 4])
    path = save(fig, tmp_path / "new", "x")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_missing_matplotlib_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(BenchmarkError, match=r"pip install '\.\[plots\]'"):
        figure()
