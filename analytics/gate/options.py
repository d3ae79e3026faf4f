"""How the gate behaves."""

from __future__ import annotations

from typing import NamedTuple


class Options(NamedTuple):
    """How the gate behaves. Nothing here is fitted to one data set.

    years: mean years between false alarms of each test of a sensor on noise as assumed. min_days: measured
    days before anything is expected. refit_days: the relation of neighbours is learnt anew so often, from
    the window_days before the newest lag_days, so that a drift of weeks is not learnt away. fast_k, slow_k:
    half the shift looked for, in standard deviations of one step and of one day's mean. cut: no step counts
    for more than this. noise_ratio: the growth of the deviation that is looked for. spike: a step beyond so
    many deviations that comes back at once is a spike (a normal one in 10^11); spikes: so many within a day
    are a fault. odds: how much likelier a fault must be than what water can do.
    least_share: an inlet meter's shift of less than this share of its usual flow is within its accuracy
    (class 2 of ISO 4064 allows 2 % and, below the transitional flow, 5 %). common_m: how far the heads of an
    area may move together [m], for a valve or a pump was set. dry_m, dry_share: an area is without water
    when its pressures are below dry_m [m] or a tenth of the usual and its inflow below dry_share of the
    usual. refill_s: after a return of supply inflow fills pipes and tanks for so long [s].
    adopt_days: a sensor that holds a new relation for so long is taken as it now is.
    """

    years: float = 10.0
    min_days: int = 7
    refit_days: int = 7
    window_days: int = 28
    lag_days: int = 7
    fast_k: float = 1.0
    slow_k: float = 0.5
    cut: float = 6.0
    noise_ratio: float = 2.5
    spike: float = 7.0
    spikes: int = 3
    odds: float = 20.0
    least_share: float = 0.04
    common_m: float = 10.0
    dry_m: float = 2.0
    dry_share: float = 0.1
    refill_s: float = 7200.0
    adopt_days: int = 28
