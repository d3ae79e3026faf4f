"""All that the gate learns from the past, at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.gate.course import Course, learn_course
from analytics.gate.layout import INLET, LEVEL, OTHER, Layout
from analytics.gate.options import Options
from analytics.gate.relation import Relation, compare, learn
from analytics.gate.stuck import run_limit
from analytics.noise import nanmedian, robust_scale

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

BALANCED_S = 6 * 3600.0
"""A tank may stand still for hours, while as much flows in as out [s]."""

AT_REST = 0.01
"""A meter that reads 0 for so large a share of the time rests now and then [-]."""


class Learnt(NamedTuple):
    """relation, course: see there; the course has the areas' inflows as columns after the sensors.

    usual (S,): median size of each sensor [SI]. run (S,): steps of one value in a row that are a fault. rests
    (S,): meters that stand at 0 at times, as behind a pump.
    daily (S,): deviation of a day's mean difference from the neighbours' answer [SI], NaN where unknown.
    gain (S,): share of what a sensor moves with its area's own demand that its neighbours show [-]. least
    (S,): smallest shift that is told [SI]. caution: by how much all deviations are taken wider while days are
    few [-].
    """

    relation: Relation
    course: Course
    usual: Floats
    run: Ints
    rests: Bools
    daily: Floats
    gain: Floats
    least: Floats
    caution: float


class Learning:
    """Learning from readings (N, S) [SI] in which faulty and dry hours are NaN, areas' inflows (N, D) [m3/s].

    It takes as long as some twenty steps together; so that no step has to wait for all of it, it is done in
    ``PIECES``, one a call of ``piece``. What comes out does not depend on when they are done.
    """

    PIECES = 4

    def __init__(
        self,
        values: Floats,
        inflow: Floats,
        slot: Ints,
        slots: int,
        layout: Layout,
        options: Options,
        before: Learnt | None = None,
    ) -> None:
        """slot (N,): of the local day, of ``slots``. before: what was learnt earlier, which stays where there
        is nothing new."""
        self._values, self._inflow, self._slot, self._slots = values, inflow, slot, slots
        self._layout, self._options, self._before = layout, options, before
        self._relation: Relation | None = None
        self._answer: Floats | None = None
        self._course: Course | None = None
        self._whole: Learnt | None = None

    def same(self, values: Floats, inflow: Floats, slot: Ints, before: Learnt | None) -> bool:
        """Whether it is this that it learns from."""
        return (
            before is self._before
            and np.array_equal(slot, self._slot)
            and np.array_equal(values, self._values, equal_nan=True)
            and np.array_equal(inflow, self._inflow, equal_nan=True)
        )

    def piece(self) -> None:
        """Do the next piece, if there is one left."""
        if self._relation is None:
            hour = self._slot * 24 // self._slots
            before = None if self._before is None else self._before.relation
            self._relation = learn(self._values, hour, self._layout, self._options, before)
        elif self._answer is None:
            known = np.isfinite(self._values)
            self._answer = compare(self._values, known, self._relation, self._layout).answer
        elif self._course is None:
            both = np.concatenate([self._values, self._inflow], axis=1)
            self._course = learn_course(both, self._slot, self._slots)
        elif self._whole is None:
            self._whole = self._joined(self._relation, self._answer, self._course)

    def whole(self) -> Learnt:
        """All that there is to learn, after what is left to do."""
        while self._whole is None:
            self.piece()
        return self._whole

    def _joined(self, relation: Relation, answer: Floats, course: Course) -> Learnt:
        values, inflow, slot, slots = self._values, self._inflow, self._slot, self._slots
        layout, options, before = self._layout, self._options, self._before
        error = values - answer
        days = len(values) // slots
        folded = error[: days * slots].reshape(days, slots, -1)
        finite = np.isfinite(folded)
        with np.errstate(invalid="ignore", divide="ignore"):
            means = np.where(
                2 * finite.sum(axis=1) >= slots,
                np.where(finite, folded, 0.0).sum(axis=1) / finite.sum(axis=1),
                np.nan,
            )
        least_scale = np.nanmin(np.where(np.isfinite(relation.scale), relation.scale, np.inf), axis=0)
        floor = least_scale / np.sqrt(slots)
        daily = np.fmax(robust_scale(means, tail=True), floor)
        usual = nanmedian(np.abs(values)) if len(values) else np.full(len(layout.what), np.nan)
        daily = np.where(np.isfinite(daily), daily, np.nan)
        run = run_limit(values, slot * 24 // slots, 86400 / slots, options.years)
        run = np.where(layout.what == LEVEL, np.maximum(run, int(BALANCED_S * slots / 86400)), run)
        with np.errstate(invalid="ignore"):
            zero = (values == 0).sum(axis=0) >= AT_REST * np.maximum(np.isfinite(values).sum(axis=0), 1)
        rests = zero & ((layout.what == INLET) | (layout.what == OTHER))
        sensors = values.shape[1]
        departure = inflow - course.usual[slot, sensors:]
        net = np.where(layout.area[None] >= 0, departure[:, layout.area], np.nan)
        day = course.usual[slot, :sensors]
        gain = _slope(answer - day, net) / _slope(values - day, net)
        gain = np.where(np.isfinite(gain), np.clip(gain, 0.0, 1.0), np.nan)
        if before is not None:
            usual = np.where(np.isfinite(usual), usual, before.usual)
            daily = np.where(np.isfinite(daily), daily, before.daily)
            run = np.where(np.isfinite(values).any(axis=0), run, before.run)
            rests = rests | before.rests
            gain = np.where(np.isfinite(gain), gain, before.gain)
            course = Course(
                np.where(np.isfinite(course.usual), course.usual, before.course.usual),
                course.lengths,
                np.where(np.isfinite(course.spread), course.spread, before.course.spread),
            )
        least = np.where(np.isfinite(layout.least), layout.least, options.least_share * usual)
        return Learnt(relation, course, usual, run, rests, daily, gain, least, 1.0 + 7.0 / max(days, 1))


def _slope(moved: Floats, inflow: Floats) -> Floats:
    """Slope of series over inflow, both less their usual day, (N, S) -> (S,); NaN where it is not known."""
    both = np.isfinite(moved) & np.isfinite(inflow)
    a, b = np.where(both, inflow, 0.0), np.where(both, moved, 0.0)
    power = (a * a).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where((power > 0) & (both.sum(axis=0) >= 96), (a * b).sum(axis=0) / power, np.nan)
