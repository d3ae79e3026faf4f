"""Whether a webhook comes from who it says, and now (Standard Webhooks)."""

from __future__ import annotations

import hashlib
import hmac
import re

from twuin.hooks.senders import Sender, new_key
from twuin.notify.webhook import key_of, sign
from waterworks.errors import TwuinError

TOLERANCE_S = 300
"""How far the time of a message may be from the clock here [s]; later it may not be sent again."""

MOST_SIGNATURES = 8
"""Signatures of a message that are looked at: a sender that changes its secret sends two."""

_NOBODY = new_key()
_ID = re.compile(r"[!-~]{1,200}")
_TIME = re.compile(r"[0-9]{1,12}")


class NotSigned(TwuinError):
    """A message that nobody we know signed, or not now."""


def check(
    sender: Sender | None, id: str, timestamp: str, signatures: str, body: bytes, *, now: float
) -> None:
    """Raises NotSigned unless one of ``signatures`` is by a secret of ``sender`` and from about ``now`` [s].

    It takes as long for senders that there are not.
    """
    if not _ID.fullmatch(id) or not _TIME.fullmatch(timestamp) or not signatures:
        raise NotSigned("send webhook-id, webhook-timestamp (seconds) and webhook-signature (v1,...)")
    at = int(timestamp)
    keys = sender.keys if sender is not None else (_NOBODY,)
    good = False
    given = [s.encode() for s in signatures.split(" ")[:MOST_SIGNATURES] if s.isascii()]
    for key in keys:
        right = sign(key_of(key.secret), id, at, body).encode()
        for one in given:
            good |= hmac.compare_digest(one, right)
    if not good or sender is None:
        raise NotSigned("no such sender, or the signature is not by its secret over id, time and body")
    if abs(now - at) > TOLERANCE_S:
        raise NotSigned(
            f"webhook-timestamp is {abs(now - at):.0f} s from the clock here, at most {TOLERANCE_S} are taken"
        )


def once(sender: Sender, id: str) -> str:
    """The key under which a message of this id is done once."""
    return "hook-" + hashlib.blake2b(f"{sender.name}\n{id}".encode(), digest_size=16).hexdigest()
