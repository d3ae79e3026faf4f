"""What happens in a pair of labelled years, drawn from a seed: leaks, demand, pipe errors, meters, faults.

The plan is the text of a scenario, so that it can be read, kept, changed and simulated again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from firmware_sim.battle_site import zones
from firmware_sim.draws import block, stream
from waterworks.network import LinkKind, Network, NodeKind
from waterworks.site import Site
from waterworks.units import Quantity

STEP = timedelta(minutes=5)


class Variant(StrEnum):
    """How hard the years are."""

    PLAIN = "plain"  # meters as good as they get, nothing missing
    NOISY = "noisy"  # pressure noise of 3 to 10 cm, flow meters of 1 to 2 %
    MISSING = "missing"  # gaps of hours, single readings lost, sensors dead for weeks
    FAULTS = "faults"  # sensors that stick, drift, are offset, spike or grow noisy
    HOLIDAYS = "holidays"  # strong season, holidays, weeks that differ


class Mix(NamedTuple):
    """How many leaks of what size. Flows are shares of the network's mean demand.

    On L-TOWN (177 m3/h) they are 2 to 35 m3/h at the usual pressure of each place.
    """

    fewest: int = 14  # leaks that begin in a year
    most: int = 20
    repaired: float = 0.5  # share that is repaired; of the others nobody knows
    abrupt: float = 0.45
    largest: float = 0.20  # of those that are repaired, mostly because they were large,
    larger_from: float = 0.03
    smaller_to: float = 0.10  # and of those that are not
    smallest: float = 0.0115
    elsewhere: float = 0.15  # share of leaks outside the zone that has most demand


MIX = Mix()


class Planned(NamedTuple):
    """A leak: its place, times, and flow [m3/h] at the usual pressure there. end None: not repaired."""

    pipe: str
    position: float
    start: datetime
    peak: datetime
    end: datetime | None
    growth: str
    flow_m3h: float


def scenario_text(
    site: Site, network: Network, seed: int, variant: Variant, years: Sequence[int], mix: Mix = MIX
) -> str:
    """The scenario of ``years`` in TOML. The same seed gives the same leaks in every variant."""
    rng = block(stream(seed, "battle years", "town"), 0)
    leaks = draw_leaks(site, network, seed, years, mix)
    start = datetime(years[0], 1, 1, tzinfo=UTC)
    hours = 24 * (datetime(years[-1] + 1, 1, 1, tzinfo=UTC) - start).days
    parts = [
        f'name = "{variant} years of seed {seed}"',
        f"seed = {seed}",
        "step_s = 300",
        f"start = {_time(start)}",
        _table("model", _model(rng)),
        _table("demand", _demand(rng, variant, seed, years)),
        _table("devices", _devices(rng, variant)),
        *(_table("[leak]", _leak(leak)) for leak in leaks),
        *(_table("[fault]", fault) for fault in _faults(site, variant, seed, start, hours)),
    ]
    return "\n".join(parts) + "\n"


# -- leaks ------------------------------------------------------------------------------------------


def draw_leaks(site: Site, network: Network, seed: int, years: Sequence[int], mix: Mix) -> list[Planned]:
    """Leaks of all years by their start, each on a pipe of its own; none on a pipe that is metered."""
    rng = block(stream(seed, "battle years", "leaks"), 0)
    pipes, zone = _may_leak(site, network)
    demand = float(network.base_demand.sum()) * 3600
    of_zone = {z: float(network.base_demand[zones(network) == z].sum()) * 3600 for z in set(zone.tolist())}
    last = datetime(years[-1] + 1, 1, 1, tzinfo=UTC)
    leaks: list[Planned] = []
    taken: set[int] = set()
    for year in years:
        first = datetime(year, 1, 1, tzinfo=UTC)
        count = int(rng.integers(mix.fewest, mix.most + 1))
        mended = set(rng.permutation(count)[: round(mix.repaired * count)].tolist())
        for k in range(count):
            main = rng.random() >= mix.elsewhere
            inside = [i for i in range(len(pipes)) if (zone[i] == 0) == main and i not in taken]
            if not inside:
                inside = [i for i in range(len(pipes)) if i not in taken]
            if not inside:
                break
            at = inside[_by_weight(rng, network.length[pipes[inside]])]
            taken.add(at)
            low, high = (mix.larger_from, mix.largest) if k in mended else (mix.smallest, mix.smaller_to)
            flow = demand * float(np.exp(rng.uniform(np.log(low), np.log(high))))
            if zone[at] != 0:  # a zone of few houses would burst of a leak of the town's size
                flow = min(flow, max(0.35 * of_zone[int(zone[at])], demand * mix.smallest))
            leaks.append(_course(rng, network.link_ids[pipes[at]], first, last, flow, mix, mend=k in mended))
    return sorted(leaks, key=lambda leak: leak.start)


def _by_weight(rng: np.random.Generator, weight: NDArray[np.float64]) -> int:
    total = np.cumsum(weight)
    return int(min(np.searchsorted(total, rng.random() * total[-1], "right"), len(total) - 1))


def _course(
    rng: np.random.Generator,
    pipe: str,
    first: datetime,
    last: datetime,
    flow: float,
    mix: Mix,
    *,
    mend: bool,
) -> Planned:
    start = first + STEP * int(rng.integers(8 * 288, 345 * 288))
    abrupt = rng.random() < mix.abrupt
    growth = "abrupt" if abrupt else ("linear" if rng.random() < 0.5 else "quadratic")
    grows = timedelta() if abrupt else STEP * int(rng.uniform(6, 100) * 288)
    waits = STEP * int(rng.uniform(8, 75) * 288)
    position = round(float(rng.uniform(0.1, 0.9)), 3)
    end = start + grows + waits
    return Planned(
        pipe,
        position,
        start,
        start + grows,
        end if mend and end < last else None,
        growth,
        round(flow, 3),
    )


def _may_leak(site: Site, network: Network) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Indices (P,) of pipes that may leak, and their zones (P,)."""
    label = zones(network)
    metered = {s.element for s in site.sensors if s.quantity is Quantity.FLOW}
    junction = network.node_kind == NodeKind.JUNCTION
    fits = (network.link_kind == LinkKind.PIPE) & network.open & (network.length > 5.0)
    fits &= junction[network.start] & junction[network.end]
    fits &= np.array([name not in metered for name in network.link_ids])
    fed = {int(z) for z in set(label.tolist()) if network.base_demand[label == z].sum() > 0}
    fits &= np.isin(label[network.start], sorted(fed - {-1}))
    pipes = np.flatnonzero(fits)
    return pipes, label[network.start[pipes]]


