"""How leakage answers to pressure: the FAVAD exponent N1, from what happened when pressure was changed.

May (1994), Pressure Dependent Leakage, World Water and Environmental Engineering: leakage varies as P^N1.
Field tests lower the pressure of a zone at night in steps, take the night use off the inflow and compare
(Thornton, Sturm & Kunkel 2008, Water Loss Control, eq. 10.4 and "Measuring N1 in the Field"). Here nights
before and after a lasting change of pressure stand for the steps.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

Floats = NDArray[np.float64]

LOWEST_N1, HIGHEST_N1 = 0.36, 2.95
"""Range of 157 tests in six data sets (Thornton, Sturm & Kunkel 2008, table 10.9): an estimate beyond it says
that something else than pressure changed."""

CONFIRM = 3
"""Nights in a row at the new pressure before a change counts as a step."""
PAST = 14
"""Nights before that the new pressure is held against; at least 5 must be known."""
SIGMAS = 4.0
LEAST_SHARE = 0.05
"""A smaller change of pressure tells nothing of N1: at 5 % and N1 = 1 leakage changes by 5 %, which is what
night use does by itself."""
WINDOW = 7
"""Nights on each side of a step that are compared: few, so that leaks that come and go do not blur it."""


class PressureStep(NamedTuple):
    """A lasting change of night pressure. Indices of nights; before, after [m].

    night: the first at the new pressure; detected: the one after which that was known.
    """

    night: int
    detected: int
    before: float
    after: float


class Exponent(NamedTuple):
    """N1 with its 95 % interval, NaN where there is none; ``reason`` then says why, else "".

    steps, nights: what it rests on. reason: no_step (pressure never changed enough), no_leakage (no leakage
    left beside night use, or too few nights), opposite (leakage rose as pressure fell: a leak, not a valve),
    implausible (outside of all that was ever measured; n1 is given all the same).
    """

    n1: float
    low: float
    high: float
    steps: int
    nights: int
    reason: str


def pressure_steps(pressure: Floats) -> list[PressureStep]:
    """Steps of one zone's night pressure (D,) [m], one value a night, NaN where not known.

    Causal: a step is declared on the third night in a row that differs, in the same direction, by four
    robust deviations and 5 % from the median of the nights since the last step (14 at most).
    """
    known = np.flatnonzero(np.isfinite(pressure))
    found: list[PressureStep] = []
    origin = 0  # in ``known``: where the present level began
    for i in range(len(known)):
        first = i - CONFIRM + 1
        past = pressure[known[max(origin, first - PAST) : max(first, 0)]]
        if len(past) < 5:
            continue
        middle = float(np.median(past))
        spread = 1.4826 * float(np.median(np.abs(past - middle)))
        change = pressure[known[first : i + 1]] - middle
        least = max(SIGMAS * spread, LEAST_SHARE * abs(middle))
        if (change > least).all() or (change < -least).all():
            after = float(np.median(pressure[known[first : i + 1]]))
            found.append(PressureStep(int(known[first]), int(known[i]), middle, after))
            origin = first
    return found


def leakage_exponent(leakage: Floats, pressure: Floats, steps: list[PressureStep]) -> Exponent:
    """N1 of one zone from the nights around its pressure steps.

    leakage (D,) [m3/s]: night flow less legitimate night use; pressure (D,) [m] at that hour. Regression of
    ln(leakage) on ln(pressure) over up to seven nights on each side of each step, a level of its own for each
    step; interval from the scatter of the nights (Student's t). What is wrong with the night use that was
    taken off is not in it: too much taken off makes N1 too high.
    """
    if not steps:
        return _nothing("no_step", 0)
    usable = np.flatnonzero((leakage > 0) & (pressure > 0))
    sums = np.zeros(3)  # xx, xy, yy
    nights = used = against = 0
    bounds = [0, *(s.night for s in steps), len(pressure)]
    for k, step in enumerate(steps):
        before = usable[(usable >= bounds[k]) & (usable < step.night)][-WINDOW:]
        after = usable[(usable >= step.night) & (usable < bounds[k + 2])][:WINDOW]
        if len(before) < CONFIRM or len(after) < CONFIRM:
            continue
        x0, x1 = np.log(pressure[before]), np.log(pressure[after])
        y0, y1 = np.log(leakage[before]), np.log(leakage[after])
        error = np.sqrt(y0.var(ddof=1) / len(y0) + y1.var(ddof=1) / len(y1))
        if (y1.mean() - y0.mean()) * np.sign(x1.mean() - x0.mean()) < -2 * error:
            against += 1
            continue
        x, y = np.concatenate([x0, x1]), np.concatenate([y0, y1])
        x, y = x - x.mean(), y - y.mean()
        sums += (x @ x, x @ y, y @ y)
        nights += len(x)
        used += 1
    if not used:
        return _nothing("opposite" if against else "no_leakage", len(steps))
    xx, xy, yy = sums.tolist()
    n1 = xy / xx
    free = nights - used - 1
    half = float(stdtrit(free, 0.975)) * float(np.sqrt(max(yy - n1 * xy, 0.0) / free / xx))
    reason = "" if LOWEST_N1 <= n1 <= HIGHEST_N1 else "implausible"
    return Exponent(n1, n1 - half, n1 + half, used, nights, reason)


def _nothing(reason: str, steps: int) -> Exponent:
    return Exponent(np.nan, np.nan, np.nan, steps, 0, reason)
