"""Figures as InfluxDB's line protocol."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ingest.store.influx.figures import figure_lines
from waterworks.errors import StoreError
from waterworks.figures import Figure

TIME = np.datetime64("2026-03-10T03:00:00", "us")


def test_tags_in_order_empty_ones_left_out_and_types_kept() -> None:
    figure = Figure(
        "m", TIME, {"what": "a b", "dma": "", "alert": "x"}, {"n": 3, "x": 3.0, "t": 'a"b\nc', "y": True}
    )
    assert figure_lines([figure], "kota,1").decode() == (
        'm,alert=x,site=kota\\,1,what=a\\ b n=3i,t="a\\"b c",x=3.0,y=true 1773111600000000\n'
    )


def test_numbers_of_numpy_are_written_as_numbers() -> None:
    figure = Figure("m", TIME, {}, {"x": np.float64(0.5)})
    assert figure_lines([figure], "s") == b"m,site=s x=0.5 1773111600000000\n"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_influxdb_cannot_hold_are_refused(value: float) -> None:
    with pytest.raises(StoreError, match="x is"):
        figure_lines([Figure("m", TIME, {}, {"x": value})], "s")


def test_a_point_without_fields_is_refused() -> None:
    with pytest.raises(StoreError, match="no field"):
        figure_lines([Figure("m", TIME, {}, {})], "s")
