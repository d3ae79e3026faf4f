"""Labelled months of sensor faults, cut supply and leaks in the demo town, drawn by a seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware_sim.fleet import readings
from firmware_sim.scenario import parse_scenario
from firmware_sim.scenario_model import FaultKind
from waterworks.site import Role, Sensor, Site
from waterworks.units import Quantity, conversion

Floats = NDArray[np.float64]

STEP_S = 900
QUIET_DAYS, SLOT_DAYS, SLOTS = 35, 12, 6
"""Days to learn from; then so many slots of so many days in each DMA, with one thing going wrong in each."""

START = np.datetime64("2026-03-01T17:00:00", "us")  # midnight in the town

TRANSPORT = (FaultKind.OFFLINE, FaultKind.DUPLICATES, FaultKind.GARBAGE)
"""What goes wrong on the way and leaves the readings as they are: no finding is right here."""

SHARES = {
    "leak": 8.0,
    "no_supply": 4.0,
    "beyond": 3.0,
    **{k.value: 4.0 for k in FaultKind},
    **{k.value: 2.0 for k in TRANSPORT},
}
"""How often each thing is drawn. ``beyond``: an offset to what no source can reach."""

MEAN_FLOW_M3H = {"D1": 18.6, "D2": 44.5, "D3": 15.6, "D4": 23.2, "D5": 10.7, "D6": 8.4}
"""Mean readings of the inlet meters in a quiet month: sizes of faults and leaks are shares of these."""


@dataclass(frozen=True)
class Trouble:
    """One thing that goes wrong. what: a fault's kind, "beyond", "leak" or "no_supply". start, end: rows of
    the grid. sensors: whose readings it touches, none of a leak."""

    what: str
    dma: str
    start: int
    end: int
    sensors: tuple[str, ...]
    size: float
    text: str = ""

    @property
    def early(self) -> int:
        """Rows by which readings are stamped too early: a clock that is behind writes into the past."""
        hours = {"zone": self.size, "clock_offset": self.size / 3600}.get(self.what, 0.0)
        return max(0, -round(hours * 3600 / STEP_S))


def draw(site: Site, seed: int) -> list[Trouble]:
    """All troubles of one run."""
    rng = np.random.default_rng([seed, 20261122])
    names = list(SHARES)
    weights = np.array([SHARES[n] for n in names])
    per_day = 86400 // STEP_S
    out = []
    for dma in [d.id for d in site.dmas]:
        for slot in range(SLOTS):
            what = str(rng.choice(names, p=weights / weights.sum()))
            begin = QUIET_DAYS + slot * SLOT_DAYS + rng.uniform(0, 2)
            lasts = rng.uniform(7, 9) if what in ("drift", "clock_drift", "leak") else rng.uniform(2, 6)
            start, end = round(begin * per_day), round((begin + lasts) * per_day)
            trouble = _one(site, rng, what, dma, start, end)
            if trouble is not None:
                out.append(trouble)
    return out


def _one(site: Site, rng: np.random.Generator, what: str, dma: str, start: int, end: int) -> Trouble | None:
    inside = [s for s in site.sensors if s.dma == dma]
    inlets = [s for s in inside if s.role is Role.INLET]
    mean = MEAN_FLOW_M3H[dma]
    times = f'start = "+{start * STEP_S // 60}min"\nend = "+{end * STEP_S // 60}min"\n'
    if what == "leak":
        size = mean * rng.uniform(0.15, 0.6)
        growing = rng.random() < 0.4
        peak = f'growth = "linear"\npeak = "+{(start + (end - start) // 2) * STEP_S // 60}min"\n'
        text = f'[[leak]]\ndma = "{dma}"\nflow_m3h = {size:.3f}\n{times}{peak if growing else ""}'
        return Trouble(what, dma, start, end, (), size, text)
    if what == "no_supply":
        if any(s.from_dma == dma or (s.dma == dma and s.from_dma) for s in site.sensors):
            return None  # what another DMA takes through it would have to change as well
        return Trouble(what, dma, start, end, tuple(s.id for s in inside if s.id[:2] == dma), 0.0)
    kind = what if what != "beyond" else FaultKind.OFFSET.value
    if what == FaultKind.REVERSED:
        sensor = inlets[int(rng.integers(len(inlets)))]
    elif what == "beyond":
        pressures = [s for s in inside if s.quantity is Quantity.PRESSURE]
        sensor = pressures[int(rng.integers(len(pressures)))]
    else:
        # An inlet meter as often as all the others together: only it can feign a leak.
        others = [s for s in inside if s.role is not Role.INLET]
        chosen = inlets if rng.random() < 0.5 else others
        sensor = chosen[int(rng.integers(len(chosen)))]
    value, share = _size(rng, what, sensor, mean)
    device = kind in {
        *TRANSPORT, FaultKind.CLOCK_OFFSET, FaultKind.CLOCK_DRIFT, FaultKind.ZONE
    }  # fmt: skip
    where = f'device = "{sensor.device}"' if device else f'sensor = "{sensor.id}"'
    touched = tuple(s.id for s in site.sensors if s.device == sensor.device) if device else (sensor.id,)
    text = f'[[fault]]\nkind = "{kind}"\n{where}\n{times}'
    if value is not None:
        text += f"value = {value:.6g}\n"
    if share is not None:
        text += f"share = {share:.3f}\n"
    return Trouble(what, dma, start, end, touched, value or 0.0, text)


def _size(
    rng: np.random.Generator, what: str, sensor: Sensor, mean_m3h: float
) -> tuple[float | None, float | None]:
    """Value and share of a fault, in the sensor's unit."""
    side = 1.0 if rng.random() < 0.5 else -1.0
    if sensor.quantity is Quantity.FLOW:
        factor, _ = conversion(sensor.unit, sensor.quantity)
        unit = mean_m3h / 3600 / factor
        ranges = {"offset": (0.10, 0.50), "drift": (0.02, 0.08), "spikes": (0.4, 1.5), "noise": (0.1, 0.5)}
    elif sensor.quantity is Quantity.LEVEL:
        unit = 1.0
        ranges = {"offset": (0.2, 1.0), "drift": (0.05, 0.2), "spikes": (0.5, 2.0), "noise": (0.1, 0.5)}
    else:
        unit = 1.0
        ranges = {"offset": (0.6, 8.0), "drift": (0.15, 1.0), "spikes": (2.0, 15.0), "noise": (0.3, 2.0)}
    if what in ranges:
        low, high = ranges[what]
        size = unit * float(np.exp(rng.uniform(np.log(low), np.log(high))))
        return (size if what in ("noise", "spikes") else side * size), (
            float(rng.uniform(0.05, 0.2)) if what == "spikes" else None
        )
    if what == "beyond":
        return 150.0, None
    if what == FaultKind.CLOCK_OFFSET:
        return side * float(rng.uniform(1, 6)) * 3600, None
    if what == FaultKind.CLOCK_DRIFT:
        return side * float(rng.uniform(8_000, 25_000)), None  # 12 to 36 minutes a day
    if what == FaultKind.ZONE:
        return side * 7.0, None  # universal time where local was meant, and the reverse
    if what in (FaultKind.DUPLICATES, FaultKind.GARBAGE):
        return None, float(rng.uniform(0.05, 0.3))
    return None, None


