"""What is believed of the errors of the model and of the known leaks, day by day: a Kalman filter that can be
taken back."""

from __future__ import annotations

from copy import deepcopy
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError

from analytics.model.belief import MODES, Belief, Innovation, innovation, updated
from analytics.model.layout import Hours, Hydraulics, Layout
from analytics.model.leak import Leak, Note
from analytics.model.noise import Noise
from analytics.model.observe import Observation, Reference, leak_rows, observe, signatures
from analytics.model.options import M3H, Options
from analytics.model.work import Work

Floats = NDArray[np.float64]

SPREAD = 60
"""Pipes that stand for all in what a leak's uncertain place means for the sensors."""

SETTLED = 0.003
"""A leak that has stopped growing changes by this share of its flow a day: pressure follows the seasons."""

MOST = 0.8
"""Share of the inflow that leaks may take in the model."""

BACKWARDS = 0.1 * M3H
"""What is found to flow less than nothing flows nothing, give or take so much [m3/s]."""

OFF_FACTOR = 2.0
"""How far off a sensor may come back that was off: deviation, by what it was off by."""

NOTHING = Belief(np.zeros(0), np.zeros((0, 0)), (), 0)
"""What is believed before the first day that could be solved."""


class Out(NamedTuple):
    """A sensor that is not believed on days first to last; rest: for how many after it was seen to be off, by
    ``offset`` [m]."""

    sensor: int
    first: int
    last: int
    rest: int
    offset: float


class Saved(NamedTuple):
    """A filter as it was at the end of a day."""

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
    out: tuple[Out, ...]


