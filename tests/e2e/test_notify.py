"""Real receivers on loopback: an SMTP server and an HTTP server that are down, slow, hang or say no."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as default_policy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from aiosmtpd.controller import Controller
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from twuin.alerts.model import Finding, Kind, Suspect
from twuin.alerts.service import AlertService
from twuin.app import report_file, report_post
from twuin.db import open_alert_store
from twuin.notify.desk import Desk
from twuin.notify.model import Message, MessageState
from twuin.notify.sending import Sender
from twuin.reports.shelf import Shelf
from twuin.settings import load
from twuin.telling import open_desk, send_test
from twuin.views.report_desk import ReportFile
from waterworks.reading import instant
from waterworks.site_folder import read_site

NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)  # Friday, 10.00 WIB
SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


class Mailbox:
    """What an SMTP server got: for each mail its envelope and its parsed text."""

    def __init__(self) -> None:
        self.mails: list[tuple[Any, EmailMessage]] = []
        self.answers: list[str] = []
        self.connections = 0

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address.startswith("nobody"):
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        answer = self.answers.pop(0) if self.answers else "250 OK"
        if answer.startswith("250"):
            mail = message_from_bytes(envelope.content, policy=default_policy)
            assert isinstance(mail, EmailMessage)
            self.mails.append((envelope, mail))
        return answer


@pytest.fixture
def mailbox(free_port: Callable[[], int]) -> Iterator[tuple[Mailbox, int, Controller]]:
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield box, controller.port, controller
    if controller.server is not None:
        controller.stop(no_assert=True)


@pytest.fixture
def httpserver() -> Iterator[HTTPServer]:
    """An HTTP server that answers several requests at a time."""
    with HTTPServer(host="127.0.0.1", threaded=True) as server:
        yield server


class Clock:
    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> Any:
        return instant(self.time)

    def wall(self) -> datetime:
        self.time += timedelta(microseconds=1)
        return self.time


def write_site(folder: Path, rules: str, name: str = "Dinoyo") -> Path:
    site = folder / "site"
    site.mkdir(exist_ok=True)
    (site / "site.toml").write_text('id = "kota"\nname = "Tirta Kota"\n[monitor]\nwater_cost = 5000\n')
    (site / "dmas.csv").write_text(f'id,name,connections\nD1,"{name}",1000\n', encoding="utf-8")
    (site / "sensors.csv").write_text(
        "id,quantity,unit,dma,device,role\nD1-IN,flow,m3/h,D1,dev1,inlet\n", encoding="utf-8"
    )
    (site / "notify.toml").write_text(rules, encoding="utf-8")
    return site


class Town:
    """A site with rules, and a desk that is worked by hand on a clock of its own."""

    def __init__(
        self, folder: Path, rules: str, monkeypatch: pytest.MonkeyPatch, name: str = "Dinoyo"
    ) -> None:
        monkeypatch.setenv("HOOK_SECRET", SECRET)
        self.site = read_site(write_site(folder, rules, name))
        self.settings = load(None, {"data_dir": folder / "data"})
        self.settings.data_dir.mkdir(exist_ok=True)
        self.clock = Clock()
        self.alerts = AlertService(self.site.id, open_alert_store(self.settings.database_url), self.clock)
        self.open()
        self.desk.look()

    def open(self) -> None:
        """As a restart does."""
        desk = open_desk(
            self.settings, self.site, self.alerts, self.clock, "https://twuin.example",
            files=lambda name: report_file(self.settings, name),
        )  # fmt: skip
        assert desk is not None
        self.desk: Desk = replace(desk, wall=self.clock.wall)
        self.sender = Sender(self.site.id, desk.outbox, desk.channels, desk.holder, self.clock.wall)

    def leak(self, m3h: float = 20.0) -> str:
        onset = NOW - timedelta(hours=5)
        found = Finding(
            Kind.LEAK, "D1", "D1", onset, onset + timedelta(hours=1), NOW,
            flow=m3h / 3600, flow_low=m3h / 4000, flow_high=m3h / 3000, volume=m3h * 5, confidence=0.97,
            suspects=(Suspect("P2", 0.8, 112.62123, -7.95456),), centre="P2", radius_50_m=120.0,
        )  # fmt: skip
        return self.alerts.apply([found])[0].id

    def work(self) -> list[Message]:
        """One round: look, write, send, and wait for the outcome."""
        assert self.sender.may_send()
        self.desk.look()
        self.desk.write()
        self.sender.round()
        for t in list(self.sender._under_way.values()):
            t.thread.join(60)
        return self.desk.outbox.messages(self.site.id)

    def until_settled(self) -> list[Message]:
        """Rounds, with the clock set to each next try, until nothing waits."""
        for _ in range(100):
            waiting = [m for m in self.work() if m.state is MessageState.WAITING]
            if not waiting:
                break
            self.clock.time = max(self.clock.time, min(m.next_try for m in waiting))
        return self.desk.outbox.messages(self.site.id)


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Town]:
    return lambda rules, **more: Town(tmp_path, rules, monkeypatch, **more)


def mail_rules(port: int, *, language: str = "id", to: str = "budi@pdam.example") -> str:
    return (
        f'[[receiver]]\nname = "budi"\nlanguage = "{language}"\n'
        f'channels.mail = "mailto://127.0.0.1:{port}?from=twuin@pdam.example&to={to}"\n'
        '[[rule]]\nto = ["budi"]\n'
    )


def hook_rules(url: str) -> str:
    return (
        '[secrets]\nHOOK = { env = "HOOK_SECRET" }\n[[receiver]]\nname = "gis"\n'
        f'channels.hook = {{ webhook = "{url}", secret = "HOOK" }}\n[[rule]]\nto = ["gis"]\n'
    )


def chat_rules(server: HTTPServer) -> str:
    return (
        '[[receiver]]\nname = "budi"\nlanguage = "en"\n'
        f'channels.chat = "json://127.0.0.1:{server.port}/chat?rto=1"\n[[rule]]\nto = ["budi"]\n'
    )


def test_a_mail_arrives_once_in_the_receivers_language_with_everything_needed(
    mailbox: tuple[Mailbox, int, Controller], town: Callable[..., Town]
) -> None:
    box, port, _ = mailbox
    t = town(mail_rules(port))
    id = t.leak(40.0)
    for _ in range(3):
        t.work()
    [(envelope, mail)] = box.mails
    assert envelope.rcpt_tos == ["budi@pdam.example"]
    assert mail["Subject"] == "Mendesak: Kebocoran di Dinoyo"
    assert mail["From"] == "Twuin <twuin@pdam.example>"
    assert mail["To"] == "budi@pdam.example"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert [mail["Message-ID"]] == mail.get_all("Message-ID")
    assert re.fullmatch(r"<msg_[0-9a-f]{24}@pdam\.example>", mail["Message-ID"])
    text = mail.get_body(("plain",))
    html = mail.get_body(("html",))
    assert text is not None and html is not None
    said = text.get_content()
    for part in (
        "Debit kebocoran: 40,0\xa0m³/jam (11,1\xa0L/s)",
        "Sejak Jum 20 Nov 05.00\xa0WIB",
        "P2",
        "Peta: https://maps.google.com/?q=-7.95456,112.62123",
        f"Rincian: https://twuin.example/alerts/{id}",
        f"https://twuin.example/a/{id}~budi~",
    ):
        assert part in said
    shown = html.get_content()
    assert f'<a href="https://twuin.example/alerts/{id}"' in shown and ">Rincian</a>" in shown
    assert '<html lang="id">' in shown and "viewport" in shown  # else a phone shows it as a small print


def kept(town: Town, *names: str, age: timedelta = timedelta(0)) -> Shelf:
    """Reports of the calendar, made so long before the town's clock."""
    shelf = Shelf(town.settings.data_dir / "reports")
    for name in names:
        shelf.write(ReportFile(name, "application/octet-stream", f"%{name}%".encode() * 2000))
        made = (town.clock.time - age).timestamp()
        os.utime(town.settings.data_dir / "reports" / name, (made, made))
    return shelf


