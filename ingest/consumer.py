"""The MQTT consumer: messages in groups through the pipeline, acknowledged once they are durable."""

from __future__ import annotations

import json
import logging
import threading
import time
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from opentelemetry import trace

from ingest.backoff import Backoff
from ingest.births import Births
from ingest.broker_options import BrokerOptions, TakenOver, taken_over
from ingest.clocks.quarantine import Quarantine
from ingest.decoders.json_readings import MAX_BYTES, MAX_READINGS
from ingest.devices import DeviceLog
from ingest.foreign import filters, in_sequence
from ingest.heartbeat import Heartbeat, Stalled
from ingest.ledger.book import Ledger
from ingest.ledger.numbers import told
from ingest.link import Link, Received
from ingest.pipeline import Group, Pipeline, RawMessage
from ingest.rejected import RejectedLog
from ingest.spool.behind import SpooledStore, SpoolOptions
from ingest.stats import Stats
from ingest.topics import ROOT, Channel, Subscription, build, subscriptions
from waterworks.errors import BrokerError, StoreError, StoreUnavailable
from waterworks.ports import Clock, ReadingStore
from waterworks.reading import as_datetime
from waterworks.site import Site

log = logging.getLogger(__name__)
tracer = trace.get_tracer("ingest")

_LOOK_UP_S = 0.2  # how often to look whether to stop
_HAND_OVER_S = 5.0  # how long to store what came before the others took over, when stopped
_STEADY_S = 30.0  # a connection that held this long was a good one
_FEW = 10  # brokers allow 20 messages in flight by default (Mosquitto) or more
_SHORT_IN_A_ROW = 3  # so many short connections one after the other are suspicious


@dataclass(frozen=True)
class ConsumerOptions(BrokerOptions):
    """How an ingest process takes in messages.

    name: tells this process from others of the site; part of its client id, under which the broker keeps
    what comes while it is away. shared: divide the messages with the other processes that set it.
    strays: also take what comes under ``twuin/`` for other sites, as rejected messages; set it off where
    a broker serves several sites.
    group_messages, group_s, group_bytes: a group is written when it holds so many messages or bytes, or
    is so old [s]. quiet_s: or when it holds a few and nothing came for so long [s], because a broker that
    allows few messages in flight sends no more until some are acknowledged.
    receipt_s: how often at most a device is told what of it is stored [s].
    heartbeat_s: how often to say something to oneself [s], 0: never; a connection on which nothing has come
    for thrice as long is given up.
    max_bytes, max_readings: bounds on one message. rebirths: ask Sparkplug's nodes for births that were
    missed. retry_s, retry_most_s: first and longest wait before connecting or writing again [s].
    """

    name: str = "main"
    shared: bool = False
    strays: bool = True
    group_messages: int = 2_000
    group_s: float = 0.1
    group_bytes: int = 32 * 2**20
    quiet_s: float = 0.02
    receipt_s: float = 5.0
    heartbeat_s: float = 10.0
    max_bytes: int = MAX_BYTES
    max_readings: int = MAX_READINGS
    rebirths: bool = True
    retry_s: float = 0.5
    retry_most_s: float = 30.0