def measure(site: Site, seed: int, troubles: list[Trouble]) -> Floats:
    """Readings of all the site's sensors on the grid (T, S) [SI], with the troubles in them."""
    source = (
        f"step_s = {STEP_S}\nseed = {seed}\n[devices]\ninterval_s = {STEP_S}\nclock_spread_s = 0\n"
        + "\n".join(t.text for t in troubles)
    )
    days = QUIET_DAYS + SLOT_DAYS * SLOTS
    rows = days * 86400 // STEP_S
    out = np.full((rows, len(site.sensors)), np.nan)
    column = {s.id: i for i, s in enumerate(site.sensors)}
    for batch in readings(site, parse_scenario(source), START, START + np.timedelta64(days, "D")):
        row = (batch.time - START) // np.timedelta64(STEP_S, "s")
        at = np.array([column[n] for n in batch.names], np.int64)[batch.sensor]
        inside = (row >= 0) & (row < rows)
        out[row[inside], at[inside]] = batch.value[inside]
    for t in troubles:
        if t.what == "no_supply":
            _cut_supply(site, out, t, np.random.default_rng([seed, t.start]))
    return out


def _cut_supply(site: Site, values: Floats, t: Trouble, rng: np.random.Generator) -> None:
    """Water for part of the day only: empty pipes read next to nothing, and fill again with a surge."""
    per_hour = 3600 // STEP_S
    off, hours = int(rng.integers(0, 24)), int(rng.integers(6, 15))
    row = np.arange(t.start, t.end)
    hour = (row // per_hour) % 24
    dry = ((hour - off) % 24) < hours
    since = np.zeros(len(row))
    for i in range(1, len(row)):
        since[i] = 0 if dry[i] else since[i - 1] + 1
    seen = np.cumsum(dry) > 0
    surge = np.where(~dry & seen, 1 + 0.8 * np.exp(-since / per_hour), 1.0)
    for s in t.sensors:
        i = next(k for k, sensor in enumerate(site.sensors) if sensor.id == s)
        if site.sensors[i].quantity is Quantity.FLOW:
            values[t.start : t.end, i] = np.where(dry, 0.0, values[t.start : t.end, i] * surge)
        elif site.sensors[i].quantity is Quantity.PRESSURE:
            rest = np.round(rng.uniform(0, 0.3, len(row)), 2)
            values[t.start : t.end, i] = np.where(dry, rest, values[t.start : t.end, i])
