"""The fleet lives: one process, one connection a device, one loop over all sockets and all due times."""

from __future__ import annotations

import logging
import math
import random
import resource
import selectors
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from firmware_sim.agenda import Agenda, Sending
from firmware_sim.broker_address import BrokerAddress as BrokerAddress
from firmware_sim.connection import KEEPALIVE_S, Connection, Counts, Moment
from firmware_sim.device import Device, Sampler, Samples
from firmware_sim.scenario_model import Scenario
from firmware_sim.simulation import Checkpoint, Owned, Simulation, waiting_json
from firmware_sim.wire import command_result, read_command
from waterworks.errors import BrokerError
from waterworks.ports import Clock
from waterworks.reading import TIME_DTYPE
from waterworks.site import Site

log = logging.getLogger(__name__)

DAY_US = 86_400_000_000
BACKLOG = 2_000  # messages of all devices under way at most, when running as fast as the machine allows
CONNECTS = 20  # connections begun between two looks at the sockets
BACK_OFF_S = (0.5, 30.0)  # first and longest wait for a broker that cannot be reached
RECEIPTS_S = 20.0  # for the last receipts, where any came
GOODBYE_S = 5.0  # for the last acknowledgements at the end


@dataclass(frozen=True, slots=True)
class FleetReport:
    """What a fleet did. readings, messages: sent, duplicates counted once in ``readings``; acknowledged: by
    the broker; confirmed: samples that Twuin's receipts confirmed; resent: messages sent again because none
    did; unconfirmed: samples let go before one did, for want of memory; garbage: messages destroyed;
    dropped: samples that found no room while the broker was away; unsimulated: sensors that the network
    cannot answer for; refused: devices that the broker did not let in at last. start, end: simulated
    [UTC]."""

    devices: int
    start: np.datetime64
    end: np.datetime64
    readings: int
    messages: int
    acknowledged: int
    confirmed: int
    resent: int
    unconfirmed: int
    garbage: int
    duplicates: int
    dropped: int
    connections: int
    commands: int
    unsimulated: tuple[str, ...]
    refused: tuple[str, ...] = ()


def run_fleet(
    site: Site,
    scenario: Scenario,
    broker: BrokerAddress,
    clock: Clock | None,
    stop: threading.Event,
    *,
    start: np.datetime64 | None = None,
    end: np.datetime64 | None = None,
    checkpoint: Path | None = None,
    progress: Callable[[float], None] | None = None,
) -> FleetReport:
    """Be all devices of ``site`` until ``stop``, or until ``end`` [UTC].

    clock: what time it is for them; None: as fast as the machine and the broker allow, from ``start``.
    start: None: the clock's now. Times of the scenario are relative to its own start, or where it has none
    to ``start``. checkpoint: a file from which an earlier run is taken up where it exists, and in which
    this one leaves its own daily and at its end. progress is told the share done [0..1] if there is an end.

    Raises BrokerError when the broker cannot be reached or refuses all devices at first (later it is waited
    for, and for single devices whom it refuses),
    ScenarioError, SiteError, NetworkError.
    """
    if start is None:
        if clock is None:
            raise ValueError("a fleet without a clock needs a start")
        start = clock.now()
    kept = Checkpoint.read(checkpoint) if checkpoint else None
    with Simulation(site, scenario, start.astype(TIME_DTYPE), kept) as simulation:
        fleet = _Fleet(simulation, broker, clock, stop, end, checkpoint, kept, progress)
        return fleet.run()


