"""A scenario: what leaks, what fails and what is operated, and when; and how people use water.

``scenario`` reads it from TOML; the words and their defaults are documented in docs/simulator.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum

import numpy as np

from firmware_sim.instants import When

START = When("+0s")


@dataclass(frozen=True, slots=True)
class DemandOptions:
    """How the use of water differs from the model's nominal patterns.

    node_noise, node_noise_slow: spread of one junction's demand around its expectation, as the standard
    deviation of its logarithm [-]: from step to step, and over ``node_correlation_h`` [h].
    common_noise, common_step_noise: the same for all junctions of a DMA together, over
    ``common_correlation_h`` [h] and from step to step.
    weekend, holiday: factor on the day's demand [-], at its fullest at noon; weekend_shift_h: how much
    later such a day begins [h]. Networks whose patterns span a week or more keep their own weekends.
    holidays: days of the scenario beside the site's own. season: amplitude of a yearly wave [-] that is
    highest on day ``season_peak`` of the year. scale: factor on all demand [-].
    node_error: spread of a junction's constant factor [-], as the standard deviation of its logarithm: how
    wrongly the model splits demand over its junctions. node_drift: spread of what changes in that over
    ``node_drift_days`` [d]. level_noise: the same for all demand together (weather), over
    ``level_correlation_days`` [d].
    """

    node_noise: float = 0.30
    node_noise_slow: float = 0.15
    node_correlation_h: float = 3.0
    common_noise: float = 0.02
    common_correlation_h: float = 6.0
    common_step_noise: float = 0.0
    weekend: float = 1.04
    weekend_shift_h: float = 1.5
    holiday: float = 1.08
    holidays: tuple[When | date, ...] = ()
    season: float = 0.0
    season_peak: float = 200.0
    scale: float = 1.0
    node_error: float = 0.0
    node_drift: float = 0.0
    node_drift_days: float = 30.0
    level_noise: float = 0.0
    level_correlation_days: float = 4.0


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """How the pipes in the ground differ from those of the network file, which is what a utility knows.

    roughness_error, diameter_error: the largest error of a pipe's roughness and diameter, as a share [-];
    errors are uniform up to it. error_common: share of the error [0..1] that pipes of the same nominal
    diameter and roughness have in common (they were laid in the same years), the rest is each pipe's own.
    """

    roughness_error: float = 0.0
    diameter_error: float = 0.0
    error_common: float = 0.0


class Growth(StrEnum):
    """How a leak comes to its size between its start and its peak."""

    ABRUPT = "abrupt"
    LINEAR = "linear"
    QUADRATIC = "quadratic"


@dataclass(frozen=True, slots=True)
class Leak:
    """A hole in a pipe.

    pipe, or dma: a pipe of that DMA is then drawn by the seed. position: where along the pipe, from its
    start node [0..1]. The size is either ``hole_mm``, the diameter of a round hole with discharge
    coefficient ``discharge`` [-], or ``flow_m3h``, the outflow at ``pressure_m`` [m] (None: the mean
    pressure there on a nominal day). growth to ``peak``; ``end`` is the repair.
    """

    id: str
    start: When
    pipe: str = ""
    dma: str = ""
    position: float = 0.5
    end: When | None = None
    growth: Growth = Growth.ABRUPT
    peak: When | None = None
    hole_mm: float | None = None
    flow_m3h: float | None = None
    pressure_m: float | None = None
    discharge: float = 0.75


class FaultKind(StrEnum):
    """How a device, a meter or a clock can misbehave."""

    OFFSET = "offset"  # value [sensor's unit] is added
    DRIFT = "drift"  # value [sensor's unit a day] is added, growing from the fault's start
    STUCK = "stuck"  # the first value is repeated
    SPIKES = "spikes"  # now and then value [sensor's unit] is added or taken off
    NOISE = "noise"  # normal noise of standard deviation value [sensor's unit] is added
    REVERSED = "reversed"  # the sign is turned
    OFFLINE = "offline"  # no connection: readings wait in the device's buffer
    CLOCK_OFFSET = "clock_offset"  # the device's clock is value [s] ahead
    CLOCK_DRIFT = "clock_drift"  # the clock gains value [ppm] from the fault's start on
    ZONE = "zone"  # times are stamped value [h] ahead: a wrong time zone
    DUPLICATES = "duplicates"  # a share of messages is sent twice
    GARBAGE = "garbage"  # a share of messages is destroyed


VALUE_FAULTS = frozenset(
    {
        FaultKind.OFFSET,
        FaultKind.DRIFT,
        FaultKind.STUCK,
        FaultKind.SPIKES,
        FaultKind.NOISE,
        FaultKind.REVERSED,
    }
)
"""Faults of one meter; the others are faults of a device."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One misbehaviour of a sensor or of a device (then of all its sensors).

    value: see ``FaultKind``. share: how many readings or messages it hits [0..1].
    """

    id: str
    kind: FaultKind
    start: When
    end: When | None = None
    sensor: str = ""
    device: str = ""
    value: float = 0.0
    share: float = 1.0


class EventKind(StrEnum):
    """What operators and customers do out of the ordinary."""

    VALVE_SETTING = "valve_setting"  # a valve is set to value [m], of an FCV [m3/h]
    PUMP_SPEED = "pump_speed"  # relative speed [-]
    CLOSED = "closed"  # a pipe, pump or valve is shut, whatever its controls say
    PUMP_HOURS = "pump_hours"  # a pump runs in the given local hours only, whatever its controls say
    USE = "use"  # value [m3/h] is drawn at a node: a fire, a mains flushing, a filling pool


@dataclass(frozen=True, slots=True)
class Event:
    """Something operated from ``start`` to ``end`` (None: for good). ``hours``: local [start, end) hours."""

    id: str
    kind: EventKind
    start: When
    end: When | None = None
    link: str = ""
    node: str = ""
    value: float = 0.0
    hours: tuple[tuple[float, float], ...] = ()


class Phase(StrEnum):
    """Where in its interval a device samples, by its own clock."""

    ALIGNED = "aligned"  # at whole multiples of the interval, as loggers do
    SPREAD = "spread"  # each device at its own moment


@dataclass(frozen=True, slots=True)
class DeviceOptions:
    """How the devices are made; all of them alike, chance aside.

    interval_s: sampling interval [s], None: each sensor's own from the site. phase: see ``Phase``.
    send_delay_s: a message leaves up to so long after its sample [s]. buffer_samples: how many samples
    a device keeps while offline; buffer_keep: whether the "newest" or the "oldest" stay when it is full.
    reconnect_delay_s: a device is back up to so long after an outage's end [s].
    flow_noise: meter noise as a share of the flow [-]; pressure_noise_m, level_noise_m: meter noise [m].
    flow_resolution_m3h, consumption_resolution_m3h, pressure_resolution_m, level_resolution_m: steps in
    which values come, in the sensor's own unit rounded to the nearest power of ten.
    clock_spread_s: standard deviation of the devices' clock offsets [s]. battery_v, battery_v_per_year:
    voltage at the scenario's start and its fall [V]. status_interval_s: how often the status is sent [s].
    time_format: "rfc3339", or "ms" since 1970. receipts: whether they keep what they sent until Twuin
    confirms it, and send again what is missing.
    """

    interval_s: float | None = None
    phase: Phase = Phase.ALIGNED
    send_delay_s: float = 5.0
    buffer_samples: int = 2000
    buffer_keep: str = "newest"
    reconnect_delay_s: float = 20.0
    flow_noise: float = 0.005
    pressure_noise_m: float = 0.03
    level_noise_m: float = 0.003
    flow_resolution_m3h: float = 0.01
    consumption_resolution_m3h: float = 0.001
    pressure_resolution_m: float = 0.01
    level_resolution_m: float = 0.01
    clock_spread_s: float = 0.5
    battery_v: float = 3.62
    battery_v_per_year: float = 0.05
    status_interval_s: float = 6 * 3600.0
    time_format: str = "rfc3339"
    receipts: bool = True


@dataclass(frozen=True)
class Scenario:
    """What happens on a site. Times are relative to ``start`` unless absolute.

    start: None: a run's own start is taken. step_s: hydraulic step [s]; a day is a whole number of steps.
    source, file: the text it was read from, and what that file is called.
    """

    name: str = "quiet"
    seed: int = 1
    start: np.datetime64 | None = None
    step_s: int = 300
    model: ModelOptions = ModelOptions()
    demand: DemandOptions = DemandOptions()
    devices: DeviceOptions = DeviceOptions()
    leaks: tuple[Leak, ...] = ()
    faults: tuple[Fault, ...] = ()
    events: tuple[Event, ...] = ()
    source: str = field(default="", repr=False)
    file: str = field(default="scenario", repr=False)

    def starting(self, start: np.datetime64) -> Scenario:
        """The same scenario with its times relative to ``start`` [UTC]."""
        return replace(self, start=start.astype("datetime64[us]"))
