"""False alarms and delays of the detector on made-up noise: the table of docs/analytics.md.

    python tests/bench/detector_noise.py

Inflow of mean 10 with a course over the day and other weekends, half-hourly, times (1 + noise): an AR(1)
part of 5 % with lag-one correlation phi, and in the last case whole days that differ by 5 % (AR(1), 0.5).
False alarms from 120 district half-years; delays from 60 districts, a leak in each at another hour. Leaks are
put in one by one: each into a copy of its district, whose neighbours go on without.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from analytics.detector import Detector

PER_DAY = 48
AREAS = 60
FIRST = 84
"""Days that a district is known when leaks begin: limits over days are wider in the first ten weeks."""
Floats = NDArray[np.float64]


def calendar(days: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    day = 738_890 + np.repeat(np.arange(days), PER_DAY)
    return day, np.tile(np.arange(PER_DAY), days), (day + 6) % 7


def inflow(days: int, seed: int, phi: float, daily: float) -> Floats:
    rng = np.random.default_rng(seed)
    _, slot, weekday = calendar(days)
    hour = slot / 2
    work = 10 * (1 + 0.5 * np.sin((hour - 9) / 24 * 2 * np.pi))
    rest = 10 * (1 + 0.45 * np.sin((hour - 10) / 24 * 2 * np.pi))
    course = np.where(weekday >= 5, rest, work)[:, None]
    e = rng.standard_normal((len(slot), AREAS)) * np.sqrt(1 - phi**2)
    whole = lfilter([1], [1, -0.5], rng.standard_normal((days, AREAS)) * daily * np.sqrt(0.75), axis=0)
    noise = 0.05 * lfilter([1], [1, -phi], e, axis=0) + np.repeat(whole, PER_DAY, axis=0)
    return np.asarray(course * (1 + noise))


def detect(flow: Floats) -> Detector:
    detector = Detector(AREAS, 1800)
    detector.advance(flow, *calendar(len(flow) // PER_DAY))
    return detector


def main() -> None:
    print("phi  days   false a district-year     hours to alarm, median / nine in ten / found of 60")
    for phi, daily in ((0.0, 0.0), (0.8, 0.0), (0.95, 0.0), (0.8, 0.05)):
        events = [e for seed in (100, 101) for e in detect(inflow(182, seed, phi, daily)).events]
        years = 2 * AREAS * 175 / 365.25
        fast = sum(e.fast for e in events)
        row = f"{phi:.2f} {daily:.0%}   sudden {fast / years:.2f}, daily {(len(events) - fast) / years:.2f}"
        quiet, when = inflow(FIRST + 18, 7, phi, daily), calendar(FIRST + 18)
        first = FIRST * PER_DAY
        begun = Detector(AREAS, 1800)
        begun.advance(quiet[:first], *(c[:first] for c in when))
        begins = first + np.arange(AREAS) * 2 % PER_DAY
        for size in (0.05, 0.1, 0.2, 0.4):
            leaky = quiet + 10 * size * (np.arange(len(quiet))[:, None] >= begins)
            branch = begun.branch(np.arange(AREAS))
            both = np.concatenate([quiet, leaky], axis=1)[first:]
            branch.advance(both, *(c[first:] for c in when))
            found = [(e.area - AREAS, e) for e in branch.events if e.area >= AREAS and e.side > 0]
            delay = np.full(AREAS, np.inf)
            for k, e in found:
                if e.detected >= begins[k]:
                    delay[k] = min(delay[k], (e.detected + 1 - begins[k]) / 2)
            ninth = np.quantile(delay, 0.9, method="lower")
            row += f" | {size:.0%}: {np.median(delay):.1f} / {ninth:.1f} / {np.isfinite(delay).sum()}"
        print(row, flush=True)


if __name__ == "__main__":
    main()
