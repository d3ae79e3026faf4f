"""Tables in files: CSV (gzip too), sheets and Parquet, as columns with the line that each row stands on.

Everything is read in blocks, and as text where the file is text, so that a cell that is no number can be
named by its line, and a file of any length takes bounded memory. Sheets are the exception: they hold at
most a million rows.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import python_calamine as calamine
from numpy.typing import NDArray

from ingest.mapping import Source
from waterworks.errors import DataFileError, Problem

BLOCK_BYTES = 4 << 20
"""Of text that are read at a time."""

BLOCK_ROWS = 65_536
"""Of a Parquet file that are read at a time."""


class Malformed(NamedTuple):
    """A line that is no row of the table."""

    line: int
    text: str
    message: str


class Block(NamedTuple):
    """R rows. line (R,): where each stands, from 1; columns: Arrow arrays (R,) by heading."""

    line: NDArray[np.int64]
    columns: dict[str, pa.Array]


class Table(Protocol):
    """A file with headings. ``malformed`` fills as the rows are read."""

    headings: list[str]
    heading_line: int
    malformed: list[Malformed]

    def blocks(self, columns: Sequence[str]) -> Iterator[Block]:
        """The rows in their order, with these columns only. DataFileError where the file ends in error."""
        ...


def open_table(path: Path, source: Source) -> Table:
    """Open a file as its source describes it. DataFileError where it is no such file."""
    if not path.is_file():
        _fail(path, None, "is a folder, not a file" if path.exists() else "there is no such file")
    kind = source.format_of(path)
    try:
        size = path.stat().st_size
        if not size:
            _fail(path, None, "is empty")
        if kind == "csv":
            return _Csv(path, source)
        if kind == "xlsx":
            return _Sheet(path, source)
        return _Parquet(path)
    except OSError as error:
        _fail(path, None, f"cannot be read: {error.strerror or error}")


def _fail(path: Path, line: int | None, message: str) -> NoReturn:
    raise DataFileError([Problem(str(path), line, message)])


class _Csv:
    def __init__(self, path: Path, source: Source) -> None:
        self._path, self._source = path, source
        self.malformed: list[Malformed] = []
        self.heading_line = source.skip_rows + 1 if source.header else source.skip_rows
        with self._open() as stream:
            head = self._first_line(stream)
        if source.header:
            self.headings = head
        else:
            self.headings = [str(k) for k in range(1, len(head) + 1)]

    def _open(self) -> Any:
        # By its first bytes, not its name: loggers and mail programs rename files.
        with self._path.open("rb") as raw:
            zipped = raw.read(2) == b"\x1f\x8b"
        return pa.input_stream(str(self._path), compression="gzip" if zipped else None)

    def _first_line(self, stream: Any) -> list[str]:
        """The cells of the first line after those to skip, through the reader that reads the rest."""
        try:
            text = b""
            while text.count(b"\n") <= self._source.skip_rows:
                more = stream.read(65_536)
                if not more:
                    break
                text += more
            lines = text.split(b"\n")
            if len(lines) <= self._source.skip_rows or not lines[self._source.skip_rows].strip():
                _fail(self._path, self._source.skip_rows + 1, "is empty where the headings should stand")
            line = lines[self._source.skip_rows].rstrip(b"\r") + b"\n"
            table = pa_csv.read_csv(
                pa.BufferReader(line),
                read_options=pa_csv.ReadOptions(encoding=self._source.encoding),
                parse_options=pa_csv.ParseOptions(delimiter=self._source.delimiter),
            )
            return [name.strip() for name in table.schema.names]
        except (pa.ArrowException, OSError, UnicodeError) as error:
            self._broken(error, 0)

    def _broken(self, error: Exception, line: int) -> NoReturn:
        text = str(error)
        if "Truncated compressed" in text:
            _fail(self._path, line or None, "the gzip file ends too early here: fetch or copy it again")
        if "zlib" in text or "decompress" in text.lower():
            _fail(self._path, line or None, f"the gzip file is damaged: {text}")
        # The last of a line that has too many cells beside: Arrow shows what it cannot read as U+FFFD.
        if "UTF8" in text or isinstance(error, UnicodeError) or "\ufffd" in text:
            _fail(
                self._path,
                line or None,
                f'a character near here is not {self._source.encoding}: set encoding = "cp1252" or the like',
            )
        _fail(self._path, line or None, f"cannot be read as CSV: {text}")

    def blocks(self, columns: Sequence[str]) -> Iterator[Block]:
        bad: list[int] = []  # lines of no row, ascending
        self.malformed = []
        first = self.heading_line + 1

        def malformed(row: Any) -> str:
            if row.text.strip():
                message = f"has {row.actual_columns} cells where the heading has {row.expected_columns}"
                self.malformed.append(Malformed(row.number, row.text, message))
            bad.append(row.number)
            return "skip"

        wanted = list(dict.fromkeys(columns))
        seen = 0
        line = first
        try:
            with self._open() as stream:
                reader = pa_csv.open_csv(
                    stream,
                    # one thread: only then the reader says on which line a malformed row stands
                    read_options=pa_csv.ReadOptions(
                        use_threads=False,
                        block_size=BLOCK_BYTES,
                        skip_rows=self.heading_line,
                        column_names=self.headings,
                        encoding=self._source.encoding,
                    ),
                    parse_options=pa_csv.ParseOptions(
                        delimiter=self._source.delimiter,
                        ignore_empty_lines=False,  # they count as lines
                        invalid_row_handler=malformed,
                    ),
                    convert_options=pa_csv.ConvertOptions(
                        column_types=dict.fromkeys(wanted, pa.string()),
                        include_columns=wanted,
                        strings_can_be_null=False,
                    ),
                )
                for batch in reader:
                    rows = np.arange(seen, seen + len(batch))
                    # how many rows stand before each bad line, and so how many bad lines before each row
                    before = np.array(bad, np.int64) - first - np.arange(len(bad))
                    lines = first + rows + np.searchsorted(before, rows, side="right")
                    seen += len(batch)
                    if len(batch):
                        line = int(lines[-1]) + 1
                    yield Block(lines, {name: batch.column(name) for name in wanted})
        except pa.ArrowInvalid as error:
            if "Empty CSV file" in str(error):
                return  # headings and nothing else
            self._broken(error, line)
        except (pa.ArrowException, OSError, UnicodeError) as error:
            self._broken(error, line)


class _Sheet:
    def __init__(self, path: Path, source: Source) -> None:
        self.malformed: list[Malformed] = []
        self._decimal = source.decimal
        pattern = source.time.formats[0]
        self._date = pattern if "%" in pattern else "%Y-%m-%d %H:%M:%S.%f"
        try:
            with calamine.CalamineWorkbook.from_path(path) as book:
                names = book.sheet_names
                name = source.sheet if source.sheet is not None else names[0]
                if name not in names:
                    _fail(path, None, f"has no sheet {name!r}, only {', '.join(map(repr, names))}")
                rows = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
        except (calamine.CalamineError, ValueError, IndexError) as error:
            _fail(path, None, f"cannot be read as a sheet: {error}")
        self.heading_line = source.skip_rows + 1 if source.header else source.skip_rows
        if len(rows) < max(self.heading_line, 1):
            _fail(path, None, f"sheet {name!r} is empty")
        width = max(map(len, rows))
        if source.header:
            self.headings = [str(cell).strip() for cell in rows[self.heading_line - 1]]
        else:
            self.headings = [str(k) for k in range(1, width + 1)]
        self._rows = rows[self.heading_line :]

    def blocks(self, columns: Sequence[str]) -> Iterator[Block]:
        at = [self.headings.index(name) for name in columns]
        for start in range(0, len(self._rows), BLOCK_ROWS):
            rows = self._rows[start : start + BLOCK_ROWS]
            lines = self.heading_line + 1 + start + np.arange(len(rows), dtype=np.int64)
            yield Block(
                lines,
                {n: self._column([row[k] for row in rows]) for n, k in zip(columns, at, strict=True)},
            )

    def _column(self, cells: list[Any]) -> pa.Array:
        kinds = {type(cell) for cell in cells if cell != ""}
        if kinds <= {float, int}:
            return pa.array([None if cell == "" else float(cell) for cell in cells], pa.float64())
        if kinds == {datetime.datetime}:
            return pa.array([None if cell == "" else cell for cell in cells], pa.timestamp("us"))
        return pa.array([self._text(cell) for cell in cells], pa.string())

    def _text(self, cell: Any) -> str:
        """A cell of a column of mixed kinds as if it had been typed."""
        if isinstance(cell, datetime.datetime):
            return cell.strftime(self._date)
        if isinstance(cell, float):
            return (str(int(cell)) if cell.is_integer() else repr(cell)).replace(".", self._decimal)
        return str(cell)


class _Parquet:
    def __init__(self, path: Path) -> None:
        self.malformed: list[Malformed] = []
        self.heading_line = 0
        self._path = path
        try:
            self._file = pq.ParquetFile(path)
        except (pa.ArrowException, OSError) as error:
            _fail(path, None, f"cannot be read as Parquet: {error}")
        self.headings = list(self._file.schema_arrow.names)

    def blocks(self, columns: Sequence[str]) -> Iterator[Block]:
        line = 1
        wanted = list(dict.fromkeys(columns))
        try:
            for batch in self._file.iter_batches(BLOCK_ROWS, columns=wanted):
                lines = np.arange(line, line + len(batch), dtype=np.int64)
                line += len(batch)
                yield Block(lines, {name: _plain(batch.column(name)) for name in wanted})
        except (pa.ArrowException, OSError) as error:
            _fail(self._path, line, f"cannot be read as Parquet: {error}")


def _plain(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_large_string(column.type):
        column = column.cast(pa.string())
    return column
