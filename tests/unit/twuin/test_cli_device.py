"""``twuin device`` and ``twuin simulate --logins``: no password is lost, or opens nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware_sim.town import demo_site_folder
from ingest.access.identities import PASSWORDS
from twuin.cli import main

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs ``twuin`` in ``tmp_path`` for the demo town: its status, and all that it wrote."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TWUIN_SITE", str(demo_site_folder()))

    def go(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["twuin", *words])
        status = 0
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
        written = capfd.readouterr()
        return status, written.out + written.err

    return go


@pytest.mark.parametrize(
    "words", [("add", "D1-INLET"), ("revoke", "D1-INLET"), ("list",)], ids=lambda words: words[0]
)
def test_a_folder_that_is_no_brokers_is_refused_and_not_made(
    run: Run, tmp_path: Path, words: tuple[str, ...]
) -> None:
    status, said = run("device", *words, "--folder", "elsewhere")
    assert status == 1
    assert "elsewhere is not the folder of a broker" in said
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("file", ["is-there.csv", "no-folder/logins.csv"])
def test_a_file_that_cannot_be_made_leaves_the_old_passwords_as_they_are(
    run: Run, tmp_path: Path, file: str
) -> None:
    (tmp_path / "is-there.csv").write_text("mine")
    assert run("broker", "init")[0] == 0
    assert run("device", "add", "D1-INLET")[0] == 0
    before = (tmp_path / "twuin-broker" / PASSWORDS).read_text()
    status, said = run("device", "add", "D1-INLET", "--renew", "--out", file)
    assert status == 1
    assert file in said
    assert (tmp_path / "twuin-broker" / PASSWORDS).read_text() == before
    assert (tmp_path / "is-there.csv").read_text() == "mine"


def test_simulated_devices_without_a_login_do_not_take_the_identity_of_the_ingest(run: Run) -> None:
    assert run("broker", "init")[0] == 0
    assert run("device", "add", "D1-INLET")[0] == 0
    assert run("device", "add", "--all", "--out", "logins.csv")[0] == 0
    status, said = run("simulate", "--logins", "logins.csv", "--days", "0.01", "--speed", "max")
    assert status == 1
    assert "logins.csv has no line for 1 device of Kota Wening (D1-INLET)" in " ".join(said.split())