class Filter:
    """Days, beliefs after each of them, and the leaks in them.

    Rows (R,) of a day: pressures block by block, then balances of zones block by block.
    """

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
        self._out: tuple[Out, ...] = ()
        self._start = self.saved()

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

    def saved(self) -> Saved:
        """Where it stands, to go back to. Arrays are shared: none is changed in place."""
        return Saved(
            self.day,
            self._made,
            {k: leak.copied() for k, leak in self.leaks.items()},
            tuple(self.notes),
            deepcopy(self.noise),
            self._reference,
            dict(self._days),
            dict(self._after),
            dict(self._rows_of),
            dict(self._noise_of),
            self._out,
        )

    def restore(self, saved: Saved) -> None:
        """Be as it was when ``saved`` was taken, of this tracker or of one alike."""
        self.day, self._made = saved.day, saved.made
        self.leaks = {k: leak.copied() for k, leak in saved.leaks.items()}
        self.notes, self.noise = list(saved.notes), deepcopy(saved.noise)
        self._reference = saved.reference
        self._days, self._after = dict(saved.days), dict(saved.after)
        self._rows_of, self._noise_of = dict(saved.rows_of), dict(saved.noise_of)
        self._out = saved.out

    def _step(self, d: int, hours: Hours, *, disturbed: bool, again: bool = False) -> Work[None]:
        """From the belief after day d - 1 to that after day d."""
        before = self._after[d - 1]
        if before.biases:
            predicted = self._predicted(d, before, self._wander())
            flows = self._believable(predicted.flows(), hours)
            day = yield from self._observe(hours, predicted.ids, flows, disturbed)
            yield
        else:
            day = yield from self._observe(hours, (), np.zeros(0), disturbed)
            yield
            if self._reference is None:
                self._days[d], self._after[d] = (hours, day), before
                return
            predicted = self._predicted(d, self._first(before, day), self._wander())
        self.noise.begin(day.residual[self._pressures :], day.inflow)
        after, seen, predicted = self._update(d, hours, day, predicted)
        yield
        flows = self._believable(after.flows(), hours)
        if len(flows) and np.abs(flows - day.flows).max() > 1.0 * M3H:
            # Head loss is no linear thing: solve again with flows near those that were found.
            day = yield from self._observe(hours, after.ids, flows, disturbed)
            yield
            after, seen, predicted = self._update(d, hours, day, predicted)
            yield
        if not again and not day.trouble:
            own = np.diag(self._noise_of[d])[seen.rows]
            self.noise.learn_balances(seen, own, self._pressures, hours.weekday)
        for leak_id in after.ids:
            self.leaks[leak_id].follow(d, after.flow(leak_id), after.flow_sd(leak_id))
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

    def _predicted(self, d: int, before: Belief, wander: Floats) -> Belief:
        """What is believed of day d after the day before: leaks grow on, those that have stopped stay, and
        one that was seen to fall may have any flow."""
        for k in before.ids:
            if self.leaks[k].fell == d - 1:
                # It was repaired some time in that day: it need not run on as it did on the mean.
                before = before.fallen(k, max(before.flow(k), 0.0) ** 2)
        for k in before.ids:
            if self.leaks[k].steady(d - 1):
                before = before.fallen(k, 0.0)
        settled = np.array([self.leaks[k].steady(d - 1) for k in before.ids], bool)
        flows = np.maximum(before.flows(), 0.0)
        return before.predicted(
            wander + self._unsure(d, d),
            np.where(settled, 0.0, self.options.calm),
            np.where(settled, 0.0, self.options.pace),
            np.where(settled, SETTLED * flows, 0.5 * self.options.calm),
        )

    def _first(self, nothing: Belief, day: Observation) -> Belief:
        assert self._reference is not None
        first = np.ones(self._biases)
        first[self._offsets] = self.options.datum_sd**2
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

    def _unsure(self, first: int, last: int) -> Floats:
        """What more is not known of offsets, (biases, biases), of sensors that are off from one of these days
        on."""
        more = np.zeros(self._biases)
        for o in self._out:
            if first <= o.first <= last:
                more[self._offsets.start + o.sensor] += (OFF_FACTOR * o.offset) ** 2
        return np.diag(more)

    def _observe(
        self, hours: Hours, ids: tuple[int, ...], flows: Floats, disturbed: bool
    ) -> Work[Observation]:
        weights = np.array([self.leaks[k].weight for k in ids]).reshape(len(ids), len(self.layout.zone))
        day, self._reference = yield from observe(
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
        """Residual of day d, put as if no leak had been in the model (R,), NaN of sensors that are out."""
        hours, day = self._days[d]
        out = day.residual.copy()
        out[self._pressures :] -= self.noise.rhythm[hours.weekday]
        p = self._pressures
        out[:p] += day.flows @ day.placed[:, :p]
        out[np.isin(self._row_sensor, [o.sensor for o in self._out if o.first <= d <= o.last])] = np.nan
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
        try:
            return self._seen(d, day, predicted, measured, bias, rows, modes)
        except LinAlgError:
            return self._seen(d, day, predicted.sound(), measured, bias, rows, modes)

    def _seen(
        self,
        d: int,
        day: Observation,
        predicted: Belief,
        measured: Floats,
        bias: Floats,
        rows: Floats,
        modes: Floats,
    ) -> tuple[Belief, Innovation, Belief]:
        """What a day's rows make of what was foretold; leaks that have been repaired since are let go."""
        for _ in range(3):
            flow = np.maximum(predicted.flows(), 0.0)
            seen = innovation(predicted, measured, bias, rows, flow[:, None, None] * modes, self._noise_of[d])
            gone = self._fallen(predicted, seen, rows) if len(seen.rows) and not day.trouble else None
            if gone is None:
                break
            lost = predicted.flow(gone)
            self.leaks[gone].fell = d
            self.leaks[gone].settled = None
            predicted = predicted.fallen(gone, lost**2)
        return updated(predicted, seen).held(BACKWARDS).forward(), seen, predicted

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

    def _again(self, first: int, d: int, *, solve: bool) -> Work[None]:
        """Come forward again from the belief after day ``first``."""
        carried = self._after[first].ids
        for j in range(first + 1, d + 1):
            hours, day = self._days[j]
            before = self._after[j - 1]
            # Leaks that were found or given up on that day stay so.
            had = self._after[j]
            if solve:
                yield from self._step(j, hours, disturbed=day.trouble, again=True)
            else:
                predicted = self._predicted(j, before, self._wander())
                if predicted.ids == had.ids:
                    after, _, _ = self._update(j, hours, day, predicted)
                    for k in after.ids:
                        self.leaks[k].follow(j, after.flow(k), after.flow_sd(k))
                    self._after[j] = after
                    yield
                else:
                    yield from self._step(j, hours, disturbed=day.trouble, again=True)
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

    def _over_nodes(self, p: Floats) -> Floats:
        weight = np.zeros(len(self.layout.zone))
        np.add.at(weight, self.layout.start[self.layout.pipes], p / 2)
        np.add.at(weight, self.layout.end[self.layout.pipes], p / 2)
        return weight
