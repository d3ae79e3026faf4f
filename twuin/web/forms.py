"""The forms of our own pages."""

from __future__ import annotations

from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.requests import Request

from twuin.access.cookies import FORM_FIELD, is_own_form
from twuin.access.current import current
from twuin.accounts.model import Via
from twuin.web.security import same_origin

MAX_FORM = 20_000
"""Bytes of a form: a note of 2,000 characters, percent-encoded, and some more."""

MAX_FIELDS = 500
"""Fields of a form: one box for each DMA of a large site."""


class Form(dict[str, str]):
    """The last value of each field; of boxes that share a name, ``all`` has every one."""

    def __init__(self, fields: dict[str, list[str]]) -> None:
        super().__init__({name: values[-1] for name, values in fields.items()})
        self._fields = fields

    def all(self, name: str) -> list[str]:
        """Every value of a field."""
        return self._fields.get(name, [])


class ForeignForm(HTTPException):
    """A form that no page of ours made for this browser, or one made before its session."""

    def __init__(self) -> None:
        super().__init__(403)


async def read_form(request: Request) -> Form:
    """The fields of a form of ours (application/x-www-form-urlencoded).

    Raises ForeignForm for one that comes from elsewhere: another origin, or without the token that our forms
    carry for this browser's session (or, before there is one, for this visitor).
    """
    if not same_origin(request.headers):
        raise ForeignForm
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM:
            raise HTTPException(413)
    try:
        found = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise HTTPException(413) from None
    form = Form(found)
    # A demo has neither sessions nor anything to take over.
    if current().via is not Via.OPEN and not is_own_form(request, form.get(FORM_FIELD, "")):
        raise ForeignForm
    return form
