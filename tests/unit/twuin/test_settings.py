"""Settings: from file, environment and flags, in that order; mistakes in one line; all documented."""

from __future__ import annotations

from pathlib import Path

import pytest

from twuin.settings import describe, load
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
        ("[web]\nprot = 1\n", "no setting is called 'web.prot'; did you mean 'web.port'?"),
        ('[web]\nport = "many"\n', "setting web.port = 'many'"),
        ("[web]\nport = 70000\n", "setting web.port = 70000"),
        ("= 3\n", "is not valid TOML"),
        ('[mqtt]\nname = "no blanks"\n', "setting mqtt.name"),
        ("[clock]\nstart = 2026-01-01T00:00:00\n", "give the time a zone"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(write(tmp_path, text))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


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


def test_every_setting_is_in_the_reference_with_its_default(root: Path) -> None:
    reference = (root / "docs" / "settings.md").read_text(encoding="utf-8")
    for name, default, text in describe():
        variable = "TWUIN_" + name.upper().replace(".", "__")
        assert f"| `{name}` | `{variable}` | {f'`{default}`' if default else ''} | {text} |" in reference, (
            name
        )
