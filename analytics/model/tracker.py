"""Any number of leaks at once, day by day: found, placed, followed as they grow, and seen to be repaired.

Each day the model is solved with the known leaks in it. What it leaves unexplained at the sensors is
what the model gets wrong (a bias, learnt slowly), changes of known leaks, noise of demands, or something
new. A Kalman filter holds the biases and the leaks' flows. For something new the residuals of the last 1, 2,
4 ... 32 days are held against what was believed before them (a generalised likelihood ratio after Willsky &
Jones 1976, IEEE Trans. Autom. Control 21(1)): with one more leak of unknown flow at each pipe, or with an
error of one sensor. The filter then goes back to the start of the change and comes forward again with the
leak in the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve

from analytics.model.belief import MODES, Belief, Innovation, innovation, updated
from analytics.model.evidence import Factors, Placed, Window, bayes_factors, place
from analytics.model.layout import Hours, Hydraulics, Layout
from analytics.model.noise import Noise
from analytics.model.observe import Observation, Reference, leak_rows, observe, signatures
from analytics.model.options import M3H, Options
from analytics.model.positive import factor

Floats = NDArray[np.float64]

SPREAD = 60
"""Pipes that stand for all in what a leak's uncertain place means for the sensors."""

REVISED = (1, 2, 3, 5, 8, 12, 18, 25, 35, 45, 60)
"""Ages [days] at which a leak's place is worked out anew."""

YOUNG = 20
"""Days after its finding in which a leak may still grow."""

SETTLED = 0.05
"""A leak that has stopped growing changes by this part of what others may."""

MOST = 0.8
"""Share of the inflow that leaks may take in the model."""

LOG_REPAIR = -3.4
"""Of a known leak to be repaired on a given day: one in thirty, logarithm."""

SENSOR_PRIOR = 1e-3
"""Of one sensor to be off rather than a leak to have begun; shared by all sensors."""


NOTHING = Belief(np.zeros(0), np.zeros((0, 0)), (), 0)
"""What is believed before the first day that could be solved."""


@dataclass(slots=True)
class Leak:
    """One leak. Days count from the tracker's first.

    probability (P,) of each pipe; weight (N,): the same over nodes. onset: last day before it, found: day
    whose end decided, modes (R, MODES): patterns of what may be wrong about its signature, per m3/s. closed:
    day it was seen to be over. flow, flow_sd: by day [m3/s]. evidence: log Bayes factor at its finding.
    known: a repair told of it, nothing had been seen before.
    """

    id: int
    probability: Floats
    weight: Floats
    onset: int
    found: int
    evidence: float
    modes: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    known: bool = False
    closed: int | None = None
    flow: dict[int, float] = field(default_factory=dict)
    flow_sd: dict[int, float] = field(default_factory=dict)
    top: float = 0.0
    settled: bool = False
    fell: int = -1
    revised: int = 0


class Note(NamedTuple):
    """What was decided at the end of a day: "found", "closed", "moved", "sensor", "repaired",
    "unread" or "anew"."""

    day: int
    what: str
    leak: int
    detail: str


class Saved(NamedTuple):
    """A tracker as it was at the end of a day."""

    day: int
    made: int
    leaks: dict[int, Leak]
    notes: tuple[Note, ...]
    noise: Noise
    reference: Reference | None
    days: dict[int, tuple[Hours, Observation]]
    after: dict[int, Belief]
    rows_of: dict[tuple[int, int], Floats]
    noise_of: dict[int, Floats]


def _copied(leak: Leak) -> Leak:
    return replace(leak, flow=dict(leak.flow), flow_sd=dict(leak.flow_sd))


