"""The hydraulic truth: EPANET stepped through time, with chance in demand, holes in pipes and operations.

Time is cut into chunks of a day. At the start of each, EPANET begins anew from tank levels and link states
alone, so what follows depends on these few numbers and the time, not on how the run came there: a run that
is resumed from a checkpoint goes on bit by bit as if it had never stopped.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

import numpy as np
from epanet import toolkit
from numpy.typing import NDArray

from firmware_sim.bound import Bound
from firmware_sim.demands import DAY_S, Demands, utc_offsets
from firmware_sim.epanet_model import NO_EMITTER, EpanetModel
from firmware_sim.leaks import emitter, orifice, size
from firmware_sim.operations import Operations
from firmware_sim.scenario_model import EventKind
from waterworks.errors import TwuinError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

log = logging.getLogger(__name__)

WARM_UP = 1
"""Chunks computed and forgotten before the first, so that tanks and pumps are in their stride."""


class Measure(Enum):
    """What of a node or link a point observes."""

    PRESSURE = "pressure"  # pressure of a junction, level of a tank: head above the node [m]
    FLOW = "flow"  # flow of a link [m3/s]
    DEMAND = "demand"  # what customers take at a junction, leaks not counted [m3/s]


class Point(NamedTuple):
    """One observed value: of which node or link, and its sign."""

    measure: Measure
    place: str
    sign: float = 1.0


class Rows(NamedTuple):
    """Consecutive steps: time_s (T,) [s since 1970 UTC], values (T, P) [SI], leaks (T, K) [m3/s]."""

    time_s: Ints
    values: Floats
    leaks: Floats


@dataclass(frozen=True)
class TruthState:
    """All that the truth must remember at the start of a chunk. Plain numbers, for JSON."""

    chunk: int
    levels: dict[str, float] = field(default_factory=dict)
    links: dict[str, tuple[float, float]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As JSON-able values; floats survive exactly."""
        return {
            "chunk": self.chunk,
            "levels": self.levels,
            "links": {k: list(v) for k, v in self.links.items()},
        }

    @classmethod
    def from_json(cls, said: dict[str, Any]) -> TruthState:
        """Back from ``to_json``. TwuinError when it is something else."""
        try:
            links = {str(k): (float(v[0]), float(v[1])) for k, v in said["links"].items()}
            levels = {str(k): float(v) for k, v in said["levels"].items()}
            return cls(int(said["chunk"]), levels, links)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise TwuinError(f"not a state of the simulator's hydraulics: {error!r}") from None


