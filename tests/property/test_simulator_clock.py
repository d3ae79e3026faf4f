"""However time is cut into pieces, a device takes the same samples."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.bound import BoundFault, Span
from firmware_sim.clocking import DeviceClock
from firmware_sim.instants import When
from firmware_sim.scenario_model import Fault, FaultKind

S = 1_000_000
T0 = 1_790_000_000 * S
DAY = 86_400 * S

moments = st.integers(T0 - DAY, T0 + DAY)
clock_faults = st.builds(
    lambda kind, value, start, length: BoundFault(
        Fault("f", kind, When("+0s"), value=value),
        Span(start, None if length is None else start + length),
        (),
        "d",
    ),
    st.sampled_from([FaultKind.CLOCK_OFFSET, FaultKind.CLOCK_DRIFT, FaultKind.ZONE]),
    st.floats(-900, 900),
    moments,
    st.none() | st.integers(1, DAY),
)


@given(
    st.integers(-60 * S, 60 * S),
    st.lists(clock_faults, max_size=3),
    st.lists(moments, min_size=2, max_size=6, unique=True).map(sorted),
    st.integers(1, 3600).map(lambda s: s * S),
    st.integers(0, 59).map(lambda s: s * S),
)
def test_pieces_give_the_samples_of_the_whole(
    offset: int, faults: list[BoundFault], cuts: list[int], interval: int, phase: int
) -> None:
    clock = DeviceClock(offset, faults)
    whole = clock.ticks(cuts[0], cuts[-1], interval, phase)
    pieces = [clock.ticks(a, b, interval, phase) for a, b in pairwise(cuts)]
    assert np.array_equal(np.concatenate([p.true for p in pieces]), whole.true)
    assert np.array_equal(np.concatenate([p.stamp for p in pieces]), whole.stamp)
    assert (np.diff(whole.true) > 0).all()
    assert all(cuts[0] <= t < cuts[-1] for t in whole.true)
