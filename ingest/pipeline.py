"""From a group of raw messages to durable readings. Knows topics and payloads, but nothing of MQTT.

A group is prepared once (decoded, checked, brought to SI) and then committed; a commit that fails can be
tried again as often as it takes. Only after it the messages may be acknowledged.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

import numpy as np

from ingest.births import Births
from ingest.clocks.current import CurrentCorrections
from ingest.clocks.quarantine import FURTHEST, HELD, Held, Quarantine
from ingest.decoders.columns import Columns, Fault, Rejection, Source
from ingest.decoders.json_readings import MAX_BYTES, MAX_READINGS, JsonReadings
from ingest.decoders.json_status import decode_result, decode_status
from ingest.decoders.senml import Senml
from ingest.devices import DeviceLog, DeviceState
from ingest.foreign import Foreign
from ingest.ledger.book import Ledger
from ingest.ledger.writer import LedgerWriter, Mark, Spoiled
from ingest.reasons import Reason
from ingest.rejected import Rejected, RejectedLog
from ingest.stats import Stats
from ingest.topics import NOT_FROM_DEVICES, Channel, Topic, parse, why_not
from ingest.unknown import Heard
from ingest.validate import EARLIEST, MAX_AHEAD, Validated, explain, validate_columns
from waterworks.names import Format, Names
from waterworks.reading import AppendResult, ReadingBatch, Times, as_datetime
from waterworks.site import Site

log = logging.getLogger(__name__)

_TOPICS_REMEMBERED = 50_000
_TOPIC_REMEMBERED = 500  # characters: a topic may have 65,535, and anyone may make up new ones


class Keeper(Protocol):
    """Makes a batch durable: a store, or one with a spool before it (``append`` then may give None)."""

    def append(self, batch: ReadingBatch) -> AppendResult | None: ...


class RawMessage(NamedTuple):
    """A message as the broker gave it. stale: it may have waited there, nobody knows how long."""

    topic: str
    payload: bytes
    stale: bool = False


@dataclass
class Group:
    """What a group of messages comes to. ``Pipeline.commit`` ticks off what is durable already."""

    batch: ReadingBatch
    rejected: list[Rejected] = field(default_factory=list)
    states: list[DeviceState] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    received: np.datetime64 = field(default_factory=lambda: np.datetime64(0, "us"))
    marks: list[Mark] = field(default_factory=list)
    spoiled: list[Spoiled] = field(default_factory=list)
    held: Held | None = None
    batch_done: bool = False
    rejected_done: bool = False
    held_done: bool = False
    ledger_done: bool = False


class Pipeline:
    """Prepares and commits groups of messages of one site into ``store``.

    quarantine: where to hold readings whose times cannot be right; None: they are rejected. ahead: how far a
    time may lie in the future. devices: where to keep what devices say of themselves; None: nowhere. ledger:
    where arrivals are counted; None: nowhere. What cannot be written there holds nobody up: it is tried again
    with the next group, and counted in ``stats`` where it had to be let go. births: where to keep what
    Sparkplug's nodes say; None: nowhere. max_bytes, max_readings: bounds on one message.
    """

    def __init__(
        self,
        site: Site,
        store: Keeper,
        rejected: RejectedLog,
        *,
        quarantine: Quarantine | None = None,
        ahead: np.timedelta64 = MAX_AHEAD,
        devices: DeviceLog | None = None,
        ledger: Ledger | None = None,
        stats: Stats | None = None,
        births: Births | None = None,
        max_bytes: int = MAX_BYTES,
        max_readings: int = MAX_READINGS,
    ) -> None:
        self.stats = Stats() if stats is None else stats
        self._site = site
        self.store = store
        self._rejected = rejected
        self._quarantine, self._ahead = quarantine, ahead
        self._clocks = CurrentCorrections(site)
        self._devices = devices
        self._ledger = None if ledger is None else LedgerWriter(ledger, site, self.stats)
        self._readings = JsonReadings(max_bytes=max_bytes, max_readings=max_readings)
        names = Names(site.names, site.sensor)
        self._senml = Senml(names, max_bytes=max_bytes, max_readings=max_readings)
        self.foreign = Foreign(site, names, births=births, max_bytes=max_bytes, max_readings=max_readings)
        self._topics: dict[str, Topic | Format | None] = {}
        self._known_devices = {s.device for s in site.sensors}

    def prepare(self, messages: Sequence[RawMessage], received: np.datetime64) -> Group:
        """Decode and check messages that came at about ``received``. Touches no store."""
        columns = Columns()
        group = Group(ReadingBatch.empty(), received=received, marks=columns.marks)
        when = as_datetime(received)
        starts = np.empty(len(messages), np.int64)
        decode = self._readings.decode
        now = int(received.astype("datetime64[us]").astype(np.int64))
        for i, message in enumerate(messages):
            starts[i] = len(columns)
            try:
                topic = self._topic(message.topic)
                if isinstance(topic, Format):
                    self._take_foreign(topic, message, columns, now, when, group)
                elif topic.channel is Channel.READINGS:
                    faults = decode(topic.device, message.payload, columns)
                    if faults:
                        self._refuse(group, message, _of_faults(message, when, faults))
                elif topic.channel is Channel.SENML or topic.channel is Channel.SENML_CBOR:
                    cbor = topic.channel is Channel.SENML_CBOR
                    of_pack = self._senml.decode_cbor if cbor else self._senml.decode_json
                    faults = of_pack(topic.device, message.payload, columns, now, message.stale)
                    if faults:
                        self._refuse(group, message, _of_faults(message, when, faults))
                else:
                    self._take_other(topic, message, when, group)
            except Rejection as e:
                refused = Rejected(when, message.topic, message.payload, e.reason, e.detail)
                self._refuse(group, message, [refused])
            except Exception as e:
                # One message that our code stumbles over must not stop all others for good.
                log.exception("decoder failed on a message of topic %r", message.topic)
                detail = f"{type(e).__name__}: {e}"
                refused = Rejected(when, message.topic, message.payload, Reason.DECODER_FAILED, detail)
                self._refuse(group, message, [refused])
        self.stats.unwanted += columns.unwanted
        if len(columns):
            self._check(columns, messages, starts, received, group)
        return group

    def commit(self, group: Group) -> None:
        """Make a group durable. Call it again after StoreUnavailable or StoreError: it goes on from there."""
        stats = self.stats
        if not group.batch_done:
            if len(group.batch):
                result = self.store.append(group.batch)
                if result is not None:  # else it waits in the spool, and is counted when it leaves that
                    stats.add(result)
            group.batch_done = True
        if not group.rejected_done:
            self._rejected.add(group.rejected)
            for r in group.rejected:
                stats.rejected[r.reason.value] += r.readings
            group.rejected_done = True
        if group.held is not None and self._quarantine is not None and not group.held_done:
            self._quarantine.add(group.held)
            stats.held += len(group.held.sensor)
            group.held_done = True
        if self._devices is not None:
            self._devices.forget(group.forgotten)
            self._devices.update(group.states)
        self.foreign.save()
        if self._ledger is not None and not group.ledger_done:
            self._ledger.write(group.batch, group.spoiled, group.marks, group.received)
            group.ledger_done = True

    def _refuse(self, group: Group, message: RawMessage, entries: list[Rejected]) -> None:
        """Reject (a part of) a message of which no sensor is known."""
        group.rejected += entries
        if self._ledger is not None:
            readings = sum(e.readings for e in entries)
            group.spoiled += self._ledger.refused(message.topic, message.payload, readings, group.received)

    def _topic(self, text: str) -> Topic | Format:
        """Ours, or the format of another maker's. Rejection for a topic that is none of this site's."""
        try:
            topic = self._topics[text]
        except KeyError:
            if len(self._topics) >= _TOPICS_REMEMBERED:
                self._topics.clear()
            topic = parse(text) or self.foreign.format(text)
            if len(text) <= _TOPIC_REMEMBERED:
                self._topics[text] = topic
        if topic is None:
            raise Rejection(Reason.UNKNOWN_TOPIC, why_not(text))
        if isinstance(topic, Format):
            return topic
        if topic.site != self._site.id:
            raise Rejection(Reason.WRONG_SITE, f"a topic of site {topic.site!r}; this is {self._site.id!r}")
        return topic

    def _by_ids(self, topic: str) -> bool:
        """Whether messages of ``topic`` name sensors by their ids, whatever names.csv says."""
        of = self._topic(topic)
        return isinstance(of, Topic) and of.channel is Channel.READINGS

    def _take_foreign(
        self, format: Format, message: RawMessage, columns: Columns, now: int, when: datetime, group: Group
    ) -> None:
        before = len(columns) + columns.unwanted
        done = self.foreign.decode(format, message.topic, message.payload, columns, now, when, message.stale)
        if done.faults:
            self._refuse(group, message, _of_faults(message, when, done.faults))
        elif len(columns) + columns.unwanted == before:
            self.stats.other += 1
        group.states += done.states

    def _take_other(self, topic: Topic, message: RawMessage, when: datetime, group: Group) -> None:
        if topic.channel in NOT_FROM_DEVICES:  # on its way to one, or to another ingest process
            self.stats.other += 1
            return
        if not self._known_devices & {topic.device, ""}:
            raise Rejection(
                Reason.UNKNOWN_DEVICE, f"no sensor of site {self._site.id} belongs to device {topic.device!r}"
            )
        if topic.channel is Channel.STATUS and not message.payload:  # someone cleared the retained status
            group.states = [s for s in group.states if s.device != topic.device]
            group.forgotten.append(topic.device)
        elif topic.channel is Channel.STATUS:
            status = decode_status(message.payload)
            group.states.append(
                DeviceState(
                    topic.device,
                    status.state,
                    when,
                    status.at(),
                    status.battery_v,
                    status.signal_dbm,
                    status.firmware,
                    status.interval_s,
                    tuple(status.sensors),
                )
            )
        else:
            result = decode_result(message.payload)
            if result.ok and result.interval_s is not None:
                group.states.append(DeviceState(topic.device, "online", when, interval_s=result.interval_s))
        self.stats.statuses += 1

    def _check(
        self,
        columns: Columns,
        messages: Sequence[RawMessage],
        starts: np.ndarray[tuple[int], np.dtype[np.int64]],
        received: np.datetime64,
        group: Group,
    ) -> None:
        """Check all readings of a group at once; what fails goes back to its messages."""
        source, time, value, quality = columns.arrays()
        sources = list(columns.sources)
        stamped = time
        if clocks := self._clocks.get():
            time = clocks.apply([s.sensor for s in sources], source, time, received + self._ahead)
        checked = validate_columns(
            self._site,
            [s.sensor for s in sources],
            source,
            time,
            value,
            [s.unit for s in sources],
            received=received,
            quality=quality,
            devices=[s.device for s in sources],
            ahead=self._ahead,
        )
        group.batch = checked.batch
        if not len(checked.rejected):
            return
        held = self._hold(checked, [sources[i] for i in source[checked.rejected]], stamped, received, group)
        owners = np.searchsorted(starts, checked.rejected, side="right") - 1
        faults: dict[int, list[Fault]] = {}
        explained: set[tuple[int, Reason]] = set()
        heard: dict[int, dict[str, Heard]] = {}
        for row, reason, owner, is_held in zip(
            checked.rejected.tolist(), checked.reasons, owners.tolist(), held, strict=True
        ):
            if self._ledger is not None:
                m, sensor, place = messages[owner], sources[source[row]].sensor, columns.place(row)
                group.spoiled.append(
                    self._ledger.spoiled(m.topic, m.payload, sensor, reason, time[row], place, received)
                )
            if is_held:
                continue
            detail = ""
            if (owner, reason) not in explained:  # a thousand like it need no thousand explanations
                explained.add((owner, reason))
                of = sources[source[row]]
                at, sent = time[row], float(value[row])
                detail = explain(self._site, reason, of.sensor, of.unit, at, sent, of.device)
                if reason is Reason.UNKNOWN_SENSOR and not self._by_ids(messages[owner].topic):
                    detail += ", nor is its name in names.csv"
            faults.setdefault(owner, []).append(Fault(columns.place(row), reason, detail))
            if reason is Reason.UNKNOWN_SENSOR:
                of = sources[source[row]]
                names = heard.setdefault(owner, {})
                count = names[of.sensor].readings + 1 if of.sensor in names else 1
                names[of.sensor] = Heard(of.sensor, float(value[row]), of.unit, time[row], count, of.device)
        when = as_datetime(received)
        for owner, of_message in faults.items():
            unknown = tuple(heard.get(owner, {}).values())
            group.rejected += _of_faults(messages[owner], when, of_message, unknown)

    def _hold(
        self,
        checked: Validated,
        sources: Sequence[Source],
        stamped: Times,
        received: np.datetime64,
        group: Group,
    ) -> list[bool]:
        """Hold those of the rejected readings (K,) with whose times alone something is wrong; which ones."""
        if self._quarantine is None:
            return [False] * len(sources)
        time = stamped[checked.rejected]
        fit = np.isfinite(checked.si) & (time > EARLIEST) & (time < received + FURTHEST)
        held = [reason in HELD and ok for reason, ok in zip(checked.reasons, fit.tolist(), strict=True)]
        rows = np.flatnonzero(held)
        if len(rows):
            of = [sources[i] for i in rows.tolist()]
            group.held = Held(
                [self._site.sensor[s.sensor].device or s.device for s in of],
                [s.sensor for s in of],
                time[rows],
                checked.si[rows],
                checked.flags[rows],
                [checked.reasons[i] for i in rows.tolist()],
                received,
            )
        return held


def _of_faults(
    message: RawMessage, when: datetime, faults: Sequence[Fault], unknown: tuple[Heard, ...] = ()
) -> list[Rejected]:
    """One entry for each reason that readings of a message failed for; the first reading is described."""
    by_reason: dict[Reason, list[Fault]] = {}
    for fault in faults:
        by_reason.setdefault(fault.reason, []).append(fault)
    entries = []
    for reason, found in by_reason.items():
        readings = sum(f.readings for f in found)
        detail = f"reading {found[0].place}: {found[0].detail}"
        if readings > 1:
            places = ", ".join(str(f.place) for f in found[1:20])
            more = ", ..." if len(found) > 20 else ""
            detail += f" ({readings} readings in all" + (f", also {places}{more})" if places else ")")
        names = unknown if reason is Reason.UNKNOWN_SENSOR else ()
        entries.append(Rejected(when, message.topic, message.payload, reason, detail, readings, names))
    return entries
