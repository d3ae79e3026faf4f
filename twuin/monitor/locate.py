"""Where in a DMA: pressures since the onset against what a leak at each pipe would do to them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.model.work import Work
from analytics.ranking import nearest_sensors, pipe_probabilities, seasonal_residual, shrunk_covariance
from analytics.sensitivity import (
    LEAST_FLOW,
    LEAST_SLOPE,
    Finite,
    Law,
    Linear,
    head_response,
    leak_response,
    pipe_law,
    pipe_slope,
    pump_slope,
)
from twuin.alerts.model import Suspect
from twuin.monitor.engine import UNUSABLE
from twuin.monitor.grid import instant_of, local_time, utc_seconds
from twuin.monitor.search import Area, area
from waterworks.errors import NetworkError
from waterworks.geo import pipe_midpoints
from waterworks.hydraulics import States, Status, steady_states
from waterworks.network import LinkKind, Network, NodeKind
from waterworks.ports import ReadingStore
from waterworks.site import Site
from waterworks.units import Quantity

log = logging.getLogger(__name__)

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

CANDIDATES = 100
"""Pipes whose answer to a leak of the real size is worked out."""

FIRST_SIGMA, FIRST_ERROR = 0.5, 0.3
"""Of the first round: freedom of the leak's size, error of answers, both as shares."""

SECOND_SIGMA, SECOND_ERROR = 0.2, 0.1
"""Of the second round. A Hazen-Williams C that is 10 % off moves head losses by 1.852 * 10 %, everywhere
alike (old pipes are rougher than the model says) rather than here and there."""

ON_CURVE = 0.02
"""How near a pump's curve its head must be to be taken for working on it, as a share."""

AT_ONCE = 8
"""Junctions that one piece of this work takes: some milliseconds in a network of a thousand pipes."""

KEPT = 20
"""Suspects that a finding carries."""


@dataclass(frozen=True)
class Place:
    """Where it is, as far as can be told."""

    suspects: tuple[Suspect, ...] = ()
    near: tuple[str, ...] = ()
    evidence: dict[str, Any] = field(default_factory=dict)
    area: Area | None = None


NOWHERE = Place()


class Span(NamedTuple):
    """[onset, until) [s since 1970] that the pressures are taken from, and the leak's size [m3/s]."""

    onset: int
    until: int
    flow: float
    sigma: float


@dataclass(frozen=True)
class State:
    """One solved state of the network, ready to answer what a leak would do."""

    linear: Linear
    law: Law
    flow: Floats


class Model:
    """A network's answers to leaks, at the hours ``STATE_HOURS`` of its nominal day."""

    def __init__(self, network: Network, states: Callable[[], States]) -> None:
        self._network, self._solve = network, states
        kind = network.link_kind
        self.pipes: Ints = np.flatnonzero((kind == LinkKind.PIPE) | (kind == LinkKind.CVPIPE)).astype(
            np.int64
        )
        self.start, self.end = network.start.astype(np.int64), network.end.astype(np.int64)
        self.fixed = np.asarray(network.node_kind != NodeKind.JUNCTION)
        self._linear: dict[tuple[int, ...], Floats] = {}
        self._finite: dict[int, Finite] = {}

    @cached_property
    def states(self) -> list[State]:
        solved = self._solve()
        return [
            linearise(self._network, head, flow, status)
            for head, flow, status in zip(solved.head, solved.flow, solved.status, strict=True)
        ]

    def unit(self, sensors: Ints) -> Floats:
        """Answers to a small leak in the middle of each pipe, (H, M, P) [m per m3/s]."""
        key = tuple(sensors.tolist())
        if key not in self._linear:
            self._linear[key] = np.stack(
                [
                    leak_response(
                        head_response(s.linear, self.start, self.end, self.fixed, sensors),
                        self.start,
                        self.end,
                        self.pipes,
                    )
                    for s in self.states
                ]
            )
        return self._linear[key]

    def finite(self, sensors: Ints, pipes: Ints, flow: float, weights: Floats) -> Work[Floats]:
        """Answers to a leak of ``flow`` in the middle of ``pipes`` (indices of ``self.pipes``), (M, K) [m].

        weights (H,): of the states; only the three heaviest are asked.
        """
        ends = np.stack([self.start[self.pipes[pipes]], self.end[self.pipes[pipes]]])
        nodes, back = np.unique(ends, return_inverse=True)
        total = np.zeros((len(sensors), len(nodes)))
        heaviest = np.argsort(-weights, kind="stable")[:3]
        for h in heaviest[weights[heaviest] > 0].tolist():
            if h not in self._finite:
                s = self.states[h]
                self._finite[h] = Finite(s.linear, s.law, s.flow, self.start, self.end, self.fixed)
            for k in range(0, len(nodes), AT_ONCE):
                some = slice(k, k + AT_ONCE)
                total[:, some] += weights[h] * self._finite[h].response(sensors, nodes[some], flow)
                yield
        total /= weights[heaviest].sum()
        at = back.reshape(ends.shape)
        answer: Floats = 0.5 * (total[:, at[0]] + total[:, at[1]])
        return answer


