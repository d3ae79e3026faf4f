"""The file of an installation with many sites, and the settings of each of its sites.

A site's settings are an ordinary settings file, ``NAME.toml`` of one folder. Variables of the environment do
not count for it: one would hold for every site.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator

from twuin.app import read_settings_site
from twuin.settings import Section, Settings, StoreSettings, TraceSettings, WebSettings, load
from twuin.settings_words import explain
from waterworks.errors import NotFound, SettingsError, TwuinError
from waterworks.site import Site

FILE = Path("installation.toml")
VARIABLE = "TWUIN_INSTALLATION"
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
"""Of a site in an installation: part of a host name, of a database's name and of a file's."""

WHAT_NAME = "1 to 32 small letters (a to z), digits and '-' between them"


class AdminSettings(Section):
    """Who may make databases and users in InfluxDB, for `twuin sites add`."""

    version: Literal["1", "2"] = Field("2", description="1 for InfluxDB 1.x, 2 for 2.x")
    url: str = Field("", description="Its address; empty: `twuin sites add` makes nothing there")
    org: str = Field("", description="InfluxDB 2: organisation")
    token_file: Path | None = Field(
        None, description="InfluxDB 2: file with a token that may make buckets and tokens"
    )
    username: str = Field("", description="InfluxDB 1: an administrator")
    password_file: Path | None = Field(None, description="InfluxDB 1: file with the administrator's password")

    @field_validator("version", mode="before")
    @classmethod
    def _as_text(cls, version: Any) -> Any:
        return str(version) if isinstance(version, int) else version


class BrokerSettings(Section):
    """The broker that the sites share, for `twuin sites add`."""

    folder: Path | None = Field(None, description="Its folder; empty: `twuin sites add` makes no identities")
    host: str = Field("127.0.0.1", description="Where ingest processes reach it")
    port: int = Field(8883, ge=1, le=65535, description="Its port")
    hosts: tuple[str, ...] = Field((), description="Names and addresses under which devices reach it")
    group: str = Field("", description="Group that the broker runs as, where this is run as root")


class Installation(Section):
    """Several sites on one machine."""

    sites: Path = Field(description="Folder with NAME.toml, the settings of each site")
    data: Path = Field(description="Folder in which new sites get a data folder each, under their names")
    secrets: Path = Field(description="Folder in which new sites get a folder for secrets each")
    domain: str = Field("", description="New sites are called NAME.domain; and the host of the front page")
    title: str = Field(
        "", max_length=80, description="What stands over the front page, as in a province's name"
    )
    front_page: bool = Field(False, description="Whether the host `domain` lists the utilities, by name")
    web: WebSettings = WebSettings()  # type: ignore[call-arg]
    traces: TraceSettings = TraceSettings()  # type: ignore[call-arg]
    influxdb: AdminSettings = AdminSettings()  # type: ignore[call-arg]
    broker: BrokerSettings = BrokerSettings()  # type: ignore[call-arg]
    new: dict[str, Any] = Field({}, description="Settings that new sites get; {name} stands for the name")

    @field_validator("sites", "data", "secrets")
    @classmethod
    def _is_absolute(cls, path: Path) -> Path:
        if not path.is_absolute():
            raise ValueError("give a whole path, which begins with /")
        return path

    @field_validator("domain")
    @classmethod
    def _is_a_host(cls, domain: str) -> str:
        if domain and not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)*", domain):
            raise ValueError("give a host name in small letters, as in water.example")
        return domain

    def file_of(self, name: str) -> Path:
        """The settings file of a site. SettingsError for what is no name, NotFound where there is none."""
        if NAME.fullmatch(name) is None:
            raise SettingsError(f"{name[:60]!r} is no name of a site: give {WHAT_NAME}")
        path = self.sites / f"{name}.toml"
        if not path.is_file():
            known = ", ".join(self.names()) or "none yet"
            raise NotFound(f"no site {name!r} in {self.sites} (there: {known})")
        return path

    def names(self) -> list[str]:
        """The names of all sites, sorted. SettingsError where their folder cannot be read."""
        try:
            return sorted(p.stem for p in self.sites.iterdir() if p.suffix == ".toml")
        except OSError as e:
            raise SettingsError(f"folder of the sites {self.sites}: {e.strerror}") from e


@dataclass(frozen=True)
class Member:
    """A site of an installation: its name there, its settings, what its folder describes."""

    name: str
    settings: Settings
    site: Site

    @property
    def hosts(self) -> tuple[str, ...]:
        """Host names under which its pages are reached, in small letters, without port."""
        web = self.settings.web
        first = urlsplit(web.public_url).hostname or ""
        return tuple(dict.fromkeys(h.lower() for h in (first, *web.allowed_hosts) if h))


def find_installation(given: Path | None) -> Path:
    """The file that is meant: ``given``, else the variable's, else the one in this folder."""
    named = os.environ.get(VARIABLE)
    return given or (Path(named) if named else FILE)


