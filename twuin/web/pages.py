"""The pages: each route gathers read models and hands them to its template."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta
from typing import Annotated
from urllib.parse import quote
from uuid import uuid4

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from twuin.access import GuardedRoute, guarded_router, needs
from twuin.access.current import current, permit
from twuin.accounts.model import Via
from twuin.accounts.rights import RIGHT_OF_ACTION, Anyone, Right
from twuin.alerts.model import PENDING, Kind, State
from twuin.alerts.service import AlertService, StaleAlert
from twuin.alerts.steps import STEPS, TransitionRefused
from twuin.alerts.work import Cause, LeakType, Method
from twuin.residents.parts import Residents
from twuin.views.away import unless_away
from twuin.views.ledger_models import LedgerCounts
from twuin.views.models import AlertOut, DmaState, NightFlow, SensorOut
from twuin.views.urgent import Order
from twuin.views.views import Views
from twuin.web.alert_form import NEXT, asked_by, closing
from twuin.web.figures import dma_marks, map_data, running
from twuin.web.forms import Form, read_form
from twuin.web.locales import LANGUAGES
from twuin.web.loss_words import LossWords
from twuin.web.render import (
    ACTOR_COOKIE,
    LANGUAGE_COOKIE,
    ORDER_COOKIE,
    THEME_COOKIE,
    THEMES,
    Page,
    Templates,
)
from twuin.web.security import local_path

RANGES = {"1d": 1, "7d": 7, "28d": 28, "90d": 90, "1y": 365}
"""Days of history that a chart shows, by the name in its address."""

NIGHT_RANGES = {"28d": 28, "90d": 90, "1y": 365, "all": 36_500}
"""Nights of history that a chart shows, by the name in its address."""

LOSS_RANGES = {"7d": 7, "28d": 28, "90d": 90, "1y": 365}
"""Days that losses are reported over, by the name in their address."""

LOUD = (Kind.LEAK, Kind.REPORTED, Kind.LOW_INFLOW, Kind.SUPPLY, Kind.NIGHT_FLOW, Kind.SENSOR)
"""Alerts about water and what measures it. Silences of sensors may be dozens: they stand behind these."""

_URGENCY = (*LOUD, Kind.SILENT)
_YEAR = 31_536_000  # seconds that a choice of language or theme is kept


def page_routes(
    templates: Templates, views: Views, alerts: AlertService, residents: Residents | None = None
) -> APIRouter:
    """All pages, over one site's read models and alerts, and residents' reports where there are any."""
    routes = guarded_router(GuardedRoute)

    def page(request: Request) -> Page:
        return Page(templates, request, views.frame())

    def living() -> list[AlertOut]:
        """Alerts not known to be over: those that nobody has taken on and that are worth it, leaks first."""
        found = [
            alert
            for kinds in (LOUD, (Kind.SILENT,))
            for alert in views.alerts(state=PENDING, kind=kinds, limit=100).items
        ]
        return sorted(found, key=lambda a: (a.state is not State.OPEN, a.watched, _URGENCY.index(a.kind)))

    @routes.get("/")
    @needs(Right.SEE)
    def overview(request: Request) -> Response:
        p = page(request)
        dmas, current = views.dmas(), living()
        closed = views.alerts(state=(State.VERIFIED, State.CLOSED), kind=LOUD, limit=5).items
        data = map_data(p.known_site, dmas, views.sensors(), current, p.words, base=p.base)
        leaks = running(current)
        return p.response(
            "overview.html",
            dmas=dmas,
            alerts=current,
            closed=closed,
            leaks=leaks,
            map=data,
        )

    @routes.get("/alerts")
    @needs(Right.SEE)
    def alert_list(
        request: Request,
        state: str = "",
        kind: str = "",
        dma: str = "",
        order: str = "",
        cursor: str = "",
    ) -> Response:
        p = page(request)
        kept = request.cookies.get(ORDER_COOKIE, "")
        by = next((Order(o) for o in (order, kept) if o in set(Order)), Order.URGENT)
        chosen = {
            "state": state if state in set(State) else "",
            "kind": kind if kind in set(Kind) else "",
            "dma": dma,
            "order": by.value,
        }
        wanted = State(chosen["state"]) if chosen["state"] else None
        found = views.alerts(
            state=wanted,
            kind=Kind(chosen["kind"]) if chosen["kind"] else LOUD,
            dma=dma or None,
            order=by,
            cursor=cursor or None,
            limit=50,
        )
        silent = None
        if not chosen["kind"] and not cursor:
            silent = views.alerts(state=wanted, kind=Kind.SILENT, dma=dma or None, order=by, limit=50)
        more = "&".join(f"{name}={quote(value)}" for name, value in chosen.items() if value)
        answer = p.response(
            "alerts.html",
            alerts=[*found.items, *(silent.items if silent else ())],
            more_silent="&".join(filter(None, (more, "kind=silent"))) if silent and silent.next else None,
            unknown=[
                v[:40]
                for v, known in (
                    (state, chosen["state"]),
                    (kind, chosen["kind"]),
                    (order, order in set(Order)),
                )
                if v and not known
            ],
            next=f"?{more}&cursor={quote(found.next)}" if found.next else None,
            waiting=waiting_reports(),
            chosen=chosen,
            states=list(State),
            kinds=list(Kind),
            dmas=views.known_dmas,
        )
        if order == by:
            answer.set_cookie(ORDER_COOKIE, order, max_age=_YEAR, httponly=True, samesite="lax")
        return answer

    def waiting_reports() -> int:
        """How many reports of residents wait for a person, for who may act on them."""
        if residents is None or not current().may(Right.ACT):
            return 0
        return sum(residents.desk.counts(current().dmas).values())

    def alert_response(p: Page, id: str, *, done: str = "", problem: str = "", status: int = 200) -> Response:
        alert = views.alert(id)

        def measured() -> tuple[list[DmaState], list[SensorOut], list[NightFlow]]:
            nights = nights_of(p, alert) if alert.kind is Kind.NIGHT_FLOW else []
            return views.dmas(), views.sensors(), nights

        # An alert is read and acted on while the readings are away, too: the map is then bare. A store that
        # hangs is waited for once, not for each part.
        found = None if p.away else unless_away(measured, None)
        p.bare = found is None
        dmas, sensors, nights = found or ([], [], [])
        shown = {*alert.near, alert.subject}
        near = [s for s in sensors if s.id in shown]
        lead = timedelta(days=1) if alert.kind in (Kind.SILENT, Kind.SENSOR) else timedelta(days=3)
        data = map_data(p.known_site, dmas, sensors, [alert], p.words, base=p.base, closed_too=True)
        data["area"] = {a.pipe: a.share for a in alert.area}
        return p.response(
            "alert.html",
            status,
            alert=alert,
            near=near,
            map=data,
            start=alert.onset - lead,
            end=min(p.present, (alert.ended or p.present) + timedelta(days=1)),
            nights=nights,
            reference=p.words.reference_m3h(alert),
            reasons=closing(alert),
            causes=list(Cause),
            leak_types=list(LeakType),
            methods=list(Method),
            others=[a for a in living() if a.id != alert.id and not a.duplicate_of][:50],
            next_step=NEXT[alert.state],
            key=uuid4().hex,
            actor=p.request.cookies.get(ACTOR_COOKIE, ""),
            permitted={action for action, right in RIGHT_OF_ACTION.items() if current().may(right)},
            done=done,
            problem=problem,
            facts=_facts(alert),
            run_shown=alert.run is not None and alert.run.location_h is not None,
            photos=views.photos.of(id),
            photo_step={s.action: s.done for s in STEPS},
            isolation=views.field.isolation_of(alert),
            present=p.present,
        )

    def nights_of(p: Page, alert: AlertOut) -> list[NightFlow]:
        """The nights around an alert: some weeks before it began, up to some after it ended."""
        first = (alert.onset - timedelta(days=56)).date()
        last = ((alert.ended or p.present) + timedelta(days=14)).date()
        every = views.night_flows(alert.dma, days=NIGHT_RANGES["all"])
        return [n for n in every if first <= n.night <= last]

    @routes.get("/alerts/{id}")
    @needs(Right.SEE)
    def alert_page(request: Request, id: str, done: str = "") -> Response:
        return alert_response(page(request), id, done=done)

    @routes.post("/alerts/{id}")
    @needs(Right.WORK)
    async def act(request: Request, id: str) -> Response:
        form = await read_form(request)
        return await run_in_threadpool(_act, request, id, form)

    def _act(request: Request, id: str, form: Form) -> Response:
        p, asker = page(request), current()
        action = form.get("action", "")
        actor = form.get("actor", "").strip()[:80] if asker.via is Via.OPEN else asker.shown
        if action in RIGHT_OF_ACTION:  # what is none is refused below
            permit(RIGHT_OF_ACTION[action])
        version = form.get("version", "")
        try:
            alerts.act(
                id,
                action,
                version=int(version) if version.isascii() and version.isdigit() else 0,
                note=form.get("note", "")[:2000],
                actor=actor,
                key=form.get("key", "")[:80],
                **asked_by(form),
            )
        except StaleAlert:
            return alert_response(p, id, problem="stale", status=409)
        except TransitionRefused:
            return alert_response(p, id, problem="refused", status=422)
        answer = RedirectResponse(f"{p.base}/alerts/{quote(id)}?done={quote(action)}", 303)
        if asker.via is Via.OPEN:
            answer.set_cookie(ACTOR_COOKIE, quote(actor), max_age=_YEAR, httponly=True, samesite="lax")
        return answer

    @routes.get("/dmas/{id}")
    @needs(Right.SEE)
    def dma_page(request: Request, id: str, range: str = "7d", nights: str = "90d") -> Response:
        p = page(request)
        dma = views.dma(id)
        span, night_span = _known(range, RANGES, "7d"), _known(nights, NIGHT_RANGES, "90d")
        found = views.alerts(dma=id, kind=LOUD, limit=20).items
        silent = views.alerts(dma=id, kind=Kind.SILENT, limit=50).items
        high = (a for a in found if a.kind is Kind.NIGHT_FLOW and a.ended is None and a.state in PENDING)
        return p.response(
            "dma.html",
            dma=dma,
            marks=dma_marks(found, p.words),
            nights=views.night_flows(id, days=NIGHT_RANGES[night_span]),
            night_ranges=NIGHT_RANGES,
            night_range=night_span,
            reference=next((p.words.reference_m3h(a) for a in high), None),
            unknown=[v[:40] for v, kept in ((range, span), (nights, night_span)) if v != kept],
            sensors=[s for s in views.sensors() if s.dma == id],
            alerts=[*found, *silent],
            ranges=RANGES,
            range=span,
            start=p.present - timedelta(days=RANGES[span]),
            end=p.present,
        )

    @routes.get("/losses")
    @needs(Right.SEE)
    def losses(request: Request, range: str = "28d") -> Response:
        p = page(request)
        span = _known(range, LOSS_RANGES, "28d")
        last = views.losses_end()
        found = views.losses(last - timedelta(days=LOSS_RANGES[span] - 1), last)
        return p.response(
            "losses.html",
            found=found,
            lw=LossWords(p.formats),
            names={s.id: s.name for s in views.sensors()},
            ranges=LOSS_RANGES,
            range=span,
            unknown=[] if span == range else [range[:40]],
        )

    @routes.get("/sensors")
    @needs(Right.SEE)
    def sensor_list(request: Request, state: str = "", q: str = "") -> Response:
        p = page(request)
        every = views.sensors()
        wanted = q.strip().casefold()
        shown = [
            s
            for s in every
            if (not state or s.state == state)
            and (not wanted or any(wanted in t.casefold() for t in (s.id, s.name, s.device, s.dma)))
        ]
        counts = {name: sum(s.state == name for s in every) for name in ("ok", "suspect", "silent", "nodata")}
        names = {d.id: d.name for d in views.known_dmas}
        return p.response(
            "sensors.html", sensors=shown, total=len(every), counts=counts, names=names, state=state, q=q
        )

    @routes.get("/sensors/{id}")
    @needs(Right.SEE)
    def sensor_page(request: Request, id: str, range: str = "7d") -> Response:
        p = page(request)
        sensor = views.sensor(id)
        span = _known(range, RANGES, "7d")
        beside = [s for s in views.sensors() if s.device and s.device == sensor.device and s.id != id]
        return p.response(
            "sensor.html",
            sensor=sensor,
            beside=beside,
            device=next((d for d in views.devices() if d.id == sensor.device), None),
            dma=next((d for d in views.known_dmas if d.id == sensor.dma), None),
            quality=p.words.quality(),
            unknown=[] if span == range else [range[:40]],
            ranges=RANGES,
            range=span,
            start=p.present - timedelta(days=RANGES[span]),
            end=p.present,
        )

    @routes.get("/ingest")
    @needs(Right.INTAKE)
    def ingest(
        request: Request, reason: str = "", before: Annotated[int | None, Query(ge=1)] = None
    ) -> Response:
        p = page(request)
        listed = views.rejected(reason=reason or None, before=before, limit=50)
        return p.response(
            "ingest.html",
            stats=views.ingest_stats(),
            rejected=listed.items,
            next=listed.next,
            unknown=views.unknown_names(50).items,
            clocks=views.clocks.latest(),
            ledger_days=_ledger_days(views),
            incomplete=views.ledger.incomplete(views.ledger.today()),
            health=views.health(),
            reason=reason,
        )

    @routes.get("/about")
    @needs(Anyone.PUBLIC)
    def about(request: Request) -> Response:
        site = None if current().via is Via.NOBODY else views.frame()
        return Page(templates, request, site).response("about.html")

    @routes.post("/language")
    @needs(Anyone.PUBLIC)
    async def set_language(request: Request, to: str, next: str = "/") -> Response:
        await read_form(request)
        return _choice(request, LANGUAGE_COOKIE, to, tuple(LANGUAGES), next)

    @routes.post("/theme")
    @needs(Anyone.PUBLIC)
    async def set_theme(request: Request, to: str, next: str = "/") -> Response:
        await read_form(request)
        return _choice(request, THEME_COOKIE, to, THEMES, next)

    return routes


def _ledger_days(views: Views) -> list[tuple[date, LedgerCounts]]:
    """Today's and yesterday's counts, of those days on which anything was to come or came."""
    today = views.ledger.today()
    found = [(day, views.ledger.totals(day)) for day in (today, today - timedelta(days=1))]
    return [(day, counts) for day, counts in found if any(counts.model_dump().values())]


def _known(value: str, allowed: Collection[str], default: str) -> str:
    return value if value in allowed else default


def _choice(request: Request, cookie: str, to: str, allowed: tuple[str, ...], next: str) -> Response:
    if to not in allowed:
        raise HTTPException(404)
    answer = RedirectResponse(local_path(next), 303)
    answer.set_cookie(cookie, to, max_age=_YEAR, samesite="lax")
    return answer


def _facts(alert: AlertOut) -> list[tuple[str, str]]:
    """The evidence that fits on a line each."""
    facts = []
    for name, value in alert.evidence.items():
        if isinstance(value, float):
            facts.append((name, f"{value:.4g}"))
        elif isinstance(value, bool | int | str):
            facts.append((name, str(value)))
        elif (
            isinstance(value, list)
            and all(isinstance(v, int | float | str) for v in value)
            and len(value) <= 12
        ):
            facts.append((name, ", ".join(f"{v:.4g}" if isinstance(v, float) else str(v) for v in value)))
    return facts