class Tracker:
    """See the module. Feed it one day after another with ``advance``; then read ``leaks``."""

    def __init__(self, layout: Layout, hydraulics: Hydraulics, options: Options | None = None) -> None:
        self.layout, self.hydraulics = layout, hydraulics
        self.options = options or Options()
        self.leaks: dict[int, Leak] = {}
        self.notes: list[Note] = []
        self.day = -1
        self._made = 0
        self.noise = Noise(self.options, len(layout.sensors), layout.zones)
        blocks, self._m = len(self.options.blocks), len(layout.sensors)
        self._pressures = blocks * self._m
        self._rows = self._pressures + blocks * layout.zones
        self._row_sensor = np.where(
            np.arange(self._rows) < self._pressures, np.arange(self._rows) % max(self._m, 1), -1
        )
        self._row_block = np.where(
            np.arange(self._rows) < self._pressures,
            np.arange(self._rows) // max(self._m, 1),
            (np.arange(self._rows) - self._pressures) // max(layout.zones, 1),
        )
        self._one_block = self._row_block[:, None] == self._row_block
        self._prior = np.log(np.maximum(layout.length, 0.1) / np.maximum(layout.length, 0.1).sum())
        self._reference: Reference | None = None
        self._days: dict[int, tuple[Hours, Observation]] = {}
        self._after: dict[int, Belief] = {-1: NOTHING}
        self._rows_of: dict[tuple[int, int], Floats] = {}
        self._noise_of: dict[int, Floats] = {}
        self._start = self.saved()

    @property
    def open(self) -> list[Leak]:
        """Leaks that run, oldest first."""
        return [leak for leak in self.leaks.values() if leak.closed is None and not leak.known]

    def unexplained(self) -> float:
        """Root mean square of what the last day left at the sensors [m], NaN where it was not solved."""
        if self.day not in self._days or not self._after[self.day].biases:
            return float("nan")
        day, here = self._days[self.day][1], self._after[self.day]
        left = self._measured(self.day) - self._bias_rows(day) @ here.mean[: here.biases]
        for k in here.ids:
            left = left - self._effect(self.day, k, here, here.flow(k))
        left = left[: self._pressures]
        left = left[np.isfinite(left)]
        return float(np.sqrt(np.mean(left**2))) if len(left) else float("nan")

    def felt(self, leak: Leak) -> Floats:
        """By how much it changes the pressure at each sensor on the last day (M,) [m], mean over the day."""
        here = self._after[self.day]
        effect = self._effect(self.day, leak.id, here, here.flow(leak.id))[: self._pressures]
        return np.asarray(effect.reshape(-1, self._m).mean(0))

    # -- and back ------------------------------------------------------------------------------------

    def saved(self) -> Saved:
        """Where it stands, to go back to. Arrays are shared: none is changed in place."""
        return Saved(
            self.day,
            self._made,
            {k: _copied(leak) for k, leak in self.leaks.items()},
            tuple(self.notes),
            deepcopy(self.noise),
            self._reference,
            dict(self._days),
            dict(self._after),
            dict(self._rows_of),
            dict(self._noise_of),
        )

    def restore(self, saved: Saved) -> None:
        """Be as it was when ``saved`` was taken, of this tracker or of one alike."""
        self.day, self._made = saved.day, saved.made
        self.leaks = {k: _copied(leak) for k, leak in saved.leaks.items()}
        self.notes, self.noise = list(saved.notes), deepcopy(saved.noise)
        self._reference = saved.reference
        self._days, self._after = dict(saved.days), dict(saved.after)
        self._rows_of, self._noise_of = dict(saved.rows_of), dict(saved.noise_of)

    # -- a day ---------------------------------------------------------------------------------------

    def advance(self, hours: Hours, repaired: Sequence[int] = ()) -> list[Note]:
        """Take one more day. repaired: pipes (indices of ``Layout.pipes``) known to have been repaired in
        it.

        A day whose numbers break the arithmetic (readings of another place, in another unit) is taken as one
        without readings; where not even that helps, all that was known before it is forgotten.
        """
        before = self.saved()
        try:
            return self._advance(hours, repaired)
        except np.linalg.LinAlgError as e:
            self.restore(before)
            nothing = hours._replace(
                head=np.full_like(hours.head, np.nan), inflow=np.full_like(hours.inflow, np.nan)
            )
            try:
                self._advance(nothing, ())
                self.notes.append(Note(self.day, "unread", -1, f"taken as a day without readings: {e}"))
            except np.linalg.LinAlgError:
                start = self._start._replace(day=before.day, made=before.made, notes=before.notes)
                self.restore(start._replace(after={before.day: NOTHING}))
                self._advance(nothing, ())
                self.notes.append(Note(self.day, "anew", -1, "all before it is forgotten"))
            return self.notes[len(before.notes) :]

    def _advance(self, hours: Hours, repaired: Sequence[int]) -> list[Note]:
        self.day += 1
        d, before = self.day, len(self.notes)
        self._step(d, hours, disturbed=bool(repaired))
        for pipe in repaired:
            self._repaired(d, pipe)
        if not repaired and self._reference is not None:
            self._look(d)
        self._review(d)
        for old in [k for k in self._after if k < d - self.options.history]:
            del self._after[old]
        for old in [k for k in self._days if k < d - self.options.history]:
            del self._days[old]
            self._noise_of.pop(old, None)
        for key in [k for k in self._rows_of if k[0] < d - self.options.history]:
            del self._rows_of[key]
        return self.notes[before:]

    def _step(self, d: int, hours: Hours, *, disturbed: bool, again: bool = False) -> None:
        """From the belief after day d - 1 to that after day d."""
        before = self._after[d - 1]
        if before.biases:
            predicted = self._predicted(before, self._wander())
            flows = self._believable(predicted.flows(), hours)
            day = self._observe(hours, predicted.ids, flows, disturbed)
        else:
            day = self._observe(hours, (), np.zeros(0), disturbed)
            if self._reference is None:
                self._days[d], self._after[d] = (hours, day), before
                return
            predicted = self._predicted(self._first(before, day), self._wander())
        self.noise.begin(day.residual[self._pressures :], day.inflow)
        after, seen, predicted = self._update(d, hours, day, predicted)
        flows = self._believable(after.flows(), hours)
        if len(flows) and np.abs(flows - day.flows).max() > 1.0 * M3H:
            # Head loss is no linear thing: solve again with flows near those that were found.
            day = self._observe(hours, after.ids, flows, disturbed)
            after, seen, predicted = self._update(d, hours, day, predicted)
        if not again and not day.trouble:
            own = np.diag(self._noise_of[d])[seen.rows]
            self.noise.learn_balances(seen, own, self._pressures, hours.weekday)
        for leak_id in after.ids:
            self._follow(d, after, self.leaks[leak_id])
        self._after[d] = after
        if not again and not day.trouble:
            self.noise.learn(self._change(d), day)

    def _change(self, d: int) -> Floats:
        """What is left on day d less what was on the day before (R,), NaN where that says nothing."""
        nothing = np.full(self._rows, np.nan)
        if d - 1 not in self._days or self._days[d - 1][1].trouble:
            return nothing
        left = []
        for j in (d, d - 1):
            here = self._after[j]
            rest = self._measured(j)
            for k in here.ids:
                rest = rest - self._effect(j, k, here, here.flow(k))
            left.append(rest - self._bias_rows(self._days[j][1]) @ self._after[d].mean[: self._biases])
        return left[0] - left[1]

    def _believable(self, flows: Floats, hours: Hours) -> Floats:
        """No leak runs backwards, and all together lose no more than most of what flows in."""
        out: Floats = np.maximum(flows, 0.0)
        known = hours.inflow[:, np.isfinite(hours.inflow).any(0)]
        inflow = float(np.nanmean(known, 0).sum()) if known.size else np.inf
        if out.sum() > MOST * inflow > 0:
            out = out * (MOST * inflow / out.sum())
        return out

    def _predicted(self, before: Belief, wander: Floats) -> Belief:
        settled = np.array([self.leaks[k].settled for k in before.ids], bool)
        calm = np.where(settled, SETTLED * self.options.calm, self.options.calm)
        return before.predicted(wander, calm, np.where(settled, SETTLED, 1.0) * self.options.pace)

    def _first(self, nothing: Belief, day: Observation) -> Belief:
        assert self._reference is not None
        first = np.ones(self._biases)
        first[self._offsets] = self.options.offset_sd**2
        # Nothing is known of a balance before the first, but that it is no more than the inflow.
        inflow = np.where(np.isfinite(day.inflow), np.abs(day.inflow), 0.0)
        first[self._bases] = np.maximum(inflow, 0.01) ** 2
        return Belief(np.zeros(self._biases), np.diag(first), nothing.ids, self._biases)

    @property
    def _modes_count(self) -> int:
        return 0 if self._reference is None else self._reference.modes.shape[1]

    @property
    def _biases(self) -> int:
        return self._modes_count + self._m + self._rows - self._pressures

    @property
    def _offsets(self) -> slice:
        return slice(self._modes_count, self._modes_count + self._m)

    @property
    def _bases(self) -> slice:
        return slice(self._modes_count + self._m, self._biases)

    def _wander(self) -> Floats:
        each = np.full(self._biases, 1.0)
        each[self._offsets] = self.options.offset_sd**2
        each /= 365.25 * self.options.bias_years
        usual = np.where(np.isfinite(self.noise.balance), self.noise.balance, 0.0)
        each[self._bases] = 0.05**2 * usual
        return np.diag(each)

    def _observe(self, hours: Hours, ids: tuple[int, ...], flows: Floats, disturbed: bool) -> Observation:
        weights = np.array([self.leaks[k].weight for k in ids]).reshape(len(ids), len(self.layout.zone))
        day, self._reference = observe(
            self.layout, self.hydraulics, self.options, hours, weights, flows, self._reference
        )
        day.trouble |= disturbed
        day.ids = ids
        rows = [leak_rows(self.layout, day.response, w) for w in weights]
        day.placed = np.array(rows).reshape(len(ids), self._rows)
        return day

    def _bias_rows(self, day: Observation) -> Floats:
        """How biases show in the rows of a day, (R, biases)."""
        out = np.zeros((self._rows, self._biases))
        p = self._pressures
        out[:p, : self._modes_count] = day.wrong
        out[:p, self._offsets] = np.tile(np.eye(self._m), (len(self.options.blocks), 1))
        out[p:, self._bases] = np.eye(self._rows - p)
        return out

    def _leak_rows(self, d: int, leak: int) -> Floats:
        """Rows (R,) of a unit of that leak at day d."""
        if (d, leak) not in self._rows_of:
            self._rows_of[d, leak] = leak_rows(
                self.layout, self._days[d][1].response, self.leaks[leak].weight
            )
        return self._rows_of[d, leak]

    def _measured(self, d: int) -> Floats:
        """Residual of day d, put as if no leak had been in the model (R,)."""
        hours, day = self._days[d]
        out = day.residual.copy()
        out[self._pressures :] -= self.noise.rhythm[hours.weekday]
        p = self._pressures
        out[:p] += day.flows @ day.placed[:, :p]
        return out

    def _update(
        self, d: int, hours: Hours, day: Observation, predicted: Belief
    ) -> tuple[Belief, Innovation, Belief]:
        self._days[d] = (hours, day)
        for key in [k for k in self._rows_of if k[0] == d]:
            del self._rows_of[key]
        self._noise_of[d] = self.noise.covariance(day)
        leaks = [self._leak_rows(d, k) for k in predicted.ids]
        rows = np.array(leaks).reshape(len(leaks), self._rows)
        for k, row in zip(predicted.ids, rows, strict=True):
            if self.leaks[k].onset == d - 1:
                part = self.options.part_day * max(predicted.flow(k), 0.0) * row
                self._noise_of[d] = self._noise_of[d] + np.where(self._one_block, np.outer(part, part), 0.0)
        modes = np.array([self.leaks[k].modes for k in predicted.ids]).reshape(len(leaks), self._rows, MODES)
        measured, bias = self._measured(d), self._bias_rows(day)
        for _ in range(3):
            flow = np.maximum(predicted.flows(), 0.0)
            seen = innovation(predicted, measured, bias, rows, flow[:, None, None] * modes, self._noise_of[d])
            gone = self._fallen(predicted, seen, rows) if len(seen.rows) and not day.trouble else None
            if gone is None:
                break
            lost = predicted.flow(gone)
            self.leaks[gone].fell = d
            self.leaks[gone].settled = False
            predicted = predicted.widened(gone, lost**2, (0.3 * lost) ** 2)
        return updated(predicted, seen), seen, predicted

    def _fallen(self, predicted: Belief, seen: Innovation, rows: Floats) -> int | None:
        """The leak that has most likely been repaired since yesterday, None where none has."""
        best, which = self.options.gone, None
        for k, leak in enumerate(predicted.ids):
            flow = predicted.flow(leak)
            if flow < 0.7 * M3H or predicted.flow_sd(leak) > 0.8 * flow:
                continue
            a, b = seen.leverage(rows[k])
            change = b / (a + flow**-2)
            evidence = -0.5 * np.log1p(flow**2 * a) + 0.5 * b * b / (a + flow**-2)
            if change < -0.4 * flow and evidence > best:
                best, which = evidence, leak
        return which

    def _follow(self, d: int, after: Belief, leak: Leak) -> None:
        """Note the leak's flow."""
        leak.flow[d], leak.flow_sd[d] = max(after.flow(leak.id), 0.0), after.flow_sd(leak.id)
        leak.top = max(leak.top, leak.flow[d])
        last = [leak.flow.get(j, np.nan) for j in range(d - 7, d + 1)]
        if d - leak.found >= 10 and np.ptp(last) < max(0.6 * M3H, 0.08 * leak.flow[d]):
            leak.settled = True

    def _effect(self, j: int, leak: int, belief: Belief, flow: float) -> Floats:
        """What a leak of ``flow`` does to the rows of day j (R,), errors of its signature as believed."""
        out = self._leak_rows(j, leak)
        if leak in belief.ids:
            out = out + self.leaks[leak].modes @ belief.mean[belief.errors(leak)]
        return flow * out

    def _modes(self, d: int, leak: Leak) -> Floats:
        """The largest patterns (R, MODES) of what may be wrong about its signature, per m3/s."""
        values, vectors = np.linalg.eigh(self._misfit(d, leak))
        best = slice(len(values) - MODES, None)
        out: Floats = vectors[:, best] * np.sqrt(np.maximum(values[best], 0.0))
        if out.shape[1] < MODES:
            out = np.pad(out, ((0, 0), (0, MODES - out.shape[1])))
        return out

    def _misfit(self, d: int, leak: Leak) -> Floats:
        """Covariance (R, R) per (m3/s)2 of what is wrong about a leak's signature: its place and the
        model."""
        day = self._days[d][1]
        best = np.argsort(-leak.probability, kind="stable")[:SPREAD]
        p = leak.probability[best] / leak.probability[best].sum()
        each = self._signatures(day, best)
        mean = each @ p
        apart = (each - mean[:, None]) * np.sqrt(p)
        own = self.options.signature_error**2 * np.outer(mean, mean)
        same = (self._row_sensor[:, None] == self._row_sensor) & (self._row_sensor[:, None] >= 0)
        out: Floats = apart @ apart.T + np.where(same, own, 0.0)
        return out

    def _signatures(self, day: Observation, pipes: NDArray[np.int64] | None = None) -> Floats:
        layout = self.layout if pipes is None else self.layout._replace(pipes=self.layout.pipes[pipes])
        return signatures(layout, self.options, day.response)

    # -- something new ---------------------------------------------------------------------------------

    def _window(self, d: int, length: int) -> Window | None:
        """The last ``length`` days against what was believed before them; None without a belief that old."""
        first = d - length
        if first not in self._after or not self._after[first].biases:
            return None
        before, now = self._after[first], self._after[d]
        r = self._rows
        biases = self._biases
        bias, shown = before.mean[:biases], np.zeros((r, biases))
        total, weight = np.zeros(r), np.zeros(r)
        noise = np.zeros((r, r))
        leaks: dict[int, Floats] = {}
        running: dict[int, float] = {}
        days = [j for j in range(first + 1, d + 1) if self._days[j][1] is not None]
        ahead = self._ahead(before, days) if length <= 4 else {}
        for j in days:
            day = self._days[j][1]
            here = self._after[j]
            rows_of_bias = self._bias_rows(day)
            left = self._measured(j) - rows_of_bias @ bias
            for k in here.ids:
                leaks[k] = leaks.get(k, np.zeros(r)) + self._leak_rows(j, k)
                flow = ahead[j].flow(k) if self._foreseen(ahead, j, k, first) else here.flow(k)
                left = left - self._effect(j, k, before, flow)
                running[k] = running.get(k, 0.0) + max(flow, 0.0)
            u = np.where(np.isfinite(left), 1e-3 if day.trouble else 1.0, 0.0)
            total += u * np.nan_to_num(left)
            weight += u
            shown += u[:, None] * rows_of_bias
            noise += np.outer(u, u) * self._noise_of[j] * (1e-4 if day.trouble else 1.0)
        ok = weight > 0
        if not ok.any():
            return None
        w = np.where(ok, weight, 1.0)
        mean, shown = total / w, shown / w[:, None]
        doubt = before.covariance.copy()
        doubt[:biases, :biases] += self._wander() * (length / 3 + 0.5)
        observing = np.zeros((r, len(doubt)))
        observing[:, :biases] = shown
        for k in before.ids:
            if k in running:
                observing[:, before.errors(k)] = running[k] / len(days) * self.leaks[k].modes
        covariance = observing @ doubt @ observing.T
        covariance += noise / np.outer(w, w) * (1.0 + 0.3 * min(length, 4) / 4)
        for k, rows in leaks.items():
            was, is_ = max(before.flow(k), 0.0), max(now.flow(k), 0.0)
            part = rows / len(days)
            if self._foreseen(ahead, d, k, first):
                is_ = max(ahead[d].flow(k), 0.0)
                calm = SETTLED if self.leaks[k].settled else 1.0
                slack = calm * (0.3 * M3H + 0.05 * is_) + ahead[d].flow_sd(k)
            else:
                slack = 0.3 * M3H + 0.05 * is_ + 0.5 * abs(is_ - was)
            covariance += slack**2 * np.outer(part, part)
            if k not in before.ids:
                wrong = running[k] / len(days) * self.leaks[k].modes
                covariance += wrong @ wrong.T
            # What began or ended within a day did not run in all of its blocks alike.
            uneven = self.options.part_day * abs(is_ - was) / length
            covariance += uneven**2 * np.where(self._one_block, np.outer(part, part), 0.0)
        covariance[~ok, ~ok] += 1e6
        mid = self._days[d if length <= 2 else days[len(days) // 2]][1]
        return Window(np.where(ok, mean, 0.0), covariance, self._signatures(mid))

    def _ahead(self, before: Belief, days: Sequence[int]) -> dict[int, Belief]:
        """Beliefs foretold for days to come: a jump must not be taken for growth that it then looks like."""
        out: dict[int, Belief] = {}
        calm = np.zeros((self._biases, self._biases))
        for j in days:
            before = self._predicted(before, calm)
            out[j] = before
        return out

    def _foreseen(self, ahead: dict[int, Belief], j: int, leak: int, first: int) -> bool:
        return j in ahead and leak in ahead[j].ids and self.leaks[leak].fell <= first

    def _look(self, d: int) -> None:
        """Anything new? Up to four changes a day."""
        spared: set[int] = set()
        settled = all(d - leak.found > 3 for leak in self.open)
        for _ in range(4):
            best: tuple[Placed, int, Factors] | None = None
            sensor: tuple[float, int, int, float] | None = None
            likely: list[tuple[float, int, int, Window, Factors]] = []
            fall: tuple[float, int, int] = (-np.inf, 0, -1)
            for length in self.options.windows:
                if length > d + 1:
                    break
                window = self._window(d, length)
                if window is None:
                    continue
                for start in range(len(self.options.blocks)) if length <= 2 else (0,):
                    late = self._late(window, length, start)
                    found = bayes_factors(late, self.options.flow_sd)
                    top = float((np.where(found.flow > 0, found.log, -np.inf) + self._prior).max())
                    if top > self.options.alarm - np.log(len(self._prior)):
                        likely.append((top, length, start, late, found))
                if settled:
                    off = self._sensor_off(window)
                    if off is not None and (sensor is None or off[0] > sensor[0]):
                        sensor = (off[0], length, off[1], off[2])
                if length <= 2:
                    for drop in self._drops(d, length, window):
                        fall = max(fall, drop, key=lambda x: x[0])
            likely.sort(key=lambda x: -x[0])
            for _, length, start, late, found in likely[:3]:
                placed = place(late, found, self.options.flow_sd, self._prior, self._errors(length, start))
                if best is None or placed.log > best[0].log:
                    best = (placed, length, found)
            evidence = -np.inf if best is None else best[0].log
            if sensor is not None and sensor[0] > max(evidence, self.options.alarm):
                if -1 - sensor[2] in spared:
                    return
                spared.add(-1 - sensor[2])
                self._relearn(d, sensor[1], sensor[2], sensor[3])
                continue
            if fall[0] > max(evidence - 3.0, self.options.gone) and -1000 - fall[2] not in spared:
                spared.add(-1000 - fall[2])
                self._drop(d, fall[1], fall[2])
                continue
            if best is None or evidence < self.options.alarm:
                return
            if self._moved(d, int(np.argmax(best[0].probability)), spared):
                continue
            if not self._take(d, best, spared):
                return

    def _moved(self, d: int, candidate: int, spared: set[int]) -> bool:
        """Whether a known leak that looks much like ``candidate`` to the sensors was placed anew for it.

        A leak that is not quite where it was thought to be leaves a pattern that looks like one more.
        """
        day = self._days[d][1]
        seen = self._bias_rows(day)
        doubt = self._after[d].covariance[: self._biases, : self._biases]
        white = factor(self._noise_of[d] + seen @ doubt @ seen.T)
        new = self._signatures(day, np.array([candidate]))[:, 0]
        solved = cho_solve(white, new)
        alike = []
        for leak in self.open:
            if leak.id in spared or leak.revised == d or d - leak.found < 1:
                continue
            rows = self._leak_rows(d, leak.id)
            size = (new @ solved) * float(rows @ cho_solve(white, rows))
            alike.append((float(rows @ solved) / np.sqrt(size), leak))
        for likeness, leak in sorted(alike, key=lambda x: -x[0])[:2]:
            if likeness < 0.8:
                break
            spared.add(leak.id)
            if self._place(d, leak):
                return True
        return False

    def _drops(self, d: int, length: int, window: Window) -> list[tuple[float, int, int]]:
        """Known leaks that may have been repaired in the window: log Bayes factor, length and leak."""
        out: list[tuple[float, int, int]] = []
        ids = [k for k in self._after[d - length].ids if self.leaks[k].closed is None]
        ids = [
            k for k in ids if self._after[d - length].flow(k) > 0.7 * M3H and self.leaks[k].fell <= d - length
        ]
        if not ids:
            return out
        rows = np.array([self._leak_rows(d, k) for k in ids]).T
        for start in range(len(self.options.blocks)):
            late = self._late(window._replace(signature=rows), length, start)
            for i, k in enumerate(ids):
                flow = self._after[d - length].flow(k)
                one = bayes_factors(late._replace(signature=late.signature[:, i : i + 1]), flow)
                if one.flow[0] < -0.1 * flow:
                    out.append((float(one.log[0]) + LOG_REPAIR, length, k))
        return out

    def _drop(self, d: int, length: int, leak: int) -> None:
        """A known leak may have any flow, from the window's start on."""
        self.leaks[leak].fell, self.leaks[leak].settled = d, False
        for j in range(d - length, d + 1):
            if leak in self._after[j].ids:
                flow = self._after[j].flow(leak)
                self._after[j] = self._after[j].widened(leak, flow**2, (0.3 * flow) ** 2)
        self._again(d - length, d, solve=True)

    def _late(self, window: Window, length: int, start: int) -> Window:
        """The window for a leak that did not run in the blocks before ``start`` of its first day."""
        before = (self._row_block < start)[:, None]
        return window._replace(
            signature=np.where(before, window.signature * (length - 1) / length, window.signature)
        )

    def _errors(self, length: int, start: int) -> list[tuple[NDArray[np.int64], float]]:
        """What is wrong about signatures over so many days: sensor by sensor, and how much ran in its first
        block (the others for growth)."""
        first = np.where(self._row_block == start, start, -1)
        return [
            (self._row_sensor, self.options.signature_error),
            (first, self.options.part_day / length),
            (self._row_block, 0.1),
        ]

    def _sensor_off(self, window: Window) -> tuple[float, int, float] | None:
        """Log Bayes factor, sensor and offset [m] of the sensor most likely to be off."""
        if not self._m:
            return None
        each = (self._row_sensor[:, None] == np.arange(self._m)).astype(float)
        found = bayes_factors(window._replace(signature=each), 0.5)
        k = int(np.argmax(found.log))
        return float(found.log[k]) + float(np.log(SENSOR_PRIOR / self._m)), k, float(found.flow[k])

    def _relearn(self, d: int, length: int, sensor: int, offset: float) -> None:
        at = self._offsets.start + sensor
        for j in range(d - length, d + 1):
            self._after[j] = wide = self._after[j].copy()
            wide.covariance[at, at] += 4 * offset**2
        self._again(d - length, d, solve=False)
        self.notes.append(Note(d, "sensor", -1, f"{sensor} off by {offset:.3f} m"))

    def _take(self, d: int, best: tuple[Placed, int, Factors], spared: set[int]) -> bool:
        """Make the evidence a new leak, or growth of one that grows; whether to look again."""
        (p, total), length, found = best
        top = int(np.argmax(p))
        flow = max(float(found.flow[top]), 0.3 * M3H)
        for leak in sorted(self.open, key=lambda k: -self._near(p, k)):
            if self._near(p, leak) < 0.5:
                break
            was = self._after[d - length]
            growth = max(was.growth(leak.id)[0], 0.0) if leak.id in was.ids else flow
            held = max(was.flow(leak.id), 0.0)
            young = d - leak.found <= YOUNG and not leak.settled
            # A hole grows, but it does not jump.
            if (
                leak.settled
                or flow > 1.0 * M3H + 0.35 * held + 2 * growth * length
                or not (young or growth > 0.01 * held)
            ):
                continue
            if leak.id in spared:
                return False
            spared.add(leak.id)
            for j in range(d - length, d + 1):
                if leak.id in self._after[j].ids:
                    wide = self._after[j].widened(leak.id, flow**2, (flow / length) ** 2)
                    self._after[j] = wide.unlearnt(leak.id) if j == d - length else wide
            self._again(d - length, d, solve=False)
            self._place(d, leak)
            return True
        leak = Leak(self._next_id(), p, self._over_nodes(p), d - length, d, total)
        leak.modes = self._modes(d, leak)
        self.leaks[leak.id] = leak
        start = self._after[d - length].added(
            leak.id, flow, self.options.flow_sd, max(self.options.slope_sd, flow / length / 2)
        )
        self._after[d - length] = start
        self._again(d - length, d, solve=True)
        after = self._after[d]
        if after.flow(leak.id) < max(0.3 * M3H, 2 * after.flow_sd(leak.id)):
            # With it in the model nothing is left for it: it was the shape of something else.
            del self.leaks[leak.id]
            for j in range(d - length, d + 1):
                if leak.id in self._after[j].ids:
                    self._after[j] = self._after[j].dropped(leak.id)
            self._again(d - length, d, solve=True)
            return False
        self.notes.append(Note(d, "found", leak.id, f"since {leak.onset}, evidence {total:.1f}"))
        # What is left beside a leak of a day is mostly its own: another is told apart tomorrow.
        return False

    def _next_id(self) -> int:
        self._made += 1
        return self._made - 1

    def _near(self, p: Floats, leak: Leak) -> float:
        """Share of a posterior that lies near a known leak."""
        at = int(np.argmax(leak.probability))
        return float(p[self.layout.distance[at] <= self.options.near_m].sum())

    def _again(self, first: int, d: int, *, solve: bool) -> None:
        """Come forward again from the belief after day ``first``."""
        carried = self._after[first].ids
        for j in range(first + 1, d + 1):
            hours, day = self._days[j]
            before = self._after[j - 1]
            # Leaks that were found or given up on that day stay so.
            had = self._after[j]
            if solve:
                self._step(j, hours, disturbed=day.trouble, again=True)
            else:
                predicted = self._predicted(before, self._wander())
                if predicted.ids == had.ids:
                    after, _, _ = self._update(j, hours, day, predicted)
                    for k in after.ids:
                        self._follow(j, after, self.leaks[k])
                    self._after[j] = after
                else:
                    self._step(j, hours, disturbed=day.trouble, again=True)
            after = self._after[j]
            for k in had.ids:
                if k not in after.ids and k not in carried:
                    after = after.added(k, had.flow(k), had.flow_sd(k), had.growth(k)[1])
                    carried = (*carried, k)
            for k in list(after.ids):
                closed = self.leaks[k].closed
                if closed is not None and closed <= j:
                    after = after.dropped(k)
            self._after[j] = after

    # -- known leaks -----------------------------------------------------------------------------------

    def _over_nodes(self, p: Floats) -> Floats:
        weight = np.zeros(len(self.layout.zone))
        np.add.at(weight, self.layout.start[self.layout.pipes], p / 2)
        np.add.at(weight, self.layout.end[self.layout.pipes], p / 2)
        return weight

    def _repaired(self, d: int, pipe: int) -> None:
        """A repair at ``pipe`` on day d: of a leak that is tracked, or of one that nobody had seen."""
        near = self.layout.distance[pipe] <= 500.0
        open_ = sorted(self.open, key=lambda k: -float(k.probability[near].sum()))
        if self._reference is None:
            return
        if open_ and open_[0].probability[near].sum() > 0.2:
            leak = open_[0]
            self._close(d, leak, "repaired")
            return
        p = np.zeros(len(self._prior))
        p[pipe] = 1.0
        leak = Leak(self._next_id(), p, self._over_nodes(p), d, d, 0.0, known=True)
        leak.modes = np.zeros((self._rows, MODES))
        self.leaks[leak.id] = leak
        self._after[d] = self._after[d].added(leak.id, 0.0, self.options.flow_sd, 0.0)
        self.notes.append(Note(d, "repaired", leak.id, "nothing had been seen of it"))

    def _close(self, d: int, leak: Leak, why: str) -> None:
        leak.closed = d
        if leak.id in self._after[d].ids:
            self._after[d] = self._after[d].dropped(leak.id)
        self.notes.append(Note(d, "closed", leak.id, why))

    def _review(self, d: int) -> None:
        """Place leaks anew now and then; give up those that have stopped."""
        for leak in list(self.leaks.values()):
            if leak.closed is not None or leak.id not in self._after[d].ids:
                continue
            age = d - leak.found
            if leak.known:
                continue
            if age in REVISED:
                self._place(d, leak)
            last = [leak.flow.get(j, np.inf) for j in range(d - 3, d + 1)]
            if age >= 4 and max(last) < max(0.3 * M3H, 0.1 * leak.top):
                self._close(d, leak, "stopped")

    def _place(self, d: int, leak: Leak) -> bool:
        """Where it is, from all days since its onset, each by how much leaked then; whether that is
        elsewhere."""
        first = leak.onset
        if first not in self._after:
            return False
        days = [
            j for j in range(first + 1, d + 1) if leak.flow.get(j, 0.0) > 0 and not self._days[j][1].trouble
        ]
        days = days[1:] or days  # it did not run all of its first day
        flow = np.array([leak.flow[j] for j in days])
        if not len(days) or flow.max() <= 0:
            return False
        keep = flow > 0.2 * flow.max()
        days, flow = [j for j, k in zip(days, keep, strict=True) if k], flow[keep]
        if len(days) > 24:
            some = np.unique(np.linspace(0, len(days) - 1, 24).astype(int))
            days, flow = [days[i] for i in some], flow[some]
        r = self._rows
        before = self._after[first]
        biases = self._biases
        total, weight, shown = np.zeros(r), np.zeros(r), np.zeros((r, biases))
        noise = np.zeros((r, r))
        signature = np.zeros((r, len(self._prior)))
        others: dict[int, tuple[Floats, list[float]]] = {}
        share = flow / flow.sum()
        for u0, q, j in zip(share, flow, days, strict=True):
            day, here = self._days[j][1], self._after[j]
            rows_of_bias = self._bias_rows(day)
            left = self._measured(j) - rows_of_bias @ before.mean[:biases]
            for k in here.ids:
                if k == leak.id:
                    continue
                rows = self._leak_rows(j, k)
                left = left - self._effect(j, k, here, here.flow(k))
                known, variances = others.get(k, (np.zeros(r), []))
                others[k] = (known + u0 * rows, [*variances, here.flow_sd(k) ** 2])
            u = np.where(np.isfinite(left), u0, 0.0)
            total += u * np.nan_to_num(left)
            weight += u
            shown += u[:, None] * rows_of_bias
            noise += np.outer(u, u) * self._noise_of[j]
            signature += u[:, None] * (q / flow.mean()) * self._signatures(day)
        ok = weight > 0
        w = np.where(ok, weight, 1.0)
        shown = shown / w[:, None]
        doubt = before.covariance[:biases, :biases] + self._wander() * (d - first) / 2
        covariance = shown @ doubt @ shown.T
        covariance = covariance + 1.3 * noise / np.outer(w, w)
        for k, (rows, variances) in others.items():
            covariance = covariance + float(np.mean(variances)) * np.outer(rows, rows)
            other = self.leaks[k]
            if k not in before.ids:
                wrong = max(other.flow.get(d, 0.0), 0.0) * other.modes
                covariance = covariance + 0.5 * wrong @ wrong.T
        covariance[~ok, ~ok] += 1e6
        window = Window(np.where(ok, total / w, 0.0), covariance, signature / w[:, None])
        wide = 2 * self.options.flow_sd
        p = place(
            window, bayes_factors(window, wide), wide, self._prior, self._errors(len(days), 0)
        ).probability
        moved = self.layout.distance[int(np.argmax(p)), int(np.argmax(leak.probability))]
        adopted = self._over_nodes(p)
        shared = float(np.minimum(adopted, leak.weight).sum())
        leak.probability, leak.revised = p, d
        if shared > 0.7:
            return False
        leak.weight, leak.modes = adopted, self._modes(d, leak)
        for key in [k for k in self._rows_of if k[1] == leak.id]:
            del self._rows_of[key]
        self._after[first] = self._after[first].unlearnt(leak.id)
        self.notes.append(Note(d, "moved", leak.id, f"{moved:.0f} m"))
        self._again(first, d, solve=False)
        return True
