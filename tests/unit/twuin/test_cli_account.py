"""``twuin account`` and ``twuin token``, and what a first start does."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from firmware_sim.town import demo_site_folder
from twuin.accounts.model import Via, What
from twuin.accounts.rights import Role
from twuin.accounts.sign_in import Visitor
from twuin.app import first_start, open_accounts, read_settings_site, run_serve
from twuin.db.migrate import migrate
from twuin.demo import run_demo
from twuin.process import listen
from twuin.settings import Settings, load
from waterworks.errors import SettingsError

Run = Callable[..., tuple[int, str, str]]
CODE = re.compile(r"\b[a-z2-9]{5}(?:-[a-z2-9]{5}){3}\b")


@pytest.fixture
def twuin(twuin: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``twuin`` for the demo town in ``tmp_path``: its status, standard output and standard error."""
    monkeypatch.setenv("TWUIN_SITE", str(demo_site_folder()))
    return twuin


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(None, {"site": demo_site_folder(), "data_dir": tmp_path / "data", "web": {"port": 0}})


def test_the_first_account_is_made_once_and_its_code_chooses_a_password(twuin: Run, tmp_path: Path) -> None:
    status, out, _ = twuin("account", "init")
    code = CODE.search(out)
    assert status == 0 and code is not None
    status, out, err = twuin("account", "init")
    assert status == 1 and "there are accounts already" in err and not CODE.search(out + err)
    settings = load(None, {"site": demo_site_folder(), "data_dir": tmp_path / "twuin-data"})
    with closing(open_accounts(settings, read_settings_site(settings))) as accounts:
        signed = accounts.sign_in.use_code("admin", code[0], "lumbung-derita-sepeda", Visitor("192.0.2.1"))
        assert signed.account.role is Role.ADMIN


def test_accounts_are_made_changed_listed_and_disabled(twuin: Run) -> None:
    twuin("account", "init")
    status, out, _ = twuin(
        "account", "add", "crew1", "--role", "crew", "--dma", "D1", "--full-name", "Crew 1"
    )
    assert status == 0 and CODE.search(out)
    assert twuin("account", "role", "crew1", "dispatcher")[1].strip() == "crew1: dispatcher, D1"
    assert twuin("account", "role", "crew1", "engineer", "--whole-site")[1].strip().endswith("the whole site")
    assert twuin("account", "disable", "crew1")[0] == 0
    listed = {a["name"]: a for a in json.loads(twuin("account", "list", "--json")[1])}
    assert (listed["crew1"]["role"], listed["crew1"]["disabled"]) == ("engineer", True)
    assert "disabled" in twuin("account", "list")[1]
    assert twuin("account", "enable", "crew1")[0] == 0
    assert CODE.search(twuin("account", "reset", "crew1")[1])
    assert twuin("account", "sign-out", "crew1")[1].strip() == "0 sessions ended"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("account", "disable", "admin"), "last administrator"),
        (("account", "role", "admin", "viewer"), "last administrator"),
        (("account", "role", "nobody", "viewer"), "no account is called 'nobody'"),
        (("account", "add", "x y"), "cannot be a name"),
        (("account", "add", "ani", "--dma", "D99"), "no DMA 'D99'"),
        (("account", "add", "ani", "--role", "admin", "--dma", "D1"), "whole site"),
        (("token", "add", "nobody", "--for", "x"), "no account is called"),
        (("token", "revoke", "nothing"), "no token 'nothing'"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, tuple) else "",
)
def test_what_cannot_be_done_is_one_clear_line(twuin: Run, words: tuple[str, ...], said: str) -> None:
    twuin("account", "init")
    status, _, err = twuin(*words)
    assert status == 1
    assert said in err and len(err.strip().splitlines()) == 1


def test_a_token_is_shown_once_and_revoked(twuin: Run) -> None:
    twuin("account", "init")
    status, out, _ = twuin("token", "add", "admin", "--for", "prometheus", "--right", "metrics")
    assert status == 0 and re.fullmatch(r"twuin_[\w-]{43}", out.strip())
    assert out.strip() not in "".join(twuin("token", "list")[1:])
    (listed,) = json.loads(twuin("token", "list", "--json")[1])
    assert (listed["for"], listed["rights"]) == ("prometheus", ["metrics"])
    assert twuin("token", "revoke", listed["id"])[1].strip() == "revoked"
    assert "revoked" in twuin("token", "list")[1]


