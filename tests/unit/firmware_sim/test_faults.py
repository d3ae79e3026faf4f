import numpy as np

from firmware_sim import faults

VALUES = np.array([1.0, 2.0, 3.0, 4.0])
ON = np.array([False, True, True, False])


def test_each_fault_changes_what_it_hits_and_nothing_else() -> None:
    at = np.array([0, 1, 2, 3]) * faults.DAY_US
    chance = np.array([0.01, 0.01, 0.06, 0.06])
    assert faults.offset(VALUES, ON, 10).tolist() == [1, 12, 13, 4]
    assert faults.drift(VALUES, ON, at, faults.DAY_US, 0.5).tolist() == [1, 2, 3.5, 4]
    assert faults.reversed_sign(VALUES, ON).tolist() == [1, -2, -3, 4]
    assert faults.noise(VALUES, ON, np.full(4, 2.0), 0.1).tolist() == [1, 2.2, 3.2, 4]
    assert faults.spikes(VALUES, ON, chance, 0.1, 7).tolist() == [1, 9, -4, 4]
    assert faults.stuck(VALUES, ON, 2.0).tolist() == [1, 2, 2, 4]


def test_spikes_hit_their_share_and_go_both_ways() -> None:
    chance = (np.arange(10_000) + 0.5) / 10_000
    jumps = faults.spikes(np.zeros(10_000), np.ones(10_000, bool), chance, 0.03, 5.0)
    assert (np.count_nonzero(jumps == 5), np.count_nonzero(jumps == -5)) == (150, 150)