def _leak(leak: Planned) -> dict[str, object]:
    said: dict[str, object] = {
        "id": leak.pipe,
        "pipe": leak.pipe,
        "position": leak.position,
        "start": leak.start,
        "flow_m3h": leak.flow_m3h,
    }
    if leak.growth != "abrupt":
        said |= {"growth": leak.growth, "peak": leak.peak}
    if leak.end is not None:
        said["end"] = leak.end
    return said


# -- town, people and meters --------------------------------------------------------------------------


def _model(rng: np.random.Generator) -> dict[str, object]:
    common = float(rng.choice([0.0, 0.5, 1.0]))
    return {"roughness_error": 0.10, "diameter_error": 0.03, "error_common": common}


def _demand(rng: np.random.Generator, variant: Variant, seed: int, years: Sequence[int]) -> dict[str, object]:
    said: dict[str, object] = {
        "scale": _round(rng.uniform(0.92, 1.08)),
        "node_error": _round(rng.uniform(0.10, 0.40)),
        "node_drift": _round(rng.uniform(0.05, 0.15)),
        "node_drift_days": _round(rng.uniform(15, 60)),
        "node_noise": _round(rng.uniform(0.25, 0.40)),
        "common_step_noise": _round(rng.uniform(0.0, 0.05)),
        "node_noise_slow": _round(rng.uniform(0.10, 0.20)),
        "level_noise": _round(rng.uniform(0.01, 0.03)),
        "level_correlation_days": _round(rng.uniform(3, 8)),
        "season": _round(rng.uniform(0.05, 0.12)),
        "season_peak": _round(rng.uniform(180, 270)),
    }
    if variant is Variant.HOLIDAYS:
        own = block(stream(seed, "battle years", "holidays"), 0)
        days: set[datetime] = set()
        for year in years:
            first = datetime(year, 1, 1, tzinfo=UTC)
            days |= {first + timedelta(int(d)) for d in own.integers(0, 365, 12)}
            for length in (7, 14):  # works holidays
                begin = first + timedelta(int(own.integers(30, 330)))
                days |= {begin + timedelta(k) for k in range(length)}
        said |= {
            "season": _round(own.uniform(0.15, 0.25)),
            "level_noise": _round(own.uniform(0.05, 0.08)),
            "level_correlation_days": 7.0,
            "holiday": _round(own.uniform(0.75, 0.90)),
            "holidays": [f"{day:%Y-%m-%d}" for day in sorted(days)],
        }
    return said