def load_installation(file: Path) -> Installation:
    """Raises SettingsError with one line for every setting that is wrong."""
    try:
        with file.open("rb") as f:
            said = tomllib.load(f)
    except FileNotFoundError:
        raise SettingsError(
            f"{file} does not exist: name the installation's file with --installation or {VARIABLE} "
            "(docs/many-sites.md)"
        ) from None
    except OSError as e:
        raise SettingsError(f"installation {file}: {e.strerror}") from e
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise SettingsError(f"installation {file} is not valid TOML: {e}") from e
    try:
        found = Installation(**said)
    except ValidationError as e:
        lines = [explain(error, Installation) for error in e.errors()]
        raise SettingsError("\n".join(f"{file}: {line}" for line in dict.fromkeys(lines))) from None
    for setting in sorted(found.web.model_fields_set & {"allowed_hosts", "public_url"}):
        raise SettingsError(f"{file}: setting web.{setting}: host names are each site's own, in its own file")
    return found


def load_member(installation: Installation, name: str) -> Member:
    """A site by its file alone. Raises TwuinError for settings or a site folder that are wrong, or that two
    processes could read differently."""
    file = installation.file_of(name)
    settings = load(file, environment=False)
    for setting, path in (("site", settings.site), ("data_dir", settings.data_dir)):
        if path is None or not path.is_absolute():
            raise SettingsError(f"{file}: setting {setting}: give a whole path, which begins with /")
    if settings.database.startswith("sqlite") and not settings.database.startswith("sqlite:////"):
        raise SettingsError(f"{file}: setting database: give a whole path, as in sqlite:////var/lib/a.sqlite")
    url = urlsplit(settings.web.public_url)
    if not url.hostname or url.path:
        raise SettingsError(
            f"{file}: setting web.public_url: give an address with a host name of its own and no path, as in "
            f"https://{name}.{installation.domain or 'water.example'}"
        )
    if settings.web.https != installation.web.https:
        raise SettingsError(
            f"{file}: setting web.https: give what the installation has, for one proxy serves all"
        )
    member = Member(name, settings, read_settings_site(settings))
    if installation.front_page and installation.domain in member.hosts:
        raise SettingsError(
            f"{file}: setting web.public_url: {installation.domain} is the host of the front page"
        )
    return member


def load_members(installation: Installation, told: Callable[[str, str], None]) -> list[Member]:
    """All sites that can be read, by name; ``told`` hears of each that cannot, and why."""
    found = []
    for name in installation.names():
        try:
            found.append(load_member(installation, name))
        except TwuinError as e:
            told(name, str(e))
    return found


def open_store_of(admin: AdminSettings, member: StoreSettings) -> StoreSettings:
    """The store of a site as InfluxDB's administrator reaches it."""
    return member.model_copy(
        update={
            "token": SecretStr(""),
            "token_file": admin.token_file,
            "username": admin.username,
            "password": SecretStr(""),
            "password_file": admin.password_file,
        }
    )
