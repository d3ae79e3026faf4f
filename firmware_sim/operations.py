"""What operators do to valves and pumps during a run, applied to the model step by step."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from firmware_sim.bound import BoundEvent
from firmware_sim.epanet_model import EpanetModel
from firmware_sim.scenario_model import EventKind


class Operations:
    """Applies events to a model. What holds at a time depends on that time only, so a run can be resumed."""

    def __init__(self, model: EpanetModel, events: Sequence[BoundEvent], zone: ZoneInfo) -> None:
        self._model, self._zone = model, zone
        self._events = [e for e in events if e.event.kind is not EventKind.USE]
        self._initial = {e.event.link: model.initial(model.links[e.event.link]) for e in self._events}

    def apply(self, at_s: int, step_s: int, *, fresh: bool) -> None:
        """Bring the model to what holds at ``at_s`` [s since 1970]; ``fresh``: it has just begun anew."""
        for one in self._events:
            now, before = self._state(one, at_s), self._state(one, at_s - step_s)
            if now != before or (fresh and now is not None):
                self._set(one, now)

    def _state(self, one: BoundEvent, at_s: int) -> float | None:
        """What an event asks for at a time: a setting, on (1) or off (0), None: nothing."""
        if not one.span.overlaps(at_s * 1_000_000, at_s * 1_000_000 + 1):
            return None
        if one.event.kind is EventKind.CLOSED:
            return 0.0
        if one.event.kind is EventKind.PUMP_HOURS:
            return float(self._in_hours(one.event.hours, at_s))
        return one.event.value

    def _in_hours(self, spans: Sequence[tuple[float, float]], at_s: int) -> bool:
        local = datetime.fromtimestamp(at_s, UTC).astimezone(self._zone)
        hour = local.hour + local.minute / 60 + local.second / 3600
        return any(a <= hour < b if a <= b else (hour >= a or hour < b) for a, b in spans)

    def _set(self, one: BoundEvent, state: float | None) -> None:
        link = self._model.links[one.event.link]
        on, setting = self._initial[one.event.link]
        if one.event.kind in (EventKind.VALVE_SETTING, EventKind.PUMP_SPEED):
            self._model.set_setting(link, setting if state is None else state)
            return
        self._model.set_controls(link, state is None)
        self._model.set_status(link, on if state is None else bool(state))
