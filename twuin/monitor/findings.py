"""From the detector's events to findings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.detector import Detector
from analytics.events import Event
from analytics.gate.watch import Revoked
from analytics.night import Excess, NightFlow, legitimate_use, sustained_excess
from twuin.alerts.model import Finding, Kind
from twuin.monitor.grid import midnight, moment
from twuin.monitor.locate import NOWHERE, Place
from twuin.monitor.search import onset_blocks, visit_gain
from waterworks.reading import as_datetime
from waterworks.site import Dma, Site

Floats = NDArray[np.float64]

M3H = 3600.0
"""m3/h in a m3/s."""


def flow_finding(
    site: Site, event: Event, origin: int, detector: Detector, place: Place = NOWHERE
) -> Finding:
    """The finding of one event in a DMA's inflow. ``origin``: of the detector's rows [s since 1970]."""

    def at(block: int) -> datetime:
        return moment(origin + block * detector.block_s)

    dma = site.dmas[event.area].id
    evidence: dict[str, Any] = {
        "test": "sudden" if event.fast else "daily",
        "statistic": round(event.statistic, 2),
        "threshold": round(event.limit, 2),
        "growing": event.growing,
        "expected_m3h": round(event.expected * M3H, 2),
        "share_of_expected": round(event.flow / event.expected, 3) if event.expected > 0 else None,
        "baseline_days": event.days_known,
        **place.evidence,
    }
    where, gain = place.area, None
    if event.side > 0 and event.end is None:
        found = None if where is None else where.found
        gain = visit_gain(site.monitor, event.flow, event.low, event.high, event.confidence, found)
    last = detector.blocks if event.end is None else event.end
    low, high = onset_blocks(
        detector.record, event.area, event.start, event.end, event.course(event.start, last)
    )
    return Finding(
        kind=Kind.LEAK if event.side > 0 else Kind.LOW_INFLOW,
        subject=dma,
        dma=dma,
        onset=at(event.start),
        detected=at(event.detected + 1),
        as_of=at(detector.blocks if event.closed is None else event.closed + 1),
        ended=None if event.end is None else at(event.end),
        flow=event.flow,
        flow_low=event.low,
        flow_high=event.high,
        volume=event.volume,
        confidence=event.confidence,
        suspects=place.suspects,
        near=place.near,
        evidence=evidence,
        onset_low=at(low),
        onset_high=at(high),
        centre="" if where is None else where.centre,
        radius_50_m=None if where is None else where.half,
        radius_90_m=None if where is None else where.most,
        gain=gain,
    )


def revoked_finding(
    site: Site, revoked: Revoked, origin: int, detector: Detector, sensors: Sequence[str]
) -> Finding:
    """The finding of an event that was a meter's fault: over when that was seen, and nothing was lost."""
    block = (revoked.at + 1) // detector.rows_per_block
    event = replace(revoked.event, end=block, closed=block - 1)
    found = flow_finding(site, event, origin, detector)
    return replace(found, volume=0.0, evidence={**found.evidence, "meter": sensors[revoked.sensor]})


def _legitimate(dma: Dma) -> float:
    """What a DMA's customers use at night [m3/s]."""
    each = np.array(dma.night_use_m3s_per_connection)
    return dma.large_night_m3s + float(legitimate_use(np.array(float(dma.connections)), each))


def night_stretches(site: Site, found: NightFlow) -> list[list[Excess]]:
    """Stretches of nights with too much flow, of each DMA."""
    none = np.zeros(len(found.night))
    return [
        sustained_excess(found.usual[:, column], none, _legitimate(dma))
        for column, dma in enumerate(site.dmas)
    ]


def night_findings(
    site: Site, found: NightFlow, stretches: list[list[Excess]], leaks: list[Finding], now: datetime
) -> list[Finding]:
    """Sustained excess of night flow, ``night_stretches``, in DMAs that have no leak finding at that time."""
    out: list[Finding] = []
    if not len(found.night):
        return out
    end = site.monitor.night[1]
    for column, dma in enumerate(site.dmas):
        legitimate, usual = _legitimate(dma), found.usual[:, column]
        for stretch in stretches[column]:
            # A value stands for the seven nights up to it: what raised it began some nights before.
            onset = as_datetime(midnight(int(found.night[max(0, stretch.start - 1)]), site.timezone))
            until = None
            if stretch.end is not None:
                until = as_datetime(midnight(int(found.night[stretch.end]), site.timezone))
            if any(
                leak.dma == dma.id and leak.onset <= (until or now) and (leak.ended or now) >= onset
                for leak in leaks
            ):
                continue
            last = len(usual) if stretch.end is None else stretch.end
            flows = usual[stretch.start : last]
            flows = flows[np.isfinite(flows)]
            past = usual[max(0, stretch.start - 56) : max(0, stretch.start - 12)]
            reference = float(np.nanmedian(past))
            spread = max(1.4826 * float(np.nanmedian(np.abs(past - reference))), 0.03 * abs(reference))
            level = float(flows[-1])
            flow = level - max(reference, legitimate)
            detected = moment(_night_end(found.night[stretch.detected], end, site))
            seconds = (max(until or now, detected) - onset).total_seconds()
            out.append(
                Finding(
                    kind=Kind.NIGHT_FLOW,
                    subject=dma.id,
                    dma=dma.id,
                    onset=onset,
                    detected=detected,
                    as_of=moment(_night_end(found.night[min(last, len(usual) - 1)], end, site)),
                    ended=until,
                    flow=flow,
                    flow_low=flow - 1.6449 * spread,
                    flow_high=flow + 1.6449 * spread,
                    volume=max(0.0, float(np.mean(flows)) - max(reference, legitimate)) * seconds,
                    confidence=0.9,
                    evidence={
                        "night_flow_m3h": round(level * M3H, 2),
                        "reference_m3h": round(reference * M3H, 2),
                        "legitimate_m3h": round(legitimate * M3H, 2),
                        "nights": int(last - stretch.start),
                    },
                )
            )
    return out


def _night_end(ordinal: int, end_hour: float, site: Site) -> float:
    start = as_datetime(midnight(int(ordinal), site.timezone))
    return start.timestamp() + end_hour * 3600
