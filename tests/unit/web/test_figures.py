"""Small figures made on the server."""

from __future__ import annotations

import re

from twuin.web.figures import SPARK_HEIGHT, SPARK_WIDTH, sparkline


def test_sparkline_breaks_where_values_are_missing() -> None:
    assert [p.count("L") for p in sparkline([1.0, 2.0, None, 3.0, 4.0, 5.0])] == [1, 2]


def test_sparkline_stays_in_its_box_and_starts_at_zero() -> None:
    (path,) = sparkline([0.0, 10.0, 5.0])
    points = [(float(x), float(y)) for x, y in re.findall(r"([\d.]+) ([\d.]+)", path)]
    assert all(0 <= x <= SPARK_WIDTH and 0 <= y <= SPARK_HEIGHT for x, y in points)
    assert points[0][1] == SPARK_HEIGHT - 2 and points[1][1] == 2


def test_sparkline_of_nothing_is_nothing_and_of_one_value_a_dash() -> None:
    assert sparkline([]) == sparkline([None, None]) == []
    assert sparkline([None, 3.0, None])[0].endswith("h1.5")


def test_sparkline_of_a_constant_or_negative_flow_is_drawn() -> None:
    assert sparkline([0.0, 0.0, 0.0])
    assert sparkline([-4.0, -2.0, 3.0])
