"""Cholesky factors of covariances that rounding has brought to the edge of being positive definite."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor

Floats = NDArray[np.float64]

LEAST = 1e-12
"""First share of each variance that is added where a matrix has no factor; 10,000 times more each time."""

TRIES = 4


def factor(covariance: Floats) -> Any:
    """As ``scipy.linalg.cho_factor``, (R, R); where rounding left no factor, variances grow by a trace first.

    Raises LinAlgError where it is no covariance at all (NaN, or far from positive definite).
    """
    grown = covariance
    for attempt in range(TRIES):
        try:
            return cho_factor(grown)
        except LinAlgError:
            own = np.abs(np.diag(covariance))
            grown = covariance + np.diag(LEAST * 1e4**attempt * np.maximum(own, own.max() * 1e-9))
    return cho_factor(grown)
