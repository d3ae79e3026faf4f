"""``twuin grafana sync`` as its user sees it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., tuple[int, str, str]]

TOKEN = "glsa_admin_0123456789"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, twuin: Run) -> Run:
    """Runs it in an empty folder: status, output, errors. The token shows in none of them."""

    def run(
        server: Any, *arguments: str, token: str | None = TOKEN, **variables: str
    ) -> tuple[int, str, str]:
        monkeypatch.delenv("TWUIN_GRAFANA_TOKEN", raising=False)
        if token is not None:
            monkeypatch.setenv("TWUIN_GRAFANA_TOKEN", token)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        status, out, err = twuin("grafana", "sync", "--url", server.url, *arguments)
        assert TOKEN not in out + err
        assert "Traceback" not in out + err
        return status, out, err

    return run


def test_look_first_then_do_it_then_nothing_is_left_to_do(run: Run, grafana: Any) -> None:
    status, out, _ = run(grafana, "--dry-run", "--alert-email", "duty@pdam.example")
    assert status == 0
    assert "would create  folder 'Twuin (English)' (twuin-en)" in out
    assert "would create  contact point 'Twuin' (twuin-contact)" in out
    assert grafana.writes == []
    status, out, _ = run(grafana, "--alert-email", "duty@pdam.example")
    assert status == 0
    assert f"{len(grafana.writes)} changes made." in out
    status, out, _ = run(grafana)
    assert (status, out) == (0, f"Nothing to change: {len(grafana.writes)} as they should be.\n")


def test_one_language(run: Run, grafana: Any) -> None:
    assert run(grafana, "--lang", "id")[0] == 0
    assert grafana.dashboards
    assert all(uid.endswith("-id") for uid in grafana.dashboards)


def test_what_is_refused_is_listed_and_ends_in_status_1(run: Run, grafana: Any) -> None:
    grafana.folders["twuin-en"] = {"id": 1, "uid": "twuin-en", "title": "Ours", "version": 1}
    status, out, _ = run(grafana, "--dry-run")
    assert status == 1
    assert "refused       folder 'Twuin (English)' (twuin-en): is called 'Ours' in this Grafana" in out
    status, _, err = run(grafana)
    assert status == 1
    assert "nothing was changed" in err and "twuin-en" in err
    assert grafana.writes == []
    assert run(grafana, "--leave", "twuin-en")[0] == 0
    assert grafana.folders["twuin-en"]["title"] == "Ours"


def test_a_uid_that_nothing_has(run: Run, grafana: Any) -> None:
    status, _, err = run(grafana, "--take", "other")
    assert status == 1
    assert "nothing that Twuin makes has the uid 'other'" in err


def test_json_for_a_script(run: Run, grafana: Any) -> None:
    _, out, _ = run(grafana, "--dry-run", "--json")
    assert {s["act"] for s in json.loads(out)} == {"create"}


def test_the_token_from_a_file(run: Run, grafana: Any, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n", encoding="utf-8")
    assert run(grafana, "--dry-run", "--token-file", "token", token=None)[0] == 0
    status, _, err = run(grafana, "--token-file", "absent", token=None)
    assert (status, "--token-file absent: No such file" in err) == (1, True)


def test_no_token(run: Run, grafana: Any) -> None:
    status, _, err = run(grafana, token=None)
    assert status == 1
    assert "no token: make a service account" in err


def test_a_wrong_token(run: Run, grafana: Any) -> None:
    status, _, err = run(grafana, token="glsa_other")
    assert status == 1
    assert "does not know the token (Invalid API key)" in err
    assert "glsa_other" not in err


def test_the_secret_of_influxdb_goes_to_grafana_and_nowhere_else(run: Run, grafana: Any) -> None:
    status, out, err = run(grafana, TWUIN_INFLUX_TOKEN="influx-s3cret")
    assert status == 0
    assert "s3cret" not in out + err
    assert list(grafana.secrets.values()) == [{"httpHeaderValue1": "Token influx-s3cret"}]


@pytest.mark.parametrize("email", ["duty", "a@b; c@d", "@x", "a b@c"])
def test_an_address_that_is_none(run: Run, grafana: Any, email: str) -> None:
    status, _, err = run(grafana, "--alert-email", email)
    assert status == 1
    assert "is not one address" in err
    assert grafana.requests == []
