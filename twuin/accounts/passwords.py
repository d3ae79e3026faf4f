"""Passwords: hashed with Argon2id, long enough, and none that is tried first."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from twuin.accounts.model import AccountRefused
from waterworks.errors import TwuinError

MIN_LENGTH = 12
"""Fewest characters of a password; beside limits on tries and lists, rules about signs would add nothing."""

MAX_LENGTH = 256
"""Most characters: a hash takes no longer for a long one, but a request should not be a book."""

LEAST_GUESSES = 1e8
"""A password that a guesser finds sooner is refused: at the 100 tries an hour that strangers get, that is a
century."""

_OWN_WORDS = (
    "twuin", "pdam", "perumda", "tirta", "perumdam", "air minum", "airminum", "air", "bersih", "rahasia",
    "katasandi", "sandi", "masuk", "admin", "administrator", "password", "indonesia", "kebocoran", "leak",
    "water",
)  # fmt: skip
"""Words that zxcvbn's lists of English passwords and names lack, and that are tried here first."""

AT_ONCE = 2
"""Passwords hashed at the same time: each takes 64 MiB and some 0.1 s of a core."""

WAITING = 16
"""More who wait for that are sent away: else a flood of tries would hold every thread of the server."""


class Busy(TwuinError):
    """Too many passwords are being checked: try again in some seconds."""


class Passwords:
    """Hashes and checks passwords. ``hasher``: others than Argon2id's defaults of RFC 9106, for tests."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._slots = threading.BoundedSemaphore(AT_ONCE)
        self._places = threading.BoundedSemaphore(AT_ONCE + WAITING)
        # What the password of a name is compared with that nobody has: it takes as long as any other.
        self._nobody = self._hasher.hash("a password that nobody has")

    def hash(self, password: str) -> str:
        """The hash to store. Raises Busy."""
        with _Turn(self._places, self._slots):
            return self._hasher.hash(password)

    def matches(self, hash: str, password: str) -> bool:
        """Whether ``password`` is that of ``hash`` ("": of nobody; it takes the same time). Raises Busy."""
        with _Turn(self._places, self._slots):
            try:
                self._hasher.verify(hash or self._nobody, password[: MAX_LENGTH + 1])
            except (VerificationError, InvalidHashError):
                return False
            return bool(hash)

    def outdated(self, hash: str) -> bool:
        """Whether a hash was made with other parameters than new ones are."""
        return self._hasher.check_needs_rehash(hash)


class _Turn:
    def __init__(self, places: threading.BoundedSemaphore, slots: threading.BoundedSemaphore) -> None:
        self._places, self._slots = places, slots

    def __enter__(self) -> None:
        if not self._places.acquire(blocking=False):
            raise Busy("too many passwords are being checked now: try again in some seconds")
        self._slots.acquire()

    def __exit__(self, *_: object) -> None:
        self._slots.release()
        self._places.release()


def check_password(password: str, own: Sequence[str] = ()) -> None:
    """AccountRefused where ``password`` is too short, too long or among the first to be guessed.

    own: words about the person and the site, which a guesser tries too.
    """
    if len(password) < MIN_LENGTH:
        raise AccountRefused("short", f"a password has at least {MIN_LENGTH} characters: use several words")
    if len(password) > MAX_LENGTH:
        raise AccountRefused("long", f"a password has at most {MAX_LENGTH} characters")
    from zxcvbn import zxcvbn  # its lists take a moment to load, and only a new password needs them

    words = [w for text in (*own, *_OWN_WORDS) for w in {text, *text.split()} if len(w) > 2]
    # Beyond 72 characters it takes long, and what is good by then does not get worse.
    if float(zxcvbn(password[:72], user_inputs=words)["guesses"]) < LEAST_GUESSES:
        raise AccountRefused(
            "common",
            "this password is easily guessed: use several words that do not belong together",
        )
