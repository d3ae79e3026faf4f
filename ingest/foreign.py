"""Messages of other makers' devices: which format is on a topic, and what they come to."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from ingest.births import Births, Change
from ingest.decoders.columns import Columns, Fault, Rejection
from ingest.decoders.json_readings import MAX_BYTES, MAX_READINGS
from ingest.decoders.named import Named
from ingest.decoders.plain import take_plain
from ingest.decoders.sparkplug import Sparkplug, parse_topic
from ingest.decoders.uplink import Taken, Uplinks
from ingest.devices import DeviceState
from ingest.reasons import Reason
from ingest.rebirths import Message, Rebirths
from waterworks.listen import matches
from waterworks.names import ANY_OTHER, LORAWAN, Format, Names
from waterworks.site import Site

_MOST_US = 2**62  # microseconds: a time that the ledger's 64 bits hold with room to spare
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def in_sequence(site: Site) -> list[str]:
    """Topic filters of messages that rest on those before them: a process needs all or none."""
    return [ln.filter for ln in site.listen if ln.format is Format.SPARKPLUG]


def filters(site: Site) -> list[str]:
    """All other topic filters that an ingest process of ``site`` subscribes to beside Twuin's own.

    The topics of names.csv are among them, unless a filter of site.toml covers them.
    """
    said = [ln.filter for ln in site.listen if ln.format is not Format.SPARKPLUG]
    named = (n.name for n in site.names if n.format is Format.PLAIN and n.name != ANY_OTHER)
    return said + [t for t in dict.fromkeys(named) if not any(matches(f, t) for f in said)]


class Outcome(NamedTuple):
    """What a message came to beside its readings. states: what it says of devices."""

    faults: Sequence[Fault] = ()
    states: Sequence[DeviceState] = ()


_NOTHING = Outcome()


class Foreign:
    """Decodes what ``site`` listens to.

    births: where to keep what Sparkplug's nodes said, None: nowhere. max_bytes, max_readings: bounds on one
    message.
    """

    def __init__(
        self,
        site: Site,
        names: Names,
        *,
        births: Births | None = None,
        max_bytes: int = MAX_BYTES,
        max_readings: int = MAX_READINGS,
    ) -> None:
        self._max_bytes = max_bytes
        self._listen = site.listen
        self._topics = {n.name for n in site.names if n.format is Format.PLAIN}
        self._devices = _Devices(site)
        self._plain = Named(Format.PLAIN, names)
        self._uplinks = {
            format: Uplinks(
                format, Named(format, names, self._devices.own), site.codecs, max_readings=max_readings
            )
            for format in LORAWAN
        }
        self._births = births
        self._rebirths = Rebirths()
        self._sparkplug = Sparkplug(
            Named(Format.SPARKPLUG, names, self._devices.own),
            None if births is None else births.load(),
            max_readings=max_readings,
        )

    def format(self, topic: str) -> Format | None:
        """What is on ``topic``; None where the site does not say."""
        for listening in self._listen:
            if matches(listening.filter, topic):
                return listening.format
        return Format.PLAIN if topic in self._topics else None

    def decode(
        self,
        format: Format,
        topic: str,
        payload: bytes,
        out: Columns,
        now: int,
        received: datetime,
        stale: bool,
    ) -> Outcome:
        """Add the readings of a message to ``out``.

        now, received: when it came, microseconds since 1970 UTC and UTC. stale: it may have waited.

        Raises Rejection, with ``out`` as it was, when nothing of the message can be used.
        """
        if len(payload) > self._max_bytes:
            raise Rejection(Reason.TOO_LARGE, f"{len(payload)} bytes; at most {self._max_bytes} are allowed")
        if format in LORAWAN:
            if not topic.endswith("/up"):  # joins, acknowledgements and the like
                return _NOTHING
            taken = self._uplinks[format].take(payload, out)
            device = self._devices.find(format, taken.uplink.device)
            if device and abs(taken.time) < _MOST_US:
                out.mark(device, None, taken.uplink.counter, 0, taken.time)
            return Outcome(taken.faults, self._devices.of_uplink(format, taken, received))
        if format is Format.SPARKPLUG:
            return self._take_sparkplug(topic, payload, out, received)
        take_plain(self._plain, topic, payload, out, now, stale)
        return _NOTHING

    def _take_sparkplug(self, topic: str, payload: bytes, out: Columns, received: datetime) -> Outcome:
        of = parse_topic(topic)
        if of is None:
            return _NOTHING
        heard = self._sparkplug.take(of, payload, out)
        if of.verb == "NBIRTH":
            self._rebirths.born(of.key)
        if heard.ask:
            self._rebirths.want(of.key)
        return Outcome(heard.faults, self._devices.of_lives(heard.lives, received))

    def save(self) -> None:
        """Make durable what messages left behind that later ones rest on. StoreUnavailable, StoreError."""
        sparkplug = self._sparkplug
        if self._births is not None and (sparkplug.changed or sparkplug.forgotten):
            found = ((key, sparkplug.node(key), anew) for key, anew in sparkplug.changed.items())
            self._births.save([Change(k, n, anew) for k, n, anew in found if n], sparkplug.forgotten)
        sparkplug.changed.clear()
        sparkplug.forgotten.clear()

    def missed(self) -> None:
        """Say that messages may have been missed: the connection was away."""
        self._sparkplug.missed()

    def requests(self) -> list[Message]:
        """What devices are to be asked now."""
        return self._rebirths.due(time.monotonic(), time.time_ns() // 10**6)


class _Devices:
    """Which device of the site a sender is: the one of that name, else the one whose sensors it feeds.

    own: devices by their ids in small letters.
    """

    def __init__(self, site: Site) -> None:
        self.own = {s.device.lower(): s.device for s in site.sensors if s.device}
        fed: dict[tuple[Format, str], set[str]] = {}
        for n in site.names:
            if n.format is not None and n.source and n.sensor in site.sensor:
                fed.setdefault((n.format, n.source), set()).add(site.sensor[n.sensor].device)
        self._fed = {sender: min(devices) for sender, devices in fed.items() if len(devices) == 1}

    def find(self, format: Format, source: str) -> str:
        """The device's id, "" where the site does not know one."""
        return self.own.get(source.lower()) or self._fed.get((format, source), "")

    def of_uplink(self, format: Format, taken: Taken, received: datetime) -> list[DeviceState]:
        """That it was heard, and how well."""
        device = self.find(format, taken.uplink.device)
        if not device:
            return []
        try:
            at = _EPOCH + timedelta(microseconds=taken.time)
        except OverflowError:
            return []
        return [DeviceState(device, "online", received, at, signal_dbm=taken.uplink.rssi)]

    def of_lives(self, lives: Sequence[tuple[str, bool]], received: datetime) -> list[DeviceState]:
        """Which devices came and went, by what Sparkplug's nodes said."""
        found = ((self.find(Format.SPARKPLUG, source), alive) for source, alive in lives)
        return [DeviceState(d, "online" if alive else "offline", received) for d, alive in found if d]
