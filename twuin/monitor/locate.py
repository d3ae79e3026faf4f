"""Where in a DMA: pressures since the onset against what a leak at each pipe would do to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.ranking import nearest_sensors, pipe_probabilities, seasonal_residual, shrunk_covariance
from analytics.sensitivity import Linear, head_response, leak_response, pipe_slope
from twuin.alerts.model import Suspect
from twuin.monitor.engine import UNUSABLE
from twuin.monitor.grid import instant_of, local_time, utc_seconds
from waterworks.geo import pipe_midpoints
from waterworks.hydraulics import States, Status, steady_states
from waterworks.network import LinkKind, Network, NodeKind
from waterworks.ports import ReadingStore
from waterworks.site import Site
from waterworks.units import Quantity

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BEFORE_DAYS = 21
"""How much past the usual pressures are made of."""

LONGEST_S = 3 * 86400
"""At most this much of the time since the onset is averaged: the present size of a leak that grows."""

STATE_HOURS = tuple(range(0, 24, 3))
"""Hours of the model's day at which its answers to leaks are worked out."""

NIGHT_WEIGHT = 3.0
"""Weight of an hour of the night against one of the day: less demand, less noise."""

LEAST_M = 0.02
"""No mean pressure is believed beyond this [m]: resolution and drift of common loggers."""

KEPT = 20
"""Suspects that a finding carries."""


@dataclass(frozen=True)
class Place:
    """Where it is, as far as can be told."""

    suspects: tuple[Suspect, ...] = ()
    near: tuple[str, ...] = ()
    evidence: dict[str, Any] = field(default_factory=dict)


NOWHERE = Place()


class Span(NamedTuple):
    """[onset, until) [s since 1970] that the pressures are taken from, and the leak's size [m3/s]."""

    onset: int
    until: int
    flow: float
    sigma: float


class Signatures:
    """A network's answers to leaks: (H, M, P) for the hours ``STATE_HOURS``, sensors and pipes [m/(m3/s)].

    nodes (M,): indices of the sensors' nodes.
    """

    def __init__(self, network: Network, states: Callable[[], States]) -> None:
        self._network, self._states = network, states

    @cached_property
    def pipes(self) -> Ints:
        kind = self._network.link_kind
        return np.flatnonzero((kind == LinkKind.PIPE) | (kind == LinkKind.CVPIPE)).astype(np.int64)

    @cached_property
    def _solved(self) -> States:
        return self._states()

    def of(self, nodes: Ints) -> Floats:
        network, states = self._network, self._solved
        fixed = np.asarray(network.node_kind != NodeKind.JUNCTION)
        start, end = network.start.astype(np.int64), network.end.astype(np.int64)
        out = np.empty((len(states.head), len(nodes), len(self.pipes)))
        for k in range(len(states.head)):
            linear = linearise(network, states.head[k], states.flow[k], states.status[k])
            response = head_response(linear, start, end, fixed, nodes)
            out[k] = leak_response(response, start, end, self.pipes)
        return out


def linearise(network: Network, heads: Floats, flows: Floats, status: NDArray[Any]) -> Linear:
    """How each link answers to a small change, at one solved state. heads (N,) [m], flows, status (L,).

    status as in ``waterworks.hydraulics.Status``. An active PRV (PSV) holds the head downstream (upstream);
    an active flow control valve and a pump that does not run let no change pass. A running pump is given
    the slope of a curve h = 4/3 H - (H/3) (q/Q)^2 through its working point (H, Q),
    EPANET's one-point curve.
    """
    loss = heads[network.start] - heads[network.end]
    slope = pipe_slope(
        flows, network.length, network.diameter, network.roughness, network.minor_loss, loss, network.headloss
    )
    kind = network.link_kind
    q = np.maximum(np.abs(flows), 1e-6)
    valve = kind >= LinkKind.PRV
    slope = np.where(valve, np.maximum(2 * np.abs(loss) / q, 1e-2), slope)
    slope = np.where(kind == LinkKind.PUMP, np.maximum(2 / 3 * np.abs(loss) / q, 1e-2), slope)
    active = np.asarray(status) == Status.ACTIVE
    held = np.zeros(len(flows), np.int64)
    held[active & (kind == LinkKind.PRV)] = 1
    held[active & (kind == LinkKind.PSV)] = -1
    stands = (kind == LinkKind.PUMP) & (flows <= 1e-6)
    shut = (np.asarray(status) == Status.CLOSED) | (active & (kind == LinkKind.FCV)) | stands
    return Linear(np.where(shut & (held == 0), np.inf, slope), held)


