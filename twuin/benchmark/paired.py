"""Two methods on the same leaks, one by one: what the difference between them is, and how sure it is."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twuin.benchmark.trials import HORIZON_D, SIZES, Trials

Floats = NDArray[np.floating[Any]]


class Difference(NamedTuple):
    """Mean difference, and its standard error."""

    mean: float
    error: float

    def text(self) -> str:
        """With its sign, whole."""
        return f"{self.mean:+.0f} ± {self.error:.0f}"


def difference(one: Floats, other: Floats, day: NDArray[np.int64]) -> Difference:
    """Of values (N,) of the same leaks, which began on ``day`` (N,).

    Leaks of one day share its noise: days are what is independent.
    """
    values = one - other
    if not len(values):
        return Difference(float("nan"), float("nan"))
    means = np.array([values[day == d].mean() for d in np.unique(day)])
    error = float(means.std(ddof=1) / np.sqrt(len(means))) if len(means) > 1 else float("nan")
    return Difference(float(values.mean()), error)


def compare(one: Floats, other: Floats, trials: Trials, within_h: float) -> dict[str, Difference]:
    """Differences of two methods by their delays (N,) [h]: hours lost, and per cent of leaks found, by kind.

    Abrupt ones within ``within_h`` and within the horizon, growing ones (~) within the horizon.
    """
    month, day = 24.0 * HORIZON_D, trials.day
    out = {"lost h": difference(np.minimum(one, month), np.minimum(other, month), day)}

    def found(which: NDArray[np.bool_], within: float) -> Difference:
        return difference(100.0 * (one[which] <= within), 100.0 * (other[which] <= within), day[which])

    out[f"{within_h:.0f}h"] = found(~trials.growing, within_h)
    for mark, shape in (("", ~trials.growing), ("~", trials.growing)):
        for size in SIZES:
            out[f"{mark}{size:.0%}"] = found(shape & (trials.size == size), month)
    return out
