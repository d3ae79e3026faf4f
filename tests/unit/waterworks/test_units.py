from __future__ import annotations

import numpy as np
import pytest

from waterworks.errors import UnitError
from waterworks.units import Quantity, canonical, from_si, to_si


@pytest.mark.parametrize(
    ("value", "unit", "quantity", "si"),
    [
        # Worked by hand from definitions: 1 gal = 231 in3, 1 ft = 0.3048 m, 1 psi = 6894.757 Pa.
        (3600, "m3/h", "flow", 1.0),
        (1000, "L/s", "flow", 1.0),
        (15850.323, "gpm", "flow", 1.0),
        (22.824465, "mgd", "flow", 1.0),
        (19.005343, "imgd", "flow", 1.0),
        (70.045620, "acre-ft/d", "flow", 1.0),
        (86.4, "ML/d", "flow", 1.0),
        (35.314667, "ft3/s", "flow", 1.0),
        (1, "bar", "pressure", 10.197162),
        (1, "kgf/cm2", "pressure", 10.0),
        (14.503774, "psi", "pressure", 10.197162),
        (100, "kPa", "pressure", 10.197162),
        (50, "degF", "temperature", 10.0),
        (25, "%", "ratio", 0.25),
    ],
)
def test_units_convert_as_their_definitions_say(value: float, unit: str, quantity: str, si: float) -> None:
    assert float(to_si(value, unit, quantity)) == pytest.approx(si, rel=1e-7)
    assert float(from_si(si, unit, quantity)) == pytest.approx(value, rel=1e-7)


def test_spellings_of_field_devices_are_known() -> None:
    for spelled in ("l/det", "LPS", "lt/s", "L / s"):
        assert canonical(spelled, Quantity.FLOW) == "L/s"
    assert canonical("m³/jam", Quantity.FLOW) == "m3/h"
    assert canonical("mka", Quantity.PRESSURE) == "m"
    assert canonical("kg/cm2", Quantity.PRESSURE) == "kgf/cm2"


def test_millipascal_never_passes_for_megapascal() -> None:
    assert canonical("MPa", Quantity.PRESSURE) == "MPa"
    with pytest.raises(UnitError, match="ambiguous"):
        canonical("mPa", Quantity.PRESSURE)


def test_a_unit_of_another_quantity_is_refused_with_those_that_would_do() -> None:
    with pytest.raises(UnitError, match=r"unknown unit 'bar' of flow: use one of m3/s, m3/h"):
        canonical("bar", Quantity.FLOW)


def test_missing_values_stay_missing() -> None:
    assert np.isnan(to_si([np.nan, 1.0], "bar", "pressure")).tolist() == [True, False]
