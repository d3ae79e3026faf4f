"""Billed volumes from a spreadsheet or CSV file into a site's billed.csv, checked as that is."""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import python_calamine as calamine

from ingest.durable import sync_folder
from waterworks.errors import DataFileError, Problem, Severity, SiteError
from waterworks.losses import Bill
from waterworks.site import Site
from waterworks.site_losses import (
    BILLED_FILE,
    BILLED_OPTIONAL,
    BILLED_REQUIRED,
    bills_of,
    read_bills,
)
from waterworks.tables import Problems, Row, read_table, rows_of

SHEETS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
SHEET = ", sheet "
"""Between the file and its sheet, where a mistake is named."""

BEFORE = "billed.csv.before"
"""Where the file that is replaced is kept."""

FACTOR = 3.0
"""A volume beyond so many times what the DMA was usually billed, or below its inverse, is doubted."""

_THOUSANDS = re.compile(r"[+-]?\d{1,3}([.,]\d{3})+")
_COLUMNS = ("month", "dma", "billed_metered_m3", "billed_unmetered_m3", "unbilled_metered_m3")


@dataclass(frozen=True)
class BillChanges:
    """What a file of bills changes. bills: all there will be; doubts: what may be wrong and does not have to
    be; months: of the file."""

    bills: list[Bill]
    added: list[Bill]
    changed: list[tuple[Bill, Bill]]
    same: int
    doubts: list[Problem]


def read_changes(path: Path, site: Site, today: date, sheet: str | None = None) -> BillChanges:
    """What the bills in ``path`` change of the site's.

    sheet: which one of a workbook; None: the only one with anything in it. today: a month that is not over is
    doubted. DataFileError names every mistake by sheet and row; SiteError those that are in billed.csv
    already.
    """
    have = _present(site)
    problems = Problems(path.name)
    rows = _sheet_rows(path, sheet, problems) if path.suffix.lower() in SHEETS else _csv_rows(path, problems)
    names = {d.name.casefold(): d.id for d in site.dmas}
    kept = [_plain(row, names) for row in rows or []]
    _ambiguous(kept)
    new = bills_of(kept, problems, set(site.dma))
    if rows is not None and not rows:
        problems.error(None, "holds no bills: there is nothing below its heading", "no_bills")
    old = {(b.month, b.dma): b for b in have}
    for month in {b.month for b in new}:
        _one_way(month, new, [b for b in have if b.month == month], problems)
    if any(p.severity is Severity.ERROR for p in problems.found):
        raise DataFileError(problems.found)
    doubts = Problems(path.name)
    _doubt(new, have, site, today, doubts)
    merged = {**old, **{(b.month, b.dma): b for b in new}}
    return BillChanges(
        bills=[merged[k] for k in sorted(merged)],
        added=[b for b in new if (b.month, b.dma) not in old],
        changed=[(old[b.month, b.dma], b) for b in new if old.get((b.month, b.dma), b) != b],
        same=sum(old.get((b.month, b.dma)) == b for b in new),
        doubts=doubts.found,
    )


def write_bills(site: Site, bills: Sequence[Bill]) -> Path:
    """Put ``bills`` into the site's billed.csv: whole or not at all. Its comment lines on top stay; the file
    before is kept beside it."""
    path = site.folder / BILLED_FILE
    text = io.StringIO()
    if path.exists():
        before = path.read_bytes()
        _put(site.folder / BEFORE, before)
        for line in before.decode("utf-8-sig", "replace").splitlines():
            if not line.startswith("#"):
                break
            text.write(line + "\n")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for b in bills:
        volumes = (repr(v).removesuffix(".0") for v in (b.metered, b.unmetered, b.unbilled_metered))
        writer.writerow((f"{b.month:%Y-%m}", b.dma, *volumes))
    _put(path, text.getvalue().encode())
    return path


def _put(path: Path, content: bytes) -> None:
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    if path.exists():
        shutil.copymode(path, part)
    part.replace(path)
    sync_folder(path.parent)


def _present(site: Site) -> list[Bill]:
    """The bills of the file as it is now: it may have changed since the site was read."""
    problems = Problems(BILLED_FILE)
    have = read_bills(site.folder / BILLED_FILE, problems, set(site.dma))
    if any(p.severity is Severity.ERROR for p in problems.found):
        raise SiteError(problems.found)
    return have


# -- reading -------------------------------------------------------------------------------------------


def _csv_rows(path: Path, problems: Problems) -> list[Row] | None:
    return read_table(path, problems, required=BILLED_REQUIRED, optional=BILLED_OPTIONAL)


def _sheet_rows(path: Path, sheet: str | None, problems: Problems) -> list[Row] | None:
    try:
        with calamine.CalamineWorkbook.from_path(path) as book:
            name = _named(book, sheet, problems)
            if name is None:
                return None
            table = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
    except (calamine.CalamineError, OSError, ValueError) as error:
        problems.error(None, f"cannot be read as a workbook: {error}", "not_a_workbook", why=str(error))
        return None
    problems.file = f"{path.name}{SHEET}{name}"
    cells = [
        (number, [_text(cell) for cell in row], ";")
        for number, row in enumerate(table, 1)
        if any(str(cell).strip() for cell in row)
    ]
    return rows_of(list(_headed(cells)), problems, required=BILLED_REQUIRED, optional=BILLED_OPTIONAL)