class Consumer:
    """Takes the readings of ``site`` from a broker into ``store``. ``run`` does the work.

    At least once: a message is acknowledged when its readings are in the store, or in the spool where there
    is one, and what was wrong with it in ``rejected``; until then the broker keeps it. devices: where to keep
    what devices say of themselves. quarantine: where to hold
    readings with times that cannot be right, more than ahead_s in the future [s] among others. ledger: where
    it is counted what came. births: where to keep what
    Sparkplug's nodes say of their metrics. spool: where readings wait for a store that is away or slow.
    """

    def __init__(
        self,
        options: ConsumerOptions,
        site: Site,
        store: ReadingStore,
        rejected: RejectedLog,
        clock: Clock,
        *,
        devices: DeviceLog | None = None,
        quarantine: Quarantine | None = None,
        ahead_s: float = 86_400.0,
        ledger: Ledger | None = None,
        births: Births | None = None,
        spool: SpoolOptions | None = None,
    ) -> None:
        self.options = options
        self.client_id = f"{ROOT}-ingest-{site.id}-{options.name}"
        self.stats = Stats()
        self._clock = clock
        self._subscriptions = subscriptions(
            site.id, shared=options.shared, strays=options.strays, foreign=filters(site)
        )
        self._subscriptions += [Subscription(f) for f in in_sequence(site)]
        self._store_behind = store
        self._spool = spool
        self._ledger = ledger
        self._site = site.id
        self._receipts_at = 0.0
        heartbeat = build(site.id, f"ingest-{options.name}", Channel.HEARTBEAT)
        self._heartbeat = Heartbeat(heartbeat if options.heartbeat_s else "", options.heartbeat_s)
        self._pipeline = Pipeline(
            site,
            store,
            rejected,
            devices=devices,
            quarantine=quarantine,
            ahead=np.timedelta64(round(ahead_s * 1e6), "us"),
            ledger=ledger,
            births=births,
            stats=self.stats,
            max_bytes=options.max_bytes,
            max_readings=options.max_readings,
        )

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set. Lost connections and failing stores are waited for, not raised.

        Raises StoreUnavailable or StoreError where the spool cannot be opened.
        """
        if self._spool is None:
            self._run(stop)
            return
        with closing(SpooledStore(self._store_behind, self._spool, self.stats)) as keeper:
            self._pipeline.store = keeper
            self._run(stop)

    def _run(self, stop: threading.Event) -> None:
        backoff = Backoff(self.options.retry_s, self.options.retry_most_s)
        connections = 0
        short = 0
        while not stop.is_set():
            began = time.monotonic()
            try:
                link = Link(self.options, self.client_id, self._heartbeat.topic)
                try:
                    self._pipeline.foreign.missed()
                    link.open(self._subscriptions)
                    self.stats.connected = True
                    self.stats.reconnects = connections
                    connections += 1
                    self._well(f"connected to {self.options.where} as {self.client_id!r}")
                    self._heartbeat.begin()
                    self._consume(link, stop)
                finally:
                    self.stats.connected = False
                    self.stats.unacked = 0
                    link.close()
            except BrokerError as e:
                was_connected = connections > 0 and not isinstance(e, TakenOver)
                steady = time.monotonic() - began > _STEADY_S
                short = 0 if steady else short + was_connected
                if steady:
                    backoff.reset()
                message = str(e)
                if short >= _SHORT_IN_A_ROW and "closed" in message:
                    message += f"; if that goes on: {taken_over(self.options, self.client_id)}"
                self._ill(message)
                stop.wait(backoff.next())

    def _consume(self, link: Link, stop: threading.Event) -> None:
        """Take groups and commit them until ``stop``. Raises BrokerError when the connection is gone."""
        gone: BrokerError | None = None
        while gone is None and not stop.is_set():
            try:
                self._collect(link, stop)
            except BrokerError as e:
                gone = e  # what is in hand is stored all the same: of QoS 0, nobody else has it
            messages = link.take()
            if messages and self._store(messages, link, stop) and gone is None:
                link.acknowledge(messages)
                if self.options.rebirths:
                    for request in self._pipeline.foreign.requests():
                        link.publish(request.topic, request.payload)
            self.stats.unacked = 0
            if gone is None:
                self._tend(link)
        if gone is not None:
            raise gone
        if self.options.shared:
            self._hand_over(link, stop)

    def _hand_over(self, link: Link, stop: threading.Event) -> None:
        """Leave what comes from now on to the other processes, and store what is already ours.

        A broker may go on giving a process that is away its share of the messages, to keep for it.
        """
        link.unsubscribe([s for s in self._subscriptions if s.shared])
        until = time.monotonic() + _HAND_OVER_S
        while time.monotonic() < until:
            link.read(_LOOK_UP_S, self.options.group_messages, self.options.group_bytes)
            messages = link.take()
            if not messages or not self._store(messages, link, stop):
                return
            link.acknowledge(messages)

    def _collect(self, link: Link, stop: threading.Event) -> None:
        """Read until the inbox of ``link`` holds a group, or ``stop`` is set."""
        o = self.options
        while not link.inbox:
            if stop.is_set():
                return
            link.read(_LOOK_UP_S, o.group_messages, o.group_bytes)
            self._tend(link)
        closes = time.monotonic() + o.group_s
        while len(link.inbox) < o.group_messages and link.inbox_bytes < o.group_bytes:
            seen = len(link.inbox)
            left = closes - time.monotonic()
            if left <= 0 or stop.is_set():
                return
            link.read(min(left, o.quiet_s), o.group_messages, o.group_bytes)
            if len(link.inbox) == seen >= _FEW:
                return

    def _tend(self, link: Link) -> None:
        """Do what is due beside the messages. Raises BrokerError when the connection is gone or stalled."""
        try:
            self._heartbeat.tend(link)
        except Stalled:
            self.stats.stalls += 1
            raise
        now = time.monotonic()
        if self._ledger is None or now < self._receipts_at:
            return
        self._receipts_at = now + self.options.receipt_s
        try:
            receipts = self._ledger.settle()
        except (StoreUnavailable, StoreError) as e:
            self.stats.ledger_problem = str(e)
            return
        for device, receipt in receipts.items():
            topic = build(self._site, device, Channel.RECEIPT)
            link.publish(topic, json.dumps(told(receipt), separators=(",", ":")).encode(), retain=True)
        self.stats.receipts += len(receipts)

    def _store(self, messages: list[Received], link: Link, stop: threading.Event) -> bool:
        """Decode, check and commit messages; False when told to stop before they are durable."""
        self.stats.received += len(messages)
        self.stats.unacked = len(messages)
        now = self._clock.now()
        self.stats.last_message = as_datetime(now)
        with tracer.start_as_current_span("ingest.messages", record_exception=False) as span:
            span.set_attribute("twuin.messages", len(messages))
            with tracer.start_as_current_span("ingest.decode", record_exception=False):
                raw = [RawMessage(m.topic, m.payload, m.stale) for m in messages]
                group = self._pipeline.prepare(raw, now)
            span.set_attribute("twuin.readings", len(group.batch))
            span.set_attribute("twuin.rejected", len(group.rejected))
            return self._commit(group, link, stop)

    def _commit(self, group: Group, link: Link, stop: threading.Event) -> bool:
        """Make a group durable, however long it takes; False when told to stop before that.

        While the store is away nothing is read, so that the broker keeps what comes. Should it close the
        connection over that, the group is made durable all the same, and only then BrokerError raised.
        """
        backoff = Backoff(self.options.retry_s, self.options.retry_most_s)
        gone: BrokerError | None = None
        while True:
            try:
                self._pipeline.commit(group)
            except StoreUnavailable as e:
                self._ill(f"readings wait at the broker: {e}")
            except StoreError as e:
                log.error("the store refuses readings, which stay at the broker: %s", e)
                self.stats.problem = str(e)
            else:
                if self.stats.problem and gone is None:
                    self._well("readings can be stored again")
                if gone is not None:
                    raise gone
                return True
            self.stats.retries += 1
            until = time.monotonic() + backoff.next()
            while (left := until - time.monotonic()) > 0:
                if stop.wait(min(left, _LOOK_UP_S)):
                    return False
                if gone is None:
                    try:
                        link.keep_alive()
                    except BrokerError as e:
                        gone = e
                        self.stats.connected = False

    def _well(self, message: str) -> None:
        log.info("%s", message)
        self.stats.problem = ""

    def _ill(self, message: str) -> None:
        """Say what is wrong: once, not at every try."""
        if message != self.stats.problem:
            log.warning("%s", message)
        self.stats.problem = message
