"""The units of SenML's registry in Twuin's spelling.

Registry: RFC 8428, section 12.1, with RFC 8798 (secondary units) and what IANA has added since. Its symbols
are exact: ``C`` is the coulomb and ``Cel`` the degree Celsius, where people may write ``C`` for the latter.
"""

from __future__ import annotations

RENAMED = {
    "Cel": "degC",
    "l": "L",
    "l/s": "L/s",
    "l/h": "L/h",
    "hPa": "mbar",
    "/": "1",
    "/100": "%",
    "%RH": "%",
}
"""Symbols that Twuin spells otherwise. What is neither here nor below is spelled alike, or unknown."""

OTHERWISE = {
    "C": "coulomb; degrees Celsius are 'Cel'",
    "F": "farad; SenML has no degrees Fahrenheit, but Twuin takes 'degF'",
}
"""Symbols that mean something that Twuin does not measure, though people write them for what it does."""


def twuin_unit(symbol: str) -> str:
    """Twuin's spelling of a symbol of the registry; any other text as it is.

    So units that the registry lacks (``m3/h``, ``bar``) may be sent in Twuin's own spelling.
    """
    return RENAMED.get(symbol, symbol)
