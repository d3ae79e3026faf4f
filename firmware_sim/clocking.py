"""When a device samples: at whole multiples of its interval by its own clock, which may be wrong.

All instants here are int64 microseconds since 1970 UTC, so that cutting time into pieces loses no sample
and takes none twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from firmware_sim.bound import BoundFault
from firmware_sim.scenario_model import FaultKind

Micros = NDArray[np.int64]

_HOUR_US = 3_600_000_000
_BEGINNING, _END = -(2**62), 2**62


class Ticks(NamedTuple):
    """Samples (N,): when they are taken in truth, and the device time stamped on them."""

    true: Micros
    stamp: Micros


class _Segment(NamedTuple):
    """Between true ``start`` and ``end`` the clock shows ``shown + (t - origin) * (1 + gain)``."""

    start: int
    end: int
    origin: int
    shown: int
    gain: float
    zone: int  # what is added to stamps


class DeviceClock:
    """A clock that is ``offset_us`` ahead, and beyond that as its faults say."""

    def __init__(self, offset_us: int, faults: Sequence[BoundFault] = ()) -> None:
        kinds = (FaultKind.CLOCK_OFFSET, FaultKind.CLOCK_DRIFT, FaultKind.ZONE)
        mine = [f for f in faults if f.fault.kind in kinds]
        edges = {_BEGINNING, _END}
        for fault in mine:
            edges |= {fault.span.start, _END if fault.span.end is None else fault.span.end}
        cuts = sorted(edges)
        self._segments = [self._segment(a, b, offset_us, mine) for a, b in pairwise(cuts)]

    @staticmethod
    def _segment(start: int, end: int, offset_us: int, faults: Sequence[BoundFault]) -> _Segment:
        origin = 0 if start == _BEGINNING else start
        shown, gain, zone = origin + offset_us, 0.0, 0
        for fault in faults:
            if not fault.span.overlaps(start, end):
                continue
            value = fault.fault.value
            if fault.fault.kind is FaultKind.CLOCK_OFFSET:
                shown += round(value * 1e6)
            elif fault.fault.kind is FaultKind.CLOCK_DRIFT:
                gain += value * 1e-6
                shown += round((origin - fault.span.start) * value * 1e-6)
            else:
                zone += round(value * _HOUR_US)
        return _Segment(start, end, origin, shown, gain, zone)

    def stamp(self, true: int) -> int:
        """What the clock shows at a true instant, zone mistakes included."""
        for s in self._segments:
            if s.start <= true < s.end:
                return s.shown + true - s.origin + round((true - s.origin) * s.gain) + s.zone
        raise AssertionError("the segments cover all time")

    def ticks(self, start: int, end: int, interval: int, phase: int) -> Ticks:
        """Samples with ``start <= true < end``, taken when the clock shows ``k * interval + phase``.

        Where the clock is set back, device times come twice; where it is set ahead, some never come.
        """
        parts = [
            self._ticks(s, max(start, s.start), min(end, s.end), interval, phase)
            for s in self._segments
            if s.start < end and s.end > start
        ]
        if len(parts) == 1:
            return parts[0]
        none = np.empty(0, np.int64)
        return Ticks(*(np.concatenate(c) for c in zip(*parts, strict=True))) if parts else Ticks(none, none)

    @staticmethod
    def _ticks(s: _Segment, start: int, end: int, interval: int, phase: int) -> Ticks:
        def shown(true: int) -> int:
            return s.shown + true - s.origin + round((true - s.origin) * s.gain)

        # One more at each side: rounding decides there, and what is outside is cut off.
        first = (shown(start) - phase) // interval - 1
        last = (shown(end) - phase) // interval + 2
        device = np.arange(first, last, dtype=np.int64) * interval + phase
        since = device - s.shown
        if s.gain:
            since = np.rint(since / (1.0 + s.gain)).astype(np.int64)
        true = s.origin + since
        keep = (true >= start) & (true < end)
        return Ticks(true[keep], device[keep] + s.zone)
