"""Everything that can be set, in one frozen object: from a file, the environment, then flags.

The file is TOML (``twuin.toml``); the environment names a setting as ``TWUIN_`` and its path with two
underscores between levels (``TWUIN_MQTT__HOST``). Nothing is read before ``load`` is called.
"""

from __future__ import annotations

import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping
from datetime import datetime
from functools import reduce
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings.exceptions import SettingsError as UnreadableVariable

from twuin.settings_words import SECRET, explain, explain_environment, setting_names, variable
from waterworks.errors import SettingsError

DEFAULT_FILE = Path("twuin.toml")


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MqttSettings(Section):
    """Where the broker is and how to speak to it."""

    host: str = Field("127.0.0.1", description="Host name or address of the MQTT broker")
    port: int = Field(1883, ge=1, le=65535, description="Its port (8883 is usual with TLS)")
    version: Literal["3.1.1", "5"] = Field("3.1.1", description="MQTT version; 3.1.1 costs half as much")
    username: str = Field("", description="User name; empty: none")
    password: SecretStr = Field(SecretStr(""), description="Password")
    password_file: Path | None = Field(None, description="File that holds the password, instead of it")
    tls: bool = Field(False, description="Encrypt the connection")
    ca_file: Path | None = Field(None, description="Certificate authority; empty: the system's")
    cert_file: Path | None = Field(None, description="Our own certificate, where the broker asks for one")
    key_file: Path | None = Field(None, description="Key of our own certificate")
    name: str = Field(
        "main",
        description="Name of this ingest process: part of its MQTT client id, so no two may share one",
    )
    shared: bool = Field(False, description="Share the load with other ingest processes of this site")
    strays: bool = Field(
        True,
        description="Keep what comes for unknown sites as rejected; false where a broker serves several",
    )
    rebirths: bool = Field(
        True, description="Ask Sparkplug edge nodes for births that were missed (Node Control/Rebirth)"
    )

    receipt_s: float = Field(
        5.0,
        ge=0.1,
        le=3600,
        allow_inf_nan=False,
        description="How often at most a device is told which of its messages are stored [s]",
    )
    heartbeat_s: float = Field(
        10.0,
        ge=0,
        le=3600,
        allow_inf_nan=False,
        description="How often the ingest sends itself a heartbeat through the broker [s]; silent for thrice "
        "as long, it connects anew; 0: never",
    )

    @field_validator("name")
    @classmethod
    def _fits_a_client_id(cls, name: str) -> str:
        if not re.fullmatch("[A-Za-z0-9_-]{1,40}", name):
            raise ValueError("give 1 to 40 letters (A to Z), digits, '_' and '-'")
        return name

    def secret(self) -> str:
        """The password, from the file where one is named. Raises SettingsError when it cannot be read."""
        return _secret(self.password, self.password_file, "mqtt.password_file")


class StoreSettings(Section):
    """Where readings are kept: in a file of ``data_dir``, or in an InfluxDB."""

    kind: Literal["embedded", "influxdb"] = Field(
        "embedded", description="embedded: a file in data_dir; influxdb: an InfluxDB"
    )
    version: Literal["1", "2"] = Field("2", description="InfluxDB: 1 for 1.x, 2 for 2.x")
    url: str = Field("http://127.0.0.1:8086", description="InfluxDB: its address")
    database: str = Field("twuin", min_length=1, description="InfluxDB: database (1) or bucket (2)")
    org: str = Field("", description="InfluxDB 2: organisation")
    token: SecretStr = Field(SecretStr(""), description="InfluxDB 2: token that may read and write")
    token_file: Path | None = Field(None, description="File that holds the token, instead of it")
    username: str = Field("", description="InfluxDB 1: user name; empty: none")
    password: SecretStr = Field(SecretStr(""), description="InfluxDB 1: password")
    password_file: Path | None = Field(None, description="File that holds the password, instead of it")
    ca_file: Path | None = Field(None, description="InfluxDB by https: certificate authority")
    retention_days: float | None = Field(
        None,
        ge=30,
        allow_inf_nan=False,
        description="InfluxDB: how long a database that Twuin makes keeps readings [d]; empty: for ever",
    )
    downsample: bool = Field(
        False, description="InfluxDB: keep means of 15 minutes and of days too, beside the readings"
    )
    figures: bool = Field(
        True, description="InfluxDB: write what Grafana's dashboards show, beside the readings"
    )
    timeout_s: float = Field(
        30.0, gt=0, le=45, allow_inf_nan=False, description="InfluxDB: how long to wait for an answer [s]"
    )

    @field_validator("version", mode="before")
    @classmethod
    def _as_text(cls, version: Any) -> Any:
        return str(version) if isinstance(version, int) else version

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        if not re.fullmatch(r"https?://[^/?#@\s]+(/[^?#\s]*)?", url):
            raise ValueError("give an address such as http://127.0.0.1:8086, without user and password")
        return url.rstrip("/")

    def secrets(self) -> tuple[str, str]:
        """Token and password, from their files where those are named. SettingsError: one cannot be read."""
        return (
            _secret(self.token, self.token_file, "store.token_file"),
            _secret(self.password, self.password_file, "store.password_file"),
        )


