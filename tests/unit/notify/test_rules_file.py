"""notify.toml: what it says, and every mistake in it by its line."""

from __future__ import annotations

from datetime import time, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from twuin.alerts.model import Kind
from twuin.notify.apprise_channel import check_url
from twuin.notify.model import Event, Flood, Form, NotifyConfig, Priority, Window
from twuin.notify.rules_file import check_rules, read_rules
from twuin.notify.secrets import address_of, resolve
from twuin.notify.webhook import key_of
from waterworks.errors import DataFileError, SettingsError

WHOLE = """\
give_up_hours = 12
map_link = "geo:{lat},{lon}"

[secrets]
MAIL = { env = "MAIL_PASSWORD" }
HOOK = { file = "HOOK_FILE" }

[[receiver]]
name = "dispatch"
language = "en"
quiet = ["22:00", "05:00"]
flood = { more_than = 3, minutes = 15 }
[receiver.channels]
mail = "mailtos://twuin:${MAIL}@smtp.pdam.example?to=dispatch@pdam.example"
sms = { url = "json://gateway.example/send", form = "sms" }
gis = { webhook = "https://gis.example/hook", secret = "HOOK" }

[[receiver]]
name = "crew-north"
crew = "north"
channels.chat = "ntfy://ntfy.example/north"

[[rule]]
to = ["dispatch/mail"]
at_least = "medium"
kinds = ["leak", "supply"]
dmas = ["D1"]
events = ["new", "over"]
hours = ["06:00", "18:00"]
days = "working"

[[rule]]
crew = "north"
days = ["sat", "sun"]
digest = 07:00:00
"""


def check(folder: Path, kit: SimpleNamespace, text: str) -> tuple[NotifyConfig, list[str]]:
    path = folder / "notify.toml"
    path.write_text(text, encoding="utf-8")
    config, problems = check_rules(path, kit.site(folder), check_url)
    return config, [str(p) for p in problems]


def test_a_whole_file_is_understood(tmp_path: Path, kit: SimpleNamespace) -> None:
    config, problems = check(tmp_path, kit, WHOLE)
    assert problems == []
    dispatch, north = config.receivers
    assert dispatch.language == "en" and north.language == "id"
    assert dispatch.quiet == Window(time(22), time(5))
    assert dispatch.flood == Flood(3, timedelta(minutes=15)) and north.flood == Flood()
    assert [(c.name, c.form) for c in dispatch.channels] == [
        ("mail", Form.HTML),
        ("sms", Form.SMS),
        ("gis", Form.JSON),
    ]
    first, second = config.rules
    assert (first.to, first.at_least, first.working) == (("dispatch/mail",), Priority.MEDIUM, True)
    assert first.kinds == {Kind.LEAK, Kind.SUPPLY} and first.events == {Event.NEW, Event.OVER}
    assert (second.crews, second.weekdays, second.digest) == (("north",), {5, 6}, time(7))
    assert config.give_up == timedelta(hours=12)


def test_secrets_come_from_where_the_file_says_and_are_quoted_in_addresses(
    tmp_path: Path, kit: SimpleNamespace
) -> None:
    (tmp_path / "hook").write_text("whsec_abc\n")
    config, _ = check(tmp_path, kit, WHOLE.replace("HOOK_FILE", str(tmp_path / "hook")))
    found = resolve(config, {"MAIL_PASSWORD": "p@ss/word"})
    assert found == {"MAIL": "p@ss/word", "HOOK": "whsec_abc"}
    mail = config.receivers[0].channels[0]
    assert address_of(mail, found).startswith("mailtos://twuin:p%40ss%2Fword@smtp.pdam.example?")


def test_secrets_that_are_not_there_are_named_all_at_once(tmp_path: Path, kit: SimpleNamespace) -> None:
    config, _ = check(tmp_path, kit, WHOLE)
    with pytest.raises(SettingsError) as wrong:
        resolve(config, {})
    assert str(wrong.value).splitlines() == [
        "secret HOOK of notify.toml: HOOK_FILE: No such file or directory",
        "secret MAIL of notify.toml: the environment has no MAIL_PASSWORD",
    ]


WRONG = """\
recievers = 1
link_hours = "long"

[secrets]
MAIL = "hunter2"

[[receiver]]
name = "dispatch room"
language = "de"
quiet = ["22:00"]
flood = { more_than = 0, seconds = 5 }
channels.mail = "nosuch://somewhere"
channels.chat = "tgram://bad"
channels.two = "json://127.0.0.1/a"

[[receiver]]
name = "gis"
[receiver.channels]
hook = { webhook = "ftp://gis.example" }
plain = { webhook = "https://u:p@gis.example", secret = "HOOKK" }
both = { url = "json://a.example", webhook = "https://b.example" }
many = "mailto://127.0.0.1?from=a@b.example&to=c@d.example,e@f.example"

[[receiver]]
name = "gis"

[[rule]]
to = ["dispach room"]
crew = "north"
at_least = "higher"
kinds = ["leek"]
dmas = ["D9"]
events = ["begun"]
hours = ["6", "18:00"]
days = ["monday"]
digest = "25:00"

[[rule]]
at_least = "low"
"""


