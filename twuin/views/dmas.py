"""How the DMAs stand: their flows, their nights, and one word for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from twuin.alerts.model import Alert, Kind
from twuin.views.convert import M3H, datetimes, m3h, nulls, number
from twuin.views.curves import DAY, HOUR, MICROSECOND
from twuin.views.models import DmaState, NightFlow
from twuin.views.sensors import is_quiet
from waterworks.metering import UNUSABLE
from waterworks.ports import ReadingStore
from waterworks.reading import Floats, Latest
from waterworks.series import Derived, derived
from waterworks.site import Dma, Role, Sensor, Site

_NOW = (Derived.INFLOW, Derived.EXPECTED)
_NIGHT = (Derived.NIGHT_FLOW, Derived.NIGHT_FLOW_USUAL)
_HOURS = 24


def dma_states(
    site: Site,
    store: ReadingStore,
    alerts: Sequence[Alert],
    dmas: Sequence[Dma],
    *,
    now: np.datetime64,
    mark: np.datetime64,
    analysed: bool,
    clock_speed: float,
    ndf: Mapping[str, float] | None = None,
    works: Mapping[str, list[str]] | None = None,
) -> list[DmaState]:
    """``dmas`` as they stand, in their order, from three reads of the store however many there are.

    alerts: those that are not closed. now: the site's clock, by which silence is judged. mark: up to
    where readings were analysed; flows, nights and the last 24 hours are those before it. What the gate
    does not trust is not there, and a DMA whose inflow is made of it is ``nodata``: it is not watched.
    analysed: whether any were: nothing is normal that nobody has looked at. works: kinds of those that go on
    in a DMA; its inflow is shown as measured then, though it is no ground to seek leaks by.
    """
    works = works or {}
    factors = ndf or {}
    if not dmas:
        return []
    end = mark + MICROSECOND
    # 50 hours hold the label (a local midnight) of the last night that is over, whatever time it is.
    hourly = store.window(
        [derived(d.id, w) for d in dmas for w in (*_NOW[:1], *_NIGHT)],
        end - 50 * HOUR,
        end,
        step=HOUR,
        exclude=UNUSABLE,
    )
    recent = store.window([derived(d.id, w) for d in dmas for w in _NOW], end - 3 * HOUR, end)
    believed = np.where(recent.quality & UNUSABLE, np.nan, recent.values)
    meters = [s for s in site.sensors if s.role is Role.INLET]
    latest = store.latest([s.id for s in meters]) if meters else {}
    faulty = {a.finding.subject for a in alerts if a.finding.kind is Kind.SENSOR and a.finding.ended is None}

    first = mark.astype("datetime64[h]").astype("datetime64[us]") - (_HOURS - 1) * HOUR
    slot = ((hourly.times - first) // HOUR).astype(np.int64)
    shown = slot >= 0
    states = []
    for i, dma in enumerate(dmas):
        spark = np.full(_HOURS, np.nan)
        spark[slot[shown]] = hourly.values[shown, 3 * i]
        night, usual = _last(hourly.values[:, 3 * i + 1]), _last(hourly.values[:, 3 * i + 2])
        inflow, expected = _last_pair(believed[:, 2 * i], believed[:, 2 * i + 1])
        own = [a for a in alerts if a.finding.dma == dma.id]
        inlets = inlets_of(site, dma.id)
        # A person may close a meter's alert; its inflow is left out, and stored as doubtful, all the same.
        left_out = not np.isfinite(inflow) and bool(np.isfinite(recent.values[:, 2 * i]).any())
        if left_out and dma.id in works:
            inflow, left_out = _last(recent.values[:, 2 * i]), False
        trusted = not left_out and not any(s.id in faulty for s in inlets)
        excess = _excess_m3h(dma, night)
        states.append(
            DmaState(
                id=dma.id,
                name=dma.name,
                state=_state(own, inlets, latest, now, clock_speed, analysed, trusted),
                connections=dma.connections,
                inflow_m3h=m3h(inflow),
                expected_m3h=m3h(expected),
                night_flow_m3h=m3h(night),
                night_flow_usual_m3h=m3h(usual),
                legitimate_night_use_m3h=legitimate_m3h(dma),
                excess_m3day=None if excess is None else round(excess * factors.get(dma.id, 24.0), 6),
                night_day_factor_h=number(factors[dma.id], 3) if dma.id in factors else None,
                open_alerts=len(own),
                works=works.get(dma.id, []),
                spark_m3h=nulls(spark * M3H, 3),
            )
        )
    return states


def night_flows(site: Site, store: ReadingStore, dma: Dma, days: int) -> list[NightFlow]:
    """The last ``days`` days of analysed nights, oldest first; nights without a value are left out."""
    names = [derived(dma.id, w) for w in _NIGHT]
    extent = store.extent(names)
    if extent is None:
        return []
    end = extent[1] + MICROSECOND
    window = store.window(names, end - days * DAY, end, exclude=UNUSABLE)
    return [
        NightFlow(
            night=at.astimezone(site.timezone).date(),
            night_flow_m3h=m3h(night),
            usual_m3h=m3h(usual),
            legitimate_m3h=legitimate_m3h(dma),
            excess_m3h=_excess_m3h(dma, night),
        )
        for at, (night, usual) in zip(datetimes(window.times), window.values, strict=True)
    ]


def inlets_of(site: Site, dma: str) -> list[Sensor]:
    """The meters on the boundary of a DMA."""
    return [s for s in site.sensors if s.role is Role.INLET and dma in (s.dma, s.from_dma)]


def legitimate_m3h(dma: Dma) -> float:
    """What customers of a DMA use at night [m3/h]."""
    use = dma.connections * dma.night_use_m3s_per_connection + dma.large_night_m3s
    return round(use * M3H, 6)


def _excess_m3h(dma: Dma, night: float) -> float | None:
    """Night flow [m3/s] beyond legitimate use [m3/h], not below 0; None where the night is not known."""
    return number(max(night * M3H - legitimate_m3h(dma), 0.0)) if np.isfinite(night) else None


def _state(
    alerts: Sequence[Alert],
    inlets: Sequence[Sensor],
    latest: dict[str, Latest],
    now: np.datetime64,
    clock_speed: float,
    analysed: bool,
    trusted: bool,
) -> str:
    lasting = {a.finding.kind for a in alerts if a.finding.ended is None}
    leaks = [a for a in alerts if a.finding.ended is None and a.finding.kind is Kind.LEAK]
    if any(not a.watched for a in leaks):
        return "leak"
    # Net inflow is known only where every inlet is.
    heard = all(s.id in latest and not is_quiet(s, latest[s.id], now, clock_speed) for s in inlets)
    if not inlets or not heard or not analysed or not trusted:
        return "nodata"
    return "watch" if leaks or Kind.NIGHT_FLOW in lasting else "normal"


def _last(values: Floats) -> float:
    known = np.flatnonzero(np.isfinite(values))
    return float(values[known[-1]]) if len(known) else float("nan")


def _last_pair(inflow: Floats, expected: Floats) -> tuple[float, float]:
    """The newest inflow and what was expected at that very time."""
    known = np.flatnonzero(np.isfinite(inflow))
    if len(known) == 0:
        return float("nan"), _last(expected)
    return float(inflow[known[-1]]), float(expected[known[-1]])
