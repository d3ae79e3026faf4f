"""Who uses the water that flowed in: demands of junctions scaled to what was measured."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.model.layout import Hours, Layout

Floats = NDArray[np.float64]

SCALED = 0.5
"""A zone whose customers are metered beyond this share is not scaled: its balance shows leaks by itself."""


class Allocation(NamedTuple):
    """demand (H, N) [m3/s]. share (H, N): part of a change of the zone's inflow that each junction gets, 0 in
    zones that are not scaled. guessed (H, N) [m3/s]: demand of junctions without a meter, without leaks and
    imposed flows. unmetered (H, Z) [m3/s]: inflow less metered consumption, leaks included, NaN where an
    inflow is missing. scaled, borrowed (Z,): zones scaled to their inflow; and those that have to take after
    the others."""

    demand: Floats
    share: Floats
    guessed: Floats
    unmetered: Floats
    scaled: NDArray[np.bool_]
    borrowed: NDArray[np.bool_]


def allocate(layout: Layout, hours: Hours, leak: Floats) -> Allocation:
    """Demands of junctions with the leaks (N,) [m3/s] among them.

    In a zone that is mostly not metered the inflow less metered consumption and leaks is spread over the
    other junctions as the nominal model would. In a zone that is mostly metered they use what the nominal
    model says times the ratio that the metered ones show. In a zone without a measured inflow, and in hours
    when it is missing, the ratio of all others.
    """
    h = len(hours.hour)
    nominal = hours.nominal
    demand = np.zeros(nominal.shape)
    share = np.zeros(nominal.shape)
    z = layout.zones
    unmetered = np.full((h, z), np.nan)
    scaled, borrowed = np.zeros(z, bool), np.zeros(z, bool)
    is_metered = np.zeros(len(layout.zone), bool)
    is_metered[layout.meters] = True
    ratio_sum, ratio_of = np.zeros(h), np.zeros(h)
    later = []
    for k in range(z):
        member = layout.zone == k
        free = member & ~is_metered
        mine = np.flatnonzero(layout.zone[layout.meters] == k)
        usual = nominal[:, layout.meters[mine]]
        measured = hours.metered[:, mine]
        used, expected = np.nansum(measured, 1), np.where(np.isfinite(measured), usual, 0.0).sum(1)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = np.where(expected > 0, used / expected, 1.0)
        filled = np.where(np.isfinite(measured), measured, usual * ratio[:, None])
        demand[:, layout.meters[mine]] = filled
        weight = np.where(free, nominal, 0.0)
        total = weight.sum(1)
        unmetered[:, k] = hours.inflow[:, k] - filled.sum(1)
        known = bool(np.isfinite(hours.inflow[:, k]).any())
        scaled[k] = known and total.sum() > SCALED * (total.sum() + usual.sum())
        if scaled[k]:
            rest = unmetered[:, k] - leak[member].sum()
            floor = 0.02 * np.abs(unmetered[:, k])  # leaks taken too large must not turn demand around
            with np.errstate(invalid="ignore", divide="ignore"):
                part = np.where(total[:, None] > 0, weight / total[:, None], 0.0)
            share += part
            heard = np.isfinite(rest)
            used = np.where(heard, np.maximum(rest, floor), 0.0)
            demand += part * used[:, None]
            ratio_sum += used
            ratio_of += np.where(heard, total, 0.0)
            if not heard.all():
                later.append(np.where(heard[:, None], 0.0, weight))
        elif len(mine):
            demand += weight * ratio[:, None]
        else:
            later.append(weight)
            borrowed[k] = bool(weight.any())
    if later:
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = np.where(ratio_of > 0, ratio_sum / ratio_of, 1.0)
        for weight in later:
            demand += weight * ratio[:, None]
    guessed = np.where(is_metered, 0.0, demand)
    for column, link in enumerate(layout.imposed.tolist()):
        demand[:, layout.start[link]] += hours.imposed[:, column]
        demand[:, layout.end[link]] -= hours.imposed[:, column]
    demand += leak
    demand[:, layout.fixed] = 0.0
    return Allocation(demand, share, guessed, unmetered, scaled, borrowed)
