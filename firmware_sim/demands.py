"""How much water each junction draws: the model's nominal demand, the calendar's rhythm, and chance."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from firmware_sim.draws import block, normal, smooth, stream
from firmware_sim.epanet_model import EpanetModel
from firmware_sim.scenario_model import DemandOptions

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DAY_S = 86400
WEEK_S = 7 * DAY_S
_MONDAY_S = 4 * DAY_S  # 1970-01-05 was the first Monday after 1970-01-01


class LocalTimes(NamedTuple):
    """Instants by the clock on the wall. seconds (T,): local seconds since Monday 1970-01-05, 00:00;
    special (T,): weekend 1, holiday 2, any other day 0; yearday (T,): day of the year [0..366)."""

    seconds: Ints
    special: NDArray[np.int8]
    yearday: Floats


def local_times(utc_s: Ints, zone: ZoneInfo, holidays: frozenset[date]) -> LocalTimes:
    """Local calendar of instants (T,) [s since 1970 UTC], ascending."""
    local = utc_s + utc_offsets(utc_s, zone)
    day = local // DAY_S
    weekend = (day - 4) % 7 >= 5
    free = np.array([(d - date(1970, 1, 1)).days for d in holidays], np.int64)
    special = np.where(np.isin(day, free), 2, np.where(weekend, 1, 0)).astype(np.int8)
    year = day.astype("datetime64[D]").astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64)
    return LocalTimes(local - _MONDAY_S, special, (local / DAY_S) - year)


def utc_offsets(utc_s: Ints, zone: ZoneInfo) -> Ints:
    """Seconds that local time is ahead of UTC, for instants (T,) [s since 1970], ascending."""

    def offset(at: int) -> int:
        delta = datetime.fromtimestamp(at, UTC).astimezone(zone).utcoffset()
        return 0 if delta is None else int(delta.total_seconds())

    found = np.empty(len(utc_s), np.int64)
    first = 0
    while first < len(utc_s):
        # Zones change at quarter hours at the finest: look for a change within each run of a day or less.
        last = int(np.searchsorted(utc_s, utc_s[first] + DAY_S, "left"))
        if offset(int(utc_s[first])) == offset(int(utc_s[last - 1])):
            found[first:last] = offset(int(utc_s[first]))
        else:
            quarters, back = np.unique(utc_s[first:last] // 900, return_inverse=True)
            found[first:last] = np.array([offset(int(q) * 900) for q in quarters])[back]
        first = last
    return found


def season(local: LocalTimes, options: DemandOptions) -> Floats:
    """Factor (T,) [-] of the time of the year."""
    return np.asarray(1 + options.season * np.cos(2 * np.pi * (local.yearday - options.season_peak) / 365.25))


def rhythm(local: LocalTimes, options: DemandOptions) -> tuple[Floats, Floats]:
    """Factor (T,) [-] of the kind of day, and how much later (T,) [s] its habits are.

    Both fade in from midnight and out again with sin^2 of half the day, so that no day begins with a jump
    and nights, when only leaks and few people draw, are like other nights.
    """
    bump = np.sin(np.pi * (local.seconds % DAY_S) / DAY_S) ** 2
    factor = np.choose(local.special, [1.0, options.weekend, options.holiday])
    later = np.where(local.special > 0, options.weekend_shift_h * 3600.0, 0.0)
    return 1 + (factor - 1) * bump, later * bump


def follow(pattern: Floats, seconds: Floats | Ints, step_s: float, start_s: float) -> Floats:
    """A pattern (P,) of ``step_s`` [s] at local ``seconds`` (T,), straight between its values."""
    u = (np.asarray(seconds, np.float64) + start_s) / step_s
    k = np.floor(u).astype(np.int64)
    part = u - k
    return np.asarray(pattern[k % len(pattern)] * (1 - part) + pattern[(k + 1) % len(pattern)] * part)


class Demands:
    """Demand of every drawing junction of a model at any step, a pure function of seed and time.

    groups: for each drawing junction its DMA ("" where it has none).
    """

    def __init__(
        self,
        model: EpanetModel,
        options: DemandOptions,
        seed: int,
        zone: ZoneInfo,
        holidays: frozenset[date],
        groups: Sequence[str],
    ) -> None:
        self._options, self._zone, self._holidays = options, zone, holidays
        self._patterns, self._step_s, self._start_s = (
            model.patterns,
            float(model.pattern_step_s),
            float(model.pattern_start_s),
        )
        width = len(model.drawing)
        column = {node: i for i, node in enumerate(model.drawing)}
        used = sorted({c.pattern for _, c in model.categories})
        row = {pattern: i for i, pattern in enumerate(used)}
        self._used = used
        self._base = np.zeros((len(used), width))
        for node, category in model.categories:
            self._base[row[category.pattern], column[node]] += category.base
        self._base *= model.multiplier * options.scale
        if options.node_error:
            # By name, so that a junction draws the same whatever else draws or leaks.
            named = list(model.nodes)
            own = [stream(seed, "demand error of node", named[node]) for node in model.drawing]
            z = np.array([float(normal(key, 0)) for key in own])
            self._base *= np.exp(options.node_error * z - options.node_error**2 / 2)
        names = sorted(set(groups))
        self._group = np.array([names.index(g) for g in groups], np.int64)
        self._common = [stream(seed, "demand of dma", name) for name in names]
        self._level = stream(seed, "demand of all")
        self._slow = stream(seed, "demand of nodes, slow")
        self._drift = stream(seed, "demand of nodes, drift")
        self._fast = stream(seed, "demand of nodes")
        self.width = width

    def nominal(self, utc_s: Ints) -> Floats:
        """Expected demand (T, D) [m3/h] at instants (T,) [s since 1970 UTC]."""
        return self._expected(local_times(utc_s, self._zone, self._holidays))

    def actual(self, utc_s: Ints, chunk: int) -> Floats:
        """Demand (T, D) [m3/h] with chance; the instants are those of chunk number ``chunk``, all of it."""
        expected = self._expected(local_times(utc_s, self._zone, self._holidays))
        o = self._options
        if not self.width:
            return expected
        log = np.zeros_like(expected)
        if o.common_noise:
            knot = o.common_correlation_h * 3600
            common = np.concatenate([smooth(key, utc_s, knot, 1) for key in self._common], axis=1)
            log += (o.common_noise * common - o.common_noise**2 / 2)[:, self._group]
        if o.common_step_noise:
            step = np.stack([normal(key ^ 1, utc_s) for key in self._common], axis=1)
            log += (o.common_step_noise * step - o.common_step_noise**2 / 2)[:, self._group]
        if o.level_noise:
            level = smooth(self._level, utc_s, o.level_correlation_days * DAY_S, 1)
            log += o.level_noise * level - o.level_noise**2 / 2
        if o.node_drift:
            drift = smooth(self._drift, utc_s, o.node_drift_days * DAY_S, self.width)
            log += o.node_drift * drift - o.node_drift**2 / 2
        if o.node_noise_slow:
            slow = smooth(self._slow, utc_s, o.node_correlation_h * 3600, self.width)
            log += o.node_noise_slow * slow - o.node_noise_slow**2 / 2
        if o.node_noise:
            fast = block(self._fast, chunk).standard_normal(expected.shape)
            log += o.node_noise * fast - o.node_noise**2 / 2
        return np.asarray(expected * np.exp(log))

    def pattern(self, index: int, utc_s: Ints) -> Floats:
        """A file's pattern (T,) at instants (T,), by local time; stepwise, as pumps and reservoirs change."""
        local = local_times(utc_s, self._zone, self._holidays)
        values = self._patterns[index - 1]
        k = ((local.seconds + self._start_s) // self._step_s).astype(np.int64)
        return np.asarray(values[k % len(values)])

    def _expected(self, local: LocalTimes) -> Floats:
        factor, later = rhythm(local, self._options)
        wave = season(local, self._options)
        holiday = np.where(local.special == 2, factor, 1.0)
        columns = []
        for index in self._used:
            pattern = self._patterns[index - 1] if index > 0 else np.ones(1)
            if len(pattern) * self._step_s > 2 * DAY_S:  # it has its own weekends
                shape = follow(pattern, local.seconds, self._step_s, self._start_s)
                columns.append(shape * holiday * wave)
                continue
            shape = follow(pattern, local.seconds - later, self._step_s, self._start_s)
            columns.append(shape * factor * wave)
        shapes = np.stack(columns, axis=1) if columns else np.empty((len(local.seconds), 0))
        return np.asarray(shapes @ self._base)
