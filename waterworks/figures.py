"""What Twuin writes about its own work for dashboards: points with several values, beside the readings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

Value = float | int | str | bool

Key = frozenset[tuple[str, str]]
"""Tags as pairs of name and value, none of them empty."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One point. Measurement, tags and time are its key: written again, its fields take the old ones' place.

    time: UTC ``datetime64[us]``. tags: few values each; an empty one is left out. fields: at least one; a
    field keeps its type for ever, floats are finite.
    """

    measurement: str
    time: np.datetime64
    tags: Mapping[str, str]
    fields: Mapping[str, Value] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """Its tags."""
        return frozenset((k, v) for k, v in self.tags.items() if v)


@runtime_checkable
class FigureStore(Protocol):
    """A place for figures of one site, which it tags with the site's id.

    Raises StoreUnavailable when asking again later may help, StoreError when it will not.
    """

    def write_figures(self, figures: Sequence[Figure]) -> None:
        """Store them; durable when this returns. Those older than what is kept are left out."""
        ...

    def figure_times(self, measurement: str, field: str) -> dict[Key, list[np.datetime64]]:
        """Times of all points whose number ``field`` is not 0, by their tags without the site's."""
        ...
