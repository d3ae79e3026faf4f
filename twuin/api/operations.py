"""How Twuin itself is: health for people and supervisors, figures for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from twuin import __version__
from twuin.access import guarded_router, needs
from twuin.access.current import current
from twuin.accounts.rights import Anyone, Right
from twuin.alerts.model import Kind, State
from twuin.alerts.service import AlertService
from twuin.api.params import PREFIX
from twuin.api.problems import RETRY_S, problem
from twuin.views.models import Health
from twuin.views.views import Views
from waterworks.errors import TwuinError


def operation_routes(views: Views) -> APIRouter:
    """/health, /health/live, /health/ready."""
    routes = guarded_router(prefix=f"{PREFIX}/health", tags=["operation"])

    @routes.get("", summary="All parts and how they are", response_model=Health)
    @needs(Anyone.PUBLIC)
    def health() -> Response:
        """200 also when `degraded`; 503 when `down`. Who is not signed in gets no details."""
        found = views.health()
        if not current().may(Right.SEE):
            parts = {name: {"status": part.get("status")} for name, part in found.parts.items()}
            found = found.model_copy(update={"parts": parts})
        return JSONResponse(found.model_dump(mode="json"), 503 if found.status == "down" else 200)

    @routes.get("/live", summary="Whether the process answers at all")
    @needs(Anyone.PUBLIC)
    def live() -> dict[str, str]:
        return {"status": "ok"}

    @routes.get("/ready", summary="Whether the stores can be read")
    @needs(Anyone.PUBLIC)
    def ready() -> Response:
        found = views.health()
        if found.status == "down":
            down = [(n, p.get("detail", "")) for n, p in found.parts.items() if p.get("status") == "down"]
            told = current().may(Right.SEE)
            why = "; ".join(f"{name}: {detail}" if told else f"{name} is down" for name, detail in down)
            return problem(503, why, headers={"Retry-After": str(RETRY_S)})
        return JSONResponse({"status": found.status})

    return routes


def metrics_route(
    views: Views, alerts: AlertService, messages: Callable[[], dict[str, int]] | None = None
) -> APIRouter:
    """/metrics, in Prometheus' text format. messages: to people, by state; None: nobody is told anything."""
    routes = guarded_router(tags=["operation"])
    own = CollectorRegistry()
    own.register(_Figures(views, alerts, messages))

    @routes.get(
        "/metrics",
        summary="Figures for Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    @needs(Right.METRICS)
    def metrics(request: Request) -> Response:
        text = generate_latest(own)
        requests = getattr(request.app.state, "registry", None)
        if requests is not None:
            text += generate_latest(requests)
        return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    return routes


class _Figures(Collector):
    """Asks at the time of the scrape; what cannot be told is left out, and ``twuin_up`` says so."""

    def __init__(
        self, views: Views, alerts: AlertService, messages: Callable[[], dict[str, int]] | None
    ) -> None:
        self._views = views
        self._alerts = alerts
        self._messages = messages

    def describe(self) -> Iterable[Metric]:
        return []  # nothing is asked before the first scrape

    def collect(self) -> Iterable[Metric]:
        yield InfoMetricFamily("twuin_build", "The program", value={"version": __version__})
        up = 1.0
        for part in (self._ingest, self._ledger, self._lag, self._open, self._told):
            try:
                yield from list(part())
            except TwuinError:
                up = 0.0
        yield GaugeMetricFamily("twuin_up", "1 when all stores answered this scrape", value=up)

    def _ingest(self) -> Iterable[Metric]:
        stats = self._views.ingest_stats()
        rejected = CounterMetricFamily(
            "twuin_rejected", "Rejected messages of all processes, ever", labels=["reason"]
        )
        for reason, count in stats.rejected.by_reason.items():
            rejected.add_metric([reason], count)
        yield rejected
        if stats.running:
            counts: tuple[tuple[str, str, int | None], ...] = (
                ("twuin_messages", "MQTT messages received by this process", stats.messages),
                ("twuin_readings_stored", "Readings stored by this process", stats.readings_stored),
                ("twuin_readings_duplicate", "Readings that were known already", stats.readings_duplicate),
                ("twuin_readings_replaced", "Readings that took another's place", stats.readings_replaced),
                ("twuin_readings_expired", "Readings older than what is kept", stats.readings_expired),
                ("twuin_readings_unwanted", "Readings that the site does not want", stats.readings_unwanted),
                ("twuin_readings_spooled", "Readings put into the disk spool", stats.readings_spooled),
                ("twuin_readings_drained", "Readings stored from the disk spool", stats.readings_drained),
                ("twuin_mqtt_reconnects", "Connections to the broker after the first", stats.reconnects),
                ("twuin_mqtt_stalls", "Open connections given up as silent", stats.stalls),
                ("twuin_receipts", "Receipts sent to devices", stats.receipts),
                ("twuin_readings_uncounted", "Readings missing in the ledger", stats.readings_uncounted),
            )
            for name, help, number in counts:
                if number is not None:
                    yield CounterMetricFamily(name, help, value=number)
            yield GaugeMetricFamily(
                "twuin_mqtt_connected", "1 while connected to the broker", value=float(stats.connected)
            )
            yield GaugeMetricFamily(
                "twuin_messages_unacknowledged",
                "Messages not yet durable",
                value=stats.messages_unacknowledged,
            )
            oldest = stats.spool_oldest
            age = 0.0 if oldest is None else max(0.0, (self._views.now() - oldest).total_seconds())
            for name, help, gauge in (
                ("twuin_spool_readings", "Readings that wait in the disk spool", stats.spool_readings),
                ("twuin_spool_bytes", "Bytes of the spool's files", stats.spool_bytes),
                ("twuin_spool_oldest_age_seconds", "How long the oldest of them has waited", age),
                ("twuin_spool_damaged", "Parts of the spool that could not be read", stats.spool_damaged),
            ):
                yield GaugeMetricFamily(name, help, value=gauge)

    def _ledger(self) -> Iterable[Metric]:
        ledger = self._views.ledger
        readings = GaugeMetricFamily(
            "twuin_ledger_readings",
            "Readings of the local day: expected, received, late, duplicate, rejected, missing",
            labels=["day", "outcome"],
        )
        today = ledger.today()
        for name, day in (("today", today), ("yesterday", today - timedelta(days=1))):
            for outcome, number in ledger.totals(day).model_dump().items():
                readings.add_metric([name, outcome], number)
        yield readings
        held = GaugeMetricFamily(
            "twuin_quarantine_readings", "Readings held with times that cannot be right", labels=["reason"]
        )
        for reason, number in self._views.clocks.held().items():
            held.add_metric([reason], number)
        yield held
        messages = ledger.messages()
        for name, help, count in (
            (
                "twuin_ledger_messages_missing",
                "Numbers of devices' messages that did not come yet",
                sum(m.missing for m in messages),
            ),
            (
                "twuin_ledger_messages_lost",
                "Numbers of devices' messages that will not come any more",
                sum(m.lost for m in messages),
            ),
        ):
            yield GaugeMetricFamily(name, help, value=count)

    def _lag(self) -> Iterable[Metric]:
        mark = self._views.watermark()
        if mark is not None:
            lag = (self._views.now() - mark).total_seconds()
            yield GaugeMetricFamily("twuin_watermark_lag_seconds", "Site time not yet analysed", value=lag)

    def _open(self) -> Iterable[Metric]:
        counts = self._alerts.counts()
        family = GaugeMetricFamily("twuin_alerts", "Alerts by kind and state", labels=["kind", "state"])
        for kind in Kind:
            for state in State:
                family.add_metric([kind.value, state.value], counts.get((kind, state), 0))
        yield family

    def _told(self) -> Iterable[Metric]:
        if self._messages is None:
            return
        family = GaugeMetricFamily(
            "twuin_notify_messages",
            "Messages to people: waiting, sending, delivered, uncertain, given_up",
            labels=["state"],
        )
        for state, count in self._messages().items():
            family.add_metric([state], count)
        yield family
