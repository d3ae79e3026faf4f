"""Secrets from where notify.toml says they stand."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from twuin.notify.model import Channel, NotifyConfig, Secret
from twuin.notify.rules_file import PLACE
from waterworks.errors import SettingsError

MAX_FILE = 64 * 1024
"""Bytes of a file with a secret: a longer one is another file."""


def resolve(config: NotifyConfig, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The secrets that channels use, by name. SettingsError with a line for each that is not there."""
    env = os.environ if environment is None else environment
    used = {
        name
        for receiver in config.receivers
        for channel in receiver.channels
        for name in (*PLACE.findall(channel.url), *((channel.secret,) if channel.secret else ()))
    }
    found, wrong = {}, []
    for name in sorted(used):
        try:
            found[name] = _read(name, config.secrets[name], env)
        except SettingsError as e:
            wrong.append(str(e))
    if wrong:
        raise SettingsError("\n".join(wrong))
    return found


def secret_files(config: NotifyConfig) -> list[Path]:
    """Where those secrets stand that are in files."""
    return [Path(secret.file) for secret in config.secrets.values() if secret.file]


def address_of(channel: Channel, secrets: Mapping[str, str]) -> str:
    """The channel's address with its secrets in place, quoted as a URL wants them."""
    return PLACE.sub(lambda m: quote(secrets[m[1]], safe=""), channel.url)


def _read(name: str, secret: Secret, env: Mapping[str, str]) -> str:
    if secret.env:
        value = env.get(secret.env, "")
        if not value:
            raise SettingsError(f"secret {name} of notify.toml: the environment has no {secret.env}")
        return value
    path = Path(secret.file)
    try:
        if path.stat().st_size > MAX_FILE:
            raise SettingsError(f"secret {name} of notify.toml: {path} is too long to be a secret")
        value = path.read_text(encoding="utf-8").strip()
    except OSError as e:
        raise SettingsError(f"secret {name} of notify.toml: {path}: {e.strerror}") from e
    except UnicodeDecodeError:
        raise SettingsError(f"secret {name} of notify.toml: {path} is not UTF-8") from None
    if not value:
        raise SettingsError(f"secret {name} of notify.toml: {path} is empty")
    return value
