"""From the store's windows to the detector, in event time, and back again when late data come."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from analytics.detector import Detector
from analytics.gate.watch import Watch
from analytics.inflow import net_inflow, storage_rate
from analytics.options import Options
from analytics.resample import last_in_steps, to_rows
from twuin.monitor.extent import after_voids
from twuin.monitor.gate import SiteGate
from twuin.monitor.grid import instant_of, local_time, second_of, site_step, utc_seconds
from twuin.works.calendar import Calendar
from waterworks.metering import UNUSABLE, Balance, balance
from waterworks.network import Network
from waterworks.ports import ReadingStore
from waterworks.site import Site

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

__all__ = ["UNUSABLE", "Balance", "Engine", "balance"]

CHUNK_DAYS = 60
"""How much is read from the store at once."""


class Engine:
    """The gate and the detector of one site and where they stand.

    ``origin`` and ``until`` [s since 1970]: what has been taken from the store, [origin, until). ``works``:
    what people have entered so far.
    """

    def __init__(
        self, site: Site, store: ReadingStore, network: Network | None, options: Options, keep: int
    ) -> None:
        self._site, self._store, self._options, self._keep = site, store, options, keep
        self.step_s = site_step(site)
        self.balance = balance(site, network)
        self.feeding = [*self.balance.meters, *self.balance.tanks]
        self.gate = SiteGate(site, store, network, self.step_s)
        place = {name: k for k, name in enumerate(self.gate.ids)}
        known = [place[m] for m in self.balance.meters if m in place]
        self._gated = known if len(known) == len(self.balance.meters) else None
        self.watch = self._anew()
        self.origin: int | None = None
        self.works = Calendar(site, (), {})

    def _anew(self) -> Watch:
        return self.gate.watch(Detector(len(self._site.dmas), self.step_s, self._options))

    @property
    def detector(self) -> Detector:
        """What looks at the inflow that the gate lets through."""
        return self.watch.detector

    @property
    def until(self) -> int | None:
        """End of the last evaluated block [s since 1970], None before the first."""
        return None if self.origin is None else self.origin + self.detector.rows * self.step_s

    def start(self, first: np.datetime64) -> None:
        """Begin at the UTC day of the first reading."""
        self.origin = _day_of(first)
        self.watch = self._anew()

    def _first_of_use(self, origin: int) -> int:
        """The day [s since 1970] from which on readings are of use, where the first are of ``origin``.

        Days too few to learn from, with so long a void behind them that they are forgotten in it, say
        nothing: they are those of a device whose clock was never set. To go through the years after them,
        again with each such reading, would be all that the monitor ever does.
        """
        extent = self._store.extent(self.feeding)
        if extent is None:
            return origin
        window = self._store.window(
            self.feeding,
            instant_of(origin),
            extent[1] + np.timedelta64(1, "us"),
            step=np.timedelta64(86400, "s"),
            exclude=UNUSABLE,
        )
        days = utc_seconds(window.times) // 86400
        first = after_voids(days, self._options.min_days, self.detector.window + 1)
        return int(days[first]) * 86400 if first else origin

    def touched(self, first: np.datetime64) -> None:
        """Something from ``first`` on has changed: forget what was decided from then on."""
        if self.origin is None or self.until is None:
            return
        # A tank's rate reaches one step further than its reading.
        row = second_of(first) - self.origin
        if row < 0:
            if self._first_of_use(_day_of(first)) < self.origin:
                self.start(first)
        elif row < self.until - self.origin:
            self.watch.rewind(row // self.step_s)

    def proceed(self, mark: np.datetime64, progress: Callable[[float], None] | None = None) -> bool:
        """Evaluate all whole blocks that end at or before ``mark``; whether there were any.

        progress: called with the share done, after each piece that was read from the store.
        """
        if self.origin is None:
            return False
        if not self.detector.rows:
            self.origin = self._first_of_use(self.origin)
        block = self.detector.block_s
        target = (second_of(mark) - self.origin) // block * block // self.step_s
        begun, moved = self.detector.rows, False
        chunk = CHUNK_DAYS * 86400 // self.step_s
        while self.detector.rows < target:
            first = self.detector.rows
            count = min(chunk, target - first)
            local = local_time(
                self.origin + (first + np.arange(count, dtype=np.int64)) * self.step_s,
                self.step_s,
                self._site.timezone,
                self._site.monitor.holidays,
            )
            values, wrong = self.gate.readings(self.origin, first, count)
            inflow, explained = self.inflow(first, count, values, wrong), None
            if self.works:
                seconds = self.origin + (first + np.arange(count, dtype=np.int64)) * self.step_s
                explained = self.works.explained(seconds, self.step_s)
                values = _without(values, self.works.disturbed(self.gate.ids, seconds, self.step_s))
            self.watch.advance(values, wrong, inflow, local.day, local.slot, local.weekday, explained)
            self.watch.forget(self._keep)
            moved = True
            if progress is not None:
                progress((self.detector.rows - begun) / (target - begun))
        return moved

    def distrusted(
        self,
        names: list[str],
        seconds: Ints,
        step_s: int,
        *,
        doubt_before: bool = False,
        moved: bool = True,
    ) -> Bools:
        """See ``Distrust.of``; nothing is before the first reading. Nor what works make useless: with
        ``moved`` all of DMAs whose water they move (``Calendar.disturbed``), else ``Calendar.unread``."""
        if self.origin is None:
            out = np.zeros((len(seconds), len(names)), bool)
        else:
            out = self.gate.distrust.of(
                self.watch.gate, self.origin, names, seconds, step_s, doubt_before=doubt_before
            )
        if not self.works:
            return out
        seen = self.works.disturbed if moved else self.works.unread
        disturbed = seen(names, seconds, step_s)
        return out if disturbed is None else out | disturbed

    def usual(self, first: int, last: int) -> Floats:
        """Inflow of rows [first, last), (n, D) [m3/s], NaN where it is not trusted or works that people have
        entered go on."""
        inflow, worked = self.detector.inflow[first:last], self.watch.worked(first, last)
        return inflow if worked is None else np.where(worked, np.nan, inflow)

    def _meters(self, at: int, count: int, values: Floats, wrong: Bools) -> Floats:
        """Means of ``count`` rows from the step ``at`` since 1970 on of the meters, but of what is unusable.

        They are those that the gate was given (see ``inflow``), where none of them is out of range: the
        store need not be asked twice.
        """
        meters = self.balance.meters
        if self._gated is not None and not wrong[:, self._gated].any():
            return values[:, self._gated]
        start, end = instant_of(at * self.step_s), instant_of((at + count) * self.step_s)
        step = np.timedelta64(self.step_s, "s")
        window = self._store.window(meters, start, end, step=step, exclude=UNUSABLE)
        return to_rows(utc_seconds(window.times) // self.step_s, window.values, at, count)

    def inflow(self, first: int, count: int, values: Floats, wrong: Bools) -> Floats:
        """Net inflow of the rows [first, first+count) as measured, (count, D) [m3/s].

        values, wrong (count, S): what ``SiteGate.readings`` gave of these rows.
        """
        assert self.origin is not None
        at = self.origin // self.step_s + first
        end = instant_of((at + count) * self.step_s)
        b = self.balance
        meters = self._meters(at, count, values, wrong)
        seconds = (at + np.arange(count, dtype=np.int64)) * self.step_s
        if self.works:
            meters = _without(meters, self.works.named(b.meters, seconds, self.step_s))
        if b.tanks:
            back = 2
            raw = self._store.window(b.tanks, instant_of((at - back) * self.step_s), end, exclude=UNUSABLE)
            level, when = last_in_steps(
                raw.times.astype("datetime64[us]").astype(np.int64),
                raw.values,
                self.step_s * 1_000_000,
                at - back,
                count + back,
            )
            rate = storage_rate(level, when, b.areas, self.step_s)[back:]
            if self.works:
                rate = _without(rate, self.works.named(b.tanks, seconds, self.step_s))
        else:
            rate = np.empty((count, 0))
        return net_inflow(meters, b.signs, rate, b.tank_signs)


def _day_of(when: np.datetime64) -> int:
    """The UTC day of an instant [s since 1970]."""
    return second_of(when) // 86400 * 86400


def _without(values: Floats, unread: Bools | None) -> Floats:
    return values if unread is None else np.where(unread, np.nan, values)
