"""``twuin notify``, and notify.toml in ``twuin site check``."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from twuin.cli import app
from twuin.db.outbox import open_outbox
from twuin.notify.model import Address, Event, Form, Lane, Message, MessageState, Notice, Priority, Text
from twuin.notify.ports import Place
from waterworks.errors import SettingsError

T0 = datetime(2026, 11, 20, 3, tzinfo=UTC)
RULES = '[[receiver]]\nname = "budi"\nchannels.chat = "json://127.0.0.1:1/"\n[[rule]]\nto = ["budi"]\n'


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "site.toml").write_text('id = "kota"\nname = "Tirta Kota"\n')
    (folder / "dmas.csv").write_text("id,name,connections\nD1,Dinoyo,1000\n")
    (folder / "sensors.csv").write_text("id,quantity,unit,dma,device,role\nD1-IN,flow,m3/h,D1,dev1,inlet\n")
    (folder / "notify.toml").write_text(RULES)
    return folder


def messages(*states: MessageState) -> None:
    """One message in each of these states, in the database of the current folder."""
    Path("twuin-data").mkdir()
    outbox = open_outbox("sqlite:///twuin-data/twuin.sqlite")
    address = Address("budi", "chat")
    notices = [
        Notice(f"a{k}.1", address, f"a{k}", Event.NEW, Priority.LOW, Lane.NORMAL, T0, T0)
        for k in range(len(states))
    ]
    outbox.record("kota", Place(None), 1, (), notices)
    for k, state in enumerate(states):
        text = Text("Kebocoran di Dinoyo", "https://twuin.example/a/secret")
        made = Message(
            f"msg_{k}", address, Form.TEXT, Lane.NORMAL, 1, (f"a{k}",), text, None, T0,
            T0 + timedelta(minutes=k), T0, T0 + timedelta(days=1),
        )  # fmt: skip
        outbox.compose("kota", made, [notices[k]])
        if state is not MessageState.WAITING:
            outbox.begin("kota", made.id, T0)
            error = "" if state is MessageState.DELIVERED else "connection refused"
            outbox.settle("kota", made.id, 1, state, error=error, at=T0)
    outbox.close()


def test_list_shows_what_is_not_delivered_newest_first_without_links(site: Path) -> None:
    messages(MessageState.DELIVERED, MessageState.GIVEN_UP, MessageState.WAITING)
    run = CliRunner().invoke(app, ["notify", "list", "--site", str(site)])
    assert run.exit_code == 0
    assert run.output.splitlines() == [
        "msg_2  2026-11-20 10:02  budi/chat  waiting  Kebocoran di Dinoyo",
        "msg_1  2026-11-20 10:01  budi/chat  given_up, 1 try: connection refused  Kebocoran di Dinoyo",
    ]
    run = CliRunner().invoke(app, ["notify", "list", "--all", "--json", "--site", str(site)])
    said = json.loads(run.output)
    assert [m["state"] for m in said] == ["waiting", "given_up", "delivered"]
    assert "secret" not in run.output


def test_list_says_so_when_nothing_waits(site: Path) -> None:
    messages(MessageState.DELIVERED)
    run = CliRunner().invoke(app, ["notify", "list", "--site", str(site)])
    assert run.output.strip() == "Nothing waits: all messages were delivered."


def test_list_says_so_where_there_are_no_rules(site: Path) -> None:
    (site / "notify.toml").unlink()
    run = CliRunner().invoke(app, ["notify", "list", "--site", str(site)])
    assert run.exit_code == 0 and "delivered" not in run.output
    assert "no notify.toml" in run.output


def test_retry_sends_again_what_was_given_up(site: Path) -> None:
    messages(MessageState.GIVEN_UP, MessageState.UNCERTAIN, MessageState.DELIVERED)
    run = CliRunner().invoke(app, ["notify", "retry", "--all", "--site", str(site)])
    assert (run.exit_code, run.output.strip()) == (0, "2 messages will be sent again while Twuin runs.")
    run = CliRunner().invoke(app, ["notify", "retry", "msg_2", "--site", str(site)])
    assert (run.exit_code, run.output.strip()) == (1, "0 messages will be sent again while Twuin runs.")
    assert CliRunner().invoke(app, ["notify", "retry", "--site", str(site)]).exit_code == 2


def test_a_test_that_fails_says_why_and_ends_with_status_1(site: Path) -> None:
    run = CliRunner().invoke(app, ["notify", "test", "budi", "--site", str(site)])
    assert (run.exit_code, run.output.strip()) == (1, "budi/chat: refused: connection refused")


def test_an_unknown_receiver_and_a_site_without_rules_are_said_in_one_line(site: Path) -> None:
    run = CliRunner().invoke(app, ["notify", "test", "bud", "--site", str(site)])
    assert "no receiver 'bud' in notify.toml; there are budi" in str(run.exception)
    run = CliRunner().invoke(app, ["notify", "test", "budi/fax", "--site", str(site)])
    assert "no receiver 'budi/fax' in notify.toml; there are budi/chat" in str(run.exception)
    (site / "notify.toml").unlink()
    run = CliRunner().invoke(app, ["notify", "test", "budi", "--site", str(site)])
    assert isinstance(run.exception, SettingsError)
    assert "there is no notify.toml" in str(run.exception)


def test_site_check_names_mistakes_of_the_rules(site: Path) -> None:
    good = CliRunner().invoke(app, ["site", "check", str(site)])
    assert (good.exit_code, good.output.strip()[-11:]) == (0, "no mistakes")
    (site / "notify.toml").write_text(RULES + 'dmas = ["D2"]\n')
    bad = CliRunner().invoke(app, ["site", "check", str(site)])
    assert bad.exit_code == 1
    assert "error: notify.toml:6: DMA 'D2' is not in dmas.csv" in bad.output