def _secret(value: SecretStr, file: Path | None, setting: str) -> str:
    if file is None:
        return value.get_secret_value()
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError as e:
        raise SettingsError(f"{setting} {file}: {e.strerror}") from e
    except UnicodeDecodeError:
        # "from None": what was read is not to be shown
        what = setting.rpartition(".")[2].removesuffix("_file")
        raise SettingsError(
            f"{setting} {file} is not UTF-8: write the {what} alone into a text file"
        ) from None


class SpoolSettings(Section):
    """Where readings wait on the disk while the store is away or slow."""

    max_bytes: int = Field(
        2**30,
        ge=0,
        description="Most bytes of the disk spool of an ingest process, 30 to 130 a reading; 0: no spool, "
        "messages wait at the broker",
    )
    keep_free_bytes: int = Field(
        2**28,
        ge=0,
        description="The spool takes nothing more when fewer bytes than these are free on its disk",
    )
    slow_s: float = Field(
        2.0,
        gt=0,
        le=30,
        allow_inf_nan=False,
        description="A store that takes longer is not waited for: its readings go into the spool [s]",
    )


class LedgerSettings(Section):
    """What is kept of what came in, to be counted."""

    max_bytes: int = Field(
        2**29,
        ge=2**20,
        description="Most bytes of arrivals that the ledger keeps, some 4 a reading; of days beyond that "
        "only counts stay",
    )


class WatchSettings(Section):
    """A folder into which files of readings are put."""

    folder: Path | None = Field(None, description="Folder whose files of readings are stored; empty: none")
    mapping: Path | None = Field(None, description="What the files hold (docs/backfill.md)")
    settle_s: float = Field(
        10.0,
        ge=1,
        le=3600,
        allow_inf_nan=False,
        description="A file is taken when it stayed as it is for so long [s]",
    )


class QuarantineSettings(Section):
    """Readings with times that cannot be right are held aside."""

    ahead_s: float = Field(
        900.0,
        ge=1,
        le=86_400,
        allow_inf_nan=False,
        description="Readings whose times lie further in the future are held in the quarantine [s]",
    )
    max_readings: int = Field(
        1_000_000, ge=1_000, description="So many are held at most; the oldest give way"
    )


