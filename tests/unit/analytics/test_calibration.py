"""Whether radii hold what they promise, said with as much certainty as there are leaks."""

from __future__ import annotations

from math import comb, isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.calibration import ENOUGH, median, share, verdict


def tail(hits: int, of: int, p: float) -> float:
    """Chance of at least so many hits, term by term."""
    return sum(comb(of, k) * p**k * (1 - p) ** (of - k) for k in range(hits, of + 1))


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_limits_of_a_share_are_those_at_which_the_count_becomes_unlikely(case: tuple[int, int]) -> None:
    hits, of = case
    found = share(hits, of)
    assert found.low <= found.value <= found.high
    if hits:
        assert tail(hits, of, found.low) == pytest.approx(0.025)
    else:
        assert found.low == 0
    if hits < of:
        assert 1 - tail(hits + 1, of, found.high) == pytest.approx(0.025)
    else:
        assert found.high == 1


def test_a_share_of_nothing_is_not_known_and_more_hits_than_cases_are_a_mistake() -> None:
    assert all(map(isnan, share(0, 0)))
    for hits, of in ((3, 2), (-1, 2)):
        with pytest.raises(ValueError, match="hits"):
            share(hits, of)


def test_a_median_of_few_values_has_no_limits() -> None:
    assert all(map(isnan, median([])))
    five = median([5.0, 1.0, 9.0, 3.0, 7.0])
    assert five.value == 5 and isnan(five.low) and isnan(five.high)
    six = median([5.0, 1.0, 9.0, 3.0, 7.0, 11.0, np.nan])
    assert tuple(six) == (6.0, 1.0, 11.0)  # all six: 1 - 2 / 64 = 97 %


@pytest.mark.parametrize("n", [9, 20, 41])
def test_limits_of_a_median_hold_it_as_often_as_they_say(n: int) -> None:
    rng = np.random.default_rng(n)
    made = [median(rng.exponential(1.0, n)) for _ in range(2000)]
    held = np.mean([m.low <= np.log(2) <= m.high for m in made])
    assert 0.945 <= held <= 0.995  # at least 95 %, and not needlessly wide


def test_of_few_leaks_it_is_not_said_that_a_radius_is_right() -> None:
    assert verdict(0, 0, 0.5) is None
    assert verdict(2, 4, 0.5) is None
    assert verdict(ENOUGH // 2, ENOUGH, 0.5) == 0
    assert verdict(3, 20, 0.5) == -1
    assert verdict(18, 20, 0.5) == 1


def test_what_is_clearly_wrong_is_said_of_few_leaks_too() -> None:
    assert verdict(0, 8, 0.9) == -1
    assert verdict(8, 8, 0.5) == 1
