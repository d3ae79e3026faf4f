"""When a change began, with an interval."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.onset import onset_interval, onset_posterior


def noise(rng: np.random.Generator, n: int, phi: float) -> np.ndarray:
    e = rng.standard_normal(n) * np.sqrt(1 - phi**2)
    for t in range(1, n):
        e[t] += phi * e[t - 1]
    return e


@pytest.mark.parametrize("phi", [0.0, 0.8])
@pytest.mark.parametrize("growing", [False, True])
def test_nine_in_ten_intervals_hold_the_truth(phi: float, growing: bool) -> None:
    rng = np.random.default_rng(3)
    held = []
    for _ in range(150):
        lasted, began = int(rng.integers(60, 300)), int(rng.integers(250, 400))
        z = noise(rng, began + lasted, phi)
        z[began:] += 4 * np.arange(1, lasted + 1) / lasted if growing else 2.0
        found = onset_interval(z, 200, 1)
        assert found is not None and found.low <= found.best <= found.high
        held.append(found.low <= began <= found.high)
    assert 0.84 <= np.mean(held) <= 1.0  # 0.90 less two and a half deviations of 150 draws


def test_the_posterior_is_that_of_the_slow_way() -> None:
    """Sizes of steps and of ramps on a fine grid, each start by itself."""
    rng = np.random.default_rng(5)
    z = rng.standard_normal(60)
    z[25:] += 1.0
    z[40] = np.nan
    sizes = np.linspace(0, 8, 4001)
    slow = np.zeros(60)
    for tau in range(59):
        for kind in ("step", "ramp"):
            last = 60 - tau
            if last < (24 if kind == "ramp" else 2):
                continue
            w = np.zeros(60)
            w[tau:] = 1.0 if kind == "step" else np.arange(1, last + 1) / last
            if np.isfinite(z[tau:]).sum() < 2:
                continue
            ok = np.isfinite(z)
            a, b = (w[ok] * z[ok]).sum(), (w[ok] ** 2).sum()
            slow[tau] += np.exp(a * sizes - 0.5 * b * sizes**2).sum()
    assert onset_posterior(z, 0, 1) == pytest.approx(slow / slow.sum(), rel=2e-3, abs=1e-6)


def test_a_larger_change_is_dated_better_and_persistent_noise_worse() -> None:
    def width(size: float, persistence: float) -> int:
        z = noise(np.random.default_rng(7), 300, 0.0)
        z[200:] += size
        found = onset_interval(z, 100, 1, persistence=persistence)
        assert found is not None
        return found.high - found.low

    assert width(3.0, 0.0) < width(1.0, 0.0) < width(1.0, 0.8)


def test_falls_mirror_rises_and_nothing_earlier_than_asked_for_is_named() -> None:
    z = noise(np.random.default_rng(9), 200, 0.3)
    z[120:] += 2.0
    assert onset_interval(z, 50, 1) == onset_interval(-z, 50, -1)
    late = onset_interval(z, 130, 1)
    assert late is not None and late.low >= 130


def test_a_series_without_readings_says_nothing() -> None:
    assert onset_interval(np.full(50, np.nan), 0, 1) is None
