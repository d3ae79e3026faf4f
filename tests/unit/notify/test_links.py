"""Signed links and the key that signs them."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twuin.notify.links import Links, Taken, load_key
from waterworks.errors import SettingsError

UNTIL = datetime(2026, 11, 23, 3, tzinfo=UTC)
LINKS = Links("kota", b"k" * 32, "https://twuin.example")
TAKEN = Taken("el7gi67frb", "regu-utara.1", UNTIL)


def test_a_link_says_which_alert_which_receiver_and_until_when() -> None:
    assert LINKS.read(LINKS.token(TAKEN)) == TAKEN
    assert LINKS.take(TAKEN) == f"https://twuin.example/a/{LINKS.token(TAKEN)}"
    assert len(LINKS.take(TAKEN)) < 90  # beside a short message's words


@pytest.mark.parametrize("place", [0, 12, 30, -1])
def test_a_changed_letter_makes_it_nobodys_link(place: int) -> None:
    token = LINKS.token(TAKEN)
    changed = list(token)
    changed[place] = "A" if changed[place] != "A" else "B"
    assert LINKS.read("".join(changed)) is None


def test_another_site_or_key_makes_other_links() -> None:
    token = LINKS.token(TAKEN)
    assert Links("kota2", LINKS.key, "").read(token) is None
    assert Links("kota", b"j" * 32, "").read(token) is None


@settings(deadline=None)  # a loaded machine is slow, not wrong
@given(st.text(max_size=200))
def test_what_is_no_link_of_ours_is_none(text: str) -> None:
    assert LINKS.read(text) is None


def test_without_a_public_address_there_are_no_links() -> None:
    nowhere = Links("kota", b"k" * 32, "")
    assert (nowhere.take(TAKEN), nowhere.alert("x"), nowhere.alerts()) == ("", "", "")


def test_the_key_is_made_at_first_use_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "notify.key"
    key = load_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_key(path) == key
    assert len(key) == 32 and len(set(tmp_path.iterdir())) == 1


def test_processes_that_make_it_at_once_agree(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from twuin.notify.links import load_key; "
        "sys.stdin.readline(); print(load_key(pathlib.Path(sys.argv[1])).hex())"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "k")]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    assert len({process.communicate(timeout=60)[0] for process in started}) == 1


def test_a_key_that_others_can_read_or_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notify.key"
    load_key(path)
    path.chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        load_key(path)
    path.write_text("short")
    path.chmod(0o600)
    with pytest.raises(SettingsError, match="64 hexadecimal digits"):
        load_key(path)
