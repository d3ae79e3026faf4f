"""Names of the derived series that the monitor keeps beside the readings, all in SI.

A derived series is named ``dma:<DMA>:<what>``; no sensor of a site may have a colon in its name, so the
two never meet. In InfluxDB and Grafana they are found under the same names.
"""

from __future__ import annotations

from enum import StrEnum


class Derived(StrEnum):
    """What the monitor computes for a DMA."""

    INFLOW = "inflow"  # net inflow, mean of each step [m3/s], at the step's start
    EXPECTED = "expected"  # inflow that the DMA's past leads one to expect [m3/s]
    BAND = "band"  # half width of the 90 % band around it [m3/s]
    CUSUM = "cusum"  # test statistic as a share of its threshold [-]; 1 and above alarms
    LEAK = "leak"  # flow of the leaks that are known at that time [m3/s]
    NIGHT_FLOW = (
        "night_flow"  # lowest rolling hour of a night [m3/s], at the local midnight that begins the day
    )
    NIGHT_FLOW_USUAL = "night_flow_usual"  # 20th percentile of the last seven nights [m3/s], likewise


UNIT_OF: dict[Derived, str] = {what: "1" if what is Derived.CUSUM else "m3/s" for what in Derived}
"""SI unit of each of them."""

PREFIX = "dma:"


def derived(dma: str, what: Derived) -> str:
    """Name of the derived series ``what`` of a DMA."""
    return f"{PREFIX}{dma}:{what.value}"


def is_derived(name: str) -> bool:
    """Whether a series was computed, not measured."""
    return name.startswith(PREFIX)
