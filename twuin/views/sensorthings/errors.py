"""What a request can have wrong."""

from __future__ import annotations

from waterworks.errors import TwuinError


class WrongQuery(TwuinError):
    """A query option or path that cannot be understood, or asks for too much at a time (HTTP 400)."""


class NotSupported(TwuinError):
    """The standard knows it, this service does not (HTTP 501)."""
