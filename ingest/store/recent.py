"""What a store's last commits touched, by heart: readers ask every second or so."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

KEPT = 200_000
"""Spans that are kept, one for each sensor of a commit: 24 bytes each."""


class Spans(NamedTuple):
    """sensor (K,): numbers, each once; first, last (K,): earliest and latest time touched [us since 1970]."""

    sensor: Ints
    first: Ints
    last: Ints


class Recent:
    """Spans of the commits after ``oldest``, as many as are worth keeping.

    Not safe for threads by itself; its owner's lock guards it.
    """

    def __init__(self, commit: int, kept: int | None = None) -> None:
        """commit: the last one of which nothing is known here."""
        self._oldest, self._kept, self._size = commit, KEPT if kept is None else kept, 0
        self._commits: deque[tuple[int, Spans]] = deque()

    def add(self, commit: int, sensor: NDArray[np.int32], time: Ints) -> None:
        """Note a commit newer than all before; sensor, time (N,): what it stored, in any order."""
        spans = spans_of(sensor, time, time)
        self._commits.append((commit, spans))
        self._size += len(spans.sensor)
        while self._size > self._kept:
            self._oldest, gone = self._commits.popleft()
            self._size -= len(gone.sensor)

    def after(self, commit: int) -> Spans | None:
        """What the commits after this one touched; None: not all of them are known here."""
        if commit < self._oldest:
            return None
        parts = [spans for number, spans in self._commits if number > commit]
        if not parts:
            nothing = np.empty(0, np.int64)
            return Spans(nothing, nothing, nothing)
        return spans_of(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def spans_of(sensor: Ints | NDArray[np.int32], first: Ints, last: Ints) -> Spans:
    """The span of each sensor over rows (N,) of which each has one of its own."""
    order = np.argsort(sensor, kind="stable")
    number, first, last = sensor[order].astype(np.int64), first[order], last[order]
    heads = np.flatnonzero(np.diff(number, prepend=-1))
    return Spans(number[heads], np.minimum.reduceat(first, heads), np.maximum.reduceat(last, heads))
