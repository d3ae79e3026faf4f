"""``notify.toml`` of a running site is read again when it changed; what is wrong in it changes nothing."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from twuin.notify.model import Address, NotifyConfig, Rule
from twuin.notify.sending import Sender
from twuin.telling import RulesFile, notify_health

RULES = """\
[[receiver]]
name = "{name}"
language = "en"
crew = "north"
channels.chat = "json://127.0.0.1:9/{name}"
[[rule]]
to = ["{name}"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str], Path]:
    path, count = tmp_path / "notify.toml", 0

    def write(text: str) -> Path:
        nonlocal count
        count += 1
        new = tmp_path / "new.toml"
        new.write_text(text, encoding="utf-8")
        os.utime(new, ns=(count, count))  # two writes within one tick of the clock differ too
        return new.replace(path)

    return write


def test_a_file_that_did_not_change_is_not_read_again(
    file: Callable[[str], Path], kit: SimpleNamespace, tmp_path: Path
) -> None:
    source = RulesFile(file(RULES.format(name="budi")), kit.site(tmp_path))
    assert source.newer() is None and source.trouble == ""


def test_a_changed_file_brings_its_rules_and_channels(
    file: Callable[[str], Path], kit: SimpleNamespace, tmp_path: Path
) -> None:
    source = RulesFile(file(RULES.format(name="budi")), kit.site(tmp_path))
    file(RULES.format(name="sari"))
    found = source.newer()
    assert found is not None
    config, channels = found
    assert [r.name for r in config.receivers] == ["sari"] and set(channels) == {Address("sari", "chat")}
    assert source.newer() is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[receiver]\n", "notify.toml"),
        (
            RULES.format(name="sari").replace('to = ["sari"]', 'to = ["nobody"]'),
            "'nobody' is not in this file",
        ),
        (
            '[secrets]\nBOT = { env = "TWUIN_NO_SUCH_THING" }\n'
            + RULES.format(name="sari").replace("9/sari", "9/${BOT}"),
            "TWUIN_NO_SUCH_THING",
        ),
        ("", "nobody would be told anything"),
    ],
    ids=["broken", "unknown receiver", "no secret", "empty"],
)
def test_mistakes_are_told_once_and_the_rules_from_before_hold(
    file: Callable[[str], Path],
    kit: SimpleNamespace,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    text: str,
    told: str,
) -> None:
    source = RulesFile(file(RULES.format(name="budi")), kit.site(tmp_path))
    file(text)
    with caplog.at_level(logging.WARNING, "twuin.telling"):
        for _ in range(3):
            assert source.newer() is None
    assert told in source.trouble and "\n" not in source.trouble
    (line,) = caplog.records
    assert "stays as it was" in line.getMessage() and told in line.getMessage()
    file(RULES.format(name="sari"))
    assert source.newer() is not None and source.trouble == ""


def test_a_file_that_is_gone_leaves_the_rules(
    file: Callable[[str], Path], kit: SimpleNamespace, tmp_path: Path
) -> None:
    path = file(RULES.format(name="budi"))
    source = RulesFile(path, kit.site(tmp_path))
    path.unlink()
    assert source.newer() is None and "is not there any more" in source.trouble
    file(RULES.format(name="budi"))
    assert source.newer() is not None


def test_a_secret_in_a_file_that_alone_changed_is_read(
    file: Callable[[str], Path], kit: SimpleNamespace, tmp_path: Path
) -> None:
    secret = tmp_path / "token"
    secret.write_text("first")
    rules = RULES.format(name="sari").replace("9/sari", "9/${BOT}")
    source = RulesFile(file(f'[secrets]\nBOT = {{ file = "{secret}" }}\n{rules}'), kit.site(tmp_path))
    assert source.read() and source.newer() is None
    secret.write_text("the second")
    found = source.newer()
    assert found is not None and source.newer() is None
    secret.unlink()
    assert source.newer() is None and "token" in source.trouble
    secret.write_text("the third")
    assert source.newer() is not None and source.trouble == ""


def test_a_file_that_was_not_there_at_the_start_is_taken_up(
    file: Callable[[str], Path], kit: SimpleNamespace, tmp_path: Path
) -> None:
    path = tmp_path / "notify.toml"
    source = RulesFile(path, kit.site(tmp_path))
    assert source.newer() is None and source.trouble == ""
    file(RULES.format(name="budi"))
    found = source.newer()
    assert found is not None and [r.name for r in found[0].receivers] == ["budi"]


def test_a_desk_without_rules_tells_nobody_and_begins_with_them(
    office: Callable[..., Any], kit: SimpleNamespace
) -> None:
    """What came before the first rules is told to nobody."""
    o = office(begun=False)
    config, channels = o.desk.config, o.desk.channels
    o.desk.config, o.desk.channels = NotifyConfig(), {}
    assert "nobody is told anything" in notify_health(o.desk)["detail"]
    source = o.desk.source = Handed()
    stop = threading.Event()
    work = threading.Thread(target=o.desk.run, args=(stop,))
    work.start()
    o.find(kit.leak())
    source.next = (config, channels)
    try:
        until(lambda: o.desk.outbox.place(o.site.id).cursor is not None)
        o.find(kit.leak("D2"))
        until(lambda: any(c.got for c in channels.values()))
    finally:
        stop.set()
        work.join()
    told = [m for c in channels.values() for m in c.got]
    assert {o.alerts.get(a).finding.dma for m in told for a in m.alerts} == {"D2"}


def until(done: Callable[[], bool]) -> None:
    """Wait for what a thread does. Fails after a minute."""
    patience = time.monotonic() + 60
    while not done():
        assert time.monotonic() < patience
        time.sleep(0.01)


class Handed:
    """Hands over what it is given, once."""

    def __init__(self) -> None:
        self.trouble = ""
        self.next: Any = None

    def newer(self) -> Any:
        found, self.next = self.next, None
        return found


def test_a_desk_at_work_takes_up_new_rules_and_tells_by_them(
    office: Callable[..., Any], kit: SimpleNamespace
) -> None:
    o = office()
    source = o.desk.source = Handed()
    languages, crews = o.desk.languages, o.desk.crews
    sender = Sender(o.site.id, o.desk.outbox, o.desk.channels, "here", o.clock.wall)
    assert not o.desk.renew(sender)
    config = kit.config(
        Rule(to=("budi", "sari")),
        receivers=(kit.receiver("budi"), kit.receiver("sari", language="en", crew="north")),
    )
    channels = {a: kit.FakeChannel(False) for a in config.addresses}
    source.next = (config, channels)
    assert o.desk.renew(sender)
    assert dict(languages) == {"budi": "id", "sari": "en"} and crews["sari"] == "north"
    o.find(kit.leak())
    o.tick()
    assert {m.address.receiver for m in o.messages()} == {"budi", "sari"}
    assert sender.may_send()
    sender.round()
    sender.finish()
    assert {a.receiver for a, c in channels.items() if c.got} == {"budi", "sari"}


def test_health_says_that_the_rules_from_before_are_in_use(
    office: Callable[..., Any], kit: SimpleNamespace
) -> None:
    o = office()
    source = o.desk.source = Handed()
    assert notify_health(o.desk)["status"] == "ok"
    source.trouble = "notify.toml:3: receiver 'budi' stands here twice"
    health = notify_health(o.desk)
    assert health["status"] == "degraded"
    assert health["detail"] == "the rules from before are in use: " + source.trouble