FOUR = [f"kota-2026-10.{code}.{kind}" for code in ("en", "id") for kind in ("pdf", "xlsx")]


def test_a_month_s_report_is_mailed_once_with_its_files_over_refusals_and_restarts(
    mailbox: tuple[Mailbox, int, Controller], town: Callable[..., Town]
) -> None:
    box, port, _ = mailbox
    box.answers = ["451 try later"]
    t = town(mail_rules(port) + '[[report]]\nto = ["budi"]\n')
    shelf = kept(t, *FOUR, "kota-2025.id.pdf")
    for _ in range(3):
        report_post(t.desk)(shelf.stored())
        t.until_settled()
        t.open()  # begun anew, nothing is remembered but what the outbox keeps
    [(envelope, mail)] = box.mails
    assert envelope.rcpt_tos == ["budi@pdam.example"]
    assert mail["Subject"] == "Laporan Oktober 2026: Tirta Kota"
    files = {part.get_filename(): part.get_content() for part in mail.iter_attachments()}
    assert files == {name: f"%{name}%".encode() * 2000 for name in FOUR if ".id." in name}
    kinds = [part.get_content_type() for part in mail.iter_attachments()]
    assert kinds[0] == "application/pdf" and kinds[1].endswith("spreadsheetml.sheet")
    text = mail.get_body(("plain",))
    assert text is not None and "Laporan: https://twuin.example/reports" in text.get_content()


