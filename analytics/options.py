"""How the detector behaves."""

from __future__ import annotations

from typing import NamedTuple


class Options(NamedTuple):
    """How the detector behaves. Nothing here is fitted to one data set.

    weeks: how much past the baseline is made of. min_days: measured days before anything is expected.
    level_gain: share of a day's change of demand that the level takes over. years: mean years between
    false alarms of each of the four tests of an area on noise as assumed. fast_k: half the sudden change
    looked for, in standard deviations of an innovation; slow_k likewise of a day's offset. fast_cut,
    slow_cut: no single innovation or day counts for more than this. confirm_s: a sudden change must have
    lasted this long [s] and for three blocks in a row.
    follow_s: time constant with which the size of an event is followed [s]. window_s: the present size is
    the mean excess over this [s].
    confidence: an alarm needs this much, by the spread of means as it was. low_share: missing inflow is an
    event only beyond this share of the expected inflow; less is people using less.
    """

    weeks: int = 8
    min_days: int = 7
    level_gain: float = 0.2
    years: float = 10.0
    fast_k: float = 1.0
    slow_k: float = 0.5
    fast_cut: float = 8.0
    slow_cut: float = 5.0
    confirm_s: float = 5400.0
    follow_s: float = 2 * 86400.0
    window_s: float = 3 * 86400.0
    confidence: float = 0.95
    low_share: float = 0.25
