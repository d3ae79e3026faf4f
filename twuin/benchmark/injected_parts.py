"""The pieces of the case ``injected``, as this process or the workers of a cluster do them.

Charts judge a DMA by itself: what finding leaks costs them is cut by method and DMA. Twuin's detector
compares each DMA with its neighbours and needs them all: it is cut by its knob and by the days on which leaks
begin. An order names files and numbers; who does it reads the files himself.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from twuin.benchmark import own
from twuin.benchmark.bound import Bound, SlowBound, bound, slow_bound
from twuin.benchmark.inflow import Inflow, read_inflow
from twuin.benchmark.rivals import rivals
from twuin.benchmark.trials import (
    HORIZON_D,
    LOOKBACK_D,
    Period,
    Trials,
    Windows,
    count_alarms,
    delays,
    draw,
    measured_years,
    windows,
)
from waterworks.errors import BenchmarkError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

TUNED, SCORED = 0, 1
"""The two periods, by their place in a ``Scene``."""

DAYS_AT_ONCE = 12
"""Days of starts in one piece of Twuin's own trials."""


class Case(NamedTuple):
    """What is asked about. files, site: by whole paths; digest: of the inflow that they came to."""

    files: tuple[Path, ...]
    site: Path | None
    starts: int
    seed: int
    score_from: date | None
    digest: str


class Scene(NamedTuple):
    """The inflow of a case, and by period days, leaks and DMA-years with readings."""

    inflow: Inflow
    periods: tuple[Period, Period]
    trials: tuple[Trials, Trials]
    years: tuple[float, float]


def begin(files: Sequence[Path], site: Path | None, starts: int, seed: int, score_from: date | None) -> Case:
    """A case, from the files as they are now. Raises as ``read_inflow`` does."""
    whole = tuple(file.resolve() for file in files)
    folder = None if site is None else site.resolve()
    _read.cache_clear()
    return Case(whole, folder, starts, seed, score_from, digest(_read(whole, folder)))


def digest(inflow: Inflow) -> str:
    """A checksum of inflow, calendar and names, to the last digit."""
    total = hashlib.sha256(repr((inflow.dmas, inflow.step_s)).encode())
    for array in (inflow.flow, *inflow.local):
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()[:32]


@functools.lru_cache(maxsize=1)
def _read(files: tuple[Path, ...], site: Path | None) -> Inflow:
    return read_inflow(files, site)


@functools.lru_cache(maxsize=1)
def scene(case: Case) -> Scene:
    """Read once, and kept until another case comes. Raises BenchmarkError where the files are not those that
    the case was begun with, and as ``read_inflow`` does."""
    inflow = _read(case.files, case.site)
    if digest(inflow) != case.digest:  # they may have changed since
        _read.cache_clear()
        inflow = _read(case.files, case.site)
    if digest(inflow) != case.digest:
        raise BenchmarkError(
            f"{', '.join(map(str, case.files))} or the site folder {case.site or '(the example)'} is not the "
            "same here as where the benchmark was started: put the same files there, under the same paths"
        )
    both = periods(inflow, case.score_from)
    first, second = (draw(inflow, period, case.starts, case.seed) for period in both)
    years = measured_years(inflow, both[TUNED]), measured_years(inflow, both[SCORED])
    return Scene(inflow, both, (first, second), years)


def periods(inflow: Inflow, score_from: date | None) -> tuple[Period, Period]:
    """Tuning and scored days. By default scored from the first 1 January after ten months."""
    total = int(inflow.local.day[-1]) - inflow.first_day + 1
    if score_from is None:
        begun = date.fromordinal(inflow.first_day + 300)
        score_from = date(begun.year + 1, 1, 1)
    at = score_from.toordinal() - inflow.first_day
    if at < LOOKBACK_D + 2 * HORIZON_D or total - at < 2 * HORIZON_D:
        raise BenchmarkError(
            f"{total} days of inflow cannot be tuned on before {score_from} and scored after it: "
            f"at least {LOOKBACK_D + 2 * HORIZON_D} days before and {2 * HORIZON_D} after are needed"
        )
    return Period(LOOKBACK_D + 7, at), Period(at, total)