def test_a_report_goes_as_a_link_where_files_do_not_or_are_not_wanted(
    mailbox: tuple[Mailbox, int, Controller], httpserver: HTTPServer, town: Callable[..., Town]
) -> None:
    box, port, _ = mailbox
    httpserver.expect_request("/chat").respond_with_data("ok")
    rules = (
        mail_rules(port, language="en")
        + f'[[receiver]]\nname = "ani"\nchannels.chat = "json://127.0.0.1:{httpserver.port}/chat"\n'
        + '[[report]]\nto = ["budi/mail"]\nattach = false\n[[report]]\nto = ["ani"]\nformats = ["pdf"]\n'
    )
    t = town(rules)
    report_post(t.desk)(kept(t, *FOUR).stored())
    messages = t.until_settled()
    assert [m.state for m in messages] == [MessageState.DELIVERED] * 2
    [(_, mail)] = box.mails
    assert mail["Subject"] == "Report of October 2026: Tirta Kota"
    assert list(mail.iter_attachments()) == []
    text = mail.get_body(("plain",))
    assert text is not None and "https://twuin.example/reports" in text.get_content()
    [(request, _)] = httpserver.log
    assert "https://twuin.example/reports" in request.get_json()["message"]


def test_a_report_that_is_gone_or_old_is_no_reason_to_fail(
    mailbox: tuple[Mailbox, int, Controller], town: Callable[..., Town]
) -> None:
    box, port, _ = mailbox
    t = town(mail_rules(port) + '[[report]]\nto = ["budi"]\n')
    old = kept(t, "kota-2026-09.id.pdf", age=timedelta(days=8))
    report_post(t.desk)(old.stored())
    assert t.until_settled() == []
    shelf = kept(t, "kota-2026-10.id.pdf")
    report_post(t.desk)(shelf.stored())
    (t.settings.data_dir / "reports" / "kota-2026-10.id.pdf").unlink()
    [message] = t.until_settled()
    assert message.state is MessageState.DELIVERED
    [(_, mail)] = box.mails
    assert list(mail.iter_attachments()) == []


