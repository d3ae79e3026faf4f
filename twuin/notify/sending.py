"""Sends what waits in the outbox: each address on its own, so that one that hangs holds up no other."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from opentelemetry import trace

from twuin.notify.model import Address, Message, MessageState, Outcome, Result
from twuin.notify.ports import Notifier, Outbox
from twuin.notify.tries import LONGEST, REST_S, STOPPED, after, rests
from waterworks.errors import TwuinError

log = logging.getLogger(__name__)
tracer = trace.get_tracer("twuin.notify")

LEASE = timedelta(seconds=60)
"""A process that sends says so at least this often; then another may."""

HUNG_S = 120.0
"""A try without an outcome after so long [s] counts as doubtful; its address waits until it ends."""


@dataclass
class _Try:
    """A message on its way. settled: nobody waits for its outcome any more."""

    message: Message
    thread: threading.Thread
    began: float
    settled: bool = False


class Sender:
    """The sending side of one site. One holder of the lease sends; several processes may ask for it.

    channels: by address. holder: names this installation: the same after a restart, and no other's. wall: the
    wall's time.
    """

    def __init__(
        self,
        site: str,
        outbox: Outbox,
        channels: Mapping[Address, Notifier],
        holder: str,
        wall: Callable[[], datetime],
    ) -> None:
        self._site = site
        self._outbox = outbox
        self._channels = channels
        self._holder = holder
        self._wall = wall
        self._lock = threading.Lock()
        self._under_way: dict[Address, _Try] = {}
        self._rest: dict[Address, datetime] = {}
        self._leased: float | None = None

    def use(self, channels: Mapping[Address, Notifier]) -> None:
        """From now on these are the channels; what is under way ends by the one it began with."""
        self._channels = channels

    def may_send(self) -> bool:
        """Whether this process is the one that sends; asks for the lease where it is time to."""
        if self._leased is not None and time.monotonic() - self._leased < LEASE.total_seconds() / 3:
            return True
        asked = time.monotonic()
        if not self._outbox.lease(self._site, self._holder, self._wall(), LEASE):
            self._leased = None
            return False
        self._leased = asked
        self._interrupted()
        return True

    def _interrupted(self) -> None:
        """Take up what is marked as being sent by nobody: a run was ended, or its mark was not heard of.

        Whether it arrived nobody noted.
        """
        with self._lock:
            mine = {t.message.id for t in self._under_way.values()}
        for message in self._outbox.messages(self._site, (MessageState.SENDING,)):
            if message.id not in mine:
                self._settle(message, STOPPED)

    def round(self) -> int:
        """Begin all tries that are due and possible now; how many."""
        begun = 0
        self._let_go()
        now = self._wall()
        for message in self._outbox.due(self._site, now, LONGEST):
            with self._lock:
                busy = message.address in self._under_way
            if busy or rests(self._rest.get(message.address), now):
                continue
            started = self._outbox.begin(self._site, message.id, now)
            if started is not None:
                self._start(started)
                begun += 1
        return begun

    def _start(self, message: Message) -> None:
        def work() -> None:
            channel = self._channels.get(message.address)
            if channel is None:
                outcome = Outcome(Result.REFUSED, f"{message.address} is not in notify.toml any more")
            else:
                try:
                    with tracer.start_as_current_span("message.send", record_exception=False) as span:
                        outcome = channel.send(message)
                        span.set_attribute("twuin.outcome", outcome.result.value)
                except Exception as e:  # a defect of ours: the message is tried again
                    log.exception("message %s to %s", message.id, message.address)
                    outcome = Outcome(Result.DOUBTFUL, f"failed ({type(e).__name__})")
            self._note(message, outcome)
            with self._lock:
                del self._under_way[message.address]

        thread = threading.Thread(target=work, name=f"notify-{message.address}", daemon=True)
        with self._lock:
            self._under_way[message.address] = _Try(message, thread, time.monotonic())
        thread.start()

    def _note(self, message: Message, outcome: Outcome) -> None:
        """Write down what became of a try, however long the database is away."""
        wait_s = 0.2
        while True:
            with self._lock:
                tried = self._under_way.get(message.address)
                if tried is not None and tried.settled:
                    return
            try:
                self._settle(message, outcome)
                return
            except TwuinError as e:
                log.warning("message %s: its outcome cannot be noted: %s", message.id, e)
                time.sleep(wait_s)
                wait_s = min(2 * wait_s, 10.0)

    def _settle(self, message: Message, outcome: Outcome) -> None:
        channel = self._channels.get(message.address)
        known = channel is not None and channel.repeats_are_known
        now = self._wall()
        if outcome.result is Result.DELIVERED:
            self._rest.pop(message.address, None)
        else:
            self._rest[message.address] = now + timedelta(seconds=REST_S)
        then = after(message, outcome, now, repeats_are_known=known)
        final = then.state is not MessageState.WAITING
        noted = self._outbox.settle(
            self._site,
            message.id,
            message.attempts,
            then.state,
            error=then.error,
            doubts=then.doubts,
            next_try=then.next_try,
            at=now if final else None,
        )
        if noted and then.state is not MessageState.DELIVERED:
            level = logging.WARNING if final else logging.INFO
            log.log(level, "message %s to %s: %s (%s)", message.id, message.address, then.error, then.state)

    def _let_go(self) -> None:
        """Count tries without an end as doubtful. Nothing else is sent there until their threads end."""
        with self._lock:
            hung = [
                t for t in self._under_way.values() if not t.settled and time.monotonic() - t.began > HUNG_S
            ]
            for t in hung:
                t.settled = True
        for t in hung:
            self._settle(t.message, Outcome(Result.DOUBTFUL, f"no end after {HUNG_S:g} s"))

    def finish(self, timeout_s: float = 5.0) -> None:
        """Wait a little for what is under way, and let others send if nothing is."""
        until = time.monotonic() + timeout_s
        with self._lock:
            tries = list(self._under_way.values())
        for t in tries:
            t.thread.join(max(0.0, until - time.monotonic()))
        with self._lock:
            idle = not self._under_way
        if idle and self._leased is not None:
            self._outbox.release(self._site, self._holder)
        self._leased = None
