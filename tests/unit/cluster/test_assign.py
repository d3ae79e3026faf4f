"""Which worker keeps which part."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from twuin.cluster.assign import assign

WORKERS = st.lists(st.sampled_from("abcdefgh"), min_size=1, unique=True)


@given(st.integers(0, 40), WORKERS, WORKERS)
def test_every_part_has_a_living_worker_and_none_has_two_more_than_another(
    parts: int, first: list[str], then: list[str]
) -> None:
    where = assign(parts, then, assign(parts, first, {}))
    assert sorted(where) == list(range(parts))
    count = Counter(dict.fromkeys(then, 0)) + Counter(where.values())
    loads = [count[w] for w in then]
    assert set(where.values()) <= set(then)
    assert max(loads) - min(loads) <= 1


def test_what_a_living_worker_had_stays_with_it_when_another_dies() -> None:
    before = assign(9, ["a", "b", "c"], {})
    after = assign(9, ["a", "b"], before)
    assert all(after[p] == w for p, w in before.items() if w != "c")


def test_a_new_worker_gets_its_share_and_no_part_moves_between_the_others() -> None:
    before = assign(9, ["a", "b"], {})
    after = assign(9, ["a", "b", "c"], before)
    moved = {p for p in before if before[p] != after[p]}
    assert {after[p] for p in moved} == {"c"}
    assert len(moved) == 3


def test_nobody_gets_anything_where_nobody_is() -> None:
    assert assign(3, [], {0: "a"}) == {}
