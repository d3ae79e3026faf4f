"""Small figures and the data behind the map, made on the server."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from twuin.alerts.model import PENDING, UNREPAIRED, Kind
from twuin.views.models import AlertOut, DmaState, NightFlow, SensorOut, SiteOut
from twuin.web.words import Words

SPARK_WIDTH = 120.0
SPARK_HEIGHT = 32.0
_MARGIN = 2.0


def running(alerts: Iterable[AlertOut]) -> list[AlertOut]:
    """Leaks that run: their event is not over, and nobody says that they are repaired."""
    return [a for a in alerts if a.kind is Kind.LEAK and a.ended is None and a.state in UNREPAIRED]


def sparkline(values: Sequence[float | None]) -> list[str]:
    """Path data of the unbroken runs of ``values``, in a box of SPARK_WIDTH x SPARK_HEIGHT.

    A lone value between gaps becomes a short dash. Empty where there is no value.
    """
    known = [v for v in values if v is not None]
    if not known:
        return []
    low, high = min(0.0, min(known)), max(known)
    scale = (SPARK_HEIGHT - 2 * _MARGIN) / (high - low) if high > low else 0.0
    step = (SPARK_WIDTH - 2 * _MARGIN) / max(1, len(values) - 1)
    runs: list[list[str]] = [[]]
    for i, value in enumerate(values):
        if value is None:
            if runs[-1]:
                runs.append([])
            continue
        x = _MARGIN + i * step
        y = SPARK_HEIGHT - _MARGIN - (value - low) * scale
        runs[-1].append(f"{x:.1f} {y:.1f}")
    return [f"M{' L'.join(run)}" if len(run) > 1 else f"M{run[0]} h1.5" for run in runs if run]


def map_data(
    site: SiteOut,
    dmas: Sequence[DmaState],
    sensors: Sequence[SensorOut],
    alerts: Sequence[AlertOut],
    words: Words,
    *,
    base: str,
    closed_too: bool = False,
) -> dict[str, Any]:
    """What the map shows beside the pipes: states of DMAs and sensors, and the alerts still alive."""
    return {
        "bounds": site.bounds,
        "dmas": [
            {
                "id": d.id,
                "name": d.name,
                "state": d.state,
                "stateName": words.dma_state(d.state),
                "inflow": words.formats.quantity(d.inflow_m3h, "m3/h"),
                "href": f"{base}/dmas/{d.id}",
            }
            for d in dmas
        ],
        "sensors": [
            {
                "id": s.id,
                "name": s.name or s.id,
                "quantity": s.quantity,
                "quantityName": words.measured(s.quantity),
                "state": s.state,
                "stateName": words.sensor_state(s.state),
                "value": words.reading(s),
                "at": words.formats.time(s.latest_at),
                "lon": s.lon,
                "lat": s.lat,
                "href": f"{base}/sensors/{s.id}",
            }
            for s in sensors
            if s.lon is not None and s.lat is not None
        ],
        "alerts": [
            {
                "id": a.id,
                "kind": a.kind.value,
                "dma": a.dma,
                "subject": a.subject,
                "title": words.title(a),
                "flow": words.flow(a),
                "href": f"{base}/alerts/{a.id}",
                "suspects": [
                    {"pipe": s.pipe, "probability": s.probability, "lon": s.lon, "lat": s.lat}
                    for s in a.suspects
                ],
            }
            for a in alerts
            if closed_too or a.state in PENDING
        ],
    }


def nights_data(nights: Sequence[NightFlow], reference_m3h: float | None = None) -> dict[str, Any]:
    """The series of a night flow chart: dates and flows [m3/h]; what an alert is measured against."""
    return {
        "reference": reference_m3h,
        "nights": [n.night.isoformat() for n in nights],
        "flow": [n.night_flow_m3h for n in nights],
        "usual": [n.usual_m3h for n in nights],
        "legitimate": [n.legitimate_m3h for n in nights],
    }


def dma_marks(alerts: Sequence[AlertOut], words: Words) -> list[dict[str, Any]]:
    """Where the alerts of a DMA began, for its inflow chart."""
    return [
        {"at": a.onset, "label": words.kind(a.kind), "kind": "onset"}
        for a in alerts
        if a.kind not in (Kind.SILENT, Kind.SENSOR)
    ]
