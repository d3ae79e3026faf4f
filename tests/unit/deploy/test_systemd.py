"""The systemd units are what systemd understands, and what they run is there."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from twuin.settings import load


@pytest.fixture
def verify(program: Callable[[str], str], tmp_path: Path, root: Path) -> Callable[..., str]:
    """What systemd finds wrong with the units, in a root folder that has what they name."""
    folder = tmp_path / "root" / "etc" / "systemd" / "system"
    shutil.copytree(root / "deploy" / "systemd", folder)

    def run(change: tuple[str, str, str] | None = None) -> str:
        units = [p for p in sorted(folder.iterdir()) if p.suffix in (".service", ".target", ".timer")]
        for unit in units:
            text = unit.read_text().replace("/opt/twuin/bin/twuin", "/bin/true")
            if change is not None and unit.name == change[0]:
                assert change[1] in text
                text = text.replace(change[1], change[2])
            unit.write_text(text)
        names = [str(p).replace("@.service", "@main.service") for p in units]
        for template in folder.glob("*@.service"):
            shutil.copy(template, str(template).replace("@", "@main"))
        command = [program("systemd-analyze"), "verify", "--recursive-errors=no", "--man=no", *names]
        done = subprocess.run(command, capture_output=True, text=True)
        return "" if not done.returncode and not done.stderr else done.stderr or str(done.returncode)

    return run


def ours(said: str) -> str:
    """Without what systemd says of this machine's own units, or of a machine on which it does not run."""
    return "\n".join(line for line in said.splitlines() if "twuin" in line)


def test_systemd_finds_nothing_wrong(verify: Callable[..., str]) -> None:
    assert ours(verify()) == ""


@pytest.mark.parametrize(
    "change",
    [
        ("twuin-web.service", "Restart=on-failure", "Restart=sometimes"),
        ("twuin-monitor.service", "MemoryMax=4G", "MemoryMax=much"),
        ("twuin-prepare.service", "ExecStart=/bin/true", "ExecStart=true/"),
    ],
)
def test_systemd_would_find_a_mistake(verify: Callable[..., str], change: tuple[str, str, str]) -> None:
    assert change[0] in ours(verify(change))


def test_all_that_stays_is_bounded_and_may_touch_nothing_but_its_own(root: Path) -> None:
    for unit in (root / "deploy" / "systemd").glob("*.service"):
        text = unit.read_text()
        assert re.search(r"^User=(twuin|mosquitto)$", text, re.MULTILINE), unit.name
        may = "CAP_DAC_READ_SEARCH" if unit.name == "twuin-backup.service" else ""  # the broker's keys
        for line in ("NoNewPrivileges=yes", "ProtectSystem=strict", f"CapabilityBoundingSet={may}"):
            assert re.search(rf"^{line}$", text, re.MULTILINE), f"{unit.name}: {line}"
        assert "Type=oneshot" in text or "MemoryMax=" in text, unit.name


def test_the_settings_of_the_units_can_be_loaded_also_with_all_that_is_commented_out(
    root: Path, tmp_path: Path
) -> None:
    text = (root / "deploy" / "systemd" / "twuin.toml").read_text()
    full = tmp_path / "twuin.toml"
    full.write_text(re.sub(r"^#(?=[a-z_]+ = |\[)", "", text, flags=re.MULTILINE))
    assert tomllib.loads(full.read_text())["store"]["kind"] == "influxdb"
    settings = load(full)
    assert settings.mqtt.tls and settings.store.token_file is not None
    assert load(root / "deploy" / "systemd" / "twuin.toml").store.kind == "embedded"
