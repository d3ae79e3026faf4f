"""The sequential test: has the excess of any area, over any of several lengths, outgrown its own noise?

Each length's estimate (``windows``) is compared with how estimates of that very length came out on this area
before, hour by hour over the past weeks: whatever form the noise has, persistence and wild days included, is
in that measure.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from analytics.neighbours import Common, candidates_of, choose_peers, common_part, learn_common
from analytics.noise import MAD_TO_SIGMA
from analytics.options import Options
from analytics.record import Record
from analytics.windows import BIN_S, Bank, Sums, bins_of, geometry, learn, level_of, measure, put, running

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

LONG_DAYS = (3, 7, 14)
"""Lengths of excess that are looked for in means of whole days, for what is small or grows [d]."""

BEFORE_DAYS = 14
"""They are compared with the days before [d]."""

CUT = 4.0
"""A block counts as at most so many deviations of its time of day beyond what has lasted: an hour that a
meter's clock change made twice as long, or one fire hose, is no leak of a day."""

LASTS = 3
"""What so many blocks in a row exceed has lasted."""

CELL_DAYS = 5
"""How wild an area is in the tail is told by the highest of its tests in each so many days; what is further
apart are disturbances of their own."""

CELLS = 73
"""Of a year."""

WILDEST = 1.5
"""No disturbance counts for more than so many times the limit of its time."""

PRIOR_CELLS = 12
"""Normal noise counts as so many cells of the area's own past."""

RARE = 0.03
"""Windows shorter than ``RARE_S`` need (RARE_S / length)^RARE more than normal noise asks for: sprinklers,
events and days off last hours, and make short means wilder than past weeks tell. 0 to 0.2 do much alike on
the first year of docs/benchmarks.md."""

RARE_S = 36 * 3600

TESTS = 150
"""Windows that begin at each block and overlap, of several lengths, are so many times the tests that windows
of one length, end to end, would be: about what made-up white noise shows."""

MASKED_DAYS = max(LONG_DAYS)
"""Of the last days only estimates below zero count as noise, or such as an alarm has told of [d]: a leak
that grows would hide behind itself, while he who has been surprised is to be more careful."""

