"""The sequential test: has the excess of any area, over any of several lengths, outgrown its own noise?

Each length's estimate (``windows``) is compared with how estimates of that very length came out on this area
before, hour by hour over the past weeks: whatever form the noise has, persistence and wild days included, is
in that measure.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.limits import (
    CELL_DAYS,
    CELLS,
    WILDEST,
    deviation,
    heavy_limits,
    normal_limits,
    own_margin,
)
from analytics.neighbours import Common, candidates_of, choose_peers, common_part, learn_common
from analytics.options import Options
from analytics.record import Record, mean_or_zero
from analytics.slow import BEFORE, DAYS, NIGHTS, dawn_slot, excess_of, lowest_hours
from analytics.windows import BIN_S, Bank, Sums, bins_of, geometry, learn, level_of, measure, put, running

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

CUT = 4.0
"""A block counts as at most so many deviations of its time of day beyond what has lasted: an hour that a
meter's clock change made twice as long, or one fire hose, is no leak of a day."""

LASTS = 3
"""What so many blocks in a row exceed has lasted."""

GROUPS = 2
"""Tests that share a tail: of bursts, and of up to two days. Longer ones have limits of their own."""

BURST_S = 6 * 3600
"""A burst's excess, up to so long [s], must also be in each of its last hours."""

MASKED_DAYS = 14
"""Of the last days only estimates below zero count as noise, or such as an alarm has told of [d]: a leak
that grows would hide behind itself, while he who has been surprised is to be more careful."""

LEAST = 0.5
"""Estimates are not believed to stray less than this share of what the weights expect."""

FEW_DAYS = 28
"""With fewer days of estimates on record, weeks past are measured anew with present weights."""


class State(NamedTuple):
    """What must be kept to go on: never changed in place."""

    bank: Bank | None
    common: Common | None
    spread: Floats
    level: Floats
    margin: Floats
    share: Floats
    told: Ints
    since: Ints
    anew: Floats


class Alarm(NamedTuple):
    """A test that has alarmed: area, side (+1, -1), share of its limit, earliest block of the change to look
    at, whether within two days (``fast``), and the level that it was compared with [m3/s]."""

    area: int
    side: int
    share: float
    earliest: int
    fast: bool
    level: float


