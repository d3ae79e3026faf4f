"""What residents type, made harmless: lines of text and phone numbers."""

from __future__ import annotations

import re
import unicodedata

from twuin.residents.model import BadReport

WHERE_MOST, WORDS_MOST = 200, 1000
"""Characters of a place and of what was seen."""

_LINK = re.compile(r"https?://|www\.|\b[\w-]+\.(?:com|net|org|info|ru|cn|xyz|top|site|online|shop)\b", re.I)
_PHONE = re.compile(r"[0-9+()\-./\s]{6,30}")


def clean_text(text: str, most: int) -> str:
    """``text`` without control and formatting characters, its lines kept, at most ``most`` characters."""
    kept = []
    for c in unicodedata.normalize("NFC", text[: 4 * most]).replace("\r\n", "\n").replace("\r", "\n"):
        category = unicodedata.category(c)
        if c == "\n" or category not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"):
            kept.append(c)
    lines = (" ".join(line.split()) for line in "".join(kept).split("\n"))
    return "\n".join(line for line in lines if line)[:most]


def has_links(text: str) -> bool:
    """Whether somebody wants to send readers elsewhere: residents have no reason to."""
    return bool(_LINK.search(text))


def phone_number(text: str, country: str) -> str:
    """A phone number with its country, as in +6281234567890; BadReport for what is none.

    country: calling code of numbers that are given without one ("62"). ITU E.164: at most 15 digits.
    """
    plain = unicodedata.normalize("NFKC", text[:60]).strip()
    if not _PHONE.fullmatch(plain):
        raise BadReport("phone", "give a phone number, as in 0812 3456 7890")
    digits = re.sub(r"[^0-9]", "", plain)
    if plain.startswith("+"):
        whole = digits
    elif digits.startswith("00"):
        whole = digits[2:]
    elif digits.startswith("0"):
        whole = country + digits[1:]
    else:
        whole = digits if digits.startswith(country) else country + digits
    if not 8 <= len(whole) <= 15:
        raise BadReport("phone", "give a phone number of 8 to 15 digits, as in 0812 3456 7890")
    return f"+{whole}"
