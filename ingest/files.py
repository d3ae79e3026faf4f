"""Files of readings, read as a mapping describes them: columns, checked and in SI.

A file is read twice. The first time only its times: that shows a broken file, a wrong delimiter or a
wrong time format before anything is stored, and which pass of a repeated local hour each row belongs to.
The second time the values, in blocks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, NoReturn
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ingest.instants import Parsed, TimeFormat, parse, to_utc
from ingest.mapping import Mapping, Source
from ingest.numbers import Numbers, numbers, texts
from ingest.reasons import Reason
from ingest.tabular import Block, Malformed, open_table
from ingest.validate import explain, validate_columns
from waterworks.errors import DataFileError, Problem, ProblemsError, UnitError
from waterworks.reading import TIME_DTYPE, Floats, ReadingBatch
from waterworks.site import Site
from waterworks.units import canonical

_GOOD, _NO_TIME, _BAD_TIME, _SKIPPED = range(4)


class Refused(NamedTuple):
    """A cell or a line of a file that gave no reading. ``readings``: how many it cost."""

    file: Path
    line: int
    text: str
    reason: Reason
    detail: str
    readings: int = 1

    def __str__(self) -> str:
        return f"{self.file.name}:{self.line}: {self.detail}"


@dataclass
class Tally:
    """What was found while files were read. ``refused``: not yet taken away by ``take_refused``."""

    read: int = 0
    empty: int = 0
    out_of_order: int = 0
    rejected: dict[Reason, int] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)

    def refuse(self, refused: Refused) -> None:
        self.rejected[refused.reason] = self.rejected.get(refused.reason, 0) + refused.readings
        self.refused.append(refused)

    def take_refused(self) -> list[Refused]:
        taken, self.refused = self.refused, []
        return taken


class _Raw(NamedTuple):
    """N readings of a block as the file has them; sensor (N,) indexes names and units (M,)."""

    names: list[str]
    units: list[str]
    sensor: NDArray[np.int32]
    time: NDArray[np.int64]
    value: Floats
    quality: NDArray[np.uint16]
    line: NDArray[np.int64]


def open_files(files: Sequence[Path], mapping: Mapping, site: Site) -> list[ReadingFile]:
    """Check all files; of a folder, those that the mapping is for.

    Raises DataFileError with what is wrong with any of them; nothing is stored yet.
    """
    out: list[ReadingFile] = []
    problems: list[Problem] = []
    for given in map(Path, files):
        try:
            paths = mapping.files_in(given) if given.is_dir() else [given]
        except DataFileError as error:
            problems.extend(error.problems)
            continue
        for path in paths:
            if not path.exists():  # said before whether the mapping is for it: it is the likelier mistake
                problems.append(Problem(str(path), None, "there is no such file"))
                continue
            try:
                out.append(ReadingFile(path, mapping.source_of(path), site))
            except ProblemsError as error:
                problems.extend(error.problems)
    if not files:
        problems.append(Problem(str(mapping.path), None, "no file to read was given"))
    if problems:
        raise DataFileError(problems)
    return out


class ReadingFile:
    """One file that was checked.

    cells: how many values it has room for. in_order: whether no row is older than one above it.
    """

    def __init__(self, path: Path, source: Source, site: Site) -> None:
        self.path, self.source, self.site = path, source, site
        self._table = open_table(path, source)
        self._formats = [TimeFormat(text) for text in source.time.formats]
        self._check_headings()
        self._read_times()
        self._check_numbers()
        per_row = 1 if source.long else len(self._columns)
        self.cells = len(self._time) * per_row
        self._per_row = per_row
        self.in_order = bool((np.diff(self._time[self._state == _GOOD]) >= 0).all())

    # -- the first pass -----------------------------------------------------------------------------

    def _fail(self, line: int | None, message: str) -> NoReturn:
        raise DataFileError([Problem(str(self.path), line, message)])

    def _check_headings(self) -> None:
        headings, line, long = self._table.headings, self._table.heading_line, self.source.long
        needed = list(self.source.time.columns)
        if long is not None:
            needed += [long.sensor, long.value, *filter(None, (long.unit_column, long.quality_column))]
        needed += [column.name for column in self.source.column if column.name is not None]
        for name in needed:
            if name not in headings:
                hint = ""
                if len(headings) == 1:
                    hint = f"; is {self.source.delimiter!r} the delimiter?"
                shown = ", ".join(repr(h) for h in headings[:8]) + (", ..." if len(headings) > 8 else "")
                self._fail(line, f"column {name!r} is missing; there are {shown}{hint}")
            if headings.count(name) > 1:
                self._fail(line, f"column {name!r} occurs twice")
        self._columns: dict[str, tuple[str, str]] = {}  # heading -> sensor, unit
        if long is None:
            self._map_columns(headings, line)

    def _map_columns(self, headings: list[str], line: int) -> None:
        problems: list[Problem] = []

        def wrong(message: str) -> None:
            problems.append(Problem(str(self.path), line, message))

        taken: dict[str, str] = {}
        for heading in headings:
            if heading in self.source.time.columns:
                continue
            fits = (spec.fit(heading) for spec in self.source.column)
            found = next((fit for fit in fits if fit is not None), None)
            if found is None:
                if not any(re.fullmatch(text, heading) for text in self.source.ignore):
                    wrong(
                        f"column {heading!r} is mapped to no sensor: describe it in a [[source.column]], or "
                        "list it under ignore"
                    )
                continue
            name, unit = found
            sensor = self.site.sensor.get(name)
            if heading in self._columns:
                wrong(f"column {heading!r} occurs twice")
            elif name in taken:
                wrong(f"columns {taken[name]!r} and {heading!r} are both mapped to sensor {name!r}")
            elif sensor is None:
                wrong(
                    f"column {heading!r} is mapped to sensor {name!r}, which sensors.csv of site "
                    f"{self.site.id} does not have: add it there, or list the column under ignore"
                )
            else:
                try:
                    canonical(unit or sensor.unit, sensor.quantity)
                except UnitError as error:
                    wrong(f"column {heading!r}: {error}")
                self._columns[heading] = (name, unit)
                taken[name] = heading
        if not self._columns and not problems:
            wrong("no column is mapped to a sensor: see [[source.column]] of the mapping")
        if problems:
            raise DataFileError(problems)

    def _time_cells(self, block: Block) -> pa.Array:
        cells = [block.columns[name] for name in self.source.time.columns]
        return cells[0] if len(cells) == 1 else pc.binary_join_element_wise(*map(texts, cells), " ")

    def _read_times(self) -> None:
        """Fill ``_time`` (N,) UTC microseconds and ``_state`` (N,): whether the row has a time."""
        long = self.source.long
        parsed: list[Parsed] = []
        series: list[NDArray[np.int32]] = []
        numbers_of: dict[str, int] = {}
        wrong: tuple[int, str] | None = None
        columns = [*self.source.time.columns, *([long.sensor] if long else [])]
        for block in self._table.blocks(columns):
            cells = self._time_cells(block)
            times = parse(cells, self._formats)
            parsed.append(times)
            if long:
                coded = pc.dictionary_encode(texts(block.columns[long.sensor]))
                numbering = [numbers_of.setdefault(t, len(numbers_of)) for t in coded.dictionary.to_pylist()]
                series.append(np.array(numbering, np.int32)[coded.indices.to_numpy()])
            if wrong is None and not times.ok.all():
                row = int(np.argmin(times.ok))
                wrong = (int(block.line[row]), str(texts(cells)[row]))
        malformed = self._table.malformed
        if not parsed:
            if malformed:
                first = malformed[0]
                self._fail(
                    first.line,
                    f"{first.message}, and so has each line; is {self.source.delimiter!r} the delimiter?",
                )
            self._fail(None, "holds no readings, only headings")
        local = np.concatenate([p.us for p in parsed])
        ok = np.concatenate([p.ok for p in parsed])
        zoned = np.concatenate([p.zoned for p in parsed])
        if not ok.any():
            assert wrong is not None
            names, formats = self.source.time.columns, self.source.time.formats
            self._fail(
                wrong[0],
                f"{wrong[1]!r} in column {' + '.join(map(repr, names))} is no time of format "
                + " or ".join(map(repr, formats)),
            )
        self._state = np.where(ok, np.uint8(_GOOD), np.uint8(_BAD_TIME))
        self._time = local
        rows = np.flatnonzero(ok & ~zoned)
        of = np.concatenate(series) if series else None
        if len(rows):
            zone = ZoneInfo(self.source.time.zone) if self.source.time.zone else self.site.timezone
            resolved = to_utc(local[rows], zone, None if of is None else of[rows])
            self._time[rows] = resolved.utc
            if self.source.time.skipped_hour == "reject":
                self._state[rows[resolved.skipped]] = _SKIPPED

    def _check_numbers(self) -> None:
        """A wrong decimal sign would reject nearly all: say so instead."""
        headings = [self.source.long.value] if self.source.long else list(self._columns)
        for block in self._table.blocks(headings):
            read = [numbers(block.columns[name], self.source) for name in headings]
            bad = sum(int(n.bad.sum()) for n in read)
            present = sum(int((~n.missing).sum()) for n in read)
            if bad * 2 > present:
                k = next(k for k, n in enumerate(read) if n.bad.any())
                row = int(np.argmax(read[k].bad))
                text = str(texts(block.columns[headings[k]])[row])
                hint = "; is decimal set right?" if re.fullmatch(r"[-+\d.,\s]+", text) else ""
                self._fail(
                    int(block.line[row]),
                    f"{text!r} in column {headings[k]!r}, like most cells here, is no number with decimal "
                    f"{self.source.decimal!r}{hint}",
                )
            return

    # -- the second pass ----------------------------------------------------------------------------

    def batches(self, tally: Tally, *, received: np.datetime64) -> Iterator[ReadingBatch]:
        """The file's readings in SI, block by block; what gives none is told to ``tally``."""
        long = self.source.long
        columns = list(self.source.time.columns)
        if long:
            columns += [long.sensor, long.value, *filter(None, (long.unit_column, long.quality_column))]
        else:
            columns += list(self._columns)
        at, told = 0, 0
        newest = np.iinfo(np.int64).min
        for block in self._table.blocks(columns):
            rows = slice(at, at + len(block.line))
            at = rows.stop
            if at > len(self._time):
                self._fail(None, "changed while it was read: try again")
            time, state = self._time[rows], self._state[rows]
            told = self._tell_malformed(self._table.malformed, told, tally)
            raw = (self._long if long else self._wide)(block, time, state, tally)
            ordered = np.maximum.accumulate(np.concatenate([[newest], time[state == _GOOD]]))
            tally.out_of_order += int(np.count_nonzero(time[state == _GOOD] < ordered[:-1]))
            newest = int(ordered[-1])
            yield self._validated(raw, tally, received)
        self._tell_malformed(self._table.malformed, told, tally)
        if at != len(self._time):
            self._fail(None, "changed while it was read: try again")

    def _tell_malformed(self, malformed: list[Malformed], told: int, tally: Tally) -> int:
        for line, text, message in malformed[told:]:
            tally.read += self._per_row
            tally.refuse(
                Refused(self.path, line, text, Reason.UNEQUAL_COLUMNS, f"the line {message}", self._per_row)
            )
        return len(malformed)

    def _wide(self, block: Block, time: NDArray[np.int64], state: NDArray[np.uint8], tally: Tally) -> _Raw:
        headings = list(self._columns)
        read = [numbers(block.columns[name], self.source) for name in headings]
        value = np.stack([n.value for n in read], axis=1)
        missing = np.stack([n.missing for n in read], axis=1)
        bad = np.stack([n.bad for n in read], axis=1)
        tally.read += value.size
        tally.empty += int(missing.sum())
        self._refuse_rows(block, state, (~missing).sum(axis=1), tally)
        self._refuse_cells(block, headings, bad & (state == _GOOD)[:, None], tally)
        row, sensor = np.nonzero(~missing & ~bad & (state == _GOOD)[:, None])
        return _Raw(
            [name for name, _ in self._columns.values()],
            [unit for _, unit in self._columns.values()],
            sensor.astype(np.int32),
            time[row],
            value[row, sensor],
            np.zeros(len(row), np.uint16),
            block.line[row],
        )

    def _long(self, block: Block, time: NDArray[np.int64], state: NDArray[np.uint8], tally: Tally) -> _Raw:
        long = self.source.long
        assert long is not None
        read: Numbers = numbers(block.columns[long.value], self.source)
        tally.read += len(read.value)
        tally.empty += int(read.missing.sum())
        self._refuse_rows(block, state, (~read.missing).astype(np.int64), tally)
        good = ~read.missing & (state == _GOOD)
        self._refuse_cells(block, [long.value], (read.bad & good)[:, None], tally)
        good &= ~read.bad
        quality = np.zeros(len(good), np.uint16)
        if long.quality_column is not None:
            flags = numbers(block.columns[long.quality_column], self.source)
            whole = (flags.value >= 0) & (flags.value < 65536) & (np.floor(flags.value) == flags.value)
            wrong = flags.bad | (~flags.missing & ~whole)
            self._refuse_cells(block, [long.quality_column], (wrong & good)[:, None], tally)
            good &= ~wrong
            quality = np.where(wrong | flags.missing, 0, flags.value).astype(np.uint16)
        coded = pc.dictionary_encode(texts(block.columns[long.sensor]))
        ids = [long.sensor_id(text) for text in coded.dictionary.to_pylist()]
        code = coded.indices.to_numpy().astype(np.int64)
        if long.unit_column is None:
            names, units, sensor = ids, [long.unit] * len(ids), code
        else:
            of = pc.dictionary_encode(texts(block.columns[long.unit_column]))
            kinds = of.dictionary.to_pylist()
            pairs, sensor = np.unique(code * len(kinds) + of.indices.to_numpy(), return_inverse=True)
            names = [ids[p // len(kinds)] for p in pairs.tolist()]
            units = [kinds[p % len(kinds)] or long.unit for p in pairs.tolist()]
        rows = np.flatnonzero(good)
        return _Raw(
            names,
            units,
            sensor[rows].astype(np.int32),
            time[rows],
            read.value[rows],
            quality[rows],
            block.line[rows],
        )

    def _refuse_rows(
        self, block: Block, state: NDArray[np.uint8], present: NDArray[np.int64], tally: Tally
    ) -> None:
        """Rows without a time that is one. Rows that are empty altogether say nothing and cost nothing."""
        bad = np.flatnonzero(state != _GOOD)
        if not len(bad):
            return
        cells = texts(self._time_cells(block))
        for row in bad.tolist():
            text = str(cells[row]).strip()
            count = int(present[row])
            if not text and not count:
                continue
            if state[row] == _SKIPPED:
                zone = self.source.time.zone or self.site.timezone.key
                reason = Reason.BAD_TIME
                detail = f"{text!r} never was in {zone}: its clocks jumped over that hour"
            elif not text:
                reason, detail = Reason.NO_TIME, "the row has values and no time"
            else:
                formats = " or ".join(map(repr, self.source.time.formats))
                reason, detail = Reason.BAD_TIME, f"{text!r} is no time of format {formats}"
            tally.refuse(Refused(self.path, int(block.line[row]), text, reason, detail, count))

    def _refuse_cells(self, block: Block, headings: list[str], bad: NDArray[np.bool_], tally: Tally) -> None:
        for row, k in np.argwhere(bad).tolist():
            text = str(texts(block.columns[headings[k]].slice(row, 1))[0])
            detail = f"{text!r} in column {headings[k]!r} is no number"
            tally.refuse(Refused(self.path, int(block.line[row]), text, Reason.WRONG_TYPE, detail))

    def _validated(self, raw: _Raw, tally: Tally, received: np.datetime64) -> ReadingBatch:
        time = raw.time.view(TIME_DTYPE)
        checked = validate_columns(
            self.site,
            raw.names,
            raw.sensor,
            time,
            raw.value,
            raw.units,
            received=received,
            quality=raw.quality,
        )
        for row, reason in zip(checked.rejected.tolist(), checked.reasons, strict=True):
            k, value = int(raw.sensor[row]), float(raw.value[row])
            name, unit = raw.names[k], raw.units[k]
            detail = explain(self.site, reason, name, unit, time[row], value)
            text = f"{name} {time[row]}Z {value} {unit}".rstrip()
            tally.refuse(Refused(self.path, int(raw.line[row]), text, reason, detail))
        return checked.batch
