import numpy as np
import pytest

from firmware_sim.leaks import NEVER, Course, emitter, orifice, size
from firmware_sim.scenario_model import Growth


def test_a_round_hole_follows_torricelli() -> None:
    # 20 mm at 50 m: v = sqrt(2 g h) = 31.32 m/s, A = 3.1416e-4 m2, Cd 0.75 -> 7.379e-3 m3/s = 26.56 m3/h.
    assert orifice(20, 0.75) * np.sqrt(50) == pytest.approx(26.56, abs=0.01)


def test_an_emitter_gives_its_flow_at_its_pressure() -> None:
    assert emitter(8.0, 40.0, 0.5) * 40.0**0.5 == pytest.approx(8.0)


@pytest.mark.parametrize(
    ("growth", "half"), [(Growth.ABRUPT, 1.0), (Growth.LINEAR, 0.5), (Growth.QUADRATIC, 0.25)]
)
def test_leaks_grow_from_start_to_peak_and_end_with_the_repair(growth: Growth, half: float) -> None:
    course = Course(100.0, 300.0, 500.0, growth)
    at = np.array([99, 100, 200, 300, 499, 500])
    first = 1.0 if growth is Growth.ABRUPT else 0.0
    assert size(course, at).tolist() == [0.0, first, half, 1.0, 1.0, 0.0]
    assert size(course._replace(end_s=NEVER), np.array([10**10])).tolist() == [1.0]