class ReportsSettings(Section):
    """Monthly reports by the calendar (docs/reports.md)."""

    day: int = Field(
        0, ge=0, le=28, description="Day of the month on which the last month's report is made; 0: none is"
    )
    at: str = Field("06:00", description="Local time of that day, as HH:MM")
    languages: tuple[str, ...] = Field(("id",), description="Languages it is written in: id, en")
    formats: tuple[str, ...] = Field(("pdf", "xlsx"), description="Files it is written as: pdf, xlsx")
    keep: int = Field(36, ge=1, le=1200, description="Months of reports that are kept in data_dir/reports")

    @field_validator("at")
    @classmethod
    def _is_a_time(cls, at: str) -> str:
        if not re.fullmatch("([01][0-9]|2[0-3]):[0-5][0-9]", at):
            raise ValueError("give a local time as HH:MM, such as 06:00")
        return at

    @field_validator("languages", "formats")
    @classmethod
    def _are_ours(cls, said: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        known = {"languages": ("id", "en"), "formats": ("pdf", "xlsx")}[info.field_name or ""]
        if not said or not set(said) <= set(known):
            raise ValueError(f'give a list of one or both of "{known[0]}" and "{known[1]}"')
        return said

    @property
    def minutes(self) -> int:
        """``at`` in minutes after midnight."""
        hours, minutes = self.at.split(":")
        return int(hours) * 60 + int(minutes)


class WebSettings(Section):
    """Where pages and API are served."""

    host: str = Field("127.0.0.1", description="Address to listen on")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on")
    allowed_hosts: tuple[str, ...] = Field(
        (), description="Host names under which the pages may be asked for, beside the address itself"
    )
    public_url: str = Field(
        "",
        description="Address at which people reach the pages, for links in messages, as in "
        "https://twuin.example; empty: messages carry none",
    )

    @field_validator("public_url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        if url and not re.fullmatch(r"https?://[^/?#@\s]+(/[^?#\s]*)?", url):
            raise ValueError("give an address such as https://twuin.example")
        return url.rstrip("/")

    https: bool = Field(
        False, description="A proxy that speaks TLS stands before it, and nobody comes another way"
    )
    trusted_proxies: tuple[str, ...] = Field(
        (),
        description="Addresses or networks of proxies whose X-Forwarded-For and -Proto are believed",
    )

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in proxies:
            try:
                ipaddress.ip_network(proxy)
            except ValueError:
                raise ValueError('give addresses or networks, as in ["127.0.0.1", "10.0.0.0/8"]') from None
        return proxies


class AccountSettings(Section):
    """How long people stay signed in."""

    idle_hours: float = Field(
        12.0,
        ge=0.1,
        le=720,
        allow_inf_nan=False,
        description="A session that nobody uses for so long ends [h]",
    )
    session_days: float = Field(
        30.0, ge=0.1, le=365, allow_inf_nan=False, description="Any session ends after so long [d]"
    )
    code_hours: float = Field(
        24.0, ge=0.1, le=336, allow_inf_nan=False, description="A one-time code is good for so long [h]"
    )
    local_metrics: bool = Field(
        True, description="Programs on this machine may read /metrics without a token"
    )


class OidcSettings(Section):
    """Sign-in through an OpenID Connect provider (docs/accounts.md); there is none without ``issuer``."""

    issuer: str = Field("", description="The provider's address, exactly as it calls itself; empty: none")
    client_id: str = Field("", description="Who Twuin is to the provider")
    client_secret: SecretStr = Field(SecretStr(""), description="Its secret; empty for a client without one")
    client_secret_file: Path | None = Field(None, description="File that holds the secret, instead of it")
    name: str = Field("", max_length=40, description="What people call it, on the button; empty: its host")
    scopes: tuple[str, ...] = Field(("openid", "profile", "email"), description="What is asked for")
    accounts: Literal["invited", "groups"] = Field(
        "invited",
        description="Who comes in: invited, for whom an account was made; groups: also whoever is in a group "
        "of sign_in.toml, for whom one is made then",
    )
    groups_claim: str = Field("groups", min_length=1, description="The claim that names somebody's groups")
    groups_file: Path | None = Field(
        None,
        description="Which groups get which role; empty: sign_in.toml of the site folder, if there is one",
    )
    passwords: Literal["all", "admins"] = Field(
        "all", description="Who may sign in by password too; administrators always may"
    )
    session_hours: float = Field(
        12.0,
        ge=0.1,
        le=8760,
        allow_inf_nan=False,
        description="So long until the provider is asked again [h]",
    )
    ca_file: Path | None = Field(None, description="Certificate authority of the provider; empty: the usual")

    @field_validator("issuer")
    @classmethod
    def _is_an_issuer(cls, issuer: str) -> str:
        if issuer and not re.fullmatch(r"https://[^/?#@\s]+(/[^?#\s]*)?|" + _HERE, issuer):
            raise ValueError(
                "give an address such as https://login.example (http only for this very machine)"
            )
        return issuer

    @field_validator("scopes")
    @classmethod
    def _are_scopes(cls, scopes: tuple[str, ...]) -> tuple[str, ...]:
        if "openid" not in scopes or any(not re.fullmatch(r"[!#-\[\]-~]+", s) for s in scopes):
            raise ValueError('give a list with "openid" in it, as in ["openid", "profile", "email"]')
        return scopes

    def secret(self) -> str:
        """The secret, from the file where one is named. Raises SettingsError when it cannot be read."""
        return _secret(self.client_secret, self.client_secret_file, "oidc.client_secret_file")


_HERE = r"http://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?(/[^?#\s]*)?"


class NotifySettings(Section):
    """How people are told of alerts."""

    file: Path | None = Field(
        None, description="Who is told of what (docs/notify.md); empty: notify.toml of the site folder"
    )
    key_file: Path | None = Field(
        None,
        description="Key that signs links in messages, made at first use; empty: notify.key in data_dir",
    )


class TraceSettings(Section):
    """OpenTelemetry (docs/logs.md)."""

    url: str = Field(
        "",
        description="Send traces by OTLP over HTTP to this address, as in http://127.0.0.1:4318/v1/traces; "
        "empty: none",
    )
    share: float = Field(
        1.0, ge=0, le=1, allow_inf_nan=False, description="Share of traces that are sent, from 0 to 1"
    )
    headers_file: Path | None = Field(
        None,
        description="File of headers to send along, a line each as in Authorization: Bearer ...; empty: none",
    )

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        if url and not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", url):
            raise ValueError(
                "give an address such as http://127.0.0.1:4318/v1/traces; headers_file is for secrets"
            )
        return url


class ResidentSettings(Section):
    """What residents may report, and for how long it is kept who they are (docs/public-reports.md)."""

    open: bool = Field(
        False, description="Residents may report leaks on /lapor, without an account; false: it is not there"
    )
    confirm: int = Field(
        3,
        ge=0,
        le=100,
        description="So many reporters who are independent of each other make an alert of what no reading "
        "shows; 0: only staff do",
    )
    most_per_hour: int = Field(
        200, ge=1, le=100_000, description="More reports than these in an hour are held for a person to look"
    )
    call: str = Field(
        "", description="Phone number for who would rather call, as in 0341-123456; empty: none"
    )
    country_code: str = Field("62", description="Calling code of phone numbers that are given without one")
    erase_days: float = Field(
        30.0,
        ge=1,
        le=3650,
        allow_inf_nan=False,
        description="So long after a report is closed, who sent it is erased [d]",
    )
    erase_latest_days: float = Field(
        180.0,
        ge=1,
        le=3650,
        allow_inf_nan=False,
        description="So long after a report came, who sent it is erased in any case [d]",
    )
    key_file: Path | None = Field(
        None,
        description="Key that seals who reported and makes tracking codes, made at first use; empty: "
        "residents.key in data_dir",
    )

    @field_validator("country_code")
    @classmethod
    def _is_a_calling_code(cls, code: str) -> str:
        if not re.fullmatch("[1-9][0-9]{0,2}", code):
            raise ValueError('give the digits of a calling code, as in "62"')
        return code

    @field_validator("call")
    @classmethod
    def _is_a_number(cls, call: str) -> str:
        if call and not re.fullmatch(r"[0-9+()\-./ ]{3,30}", call):
            raise ValueError("give a phone number, as in 0341-123456")
        return call


class MonitorSettings(Section):
    """How the monitor works through the readings."""

    lateness_s: float = Field(
        900.0, ge=0, allow_inf_nan=False, description="How late a reading may come before time moves on [s]"
    )
    poll_s: float = Field(
        1.0, gt=0, allow_inf_nan=False, description="How often to look for new readings [s]"
    )
    part_dmas: int = Field(
        250,
        ge=1,
        le=10_000,
        description="DMAs of a part at most, where a site is taken in parts (docs/growth.md); DMAs that a "
        "meter joins stay together",
    )


class ClusterSettings(Section):
    """Where a Dask scheduler shares out the work (docs/growth.md); without it one process does it all."""

    scheduler: str = Field(
        "", description="Dask scheduler, as in tcp://127.0.0.1:8786 or tls://...; empty: none"
    )
    ca_file: Path | None = Field(None, description="tls://: certificate authority")
    cert_file: Path | None = Field(None, description="tls://: certificate of this process")
    key_file: Path | None = Field(None, description="tls://: its key")
    host: str = Field(
        "", description="A worker: address at which others reach it; empty: by which it reaches the scheduler"
    )
    wait_s: float = Field(
        30.0, ge=0, le=3600, allow_inf_nan=False, description="How long a first worker is waited for [s]"
    )


class ClockSettings(Section):
    """What the present is. ``wall``: the machine's time; ``data``: the newest reading's time, for
    looking at past data; ``scaled``: runs from ``start`` at ``speed``, for a demo.
    """

    kind: Literal["wall", "data", "scaled"] = Field("wall", description="wall, data or scaled")
    start: datetime | None = Field(None, description="Scaled: the time shown at `origin`, with its zone")
    origin: datetime | None = Field(None, description="Scaled: the wall time at which `start` is shown")
    speed: float = Field(1.0, gt=0, allow_inf_nan=False, description="Scaled: seconds shown per second")

    @field_validator("start", "origin")
    @classmethod
    def _has_zone(cls, when: datetime | None) -> datetime | None:
        if when is not None and when.tzinfo is None:
            raise ValueError("give the time a zone, as in 2026-01-31T20:00:00+07:00")
        return when


class Settings(BaseSettings):
    """One Twuin installation that watches one site."""

    model_config = SettingsConfigDict(
        env_prefix="TWUIN_", env_nested_delimiter="__", frozen=True, extra="forbid", toml_file=None
    )

    site: Path | None = Field(None, description="The site folder")
    data_dir: Path = Field(Path("twuin-data"), description="Folder of readings, alerts and rejected messages")
    database: str = Field(
        "",
        description="Database URL of alerts: postgresql://user@host/name, sqlite:///file; "
        "empty: SQLite in data_dir",
    )
    database_password_file: Path | None = Field(
        None, description="File that holds the password for `database`, which then names none"
    )
    broker_dir: Path = Field(
        Path("twuin-broker"), description="Folder of the broker's certificates and identities"
    )
    mqtt: MqttSettings = MqttSettings()  # type: ignore[call-arg]
    store: StoreSettings = StoreSettings()  # type: ignore[call-arg]
    spool: SpoolSettings = SpoolSettings()  # type: ignore[call-arg]
    ledger: LedgerSettings = LedgerSettings()  # type: ignore[call-arg]
    watch: WatchSettings = WatchSettings()  # type: ignore[call-arg]
    quarantine: QuarantineSettings = QuarantineSettings()  # type: ignore[call-arg]
    reports: ReportsSettings = ReportsSettings()  # type: ignore[call-arg]
    web: WebSettings = WebSettings()  # type: ignore[call-arg]
    accounts: AccountSettings = AccountSettings()  # type: ignore[call-arg]
    oidc: OidcSettings = OidcSettings()  # type: ignore[call-arg]
    monitor: MonitorSettings = MonitorSettings()  # type: ignore[call-arg]
    cluster: ClusterSettings = ClusterSettings()  # type: ignore[call-arg]
    notify: NotifySettings = NotifySettings()  # type: ignore[call-arg]
    residents: ResidentSettings = ResidentSettings()  # type: ignore[call-arg]
    clock: ClockSettings = ClockSettings()  # type: ignore[call-arg]
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="How much to log")
    log_format: Literal["text", "json"] = Field(
        "text", description="text: lines for people; json: an object a line, for programs (docs/logs.md)"
    )
    traces: TraceSettings = TraceSettings()  # type: ignore[call-arg]

    @property
    def database_url(self) -> str:
        """Where alerts are kept, with the password. SettingsError where its file cannot be used."""
        url = self.database or f"sqlite:///{self.data_dir / 'twuin.sqlite'}"
        if self.database_password_file is None:
            return url
        named = re.fullmatch(r"(postgresql[^:]*://[^:@/?]+)(@.*)", url)
        if named is None:
            raise SettingsError(
                "setting database_password_file: database has to name a user and no password, as in "
                "postgresql://twuin@db.example/twuin"
            )
        password = _secret(SecretStr(""), self.database_password_file, "database_password_file")
        return f"{named[1]}:{quote(password, safe='')}{named[2]}"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls))


