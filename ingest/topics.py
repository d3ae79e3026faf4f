"""The layout of MQTT topics: ``twuin/{site}/{device}/readings`` and its neighbours.

A site or device id fills one level. Characters that would end or widen a level are written as in a URL:
``/`` as %2F, ``+`` as %2B, ``#`` as %23, ``%`` as %25, NUL as %00.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import unquote

ROOT = "twuin"
MAX_TOPIC = 65_535
"""Bytes of a topic that MQTT can carry (MQTT 3.1.1, section 1.5.3)."""

_ESCAPES = {ord(c): f"%{ord(c):02X}" for c in "%/+#\0"}


class Channel(StrEnum):
    """What a topic carries."""

    READINGS = "readings"
    SENML = "senml"  # readings as SenML JSON
    SENML_CBOR = "senml-cbor"
    STATUS = "status"
    COMMAND = "command"
    RESULT = "command/result"
    RECEIPT = "receipt"  # to the device: which of its messages are stored
    HEARTBEAT = "heartbeat"  # of an ingest process to itself


NOT_FROM_DEVICES = frozenset({Channel.COMMAND, Channel.RECEIPT, Channel.HEARTBEAT})


class Topic(NamedTuple):
    """A parsed topic: what, of which device of which site."""

    site: str
    device: str
    channel: Channel

    def __str__(self) -> str:
        return build(self.site, self.device, self.channel)


def escape(id: str) -> str:
    """``id`` as one level of a topic. ValueError for an empty one."""
    if not id:
        raise ValueError("an empty id cannot be a level of a topic")
    return id.translate(_ESCAPES)


def build(site: str, device: str, channel: Channel) -> str:
    """The topic of ``channel`` of a device. ValueError for an empty id or one too long for MQTT."""
    topic = f"{ROOT}/{escape(site)}/{escape(device)}/{channel.value}"
    if len(topic.encode()) > MAX_TOPIC:
        raise ValueError(f"device id of {len(device)} characters does not fit into a topic")
    return topic


def parse(topic: str) -> Topic | None:
    """What ``topic`` carries, or None where it is not of this layout."""
    levels = topic.split("/", 3)
    if len(levels) != 4 or levels[0] != ROOT or levels[3] not in _CHANNELS:
        return None
    try:
        site, device = unquote(levels[1], errors="strict"), unquote(levels[2], errors="strict")
    except UnicodeDecodeError:
        return None
    if not site or not device:
        return None
    return Topic(site, device, Channel(levels[3]))


_CHANNELS = frozenset(c.value for c in Channel)


def why_not(topic: str) -> str:
    """What is wrong with a topic that ``parse`` does not know, and what would be right."""
    *others, last = (c.value for c in Channel if c not in NOT_FROM_DEVICES)
    right = f"{', '.join(others)} or {last}"
    levels = topic.split("/", 3)
    if len(levels) == 4 and levels[0] == ROOT and levels[1] and levels[2] and levels[3] not in _CHANNELS:
        return f"topic {topic[:80]!r} ends in {levels[3][:40]!r}: devices publish to {right} there"
    return f"topic {topic[:80]!r} is not of the layout {ROOT}/{{site}}/{{device}}/..., ending in {right}"


class Subscription(NamedTuple):
    """``filter``: what to subscribe to; ``shared``: whether several consumers divide its messages."""

    filter: str
    shared: bool = False


def subscriptions(
    site: str, *, shared: bool = False, strays: bool = True, foreign: Sequence[str] = ()
) -> list[Subscription]:
    """What an ingest process of ``site`` subscribes to.

    shared: its messages are divided among all processes that subscribe likewise. Retained messages do
    not come on a shared subscription (MQTT 5.0, section 4.8.2), so each process asks for device status
    on its own as well.
    strays: also what comes under ``twuin/`` outside the site, so that a device with a mistyped site is
    noticed; not wanted where a broker serves several sites. foreign: filters of other makers' topics.
    """
    level = escape(site)
    everything = f"{ROOT}/#" if strays else f"{ROOT}/{level}/#"
    if not shared:
        return [Subscription(everything), *(Subscription(f) for f in foreign)]
    group = f"$share/{ROOT}-{level}"
    return [
        *(Subscription(f"{group}/{f}", shared=True) for f in (everything, *foreign)),
        Subscription(f"{ROOT}/{level}/+/{Channel.STATUS.value}"),
    ]
