"""What can go wrong: one exception for each way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ClientError(Exception):
    """Base of all that the client raises of its own. Its text is one line for people."""


class NoAnswer(ClientError):
    """Twuin could not be reached, or said nothing in time. What was asked may have been done all the same."""


class NotUnderstood(ClientError):
    """Something answered that is no Twuin, or one of another version."""


class Problem(ClientError):
    """Twuin said no (RFC 9457).

    status: of HTTP. type: by which programs tell problems, ``urn:twuin:problem:stale-alert``. detail: what
    was wrong, for people. errors: of a request that is not valid, each part with ``in``, ``name`` and
    ``message``. more: what else it told, ``current_version`` above all.
    """

    def __init__(self, status: int, told: Mapping[str, Any]) -> None:
        self.status = status
        self.type = str(told.get("type") or "about:blank")
        self.title = str(told.get("title") or "")
        self.detail = str(told.get("detail") or "")
        errors = told.get("errors")
        self.errors: list[dict[str, Any]] = list(errors) if isinstance(errors, list) else []
        usual = ("type", "title", "status", "detail", "errors")
        self.more = {name: value for name, value in told.items() if name not in usual}
        super().__init__(f"{status}: {self.detail or self.title or 'refused without a reason'}")