def test_a_subject_beyond_ascii_is_encoded_and_hostile_names_break_nothing(
    mailbox: tuple[Mailbox, int, Controller], town: Callable[..., Town]
) -> None:
    box, port, _ = mailbox
    name = "Ørsted\u202e <b>x</b>\u2028Bcc: all@example.com & Co " + "é" * 200
    t = town(mail_rules(port), name=name)
    t.leak()
    t.work()
    [(envelope, mail)] = box.mails
    assert envelope.rcpt_tos == ["budi@pdam.example"]
    assert mail["Bcc"] is None
    assert mail["Subject"].startswith("Mendesak: Kebocoran di Ørsted <b>x</b> Bcc: all@example.com & Co")
    assert len(mail["Subject"]) < 120
    raw = envelope.content.split(b"\r\n\r\n")[0]
    assert raw.isascii() and b"=?utf-8?" in raw
    assert max(map(len, envelope.content.split(b"\r\n"))) <= 998  # RFC 5322, 2.1.1
    html = mail.get_body(("html",))
    assert html is not None
    assert "<b>" not in html.get_content() and "&lt;b&gt;x&lt;/b&gt;" in html.get_content()


def test_mail_that_is_put_off_comes_later_under_the_same_id(
    mailbox: tuple[Mailbox, int, Controller], town: Callable[..., Town]
) -> None:
    box, port, _ = mailbox
    box.answers = ["451 try later", "554 no", "250 OK"]
    t = town(mail_rules(port, language="en"))
    t.leak()
    [message] = t.until_settled()
    assert (message.state, message.attempts) == (MessageState.DELIVERED, 3)
    [(_, mail)] = box.mails
    assert mail["Subject"] == "Urgent: Leak in Dinoyo"
    assert message.id in mail["Message-ID"]


def test_an_unknown_recipient_is_given_up_in_time_and_says_why(
    mailbox: tuple[Mailbox, int, Controller], town: Callable[..., Town]
) -> None:
    _, port, _ = mailbox
    t = town("give_up_hours = 2\n" + mail_rules(port, to="nobody@pdam.example"))
    t.leak()
    [message] = t.until_settled()
    assert (message.state, message.error) == (MessageState.GIVEN_UP, "recipient refused (550)")


def test_a_mail_server_that_was_down_gets_it_when_it_is_back(
    mailbox: tuple[Mailbox, int, Controller], town: Callable[..., Town]
) -> None:
    box, port, controller = mailbox
    controller.stop()
    t = town(mail_rules(port))
    t.leak()
    [m] = t.work()
    assert (m.state, m.error) == (MessageState.WAITING, "connection refused")
    t.open()  # and Twuin starts anew meanwhile
    again = Controller(box, hostname="127.0.0.1", port=port)
    again.start()
    try:
        t.clock.time = m.next_try
        t.work()
    finally:
        again.stop()
    assert len(box.mails) == 1


