"""Leaks in pressures alone, without a hydraulic model: a sensor that falls away from all the others.

Every sensor is regressed on all others and on the inflows (``analytics.precision``); relations are learnt
from differences between days, so that a leak that stays is in them once and is not learnt away. What is
left is compared, over windows of whole days, with the fortnight before, less the effects that are known.
A fall beyond the noise that such comparisons had in the past is a new leak near that sensor, the growth of a
known one or, as a rise, its repair. LILA (Daniel et al. 2022, J. Water Resour. Plann. Manage. 148(5))
has the pairwise regressions and a CUSUM on them; re-arming, several leaks at once and their growth are ours.

Everything decided at a time uses rows up to that time; nothing depends on how rows are handed over.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.drops import Drop, PairOptions
from analytics.noise import nanmedian, robust_scale
from analytics.onset import onset_interval
from analytics.precision import conditional, differences, scatter
from analytics.spans import Sums, compared

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


TURNS = 6
"""So many changes may become known in one part of a day."""

PASSING_DAYS = 28
"""What rose without a known cause and falls back within so many days was no leak's repair, and is no leak."""

SETTLING_DAYS = 3
"""A repair is in all windows after so many days."""

BRIEF_DAYS = 2
"""A fall that is over so soon after it began was no leak's: a cut, a fire, a valve, a tank that ran low."""

BACK_PARTS = 2
"""It is over when its sensor has stood for so many parts"""

BACK_SHARE = 0.3
"""within this share of the fall from where it stood before, and clearly so: at least ``limit`` deviations
apart from the fall."""


class _Lesson(NamedTuple):
    """What was learnt at the start of a day.

    active (S,): columns in use; precision: over these; course (24, S): usual value of each hour; noise
    (W, M): deviation of comparisons [m], NaN where there is no past to measure it on.
    """

    active: Bools
    precision: Floats
    course: Floats
    noise: Floats


class _Look(NamedTuple):
    """The comparison that tells most.

    size: largest of z (M,), the comparison by its noise (M,); weight (M,): by its own deviation as the
    precision has it; change of all columns (S,); sensor: where it began; parts: length.
    """

    size: float
    z: Floats
    weight: Floats
    change: Floats
    sensor: int
    parts: int
    noise: Floats


