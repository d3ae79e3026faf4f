"""A device: samples the truth by its own clock, through meters that err, into messages that may be late."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from firmware_sim import faults as make
from firmware_sim.bound import Bound, BoundFault
from firmware_sim.clocking import DeviceClock, Micros
from firmware_sim.draws import normal, stream, uniform
from firmware_sim.scenario_model import VALUE_FAULTS, DeviceOptions, FaultKind, Phase
from waterworks.site import Role, Sensor
from waterworks.units import Quantity, conversion

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_YEAR_S = 365.25 * 86400


class View(NamedTuple):
    """Truth over a stretch of time: at ``start + k * step`` [us] the values (T, P) [SI]."""

    start: int
    step: int
    values: Floats

    def at(self, when: Micros, columns: NDArray[np.intp]) -> Floats:
        """Values (N, S) at instants (N,) within the stretch, straight between the steps."""
        k, rest = np.divmod(when - self.start, self.step)
        part = (rest / self.step)[:, None]
        low = self.values[k[:, None], columns]
        high = self.values[np.minimum(k + 1, len(self.values) - 1)[:, None], columns]
        return np.asarray(low + (high - low) * part)


class Samples(NamedTuple):
    """Samples (N,) of S sensors together.

    true, stamp: when it was, and what the device says. sent: when the message leaves. values (N, S) in
    the sensors' units. waited: kept while offline, to leave in a batch on reconnection. duplicate: sent
    twice. garbage: the message is destroyed on its way out.
    """

    true: Micros
    stamp: Micros
    sent: Micros
    values: Floats
    waited: Mask
    duplicate: Mask
    garbage: Mask

    def take(self, rows: Mask) -> Samples:
        """The samples where ``rows``."""
        return Samples.of(*(column[rows] for column in self))

    @classmethod
    def of(cls, *columns: ArrayLike) -> Samples:
        """From columns in the order of the fields, brought to their types."""
        kinds = (np.int64, np.int64, np.int64, np.float64, np.bool_, np.bool_, np.bool_)
        arrays: list[Any] = [np.asarray(c, kind) for c, kind in zip(columns, kinds, strict=True)]
        return cls(*arrays)


class Outage(NamedTuple):
    """No connection from ``start`` to before ``end`` [us]; ``end`` is None when it never comes back."""

    start: int
    end: int | None


@dataclass(frozen=True)
class Meter:
    """One sensor of a device. column: where the truth's values have it. decimals: to which it rounds,
    in its own unit, of which one is ``factor`` SI and 0 is ``zero`` SI."""

    sensor: Sensor
    column: int
    factor: float
    zero: float
    decimals: int
    relative_noise: float
    absolute_noise: float  # [sensor's unit]
    key: int
    faults: tuple[BoundFault, ...] = ()


@dataclass
class Sampler:
    """Sensors of one device that are read together. ``interval_us`` may be changed by a command."""

    device: str
    meters: tuple[Meter, ...]
    interval_us: int
    phase: Phase
    clock: DeviceClock
    outages: tuple[Outage, ...]
    faults: tuple[BoundFault, ...]  # of the device: duplicates, garbage
    options: DeviceOptions
    key: int
    held: dict[str, float] = field(default_factory=dict)  # values that stuck meters repeat

    def __post_init__(self) -> None:
        self._columns = np.array([m.column for m in self.meters], np.intp)

    @property
    def phase_us(self) -> int:
        """Where in the interval it samples."""
        if self.phase is Phase.ALIGNED:
            return 0
        return int(float(uniform(self.key, 0)) * self.interval_us / 1e6) * 1_000_000

    def samples(self, start: int, end: int, view: View) -> Samples:
        """What is sampled in [start, end) [us]; ``view`` must reach from start to end. Call in order."""
        true, stamp = self.clock.ticks(start, end, self.interval_us, self.phase_us)
        truth = view.at(true, self._columns)
        values = np.empty_like(truth)
        for i, meter in enumerate(self.meters):
            values[:, i] = self._measured(meter, truth[:, i], true)
        delay = uniform(self.key ^ 1, true) * self.options.send_delay_s * 1e6
        sent = true + delay.astype(np.int64)
        sent, waited, kept = self._through_outages(sent)
        hit = {kind: self._hit(kind, true) for kind in (FaultKind.DUPLICATES, FaultKind.GARBAGE)}
        garbage = hit[FaultKind.GARBAGE] & ~waited
        duplicate = hit[FaultKind.DUPLICATES] & ~waited & ~garbage
        found = Samples(true, stamp, sent, values, waited, duplicate, garbage)
        return found if kept.all() else found.take(kept)

    def _measured(self, meter: Meter, truth: Floats, true: Micros) -> Floats:
        exact = (truth - meter.zero) / meter.factor
        spread = meter.relative_noise * np.abs(exact) + meter.absolute_noise
        values = exact + spread * normal(meter.key, true)
        for bound in meter.faults:
            on = _during(bound, true)
            if on.any():
                values = self._failing(meter, bound, values, on, true)
        return np.round(values, meter.decimals) + 0.0  # never -0.0

    def _failing(self, meter: Meter, bound: BoundFault, values: Floats, on: Mask, true: Micros) -> Floats:
        fault, key = bound.fault, stream(meter.key, bound.fault.id)
        match fault.kind:
            case FaultKind.OFFSET:
                return make.offset(values, on, fault.value)
            case FaultKind.DRIFT:
                return make.drift(values, on, true, bound.span.start, fault.value)
            case FaultKind.REVERSED:
                return make.reversed_sign(values, on)
            case FaultKind.NOISE:
                return make.noise(values, on, normal(key, true), fault.value)
            case FaultKind.SPIKES:
                return make.spikes(values, on, uniform(key, true), fault.share, fault.value)
            case FaultKind.STUCK:
                name = f"{fault.id}/{meter.sensor.id}"
                held = self.held.setdefault(name, float(values[on][0]))
                return make.stuck(values, on, held)
        raise AssertionError(f"{fault.kind} is no fault of a value")

    def _hit(self, kind: FaultKind, true: Micros) -> Mask:
        hit = np.zeros(len(true), np.bool_)
        for bound in self.faults:
            if bound.fault.kind is kind:
                on = _during(bound, true)
                if on.any():
                    hit |= on & (uniform(stream(self.key, bound.fault.id), true) < bound.fault.share)
        return hit

    def _through_outages(self, sent: Micros) -> tuple[Micros, Mask, Mask]:
        """When messages really leave (N,), whether they waited, and whether the buffer kept them."""
        waited = np.zeros(len(sent), np.bool_)
        kept = np.ones(len(sent), np.bool_)
        room = self.options.buffer_samples * self.interval_us
        leaves = sent
        for outage in self.outages:
            during = sent >= outage.start
            if outage.end is not None:
                during &= sent < outage.end
            if not during.any():
                continue
            waited |= during
            if outage.end is None:
                kept &= ~during
                continue
            # A buffer of n samples holds those of the n intervals at one end of the outage.
            if self.options.buffer_keep == "newest":
                kept &= ~during | (sent >= outage.end - room)
            else:
                kept &= ~during | (sent < outage.start + room)
            leaves = np.where(during, outage.end, leaves)
        return leaves, waited, kept


def _during(bound: BoundFault, true: Micros) -> Mask:
    on = true >= bound.span.start
    return on if bound.span.end is None else on & (true < bound.span.end)


class Health(NamedTuple):
    """What a device tells of itself."""

    battery_v: float
    signal_dbm: int


@dataclass
class Device:
    """One device: its samplers share clock, connection and battery."""

    id: str
    samplers: tuple[Sampler, ...]
    clock: DeviceClock
    outages: tuple[Outage, ...]
    key: int
    options: DeviceOptions
    start_us: int

    @property
    def sensors(self) -> tuple[str, ...]:
        """Ids of all its sensors."""
        return tuple(m.sensor.id for s in self.samplers for m in s.meters)

    @property
    def interval_s(self) -> float:
        """Its shortest sampling interval [s]."""
        return min(s.interval_us for s in self.samplers) / 1e6

    def set_interval(self, interval_s: float) -> None:
        """Sample each ``interval_s`` [s] from now on."""
        for sampler in self.samplers:
            sampler.interval_us = round(interval_s * 1e6)

    def health(self, at: int) -> Health:
        """Battery and signal at an instant [us]. A battery falls faster the more often it sends."""
        years = (at - self.start_us) / 1e6 / _YEAR_S
        busy = 300.0 / max(self.interval_s, 60.0)
        fresh = self.options.battery_v - 0.12 * float(uniform(self.key ^ 2, 0))
        battery = fresh - self.options.battery_v_per_year * busy * max(years, 0.0)
        place = -112.0 + 45.0 * float(uniform(self.key ^ 3, 0))
        weather = 3.0 * float(normal(self.key ^ 4, at // 3_600_000_000))
        return Health(round(max(battery, 2.4), 3), round(min(max(place + weather, -140.0), -50.0)))


def build_devices(bound: Bound, columns: dict[str, int]) -> list[Device]:
    """All devices of a site with their faults. columns: where the truth has each sensor (those it has not
    are left out)."""
    by_device: dict[str, list[Sensor]] = {}
    for sensor in bound.site.sensors:
        if sensor.id in columns:
            by_device.setdefault(sensor.device or sensor.id, []).append(sensor)
    return [_build(bound, name, sensors, columns) for name, sensors in by_device.items()]


def _build(bound: Bound, name: str, sensors: Sequence[Sensor], columns: dict[str, int]) -> Device:
    options, seed = bound.scenario.devices, bound.scenario.seed
    key = stream(seed, "device", name)
    faults = tuple(f for f in bound.faults if f.device == name and f.fault.kind not in VALUE_FAULTS)
    clock = DeviceClock(round(options.clock_spread_s * float(normal(key ^ 5, 0)) * 1e6), faults)
    outages = _outages([f for f in faults if f.fault.kind is FaultKind.OFFLINE], options, key)
    groups: dict[float, list[Sensor]] = {}
    for sensor in sensors:
        groups.setdefault(options.interval_s or sensor.interval_s, []).append(sensor)
    samplers = tuple(
        Sampler(
            device=name,
            meters=tuple(_meter(bound, s, columns[s.id]) for s in group),
            interval_us=round(interval * 1e6),
            phase=options.phase,
            clock=clock,
            outages=outages,
            faults=faults,
            options=options,
            key=stream(key, "every", str(interval)),
        )
        for interval, group in sorted(groups.items())
    )
    start_us = int(bound.start.astype("datetime64[us]").astype(np.int64))
    return Device(name, samplers, clock, outages, key, options, start_us)


def _outages(faults: Sequence[BoundFault], options: DeviceOptions, key: int) -> tuple[Outage, ...]:
    """Stretches without connection, reconnection included, merged where they touch."""
    found: list[Outage] = []
    for fault in sorted(faults, key=lambda f: f.span.start):
        end = fault.span.end
        if end is not None:
            end += round(float(uniform(key ^ 6, fault.span.start)) * options.reconnect_delay_s * 1e6)
        last = found[-1] if found else None
        if last is not None and (last.end is None or last.end >= fault.span.start):
            later = None if last.end is None or end is None else max(last.end, end)
            found[-1] = Outage(last.start, later)
        else:
            found.append(Outage(fault.span.start, end))
    return tuple(found)


def _meter(bound: Bound, sensor: Sensor, column: int) -> Meter:
    options = bound.scenario.devices
    factor, zero = conversion(sensor.unit, sensor.quantity)
    match sensor.quantity:
        case Quantity.FLOW:
            fine = sensor.role is Role.CONSUMPTION
            m3h = options.consumption_resolution_m3h if fine else options.flow_resolution_m3h
            resolution, relative, absolute = m3h / 3600, options.flow_noise, 0.0
        case Quantity.LEVEL:
            resolution, relative, absolute = options.level_resolution_m, 0.0, options.level_noise_m
        case _:
            resolution, relative, absolute = options.pressure_resolution_m, 0.0, options.pressure_noise_m
    return Meter(
        sensor=sensor,
        column=column,
        factor=factor,
        zero=zero,
        decimals=-round(math.log10(resolution / factor)),
        relative_noise=relative,
        absolute_noise=absolute / factor,
        key=stream(bound.scenario.seed, "meter", sensor.id),
        faults=tuple(f for f in bound.faults if sensor.id in f.sensors and f.fault.kind in VALUE_FAULTS),
    )
