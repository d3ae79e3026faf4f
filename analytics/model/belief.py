"""What is believed after a day: what the model gets wrong at every sensor, and every leak's flow and
growth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve

from analytics.model.positive import factor

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MODES = 10
"""Patterns over the sensors in which a leak's signature may be wrong, the largest ones."""

WIDTH = 2 + MODES
"""What is believed of one leak."""

FADING = 0.97
"""A leak's growth goes on from day to day, less and less surely."""


@dataclass(slots=True)
class Belief:
    """A normal distribution over biases (errors of the model, offsets of sensors, usual balances) and, leak
    by leak in the order of ``ids``, flow [m3/s], growth [m3/s a day] and ``MODES`` coefficients of what is
    wrong about its signature. mean (n,), covariance (n, n) with n = biases + K WIDTH.
    """

    mean: Floats
    covariance: Floats
    ids: tuple[int, ...]
    biases: int

    def copy(self) -> Belief:
        """Nothing shared with this one."""
        return Belief(self.mean.copy(), self.covariance.copy(), self.ids, self.biases)

    def at(self, leak: int) -> int:
        """Index of a leak's flow in the state."""
        return self.biases + WIDTH * self.ids.index(leak)

    def flow(self, leak: int) -> float:
        """Flow of a leak [m3/s], 0 for one that is not in it."""
        return float(self.mean[self.at(leak)]) if leak in self.ids else 0.0

    def growth(self, leak: int) -> tuple[float, float]:
        """Growth and its standard deviation [m3/s a day]."""
        i = self.at(leak) + 1
        return float(self.mean[i]), float(np.sqrt(max(self.covariance[i, i], 0.0)))

    def flow_sd(self, leak: int) -> float:
        """Standard deviation of a leak's flow [m3/s]."""
        i = self.at(leak)
        return float(np.sqrt(max(self.covariance[i, i], 0.0)))

    def flows(self) -> Floats:
        """Flow of all leaks (K,) [m3/s], in the order of ``ids``."""
        return self.mean[self.biases :: WIDTH]

    def added(self, leak: int, flow: float, flow_sd: float, growth_sd: float) -> Belief:
        """With one more leak of ``flow`` and its deviation [m3/s], which grows by 0 give or take
        ``growth_sd`` [m3/s a day]."""
        n = len(self.mean)
        mean = np.concatenate([self.mean, [flow], np.zeros(WIDTH - 1)])
        covariance = np.zeros((n + WIDTH, n + WIDTH))
        covariance[:n, :n] = self.covariance
        own = np.arange(n, n + WIDTH)
        covariance[own, own] = np.concatenate([[flow_sd**2, growth_sd**2], np.ones(MODES)])
        return Belief(mean, covariance, (*self.ids, leak), self.biases)

    def dropped(self, leak: int) -> Belief:
        """Without a leak; what was learnt with it of the others stays."""
        i = self.at(leak)
        keep = np.delete(np.arange(len(self.mean)), np.arange(i, i + WIDTH))
        ids = tuple(k for k in self.ids if k != leak)
        return Belief(self.mean[keep], self.covariance[np.ix_(keep, keep)], ids, self.biases)

    def predicted(self, bias_noise: Floats, calm: Floats, pace: Floats, drift: Floats) -> Belief:
        """A day later. bias_noise (biases, biases): how biases wander in a day; growth changes by calm (K,)
        [m3/s a day] and by the share pace (K,) of itself, a flow by drift (K,) [m3/s] beside it."""
        r = self.biases
        mean, covariance = self.mean.copy(), self.covariance.copy()
        i = r + WIDTH * np.arange(len(self.ids))
        mean[i] += mean[i + 1]
        mean[i + 1] *= FADING
        covariance[i] += covariance[i + 1]
        covariance[:, i] += covariance[:, i + 1]
        covariance[i + 1] *= FADING
        covariance[:, i + 1] *= FADING
        covariance[:r, :r] += bias_noise
        covariance[i, i] += drift**2
        covariance[i + 1, i + 1] += (calm + pace * np.abs(self.mean[i + 1])) ** 2
        return Belief(mean, covariance, self.ids, r)

    def errors(self, leak: int) -> slice:
        """Where the coefficients of its signature's errors are."""
        i = self.at(leak) + 2
        return slice(i, i + MODES)

    def unlearnt(self, leak: int) -> Belief:
        """Nothing known any more of what is wrong about its signature."""
        out = self.copy()
        own = out.errors(leak)
        out.mean[own] = 0.0
        out.covariance[own, :] = 0.0
        out.covariance[:, own] = 0.0
        out.covariance[own, own] = np.eye(MODES)
        return out

    def fallen(self, leak: int, flow_variance: float) -> Belief:
        """Its flow may have become any other, and what was known of its growth is over."""
        out = self.copy()
        i = out.at(leak)
        out.mean[i + 1] = 0.0
        out.covariance[i + 1, :] = 0.0
        out.covariance[:, i + 1] = 0.0
        out.covariance[i, i] += flow_variance
        return out

    def forward(self) -> Belief:
        """No leak will run backwards tomorrow: one that has fallen was mended, it does not fall on."""
        out = self.copy()
        for i in range(self.biases, len(out.mean), WIDTH):
            out.mean[i + 1] = max(out.mean[i + 1], -max(out.mean[i], 0.0))
        return out

    def held(self, sd: float) -> Belief:
        """No leak runs backwards: flows below zero are held to be zero, give or take ``sd`` [m3/s]."""
        out = self
        for leak in self.ids:
            i = out.at(leak)
            if out.mean[i] >= 0.0:
                continue
            column = out.covariance[:, i]
            gain = column / (column[i] + sd**2)
            covariance = out.covariance - np.outer(gain, column)
            mean = out.mean - gain * out.mean[i]
            mean[i + 1] = max(mean[i + 1], 0.0)
            out = Belief(mean, 0.5 * (covariance + covariance.T), self.ids, self.biases)
        return out

    def sound(self) -> Belief:
        """Without variances below zero, which rounding brings about after long."""
        scale = np.sqrt(np.maximum(np.diag(self.covariance), 1e-30))
        values, vectors = np.linalg.eigh(self.covariance / np.outer(scale, scale))
        part = vectors * np.sqrt(np.maximum(values, 1e-9))
        part = scale[:, None] * part
        return Belief(self.mean.copy(), part @ part.T, self.ids, self.biases)

    def widened(self, leak: int, flow_variance: float, growth_variance: float) -> Belief:
        """A leak's flow [(m3/s)2] and growth [(m3/s a day)2] are less sure by so much."""
        out = self.copy()
        i = out.at(leak)
        out.covariance[i, i] += flow_variance
        out.covariance[i + 1, i + 1] += growth_variance
        return out


