"""Performance indicators of losses: shares, losses a connection and day, ILI and its bands.

Lambert et al. (1999), AQUA 48(6); Alegre et al. (2000), IWA; bands: World Bank Institute NRW training
(Liemberger 2005), as in Farley, Wyeth, Ghazali, Istandar & Singh (2008), The Manager's Non-Revenue Water
Handbook, ch. 8.
"""

from __future__ import annotations

import math

from analytics.losses.uncertain import UNKNOWN, Uncertain

BANDS = {"developed": (2.0, 4.0, 8.0), "developing": (4.0, 8.0, 16.0)}
"""Where bands B, C and D begin. A: further reduction may be uneconomic unless water is short; B: room for
marked improvement; C: poor, tolerable only where water is plentiful and cheap; D: very inefficient."""

LEAST_SIZE = 3000.0
"""Nc + 20 Lm [km] below which UARL is too uncertain to divide by (Lambert 2009, Ten Years Experience in Using
the UARL Formula; AWWA Free Water Audit Software: Nc + 32 Lm [miles]). 5,000 connections in 1999, 3,000 from
2005 on (Thornton, Sturm & Kunkel 2008, sect. 10.5)."""
MAINS_WEIGHT_PER_KM = 20.0
LEAST_PRESSURE_M, MOST_PRESSURE_M = 25.0, 100.0
"""Range of pressures that UARL was tested for (Lambert et al. 1999): below, N1 of 1 does not hold."""
LEAST_DENSITY_PER_KM = 20.0
"""Connections a km of mains (Lambert et al. 1999)."""
LEAST_SUPPLY_H = 20.0
"""Hours of supply a day below which the ILI says little [h]: this project's own mark for intermittent supply,
where pipes fill and empty and the mean pressure while supplied is a poor measure."""


def nrw_share(nrw: Uncertain, system_input: Uncertain) -> Uncertain:
    """Non-revenue water as a share of system input volume [-].

    The usual figure, though no measure of how well leakage is managed: it falls when people use more.
    """
    return nrw / system_input


def per_connection(volume: Uncertain, connections: float, days: float, supply_h: float = 24.0) -> Uncertain:
    """Litres a connection and day, when the system is pressurised (w.s.p.).

    volume [m3] of ``days`` days; supply_h: hours of supply a day. With 12 hours of supply a litre a day is a
    leak of twice the size (Lambert et al. 1999). UNKNOWN without connections, days or supply.
    """
    if not (connections > 0 and days > 0 and supply_h > 0):
        return UNKNOWN
    return volume * (1000.0 / connections / days * 24.0 / supply_h)


def infrastructure_leakage_index(
    real_losses: Uncertain, uarl: float, days: float, supply_h: float = 24.0
) -> Uncertain:
    """ILI = CARL / UARL [-].

    real_losses: of ``days`` days [m3]; uarl: unavoidable real losses at the pressure while supplied [m3/s];
    supply_h: hours of supply a day: UARL is taken for these hours only. UNKNOWN where uarl is NaN or 0.
    """
    unavoidable = uarl * days * supply_h * 3600.0
    if not unavoidable > 0:
        return UNKNOWN
    return real_losses / unavoidable


def ili_band(ili: float, economy: str) -> str:
    """Band of an ILI, "A" to "D"; "" where it is NaN or below 0. economy: "developed" or "developing"."""
    if math.isnan(ili) or ili < 0:
        return ""
    return "ABCD"[sum(ili >= limit for limit in BANDS[economy])]


def ili_limits(
    mains_m: float, connections: float, pressure_m: float, supply_h: float = 24.0
) -> tuple[str, ...]:
    """Which limits of validity of UARL and ILI a system is beyond; () where it holds.

    small: connections + 20 a km of mains below 3,000; low_pressure: below 25 m; high_pressure: above 100 m;
    sparse: fewer than 20 connections a km; intermittent: supplied for less than 20 h a day. A system beyond
    them has an ILI to watch over time, not to compare with others'.
    """
    km = mains_m / 1000.0
    found = {
        "small": connections + MAINS_WEIGHT_PER_KM * km < LEAST_SIZE,
        "low_pressure": pressure_m < LEAST_PRESSURE_M,
        "high_pressure": pressure_m > MOST_PRESSURE_M,
        "sparse": km > 0 and connections / km < LEAST_DENSITY_PER_KM,
        "intermittent": supply_h < LEAST_SUPPLY_H,
    }
    return tuple(name for name, beyond in found.items() if beyond)
