"""Pages of planned works and known events: what is coming, one of them, and the form to enter them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import quote
from uuid import uuid4
from zoneinfo import ZoneInfo

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from twuin.access import GuardedRoute, guarded_router, needs
from twuin.access.current import current
from twuin.accounts.model import Via
from twuin.accounts.rights import Right
from twuin.views.views import Views
from twuin.views.works import WorkDetail, WorkOut, work_detail, work_out
from twuin.web.forms import Form, read_form
from twuin.web.planned_words import PlannedWords
from twuin.web.render import Page, Templates
from twuin.works.entry import local_time, make_plan
from twuin.works.model import Plan, StaleWork, WorkKind, WorkRefused
from twuin.works.service import WorkService
from waterworks.errors import NotFound

DAYS = 14
"""Days that the calendar shows."""

OVER_SHOWN = 30
"""Works that are over or cancelled, at most so many of them."""


@dataclass(frozen=True)
class Slot:
    """A work on one day: its hours there."""

    work: WorkOut
    start: datetime
    end: datetime


def work_page_routes(templates: Templates, views: Views) -> APIRouter:
    """/works."""
    routes = guarded_router(GuardedRoute)

    def works() -> WorkService:
        found = views.works
        assert found is not None  # there are no such routes without
        return found

    def page(request: Request) -> Page:
        return Page(templates, request, views.frame())

    @routes.get("/works")
    @needs(Right.SEE)
    def listed(request: Request, start: str = "") -> Response:
        p = page(request)
        now = works().now()
        zone = p.formats.zone
        today = now.astimezone(zone).date()
        first = _day(start) or today
        every = [work_out(w, works(), now) for w in works().works()]
        days = [first + timedelta(days=k) for k in range(DAYS)]
        by_day = _by_day(works(), every, days, zone)
        dmas = views.known_dmas
        return p.response(
            "works.html",
            pw=PlannedWords(p.formats),
            names={d.id: d.name for d in dmas},
            running=[w for w in every if w.state in ("now", "refilling")],
            coming=[w for w in every if w.state == "coming"],
            finished=sorted(
                (w for w in every if w.state in ("over", "cancelled")), key=lambda w: w.start, reverse=True
            )[:OVER_SHOWN],
            days=days,
            by_day=by_day,
            rows=_rows(by_day, [d.id for d in dmas]),
            today=today,
            before=(first - timedelta(days=DAYS)).isoformat(),
            after=(first + timedelta(days=DAYS)).isoformat(),
        )

    def form_page(
        p: Page,
        given: Mapping[str, object],
        *,
        work: WorkDetail | None = None,
        problem: str = "",
        done: str = "",
    ) -> Response:
        status = 409 if problem == "stale" else 422 if problem else 200
        return p.response(
            "work.html",
            status,
            pw=PlannedWords(p.formats),
            work=work,
            given=given,
            kinds=list(WorkKind),
            dmas=views.known_dmas,
            names={d.id: d.name for d in views.known_dmas},
            sensor_ids=[s.id for s in views.known_sensors],
            problem=problem,
            done=done,
            key=str(given.get("key") or uuid4().hex),
        )

    @routes.get("/works/new")
    @needs(Right.PLAN)
    def new(request: Request, alert: str = "", kind: str = "", dma: str = "") -> Response:
        p = page(request)
        given: dict[str, object] = {"kind": kind if kind in set(WorkKind) else WorkKind.FLUSHING.value}
        if dma:
            given["dmas"] = [dma]
        if alert:
            given |= _of_alert(views, p, alert, kind)
        return form_page(p, given)

    @routes.get("/works/{id}")
    @needs(Right.SEE)
    def one(request: Request, id: str, done: str = "") -> Response:
        p = page(request)
        found = works().get(id)
        shown = work_detail(found, works(), works().now())
        return form_page(p, _given(shown, p), work=shown, done=done)

    @routes.post("/works")
    @needs(Right.PLAN)
    async def enter(request: Request) -> Response:
        form = await read_form(request)
        return await run_in_threadpool(_enter, request, form)

    def _enter(request: Request, form: Form) -> Response:
        p = page(request)
        try:
            made = works().enter(_plan(form, p), actor=_actor(form), key=form.get("key", "")[:80])
        except WorkRefused as e:
            return form_page(p, _again(form), problem=e.field)
        return RedirectResponse(f"{p.base}/works/{quote(made.id)}?done=entered", 303)

    @routes.post("/works/{id}")
    @needs(Right.PLAN)
    async def act(request: Request, id: str) -> Response:
        form = await read_form(request)
        return await run_in_threadpool(_act, request, id, form)

    def _act(request: Request, id: str, form: Form) -> Response:
        p = page(request)
        said = form.get("version", "")
        version = int(said) if said.isascii() and said.isdigit() and len(said) < 10 else 0
        why, cancels = form.get("why", "")[:2000], form.get("action") == "cancel"
        try:
            if cancels:
                works().cancel(id, version=version, actor=_actor(form), note=why)
            else:
                works().change(id, _plan(form, p), version=version, actor=_actor(form), note=why)
        except StaleWork as e:
            shown = work_detail(e.current, works(), works().now())
            return form_page(p, _given(shown, p), work=shown, problem="stale")
        except WorkRefused as e:
            shown = work_detail(works().get(id), works(), works().now())
            return form_page(p, _again(form), work=shown, problem=e.field)
        word = "cancelled" if cancels else "changed"
        return RedirectResponse(f"{p.base}/works/{quote(id)}?done={word}", 303)

    return routes


def _actor(form: Form) -> str:
    asker = current()
    return form.get("actor", "").strip()[:80] if asker.via is Via.OPEN else asker.shown


def _plan(form: Form, p: Page) -> Plan:
    """The plan that a form asks for. WorkRefused names the field that is wrong."""
    kind, until = form.get("kind", ""), form.get("end", "")
    if kind not in set(WorkKind):
        raise WorkRefused("kind", "choose what kind of work it is")
    days = [int(d) for d in form.all("weekdays") if d in "0123456" and len(d) == 1]
    return make_plan(
        WorkKind(kind),
        local_time("start", form.get("start", ""), p.formats.zone),
        local_time("end", until, p.formats.zone) if until else None,
        dmas=form.all("dmas"),
        pipes=form.get("pipes", "").replace(",", " ").split(),
        sensors=form.get("sensors", "").replace(",", " ").split(),
        weekdays=sorted(set(days)),
        from_time=form.get("from_time", "") if days else "",
        to_time=form.get("to_time", "") if days else "",
        extra_m3h=_number(form, "extra_m3h"),
        no_supply="no_supply" in form,
        low_pressure="low_pressure" in form,
        silent="silent" in form,
        refill_h=_number(form, "refill_h"),
        note=form.get("note", ""),
    )


def _number(form: Form, name: str) -> float | None:
    said = form.get(name, "").strip().replace(",", ".")
    if not said:
        return None
    try:
        return float(said)
    except ValueError:
        raise WorkRefused(name, f"{said[:20]!r} is not a number") from None


def _again(form: Form) -> dict[str, object]:
    """What was given, to be put right."""
    flags = {name: name in form for name in ("no_supply", "low_pressure", "silent")}
    return {**form, **flags, "dmas": form.all("dmas"), "weekdays": form.all("weekdays")}


def _given(work: WorkOut, p: Page) -> dict[str, object]:
    """A work as its form has it."""
    return {
        **work.model_dump(),
        "kind": work.kind.value,
        "start": _typed(work.start, p),
        "end": "" if work.end is None else _typed(work.end, p),
        "pipes": " ".join(work.pipes),
        "sensors": " ".join(work.sensors),
        "weekdays": [str(d) for d in work.weekdays],
        "extra_m3h": p.formats.plain(work.extra_m3h),
        "refill_h": p.formats.plain(work.refill_h),
    }


def _of_alert(views: Views, p: Page, id: str, kind: str) -> dict[str, object]:
    """What an alert says of the work that may explain it; of a repair, of the refilling after it."""
    try:
        alert = views.alert(id)
    except NotFound:
        return {}
    start, end = alert.onset, alert.ended or p.present
    if kind == WorkKind.REFILLING.value and alert.repaired_at is not None:
        start, end = alert.repaired_at, alert.repaired_at + timedelta(hours=2)
    given: dict[str, object] = {"start": _typed(start, p), "end": _typed(end, p)}
    if alert.dma:
        given["dmas"] = [alert.dma]
    if alert.kind.value in ("silent", "sensor"):
        given |= {"sensors": " ".join(alert.evidence.get("sensors") or [alert.subject]), "kind": "meter"}
        given["dmas"] = []
    elif alert.kind.value in ("supply", "low_inflow"):
        given["no_supply"] = True
    else:
        given["extra_m3h"] = p.formats.plain(float(-(-abs(alert.flow_high_m3h) // 1)))
    return given


def _typed(when: datetime, p: Page) -> str:
    """A time as an input of type datetime-local has it."""
    return when.astimezone(p.formats.zone).strftime("%Y-%m-%dT%H:%M")


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 2000 <= found.year < 2100 else None


def _by_day(
    works: WorkService, every: list[WorkOut], days: list[date], zone: ZoneInfo
) -> dict[date, list[Slot]]:
    """What goes on on each day, by when it begins."""
    known = {w.id: w for w in every}
    first = datetime.combine(days[0], time.min, tzinfo=zone)
    last = datetime.combine(days[-1] + timedelta(days=1), time.min, tzinfo=zone)
    found: dict[date, list[Slot]] = {day: [] for day in days}
    for s in works.calendar().standing(first.timestamp(), last.timestamp()):
        if s.work not in known:
            continue
        start, end = datetime.fromtimestamp(s.start, UTC), datetime.fromtimestamp(s.end, UTC)
        # Hours of a night stand on the day on which they begin.
        short = end - start < timedelta(days=1)
        for day in days:
            if short and day not in (start.astimezone(zone).date(), days[0]):
                continue
            begin = datetime.combine(day, time.min, tzinfo=zone)
            if start < begin + timedelta(days=1) and end > begin:
                found[day].append(Slot(known[s.work], start, end))
    return found


def _rows(by_day: dict[date, list[Slot]], dmas: list[str]) -> list[tuple[str, list[list[Slot]]]]:
    """The same by DMA, those with nothing left out; "" for works on sensors in none."""
    found = []
    for dma in [*dmas, ""]:
        cells = [
            [s for s in slots if (dma in s.work.areas if dma else not s.work.areas)]
            for slots in by_day.values()
        ]
        if any(cells):
            found.append((dma, cells))
    return found
