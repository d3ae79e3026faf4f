"""A test has spoken against a sensor: is it the sensor, which kind of fault, since when, or is it water?"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.gate.fault import Fault, FaultKind
from analytics.gate.lag import best_lag
from analytics.gate.layout import INLET
from analytics.gate.naming import name, onset_of, onset_of_noise
from analytics.gate.pairing import Pairing
from analytics.gate.relation import Group, compare, powers, strain, transformed
from analytics.gate.verdict import alone_odds, flow_odds, head_odds

if TYPE_CHECKING:
    from analytics.gate.gate import Gate

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LONGEST_DAYS = 7
"""What is judged began at most so long ago [days]."""

BEFORE_DAYS = 3
"""What departs from usual is measured against so many days before the onset."""

CLOCK_HOURS = 14
"""No zone mistake is larger [h]: the widest difference from UTC in use."""

CLOCK_WINDOW_H, CLOCK_LEAST_H = 12, 3
"""A clock is judged by so many hours, and by no fewer than so many [h]."""

CLOCK_SURE_H = 24
"""Sooner than this [h] a shift of the day may be a shift of the value, which may be water's."""

SIMPLER = 2.0
"""A shift of the value may leave so many times the strain that a shift of the clock leaves."""

DECISIVE = 0.1
"""Where a shift of the clock leaves less than this share of the strain, nothing else need be asked."""

LAGGED, LAG_FITS = 0.35, 3.0
"""A shift of the clock must leave less than this share of the strain among an area's sensors, and no more
than so many times the usual one."""

REMAINS = 0.75
"""Beside a shift that water explains, what is less than this share of it is the same water's doing."""

MIRRORED = 0.4
"""A reversed reading, turned back, is within this share of what is expected."""


class Verdict(NamedTuple):
    """faults: what was found; of a clock, one for each sensor of its device."""

    faults: tuple[Fault, ...]


class Clock(NamedTuple):
    """steps: how far a clock is ahead; onset: row since when; sure: nothing else explains as much."""

    steps: int
    onset: int
    sure: bool


NOTHING = Verdict(())


