"""Who does the pieces of a case that do not depend on each other: this process, or workers elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

Work = Callable[[Any], Any]


class Each(Protocol):
    """Does ``work`` for every order, in any sequence; gives (number of the order, what it came to).

    name: under which workers know the work. Orders and results are small: each worker makes or reads its own
    data.
    """

    def __call__(self, name: str, work: Work, orders: Sequence[Any]) -> Iterator[tuple[int, Any]]: ...


def in_turn(name: str, work: Work, orders: Sequence[Any]) -> Iterator[tuple[int, Any]]:
    """One after the other, here."""
    for k, order in enumerate(orders):
        yield k, work(order)


def works() -> dict[str, Work]:
    """What a worker can do for a benchmark."""
    from twuin.benchmark import faults, injected_parts, scale

    return {
        "benchmark.scale": scale.work,
        "benchmark.faults": faults.work,
        "benchmark.injected": injected_parts.work,
    }