@dataclass(slots=True)
class Innovation:
    """Measured less predicted, of the rows that were measured. rows (J,): their indices; value (J,);
    covariance (J, J); observing (J, n): how the state shows in them."""

    rows: NDArray[np.int64]
    value: Floats
    covariance: Floats
    observing: Floats

    def leverage(self, direction: Floats) -> tuple[float, float]:
        """d' S^-1 d and d' S^-1 v for a direction given over all rows."""
        d = direction[self.rows]
        solved = cho_solve(factor(self.covariance), np.column_stack([d, self.value]))
        return float(d @ solved[:, 0]), float(d @ solved[:, 1])


def innovation(
    belief: Belief, measured: Floats, bias: Floats, leaks: Floats, errors: Floats, noise: Floats
) -> Innovation:
    """measured (R,), NaN: not measured; bias (R, biases): how biases show; leaks (K, R): rows of unit leaks;
    errors (K, R, MODES): patterns of their errors at their present flow; noise (R, R)."""
    rows = np.flatnonzero(np.isfinite(measured))
    observing = np.zeros((len(rows), len(belief.mean)))
    observing[:, : belief.biases] = bias[rows]
    for k in range(len(belief.ids)):
        i = belief.biases + WIDTH * k
        observing[:, i] = leaks[k][rows]
        observing[:, i + 2 : i + WIDTH] = errors[k][rows]
    value = measured[rows] - observing @ belief.mean
    covariance = observing @ belief.covariance @ observing.T + noise[np.ix_(rows, rows)]
    return Innovation(rows, value, covariance, observing)


def updated(belief: Belief, seen: Innovation) -> Belief:
    """The Kalman update (Kalman 1960, J. Basic Eng. 82(1)), kept symmetric."""
    if not len(seen.rows):
        return belief.copy()
    cross = seen.observing @ belief.covariance
    gain = cho_solve(factor(seen.covariance), cross).T
    # Joseph's form: stays positive definite where the plain one loses digits.
    noise = seen.covariance - cross @ seen.observing.T
    left = -gain @ seen.observing
    left[np.arange(len(left)), np.arange(len(left))] += 1.0
    covariance = left @ belief.covariance @ left.T + gain @ noise @ gain.T
    return Belief(
        belief.mean + gain @ seen.value, 0.5 * (covariance + covariance.T), belief.ids, belief.biases
    )
