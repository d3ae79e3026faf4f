"""The top-down water balance of the IWA, every component with its 95 % limits.

Lambert & Hirner (2000), Losses from Water Supply Systems: Standard Terminology and Recommended Performance
Measures, IWA Blue Pages; Alegre et al. (2000), Performance Indicators for Water Supply Services, IWA; AWWA
M36 (2009), Water Audits and Loss Control Programs. All volumes [m3] of one and the same period.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.losses.uncertain import UNKNOWN, Z95, Uncertain

Floats = NDArray[np.float64]


class WaterBalance(NamedTuple):
    """The balance [m3], from top to bottom. A component that is not known has the value NaN.

    system_input = authorised + losses; authorised = billed + unbilled; losses = apparent + real;
    nrw = system_input - billed = unbilled + losses.
    """

    system_input: Uncertain
    billed_metered: Uncertain
    billed_unmetered: Uncertain
    billed: Uncertain
    unbilled_metered: Uncertain
    unbilled_unmetered: Uncertain
    unbilled: Uncertain
    authorised: Uncertain
    losses: Uncertain
    unauthorised: Uncertain
    meter_error: Uncertain
    data_error: Uncertain
    apparent: Uncertain
    real: Uncertain
    nrw: Uncertain


def water_balance(
    system_input: Uncertain,
    *,
    billed_metered: Uncertain,
    billed_unmetered: Uncertain,
    unbilled_metered: Uncertain,
    unbilled_unmetered: Uncertain,
    unauthorised: Uncertain,
    under_registration: Uncertain,
    data_error: Uncertain,
) -> WaterBalance:
    """The balance from what went in and what is known of where it went [m3].

    under_registration: share r of what passes customers' meters that these do not count [-]; the water so
    missed is metered * r / (1 - r) (AWWA M36, ch. 3). unauthorised: theft and illegal connections;
    data_error: read but lost on the way to the bill. UNKNOWN wherever a volume is not known: then all that
    needs it is not known either, while NRW only needs input and bills.
    """
    billed = billed_metered + billed_unmetered
    unbilled = unbilled_metered + unbilled_unmetered
    authorised = billed + unbilled
    losses = system_input - authorised
    meter_error = (billed_metered + unbilled_metered) * _missed(under_registration)
    apparent = unauthorised + meter_error + data_error
    return WaterBalance(
        system_input, billed_metered, billed_unmetered, billed, unbilled_metered, unbilled_unmetered,
        unbilled, authorised, losses, unauthorised, meter_error, data_error, apparent, losses - apparent,
        system_input - billed,
    )  # fmt: skip


def _missed(share: Uncertain) -> Uncertain:
    """r / (1 - r), with its slope 1 / (1 - r)^2; not known for a share that is none."""
    if not 0 <= share.value < 1:
        return UNKNOWN
    left = 1 - share.value
    return Uncertain(share.value / left, {k: p / left**2 for k, p in share.parts.items()})


def metered_input(
    volume: Floats, sign: Floats, accuracy: float, names: list[str], other: float = 0.0
) -> Uncertain:
    """Net volume through the meters of an area [m3], each with an error of its own.

    volume (M,): what passed each meter [m3]; sign (M,): +1 into the area, -1 out of it, 0 neither; accuracy:
    95 % limits of a meter as a share of what it counted; names (M,): of the meters, so that the same meter in
    two areas is one error; other: what needs no meter, such as what tanks gave [m3]. A NaN that counts makes
    the sum UNKNOWN.
    """
    counts = sign != 0
    total = float((volume[counts] * sign[counts]).sum()) + other
    if math.isnan(total) or not counts.any():
        return UNKNOWN
    return Uncertain(
        total, {names[i]: float(sign[i]) * abs(float(volume[i])) * accuracy for i in np.flatnonzero(counts)}
    )


class FilledVolume(NamedTuple):
    """Volumes (S,) [m3] with what had to be filled in. share (S,): of the time that was measured [-];
    half (S,): half width of the 95 % limits that filling adds [m3]."""

    volume: Floats
    share: Floats
    half: Floats


def volume_of(flow: Floats, slot: NDArray[np.int64], day: NDArray[np.int64], step_s: float) -> FilledVolume:
    """Volume that flowed (S,) [m3], gaps filled by the mean of the same step on other days.

    flow (T, S) [m3/s], NaN where missing; slot (T,): step of the day; day (T,): number of the day; step_s:
    length of a step [s]. Days are taken to be larger or smaller as a whole, by e_d with one deviation that
    the measured parts of the days show; filling is then wrong by the sum over days of a_d e_d, a_d being the
    volume that day d lacks less what it lent to others by entering their mean. NaN where some step of the day
    was never measured, or less than half of all.
    """
    known = np.isfinite(flow)
    share = known.mean(axis=0) if len(flow) else np.zeros(flow.shape[1])
    slots = int(slot.max(initial=0)) + 1
    days, row = np.unique(day, return_inverse=True)
    there = np.bincount(slot, minlength=slots)

    def sums(values: Floats, by: NDArray[np.int64], length: int) -> Floats:
        out = np.zeros((length, flow.shape[1]))
        np.add.at(out, by, values)
        return out

    count = sums(known.astype(np.float64), slot, slots)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = sums(np.where(known, flow, 0.0), slot, slots) / count
        volume = (mean[there > 0] * there[there > 0, None]).sum(axis=0) * step_s
        size = np.abs(mean)[slot]
        lent = ((there[:, None] - count) / count)[slot]
        weight = sums(np.where(known, -lent, 1.0) * size, row, len(days)) * step_s
        stray = sums(np.where(known, flow - mean[slot], 0.0), row, len(days))
        measured_part = sums(np.where(known, size, 0.0), row, len(days))
        spread = _deviation(np.where(measured_part > 0, stray / measured_part, np.nan))
        half = Z95 * spread * np.sqrt((weight**2).sum(axis=0))
    half = np.where(share >= 1.0, 0.0, half)
    bad = (share < 0.5) | np.isnan(volume)
    return FilledVolume(np.where(bad, np.nan, volume), share, np.where(bad, np.nan, half))


def _deviation(values: Floats) -> Floats:
    """Standard deviation of the columns (D, S), NaN left out."""
    known = np.isfinite(values)
    count = known.sum(axis=0)
    mean = np.where(known, values, 0.0).sum(axis=0) / np.maximum(count, 1)
    squares = np.where(known, values - mean, 0.0) ** 2
    return np.asarray(np.sqrt(squares.sum(axis=0) / np.maximum(count - 1, 1)))
