"""What another pressure would save: leakage of a day by FAVAD, from leakage at night and pressure by the
hour.

May (1994), Pressure Dependent Leakage; Lambert (2001), What Do We Know About Pressure:Leakage Relationships
in Distribution Systems?, IWA, Brno: L1 / L0 = (P1 / P0)^N1. Breaks: Thornton & Lambert (2006), Managing
Pressures to Reduce New Breaks, Water 21: over 112 zones, 1.4 % fewer for each per cent of maximum pressure,
0.7 to 2.8."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytics.losses.babe import BACKGROUND_N1

Floats = NDArray[np.float64]

BREAKS_PER_CENT = (0.7, 1.4, 2.8)
"""Fewer breaks [%] for each per cent less of maximum pressure: low, mean, high (Thornton & Lambert 2006)."""


class Saving(NamedTuple):
    """Leakage of a day [m3/day] as it is and with other pressures, the difference with 95 % limits, and its
    parts. NaN where the leakage at night is not known."""

    now: float
    then: float
    saved: float
    low: float
    high: float
    background: float
    bursts: float


def leakage_day(at_night: float, night_m: float, pressure_m: ArrayLike, n1: float) -> float:
    """Leakage of a day [m3/day]: at_night [m3/s] at ``night_m`` [m], pressure_m (24,) [m] of each hour."""
    pressure = np.maximum(np.asarray(pressure_m, np.float64), 0.0)
    return float(at_night * 3600.0 * ((pressure / night_m) ** n1).sum())


def saving(
    at_night: tuple[float, float, float],
    night_m: float,
    now_m: ArrayLike,
    then_m: ArrayLike,
    n1: tuple[float, float, float],
    background: float = float("nan"),
) -> Saving:
    """What pressures ``then_m`` save against ``now_m``, both (24,) [m], mean of the zone.

    at_night: leakage at night [m3/s] with its 95 % limits; night_m: zone pressure then [m]. n1: FAVAD
    exponent with its limits. background: part of it that no survey finds [m3/s], which follows
    pressure^1.5; NaN: not known. The limits are those of leakage and of N1, to first order, as two errors
    that know nothing of one another."""
    flow, low, high = at_night
    exponent, flat, steep = n1

    def saved(n: float) -> float:
        return leakage_day(flow, night_m, now_m, n) - leakage_day(flow, night_m, then_m, n)

    now, then = leakage_day(flow, night_m, now_m, exponent), leakage_day(flow, night_m, then_m, exponent)
    by_flow = abs(now - then) * (high - low) / 2 / flow if flow > 0 else float("nan")
    by_exponent = abs(saved(steep) - saved(flat)) / 2
    half = float(np.hypot(by_flow, by_exponent))
    part = min(background, flow)
    of_background = leakage_day(part, night_m, now_m, BACKGROUND_N1) - leakage_day(
        part, night_m, then_m, BACKGROUND_N1
    )
    return Saving(
        now, then, now - then, now - then - half, now - then + half, of_background, now - then - of_background
    )


def fewer_breaks(now_m: ArrayLike, then_m: ArrayLike) -> tuple[float, float, float]:
    """Share of new breaks [-] that a lower maximum pressure may spare: low, mean, high; 0 where it is not
    lower."""
    before, after = float(np.max(now_m)), float(np.max(then_m))
    fall = max(0.0, (before - after) / before) if before > 0 else 0.0
    low, mean, high = (min(1.0, fall * k) for k in BREAKS_PER_CENT)
    return low, mean, high
