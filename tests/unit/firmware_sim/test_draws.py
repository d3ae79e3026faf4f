import numpy as np
from scipy import stats

from firmware_sim.draws import block, knots, normal, smooth, stream, uniform


def test_streams_of_other_seeds_and_uses_differ() -> None:
    keys = {stream(s, *names) for s in (1, 2) for names in (("a",), ("b",), ("a", "b"), ("ab",))}
    assert len(keys) == 8


def test_draws_depend_on_key_and_counter_only() -> None:
    counters = np.arange(1_000_000, 1_001_000)
    whole = normal(stream(7, "x"), counters)
    assert np.array_equal(whole[400:], normal(stream(7, "x"), counters[400:]))
    assert np.array_equal(whole[::-1], normal(stream(7, "x"), counters[::-1]))


def test_draws_are_uniform_and_normal_even_for_counters_far_apart() -> None:
    key = stream(3, "test")
    for step in (1, 300_000_000, 86_400_000_000):  # microseconds of samples: one, five minutes, a day
        counter = np.arange(20_000, dtype=np.int64) * step + 1_790_000_000_000_000
        u = uniform(key, counter)
        assert u.min() > 0 and u.max() < 1
        assert stats.kstest(u, "uniform").pvalue > 1e-3
        assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < 0.03
        assert stats.kstest(normal(key, counter), "norm").pvalue > 1e-3


def test_neighbouring_keys_give_independent_draws() -> None:
    counter = np.arange(20_000)
    for other in (1, 2, 2**40):
        a, b = normal(12345, counter), normal(12345 ^ other, counter)
        assert abs(np.corrcoef(a, b)[0, 1]) < 0.03


def test_blocks_of_a_stream_differ_and_repeat() -> None:
    a, b, again = (block(5, k).standard_normal(8) for k in (1, 2, 1))
    assert np.array_equal(a, again)
    assert not np.array_equal(a, b)
    assert np.isfinite(block(5, -3).standard_normal(2)).all()
    assert np.array_equal(knots(5, 1, 2, 8), np.stack([a, b]))


def test_smooth_noise_has_unit_variance_everywhere_and_fades_from_memory() -> None:
    at = np.arange(0, 400 * 3600, 900)
    noise = smooth(stream(1, "s"), at, 3600.0, 200)
    within = (at % 3600) // 900
    for phase in range(4):
        assert abs(noise[within == phase].std() - 1) < 0.02

    def memory(steps: int) -> float:
        return float(np.mean(noise[:-steps] * noise[steps:]))

    assert memory(1) > 0.8
    assert abs(memory(8)) < 0.05


def test_smooth_noise_can_be_cut_anywhere() -> None:
    at = np.arange(0, 86400, 300)
    whole = smooth(9, at, 7000.0, 3)
    assert np.allclose(
        np.concatenate([smooth(9, at[:100], 7000.0, 3), smooth(9, at[100:], 7000.0, 3)]), whole, atol=0
    )
