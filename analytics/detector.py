"""Finds leaks, their growth and their repair in the net inflow of many areas at once, as time goes on.

Every decision at a time uses inflow up to that time. All areas are columns of arrays; only what happens
at an event is done area by area. ``docs/analytics.md`` explains the method and states its false alarms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from analytics.baseline import fit_day, left_out_residuals, other_kind, profile, slot_scale
from analytics.cusum import accumulate, change_point, threshold
from analytics.events import Event
from analytics.noise import detrended, lag_one, nanmedian, robust_scale, scale_of_means

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Options(NamedTuple):
    """How the detector behaves. Nothing here is fitted to one data set.

    weeks: how much past the baseline is made of. min_days: measured days before anything is expected.
    level_gain: share of a day's change of demand that the level takes over. years: mean years between
    false alarms of each of the four tests of an area on noise as assumed. fast_k: half the sudden change
    looked for, in standard deviations of an innovation; slow_k likewise of a day's offset. fast_cut,
    slow_cut: no single innovation or day counts for more than this. confirm_s: a sudden change must have
    lasted this long [s] and for three blocks in a row.
    follow_s: time constant with which the size of an event is followed [s]. window_s: the present size is
    the mean excess over this [s].
    confidence: an alarm needs this much, by the spread of means as it was. low_share: missing inflow is an
    event only beyond this share of the expected inflow; less is people using less.
    """

    weeks: int = 8
    min_days: int = 7
    level_gain: float = 0.2
    years: float = 10.0
    fast_k: float = 1.0
    slow_k: float = 0.5
    fast_cut: float = 8.0
    slow_cut: float = 5.0
    confirm_s: float = 5400.0
    follow_s: float = 2 * 86400.0
    window_s: float = 3 * 86400.0
    confidence: float = 0.95
    low_share: float = 0.25


@dataclass(slots=True)
class Snapshot:
    """What must be kept to go on from the first block of a day. Arrays are copies."""

    rows: int
    days: int
    levels: Floats
    offsets: Floats
    armed: Bools
    sums: Floats
    runs: Ints
    events: list[Event]
    stamps: dict[str, NDArray[np.int64]]
    today: tuple[Floats, ...]


class Detector:
    """Sequential detector over S areas on a grid of ``step_s`` [s].

    ``advance`` takes whole blocks of rows (``rows_per_block``); blocks are 30 minutes, or a step where
    steps are longer. Results, one row per step: ``expected`` (T, S), ``scale`` (T, S) [m3/s], NaN while
    nothing is expected or, in ``scale``, where nothing is; one row per block: ``known`` (H, S) flow of
    known events [m3/s], ``statistic`` (H, S) test statistic as a share of its threshold; ``events``.
    """

    def __init__(self, areas: int, step_s: int, options: Options | None = None) -> None:
        if 86400 % step_s:
            raise ValueError(f"step of {step_s} s does not divide a day: use 900, 1800, 3600, ...")
        self.areas = areas
        self.step_s = step_s
        self.options = options = options or Options()
        self.slots = 86400 // step_s
        self.per_hour = max(1, 3600 // step_s)
        self.rows_per_block = max(1, 1800 // step_s)
        self.block_s = step_s * self.rows_per_block
        per_day = 86400 / self.block_s
        self.window = options.weeks * 7
        self.window_blocks = int(self.window * per_day)
        self.fast_h = threshold(options.fast_k, options.years * 365.25 * per_day)
        self.slow_h = threshold(options.slow_k, options.years * 365.25)
        self.confirm = max(3, int(np.ceil(options.confirm_s / self.block_s)))

        self.rows = 0
        self.blocks = 0
        self.days = 0
        self._row = {n: np.full((0, areas), np.nan) for n in ("inflow", "expected", "scale", "residual")}
        self._block = {n: np.full((0, areas), np.nan) for n in ("residual", "scale", "known", "statistic")}
        self.row_of = np.full((0, self.slots), -1, np.int64)  # (D, J): row of each slot of each day
        self.day_number = np.zeros(0, np.int64)
        self.weekday = np.zeros(0, np.int64)
        self.levels = np.ones((0, areas))
        self.offsets = np.full((0, areas), np.nan)

        self.armed = np.zeros(areas, bool)
        self.sums = np.zeros((4, areas))  # fast up, fast down, slow up, slow down
        self.zero = {"fast": np.zeros((2, areas), np.int64), "slow": np.zeros((2, areas), np.int64)}
        self.runs = np.zeros((2, areas), np.int64)
        self.events: list[Event] = []
        self.dirty = 0  # first block changed since ``changed_since``
        self.snapshots: dict[int, Snapshot] = {}
        self.kept_day = 0

        self._expect = np.full((self.slots, areas), np.nan)
        self._scale = np.full((self.slots, areas), np.nan)
        self._phi = np.zeros(areas)
        self._sigma = np.full(areas, np.nan)
        self._caution = np.ones(areas)
        self._typical = np.full(areas, np.nan)
        self._limits = np.array([[self.fast_h], [self.fast_h], [self.slow_h], [self.slow_h]])
        self._alarmed = np.full(areas, np.nan)  # statistic over threshold of alarms in the present block

    # -- what callers read -------------------------------------------------------------------------

    @property
    def inflow(self) -> Floats:
        return self._row["inflow"][: self.rows]

    @property
    def expected(self) -> Floats:
        return self._row["expected"][: self.rows]

    @property
    def scale(self) -> Floats:
        return self._row["scale"][: self.rows]

    @property
    def known(self) -> Floats:
        return self._block["known"][: self.blocks]

    @property
    def statistic(self) -> Floats:
        return self._block["statistic"][: self.blocks]

    @property
    def clean(self) -> Floats:
        """Mean residual of each block, known events taken off (H, S) [m3/s]."""
        return self._block["residual"][: self.blocks] - self.known

    # -- going on ----------------------------------------------------------------------------------

    def advance(self, inflow: Floats, day: Ints, slot: Ints, weekday: Ints) -> None:
        """Take the next rows, whole blocks of them.

        inflow (n, S) [m3/s], NaN where unknown; day (n,): local day ordinal, not falling; slot (n,): slot
        of the local day [0, 86400/step); weekday (n,): 0 Monday .. 6 Sunday, holidays 6.
        """
        n = len(inflow)
        if n % self.rows_per_block:
            raise ValueError(f"{n} rows are not whole blocks of {self.rows_per_block}")
        self._reserve(n)
        row = self._row
        for block in range(n // self.rows_per_block):
            for i in range(block * self.rows_per_block, (block + 1) * self.rows_per_block):
                if self.days == 0 or day[i] != self.day_number[self.days - 1]:
                    if self.days:
                        self._close_day()
                    self._open_day(int(day[i]), int(weekday[i]))
                j, t = int(slot[i]), self.rows
                self.row_of[self.days - 1, j] = t
                row["inflow"][t] = inflow[i]
                row["expected"][t] = self._expect[j]
                row["scale"][t] = self._scale[j]
                row["residual"][t] = inflow[i] - self._expect[j]
                self.rows += 1
            self._close_block()
            if self.kept_day != self.days:
                self.snapshots[self.rows] = self._snapshot()
                self.kept_day = self.days

    def _reserve(self, rows: int) -> None:
        def grown(a: Floats, need: int) -> Floats:
            if need <= len(a):
                return a
            out = np.full((max(need, 2 * len(a), 1024), *a.shape[1:]), np.nan)
            out[: len(a)] = a
            return out

        for name, a in self._row.items():
            self._row[name] = grown(a, self.rows + rows)
        for name, a in self._block.items():
            self._block[name] = grown(a, self.blocks + rows // self.rows_per_block)

    # -- a day -------------------------------------------------------------------------------------

    def _past(self, values: Floats, first: int, last: int, *, clean: bool) -> Floats:
        """Rows of days [first, last) by slot, (D, J, S), known events taken off if ``clean``."""
        where = self.row_of[first:last]
        out = values[where]
        if clean:
            out = out - self._block["known"][where // self.rows_per_block]
        out[where < 0] = np.nan
        return out

    def _open_day(self, number: int, weekday: int) -> None:
        d = self.days
        if d >= len(self.row_of):
            more = max(64, d)
            self.row_of = np.concatenate([self.row_of, np.full((more, self.slots), -1, np.int64)])
            self.day_number = np.concatenate([self.day_number, np.zeros(more, np.int64)])
            self.weekday = np.concatenate([self.weekday, np.zeros(more, np.int64)])
            self.levels = np.concatenate([self.levels, np.ones((more, self.areas))])
            self.offsets = np.concatenate([self.offsets, np.full((more, self.areas), np.nan)])
        self.row_of[d] = -1
        self.day_number[d], self.weekday[d] = number, weekday
        self.offsets[d] = np.nan
        self.days = d + 1
        self._prepare()

    def _prepare(self) -> None:
        """Expectation and noise for the day that has just been opened, from the days before it."""
        d = self.days - 1
        first = max(0, d - self.window)
        past = self._past(self._row["inflow"], first, d, clean=True)
        measured = (np.isfinite(past).sum(1) >= 0.75 * self.slots).sum(0)  # days, per area
        new = (measured >= self.options.min_days) & ~self.armed
        if new.any():
            self._begin(past, first, new)
        if not self.armed.any():
            return
        levels = self.levels[first:d]
        level_free, weekday = past / levels[:, None, :], int(self.weekday[d])
        shape = profile(level_free, self.weekday[first:d], weekday, self.per_hour)
        other = self.levels[d] * other_kind(level_free, self.weekday[first:d], weekday)
        self._expect = np.where(self.armed, self.levels[d] * shape, np.nan)
        residual = self._past(self._row["residual"], first, d, clean=True)
        self._scale = np.where(self.armed, slot_scale(residual, self._expect, other, self.per_hour), np.nan)
        self._typical = nanmedian(self._scale)
        self._caution = 1.0 + 7.0 / np.maximum(measured, 1)

        b = self.blocks
        a = max(0, b - self.window_blocks)
        fresh = np.isnan(self._block["scale"][a:b]) & np.isfinite(self._block["residual"][a:b])
        if fresh.any():  # blocks from before the first expectation
            mean_scale = np.where(self.armed, self._scale.mean(axis=0), np.nan)
            self._block["scale"][a:b] = np.where(fresh, mean_scale, self._block["scale"][a:b])
        z = (self._block["residual"][a:b] - self._block["known"][a:b]) / self._block["scale"][a:b]
        self._phi = lag_one(z)
        innovation = z[1:] - self._phi * z[:-1]
        self._sigma = robust_scale(innovation, tail=True) if len(z) > 1 else np.full(self.areas, np.nan)

    def _begin(self, past: Floats, first: int, new: Bools) -> None:
        """Start areas whose past suffices: their noise is how their days differ from each other."""
        d = self.days - 1
        residual = left_out_residuals(past[:, :, new])
        row = self._row["residual"]
        columns = np.flatnonzero(new)
        row[: self.rows, columns] = np.nan
        where = self.row_of[first:d]
        ok = where >= 0
        row[where[ok][:, None], columns[None, :]] = residual[ok]
        self.levels[: d + 1, columns] = 1.0
        self.offsets[: d + 1, columns] = np.nan
        self.offsets[first:d, columns] = np.where(
            np.isfinite(residual).sum(1) >= 0.75 * self.slots,
            np.nanmean(np.where(np.isfinite(residual), residual, 0.0), axis=1),
            np.nan,
        )
        self._block["scale"][: self.blocks, columns] = np.nan
        whole = row[: self.blocks * self.rows_per_block, columns]
        folded = whole.reshape(self.blocks, self.rows_per_block, len(columns))
        self._block["residual"][: self.blocks, columns] = _mean_of_most(folded)
        self.armed = self.armed | new
        self.sums[:, columns] = 0.0
        self.dirty = min(self.dirty, self.blocks)

    def _close_day(self) -> None:
        """What the day that ends says about demand, and about an offset too small to see by the hour."""
        d = self.days - 1
        expect = self._past(self._row["expected"], d, d + 1, clean=False)[0]
        scale = self._past(self._row["scale"], d, d + 1, clean=False)[0]
        residual = self._past(self._row["residual"], d, d + 1, clean=True)[0]
        persistence = self.rows_per_block * (1 + self._phi) / (1 - self._phi)
        share, offset = fit_day(residual, expect, np.where(np.isfinite(scale), scale, 1.0), persistence)
        self.offsets[d] = np.where(self.armed, offset, np.nan)
        gain = self.options.level_gain * np.clip(np.nan_to_num(share), -0.1, 0.1)
        if d + 1 >= len(self.levels):
            self.levels = np.concatenate([self.levels, np.ones((max(64, d), self.areas))])
        self.levels[d + 1] = np.clip(self.levels[d] * (1.0 + gain), 0.2, 5.0)

        past = self.offsets[max(0, d - self.window) : d]
        n = np.isfinite(past).sum(0)
        if not (n >= self.options.min_days).any():
            return
        daily = detrended(past)
        rho = lag_one(daily, most=0.8)
        caution = 1.0 + 7.0 / np.maximum(n, 1)
        spread = robust_scale(daily, tail=True) * np.sqrt((1 + rho) / (1 - rho)) * caution
        with np.errstate(invalid="ignore", divide="ignore"):
            z = np.where(n >= self.options.min_days, self.offsets[d] / spread, np.nan)
        z = np.clip(z, -self.options.slow_cut, self.options.slow_cut)
        for i, side in enumerate((1, -1)):
            self.sums[2 + i] = accumulate(self.sums[2 + i], side * z, self.options.slow_k)
            self.zero["slow"][i][self.sums[2 + i] <= 0] = d + 1
            for s in np.flatnonzero(self.sums[2 + i] > self.slow_h):
                since = int(self.zero["slow"][i][s])
                rows = self.row_of[min(since, d)]
                start = int(rows[rows >= 0].min(initial=self.rows - 1)) // self.rows_per_block
                self._alarm(int(s), side, start - int(7 * 86400 / self.block_s), fast=False)

    # -- a block -----------------------------------------------------------------------------------

    def _close_block(self) -> None:
        b = self.blocks
        rows = slice(b * self.rows_per_block, (b + 1) * self.rows_per_block)
        block = self._block
        block["residual"][b] = _mean_of_most(self._row["residual"][None, rows])[0]
        block["scale"][b] = self._row["scale"][rows].mean(axis=0)
        block["known"][b] = 0.0
        self.blocks = b + 1
        for e in self.events:
            if e.end is None:
                block["known"][b, e.area] += e.now
        if not self.armed.any():
            block["statistic"][b] = np.nan
            return
        z = (block["residual"][b] - block["known"][b]) / block["scale"][b]
        before = (
            (block["residual"][b - 1] - block["known"][b - 1]) / block["scale"][b - 1]
            if b
            else np.full(self.areas, np.nan)
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            innovation = np.where(np.isfinite(before), z - self._phi * before, z * np.sqrt(1 - self._phi**2))
            innovation = innovation / (self._sigma * self._caution)
        innovation = np.clip(innovation, -self.options.fast_cut, self.options.fast_cut)
        for i, side in enumerate((1, -1)):
            self.sums[i] = accumulate(self.sums[i], side * innovation, self.options.fast_k)
            with np.errstate(invalid="ignore"):
                self.runs[i] = np.where(side * z > 1.0, self.runs[i] + 1, 0)
            self.zero["fast"][i][self.sums[i] <= 0] = b + 1
        for i, side in enumerate((1, -1)):
            for s in np.flatnonzero((self.sums[i] > self.fast_h) & (self.runs[i] >= self.confirm)):
                self._alarm(int(s), side, int(self.zero["fast"][i][s]) - 2, fast=True)
        self.sums = np.minimum(self.sums, self._limits * 2)  # what did not count as an alarm may pass
        youngest = {e.area: e for e in self.events if e.end is None}
        for e in self.events:
            if e.end is None:
                if e.doubt is not None:
                    self._weigh(e)
                elif e.detected < b and e is youngest[e.area]:
                    self._follow(e)
                if e.end is None:
                    self._note(e)
        share = (self.sums / self._limits).max(0)
        shown = np.where(np.isnan(self._alarmed), np.minimum(share, 0.99), self._alarmed)
        block["statistic"][b] = np.where(self.armed, shown, np.nan)
        self._alarmed[:] = np.nan

    # -- an event ----------------------------------------------------------------------------------

    def _standard(self, s: int, a: int, b: int) -> Floats:
        block = self._block
        z = (block["residual"][a:b, s] - block["known"][a:b, s]) / block["scale"][a:b, s]
        cut: Floats = np.clip(z, -8.0, 8.0)
        return cut  # one wild hour shall not say when a week's excess began

    def _spread(self, s: int, before: int, blocks: int | None = None) -> tuple[Ints, Floats]:
        """How much standardised means over some lengths varied before a block: lengths, deviations.

        blocks: the length that is asked for; None: from one block to two weeks.
        """
        most = blocks or max(2, 14 * 86400 // self.block_s)
        past = self._standard(s, max(0, before - self.window_blocks), before)
        lengths = np.unique(np.geomspace(1, most, 12).astype(np.int64))
        if blocks is not None and len(past) // blocks >= 8:
            lengths = np.array([blocks])
        return lengths, scale_of_means(past, lengths)

    def _alarm(self, s: int, side: int, earliest: int, *, fast: bool) -> None:
        """A test has alarmed at the end of the last block: say since when and how much, and what it was."""
        b = self.blocks
        i = 0 if side > 0 else 1
        statistic, limit = (
            (float(self.sums[i, s]), self.fast_h) if fast else (float(self.sums[2 + i, s]), self.slow_h)
        )
        mine = [e for e in self.events if e.area == s]
        last = max((max(e.start, e.end or 0) for e in mine), default=0)
        earliest = max(earliest, last + 1, 0, b - self.window_blocks)
        earliest = min(earliest, b - 1)
        change = change_point(self._standard(s, earliest, b), 0, side)
        start = earliest + change.start
        clean = self.clean[start:b, s]
        if b - start < self.confirm or not np.isfinite(clean).any():
            return
        size = float(np.nanmean(clean))
        mean = _mean_or_zero(self._standard(s, start, b))
        sure = _confidence(mean, self._spread(s, start, b - start)[1][-1], (b - start) * self.block_s)
        if side * size <= 0 or not sure >= self.options.confidence:
            return
        self.sums[:, s] = 0.0
        self.runs[:, s] = 0
        active = [e for e in mine if e.end is None]
        opposite = [e for e in active if e.side != side]
        same = [e for e in active if e.side == side]
        if opposite:
            nearest = min(opposite, key=lambda e: abs(abs(e.now) - abs(size)))
            # Far more than the event itself is another matter (supply cut while a leak runs).
            if abs(size) <= 2 * nearest.peak or (side < 0 and not self._cut_off(s, start, size)):
                nearest.doubt = start if nearest.doubt is None else nearest.doubt
                return
        if same and (not fast or start - same[-1].detected < 86400 / self.block_s):
            self._set(same[-1], start, same[-1].now + size)
            return
        if side < 0 and not self._cut_off(s, start, size):
            return
        self._alarmed[s] = statistic / limit
        lengths, spread = self._spread(s, start)
        event = Event(
            area=s,
            side=side,
            start=start,
            detected=b - 1,
            growing=change.growing,
            fast=fast,
            statistic=statistic,
            limit=limit,
            days_known=int(np.isfinite(self.offsets[: self.days, s]).sum()),
            expected=self._expected_since(s, start),
            lengths=lengths,
            spread=spread,
        )
        n = b - start
        if change.growing:
            # In steps of a day: what matters is that the rise is not learnt as demand.
            width = max(1, int(86400 / self.block_s))
            for k in range(start, b, width):
                middle = (min(k + width, b) + k) / 2 - start
                event.track.append((k, 2 * size * middle / n))
        else:
            event.track.append((start, size))
        event.weight = float(np.isfinite(clean).sum())
        event.peak = abs(event.now)
        self.events.append(event)
        self._sum_known(s, start)
        self._correct_offsets(s, start, event.course(start, b))
        self._estimate(event)

    def _expected_since(self, s: int, start: int) -> float:
        return _mean_or_zero(self._row["expected"][start * self.rows_per_block : self.rows, s])

    def _cut_off(self, s: int, start: int, size: float) -> bool:
        """Whether so much inflow is missing that it is more than people using less."""
        return -size >= self.options.low_share * abs(self._expected_since(s, start))

    def _weigh(self, e: Event) -> None:
        """An event whose excess has fallen is over, smaller, or after all still there.

        Decided once the fall has lasted as long as the event before it, twelve hours at most.
        """
        assert e.doubt is not None
        b, block = self.blocks, self._block
        wait = int(np.clip(e.doubt - e.start, self.confirm, max(self.confirm, 12 * 3600 // self.block_s)))
        if b - e.doubt < wait:
            return
        course = e.course(e.doubt, b)
        excess = block["residual"][e.doubt : b, e.area] - block["known"][e.doubt : b, e.area] + course
        before = e.course(max(e.start, e.doubt - 1), max(e.start, e.doubt - 1) + 1)[0]
        start, e.doubt = e.doubt, None
        if not np.isfinite(excess).any():
            return
        left = float(np.nanmean(excess)) / before if before else 0.0
        if left < 0.5:
            self._end(e, start)
        elif left < 0.85:
            self._set(e, start, left * before)

    def _correct_offsets(self, s: int, start: int, course: Floats) -> None:
        """Take what has just become known of an event off the day offsets that it has raised."""
        self.dirty = min(self.dirty, start)
        day_blocks = self.row_of[: self.days] // self.rows_per_block
        for d in range(self.days - 1, -1, -1):
            rows = self.row_of[d]
            at = day_blocks[d][rows >= 0] - start
            at = at[(at >= 0) & (at < len(course))]
            if not len(at):
                if len(rows[rows >= 0]) and rows.max() // self.rows_per_block < start:
                    break
                continue
            self.offsets[d, s] -= course[at].sum() / max(1, int((rows >= 0).sum()))

    def _set(self, e: Event, start: int, flow: float) -> None:
        """The event has another size from ``start`` on."""
        start = max(start, e.start)
        old = e.course(start, self.blocks)
        e.track = [(k, f) for k, f in e.track if k < start] + [(start, flow)]
        new = e.course(start, self.blocks)
        self._sum_known(e.area, start)
        self._correct_offsets(e.area, start, new - old)
        e.weight = float(self.blocks - start)
        e.peak = max(e.peak, abs(flow))
        self._estimate(e)

    def _end(self, e: Event, end: int) -> None:
        """The event is over from ``end`` on, which is never before it was known."""
        end = min(max(end, e.detected + 1), self.blocks)
        old = e.course(end, self.blocks)
        e.end, e.closed = end, self.blocks - 1
        e.track = [(k, f) for k, f in e.track if k < end] or e.track[:1]
        self._sum_known(e.area, end)
        self._correct_offsets(e.area, end, -old)
        self._estimate(e)

    def _follow(self, e: Event) -> None:
        """Let the event's size follow the excess: its mean at first, then with a time constant."""
        b = self.blocks - 1
        block = self._block
        residual = block["residual"][b, e.area] - block["known"][b, e.area]
        if not np.isfinite(residual):
            return
        scale = block["scale"][b, e.area]
        weight = float(np.clip((self._typical[e.area] / scale) ** 2, 0.25, 4.0))  # quiet hours say more
        e.weight += weight
        gain = max(weight / e.weight, 1.0 - np.exp(-weight * self.block_s / self.options.follow_s))
        bound = 3.0 * scale + 0.5 * abs(e.now)
        flow = e.now + min(gain, 1.0) * float(np.clip(residual, -bound, bound))
        e.track.append((b + 1, flow))
        e.peak = max(e.peak, abs(flow))
        if e.side * flow < 0.25 * e.peak:
            # It has faded: since when? Where its excess fell below what it was on the whole.
            a = max(e.start + 1, b + 1 - int(7 * 86400 / self.block_s))
            excess = block["residual"][a : b + 1, e.area] - block["known"][a : b + 1, e.area]
            excess = excess + e.course(a, b + 1) - e.side * e.peak
            fall = change_point(excess / block["scale"][a : b + 1, e.area], 0, -e.side)
            self._end(e, a + fall.start)

    def _estimate(self, e: Event) -> None:
        """Flow, interval, volume and confidence from the excess itself, up to now or to its end."""
        last = self.blocks if e.end is None else e.end
        excess = (
            self._block["residual"][e.start : last, e.area]
            - self._block["known"][e.start : last, e.area]
            + e.course(e.start, last)
        )
        n = len(excess)
        finite = np.isfinite(excess)
        if not finite.any():
            return
        w = min(n, max(1, int(self.options.window_s / self.block_s)))
        recent = excess[-w:] if np.isfinite(excess[-w:]).any() else excess[finite][-w:]
        e.flow = float(np.nanmean(recent))
        # The baseline itself is known only as well as the days it is made of allow.
        widen = np.sqrt(1.0 + 2.0 / max(e.days_known, 1))
        scale = self._block["scale"][e.start : last, e.area]
        half = 1.6449 * widen * e.spread_of(int(np.isfinite(recent).sum())) * float(np.nanmean(scale[-w:]))
        e.low, e.high = e.flow - half, e.flow + half
        course = e.course(e.start, last)
        e.volume = float(max(0.0, e.side * np.where(finite, excess, course).sum()) * self.block_s)
        mean = float(np.nanmean(np.clip(excess / scale, -8.0, 8.0)))
        e.confidence = _confidence(mean, widen * e.spread_of(n), n * self.block_s)

    def _note(self, e: Event) -> None:
        """Keep the size for working out the place: hourly for a day from detection, then daily.

        Fixed by event time, so that the place does not depend on when somebody looked.
        """
        age = (self.blocks - 1 - e.detected) * self.block_s
        every = 3600 if age < 86400 else 86400
        if age % every < self.block_s and e.doubt is None:
            self._estimate(e)
            e.noted = self.blocks
            e.noted_flow, e.noted_sigma = e.flow, (e.high - e.low) / (2 * 1.6449)

    def estimates(self) -> None:
        """Bring the estimates of lasting events up to date."""
        for e in self.events:
            if e.end is None:
                self._estimate(e)

    # -- going back --------------------------------------------------------------------------------

    def _snapshot(self) -> Snapshot:
        d = self.days
        first = max(0, d - self.window - 1)
        return Snapshot(
            self.rows,
            d,
            self.levels[first : d + 1].copy(),
            self.offsets[first:d].copy(),
            self.armed.copy(),
            self.sums.copy(),
            self.runs.copy(),
            [e.copy() for e in self.events],
            {name: z.copy() for name, z in self.zero.items()},
            (
                self._expect,
                self._scale,
                self._typical,
                self._phi,
                self._sigma,
                self._caution,
            ),  # replaced, never changed
        )

    def changed_since(self) -> int:
        """First row that was computed or changed since this was last asked."""
        row, self.dirty = min(self.dirty, self.blocks) * self.rows_per_block, self.blocks
        return row

    def rewind(self, row: int) -> int:
        """Go back to the last kept place at or before ``row``; returns the row to go on from.

        Places are kept after the first block of each day. Without one before ``row`` the detector begins
        anew at row 0.
        """
        kept = [r for r in self.snapshots if r <= row]
        if not kept:
            fresh = Detector(self.areas, self.step_s, self.options)
            self.__dict__.update(fresh.__dict__)
            return 0
        s = self.snapshots[max(kept)]
        self.snapshots = {r: x for r, x in self.snapshots.items() if r <= s.rows}
        self.rows, self.days = s.rows, s.days
        self.blocks = s.rows // self.rows_per_block
        changed = [e.start for e in self.events if e.closed is None or e.closed >= self.blocks]
        self.dirty = min([self.dirty, self.blocks, *changed])
        first = max(0, s.days - self.window - 1)
        self.levels[first : s.days + 1] = s.levels[: s.days + 1 - first]
        self.offsets[first : s.days] = s.offsets
        self.armed = s.armed.copy()
        self.sums, self.runs = s.sums.copy(), s.runs.copy()
        self.zero = {name: z.copy() for name, z in s.stamps.items()}
        self.events = [e.copy() for e in s.events]
        for column in range(self.areas):
            self._sum_known(column, 0)
        today = self.row_of[self.days - 1]
        today[today >= self.rows] = -1
        self._expect, self._scale, self._typical, self._phi, self._sigma, self._caution = s.today
        self.kept_day = self.days
        return self.rows

    def _sum_known(self, column: int, start: int) -> None:
        """Sum up the known events of an area anew from a block on; always in the same order."""
        total = np.zeros(self.blocks - start)
        for e in self.events:
            if e.area == column:
                total += e.course(start, self.blocks)
        self._block["known"][start : self.blocks, column] = total

    def forget(self, keep: int) -> None:
        """Of the places to go back to keep the newest ``keep`` and, before them, ``keep`` a week apart."""
        rows = sorted(self.snapshots, reverse=True)
        per_week = 7 * self.slots
        older = rows[keep:]
        thinned: list[int] = []
        for r in older:
            if not thinned or thinned[-1] - r >= per_week:
                thinned.append(r)
        stay = set(rows[:keep]) | set(thinned[:keep])
        self.snapshots = {r: x for r, x in self.snapshots.items() if r in stay}


def _confidence(mean: float, spread: float, lasted_s: float) -> float:
    """Chance that noise alone would not show such a mean excess once in a year.

    One less the normal tail beyond mean / spread, times the number of such stretches in 365 days.
    """
    if not spread > 0:
        return 0.0
    chance = norm.sf(abs(mean) / spread) * max(1.0, 365 * 86400 / lasted_s)
    return float(1.0 - min(1.0, chance))


def _mean_of_most(values: Floats) -> Floats:
    """Mean over the middle axis (B, r, S) -> (B, S), NaN where more than half of it is NaN."""
    finite = np.isfinite(values)
    n = finite.sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(finite, values, 0.0).sum(1) / n
    return np.where(2 * n >= values.shape[1], mean, np.nan)


def _mean_or_zero(values: Floats) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else 0.0
