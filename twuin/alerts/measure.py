"""How far places where leaks were found are from what was said of them, along the pipes of a network."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from twuin.alerts.score import Hit, Measured, Said
from twuin.alerts.work import Place
from waterworks.network import LinkKind, Network
from waterworks.pinpoint import Pinpoint, apart_m
from waterworks.site import Site

if TYPE_CHECKING:
    Floats = NDArray[np.float64]

REACH_M = 50.0
"""A position this far from every pipe is on none of them [m]: a phone's is some 5 to 20 m off in streets."""


class PipeMeasure:
    """Distances in the network of ``site``. Safe to use from several threads."""

    def __init__(self, site: Site, network: Network) -> None:
        self._site = site
        self._network = network
        kind = network.link_kind
        self._pipes = np.flatnonzero(kind <= LinkKind.PIPE)
        self._index = {network.link_ids[int(i)]: k for k, i in enumerate(self._pipes)}

    def __call__(self, place: Place, said: Sequence[Said]) -> Measured | None:
        spot = self._spot(place)
        if spot is None:
            position = self._position(place)
            if position is None:
                return None
            return Measured("", False, tuple(self._hit(s, None, None, position) for s in said))
        pipe, along, exact = spot
        link = int(self._pipes[pipe])
        position = None if self._pinpoint is None else self._pinpoint.point(link, along)
        metres = self._metres(pipe, along)
        hits = tuple(self._hit(s, pipe, metres, position) for s in said)
        return Measured(self._network.link_ids[link], exact, hits)

    @cached_property
    def _pinpoint(self) -> Pinpoint | None:
        return Pinpoint(self._site, self._network) if self._site.crs else None

    def _position(self, place: Place) -> tuple[float, float] | None:
        known = place.lon is not None and place.lat is not None and self._pinpoint is not None
        return (place.lon, place.lat) if known else None  # type: ignore[return-value]

    def _spot(self, place: Place) -> tuple[int, float, bool] | None:
        """The pipe of a place (of ``_pipes``), how far along [m], and whether that is known."""
        position, pipe = self._position(place), self._index.get(place.pipe)
        if pipe is not None:
            length = float(self._network.length[self._pipes[pipe]])
            if place.along_m is not None:
                return pipe, min(place.along_m, length), True
            if position is not None and self._pinpoint is not None:
                on = self._pinpoint.nearest(*position, only=int(self._pipes[pipe]))
                if on is not None and on.off_m <= REACH_M:
                    return pipe, on.along_m, True
            return pipe, 0.5 * length, False
        if position is None or self._pinpoint is None:
            return None
        near = self._pinpoint.nearest(*position)
        if near is None or near.off_m > REACH_M:
            return None
        return self._index[self._network.link_ids[near.link]], near.along_m, True

    def _metres(self, pipe: int, along_m: float) -> Floats:
        """Along the pipes from the place to the middle of each pipe, (P,) [m]; inf where there is no way."""
        from analytics.radius import from_point  # brings SciPy with it: pages need not wait for that

        network, pipes = self._network, self._pipes
        start, end = network.start.astype(np.int64), network.end.astype(np.int64)
        others = np.setdiff1d(np.arange(len(start)), pipes)  # one walks past pumps and valves
        joined = np.stack([start[others], end[others]], axis=1)
        return from_point(
            pipe, along_m, start[pipes], end[pipes], network.length[pipes], len(network.node_ids), joined
        )

    def _hit(
        self, said: Said, pipe: int | None, metres: Floats | None, position: tuple[float, float] | None
    ) -> Hit:
        named = [self._index.get(s) for s, _ in said.suspects]
        along = [self._along(k, metres) for k in named]
        air = [self._air(k, position) for k in named]
        centre = self._along(self._index.get(said.centre), metres)
        rank = probability = None
        if pipe is not None and said.suspects:
            rank = named.index(pipe) + 1 if pipe in named else None
            probability = 0.0 if rank is None else said.suspects[rank - 1][1]
        # Begun at a pipe from which there is no way to the place, a search never gets there.
        reached = metres is not None and said.centre in self._index
        return Hit(
            rank,
            probability,
            along[0] if along else None,
            air[0] if air else None,
            min((m for m in along if m is not None), default=None),
            min((m for m in air if m is not None), default=None),
            centre,
            _inside(centre, said.radius_50_m) if reached else None,
            _inside(centre, said.radius_90_m) if reached else None,
        )

    def _along(self, pipe: int | None, metres: Floats | None) -> float | None:
        if pipe is None or metres is None or not np.isfinite(metres[pipe]):
            return None
        return round(float(metres[pipe]), 1)

    def _air(self, pipe: int | None, position: tuple[float, float] | None) -> float | None:
        if pipe is None or position is None or self._pinpoint is None:
            return None
        middle = self._pinpoint.point(int(self._pipes[pipe]), None)
        return None if middle is None else round(apart_m(middle, position), 1)


def _inside(metres: float | None, radius: float | None) -> bool | None:
    if radius is None:
        return None
    return metres is not None and metres <= radius
