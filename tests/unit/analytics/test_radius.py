"""Distances along the pipes and the radius of a search."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.radius import from_point, held, pipe_distances, search, walk, within

# A line of five pipes of 100 m, a branch of 60 m at node 2, and an island of one pipe:
#   0 -0- 1 -1- 2 -2- 3 -3- 4 -4- 5    2 -5- 6    7 -6- 8
START = np.array([0, 1, 2, 3, 4, 2, 7])
END = np.array([1, 2, 3, 4, 5, 6, 8])
LENGTH = np.array([100.0, 100, 100, 100, 100, 60, 50])
NODES = 9


def test_distances_run_from_centre_to_centre_along_the_pipes() -> None:
    d = pipe_distances(START, END, LENGTH, NODES).dense()
    assert d[0].tolist() == [0, 100, 200, 300, 400, 180, np.inf]
    assert d[5].tolist() == [180, 80, 80, 180, 280, 0, np.inf]
    assert (d == d.T).all()


def test_a_limit_leaves_out_only_what_lies_beyond_it() -> None:
    full = pipe_distances(START, END, LENGTH, NODES).dense()
    cut = pipe_distances(START, END, LENGTH, NODES, limit=180.0).dense()
    assert (cut == np.where(full <= 180, full, np.inf)).all()


def test_valves_and_pumps_are_no_path_unless_joined() -> None:
    length = np.array([100.0, 0, 100, 100, 100, 60, 50])
    assert np.isinf(pipe_distances(START, END, length, NODES).dense()[0, 2])
    joined = pipe_distances(START, END, length, NODES, joined=np.array([[1, 2], [5, 7]])).dense()
    assert joined[0, 2] == 100
    assert joined[4, 6] == 75


def test_of_parallel_pipes_the_shorter_is_the_path() -> None:
    start, end = np.array([0, 1, 1, 2]), np.array([1, 2, 2, 3])
    for order in ([0, 1, 2, 3], [0, 2, 1, 3]):
        length = np.array([10.0, 500, 40, 10])
        d = pipe_distances(start[order], end[order], length[order], 4).dense()
        assert d[0, 3] == 50


def test_within_sums_the_probability_of_what_is_near() -> None:
    p = np.array([0.1, 0.2, 0.3, 0.1, 0.1, 0.15, 0.05])
    near = pipe_distances(START, END, LENGTH, NODES, limit=200.0)
    assert within(p, near, 100.0) == pytest.approx([0.3, 0.75, 0.75, 0.5, 0.2, 0.65, 0.05])
    assert within(p, near, 0.0) == pytest.approx(p)
    with pytest.raises(ValueError, match="known up to 200 m"):
        within(p, near, 300.0)


def test_one_certain_pipe_is_searched_from_its_middle_to_its_ends() -> None:
    found = search(np.eye(7)[2], START, END, LENGTH, NODES)
    assert found is not None and found.pipe == 2
    assert (found.half, found.most) == pytest.approx((25.0, 45.0))
    assert found.near.tolist()[:6] == [150, 50, 0, 50, 150, 50]
    assert found.far.tolist()[:6] == [250, 150, 50, 150, 250, 110]


def test_the_search_begins_where_the_leak_is_least_far_in_the_mean() -> None:
    found = search(np.array([0.3, 0, 0.1, 0.3, 0.3, 0, 0]), START, END, LENGTH, NODES)
    assert found is not None and found.pipe == 3  # 90 m of expected distance less from pipe 3 than from 0


def test_what_cannot_be_reached_has_no_radius() -> None:
    found = search(np.array([0.4, 0.4, 0, 0, 0, 0, 0.2]), START, END, LENGTH, NODES)
    assert found is not None
    assert np.isfinite(found.half) and np.isnan(found.most)
    assert np.isinf(found.near[6])
    assert search(np.zeros(7), START, END, LENGTH, NODES) is None


def test_a_search_holds_what_its_radii_say_and_walks_as_from_that_pipe() -> None:
    p = np.array([0.1, 0.2, 0.3, 0.1, 0.1, 0.15, 0.05])
    found = search(p, START, END, LENGTH, NODES, joined=np.array([[5, 7]]))
    assert found is not None
    assert held(p, found, found.half) == pytest.approx(0.5, abs=0.02)
    assert held(p, found, found.most) == pytest.approx(0.9, abs=0.02)
    again = walk(found.pipe, START, END, LENGTH, NODES, joined=np.array([[5, 7]]))
    assert (again.near == found.near).all() and (again.far == found.far).all()


@st.composite
def grids(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, int, np.ndarray]:
    nodes = draw(st.integers(3, 9))
    links = draw(st.integers(nodes - 1, 16))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    tree = np.array([[rng.integers(0, k), k] for k in range(1, nodes)])
    more = rng.integers(0, nodes, (links - nodes + 1, 2))
    ends = np.concatenate([tree, more])
    return ends[:, 0], ends[:, 1], rng.uniform(5, 300, links), nodes, rng.dirichlet(np.full(links, 0.5))


@settings(max_examples=60, deadline=None)
@given(grids(), st.floats(0.05, 0.95))
def test_the_radius_is_that_of_points_spread_along_the_pipes(
    grid: tuple[np.ndarray, np.ndarray, np.ndarray, int, np.ndarray], share: float
) -> None:
    """Against many points a pipe, walked to by the plainest of shortest-path searches."""
    start, end, length, nodes, p = grid
    found = search(p, start, end, length, nodes, shares=(share, 0.9))
    assert found is not None
    c = found.pipe
    far = np.full(nodes, np.inf)
    far[start[c]] = far[end[c]] = length[c] / 2
    for _ in range(nodes):
        for a, b, m in zip(start, end, length, strict=True):
            far[a], far[b] = min(far[a], far[b] + m), min(far[b], far[a] + m)
    x = (np.arange(2000) + 0.5) / 2000
    walks = np.minimum(far[start, None] + x * length[:, None], far[end, None] + (1 - x) * length[:, None])
    walks[c] = np.abs(x - 0.5) * length[c]
    order = np.argsort(walks, axis=None)
    held = np.cumsum(np.repeat(p / 2000, 2000)[order])
    radius = walks.ravel()[order][np.searchsorted(held, share)]
    assert found.half == pytest.approx(radius, abs=0.5)
    assert found.near == pytest.approx(walks.min(1), abs=0.5)
    assert found.far == pytest.approx(walks.max(1), abs=0.5)


@settings(max_examples=40, deadline=None)
@given(grids(), st.integers(0, 1000))
def test_names_of_nodes_and_order_of_pipes_do_not_matter_and_lengths_scale(
    grid: tuple[np.ndarray, np.ndarray, np.ndarray, int, np.ndarray], seed: int
) -> None:
    start, end, length, nodes, p = grid
    rng = np.random.default_rng(seed)
    order, names = rng.permutation(len(p)), rng.permutation(nodes)
    one = pipe_distances(start, end, length, nodes).dense()
    other = pipe_distances(names[end[order]], names[start[order]], 3 * length[order], nodes).dense()
    assert other == pytest.approx(3 * one[np.ix_(order, order)])
    a = search(p, start, end, length, nodes)
    b = search(p[order], names[start[order]], names[end[order]], 3 * length[order], nodes)
    assert a is not None and b is not None
    assert (b.half, b.most) == pytest.approx((3 * a.half, 3 * a.most))


def test_from_a_point_of_a_pipe_the_way_leads_over_the_nearer_end() -> None:
    d = from_point(2, 10.0, START, END, LENGTH, NODES)
    assert d.tolist() == [160, 60, 40, 140, 240, 40, np.inf]
    middles = pipe_distances(START, END, LENGTH, NODES).dense()
    assert (from_point(2, 50.0, START, END, LENGTH, NODES) == middles[2]).all()
    assert from_point(6, 99.0, START, END, LENGTH, NODES)[6] == 25  # brought onto the pipe


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_distances_from_a_point_are_those_of_a_walk_in_small_steps(seed: int) -> None:
    """Against every pipe cut into metres, and all walked from the point by breadth."""
    rng = np.random.default_rng(seed)
    nodes, pipes = 7, 9
    start, end = rng.integers(0, nodes, pipes), rng.integers(0, nodes, pipes)
    length = 2.0 * rng.integers(1, 12, pipes)
    pipe, along = int(rng.integers(pipes)), 0.0
    along = float(rng.integers(0, int(length[pipe]) + 1))

    places: dict[tuple[int, int], list[tuple[int, int]]] = {}

    def node(n: int) -> tuple[int, int]:
        return (-1, n)

    def at(p: int, metre: int) -> tuple[int, int]:
        if metre == 0:
            return node(int(start[p]))
        return node(int(end[p])) if metre == int(length[p]) else (p, metre)

    for p in range(pipes):
        for metre in range(int(length[p])):
            a, b = at(p, metre), at(p, metre + 1)
            places.setdefault(a, []).append(b)
            places.setdefault(b, []).append(a)
    steps, front = {at(pipe, int(along)): 0}, [at(pipe, int(along))]
    while front:
        here = front.pop(0)
        for there in places.get(here, []):
            if there not in steps:
                steps[there] = steps[here] + 1
                front.append(there)
    wanted = [float(steps.get(at(p, int(length[p]) // 2), np.inf)) for p in range(pipes)]
    if start[pipe] == end[pipe]:  # a ring: its middle is as far either way
        wanted[pipe] = abs(along - length[pipe] / 2)
    assert from_point(pipe, along, start, end, length, nodes).tolist() == wanted
