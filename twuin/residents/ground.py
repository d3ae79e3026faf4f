"""Where a report lies in the network: its nearest pipe, its DMA, and how far it is from others."""

from __future__ import annotations

import math
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.between import PipeWays, Reach, Spot
from waterworks.geo import Lines
from waterworks.network import LinkKind, Network
from waterworks.site import Site
from waterworks.zones import link_dma

Floats = NDArray[np.float64]
Position = tuple[float, float]
"""Longitude and latitude [degrees, WGS 84]."""

REACH_M = 150.0
"""A place further from every pipe has no pipe and no DMA of its own [m]: a deep block of houses and the error
of a phone's GPS between them (some 10 to 50 m)."""

FAR_M = 5_000.0
"""A place further from every pipe is not of this town [m]."""

SAMPLE_M = 25.0
"""Pipes are looked for by points on them at this distance [m]."""

_LIMIT_M = 5_000.0
_EARTH_M = 6_371_008.8
"""Mean radius of the earth [m]."""


class OnPipe(NamedTuple):
    """The nearest place on a pipe. off: how far away it is [m]."""

    spot: Spot
    pipe: str
    dma: str
    off: float


def straight_m(a: Position, b: Position) -> float:
    """Distance as the crow flies [m], on a sphere, for places of one town."""
    east = math.radians(b[0] - a[0]) * math.cos(math.radians((a[1] + b[1]) / 2))
    return _EARTH_M * math.hypot(east, math.radians(b[1] - a[1]))


class Ground:
    """The pipes of a site whose network has geographic coordinates (``of``). Safe from several threads."""

    def __init__(self, site: Site, network: Network) -> None:
        self._network = network
        self._lines = Lines(site, network)
        self._link_dma = link_dma(network, site.node_dma)
        kinds = network.link_kind
        drawn = [i for i in np.flatnonzero(kinds <= LinkKind.PIPE).tolist() if self._is_drawn(i)]
        self._pipes = np.array(drawn, np.int64)
        self._place_of = {network.link_ids[i]: k for k, i in enumerate(drawn)}

    @classmethod
    def of(cls, site: Site, network: Network | None) -> Ground | None:
        """The ground of a site, None where its network has no place on earth."""
        if network is None or not site.crs:
            return None
        ground = cls(site, network)
        return ground if len(ground._pipes) else None

    def _is_drawn(self, link: int) -> bool:
        return bool(np.isfinite(self._lines.line(link)).all()) and self._network.length[link] > 0

    @cached_property
    def _points(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Points on all pipes: (K, 2) planar [m], pipe (K,), along (K,) [m]; the frame: lon, lat, scales."""
        lines = [self._lines.line(i) for i in self._pipes.tolist()]
        every = np.concatenate(lines)
        origin = every.mean(axis=0)
        metre = math.radians(1.0) * _EARTH_M
        frame = np.array([*origin, metre * math.cos(math.radians(origin[1])), metre])
        points, pipes, alongs = [], [], []
        for k, line in enumerate(lines):
            flat = (line - frame[:2]) * frame[2:]
            passed = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(flat, axis=0).T))])
            count = max(2, math.ceil(float(passed[-1]) / SAMPLE_M) + 1)
            at = np.linspace(0.0, passed[-1], count)
            points.append(
                np.column_stack([np.interp(at, passed, flat[:, 0]), np.interp(at, passed, flat[:, 1])])
            )
            share = at / passed[-1] if passed[-1] > 0 else np.linspace(0.0, 1.0, count)
            alongs.append(share * self._network.length[self._pipes[k]])
            pipes.append(np.full(count, k, np.float64))
        return np.concatenate(points), np.concatenate(pipes), np.concatenate(alongs), frame

    @cached_property
    def _ways(self) -> PipeWays:
        n = self._network
        start, end = n.start.astype(np.int64), n.end.astype(np.int64)
        others = np.setdiff1d(np.arange(len(start)), self._pipes)
        return PipeWays(
            start[self._pipes],
            end[self._pipes],
            n.length[self._pipes],
            len(n.node_ids),
            np.stack([start[others], end[others]], axis=1),
        )

    def nearest(self, at: Position) -> OnPipe:
        """The place on a pipe that is nearest."""
        points, pipes, alongs, frame = self._points
        flat = (np.array(at) - frame[:2]) * frame[2:]
        apart = np.hypot(*(points - flat).T)
        i = int(np.argmin(apart))
        k = int(pipes[i])
        link = int(self._pipes[k])
        return OnPipe(
            Spot(k, float(alongs[i])), self._network.link_ids[link], self._link_dma[link], float(apart[i])
        )

    def apart_m(self, a: Position, b: Position) -> float:
        """How far two places are apart [m]: along the pipes where both are on one, else as the crow flies.

        What lies back to back in two streets is near for a crow, not for a leak.
        """
        crow = straight_m(a, b)
        one, other = self.nearest(a), self.nearest(b)
        if max(one.off, other.off) > REACH_M:
            return crow
        return max(crow, self._reach(one.spot).to(other.spot))

    def from_pipe_m(self, pipe: str, at: Position) -> float:
        """Distance along the pipes from the middle of ``pipe`` to a place [m]; inf where there is no way."""
        k = self._place_of.get(pipe)
        near = self.nearest(at)
        if k is None or near.off > REACH_M:
            return math.inf
        middle = Spot(k, float(self._network.length[self._pipes[k]]) / 2)
        return self._reach(middle).to(near.spot)

    def position_on(self, pipe: str, along_m: float | None) -> Position | None:
        """Where a place on a pipe is; its middle where ``along_m`` is not known; None for an unknown pipe."""
        k = self._place_of.get(pipe)
        if k is None:
            return None
        line = self._lines.line(int(self._pipes[k]))
        passed = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
        length = float(self._network.length[self._pipes[k]])
        share = 0.5 if along_m is None else min(max(along_m / length, 0.0), 1.0)
        at = share * passed[-1]
        return float(np.interp(at, passed, line[:, 0])), float(np.interp(at, passed, line[:, 1]))

    def _reach(self, spot: Spot) -> Reach:
        return self._ways.reach(spot, _LIMIT_M)
