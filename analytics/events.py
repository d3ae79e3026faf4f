"""Events in a district's inflow: a leak (or missing inflow) with its course over time."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(slots=True)
class Event:
    """One departure of one area's inflow from what is expected. Times are block numbers of the detector.

    area: column. side: +1 too much, -1 too little. start: first changed block. detected: the block whose
    end decided. end: first block after it, None while it lasts; closed: the block whose end decided that;
    doubt: block from which on it may be over, while that is being decided. revised: first block after its
    size was last set anew.
    track: (block, flow) steps of its size [m3/s], signed, from that block on. lengths, spread: standard
    deviation of the mean standardised residual over so many blocks, before the event [-]; single: of
    single blocks. Estimates as of the last update: flow, low, high [m3/s] (90 % interval), volume [m3],
    confidence [0..1]. noted: block by which the place was last worth working out anew, noted_flow and
    noted_sigma [m3/s] the size then.
    """

    area: int
    side: int
    start: int
    detected: int
    growing: bool
    fast: bool
    statistic: float
    limit: float
    days_known: int
    expected: float
    lengths: NDArray[np.int64]
    spread: Floats
    single: float = 1.0
    end: int | None = None
    closed: int | None = None
    doubt: int | None = None
    revised: int = 0
    weight: float = 0.0
    peak: float = 0.0
    track: list[tuple[int, float]] = field(default_factory=list)
    flow: float = 0.0
    low: float = 0.0
    high: float = 0.0
    volume: float = 0.0
    confidence: float = 0.0
    base: float = 0.0
    noted: int = 0
    noted_flow: float = 0.0
    noted_sigma: float = 0.0

    @property
    def now(self) -> float:
        """Present size [m3/s], signed."""
        return self.track[-1][1] if self.track else 0.0

    def copy(self) -> Event:
        """An event that can be followed on without changing this one."""
        return replace(self, track=list(self.track))

    def course(self, first: int, last: int) -> Floats:
        """Flow in blocks [first, last), signed [m3/s]; 0 outside the event."""
        if last <= first or not self.track:
            return np.zeros(max(0, last - first))
        steps = np.array(self.track)
        block = np.arange(first, last)
        at = np.searchsorted(steps[:, 0], block, "right") - 1
        out = np.where(at >= 0, steps[np.maximum(at, 0), 1], 0.0)
        if self.end is not None:
            out[block >= self.end] = 0.0
        return out

    def at(self, block: int) -> float:
        """Flow in one block, signed [m3/s]; 0 outside the event."""
        if self.end is not None and block >= self.end:
            return 0.0
        i = bisect_right(self.track, block, key=lambda step: step[0])
        return self.track[i - 1][1] if i else 0.0

    def spread_of(self, blocks: int) -> float:
        """Standard deviation of a mean over so many blocks [-]."""
        return interpolate_spread(self.lengths, self.spread, blocks)


def interpolate_spread(lengths: NDArray[np.int64], spread: Floats, blocks: int) -> float:
    """Deviation of a mean over ``blocks`` values from those (L,) over ``lengths`` (L,) values, straight
    between them on logarithmic scales; NaN where none is known."""
    known = np.isfinite(spread)
    if not known.any():
        return float("nan")
    at = np.log(max(1, blocks))
    return float(np.exp(np.interp(at, np.log(lengths[known]), np.log(spread[known] + 1e-12))))
