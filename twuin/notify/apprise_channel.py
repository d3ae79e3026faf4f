"""Channels through Apprise: the one module that knows it.

Apprise reads the addresses of all channels but webhooks, and sends by all but e-mail, where it would give
each try a Message-ID of its own: there it says only which server, which sender and which recipient are
meant (``twuin.notify.mail``).
"""

from __future__ import annotations

import logging
import re
from contextvars import ContextVar
from functools import cache
from typing import Any

from apprise import Apprise, AppriseAsset
from apprise.plugins.email.base import NotifyEmail

from twuin.notify.mail import Mail, MailServer
from twuin.notify.model import Form, Message, Outcome, Result
from twuin.notify.ports import Files, Notifier

SMS_LENGTH = 160
"""A channel whose messages may not be longer is one of the mobile network [characters]."""

_MAILS = ("mailto", "mailtos")

_said: ContextVar[list[str] | None] = ContextVar("what Apprise said of this try", default=None)


class _Listener(logging.Handler):
    """Apprise tells why a try failed in its log alone. It may name secrets: nothing of it is passed on."""

    def emit(self, record: logging.LogRecord) -> None:
        heard = _said.get()
        if heard is not None:
            heard.append(record.getMessage())


_log = logging.getLogger("apprise")
_log.propagate = False
_log.setLevel(logging.DEBUG)
_log.addHandler(_Listener())


def _asset() -> AppriseAsset:
    # No redirects: an address that an administrator wrote is asked, and no other. Nothing is kept on disk.
    return AppriseAsset(
        app_id="Twuin",
        app_desc="Twuin",
        app_url="",
        async_mode=False,
        storage_mode="memory",
        http_redirects=False,
        image_url_mask="",
        image_url_logo="",
    )


def check_url(url: str, stand_in: str) -> tuple[str, Form]:
    """What is wrong with an Apprise address ("" : nothing), and how messages for it are written.

    stand_in: not "" where secrets are missing in it; then only what does not depend on them is checked.
    """
    schema = url.partition("://")[0].lower()
    if "://" not in url or schema not in known_schemas():
        return (
            f"{schema[:20]!r} is no kind of address that Apprise knows: it begins with mailtos://, tgram://, "
            "ntfy:// or the like (https://github.com/caronc/apprise/wiki)",
            Form.TEXT,
        )
    if stand_in:
        plugin = Apprise.instantiate(re.sub(r"\$\{[^{}]*\}", stand_in, url), asset=_asset())
        return "", _form(plugin, schema)
    plugin = Apprise.instantiate(url, asset=_asset())
    if plugin is None:
        return (
            f"Apprise cannot use this {schema}:// address: see https://github.com/caronc/apprise/wiki for "
            "how it is written",
            Form.TEXT,
        )
    if len(plugin) > 1:
        return (
            f"its address names {len(plugin)} recipients: write a channel for each, or a failure of one "
            "would repeat the message to the others",
            _form(plugin, schema),
        )
    return "", _form(plugin, schema)


@cache
def known_schemas() -> set[str]:
    """What Apprise addresses may begin with."""
    found: set[str] = set()
    for service in Apprise(asset=_asset()).details()["schemas"]:
        for key in ("protocols", "secure_protocols"):
            found.update(service[key] or ())
    return found


def _form(plugin: Any, schema: str) -> Form:
    if schema in _MAILS:
        return Form.HTML
    longest = getattr(plugin, "body_maxlen", 0)
    return Form.SMS if 0 < longest <= SMS_LENGTH else Form.TEXT


def open_channel(url: str, files: Files = lambda name: None) -> Notifier:
    """The channel at an address whose secrets are in place. files: that mails may name. ValueError: Apprise
    cannot use it."""
    plugin = Apprise.instantiate(url, asset=_asset())
    if plugin is None:
        raise ValueError(f"Apprise cannot use this {url.partition('://')[0][:20]}:// address")
    if isinstance(plugin, NotifyEmail):
        return Mail(_server(plugin), files=files)
    return AppriseChannel(plugin)


def _server(plugin: Any) -> MailServer:
    return MailServer(
        host=plugin.smtp_host,
        port=int(plugin.port),
        security={"ssl": "tls", "starttls": "starttls"}.get(str(plugin.secure_mode), ""),
        verify=bool(plugin.verify_certificate),
        user=plugin.user or "",
        password=plugin.password or "",
        sender=(plugin.from_addr[0] or "Twuin", plugin.from_addr[1]),
        to=tuple((name or "", address) for name, address in plugin.targets),
        cc=tuple(sorted(plugin.cc)),
        bcc=tuple(sorted(plugin.bcc)),
        reply_to=tuple(sorted(plugin.reply_to)),
    )


class AppriseChannel:
    """One Apprise plugin. Its services cannot tell a repeat."""

    repeats_are_known = False
    attaches = False

    def __init__(self, plugin: Any) -> None:
        plugin.overflow_mode = "truncate"  # one message is one message
        self._plugin = plugin
        self._apprise = Apprise(asset=plugin.asset)
        self._apprise.add(plugin)

    def send(self, message: Message) -> Outcome:
        heard: list[str] = []
        mark = _said.set(heard)
        try:
            done = self._apprise.notify(body=message.text.body, title=message.text.title, body_format="text")
        except Exception as e:  # a plugin's defect: others go on, and the message is tried again
            return Outcome(Result.DOUBTFUL, f"the channel's plugin failed ({type(e).__name__})")
        finally:
            _said.reset(mark)
        return Outcome(Result.DELIVERED) if done else explain(heard)


_REFUSED = {
    r"Connection refused": "connection refused",
    r"NameResolutionError|Name or service not known|getaddrinfo failed": "host name not found",
    r"ConnectTimeout|connect timeout|timed out\. \(connect": "no connection in time",
    r"NewConnectionError|No route to host|Network is unreachable": "no connection",
    r"CERTIFICATE_VERIFY_FAILED|SSLError": "its certificate is not trusted",
}
_DOUBTFUL = {
    r"Read timed out": "no answer in time",
    r"Connection aborted|RemoteDisconnected|Connection reset|Connection broken|IncompleteRead": (
        "connection lost before an answer"
    ),
}


def explain(heard: list[str]) -> Outcome:
    """Why a try failed, from what Apprise said; in words of ours, as its own may hold secrets."""
    said = "\n".join(heard)
    for pattern, words in _DOUBTFUL.items():
        if re.search(pattern, said):
            return Outcome(Result.DOUBTFUL, words)
    for pattern, words in _REFUSED.items():
        if re.search(pattern, said):
            return Outcome(Result.REFUSED, words)
    if codes := re.findall(r"error=(\d{3})\b", said):
        # A gateway that had no answer in time from the server behind it may have handed the message on.
        result = Result.DOUBTFUL if codes[-1] == "504" else Result.REFUSED
        return Outcome(result, f"answered {codes[-1]}")
    return Outcome(Result.DOUBTFUL, "failed without a reason")
