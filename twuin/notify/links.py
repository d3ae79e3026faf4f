"""Signed links: one tap acknowledges an alert, without an account, until the link expires."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from waterworks.errors import SettingsError

KEY_BYTES = 32
TAG_BYTES = 15
"""Of the signature, 120 bit: 20 letters of a link. Nobody can try that many before it expires."""

_TOKEN = re.compile(r"([A-Za-z0-9_-]{1,40})~([\w.-]{1,64})~([0-9a-z]{1,8})~([A-Za-z0-9_-]{20})")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def load_key(path: Path) -> bytes:
    """The key in ``path``; made at first use, readable for its owner alone. SettingsError: it is none."""
    try:
        if not path.exists():
            _make(path)
        mode = path.stat().st_mode & 0o777
        text = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as e:
        raise SettingsError(f"key of links {path}: {getattr(e, 'strerror', None) or 'is no key'}") from e
    if mode & 0o077:
        raise SettingsError(f"key of links {path} can be read by others: chmod 600 {path}")
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise SettingsError(
            f"key of links {path} is not 64 hexadecimal digits: remove the file, and a new one is made "
            "(links sent before then no longer work)"
        )
    return bytes.fromhex(text)


def _make(path: Path) -> None:
    """Write a key under another name, then give it its own: nobody reads half of one."""
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(os.urandom(KEY_BYTES).hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    with contextlib.suppress(FileExistsError):  # another process was faster: its key holds
        os.link(new, path)
    new.unlink()


@dataclass(frozen=True, slots=True)
class Taken:
    """What a link lets its receiver do: acknowledge ``alert``, as ``receiver``, until ``until``."""

    alert: str
    receiver: str
    until: datetime


@dataclass(frozen=True)
class Links:
    """Addresses of pages in messages. public_url: where people find the pages, "" where nobody knows."""

    site: str
    key: bytes
    public_url: str

    def alert(self, id: str) -> str:
        """The alert's page."""
        return f"{self.public_url}/alerts/{quote(id, safe='')}" if self.public_url else ""

    def alerts(self) -> str:
        """The list of alerts."""
        return f"{self.public_url}/alerts" if self.public_url else ""

    def reports(self) -> str:
        """The page of reports."""
        return f"{self.public_url}/reports" if self.public_url else ""

    def take(self, taken: Taken) -> str:
        """The link with which a receiver acknowledges an alert."""
        return f"{self.public_url}/a/{self.token(taken)}" if self.public_url else ""

    def token(self, taken: Taken) -> str:
        """What follows /a/ in it."""
        until = _base36(int(taken.until.timestamp()))
        return f"{taken.alert}~{taken.receiver}~{until}~{self._tag(taken.alert, taken.receiver, until)}"

    def read(self, token: str) -> Taken | None:
        """What a token stands for, expired or not; None where it was not made here."""
        parts = _TOKEN.fullmatch(token)
        if parts is None:
            return None
        alert, receiver, until, tag = parts.groups()
        if not hmac.compare_digest(tag, self._tag(alert, receiver, until)):
            return None
        return Taken(alert, receiver, datetime.fromtimestamp(int(until, 36), UTC))

    def _tag(self, alert: str, receiver: str, until: str) -> str:
        said = "\0".join(("twuin acknowledge 1", self.site, alert, receiver, until)).encode()
        digest = hmac.new(self.key, said, hashlib.sha256).digest()[:TAG_BYTES]
        return base64.urlsafe_b64encode(digest).decode("ascii")


def _base36(number: int) -> str:
    out = ""
    while number:
        number, digit = divmod(number, 36)
        out = _DIGITS[digit] + out
    return out or "0"
