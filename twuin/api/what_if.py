"""What another setting of a pressure reducing valve would do."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from twuin.access import guarded_router, needs
from twuin.accounts.rights import Right
from twuin.api.params import PREFIX
from twuin.views.views import Views
from twuin.views.what_if import schedule
from twuin.views.what_if_models import PrvOut, WhatIfOut

_NAMED: dict[int | str, dict[str, Any]] = {404: {}}

Set = Annotated[
    float,
    Query(ge=0, le=400, allow_inf_nan=False, description="Set pressure behind the valve [m]", examples=[30]),
]
NightSet = Annotated[
    float | None, Query(ge=0, le=400, allow_inf_nan=False, description="Another one from `from_h` to `to_h`")
]
Hour = Annotated[int, Query(ge=0, le=23, description="Hour of the day, local")]


def what_if_routes(views: Views) -> APIRouter:
    """/valves."""
    routes = guarded_router(prefix=PREFIX, tags=["losses"])

    @routes.get("/valves", summary="Pressure reducing valves of the network model")
    @needs(Right.SEE)
    def valves() -> list[PrvOut]:
        return views.what_ifs.valves()

    @routes.get("/valves/{id}/what-if", summary="What another setting would do", responses=_NAMED)
    @needs(Right.SEE)
    def what_if(
        id: Annotated[
            str, Path(description="Id of a reducing valve of the network model", examples=["PRV-1"])
        ],
        set_m: Set,
        night_m: NightSet = None,
        from_h: Hour = 22,
        to_h: Hour = 5,
        n1: Annotated[
            float | None, Query(ge=0.36, le=2.95, description="FAVAD exponent instead of the DMAs' own")
        ] = None,
    ) -> WhatIfOut:
        """Pressure by the hour on the network model, water saved by FAVAD with 95 % limits, customers below
        the service pressure. docs/what-if.md says how it is worked out and what it leaves out."""
        return views.what_ifs.of(id, schedule(set_m, night_m, from_h, to_h), n1)

    return routes
