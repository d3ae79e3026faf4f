"""Finds leaks, their growth and their repair in the net inflow of many areas at once, as time goes on.

Every decision at a time uses inflow up to that time. All areas are columns of arrays; only what happens
at an event is done area by area. ``docs/analytics.md`` explains the method and states its false alarms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics import slow
from analytics.baseline import fit_day, left_out_residuals, other_kind, profile, slot_scale
from analytics.events import Event
from analytics.explained import Explained, unexplained
from analytics.ledger import Ledger, Verdict
from analytics.limits import caution
from analytics.noise import nanmedian
from analytics.options import Options
from analytics.record import BLOCK_S, Record, mean_of_most
from analytics.scan import GROUPS, Scan, State
from analytics.windows import geometry

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

PERSISTENCE = 9.0
"""Within a day so many blocks of noise count as one: (1 + phi) / (1 - phi) of a lag-one correlation of
0.8."""


@dataclass(frozen=True, slots=True)
class Day:
    """What is expected of a day, made before it begins. Never changed, so that it can be kept.

    expected, scale (J, S) [m3/s]; typical (S,): median of scale; caution (S,): by how much limits are wider
    while days are few [-].
    """

    expected: Floats
    scale: Floats
    typical: Floats
    caution: Floats


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What must be kept to go on from the first block of a day. Arrays are copies."""

    rows: int
    days: int
    levels: Floats
    offsets: Floats
    armed: Bools
    scan: State
    runs: Ints
    events: list[Event]
    day: Day


