"""What an identity may publish and what it may hear, as filters of topics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ingest.decoders.sparkplug import ROOT as SPARKPLUG
from ingest.foreign import filters, in_sequence
from ingest.topics import ROOT, Channel, build, escape
from waterworks.errors import BrokerError
from waterworks.site import Site

FROM_DEVICE = (Channel.READINGS, Channel.SENML, Channel.SENML_CBOR, Channel.STATUS, Channel.RESULT)
"""What a device says."""

TO_DEVICE = (Channel.COMMAND, Channel.RECEIPT)
"""What it hears."""


class Grants(NamedTuple):
    """Filters of topics that may be published to (``write``) and received from (``read``)."""

    write: tuple[str, ...] = ()
    read: tuple[str, ...] = ()


def of_device(site: str, device: str, more: Sequence[str] = ()) -> Grants:
    """A device's: its own topics, and ``more`` filters to publish to. Raises BrokerError for no filter."""
    own = [build(site, device, channel) for channel in FROM_DEVICE]
    heard = [build(site, device, channel) for channel in TO_DEVICE]
    return _checked(Grants((*own, *more), (*heard, *_commands_of_edges(more))))


def of_foreign(more: Sequence[str]) -> Grants:
    """A device's that has no place in the site, as a gateway: the filters that it was given."""
    return _checked(Grants(tuple(more), _commands_of_edges(more)))


def _commands_of_edges(more: Sequence[str]) -> tuple[str, ...]:
    """What edge nodes of Sparkplug hear, that publish to ``spBv1.0/{group}/+/{node}/#``: their commands."""
    heard: dict[str, None] = {}
    for topic in more:
        levels = topic.split("/")
        if len(levels) > 3 and levels[0] == SPARKPLUG and levels[3] not in ("+", "#"):
            group, node = levels[1], levels[3]
            heard |= dict.fromkeys((f"{SPARKPLUG}/{group}/NCMD/{node}", f"{SPARKPLUG}/{group}/DCMD/{node}/+"))
    return tuple(heard)


def of_ingest(site: str, heard: Sequence[str] | None = None) -> Grants:
    """An ingest process's: it hears everything, tells devices of its site what is stored, and asks Sparkplug
    nodes for their births.

    heard: where a broker serves several sites, the filters of this one's topics (``heard``), and it hears and
    asks nothing else.
    """
    level = f"{ROOT}/{escape(site)}/+"
    own = (f"{level}/{Channel.RECEIPT.value}", f"{level}/{Channel.HEARTBEAT.value}")
    if heard is None:
        return _checked(Grants((*own, f"{SPARKPLUG}/+/NCMD/+"), ("#",)))
    return _checked(Grants((*own, *_births(heard)), tuple(heard)))


def heard(site: Site) -> tuple[str, ...]:
    """All filters of topics that are a site's: its own under ``twuin/``, and what it listens to."""
    own = f"{ROOT}/{escape(site.id)}/#"
    return tuple(dict.fromkeys((own, *filters(site), *in_sequence(site))))


def _births(heard: Sequence[str]) -> Iterator[str]:
    """Where the Sparkplug nodes of some filters are asked for their births."""
    for topic in heard:
        levels = topic.split("/")
        if levels[0] == SPARKPLUG:
            group = levels[1] if len(levels) > 1 and levels[1] != "#" else "+"
            node = levels[3] if len(levels) > 3 and levels[3] != "#" else "+"
            yield f"{SPARKPLUG}/{group}/NCMD/{node}"


def of_manager(site: str) -> Grants:
    """Who sends commands to the devices of a site, and hears what they answer."""
    level = f"{ROOT}/{escape(site)}/+"
    return _checked(
        Grants(
            (f"{level}/{Channel.COMMAND.value}",),
            (f"{level}/{Channel.RESULT.value}", f"{level}/{Channel.STATUS.value}"),
        )
    )


def of_health() -> Grants:
    """Who asks whether the broker lives."""
    return Grants((), ("$SYS/broker/uptime",))


def _checked(grants: Grants) -> Grants:
    for topic in (*grants.write, *grants.read):
        check_filter(topic)
    return grants


def check_filter(topic: str) -> None:
    """Raises BrokerError for what is no filter of topics (MQTT 3.1.1, section 4.7) on one line."""
    levels = topic.split("/")
    if not topic or len(topic.encode()) > 65_535 or topic != topic.strip():
        why = "it is empty, too long, or begins or ends with a space"
    elif not topic.isprintable():
        why = "it holds characters that cannot be printed"
    elif topic.startswith("$"):
        why = "topics that begin with $ are the broker's own"
    elif "#" in topic and (levels[-1] != "#" or "#" in topic[:-1]):
        why = "# may only be its last level, and alone there"
    elif any("+" in level and level != "+" for level in levels):
        why = "+ may only stand alone between two /"
    else:
        return
    raise BrokerError(f"{topic!r} is no filter of MQTT topics: {why}")