def test_every_mistake_is_named_with_its_line_and_no_secret_is_repeated(
    tmp_path: Path, kit: SimpleNamespace
) -> None:
    _, problems = check(tmp_path, kit, WRONG)
    said = "\n".join(problems)
    assert "hunter2" not in said
    for line, part in (
        (1, "unknown key 'recievers'"),
        (2, "link_hours 'long' is not a number"),
        (5, "secret MAIL: say where it stands"),
        (8, "receiver 'dispatch room' may hold only"),
        (9, "language 'de' is none of id, en"),
        (10, "quiet is not a pair of local times"),
        (11, "more_than 0 is not a whole number from 1 to 1000"),
        (11, "unknown key 'seconds'"),
        (12, "'nosuch' is no kind of address that Apprise knows"),
        (13, "Apprise cannot use this tgram:// address"),
        (19, "a webhook is signed: name its secret"),
        (19, "is not an http or https address"),
        (20, "secret 'HOOKK' is not in [secrets]"),
        (20, "no user and password in a webhook's address"),
        (21, "give either url (Apprise) or webhook"),
        (22, "its address names 2 recipients"),
        (25, "receiver 'gis' stands here twice"),
        (24, "receiver 'gis' has no channels"),
        (28, "receiver 'dispach room' is not in this file: did you mean 'dispatch room'?"),
        (29, "no receiver is of crew 'north'"),
        (30, "at_least 'higher' is none of low, medium, high"),
        (31, "kinds 'leek' is none of leak"),
        (32, "DMA 'D9' is not in dmas.csv"),
        (33, "events 'begun' is none of new"),
        (34, "hours '6' is not a local time of day"),
        (35, "days 'monday' is none of mon"),
        (36, "digest '25:00' is not a local time of day"),
        (38, "a rule names nobody"),
    ):
        assert any(p.startswith(f"notify.toml:{line}: ") and part in p for p in problems), (line, part, said)
    with pytest.raises(DataFileError):
        read_rules(tmp_path / "notify.toml", kit.site(tmp_path), check_url)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "notify.toml: names no [[receiver]]: nobody would be told anything"),
        ("receiver = 5\n", "notify.toml:1: receiver is not a list of tables: write [[receiver]]"),
        ("[[receiver]\n", "notify.toml:1: is not TOML"),
        ("report = 1\n", "notify.toml:1: report is not a list of tables: write [[report]]"),
        (
            '[[receiver]]\nname = "a"\nchannels.m = "mailto://u:p@example.com"\n[[report]]\nto = ["b"]\n',
            "notify.toml:5: receiver 'b' is not in this file",
        ),
        (
            '[[receiver]]\nname = "a"\nchannels.m = "mailto://u:p@example.com"\n'
            '[[report]]\nto = ["a"]\nformats = ["docx"]\nattach = "no"\n',
            "notify.toml:6: formats 'docx' is none of pdf, xlsx",
        ),
        ("rule = [1]\n", "notify.toml:1: rule is not a list of tables: write [[rule]]"),
        ("secrets = 1\n", "notify.toml:1: secrets is not a table: write [secrets]"),
    ],
)
def test_a_file_of_the_wrong_shape_says_what_would_be_right(
    tmp_path: Path, kit: SimpleNamespace, text: str, said: str
) -> None:
    _, problems = check(tmp_path, kit, text)
    assert any(p.startswith(said) for p in problems), problems


def test_a_password_in_the_file_and_plain_http_are_warned_of(tmp_path: Path, kit: SimpleNamespace) -> None:
    text = (
        '[secrets]\nS = { env = "S" }\n[[receiver]]\nname = "a"\n[receiver.channels]\n'
        'm = "mailtos://u:hunter2@smtp.example.com?to=a@example.com"\n'
        'h = { webhook = "http://gis.example/", secret = "S" }\n[[rule]]\nto = ["a"]\n'
    )
    config, problems = check(tmp_path, kit, text)
    assert len(config.receivers) == 1
    assert [p.partition(": ")[0] for p in problems] == ["notify.toml:6", "notify.toml:7"]
    assert "hunter2" not in "".join(problems)


@pytest.mark.parametrize("secret", ["", "abc", "whsec_", "whsec_!!!", "whsec_YWJj", "whsec_" + "YWJj" * 40])
def test_a_webhook_secret_that_is_none_says_how_to_make_one(secret: str) -> None:
    with pytest.raises(SettingsError, match="head -c 32 /dev/urandom"):
        key_of(secret)


def test_a_rule_says_whether_what_is_late_comes_in_quiet_hours(tmp_path: Path, kit: SimpleNamespace) -> None:
    text = WHOLE + '[[rule]]\nto = ["dispatch"]\nevents = ["late", "assigned"]\nthrough_quiet = {}\n'
    config, problems = check(tmp_path, kit, text.replace("{}", "true"))
    assert problems == []
    assert config.rules[-1].events == {Event.LATE, Event.ASSIGNED} and config.rules[-1].through_quiet
    assert not config.rules[0].through_quiet
    _, problems = check(tmp_path, kit, text.replace("{}", '"yes"'))
    (problem,) = problems
    assert "through_quiet 'yes' is neither true nor false" in problem
