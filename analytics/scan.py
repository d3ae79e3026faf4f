"""The sequential test: has the excess of any area, over any of several lengths, outgrown its own noise?

Each length's estimate (``windows``) is compared with how estimates of that very length came out on this area
before, hour by hour over the past weeks: whatever form the noise has, persistence and wild days included, is
in that measure.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics import slow
from analytics.limits import (
    CELL_DAYS,
    CELLS,
    PARTS,
    WILDEST,
    caution,
    deviation,
    heavy_limits,
    normal_limits,
    own_margin,
)
from analytics.neighbours import Common, candidates_of, choose_peers, common_part, learn_common
from analytics.options import Options
from analytics.record import Record, mean_or_zero
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
    falls: Floats
    level: Floats
    margin: Floats
    share: Floats
    told: Ints
    since: Ints
    anew: Floats


class Alarm(NamedTuple):
    """A test that has alarmed: area, side (+1, -1), share of its limit, earliest block of the change to look
    at, whether within two days (``fast``), and the level that it was compared with [m3/s]. What longer ones
    have found is told by days, as single hours do not show it as well: it began in block ``earliest`` and is
    of this ``size`` [m3/s], ``growing`` or not."""

    area: int
    side: int
    share: float
    earliest: int
    fast: bool
    level: float
    size: float | None = None
    growing: bool = False


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
        self.lengths = np.concatenate([geo.blocks, np.array(slow.LENGTHS) * geo.per_day])
        self.short = len(geo.windows)
        seconds = np.asarray(self.lengths * record.block_s, np.float64)
        fast = np.arange(len(self.lengths)) < self.short
        self.burst = fast & (seconds <= BURST_S)
        self.group = np.where(self.burst[: self.short], 0, 1)
        self.years = options.years * np.array(PARTS)  # between false alarms of each kind
        self.limits = np.concatenate(
            [
                normal_limits(seconds[: self.short], self.years[self.group]),
                heavy_limits(seconds[self.short :], self.years[-1]),
            ]
        )
        self._day = slow.layout(record.slots)
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget all that was learnt."""
        areas = self.record.areas
        self.bank: Bank | None = None
        self.common: Common | None = None
        self.spread = np.full((self.windows, areas), np.nan)
        self.falls = np.full((len(slow.LENGTHS), areas), np.nan)  # of falls that days show
        self.level = np.full(areas, np.nan)
        self.margin = np.ones((GROUPS, areas))
        self.share = np.zeros((2, areas))
        self.dawn: slow.Dawn | None = None
        self.told = np.full((2, areas), -(10**9), np.int64)
        self.since = np.full(areas, -1, np.int64)  # day of an area's first weights
        self.anew = np.full((self.short, areas), np.nan)

    @property
    def windows(self) -> int:
        """Number of lengths."""
        return len(self.lengths)

    @property
    def remaining(self) -> Floats:
        """What the last days show beyond what is known (S,) [m3/s], NaN but at a dawn."""
        if self.dawn is None:
            return np.full(self.record.areas, np.nan)
        remaining: Floats = self.dawn.excess[slow.LENGTHS.index(slow.CHANGE_D)]
        return remaining

    # -- keeping and going back --------------------------------------------------------------------

    def state(self) -> State:
        """What must be kept to go on from here."""
        return State(
            self.bank,
            self.common,
            self.spread,
            self.falls,
            self.level,
            self.margin,
            self.share.copy(),
            self.told.copy(),
            self.since,
            self.anew,
        )

    def go_back(self, s: State) -> None:
        """Take up what was kept."""
        self.bank, self.common, self.spread, self.falls = s.bank, s.common, s.spread, s.falls
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
        out.falls = self.falls[:, which]
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
        self.falls = self._slow_spread(-1)
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
        short, count = deviation(self._unmasked(hourly))
        few = count < FEW_DAYS * geo.phases * 3 // 4
        out[: self.short] = np.fmax(np.where(few, np.fmax(short, self.anew), short), LEAST)
        out[self.short :] = self._slow_spread(1)
        return out

    def _slow_spread(self, side: int) -> Floats:
        """The same of long ones alone, as rises (side 1) or falls (-1) are judged by, (L, S) [m3/s].

        Rises by what days showed with what was known: who has been surprised is to be more careful. Falls
        by what they showed without, or a leak that ends would hide behind itself. Where there are few dawns
        yet, they are taken wider, as all limits are.
        """
        record = self.record
        last = record.days - 1
        first = max(0, last - self.options.weeks * 7)
        out = record.shown[first:last, 0 if side > 0 else 1].copy()
        dawn = record.row_of[first:last, self._day.dawn] // record.per_block
        self._mask(out[-MASKED_DAYS:], dawn[-MASKED_DAYS:], side)
        spread, count = deviation(out)
        usual = np.array(self.options.weeks * 7 - MASKED_DAYS)
        return np.asarray(spread * np.maximum(1.0, caution(count) / caution(usual)))

    def _unmasked(self, block: Ints) -> Floats:
        """Short estimates in blocks (N,), in order, (N, L, S), without those above zero in the last days that
        no alarm has told of."""
        recent = int(np.searchsorted(block, self.record.blocks - MASKED_DAYS * self.geo.per_day))
        out = self.record.measured[block].astype(np.float64)
        self._mask(out[recent:], block[recent:], 1)
        return out

    def _mask(self, estimates: Floats, block: Ints, side: int) -> None:
        """Make NaN of estimates (N, L, S) of one side in blocks (N,) that no alarm has told of since."""
        untold = block[:, None] > self.told[0 if side > 0 else 1]
        estimates[(side * estimates > 0) & untold[:, None, :]] = np.nan

    def _margin(self) -> Floats:
        """By how much limits of groups must exceed those for normal noise, (G, S), by a year past."""
        cell = CELL_DAYS * self.geo.per_day
        last = self.record.blocks // cell
        first = max(0, last - CELLS)
        peak = self.record.peak[first * cell : last * cell]
        return own_margin(peak.reshape(last - first, cell, *peak.shape[1:]), self.years[:GROUPS])

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

    def look(self, slot: int, widened: Floats, runs: Ints, confirm: int) -> list[Alarm]:
        """Test the block that has just been closed. slot: its last of the day; widened (S,): by how much
        limits are wider; runs (2, S): blocks in a row beyond one deviation, of which short windows need
        ``confirm``."""
        record, bank = self.record, self.bank
        b = record.blocks
        if bank is None:
            return []
        q = self._estimates(slot, bank)
        limit = self.spread * self.limits[:, None] * widened
        limit[: self.short] *= self.margin[self.group]
        most = np.where(np.isfinite(limit), limit, np.inf)
        record.measured[b - 1] = np.clip(q, -most, most)[: self.short]
        if self.dawn is not None:
            shown, far = np.stack([self.dawn.all, self.dawn.excess]), most[self.short :]
            record.shown[record.days - 1] = np.clip(shown, -far, far)
        with np.errstate(invalid="ignore", divide="ignore"):
            z = q / limit
            fallen = -z
            fallen[self.short :] *= self.spread[self.short :] / self.falls
        z, tested = np.where(np.isfinite(z), z, 0.0), np.isfinite(z)
        fallen = np.where(np.isfinite(fallen), fallen, 0.0)
        alarms: list[Alarm] = []
        peak = np.zeros((self.short, record.areas))
        for side in (0, 1):
            z_side = z if side == 0 else fallen
            lasting = np.where(self.burst[:, None] & (runs[side] < confirm), 0.0, z_side)
            peak = np.maximum(peak, lasting[: self.short])
            z_side = np.maximum(lasting, np.minimum(z_side, 0.99))
            best = z_side.argmax(axis=0)
            share = z_side.max(axis=0)
            self.share[side] = share
            due = (share >= 1.0) & (b - self.told[side] >= confirm)
            if side == 1:  # a fall that days show may be the end of what only days have shown
                shown = z_side[self.short :].max(axis=0) >= 1.0
                best = np.where(shown, self.short + z_side[self.short :].argmax(axis=0), best)
                due |= shown
            for s in np.flatnonzero(due):
                w = int(best[s])
                self.told[side, s] = b
                alarms.append(self._alarm(int(s), side, float(share[s]), w, confirm))
        peak = np.minimum(peak, WILDEST) * self.margin[self.group]
        for g in range(GROUPS):
            mine = np.flatnonzero(self.group == g)
            if len(mine):
                known = tested[mine].any(axis=0)
                record.peak[b - 1, g] = np.where(known, peak[mine].max(axis=0), np.nan)
        return alarms

    def _alarm(self, area: int, side: int, share: float, w: int, confirm: int) -> Alarm:
        """What is known of a change that the w-th length has shown."""
        b, sign, length = self.record.blocks, 1 - 2 * side, int(self.lengths[w])
        if w < self.short:
            return Alarm(area, sign, share, b - 2 * length - confirm, True, float(self.level[area]))
        assert self.dawn is not None
        change = slow.change_of(self.dawn, area, sign)
        if change is None:
            earliest = b - length - self.geo.per_day - confirm
            return Alarm(area, sign, share, earliest, False, self._level_before(area, length))
        blocks = change.days * self.geo.per_day
        level = self._level_before(area, blocks)
        return Alarm(area, sign, share, b - blocks, False, level, change.size, change.growing)

    def _estimates(self, slot: int, bank: Bank) -> Floats:
        """Excess over each length at the end of the last block (L, S), short ones by what the weights expect
        it to stray [-], long ones [m3/s] at dawn only."""
        record, geo, b = self.record, self.geo, self.record.blocks
        q = np.full((self.windows, record.areas), np.nan)
        phase = self._phase(slot)
        self.dawn = None
        base = max(0, b - geo.span)
        y = bins_of(self._sums(base, b), np.array([b - base]), geo.edges)[0] - self.level
        q[: self.short] = measure(y, bank.weight[phase], geo) / bank.sigma[phase]
        if slot == self._day.dawn:
            peers = None if self.common is None else self.common.peers
            self.dawn = slow.at_dawn(record, peers, self.options.weeks * 7)
            q[self.short :] = self.dawn.excess
        return q

    def _level_before(self, area: int, length: int) -> float:
        """Mean residual of an area [m3/s] in the days before the last ``length`` blocks."""
        b, days = self.record.blocks, slow.BEFORE * self.geo.per_day
        return mean_or_zero(self.record.clean(area, max(0, b - length - days), max(0, b - length)))
