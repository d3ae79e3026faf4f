"""How the tracker behaves."""

from __future__ import annotations

from typing import NamedTuple

M3H = 1 / 3600
"""One m3/h in m3/s."""


class Options(NamedTuple):
    """What the tracker assumes. Nothing here is fitted to one network or one year.

    blocks: hours of the local day that are averaged into one value a sensor: nights, mornings, the rest, so
    that what grows with flow to the power 1.85 (a wrong roughness) and to 0.85 (a leak) can be told apart.
    resistance_sd, demand_sd: standard deviation of the logarithm of a pipe's resistance (diameters within 3
    %, roughness within 10 %: 4.87 * 0.017 and 1.85 * 0.058 in quadrature) and of a junction's share of
    demand [-]. group_sd: likewise of all pipes together. datum_sd [m]: of a sensor's
    datum at first (altitudes off a map); offset_sd [m]: by how much it may change in ``bias_years``.
    borrowed_sd: of the demand, as a share, of a zone whose inflow is not measured and that is taken to use
    water as the others do.
    demand_noise: deviation of one junction's demand in a block of one day [-], where the tracker starts; it
    learns it. reading_sd [m]: standard error of a block's mean pressure beside what its readings scatter by,
    where the tracker starts.
    balance_sd: of a zone's balance, as a share of its inflow, where the tracker starts.
    bias_years: the time in which what the model gets wrong may change by as much as is allowed for at first.
    flow_sd: of a leak's size before anything is known [m3/s]: a reported mains burst loses 12 m3/h, an
    unreported one 6 m3/h (Lambert et al. 1999, AQUA 48(6), table 3, at 50 m). slope_sd: of its growth [m3/s
    a day]. calm, pace: growth may change a day by ``calm`` [m3/s a day] and by this share of itself.
    signature_error: standard deviation of a leak's signature as a share of itself.
    part_day: standard deviation of a leak's mean flow in one block of its first day, as a share of its flow.
    windows: days over which changes are looked for. alarm: log Bayes factor, pipes' prior included, at which
    a leak is tracked: 10 is odds of 20,000 to one. gone: likewise for a repair.
    near_m: what lies within this of a leak that still grows is taken for its growth.
    history: days that are kept to go back to.
    """

    blocks: tuple[tuple[int, int], ...] = ((0, 5), (5, 14), (14, 24))
    resistance_sd: float = 0.12
    group_sd: float = 0.06
    demand_sd: float = 0.30
    borrowed_sd: float = 0.5
    datum_sd: float = 0.5
    offset_sd: float = 0.02
    demand_noise: float = 0.2
    reading_sd: float = 0.004
    balance_sd: float = 0.04
    bias_years: float = 2.0
    flow_sd: float = 8 * M3H
    slope_sd: float = 0.5 * M3H
    calm: float = 0.03 * M3H
    pace: float = 0.25
    signature_error: float = 0.10
    part_day: float = 0.5
    windows: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    alarm: float = 10.0
    gone: float = 6.0
    near_m: float = 300.0
    history: int = 70
