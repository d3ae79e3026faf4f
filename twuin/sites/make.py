"""A new site of an installation: everything that it needs of its own, made where it is missing."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import tomli_w

from ingest.access.certificates import CA
from ingest.access.grants import heard
from ingest.access.identities import Identities, Role
from ingest.access.setup import CERTIFICATES, password_file
from ingest.access.setup import prepare as prepare_broker
from twuin.app import init_store, make_store_token, make_store_user
from twuin.first_start import prepare
from twuin.secret_files import has_secret, make_secret, write_secret
from twuin.settings import load
from twuin.sites.apart import overlaps
from twuin.sites.installation import (
    NAME,
    WHAT_NAME,
    Installation,
    Member,
    load_member,
    load_members,
    open_store_of,
)
from waterworks.errors import SettingsError
from waterworks.site_folder import read_site

Say = Callable[[str], None]


def add(at: Installation, name: str, folder: Path, *, say: Say) -> None:
    """See ``twuin sites add``. Raises TwuinError; what was made by then stays, for the next run."""
    if NAME.fullmatch(name) is None:
        raise SettingsError(f"{name[:60]!r} is no name: give {WHAT_NAME}")
    file = at.sites / f"{name}.toml"
    before = file.exists()
    member = _written(at, name, folder, file, say)
    others = load_members(at, lambda other, why: None)
    shared = overlaps([m for m in others if m.name != name] + [member]).get(name)
    if shared and before:
        raise SettingsError(
            "\n".join([*shared, f"correct that (settings of {name} stand in {file}), and run this again"])
        )
    if shared:
        # The file would take from the other site its pages: of two that share something neither is served.
        file.unlink(missing_ok=True)
        raise SettingsError("\n".join([*shared, f"{file} was removed again: nothing has changed"]))
    settings = member.settings
    if at.influxdb.url and settings.store.kind == "influxdb":
        _readings(at, member, say)
    if at.broker.folder is not None:
        _broker(at, member, say)
    prepare(settings, wait_s=0, writer_token=None, reader_token=None, say=say, show=say)
    settings.data_dir.chmod(0o700)
    say(
        f"{member.site.name} is ready: `twuin --of {name} ingest` and `twuin --of {name} monitor` work for it"
    )


def _written(at: Installation, name: str, folder: Path, file: Path, say: Say) -> Member:
    """The site of ``file``, which is written first where it is missing."""
    read_site(folder.resolve())
    if file.exists():
        member = load_member(at, name)
        if member.site.folder.resolve() != folder.resolve():
            raise SettingsError(f"{file} is there already, for the site folder {member.site.folder}")
        say(f"there already: {file}")
        return member
    if not at.domain and not at.new.get("web", {}).get("public_url"):
        raise SettingsError("the installation says no domain: the site would have no host name")
    text = settings_text(at, name, folder.resolve())
    try:
        at.sites.mkdir(parents=True, exist_ok=True)
        new = file.with_name(f".{name}.new")
        new.write_text(text, encoding="utf-8")
        try:
            load(new, environment=False)
            new.replace(file)
        finally:
            new.unlink(missing_ok=True)
    except OSError as e:
        raise SettingsError(f"{file} cannot be written: {e.strerror}") from e
    say(f"made: {file}")
    return load_member(at, name)


def settings_text(at: Installation, name: str, folder: Path) -> str:
    """A new site's settings: what the installation gives new sites, and what each has alone."""
    scheme = "https" if at.web.https else "http"
    port = "" if at.web.https or at.web.port == 80 else f":{at.web.port}"
    given = _filled(at.new, name)
    said: dict[str, Any] = {
        "site": str(folder),
        "data_dir": str(at.data / name),
        "web": {"public_url": f"{scheme}://{name}.{at.domain}{port}", "https": at.web.https},
        "mqtt": {"name": name, "strays": False},
    }
    if at.broker.folder is not None:
        said["broker_dir"] = str(at.broker.folder)
        said["mqtt"] |= {
            "host": at.broker.host,
            "port": at.broker.port,
            "tls": True,
            "ca_file": str(at.broker.folder / CERTIFICATES / CA),
            "username": f"@ingest-{name}",
            "password_file": str(at.secrets / name / "mqtt-password"),
        }
    if at.influxdb.url:
        admin = at.influxdb
        store = {"kind": "influxdb", "version": admin.version, "url": admin.url, "database": f"twuin-{name}"}
        secret = str(at.secrets / name / "influxdb")
        if admin.version == "2":
            said["store"] = {**store, "org": admin.org, "token_file": secret}
        else:
            said["store"] = {**store, "username": f"twuin-{name}", "password_file": secret}
    return tomli_w.dumps(_merged(said, given))


def _filled(value: Any, name: str) -> Any:
    if isinstance(value, str):
        return value.replace("{name}", name)
    if isinstance(value, Mapping):
        return {k: _filled(v, name) for k, v in value.items()}
    return [_filled(v, name) for v in value] if isinstance(value, list) else value


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(out.get(key), Mapping)
        out[key] = _merged(out[key], value) if both else value
    return out


def _readings(at: Installation, m: Member, say: Say) -> None:
    """Database or bucket, and who reaches it: the site's own processes, and Grafana to read."""
    own = m.settings.store
    as_admin = m.settings.model_copy(update={"store": open_store_of(at.influxdb, own)})
    for line in init_store(as_admin):
        say(line)
    if own.version == "1":
        for user, path, writes in (
            (own.username, own.password_file, True),
            (f"{own.username}-read", at.secrets / m.name / "influxdb-read", False),
        ):
            if path is None or not user:
                raise SettingsError("setting store.username or store.password_file is missing")
            if make_secret(path):
                say(f"made: {path}")
            make_store_user(as_admin, user, path.read_text("utf-8").strip(), writes=writes)
            say(f"user {user} of InfluxDB may {'read and write' if writes else 'read'} {own.database}")
        return
    for path, writes in ((own.token_file, True), (at.secrets / m.name / "influxdb-read", False)):
        if path is None:
            raise SettingsError("setting store.token_file is missing")
        if not has_secret(path):
            token = make_store_token(as_admin, writes=writes)
            if token is not None and write_secret(path, token):
                say(f"made: a token to {'write and read' if writes else 'read'} {own.database}, in {path}")


def _broker(at: Installation, m: Member, say: Say) -> None:
    folder = at.broker.folder
    assert folder is not None
    hosts = [*(at.broker.hosts or (socket.gethostname(),)), "localhost", "127.0.0.1"]
    name = m.settings.mqtt.name
    now = datetime.now(UTC)
    for line in prepare_broker(
        folder, m.site.id, name, hosts, now, at.broker.group or None, heard=heard(m.site)
    ):
        say(line)
    made = next(i.user for i in Identities(folder).all() if (i.role, i.name) == (Role.INGEST, name))
    target = m.settings.mqtt.password_file
    if made != m.settings.mqtt.username or target is None:
        raise SettingsError(
            f"the ingest's identity is {made}: give it as mqtt.username, and mqtt.password_file"
        )
    secret = password_file(folder, name).read_text("utf-8").strip()
    if not target.exists() or target.read_text("utf-8").strip() != secret:
        target.unlink(missing_ok=True)
        write_secret(target, secret)
        say(f"made: {target}")
