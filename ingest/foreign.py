"""Messages of other makers' devices: which format is on a topic, and what they come to."""

from __future__ import annotations

from collections.abc import Sequence

from ingest.decoders.columns import Columns, Fault, Rejection
from ingest.decoders.json_readings import MAX_BYTES
from ingest.decoders.named import Named
from ingest.decoders.plain import take_plain
from ingest.reasons import Reason
from waterworks.listen import matches
from waterworks.names import ANY_OTHER, Format, Names
from waterworks.site import Site


def filters(site: Site) -> list[str]:
    """The topic filters that an ingest process of ``site`` subscribes to beside Twuin's own.

    The topics of names.csv are among them, unless a filter of site.toml covers them.
    """
    said = [listening.filter for listening in site.listen]
    named = (n.name for n in site.names if n.format is Format.PLAIN and n.name != ANY_OTHER)
    return said + [t for t in dict.fromkeys(named) if not any(matches(f, t) for f in said)]


class Foreign:
    """Decodes what ``site`` listens to. max_bytes: bound on one message."""

    def __init__(self, site: Site, names: Names, *, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._listen = site.listen
        self._topics = {n.name for n in site.names if n.format is Format.PLAIN}
        self._plain = Named(Format.PLAIN, names)

    def format(self, topic: str) -> Format | None:
        """What is on ``topic``; None where the site does not say."""
        for listening in self._listen:
            if matches(listening.filter, topic):
                return listening.format
        return Format.PLAIN if topic in self._topics else None

    def decode(
        self, format: Format, topic: str, payload: bytes, out: Columns, now: int, stale: bool
    ) -> Sequence[Fault]:
        """Add the readings of a message to ``out``; what could not be used is returned.

        now: when it came, microseconds since 1970 UTC. stale: it may have waited.

        Raises Rejection, with ``out`` as it was, when nothing of the message can be used.
        """
        if len(payload) > self._max_bytes:
            raise Rejection(Reason.TOO_LARGE, f"{len(payload)} bytes; at most {self._max_bytes} are allowed")
        take_plain(self._plain, topic, payload, out, now, stale)
        return ()
