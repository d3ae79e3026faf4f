"""When is a faulty sensor itself again?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analytics.gate.fault import Fault, FaultKind
from analytics.gate.judge import readings_of_area
from analytics.gate.relation import strain

if TYPE_CHECKING:
    from analytics.gate.gate import Gate

HOURS = {
    FaultKind.STUCK: 2.0,
    FaultKind.OFFSET: 4.0,
    FaultKind.DRIFT: 4.0,
    FaultKind.SPIKE: 24.0,
    FaultKind.NOISE: 12.0,
    FaultKind.CLOCK: 24.0,
    FaultKind.REVERSED: 3.0,
    FaultKind.IMPOSSIBLE: 3.0,
}
"""So long must a sensor have been well [h]: longer where its fault comes and goes."""

WELL = 1.8
"""A sensor is well while its root mean square difference is below so many deviations."""

SHIFTED = 1.0
"""And its mean difference below so many deviations of a step: neighbours know no mean to a hair."""


FAR_OFF = 4.0
"""What scatters no more but stands so many deviations off is shifted: a leak seldom moves one so far."""

RELATED = (FaultKind.OFFSET, FaultKind.DRIFT, FaultKind.CLOCK)
"""Faults that are over when the sensor fits in among its neighbours again."""

SCATTERED = (FaultKind.NOISE, FaultKind.SPIKE)
"""Faults that are over when it scatters no more: where it stands then is another question, for a leak may
have moved the others meanwhile."""

FITS = 2.0
"""A sensor fits in again while the strain among its area's sensors, it included, is below so many times the
usual."""


SURE, LONGEST_DAYS = 3.0, 3
"""A shift must be told from none by so many deviations before it is over, but in so many days at most."""


def _fits(gate: Gate, f: Fault, first: int, row: int) -> bool:
    layout = gate.layout
    believed = np.arange(len(layout.what)) == f.sensor
    if f.kind is FaultKind.CLOCK:
        believed = layout.device == layout.device[f.sensor]
    seen = readings_of_area(gate, first, row + 1, int(layout.area[f.sensor]), believed)
    if seen is None or gate.learnt is None:
        return False
    x, group = seen
    found = strain(x, group)
    found = found[np.isfinite(found)]
    limit = FITS * group.strain * gate.learnt.caution
    return 4 * len(found) >= 3 * (row + 1 - first) and float(np.mean(found)) < limit


def _steps_to_tell(gate: Gate, f: Fault) -> int:
    """Steps after which a mean tells the shift from none: half of it is ``SURE`` deviations of a mean."""
    assert gate.learnt is not None
    relation = gate.learnt.relation
    scale = float(np.nanmean(relation.scale[:, f.sensor])) * gate.learnt.caution
    if not np.isfinite(scale) or f.size == 0:
        return 0
    steps = (2 * SURE * scale * relation.persistence[f.sensor] / abs(f.size)) ** 2
    return int(min(np.ceil(steps), LONGEST_DAYS * gate.slots))


def _back_where_it_was(gate: Gate, s: int, first: int, row: int) -> bool:
    """Whether a sensor that was known to stand shifted reads what its neighbours say without that."""
    assert gate.learnt is not None
    error = gate.tape.of(s, "error", first, row + 1)
    error = error[np.isfinite(error)]
    scale = float(np.nanmean(gate.learnt.relation.scale[:, s])) * gate.learnt.caution
    if gate.state.bias[s] == 0 or 4 * len(error) < 3 * (row + 1 - first):
        return False
    return bool(abs(np.mean(error)) < SHIFTED * scale and np.std(error) < WELL * scale)


def recovered(gate: Gate, f: Fault, row: int) -> bool:
    """Whether the sensor has been well long enough at the end of ``row``; then the fault is ended."""
    need = max(2, round(HOURS[f.kind] * 3600 / gate.step_s))
    if f.kind in (FaultKind.OFFSET, FaultKind.DRIFT) and gate.learnt is not None:
        need = max(need, _steps_to_tell(gate, f))
    first = row + 1 - need
    if first <= max(f.onset, gate.tape.base) or gate.learnt is None:
        return False
    s = f.sensor
    value = gate.tape.cut("value", first, row + 1)[:, s]
    wrong = gate.tape.cut("wrong", first, row + 1)[:, s]
    known = np.isfinite(np.asarray(value, np.float64))
    if 4 * known.sum() < 3 * need or wrong.any() or gate.state.run[s] > 0:
        return False
    if f.kind is FaultKind.STUCK and 4 * len(np.unique(value[known])) < 3 * known.sum():
        limit = int(gate.learnt.run[s])
        if limit < 2 * need:  # a sensor that seldom repeats itself
            return False
    if f.kind is FaultKind.REVERSED and (np.asarray(value, np.float64)[known] < 0).any():
        return False
    if f.kind in (FaultKind.OFFSET, FaultKind.DRIFT) and _back_where_it_was(gate, s, first, row):
        gate.state.bias[s] = 0.0
        f.end, f.closed = first, row
        return True
    if f.kind in RELATED and not _fits(gate, f, first, row):
        return False
    z = gate.tape.of(s, "z", first, row + 1)
    z = z[np.isfinite(z)]
    if 2 * len(z) >= need and f.kind in SCATTERED:
        around = z - np.mean(z)
        if np.sqrt(np.mean(around**2)) >= WELL or np.abs(around).max() > gate.options.spike:
            return False
        if abs(np.mean(z)) >= FAR_OFF:  # it has been shifted all the while, or is now
            error = gate.tape.of(s, "error", first, row + 1) - gate.state.bias[s]
            f.kind, f.size = FaultKind.OFFSET, float(np.nanmean(error))
            return False
    elif 2 * len(z) >= need and f.kind is not FaultKind.STUCK:
        tight = np.sqrt(np.mean(z * z)) < WELL
        if not (tight and abs(np.mean(z)) < SHIFTED):
            return False
        if f.kind in (FaultKind.OFFSET, FaultKind.DRIFT):
            error = gate.tape.of(s, "error", first, row + 1) - gate.state.bias[s]
            if abs(float(np.nanmean(error))) > 0.5 * abs(f.size):
                return False
    elif f.kind in RELATED or f.kind in SCATTERED:
        return False
    f.end, f.closed = first, row
    return True
