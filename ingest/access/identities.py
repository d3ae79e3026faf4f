"""Who may connect to the broker: one identity a device, kept in a folder of the broker's.

``identities.json`` is what Twuin knows (no password, only hashes); ``passwords`` and ``acl`` are made from
it, in Mosquitto's own formats, for the broker to read anew on SIGHUP.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import string
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ingest.access.files import locked, write_file
from ingest.access.grants import Grants
from waterworks.errors import BrokerError, NotFound

FILE, PASSWORDS, ACL = "identities.json", "passwords", "acl"

SECRET_LENGTH = 24
"""Characters of a password that Twuin makes: 142 bits, of letters and digits that any logger takes."""

ITERATIONS = 101
"""Rounds of PBKDF2, Mosquitto's own default. More of them guard passwords that people think up, against who
has read the file; 142 bits of chance need none, and the broker would work for them at every connection."""


class Role(StrEnum):
    """What an identity is for."""

    DEVICE = "device"
    INGEST = "ingest"
    MANAGER = "manager"
    HEALTH = "health"


@dataclass(frozen=True)
class Identity:
    """One user of the broker. name: of the device, or what a service is called; hash: "" once revoked."""

    user: str
    role: Role
    name: str
    site: str
    since: datetime
    grants: Grants
    hash: str = ""
    revoked: datetime | None = None


class Identities:
    """The identities kept in ``folder``. Raises BrokerError where its files cannot be read or written."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def all(self) -> list[Identity]:
        """Every identity that ever was, by user name."""
        path = self.folder / FILE
        try:
            found = [_identity(x) for x in json.loads(path.read_text(encoding="utf-8"))["identities"]]
        except FileNotFoundError:
            return []
        except OSError as e:
            raise BrokerError(f"{path} cannot be read: {e.strerror}") from e
        except (ValueError, KeyError, TypeError, AttributeError) as e:
            raise BrokerError(
                f"{path} is not as Twuin writes it ({type(e).__name__}: {e}): put back a copy of it, or "
                "remove it and give every device a new identity"
            ) from e
        return sorted(found, key=lambda i: i.user)

    def add(
        self, role: Role, name: str, site: str, grants: Grants, now: datetime, *, renew: bool = False
    ) -> tuple[Identity, str]:
        """An identity, and its password, which nobody can ask for again.

        renew: a new password for one that exists; without it, that raises BrokerError, as does a name that
        nobody could tell from others on a line of text.
        """
        if not name.strip() or not name.isprintable():
            raise BrokerError(f"{name!r} is no name: give it letters, digits, signs, on one line")
        with self._changing() as kept:
            before = _find(kept.values(), role, name, site)
            if before is not None and before.revoked is None and not renew:
                raise BrokerError(
                    f"{name} has an identity since {before.since:%Y-%m-%d} (user {before.user}); "
                    "--renew gives it a new password"
                )
            user = _free_user(role, name, site, kept) if before is None else before.user
            secret = _secret()
            made = Identity(user, role, name, site, now.astimezone(UTC), grants, hashed(secret))
            kept[user] = made
        return made, secret

    def revoke(self, name: str, now: datetime) -> Identity:
        """Take an identity away, by its user name or its only name. Raises NotFound, BrokerError."""
        with self._changing() as kept:
            live = [i for i in kept.values() if i.revoked is None]
            found = [i for i in live if i.user == name] or [i for i in live if i.name == name]
            if not found:
                gone = [i for i in kept.values() if name in (i.user, i.name)]
                raise NotFound(
                    f"{name} was revoked on {gone[0].revoked:%Y-%m-%d %H:%M} UTC already"
                    if gone
                    else f"no identity {name!r} in {self.folder}: `twuin device list` names them"
                )
            if len(found) > 1:
                users = ", ".join(i.user for i in found)
                raise BrokerError(f"{name} is the name of several identities: say which user ({users})")
            gone_now = replace(found[0], hash="", revoked=now.astimezone(UTC))
            kept[gone_now.user] = gone_now
        return gone_now

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Identity]]:
        """The identities by user, written back at the end; one process at a time."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            raise BrokerError(f"folder {self.folder} of the broker cannot be used: {e.strerror}") from e
        with locked(self.folder / ".lock"):
            kept = {i.user: i for i in self.all()}
            yield kept
            self._write(sorted(kept.values(), key=lambda i: i.user))

    def _write(self, identities: list[Identity]) -> None:
        """The rights first, so that nobody is let in without; what we know before what is made from it."""
        text = json.dumps({"identities": [_plain(i) for i in identities]}, indent=1, ensure_ascii=False)
        live = [i for i in identities if i.revoked is None]
        write_file(self.folder / FILE, text + "\n", 0o600)
        write_file(self.folder / ACL, acl(live), 0o640)
        write_file(self.folder / PASSWORDS, "".join(f"{i.user}:{i.hash}\n" for i in live), 0o640)


def acl(identities: list[Identity]) -> str:
    """Mosquitto's ``acl_file``: what is not named is refused."""
    blocks = ["# Made by `twuin device`: what is changed here is lost the next time.\n"]
    for i in identities:
        rights = [f"topic write {t}" for t in i.grants.write] + [f"topic read {t}" for t in i.grants.read]
        blocks.append("\n".join([f"user {i.user}", *rights]) + "\n")
    return "\n".join(blocks)


def hashed(secret: str, salt: bytes | None = None) -> str:
    """A password as Mosquitto 2 keeps it (mosquitto_passwd(1)): "$7$rounds$salt$hash", PBKDF2 by SHA-512."""
    salt = secrets.token_bytes(12) if salt is None else salt
    key = hashlib.pbkdf2_hmac("sha512", secret.encode(), salt, ITERATIONS)
    return f"$7${ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"


def _secret() -> str:
    letters = string.ascii_letters + string.digits
    return "".join(secrets.choice(letters) for _ in range(SECRET_LENGTH))


def _free_user(role: Role, name: str, site: str, kept: dict[str, Identity]) -> str:
    """A device is known by its own name, where no other site's is. "@" stands in no quoted name."""
    plain = quote(name, safe="")
    if role is not Role.DEVICE:
        plain = f"@{role.value}-{plain}"
    wanted = [plain, f"{quote(site, safe='')}@{plain}"]
    free = [user for user in wanted if user not in kept]
    if not free:
        raise BrokerError(f"user names {' and '.join(wanted)} are taken: name the devices apart")
    return free[0]


def _find(identities: Any, role: Role, name: str, site: str) -> Identity | None:
    return next((i for i in identities if (i.role, i.name, i.site) == (role, name, site)), None)


def _plain(i: Identity) -> dict[str, Any]:
    return {
        "user": i.user,
        "role": i.role.value,
        "name": i.name,
        "site": i.site,
        "since": i.since.isoformat(),
        "revoked": None if i.revoked is None else i.revoked.isoformat(),
        "write": list(i.grants.write),
        "read": list(i.grants.read),
        "hash": i.hash,
    }


def _identity(kept: dict[str, Any]) -> Identity:
    revoked = kept["revoked"]
    return Identity(
        str(kept["user"]),
        Role(kept["role"]),
        str(kept["name"]),
        str(kept["site"]),
        datetime.fromisoformat(kept["since"]),
        Grants(tuple(kept["write"]), tuple(kept["read"])),
        str(kept["hash"]),
        None if revoked is None else datetime.fromisoformat(revoked),
    )
