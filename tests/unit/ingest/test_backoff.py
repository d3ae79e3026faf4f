import random

import pytest

from ingest.backoff import Backoff


def test_waits_double_to_the_most_and_begin_anew_after_a_reset() -> None:
    class Whole(random.Random):
        def uniform(self, a: float, b: float) -> float:
            return b

    backoff = Backoff(0.5, 30.0, Whole())
    assert [backoff.next() for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    backoff.reset()
    assert backoff.next() == 0.5


def test_waits_are_shortened_at_random_but_never_by_more_than_half() -> None:
    backoff = Backoff(1.0, 1.0, random.Random(1))
    waits = [backoff.next() for _ in range(2000)]
    assert min(waits) >= 0.5 and max(waits) <= 1.0
    assert len(set(waits)) > 1000
    assert sum(waits) / len(waits) == pytest.approx(0.75, abs=0.02)
