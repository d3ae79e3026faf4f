"""What areas have in common is taken off, what one has for itself is left."""

from __future__ import annotations

import numpy as np

from analytics.neighbours import PEERS, candidates_of, choose_peers, common_part, learn_common


def learnt(z: np.ndarray):  # (D, P, S)
    areas = z.shape[2]
    itself = np.arange(areas)
    peers = choose_peers(np.nan_to_num(z.reshape(-1, areas)), itself, areas)
    return learn_common(z, peers, candidates_of(itself, areas))


def weather(seed: int, share: float, areas: int = 8) -> np.ndarray:
    rng = np.random.default_rng(seed)
    common = rng.standard_normal((56, 24, 1))
    return share * common + np.sqrt(1 - share**2) * rng.standard_normal((56, 24, areas))


def test_weather_that_moves_all_is_taken_off() -> None:
    common = learnt(weather(1, 0.8))
    rest, whole = [], []
    for z in weather(2, 0.8)[:, 12]:
        rest.append(z - common_part(z, common, 12))
        whole.append(z)
    assert np.std(rest) < 0.8 * np.std(whole)


def test_areas_with_nothing_in_common_leave_each_other_alone() -> None:
    common = learnt(weather(3, 0.0))
    assert np.abs(common.factor).mean() < 0.02


def test_one_areas_burst_is_not_taken_for_weather() -> None:
    common = learnt(weather(4, 0.8))
    z = np.zeros(8)
    z[0] = 50.0
    part = common_part(z, common, 3)
    assert part[0] == 0.0
    assert np.abs(part[1:]).max() < 3.0


def test_the_order_of_areas_does_not_matter() -> None:
    z = weather(5, 0.6)
    order = np.random.default_rng(6).permutation(8)
    straight, turned = learnt(z), learnt(z[:, :, order])
    now = np.random.default_rng(7).standard_normal(8)
    assert np.allclose(common_part(now, straight, 5)[order], common_part(now[order], turned, 5))


def test_few_areas_have_no_neighbours_and_a_copy_has_those_of_its_area() -> None:
    z = weather(8, 0.8, PEERS)
    assert (learnt(z).peers == -1).all()
    z = weather(9, 0.8, 6).reshape(-1, 6)
    peers = choose_peers(np.concatenate([z, z[:, [2]]], axis=1), np.array([0, 1, 2, 3, 4, 5, 2]), 6)
    assert (peers[6] == peers[2]).all()
    assert 2 not in peers[6] and peers.max() < 6