TAIL, LONG_TAIL = 0.95, 0.99
"""Quantiles by which estimates' deviation is judged: what lies further out is for the margin, but of means
over days there are too few for it to see."""

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
        self.lengths = np.concatenate([geo.blocks, np.array(LONG_DAYS) * geo.per_day])
        seconds = self.lengths * record.block_s
        per_year = 365.25 * 86400 * options.years * TESTS
        limit = norm.isf(np.minimum(0.5, seconds / per_year))
        self.limits = limit * np.maximum(1.0, RARE_S / seconds) ** RARE
        self.short = len(geo.windows)
        self._quarter = max(1, geo.per_day // 4)
        self.begin_anew()

    def begin_anew(self) -> None:
        areas = self.record.areas
        self.bank: Bank | None = None
        self.common: Common | None = None
        self.spread = np.full((self.windows, areas), np.nan)
        self.level = np.full(areas, np.nan)
        self.margin = np.ones(areas)
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
        """The same for a record with areas ``which`` (n,), of which the first are all areas as they are."""
        out = Scan(record, self.options, which, self.record.areas)
        if self.bank is not None:
            out.bank = Bank(*(a[..., which] for a in self.bank))
        if self.common is not None:
            out.common = Common(self.common.peers[which], self.common.factor[:, which])
        out.spread, out.since, out.anew = self.spread[:, which], self.since[which], self.anew[:, which]
        out.level, out.margin = self.level[which], self.margin[which]
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
        return np.fmax(_deviation(q.reshape(-1, *q.shape[2:]), TAIL)[0], 1.0)

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
        hourly = record.measured[begun : b : geo.per_phase, : self.short]
        short, count = _deviation(self._unmasked(hourly, begun, geo.per_phase), TAIL)
        few = count < FEW_DAYS * geo.phases * 3 // 4
        out[: self.short] = np.fmax(np.where(few, np.fmax(short, self.anew), short), LEAST)
        begun = a + self._quarter - 1 - a % self._quarter
        quarters = record.measured[begun : b : self._quarter, self.short :]
        long, count = _deviation(self._unmasked(quarters, begun, self._quarter), LONG_TAIL)
        out[self.short :] = np.where(count >= 3 * FEW_DAYS, long, np.nan)
        return out

    def _unmasked(self, values: NDArray[np.floating[Any]], first: int, stride: int) -> Floats:
        """Estimates (N, L, S) of blocks first, first + stride, ... without those above zero in the last days
        that no alarm has told of."""
        block = first + stride * np.arange(len(values))
        recent = np.flatnonzero(block >= self.record.blocks - MASKED_DAYS * self.geo.per_day)
        out = values.astype(np.float64)
        untold = block[recent, None] > self.told[0]
        part = out[recent]
        part[(part > 0) & untold[:, None, :]] = np.nan
        out[recent] = part
        return out

    def _margin(self) -> Floats:
        """By how much limits must exceed those for normal noise, (S,), from the tail of the tests in a year
        past.

        Peaks over threshold with an exponential tail (Pickands 1975, Annals of Statistics 3; Coles 2001, An
        Introduction to Statistical Modeling of Extreme Values, ch. 4): of n cells' maxima, those of both
        sides, the K highest exceed u by b on average, so that k exceed u + b log(K / k). Wanted is k of one
        side in ``options.years`` years. Never below 1.
        """
        record = self.record
        cell = CELL_DAYS * self.geo.per_day
        last = record.blocks // cell
        first = max(0, last - CELLS)
        if last == first:
            return np.ones(record.areas)
        peak = record.block["peak"][first * cell : last * cell].reshape(last - first, cell, -1)
        known = np.isfinite(peak)
        top = np.sort(np.where(known, peak, -np.inf).max(axis=1), axis=0)[::-1]
        n = known.any(axis=1).sum(axis=0)
        high = np.maximum(3, n // 6)
        reach = np.minimum(high, len(top) - 1)
        u = np.take_along_axis(top, reach[None], axis=0)[0]
        wanted = 2.0 * n * CELL_DAYS / 365.25 / self.options.years
        with np.errstate(invalid="ignore", divide="ignore"):
            wanted = 2.0 * n * CELL_DAYS / 365.25 / self.options.years
        with np.errstate(invalid="ignore", divide="ignore"):
            counted = np.arange(len(top))[:, None] < high
            above = np.where(counted, top - u, 0.0).sum(axis=0) / high
            own = u + above * np.log(high / wanted)
            mixed = (n * own + PRIOR_CELLS) / (n + PRIOR_CELLS)
        return np.where((n >= 6) & np.isfinite(mixed), np.maximum(1.0, mixed), 1.0)

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
        q = np.full((self.windows, record.areas), np.nan)
        before = np.full((len(LONG_DAYS), record.areas), np.nan)
        phase = self._phase(slot)
        base = max(0, b - geo.span)
        level = self.level
        y = bins_of(self._sums(base, b), np.array([b - base]), geo.edges)[0] - level
        q[: self.short] = measure(y, bank.weight[phase], geo)
        if b % self._quarter == 0:
            q[self.short :], before = self._long(bank.day[phase])
        q[: self.short] /= bank.sigma[phase]
        limit = self.spread * self.limits[:, None] * caution * self.margin
        most = np.where(np.isfinite(limit), limit, np.inf)
        record.measured[b - 1] = np.clip(q, -most, most)
        with np.errstate(invalid="ignore", divide="ignore"):
            z = q / limit
        alarms: list[Alarm] = []
        peak = np.zeros(record.areas)
        burst = self.lengths <= 6 * 3600 // record.block_s
        for side in (0, 1):
            z_side = np.where(np.isfinite(z), z if side == 0 else -z, 0.0)
            lasting = np.where(burst[:, None] & (runs[side] < confirm), 0.0, z_side)
            peak = np.maximum(peak, lasting.max(axis=0))
            z_side = np.maximum(lasting, np.minimum(z_side, 0.99))
            best = z_side.argmax(axis=0)
            share = z_side.max(axis=0)
            self.share[side] = share
            for s in np.flatnonzero((share >= 1.0) & (b - self.told[side] >= confirm)):
                w = int(best[s])
                length, fast = int(self.lengths[w]), w < self.short
                against = float(level[s] if fast else before[w - self.short, s])
                earliest = b - (2 * length if fast else length + geo.per_day) - confirm
                self.told[side, s] = b
                alarms.append(Alarm(int(s), 1 - 2 * side, float(share[s]), earliest, fast, against))
        tested = np.isfinite(z).any(axis=0)
        record.block["peak"][b - 1] = np.where(tested, np.minimum(peak, WILDEST) * self.margin, np.nan)
        return alarms

    def _long(self, weight: Floats) -> tuple[Floats, Floats]:
        """Excess over whole days against the days before them, and the level of those, (3, S) [m3/s] each.

        weight (B, S): of a day's bins.
        """
        geo, b = self.geo, self.record.blocks
        days = max(LONG_DAYS) + BEFORE_DAYS
        ends = b - geo.per_day * np.arange(days)
        base = max(0, b - geo.per_day * (days + 1))
        y = bins_of(self._sums(base, b), np.maximum(ends - base, 0), geo.edges[-len(weight) - 1 :])
        known = np.isfinite(y)
        have = np.where(known, weight, 0.0).sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            o = np.where(known, y * weight, 0.0).sum(axis=1) / have
        o = np.where(have > 0.6, o, np.nan)
        now = np.stack([_mean_of_half(o[:n]) for n in LONG_DAYS])
        before = np.stack([_mean_of_half(o[n : n + BEFORE_DAYS]) for n in LONG_DAYS])
        return now - before, before


def _mean_of_half(values: Floats) -> Floats:
    """Mean along the first axis, NaN where less than half is known."""
    known = np.isfinite(values)
    n = known.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(2 * n >= len(values), np.where(known, values, 0.0).sum(0) / n, np.nan)


def _deviation(values: Floats, tail: float) -> tuple[Floats, Ints]:
    """Deviation of zero-mean values (N, L, S) -> (L, S), by the median or the ``tail`` quantile of their
    size, and how many were known."""
    size = np.abs(values)
    n = np.isfinite(size).sum(axis=0)
    if not len(size):
        return np.full(values.shape[1:], np.nan), n
    ordered = np.sort(size, axis=0)

    def at(share: float) -> Floats:
        k = np.clip((share * (n - 1)).round().astype(np.int64), 0, len(size) - 1)
        return np.asarray(np.take_along_axis(ordered, k[None], axis=0)[0], np.float64)

    out = np.fmax(MAD_TO_SIGMA * at(0.5), at(tail) / norm.isf(0.5 - 0.5 * tail))
    return np.where(n >= 24, out, np.nan), n
