"""How urgent an alert is. The one place that decides it: replace this function, not its callers."""

from __future__ import annotations

from twuin.alerts.model import Alert, Kind
from twuin.notify.model import Priority, Thresholds

DAY_S = 86_400.0

_FLOWS = (Kind.LEAK, Kind.NIGHT_FLOW)


def priority_of(alert: Alert, limits: Thresholds, water_cost: float) -> Priority:
    """By the water and the money that are lost a day.

    water_cost: of a m3 [currency of the site]. Lost water counts by both measures, the higher one wins; a
    DMA without water is urgent; a leak whose size is not known, and water that is missing, are of medium
    priority; sensors are low, and so is a leak that no visit is worth yet.
    """
    finding = alert.finding
    if finding.kind is Kind.SUPPLY:
        return Priority.HIGH
    if finding.kind is Kind.LOW_INFLOW:
        return Priority.MEDIUM
    if finding.kind not in _FLOWS or alert.watched:
        return Priority.LOW
    lost = abs(finding.flow) * DAY_S
    if lost == 0:
        return Priority.MEDIUM
    cost = lost * water_cost
    for priority, m3, money in (
        (Priority.HIGH, limits.high_m3_day, limits.high_cost_day),
        (Priority.MEDIUM, limits.medium_m3_day, limits.medium_cost_day),
    ):
        if lost >= m3 or (money is not None and water_cost > 0 and cost >= money):
            return priority
    return Priority.LOW
