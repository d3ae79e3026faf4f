"""Where a leak is, worked out anew from all that was seen since it began."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from analytics.model.belief import MODES
from analytics.model.evidence import bayes_factors, place
from analytics.model.leak import Leak, Note
from analytics.model.search import Search
from analytics.model.stretches import Stretch, joined, stretch_of
from analytics.model.work import Work

Floats = NDArray[np.float64]

ENOUGH = 6
"""Days of a stretch that are looked at for where a leak is."""


def _some(found: NDArray[np.int64]) -> list[int]:
    """Not more than ``ENOUGH`` of them, evenly."""
    if len(found) <= ENOUGH:
        return [int(i) for i in found]
    return [int(i) for i in found[np.unique(np.linspace(0, len(found) - 1, ENOUGH).astype(int))]]


class Placing(Search):
    """A filter that places its leaks anew."""

    def _stretch(
        self, leak: Leak, first: int, days: Sequence[int], usual: float, beside: Sequence[int]
    ) -> Work[Stretch]:
        """What these days leave for a leak that began after day ``first`` and has lost ``usual`` [m3/s], the
        leaks ``beside`` it as they are known."""
        r, biases, before = self._rows, self._biases, self._after[first]
        total, weight, shown = np.zeros(r), np.zeros(r), np.zeros((r, biases))
        noise, signature = np.zeros((r, r)), np.zeros((r, len(self._prior)))
        unsure = {k: np.zeros(r) for k in beside}
        largest = dict.fromkeys(beside, 0.0)
        for j in days:
            day, here = self._days[j][1], self._after[j]
            rows_of_bias = self._bias_rows(day)
            left = self._measured(j) - rows_of_bias @ before.mean[:biases]
            for k in here.ids:
                if k == leak.id:
                    continue
                left = left - self._effect(j, k, here, here.flow(k))
                unsure[k] += here.flow_sd(k) / len(days) * self._leak_rows(j, k)
                largest[k] = max(largest[k], here.flow(k))
            u = np.where(np.isfinite(left), 1.0, 0.0)
            total += u * np.nan_to_num(left)
            weight += u
            shown += u[:, None] * rows_of_bias
            noise += np.outer(u, u) * self._noise_of[j]
            signature += leak.flow[j] / usual / len(days) * self._signatures(day)
            yield
        ok = weight > 0
        w = np.where(ok, weight, 1.0)
        common = np.zeros((r, len(beside) * (1 + MODES)))
        for i, k in enumerate(beside):
            at = i * (1 + MODES)
            common[:, at] = unsure[k]
            if k not in before.ids:
                common[:, at + 1 : at + 1 + MODES] = np.sqrt(0.5) * largest[k] * self.leaks[k].modes
        return Stretch(
            np.where(ok, total / w, 0.0),
            weight / len(days),
            shown / w[:, None],
            1.3 * noise / np.outer(w, w),
            common,
            signature,
            float(np.mean(days)) - first,
        )

    def _place(self, d: int, leak: Leak) -> Work[bool]:
        """Where it is, from all days since its onset, each by how much leaked then; whether that is
        elsewhere."""
        first = leak.onset
        if first not in self._after:
            return False
        days = [
            j for j in range(first + 1, d + 1) if leak.flow.get(j, 0.0) > 0 and not self._days[j][1].trouble
        ]
        days = days[1:] or days  # it did not run all of its first day
        flow = np.array([leak.flow[j] for j in days])
        if not len(days) or flow.max() <= 0:
            return False
        keep = flow > 0.2 * flow.max()
        days, flow = [j for j, k in zip(days, keep, strict=True) if k], flow[keep]
        parts = np.array([stretch_of(j - first) for j in days])
        chosen = [[days[i] for i in _some(np.flatnonzero(parts == n))] for n in np.unique(parts)]
        beside = sorted({k for part in chosen for j in part for k in self._after[j].ids} - {leak.id})
        stretches = []
        for part in chosen:
            of_part = yield from self._stretch(leak, first, part, float(flow.mean()), beside)
            stretches.append(of_part)
        biases = self._biases
        before = self._after[first]
        top = int(np.argmax(leak.probability))
        window = joined(stretches, before.covariance[:biases, :biases], self._wander(), top)
        wide = 2 * self.options.flow_sd
        yield
        p = place(
            window, bayes_factors(window, wide), wide, self._prior, self._errors(max(len(days), 1), 0)
        ).probability
        yield
        moved = self.layout.distance[int(np.argmax(p)), int(np.argmax(leak.probability))]
        adopted = self._over_nodes(p)
        shared = float(np.minimum(adopted, leak.weight).sum())
        leak.probability, leak.revised = p, d
        if shared > 0.7:
            return False
        leak.weight, leak.modes = adopted, self._modes(d, leak)
        for key in [k for k in self._rows_of if k[1] == leak.id]:
            del self._rows_of[key]
        self._after[first] = self._after[first].unlearnt(leak.id)
        self.notes.append(Note(d, "moved", leak.id, f"{moved:.0f} m"))
        yield from self._again(first, d, solve=False)
        return True
