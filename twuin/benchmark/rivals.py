"""What utilities and the literature find leaks in DMA inflow with today: causal, each with its source.

Every rival reads one number of each night, day or hour and compares it with its own past. A chart yields, for
each reading in order, whether it alarms at each of H thresholds: that is what is swept. Which reading, how
long a past and which constant of its own suit it best is looked for on the tuning period.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

NIGHT_H = (0, 5)
"""Local hours in which the night's lowest hour is looked for (Farley & Trow 2003, ch. 5)."""


class Readings(NamedTuple):
    """What a chart reads: value, reference and deviation (n, C), NaN where unknown; hours (n,) since the
    first midnight at which each is known."""

    value: Floats
    reference: Floats
    deviation: Floats
    hours: NDArray[np.floating[Any]]

    @property
    def standard(self) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((self.value - self.reference) / self.deviation)


def lowest(flow: Floats, first_h: int = NIGHT_H[0], last_h: int = NIGHT_H[1]) -> Floats:
    """Lowest rolling hour of each day's hours [first_h, last_h), (D, J, C) -> (D, C).

    NaN where less than three quarters of them were measured.
    """
    j = flow.shape[1]
    part = flow[:, first_h * j // 24 : last_h * j // 24]
    width = max(1, j // 24)
    rolling = np.lib.stride_tricks.sliding_window_view(part, width, axis=1).mean(axis=-1)
    enough = np.isfinite(part).sum(1) >= 0.75 * part.shape[1]
    rolling = np.where(np.isfinite(rolling), rolling, np.inf).min(axis=1)
    return np.where(enough & np.isfinite(rolling), rolling, np.nan)


def _past(
    value: Floats, alike: Callable[[int, int], Bools] | None, days: int, average: str
) -> tuple[Floats, Floats]:
    """Reference and deviation of each day from up to ``days`` days before it, (D, ...) each; at least 7."""
    reference, deviation = np.full(value.shape, np.nan), np.full(value.shape, np.nan)
    for d in range(7, len(value)):
        a = max(0, d - days)
        past = value[a:d]
        if alike is not None:
            same = alike(a, d)
            past = np.where(
                same.reshape(same.shape[0], *([1] * (value.ndim - 2)), same.shape[1]), past, np.nan
            )
        known = np.isfinite(past)
        n = known.sum(0)
        if average == "median":
            ordered = np.sort(np.where(known, past, np.inf), axis=0)
            at = np.maximum(n - 1, 0)
            low = np.take_along_axis(ordered, (at // 2)[None], 0)[0]
            high = np.take_along_axis(ordered, ((at + 1) // 2)[None], 0)[0]
            middle = (low + high) / 2
        else:
            middle = np.where(known, past, 0.0).sum(0) / np.maximum(n, 1)
        spread = np.sqrt((np.where(known, past - middle, 0.0) ** 2).sum(0) / np.maximum(n - 1, 1))
        enough = n >= (7 if alike is None else 4)
        reference[d] = np.where(enough, middle, np.nan)
        deviation[d] = np.where(enough, spread, np.nan)
    return reference, deviation


def read(flow: Floats, weekday: Ints, what: str, days: int, average: str = "mean") -> Readings:
    """Readings of inflow (D, J, C), weekday (D, C).

    what: "night" (lowest hour of the night against all nights), "day" (mean of the day) or "hour" (each
    hour of the day), both against days of the same kind (Monday to Friday, Saturday, Sunday or holiday).
    """
    d, j, c = flow.shape
    kind = np.maximum(weekday - 4, 0)

    def alike(a: int, b: int) -> Bools:
        return np.asarray(kind[a:b] == kind[b])

    if what == "night":
        value = lowest(flow)
        return Readings(value, *_past(value, None, days, average), np.arange(d) * 24.0 + NIGHT_H[1])
    if what == "day":
        known = np.isfinite(flow)
        with np.errstate(invalid="ignore"):
            value = np.where(known, flow, 0.0).sum(1) / known.sum(1)
        value = np.where(known.sum(1) >= 0.75 * j, value, np.nan)
        return Readings(value, *_past(value, alike, days, average), (np.arange(d) + 1) * 24.0)
    hourly = flow.reshape(d, 24, j // 24, c).mean(axis=2) if j > 24 else flow
    reference, deviation = _past(hourly, alike, days, average)
    n = d * hourly.shape[1]
    hours = (np.arange(n) + 1) * 24.0 / hourly.shape[1]
    return Readings(hourly.reshape(n, c), reference.reshape(n, c), deviation.reshape(n, c), hours)


def above(r: Readings, thresholds: Floats, *, nights: int) -> Iterator[Bools]:
    """More than a share above the reference, ``nights`` times in a row.

    The rule of thumb of night flow monitoring: Farley & Trow (2003), Losses in Water Distribution Networks;
    Puust et al. (2010), Urban Water Journal 7(1), 25-45.
    """
    row = np.zeros((r.value.shape[1], len(thresholds)), np.int64)
    for value, reference in zip(r.value, r.reference, strict=True):
        with np.errstate(invalid="ignore"):
            beyond = value[:, None] > reference[:, None] * (1.0 + thresholds)
        row = np.where(beyond, row + 1, np.where(np.isnan(value)[:, None], row, 0))
        yield beyond & (row >= nights)


def ewma(r: Readings, thresholds: Floats, *, weight: float) -> Iterator[Bools]:
    """Exponentially weighted moving average above L asymptotic deviations.

    Roberts (1959), Technometrics 1(3), 239-250; for bursts Jung et al. (2015), J. Hydroinformatics 17(2).
    """
    z = r.standard
    state = np.zeros(z.shape[1])
    limit = thresholds * np.sqrt(weight / (2.0 - weight))
    for row in z:
        known = np.isfinite(row)
        state = np.where(known, weight * np.where(known, row, 0.0) + (1.0 - weight) * state, state)
        yield (state[:, None] > limit) & known[:, None]


def western_electric(r: Readings, thresholds: Floats, *, runs: bool) -> Iterator[Bools]:
    """One beyond 3, two of three beyond 2, four of five beyond 1, and with ``runs`` eight in a row above 0.

    Western Electric (1956), Statistical Quality Control Handbook, upper side. The threshold multiplies all
    limits, as Ahn & Jung (2019), J. Water Resour. Plann. Manage. 145(9), do.
    """
    z = r.standard
    c, h = z.shape[1], len(thresholds)
    two, one = np.zeros((3, c, h), bool), np.zeros((5, c, h), bool)
    row = np.zeros(c, np.int64)
    for i, now in enumerate(z):
        known = np.isfinite(now)
        with np.errstate(invalid="ignore"):
            x = now[:, None] / thresholds
            two[i % 3], one[i % 5] = x > 2.0, x > 1.0
            row = np.where(now > 0, row + 1, np.where(known, 0, row))
            alarm = (x > 3.0) | (two[i % 3] & (two.sum(0) >= 2)) | (one[i % 5] & (one.sum(0) >= 4))
        if runs:
            alarm |= ((row >= 8) & known)[:, None]
        yield alarm


def cusum(r: Readings, thresholds: Floats, *, k: float) -> Iterator[Bools]:
    """Cumulative sum of what is above k deviations, begun anew after an alarm. Page (1954), Biometrika 41."""
    z = r.standard
    state = np.zeros((z.shape[1], len(thresholds)))
    for row in z:
        known = np.isfinite(row)[:, None]
        state = np.where(known, np.maximum(0.0, state + np.where(known, row[:, None], 0.0) - k), state)
        alarm = (state > thresholds) & known
        state = np.where(alarm, 0.0, state)
        yield alarm


def leakdb_mnf(r: Readings, thresholds: Floats, *, window: int) -> Iterator[Bools]:
    """The day's lowest flow above the least of the last ``window`` unsuspicious days by a share gamma.

    Vrachimis et al. (2018), LeakDB: a benchmark dataset for leakage diagnosis in water distribution networks,
    WDSA / CCWI, algorithm MNF (gamma 0.1, 10 days): a suspicious day does not enter the window.
    """
    c, h = r.value.shape[1], len(thresholds)
    kept = np.full((window, c, h), np.nan)
    filled = np.zeros((c, h), np.int64)
    for value in r.value:
        least = np.where(filled >= window, np.where(np.isfinite(kept), kept, np.inf).min(0), np.nan)
        with np.errstate(invalid="ignore"):
            alarm = value[:, None] - least > least * thresholds
        take = ~alarm & np.isfinite(value)[:, None]
        at = filled % window
        index = np.arange(c)[:, None], np.arange(h)[None, :]
        kept[at, *index] = np.where(take, value[:, None], kept[at, *index])
        filled = filled + take
        yield alarm


class Setting(NamedTuple):
    """One way to run a rival: what it reads, and its chart."""

    label: str
    read: Callable[[Floats, Ints], Readings]
    chart: Callable[[Readings, Floats], Iterator[Bools]]


class Rival(NamedTuple):
    """A method with its settings and the thresholds that are swept (H,), ascending: from keen to calm."""

    name: str
    settings: tuple[Setting, ...]
    thresholds: Floats


def _whole_day(flow: Floats, weekday: Ints) -> Readings:
    value = lowest(flow, 0, 24)
    nothing = np.full(value.shape, np.nan)
    return Readings(value, nothing, nothing, (np.arange(len(value)) + 1) * 24.0)


def _charts(
    make: Callable[..., Iterator[Bools]], name: str, constants: dict[str, dict[str, float]]
) -> tuple[Setting, ...]:
    return tuple(
        Setting(f"{what}, {days} d, {label}", partial(read, what=what, days=days), partial(make, **kwargs))
        for what in ("night", "day", "hour")
        for days in (28, 56)
        for label, kwargs in constants.items()
    )


def rivals() -> tuple[Rival, ...]:
    """All of them, with a wide choice of settings."""
    share = np.geomspace(0.02, 4.0, 48)
    return (
        Rival(
            "night flow threshold",
            tuple(
                Setting(
                    f"{days} d, {n} in a row",
                    partial(read, what="night", days=days, average="median"),
                    partial(above, nights=n),
                )
                for days in (7, 14, 28, 56)
                for n in (1, 2)
            ),
            share,
        ),
        Rival(
            "EWMA",
            _charts(ewma, "ewma", {f"weight {w}": {"weight": w} for w in (0.05, 0.2, 0.4)}),
            np.geomspace(0.7, 40, 48),
        ),
        Rival(
            "Western Electric",
            _charts(western_electric, "we", {"rules 1-3": {"runs": False}, "rules 1-4": {"runs": True}}),
            np.geomspace(0.4, 15, 48),
        ),
        Rival(
            "CUSUM",
            _charts(cusum, "cusum", {f"k {k}": {"k": k} for k in (0.5, 1.0, 2.0)}),
            np.geomspace(0.7, 400, 48),
        ),
        Rival(
            "LeakDB MNF",
            tuple(Setting(f"{w} d", _whole_day, partial(leakdb_mnf, window=w)) for w in (10, 28)),
            share,
        ),
    )
