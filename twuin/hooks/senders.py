"""Who may send webhooks, what they may tell, and the secrets that they sign with."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from waterworks.errors import NotFound, StoreUnavailable, WrongInput

MODE = 0o440
"""Of a sender's file: for its owner and its group alone. Who verifies a signature needs the secret itself, so
a digest of it would not do."""

KEY_BYTES = 32

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


class Topic(StrEnum):
    """What a sender may tell."""

    WORKS = "works"
    COMPLAINTS = "complaints"
    ORDERS = "orders"


@dataclass(frozen=True, slots=True)
class Key:
    """secret: ``whsec_`` and base64, as Standard Webhooks has it. made: when."""

    secret: str
    made: datetime


@dataclass(frozen=True, slots=True)
class Sender:
    """keys: the newest first, at most two: while a secret is changed the one before is good, too."""

    name: str
    may: frozenset[Topic]
    keys: tuple[Key, ...]

    @property
    def shown(self) -> str:
        """As histories name it: no account can be called so."""
        return f"{self.name} (webhook)"


class Senders:
    """The senders of an installation, each in a file of its own; changes count at once, for all processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, name: str) -> Sender | None:
        """The sender of this name, None where there is none. Raises StoreUnavailable."""
        if not NAME.fullmatch(name):
            return None
        path = self._path(name)
        try:
            told = json.loads(path.read_text("utf-8"))
            may = frozenset(map(Topic, told["may"]))
            keys = tuple(Key(k["secret"], datetime.fromisoformat(k["made"])) for k in told["keys"])
        except FileNotFoundError:
            return None
        except OSError as e:
            raise StoreUnavailable(f"webhook sender {name}: {path} cannot be read: {e.strerror}") from e
        except (ValueError, KeyError, TypeError) as e:
            raise StoreUnavailable(
                f"webhook sender {name}: {path} is damaged: remove the sender and add it anew"
            ) from e
        return Sender(name, may, keys)

    def all(self) -> list[Sender]:
        """Every sender, by name. Raises StoreUnavailable."""
        names = sorted(p.stem for p in self._folder.glob("*.json"))
        return [found for name in names if (found := self.get(name)) is not None]

    def add(self, name: str, may: Collection[Topic]) -> str:
        """Make a sender; its secret, which is shown this once. Raises WrongInput, StoreUnavailable."""
        if not NAME.fullmatch(name):
            raise WrongInput(
                f"{name[:40]!r} is no name of a sender: use up to 40 of a-z, 0-9, _ and -, as in crm"
            )
        if not may:
            raise WrongInput(f"say what {name} may tell: --may, one of {', '.join(Topic)}")
        if self.get(name) is not None:
            raise WrongInput(f"there is a sender {name} already: give it a new secret with rotate")
        key = new_key()
        self._write(Sender(name, frozenset(may), (key,)))
        return key.secret

    def rotate(self, name: str) -> str:
        """A new secret beside the newest so far, which stays good until ``retire``; older ones go."""
        sender, key = self._known(name), new_key()
        self._write(replace(sender, keys=(key, *sender.keys[:1])))
        return key.secret

    def retire(self, name: str) -> int:
        """Let only the newest secret be good; how many went."""
        sender = self._known(name)
        self._write(replace(sender, keys=sender.keys[:1]))
        return len(sender.keys) - 1

    def remove(self, name: str) -> None:
        """Take nothing from this sender any more. Raises NotFound, StoreUnavailable."""
        if not NAME.fullmatch(name) or not self._path(name).exists():
            raise NotFound(f"there is no sender {name[:40]!r}")
        try:
            self._path(name).unlink()
        except OSError as e:
            raise StoreUnavailable(f"webhook sender {name} cannot be removed: {e.strerror}") from e

    def _known(self, name: str) -> Sender:
        found = self.get(name)
        if found is None:
            raise NotFound(f"there is no sender {name[:40]!r}")
        return found

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _write(self, sender: Sender) -> None:
        """Put a sender's file in its place, whole and on disk."""
        told = {
            "may": sorted(sender.may),
            "keys": [{"secret": k.secret, "made": k.made.isoformat()} for k in sender.keys],
        }
        new = self._folder / f".{sender.name}.{os.getpid()}.new"
        try:
            self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
            handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, MODE)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(told, file)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._path(sender.name))
        except OSError as e:
            raise StoreUnavailable(f"webhook sender {sender.name} cannot be written: {e.strerror}") from e
        finally:
            with contextlib.suppress(OSError):
                new.unlink()


def new_key() -> Key:
    """A key that nobody has yet."""
    text = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode("ascii")
    return Key(f"whsec_{text}", datetime.now(UTC))
