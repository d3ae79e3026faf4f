"""Goes over the readings of all sensors in time and says which of them are not to be trusted.

Every decision at a row uses readings up to that row. Rows may come in pieces of any length.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.cusum import accumulate, threshold
from analytics.gate.fault import Dry, Fault, FaultKind
from analytics.gate.judge import Judge, Verdict
from analytics.gate.layout import INLET, Layout
from analytics.gate.learnt import Learnt
from analytics.gate.options import Options
from analytics.gate.recovery import recovered
from analytics.gate.relation import compare
from analytics.gate.state import State
from analytics.gate.stuck import repeats
from analytics.gate.study import Study
from analytics.gate.supply import without_water
from analytics.gate.tape import Tape

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

KEEP_DAYS = 14
"""So much past is kept beside what is learnt from [days]: what is judged begins no earlier."""

SUPPLY_BACK_S = 3 * 86400
"""Supply that was cut counts as steady again after so long without a cut [s]."""

FLAT_RUN = 2
"""Impossible readings in a row that are a fault: one alone is a spike."""


class Change(NamedTuple):
    """At the end of row ``decided`` it was decided that a sensor has not been right since row ``first``.

    kind, size [SI]: as in ``Fault``, as of then.
    """

    decided: int
    first: int
    sensor: int
    kind: FaultKind
    size: float


class Gate:
    """Sequential gate over the sensors of ``layout`` on a grid of ``step_s`` [s].

    ``faults`` and ``dry`` hold all findings, those that are over included; ``unusable`` and ``unsupplied``
    say what follows for readings.
    """

    def __init__(
        self, layout: Layout, step_s: int, options: Options | None = None, per_block: int = 1
    ) -> None:
        """per_block: places to go back to lie at whole multiples of so many rows."""
        if 86400 % step_s:
            raise ValueError(f"step of {step_s} s does not divide a day: use 900, 1800, 3600, ...")
        self.layout, self.step_s, self.options = layout, step_s, options or Options()
        self.slots, self._per_block = 86400 // step_s, per_block
        steps = self.options.years * 365.25 * self.slots
        self.fast_limit = threshold(self.options.fast_k, steps)
        self.slow_limit = threshold(self.options.slow_k, steps / self.slots)
        # Mean time to a false alarm of a CUSUM of log likelihood ratios is at least exp(limit): Lorden 1971.
        self.noise_limit = float(np.log(steps))
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.tape = Tape(len(self.layout.what), len(self.layout.member))
        self.state = State.fresh(len(self.layout.what))
        self.learnt: Learnt | None = None
        self.study = Study(self)
        self._kept: dict[int, tuple[State, Learnt | None]] = {}

    # -- what callers read -------------------------------------------------------------------------

    @property
    def rows(self) -> int:
        """Rows taken so far."""
        return self.tape.rows

    @property
    def faults(self) -> list[Fault]:
        """All faults found, those that are over too, in the order in which they were found."""
        return self.state.faults

    @property
    def dry(self) -> list[Dry]:
        """All times without water, those that are over too."""
        return self.state.dry

    def unusable(self, first: int, count: int, known: int | None = None) -> Bools:
        """(count, S) whether readings of rows [first, first+count) are not to be trusted.

        known: as it was decided by the end of that row; None: by now. Out of range, or of a faulty sensor, up
        to the row at which it was found well: what was not to be trusted when it came is not used afterwards.
        """
        out = np.zeros((count, len(self.layout.what)), bool)
        kept = np.asarray(self.tape.cut("wrong", first, first + count), bool)
        out[count - len(kept) :] = kept
        for f in self.faults:
            if known is not None and f.detected > known:
                continue
            over = f.closed is not None and (known is None or f.closed <= known)
            last = f.closed + 1 - first if over and f.closed is not None else count
            out[max(0, f.onset - first) : max(0, last), f.sensor] = True
        return out

    def unsupplied(self, first: int, count: int) -> Bools:
        """(count, D) whether an area was without water in rows [first, first+count), or refilling."""
        out = np.zeros((count, len(self.layout.member)), bool)
        kept = self._without(first, first + count)
        out[count - len(kept) :] = kept
        return out

    # -- going on ----------------------------------------------------------------------------------

    def advance(self, values: Floats, wrong: Bools, day: Ints, slot: Ints) -> list[Change]:
        """Take the next rows; returns what was decided, in order.

        values (n, S): readings [SI], NaN where there are none, also those out of range; wrong (n, S): out of
        the range of belief; day (n,): local day ordinal, not falling; slot (n,): slot of the local day.
        """
        changes: list[Change] = []
        high = self.layout.high[None]
        with np.errstate(invalid="ignore"):
            wrong = (wrong | (values > high) | (values < self.layout.low[None])) & np.isfinite(values)
        n, at = len(values), 0
        while at < n:
            if self.state.day != day[at]:
                self._open_day(int(day[at]), changes)
            last = at + 1
            while last < n and day[last] == day[at]:
                last += 1
            first = self.tape.rows
            piece = slice(at, last)
            meters = self.layout.what == INLET
            q = np.where(wrong[piece], np.nan, values[piece])[:, meters]
            sign = self.layout.sign[meters]
            needed = (np.isnan(q).astype(np.float64) @ (sign != 0)) > 0
            inflow = np.where(needed | ~sign.any(axis=0), np.nan, np.nan_to_num(q) @ sign)
            self.tape.append(
                value=values[piece].astype(np.float32),
                wrong=wrong[piece],
                inflow=inflow.astype(np.float32),
                slot=slot[piece, None],
            )
            self._piece(first, self.tape.rows, changes)
            if slot[last - 1] == self.slots - 1:
                self._close_day(changes)
            at = last
        return changes

    def _open_day(self, day: int, changes: list[Change]) -> None:
        """What is done once a day, from the days before."""
        state, tape, j = self.state, self.tape, self.slots
        rows = tape.rows
        self._close_day(changes)  # if its last hour was none (a clock that was put forward at midnight)
        state.day = day
        if not self.study.due(rows):
            return
        self.learnt = self.study.learn(rows)
        state.learnt_at = rows
        biased = np.flatnonzero((state.bias != 0) & ~state.faulty())  # a fault must not be learnt as water
        if len(biased):
            a = max(tape.base, rows - 3 * j)
            answer = self.answer(a, rows)[0]
            recent = tape.floats("value", a, rows) - answer
            for s in biased.tolist():
                known = recent[np.isfinite(recent[:, s]), s]
                state.bias[s] = float(np.median(known)) if len(known) >= j / 2 else 0.0

    def _close_day(self, changes: list[Change]) -> None:
        """Test the mean of the day that is over, and name lasting faults anew; once, with its last row."""
        state, learnt, j = self.state, self.learnt, self.slots
        if learnt is None or state.closed_day == state.day:
            return
        state.closed_day = state.day
        rows = self.tape.rows
        first = max(self.tape.base, rows - j)
        error = self.tape.floats("error", first, rows)
        error = np.where(np.isfinite(self.tape.floats("z", first, rows)), error, np.nan)
        n = np.isfinite(error).sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(2 * n >= j, np.nansum(error, axis=0) / n, np.nan)
            z = (mean - state.bias) / (learnt.daily * learnt.caution)
        z = np.clip(np.where(state.faulty(), np.nan, z), -self.options.cut, self.options.cut)
        judge = Judge(self)
        for side, sign in enumerate((1, -1)):
            state.slow[side] = accumulate(state.slow[side], sign * z, self.options.slow_k)
            state.slow_zero[side][state.slow[side] <= 0] = rows
        alarmed = np.flatnonzero((state.slow > self.slow_limit).any(axis=0))
        for s in alarmed.tolist():
            side = int(np.argmax(state.slow[:, s]))
            self._decide(judge.shift(rows - 1, s, int(state.slow_zero[side, s]) - j, daily=True), changes)
        state.slow = np.minimum(state.slow, 2 * self.slow_limit)
        for f in state.faults:
            if f.end is None:
                judge.rename(f, rows - 1)
                # An inlet meter's shift would come back as a leak, or hide one.
                lasting = rows - f.onset >= self.options.adopt_days * j
                if lasting and self.layout.what[f.sensor] != INLET and judge.settled(f, rows - 1):
                    self._adopt(f, rows - 1)

    def _adopt(self, f: Fault, row: int) -> None:
        """A shift that stays is how the sensor, or the network around it, now is."""
        error = self.tape.of(f.sensor, "error", row + 1 - 3 * self.slots, row + 1)
        known = error[np.isfinite(error)]
        if len(known) < self.slots:
            return
        f.end, f.closed, f.evidence["adopted"] = row + 1, row, 1.0
        self.state.bias[f.sensor] = float(np.median(known))
        self.state.rest(f.sensor, row + 1)

    def doubtful(self, first: int, last: int, but: Bools | None = None) -> Bools:
        """(T, S) readings that nothing is learnt from or held against, by what is known now.

        but (S,): sensors of which only readings out of range are doubted.
        """
        out = self.unusable(first, last - first)
        if but is not None:
            out[:, but] = np.asarray(self.tape.cut("wrong", first, last), bool)[:, but]
        without = self._without(first, last)
        if without.any():
            inside = self.layout.area >= 0
            out[:, inside] |= without[:, self.layout.area[inside]]
        return out

    def _without(self, first: int, last: int) -> Bools:
        """(T, D) dry rows and those in which an area fills again."""
        refill = max(0, round(self.options.refill_s / self.step_s))
        begin = max(self.tape.base, first - refill)
        dry = np.asarray(self.tape.cut("dry", begin, last), bool)
        out = dry.copy()
        for k in range(1, refill + 1):
            out[k:] |= dry[:-k]
        return out[max(first, self.tape.base) - begin :]

    def answer(self, first: int, last: int) -> tuple[Floats, Floats]:
        """What neighbours say of rows [first, last) by what is known now, and how much wider that is."""
        assert self.learnt is not None
        found = compare(
            self.freed(first, last), ~self.doubtful(first, last), self.learnt.relation, self.layout
        )
        return found.answer, found.widened

    def freed(self, first: int, last: int) -> Floats:
        """Readings of rows [first, last) less what is known to shift them: neighbours must not be misled."""
        return np.asarray(self.tape.floats("value", first, last) - self.state.bias)

    def _piece(self, first: int, last: int, changes: list[Change]) -> None:
        """Rows [first, last) of one day."""
        tape, learnt = self.tape, self.learnt
        if learnt is not None:
            clean = np.where(tape.cut("wrong", first, last), np.nan, tape.floats("value", first, last))
            tape.cut("dry", first, last)[:] = without_water(clean, learnt.usual, self.layout, self.options)
            self._compare(first, last)
        before = (
            tape.floats("value", first - 1, first)[0]
            if first > tape.base
            else np.full(len(self.layout.what), np.nan)
        )
        same = repeats(tape.floats("value", first, last), before)
        judge = Judge(self)
        for i in range(first, last):
            if self._row(i, same[i - first], judge, changes) and i + 1 < last and learnt is not None:
                self._compare(i + 1, last)
            if self.state.kept_day != self.state.day and (i + 1) % self._per_block == 0:
                self.state.kept_day = self.state.day
                self._kept[i + 1] = (self.state.copy(), self.learnt)
            self.study.ahead(i + 1)

    def _compare(self, first: int, last: int) -> None:
        """Differences of rows [first, last) from what the neighbours say."""
        learnt, tape = self.learnt, self.tape
        assert learnt is not None
        values = tape.floats("value", first, last)
        answer, widened = self.answer(first, last)
        error = np.where(tape.cut("wrong", first, last), np.nan, values - answer)
        hour = tape.slots(first, last) * 24 // self.slots
        area = self.layout.area
        without = self._without(first, last)
        hidden = np.zeros(error.shape, bool)
        hidden[:, area >= 0] = without[:, area[area >= 0]]
        scale = learnt.relation.scale[hour] * widened * learnt.caution
        tape.cut("error", first, last)[:] = np.where(hidden, np.nan, error)
        tape.cut("z", first, last)[:] = np.where(hidden, np.nan, (error - self.state.bias) / scale)

    def _row(self, i: int, same: Bools, judge: Judge, changes: list[Change]) -> bool:
        """One row; whether what is known of the sensors changed."""
        state, tape, learnt = self.state, self.tape, self.learnt
        decided, moved = len(changes), False
        wrong = np.asarray(tape.cut("wrong", i, i + 1)[0], bool)
        value = tape.cut("value", i, i + 1)[0]
        here = np.isfinite(value)
        state.run = np.where(here, np.where(same, state.run + 1, 0), state.run)
        state.wrong = np.where(here, np.where(wrong, state.wrong + 1, 0), state.wrong)
        faulty = state.faulty()
        for s in np.flatnonzero((state.wrong >= FLAT_RUN) & wrong & ~faulty).tolist():
            self._decide(judge.impossible(i, s), changes)
        if learnt is not None:
            dry = np.asarray(tape.cut("dry", i, i + 1)[0], bool)
            self._note_dry(i, dry)
            parched = np.zeros(len(faulty), bool)
            inside = self.layout.area >= 0
            parched[inside] = self._without(i, i + 1)[0][self.layout.area[inside]]
            state.run[parched] = 0
            for s in np.flatnonzero((state.run >= learnt.run) & same & ~faulty & ~parched).tolist():
                self._decide(judge.stuck(i, s), changes)
            negative = here & (value < 0) & ~faulty & ~parched
            for s in np.flatnonzero(negative & (self.layout.what == INLET)).tolist():
                self._decide(judge.reversed(i, s), changes)
            self._test(i, judge, changes)
        for f in state.faults:
            if f.end is None and recovered(self, f, i):
                state.rest(f.sensor, i + 1)
                moved = True
        return moved or len(changes) > decided

    def _test(self, i: int, judge: Judge, changes: list[Change]) -> None:
        """Sums of what neighbours do not explain."""
        state, learnt, o = self.state, self.learnt, self.options
        assert learnt is not None
        z = np.where(state.faulty(), np.nan, self.tape.floats("z", i, i + 1)[0])
        lone = z / learnt.relation.persistence
        cut = np.clip(lone, -o.cut, o.cut)
        for side, sign in enumerate((1, -1)):
            state.fast[side] = accumulate(state.fast[side], sign * cut, o.fast_k)
            state.fast_zero[side][state.fast[side] <= 0] = i + 1
        small = np.clip(z, -4.0, 4.0)
        gain = 0.5 * small**2 * (1 - 1 / o.noise_ratio**2) - np.log(o.noise_ratio)
        state.noise = accumulate(state.noise, gain, 0.0)
        state.noise_zero[state.noise <= 0] = i + 1
        shifted: Bools = np.asarray((state.fast > self.fast_limit).any(axis=0))
        noisy: Bools = np.asarray(state.noise > self.noise_limit)
        with np.errstate(invalid="ignore"):
            far = np.abs(z) > o.spike
        due = (shifted | noisy | far) & (state.retry <= i)
        for s in np.flatnonzero(due).tolist():
            if state.is_faulty(s):  # decided within this row
                continue
            if shifted[s] or noisy[s]:
                side = int(np.argmax(state.fast[:, s]))
                zero = int(state.fast_zero[side, s]) if shifted[s] else int(state.noise_zero[s])
                self._decide(judge.shift(i, s, zero, daily=False), changes)
            elif far[s]:
                self._decide(judge.spikes(i, s), changes)
        state.fast = np.minimum(state.fast, 2 * self.fast_limit)
        state.noise = np.minimum(state.noise, 2 * self.noise_limit)

    def _decide(self, verdict: Verdict, changes: list[Change]) -> None:
        """Enter what was judged."""
        for f in verdict.faults:
            self.state.faults.append(f)
            self.state.rest(f.sensor, f.detected + 1)
            for peer in peers(self.layout, f.sensor):
                self.state.rest(peer, f.detected + 1)
            changes.append(Change(f.detected, f.onset, f.sensor, f.kind, f.size))

    def _note_dry(self, i: int, dry: Bools) -> None:
        quiet = SUPPLY_BACK_S // self.step_s
        lasting = {d.area: d for d in self.state.dry if d.end is None}
        for area, d in lasting.items():
            if not dry[area] and i - d.last > quiet:
                d.end, d.closed = d.last + 1, i
        for area in np.flatnonzero(dry).tolist():
            known = lasting.get(area)
            if known is not None and known.end is None:
                known.last, known.rows = i, known.rows + 1
            else:
                self.state.dry.append(Dry(area, i, i))

    # -- going back --------------------------------------------------------------------------------

    def rewind(self, row: int) -> int:
        """Go back to the last kept place at or before ``row``; returns the row to go on from."""
        kept = [r for r in self._kept if r <= row and r >= self.tape.base]
        if not kept:
            self._begin_anew()
            return 0
        at = max(kept)
        state, self.learnt = self._kept[at]
        self.state = state.copy()
        self.study.forget()
        self._kept = {r: k for r, k in self._kept.items() if r <= at}
        self.tape.back_to(at)
        return at

    def forget(self, keep: int) -> None:
        """Keep the newest ``keep`` places to go back to, and the readings that those need."""
        stay = sorted(self._kept, reverse=True)[:keep]
        self._kept = {r: k for r, k in self._kept.items() if r in stay}
        if stay:
            past = (self.options.window_days + self.options.lag_days + KEEP_DAYS) * self.slots
            self.tape.forget(max(0, (min(stay) - past) // self.slots * self.slots))


def peers(layout: Layout, sensor: int) -> list[int]:
    """Sensors that are related to ``sensor`` through an area."""
    together: Bools = np.asarray(layout.member[layout.member[:, sensor]].any(axis=0))
    together[sensor] = False
    return [int(s) for s in np.flatnonzero(together)]
