"""Puts together what tells people of alerts, where a site has a notify.toml."""

from __future__ import annotations

import hashlib
import logging
import socket
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

from twuin.alerts.service import AlertService
from twuin.db import Database
from twuin.db.outbox import open_outbox
from twuin.instance import claim_folder
from twuin.notify.desk import Desk, wall_now
from twuin.notify.links import Links, load_key
from twuin.notify.model import (
    Address,
    Channel,
    Form,
    Message,
    MessageState,
    NotifyConfig,
    Outcome,
    Text,
)
from twuin.notify.ports import Files, Notifier, Outbox
from twuin.notify.rules_file import NOTIFY_FILE, check_rules, read_rules
from twuin.notify.secrets import address_of, resolve, secret_files
from twuin.notify.webhook_body import WebhookBody
from twuin.settings import Settings
from twuin.web.notice_words import NoticeWords
from waterworks.errors import DataFileError, NotFound, Problem, SettingsError
from waterworks.ports import Clock
from waterworks.reading import as_datetime
from waterworks.site import Site
from waterworks.watched import Watched
from waterworks.wording import counted

log = logging.getLogger(__name__)

RECENT = timedelta(days=1)
"""Messages given up longer ago show in ``twuin notify list`` only, not in Twuin's health."""


def rules_file(settings: Settings, site: Site) -> Path:
    """The file that says who is told of what, there or not. SettingsError: the one that is named is not."""
    named = settings.notify.file
    if named is not None:
        if not named.is_file():
            raise SettingsError(f"setting notify.file: {named} does not exist")
        return named
    return site.folder / NOTIFY_FILE


def check_notify(folder: Path, site: Site) -> list[Problem]:
    """All that is wrong or doubtful in a site folder's notify.toml; [] where it has none."""
    path = folder / NOTIFY_FILE
    if not path.is_file():
        return []
    from twuin.notify.apprise_channel import check_url  # takes a while to import: only who needs it pays

    return check_rules(path, site, check_url)[1]


def has_rules(settings: Settings, site: Site) -> bool:
    """Whether there is a file of rules, right or wrong."""
    return rules_file(settings, site).is_file()


def needed_rules(settings: Settings, site: Site) -> NotifyConfig:
    """The rules. SettingsError where there are none, DataFileError where they are wrong."""
    from twuin.notify.apprise_channel import check_url

    path = rules_file(settings, site)
    if not path.is_file():
        raise SettingsError(
            f"nobody is told anything yet: there is no {NOTIFY_FILE} in {site.folder} (docs/notify.md)"
        )
    return read_rules(path, site, check_url)


def open_links(settings: Settings, site: Site, public_url: str | None = None) -> Links:
    """Signed links. public_url: where people find the pages; None: as the settings say."""
    path = settings.notify.key_file or settings.data_dir / "notify.key"
    url = settings.web.public_url if public_url is None else public_url
    return Links(site.id, load_key(path), url.rstrip("/"))


def open_channels(config: NotifyConfig, files: Files = lambda name: None) -> dict[Address, Notifier]:
    """Every channel, its secrets in place. files: that may go with a message. SettingsError with a line for
    each that cannot be used."""
    secrets = resolve(config)
    channels: dict[Address, Notifier] = {}
    wrong = []
    for address, (_, channel) in config.addresses.items():
        try:
            channels[address] = _open_channel(channel, secrets, files)
        except (ValueError, SettingsError) as e:
            wrong.append(f"{address} in notify.toml: {e}")
    if wrong:
        raise SettingsError("\n".join(wrong))
    return channels


def _open_channel(channel: Channel, secrets: dict[str, str], files: Files) -> Notifier:
    from twuin.notify.apprise_channel import check_url, open_channel
    from twuin.notify.webhook import Webhook

    url = address_of(channel, secrets)
    if channel.webhook:
        return Webhook(url, secrets[channel.secret])
    wrong, _ = check_url(url, "")
    if wrong:
        raise ValueError(wrong)
    return open_channel(url, files)


class RulesFile:
    """``notify.toml`` of a running site: read again when it or a file with one of its secrets has changed,
    and never worse than it was.

    files: those that may go with a message, by name.
    """

    def __init__(self, path: Path, site: Site, files: Files = lambda name: None) -> None:
        self._path, self._site, self._files = path, site, files
        self._watched = Watched(path)
        self.trouble = ""

    def read(self) -> tuple[NotifyConfig, dict[Address, Notifier]]:
        """The rules as they are with their channels. SettingsError, DataFileError where they are wrong."""
        from twuin.notify.apprise_channel import check_url

        if not self._path.is_file():
            raise SettingsError(f"{self._path.name} is not there any more")
        config = read_rules(self._path, self._site, check_url)
        self._watched.only(self._path, *secret_files(config))
        return config, open_channels(config, self._files)

    def newer(self) -> tuple[NotifyConfig, dict[Address, Notifier]] | None:
        """The rules with their channels if a file has changed since the last look and all is right; or None.

        What is wrong with it is logged once, and told by ``trouble`` until it is right again.
        """
        if not self._watched.changed():
            return None
        try:
            found = self.read()
        except (SettingsError, DataFileError) as e:
            self.trouble = " ".join(str(e).split("\n"))
            log.warning("who is told of what stays as it was: %s", e)
            return None
        self.trouble = ""
        log.info("%s was read again", self._path.name)
        return found


