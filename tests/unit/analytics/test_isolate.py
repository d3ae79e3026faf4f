"""Valves to shut: small networks worked by hand, and any small network against trying all choices."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.isolate import Isolation, Segments

#   0 ==0== 1 --1-- 2 --2-- 3        node 0 supplies; links 0 to 4; weights 0, 10, 20, 30, 40
#           |               |
#           3               4
#           +------ 4 ------+
ENDS = [(0, 1), (1, 2), (2, 3), (1, 4), (4, 3)]
WEIGHT = [0, 10, 20, 30, 40]
SOURCE = [True, False, False, False, False]


def segments(gates: list[tuple[int, int]], **more: Any) -> Segments:
    return Segments(ENDS, [True] * 5, gates, SOURCE, WEIGHT, **more)


def test_a_pipe_with_valves_at_both_ends_costs_nobody_water() -> None:
    found = segments([(1, 0), (1, 1), (3, 0)]).isolate(1)
    assert found.gates is not None and found.gates.tolist() == [0, 1]
    assert (found.dry.any(), found.weight) == (False, 0.0)
    assert found.pipes.tolist() == [False, True, False, False, False]


def test_one_more_valve_is_shut_where_it_spares_enough() -> None:
    # One valve on the only way in leaves 100 without water, two beyond node 1 spare its 10.
    around = segments([(0, 1), (1, 0), (3, 1), (3, 0)])
    few, spared = around.isolate(1, per_gate=25), around.isolate(1, per_gate=5)
    assert few.gates is not None and few.gates.tolist() == [0]
    assert few.dry.tolist() == [False, True, True, True, True]
    assert spared.gates is not None and spared.gates.tolist() == [1, 2]
    assert spared.weight == 90.0


def test_between_as_many_valves_customers_decide() -> None:
    # Pipe 2 is isolated by valves 0 and 1 (nodes 2 and 3 dry) or by 0 and 2 (also node 4).
    found = segments([(1, 0), (4, 1), (4, 0)]).isolate(2)
    assert found.gates is not None and found.gates.tolist() == [0, 1]
    assert found.weight == 50.0


def test_a_stretch_beyond_the_shut_valves_is_counted_without_water() -> None:
    ends, weight = [(0, 1), (1, 2), (2, 3)], [0, 1, 2, 4]
    found = Segments(ends, [True] * 3, [(0, 1), (1, 1)], [True, False, False, False], weight).isolate(1)
    # The valve between nodes 1 and 2 need not be shut: nothing comes from there.
    assert found.gates is not None and found.gates.tolist() == [0]
    assert found.weight == 7.0


def test_a_pipe_that_no_valve_parts_from_a_source_cannot_be_isolated() -> None:
    found = segments([(1, 1)]).isolate(1)
    assert (found.gates, found.weight) == (None, 0.0)


def test_a_valve_that_is_shut_already_is_not_shut_again() -> None:
    found = segments([(1, 0), (2, 1), (4, 1)], shut=[True, False, False]).isolate(1)
    assert found.gates is not None and found.gates.tolist() == [1]


def test_what_has_no_water_needs_no_valve() -> None:
    found = Segments([(0, 1), (1, 2)], [False, True], [(1, 0)], [True, False, False], [0, 1, 1]).isolate(1)
    assert found.gates is not None and len(found.gates) == 0
    assert found.weight == 0.0


@pytest.mark.parametrize("weight", [[1, 2], [1, -1, 0], [1, np.nan, 0]])
def test_values_that_do_not_fit_are_refused(weight: list[float]) -> None:
    with pytest.raises(ValueError, match="weight"):
        Segments([(0, 1), (1, 2)], [True, True], [(1, 0)], [True, False, False], weight)


def tried(
    ends: list[tuple[int, int]], open: list[bool], gates: list[tuple[int, int]], source: list[bool], pipe: int
) -> dict[tuple[int, ...], tuple[set[int], bool]]:
    """By valves that are shut: which nodes then have water, and whether the pipe has."""
    found = {}
    for k in range(len(gates) + 1):
        for chosen in combinations(range(len(gates)), k):
            closed = {gates[g] for g in chosen}
            wet = {("n", i) for i, s in enumerate(source) if s}
            grown = True
            while grown:
                grown = False
                for link, pair in enumerate(ends):
                    for end in (0, 1):
                        both = {("n", pair[end]), ("l", link)}
                        if open[link] and (link, end) not in closed and both & wet and not both <= wet:
                            wet |= both
                            grown = True
            found[chosen] = {i for kind, i in wet if kind == "n"}, ("l", pipe) in wet
    return found


@st.composite
def networks(draw: st.DrawFn) -> tuple[Any, ...]:
    nodes = draw(st.integers(2, 6))
    node = st.integers(0, nodes - 1)
    ends = draw(st.lists(st.tuples(node, node), min_size=1, max_size=7))
    where = st.tuples(st.integers(0, len(ends) - 1), st.integers(0, 1))
    return (
        ends,
        draw(st.lists(st.sampled_from([True, True, True, False]), min_size=len(ends), max_size=len(ends))),
        draw(st.lists(where, max_size=6, unique=True)),
        draw(st.lists(st.booleans(), min_size=nodes, max_size=nodes)),
        draw(st.lists(st.integers(0, 9), min_size=nodes, max_size=nodes)),
        draw(st.integers(0, len(ends) - 1)),
    )


@given(networks(), st.integers(1, 30))
@settings(max_examples=400)
def test_no_other_choice_is_better(network: tuple[Any, ...], per_gate: int) -> None:
    ends, open, gates, source, weight, pipe = network
    found: Isolation = Segments(ends, open, gates, source, weight).isolate(pipe, per_gate)
    choices = tried(ends, open, gates, source, pipe)
    before = choices[()][0]
    enough = {
        chosen: sum(weight[i] for i in before - wet)
        for chosen, (wet, reaches) in choices.items()
        if not reaches
    }
    if found.gates is None:
        assert not enough
        return
    chosen = tuple(found.gates.tolist())
    assert found.weight == enough[chosen]
    assert per_gate * len(chosen) + enough[chosen] == min(per_gate * len(c) + w for c, w in enough.items())
    assert set(np.flatnonzero(found.dry).tolist()) == before - choices[chosen][0]
