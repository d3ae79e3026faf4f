"""The page of step tests: a plan, and what its flows say."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from analytics.step_plan import MOST_STEPS
from twuin.access import GuardedRoute, guarded_router, needs
from twuin.accounts.rights import Right
from twuin.alerts.model import PENDING, Kind
from twuin.views.models import AlertOut
from twuin.views.step_models import StepResultOut, StepTestOut
from twuin.views.step_test import DWELL_MIN, STEPS, StepDone
from twuin.views.views import Views
from twuin.web.entered import number, whole
from twuin.web.render import Page, Templates
from twuin.web.step_drawing import figure, look
from twuin.web.step_words import StepWords
from waterworks.errors import NotFound, WrongInput

DWELLS = (10, 15, 20, 30, 45, 60)
M3S = 1 / 3600


def step_page_routes(templates: Templates, views: Views) -> APIRouter:
    """/step-test."""
    routes = guarded_router(GuardedRoute)

    @routes.get("/step-test")
    @needs(Right.SEE)
    def shown(request: Request) -> Response:
        page = Page(templates, request, views.frame())
        asked = request.query_params
        words = StepWords(page.formats)
        dmas = views.step_tests.dmas()
        leaks = [
            a
            for a in views.alerts(state=PENDING, kind=(Kind.LEAK, Kind.NIGHT_FLOW), limit=100).items
            if a.dma in {d.id for d in dmas}
        ]
        dma, alert, unknown = _chosen(asked, [d.id for d in dmas], leaks, views)
        steps = whole(asked.get("steps"), 1, MOST_STEPS, STEPS)
        dwell = whole(asked.get("dwell"), 1, 240, round(DWELL_MIN))
        spare = asked.get("spare", "1") != "0"
        plan: StepTestOut | None = None
        result: StepResultOut | None = None
        problem = ""
        entered = {k: v[:400] for k, v in asked.items()}
        if dma:
            try:
                plan = views.step_tests.plan(dma, alert=alert, steps=steps, dwell_min=dwell, spare=spare)
            except NotFound:
                problem = page.formats.gettext("The network model does not say how water comes to this DMA.")
        if plan is not None and asked.get("judge"):
            try:
                before, done = entered_steps(entered, page.formats.zone)
                result = views.step_tests.evaluate(dma, done, alert=alert, before=before, dwell_min=dwell)
            except WrongInput as e:
                problem = words.problem(e)
        drawn = None
        if plan is not None:
            if result is None:
                areas = [*(s.pipes for s in plan.steps), plan.last.pipes]
                drawn = views.step_tests.drawing(dma, areas, [s.shut for s in plan.steps])
            else:
                drawn = views.step_tests.drawing(dma, [a.pipes for a in result.areas], [])
        return page.response(
            "step_test.html",
            dmas=dmas,
            leaks=leaks,
            dma=dma,
            alert=alert,
            unknown=unknown,
            steps=steps,
            dwell=dwell,
            dwells=sorted({*DWELLS, dwell}),
            spare=spare,
            most=MOST_STEPS,
            plan=plan,
            result=result,
            problem=problem,
            entered=entered,
            fields=0 if plan is None else max(len(plan.steps), _last_entered(entered)),
            judging=bool(asked.get("judge")),
            sw=words,
            figure=None if drawn is None else figure(drawn),
            look=look,
        )

    return routes


def _chosen(
    asked: Mapping[str, str], dmas: list[str], leaks: list[AlertOut], views: Views
) -> tuple[str, str, list[str]]:
    """DMA and alert that are asked for, and what is not known of it. ``of`` is either; ``dma`` and
    ``alert`` name them."""
    of = asked.get("of", "")
    alert = asked.get("alert", "") or (of.removeprefix("alert:") if of.startswith("alert:") else "")
    if alert:
        try:
            found = views.alert(alert)
        except NotFound:
            return (dmas[0] if dmas else ""), "", [alert[:40]]
        if found.dma in dmas:
            return found.dma, alert, []
        return (dmas[0] if dmas else ""), "", [alert[:40]]
    dma = asked.get("dma", "") or of
    if dma in dmas:
        return dma, "", []
    if not dma and leaks:
        return leaks[0].dma, leaks[0].id, []
    return (dmas[0] if dmas else ""), "", [dma[:40]] if dma else []


def entered_steps(entered: Mapping[str, str], zone: object) -> tuple[float | None, list[StepDone]]:
    """Flow before the first step [m3/s] and the steps that were made, from the fields of the form: v1, v2,
    ... valves, t1, ... local times, f0, f1, ... flows [m3/h]. Raises WrongInput."""
    before = _flow(entered.get("f0", ""), 0)
    done: list[StepDone] = []
    ended = 0
    for k in range(1, MOST_STEPS + 1):
        shut = tuple(entered.get(f"v{k}", "").replace(",", " ").replace(";", " ").split())
        flow, at = _flow(entered.get(f"f{k}", ""), k), _time(entered.get(f"t{k}", ""), zone, k)
        if flow is None and at is None:
            ended = ended or k
            continue
        if ended:
            raise WrongInput(f"step {ended} is empty, but a later one is not", "gap", step=ended)
        done.append(StepDone(shut, at, flow))
    return before, done


def _last_entered(entered: Mapping[str, str]) -> int:
    """The last step of which something was entered: a plan of today may have fewer than that of the test."""
    told = [k for k in range(1, MOST_STEPS + 1) if any(entered.get(f"{c}{k}", "").strip() for c in "ft")]
    return max(told, default=0)


def _flow(text: str, step: int) -> float | None:
    try:
        value = number(text)
    except WrongInput as e:
        raise WrongInput(str(e), e.code, **e.values, step=step) from None
    return None if value is None else value * M3S


def _time(text: str, zone: object, step: int) -> datetime | None:
    said = text.strip()
    if not said:
        return None
    try:
        local = datetime.fromisoformat(said)
        if not 1900 <= local.year < 2200:
            raise ValueError
        return (local if local.tzinfo else local.replace(tzinfo=zone)).astimezone(UTC)  # type: ignore[arg-type]
    except (ValueError, OverflowError):
        raise WrongInput(f"{said[:40]!r} is no time", "not_a_time", value=said[:40], step=step) from None
