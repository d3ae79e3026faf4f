"""Units of the quantities that Twuin measures, and their conversion to and from SI.

Inside Twuin every value is SI: flow [m3/s], pressure [m of head], level [m], volume [m3],
temperature [degC], voltage [V], signal [dBm], ratio [1]. Conversion happens once, at the boundary.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from waterworks.errors import UnitError

GRAVITY = 9.80665
"""Standard gravity [m/s2] (CGPM 1901)."""

WATER_DENSITY = 1000.0
"""Density of water taken for pressure heads [kg/m3]."""


class Quantity(StrEnum):
    """What a sensor measures."""

    FLOW = "flow"
    PRESSURE = "pressure"
    LEVEL = "level"
    VOLUME = "volume"
    TEMPERATURE = "temperature"
    VOLTAGE = "voltage"
    SIGNAL = "signal"
    RATIO = "ratio"


SI_UNIT: dict[Quantity, str] = {
    Quantity.FLOW: "m3/s",
    Quantity.PRESSURE: "m",
    Quantity.LEVEL: "m",
    Quantity.VOLUME: "m3",
    Quantity.TEMPERATURE: "degC",
    Quantity.VOLTAGE: "V",
    Quantity.SIGNAL: "dBm",
    Quantity.RATIO: "1",
}


class Unit(NamedTuple):
    """``si = value * factor + offset``."""

    factor: float
    offset: float = 0.0


_PA = 1.0 / (WATER_DENSITY * GRAVITY)  # m of head per pascal
_US_GALLON = 3.785411784e-3  # m3, NIST SP 811
_IMP_GALLON = 4.54609e-3  # m3, NIST SP 811
_FOOT = 0.3048  # m
_ACRE_FOOT = 1233.48183754752  # m3 (international foot)
_PSI = 6894.757293168  # Pa, NIST SP 811

_LENGTH = {
    "m": Unit(1.0),
    "cm": Unit(0.01),
    "mm": Unit(0.001),
    "ft": Unit(_FOOT),
    "in": Unit(0.0254),
}

UNITS: dict[Quantity, dict[str, Unit]] = {
    Quantity.FLOW: {
        "m3/s": Unit(1.0),
        "m3/h": Unit(1 / 3600),
        "m3/d": Unit(1 / 86400),
        "L/s": Unit(1e-3),
        "L/min": Unit(1e-3 / 60),
        "L/h": Unit(1e-3 / 3600),
        "ML/d": Unit(1e3 / 86400),
        "ft3/s": Unit(_FOOT**3),
        "gpm": Unit(_US_GALLON / 60),
        "MGD": Unit(1e6 * _US_GALLON / 86400),
        "IMGD": Unit(1e6 * _IMP_GALLON / 86400),
        "acre-ft/d": Unit(_ACRE_FOOT / 86400),
    },
    Quantity.PRESSURE: {
        "m": Unit(1.0),
        "cm": Unit(0.01),
        "mm": Unit(0.001),
        "ft": Unit(_FOOT),
        "bar": Unit(1e5 * _PA),
        "mbar": Unit(1e2 * _PA),
        "kPa": Unit(1e3 * _PA),
        "MPa": Unit(1e6 * _PA),
        "Pa": Unit(_PA),
        "psi": Unit(_PSI * _PA),
        "kgf/cm2": Unit(10.0),  # 98,066.5 Pa is 10 m of water at standard gravity
    },
    Quantity.LEVEL: dict(_LENGTH),
    Quantity.VOLUME: {
        "m3": Unit(1.0),
        "L": Unit(1e-3),
        "ft3": Unit(_FOOT**3),
        "gal": Unit(_US_GALLON),
    },
    Quantity.TEMPERATURE: {"degC": Unit(1.0), "degF": Unit(5 / 9, -160 / 9), "K": Unit(1.0, -273.15)},
    Quantity.VOLTAGE: {"V": Unit(1.0), "mV": Unit(1e-3)},
    Quantity.SIGNAL: {"dBm": Unit(1.0)},
    Quantity.RATIO: {"1": Unit(1.0), "%": Unit(0.01)},
}

# Other spellings that people and devices write. Keys are lower case, without blanks.
_ALIASES: dict[str, str] = {
    "m³/s": "m3/s", "m^3/s": "m3/s", "cms": "m3/s", "m3s": "m3/s",
    "m³/h": "m3/h", "m^3/h": "m3/h", "cmh": "m3/h", "m3h": "m3/h", "m3/hr": "m3/h", "m³/hr": "m3/h",
    "m3/jam": "m3/h", "m³/jam": "m3/h",
    "m³/d": "m3/d", "m^3/d": "m3/d", "cmd": "m3/d", "m3/day": "m3/d", "m³/day": "m3/d", "m3/hari": "m3/d",
    "lps": "L/s", "lt/s": "L/s", "ltr/s": "L/s", "l/det": "L/s", "l/dt": "L/s", "l/sec": "L/s",
    "lpm": "L/min", "l/m": "L/min", "lph": "L/h", "l/hr": "L/h", "l/jam": "L/h",
    "mld": "ML/d", "cfs": "ft3/s", "ft³/s": "ft3/s", "gal/min": "gpm", "afd": "acre-ft/d",
    "mh2o": "m", "mwc": "m", "mka": "m", "mh20": "m", "kg/cm2": "kgf/cm2", "kg/cm²": "kgf/cm2",
    "kgf/cm²": "kgf/cm2", "lbf/in2": "psi",
    "m³": "m3", "m^3": "m3", "liter": "L", "litre": "L", "ltr": "L",
    "°c": "degC", "c": "degC", "°f": "degF", "f": "degF", "volt": "V", "percent": "%", "": "1",
}  # fmt: skip

_CANONICAL: dict[Quantity, dict[str, str]] = {
    quantity: {name.lower(): name for name in names} for quantity, names in UNITS.items()
}
# "mPa" must never pass for megapascal: the two spellings that differ only by case in their prefix.
_CASE_MATTERS = {"mpa": "MPa", "mbar": "mbar"}


def canonical(unit: str, quantity: Quantity | str) -> str:
    """Twuin's own spelling of ``unit``, a unit of ``quantity``.

    Raises UnitError when no such unit measures the quantity.
    """
    quantity = Quantity(quantity)
    spelled = "".join(unit.split())
    names = UNITS[quantity]
    if spelled in names:
        return spelled
    low = spelled.lower()
    if low in _CASE_MATTERS:
        raise UnitError(
            f"unit {unit!r} of {quantity.value} is ambiguous in this case: write {_CASE_MATTERS[low]!r}"
        )
    name = _ALIASES.get(low, _CANONICAL[quantity].get(low, low))
    if name not in names:
        raise UnitError(f"unknown unit {unit!r} of {quantity.value}: use one of {', '.join(names)}")
    return name


def conversion(unit: str, quantity: Quantity | str) -> Unit:
    """Factor and offset that bring ``unit`` to SI. Raises UnitError for an unknown unit."""
    return UNITS[Quantity(quantity)][canonical(unit, quantity)]


def to_si(values: ArrayLike, unit: str, quantity: Quantity | str) -> NDArray[np.float64]:
    """``values`` [unit], any shape -> the same shape in SI. NaN stays NaN."""
    factor, offset = conversion(unit, quantity)
    return np.asarray(values, dtype=np.float64) * factor + offset


def from_si(values: ArrayLike, unit: str, quantity: Quantity | str) -> NDArray[np.float64]:
    """SI ``values``, any shape -> the same shape in ``unit``. NaN stays NaN."""
    factor, offset = conversion(unit, quantity)
    return (np.asarray(values, dtype=np.float64) - offset) / factor
