"""How large noise is, learnt as days go by and slowly, so that a leak is not taken for noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve

from analytics.model.belief import Innovation
from analytics.model.observe import Observation
from analytics.model.options import Options
from analytics.model.positive import factor

Floats = NDArray[np.float64]

PACE = 0.05
"""Share by which what is learnt moves a day: three weeks."""

CUT = 3.0
"""An innovation counts for no more than this many deviations."""

LEAST_DEMAND = 0.10
"""One junction's demand in a block of a day differs from its expectation by no less [-]: what is learnt from
the changes between two days knows nothing of what stays for several."""

LEAST_SENSOR = -1.5
"""Logarithm of the least factor on a sensor's variance: half of ``Options.reading_sd``, as for demand."""

MOST_SENSOR = 12.0
"""And of the largest: a reading off by metres says nothing any more."""


class Noise:
    """Learnt noise: of junctions' demand (a deviation), of each sensor (logarithm of a factor on its
    readings' variance, (M,)), of each zone's balance by block [(m3/s)2] (B Z,), and the week's rhythm in the
    latter [m3/s] (7, B Z)."""

    def __init__(self, options: Options, sensors: int, zones: int) -> None:
        self.options = options
        self.blocks = len(options.blocks)
        self.demand = options.demand_noise
        self.sensor = np.zeros(sensors)
        self.balance = np.full(self.blocks * zones, np.nan)
        self.rhythm = np.zeros((7, self.blocks * zones))

    def covariance(self, day: Observation) -> Floats:
        """(R, R) of a day's rows."""
        b, m = day.error.shape
        rows = b * m + len(self.balance)
        out = np.zeros((rows, rows))
        white = self._white(day)
        for k in range(b):
            out[k * m : (k + 1) * m, k * m : (k + 1) * m] = self.demand**2 * day.noise[k] + np.diag(white[k])
        own = np.arange(b * m, rows)
        out[own, own] = np.where(np.isfinite(self.balance), self.balance, 1.0)
        if day.trouble:
            out *= 1e4
        return out

    def _white(self, day: Observation) -> Floats:
        """Variance of readings (B, M) [m2], each sensor's by what was learnt of it."""
        error = np.where(np.isfinite(day.error), day.error, 0.0)
        white: Floats = np.exp(self.sensor) * (error**2 + self.options.reading_sd**2)
        return white

    def begin(self, balance: Floats, inflow: Floats) -> None:
        """Balances (B Z,) that are seen for the first time: a share of the inflow (B Z,), until it is known
        better."""
        new = np.isfinite(balance) & ~np.isfinite(self.balance)
        self.balance[new] = (self.options.balance_sd * np.abs(inflow[new])) ** 2 + 1e-12

    def learn(self, change: Floats, day: Observation) -> None:
        """Of demands and sensors, from the change (R,) of what is left since the day before, NaN: not known.

        Changes do without the biases, which would take the noise for their own. Each variance takes a small
        step of Fisher scoring (natural gradient) up the likelihood of change / sqrt(2), cut so that no day
        counts for much.
        """
        b, m = day.error.shape
        at = np.flatnonzero(np.isfinite(change[: b * m]))
        if len(at):
            total = self.covariance(day)[np.ix_(at, at)]
            inv = cho_solve(factor(total), np.eye(len(at)))
            up = inv @ change[at] / np.sqrt(2)
            demands = np.zeros((b * m, b * m))
            for k in range(b):
                demands[k * m : (k + 1) * m, k * m : (k + 1) * m] = self.demand**2 * day.noise[k]
            part = demands[np.ix_(at, at)]
            product = inv @ part
            gradient = 0.5 * (up @ part @ up - np.trace(product))
            information = 0.5 * float(np.einsum("ij,ji->", product, product))
            step = np.clip(gradient / max(information, 1.0), -1.0, 2.0)
            self.demand = float(np.clip(self.demand * np.exp(0.5 * PACE * step), LEAST_DEMAND, 1.0))
            white = self._white(day).ravel()[at]
            which = at % m
            slope, weight = np.zeros(m), np.zeros(m)
            np.add.at(slope, which, 0.5 * white * (up**2 - np.diag(inv)))
            np.add.at(weight, which, 0.5 * (white * np.diag(inv)) ** 2)
            step_each = np.clip(slope / np.maximum(weight, 1.0), -1.0, 2.0)
            self.sensor = np.clip(self.sensor + PACE * step_each, LEAST_SENSOR, MOST_SENSOR)

    def learn_balances(self, seen: Innovation, own: Floats, pressures: int, weekday: int) -> None:
        """From a day's innovations. own (J,): the part of their variance that is noise, not doubt about
        biases."""
        variance = np.diag(seen.covariance)
        learnt = (seen.rows >= pressures) & (own / variance > 0.3)
        zones = seen.rows[learnt] - pressures
        value, var = seen.value[learnt], variance[learnt]
        cut = np.clip(value, -CUT * np.sqrt(var), CUT * np.sqrt(var))
        self.balance[zones] = np.maximum(
            self.balance[zones] + PACE * (cut**2 - var), 0.5 * self.balance[zones]
        )
        self.rhythm[weekday, zones] += 0.15 * cut
        self.rhythm[:, zones] -= 0.15 * cut / 7
