"""Signed messages to other systems, in the manner of Standard Webhooks (www.standardwebhooks.com)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import requests

from twuin import __version__
from twuin.notify.model import Message, Outcome, Result
from waterworks.errors import SettingsError

CONNECT_S, ANSWER_S = 5.0, 15.0
"""How long to wait for a connection, for the next part of an answer [s]."""

LEAST_KEY, MOST_KEY = 24, 64
"""Bytes of a key (Standard Webhooks, signature scheme)."""


def key_of(secret: str) -> bytes:
    """The bytes of a webhook's secret: ``whsec_`` and base64, 24 to 64 bytes. SettingsError for others."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith("whsec_") or not LEAST_KEY <= len(key) <= MOST_KEY:
        raise SettingsError(
            f"a webhook's secret is whsec_ and {LEAST_KEY} to {MOST_KEY} random bytes in base64: make one "
            "with  echo whsec_$(head -c 32 /dev/urandom | base64)"
        )
    return key


def sign(key: bytes, id: str, timestamp: int, body: bytes) -> str:
    """The signature header: HMAC-SHA256 over id, time and body."""
    said = f"{id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, said, hashlib.sha256).digest()).decode("ascii")


class Webhook:
    """One address of another system, which tells repeats by ``webhook-id``."""

    repeats_are_known = True
    attaches = False

    def __init__(
        self,
        url: str,
        secret: str,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        timeout_s: tuple[float, float] = (CONNECT_S, ANSWER_S),
    ) -> None:
        self._url = url
        self._key = key_of(secret)
        self._clock = clock
        self._timeout_s = timeout_s

    def send(self, message: Message) -> Outcome:
        body = json.dumps(message.payload, ensure_ascii=False, separators=(",", ":")).encode()
        timestamp = int(self._clock().timestamp())
        headers = {
            "content-type": "application/json",
            "user-agent": f"Twuin/{__version__}",
            "webhook-id": message.id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(self._key, message.id, timestamp, body),
        }
        try:
            # No redirects: the administrator's address is asked, and no other. Only the answer's head counts.
            with requests.post(
                self._url, body, headers=headers, timeout=self._timeout_s, allow_redirects=False, stream=True
            ) as answer:
                if 200 <= answer.status_code < 300:
                    return Outcome(Result.DELIVERED)
                again_s = self._retry_after(answer.headers.get("retry-after", ""))
                return Outcome(Result.REFUSED, f"answered {answer.status_code}", again_s)
        except requests.exceptions.SSLError:
            return Outcome(Result.REFUSED, "its certificate is not trusted")
        except requests.exceptions.ConnectTimeout:
            return Outcome(Result.REFUSED, "no connection in time")
        except requests.exceptions.Timeout:
            return Outcome(Result.DOUBTFUL, "no answer in time")
        except requests.exceptions.ConnectionError as e:
            text = str(e)
            if "NameResolution" in text or "NewConnection" in text:
                return Outcome(Result.REFUSED, "no connection")
            return Outcome(Result.DOUBTFUL, "connection lost before an answer")
        except (requests.exceptions.RequestException, ValueError, OSError) as e:
            return Outcome(Result.REFUSED, f"cannot be asked ({type(e).__name__})")

    def _retry_after(self, text: str) -> float | None:
        """Seconds to wait, from the header's seconds or date; None where there is none."""
        if text.isascii() and text.isdigit() and len(text) < 10:
            return float(text)
        try:
            return max((parsedate_to_datetime(text) - self._clock()).total_seconds(), 0.0)
        except (ValueError, TypeError, IndexError):
            return None
