"""Minimum night flow of supplied hours, and what it is made of.

Farley & Trow (2003), Losses in Water Distribution Networks, ch. 5; UKWIR 99/WM/08/21 (1999), Leakage
Estimation from Night Flow Analysis: the lowest rolling hour of each night, 20th percentile of seven days.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.night import NightFlow, legitimate_use, night_flow, usual_night_flow

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

SUPPLIED_M = 2.0
"""Below this zone pressure an area counts as not supplied [m]: a tap on the ground floor gives nothing."""
SUPPLIED_SHARE = 0.01
"""Inflow below this share of its usual mean is no supply [-]: the legitimate night use alone is some 7 % of
it (1.7 of 25 l/connection/h)."""
LEAST_OFF_S = 3600.0
"""Without pressures, inflow as low as that must last this long [s] to be a cut: less is a meter's hiccup."""
REFILL_S = 3600.0
"""After a cut the pipes and customers' tanks fill first [s]: that inflow is no night flow."""


def supplied(
    inflow: Floats, pressure: Floats, usual: Floats, step_s: float, *, floor_m: float = SUPPLIED_M
) -> Bools:
    """Which steps an area was supplied with water in, (T, S).

    inflow (T, S) [m3/s]; pressure (T, S): mean zone pressure [m], NaN where there is none; usual (S,): mean
    inflow when supplied [m3/s]. Pressure decides where it is known; else a stretch of an hour and more with
    inflow below 1 % of usual is a cut. Steps of which nothing is known count as supplied: they are missing,
    not dry.
    """
    by_pressure = pressure >= floor_m
    low = np.abs(inflow) < SUPPLIED_SHARE * usual
    off = np.zeros(inflow.shape, bool)
    least = max(1, round(LEAST_OFF_S / step_s))
    for column in range(inflow.shape[1]):
        for a, b in _runs(low[:, column]):
            if b - a >= least:
                off[a:b, column] = True
    return np.where(np.isfinite(pressure), by_pressure, ~off)


def settled(on: Bools, step_s: float, refill_s: float = REFILL_S) -> Bools:
    """``on`` (T, S) without the steps in which pipes fill after a cut."""
    out = on.copy()
    width = max(1, round(refill_s / step_s))
    for column in range(on.shape[1]):
        for _, b in _runs(~on[:, column]):
            out[b : b + width, column] = False
    return out


def supplied_night_flow(
    inflow: Floats, on: Bools, day: Ints, hour: Floats, step_s: float, night: tuple[float, float]
) -> NightFlow:
    """Night flow of hours in which water was on and the pipes were full.

    Arguments and result as of ``analytics.night.night_flow``; on (T, S) as of ``settled``. A night counts if
    three quarters of it were measured and at least one whole hour of it was supplied.
    """
    plain = night_flow(inflow, day, hour, step_s, night)
    if on.all():
        return plain
    wet = night_flow(np.where(on, inflow, np.nan), day, hour, step_s, night, least=0.0)
    lowest = np.where(np.isnan(plain.lowest), np.nan, wet.lowest)
    return NightFlow(plain.night, lowest, usual_night_flow(plain.night, lowest))


def legitimate_night_use(connections: Floats, per_connection: Floats, exceptional: Floats) -> Floats:
    """Night use that customers explain [m3/s], (S,).

    connections [-] times use [m3/s a connection], plus exceptional [m3/s]: users that each take much at
    night, such as hospitals and factories, by their own metering (Thornton, Sturm & Kunkel 2008, sect. 16.6).
    """
    return legitimate_use(connections, per_connection) + exceptional


class NightParts(NamedTuple):
    """Night flow and its parts [m3/s], (S,); legitimate + background + burst = flow. NaN: not known.

    legitimate, background: never more than what there is of flow; leakage = flow - legitimate.
    """

    flow: Floats
    legitimate: Floats
    leakage: Floats
    background: Floats
    burst: Floats


def night_parts(flow: Floats, legitimate: Floats, background: Floats) -> NightParts:
    """Divide night flow (S,) [m3/s] into what customers use, background leakage and bursts.

    flow: usual minimum night flow; legitimate: as of ``legitimate_night_use``; background: as of
    ``analytics.losses.babe.background_leakage`` at night pressure. Net night flow = flow - legitimate; bursts
    are what background leakage does not explain (Farley & Trow 2003, ch. 5).
    """
    used = np.minimum(np.maximum(flow, 0.0), legitimate)
    leakage = flow - used
    quiet = np.minimum(np.maximum(leakage, 0.0), background)
    return NightParts(flow, used, leakage, quiet, leakage - quiet)


def _runs(flag: Bools) -> list[tuple[int, int]]:
    """[start, end) of each stretch in which ``flag`` (T,) is true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flag, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
