"""CSV tables that people write, in a text editor or with Excel in either habit, with every mistake named.

Understood: comma, semicolon or tab between cells; UTF-8 with or without byte order mark; any line end;
decimal point, and decimal comma where cells are not separated by commas; ``#`` comment lines; Excel's
``sep=;`` line.
"""

from __future__ import annotations

import csv
import difflib
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from waterworks.errors import Problem, Severity

MAX_ID = 64
_ID = re.compile(r"\w[\w.\-]*")


@dataclass
class Problems:
    """Collects what is wrong with one file."""

    file: str
    found: list[Problem] = field(default_factory=list)

    def error(self, line: int | None, message: str, code: str = "", /, **values: object) -> None:
        self.found.append(Problem(self.file, line, message, Severity.ERROR, code, values))

    def warning(self, line: int | None, message: str, code: str = "", /, **values: object) -> None:
        self.found.append(Problem(self.file, line, message, Severity.WARNING, code, values))


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table; reading a cell reports what is wrong with it."""

    line: int
    cells: dict[str, str]
    decimal_comma: bool
    problems: Problems

    def error(self, message: str, code: str = "", /, **values: object) -> None:
        self.problems.error(self.line, message, code, **values)

    def text(self, column: str, default: str = "") -> str:
        return self.cells.get(column, "") or default

    def required(self, column: str) -> str:
        value = self.text(column)
        if not value and column in self.cells:
            self.error(f"{column} is empty", "empty_cell", column=column)
        return value

    def identifier(self, column: str) -> str:
        """A name that MQTT topics, URLs and series can carry, or "" after reporting why not."""
        value = self.required(column)
        if value and (wrong := wrong_id(value)):
            self.problems.error(self.line, f"{column} {value!r} {wrong}")
            return ""
        return value

    def number(
        self,
        column: str,
        *,
        least: float | None = None,
        most: float | None = None,
        above: float | None = None,
        needed: bool = False,
    ) -> float | None:
        """The cell as a number within its limits; None where it is empty or wrong. needed: whether a row
        without it is none."""
        said = self.text(column)
        if not said:
            return None
        value = self._parsed(said)
        wrong, code, limit = "", "", 0.0
        if value is None:
            wrong, code = "is not a number", "not_a_number"
            if "," in said and not self.decimal_comma:
                wrong += ": write a decimal point in a file whose cells are separated by commas"
                code = "decimal_comma"
            elif "," in said and "." in said:
                wrong += ": leave out the thousands separator"
                code = "thousands"
        elif not math.isfinite(value):
            leave = "the row out" if needed else "the cell empty"
            wrong = f"is not a finite number: leave {leave} where it is unknown"
            code = "not_finite_needed" if needed else "not_finite"
        elif least is not None and value < least:
            wrong, code, limit = f"is below {least:g}", "below", least
        elif most is not None and value > most:
            wrong, code, limit = f"is above {most:g}", "above", most
        elif above is not None and value <= above:
            wrong, code, limit = f"is not above {above:g}", "not_above", above
        if wrong:
            self.error(f"{column} {said!r} {wrong}", code, column=column, said=said, limit=limit)
            return None
        return value

    def whole(self, column: str, *, least: int) -> int | None:
        """The cell as a whole number; separators are refused, as 1.250 may mean two things."""
        said = self.text(column)
        if not said:
            return None
        if not re.fullmatch(r"[+-]?\d+", said):
            self.problems.error(self.line, f"{column} {said!r} is not a whole number: write only digits")
            return None
        if int(said) < least:
            self.problems.error(self.line, f"{column} {said!r} is below {least}")
            return None
        return int(said)

    def _parsed(self, said: str) -> float | None:
        if "_" in said:
            return None
        if self.decimal_comma and said.count(",") == 1 and "." not in said:
            said = said.replace(",", ".")
        try:
            return float(said)
        except ValueError:
            return None


def wrong_id(value: str) -> str | None:
    """What keeps ``value`` from being one level of an MQTT topic and the name of a series, if anything."""
    if len(value) > MAX_ID:
        return f"is longer than {MAX_ID} characters"
    if not _ID.fullmatch(value):
        return "may hold only letters, digits, '_', '-' and '.', and begins with a letter or digit"
    return None


def nearest(word: str, known: Sequence[str]) -> str:
    """What ``word`` may have been meant to be, or "" where nothing is near."""
    lower = {k.lower(): k for k in known}
    near = difflib.get_close_matches(word.lower(), list(lower), 1, 0.6)
    return lower[near[0]] if near else ""


def suggestion(word: str, known: Sequence[str]) -> str:
    """``: did you mean ...?``, or "" where nothing is near."""
    near = nearest(word, known)
    return f": did you mean {near!r}?" if near else ""


def read_text(path: Path, problems: Problems) -> str | None:
    """The text of a UTF-8 file, without its byte order mark; None after reporting why not."""
    try:
        raw = path.read_bytes()
    except OSError as e:
        why = e.strerror or str(e)
        problems.error(None, f"cannot be read: {why}", "unreadable", why=why)
        return None
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        problems.error(1, "is UTF-16: save it as UTF-8 (Excel: 'CSV UTF-8')", "utf16")
        return None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        line = raw.count(b"\n", 0, e.start) + 1
        byte = f"0x{raw[e.start]:02x}"
        told = f"is not UTF-8 (byte {byte}): save it as UTF-8 (Excel: 'CSV UTF-8')"
        problems.error(line, told, "not_utf8", byte=byte)
        return None


def read_table(
    path: Path, problems: Problems, *, required: Sequence[str], optional: Sequence[str]
) -> list[Row] | None:
    """The rows of a CSV file with a heading; None when it cannot be read as a table at all."""
    text = read_text(path, problems)
    if text is None:
        return None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        problems.error(line, "holds a NUL byte: this is not a CSV file", "nul")
        return None
    rows = _cells(text, problems)
    return None if rows is None else rows_of(rows, problems, required=required, optional=optional)


def rows_of(
    rows: Sequence[tuple[int, list[str], str]],
    problems: Problems,
    *,
    required: Sequence[str],
    optional: Sequence[str],
) -> list[Row] | None:
    """The rows of a table whose cells are known: (line, cells, separator) of each, the heading first; None
    when there are none at all. A separator other than a comma leaves the comma to decimals."""
    if not rows:
        columns = ", ".join(required)
        problems.error(
            None, f"is empty: its first line names the columns {columns}", "empty", columns=columns
        )
        return None
    (line, heading, delimiter), *body = rows
    names = [h.strip().lower() for h in heading]
    while names and not names[-1]:
        names.pop()
    known = [*required, *optional]
    for c in names:
        if not c:
            problems.error(line, "a column has no name", "column_unnamed")
        elif c not in known:
            near = [k for k in known if k not in names]
            told = f"unknown column {c!r}{suggestion(c, near)}"
            problems.error(line, told, "column_unknown", column=c, near=nearest(c, near))
        elif names.count(c) > 1:
            problems.error(line, f"column {c!r} occurs twice", "column_twice", column=c)
    missing = ", ".join(c for c in required if c not in names)
    if missing:
        problems.error(line, f"column {missing} is missing", "column_missing", columns=missing)
    out = []
    for number, cells, _ in body:
        extra = [c for c in cells[len(names) :] if c.strip()]
        if extra:
            problems.error(
                number,
                f"has {len(cells)} cells where the heading has {len(names)}: "
                "put a text that holds the separator in double quotes",
                "cells_many",
                cells=len(cells),
                heading=len(names),
            )
            continue
        padded = [*cells, *[""] * (len(names) - len(cells))]
        out.append(
            Row(
                number,
                {c: v.strip() for c, v in zip(names, padded, strict=False)},
                delimiter != ",",
                problems,
            )
        )
    return out


def _cells(text: str, problems: Problems) -> list[tuple[int, list[str], str]] | None:
    """(line, cells, separator) of every row that is neither blank nor a comment, the heading first."""
    lines = text.splitlines(keepends=True)
    delimiter = ""
    if lines and (match := re.fullmatch(r"sep=(.)\s*", lines[0], re.I)):
        delimiter = match.group(1)
        lines[0] = "\n"
    lines = ["\n" if x.startswith("#") else x for x in lines]
    heading = next((x for x in lines if x.strip()), "")
    delimiter = delimiter or max(",;\t", key=heading.count)
    reader = csv.reader(io.StringIO("".join(lines), newline=""), delimiter=delimiter, strict=True)
    rows = []
    before = 0
    try:
        for cells in reader:
            start, before = before + 1, reader.line_num
            if any(c.strip() for c in cells):
                rows.append((start, cells, delimiter))
    except csv.Error as e:
        problems.error(reader.line_num, f"cannot be read as CSV: {e}", "not_csv", why=str(e))
        return None
    return rows
