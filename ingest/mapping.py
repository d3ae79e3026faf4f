"""The mapping file: how files of readings are written, so that they can be read as they are.

A TOML file with one ``[[source]]`` for each kind of file. ``docs/backfill.md`` explains every key.
"""

from __future__ import annotations

import re
import tomllib
import zoneinfo
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

import msgspec

from ingest.instants import TimeFormat
from waterworks.errors import DataFileError, Problem
from waterworks.tables import Problems, read_text, suggestion

FORMATS = {
    ".csv": "csv", ".txt": "csv", ".tsv": "csv", ".gz": "csv",
    ".xlsx": "xlsx", ".xlsm": "xlsx", ".xls": "xlsx", ".ods": "xlsx",
    ".parquet": "parquet",
}  # fmt: skip
"""What a file's name says of its format, where the mapping does not."""

MISSING = ("", "-", "NaN", "nan", "NA", "N/A", "null", "NULL")
"""Cells that say that there is no reading, unless the mapping lists its own."""


class TimeColumn(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the time stands and how it is written.

    column: its heading, or several whose texts are joined with a blank (date and time of day).
    format: see ``ingest.instants.TimeFormat``; of several, the first that fits a cell.
    zone: of local times; "" : the site's. skipped_hour: what to do with a local time that the clock
    jumped over.
    """

    column: str | list[str]
    format: str | list[str] = "iso"
    zone: str = ""
    skipped_hour: Literal["reject", "shift"] = "reject"

    @property
    def columns(self) -> list[str]:
        return [self.column] if isinstance(self.column, str) else self.column

    @property
    def formats(self) -> list[str]:
        return [self.format] if isinstance(self.format, str) else self.format


class ValueColumns(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Columns with one sensor's values each.

    name: one heading; match: a regular expression for whole headings. sensor, unit: may hold ``{column}``
    and the expression's groups, ``{1}`` or ``{name}``; unit "": the site's.
    """

    sensor: str
    name: str | None = None
    match: str | None = None
    unit: str = ""

    def fit(self, heading: str) -> tuple[str, str] | None:
        """Sensor and unit of a heading, None where this is not about it."""
        groups: dict[str, str] = {"column": heading}
        if self.name is not None:
            if heading != self.name:
                return None
        else:
            found = re.fullmatch(self.match or "", heading)
            if found is None:
                return None
            groups |= {str(k): text or "" for k, text in enumerate(found.groups(), 1)}
            groups |= {k: text or "" for k, text in found.groupdict().items()}
        return _fill(self.sensor, groups), _fill(self.unit, groups)


class LongColumns(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One reading a row: headings of the columns with the sensor, the value and, where there are, more.

    id: the sensor's id, made of the text in its column as ``{column}``. unit: of all values, "" : the
    site's; unit_column: of each row. quality_column: flags (``waterworks.reading.Quality``), 0 is good.
    """

    sensor: str
    value: str
    id: str = "{column}"
    unit: str = ""
    unit_column: str | None = None
    quality_column: str | None = None

    def sensor_id(self, text: str) -> str:
        return _fill(self.id, {"column": text})


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One kind of file. Exactly one of ``column`` (wide) and ``long`` is given."""

    files: str | list[str]
    time: TimeColumn
    format: Literal["csv", "xlsx", "parquet"] | None = None
    delimiter: str = ","
    decimal: Literal[".", ","] = "."
    thousands: str = ""
    encoding: str = "utf-8"
    skip_rows: int = 0
    header: bool = True
    sheet: str | None = None
    missing: list[str | float] = msgspec.field(default_factory=lambda: list(MISSING))
    column: list[ValueColumns] = []
    ignore: list[str] = []
    long: LongColumns | None = None

    @property
    def patterns(self) -> list[str]:
        return [self.files] if isinstance(self.files, str) else self.files

    def format_of(self, path: Path) -> str:
        """The format of a file of this source. DataFileError where nothing tells."""
        if self.format is not None:
            return self.format
        kind = FORMATS.get(path.suffix.lower())
        if kind is None:
            raise DataFileError(
                [
                    Problem(
                        str(path), None, 'its name does not tell its format: set format = "csv" or the like'
                    )
                ]
            )
        return kind


class Mapping:
    """A mapping file that was read: ``path`` and its ``sources`` in order."""

    def __init__(self, path: Path, sources: Sequence[Source]) -> None:
        self.path = path
        self.sources = tuple(sources)

    def source_of(self, file: Path) -> Source:
        """The first source one of whose patterns fits the file's name. DataFileError where none does."""
        for source in self.sources:
            if any(fnmatchcase(file.name, pattern) for pattern in source.patterns):
                return source
        known = ", ".join(pattern for source in self.sources for pattern in source.patterns)
        raise DataFileError(
            [Problem(str(file), None, f"no [[source]] of {self.path} is for it; they are for {known}")]
        )

    def files_in(self, folder: Path) -> list[Path]:
        """The files of a folder that any source is for, by name. DataFileError where there is none."""
        found = sorted(
            f
            for f in folder.iterdir()
            if f.is_file() and any(fnmatchcase(f.name, p) for s in self.sources for p in s.patterns)
        )
        if not found:
            known = ", ".join(pattern for source in self.sources for pattern in source.patterns)
            raise DataFileError(
                [Problem(str(folder), None, f"holds no file that {self.path} is for: {known}")]
            )
        return found


def load_mapping(path: Path) -> Mapping:
    """Read a mapping file. Raises DataFileError with its mistakes, by file and line."""
    path = Path(path)
    problems = Problems(str(path))
    text = read_text(path, problems)
    sources = [] if text is None else _Reader(text, problems).sources()
    if problems.found:
        raise DataFileError(problems.found)
    return Mapping(path, sources)


def _fill(template: str, groups: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda m: groups[m.group(1)], template)


class _Reader:
    def __init__(self, text: str, problems: Problems) -> None:
        self._text = text
        self._problems = problems

    def sources(self) -> list[Source]:
        try:
            said = tomllib.loads(self._text)
        except tomllib.TOMLDecodeError as error:
            at = re.search(r"\(at line (\d+), column \d+\)", str(error))
            message = re.sub(r" \(at .*\)$", "", str(error))
            self._problems.error(int(at.group(1)) if at else None, f"is not TOML: {message}")
            return []
        for key in said:
            if key != "source":
                self._problems.error(self._line((), key), f"unknown key {key!r}: tables are named [[source]]")
        tables = said.get("source", [])
        if not isinstance(tables, list) or not tables:
            self._problems.error(None, "has no [[source]]: each one describes a kind of file")
            return []
        out = []
        for k, table in enumerate(tables):
            try:
                source = msgspec.convert(table, Source)
            except msgspec.ValidationError as error:
                self._wrong_shape(k, error)
                continue
            self._check(k, source)
            out.append(source)
        return out

    def _wrong_shape(self, k: int, error: msgspec.ValidationError) -> None:
        message, _, at = str(error).partition(" - at ")
        path = [part for part in re.findall(r"\w+", at.strip("`$")) if part]
        where: tuple[Any, ...] = ("source", k, *(int(p) if p.isdigit() else p for p in path))
        unknown = re.search(r"unknown field `(.+)`", message)
        missing = re.search(r"missing required field `(.+)`", message)
        if unknown:
            key = unknown.group(1)
            kind: Any = Source
            for part in path:
                kind = {"time": TimeColumn, "column": ValueColumns, "long": LongColumns}.get(part, kind)
            near = suggestion(key, kind.__struct_fields__)
            self._problems.error(self._line(where, key), f"unknown key {key!r}{near}")
        elif missing:
            self._problems.error(self._line(where[:-1], where[-1]), f"{missing.group(1)} is missing here")
        else:
            message = message[:1].lower() + message[1:].replace("`", "")
            name = path[-1] if path else "source"
            self._problems.error(self._line(where[:-1], where[-1]), f"{name}: {message}")

    def _check(self, k: int, source: Source) -> None:
        def wrong(table: tuple[Any, ...], key: str, message: str) -> None:
            self._problems.error(self._line(("source", k, *table), key), message)

        if bool(source.column) == (source.long is not None):
            wrong(
                (),
                "column",
                "give either [[source.column]] (a column a sensor) or [source.long] (a reading a row)",
            )
        if len(source.delimiter) != 1 or source.delimiter in '\r\n"':
            wrong(
                (), "delimiter", f"delimiter {source.delimiter!r} is not one character such as ';' or '\\t'"
            )
        elif source.delimiter == source.decimal and source.format in (None, "csv"):
            message = "decimal and delimiter are the same character"
            wrong((), "decimal", message + ': a file with decimal comma mostly has delimiter = ";"')
        if source.thousands and (len(source.thousands) != 1 or source.thousands == source.decimal):
            wrong((), "thousands", f"thousands {source.thousands!r} is not one character beside decimal")
        try:
            "".encode(source.encoding)
        except LookupError:
            wrong((), "encoding", f"unknown encoding {source.encoding!r}: use utf-8, cp1252, latin-1, ...")
        if source.skip_rows < 0:
            wrong((), "skip_rows", f"skip_rows {source.skip_rows} is below 0")
        for text in source.ignore:
            self._expression(text, lambda message: wrong((), "ignore", message))
        time = source.time
        if not time.columns:
            wrong(("time",), "column", "column is empty: name the heading of the time column")
        for text in time.formats:
            try:
                TimeFormat(text)
            except ValueError as error:
                wrong(("time",), "format", str(error))
        if not time.formats:
            wrong(("time",), "format", "format is empty")
        if time.zone:
            try:
                zoneinfo.ZoneInfo(time.zone)
            except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
                near = suggestion(time.zone, sorted(zoneinfo.available_timezones()))
                wrong(("time",), "zone", f"unknown time zone {time.zone!r}{near}")
        for j, column in enumerate(source.column):
            self._check_column(("source", k, "column", j), column)
        if source.long is not None:
            self._placeholders(("source", k, "long"), "id", source.long.id, {"column"})

    def _check_column(self, table: tuple[Any, ...], column: ValueColumns) -> None:
        if (column.name is None) == (column.match is None):
            self._problems.error(
                self._line(table, "match"),
                "give either name (a heading) or match (an expression for headings)",
            )
            return
        known = {"column"}
        if column.match is not None:
            found = self._expression(
                column.match, lambda message: self._problems.error(self._line(table, "match"), message)
            )
            if found is None:
                return
            known |= {str(k + 1) for k in range(found.groups)} | set(found.groupindex)
        self._placeholders(table, "sensor", column.sensor, known)
        self._placeholders(table, "unit", column.unit, known)

    def _placeholders(self, table: tuple[Any, ...], key: str, text: str, known: set[str]) -> None:
        for name in re.findall(r"\{(\w*)\}", text):
            if name not in known:
                have = ", ".join(f"{{{n}}}" for n in sorted(known))
                self._problems.error(
                    self._line(table, key), f"{key} {text!r}: there is no {{{name}}} here, only {have}"
                )

    def _expression(self, text: str, tell: Any) -> re.Pattern[str] | None:
        try:
            return re.compile(text)
        except re.error as error:
            tell(f"{text!r} is no regular expression: {error}")
            return None

    def _line(self, table: tuple[Any, ...], key: Any) -> int | None:
        """Where ``key`` of a table stands, else where the table does: TOML's own reader does not say."""
        counts: dict[str, int] = {}
        here: tuple[Any, ...] = ()
        table_line = None
        for number, line in enumerate(self._text.splitlines(), 1):
            head = re.match(r"\s*(\[\[?)\s*([\w.\-]+)\s*\]", line)
            if head:
                here = self._address(head.group(2), head.group(1) == "[[", counts)
                if here == (*table, key):
                    return number
                if here == table:
                    table_line = number
            elif here == table and re.match(rf"\s*[\"']?{re.escape(str(key))}[\"']?\s*[=.]", line):
                return number
        if table_line is None and len(table) > 2:
            return self._line(table[:-1], table[-1])
        return table_line

    @staticmethod
    def _address(dotted: str, array: bool, counts: dict[str, int]) -> tuple[Any, ...]:
        """``source.column`` of the second source's third column: ("source", 1, "column", 2)."""
        if array:
            counts[dotted] = counts.get(dotted, -1) + 1
            for other in list(counts):
                if other.startswith(dotted + "."):
                    del counts[other]
        out: list[Any] = []
        parts = dotted.split(".")
        for k, part in enumerate(parts):
            out.append(part)
            count = counts.get(".".join(parts[: k + 1]))
            if count is not None:
                out.append(count)
        return tuple(out)