def load(
    file: Path | None = None, flags: Mapping[str, Any] | None = None, *, environment: bool = True
) -> Settings:
    """Settings from ``file`` (None: ``twuin.toml`` here, if there is one), environment and ``flags``.

    flags: nested as the settings are, for example ``{"web": {"port": 8000}}``; None values are left out.
    environment: whether variables count. One such as TWUIN_DATA_DIR would hold for each of several sites.
    Raises SettingsError with one line for every setting that is wrong.
    """
    file = file_in_use(file)
    if file is not None:
        _check_readable(file)

    class Loaded(Settings):
        model_config = SettingsConfigDict(toml_file=file)

        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *sources: Any, **named: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            flags, variables, text = super().settings_customise_sources(settings_cls, *sources, **named)
            return (flags, variables, text) if environment else (flags, text)

    try:
        return Loaded(**_without_none(flags or {}))
    except ValidationError as e:
        lines = [explain(error, Settings) for error in e.errors()]
        raise SettingsError("\n".join(dict.fromkeys(lines))) from None
    except UnreadableVariable as e:
        field = re.search(r'field "(\w+)"', str(e))
        raise SettingsError(explain_environment(field[1] if field else "", Settings)) from None


def file_in_use(file: Path | None = None) -> Path | None:
    """The file that ``load`` reads: ``file`` itself, else what TWUIN_CONFIG names, else twuin.toml here."""
    if file is not None:
        return file
    named = os.environ.get("TWUIN_CONFIG")
    return Path(named) if named else (DEFAULT_FILE if DEFAULT_FILE.exists() else None)


