"""Corrections of clocks (``clocks.csv``), applied to times in columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from waterworks.reading import TIME_DTYPE, Times
from waterworks.site import ClockCorrection, Site

_NEVER = np.datetime64(-(2**62), "us")


class Corrections:
    """What ``clocks.csv`` of a site says, by sensor. False where it says nothing."""

    def __init__(self, site: Site) -> None:
        self._by_device: dict[str, list[ClockCorrection]] = {}
        for c in site.clocks:
            self._by_device.setdefault(c.device, []).append(c)
        self._device = {s.id: s.device for s in site.sensors if s.device in self._by_device}

    def __bool__(self) -> bool:
        return bool(self._device)

    def apply(
        self, names: Sequence[str], sensor: NDArray[np.int32], time: Times, latest: ArrayLike | np.datetime64
    ) -> Times:
        """Right times (N,) of readings stamped ``time`` (N,) by the device of ``names[sensor]``.

        latest: no right time is later, (N,) or one for all. A correction holds for readings whose right time
        lies in its span. Where more than one fits, or the stamp could be right as well, the latest time wins
        that can be: most readings come soon after they are taken. Where none fits, the stamp stays.
        """
        right = time
        limit = np.broadcast_to(np.asarray(latest, TIME_DTYPE), time.shape)
        for i, name in enumerate(names):
            device = self._device.get(name)
            if device is None:
                continue
            mine = np.flatnonzero(sensor == i)
            stamped, most = time[mine], limit[mine]
            best = np.full(len(mine), _NEVER)
            doubted = np.zeros(len(mine), np.bool_)
            for c in self._by_device[device]:
                doubted |= _within(c, stamped)
                moved = stamped - np.timedelta64(round(c.ahead_s * 1e6), "us")
                fits = _within(c, moved) & (moved <= most)
                best[fits] = np.maximum(best[fits], moved[fits])
            as_it_is = ~doubted & (stamped <= most)
            best[as_it_is] = np.maximum(best[as_it_is], stamped[as_it_is])
            right = right.copy() if right is time else right
            right[mine] = np.where(best == _NEVER, stamped, best)
        return right


def _within(c: ClockCorrection, time: Times) -> NDArray[np.bool_]:
    span = time >= c.since
    return span if c.until is None else span & (time < c.until)
