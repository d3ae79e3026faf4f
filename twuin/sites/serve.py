"""Pages and API of all sites in one process."""

from __future__ import annotations

import logging
import resource
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing

from fastapi import FastAPI

from twuin.app import build, check_doors, open_accounts, pages_alone, start_figures
from twuin.db import open_database
from twuin.instance import claim_folder
from twuin.process import Jobs, address, listen, serve_web, until_stopped
from twuin.sites.apart import overlaps
from twuin.sites.front import ByHost
from twuin.sites.installation import Installation, Member, load_member
from twuin.traces import traces
from twuin.web.outside import Utility, away_page, front_page, stranger_page
from waterworks.errors import SettingsError, TwuinError

log = logging.getLogger(__name__)

AGAIN_S = 10.0
"""How often sites that are new, or were not well, are looked at [s]."""


class House:
    """One site's application, with its own stores, jobs and secrets."""

    def __init__(self, member: Member) -> None:
        """Raises TwuinError where something that it needs is wrong or away; nothing stays open then."""
        settings, site = member.settings, member.site
        check_doors(settings)
        claim_folder(settings.data_dir, site.id)
        with ExitStack() as opened:
            database = opened.enter_context(closing(open_database(settings.database_url)))
            accounts = open_accounts(settings, site, database)
            if accounts.empty:
                raise SettingsError(
                    f"there is no account yet: `twuin --of {member.name} account init` makes the first one"
                )
            self.parts = build(settings, site=site, database=database)
            opened.enter_context(closing(self.parts))
            self.app: FastAPI = pages_alone(self.parts, accounts, f"{settings.web.public_url}/")
            start_figures(self.parts, "web")
            self._opened = opened.pop_all()

    def close(self) -> None:
        self._opened.close()


class Street:
    """The houses of an installation behind one front, each opened as soon as it can be.

    A site that cannot be opened keeps none of the others away. What two sites share is opened for neither.
    """

    def __init__(self, installation: Installation) -> None:
        self.front = ByHost(stranger_page(https=installation.web.https))
        self.jobs = Jobs()
        self._installation = installation
        self._houses: dict[str, House] = {}
        self._members: dict[str, Member] = {}
        self._told: dict[str, str] = {}
        self._nobody_in = away_page(round(AGAIN_S), https=installation.web.https)
        if installation.front_page:
            if not installation.domain:
                raise SettingsError("setting domain is missing: it is the host name of the front page")
            page = front_page(installation.title, self.utilities, https=installation.web.https)
            self.front.put((installation.domain,), page)

    def utilities(self) -> Sequence[Utility]:
        """The utilities by name, for the front page."""
        known = sorted(self._members.values(), key=lambda m: m.site.name.casefold())
        return [Utility(m.site.name, m.settings.web.public_url, m.name in self._houses) for m in known]

    def look(self, stop: threading.Event | None = None) -> None:
        """Open what is not open yet and can be."""
        try:
            names = self._installation.names()
        except TwuinError as e:
            self._tell("", str(e))
            return
        for name in names:
            if name not in self._houses:
                self._read(name)
        for name in [n for n in self._members if n not in names and n not in self._houses]:
            del self._members[name]
        self._say_away()
        shared = overlaps(self._members.values())
        for name, member in self._members.items():
            if stop is not None and stop.is_set():
                return
            if name in self._houses:
                continue
            if name in shared:
                self._tell(name, "; ".join(shared[name]))
                continue
            try:
                house = House(member)
            except TwuinError as e:
                self._tell(name, str(e))
                continue
            except Exception as e:  # a defect of ours: the other sites go on
                log.exception("site %s could not be opened", name)
                self._tell(name, f"{type(e).__name__}: {e}")
                continue
            if stop is not None and stop.is_set():  # who ends the houses may be past this one
                house.close()
                return
            self._houses[name] = house
            self.front.put(member.hosts, house.app)
            self._told.pop(name, None)
            log.info("site %s is open at %s", name, ", ".join(member.hosts))

    def _read(self, name: str) -> None:
        try:
            self._members[name] = load_member(self._installation, name)
        except TwuinError as e:
            self._members.pop(name, None)
            self._tell(name, str(e))

    def _say_away(self) -> None:
        """At hosts of sites that are not open. Where another site's house stands already, it stays."""
        taken = {h for n in self._houses for h in self._members[n].hosts}
        for name, member in self._members.items():
            if name not in self._houses:
                self.front.put([h for h in member.hosts if h not in taken], self._nobody_in)

    def _tell(self, name: str, why: str) -> None:
        if self._told.get(name) != why:
            self._told[name] = why
            log.error("site %s is not served: %s", name or "?", why)

    def run(self, stop: threading.Event) -> None:
        """Look again and again."""
        while not stop.is_set():
            self.look(stop)
            stop.wait(AGAIN_S)

    def close(self) -> None:
        self.end_streams()
        self.jobs.finish()
        for house in list(self._houses.values()):
            house.close()

    def end_streams(self) -> None:
        """Tell all houses that it is over: none waits for another."""
        for house in list(self._houses.values()):
            house.parts.jobs.stop.set()


def allow_files() -> None:
    """As many open files as the machine lets this process have: a site takes some 23, and 1,024 are usual."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def run_sites(installation: Installation, *, say: Callable[[str], None]) -> None:
    """Serve all sites until stopped."""
    web = installation.web
    installation.names()  # where the folder cannot be read nothing can be served: said at once
    allow_files()
    street = Street(installation)
    sock = listen(web.host, web.port)

    def end_streams(stop: threading.Event) -> None:
        stop.wait()
        street.end_streams()

    with (
        traces(installation.traces, "sites"),
        until_stopped(street.jobs.stop),
        closing(street),
    ):
        street.jobs.start("sites", street.run)
        street.jobs.start("streams", end_streams)
        say(f"Sites of {installation.sites}: {address(sock)}   (Ctrl-C ends it)")
        serve_web(street.front, sock, street.jobs.stop, trusted_proxies=web.trusted_proxies)
