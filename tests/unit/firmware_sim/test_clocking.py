import numpy as np

from firmware_sim.bound import BoundFault, Span
from firmware_sim.clocking import DeviceClock
from firmware_sim.instants import When
from firmware_sim.scenario_model import Fault, FaultKind

S = 1_000_000
T0 = 1_790_000_100 * S  # a whole multiple of five minutes
FIVE = 300 * S


def fault(kind: FaultKind, value: float, start: int, end: int | None) -> BoundFault:
    return BoundFault(Fault("f", kind, When("+0s"), value=value), Span(start, end), (), "d")


def test_a_right_clock_samples_at_whole_intervals() -> None:
    assert T0 % FIVE == 0
    ticks = DeviceClock(0).ticks(T0, T0 + 4 * FIVE, FIVE, 0)
    assert ticks.true.tolist() == ticks.stamp.tolist() == [T0 + k * FIVE for k in range(4)]


def test_a_clock_ahead_samples_early_and_stamps_whole_intervals() -> None:
    ticks = DeviceClock(7 * S).ticks(T0, T0 + 2 * FIVE, FIVE, 0)
    assert ticks.stamp.tolist() == [T0 + FIVE, T0 + 2 * FIVE]
    assert (ticks.stamp - ticks.true == 7 * S).all()


def test_a_clock_set_back_gives_device_times_twice() -> None:
    clock = DeviceClock(0, [fault(FaultKind.CLOCK_OFFSET, 900, T0, T0 + 6 * FIVE)])
    ticks = clock.ticks(T0 - 2 * FIVE, T0 + 10 * FIVE, FIVE, 0)
    assert len(ticks.true) == 12
    assert len(np.unique(ticks.stamp)) == 9
    assert ((ticks.stamp - ticks.true) // FIVE).tolist() == [0] * 2 + [3] * 6 + [0] * 4


def test_a_drifting_clock_gains_from_its_start_on_and_is_set_right_in_the_end() -> None:
    clock = DeviceClock(0, [fault(FaultKind.CLOCK_DRIFT, 1000, T0, T0 + 288 * FIVE)])
    ticks = clock.ticks(T0, T0 + 300 * FIVE, FIVE, 0)
    ahead = (ticks.stamp - ticks.true) / S
    within = ticks.true < T0 + 288 * FIVE
    assert np.allclose(ahead[within], (ticks.true[within] - T0) / S * 1e-3, atol=1e-4)
    assert (ahead[~within] == 0).all()
    assert clock.stamp(T0 + 100 * FIVE) == T0 + 100 * FIVE + 30 * S


def test_a_wrong_zone_changes_stamps_only() -> None:
    clock = DeviceClock(0, [fault(FaultKind.ZONE, -7, T0, None)])
    ticks = clock.ticks(T0, T0 + 2 * FIVE, FIVE, 0)
    assert ticks.true.tolist() == [T0, T0 + FIVE]
    assert (ticks.true - ticks.stamp == 7 * 3600 * S).all()
