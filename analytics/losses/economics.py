"""What losses cost, when finding and mending them pays, and how low losses should be.

Lambert & Fantozzi (2005), Recent Advances in Calculating Economic Intervention Frequency, Water Science and
Technology: Water Supply 5(6), 263-271; Lambert & Lalonde (2005), Using Practical Predictions of Economic
Intervention Frequency to Calculate Short-run Economic Leakage Level, IWA Leakage 2005, Halifax. Costs are in
whatever currency the caller has.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import theilslopes

Floats = NDArray[np.float64]

DAY_S = 86400.0
YEAR_DAYS = 365.0
LEAST_NIGHTS = 56
"""Nights that a rate of rise needs: in fewer the seasons and the weeks are larger than it."""


def cost_a_day(flow_m3s: float, water_cost: float) -> float:
    """What a leak of this flow costs a day. water_cost: of a m3, to make it or as it could be sold."""
    return flow_m3s * DAY_S * water_cost


def payback_days(repair_cost: float, flow_m3s: float, water_cost: float) -> float:
    """Days after which the water saved has paid for finding and mending; infinite where nothing is saved."""
    a_day = cost_a_day(flow_m3s, water_cost)
    return repair_cost / a_day if a_day > 0 else math.inf


def leak_volume(flow_m3s: float, awareness_h: float, location_h: float, repair_h: float) -> float:
    """What one leak loses [m3]: its flow for as long as nobody knows, is found, and is mended.

    The BABE concept of run time (Lambert 1994; Farley & Trow 2003, ch. 2).
    """
    return flow_m3s * (awareness_h + location_h + repair_h) * 3600.0


class Intervention(NamedTuple):
    """An economic policy of regular leak surveys.

    months: between surveys of the whole area; share_a_year [-]: of it to survey a year; budget: to spend on
    surveys a year; losses_m3_year: of unreported leaks that remain, on average; at the optimum the water that
    is lost costs as much as the surveys.
    """

    months: float
    share_a_year: float
    budget: float
    losses_m3_year: float


def economic_intervention(rise_m3day_year: float, survey_cost: float, water_cost: float) -> Intervention:
    """How often to look for leaks that nobody reports.

    months = sqrt(0.789 CI / (CV RR)) (Lambert & Lalonde 2005): CI survey_cost, of one survey of the whole
    area; CV water_cost, a m3; RR rise_m3day_year, natural rate of rise of unreported leakage [m3/day in a
    year]. It is the T [years] that makes CI / T + 365 CV RR T / 2 least, 0.789 being 2 x 144 / 365. NaN
    unless all are above 0: a leakage that does not rise asks for no survey.
    """
    if not (rise_m3day_year > 0 and survey_cost > 0 and water_cost > 0):
        return Intervention(math.nan, math.nan, math.nan, math.nan)
    months = math.sqrt(2 * 144 / YEAR_DAYS * survey_cost / (water_cost * rise_m3day_year))
    budget = survey_cost * 12.0 / months
    return Intervention(months, 12.0 / months, budget, budget / water_cost)


def economic_level(background_m3_year: float, reported_m3_year: float, unreported: Intervention) -> float:
    """Short-run economic level of real losses [m3/year] (Lambert & Lalonde 2005).

    Background leakage, which no survey finds, reported leaks for as long as they run (``leak_volume`` of
    each), and what an economic policy of surveys leaves of the unreported ones. NaN where any is not known.
    """
    return background_m3_year + reported_m3_year + unreported.losses_m3_year


class Rise(NamedTuple):
    """Rate of rise of leakage [m3/day in a year] with its 95 % interval; NaN with too few nights."""

    rate: float
    low: float
    high: float
    nights: int


def rate_of_rise(day: NDArray[np.int64], leakage_m3day: Floats) -> Rise:
    """How fast leakage grows, from nights without repairs between them.

    day (D,): number of each day; leakage_m3day (D,) [m3/day], NaN where not known. Theil-Sen slope: a burst
    that runs for less than a quarter of the time hardly moves it. A repair in between hides what it mended.
    """
    known = np.isfinite(leakage_m3day)
    count = int(known.sum())
    if count < LEAST_NIGHTS:
        return Rise(math.nan, math.nan, math.nan, count)
    slope, _, low, high = theilslopes(leakage_m3day[known], day[known], alpha=0.95)
    return Rise(float(slope) * YEAR_DAYS, float(low) * YEAR_DAYS, float(high) * YEAR_DAYS, count)
