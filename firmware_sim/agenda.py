"""What is due when: a heap of things to do, of which the samples of one device can be called off."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from firmware_sim.connection import Connection, Moment


@dataclass(frozen=True, slots=True)
class Sending:
    """A sample that is to leave: taken at ``true`` [us], ``waited`` for the end of an outage."""

    connection: Connection
    moment: Moment
    true: int
    waited: bool

    def __call__(self) -> None:
        self.connection.put(self.moment)


class _Entry(NamedTuple):
    at: int
    order: int  # equal instants keep the order in which they were entered
    do: Callable[[], None]


class Agenda:
    """Things to do by instant [us]."""

    def __init__(self) -> None:
        self._heap: list[_Entry] = []
        self._order = itertools.count()

    def add(self, at: int, do: Callable[[], None]) -> None:
        """Do something at an instant."""
        heapq.heappush(self._heap, _Entry(at, next(self._order), do))

    @property
    def next_at(self) -> int | None:
        """When the next thing is due; None when nothing is."""
        return self._heap[0].at if self._heap else None

    def do_next(self) -> None:
        """Do what is due next."""
        heapq.heappop(self._heap).do()

    def call_off(self, connection: Connection, since: int) -> None:
        """Forget samples of a device that were to be taken at ``since`` [us] or later."""

        def stays(entry: _Entry) -> bool:
            do = entry.do
            return not (isinstance(do, Sending) and do.connection is connection and do.true >= since)

        self._heap = [entry for entry in self._heap if stays(entry)]
        heapq.heapify(self._heap)

    def sendings(self, before: int) -> Iterator[tuple[int, Sending]]:
        """When they leave, and samples that were taken before an instant and have not left."""
        for entry in sorted(self._heap):
            if isinstance(entry.do, Sending) and entry.do.true < before:
                yield entry.at, entry.do