def open_desk(
    settings: Settings,
    site: Site,
    alerts: AlertService,
    clock: Clock,
    public_url: str | None = None,
    database: Database | None = None,
    files: Files = lambda name: None,
) -> Desk:
    """What tells people of this site's alerts, nobody as long as no rules say whom. Nothing is told yet.

    database: the one that the process has open; None: opened here, by the settings. files: reports by name.
    """
    path = rules_file(settings, site)
    source = RulesFile(path, site, files)
    config, channels = source.read() if path.is_file() else (NotifyConfig(), {})
    links = open_links(settings, site, public_url)
    return Desk(
        site=site,
        alerts=alerts,
        outbox=open_outbox(database or settings.database_url),
        config=config,
        channels=channels,
        wording=NoticeWords(site, lambda: as_datetime(clock.now())),
        links=links,
        clock=clock,
        holder=_holder(settings, links.key),
        speed=getattr(clock, "speed", 1.0),
        source=source,
    )


def _holder(settings: Settings, key: bytes) -> str:
    """Names this installation: the same after a restart, and another machine's differs."""
    said = f"{socket.gethostname()}\n{settings.data_dir.resolve()}\n".encode() + key
    return hashlib.blake2b(said, digest_size=10).hexdigest()


def notify_health(desk: Desk) -> dict[str, Any]:
    """Whether messages reach people, in one line."""
    counts = desk.outbox.counts(desk.site.id)
    now = wall_now()
    lost = [
        m
        for m in desk.outbox.messages(desk.site.id, (MessageState.GIVEN_UP, MessageState.UNCERTAIN))
        if m.settled is not None and now - m.settled < RECENT
    ]
    stuck = [m for m in desk.outbox.messages(desk.site.id, (MessageState.WAITING,)) if m.attempts]
    said = []
    if desk.source is not None and desk.source.trouble:
        said.append(f"the rules from before are in use: {desk.source.trouble}")
    if lost:
        missed = counted(len(lost), "message")
        said.append(f"{missed} of the last day did not arrive for sure: see `twuin notify list`")
    if stuck:
        worst = max(stuck, key=lambda m: m.attempts)
        wait = f"{counted(len(stuck), 'message')} {'is' if len(stuck) == 1 else 'are'} tried again"
        said.append(f"{wait} (to {worst.address}: {worst.error})")
    usual = f"{counted(counts.get(MessageState.DELIVERED, 0), 'message')} delivered, nothing waits"
    if not desk.config.receivers:
        usual = f"nobody is told anything: there is no {NOTIFY_FILE}"
    return {"status": "degraded" if said else "ok", "detail": "; ".join(said) or usual}


def send_test(settings: Settings, site: Site, name: str) -> list[tuple[Address, Outcome]]:
    """Send a test to every channel of a receiver (``name``, or ``name/channel``), now and past the outbox."""
    config = needed_rules(settings, site)
    wanted = [(a, r, c) for a, (r, c) in config.addresses.items() if name in (a.receiver, str(a))]
    if not wanted:
        own = [
            f"{r.name}/{c.name}" for r in config.receivers for c in r.channels if r.name == name.split("/")[0]
        ]
        known = ", ".join(own or [r.name for r in config.receivers])
        raise NotFound(f"no receiver {name[:40]!r} in {NOTIFY_FILE}; there are {known}")
    words = NoticeWords(site, wall_now)
    channels = open_channels(config)
    out = []
    for address, receiver, channel in wanted:
        now = wall_now()
        payload, text = None, Text("", "")
        if channel.form is Form.JSON:
            payload = WebhookBody(type="alert.test", timestamp=now, data=None).model_dump(mode="json")
        else:
            text = words.test(receiver.name, channel.form, receiver.language)
        about = f"test\n{now.isoformat()}"
        message = Message.alone(
            site.id, about, address, channel.form, text, payload, made=now, created=now, give_up=timedelta(0)
        )
        out.append((address, channels[address].send(message)))
    return out


def open_site_outbox(settings: Settings, site: Site) -> Outbox:
    """The outbox of the settings' database; SettingsError where the data folder is another site's."""
    claim_folder(settings.data_dir, site.id, keep=False)
    return open_outbox(settings.database_url)


def list_messages(
    settings: Settings, site: Site, states: tuple[MessageState, ...], limit: int
) -> list[Message]:
    """Messages in these states, newest first."""
    with closing(open_site_outbox(settings, site)) as outbox:
        return outbox.messages(site.id, states, limit, newest=True)


def retry_messages(settings: Settings, site: Site, ids: list[str]) -> int:
    """Send these messages again (none named: all that were given up or are uncertain); how many."""
    try:
        hours = needed_rules(settings, site).give_up
    except (SettingsError, DataFileError):
        hours = NotifyConfig().give_up
    with closing(open_site_outbox(settings, site)) as outbox:
        failed = (MessageState.GIVEN_UP, MessageState.UNCERTAIN)
        wanted = ids or [m.id for m in outbox.messages(site.id, failed)]
        now = wall_now()
        return outbox.retry(site.id, wanted, now, now + hours)
