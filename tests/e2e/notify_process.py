"""A Twuin that does nothing but tell people, for tests that kill it: alerts in, messages out.

Reads jobs from standard input, a line each, runs each in a child of its own and writes how that ended:

    {"folder", "database", "die": [function of the outbox or channel, "before" | "after", which call]}

A job finds a leak if that is not there yet, takes up what an earlier one left, and ends when nothing is left
to do. Children are forked: a kill is as real, and what takes seconds to import is imported once.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from twuin.alerts.model import Finding, Kind, Suspect
from twuin.alerts.service import AlertService
from twuin.db import open_alert_store
from twuin.notify import apprise_channel, tries, webhook  # noqa: F401 - imported once, for all children
from twuin.notify.model import MessageState
from twuin.notify.sending import Sender
from twuin.settings import load
from twuin.telling import open_desk
from waterworks.clocks import WallClock
from waterworks.site_folder import read_site


def dying(call: Callable[..., Any], name: str, die: list[Any]) -> Callable[..., Any]:
    """``call``, but for the one at which this process is killed before or after its work."""
    count = 0

    def run(*args: Any, **named: Any) -> Any:
        nonlocal count
        count += 1
        mine = die and die[0] == name and die[2] == count
        if mine and die[1] == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = call(*args, **named)
        if mine:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return run


def main(job: dict[str, Any]) -> None:
    folder = Path(job["folder"])
    site = read_site(folder / "site")
    settings = load(None, {"data_dir": folder / "data", "database": job["database"]})
    clock = WallClock()
    alerts = AlertService(site.id, open_alert_store(settings.database_url), clock)
    desk = open_desk(settings, site, alerts, clock, "https://twuin.example")
    assert desk is not None
    die = job.get("die") or []
    for name in ("record", "compose", "begin", "settle"):
        setattr(desk.outbox, name, dying(getattr(desk.outbox, name), name, die))
    for channel in desk.channels.values():
        channel.send = dying(channel.send, "send", die)  # type: ignore[method-assign]
    sender = Sender(site.id, desk.outbox, desk.channels, desk.holder, desk.wall)
    assert sender.may_send()
    desk.look()
    onset = datetime(2026, 11, 20, 3, tzinfo=UTC)
    alerts.apply(
        [
            Finding(
                Kind.LEAK, "D1", "D1", onset, onset + timedelta(hours=1), onset + timedelta(hours=5),
                flow=20 / 3600, flow_low=18 / 3600, flow_high=22 / 3600, volume=100.0, confidence=0.97,
                suspects=(Suspect("P2", 0.8, 112.62, -7.95),),
            )
        ]
    )  # fmt: skip
    until = time.monotonic() + job.get("seconds", 20)
    while time.monotonic() < until:
        desk.look()
        desk.write()
        sender.round()
        left = desk.outbox.messages(site.id, (MessageState.WAITING, MessageState.SENDING))
        if not left and not desk.outbox.waiting(site.id):
            break
        time.sleep(0.02)
    sender.finish()


if __name__ == "__main__":
    tries.FIRST_S = 0.2  # nobody waits here for a server to recover
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            main(json.loads(line))
            sys.stdout.flush()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
