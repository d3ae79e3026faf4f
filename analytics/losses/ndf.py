"""Night-day factor: from leakage at night to leakage in a day.

Farley & Trow (2003), ch. 5 (as hour-day factor); Lambert & Taylor (2010), Water Loss Guidelines, Water New
Zealand. Pressure is highest at night, so 24 times the night's leakage is too much for a gravity system; with
pressure that is lowered at night it is too little. Factors from below 10 to above 60 h/day are known.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DEFAULT_N1 = 1.0
"""FAVAD exponent where nothing was measured: large zones of mixed pipes are close to 1 on average; 157 tests
in six data sets had 1.14 (Thornton, Sturm & Kunkel 2008, Water Loss Control, table 10.9)."""


def daily_profile(values: Floats, slot: Ints, slots: int, least: int = 3) -> Floats:
    """Mean of each step of the day, (slots, S).

    values (T, S), NaN where missing; slot (T,): step of the local day, 0 .. slots-1. NaN where fewer than
    ``least`` values were measured.
    """
    known = np.isfinite(values)
    total = np.zeros((slots, values.shape[1]))
    count = np.zeros((slots, values.shape[1]))
    np.add.at(total, slot, np.where(known, values, 0.0))
    np.add.at(count, slot, known)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count >= least, total / count, np.nan)


def lowest_night_slot(inflow: Floats, night: tuple[float, float]) -> Ints:
    """First step of the rolling hour within ``night`` in which the mean inflow is least, (S,).

    inflow (slots, S): as of ``daily_profile``, NaN where not known; night: local hours [from, to). -1 where
    no whole hour of the night is known. A step longer than an hour counts as it is.
    """
    slots = len(inflow)
    width = max(1, round(slots / 24))
    first, last = round(night[0] * slots / 24), round(night[1] * slots / 24)
    if last <= first:
        last += slots
    starts = np.arange(first, max(last - width, first) + 1)
    rows = (starts[:, None] + np.arange(width)) % slots
    hours = inflow[rows].mean(axis=1)
    found = np.where(np.isnan(hours), np.inf, hours)
    return np.where(np.isfinite(found).any(axis=0), starts[found.argmin(axis=0)] % slots, -1)


def pressure_of_hour(pressure: Floats, start: Ints) -> Floats:
    """Mean pressure (S,) [m] of the hour that begins at step ``start`` (S,) of the day; NaN where it is -1.

    pressure (slots, S).
    """
    slots, columns = pressure.shape
    width = max(1, round(slots / 24))
    rows = (np.maximum(start, 0)[None, :] + np.arange(width)[:, None]) % slots
    return np.where(start < 0, np.nan, pressure[rows, np.arange(columns)].mean(axis=0))


def night_day_factor(pressure: Floats, night_pressure: Floats, n1: ArrayLike) -> Floats:
    """Hours of the night's leakage that make up a day's leakage [h/day], (S,).

    sum over the day of (P_i / P_night)^N1, each P_i for its share of 24 hours. pressure (slots, S): mean zone
    pressure of each step of the day [m]; 0 while there is no supply; night_pressure (S,): at the hour of
    minimum night flow [m]; n1 (S,) or scalar: FAVAD exponent. NaN where a step or the night is not known, or
    the night has no pressure.
    """
    usable = np.where(night_pressure > 0, night_pressure, np.nan)
    ratio = np.maximum(pressure, 0.0) / usable
    return np.asarray((ratio ** np.asarray(n1, np.float64)).sum(axis=0) * 24.0 / len(pressure))
