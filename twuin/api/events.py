"""Live change as server-sent events.

One poller serves all clients of a process. It asks the alert store's change cursor and the views once a
second, so it sees what any process did. ``Last-Event-ID`` is that cursor: who comes back with it misses
no announced change of an alert.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Header
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from twuin.access import guarded_router, needs
from twuin.access.current import current
from twuin.accounts.rights import Right
from twuin.alerts.model import Alert
from twuin.alerts.service import AlertService
from twuin.alerts.sight import Sight
from twuin.api.params import PREFIX
from twuin.api.problems import problem
from twuin.views.models import AlertOut, DmaState
from twuin.views.views import Views
from waterworks.errors import TwuinError

log = logging.getLogger(__name__)

POLL_S = 1.0
TICK_S = 0.2  # how soon the end of the program ends the streams
HEARTBEAT_S = 15.0
STILL_S = 15.0  # so long after a session ended or changed, its streams end
DMA_S = 10.0  # DMAs are looked at this often even when nothing was analysed: one may have gone silent
RETRY_MS = 2000
MAX_CLIENTS = 100
MAX_WAITING = 1000  # events that a slow client may leave unread before it is dropped


class Clock(BaseModel):
    """What `watermark` and `heartbeat` carry."""

    now: datetime
    watermark: datetime | None


class Limit(NamedTuple):
    """What somebody sees who is limited to some DMAs, and how an alert of it is shown to them."""

    sight: Sight
    shown: Callable[[Alert], AlertOut]


class Sent(NamedTuple):
    """An event on the wire, and what it is about: an alert, a DMA, or neither, which is for everybody."""

    data: bytes
    alert: Alert | None = None
    dma: str | None = None
    id: int | None = None

    def to(self, limit: Limit | None) -> bytes:
        """What somebody gets of it who is limited (None: is not): of what is not for them, its id at most.

        An id alone is no event, but the browser keeps it and comes back with it.
        """
        if limit is None:
            return self.data
        if (self.alert is not None and not limit.sight.covers(self.alert)) or (
            self.dma is not None and self.dma not in limit.sight.dmas
        ):
            return b"" if self.id is None else b"id: %d\n\n" % self.id
        return self.data if self.alert is None else event_bytes("alert", limit.shown(self.alert), self.id)


class _Round(NamedTuple):
    """What one look at the stores found."""

    cursor: int
    events: list[Sent]
    mark: datetime | None
    dmas: dict[str, DmaState]


class Hub:
    """Spreads changes to the clients of this process; asks only while there are any."""

    def __init__(
        self,
        views: Views,
        alerts: AlertService,
        *,
        stopping: threading.Event | None = None,
        max_clients: int = MAX_CLIENTS,
        poll_s: float = POLL_S,
        heartbeat_s: float = HEARTBEAT_S,
        still_s: float = STILL_S,
    ) -> None:
        self._views = views
        self._alerts = alerts
        self._stopping = stopping or threading.Event()
        self._max_clients = max_clients
        self._poll_s = poll_s
        self._heartbeat_s = heartbeat_s
        self._still_s = still_s
        self._clients: set[asyncio.Queue[Sent | None]] = set()
        self._poller: asyncio.Task[None] | None = None
        self._looked = asyncio.Event()

    @property
    def full(self) -> bool:
        return len(self._clients) >= self._max_clients

    async def stream(
        self,
        request: Request,
        last_id: int | None,
        *,
        dmas: frozenset[str] | None = None,
        still: Callable[[], bool] = lambda: True,
    ) -> AsyncIterator[bytes]:
        """Events for one client until it leaves, falls behind, or the program ends.

        dmas: those that the client is limited to. still: whether it is who it was when it came; it is asked
        every ``still_s``, and once it is not, the stream ends, and the client has to come through the door.
        """
        limit = None if dmas is None else Limit(self._views.sight(dmas), self._views.shown_to(dmas))
        asked = time.monotonic()
        queue: asyncio.Queue[Sent | None] = asyncio.Queue(MAX_WAITING)
        self._clients.add(queue)
        try:
            yield b"retry: %d\n\n" % RETRY_MS
            # The poller has its cursor before the past is read: what happens in between comes twice
            # rather than never.
            await self._polling()
            for missed in await run_in_threadpool(self._catch_up, last_id):
                if data := missed.to(limit):
                    yield data
            while not self._stopping.is_set():
                if time.monotonic() - asked >= self._still_s:
                    asked = time.monotonic()
                    if not await run_in_threadpool(still):
                        return
                try:
                    async with asyncio.timeout(1.0):
                        event = await queue.get()
                except TimeoutError:
                    if await request.is_disconnected():
                        return
                    continue
                if event is None:
                    return
                if data := event.to(limit):
                    yield data
        except TwuinError as e:
            log.warning("an event stream ends: %s", e)  # the client comes back by itself
        finally:
            self._clients.discard(queue)

    def _catch_up(self, last_id: int | None) -> list[Sent]:
        """What a client gets first: the alerts it missed, then the present."""
        events: list[Sent] = []
        newest = self._alerts.cursor()
        cursor = newest if last_id is None or last_id > newest else last_id
        while cursor < newest:
            changes = self._alerts.changes(cursor)
            events += self._alert_events(changes.cursor, changes.alerts)
            cursor = changes.cursor
        return [*events, self._clock_event("watermark", cursor)]

    def _alert_events(self, cursor: int, alerts: list[Alert]) -> list[Sent]:
        # Only the last event of a group moves the client's cursor: one cut off in between begins it anew.
        last = len(alerts) - 1
        ids = [cursor if i == last else None for i in range(len(alerts))]
        return [
            Sent(event_bytes("alert", self._views.alert_out(a), id), alert=a, id=id)
            for a, id in zip(alerts, ids, strict=True)
        ]

    def _clock_event(self, name: str, cursor: int | None) -> Sent:
        now, mark = self._views.now(), self._views.watermark()
        return Sent(event_bytes(name, Clock(now=now, watermark=mark), cursor), id=cursor)

    async def _polling(self) -> None:
        """Returns once the poller runs and has looked for the first time."""
        if self._poller is None or self._poller.done():
            self._looked = asyncio.Event()
            self._poller = asyncio.get_running_loop().create_task(self._poll(self._looked))
        await self._looked.wait()

    async def _poll(self, first_look: asyncio.Event) -> None:
        try:
            state = await self._first()
            first_look.set()
            looked = beat = dmas_at = time.monotonic()
            while self._clients and not self._stopping.is_set():
                await asyncio.sleep(min(TICK_S, self._poll_s))
                now = time.monotonic()
                if now - looked < self._poll_s:
                    continue
                looked = now
                try:
                    found = await run_in_threadpool(self._look, state, now - dmas_at >= DMA_S)
                except TwuinError as e:
                    log.warning("event streams wait: %s", e)
                    continue
                if found.mark != state.mark or now - dmas_at >= DMA_S:
                    dmas_at = now
                state = found
                for event in found.events:
                    self._send(event)
                if now - beat >= self._heartbeat_s:
                    beat = now
                    self._send(await run_in_threadpool(self._clock_event, "heartbeat", None))
        except Exception:
            log.exception("the poller of the event streams failed; clients will come back")
        finally:
            first_look.set()
            for queue in list(self._clients):
                self._end(queue)

    async def _first(self) -> _Round:
        def ask() -> _Round:
            return _Round(self._alerts.cursor(), [], self._views.watermark(), self._dmas())

        while not self._stopping.is_set():
            try:
                return await run_in_threadpool(ask)
            except TwuinError as e:
                log.warning("event streams wait: %s", e)
                await asyncio.sleep(self._poll_s)
        return _Round(0, [], None, {})

    def _look(self, before: _Round, look_at_dmas: bool) -> _Round:
        events: list[Sent] = []
        changes = self._alerts.changes(before.cursor)
        events += self._alert_events(changes.cursor, changes.alerts)
        mark = self._views.watermark()
        dmas = before.dmas
        if mark != before.mark or changes.alerts or look_at_dmas:
            dmas = self._dmas()
            changed = [(id, d) for id, d in dmas.items() if d != before.dmas.get(id)]
            events += [Sent(event_bytes("dma", d), dma=id) for id, d in changed]
        if mark != before.mark:
            events.append(Sent(event_bytes("watermark", Clock(now=self._views.now(), watermark=mark))))
        return _Round(changes.cursor, events, mark, dmas)

    def _dmas(self) -> dict[str, DmaState]:
        return {d.id: d for d in self._views.dmas()}

    def _send(self, event: Sent) -> None:
        for queue in list(self._clients):
            try:
                queue.put_nowait(event)
            except asyncio.QueueFull:
                self._end(queue)

    def _end(self, queue: asyncio.Queue[Sent | None]) -> None:
        self._clients.discard(queue)
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait(None)


def event_bytes(name: str, data: BaseModel, id: int | None = None) -> bytes:
    """One event on the wire (WHATWG HTML, 9.2.5). JSON has no line breaks, so one data line does."""
    lines = [f"event: {name}", f"data: {data.model_dump_json()}"]
    if id is not None:
        lines.append(f"id: {id}")
    return ("\n".join(lines) + "\n\n").encode()


def event_routes(hub: Hub) -> APIRouter:
    """/events."""
    routes = guarded_router(prefix=PREFIX, tags=["events"])

    @routes.get(
        "/events",
        summary="Live change as server-sent events",
        response_class=StreamingResponse,
        responses={
            200: {
                "description": "A stream that does not end by itself",
                "content": {
                    "text/event-stream": {
                        "schema": {"type": "string"},
                        "example": 'event: watermark\ndata: {"now":"2026-11-21T03:00:05Z",'
                        '"watermark":"2026-11-21T03:00:00Z"}\nid: 17\n\n',
                    }
                },
            }
        },
    )
    @needs(Right.SEE)
    async def events(
        request: Request,
        last_event_id: Annotated[str | None, Header(description="Sent by browsers that come back")] = None,
    ) -> Response:
        """`alert`: an alert as in `/alerts`; `dma`: a DMA as in `/dmas`; `watermark`: new readings were
        analysed; `heartbeat`: nothing happened, the connection stands. A client that comes back with
        `Last-Event-ID` gets the alerts that changed meanwhile."""
        if hub.full:
            return problem(503, "too many event streams are open", headers={"Retry-After": "30"})
        text = last_event_id or ""
        last_id = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
        return StreamingResponse(
            hub.stream(request, last_id, dmas=current().dmas, still=request.state.still),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    return routes
