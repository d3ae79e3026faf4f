"""Which Twuin, which InfluxDB and whose clock dashboards are made for."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

LANGUAGES = ("en", "id")

_UID = 40
"""Letters that Grafana lets a uid have."""


@dataclass(frozen=True, slots=True)
class Installation:
    """What a set of dashboards is made for.

    site: id of the one site they show; "" for any site that the database holds, picked on the page.
    timezone: IANA name of the zone that times are shown in. twuin_url: where Twuin's own pages are.
    influx_url, influx_version ("1" or "2"), database (of 2.x: the bucket), username: the InfluxDB as
    Grafana reaches it. A password or token is no part of it: Grafana takes it from its own environment,
    from ``secret_variable``. alert_emails: whom Grafana's alerting tells.
    """

    site: str = ""
    name: str = ""
    timezone: str = "Asia/Jakarta"
    twuin_url: str = "http://localhost:8080"
    influx_url: str = "http://localhost:8086"
    influx_version: str = "2"
    database: str = "twuin"
    username: str = ""
    secret_variable: str = "TWUIN_INFLUX_TOKEN"
    alert_emails: tuple[str, ...] = ()

    def uid(self, *parts: str) -> str:
        """A uid of its own for one thing of this installation."""
        return uid_of("twuin", *([self.site] if self.site else []), *parts)


def uid_of(*parts: str) -> str:
    """A uid from names. Where they hold other characters, or are too long, a digest of them stands in it."""
    plain = "-".join(parts)
    if re.fullmatch(r"[A-Za-z0-9_-]+", plain) and len(plain) <= _UID:
        return plain
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:10]
    clean = re.sub(r"[^A-Za-z0-9_-]", "", plain)
    return f"{clean[: _UID - 11]}-{digest}"