class Scan:
    """Tests of all areas over a ``Record``; limits from ``options.years``."""

    def __init__(
        self, record: Record, options: Options, stands_for: Ints | None = None, real: int | None = None
    ):
        self.record, self.options = record, options
        self.geo = geometry(record.block_s)
        self.real = record.areas if real is None else real
        self.stands_for = np.arange(record.areas) if stands_for is None else stands_for
        geo = self.geo
        self.lengths = np.concatenate([geo.blocks, np.array(DAYS + NIGHTS) * geo.per_day])
        self.short, self.nights = len(geo.windows), len(geo.windows) + len(DAYS)
        seconds = np.asarray(self.lengths * record.block_s, np.float64)
        fast = np.arange(len(self.lengths)) < self.short
        self.limits = np.where(
            fast, normal_limits(seconds, options.years), heavy_limits(seconds, options.years)
        )
        self.burst = fast & (seconds <= BURST_S)
        self.group = np.where(self.burst[: self.short], 0, 1)
        self._quarter = max(1, geo.per_day // 4)
        self._dawn = dawn_slot(record.slots)
        self.begin_anew()

    def begin_anew(self) -> None:
        areas = self.record.areas
        self.bank: Bank | None = None
        self.common: Common | None = None
        self.spread = np.full((self.windows, areas), np.nan)
        self.level = np.full(areas, np.nan)
        self.margin = np.ones((GROUPS, areas))
        self.share = np.zeros((2, areas))
        self.told = np.full((2, areas), -(10**9), np.int64)
        self.since = np.full(areas, -1, np.int64)  # day of an area's first weights
        self.anew = np.full((self.short, areas), np.nan)

    @property
    def windows(self) -> int:
        """Number of lengths."""
        return len(self.lengths)

    # -- keeping and going back --------------------------------------------------------------------

    def state(self) -> State:
        return State(
            self.bank,
            self.common,
            self.spread,
            self.level,
            self.margin,
            self.share.copy(),
            self.told.copy(),
            self.since,
            self.anew,
        )

    def go_back(self, s: State) -> None:
        self.bank, self.common, self.spread = s.bank, s.common, s.spread
        self.since, self.anew = s.since, s.anew
        self.level, self.margin = s.level, s.margin
        self.share, self.told = s.share.copy(), s.told.copy()

    def columns(self, record: Record, which: Ints) -> Scan:
        """The same for a record with columns ``which`` (n,), of which the first are all real areas."""
        out = Scan(record, self.options, self.stands_for[which], self.real)
        if self.bank is not None:
            out.bank = Bank(*(a[..., which] for a in self.bank))
        if self.common is not None:
            out.common = Common(self.common.peers[which], self.common.factor[:, which])
        out.spread, out.since, out.anew = self.spread[:, which], self.since[which], self.anew[:, which]
        out.level, out.margin = self.level[which], self.margin[:, which]
        out.share, out.told = self.share[:, which], self.told[:, which]
        return out

    # -- the excess as it is seen ------------------------------------------------------------------

    def excess(self, first: int, last: int) -> tuple[Floats, Floats]:
        """Residual of blocks [first, last) without known events and what areas have in common, wild blocks
        cut, and its scale, (n, S) each [m3/s]."""
        block = self.record.block
        rows = slice(max(0, first - LASTS + 1), last)
        x = block["residual"][rows] - block["known"][rows] - block["common"][rows]
        least, most = x.copy(), x.copy()
        for back in range(1, LASTS):
            least[back:] = np.fmin(least[back:], x[:-back])
            most[back:] = np.fmax(most[back:], x[:-back])
        cut = slice(first - rows.start, None)
        x, least, most = x[cut], least[cut], most[cut]
        level, scale = block["level"][first:last], block["scale"][first:last]
        with np.errstate(invalid="ignore"):
            high, low = np.fmax(level, least) + CUT * scale, np.fmin(level, most) - CUT * scale
            return np.clip(x, low, high), scale

    def _sums(self, first: int, last: int) -> Sums:
        return running(*self.excess(first, last))

    def _ends(self, first: int, last: int) -> Ints:
        """Block after each time of day of days [first, last), (D, P); -1 where the day has none."""
        record, geo = self.record, self.geo
        slots = record.slots // geo.phases
        row = record.row_of[first:last, slots - 1 :: slots]
        return np.where(row >= 0, row // record.per_block + 1, -1)

    # -- each day ----------------------------------------------------------------------------------

    def prepare(self, new: Bools) -> None:
        """For the day that has just been opened: weights (weekly, and daily while there are few), and noise.

        new (S,): areas that have just been armed.
        """
        record = self.record
        d = record.days - 1
        self.since = np.where(new, d, self.since)
        young = (self.since >= 0) & (d - self.since < FEW_DAYS)
        due = new | (young & ((d - self.since) % 3 == 0)) | ((self.since >= 0) & (record.number[d] % 7 == 0))
        if due.any():
            columns = np.flatnonzero(due)
            days = min(self.options.weeks * 7, d)
            self._learn_common(d - days, d)
            past = self._past(d - days, d)[..., columns]
            part = learn(past, self.geo)
            self.bank = put(self.bank, part, columns, record.areas)
            self.anew = self.anew.copy()
            self.anew[:, columns] = self._measured_anew(past, part)
        self.spread = self._spread()
        self.margin = self._margin()
        self.see_level()

    @staticmethod
    def _measured_anew(past: Floats, bank: Bank) -> Floats:
        """Deviation of short estimates over past bins with present weights, (L, s): too small, as the
        weights were made from these, and so at least 1."""
        known = np.isfinite(past)
        q = np.einsum("plbs,npbs->npls", bank.weight, np.where(known, past, 0.0)) / bank.sigma
        q = np.where(known.mean(axis=2)[:, :, None, :] > 0.9, q, np.nan)
        return np.fmax(deviation(q.reshape(-1, *q.shape[2:]))[0], 1.0)

    def see_level(self) -> None:
        """Find the level anew: each day, and when an event has become known."""
        record, geo = self.record, self.geo
        day = record.row_of[record.days - 1]
        begun = int(day[day >= 0].min()) // record.per_block if (day >= 0).any() else record.blocks
        base = max(0, begun - geo.span - geo.level)
        self.level = level_of(self._sums(base, begun), np.array([begun - base]), geo)[0]

    def _past(self, first: int, last: int) -> Floats:
        """Bins of all times of day of days [first, last), levels taken off, (D, P, B, S) [m3/s]."""
        geo = self.geo
        ends = self._ends(first, last)
        flat = ends.ravel()
        out = np.full((len(flat), geo.bins, self.record.areas), np.nan)
        ok = flat >= 0
        if ok.any():
            base = max(0, int(flat[ok].min()) - geo.span - geo.level)
            sums = self._sums(base, self.record.blocks)
            out[ok] = bins_of(sums, flat[ok] - base, geo.edges)
            begun = np.repeat(np.where(ends > 0, ends, np.iinfo(np.int64).max).min(axis=1), ends.shape[1])
            out[ok] -= level_of(sums, begun[ok] - 1 - base, geo)[:, None, :]
        return out.reshape(*ends.shape, *out.shape[1:])

    def _learn_common(self, first: int, last: int) -> None:
        geo, block = self.geo, self.record.block
        ends = self._ends(first, last)
        flat = ends.ravel()
        z = np.full((len(flat), self.record.areas), np.nan)
        ok = flat >= 0
        if ok.any():
            three = np.array([max(1, BIN_S * geo.per_day // 86400), 0])
            base = max(0, int(flat[ok].min()) - int(three[0]))
            part = slice(base, self.record.blocks)
            with np.errstate(invalid="ignore", divide="ignore"):
                raw = (block["residual"][part] - block["known"][part]) / block["scale"][part]
            sums = running(raw, np.ones_like(raw))
            z[ok] = bins_of(sums, flat[ok] - base, three)[:, 0]
        peers = choose_peers(np.clip(np.nan_to_num(z), -3.0, 3.0), self.stands_for, self.real)
        of = candidates_of(self.stands_for, self.real)
        self.common = learn_common(z.reshape(*ends.shape, -1), peers, of)

    def _spread(self) -> Floats:
        """Deviation of each length's estimates over the past weeks, (L, S), NaN where nothing is known of it.

        Of short ones as a multiple of what weights expect at that time of day, of long ones in m3/s. Where
        few estimates are on record, those of the past with present weights count as well.
        """
        record, geo = self.record, self.geo
        b = record.blocks
        a = max(0, b - self.options.weeks * 7 * geo.per_day)
        out = np.full((self.windows, record.areas), np.nan)
        begun = a + geo.per_phase - 1 - a % geo.per_phase
        hourly = np.arange(begun, b, geo.per_phase)
        short, count = deviation(self._unmasked(hourly, slice(None, self.short)))
        few = count < FEW_DAYS * geo.phases * 3 // 4
        out[: self.short] = np.fmax(np.where(few, np.fmax(short, self.anew), short), LEAST)
        begun = a + self._quarter - 1 - a % self._quarter
        quarters = np.arange(begun, b, self._quarter)
        days, count = deviation(self._unmasked(quarters, slice(self.short, self.nights)))
        out[self.short : self.nights] = np.where(count >= 3 * FEW_DAYS, days, np.nan)
        dawns = self._dawns(max(0, record.days - 1 - self.options.weeks * 7), record.days - 1)
        out[self.nights :] = deviation(self._unmasked(dawns, slice(self.nights, None)))[0]
        return out

    def _dawns(self, first: int, last: int) -> Ints:
        """Blocks that end the nights of days [first, last), of those that have one."""
        row = self.record.row_of[first:last, self._dawn]
        return np.asarray(row[row >= 0] // self.record.per_block)

    def _unmasked(self, block: Ints, lengths: slice) -> Floats:
        """Estimates of some lengths in blocks (N,), (N, L, S), without those above zero in the last days that
        no alarm has told of."""
        recent = np.flatnonzero(block >= self.record.blocks - MASKED_DAYS * self.geo.per_day)
        out = self.record.measured[block, lengths].astype(np.float64)
        untold = block[recent, None] > self.told[0]
        part = out[recent]
        part[(part > 0) & untold[:, None, :]] = np.nan
        out[recent] = part
        return out

    def _margin(self) -> Floats:
        """By how much limits of groups must exceed those for normal noise, (G, S), by a year past."""
        cell = CELL_DAYS * self.geo.per_day
        last = self.record.blocks // cell
        first = max(0, last - CELLS)
        peak = self.record.peak[first * cell : last * cell]
        return own_margin(peak.reshape(last - first, cell, *peak.shape[1:]), self.options.years)

    # -- each block --------------------------------------------------------------------------------

    def take_common(self, slot: int) -> None:
        """Note what areas have in common in the block that is being closed (slot: its last of the day)."""
        record, b = self.record, self.record.blocks
        block = record.block
        block["common"][b] = 0.0
        block["level"][b] = np.nan_to_num(self.level)
        if self.common is None:
            return
        with np.errstate(invalid="ignore", divide="ignore"):
            z = (block["residual"][b] - block["known"][b]) / block["scale"][b]
        part = common_part(z, self.common, self._phase(slot)) * block["scale"][b]
        block["common"][b] = np.nan_to_num(part)

    def _phase(self, slot: int) -> int:
        return slot * self.geo.phases // self.record.slots

    def look(self, slot: int, caution: Floats, runs: Ints, confirm: int) -> list[Alarm]:
        """Test the block that has just been closed. slot: its last of the day; caution (S,): by how much
        limits are wider; runs (2, S): blocks in a row beyond one deviation, of which short windows need
        ``confirm``."""
        record, geo, bank = self.record, self.geo, self.bank
        b = record.blocks
        if bank is None:
            return []
        q, before = self._estimates(slot, bank)
        limit = self.spread * self.limits[:, None] * caution
        limit[: self.short] *= self.margin[self.group]
        most = np.where(np.isfinite(limit), limit, np.inf)
        record.measured[b - 1] = np.clip(q, -most, most)
        with np.errstate(invalid="ignore", divide="ignore"):
            z = q / limit
        z, tested = np.where(np.isfinite(z), z, 0.0), np.isfinite(z)
        alarms: list[Alarm] = []
        peak = np.zeros((self.short, record.areas))
        for side in (0, 1):
            z_side = z if side == 0 else -z
            lasting = np.where(self.burst[:, None] & (runs[side] < confirm), 0.0, z_side)
            peak = np.maximum(peak, lasting[: self.short])
            z_side = np.maximum(lasting, np.minimum(z_side, 0.99))
            best = z_side.argmax(axis=0)
            share = z_side.max(axis=0)
            self.share[side] = share
            for s in np.flatnonzero((share >= 1.0) & (b - self.told[side] >= confirm)):
                w = int(best[s])
                length, fast = int(self.lengths[w]), w < self.short
                against = float(before[w, s]) if w < self.nights else self._level_before(int(s), length)
                earliest = b - (2 * length if fast else length + geo.per_day) - confirm
                self.told[side, s] = b
                alarms.append(Alarm(int(s), 1 - 2 * side, float(share[s]), earliest, fast, against))
        peak = np.minimum(peak, WILDEST) * self.margin[self.group]
        for g in range(GROUPS):
            mine = np.flatnonzero(self.group == g)
            if len(mine):
                known = tested[mine].any(axis=0)
                record.peak[b - 1, g] = np.where(known, peak[mine].max(axis=0), np.nan)
        return alarms

    def _estimates(self, slot: int, bank: Bank) -> tuple[Floats, Floats]:
        """Excess over each length at the end of the last block, short ones by what the weights expect it to
        stray, and the level that it is compared with (L, S) [m3/s], NaN for nights."""
        record, geo, b = self.record, self.geo, self.record.blocks
        q = np.full((self.windows, record.areas), np.nan)
        before = np.full((self.windows, record.areas), np.nan)
        phase = self._phase(slot)
        base = max(0, b - geo.span)
        y = bins_of(self._sums(base, b), np.array([b - base]), geo.edges)[0] - self.level
        q[: self.short] = measure(y, bank.weight[phase], geo) / bank.sigma[phase]
        before[: self.short] = self.level
        if b % self._quarter == 0:
            days = slice(self.short, self.nights)
            q[days], before[days] = excess_of(self._days(bank.day[phase]), DAYS)
        if slot == self._dawn:
            q[self.nights :] = excess_of(lowest_hours(record), NIGHTS)[0]
        return q, before

    def _days(self, weight: Floats) -> Floats:
        """Excess of whole days up to now, newest first (N, S) [m3/s]. weight (B, S): of a day's bins."""
        geo, b = self.geo, self.record.blocks
        days = max(DAYS) + BEFORE
        ends = b - geo.per_day * np.arange(days)
        base = max(0, b - geo.per_day * (days + 1))
        y = bins_of(self._sums(base, b), np.maximum(ends - base, 0), geo.edges[-len(weight) - 1 :])
        known = np.isfinite(y)
        have = np.where(known, weight, 0.0).sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            o = np.where(known, y * weight, 0.0).sum(axis=1) / have
        return np.where(have > 0.6, o, np.nan)

    def _level_before(self, area: int, length: int) -> float:
        """Mean residual of an area [m3/s] in the days before the last ``length`` blocks."""
        b, days = self.record.blocks, BEFORE * self.geo.per_day
        return mean_or_zero(self.record.clean(area, max(0, b - length - days), max(0, b - length)))