class PairWatch:
    """Sequential watch over M pressure sensors, with K covariates (inflows, levels) beside them.

    ``advance`` takes rows of an hour, (n, M + K), sensors first. Results: ``drops``, and ``statistic`` (P,):
    the largest comparison of each part as a share of the limit, NaN before anything is decided.
    """

    HOURS = 24
    PARTS = 4

    def __init__(self, sensors: int, covariates: int = 0, options: PairOptions | None = None) -> None:
        self.sensors, self.columns = sensors, sensors + covariates
        self.options = options or PairOptions()
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._rows = np.empty((0, self.columns))
        self.rows = 0
        self.statistic = np.empty(0)
        self.drops: list[Drop] = []
        self._shifts: list[tuple[int, Floats]] = []
        self._kept: dict[int, tuple[list[Drop], list[tuple[int, Floats]]]] = {}
        self._lesson: _Lesson | None = None
        self._apart = np.empty((0, self.columns))
        self._left = np.empty((0, self.sensors))

    @property
    def parts(self) -> int:
        """Parts that have been decided on."""
        return self.rows // (self.HOURS // self.PARTS)

    # -- going on ----------------------------------------------------------------------------------

    def advance(self, rows: Floats) -> None:
        """Take the next hours, (n, M + K) [m; covariates in any unit], NaN where missing."""
        per_part = self.HOURS // self.PARTS
        need = self.rows + len(rows)
        if need > len(self._rows):
            more = np.full((max(need, 2 * len(self._rows), 1024), self.columns), np.nan)
            more[: self.rows] = self._rows[: self.rows]
            self._rows = more
        for row in rows:
            if self.rows % self.HOURS == 0:
                self._kept[self.rows] = ([d.copy() for d in self.drops], list(self._shifts))
                self._lesson = None
            self._rows[self.rows] = row
            self.rows += 1
            if self.rows % per_part == 0:
                self._close_part()

    def rewind(self, row: int) -> int:
        """Go back to the start of the day of ``row``, or of one before; returns the row to go on from."""
        kept = [r for r in self._kept if r <= row]
        if not kept:
            self._begin_anew()
            return 0
        at = max(kept)
        drops, shifts = self._kept[at]
        self._kept = {r: x for r, x in self._kept.items() if r < at}
        self.rows, self._lesson = at, None
        self.drops, self._shifts = [d.copy() for d in drops], list(shifts)
        self.statistic = self.statistic[: self.parts]
        return at

    def forget(self, keep: int) -> None:
        """Of the days to go back to keep the newest ``keep`` and, before them, ``keep`` a week apart."""
        rows = sorted(self._kept, reverse=True)
        weekly: list[int] = []
        for r in rows[keep:]:
            if not weekly or weekly[-1] - r >= 7 * self.HOURS:
                weekly.append(r)
        self._kept = {r: self._kept[r] for r in [*rows[:keep], *weekly[:keep]]}

    # -- a part of a day ---------------------------------------------------------------------------

    def _close_part(self) -> None:
        now = self.parts - 1
        shown = np.nan
        if now >= self.options.min_days * self.PARTS:
            if self._lesson is None:
                self._learn(now // self.PARTS * self.PARTS)
            self._take(now)
            self._see_back(now)
            for turn in range(TURNS):
                look = self._look()
                size = 0.0 if look is None else look.size
                if turn == 0:
                    shown = size / self.options.limit
                if look is None or size < self.options.limit:
                    break
                self._judge(look, now)
        self.statistic = np.append(self.statistic, shown)

    def _clean(self, first: int, last: int) -> Floats:
        """Rows of parts [first, last) by part, less what is known, (p, hours, S)."""
        per_part = self.HOURS // self.PARTS
        rows = self._rows[first * per_part : last * per_part].reshape(last - first, per_part, self.columns)
        known = np.zeros((last - first, self.columns))
        lasting = [step for d in self.drops if d.passed is None for step in d.steps]
        for at, change in lasting + self._shifts:
            known[max(0, at - first) :] += change
        clean = rows - known[:, None]
        for d in self.drops:
            if d.passed is not None and d.passed[1] > first:
                clean[max(0, d.passed[0] - first) : d.passed[1] - first] = np.nan
        return clean

    def _learn(self, now: int) -> None:
        """Relations and noise, from the parts before the day that begins."""
        o, per_day = self.options, self.PARTS
        first = max(0, now - o.weeks * 7 * per_day)
        hours = self._clean(first, now).reshape(-1, self.columns)
        active = np.isfinite(hours).mean(axis=0) >= 0.5
        # Covariates come in any unit: a thousandth of how they move is theirs alone.
        moved = differences(hours[:, active], self.HOURS)
        scale = np.nan_to_num(robust_scale(moved))
        own = np.where(np.flatnonzero(active) < self.sensors, o.ridge_m, np.maximum(0.03 * scale, 1e-9)) ** 2
        precision = np.asarray(np.linalg.inv(scatter(moved, own) / 2 + np.diag(own)), np.float64)
        course: Floats = nanmedian(hours[-28 * self.HOURS :].reshape(-1, self.HOURS, self.columns))
        self._lesson = _Lesson(active, precision, course, np.empty((0, 0)))
        self._apart = self._means(max(0, now - (o.noise_days + 1) * per_day), now)
        self._left = self._conditional(self._apart)
        self._lesson = self._lesson._replace(noise=self._noise())

    def _means(self, first: int, last: int) -> Floats:
        """How far columns are from their course in parts [first, last), (p, S); NaN if half is missing."""
        assert self._lesson is not None
        hours = self.HOURS // self.PARTS
        hour = np.arange(first * hours, last * hours).reshape(-1, hours) % self.HOURS
        apart = self._clean(first, last) - self._lesson.course[hour]
        there = np.isfinite(apart)
        count = there.sum(1)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(there, apart, 0.0).sum(1) / count
        return np.asarray(np.where(2 * count >= hours, mean, np.nan))

    def _take(self, now: int) -> None:
        """Add a part to what is looked at."""
        self._apart = np.concatenate([self._apart, self._means(now, now + 1)])
        self._left = np.concatenate([self._left, self._conditional(self._apart[-1:])])

    def _know(self, since: int, change: Floats) -> None:
        """Take what has become known off what is looked at."""
        at = max(0, len(self._apart) - (self.parts - since))
        self._apart[at:] -= change
        self._left[at:] = self._conditional(self._apart[at:])

    def _conditional(self, columns: Floats) -> Floats:
        """Columns (p, S) regressed on all others; of the sensors (p, M)."""
        assert self._lesson is not None
        active = self._lesson.active
        left = np.full(columns.shape, np.nan)
        left[:, active] = conditional(columns[:, active], self._lesson.precision)
        return left[:, : self.sensors]

    def _noise(self) -> Floats:
        """Deviation of comparisons, (W, M) [m], measured on the past; half of it that of a usual sensor."""
        o, have = self.options, len(self._left)
        out = np.full((len(o.windows_days), self.sensors), np.nan)
        before, last = min(o.before_days * self.PARTS, have // 3), np.full(self.sensors, np.nan)
        sums = Sums.of(self._left)
        for k, days in enumerate(o.windows_days):
            parts = days * self.PARTS
            ends = np.arange(parts + before, have + 1)
            if len(ends) >= max(parts, 7 * self.PARTS):
                own = robust_scale(compared(sums, parts, before, ends))
                if np.isfinite(own).any():
                    own = np.sqrt(0.5 * own**2 + 0.5 * np.nanmedian(own) ** 2)
                last = np.fmax(np.fmax(own, o.least_m), 0.7 * last)
            out[k] = last
        return out * (1 + 7 * self.PARTS / max(have, 1))

    def _look(self) -> _Look | None:
        """The comparison that stands out most, of all windows up to now and all sensors."""
        assert self._lesson is not None
        o, have, best = self.options, len(self._left), None
        watched = self.parts - o.min_days * self.PARTS
        for days, noise in zip(o.windows_days, self._lesson.noise, strict=True):
            parts = days * self.PARTS
            before = min(o.before_days * self.PARTS, have - parts)
            # What lies before the first decision is the past that later ones are held against.
            if before < 7 * self.PARTS or parts > watched:
                break
            z = self._against(self._left, parts, before) / noise
            if np.isfinite(z).any():
                i = int(np.nanargmax(np.abs(z)))
                if best is None or abs(z[i]) > abs(best[0][best[1]]):
                    best = (np.nan_to_num(z), i, parts, before, noise)
        if best is None:
            return None
        z, i, parts, before, noise = best
        # A sensor that falls alone makes others seem to rise, whose relation rests on it. By the precision
        # that cannot be the larger of the two: where it all began is told by that.
        power = np.zeros(self.columns)
        power[self._lesson.active] = np.diag(self._lesson.precision)
        weight = z * np.nan_to_num(noise) * np.sqrt(power[: self.sensors])
        size = float(abs(z[i]))
        sensor = int(np.argmax(np.where(np.abs(z) >= 0.5 * size, np.abs(weight), 0.0)))
        change = np.nan_to_num(self._against(self._apart, parts, before))
        return _Look(size, z, weight, change, sensor, parts, noise)

    @staticmethod
    def _against(columns: Floats, parts: int, before: int) -> Floats:
        """Mean of the last parts less that of those before, (C,), NaN where half of either is missing.

        Those before are cut at four robust deviations: a day of works within the fortnight shifts little.
        """
        cut = len(columns) - parts
        new, old = columns[cut:], columns[cut - before : cut]
        enough = (2 * np.isfinite(new).sum(0) >= parts) & (2 * np.isfinite(old).sum(0) >= before)
        out = np.full(columns.shape[1], np.nan)
        out[enough] = np.nanmean(new[:, enough], axis=0) - np.nanmean(calmed(old[:, enough]), axis=0)
        return out

    # -- what passes ------------------------------------------------------------------------------------

    def _see_back(self, now: int) -> None:
        """End falls that are over within days, by their own sensor.

        A fall that many sensors share, as of a whole district, hardly shows in what each has beyond the
        others; what little it does may look like anything when it ends. Where its own sensor stands is sure.
        """
        assert self._lesson is not None
        young = [
            d
            for d in self.drops
            if d.end is None and now - d.detected <= BRIEF_DAYS * self.PARTS and d.days <= 1
        ]
        if not young:
            return
        # As if nothing were known of them.
        apart = self._apart.copy()
        for d in young:
            for at, change in d.steps:
                apart[max(0, len(apart) - (self.parts - at)) :] += change
        left = self._conditional(apart)
        for d in young:
            at = len(left) - (self.parts - d.start)
            seen = len(left) - (self.parts - d.detected) + 1
            fallen, back = left[max(0, at) : seen, d.sensor], left[-BACK_PARTS:, d.sensor]
            before = left[max(0, at - self.options.before_days * self.PARTS) : max(0, at), d.sensor]
            if now - d.detected < BACK_PARTS or not np.isfinite(back).all() or not np.isfinite(fallen).any():
                continue
            usual = float(np.nanmedian(before)) if np.isfinite(before).any() else 0.0
            depth = float(np.nanmedian(fallen)) - usual
            noise = float(self._lesson.noise[0, d.sensor]) * np.sqrt(self.PARTS / BACK_PARTS)
            rest = float(back.mean()) - usual
            if rest > BACK_SHARE * depth and rest - depth > self.options.limit * noise:
                self._pass(d, self.parts - BACK_PARTS, now)

    def _pass(self, drop: Drop, end: int, now: int) -> None:
        """A fall is over from part ``end`` on; what it did is left out, with the part in which it ended."""
        drop.end, drop.closed = max(end, drop.detected + 1), now
        first = min(drop.start, drop.low, *(at for at, _ in drop.steps))
        drop.passed = (first, min(max(end, drop.end) + 1, self.parts))
        self._apart = self._means(max(0, self.parts - len(self._apart)), self.parts)
        self._left = self._conditional(self._apart)

    # -- what it is --------------------------------------------------------------------------------

    def _judge(self, look: _Look, now: int) -> None:
        """A comparison beyond the limit is growth, a repair, another leak, or a rise nobody can explain."""
        o, fall = self.options, look.z[look.sensor] < 0
        since = now + 1 - look.parts
        # A repair fills the windows by and by: what is like a leak that has just ended is still its end.
        settling = SETTLING_DAYS * self.PARTS
        mine = [d for d in self.drops if d.closed is None or now - d.closed <= settling]
        mine = [d for d in mine if d.passed is None]
        shapes = [np.nan_to_num(self._conditional(d.shape[None])[0] / look.noise) for d in mine]
        best: tuple[float, Drop, Floats, float] | None = None
        for drop, shape in zip(mine, shapes, strict=True):
            power = float(shape @ shape)
            if not power > 0 or abs(shape[look.sensor]) < o.blurred * np.abs(shape).max():
                continue
            share = float(look.z @ shape) / power
            alike = cosine(look.z, shape) * (1 if fall else -1)
            # An ended leak comes again as another; none is repaired by more than it was.
            if alike < o.same or (share > 0.5 if fall and drop.end is not None else share < -1.5):
                continue
            # Of leaks that look alike the youngest grows, and the one of that size is repaired.
            merit = alike if fall else alike - 0.3 * abs(np.log(abs(share)))
            if best is None or merit >= best[0]:
                best = (merit, drop, shape, share)
        if best is not None:
            _, drop, shape, share = best
            if not (fall and self._another(drop, share, look, now)):
                rest = np.abs(look.z - share * shape)
                whole = bool(np.all(rest <= o.limit + o.blurred * abs(share) * np.abs(shape)))
                # Where a part that is not the leak's stands out it stays to be looked at, unless what is
                # taken off would leave more than it takes.
                change = look.change if whole or rest.max() > 0.8 * look.size else share * drop.shape
                drop.steps.append((since, change))
                self._know(since, change)
                if drop.end is not None:
                    return
                if fall:
                    drop.shape = drop.effect
                    drop.grown.append((now, share))
                    if look.size > drop.statistic:
                        drop.statistic, drop.order = look.size, np.argsort(look.weight, kind="stable")
                elif float(self._share(drop, look)) < 0.5:
                    drop.end, drop.closed = max(since, drop.detected + 1), now
                    if now - drop.start <= BRIEF_DAYS * self.PARTS:
                        self._pass(drop, max(drop.end, now), now)
                return
        start, low, high = self._onset(look, now)
        change = look.change
        for drop, shape in zip(mine, shapes, strict=True):
            # What known leaks did meanwhile, where it is beyond doubt, is theirs.
            top = drop.sensor
            if abs(look.z[top]) > o.limit and abs(shape[look.sensor]) < o.blurred * np.abs(shape).max():
                change = change - look.z[top] / shape[top] * drop.shape
        if not fall or self._falls_back(look, now):
            # Nobody follows it any further, so all of it is taken off at once.
            since, sudden = self._since(look, now)
            change = change - look.change + sudden
            self._know(since, change)
            self._shifts.append((since, change))
            return
        self._know(since, change)
        order = np.argsort(look.weight, kind="stable")
        days = look.parts / self.PARTS
        self.drops.append(
            Drop(look.sensor, order, start, low, high, now, look.size, days, [(since, change)], change)
        )

    def _since(self, look: _Look, now: int) -> tuple[int, Floats]:
        """From which part on, within the window, a change holds, and how large all columns' is from there on.

        The window is whole days; what began within it is smaller in its mean than it is. The start is that of
        the most likely step of the pattern, in it and in the time before that it is compared with.
        """
        window, have = look.parts, len(self._left)
        before = min(self.options.before_days * self.PARTS, have - window)
        unit = np.nan_to_num(self._left[have - window - before :] / look.noise) @ look.z
        rest = unit[before:] - calmed(unit[:before, None]).mean()
        total = np.cumsum(rest[::-1])[::-1]
        first = int(np.argmax(total * np.abs(total) / np.arange(window, 0, -1)))
        held, usual = (
            self._apart[have - window + first :],
            self._apart[have - window - before : have - window],
        )
        known = np.isfinite(held).any(axis=0) & np.isfinite(usual).any(axis=0)
        change = np.zeros(self.columns)
        change[known] = np.nanmean(held[:, known], axis=0) - np.nanmean(calmed(usual[:, known]), axis=0)
        return now + 1 - window + first, change

    def _falls_back(self, look: _Look, now: int) -> bool:
        """Whether a fall undoes what rose lately without a known leak: a cut of supply, a valve, a trial."""
        lately = [change for at, change in self._shifts if now - at <= PASSING_DAYS * self.PARTS]
        if not lately:
            return False
        shape = np.nan_to_num(self._conditional(np.sum(lately, axis=0)[None])[0] / look.noise)
        power = float(shape @ shape)
        share = float(look.z @ shape) / power if power > 0 else 0.0
        return -1.5 <= share < 0 and -cosine(look.z, shape) >= self.options.same

    def _share(self, drop: Drop, look: _Look) -> float:
        """What is left of a leak: its effect now along what it was."""
        shape, effect = self._conditional(np.stack([drop.shape, drop.effect])) / look.noise
        shape, effect = np.nan_to_num(shape), np.nan_to_num(effect)
        return float(effect @ shape) / max(float(shape @ shape), 1e-12)

    def _another(self, drop: Drop, share: float, look: _Look, now: int) -> bool:
        """Whether a fall like a known leak's is another leak at that place: sudden, after it had settled."""
        if now - drop.detected < 2 * self.PARTS or look.size < 2 * self.options.limit:
            return False
        lately = [s for at, s in drop.grown if now - at <= 7 * self.PARTS]
        return share > max(0.3, 3 * max(lately, default=0.0))

    def _onset(self, look: _Look, now: int) -> tuple[int, int, int]:
        """First changed part with its interval, from the sensors weighted as they felt it."""
        weight = np.where(look.z < -0.5 * np.abs(look.z).max(), -1.0, 0.0)
        unit = np.nan_to_num(self._left) / look.noise
        before = max(0, len(unit) - look.parts - self.options.before_days * self.PARTS)
        series = unit @ np.nan_to_num(weight)
        quiet = series[max(0, before - 28 * self.PARTS) : len(unit) - look.parts]
        centre = float(np.median(quiet)) if len(quiet) else 0.0
        scale = float(robust_scale(quiet - centre)) if len(quiet) else 1.0
        z = (series - centre) / max(scale, 1e-9)
        found = onset_interval(z, before, 1)
        first = now + 1 - len(unit)
        if found is None:
            return now + 1 - look.parts, now + 1 - look.parts, now
        return first + found.best, first + found.low, first + found.high


def cosine(a: Floats, b: Floats) -> float:
    """How alike two patterns over sensors (M,) are, apart from what all sensors share (of three or more)."""
    seen = (a != 0) | (b != 0)
    a, b = a[seen], b[seen]
    if len(a) >= 3:
        a, b = a - a.mean(), b - b.mean()
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / norm if norm > 0 else 0.0


def calmed(values: Floats) -> Floats:
    """Columns (p, C) with each value at most four robust deviations from its column's median."""
    middle = nanmedian(values)
    bound = 4 * robust_scale(values - middle)
    return np.clip(values, middle - bound, middle + bound)
