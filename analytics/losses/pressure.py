"""Pressure as a service, hours of supply, and whether pressure reducing valves do their work.

Continuity and adequacy of supply as in Alegre et al. (2000), Performance Indicators for Water Supply Services
(QS10 pressure of supply adequacy, QS12 continuity of supply). The marks of a valve's health are this
project's own: what a pilot operated valve holds in good order, with a reason beside each.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import theilslopes

from analytics.losses.favad import pressure_steps
from analytics.losses.mnf import SUPPLIED_M

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

RIPPLE_M, RIPPLE_SHARE = 1.0, 0.03
"""A valve hunts when a tenth of its readings jump by more than this [m], or share of its pressure: in good
order it holds within a metre, and loggers read within some decimetres."""
SWING_M, SWING_SHARE = 3.0, 0.10
"""A valve that its outlet pressure leaves by more than this within a day does not hold it [m], [-]."""
AGAINST_FLOW = -0.7
"""Correlation of outlet pressure with flow below which the swing is friction, so that nothing regulates:
a valve whose setting is changed by time or flow is lower when little flows."""
DRIFT_M, DRIFT_SHARE = 2.0, 0.05
"""A change of the daily median over the time looked at, without a step, beyond what season or sensor do."""
LEAST_DAYS = 7
"""Days that drift and swing are judged over."""


class Service(NamedTuple):
    """How well a minimum of pressure was kept.

    share (S,): of each sensor's known time at or above it [-], NaN without readings; together: of the known
    time of all sensors; everywhere: share of time in which no sensor that was read was below; sensors: share
    of sensors that were at or above it for 99 % of their time.
    """

    share: Floats
    together: float
    everywhere: float
    sensors: float


ALWAYS = 0.99
"""Share of time that counts as always [-]: an hour of work on a main a week is no poor service."""


def service(pressure: Floats, minimum_m: float) -> Service:
    """Compliance with a minimum service pressure. pressure (T, S) [m], NaN where not read; minimum_m [m].

    No water is no service: hours without supply count as below.
    """
    known = np.isfinite(pressure)
    good = known & (pressure >= minimum_m)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = good.sum(axis=0) / known.sum(axis=0)
    read = known.any(axis=1)
    heard = np.isfinite(share)
    return Service(
        share,
        float(good.sum() / known.sum()) if known.any() else float("nan"),
        float((good == known).all(axis=1)[read].mean()) if read.any() else float("nan"),
        float((share[heard] >= ALWAYS).mean()) if heard.any() else float("nan"),
    )


def supply_hours(on: Bools, known: Bools) -> Floats:
    """Mean hours of supply a day (S,) [h], 24 where it was never cut; NaN where nothing is known.

    on (T, S): supplied in that step (``analytics.losses.mnf.supplied``); known (T, S): whether that was read.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(24.0 * (on & known).sum(axis=0) / known.sum(axis=0))


class ValveHealth(NamedTuple):
    """What the outlet pressure of a reducing valve says of it, at the end of the time looked at.

    state: steady, hunting, drifting, open (does not regulate: stuck open, or less pressure comes in than it
    is set to), unsteady (leaves its pressure, by its flow not known why), unknown (too few readings).
    set_m: median outlet pressure since the last change of its setting [m]; ripple_m: jump from reading to
    reading that a tenth exceed [m]; swing_m: range within a day [m]; drift_m: change over the time [m], NaN
    with fewer than 7 days; days: looked at since the last change.
    """

    state: str
    set_m: float
    ripple_m: float
    swing_m: float
    drift_m: float
    days: int


def valve_health(outlet: Floats, flow: Floats, day: Ints, step_s: float) -> ValveHealth:
    """Health of one valve. outlet (T,): pressure behind it [m]; flow (T,): through it or of its zone [m3/s].

    NaN where not read; day (T,): number of the local day; step_s: regular step [s], a quarter of an hour at
    most to see hunting. Hours without supply say nothing of the valve and are left out. Only what lies after
    the last lasting step of the daily median is judged: a new setting is no drift.
    """
    wet = np.where(outlet >= SUPPLIED_M, outlet, np.nan)
    days = np.unique(day[np.isfinite(wet)])
    medians = np.array([np.nanmedian(wet[day == d]) for d in days])
    steps = pressure_steps(medians)
    if steps:
        days, medians = days[steps[-1].night :], medians[steps[-1].night :]
    now = day >= days[0] if len(days) else np.zeros(len(day), bool)
    wet, flow = np.where(now, wet, np.nan), np.where(now, flow, np.nan)
    if np.isfinite(wet).sum() * step_s < 86400.0 * 0.75:
        return ValveHealth("unknown", *(float("nan"),) * 4, len(days))
    middle = float(np.nanmedian(wet))
    jump = np.abs(wet[1:-1] - (wet[:-2] + wet[2:]) / 2)
    jump = jump[np.isfinite(jump)]
    ripple = float(np.quantile(jump, 0.9)) if len(jump) else float("nan")

    hourly, through = _hourly(wet, step_s), _hourly(flow, step_s)
    level = np.interp(day, days, medians)
    apart = hourly - _hourly(level, step_s)
    apart = apart[np.isfinite(apart)]
    high, low = np.quantile(apart, [0.95, 0.05]) if len(apart) else (np.nan, np.nan)
    swing = float(high - low)
    drift = float("nan")
    lasting = False
    if len(days) >= LEAST_DAYS:
        slope, _, least, most = theilslopes(medians, days, alpha=0.95)
        drift = float(slope) * float(days[-1] - days[0])
        lasting = least > 0 or most < 0

    state = "steady"
    if swing > max(SWING_M, SWING_SHARE * middle):
        together = np.isfinite(hourly) & np.isfinite(through)
        state = "unsteady"
        if together.sum() >= 24 and np.ptp(through[together]) > 0:
            against = float(np.corrcoef(hourly[together], through[together])[0, 1])
            state = "open" if against < AGAINST_FLOW else "steady" if against > 0 else "unsteady"
    if state != "open" and ripple > max(RIPPLE_M, RIPPLE_SHARE * middle):
        state = "hunting"
    elif state == "steady" and lasting and abs(drift) > max(DRIFT_M, DRIFT_SHARE * middle):
        state = "drifting"
    return ValveHealth(state, middle, ripple, swing, drift, len(days))


def _hourly(values: Floats, step_s: float) -> Floats:
    """Medians of stretches of an hour (or a step, if longer); NaN where nothing was read."""
    width = max(1, round(3600 / step_s))
    whole = len(values) // width * width
    block = np.sort(values[:whole].reshape(-1, width), axis=1)  # NaN last
    count = np.isfinite(block).sum(axis=1)
    row = np.arange(len(block))
    low, high = np.maximum(count - 1, 0) // 2, count // 2
    high = np.minimum(high, np.maximum(count - 1, 0))
    return np.where(count > 0, (block[row, low] + block[row, high]) / 2, np.nan)