class Truth:
    """Steps from the one at or before ``start`` on. Close it, or use it as a context.

    state: where to go on from, of a chunk at or before that of ``start``; None: from the file's tank levels
    after a day of warming up.
    """

    def __init__(
        self, bound: Bound, points: Sequence[Point], start: np.datetime64, state: TruthState | None = None
    ) -> None:
        scenario, site = bound.scenario, bound.site
        assert site.network_file is not None
        self._bound = bound
        self.step_s = scenario.step_s
        start_s = int(start.astype("datetime64[s]").astype(np.int64)) // self.step_s * self.step_s
        self._anchor_s = _anchor(bound)
        holes = [leak.hole for leak in bound.leaks]
        self._cuts = any(e.event.kind is EventKind.CLOSED for e in bound.events)
        self.model = EpanetModel(
            site.network_file, holes, self.step_s, scenario.model, scenario.seed, cuts=self._cuts
        )
        try:
            self._prepare(points)
            chunk = (start_s - self._anchor_s) // DAY_S
            if state is not None and state.chunk > chunk:
                log.warning("the simulator's checkpoint is of a later day than the start: tanks begin anew")
                state = None
            if state is None:
                state = TruthState(chunk - WARM_UP)
            self._chunk, self._step = state.chunk, 0
            self._earlier: TruthState | None = None
            self._levels = {self.model.nodes[k]: v for k, v in state.levels.items() if k in self.model.nodes}
            self._links = {self.model.links[k]: v for k, v in state.links.items() if k in self.model.links}
            while self.time_s < start_s:
                self._advance(None, None)
        except BaseException:
            self.model.close()
            raise

    def _prepare(self, points: Sequence[Point]) -> None:
        bound, model = self._bound, self.model
        zone = bound.site.timezone
        uses = [e for e in bound.events if e.event.kind is EventKind.USE]
        for use in uses:
            model.draw_at(model.nodes[use.event.node])
        names = list(model.nodes)
        groups = [bound.site.node_dma.get(names[node], "") for node in model.drawing]
        self._demands = Demands(
            model, bound.scenario.demand, bound.scenario.seed, zone, bound.holidays, groups
        )
        self._uses = [(model.drawing.index(model.nodes[u.event.node]), u) for u in uses]
        self._operations = Operations(model, bound.events, zone)
        self._carried = sorted(model.controlled())
        self._patterns = sorted(model.used_patterns())
        self._steps = DAY_S // self.step_s
        self._watch = {
            m: [(i, self._index(p), p.sign) for i, p in enumerate(points) if p.measure is m] for m in Measure
        }
        self._columns = {m: np.array([w[0] for w in ws], np.intp) for m, ws in self._watch.items()}
        self._indices = {m: np.array([w[1] for w in ws], np.intp) for m, ws in self._watch.items()}
        self._signs = {m: np.array([w[2] for w in ws]) for m, ws in self._watch.items()}
        self.width = len(points)
        self._file_emitter = {
            n: float(toolkit.getnodevalue(model.project, n + 1, toolkit.EMITTER)) for n in model.holes
        }
        self._nodes = sorted(set(model.holes))
        self.coefficients = self._leak_coefficients()

    def _index(self, point: Point) -> int:
        names = self.model.links if point.measure is Measure.FLOW else self.model.nodes
        return names[point.place]

    @property
    def chunk_start_s(self) -> int:
        """When the present chunk began [s since 1970]."""
        return self._anchor_s + self._chunk * DAY_S

    @property
    def time_s(self) -> int:
        """Instant of the next step [s since 1970]."""
        return self.chunk_start_s + self._step * self.step_s

    def state(self, at_s: int) -> TruthState:
        """What to remember to go on from ``at_s`` [s since 1970], which may lie in the chunk before."""
        if at_s < self.chunk_start_s and self._earlier is not None:
            return self._earlier
        nodes, links = list(self.model.nodes), list(self.model.links)
        return TruthState(
            self._chunk,
            {nodes[k]: v for k, v in self._levels.items()},
            {links[k]: v for k, v in self._links.items()},
        )

    def rows(self, count: int) -> Rows:
        """The next ``count`` steps."""
        time_s = np.empty(count, np.int64)
        values = np.empty((count, self.width))
        leaks = np.zeros((count, len(self.model.holes)))
        for row in range(count):
            time_s[row] = self.time_s
            self._advance(values[row], leaks[row])
        return Rows(time_s, values, leaks)

    # -- one step -----------------------------------------------------------------------------------

    def _advance(self, values: Floats | None, leaks: Floats | None) -> None:
        model, at_s, fresh = self.model, self.time_s, self._step == 0
        if fresh:
            self._begin_chunk()
        self._operations.apply(at_s, self.step_s, fresh=fresh)
        self._open_holes(fresh)
        model.solve(np.datetime_as_string(np.datetime64(at_s, "s"), timezone="UTC"))
        if values is not None:
            self._observe(values)
        if leaks is not None and len(leaks):
            self._observe_leaks(leaks)
        done = model.next()
        while done < self.step_s:
            model.solve(np.datetime_as_string(np.datetime64(at_s + done, "s"), timezone="UTC"))
            done += model.next()
        self._step += 1
        if self._step == self._steps:
            self._earlier = self.state(self.chunk_start_s)
            self._levels = model.levels()
            self._links = {link: model.link_state(link) for link in self._carried}
            self._chunk, self._step = self._chunk + 1, 0

    def _begin_chunk(self) -> None:
        model = self.model
        grid = self.chunk_start_s + self.step_s * np.arange(self._steps, dtype=np.int64)
        demands = self._demands.actual(grid, self._chunk)
        for column, use in self._uses:
            end = np.inf if use.span.end is None else use.span.end / 1e6
            active = (grid >= use.span.start / 1e6) & (grid < end)
            demands[active, column] += use.event.value
        model.set_demands(demands)
        for index in self._patterns:
            model.set_pattern(index, self._demands.pattern(index, grid))
        offset = int(utc_offsets(grid[:1], self._bound.site.timezone)[0])
        # An emitter that is 0 when EPANET begins lets nothing out, unlike one set to 0 later on.
        for node in self._nodes:
            model.set_emitter(node, self._file_emitter[node])
        self._now_open = {node: self._file_emitter[node] for node in self._nodes}
        model.begin(self._levels, self._links, (self.chunk_start_s + offset) % DAY_S)
        self._grown = np.stack(
            [
                size(leak.course, grid) * c
                for leak, c in zip(self._bound.leaks, self.coefficients, strict=True)
            ]
            or [np.empty(0)]
        )

    def _open_holes(self, fresh: bool) -> None:
        """Set the emitters; ``_share`` is each leak's part of its node's outflow."""
        if not self._nodes:
            return
        now = self._grown[:, self._step]
        if not fresh and np.array_equal(now, self._grown[:, self._step - 1]):
            return
        for node in self._nodes:
            total = self._file_emitter[node] + sum(
                float(c) for c, hole in zip(now, self.model.holes, strict=True) if hole == node
            )
            if total != self._now_open[node]:
                self.model.set_emitter(node, max(total, NO_EMITTER))
                self._now_open[node] = total

    def _observe(self, values: Floats) -> None:
        model = self.model
        for measure, what, scale in (
            (Measure.PRESSURE, toolkit.HEAD, 1.0),
            (Measure.DEMAND, toolkit.DEMANDFLOW, 1 / 3600),
        ):
            if len(self._indices[measure]):
                index = self._indices[measure]
                found = model.node_values(what)[index]
                if measure is Measure.PRESSURE:
                    found = found - model.elevation[index]
                    if self._cuts:  # air comes into a pipe that runs empty
                        found = np.maximum(found, 0.0)
                values[self._columns[measure]] = found * scale * self._signs[measure]
        if len(self._indices[Measure.FLOW]):
            found = model.link_values(toolkit.FLOW)[self._indices[Measure.FLOW]]
            values[self._columns[Measure.FLOW]] = found / 3600 * self._signs[Measure.FLOW]

    def _observe_leaks(self, leaks: Floats) -> None:
        now = self._grown[:, self._step]
        for k, node in enumerate(self.model.holes):
            if now[k] > 0:
                share = now[k] / max(self._now_open[node], NO_EMITTER)
                leaks[k] = self.model.emitted(node) * share / 3600

    def _leak_coefficients(self) -> list[float]:
        """Full emitter coefficient [m3/h/m^n] of each leak."""
        if not self._bound.leaks:
            return []
        nominal = self._nominal_pressures()
        model = self.model
        found = []
        for bound, usual in zip(self._bound.leaks, nominal, strict=True):
            leak = bound.leak
            pressure = usual if leak.pressure_m is None else leak.pressure_m
            if leak.flow_m3h is not None:
                flow = leak.flow_m3h
            else:
                assert leak.hole_mm is not None
                flow = orifice(leak.hole_mm, leak.discharge) * float(np.sqrt(pressure))
            found.append(emitter(flow, pressure, model.exponent))
        return found

    def _nominal_pressures(self) -> list[float]:
        """Mean pressure [m], at least 1, of a nominal day at each hole, with nothing leaking."""
        model, hours = self.model, range(0, 24, 2)
        monday_s = self._anchor_s + 7 * DAY_S * 2900 + 4 * DAY_S
        sums = np.zeros(len(model.holes))
        for hour in hours:
            grid = np.array([monday_s + hour * 3600], np.int64)
            model.set_demands(self._demands.nominal(grid))
            for index in self._patterns:
                model.set_pattern(index, self._demands.pattern(index, grid))
            model.begin({}, {}, hour * 3600)
            model.solve(f"hour {hour} of a nominal day")
            sums += np.array([model.pressure(node) for node in model.holes])
        return [max(float(p), 1.0) for p in sums / len(hours)]

    def close(self) -> None:
        """Release EPANET."""
        self.model.close()

    def __enter__(self) -> Truth:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _anchor(bound: Bound) -> int:
    """Chunks begin at local midnight by the zone's standard time: seconds from 1970 UTC, modulo a day."""
    january, july = np.array([1_262_304_000]), np.array([1_277_942_400])  # 2010: of the two, the lesser
    zone = bound.site.timezone
    return -min(int(utc_offsets(january, zone)[0]), int(utc_offsets(july, zone)[0]))
