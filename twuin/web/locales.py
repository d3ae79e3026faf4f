"""The languages of the pages: gettext catalogues, and which of them a request gets."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from functools import cache
from gettext import GNUTranslations
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

FOLDER = Path(__file__).parent / "locale"
DOMAIN = "messages"
LANGUAGES = {"id": "Bahasa Indonesia", "en": "English"}
DEFAULT = "id"

# Codes that browsers send for a language of ours: Java and old Android still say "in" for Indonesian.
_ALSO = {"in": "id"}


@dataclass(frozen=True)
class Language:
    """One language: its code, its messages, and those of them that scripts use."""

    code: str
    messages: GNUTranslations
    script_messages: dict[str, str]
    field_messages: dict[str, str] = field(default_factory=dict)
    """Those of the crew's phone, which takes them along."""


def read_catalogue(code: str) -> Catalog:
    """The catalogue file of a language."""
    with (FOLDER / code / "LC_MESSAGES" / f"{DOMAIN}.po").open("rb") as file:
        return read_po(file, locale=code, domain=DOMAIN, abort_invalid=True)


@cache
def language(code: str) -> Language:
    """A language by its code, read once from its catalogue."""
    catalogue = read_catalogue(code)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    spoken = [
        (message.id, message.string, [place for place, _ in message.locations])
        for message in catalogue
        if isinstance(message.id, str) and message.id and isinstance(message.string, str)
    ]
    pages = {id: text for id, text, places in spoken if any(_is_script(p, field=False) for p in places)}
    crews = {id: text for id, text, places in spoken if any(_is_script(p, field=True) for p in places)}
    return Language(code, GNUTranslations(compiled), pages, crews)


def _is_script(place: str, *, field: bool) -> bool:
    name = place.rsplit("/", 1)[-1]
    return name.endswith(".js") and name.startswith("field") is field


def choose(cookie: str | None, accept_language: str | None) -> str:
    """The code of the language for a request: the reader's own choice, else the browser's, else ours."""
    if cookie in LANGUAGES:
        return cookie
    for code in _wanted(accept_language or ""):
        if code in LANGUAGES:
            return code
    return DEFAULT


def _wanted(header: str) -> list[str]:
    """Primary language codes of an Accept-Language header (RFC 9110, 12.5.4), most wanted first."""
    ranked: list[tuple[float, str]] = []
    for part in header[:500].split(","):
        tag, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    weight = float(parameter[2:])
                except ValueError:
                    weight = 0.0
        code = tag.split("-")[0]
        if code and weight > 0:
            ranked.append((weight, _ALSO.get(code, code)))
    ranked.sort(key=lambda pair: -pair[0])  # stable: equal weights keep the browser's order
    return [code for _, code in ranked]
