"""Places on the pipes of a network: which pipe a position is on, and where a point of a pipe lies."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from waterworks.geo import Lines
from waterworks.network import LinkKind, Network
from waterworks.site import Site

Floats = NDArray[np.float64]

METRES_PER_DEGREE = 111_320.0
"""Of latitude, on a sphere with the circumference of the equator: good to 0.6 % anywhere [m]."""


def apart_m(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Distance between two places some kilometres apart at most, (longitude, latitude) each [m]."""
    east = (a[0] - b[0]) * np.cos(np.radians(0.5 * (a[1] + b[1])))
    return float(np.hypot(east, a[1] - b[1]) * METRES_PER_DEGREE)


class Spot(NamedTuple):
    """A point of a link: its index, how far from its first node [m], and how far off the asked place was."""

    link: int
    along_m: float
    off_m: float


class Pinpoint:
    """Points of the pipes of ``network``. Only for a site with a coordinate system (``site.crs``)."""

    def __init__(self, site: Site, network: Network) -> None:
        self._network = network
        self._lines = Lines(site, network)

    def point(self, link: int, along_m: float | None) -> tuple[float, float] | None:
        """Longitude and latitude of a point of a link, None: half way; None where it has no coordinates."""
        line = self._lines.line(link)
        if not np.isfinite(line).all():
            return None
        length = float(self._network.length[link])
        share = 0.5 if along_m is None or length <= 0 else min(max(along_m / length, 0.0), 1.0)
        walked = _walked(line)
        at = share * walked[-1]
        return float(np.interp(at, walked, line[:, 0])), float(np.interp(at, walked, line[:, 1]))

    def nearest(self, lon: float, lat: float, only: int | None = None) -> Spot | None:
        """The point of a pipe that is nearest to a place; only: of this link; None: no pipe has coordinates.

        How far along is by the drawn line's share of the pipe's length: drawings and lengths may differ.
        """
        a, b, link, before, whole = self._pieces
        here = slice(None) if only is None else link == only
        a, b, link, before, whole = a[here], b[here], link[here], before[here], whole[here]
        if not len(a):
            return None
        scale = np.array([np.cos(np.radians(lat)), 1.0]) * METRES_PER_DEGREE
        origin = np.array([lon, lat])
        p, q = (a - origin) * scale, (b - origin) * scale
        step = q - p
        squared = (step**2).sum(axis=1)
        share = np.clip(-(p * step).sum(axis=1) / np.where(squared > 0, squared, 1.0), 0.0, 1.0)
        off = np.hypot(*(p + share[:, None] * step).T)
        i = int(np.argmin(off))
        drawn = float(before[i] + share[i] * np.hypot(*(b[i] - a[i])))
        length = float(self._network.length[link[i]])
        return Spot(int(link[i]), length * drawn / whole[i] if whole[i] > 0 else 0.0, float(off[i]))

    @cached_property
    def _pieces(self) -> tuple[Floats, Floats, NDArray[np.int64], Floats, Floats]:
        """Straight pieces of all pipes: both ends (S, 2), link (S,), drawn length before and of all (S,)."""
        kind = self._network.link_kind
        a, b, link, before, whole = [], [], [], [], []
        for i in np.flatnonzero(kind <= LinkKind.PIPE).tolist():
            line = self._lines.line(i)
            if not np.isfinite(line).all():
                continue
            walked = _walked(line)
            a.append(line[:-1])
            b.append(line[1:])
            link.append(np.full(len(line) - 1, i, np.int64))
            before.append(walked[:-1])
            whole.append(np.full(len(line) - 1, walked[-1]))
        if not a:
            none = np.zeros((0, 2))
            return none, none, np.zeros(0, np.int64), np.zeros(0), np.zeros(0)
        at = np.concatenate
        return at(a), at(b), at(link), at(before), at(whole)


def _walked(line: Floats) -> Floats:
    """Drawn length up to each point of a line (V, 2), in its own degrees."""
    return np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
