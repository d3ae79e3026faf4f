"""E-mail by SMTP: a Message-ID that stays the same over repeats, so that mailboxes show one message once."""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as POLICY
from email.utils import format_datetime

from twuin.notify.model import Message, Outcome, Result
from twuin.notify.ports import Attachment, Files

MOST_BYTES = 8_000_000
"""Files of one mail together: many servers take ten million bytes, and base64 adds a third to these."""

TIMEOUT_S = 15.0
"""For each step of the conversation with the server [s]."""


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in. security: "tls", "starttls" or "" (none). Addresses as (name, address)."""

    host: str
    port: int
    sender: tuple[str, str]
    to: tuple[tuple[str, str], ...]
    security: str = ""
    verify: bool = True
    user: str = ""
    password: str = field(default="", repr=False)
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    reply_to: tuple[str, ...] = ()


class Mail:
    """One recipient's mail. Raises nothing; what a try came to is in its outcome."""

    repeats_are_known = True
    attaches = True

    def __init__(
        self, server: MailServer, timeout_s: float = TIMEOUT_S, files: Files = lambda name: None
    ) -> None:
        self._server = server
        self._timeout_s = timeout_s
        self._files = files

    def send(self, message: Message) -> Outcome:
        try:
            mail = compose(self._server, message, self._attached(message))
        except (ValueError, IndexError, UnicodeError) as e:
            return Outcome(Result.REFUSED, f"no mail can be made of it ({type(e).__name__})")
        handed_over = False
        try:
            with contextlib.closing(self._connect()) as smtp:
                self._refused_by(smtp.mail(self._server.sender[1]), "sender")
                everybody = [a for _, a in self._server.to] + [*self._server.cc, *self._server.bcc]
                for address in everybody:
                    self._refused_by(smtp.rcpt(address), "recipient")
                handed_over = True
                code, _ = smtp.data(mail.as_bytes())
                if code != 250:
                    return Outcome(Result.REFUSED, f"answered {code}")
                with contextlib.suppress(smtplib.SMTPException, OSError):
                    smtp.quit()
                return Outcome(Result.DELIVERED)
        except _Refused as e:
            return Outcome(Result.REFUSED, str(e))
        except smtplib.SMTPDataError as e:
            return Outcome(Result.REFUSED, f"answered {e.smtp_code}")
        except smtplib.SMTPAuthenticationError as e:
            return Outcome(Result.REFUSED, f"user or password refused ({e.smtp_code})")
        except smtplib.SMTPResponseException as e:
            return Outcome(Result.REFUSED, f"answered {e.smtp_code}")
        except (smtplib.SMTPException, OSError, ValueError) as e:
            # Once the text is on its way, only the server knows whether it has it.
            return Outcome(Result.DOUBTFUL if handed_over else Result.REFUSED, _words(e))

    def _attached(self, message: Message) -> list[Attachment]:
        """The files that its payload names, those that are still there and together not too large."""
        found, size = [], 0
        for name in (message.payload or {}).get("files", ()):
            file = self._files(str(name))
            if file is not None and size + len(file.body) <= MOST_BYTES:
                found.append(file)
                size += len(file.body)
        return found

    def _connect(self) -> smtplib.SMTP:
        server = self._server
        context = ssl.create_default_context()
        if not server.verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        smtp: smtplib.SMTP
        if server.security == "tls":
            smtp = smtplib.SMTP_SSL(server.host, server.port, timeout=self._timeout_s, context=context)
        else:
            smtp = smtplib.SMTP(server.host, server.port, timeout=self._timeout_s)
        try:
            if server.security == "starttls":
                smtp.starttls(context=context)
            smtp.ehlo_or_helo_if_needed()
            if server.user and server.password:
                smtp.login(server.user, server.password)
        except BaseException:
            smtp.close()
            raise
        return smtp

    @staticmethod
    def _refused_by(answer: tuple[int, bytes], whom: str) -> None:
        if answer[0] not in (250, 251):
            raise _Refused(f"{whom} refused ({answer[0]})")


class _Refused(Exception):
    """The server said no before it had the text."""


def compose(server: MailServer, message: Message, attached: Sequence[Attachment] = ()) -> EmailMessage:
    """The mail for a message. Text that no header can hold raises ValueError."""
    mail = EmailMessage(policy=POLICY)
    domain = server.sender[1].rpartition("@")[2] or "localhost"
    mail["Subject"] = message.text.title
    mail["From"] = _address(*server.sender)
    mail["To"] = [_address(*to) for to in server.to]
    if server.cc:
        mail["Cc"] = [_address("", a) for a in server.cc]
    if server.reply_to:
        mail["Reply-To"] = [_address("", a) for a in server.reply_to]
    mail["Date"] = format_datetime(datetime.now(UTC))
    mail["Message-ID"] = f"<{message.id}@{domain}>"
    if len(message.alerts) == 1:  # mail programs then show what belongs to one alert together
        mail["References"] = f"<alert-{message.alerts[0]}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence note answers it
    mail.set_content(message.text.body)
    if message.text.html:
        mail.add_alternative(message.text.html, subtype="html")
    for file in attached:
        kind, _, subtype = file.media.partition("/")
        mail.add_attachment(file.body, maintype=kind, subtype=subtype, filename=file.name)
    return mail


def _address(name: str, address: str) -> Address:
    return Address(display_name=" ".join(name.split()), addr_spec=address)


def _words(e: Exception) -> str:
    if isinstance(e, TimeoutError):
        return "no answer in time"
    if isinstance(e, ssl.SSLCertVerificationError):
        return "its certificate is not trusted"
    if isinstance(e, smtplib.SMTPServerDisconnected):
        return "connection lost"
    if isinstance(e, smtplib.SMTPNotSupportedError):
        return "the server does not offer what is asked of it (encryption, sign-in)"
    if isinstance(e, socket.gaierror):
        return "host name not found"
    if isinstance(e, OSError) and e.strerror:
        return e.strerror.lower()
    return type(e).__name__
