"""Secrets that are shown once, and the digests that are stored of them."""

from __future__ import annotations

import hashlib
import hmac
import secrets

TOKEN_PREFIX = "twuin_"
"""Begins every API token, so that scanners find one that was published by mistake."""

_CODE_LETTERS = "abcdefghjkmnpqrstvwxyz23456789"  # none that is easily taken for another
_CODE_GROUPS, _CODE_GROUP = 4, 5


def new_secret() -> str:
    """256 random bits as text, for a session or a device."""
    return secrets.token_urlsafe(32)


def new_token() -> str:
    """The text of a new API token."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def new_id() -> str:
    """A short random id that is no secret."""
    return secrets.token_hex(6)


def new_code() -> str:
    """A one-time code of 98 bits that a person can type or read out: ``k3f9w-...``."""
    groups = ("".join(secrets.choice(_CODE_LETTERS) for _ in range(_CODE_GROUP)) for _ in range(_CODE_GROUPS))
    return "-".join(groups)


def plain_code(text: str) -> str:
    """A code as it is compared: without what people add when they copy it."""
    return "".join(c for c in text.casefold() if c.isalnum())[:100]


def digest(secret: str) -> str:
    """What is stored of a secret. It is random and long: no salt or slow hash would add anything."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def form_token(secret: str) -> str:
    """What forms carry to show that a page of ours made them for this session or visitor."""
    return hmac.new(secret.encode("utf-8", "replace"), b"twuin form", hashlib.sha256).hexdigest()[:40]


def same(a: str, b: str) -> bool:
    """Whether two secrets are the same, in a time that does not tell how far they are."""
    return hmac.compare_digest(a.encode("utf-8", "replace"), b.encode("utf-8", "replace"))
