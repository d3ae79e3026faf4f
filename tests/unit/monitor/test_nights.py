"""Nights that are over, worked out anew only where something changed."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import numpy as np
import pytest
from numpy.typing import NDArray

from analytics.night import NightFlow, night_flow
from twuin.monitor.nights import Nights
from waterworks.localtime import LocalTime, local_time

STEP_S = 900
DAYS = 12
SINCE_S = 1_711_411_200  # 26 March 2024, the week in which Europe's clocks are set


def calendar(zone: str) -> LocalTime:
    return local_time(SINCE_S + np.arange(DAYS * 96) * STEP_S, STEP_S, ZoneInfo(zone), frozenset())


def all_anew(inflow: NDArray[np.float64], local: LocalTime, night: tuple[float, float]) -> NightFlow:
    """The obvious way."""
    found = night_flow(inflow, local.day, local.hour, STEP_S, night)
    day, hour = local.day[-1], local.hour[-1] + STEP_S / 3600
    over = (found.night < day) | ((found.night == day) & (hour >= night[1]))
    return NightFlow(*(x[over] for x in found))


def assert_same(found: NightFlow, right: NightFlow) -> None:
    for a, b in zip(found, right, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("zone", ["Asia/Jakarta", "Europe/Rome"])
@pytest.mark.parametrize("night", [(0.0, 5.0), (22.0, 4.0), (20.0, 24.0)])
def test_step_by_step_nights_are_those_of_all_rows_at_once(zone: str, night: tuple[float, float]) -> None:
    rng = np.random.default_rng(1)
    local = calendar(zone)
    inflow = np.where(rng.random((DAYS * 96, 2)) < 0.02, np.nan, rng.random((DAYS * 96, 2)))
    nights, first = Nights(night, STEP_S, 2), 0
    for rows in range(6, DAYS * 96, 6):
        assert_same(
            nights.update(inflow[:rows], local.upto(rows), first),
            all_anew(inflow[:rows], local.upto(rows), night),
        )
        first = rows
    assert len(nights.found.night) >= DAYS - 2


def test_late_data_change_their_nights_and_what_was_usual_after_them() -> None:
    local, rng = calendar("Asia/Jakarta"), np.random.default_rng(2)
    inflow, night = 1 + rng.random((DAYS * 96, 1)), (0.0, 5.0)
    nights = Nights(night, STEP_S, 1)
    before = nights.update(inflow, local, 0)
    late = 4 * 96
    inflow[late : late + 96] -= 0.9
    after = nights.update(inflow, local, late)
    assert_same(after, all_anew(inflow, local, night))
    changed = np.flatnonzero(np.isfinite(before.usual[:, 0]) & (after.usual[:, 0] != before.usual[:, 0]))
    assert len(changed) and before.night[changed[0]] >= local.day[late]


def test_rows_that_were_taken_back_take_their_nights_with_them() -> None:
    local, inflow, night = calendar("Asia/Jakarta"), np.ones((DAYS * 96, 1)), (0.0, 5.0)
    nights = Nights(night, STEP_S, 1)
    nights.update(inflow, local, 0)
    rows = 5 * 96 + 8
    assert_same(
        nights.update(inflow[:rows], local.upto(rows), rows), all_anew(inflow[:rows], local.upto(rows), night)
    )
