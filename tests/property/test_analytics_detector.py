"""What must hold for any inflow: no look ahead, areas independent, units and time immaterial."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.detector import Detector

STEP = 3600
DAYS = 24


def calendar(first: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    day = first + np.repeat(np.arange(DAYS), 24)
    return day, np.tile(np.arange(24), DAYS), (day + 6) % 7


@st.composite
def inflow(draw: st.DrawFn) -> np.ndarray:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    hour = np.tile(np.arange(24), DAYS)
    flow = (2 + np.sin((hour - 9) / 24 * 2 * np.pi))[:, None] * (
        1 + 0.05 * rng.standard_normal((DAYS * 24, 3))
    )
    begins = draw(st.integers(10 * 24, DAYS * 24 - 1))
    flow[begins : begins + draw(st.integers(1, 120)), draw(st.integers(0, 2))] += draw(st.floats(-2, 2))
    flow[rng.random(flow.shape) < draw(st.floats(0, 0.3))] = np.nan
    return flow


def run(flow: np.ndarray, first: int = 739000, pieces: list[int] | None = None) -> Detector:
    detector = Detector(flow.shape[1], STEP)
    day, slot, weekday = calendar(first)
    at = 0
    for n in [*(pieces or []), len(flow)]:
        until = min(at + n, len(flow))
        detector.advance(flow[at:until], day[at:until], slot[at:until], weekday[at:until])
        at = until
    detector.estimates()
    return detector


def events(detector: Detector, column: int | None = None) -> list[tuple[int, int, int | None, int]]:
    return [
        (e.start, e.detected, e.end, e.side) for e in detector.events if column is None or e.area == column
    ]


@settings(max_examples=25, deadline=None)
@given(inflow(), st.integers(8 * 24, DAYS * 24))
def test_cutting_the_future_never_changes_what_was_decided(flow: np.ndarray, cut: int) -> None:
    whole, part = run(flow), run(flow[:cut])
    assert np.array_equal(whole.expected[:cut], part.expected, equal_nan=True)
    assert np.array_equal(whole.statistic[:cut], part.statistic, equal_nan=True)
    assert [e[1] for e in events(whole) if e[1] < cut] == [e[1] for e in events(part)]


@settings(max_examples=15, deadline=None)
@given(inflow(), st.lists(st.integers(1, 100), max_size=10))
def test_pieces_of_any_length_give_the_whole(flow: np.ndarray, pieces: list[int]) -> None:
    whole, pieced = run(flow), run(flow, pieces=pieces)
    assert np.array_equal(whole.expected, pieced.expected, equal_nan=True)
    assert np.array_equal(whole.known, pieced.known)
    assert events(whole) == events(pieced)


@settings(max_examples=15, deadline=None)
@given(inflow(), st.permutations([0, 1, 2]))
def test_areas_do_not_see_each_other(flow: np.ndarray, order: list[int]) -> None:
    straight, turned = run(flow), run(flow[:, order])
    for new, old in enumerate(order):
        assert events(turned, new) == events(straight, old)
        assert events(run(flow[:, [old]]), 0) == events(straight, old)


@settings(max_examples=15, deadline=None)
@given(inflow(), st.sampled_from([2.0**-12, 2.0**-3, 2.0**7]))
def test_the_unit_of_flow_does_not_matter(flow: np.ndarray, factor: float) -> None:
    straight, scaled = run(flow), run(flow * factor)
    assert events(scaled) == events(straight)
    assert np.allclose(scaled.expected, straight.expected * factor, rtol=1e-9, equal_nan=True)


@settings(max_examples=15, deadline=None)
@given(inflow(), st.integers(-200, 200))
def test_only_the_day_of_the_week_matters_not_the_date(flow: np.ndarray, weeks: int) -> None:
    assert events(run(flow)) == events(run(flow, 739000 + 7 * weeks))
