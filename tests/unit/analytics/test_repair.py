"""A repair is judged by the nights after it."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.repair import ENOUGH, Judged, by_nights, verdict

LEAK = 4.0


def world(
    gone: float, *, ran: int = 7, after: int = 14, quiet: int = 28, noise: float = 0.3, seed: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Nights of 10 with a leak of LEAK of which the repair takes away the share ``gone``."""
    rng = np.random.default_rng(seed)
    n = quiet + ran + after
    night = np.arange(n)
    base, running, since = night < quiet, (night >= quiet) & (night < quiet + ran), night >= quiet + ran
    flow = 10 + noise * rng.standard_normal(n) + LEAK * running + (1 - gone) * LEAK * since
    return flow, base, running, since


def judge(*args: np.ndarray) -> Judged:
    return by_nights(*args, LEAK, 0.3)


@pytest.mark.parametrize("seed", range(20))
def test_a_leak_that_is_gone_is_told_with_what_was_saved(seed: int) -> None:
    found = judge(*world(1.0, seed=seed))
    assert found.verdict == 1
    assert found.after <= 7
    assert found.low < LEAK < found.high


@pytest.mark.parametrize("gone", [0.0, 0.5])
@pytest.mark.parametrize("seed", range(20))
def test_a_leak_that_runs_on_or_half_on_is_never_told_as_gone(gone: float, seed: int) -> None:
    found = judge(*world(gone, seed=seed))
    assert found.verdict == -1 or (gone and not found.verdict)
    assert found.low - 0.3 < gone * LEAK < found.high + 0.3


def test_half_a_repair_is_told_within_two_weeks_mostly() -> None:
    told = [judge(*world(0.5, seed=seed)).verdict for seed in range(40)]
    assert told.count(1) == 0 and told.count(-1) >= 34


def test_a_repair_of_the_same_day_is_judged_by_the_nights_before_the_leak() -> None:
    for ran in (0, 1, 2):
        assert judge(*world(1.0, ran=ran)).verdict == 1
        assert judge(*world(0.0, ran=ran)).verdict == -1
        assert judge(*world(1.0, ran=ran)).before == 0


def test_too_few_nights_after_say_nothing() -> None:
    found = judge(*world(1.0, after=2))
    assert (found.verdict, found.after) == (0, 2) and np.isnan(found.fall)


def test_too_few_nights_before_say_nothing() -> None:
    assert judge(*world(1.0, ran=2, quiet=4)).verdict == 0
    assert judge(*world(1.0, ran=0, quiet=0)).verdict == 0


def test_nights_come_one_by_one_or_all_at_once_to_the_same_end() -> None:
    for gone in (0.0, 0.5, 0.8, 1.0):
        for seed in range(10):
            every = world(gone, noise=0.6, seed=seed)
            whole = judge(*every)
            steps = [judge(*(a[: 35 + n] for a in every)) for n in range(15)]
            first = next((s for s in steps if s.verdict), steps[-1])
            assert first == whole


def test_nights_without_supply_do_not_count() -> None:
    flow, *groups = world(1.0)
    flow[[36, 38]] = np.nan
    found = judge(flow, *groups)
    assert found.verdict == 1 and found.last >= 39
    flow[35:] = np.nan
    assert judge(flow, *groups) == Judged(0, *[pytest.approx(np.nan, nan_ok=True)] * 3, 7, 0, -1)


def test_one_odd_night_decides_nothing() -> None:
    flow, *groups = world(1.0, noise=0.1)
    flow[36] += 9.0
    assert judge(flow, *groups).verdict == 1
    flow, *groups = world(0.0, noise=0.1)
    flow[36] -= 6.0
    assert judge(flow, *groups).verdict == -1


def test_in_a_noisy_district_it_mostly_cannot_be_told_and_is_seldom_told_wrongly() -> None:
    for gone, wrong in ((1.0, -1), (0.5, 1), (0.0, 1)):
        told = [judge(*world(gone, noise=3.0, seed=seed)).verdict for seed in range(100)]
        assert told.count(wrong) <= 5
        assert told.count(0) > 40


def test_neither_sure_is_neither() -> None:
    assert verdict(ENOUGH - 0.1, ENOUGH + 0.1, 1.0) == 0
    assert verdict(ENOUGH, 2.0, 1.0) == 1
    assert verdict(-1.0, ENOUGH - 0.01, 1.0) == -1
