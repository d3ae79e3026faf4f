"""The book of events: opens, follows, ends and measures them, and keeps what is known of their flow."""

from __future__ import annotations

import math
from enum import Enum

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from analytics.cusum import change_point
from analytics.events import Event
from analytics.limits import FREEDOM, PARTS
from analytics.noise import day_level, robust_scale, scale_of_means
from analytics.options import Options
from analytics.record import CALMEST, CUT, Record
from analytics.slow import LENGTHS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NORMAL_90 = 1.6449
"""Half width of a 90 % interval in standard deviations."""


SETTLE_DAYS = 3
"""An event's size follows the excess for so long [d], and while it grows; then it stands, so that what comes
later is a leak of its own and is not taken for part of it."""


DAYS_GAIN = 0.5
"""Of what the last days show beyond an event's size so much is added to it each day: the mean of three days
lags one and a half behind."""


GROWS_DAYS = 7
"""So long after an event began [d] a rise may be taken for its growth even if it had not grown before. Later,
beside what days differ by, too many a leak of its own would pass for it."""


SURELY = 3.0
"""An older event must have risen up to then, with a slope of so many standard errors."""


AS_WELL = 3.0
"""Log likelihood by which a second leak must tell an excess better than one that grows, to be one."""


class Verdict(Enum):
    """What an alarm turned out to be."""

    DOUBTFUL = 0  # not enough to go by: the test goes on
    SETTLED = 1  # a change of an event that is known, or no event at all: the test begins anew
    NEW = 2  # a new event: the test begins anew


