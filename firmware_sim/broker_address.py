"""Where the MQTT broker is that the devices connect to."""

from __future__ import annotations

import csv
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from waterworks.errors import BrokerError


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Host and port of a broker, and what it asks of its clients.

    ca_file: None: the system's authorities. logins: user name and password by device, for those that have
    their own.
    """

    host: str = "127.0.0.1"
    port: int = 1883
    username: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    ca_file: Path | None = None
    logins: Mapping[str, tuple[str, str]] = field(default_factory=dict, repr=False)

    @classmethod
    def parse(cls, text: str) -> BrokerAddress:
        """From "host", "host:port" or "mqtts://user:password@host:port". BrokerError for anything else."""
        url = text if "://" in text else f"mqtt://{text}"
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
            raise BrokerError(
                f"{text!r} is no broker: write for example 192.0.2.7, broker:1883 or mqtts://broker"
            )
        tls = parts.scheme == "mqtts"
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        return cls(parts.hostname, port or (8883 if tls else 1883), user, password, tls)

    def login(self, device: str) -> tuple[str, str]:
        """User name and password of ``device``, both empty where it needs none."""
        return self.logins.get(device, (self.username, self.password))

    def tls_context(self) -> ssl.SSLContext | None:
        """How to encrypt, None where not to. BrokerError when the authority's file cannot be used."""
        if not self.tls:
            return None
        try:
            return ssl.create_default_context(cafile=None if self.ca_file is None else str(self.ca_file))
        except (OSError, ssl.SSLError) as error:
            raise BrokerError(f"CA file {self.ca_file} cannot be used: {error}") from error

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"MQTT broker {host}:{self.port}"


def read_logins(path: Path) -> dict[str, tuple[str, str]]:
    """User name and password by device, from a CSV file with the columns device, username, password.

    Raises BrokerError naming file and line.
    """
    columns = ("device", "username", "password")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            missing = [c for c in columns if c not in (rows.fieldnames or ())]
            if missing:
                raise BrokerError(f"{path}:1: no column {missing[0]!r}: it needs {', '.join(columns)}")
            found: dict[str, tuple[str, str]] = {}
            for row in rows:
                device, user, password = (row[c] or "" for c in columns)
                if not device or not user or not password:
                    raise BrokerError(f"{path}:{rows.line_num}: device, username or password is empty")
                found[device] = (user, password)
    except OSError as error:
        raise BrokerError(f"{path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise BrokerError(f"{path} is no CSV file in UTF-8: {error}") from error
    return found
