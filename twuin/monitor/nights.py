"""Night flow of all nights that are over, without going over them all again at every step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analytics.night import NightFlow, night_flow, usual_night_flow
from waterworks.localtime import LocalTime

Floats = NDArray[np.float64]

WEEK = 6
"""What is usual in a night rests on so many nights before it."""


class Nights:
    """Nights of one site's inflow.

    night: local hours between which a night lies [h]; step_s: of the grid [s]; areas: how many columns.
    """

    def __init__(self, night: tuple[float, float], step_s: int, areas: int) -> None:
        self._night, self._step_s = night, step_s
        none = np.empty((0, areas))
        self._none = NightFlow(np.empty(0, np.int64), none, none)
        self.found = self._none

    def update(self, inflow: Floats, local: LocalTime, first: int) -> NightFlow:
        """Nights of all rows, (D,) and (D, S).

        inflow (T, S) [m3/s], NaN where it is not trusted or there was no supply, so that only supplied hours
        count; local: of the T rows; first: row from which on they may be others than at the last call, 0 if
        all may be. Nights before that row's day stay as they are.
        """
        rows = len(local.day)
        if not rows:
            self.found = self._none
            return self.found
        kept, begin = self._none, int(local.day[0])
        if first > 0 and len(self.found.night):  # of a night that went on then nothing was kept
            kept = self.found
            begin = min(int(local.day[min(first, rows - 1)]), int(kept.night[-1]) + 1)
        old = int(np.searchsorted(kept.night, begin))
        at = int(np.searchsorted(local.day, begin - 1))  # it may begin on the evening before
        new = night_flow(inflow[at:], local.day[at:], local.hour[at:], self._step_s, self._night)
        # A night that goes on is not judged yet.
        now_day, now_hour = int(local.day[-1]), float(local.hour[-1]) + self._step_s / 3600
        over = (new.night < now_day) | ((new.night == now_day) & (now_hour >= self._night[1]))
        fresh = over & (new.night >= begin)
        night = np.concatenate([kept.night[:old], new.night[fresh]])
        lowest = np.concatenate([kept.lowest[:old], new.lowest[fresh]])
        since = int(np.searchsorted(night[:old], begin - WEEK))
        usual = usual_night_flow(night[since:], lowest[since:])[old - since :]
        self.found = NightFlow(night, lowest, np.concatenate([kept.usual[:old], usual]))
        return self.found
