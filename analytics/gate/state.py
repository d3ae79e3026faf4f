"""Where the gate stands between two rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.gate.fault import Dry, Fault

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(slots=True)
class State:
    """Of S sensors: fast, slow (2, S), noise (S,): sums of the tests, up and down; ..._zero: the row after
    which each was last 0. run, wrong (S,): rows in a row of one value, of impossible values. bias (S,):
    difference from the neighbours that water explains [SI]. retry (S,): row before which a sensor is not
    judged again; clean (S,): row from which on its differences count.
    """

    fast: Floats
    fast_zero: Ints
    slow: Floats
    slow_zero: Ints
    noise: Floats
    noise_zero: Ints
    run: Ints
    wrong: Ints
    bias: Floats
    retry: Ints
    clean: Ints
    faults: list[Fault]
    dry: list[Dry]
    day: int = -1
    kept_day: int = -1
    closed_day: int = -1
    learnt_at: int = 0

    @classmethod
    def fresh(cls, sensors: int) -> State:
        """Of a gate that has seen nothing yet."""

        def none(*shape: int) -> Ints:
            return np.zeros(shape, np.int64)

        return cls(
            np.zeros((2, sensors)),
            none(2, sensors),
            np.zeros((2, sensors)),
            none(2, sensors),
            np.zeros(sensors),
            none(sensors),
            none(sensors),
            none(sensors),
            np.zeros(sensors),
            none(sensors),
            none(sensors),
            [],
            [],
        )

    def copy(self) -> State:
        """Nothing shared with this one."""
        return State(
            self.fast.copy(),
            self.fast_zero.copy(),
            self.slow.copy(),
            self.slow_zero.copy(),
            self.noise.copy(),
            self.noise_zero.copy(),
            self.run.copy(),
            self.wrong.copy(),
            self.bias.copy(),
            self.retry.copy(),
            self.clean.copy(),
            [f.copy() for f in self.faults],
            [d.copy() for d in self.dry],
            self.day,
            self.kept_day,
            self.closed_day,
            self.learnt_at,
        )

    def faulty(self) -> Bools:
        """(S,) which sensors have a fault that lasts."""
        out = np.zeros(len(self.noise), bool)
        for f in self.faults:
            if f.end is None:
                out[f.sensor] = True
        return out

    def is_faulty(self, sensor: int) -> bool:
        """Whether a sensor has a fault that lasts."""
        return any(f.sensor == sensor and f.end is None for f in self.faults)

    def rest(self, sensor: int, row: int) -> None:
        """Nothing from before ``row`` is held against a sensor any more."""
        self.fast[:, sensor] = self.slow[:, sensor] = self.noise[sensor] = 0.0
        self.fast_zero[:, sensor] = self.slow_zero[:, sensor] = self.noise_zero[sensor] = row
        self.run[sensor] = self.wrong[sensor] = 0
        self.clean[sensor] = row
