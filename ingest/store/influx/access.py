"""Where InfluxDB is, who we are there, and which of its versions it speaks."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Access:
    """How to reach one database of an InfluxDB.

    url: as in ``http://127.0.0.1:8086``. version: 1 writes to ``/write`` with user and password, 2 to
    ``/api/v2/write`` with organisation and token; both are asked by InfluxQL on ``/query``.
    database: the database (1) or bucket (2). retention_days: how long a database that Twuin makes keeps
    readings [d], None: for ever. downsample: whether means of 15 minutes and of days are kept too.
    timeout_s: how long to wait for an answer [s].
    """

    url: str
    database: str
    version: Literal[1, 2] = 2
    org: str = ""
    token: str = field(default="", repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: Path | None = None
    retention_days: float | None = None
    downsample: bool = False
    timeout_s: float = 30.0
