"""When a leak that is tracked is worth telling of, and which pipe is named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from analytics.model.leak import Leak
from analytics.model.options import M3H

Floats = NDArray[np.float64]

LEAST = 0.5 * M3H
"""What is smaller than this is no leak that one could tell of [m3/s]."""

WORTH = 1.5 * M3H
"""Nor is one told of before it has grown so large [m3/s]: a burst service connection loses 1.6 m3/h at 50 m
(Lambert et al. 1999, AQUA 48(6), table 3), and of what looks smaller most is what the model gets wrong."""

SECOND, PART, ENOUGH = 2.0 * M3H, 0.3, 4.0 * M3H
"""Nor one near a pipe that was named for another that still runs, while it is smaller than the first [m3/s],
or than this part of the other unless it is as large as the last [m3/s]: what is not quite right about a leak
looks like a smaller one beside it."""

SMALL = 3.0 * M3H
"""Of a smaller leak one evening says too little of its place [m3/s]."""

CLEAR = 15.0
"""A leak that is not small and was found with so large a log Bayes factor (three million to one) is told of
the same evening."""

WAIT_DAYS, WAIT_SMALL_DAYS = 1, 2
"""Others when as many more evenings have not taken them back."""

VISIT_DAYS = 5
"""A pipe that was named so many days ago or less is not named again for another leak: a crew is on its way,
or has just been there and looked along the whole pipe, and what looks like another is mostly the same."""

REACH_M = 300.0
"""A leak lies near a pipe when it is no farther from its middle along the pipes [m], as the Battle of the
Leakage Detection and Isolation Methods has it."""


def ripe(leak: Leak, day: int) -> bool:
    """Whether it is large and old enough on that day of the tracker."""
    flow = leak.flow.get(day, 0.0)
    wait = WAIT_SMALL_DAYS
    if flow >= SMALL:
        wait = 0 if leak.evidence >= CLEAR else WAIT_DAYS
    return day - leak.found >= wait and flow >= WORTH


def shadow(
    leak: Leak, pipe: int, running: Sequence[Leak], named: Mapping[int, int], distance: Floats, day: int
) -> bool:
    """Whether a small leak at ``pipe`` may be what is wrong about another of those that run.

    named: the pipe (index into ``Layout.pipes``) that was named for each leak that was told of. distance
    (P, P) [m]: between the middles of pipes.
    """
    flow = leak.flow.get(day, 0.0)
    beside = [
        other.flow.get(day, 0.0)
        for other in running
        if other.id != leak.id and other.id in named and distance[pipe, named[other.id]] <= REACH_M
    ]
    return any(flow < max(SECOND, min(PART * other, ENOUGH)) for other in beside if other > LEAST)


def visited(leak: Leak, pipe: int, named: Mapping[int, int], told_on: Mapping[int, int]) -> bool:
    """Whether ``pipe`` was named for another leak about when this one was found: one visit is for both.

    named: the pipe (index) that was named for a leak; told_on: the tracker's day on which that was told of,
    for leaks that still run. When the other is mended, and this one is still there, it is one of its own.
    """
    return any(
        k != leak.id and named[k] == pipe and leak.found - day <= VISIT_DAYS for k, day in told_on.items()
    )


def best_pipe(leak: Leak, distance: Floats) -> tuple[int, float]:
    """The pipe to name, and the probability that the leak is within 300 m of it: near the most, at the heart
    of it. distance (P, P) [m]: between the middles of pipes."""
    best = np.argsort(-leak.probability, kind="stable")[:200]
    p = leak.probability[best]
    metres = distance[:, best]
    near = (metres <= REACH_M) @ p
    expected = np.minimum(metres, 2 * REACH_M) @ p
    pipe = int(np.argmax(near - expected / (10 * REACH_M)))
    return pipe, min(float(near[pipe]), 1.0)  # sums of shares may exceed it in the last digit