def _headed(cells: list[tuple[int, list[str], str]]) -> Iterator[tuple[int, list[str], str]]:
    """From the heading on: what stands above it is a title, and without one the first line is told of."""
    at = next((i for i, row in enumerate(cells) if "month" in (c.strip().lower() for c in row[1])), 0)
    yield from cells[at:]


def _named(book: Any, sheet: str | None, problems: Problems) -> str | None:
    names = list(book.sheet_names)
    if sheet is not None:
        if sheet in names:
            return sheet
        only = ", ".join(map(repr, names))
        problems.error(None, f"has no sheet {sheet!r}, only {only}", "no_sheet", sheet=sheet, sheets=only)
        return None
    filled = [n for n in names if book.get_sheet_by_name(n).to_python()]
    if len(filled) == 1:
        return str(filled[0])
    if filled:
        sheets = ", ".join(filled)
        told = f"has several sheets ({sheets}): name one with --sheet"
        problems.error(None, told, "several_sheets", sheets=sheets)
    else:
        problems.error(None, "is empty", "empty_workbook")
    return None


def _text(cell: Any) -> str:
    """A cell as it would be typed: numbers with a point and without separators, months as 2026-10."""
    if isinstance(cell, bool):
        return str(cell)
    if isinstance(cell, float | int):
        return repr(cell).removesuffix(".0")
    if isinstance(cell, datetime | date):  # what a spreadsheet makes of 2026-10
        return f"{cell:%Y-%m}" if cell.day == 1 else f"{cell:%Y-%m-%d}"
    return str(cell).strip()


def _plain(row: Row, names: dict[str, str]) -> Row:
    """``row`` with the id of a DMA for its name."""
    dma = row.text("dma")
    if dma and dma.casefold() in names:
        row.cells["dma"] = names[dma.casefold()]
    return row


def _ambiguous(rows: Sequence[Row]) -> None:
    """Refuse 1.250, which is a thousand to one reader and one to the other. (A number in a cell of a
    workbook is one, and comes here without separators.)"""
    for row in rows:
        for column in _COLUMNS[2:]:
            said = row.text(column)
            if _THOUSANDS.fullmatch(said):
                digits = re.sub("[.,]", "", said)
                told = f"{column} {said!r} may mean {digits}: write it without separators"
                row.error(told, "ambiguous", column=column, said=said, digits=digits)
                row.cells[column] = digits  # told of once


# -- checking ------------------------------------------------------------------------------------------


def _one_way(month: date, new: Sequence[Bill], have: Sequence[Bill], problems: Problems) -> None:
    mine = {bool(b.dma) for b in new if b.month == month}
    if have and mine and {bool(b.dma) for b in have} != mine:
        there, here = ("by DMA", "for the whole site") if have[0].dma else ("for the whole site", "by DMA")
        problems.error(
            None,
            f"{month:%Y-%m} is given {here}, but stands in {BILLED_FILE} {there}: give it the same way, or "
            f"take its lines out of {BILLED_FILE} first",
            "stands_by_dma" if have[0].dma else "stands_whole",
            month=f"{month:%Y-%m}",
        )


def _doubt(new: Sequence[Bill], have: Sequence[Bill], site: Site, today: date, problems: Problems) -> None:
    usual: dict[str, list[float]] = {}
    fresh = {(b.month, b.dma) for b in new}
    for b in have:
        if (b.month, b.dma) not in fresh:
            usual.setdefault(b.dma, []).append(b.metered + b.unmetered)
    for d in site.dmas:
        if d.billed_m3_month is not None:
            usual.setdefault(d.id, [d.billed_m3_month])
    for b in new:
        volume, said, of = b.metered + b.unmetered, f"{b.month:%Y-%m}", b.dma or "the whole site"
        middle = statistics.median(usual[b.dma]) if usual.get(b.dma) else 0.0
        if middle > 0 and not middle / FACTOR <= volume <= middle * FACTOR:
            told = f"{said} of {of}: {volume:,.0f} m3, where {middle:,.0f} m3 is usual"
            problems.warning(None, told, "unusual", month=said, dma=b.dma, volume=volume, usual=middle)
        if (b.month.year, b.month.month) >= (today.year, today.month):
            problems.warning(
                None, f"{said} of {of}: this month is not over", "not_over", month=said, dma=b.dma
            )
    for month in sorted({b.month for b in new if b.dma}):
        given = {b.dma for b in (*new, *have) if b.month == month}
        lacking = ", ".join(d.id for d in site.dmas if d.id not in given and d.billed_m3_month is None)
        if lacking:
            problems.warning(
                None,
                f"{month:%Y-%m}: nothing is given for {lacking}; without all DMAs the whole site has no "
                "balance for this month",
                "lacking",
                month=f"{month:%Y-%m}",
                dmas=lacking,
            )