def test_a_mail_server_that_hangs_after_the_text_gets_the_same_mail_again(
    free_port: Callable[[], int], town: Callable[..., Town]
) -> None:
    """It may have the mail: the repeat must be recognisable as one."""
    taken: list[bytes] = []
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for hang in (True, False):
            connection, _ = server.accept()
            with connection:
                connection.settimeout(20)
                file = connection.makefile("rwb", buffering=0)
                file.write(b"220 hello\r\n")
                for line in file:
                    if line.upper().startswith(b"DATA"):
                        file.write(b"354 go on\r\n")
                        text = b""
                        while not text.endswith(b"\r\n.\r\n"):
                            text += file.readline()
                        taken.append(text)
                        if hang:
                            connection.shutdown(socket.SHUT_RDWR)  # a connection lost: no answer
                            break
                        file.write(b"250 got it\r\n")
                    elif line.upper().startswith(b"QUIT"):
                        file.write(b"221 bye\r\n")
                        break
                    else:
                        file.write(b"250 ok\r\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    t = town(mail_rules(server.getsockname()[1]))
    t.leak()
    [message] = t.until_settled()
    thread.join(20)
    server.close()
    assert (message.state, message.attempts, message.doubts) == (MessageState.DELIVERED, 2, 1)
    ids = {message_from_bytes(text)["Message-ID"] for text in taken}
    assert len(taken) == 2 and len(ids) == 1


def test_a_chat_gets_one_message_and_names_cannot_become_markup(
    httpserver: HTTPServer, town: Callable[..., Town]
) -> None:
    got: list[dict[str, Any]] = []
    httpserver.expect_request("/chat", method="POST").respond_with_handler(
        lambda request: got.append(request.get_json()) or Response("ok")  # type: ignore[func-returns-value]
    )
    t = town(chat_rules(httpserver), name="<b>D1</b> @everyone [x](http://evil.example)")
    t.leak(3.0)
    t.work()
    t.work()
    [chat] = got
    assert chat["title"] == "Leak in ‹b›D1‹/b› ＠everyone (x)(http://evil.example)"
    assert "Leak flow: 3.00\xa0m³/h (0.83\xa0L/s)" in chat["message"]
    assert "Since Fri 20 Nov 05:00\xa0WIB" in chat["message"]


@pytest.mark.parametrize("status", [500, 503, 429, 404, 302])
def test_an_answer_that_is_no_yes_is_tried_again(
    httpserver: HTTPServer, town: Callable[..., Town], status: int
) -> None:
    answers = [status, status, 200]
    asked: list[str] = []

    def answer(request: Request) -> Response:
        asked.append(request.path)
        return Response("", answers.pop(0), {"location": "/elsewhere"})

    httpserver.expect_request(re.compile(".*")).respond_with_handler(answer)
    t = town(chat_rules(httpserver))
    t.leak()
    [message] = t.until_settled()
    assert (message.state, message.attempts, message.doubts) == (MessageState.DELIVERED, 3, 0)
    assert asked == ["/chat"] * 3  # a redirect is not followed


def test_a_chat_that_takes_the_message_but_never_answers_gets_it_twice_and_no_more(
    httpserver: HTTPServer, town: Callable[..., Town]
) -> None:
    asked: list[float] = []
    free = threading.Event()

    def hang(request: Request) -> Response:
        asked.append(time.monotonic())
        free.wait(10)
        return Response("ok")

    httpserver.expect_request("/chat").respond_with_handler(hang)
    t = town(chat_rules(httpserver))
    t.leak()
    [message] = t.until_settled()
    free.set()
    assert len(asked) == 2
    assert (message.state, message.error) == (MessageState.UNCERTAIN, "no answer in time")


def test_a_webhook_is_signed_and_follows_its_schema(
    httpserver: HTTPServer, town: Callable[..., Town], root: Path
) -> None:
    got: list[Request] = []
    httpserver.expect_request("/hook", method="POST").respond_with_handler(
        lambda request: (got.append(request), Response(status=204))[1]
    )
    t = town(hook_rules(httpserver.url_for("/hook")))
    id = t.leak()
    t.work()
    t.work()
    [request] = got
    body, headers = request.get_data(), request.headers
    # Checked as the standard says, with none of our code (docs: signature scheme v1).
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert headers["content-type"] == "application/json"
    said = json.loads(body)
    schema = json.loads((root / "docs" / "schema" / "webhook.schema.json").read_text())
    jsonschema.validate(said, schema, format_checker=jsonschema.FormatChecker())
    assert said["type"] == "alert.new"
    assert said["data"]["event"] == f"{id}.1"
    assert said["data"]["alert"]["flow_m3h"] == pytest.approx(20.0)
    assert said["data"]["page"] == f"https://twuin.example/alerts/{id}"


def test_a_webhook_that_asks_to_wait_is_not_asked_before(
    httpserver: HTTPServer, town: Callable[..., Town]
) -> None:
    ids: list[str] = []
    answers = [Response("", 429, {"retry-after": "1800"}), Response("", 200)]

    def answer(request: Request) -> Response:
        ids.append(request.headers["webhook-id"])
        return answers.pop(0)

    httpserver.expect_request("/hook").respond_with_handler(answer)
    t = town(hook_rules(httpserver.url_for("/hook")))
    t.leak()
    [message] = t.work()
    assert (message.next_try - t.clock.time).total_seconds() > 1790
    [message] = t.until_settled()
    assert message.state is MessageState.DELIVERED
    assert len(ids) == 2 and len(set(ids)) == 1


def test_a_test_message_goes_to_every_channel_of_a_receiver(
    mailbox: tuple[Mailbox, int, Controller], httpserver: HTTPServer, town: Callable[..., Town]
) -> None:
    box, port, _ = mailbox
    got: list[Any] = []
    httpserver.expect_request("/hook").respond_with_handler(
        lambda request: (got.append(request.get_json()), Response())[1]
    )
    rules = (
        '[secrets]\nHOOK = { env = "HOOK_SECRET" }\n[[receiver]]\nname = "budi"\n[receiver.channels]\n'
        f'mail = "mailto://127.0.0.1:{port}?from=twuin@pdam.example&to=budi@pdam.example"\n'
        f'hook = {{ webhook = "{httpserver.url_for("/hook")}", secret = "HOOK" }}\n'
        'gone = "json://127.0.0.1:1/"\n[[rule]]\nto = ["budi"]\n'
    )
    t = town(rules)
    results = {str(a): o.result.value for a, o in send_test(t.settings, t.site, "budi")}
    assert results == {"budi/mail": "delivered", "budi/hook": "delivered", "budi/gone": "refused"}
    assert box.mails[0][1]["Subject"] == "Uji coba Twuin: Tirta Kota"
    assert got[0]["type"] == "alert.test"


STEPS = [
    (name, when) for name in ("record", "compose", "begin", "send", "settle") for when in ("before", "after")
]


@pytest.fixture(scope="module")
def run_job() -> Iterator[Callable[[dict[str, Any]], int]]:
    """Runs a job of notify_process.py in a process of its own; gives what it ended with."""
    script = Path(__file__).with_name("notify_process.py")
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "HOOK_SECRET": SECRET},
    )
    assert process.stdin is not None and process.stdout is not None

    def run(job: dict[str, Any]) -> int:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
        return int(process.stdout.readline())

    yield run
    process.stdin.close()
    process.wait(timeout=30)


