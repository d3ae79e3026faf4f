"""What must hold of losses whatever the readings are."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from analytics.losses.babe import background_leakage, unavoidable_real_losses
from analytics.losses.favad import leakage_exponent, pressure_steps
from analytics.losses.mnf import night_parts, settled, supplied, supplied_night_flow
from analytics.losses.ndf import daily_profile, night_day_factor

flows = st.floats(0.0, 1.0)
heads = st.floats(5.0, 90.0) | st.just(float("nan"))
levels = arrays(np.float64, st.integers(0, 60), elements=heads)


@given(levels, st.integers(0, 60))
def test_pressure_steps_never_look_ahead(pressure: np.ndarray, cut: int) -> None:
    whole = pressure_steps(pressure)
    assert pressure_steps(pressure[:cut]) == [s for s in whole if s.detected < cut]


@given(levels, st.integers(0, 20))
def test_pressure_steps_move_with_time(pressure: np.ndarray, later: int) -> None:
    shifted = pressure_steps(np.r_[np.full(later, np.nan), pressure])
    assert shifted == [
        s._replace(night=s.night + later, detected=s.detected + later) for s in pressure_steps(pressure)
    ]


@given(st.integers(0, 1000), st.floats(0.01, 100.0), st.floats(0.5, 2.0))
def test_n1_does_not_depend_on_units(seed: int, litres: float, bar: float) -> None:
    noise = np.random.default_rng(seed)
    pressure = np.repeat([45.0, 36.0], 10) + 0.3 * noise.standard_normal(20)
    leakage = 0.004 * (pressure / 45) ** 1.1 * np.exp(0.05 * noise.standard_normal(20))
    one = leakage_exponent(leakage, pressure, pressure_steps(pressure))
    two = leakage_exponent(leakage * litres, pressure * bar, pressure_steps(pressure * bar))
    np.testing.assert_allclose(one[:3], two[:3], rtol=1e-6)


@given(
    arrays(np.float64, 5, elements=flows), arrays(np.float64, 5, elements=flows),
    arrays(np.float64, 5, elements=flows), st.permutations(range(5)), st.floats(0.1, 50.0),
)  # fmt: skip
def test_parts_add_up_scale_and_do_not_know_their_order(
    flow: np.ndarray, used: np.ndarray, quiet: np.ndarray, order: list[int], factor: float
) -> None:
    p = night_parts(flow, used, quiet)
    np.testing.assert_allclose(p.legitimate + p.background + p.burst, flow, atol=1e-12)
    assert (np.array(p) >= -1e-12).all()
    for a, b in zip(night_parts(flow[order], used[order], quiet[order]), p, strict=True):
        np.testing.assert_array_equal(a, b[order])
    for a, b in zip(night_parts(flow * factor, used * factor, quiet * factor), p, strict=True):
        np.testing.assert_allclose(a, b * factor, atol=1e-9)


@given(st.floats(0, 1e6), st.floats(0, 1e5), st.floats(0, 1e5), st.floats(1, 120), st.floats(1.0, 3.0))
def test_a_larger_network_leaks_more(
    mains: float, connections: float, service: float, pressure: float, k: float
) -> None:
    one = background_leakage(mains, connections, service, pressure)
    larger = background_leakage(k * mains, k * connections, k * service, pressure)
    np.testing.assert_allclose(larger, k * one, atol=1e-300)  # smaller numbers lose digits
    assert background_leakage(mains, connections, service, k * pressure) >= one * (1 - 1e-12)
    least = unavoidable_real_losses(mains, connections, service, pressure)
    np.testing.assert_allclose(
        unavoidable_real_losses(mains, connections, service, k * pressure), k * least, rtol=1e-9
    )


@given(arrays(np.float64, (24, 3), elements=st.floats(1, 90)), st.floats(0.4, 2.5), st.floats(0.2, 5.0))
def test_the_night_day_factor_knows_ratios_only(pressure: np.ndarray, n1: float, factor: float) -> None:
    night = pressure.max(axis=0)
    found = night_day_factor(pressure, night, n1)
    assert (found <= 24 + 1e-9).all()  # where the night has the highest pressure
    np.testing.assert_allclose(night_day_factor(pressure * factor, night * factor, n1), found, rtol=1e-9)
    np.testing.assert_allclose(
        night_day_factor(pressure[::-1], night, n1), found, rtol=1e-9
    )  # when, does not matter


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 5))
def test_supplied_nights_never_look_ahead(seed: int, cut: int) -> None:
    noise = np.random.default_rng(seed)
    n = 6 * 24
    day, hour = np.repeat(np.arange(6), 24), np.tile(np.arange(24.0), 6)
    inflow = noise.uniform(1, 10, (n, 2)) * (noise.random((n, 2)) > 0.2)
    pressure = np.where(noise.random((n, 2)) > 0.3, noise.uniform(0, 30, (n, 2)), np.nan)

    def nights(rows: int) -> np.ndarray:
        on = supplied(inflow[:rows], pressure[:rows], np.array([5.0, 5.0]), 3600.0)
        return supplied_night_flow(
            inflow[:rows], settled(on, 3600.0), day[:rows], hour[:rows], 3600.0, (0.0, 5.0)
        ).lowest

    np.testing.assert_array_equal(nights(cut * 24), nights(n)[:cut])


@given(arrays(np.float64, (48, 2), elements=flows), st.permutations(range(2)))
def test_profiles_do_not_mix_dmas(values: np.ndarray, order: list[int]) -> None:
    slot = np.tile(np.arange(24), 2)
    one = daily_profile(values, slot, 24, least=1)
    np.testing.assert_array_equal(daily_profile(values[:, order], slot, 24, least=1), one[:, order])
