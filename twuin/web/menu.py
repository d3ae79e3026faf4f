"""The menu of all pages: the one place where a page is entered, with the right that it takes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from twuin.accounts.rights import Right
from twuin.web.formats import Formats


@dataclass(frozen=True)
class Entry:
    """A page in the menu. path: below the root of the pages. icon: of ``img/icons.svg``. need: who lacks this
    right is not shown it. first: it stands in the bar itself, of which a phone has room for four; all others
    are behind "More"."""

    path: str
    name: str
    icon: str
    need: Right
    first: bool = False

    def here(self, path: str) -> bool:
        """Whether ``path`` is this page or one below it."""
        return path == self.path or (self.path != "/" and path.startswith(f"{self.path}/"))


def entries(formats: Formats) -> tuple[Entry, ...]:
    """All pages that the menu leads to, in its order."""
    _ = formats.gettext
    return (
        Entry("/", _("Overview"), "overview", Right.SEE, first=True),
        Entry("/alerts", _("Alerts"), "bell", Right.SEE, first=True),
        Entry("/losses", _("Losses"), "losses", Right.SEE, first=True),
        Entry("/sensors", _("Sensors"), "sensor", Right.SEE, first=True),
        Entry("/works", _("Works"), "works", Right.SEE),
        Entry("/step-test", _("Step test"), "valve", Right.SEE),
        Entry("/what-if", _("Another pressure"), "gauge", Right.SEE),
        Entry("/results", _("Results"), "results", Right.SEE),
        Entry("/field", _("In the field"), "phone", Right.WORK),
        Entry("/public-reports", _("Residents' reports"), "reported", Right.SEE),
        Entry("/reports", _("Reports"), "report", Right.SITE),
        Entry("/wall", _("Wall display"), "screen", Right.SITE),
        Entry("/ingest", _("Data intake"), "intake", Right.INTAKE),
        Entry("/bills", _("Bills"), "money", Right.BILLS),
        Entry("/accounts", _("Accounts"), "people", Right.ACCOUNTS),
        Entry("/security", _("Security log"), "shield", Right.ACCOUNTS),
    )


@dataclass(frozen=True)
class Menu:
    """What somebody may open: ``bar`` always in sight, ``more`` behind a button. here: the path of the page
    that is open, below the root of the pages."""

    bar: tuple[Entry, ...]
    more: tuple[Entry, ...]
    here: str

    @property
    def among_more(self) -> bool:
        """Whether the page that is open is behind the button."""
        return any(entry.here(self.here) for entry in self.more)


def menu(formats: Formats, rights: Collection[Right], here: str) -> Menu:
    """The menu of somebody with these rights; empty for who may see nothing."""
    may = [entry for entry in entries(formats) if entry.need in rights] if Right.SEE in rights else []
    return Menu(tuple(e for e in may if e.first), tuple(e for e in may if not e.first), here)
