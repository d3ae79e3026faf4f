"""Whether a leak that grows is told as one, and a burst beside a leak as one of its own: docs/analytics.md.

    python tests/bench/detector_growth.py

The made-up inflow of ``detector_noise.py`` with phi 0.8. Each of 60 districts has one leak, in a copy whose
neighbours go on without: it grows evenly over some days and stays for 20 more. Printed is how many are told
as more than one. Then a leak of a fifth of the inflow, at once or grown over four days, and some days later a
burst in the same district: how many of these are told of as new within five days, of those whose first leak
was known.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from detector_noise import AREAS, FIRST, PER_DAY, calendar, inflow
from numpy.typing import NDArray

from analytics.detector import Detector
from analytics.events import Event

DAYS = 50
MEAN = 10.0
BEGINS = FIRST * PER_DAY + np.arange(AREAS) * 2 % PER_DAY
Floats = NDArray[np.float64]


def course(size: float, over: float, later: float = 0.0) -> Floats:
    """Leak (T, AREAS), in shares of the mean inflow, that grows ``over`` days from some days ``later`` on."""
    age = (np.arange((FIRST + DAYS) * PER_DAY)[:, None] - BEGINS) / PER_DAY - later
    return size * (np.clip(age / over, 0, 1) if over else (age >= 0).astype(float))


def world() -> Callable[[Floats], list[Event]]:
    """What finds the events of leaks (T, AREAS) that are put into the same inflow."""
    quiet, when = inflow(FIRST + DAYS, 7, 0.8, 0.0), calendar(FIRST + DAYS)
    first = FIRST * PER_DAY
    begun = Detector(AREAS, 86400 // PER_DAY)
    begun.advance(quiet[:first], *(c[:first] for c in when))

    def events(leak: Floats) -> list[Event]:
        branch = begun.branch(np.arange(AREAS))
        both = np.concatenate([quiet, quiet + MEAN * leak], axis=1)[first:]
        branch.advance(both, *(c[first:] for c in when))
        return [e for e in branch.events if e.area >= AREAS and e.side > 0 and e.detected >= first]

    return events


def main() -> None:
    events = world()
    for size in (0.2, 0.4, 0.8):
        row = f"one leak of {size:.0%}, not found / told as two / as more:"
        for over in (4, 14, 30):
            told = np.bincount([e.area - AREAS for e in events(course(size, over))], minlength=AREAS)
            row += f" over {over} d {np.sum(told == 0)} / {np.sum(told == 2)} / {np.sum(told > 2)};"
        print(row.rstrip(";"), flush=True)
    for size in (0.1, 0.2, 0.4):
        row = f"a burst of {size:.0%} beside 20 %, told of:"
        for gap in (3, 6, 12):
            for over in (0, 4):
                found = events(course(0.2, over) + course(size, 0, gap))
                at = BEGINS + gap * PER_DAY
                known = {e.area - AREAS for e in found if e.detected < at[e.area - AREAS]}
                own = {
                    k
                    for e in found
                    if (k := e.area - AREAS) in known
                    and at[k] <= e.detected < at[k] + 5 * PER_DAY
                    and abs(e.start - at[k]) < PER_DAY
                }
                row += f" after {gap} d{' (grown)' if over else ''} {len(own)} of {len(known)};"
        print(row.rstrip(";"), flush=True)


if __name__ == "__main__":
    main()
