"""Which pipe a position is on, and where a point of a pipe lies."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from waterworks.pinpoint import METRES_PER_DEGREE, Pinpoint, apart_m


@pytest.fixture
def town(samples: ModuleType, tmp_path: Any) -> Any:
    network, _, _ = samples._network()
    site = samples.Site("kota", "Kota", samples.ZoneInfo("Asia/Jakarta"), (), (), tmp_path, crs="EPSG:4326")
    return site, network


def test_every_point_of_a_pipe_is_found_again_on_that_pipe(town: Any) -> None:
    site, network = town
    pinpoint = Pinpoint(site, network)
    for link in range(0, len(network.link_ids), 7):
        length = float(network.length[link])
        for share in (0.1, 0.5, 0.9):
            at = pinpoint.point(link, share * length)
            assert at is not None
            spot = pinpoint.nearest(*at)
            assert spot is not None and spot.off_m == pytest.approx(0.0, abs=0.01)
            own = pinpoint.nearest(*at, only=link)
            assert own is not None and own.link == link
            assert own.along_m == pytest.approx(share * length, abs=0.6)  # degrees are not all alike long


def test_the_nearest_pipe_is_that_of_a_slow_look_at_all_of_them(town: Any) -> None:
    site, network = town
    pinpoint, rng = Pinpoint(site, network), np.random.default_rng(3)
    for _ in range(20):
        lon, lat = 112.608 + 0.025 * rng.random(), -7.968 + 0.02 * rng.random()
        off = []
        for link in range(len(network.link_ids)):
            (x1, y1), (x2, y2) = network.xy[network.start[link]], network.xy[network.end[link]]
            walk = np.linspace(0, 1, 400)
            off.append(min(apart_m((x1 + s * (x2 - x1), y1 + s * (y2 - y1)), (lon, lat)) for s in walk))
        spot = pinpoint.nearest(lon, lat)
        assert spot is not None
        assert spot.off_m == pytest.approx(min(off), abs=1.0)
        assert off[spot.link] == pytest.approx(min(off), abs=1.0)


def test_pipes_without_coordinates_are_nowhere(town: Any) -> None:
    site, network = town
    blank = replace(network, xy=np.full_like(network.xy, np.nan))
    assert Pinpoint(site, blank).nearest(112.6, -7.9) is None
    assert Pinpoint(site, blank).point(0, None) is None


def test_distances_shrink_with_the_longitudes() -> None:
    assert apart_m((112.6, 0.0), (112.6, 0.01)) == pytest.approx(0.01 * METRES_PER_DEGREE)
    assert apart_m((112.0, 60.0), (112.01, 60.0)) == pytest.approx(0.005 * METRES_PER_DEGREE, rel=1e-4)
