from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from waterworks.units import UNITS, Quantity, canonical, conversion, from_si, to_si

units = st.sampled_from([(q, u) for q in Quantity for u in UNITS[q]])
values = st.lists(st.floats(-1e6, 1e6), max_size=20)


@given(units, values)
def test_there_and_back_is_the_same_value(unit: tuple[Quantity, str], said: list[float]) -> None:
    quantity, name = unit
    back = from_si(to_si(said, name, quantity), name, quantity)
    np.testing.assert_allclose(back, said, rtol=1e-9, atol=1e-6)


@given(units, st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_more_is_more_in_every_unit(unit: tuple[Quantity, str], value: float, more: float) -> None:
    quantity, name = unit
    low, high = to_si([value, value + more], name, quantity)
    assert high >= low


@given(units)
def test_units_are_known_in_any_case_and_with_blanks_but_never_as_another(unit: tuple[Quantity, str]) -> None:
    quantity, name = unit
    assert canonical(name, quantity) == name
    assert canonical(f" {name} ", quantity) == name
    if name.lower() not in ("mpa", "mbar"):
        assert conversion(canonical(name.upper(), quantity), quantity) == conversion(name, quantity)