class Ledger:
    """Events of all areas over a ``Record``, whose ``known`` and ``offsets`` it keeps in step."""

    def __init__(self, record: Record, options: Options) -> None:
        self.record, self.options = record, options
        self.events: list[Event] = []
        self._newest: dict[int, Event] = {}
        self.dirty = 0  # first block that was changed since somebody took note
        self.confirm = max(3, int(np.ceil(options.confirm_s / record.block_s)))
        self.window_blocks = options.weeks * 7 * 86400 // record.block_s
        self._day_blocks = 86400 // record.block_s

    def take_up(self, events: list[Event]) -> None:
        """These are the events from now on."""
        self.events = events
        self._newest = {e.area: e for e in sorted(events, key=lambda e: e.detected)}

    # -- events come -------------------------------------------------------------------------------

    def alarm(
        self,
        area: int,
        side: int,
        earliest: int,
        *,
        fast: bool,
        statistic: float,
        limit: float,
        level: float = 0.0,
        size: float | None = None,
        growing: bool = False,
    ) -> Verdict:
        """A test has alarmed at the end of the last block: since when, how much, and what is it?

        side: +1 too much, -1 too little; earliest: block before which the change is not looked for; level: of
        the residual before it [m3/s], as the expectation lags behind what is usual. size: where days have
        told it, the excess [m3/s]; then it began in block ``earliest``, ``growing`` or not.
        """
        record = self.record
        b = record.blocks
        mine = [e for e in self.events if e.area == area]
        last = max((max(e.start, e.end or 0) for e in mine), default=0)
        earliest = min(max(earliest, last + 1, 0, b - self.window_blocks), b - 1)
        start = earliest
        if size is None:
            change = change_point(record.standard(area, earliest, b, level), 0, side)
            start, growing = earliest + change.start, change.growing
        n = b - start
        clean = record.clean(area, start, b) - level
        if n < self.confirm or not np.isfinite(clean).any():
            return Verdict.DOUBTFUL
        size = float(np.nanmean(clean)) if size is None else size
        if side * size <= 0:
            return Verdict.DOUBTFUL
        cut_off = -size >= self.options.low_share * abs(record.expected_since(area, start))
        active = [e for e in mine if e.end is None]
        opposite = [e for e in active if e.side != side]
        if opposite:
            # What only days have shown only days can take back.
            own = [e for e in opposite if e.fast or not fast or cut_off]
            nearest = min(own or opposite, key=lambda e: abs(abs(e.now) - abs(size)))
            # Far more than the event itself is another matter (supply cut while a leak runs).
            if abs(size) <= 2 * nearest.peak or (side < 0 and not cut_off):
                if not fast and not nearest.fast:
                    self._lessen(nearest, start, size)
                elif own:
                    nearest.doubt = start if nearest.doubt is None else nearest.doubt
                return Verdict.SETTLED
        same = [e for e in active if e.side == side]
        if same and (
            self._grows(same[-1], start, size) or (not fast and self._creeps(same[-1], start, size))
        ):
            self._set(same[-1], start, same[-1].now + size)
            return Verdict.SETTLED
        if side < 0 and not cut_off:  # people using less
            return Verdict.SETTLED
        lengths, spread, single = self._spread(area, start)
        event = Event(
            area=area,
            side=side,
            start=start,
            detected=b - 1,
            growing=growing,
            fast=fast,
            statistic=statistic,
            limit=limit,
            days_known=int(np.isfinite(record.offsets[: record.days, area]).sum()),
            expected=record.expected_since(area, start),
            lengths=lengths,
            spread=spread,
            single=single,
            base=level,
            weight=float(np.isfinite(clean).sum()),
            track=_ramp(start, b, size, max(1, self._day_blocks)) if growing else [(start, size)],
        )
        event.peak = abs(event.now)
        self.events.append(event)
        self._newest[area] = event
        self._sum_known(area, start)
        self._correct_offsets(area, start, event.course(start, b))
        self.estimate(event)
        return Verdict.NEW

    def _above(self, area: int, first: int, last: int) -> Floats:
        """Residual of blocks [first, last) without known events, above the level that the last of them found.

        The expectation catches up with that level as its weeks pass.
        """
        clean = self.record.clean(area, first, last)
        newest = self._newest.get(area)
        if newest is None or newest.base == 0.0:
            return clean
        age = np.maximum(np.arange(first, last) - newest.start, 0)
        return np.asarray(clean - newest.base * np.exp(-2.0 * age / self.window_blocks))

    def _above_now(self, area: int) -> float:
        """The same of the last block."""
        record, newest = self.record, self._newest.get(area)
        at, block = record.blocks - 1, record.block
        clean = float(block["residual"][at, area] - block["known"][at, area] - block["common"][at, area])
        if newest is None:
            return clean
        return clean - newest.base * math.exp(-2.0 * max(at - newest.start, 0) / self.window_blocks)

    def _grows(self, e: Event, at: int, by: float) -> bool:
        """Whether a rise is the event's own: within a day of its detection, or by less than half of it while
        it grew by a quarter within five days, or from before its size was last revised; or as it grows on."""
        if at - e.detected < self._day_blocks:
            return True
        if abs(by) < 0.5 * abs(e.now) and (at < e.revised or self._growing(e, at)):
            return True
        young = at - e.start <= GROWS_DAYS * self._day_blocks
        return (young or self._rose(e, at)) and self._one_rise(e, at)

    def _rose(self, e: Event, at: int) -> bool:
        """Whether the excess of an event rose surely up to block ``at``: the slope of a line through it (of
        least squares, each block weighted by its noise) is more than ``SURELY`` times its standard error,
        which is the wider the more neighbouring blocks stray together."""
        excess, scale = self._excess(e, at)
        ok = np.isfinite(excess) & (scale > 0)
        n = int(ok.sum())
        if n < max(2, len(ok) // 2):
            return False
        w, i = scale[ok] ** -2.0, np.flatnonzero(ok).astype(np.float64)
        i -= (w @ i) / w.sum()
        moment = float(w @ i**2)
        together = n * (e.spread_of(len(ok)) / e.spread_of(1)) ** 2
        error = e.spread_of(1) * math.sqrt(max(1.0, together) / moment)
        return bool(w @ (i * excess[ok]) / moment > SURELY * error)

    def _excess(self, e: Event, until: int) -> tuple[Floats, Floats]:
        """What an event has shown of itself in the blocks from its start to ``until``, as positive flow
        [m3/s], and the noise of these."""
        excess = e.side * (self._above(e.area, e.start, until) + e.course(e.start, until))
        return excess, self.record.block["scale"][e.start : until, e.area]

    def _one_rise(self, e: Event, at: int) -> bool:
        """Whether the excess since an event began is told as well by one leak that grows all the while,
        evenly or ever faster, as by one to which another came at once in block ``at``.

        Compared are log likelihoods of weighted least squares: of a line or a parabola, and of a line with a
        step. That neighbouring blocks stray together makes a difference worth less.
        """
        excess, scale = self._excess(e, self.record.blocks)
        ok = np.isfinite(excess) & (scale > 0)
        x, w, i = excess[ok], scale[ok] ** -2.0, np.flatnonzero(ok).astype(np.float64)
        later = (i >= at - e.start).astype(np.float64)
        second = int(later.sum())
        if min(second, len(x) - second) < 2:
            return False
        one, two = max(_told(w, x, i), _told(w, x, i * i)), _told(w, x, i, later)
        together = second * (e.spread_of(second) / e.spread_of(1)) ** 2
        return bool(two - one < 2 * AS_WELL * max(1.0, together))

    def _creeps(self, e: Event, at: int, by: float) -> bool:
        """Whether a rise that days show is the event's own: it began within the longest length of when the
        event's size was last set, or is no larger than the event has been and comes before the baseline
        knows it."""
        if at - e.track[-1][0] <= max(LENGTHS) * self._day_blocks:
            return True
        return not e.fast and abs(by) <= e.peak and at - e.detected <= self.window_blocks

    def _growing(self, e: Event, at: int) -> bool:
        """Whether an event has grown by a quarter within the five days before a block."""
        then = max(e.start, at - 5 * self._day_blocks)
        return abs(e.now) > 1.25 * abs(e.at(then))

    def _spread(
        self, area: int, before: int, blocks: int | None = None, *, level: bool = True
    ) -> tuple[Ints, Floats, float]:
        """How much standardised means over some lengths varied before a block: lengths, deviations, and the
        deviation of single blocks.

        blocks: the length that is asked for; None: from one block to two weeks. level: with the slow
        movement of the level; without it only what strays around it.
        """
        most = blocks or max(2, 14 * self._day_blocks)
        past = self.record.standard(area, max(0, before - self.window_blocks), before)
        if not level and len(past):
            past = past - np.nan_to_num(day_level(past[:, None], self._day_blocks)[:, 0])
        lengths = np.unique(np.geomspace(1, most, 12).astype(np.int64))
        if blocks is not None and len(past) // blocks >= 8:
            lengths = np.array([blocks])
        single = float(robust_scale(past, tail=True))
        return lengths, scale_of_means(past, lengths), single

    # -- and go on ---------------------------------------------------------------------------------

    def known_now(self) -> Floats:
        """Present flow of known events (S,) [m3/s]."""
        out = np.zeros(self.record.areas)
        for e in self.events:
            if e.end is None:
                out[e.area] += e.now
        return out

    def go_on(self, typical: Floats, remaining: Floats) -> None:
        """Take the block that has just ended into account.

        typical (S,): usual noise of a slot [m3/s]; remaining (S,): what days show beyond what is known
        [m3/s], NaN but once a day.
        """
        active = [e for e in self.events if e.end is None]
        youngest = {e.area: e for e in active}
        for e in active:
            if e.doubt is not None:
                self._weigh(e, e.doubt)
            elif e.detected < self.record.blocks - 1 and e is youngest[e.area]:
                if e.fast:
                    self._follow(e, float(typical[e.area]))
                elif math.isfinite(remaining[e.area]):
                    self._follow_days(e, float(remaining[e.area]))
            if e.end is None and e.doubt is None:
                self._note(e)

    def _lessen(self, e: Event, since: int, by: float) -> None:
        """An event is smaller by so much [m3/s], or over."""
        if (e.now + by) / e.now < 0.3:
            self._end(e, since)
        else:
            self._set(e, since, e.now + by)

    def _weigh(self, e: Event, since: int) -> None:
        """An event whose excess has fallen is over, smaller, or after all still there.

        Decided once the fall has lasted as long as the event before it, twelve hours at most.
        """
        b = self.record.blocks
        most = max(self.confirm, 12 * 3600 // self.record.block_s)
        if b - since < int(np.clip(since - e.start, self.confirm, most)):
            return
        excess = self._above(e.area, since, b) + e.course(since, b)
        last = max(e.start, since - 1)
        before = e.at(last)
        e.doubt = None
        if not np.isfinite(excess).any():
            return
        left = float(np.nanmedian(excess)) / before if before else 0.0
        if left < 0.3:
            self._end(e, since)
        elif left < 0.85:
            self._set(e, since, left * before)

    def _follow(self, e: Event, typical: float) -> None:
        """Let the event's size follow the excess: its mean at first, then with a time constant."""
        record = self.record
        b = record.blocks
        residual = self._above_now(e.area)
        if not math.isfinite(residual):
            return
        scale = float(record.block["scale"][b - 1, e.area])
        weight = min(max((typical / scale) ** 2, 0.25), 4.0)  # quiet hours say more
        e.weight += weight
        gain = max(weight / e.weight, 1.0 - math.exp(-weight * record.block_s / self.options.follow_s))
        if b - e.detected > SETTLE_DAYS * self._day_blocks and not self._growing(e, b):
            return
        bound = 3.0 * scale + 0.5 * abs(e.now)
        flow = e.now + min(gain, 1.0) * min(max(residual, -bound), bound)
        e.track.append((b, flow))
        e.peak = max(e.peak, abs(flow))
        if e.side * flow < 0.25 * e.peak:
            # It has faded: since when? Where its excess fell below what it was at most.
            a = max(e.start + 1, b - 7 * self._day_blocks)
            fall = self._above(e.area, a, b) + e.course(a, b) - e.side * e.peak
            scales = record.block["scale"][a:b, e.area]
            self._end(e, a + change_point(fall / scales, 0, -e.side).start)

    def _follow_days(self, e: Event, remaining: float) -> None:
        """The same of an event that days have shown, which single hours do not show as well."""
        b = self.record.blocks
        if b - e.detected > SETTLE_DAYS * self._day_blocks and not self._growing(e, b):
            return
        bound = 0.5 * abs(e.now)
        flow = e.now + DAYS_GAIN * min(max(remaining, -bound), bound)
        e.track.append((b, flow))
        e.peak = max(e.peak, abs(flow))

    def _set(self, e: Event, start: int, flow: float) -> None:
        """The event has another size from ``start`` on."""
        b, start = self.record.blocks, max(start, e.start)
        old = e.course(start, b)
        e.track = [(k, f) for k, f in e.track if k < start] + [(start, flow)]
        self._sum_known(e.area, start)
        self._correct_offsets(e.area, start, e.course(start, b) - old)
        e.weight, e.revised = float(b - start), b
        e.peak = max(e.peak, abs(flow))
        self.estimate(e)

    def _end(self, e: Event, end: int) -> None:
        """The event is over from ``end`` on, which is never before it was known."""
        b = self.record.blocks
        end = min(max(end, e.detected + 1), b)
        old = e.course(end, b)
        e.end, e.closed = end, b - 1
        e.track = [(k, f) for k, f in e.track if k < end] or e.track[:1]
        self._sum_known(e.area, end)
        self._correct_offsets(e.area, end, -old)
        self.estimate(e)

    # -- and are measured --------------------------------------------------------------------------

    def estimate(self, e: Event) -> None:
        """Flow, interval, volume and confidence from the excess itself, up to now or to its end."""
        record = self.record
        last = record.blocks if e.end is None else e.end
        course = e.course(e.start, last)
        excess = self._above(e.area, e.start, last) + course
        n, finite = len(excess), np.isfinite(excess)
        if not finite.any():
            return
        w = min(n, max(1, int(self.options.window_s / record.block_s)))
        recent = excess[-w:] if finite[-w:].any() else excess[finite][-w:]
        e.flow = float(np.nanmean(recent)) if e.fast else e.now
        # The baseline itself is known only as well as the days it is made of allow.
        widen = np.sqrt(1.0 + 2.0 / max(e.days_known, 1))
        scale = record.block["scale"][e.start : last, e.area]
        spread = widen * e.spread_of(int(np.isfinite(recent).sum()))
        half = NORMAL_90 * spread * float(np.nanmean(scale[-w:]))
        e.low, e.high = e.flow - half, e.flow + half
        e.volume = float(max(0.0, e.side * np.where(finite, excess, course).sum()) * record.block_s)
        mean = float(np.nanmean(np.clip(excess / scale, -CUT, CUT)))
        e.confidence = confidence(
            mean, widen * e.spread_of(n) / min(1.0, e.single / CALMEST), n * record.block_s
        )
        if not e.fast:  # days have shown more than hours do: so rare was that, by heavy tails
            chance = e.statistic**-FREEDOM / (self.options.years * PARTS[-1])
            e.confidence = max(e.confidence, 1.0 - min(1.0, chance))

    def _note(self, e: Event) -> None:
        """Keep the size for working out the place: hourly for a day from detection, then daily.

        Fixed by event time, so that the place does not depend on when somebody looked.
        """
        record = self.record
        age = (record.blocks - 1 - e.detected) * record.block_s
        if age % (3600 if age < 86400 else 86400) < record.block_s:
            self.estimate(e)
            e.noted = record.blocks
            e.noted_flow, e.noted_sigma = e.flow, (e.high - e.low) / (2 * NORMAL_90)

    # -- what they leave in the record -------------------------------------------------------------

    def go_back(self, events: list[Event]) -> None:
        """Take up earlier events, after the record was taken back."""
        b = self.record.blocks
        changed = [e.start for e in self.events if e.closed is None or e.closed >= b]
        self.dirty = min([self.dirty, b, *changed])
        self.take_up([e.copy() for e in events])
        known = self.record.block["known"]
        known[:b] = 0.0
        for e in self.events:
            known[:b, e.area] += e.course(0, b)

    def _sum_known(self, area: int, start: int) -> None:
        """Sum up the known events of an area anew from a block on; always in the same order."""
        b = self.record.blocks
        total = np.zeros(b - start)
        for e in self.events:
            if e.area == area:
                total += e.course(start, b)
        self.record.block["known"][start:b, area] = total

    def _correct_offsets(self, area: int, start: int, course: Floats) -> None:
        """Take what has just become known of an event off the day offsets that it has raised."""
        self.dirty = min(self.dirty, start)
        record = self.record
        for d in range(record.days - 1, -1, -1):
            rows = record.row_of[d]
            blocks = rows[rows >= 0] // record.per_block
            if not len(blocks):
                continue
            at = blocks[(blocks >= start) & (blocks < start + len(course))] - start
            record.offsets[d, area] -= course[at].sum() / len(blocks)
            if blocks[0] < start:
                break


def _told(w: Floats, x: Floats, *rises: Floats) -> float:
    """Sum of squares of ``x``, weighted, that rises of these forms explain beyond a level: what they leave is
    the least, and none of them falls."""
    root = np.sqrt(w)
    form = np.column_stack([root * (r - (w @ r) / w.sum()) for r in rises])
    about = root * (x - (w @ x) / w.sum())
    return float(about @ about - nnls(form, about)[1] ** 2)


def _ramp(start: int, end: int, mean: float, width: int) -> list[tuple[int, float]]:
    """A rise from 0 with the given mean, in steps of ``width`` blocks: enough not to learn it as demand."""
    return [
        (k, mean * (k + min(k + width, end) - 2 * start) / (end - start)) for k in range(start, end, width)
    ]


def confidence(mean: float, spread: float, lasted_s: float) -> float:
    """Chance that noise alone would not show such a mean excess once in a year.

    One less the normal tail beyond mean / spread, times the number of such stretches in 365 days.
    """
    if not spread > 0:
        return 0.0
    tail = 0.5 * math.erfc(abs(mean) / spread / math.sqrt(2.0))
    chance = tail * max(1.0, 365 * 86400 / lasted_s)
    return float(1.0 - min(1.0, chance))