class Locator:
    """Ranks the pipes of a DMA that leaks; without a model, names the sensors that felt it most."""

    def __init__(self, site: Site, store: ReadingStore, network: Network | None) -> None:
        self._site, self._store, self._network = site, store, network
        self.sensors = [s for s in site.sensors if s.quantity is Quantity.PRESSURE]
        self._signatures: Signatures | None = None
        if network is not None and site.network_file is not None:
            path = site.network_file
            self._signatures = Signatures(network, lambda: steady_states(path, STATE_HOURS))
        self._answers: dict[tuple[int, ...], Floats] = {}

    @cached_property
    def _midpoints(self) -> dict[str, tuple[float, float]]:
        assert self._network is not None
        return pipe_midpoints(self._site, self._network)

    def place(self, dma: str, span: Span) -> Place:
        """Pipes by probability and sensors by how much they felt."""
        inside = [s for s in self.sensors if s.dma == dma]
        use = inside if len(inside) >= 3 else self.sensors
        if not use or span.until <= span.onset:
            return self._by_length(dma)
        felt = self._felt([s.id for s in use], span)
        if felt is None:
            return self._by_length(dma)
        residual, covariance, weights = felt
        order, drops = nearest_sensors(residual, covariance)
        near = tuple(use[i].id for i, z in zip(order, drops, strict=True) if z > 2.0 and use[i].dma == dma)[
            :3
        ]
        evidence: dict[str, Any] = {
            "pressure_drop_m": {
                use[i].id: round(float(-residual[i]), 3) for i in order[:5] if np.isfinite(residual[i])
            }
        }
        network, signatures = self._network, self._signatures
        if network is None or signatures is None:
            return Place((), near, {**evidence, "located_by": "sensors"})
        known = [i for i, s in enumerate(use) if s.element in network.node_index]
        if not known:
            place = self._by_length(dma)
            return Place(place.suspects, near, {**evidence, **place.evidence})
        nodes = tuple(network.node_index[use[i].element] for i in known)
        if nodes not in self._answers:
            self._answers[nodes] = signatures.of(np.array(nodes))
        signature = np.tensordot(weights, self._answers[nodes], axes=1)
        p = pipe_probabilities(
            residual[known],
            covariance[np.ix_(known, known)],
            signature,
            max(span.flow, 0.0),
            max(span.sigma, 0.05 * abs(span.flow)),
            self._prior(dma),
        )
        return Place(self._suspects(p), near, {**evidence, "located_by": "model", "sensors": len(known)})

    def _felt(self, names: list[str], span: Span) -> tuple[Floats, Floats, Floats] | None:
        """Mean pressure residual since the onset (M,), its covariance, weight of each state hour (H,)."""
        first = span.onset - BEFORE_DAYS * 86400
        window = self._store.window(
            names,
            instant_of(first),
            instant_of(span.until),
            step=np.timedelta64(3600, "s"),
            exclude=UNUSABLE,
        )
        if not len(window.times):
            return None
        seconds = utc_seconds(window.times)
        local = local_time(seconds, 3600, self._site.timezone, self._site.monitor.holidays)
        hour = local.hour.astype(np.int64)
        start, end = self._site.monitor.night
        night = (hour >= start) & (hour < end) if start <= end else (hour >= start) | (hour < end)
        weight = np.where(night, NIGHT_WEIGHT, 1.0)
        before = seconds + 3600 <= span.onset
        since = (seconds >= max(span.onset, span.until - LONGEST_S)) & (seconds + 3600 <= span.until)
        if not since.any():  # younger than an hour of the clock
            since = seconds >= span.onset
        if not since.any() or not before.any():
            return None
        residual = seasonal_residual(window.values, hour, before)
        mean = _weighted(residual[since], weight[since])
        # The same hours of each day before are the measure of how far such a mean strays by itself.
        hours = np.unique(hour[since])
        days = np.unique(local.day[before])
        past = np.full((len(days), len(names)), np.nan)
        for i, day in enumerate(days):
            rows = before & (local.day == day) & np.isin(hour, hours)
            if rows.any():
                past[i] = _weighted(residual[rows], weight[rows])
        covariance = shrunk_covariance(past, LEAST_M)
        lasted = max(1.0, float(since.sum()) / 24)
        covariance = covariance / np.sqrt(lasted)  # days follow one another: less than independence gives
        at = np.zeros(len(STATE_HOURS))
        np.add.at(at, (np.round(hour[since] / 3).astype(np.int64)) % len(STATE_HOURS), weight[since])
        return mean, covariance, at / at.sum()

    def _prior(self, dma: str) -> Floats:
        """Weight of each pipe: its length within the DMA. A site that maps no node to it: of all pipes."""
        assert self._network is not None and self._signatures is not None
        network, pipes = self._network, self._signatures.pipes
        inside = np.array([self._site.node_dma.get(n) == dma for n in network.node_ids])
        at = inside[network.start[pipes]].astype(float) + inside[network.end[pipes]]
        length = np.maximum(network.length[pipes], 0.1)
        weight: Floats = length * at / 2 if at.any() else length
        return weight

    def _by_length(self, dma: str) -> Place:
        if self._signatures is None:
            return Place((), (), {"located_by": "inflow"})
        prior = self._prior(dma)
        return Place(self._suspects(prior / prior.sum()), (), {"located_by": "inflow"})

    def _suspects(self, p: Floats) -> tuple[Suspect, ...]:
        assert self._network is not None and self._signatures is not None
        best = np.argsort(-p, kind="stable")[:KEPT]
        out = []
        for i in best:
            if p[i] <= 0:
                break
            pipe = self._network.link_ids[int(self._signatures.pipes[i])]
            lon, lat = self._midpoints.get(pipe, (None, None))
            out.append(Suspect(pipe, float(p[i]), lon, lat))
        return tuple(out)


def _weighted(values: Floats, weight: Floats) -> Floats:
    ok = np.isfinite(values)
    w = np.where(ok, weight[:, None], 0.0)
    total = w.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: Floats = np.where(total > 0, (np.where(ok, values, 0.0) * w).sum(0) / total, np.nan)
    return mean