def linearise(network: Network, head: Floats, flow: Floats, status: NDArray[Any]) -> State:
    """How each link answers to a change, at one solved state. head (N,) [m], flow, status (L,).

    status as in ``waterworks.hydraulics.Status``. An active PRV (PSV) holds the head downstream (upstream);
    an active flow control valve and a pump that does not run let no change pass. A running pump is given
    the slope of its curve; where it works off that (at another speed), or has none, the slope of a curve
    h = 4/3 H - (H/3) (q/Q)^2 through its working point (H, Q), EPANET's one-point curve.
    """
    kind = network.link_kind
    loss = head[network.start] - head[network.end]
    is_pipe = kind <= LinkKind.PIPE
    law = pipe_law(
        flow,
        network.length,
        np.where(is_pipe, network.diameter, 0.0),
        network.roughness,
        network.minor_loss,
        loss,
        network.headloss,
    )
    q = np.maximum(np.abs(flow), LEAST_FLOW)
    slope = np.where(is_pipe, pipe_slope(law, flow), np.maximum(2 * np.abs(loss) / q, LEAST_SLOPE))
    slope = np.where(kind == LinkKind.PUMP, np.maximum(2 / 3 * np.abs(loss) / q, LEAST_SLOPE), slope)
    for pump, points in network.pump_curves.items():
        speed = network.setting[pump]
        added, steep = pump_slope(points, float(flow[pump]), float(speed) if speed > 0 else 1.0)
        if abs(added + loss[pump]) < ON_CURVE * abs(loss[pump]):
            slope[pump] = max(steep, LEAST_SLOPE)
    active = np.asarray(status) == Status.ACTIVE
    held = np.zeros(len(flow), np.int64)
    held[active & (kind == LinkKind.PRV)] = 1
    held[active & (kind == LinkKind.PSV)] = -1
    stands = (kind == LinkKind.PUMP) & (flow <= LEAST_FLOW)
    shut = (np.asarray(status) == Status.CLOSED) | (active & (kind == LinkKind.FCV)) | stands
    return State(Linear(np.where(shut & (held == 0), np.inf, slope), held), law, flow)


