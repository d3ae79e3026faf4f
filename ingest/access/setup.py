"""What a broker needs before it starts for the first time: certificates, and the identities of services."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from ingest.access import certificates
from ingest.access.files import locked, write_file
from ingest.access.grants import of_health, of_ingest
from ingest.access.identities import Identities, Role
from waterworks.errors import BrokerError

CERTIFICATES = "certs"
DATA = "data"
HEALTH = "health"


def password_file(folder: Path, name: str) -> Path:
    """Where the password of the ingest process ``name`` is."""
    return folder / f"ingest-{name}.password"


def prepare(
    folder: Path,
    site: str,
    name: str,
    hosts: Sequence[str],
    now: datetime,
    group: str | None = None,
    *,
    heard: Sequence[str] | None = None,
) -> list[str]:
    """Make in ``folder`` what is missing; says what was made and what was there, a line each.

    name: of the ingest process (``mqtt.name``); hosts: under which devices reach the broker; group: of the
    broker's user, who may then read what it needs (None: the folder's own). heard: where the broker serves
    several sites, the filters of this one's topics; None: its ingest hears everything. What is there is
    left as it is, so it may run at every start. Raises BrokerError.
    """
    _make_folders(folder, group)
    # Two at once would each make an authority, and a password that the other's takes the place of.
    with locked(folder / ".init"):
        return _fill(folder, site, name, hosts, now, heard)


def _fill(
    folder: Path, site: str, name: str, hosts: Sequence[str], now: datetime, heard: Sequence[str] | None
) -> list[str]:
    made = certificates.ensure(folder / CERTIFICATES, hosts, now)
    said = []
    if made.authority:
        said.append(
            f"made an authority of your own: devices need its certificate, "
            f"{folder / CERTIFICATES / certificates.CA}"
        )
    verb = "made" if made.server else "kept"
    said.append(f"{verb} the broker's certificate, good until {made.ends:%Y-%m-%d}")
    if made.ends < now:
        said.append(
            "that is past: no device connects any more. It is not of Twuin's authority: renew it where you "
            f"got it, as {folder / CERTIFICATES / certificates.SERVER} and {certificates.SERVER_KEY}"
        )
    said.append(_ingest(folder, site, name, now, heard))
    said.append(_health(folder, now))
    return said


def _make_folders(folder: Path, group: str | None) -> None:
    """Readable for the group, its data writable; what is written there later belongs to the group too."""
    try:
        for sub, mode in (("", 0o2750), (CERTIFICATES, 0o2750), (HEALTH, 0o2750), (DATA, 0o2770)):
            path = folder / sub
            if path.exists() and group is None:
                continue
            path.mkdir(parents=True, exist_ok=True)
            if group is not None:
                shutil.chown(path, group=group)
            path.chmod(mode)
    except LookupError:
        raise BrokerError(f"this machine has no group {group!r}: install the broker first") from None
    except OSError as e:
        raise BrokerError(f"folder {folder} of the broker cannot be made: {e.strerror}") from e


def _ingest(folder: Path, site: str, name: str, now: datetime, heard: Sequence[str] | None) -> str:
    identities, path = Identities(folder), password_file(folder, name)
    known = [i for i in identities.all() if (i.role, i.name) == (Role.INGEST, name)]
    if known and known[0].site != site:
        raise BrokerError(
            f"the identity of ingest process {name} is that of site {known[0].site}: give the one of {site} "
            "another name (mqtt.name)"
        )
    grants = of_ingest(site, heard)
    if known and known[0].revoked is None and known[0].grants == grants and path.exists():
        return f"kept the identity of ingest process {name} (user {known[0].user}, password in {path})"
    made, secret = identities.add(Role.INGEST, name, site, grants, now, renew=True)
    write_file(path, secret + "\n", 0o640)
    return f"made an identity for ingest process {name} (user {made.user}, password in {path})"


def _health(folder: Path, now: datetime) -> str:
    """For `mosquitto_sub`, which takes its options from a file of this name (mosquitto_sub(1))."""
    identities, path = Identities(folder), folder / HEALTH / "mosquitto_sub"
    known = [i for i in identities.all() if i.role is Role.HEALTH]
    if known and known[0].revoked is None and path.exists():
        return f"kept the identity of the health check (user {known[0].user})"
    made, secret = identities.add(Role.HEALTH, "check", "", of_health(), now, renew=True)
    options = ["-h localhost", "-p 8883", f"--cafile {CERTIFICATES}/{certificates.CA}"]
    write_file(path, "\n".join([*options, f"-u {made.user}", f"-P {secret}", ""]), 0o640)
    return f"made an identity for the health check (user {made.user})"