def test_what_the_terminal_does_is_in_the_security_log(twuin: Run, tmp_path: Path) -> None:
    twuin("account", "init")
    settings = load(None, {"site": demo_site_folder(), "data_dir": tmp_path / "twuin-data"})
    with closing(open_accounts(settings, read_settings_site(settings))) as accounts:
        events = accounts.events()
    assert {e.what for e in events} == {What.ACCOUNT_MADE, What.CODE_MADE}
    assert all(e.actor.startswith("(terminal") for e in events)


def start(settings: Settings, sock: socket.socket, *, terminal: bool) -> tuple[str, str]:
    """What a first start says, and what it shows to a person alone."""
    said: list[str] = []
    shown: list[str] = []
    with closing(open_accounts(settings, read_settings_site(settings))) as accounts:
        first_start(accounts, settings, sock, said.append, shown.append if terminal else None)
    return "\n".join(said), "\n".join(shown)


def test_a_first_start_shows_its_code_at_a_terminal_and_nowhere_else(settings: Settings) -> None:
    settings.data_dir.mkdir()
    with listen("127.0.0.1", 0) as sock:
        said, shown = start(settings, sock, terminal=False)
        where = f"--site {settings.site} --data-dir {settings.data_dir}"  # as it can be pasted
        assert f"`twuin account init {where}`" in said and not CODE.search(said) and not shown
        said, shown = start(settings, sock, terminal=True)
        assert CODE.search(shown) and not CODE.search(said) and "/welcome?name=admin" in shown
        assert start(settings, sock, terminal=True) == ("", "")


def test_a_server_that_others_can_reach_does_not_start_without_an_account(settings: Settings) -> None:
    open_to_all = settings.model_copy(update={"web": settings.web.model_copy(update={"host": "0.0.0.0"})})
    said: list[str] = []
    with pytest.raises(SettingsError, match="twuin account init") as refused:
        run_serve(open_to_all, ingest=False, say=said.append, show=said.append)
    assert "\n" not in str(refused.value)
    assert not CODE.search("".join(said))


def test_a_server_that_others_can_reach_says_that_passwords_are_not_encrypted(settings: Settings) -> None:
    settings.data_dir.mkdir()
    with listen("127.0.0.1", 0) as sock:
        start(settings, sock, terminal=True)
    with listen("0.0.0.0", 0) as sock:
        assert "TLS" in start(settings, sock, terminal=True)[0]
        behind = settings.model_copy(update={"web": settings.web.model_copy(update={"https": True})})
        assert start(behind, sock, terminal=True) == ("", "")


def test_a_server_opens_its_database_once_for_alerts_accounts_and_messages(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = tmp_path / "notify.toml"
    rules.write_text(
        '[[receiver]]\nname = "budi"\nchannels.chat = "json://127.0.0.1:1/"\n[[rule]]\nto = ["budi"]\n'
    )
    given = {"notify": settings.notify.model_copy(update={"file": rules})}
    brought_up: list[object] = []
    monkeypatch.setattr(
        "twuin.db.migrate.migrate", lambda engine: (brought_up.append(engine), migrate(engine))
    )
    served: list[object] = []
    monkeypatch.setattr("twuin.app.serve_web", lambda app, *_, **__: served.append(app))
    run_serve(settings.model_copy(update=given), ingest=False, say=lambda line: None, show=lambda line: None)
    assert served and len(brought_up) == 1


def test_the_demo_is_for_this_machine_only(settings: Settings) -> None:
    open_to_all = settings.model_copy(update={"web": settings.web.model_copy(update={"host": "0.0.0.0"})})
    with pytest.raises(SettingsError, match="this machine only") as refused:
        run_demo(open_to_all, fresh=False, speed=300.0, say=lambda line: None)
    assert "\n" not in str(refused.value)


def test_sessions_last_as_long_as_the_settings_say(settings: Settings) -> None:
    short = settings.model_copy(
        update={"accounts": settings.accounts.model_copy(update={"session_days": 2.0, "code_hours": 1.0})}
    )
    short.data_dir.mkdir()
    site = read_settings_site(short)
    with closing(open_accounts(short, site)) as accounts:
        assert accounts.code_hours == 1
        from twuin.accounts.service import By

        account, code = accounts.add("ani", Role.VIEWER, By("test"))
        signed = accounts.sign_in.use_code("ani", code, "lumbung-derita-sepeda", Visitor("192.0.2.1"))
        assert (signed.ends - signed.made).days == 2
        asker = accounts.sign_in.by_session(signed.secret)
        assert asker is not None and (asker.via, asker.role) == (Via.SESSION, Role.VIEWER)
        assert account.id == asker.account