class Locator:
    """Ranks the pipes of a DMA that leaks; without a model, names the sensors that felt it most."""

    def __init__(self, site: Site, store: ReadingStore, network: Network | None) -> None:
        self._site, self._store, self._network = site, store, network
        self.sensors = [s for s in site.sensors if s.quantity is Quantity.PRESSURE]
        self._model: Model | None = None
        if network is not None and site.network_file is not None:
            path = site.network_file
            self._model = Model(network, lambda: steady_states(path, STATE_HOURS))

    def prepare(self) -> None:
        """Solve the model now rather than with the first leak."""
        if self._model is not None:
            with suppress(NetworkError):  # that is said where a leak is to be placed
                self._model.states  # noqa: B018
            self._midpoints  # noqa: B018

    @cached_property
    def _midpoints(self) -> dict[str, tuple[float, float]]:
        assert self._network is not None
        return pipe_midpoints(self._site, self._network)

    def place(self, dma: str, span: Span) -> Work[Place]:
        """Pipes by probability and sensors by how much they felt."""
        inside = [s for s in self.sensors if s.dma == dma]
        use = inside if len(inside) >= 3 else self.sensors
        if not use or span.until <= span.onset:
            return self._by_length(dma)
        felt = self._felt([s.id for s in use], span)
        if felt is None:
            return self._by_length(dma)
        yield
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
        network, model = self._network, self._model
        if network is None or model is None:
            return Place((), near, {**evidence, "located_by": "sensors"})
        known = [i for i, s in enumerate(use) if s.element in network.node_index]
        if not known:
            place = self._by_length(dma)
            return Place(place.suspects, near, {**evidence, **place.evidence}, place.area)
        nodes = np.array([network.node_index[use[i].element] for i in known], np.int64)
        measured = residual[known], covariance[np.ix_(known, known)]
        try:
            p = yield from self._probabilities(model, nodes, *measured, weights, self._prior(dma), span)
        except NetworkError as e:  # a model that cannot be solved must not cost the alert
            log.warning("no pipes are ranked: %s", e)
            self._model = None
            return Place((), near, {**evidence, "located_by": "sensors", "model_trouble": str(e)})
        found = {**evidence, "located_by": "model", "sensors": len(known)}
        return Place(self._suspects(p), near, found, area(network, model.pipes, p))

    def _probabilities(
        self,
        model: Model,
        nodes: Ints,
        residual: Floats,
        covariance: Floats,
        weights: Floats,
        prior: Floats,
        span: Span,
    ) -> Work[Floats]:
        """Probability of each pipe: first by answers to a small leak, then for the best by its real size.

        Head loss grows faster than flow, so that a leak of its own district's size is felt up to twice as
        much as a small one scaled up, and not everywhere alike; its size is no guide in the first round.
        """
        flow = max(span.flow, 1e-9)
        unit = np.tensordot(weights, model.unit(nodes), axes=1)
        first = pipe_probabilities(residual, covariance, unit, flow, FIRST_SIGMA * flow, prior, FIRST_ERROR)
        best = np.argsort(-first, kind="stable")[:CANDIDATES]
        best = best[prior[best] > 0]
        yield
        answer = (yield from model.finite(nodes, best, flow, weights)) / flow
        sigma = max(span.sigma, SECOND_SIGMA * flow)
        out = np.zeros(len(prior))
        out[best] = pipe_probabilities(residual, covariance, answer, flow, sigma, prior[best], SECOND_ERROR)
        return out

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
        assert self._network is not None and self._model is not None
        network, pipes = self._network, self._model.pipes
        inside = np.array([self._site.node_dma.get(n) == dma for n in network.node_ids])
        at = inside[network.start[pipes]].astype(float) + inside[network.end[pipes]]
        length = np.maximum(network.length[pipes], 0.1)
        weight: Floats = length * at / 2 if at.any() else length
        return weight

    def _by_length(self, dma: str) -> Place:
        if self._model is None:
            return Place((), (), {"located_by": "inflow"})
        assert self._network is not None
        prior = self._prior(dma)
        where = area(self._network, self._model.pipes, prior)
        return Place(self._suspects(prior / prior.sum()), (), {"located_by": "inflow"}, where)

    def _suspects(self, p: Floats) -> tuple[Suspect, ...]:
        assert self._network is not None and self._model is not None
        return suspects(self._network, self._model.pipes, p, self._midpoints)


def suspects(
    network: Network, pipes: Ints, probability: Floats, midpoints: dict[str, tuple[float, float]]
) -> tuple[Suspect, ...]:
    """The likeliest of ``pipes`` (P,), indices of links, with their probability (P,) and their place."""
    out = []
    for i in np.argsort(-probability, kind="stable")[:KEPT]:
        if probability[i] <= 0:
            break
        pipe = network.link_ids[int(pipes[i])]
        lon, lat = midpoints.get(pipe, (None, None))
        out.append(Suspect(pipe, float(probability[i]), lon, lat))
    return tuple(out)


def _weighted(values: Floats, weight: Floats) -> Floats:
    ok = np.isfinite(values)
    w = np.where(ok, weight[:, None], 0.0)
    total = w.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: Floats = np.where(total > 0, (np.where(ok, values, 0.0) * w).sum(0) / total, np.nan)
    return mean
