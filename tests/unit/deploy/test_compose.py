"""The compose file says what Docker understands, with every version pinned."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def compose(root: Path, program: Callable[[str], str]) -> str:
    command = program("docker-compose")
    done = subprocess.run(
        [command, "-f", root / "docker-compose.yml", "config"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_compose_file_is_understood_and_names_the_intended_services(compose: str) -> None:
    for service in ("broker-setup", "mosquitto", "twuin"):
        assert f"  {service}:" in compose


def test_every_image_is_pinned_to_a_version(root: Path) -> None:
    images = [
        line.split("image:")[1].strip()
        for line in (root / "docker-compose.yml").read_text().splitlines()
        if "image:" in line
    ]
    assert len(images) == 5
    for image in images:
        name, _, tag = image.partition(":")
        assert tag.count(".") >= 2 and tag.replace(".", "").isdigit(), f"{name} is not pinned: {image}"


def test_nothing_is_published_beyond_loopback(root: Path) -> None:
    ports = re.findall(r'^ +- "?(\S+:)?\d+:\d+"?$', (root / "docker-compose.yml").read_text(), re.MULTILINE)
    assert len(ports) == 4
    assert set(ports) == {"127.0.0.1:"}
