"""What may have changed in the last days: a new leak, a fall of a known one, a sensor that is off."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from analytics.model.belief import Belief
from analytics.model.evidence import Window, astray, bayes_factors, place
from analytics.model.filter import Filter
from analytics.model.options import M3H
from analytics.model.work import Work

Floats = NDArray[np.float64]

QUIET = 0.05
"""What was foretold of a leak that has settled is off by this part of what is allowed for others."""

LOG_REPAIR = -3.4
"""Of a known leak to be repaired on a given day: one in thirty, logarithm."""

OFF_SD = 0.5
"""By how much a sensor is off that is off [m]."""

SENSOR_PRIOR = 1e-3
"""Of one sensor to be off rather than a leak to have begun; shared by all sensors."""


class Search(Filter):
    """A filter whose last days can be held against what was believed before them."""

    def _window(self, d: int, length: int) -> Work[Window | None]:
        """The last ``length`` days against what was believed before them; None without a belief that old."""
        first = d - length
        if first not in self._after or not self._after[first].biases:
            return None
        before, now = self._after[first], self._after[d]
        r = self._rows
        biases = self._biases
        bias, shown = before.mean[:biases], np.zeros((r, biases))
        total, weight = np.zeros(r), np.zeros(r)
        noise = np.zeros((r, r))
        leaks: dict[int, Floats] = {}
        running: dict[int, float] = {}
        days = [j for j in range(first + 1, d + 1) if self._days[j][1] is not None]
        ahead = self._ahead(before, days)
        short = length <= 4
        for j in days:
            day = self._days[j][1]
            here = self._after[j]
            rows_of_bias = self._bias_rows(day)
            left = self._measured(j) - rows_of_bias @ bias
            for k in here.ids:
                leaks[k] = leaks.get(k, np.zeros(r)) + self._leak_rows(j, k)
                flow = ahead[j].flow(k) if self._foreseen(ahead, j, k, first, short) else here.flow(k)
                left = left - self._effect(j, k, before, flow)
                running[k] = running.get(k, 0.0) + max(flow, 0.0)
            u = np.where(np.isfinite(left), 1e-3 if day.trouble else 1.0, 0.0)
            total += u * np.nan_to_num(left)
            weight += u
            shown += u[:, None] * rows_of_bias
            noise += np.outer(u, u) * self._noise_of[j] * (1e-4 if day.trouble else 1.0)
            yield
        ok = weight > 0
        if not ok.any():
            return None
        w = np.where(ok, weight, 1.0)
        mean, shown = total / w, shown / w[:, None]
        doubt = before.covariance.copy()
        doubt[:biases, :biases] += self._wander() * (length / 3 + 0.5) + self._unsure(first + 1, d)
        observing = np.zeros((r, len(doubt)))
        observing[:, :biases] = shown
        for k in before.ids:
            if k in running:
                observing[:, before.errors(k)] = running[k] / len(days) * self.leaks[k].modes
        covariance = observing @ doubt @ observing.T
        covariance += noise / np.outer(w, w) * (1.0 + 0.3 * min(length, 4) / 4)
        for k, rows in leaks.items():
            was, is_ = max(before.flow(k), 0.0), max(now.flow(k), 0.0)
            part = rows / len(days)
            if self._foreseen(ahead, d, k, first, short):
                is_ = max(ahead[d].flow(k), 0.0)
                calm = QUIET if self.leaks[k].steady(first) else 1.0
                slack = calm * (0.3 * M3H + 0.05 * is_) + ahead[d].flow_sd(k)
            else:
                slack = 0.3 * M3H + 0.05 * is_ + 0.5 * abs(is_ - was)
            covariance += slack**2 * np.outer(part, part)
            if k not in before.ids:
                wrong = running[k] / len(days) * self.leaks[k].modes
                covariance += wrong @ wrong.T
            # What began or ended within a day did not run in all of its blocks alike.
            uneven = self.options.part_day * abs(is_ - was) / length
            covariance += uneven**2 * np.where(self._one_block, np.outer(part, part), 0.0)
        covariance[~ok, ~ok] += 1e6
        mid = self._days[d if length <= 2 else days[len(days) // 2]][1]
        return Window(np.where(ok, mean, 0.0), covariance, self._signatures(mid))

    def _ahead(self, before: Belief, days: Sequence[int]) -> dict[int, Belief]:
        """Beliefs foretold for days to come: a jump must not be taken for growth that it then looks like."""
        out: dict[int, Belief] = {}
        calm = np.zeros((self._biases, self._biases))
        for j in days:
            before = self._predicted(j, before, calm)
            out[j] = before
        return out

    def _foreseen(self, ahead: dict[int, Belief], j: int, leak: int, first: int, short: bool) -> bool:
        """Whether its flow on day j is what was foretold on day ``first``: over a few days of any leak, over
        more of one that has settled."""
        known = leak in ahead[j].ids and self.leaks[leak].fell <= first
        return known and (short or self.leaks[leak].steady(first))

    def _drops(self, d: int, length: int, window: Window) -> list[tuple[float, int, int]]:
        """Known leaks that may have been repaired in the window: log Bayes factor, length and leak."""
        out: list[tuple[float, int, int]] = []
        ids = [k for k in self._after[d - length].ids if self.leaks[k].closed is None]
        ids = [
            k for k in ids if self._after[d - length].flow(k) > 0.7 * M3H and self.leaks[k].fell <= d - length
        ]
        if not ids:
            return out
        rows = np.array([self._leak_rows(d, k) for k in ids]).T
        for start in range(len(self.options.blocks)):
            # Less leaks: the signature of a fall is that of a leak turned around.
            late = self._late(window._replace(signature=-rows), length, start)
            for i, k in enumerate(ids):
                flow = self._after[d - length].flow(k)
                one = late._replace(signature=late.signature[:, i : i + 1])
                found = bayes_factors(one, flow)
                if found.flow[0] > 0.1 * flow and found.log[0] + LOG_REPAIR > 0:
                    known = place(one, found, flow, np.zeros(1), self._errors(length, start))
                    out.append((known.log + LOG_REPAIR, length, k))
        return out

    def _late(self, window: Window, length: int, start: int) -> Window:
        """The window for a leak that did not run in the blocks before ``start`` of its first day."""
        before = (self._row_block < start)[:, None]
        return window._replace(
            signature=np.where(before, window.signature * (length - 1) / length, window.signature)
        )

    def _errors(self, length: int, start: int) -> list[tuple[NDArray[np.int64], float]]:
        """What is wrong about signatures over so many days: sensor by sensor, and how much ran in its first
        block (the others for growth)."""
        first = np.where(self._row_block == start, start, -1)
        return [
            (self._row_sensor, self.options.signature_error),
            (first, self.options.part_day / length),
            (self._row_block, 0.1),
        ]

    def _sensor_off(self, window: Window) -> tuple[float, int, float] | None:
        """Log Bayes factor, sensor and offset [m] of the sensor most likely to be off: by one offset, or by
        another in each block."""
        if not self._m:
            return None
        each = (self._row_sensor[:, None] == np.arange(self._m)).astype(float)
        shifted = bayes_factors(window._replace(signature=each), OFF_SD)
        wild = astray(window, self._row_sensor, self._m, OFF_SD)
        found = max((shifted, wild), key=lambda f: float(f.log.max()))
        k = int(np.argmax(found.log))
        return float(found.log[k]) + float(np.log(SENSOR_PRIOR / self._m)), k, float(found.flow[k])
