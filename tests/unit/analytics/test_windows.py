"""The best linear measure of an excess, against the formula written out and against what it is for."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.windows import bins_of, geometry, learn, measure, running


@pytest.mark.parametrize("block_s", [1800, 3600, 7200, 10800, 43200, 86400])
def test_bins_and_windows_fit_each_other_for_any_block(block_s: int) -> None:
    geo = geometry(block_s)
    assert geo.edges[-1] == 0
    assert (np.diff(geo.edges) < 0).all()
    assert geo.edges[0] * block_s >= 48 * 3600
    assert len(set(geo.windows)) == len(geo.windows)
    assert list(geo.blocks) == [geo.lengths[-n:].sum() for n in geo.windows]


def test_running_sums_give_the_means_that_a_loop_gives() -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((200, 3))
    x[rng.random(x.shape) < 0.2] = np.nan
    geo = geometry(3600)
    got = bins_of(running(x, np.ones_like(x)), np.array([120, 200]), geo.edges)
    for i, end in enumerate((120, 200)):
        for b in range(geo.bins):
            part = x[end - geo.edges[b] : end - geo.edges[b + 1]]
            known = np.isfinite(part).sum(0)
            mean = np.where(3 * known >= 2 * len(part), np.nansum(part, 0) / np.maximum(known, 1), np.nan)
            assert np.allclose(got[i, b], mean, equal_nan=True)


def drawn(days: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Bins of days in which a wave of demand moves the evening far more than the night, and the next day."""
    geo = geometry(3600)
    rng = np.random.default_rng(seed)
    middle = 0.5 * (geo.edges[1:] + geo.edges[:-1])
    wave = 1.0 + np.cos(2 * np.pi * middle / 24)
    y = rng.standard_normal((days, 1, 1, 1)) * wave[None, None, :, None]
    y = y + 0.2 * rng.standard_normal((days, 1, geo.bins, 1))
    return y, wave


def test_an_excess_is_measured_better_than_by_its_mean_where_demand_varies() -> None:
    geo = geometry(3600)._replace(per_phase=24)  # one time of day
    past, _ = drawn(200, 2)
    bank = learn(past, geo)
    y, _ = drawn(400, 3)
    at = geo.windows.index(next(n for n in geo.windows if geo.blocks[geo.windows.index(n)] == 24))
    best = np.array([measure(v[0], bank.weight[0], geo)[at, 0] for v in y])
    plain = np.array(
        [np.average(v[0, -geo.windows[at] :, 0], weights=geo.lengths[-geo.windows[at] :]) for v in y]
    )
    assert best.std() < 0.5 * plain.std()
    excess = np.zeros((geo.bins, 1))
    excess[-geo.windows[at] :] = 0.7
    assert measure(excess, bank.weight[0], geo)[at, 0] == pytest.approx(0.7)
    assert bank.sigma[0, at, 0] == pytest.approx(best.std(), rel=0.5)


def test_an_excess_keeps_its_size_when_hours_are_missing() -> None:
    geo = geometry(3600)._replace(per_phase=24)
    bank = learn(drawn(100, 4)[0], geo)
    excess = np.zeros((geo.bins, 1))
    n = geo.windows[-2]
    excess[-n:] = 1.0
    excess[-2] = np.nan
    assert measure(excess, bank.weight[0], geo)[-2, 0] == pytest.approx(1.0)
    excess[-n:] = np.nan
    assert np.isnan(measure(excess, bank.weight[0], geo)[-2, 0])


def test_an_area_of_which_nothing_is_known_has_no_deviation() -> None:
    geo = geometry(3600)._replace(per_phase=24)
    past = np.concatenate([drawn(60, 5)[0], np.full((60, 1, geo.bins, 1), np.nan)], axis=3)
    bank = learn(past, geo)
    assert np.isfinite(bank.sigma[..., 0]).all()
    assert np.isnan(bank.sigma[..., 1]).all()