class Part(Protocol):
    """One piece of work on a case; small, as what it comes to."""

    def do(self, case: Case) -> Any: ...


def work(order: tuple[Case, Part]) -> Any:
    """One piece, wherever it is done."""
    case, part = order
    return part.do(case)


# -- charts ---------------------------------------------------------------------------------------------


class Count(NamedTuple):
    """Alarms of one setting at some thresholds (H,) without any leak: (2, H), by period, of all DMAs."""

    rival: int
    setting: int
    thresholds: Floats

    def do(self, case: Case) -> Ints:
        inflow, both = scene(case)[:2]
        setting = rivals()[self.rival].settings[self.setting]
        weekday = np.repeat(inflow.weekdays()[:, None], inflow.flow.shape[1], axis=1)
        quiet = setting.read(inflow.days(), weekday)
        counted = [
            count_alarms(setting.chart(quiet, self.thresholds), quiet.hours, period).sum(0) for period in both
        ]
        return np.array(counted, np.int64)


class Lost(NamedTuple):
    """Hours that the leaks of one DMA ran unseen, all together, the horizon for those never found:
    (settings, 2, H) by period and threshold, infinite where not asked for. use (settings, 2, H): what is."""

    rival: int
    dma: int
    use: Bools

    def do(self, case: Case) -> Floats:
        rival = rivals()[self.rival]
        out = np.full(self.use.shape, np.inf)
        for period in (TUNED, SCORED):
            for number in range(len(rival.settings)):
                use = self.use[number, period]
                if use.any():
                    found = _delays(case, self.rival, number, period, rival.thresholds[use], self.dma)
                    out[number, period, use] = np.minimum(found, 24.0 * HORIZON_D).sum(axis=0)
        return out


class Delays(NamedTuple):
    """Delay (n, H) [h] of each leak of one DMA in the scored period, by one setting at some thresholds."""

    rival: int
    setting: int
    thresholds: Floats
    dma: int

    def do(self, case: Case) -> Floats:
        return _delays(case, self.rival, self.setting, SCORED, self.thresholds, self.dma)


def _delays(case: Case, rival: int, number: int, period: int, thresholds: Floats, dma: int) -> Floats:
    setting = rivals()[rival].settings[number]
    cut = _cut(case, period, dma)
    both = np.concatenate([cut.flow, cut.quiet], axis=2)
    read = setting.read(both, np.concatenate([cut.weekday] * 2, axis=1))
    return delays(setting.chart(read, thresholds), read.hours, cut.start)


@functools.lru_cache(maxsize=2)
def _cut(case: Case, period: int, dma: int) -> Windows:
    there = scene(case)
    trials = there.trials[period]
    return windows(there.inflow, trials.take(np.flatnonzero(trials.dma == dma)))


# -- Twuin's own detector -------------------------------------------------------------------------------


class OwnRate(NamedTuple):
    """Twuin's alarms a DMA-year in the scored period without any leak."""

    years: float

    def do(self, case: Case) -> float:
        there = scene(case)
        return own.quiet(there.inflow, self.years).rate(there.periods[SCORED], there.years[SCORED])


class OwnDelays(NamedTuple):
    """Delay (n,) [h] of the leaks of the scored period that begin on days [first, last) of ``days_of``."""

    years: float
    first: int
    last: int

    def do(self, case: Case) -> Floats:
        there = scene(case)
        trials = there.trials[SCORED]
        return own.delays(there.inflow, self.years, trials.take(self.which(trials)))

    def which(self, trials: Trials) -> Ints:
        """Places (n,) of these leaks among all."""
        return np.flatnonzero(np.isin(trials.day, days_of(trials)[self.first : self.last]))


def days_of(trials: Trials) -> Ints:
    """Days on which leaks begin, each once."""
    return np.unique(trials.day)


# -- bounds ---------------------------------------------------------------------------------------------


class Bounds(NamedTuple):
    """What the noise allows for bursts of a size within some hours, and for growing leaks."""

    size: float
    within_h: float

    def do(self, case: Case) -> tuple[Bound, SlowBound]:
        there = scene(case)
        scored = there.periods[SCORED]
        return bound(there.inflow, scored, self.size, self.within_h), slow_bound(there.inflow, scored)
