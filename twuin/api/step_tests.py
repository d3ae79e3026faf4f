"""Step tests: which valves to shut in which order to corner a leak, and what the flows then say."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from analytics.step_plan import MOST_STEPS
from twuin.access import guarded_router, needs
from twuin.accounts.rights import Right
from twuin.api.params import PREFIX, DmaId, When
from twuin.views.models import Model
from twuin.views.step_models import StepResultOut, StepTestOut
from twuin.views.step_test import DWELL_MIN, STEPS, StepDone
from twuin.views.views import Views

_NAMED: dict[int | str, dict[str, Any]] = {404: {}}

Flow = Annotated[
    float | None, Field(ge=-1e5, le=1e5, allow_inf_nan=False, description="null: read from the inlet meters")
]
Alert = Annotated[str, Query(max_length=80, description="Id of an alert: go by its suspect pipes")]
Dwell = Annotated[float, Query(ge=1, le=240, description="Minutes for which the inflow is read")]


class StepMade(Model):
    """A step as it was made."""

    shut: list[Annotated[str, Field(max_length=80)]] = Field(
        max_length=500,
        description="Ids of the valves that were shut; of the model's pipes where none are listed",
    )
    at: When | None = Field(None, description="When they were shut; needed where no flow is given")
    flow_m3h: Flow = None


class StepTestMade(Model):
    """A step test as it was made."""

    alert: str = Field("", max_length=80)
    before_m3h: Flow = None
    dwell_min: float = Field(DWELL_MIN, ge=1, le=240)
    steps: list[StepMade] = Field(min_length=1, max_length=MOST_STEPS)


def step_test_routes(views: Views) -> APIRouter:
    """/dmas/{id}/step-test."""
    routes = guarded_router(prefix=PREFIX, tags=["network"])

    @routes.get("/dmas/{id}/step-test", summary="A step test to corner a leak", responses=_NAMED)
    @needs(Right.SEE)
    def plan(
        id: DmaId,
        alert: Alert = "",
        steps: Annotated[int, Query(ge=1, le=MOST_STEPS, description="At most so many")] = STEPS,
        dwell_min: Dwell = DWELL_MIN,
        spare_critical: Annotated[
            bool, Query(description="Critical customers whose place is known keep their water")
        ] = True,
    ) -> StepTestOut:
        """Which valves to shut, one sub-area after another towards the inlet, so that the drops of inflow say
        most about where the leak is, with few valves. docs/step-test.md says how it is worked out."""
        return views.step_tests.plan(id, alert=alert, steps=steps, dwell_min=dwell_min, spare=spare_critical)

    @routes.post("/dmas/{id}/step-test/evaluation", summary="What a step test's flows say", responses=_NAMED)
    @needs(Right.SEE)
    def evaluation(id: DmaId, made: StepTestMade) -> StepResultOut:
        """Changes nothing. The steps may be others than those that were planned: what each took the water
        from follows from its valves. Flows that are not given are means of the inlet meters' readings from
        three minutes after a step's time up to the next one's."""
        steps = [StepDone(tuple(s.shut), s.at, _m3s(s.flow_m3h)) for s in made.steps]
        before = _m3s(made.before_m3h)
        return views.step_tests.evaluate(id, steps, alert=made.alert, before=before, dwell_min=made.dwell_min)

    return routes


def _m3s(flow_m3h: float | None) -> float | None:
    return None if flow_m3h is None else flow_m3h / 3600
