"""What the key of an installation makes: the mark of a form, tracking codes, digests, and sealed words."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Callable
from datetime import datetime

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from twuin.residents.model import BadReport, Person
from twuin.residents.ports import Sealed
from waterworks.errors import DatabaseRefused

LETTERS = "abcdefghjkmnpqrstvwxyz23456789"
"""Of a tracking code: none that is easily taken for another, in writing or on the phone."""

GROUPS, GROUP = 3, 4
"""A code is three groups of four letters: 30^12, some 59 bits. At the ten tries a minute that one address
gets, guessing any of a million codes takes a thousand addresses a hundred years."""

FORM_S = 24 * 3600
"""A form is good for so long [s]: a phone that was put aside over night."""

NONCE_S = 12


class Keys:
    """Everything derives from one secret of 32 bytes, each purpose by a key of its own."""

    def __init__(self, secret: bytes, wall: Callable[[], datetime]) -> None:
        self._secret = secret
        self._wall = wall
        self._cipher = AESGCM(self._sub("seal"))

    def _sub(self, purpose: str) -> bytes:
        return hmac.new(self._secret, f"twuin residents 1 {purpose}".encode(), hashlib.sha256).digest()

    # The form's mark: when it was shown, and a number used once

    def moment(self) -> str:
        """The mark of a form that is shown now."""
        shown = f"{int(self._wall().timestamp()):x}.{secrets.token_hex(NONCE_S)}"
        return f"{shown}.{self._tag('form', shown)}"

    def read_moment(self, mark: str) -> tuple[str, float]:
        """(key, age [s]) of a form's mark. BadReport for one that is none of ours, or too old."""
        shown, _, tag = mark.rpartition(".")
        when, _, nonce = shown.partition(".")
        # Compared first: what follows is then what we wrote.
        if not hmac.compare_digest(tag.encode("utf-8", "replace"), self._tag("form", shown).encode()):
            raise BadReport("moment", "the form's mark is not ours: ask for a new form")
        age = self._wall().timestamp() - int(when, 16)
        if not -60 <= age <= FORM_S:
            raise BadReport("moment", f"the form is older than {FORM_S // 3600} hours: ask for a new one")
        return nonce, age

    # Tracking codes

    def code(self, key: str) -> str:
        """The tracking code of the report that a form became: the same again for the same form."""
        number = int.from_bytes(hmac.new(self._sub("code"), key.encode(), hashlib.sha512).digest(), "big")
        letters = []
        for _ in range(GROUPS * GROUP):
            number, at = divmod(number, len(LETTERS))
            letters.append(LETTERS[at])
        text = "".join(letters)
        return written_code(text)

    def code_digest(self, code: str) -> str:
        """What is stored of a code; "" for what can be none."""
        plain = plain_code(code)
        return self._tag("code digest", plain) if plain else ""

    def digest(self, purpose: str, text: str) -> str:
        """A keyed digest of an address or a phone number: tells the same from another, and nothing else."""
        return self._tag(purpose, text) if text else ""

    def _tag(self, purpose: str, text: str) -> str:
        said = text.encode("utf-8", "replace")
        return hmac.new(self._sub(purpose), said, hashlib.sha256).hexdigest()[:40]

    # Words and photos of residents

    def seal(self, id: str, person: Person) -> Sealed:
        """``person`` as it is stored: AES-256-GCM, bound to the report's id."""
        said = json.dumps({"phone": person.phone, "where": person.where, "words": person.words})
        photo = None if person.photo is None else self._seal(f"{id} photo", person.photo)
        return Sealed(self._seal(f"{id} person", said.encode()), photo)

    def unseal(self, id: str, sealed: Sealed) -> Person:
        """Who reported. DatabaseRefused where the key is another one."""
        try:
            said = json.loads(self._unseal(f"{id} person", sealed.person))
            photo = None if sealed.photo is None else self._unseal(f"{id} photo", sealed.photo)
        except InvalidTag:
            raise DatabaseRefused(
                "who reported this cannot be read: it was sealed with another key (residents.key)"
            ) from None
        return Person(said["phone"], said["where"], said["words"], photo)

    def _seal(self, bound: str, data: bytes) -> bytes:
        nonce = os.urandom(12)
        return nonce + self._cipher.encrypt(nonce, data, bound.encode())

    def _unseal(self, bound: str, data: bytes) -> bytes:
        return self._cipher.decrypt(data[:12], data[12:], bound.encode())


def plain_code(text: str) -> str:
    """A tracking code as it is compared, without what people add; "" for what can be none."""
    plain = "".join(c for c in text[:60].casefold() if c.isalnum())
    return plain if len(plain) == GROUPS * GROUP and set(plain) <= set(LETTERS) else ""


def written_code(text: str) -> str:
    """A tracking code as it is given out, however it was typed in; "" for what can be none."""
    plain = plain_code(text)
    return "-".join(plain[i : i + GROUP] for i in range(0, len(plain), GROUP))