@pytest.mark.parametrize(("name", "when"), STEPS)
def test_killed_at_any_step_it_tells_each_receiver_once_the_next_time(
    name: str,
    when: str,
    httpserver: HTTPServer,
    tmp_path: Path,
    database_url: str,
    run_job: Callable[[dict[str, Any]], int],
) -> None:
    """One at least, whatever happens; two only where the kill came between the sending and its note."""
    got: list[tuple[str, str]] = []
    httpserver.expect_request("/chat").respond_with_handler(
        lambda request: (got.append(("chat", request.get_json()["title"])), Response())[1]
    )
    httpserver.expect_request("/hook").respond_with_handler(
        lambda request: (got.append(("hook", request.headers["webhook-id"])), Response())[1]
    )
    rules = (
        '[secrets]\nHOOK = { env = "HOOK_SECRET" }\n[[receiver]]\nname = "budi"\n[receiver.channels]\n'
        f'chat = "json://127.0.0.1:{httpserver.port}/chat"\n'
        f'hook = {{ webhook = "{httpserver.url_for("/hook")}", secret = "HOOK" }}\n[[rule]]\nto = ["budi"]\n'
    )
    write_site(tmp_path, rules)
    (tmp_path / "data").mkdir()

    def run(die: list[Any] | None) -> int:
        return run_job({"folder": str(tmp_path), "database": database_url, "die": die})

    # The first record is that of the first look; the second holds the notices.
    assert run([name, when, 2 if name == "record" else 1]) == -9
    assert run(None) == 0
    chats = [x for x in got if x[0] == "chat"]
    hooks = [x for x in got if x[0] == "hook"]
    assert 1 <= len(chats) <= 2 and 1 <= len(hooks) <= 2
    assert len({id for _, id in hooks}) == 1
    between = (name, when) in (("send", "after"), ("settle", "before"))
    if not between:
        # Both channels are sent to at the same time: the kill for one may fall between those of the other.
        assert len(chats) + len(hooks) <= 3
    assert run(None) == 0
    assert len(got) == len(chats) + len(hooks)  # and never again
