"""A site in a scenario, going on through time: truth, devices, and what a later run must know of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from firmware_sim.bound import Bound, bind
from firmware_sim.device import Device, Sampler, Samples, View, build_devices
from firmware_sim.observing import observed
from firmware_sim.scenario_model import Scenario
from firmware_sim.truth import Floats, Ints, Truth, TruthState
from waterworks.errors import TwuinError
from waterworks.site import Site

SECOND_US = 1_000_000

Owned = tuple[Device, Sampler, Samples]
"""Samples, with who took them."""


class Slice(NamedTuple):
    """What happened in [start, end) [us]: samples by sampler, and the flows (T, K) [m3/s] of all leaks at
    the steps time_s (T,) [s since 1970] within."""

    start: int
    end: int
    samples: list[Owned]
    time_s: Ints
    leaks: Floats


@dataclass
class Checkpoint:
    """What a later run needs to go on from ``at`` [us since 1970] as if it had never stopped.

    fits: of which site and scenario it is. truth: hydraulics. held: values of stuck meters. seq, interval:
    of each device, the number of its last message and the interval [s] that a command has set. waiting:
    messages that devices keep while they are offline: device, index of the sampler, columns of ``Samples``.
    """

    fits: str
    at: int
    truth: TruthState
    held: dict[str, float] = field(default_factory=dict)
    seq: dict[str, int] = field(default_factory=dict)
    interval_s: dict[str, float] = field(default_factory=dict)
    waiting: list[Any] = field(default_factory=list)

    def write(self, path: Path) -> None:
        """Put it in the place of the file that is there, whole or not at all."""
        said = {**self.__dict__, "truth": self.truth.to_json()}
        new = path.with_name(path.name + ".new")
        try:
            new.write_text(json.dumps(said), encoding="utf-8")
            new.replace(path)
        except OSError as error:
            raise TwuinError(f"checkpoint {path} cannot be written: {error.strerror}") from error

    @classmethod
    def read(cls, path: Path) -> Checkpoint | None:
        """The checkpoint of an earlier run, None where there is none. TwuinError for any other file."""
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
            return cls(**{**said, "truth": TruthState.from_json(said["truth"])})
        except FileNotFoundError:
            return None
        except OSError as error:
            raise TwuinError(f"checkpoint {path} cannot be read: {error.strerror}") from error
        except (ValueError, TypeError, KeyError) as error:
            raise TwuinError(f"{path} is no checkpoint of the simulator: remove it ({error})") from error


class Simulation:
    """Runs a scenario from ``start`` on, slice by slice. Close it, or use it as a context.

    Times of the scenario are relative to its own start, or where it has none to ``start``. Where a
    checkpoint at or before ``start`` is given, hydraulics go on from it.
    Raises ScenarioError, SiteError, NetworkError; TwuinError for a checkpoint of something else.
    """

    def __init__(
        self, site: Site, scenario: Scenario, start: np.datetime64, checkpoint: Checkpoint | None = None
    ) -> None:
        self.bound: Bound = bind(site, scenario, start)
        self.fits = _fingerprint(self.bound)
        points = observed(site, self.bound.network)
        self.unsimulated = tuple(s.id for s in site.sensors if s.id not in points)
        self.devices = build_devices(self.bound, {name: i for i, name in enumerate(points)})
        self.now = int(start.astype("datetime64[us]").astype(np.int64))
        self.waiting: list[Owned] = []  # what an earlier run had sampled but not sent
        state = None if checkpoint is None else self._take_up(checkpoint)
        self.truth = Truth(self.bound, list(points.values()), start, state)
        self._step_us = self.truth.step_s * SECOND_US
        first = self.truth.rows(1)
        self._base, self._last, self._last_leaks = int(first.time_s[0]), first.values, first.leaks
        self._view = View(self._base * SECOND_US, self._step_us, first.values)

    def _take_up(self, checkpoint: Checkpoint) -> TruthState:
        if checkpoint.fits != self.fits:
            raise TwuinError("the checkpoint is of another site, scenario or seed: remove it to start anew")
        for device in self.devices:
            if device.id in checkpoint.interval_s:
                device.set_interval(checkpoint.interval_s[device.id])
            for sampler in device.samplers:
                sampler.held.update(checkpoint.held)
        self.waiting = _waiting(self.devices, checkpoint.waiting)
        return checkpoint.truth

    @property
    def next_edge(self) -> int:
        """End [us] of the hydraulic step that ``now`` lies in."""
        return (self.now // self._step_us + 1) * self._step_us

    def advance(self, until: int) -> Slice:
        """Live on to ``until`` [us]; hydraulics are computed to the first step at or after it, no further."""
        start = self.now
        needed = -(-until // self._step_us) * self.truth.step_s - self._base
        count = needed // self.truth.step_s
        rows = self.truth.rows(max(count, 0))
        values = np.concatenate([self._last, rows.values])
        leaks = np.concatenate([self._last_leaks, rows.leaks])
        time_s = np.concatenate([[self._base], rows.time_s])
        self._view = View(self._base * SECOND_US, self._step_us, values)
        samples = [
            (device, sampler, sampler.samples(start, until, self._view))
            for device in self.devices
            for sampler in device.samplers
        ]
        inside = (time_s * SECOND_US >= start) & (time_s * SECOND_US < until)
        found = Slice(start, until, samples, time_s[inside], leaks[inside])
        self.now = until
        keep = (until // self._step_us) * self.truth.step_s
        row = int((keep - self._base) // self.truth.step_s)
        self._base, self._last, self._last_leaks = keep, values[row:], leaks[row:]
        return found

    def resample(self, device: Device, start: int, end: int) -> list[tuple[Sampler, Samples]]:
        """Samples of one device again, within the last slice: its interval has changed."""
        return [(s, s.samples(start, end, self._view)) for s in device.samplers]

    def checkpoint(self, at: int) -> Checkpoint:
        """What a run that goes on from ``at`` [us], in the last slice, must know of hydraulics and meters."""
        held = {k: v for d in self.devices for s in d.samplers for k, v in s.held.items()}
        return Checkpoint(self.fits, at, self.truth.state(at // SECOND_US), held)

    def close(self) -> None:
        """Release EPANET."""
        self.truth.close()

    def __enter__(self) -> Simulation:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def spans(start: int, end: int, length: int) -> Iterator[tuple[int, int]]:
    """[start, end) cut at multiples of ``length``."""
    at = start
    while at < end:
        edge = min((at // length + 1) * length, end)
        yield at, edge
        at = edge


def waiting_json(waiting: list[Owned]) -> list[object]:
    """Samples that have not left yet, as JSON-able values."""
    return [
        [device.id, device.samplers.index(sampler), *(np.asarray(c).tolist() for c in samples)]
        for device, sampler, samples in waiting
        if len(samples.true)
    ]


def _waiting(devices: Sequence[Device], said: Sequence[Any]) -> list[Owned]:
    """Back from ``waiting_json``."""
    found: list[Owned] = []
    named = {d.id: d for d in devices}
    for name, index, *columns in said:
        found.append((named[name], named[name].samplers[index], Samples.of(*columns)))
    return found


def _fingerprint(bound: Bound) -> str:
    digest = blake2b(digest_size=12)
    assert bound.site.network_file is not None
    digest.update(bound.site.network_file.read_bytes())
    digest.update(repr((bound.site.id, str(bound.site.timezone), bound.scenario)).encode())
    return digest.hexdigest()
