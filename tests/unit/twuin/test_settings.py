"""Settings: from file, environment and flags, in that order; mistakes in one line; all documented."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url
from typer.testing import CliRunner

from twuin.cli import app
from twuin.settings import load, reference
from waterworks.errors import SettingsError


@pytest.fixture(autouse=True)
def nothing_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("TWUIN_CONFIG", "TWUIN_WEB__PORT", "TWUIN_WEB__HOST", "TWUIN_MQTT__HOST"):
        monkeypatch.delenv(name, raising=False)


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "some.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_flags_win_over_environment_and_environment_over_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, '[web]\nport = 1001\nhost = "10.0.0.1"\n[mqtt]\nhost = "broker"\nport = 1884\n')
    monkeypatch.setenv("TWUIN_WEB__PORT", "1002")
    monkeypatch.setenv("TWUIN_MQTT__HOST", "from-environment")
    settings = load(path, {"web": {"port": 1003, "host": None}})
    assert (settings.web.port, settings.web.host) == (1003, "10.0.0.1")
    assert (settings.mqtt.host, settings.mqtt.port) == ("from-environment", 1884)


def test_file_in_the_current_folder_is_found(tmp_path: Path) -> None:
    (tmp_path / "twuin.toml").write_text("[web]\nport = 1234\n", encoding="utf-8")
    assert load().web.port == 1234


def test_settings_cannot_be_changed_after_loading() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().data_dir = Path("elsewhere")  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("web = 5\n", "setting web is a table of settings, not one value: write [web] on a line of its own"),
        ("[[web]]\nport = 1\n", "setting web is a table of settings"),
        ("port = 5\n", "no setting is called 'port'; did you mean 'mqtt.port' or 'web.port'?"),
        ("[web]\nprot = 1\n", "no setting is called 'web.prot'; did you mean 'web.port'?"),
        ('[web]\nport = "many"\n', "setting web.port = 'many': give a whole number from 0 to 65535"),
        ("[web]\nport = 1.5\n", "setting web.port = 1.5: give a whole number from 0 to 65535"),
        ("[web]\nhost = 5\n", "setting web.host = 5: give a text, in quotes"),
        ("[web]\nallowed_hosts = [1]\n", 'give a list of texts, as in ["a", "b"]'),
        ('[mqtt]\ntls = "maybe"\n', "setting mqtt.tls = 'maybe': give true or false"),
        ("[mqtt]\nversion = 4\n", "setting mqtt.version = 4: give '3.1.1' or '5'"),
        ('[clock]\nkind = "moon"\n', "setting clock.kind = 'moon': give 'wall', 'data' or 'scaled'"),
        ("[clock]\nspeed = 0\n", "setting clock.speed = 0: give a number above 0"),
        ('[clock]\nstart = "yesterday"\n', "give a time with its zone, as in 2026-01-31T20:00:00+07:00"),
        ("[monitor]\nlateness_s = -1\n", "setting monitor.lateness_s = -1: give a number of 0 or more"),
        ("[monitor]\npoll_s = inf\n", "setting monitor.poll_s = inf: give a number above 0"),
        ("site = 5\n", "setting site = 5: give a path, in quotes"),
        ("[web]\nport = 70000\n", "setting web.port = 70000"),
        ("= 3\n", "is not valid TOML"),
        ('[mqtt]\nname = "no blanks"\n', "setting mqtt.name = 'no blanks': give 1 to 40 letters"),
        ("[clock]\nstart = 2026-01-01T00:00:00\n", "give the time a zone"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(write(tmp_path, text))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("TWUIN_WEB__PORT", "x", "setting web.port = 'x' (TWUIN_WEB__PORT in the environment): give a whole"),
        ("TWUIN_WEB", "5", "setting web is a table of settings"),
        ("TWUIN_WEB__ALLOWED_HOSTS", "a,b", "TWUIN_WEB__ALLOWED_HOSTS in the environment): give JSON, as in"),
    ],
)
def test_a_wrong_variable_of_the_environment_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        load()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "[mqtt]\npassword = 5317\n",
        '[mqtt]\npassword = ["5317"]\n',
        'mqtt = "user:5317@broker"\n',
        '[[mqtt]]\npassword = "5317"\n',
        '[mqtt]\npasword = "5317"\n',
        'database = ["postgresql://user:5317@host/twuin"]\n',
    ],
)
def test_a_mistake_never_shows_a_password(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(write(tmp_path, text))
    assert "5317" not in str(caught.value)
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TWUIN_MQTT", '{"password": "5317"'),
        ("TWUIN_MQTT", '["5317"]'),
        ("TWUIN_MQTT__PASSWORD__OF", "5317"),
    ],
)
def test_a_mistake_in_the_environment_never_shows_a_password(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        load()
    assert "5317" not in str(caught.value)


def test_a_password_file_that_is_no_text_is_refused_without_its_content(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"pa55\xff\xfe")
    with pytest.raises(SettingsError, match="is not UTF-8") as caught:
        load(None, {"mqtt": {"password_file": secret}}).mqtt.secret()
    assert "pa55" not in str(caught.value)


def test_a_missing_file_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml: No such file"):
        load(tmp_path / "nowhere.toml")


def test_a_password_is_read_from_its_file_and_never_shown(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("pa55\n", encoding="utf-8")
    settings = load(None, {"mqtt": {"password_file": secret, "password": "other"}})
    assert settings.mqtt.secret() == "pa55"
    assert "other" not in repr(settings)
    secret.unlink()
    with pytest.raises(SettingsError, match="password_file"):
        settings.mqtt.secret()


def test_the_database_takes_its_password_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("p@ss/wörd%\n", encoding="utf-8")
    settings = load(
        None, {"database": "postgresql://twuin@db.example:5433/pdam", "database_password_file": secret}
    )
    url = make_url(settings.database_url)
    assert (url.username, url.password, url.host, url.port, url.database) == (
        "twuin", "p@ss/wörd%", "db.example", 5433, "pdam"
    )  # fmt: skip
    assert "wörd" not in repr(settings)
    secret.unlink()
    with pytest.raises(SettingsError, match=r"database_password_file .*secret: No such file"):
        _ = settings.database_url


@pytest.mark.parametrize("url", ["", "postgresql://twuin:other@db/pdam", "postgresql://db/pdam"])
def test_a_password_file_without_a_user_for_it_is_refused(tmp_path: Path, url: str) -> None:
    settings = load(None, {"database": url, "database_password_file": tmp_path / "secret"})
    with pytest.raises(SettingsError, match="name a user and no password"):
        _ = settings.database_url


def test_the_reference_is_made_from_the_settings(root: Path) -> None:
    written = (root / "docs" / "settings.md").read_text(encoding="utf-8")
    assert written.endswith("\n\n" + reference()), "make its table anew: twuin settings --markdown"
    rows = reference().splitlines()[2:]
    assert len(rows) > 80
    for row in rows:
        _, name, variable, _, text, _ = re.split(r" ?\| ?", row)
        assert text, f"{name} is not documented"
        assert variable == "`TWUIN_" + name.strip("`").upper().replace(".", "__") + "`"


def test_settings_in_force_are_shown_without_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWUIN_MQTT__PASSWORD", "hush")
    write(tmp_path, '[web]\nport = 1001\n[store]\ntoken = "hush"\n').rename("twuin.toml")
    monkeypatch.setenv("TWUIN_DATABASE", "postgresql://it:hush@db/twuin")
    done = CliRunner().invoke(app, ["settings", "--changed"])
    assert done.exit_code == 0, done.output
    assert [line.split() for line in done.output.splitlines()] == [
        ["*", "database", "(set,", "not", "shown)"],
        ["*", "mqtt.password", "(set,", "not", "shown)"],
        ["*", "store.token", "(set,", "not", "shown)"],
        ["*", "web.port", "1001"],
        ["*", "not", "as", "by", "default"],
    ]
    all_of_them = CliRunner().invoke(app, ["settings", "--json"])
    assert "hush" not in all_of_them.output
    assert {s["name"]: s["value"] for s in json.loads(all_of_them.output)}["mqtt.port"] == "1883"
    assert CliRunner().invoke(app, ["settings", "--markdown"]).output == reference()
