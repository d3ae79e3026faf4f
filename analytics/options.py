"""How the detector behaves."""

from __future__ import annotations

from typing import NamedTuple


class Options(NamedTuple):
    """How the detector behaves. Nothing here is fitted to one data set.

    weeks: how much past the baseline is made of. min_days: measured days before anything is expected.
    level_gain: share of a day's change of demand that the level takes over. years: the knob of sensitivity,
    mean years between false alarms of an area that are aimed at, by normal noise and by its own past; what
    comes of it is in docs/benchmarks.md. confirm_s: a sudden change must have lasted this long [s] and for
    three blocks in a row. follow_s: time constant with which the size of an event is followed [s]. window_s:
    the present size is the mean excess over this [s]. low_share: missing inflow is an event only beyond this
    share of the expected inflow; less is people using less.
    """

    weeks: int = 8
    min_days: int = 7
    level_gain: float = 0.2
    years: float = 3.0
    confirm_s: float = 5400.0
    follow_s: float = 2 * 86400.0
    window_s: float = 3 * 86400.0
    low_share: float = 0.25