def in_use(settings: Settings) -> dict[str, Any]:
    """Settings that differ from their defaults, secrets and all, nested as in twuin.toml; paths absolute."""
    return _differing(settings)


def path_settings(settings: Settings) -> dict[str, Path]:
    """All settings that name a file or folder, by their name (``store.token_file``); paths absolute."""
    found = {}
    for name, _ in setting_names(Settings):
        value: Any = settings
        for part in name.split("."):
            value = getattr(value, part)
        if isinstance(value, Path):
            found[name] = value.absolute()
    return found


def _differing(section: BaseModel) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, info in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            value = _differing(value)
            if value:
                found[name] = value
        elif isinstance(value, Path):
            found[name] = str(value.absolute())
        elif value is not None and value != info.get_default():
            found[name] = value.get_secret_value() if isinstance(value, SecretStr) else value
    return found


def _check_readable(file: Path) -> None:
    try:
        with file.open("rb") as f:
            tomllib.load(f)
    except OSError as e:
        raise SettingsError(f"settings file {file}: {e.strerror}") from e
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise SettingsError(f"settings file {file} is not valid TOML: {e}") from e


def _without_none(flags: Mapping[str, Any]) -> dict[str, Any]:
    kept = {}
    for name, value in flags.items():
        if isinstance(value, Mapping):
            value = _without_none(value)
            if not value:
                continue
        if value is not None:
            kept[name] = value
    return kept


class Shown(NamedTuple):
    """A setting as it is; value: as text, "(set, not shown)" for what may hold a secret."""

    name: str
    value: str
    changed: bool


def shown(settings: Settings) -> list[Shown]:
    """Every setting as it is in ``settings``, in the order of the reference."""
    found = []
    for name, info in setting_names(Settings):
        value = reduce(getattr, name.split("."), settings)
        changed = value != info.get_default(call_default_factory=False)
        text = str(value)
        if text and (isinstance(value, SecretStr) or (name in SECRET and "@" in text)):
            text = "(set, not shown)"
        found.append(Shown(name, text, changed))
    return found


def reference() -> str:
    """All settings with their defaults and what they do: the table of docs/settings.md."""
    lines = ["| setting | in the environment | default | what it does |", "| --- | --- | --- | --- |"]
    for name, info in setting_names(Settings):
        default = str(info.get_default(call_default_factory=False))
        cells = (
            f"`{name}`",
            f"`{variable(name)}`",
            f"`{default}`" if default else "",
            info.description or "",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
