"""Messages that come one at a time and not from a broker: durable when the call returns, like MQTT's.

For what speaks HTTP alone, as the webhooks of LoRaWAN network servers do. A message is what would have been
published, with the topic it would have been published to: the same decoders, checks, ledger and quarantine.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ingest.clocks.quarantine import Quarantine
from ingest.devices import DeviceLog
from ingest.foreign import filters, in_sequence
from ingest.ledger.book import Ledger
from ingest.pipeline import Group, Pipeline, RawMessage
from ingest.rejected import Rejected, RejectedLog
from ingest.spool.behind import SpooledStore, SpoolOptions
from ingest.spool.segments import segment_paths
from ingest.stats import Stats
from ingest.topics import NOT_FROM_DEVICES, ROOT, parse
from waterworks.errors import NotFound, StoreError, StoreUnavailable, WrongInput
from waterworks.listen import matches
from waterworks.ports import Clock, ReadingStore
from waterworks.site import Site

log = logging.getLogger(__name__)

_TURN_S = 5.0  # how long a message waits for those before it


class Taken(NamedTuple):
    """What became of a message. readings: durable; waiting: in the spool, as the store is away; held: in the
    quarantine; states: of devices; refused: what was wrong with the rest, kept as rejected input."""

    readings: int
    waiting: bool
    held: int
    states: int
    refused: list[Rejected]


@dataclass
class HandIn:
    """Takes messages of ``site`` into ``store``. Safe to use from several threads.

    spool: where readings wait for a store that is away, of this process alone; opened at the first message.
    The rest as of ``Consumer``.
    """

    site: Site
    store: ReadingStore
    rejected: RejectedLog
    clock: Clock
    spool: SpoolOptions
    devices: DeviceLog | None = None
    quarantine: Quarantine | None = None
    ahead_s: float = 86_400.0
    ledger: Ledger | None = None
    stats: Stats = field(default_factory=Stats)
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _pipeline: Pipeline | None = None
    _keeper: SpooledStore | None = None
    _closed: bool = False

    def __post_init__(self) -> None:
        self._in_sequence = in_sequence(self.site)
        self._foreign = filters(self.site)

    def take(self, topic: str, payload: bytes) -> Taken:
        """Make a message durable.

        Raises NotFound for a topic that nobody listens to; WrongInput for one that cannot be used so;
        StoreUnavailable, StoreError where it is not durable: then the same may be handed in again, and is
        stored once.
        """
        if not topic or set(topic) & set("+#\0"):
            raise WrongInput(f"{topic[:80]!r} is no topic that a message is published to")
        if any(matches(pattern, topic) for pattern in self._in_sequence):
            raise WrongInput(
                f"{topic[:80]!r} carries Sparkplug, where each message rests on those before it: "
                "send it to the MQTT broker"
            )
        if (ours := parse(topic)) is not None and ours.channel in NOT_FROM_DEVICES:
            raise WrongInput(
                f"{topic[:80]!r} is no message of a device, and nobody would get it from here: "
                "publish it to the MQTT broker"
            )
        if not topic.startswith(f"{ROOT}/") and not any(matches(p, topic) for p in self._foreign):
            raise NotFound(
                f"site {self.site.id} listens to no topic {topic[:80]!r}: see [listen] of its site.toml"
            )
        if not self._turn.acquire(timeout=_TURN_S):
            raise StoreUnavailable("messages before this one are not stored yet")
        try:
            pipeline = self._open()
            now = self.clock.now()
            self.stats.received += 1
            group = pipeline.prepare([RawMessage(topic, payload)], now)
            before = self.stats.spooled
            pipeline.commit(group)
            return _taken(group, waiting=self.stats.spooled > before)
        finally:
            self._turn.release()

    def resume(self) -> None:
        """Go on with what the process before left in the spool, if it can be now."""
        if not self.spool.folder.is_dir() or not segment_paths(self.spool.folder):
            return
        try:
            with self._turn:
                self._open()
        except (StoreUnavailable, StoreError) as e:
            log.warning("what came over HTTP waits until more of it comes: %s", e)

    def close(self) -> None:
        """Leave the spool as it is: who starts next goes on with it."""
        with self._turn:
            self._closed = True
            if self._keeper is not None:
                self._keeper.close()

    def _open(self) -> Pipeline:
        if self._closed:
            raise StoreUnavailable("Twuin is about to end")
        if self._pipeline is None:
            self._keeper = SpooledStore(self.store, self.spool, self.stats)
            self._pipeline = Pipeline(
                self.site,
                self._keeper,
                self.rejected,
                devices=self.devices,
                quarantine=self.quarantine,
                ahead=np.timedelta64(round(self.ahead_s * 1e6), "us"),
                ledger=self.ledger,
                stats=self.stats,
            )
        return self._pipeline


def _taken(group: Group, *, waiting: bool) -> Taken:
    held = 0 if group.held is None else len(group.held.sensor)
    states = len(group.states) + len(group.forgotten)
    return Taken(len(group.batch), waiting, held, states, group.rejected)