class Judge:
    """Judges sensors of a gate by what it has on tape up to a row."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate

    # -- by the readings alone ----------------------------------------------------------------------

    def impossible(self, row: int, s: int) -> Verdict:
        """Readings that cannot be."""
        onset = row + 1 - int(self.gate.state.wrong[s])
        turned = self._mirrored(onset, row, s)
        value = float(self.gate.tape.floats("value", row, row + 1)[0, s])
        kind = FaultKind.REVERSED if turned else FaultKind.IMPOSSIBLE
        evidence = {
            "value": value,
            "low": float(self.gate.layout.low[s]),
            "high": float(self.gate.layout.high[s]),
        }
        return Verdict((Fault(s, kind, onset, row, value, evidence=evidence),))

    def stuck(self, row: int, s: int) -> Verdict:
        """The same value too long."""
        gate = self.gate
        assert gate.learnt is not None
        run = int(gate.state.run[s])
        value = float(gate.tape.floats("value", row, row + 1)[0, s])
        if value == 0 and gate.learnt.rests[s]:
            return NOTHING
        evidence = {"value": value, "repeats": float(run), "limit": float(gate.learnt.run[s])}
        return Verdict((Fault(s, FaultKind.STUCK, row - run, row, value, evidence=evidence),))

    def reversed(self, row: int, s: int) -> Verdict:
        """An inlet meter that reads backwards what is expected forwards."""
        gate = self.gate
        first = row + 1 - max(3, round(2700 / gate.step_s))
        if first < gate.tape.base or first < gate.state.clean[s] or not self._mirrored(first, row, s):
            return NOTHING
        value = gate.tape.of(s, "value", first, row + 1)
        while first - 1 >= max(gate.tape.base, row - gate.slots):
            earlier = gate.tape.floats("value", first - 1, first)[0, s]
            if not earlier < 0:
                break
            first -= 1
        last = float(value[-1])
        return Verdict((Fault(s, FaultKind.REVERSED, first, row, last, evidence={"value": last}),))

    def _mirrored(self, first: int, row: int, s: int) -> bool:
        gate = self.gate
        if gate.learnt is None:
            return False
        value = gate.tape.of(s, "value", first, row + 1)
        usual = gate.learnt.course.usual[gate.tape.slots(first, row + 1), s]
        said = value - gate.tape.of(s, "error", first, row + 1)
        expected = np.where(np.isfinite(said), said, usual)
        ok = np.isfinite(value) & np.isfinite(expected)
        if ok.sum() < 2:
            return False
        v, e = value[ok], expected[ok]
        return bool(
            (v * e < 0).all()
            and np.mean(np.abs(v + e)) < MIRRORED * np.mean(np.abs(e))
            and np.mean(np.abs(e)) > 0.2 * gate.learnt.usual[s]
        )

    # -- against the neighbours ---------------------------------------------------------------------

    def spikes(self, row: int, s: int) -> Verdict:
        """Far off and back again, several times a day."""
        gate, o = self.gate, self.gate.options
        first = max(row + 1 - gate.slots, int(gate.state.clean[s]), gate.tape.base)
        z = gate.tape.floats("z", first, row + 1)
        with np.errstate(invalid="ignore"):
            far = (np.abs(z[:, s]) > o.spike) | np.asarray(gate.tape.cut("wrong", first, row + 1)[:, s], bool)
        if far.sum() < o.spikes or not self._worst(first, row, s, noise=True):
            return NOTHING
        error = gate.tape.of(s, "error", first, row + 1) - gate.state.bias[s]
        found = name(error, z[:, s], gate.slots)
        if found is None or found.kind is not FaultKind.SPIKE:
            return NOTHING
        evidence = {
            "spikes": float(far.sum()),
            "height": found.size,
            "hours": (row + 1 - first) * self._hours,
        }
        return Verdict((Fault(s, FaultKind.SPIKE, first + found.start, row, found.size, evidence=evidence),))

    @property
    def _hours(self) -> float:
        return self.gate.step_s / 3600

    def shift(self, row: int, s: int, zero: int, *, daily: bool) -> Verdict:
        """A test on differences from the neighbours has passed its limit."""
        gate = self.gate
        state, learnt = gate.state, gate.learnt
        assert learnt is not None
        base = max(gate.tape.base, int(state.clean[s]), row + 1 - LONGEST_DAYS * gate.slots)
        first = max(base, min(zero - 4, row - 2))
        z = gate.tape.of(s, "z", base, row + 1)
        error = gate.tape.of(s, "error", base, row + 1) - state.bias[s]
        if np.isfinite(z).sum() < 3:
            return NOTHING
        start = onset_of(z, first - base)
        if not daily and np.sqrt(np.nanmean(z[start:] ** 2)) > 3 * abs(np.nanmean(z[start:])):
            start = onset_of_noise(z, 0)
        found = name(error[start:], z[start:], gate.slots)
        onset = base + start
        n = row + 1 - onset
        if found is None or (daily and found.kind not in (FaultKind.OFFSET, FaultKind.DRIFT)):
            return self._later(row, s, n)
        if found.kind is FaultKind.SPIKE and (np.abs(z[np.isfinite(z)]) > gate.options.spike).sum() < (
            gate.options.spikes
        ):
            return self._later(row, s, 4)
        lag = self._clock(onset, row, s)
        mean = float(np.nanmean(error[start:]))
        if lag is not None:
            told = n >= CLOCK_SURE_H * 3600 / gate.step_s or (
                self._odds(onset, row, s, mean) > gate.options.odds
            )
            if lag.sure or (told and self._worst(onset, row, s, noise=True, device=True)):
                return self._device(max(lag.onset, base), row, s, lag.steps)
            return self._later(row, s, n)
        lately = _mean(error[-(gate.slots // 4) :]) + state.bias[s]
        if abs(lately) < 0.5 * abs(state.bias[s]):
            # What was known to shift it is over: a leak was repaired, or a sensor set right.
            state.bias[s] = 0.0
            state.rest(s, row + 1)
            return NOTHING
        noise = found.kind in (FaultKind.NOISE, FaultKind.SPIKE)
        if not self._worst(onset, row, s, noise=noise):
            return self._later(row, s, n)
        if not noise and abs(found.size) < learnt.least[s]:
            return self._later(row, s, max(n, gate.slots // 4))
        if abs(found.size) < REMAINS * abs(state.bias[s]):
            # A leak's effect on a pressure changes with the flow of the hour.
            return self._later(row, s, max(n, gate.slots // 4))
        if found.kind is FaultKind.NOISE and (
            # The first hours of a shift may look like noise, and a leak's like both.
            n < 6 * 3600 / gate.step_s or found.size < 0.5 * learnt.least[s]
        ):
            return self._later(row, s, n)
        if not noise and self._was_there(onset, row, s, mean):
            return self._later(row, s, max(n, gate.slots // 4))
        odds = self._odds(onset, row, s, mean)
        if noise and odds > 1 / gate.options.odds:
            odds = max(odds, gate.options.odds)
        if odds < 1 / gate.options.odds and n >= gate.slots:
            # Water: what it does to this sensor is no news any more.
            recent = _mean(error[max(start, len(error) - gate.slots) :])
            state.bias[s] += recent if np.isfinite(recent) else 0.0
            state.rest(s, row + 1)
            return NOTHING
        if odds < gate.options.odds:
            return self._later(row, s, n)
        evidence = {
            "deviations": float(np.nanmean(z[start:]) * np.sqrt(np.isfinite(z[start:]).sum())),
            "odds": min(odds, 1e6),
            "hours": n * self._hours,
            "neighbours": float(len(self._peers(s))),
        }
        return Verdict((Fault(s, found.kind, onset + found.start, row, found.size, evidence=evidence),))

    def _device(self, onset: int, row: int, s: int, lag: int) -> Verdict:
        """A clock is wrong for all sensors of its device."""
        gate = self.gate
        same = np.flatnonzero(gate.layout.device == gate.layout.device[s])
        size = float(lag * gate.step_s)
        return Verdict(
            tuple(
                Fault(int(k), FaultKind.CLOCK, onset, row, size, evidence={"ahead_s": size})
                for k in same
                if not gate.state.is_faulty(int(k))
            )
        )

    def rename(self, f: Fault, row: int) -> None:
        """A fault that lasts is better known from day to day."""
        gate = self.gate
        if f.kind not in (
            FaultKind.OFFSET,
            FaultKind.DRIFT,
            FaultKind.NOISE,
            FaultKind.CLOCK,
            FaultKind.SPIKE,
        ):
            return
        first, z, error = self._lately(f, row)
        if np.isfinite(z).sum() < gate.slots / 4:
            return
        lag = self._clock(first, row, f.sensor, known=True)
        if lag is not None and lag.sure:
            f.kind, f.size = FaultKind.CLOCK, float(lag.steps * gate.step_s)
        if f.kind is FaultKind.CLOCK:
            return
        found = name(error, z, gate.slots)
        if found is None or (f.kind is FaultKind.DRIFT and found.kind is FaultKind.OFFSET):
            return
        f.kind, f.size = found.kind, found.size

    def settled(self, f: Fault, row: int) -> bool:
        """Whether a fault is nothing but a shift that stays: of late, if it was another before."""
        if f.kind is FaultKind.OFFSET:
            return True
        if f.kind not in (FaultKind.DRIFT, FaultKind.CLOCK):
            return False
        first, z, error = self._lately(f, row)
        found = name(error, z, self.gate.slots)
        if found is None or found.kind is not FaultKind.OFFSET:
            return False
        return f.kind is FaultKind.DRIFT or self._clock(first, row, f.sensor, known=True) is None

    def _lately(self, f: Fault, row: int) -> tuple[int, Floats, Floats]:
        """From which row on a lasting fault is looked at, standardised differences since and these [SI]."""
        gate = self.gate
        first = max(f.onset, gate.tape.base, row + 1 - LONGEST_DAYS * gate.slots)
        z = gate.tape.of(f.sensor, "z", first, row + 1)
        error = gate.tape.of(f.sensor, "error", first, row + 1) - gate.state.bias[f.sensor]
        return first, z, error

    def _clock(self, onset: int, row: int, s: int, *, known: bool = False) -> Clock | None:
        """Whether a wrong clock of a sensor's device explains its readings since the onset.

        All sensors of the device are moved together against the others of the area. A shift of the value that
        explains as much is the simpler story. known: the sensor is known to be faulty since the onset.
        """
        gate = self.gate
        learnt, layout, tape = gate.learnt, gate.layout, gate.tape
        assert learnt is not None
        first = min(onset, row + 1 - CLOCK_WINDOW_H * 3600 // gate.step_s)
        first = max(first, tape.base if known else int(gate.state.clean[s]), tape.base)
        if row + 1 - first < CLOCK_LEAST_H * 3600 / gate.step_s:
            return None
        most = CLOCK_HOURS * 3600 // gate.step_s
        before = max(tape.base, first - most)
        device = layout.device == layout.device[s]
        seen = readings_of_area(gate, before, row + 1, int(layout.area[s]), device)
        if seen is None:
            return None
        heard: Bools = np.asarray(np.isfinite(seen[0][first - before :]).any(axis=0))
        x, group = seen[0][:, heard], seen[1].only(heard)
        mine: Bools = np.asarray(device[group.members])
        asked, part, column = (
            slice(first - before, None),
            slice(max(onset, first) - before, None),
            group.members == s,
        )
        usual = group.strain * learnt.caution
        # Whatever the device is made to say, the others' own strain stays: x'Kx >= x_b' C_bb^-1 x_b.
        others = strain(x[asked][:, ~mine], group.only(np.asarray(~mine))) * ((~mine).sum() / len(mine))
        if _mean(others) > min(LAGGED * _mean(strain(x[asked], group)), LAG_FITS * usual):
            return None
        moved = x.copy()
        moved[part, column] -= _shift(x[part], group, column)
        left = _mean(strain(moved[asked], group))
        if left <= usual:  # with the value shifted all is well
            return None

        pairing = Pairing(x, mine, group)
        found = best_lag(
            len(x), first - before, max(onset, first) - before, most, LAG_FITS * usual, pairing.strain
        )
        if found is None or found.best > LAGGED * found.now or found.best > LAG_FITS * usual:
            return None
        if left <= SIMPLER * found.best:
            return None
        k = found.steps
        begin, end = max(first - before, k), min(len(x), len(x) + k)
        gain = pairing.strain(begin, end, 0) - pairing.strain(begin, end, k)
        since = int(np.argmax(np.cumsum(np.nan_to_num(gain)[::-1])[::-1]))
        # A clock that was set back stamps times anew that it had stamped before.
        return Clock(k, before + begin + since + min(k, 0), found.best < DECISIVE * found.now)

    def _was_there(self, onset: int, row: int, s: int, difference: float) -> bool:
        """Whether most of a shift was there before its onset already, by what has been learnt since.

        What neighbours say is learnt anew every few days. Where a leak grows meanwhile, that moves the
        answer, not the reading: the same relation held against the days before the onset shows it.
        """
        gate = self.gate
        if row - gate.state.learnt_at > LONGEST_DAYS * gate.slots:
            return False
        before = max(gate.tape.base, int(gate.state.clean[s]), onset - BEFORE_DAYS * gate.slots)
        if onset - before < gate.slots // 4:
            return False
        value = gate.tape.of(s, "value", before, onset)
        earlier = _mean(value - gate.answer(before, onset)[0][:, s] - gate.state.bias[s])
        return bool(abs(difference - earlier) < 0.5 * abs(difference))

    def _odds(self, onset: int, row: int, s: int, difference: float) -> float:
        """How much likelier a fault is than water."""
        gate = self.gate
        layout, learnt, tape = gate.layout, gate.learnt, gate.tape
        assert learnt is not None
        before = max(tape.base, onset - BEFORE_DAYS * gate.slots)
        slot = tape.slots(before, row + 1)
        cut = onset - before
        value = tape.of(s, "value", before, row + 1)
        error = tape.of(s, "error", before, row + 1)
        usual = learnt.course.usual[slot, s]
        n = row + 1 - onset

        def moved(series: Floats, column: int) -> tuple[float, float]:
            now, then = _mean(series[cut:]), _mean(series[:cut])
            return now - then, learnt.course.spread_of(column, n) * learnt.caution

        if layout.what[s] == INLET:
            virtual, spread = moved(value - error - usual, s)
            if not np.isfinite(virtual) or not np.isfinite(spread):
                return 1.0
            gain = learnt.gain[s]
            return flow_odds(difference, virtual, spread, float(gain)) if np.isfinite(gain) else 1.0
        own, own_spread = moved(value - usual, s)
        area = int(layout.area[s])
        column = len(layout.what) + area
        inflow = tape.floats("inflow", before, row + 1)[:, area] - learnt.course.usual[slot, column]
        flow, flow_spread = moved(inflow, column)
        if not np.isfinite(own) or not np.isfinite(own_spread):
            return 1.0
        if not np.isfinite(flow) or not np.isfinite(flow_spread):
            flow, flow_spread = 0.0, float("inf")
        odds = head_odds(difference, own, own_spread, flow, flow_spread, learnt.relation.response[s])
        return odds * alone_odds(difference, self._hidden(before, onset, row, s))

    def _hidden(self, before: int, onset: int, row: int, s: int) -> float:
        """By how much another pressure or level of the area has moved against the rest since ``onset`` [m],
        from what it did since ``before``, or may have moved unseen: two deviations. NaN without one."""
        gate = self.gate
        learnt, layout = gate.learnt, gate.layout
        assert learnt is not None
        trusted = ~gate.doubtful(before, row + 1)
        trusted[:, s] = False
        values = gate.freed(before, row + 1)
        error = np.where(trusted, values - compare(values, trusted, learnt.relation, layout).answer, np.nan)
        steps = np.sqrt(row + 1 - onset) / learnt.relation.persistence
        worst = float("nan")
        for k in np.flatnonzero((layout.area == layout.area[s]) & (layout.what != INLET)).tolist():
            moved = _mean(error[onset - before :, k]) - _mean(error[: onset - before, k])
            step = _mean(learnt.relation.scale[:, k]) / steps[k]
            worst = float(np.fmax(worst, abs(moved) + 2 * learnt.caution * np.hypot(learnt.daily[k], step)))
        return worst

    def _peers(self, s: int) -> list[int]:
        layout = self.gate.layout
        together: Bools = np.asarray(layout.member[layout.member[:, s]].any(axis=0))
        together[s] = False
        scale = self.gate.learnt.relation.scale if self.gate.learnt is not None else None
        return [
            int(k)
            for k in np.flatnonzero(together)
            if scale is not None and np.isfinite(scale[0, k]) and not self.gate.state.is_faulty(int(k))
        ]

    def _worst(self, onset: int, row: int, s: int, *, noise: bool, device: bool = False) -> bool:
        """Whether no neighbour departs as much: a faulty sensor spoils what is expected of the others.

        device: sensors of the same device are no rivals.
        """
        gate = self.gate
        assert gate.learnt is not None
        trusted = ~gate.doubtful(onset, row + 1)
        values, area = gate.freed(onset, row + 1), int(gate.layout.area[s])
        found = powers(values, trusted, gate.learnt.relation, gate.layout, area, scatter=noise)
        if found is None or s not in found.members:
            return False
        power = found.power
        mine = power[found.members == s][0]
        margin = 2 * np.log(gate.options.odds)
        rivals = found.members != s
        if device:
            number = gate.layout.device
            rivals &= number[found.members] != number[s]
        return bool((mine > power[rivals] + margin).all())

    def _later(self, row: int, s: int, n: int) -> Verdict:
        """Not decided: look again when there is a quarter more to see."""
        gate = self.gate
        gate.state.retry[s] = row + max(1, n // 4)
        if n >= LONGEST_DAYS * gate.slots - 8:
            gate.state.rest(s, row + 1)
        return NOTHING


def readings_of_area(
    gate: Gate, first: int, last: int, area: int, believed: Bools
) -> tuple[Floats, Group] | None:
    """Transformed readings of rows [first, last) of an area's related sensors, and their relation.

    What is in doubt is NaN, but for sensors in ``believed`` (S,). None where there is no relation.
    """
    learnt = gate.learnt
    group = learnt.relation.groups[area] if learnt is not None and area >= 0 else None
    if learnt is None or group is None:
        return None
    values = gate.freed(first, last)
    values[gate.doubtful(first, last, but=believed)] = np.nan
    return transformed(values, gate.layout.what, learnt.relation.usual)[:, group.members], group


def _shift(x: Floats, group: Group, column: Bools) -> float:
    """The shift of one member that explains transformed values (T, M) best: mean of (K z)_i / K_ii."""
    k = int(np.flatnonzero(column)[0])
    found = ((x - group.mean) @ group.inverse[:, k]) / group.inverse[k, k]
    return _mean(found)


def _mean(values: Floats) -> float:
    ok = np.isfinite(values)
    return float(values[ok].mean()) if ok.any() else float("nan")
