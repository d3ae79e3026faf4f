"""Indicators by which Indonesian water utilities are evaluated every year, as far as Twuin knows them.

The scheme: eighteen indicators under finance, service, operation and staff, in use since 2010 (BPPSPAM and,
after it, the ministry of public works: Buku Kinerja BUMD Air Minum; worked out by BPKP, Petunjuk Teknis
Evaluasi Kinerja PDAM, revision 2018). Scores and weights are the evaluator's: none are given here.
"""

from __future__ import annotations

from twuin.views.loss_models import LossesOut
from twuin.views.report_models import ComplaintsOut, IndicatorOut

PRESSURE_M = 7.1
"""0.7 bar [m of water]: pressure at or above which the scheme counts a customer as served."""

OTHER = (
    ("return_on_equity", "finance"),
    ("operating_ratio", "finance"),
    ("cash_ratio", "finance"),
    ("collection", "finance"),
    ("solvency", "finance"),
    ("coverage", "service"),
    ("customer_growth", "service"),
    ("complaints", "service"),
    ("water_quality", "service"),
    ("domestic_use", "service"),
    ("production", "operation"),
)
AFTER = (
    ("meter_replacement", "operation"),
    ("staff_ratio", "staff"),
    ("training", "staff"),
    ("training_cost", "staff"),
)
"""Those of which Twuin knows nothing, before and after the three of operation that it measures, in the
scheme's order; but for ``complaints``, which residents' reports stand for."""


def indicators(losses: LossesOut, complaints: ComplaintsOut | None = None) -> list[IndicatorOut]:
    """All eighteen, in the scheme's order. complaints: None where residents cannot report."""
    site, service = losses.site, losses.service
    measured = [
        _known(
            "water_losses",
            "%",
            None if site.nrw_share is None else site.nrw_share.value * 100,
            site.why.get("nrw", "no_readings"),
        ),
        _known("supply_hours", "h/day", site.supply_h_day, site.why.get("supply", "no_readings")),
        _known(
            "pressure",
            "%",
            None if service is None else service.share * 100,
            losses.service_why or "no_pressure",
            near="sensors" if service is not None and service.minimum_m >= PRESSURE_M else "lower_minimum",
        ),
    ]
    return [
        *(
            _complaints(complaints) if code == "complaints" else _other(code, aspect)
            for code, aspect in OTHER
        ),
        *measured,
        *(_other(code, aspect) for code, aspect in AFTER),
    ]


def _known(code: str, unit: str, value: float | None, why: str, near: str = "") -> IndicatorOut:
    status = "missing" if value is None else "near" if near else "measured"
    return IndicatorOut(
        code=code,
        aspect="operation",
        status=status,
        value=value,
        unit=unit,
        remark=why if value is None else near,
    )


def _complaints(found: ComplaintsOut | None) -> IndicatorOut:
    """Settled of received. It stands near: what is told by phone or at the counter is not in it."""
    value = None if found is None or not found.received else found.settled / found.received * 100
    why = "no_complaints" if found is None else "none_received"
    return IndicatorOut(
        code="complaints",
        aspect="service",
        status="missing" if value is None else "near",
        value=value,
        unit="%",
        remark=why if value is None else "residents",
    )


def _other(code: str, aspect: str) -> IndicatorOut:
    return IndicatorOut(code=code, aspect=aspect, status="other", value=None, unit="", remark="")