class _Fleet:
    def __init__(
        self,
        simulation: Simulation,
        broker: BrokerAddress,
        clock: Clock | None,
        stop: threading.Event,
        end: np.datetime64 | None,
        checkpoint: Path | None,
        kept: Checkpoint | None,
        progress: Callable[[float], None] | None,
    ) -> None:
        self._sim, self._broker, self._clock, self._stop = simulation, broker, clock, stop
        self._checkpoint, self._progress = checkpoint, progress
        self._speed = float(getattr(clock, "speed", 1.0)) if clock is not None else math.inf
        self._start = self._now = simulation.now
        self._end = None if end is None else int(end.astype(TIME_DTYPE).astype(np.int64))
        self._agenda = Agenda()
        self._slice_end = simulation.now
        self._counts = Counts()
        self._selector = selectors.DefaultSelector()
        self._known_day = simulation.now // DAY_US
        _allow_files(len(simulation.devices))
        self._connections = {
            d.id: Connection(
                simulation.bound.site, d, broker, simulation.bound.scenario.devices, self._selector,
                self._counts, lambda: self._now, self._heard, self._refused, bounded=clock is not None,
                boot=int(time.time()),
            )
            for d in simulation.devices
        }  # fmt: skip
        if kept is not None:
            for name, seq in kept.seq.items():
                if name in self._connections:
                    self._connections[name].seq = seq
        self._unconnected = dict.fromkeys(self._connections)  # an ordered set: who is to connect
        self._retry_at = 0.0  # monotonic time of the next try, after the broker was not to be reached
        self._tries = 0
        self._reached = False
        self._tended = 0.0
        self._to_tend: list[Connection] = []
        self._refusals: dict[str, str] = {}  # by device: why the broker does not let it in
        self._refused_now = False
        self._jitter = random.Random(simulation.bound.scenario.seed)

    # -- life -----------------------------------------------------------------------------------------

    def run(self) -> FleetReport:
        try:
            self._plan_scenario()
            for device, sampler, samples in self._sim.waiting:
                self._plan(device, sampler, samples)
            self._live()
            self._finish()
            if self._progress and self._end is not None:
                self._progress(min((self._now - self._start) / (self._end - self._start), 1.0))
        finally:
            for connection in self._connections.values():
                connection.leave()
            self._selector.close()
        if self._checkpoint:
            self._write_checkpoint()
        c = self._counts
        return FleetReport(
            devices=len(self._connections),
            start=np.datetime64(self._start, "us"),
            end=np.datetime64(self._now, "us"),
            readings=c.readings,
            messages=c.messages,
            acknowledged=c.acknowledged,
            confirmed=c.confirmed,
            resent=c.resent,
            unconfirmed=c.unconfirmed,
            garbage=c.garbage,
            duplicates=c.duplicates,
            dropped=c.dropped,
            connections=c.connections,
            commands=c.commands,
            unsimulated=self._sim.unsimulated,
            refused=tuple(self._refusals),
        )

    def _live(self) -> None:
        while not self._stop.is_set():
            self._connect()
            if self._reached or self._clock is not None:
                self._do_due()
            if self._over():
                break
            self._serve(self._patience())

    def _do_due(self) -> None:
        """Do what is due, for a moment at most, so that sockets are served in between."""
        until = time.monotonic() + 0.05
        while not self._stop.is_set() and time.monotonic() < until:
            at = self._next_at()
            if self._clock is not None:
                self._now = max(self._now, int(self._clock.now().astype(TIME_DTYPE).astype(np.int64)))
                if at > self._now:
                    return
            elif self._under_way() >= BACKLOG:
                return
            if self._end is not None and at >= self._end:
                self._now = self._end if self._clock is None else self._now
                return
            if self._clock is None:
                self._now = at
            # A slice of time is computed when it begins, before anything that is due within it.
            if at == self._slice_end:
                self._next_slice()
            else:
                self._agenda.do_next()

    def _next_at(self) -> int:
        next_at = self._agenda.next_at
        return self._slice_end if next_at is None else min(next_at, self._slice_end)

    def _over(self) -> bool:
        return self._end is not None and self._now >= self._end and self._next_at() >= self._end

    def _next_slice(self) -> None:
        start = self._slice_end
        end = self._sim.next_edge
        if self._end is not None:
            end = min(end, self._end)
            if self._progress:
                self._progress((start - self._start) / (self._end - self._start))
        self._slice_end = end
        for device, sampler, samples in self._sim.advance(end).samples:
            self._plan(device, sampler, samples)
        day = start // DAY_US
        if self._checkpoint and day != self._known_day:
            self._known_day = day
            self._write_checkpoint()

    def _under_way(self) -> int:
        return self._waiting + self._counts.messages - self._counts.acknowledged

    @property
    def _waiting(self) -> int:
        refused = self._refusals
        return sum(len(c.outbox) for n, c in self._connections.items() if c.wanted and n not in refused)

    # -- plans ----------------------------------------------------------------------------------------

    def _plan_scenario(self) -> None:
        """Outages and signs of life."""
        for connection in self._connections.values():
            device = connection.device
            for outage in device.outages:
                if outage.end is not None and outage.end <= self._start:
                    continue
                if outage.start <= self._start:
                    connection.wanted = False
                else:
                    self._agenda.add(outage.start, partial(self._switch, connection, on=False))
                if outage.end is not None:
                    self._agenda.add(outage.end, partial(self._switch, connection, on=True))
            every = round(device.options.status_interval_s * 1e6)
            self._agenda.add(self._start + device.key % every, partial(self._sign_of_life, connection, every))

    def _switch(self, connection: Connection, *, on: bool) -> None:
        """An outage of the scenario begins or ends."""
        connection.wanted = on
        if on:
            self._unconnected[connection.device.id] = None
        else:
            connection.cut_when_quiet()

    def _sign_of_life(self, connection: Connection, every: int) -> None:
        connection.send_status()
        self._agenda.add(self._now + every, partial(self._sign_of_life, connection, every))

    def _plan(self, device: Device, sampler: Sampler, samples: Samples) -> None:
        connection = self._connections[device.id]
        s = samples
        columns = (s.true, s.stamp, s.sent, s.values, s.waited, s.duplicate, s.garbage)
        for true, stamp, sent, values, waited, duplicate, garbage in zip(
            *(c.tolist() for c in columns), strict=True
        ):
            moment = Moment(sampler, stamp, values, duplicate, garbage)
            self._agenda.add(sent, Sending(connection, moment, true, waited))

    # -- sockets --------------------------------------------------------------------------------------

    def _connect(self) -> None:
        if not self._unconnected or time.monotonic() < self._retry_at:
            return
        for _ in range(CONNECTS):
            if not self._unconnected:
                return
            name = next(iter(self._unconnected))
            connection = self._connections[name]
            if not connection.wanted or connection.connected or connection.connecting:
                del self._unconnected[name]
                continue
            try:
                connection.open()
            except ssl.SSLCertVerificationError as error:
                self._broker_away(
                    f"shows a certificate that is not trusted ({error.verify_message}): see mqtt.ca_file"
                )
                return
            except OSError as error:
                why = error.strerror or str(error)
                self._broker_away(f"cannot be reached: {why}. Is it running, and is the port right?")
                return
            del self._unconnected[name]

    def _broker_away(self, why: str) -> None:
        if not self._reached:
            raise BrokerError(f"{self._broker} {why}")
        self._back_off()

    def _back_off(self) -> None:
        first, longest = BACK_OFF_S
        wait = min(longest, first * 2**self._tries) * (0.5 + self._jitter.random())
        self._tries, self._retry_at = self._tries + 1, time.monotonic() + wait

    def _refused(self, connection: Connection, why: str) -> None:
        name = connection.device.id
        if name not in self._refusals:
            log.warning("%s does not let device %s in: %s; trying again", self._broker, name, why)
        self._refusals[name] = why
        self._refused_now = True

    def _serve(self, patience: float) -> None:
        hung_up = False
        for key, events in self._selector.select(patience):
            connection: Connection = key.data
            before, asked = connection.connected, connection.connecting
            if events & selectors.EVENT_WRITE:
                connection.writable()
            if events & selectors.EVENT_READ:
                connection.readable()
            if connection.connected and not before:
                self._reached, self._tries = True, 0
                if self._refusals.pop(connection.device.id, ""):
                    log.info("%s lets device %s in", self._broker, connection.device.id)
            if asked and not (connection.connected or connection.connecting or self._refused_now):
                hung_up = True
            self._after(connection)
        if hung_up:
            hint = "" if self._broker.tls else ": does it want TLS (mqtt.tls, mqtt.ca_file)?"
            self._broker_away(f"closed the connection without an answer{hint}")
        if self._refused_now:
            self._refused_now = False
            if not self._reached and all(
                name in self._refusals for name, c in self._connections.items() if c.wanted
            ):
                raise BrokerError(
                    f"{self._broker} refuses all devices: {next(iter(self._refusals.values()))}"
                )
            if self._reached:
                self._back_off()
        self._tend()

    def _after(self, connection: Connection) -> None:
        lost = not connection.connected and not connection.connecting and connection.wanted
        if lost:
            self._unconnected[connection.device.id] = None
        connection.cut_when_quiet()

    def _tend(self) -> None:
        """Keep all connections alive, a few at a time: each is looked after thrice a keep-alive time."""
        now = time.monotonic()
        if now - self._tended < 1.0:
            return
        self._tended = now
        if not self._to_tend:
            self._to_tend = list(self._connections.values())
        for _ in range(math.ceil(len(self._connections) * 3 / KEEPALIVE_S)):
            if self._to_tend:
                connection = self._to_tend.pop()
                connection.tend()
                self._after(connection)

    def _patience(self) -> float:
        """How long to wait for sockets [s]."""
        if self._unconnected and time.monotonic() >= self._retry_at:
            return 0.0
        if self._clock is None:
            return 0.0 if self._under_way() < BACKLOG and self._reached else 0.05
        next_at = self._next_at()
        if self._end is not None:
            next_at = min(next_at, self._end)
        return min(max((next_at - self._now) / 1e6 / self._speed, 0.0), 0.25)

    def _heard(self, connection: Connection, payload: bytes) -> None:
        command = read_command(payload)
        if command is None:
            return
        self._counts.commands += 1
        if command.interval_s is not None:
            device = connection.device
            device.set_interval(command.interval_s)
            self._agenda.call_off(connection, self._now)
            for sampler, samples in self._sim.resample(device, self._now, self._slice_end):
                self._plan(device, sampler, samples)
            connection.send_status()
        connection.answer(command_result(command))

    def _finish(self) -> None:
        """Wait for the acknowledgements of what was sent, and at a run's end for the receipts too."""
        began = time.monotonic()
        while (waited := time.monotonic() - began) < RECEIPTS_S:
            open_ = [c for c in self._connections.values() if c.connected or c.connecting]
            under_way = waited < GOODBYE_S and any(c.in_flight or c.outbox for c in open_)
            kept = any(c.unconfirmed.told and len(c.unconfirmed) for c in open_)
            if not under_way and (not kept or self._stop.is_set()):
                return
            self._serve(0.05)

    def _write_checkpoint(self) -> None:
        assert self._checkpoint is not None
        now = min(self._now, self._slice_end)
        state = self._sim.checkpoint(now)
        state.seq = {name: c.seq for name, c in self._connections.items()}
        state.interval_s = {name: c.device.interval_s for name, c in self._connections.items()}
        state.waiting = waiting_json(self._unsent(now))
        state.write(self._checkpoint)

    def _unsent(self, now: int) -> list[Owned]:
        """Samples taken before ``now`` that have not left."""
        found = [
            _one(s.connection.device, s.moment, s.true, at, waited=s.waited)
            for at, s in self._agenda.sendings(now)
        ]
        for connection in self._connections.values():
            kept = connection.unconfirmed.all() if connection.unconfirmed.told else []
            found += [
                _one(connection.device, m, m.stamp, now, waited=True) for m in (*kept, *connection.outbox)
            ]
        return found


def _one(device: Device, moment: Moment, true: int, sent: int, *, waited: bool) -> Owned:
    m = moment
    samples = Samples.of([true], [m.stamp], [sent], [m.values], [waited], [m.duplicate], [m.garbage])
    return device, m.sampler, samples


def _allow_files(count: int) -> None:
    """Each connection is an open file; ask the system for as many as are needed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + 256  # what else the process has open
    if soft != resource.RLIM_INFINITY and soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            raise BrokerError(
                f"{count} devices need {wanted} open files, the system allows {hard}: see ulimit -n"
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