class Detector:
    """Sequential detector over S areas on a grid of ``step_s`` [s].

    ``advance`` takes whole blocks of rows (``rows_per_block``); blocks are 30 minutes, or a step where
    steps are longer. Results, one row per step: ``inflow``, ``expected`` (T, S), ``scale`` (T, S) [m3/s],
    NaN while nothing is expected; one row per block: ``known`` (H, S) flow of known events [m3/s],
    ``statistic`` (H, S) test statistic as a share of its threshold, NaN while nothing is expected; and
    ``events``.
    """

    def __init__(self, areas: int, step_s: int, options: Options | None = None) -> None:
        if 86400 % step_s:
            raise ValueError(f"step of {step_s} s does not divide a day: use 900, 1800, 3600, ...")
        self.options = options or Options()
        self.per_hour = max(1, 3600 // step_s)
        self.window = self.options.weeks * 7
        self._begin_anew(self._record(areas, step_s))

    @staticmethod
    def _record(areas: int, step_s: int) -> Record:
        block_s = step_s * max(1, BLOCK_S // step_s)
        windows, readings = len(geometry(block_s).windows), 1 + slow.layout(86400 // step_s).bins
        return Record(areas, step_s, windows, GROUPS, readings, len(slow.LENGTHS))

    def _begin_anew(self, record: Record) -> None:
        areas = record.areas
        self.record = record
        self.ledger = Ledger(record, self.options)
        self.armed = np.zeros(areas, bool)
        self.scan = Scan(record, self.options)
        self.runs = np.zeros((2, areas), np.int64)  # blocks in a row above one deviation, up and down
        self.snapshots: dict[int, Snapshot] = {}
        self._kept_day = 0
        nothing = np.full((record.slots, areas), np.nan)
        none = np.full(areas, np.nan)
        self._day = Day(nothing, nothing, none, np.ones(areas))
        self._alarmed = none.copy()  # statistic over threshold of alarms in the present block

    # -- what callers read -------------------------------------------------------------------------

    @property
    def rows(self) -> int:
        """Steps taken so far."""
        return self.record.rows

    @property
    def blocks(self) -> int:
        """Blocks tested so far."""
        return self.record.blocks

    @property
    def step_s(self) -> int:
        """Length of a step [s]."""
        return self.record.step_s

    @property
    def block_s(self) -> int:
        """Length of a block [s]."""
        return self.record.block_s

    @property
    def rows_per_block(self) -> int:
        """Steps of a block."""
        return self.record.per_block

    @property
    def inflow(self) -> Floats:
        """Net inflow of each step, (T, S) [m3/s], NaN where unknown."""
        return self.record.row["inflow"][: self.rows]

    @property
    def expected(self) -> Floats:
        """What was expected of each step before its day began, (T, S) [m3/s], NaN while nothing was."""
        return self.record.row["expected"][: self.rows]

    @property
    def scale(self) -> Floats:
        """Usual deviation from it, (T, S) [m3/s]."""
        return self.record.row["scale"][: self.rows]

    @property
    def known(self) -> Floats:
        """Flow of known events in each block, (H, S) [m3/s]."""
        return self.record.block["known"][: self.blocks]

    @property
    def statistic(self) -> Floats:
        """Test statistic of each block as a share of its limit, (H, S) [-]."""
        return self.record.block["statistic"][: self.blocks]

    @property
    def events(self) -> list[Event]:
        """All events, in the order in which they were found."""
        return self.ledger.events

    def estimates(self) -> None:
        """Bring the estimates of lasting events up to date."""
        for e in self.events:
            if e.end is None:
                self.ledger.estimate(e)

    def changed_since(self) -> int:
        """First row that was computed or changed since this was last asked."""
        block, self.ledger.dirty = min(self.ledger.dirty, self.blocks), self.blocks
        return block * self.rows_per_block

    # -- going on ----------------------------------------------------------------------------------

    def advance(
        self, inflow: Floats, day: Ints, slot: Ints, weekday: Ints, explained: Explained | None = None
    ) -> None:
        """Take the next rows, whole blocks of them.

        inflow (n, S) [m3/s], NaN where unknown; day (n,): local day ordinal, not falling; slot (n,): slot
        of the local day [0, 86400/step); weekday (n,): 0 Monday .. 6 Sunday, holidays 6. explained (n, S):
        what works that people have entered explain; it is taken off, and of what is left nothing is
        ``inflow`` but what goes beyond.
        """
        n, per_block = len(inflow), self.rows_per_block
        if n % per_block:
            raise ValueError(f"{n} rows are not whole blocks of {per_block}")
        record = self.record
        record.reserve(n)
        row = record.row
        for i in range(n):
            if record.days == 0 or day[i] != record.number[record.days - 1]:
                if record.days:
                    self._close_day()
                record.new_day(int(day[i]), int(weekday[i]))
                self._prepare()
            j, t = int(slot[i]), record.rows
            record.row_of[record.days - 1, j] = t
            now = (
                inflow[i]
                if explained is None
                else self._beyond(inflow[i], j, explained.part(slice(i, i + 1)))
            )
            row["inflow"][t] = now
            row["expected"][t] = self._day.expected[j]
            row["scale"][t] = self._day.scale[j]
            row["residual"][t] = now - self._day.expected[j]
            record.rows += 1
            if record.rows % per_block == 0:
                self._close_block(j)
                if self._kept_day != record.days:
                    self.snapshots[record.rows] = self._snapshot()
                    self._kept_day = record.days

    def _beyond(self, inflow: Floats, slot: int, explained: Explained) -> Floats:
        """Inflow (S,) of a row without what works explain."""
        if not explained.worked.any():
            return inflow
        usual = self._day.expected[slot] + self.ledger.known_now()
        return np.asarray(unexplained(inflow[None], usual, self._day.scale[slot], explained)[0])

    # -- a day -------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        """Expectation and noise for the day that has just been opened, from the days before it."""
        record = self.record
        d = record.days - 1
        first = max(0, d - self.window)
        past = record.past("inflow", first, d, clean=True)
        measured = (np.isfinite(past).sum(1) >= 0.75 * record.slots).sum(0)  # days, per area
        new = (measured >= self.options.min_days) & ~self.armed
        if new.any():
            self._arm(past, first, new)
        if not self.armed.any():
            return
        weekday, today = record.weekday[first:d], int(record.weekday[d])
        past = past / record.levels[first:d, None, :]
        level = record.levels[d]
        expected = np.where(self.armed, level * profile(past, weekday, today, self.per_hour), np.nan)
        other = level * other_kind(past, weekday, today)
        residual = record.past("residual", first, d, clean=True)
        scale = np.where(self.armed, slot_scale(residual, expected, other, self.per_hour), np.nan)

        block, b = record.block, record.blocks
        a = max(0, b - self.ledger.window_blocks)
        fresh = np.isnan(block["scale"][a:b]) & np.isfinite(block["residual"][a:b])
        if fresh.any():  # blocks from before the first expectation
            block["scale"][a:b] = np.where(fresh, scale.mean(axis=0), block["scale"][a:b])
        self._day = Day(expected, scale, nanmedian(scale), caution(measured))
        self.scan.prepare(new)

    def _arm(self, past: Floats, first: int, new: Bools) -> None:
        """Start areas whose past suffices: their noise is how their days differ from each other."""
        record = self.record
        d, b = record.days - 1, record.blocks
        residual = left_out_residuals(past[:, :, new])
        columns = np.flatnonzero(new)
        row = record.row["residual"]
        row[: record.rows, columns] = np.nan
        where = record.row_of[first:d]
        ok = where >= 0
        row[where[ok][:, None], columns[None, :]] = residual[ok]
        record.levels[: d + 1, columns] = 1.0
        record.offsets[: d + 1, columns] = np.nan
        finite = np.isfinite(residual)
        mean = np.where(finite, residual, 0.0).mean(axis=1)
        record.offsets[first:d, columns] = np.where(finite.sum(1) >= 0.75 * record.slots, mean, np.nan)
        record.block["scale"][:b, columns] = np.nan
        folded = row[: b * record.per_block, columns].reshape(b, record.per_block, len(columns))
        record.block["residual"][:b, columns] = mean_of_most(folded)
        record.block["common"][:b, columns] = 0.0
        record.block["level"][:b, columns] = 0.0
        self.armed = self.armed | new

    def _close_day(self) -> None:
        """What the day that ends says about demand, and about an offset too small to see by the hour."""
        record, options = self.record, self.options
        d = record.days - 1
        expected, scale = record.past("expected", d, d + 1)[0], record.past("scale", d, d + 1)[0]
        residual = record.past("residual", d, d + 1, clean=True)[0]
        persistence = np.full(record.areas, record.per_block * PERSISTENCE)
        fit = fit_day(residual, expected, np.where(np.isfinite(scale), scale, 1.0), persistence)
        record.offsets[d] = np.where(self.armed, fit.offset, np.nan)
        gain = options.level_gain * np.clip(np.nan_to_num(fit.share), -0.1, 0.1)
        if d + 1 >= len(record.levels):
            record.levels = np.concatenate([record.levels, np.ones((max(64, d), record.areas))])
        record.levels[d + 1] = np.clip(record.levels[d] * (1.0 + gain), 0.2, 5.0)

    # -- a block -----------------------------------------------------------------------------------

    def _close_block(self, slot: int) -> None:
        record, block, day, b = self.record, self.record.block, self._day, self.record.blocks
        rows = slice(b * record.per_block, (b + 1) * record.per_block)
        block["residual"][b] = mean_of_most(record.row["residual"][None, rows])[0]
        block["scale"][b] = record.row["scale"][rows].mean(axis=0)
        block["known"][b] = self.ledger.known_now()
        self.scan.take_common(slot)
        record.blocks = b + 1
        if not self.armed.any():
            block["statistic"][b] = np.nan
            return
        with np.errstate(invalid="ignore", divide="ignore"):
            z = (block["residual"][b] - block["known"][b] - block["common"][b]) / block["scale"][b]
        for k, side in enumerate((1, -1)):
            self.runs[k] = np.where(side * z > 1.0, self.runs[k] + 1, 0)
        for alarm in self.scan.look(slot, day.caution, self.runs, self.ledger.confirm):
            verdict = self.ledger.alarm(
                alarm.area,
                alarm.side,
                alarm.earliest,
                fast=alarm.fast,
                statistic=alarm.share,
                limit=1.0,
                level=alarm.level,
                size=alarm.size,
                growing=alarm.growing,
            )
            if verdict is Verdict.NEW:
                self._alarmed[alarm.area] = alarm.share
            if verdict is not Verdict.DOUBTFUL:
                self.scan.see_level()
        self.ledger.go_on(day.typical, self.scan.remaining)
        share = np.minimum(self.scan.share.max(axis=0), 0.99)
        shown = np.where(np.isnan(self._alarmed), share, self._alarmed)
        block["statistic"][b] = np.where(self.armed, shown, np.nan)
        self._alarmed[:] = np.nan

    # -- what if ------------------------------------------------------------------------------------

    def branch(self, of: Ints) -> Detector:
        """A detector that stands where this one does, with copies of areas ``of`` (n,) as further columns.

        The copies see the real areas as their neighbours, and the real areas do not see the copies: so one
        can ask what would be made of other inflow from here on. It cannot be taken back to before this.
        """
        return self.columns(np.concatenate([np.arange(self.record.areas), of]))

    def columns(self, which: Ints) -> Detector:
        """The same with columns ``which`` (n,) only, of which the first must be all areas that are no copies
        of others."""
        out = object.__new__(Detector)
        out.options, out.per_hour, out.window = self.options, self.per_hour, self.window
        out.record = self.record.columns(which)
        out.ledger = Ledger(out.record, self.options)
        events = []
        for column, old in enumerate(which.tolist()):
            for e in self.events:
                if e.area == old:
                    twin = e.copy()
                    twin.area = column
                    events.append(twin)
        out.ledger.take_up(events)
        out.scan = self.scan.columns(out.record, which)
        day = self._day
        out._day = Day(day.expected[:, which], day.scale[:, which], day.typical[which], day.caution[which])
        out.armed, out.runs, out._alarmed = self.armed[which], self.runs[:, which], self._alarmed[which]
        out.snapshots, out._kept_day = {}, self._kept_day
        return out

    # -- going back --------------------------------------------------------------------------------

    def _snapshot(self) -> Snapshot:
        record = self.record
        first = max(0, record.days - self.window - 1)
        return Snapshot(
            record.rows,
            record.days,
            record.levels[first : record.days + 1].copy(),
            record.offsets[first : record.days].copy(),
            self.armed.copy(),
            self.scan.state(),
            self.runs.copy(),
            [e.copy() for e in self.events],
            self._day,
        )

    def rewind(self, row: int) -> int:
        """Go back to the last kept place at or before ``row``; returns the row to go on from.

        Places are kept after the first block of each day. Without one before ``row`` the detector begins
        anew at row 0.
        """
        record = self.record
        kept = [r for r in self.snapshots if r <= row]
        if not kept:
            self._begin_anew(self._record(record.areas, record.step_s))
            return 0
        s = self.snapshots[max(kept)]
        self.snapshots = {r: x for r, x in self.snapshots.items() if r <= s.rows}
        record.rows, record.days = s.rows, s.days
        record.blocks = s.rows // record.per_block
        first = max(0, s.days - self.window - 1)
        record.levels[first : first + len(s.levels)] = s.levels
        record.offsets[first : s.days] = s.offsets
        today = record.row_of[s.days - 1]
        today[today >= s.rows] = -1
        self.armed, self.runs = s.armed.copy(), s.runs.copy()
        self.scan.go_back(s.scan)
        self.ledger.go_back(s.events)
        self._day, self._kept_day = s.day, s.days
        return record.rows

    def forget(self, keep: int) -> None:
        """Of the places to go back to keep the newest ``keep`` and, before them, ``keep`` a week apart."""
        rows = sorted(self.snapshots, reverse=True)
        weekly: list[int] = []
        for r in rows[keep:]:
            if not weekly or weekly[-1] - r >= 7 * self.record.slots:
                weekly.append(r)
        stay = {*rows[:keep], *weekly[:keep]}
        self.snapshots = {r: x for r, x in self.snapshots.items() if r in stay}
