"""How long a short message is. GSM 7-bit where its alphabet suffices, else UCS-2 (3GPP TS 23.038)."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

GSM_LIMIT, UCS_LIMIT = 160, 70
"""Characters of one short message: 140 octets of 7-bit, of 16-bit characters."""

_BASIC = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = set("^{}\\[~]|€")  # two septets each

_PLAIN = {
    "³": "3", "²": "2", "\u00a0": " ", "\u202f": " ", "–": "-", "—": "-", "−": "-", "’": "'", "‘": "'",
    "“": '"', "”": '"', "…": "...", "×": "x", "°": " deg", "·": "-",
}  # fmt: skip


def plain(text: str) -> str:
    """``text`` in letters of the GSM alphabet where that loses only accents and typography."""
    out = []
    for character in text:
        character = _PLAIN.get(character, character)
        if all(c in _BASIC or c in _EXTENDED for c in character):
            out.append(character)
            continue
        bare = "".join(c for c in unicodedata.normalize("NFKD", character) if not unicodedata.combining(c))
        out.append(bare if bare and all(c in _BASIC for c in bare) else character)
    return "".join(out)


def length(text: str) -> tuple[int, int]:
    """(units used, units of one short message)."""
    if all(c in _BASIC or c in _EXTENDED for c in text):
        return sum(2 if c in _EXTENDED else 1 for c in text), GSM_LIMIT
    return len(text.encode("utf-16-be")) // 2, UCS_LIMIT


def fits(text: str) -> bool:
    """Whether it is one short message."""
    used, limit = length(text)
    return used <= limit


def fit(first: str, parts: Sequence[str]) -> str:
    """``first`` and those of ``parts`` (most important first) that still go into one short message.

    ``first`` alone is cut where it is too long.
    """
    text = plain(first)
    while text and not fits(text):
        text = text[:-1]
    for part in parts:
        longer = f"{text} {plain(part)}"
        if part and fits(longer):
            text = longer
    return text