def _devices(rng: np.random.Generator, variant: Variant) -> dict[str, object]:
    pressure, flow = _round(rng.uniform(0.0, 0.01)), _round(rng.uniform(0.0, 0.005))
    level = 0.003
    if variant is Variant.NOISY:
        pressure, flow, level = _round(rng.uniform(0.03, 0.10)), _round(rng.uniform(0.01, 0.02)), 0.01
    return {
        "clock_spread_s": 0.0,
        "send_delay_s": 0.0,
        "buffer_samples": 0,  # what is not sent is lost
        "reconnect_delay_s": 0.0,
        "pressure_noise_m": pressure,
        "flow_noise": flow,
        "level_noise_m": level,
    }


# -- what fails ---------------------------------------------------------------------------------------


def _faults(
    site: Site, variant: Variant, seed: int, start: datetime, hours: int
) -> Iterable[dict[str, object]]:
    rng = block(stream(seed, "battle years", "faults"), 0)
    pressures = [s for s in site.sensors if s.quantity is Quantity.PRESSURE]
    inlets = [s for s in site.sensors if s.quantity is Quantity.FLOW and s.unit == "m3/h"]
    years = hours / 8760

    def span(days_from: float, days_to: float) -> tuple[datetime, datetime]:
        length = STEP * int(rng.uniform(days_from, days_to) * 288)
        latest = max(int((timedelta(hours=hours) - length) / STEP), 1)
        begin = start + STEP * int(rng.integers(0, latest))
        return begin, begin + length

    if variant is Variant.MISSING:
        for sensor in pressures:
            share = _round(rng.uniform(0.001, 0.02))
            yield {"kind": "garbage", "device": sensor.device, "start": start, "share": share}
        for _ in range(round(5 * years)):  # dead for weeks
            begin, end = span(10, 50)
            device = pressures[int(rng.integers(len(pressures)))].device
            yield {"kind": "offline", "device": device, "start": begin, "end": end}
        for sensor in inlets:
            for _ in range(round(3 * years)):
                begin, end = span(0.1, 3)
                yield {"kind": "offline", "device": sensor.device, "start": begin, "end": end}
        for _ in range(round(8 * years)):  # all at once: the control room's computer
            begin, end = span(0.05, 1)
            for device in sorted({s.device for s in site.sensors}):
                yield {"kind": "offline", "device": device, "start": begin, "end": end}
    if variant is Variant.FAULTS:
        for kind, often, days, low, high in (
            ("stuck", 4, (1, 20), 0.0, 0.0),
            ("offset", 4, (5, 60), 0.1, 1.0),
            ("drift", 3, (20, 60), 0.003, 0.02),
            ("noise", 2, (5, 40), 0.1, 0.4),
            ("spikes", 2, (5, 40), 1.0, 6.0),
        ):
            for _ in range(round(often * years)):
                sensor = pressures[int(rng.integers(len(pressures)))]
                begin, end = span(*days)
                size = float(rng.uniform(low, high)) * (1 if rng.random() < 0.5 else -1)
                said: dict[str, object] = {"kind": kind, "sensor": sensor.id, "start": begin, "end": end}
                if kind != "stuck":
                    said["value"] = _round(abs(size) if kind in ("noise", "spikes") else size)
                if kind == "spikes":
                    said["share"] = _round(rng.uniform(0.005, 0.05))
                yield said


# -- TOML ---------------------------------------------------------------------------------------------


def _round(value: float) -> float:
    return float(f"{value:.3g}")


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _table(name: str, values: dict[str, object]) -> str:
    return "\n".join([f"\n[{name}]", *(f"{key} = {_said(value)}" for key, value in values.items())])


def _said(value: object) -> str:
    match value:
        case datetime():
            return _time(value)
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case list():
            return "[" + ", ".join(_said(one) for one in value) + "]"
    return repr(value)
