"""Who asks now, and what of the site they see.

Routes are given views and alerts that are those of whoever asks: a route cannot show by mistake what is not
for them, as what is not for them is not there. Without a request there is nobody, and nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

from twuin.accounts.model import NOBODY, Asker, Via
from twuin.accounts.rights import Anyone, Need, Right
from twuin.alerts.service import AlertService
from twuin.views.report_desk import ReportDesk
from twuin.views.views import Views
from waterworks.errors import TwuinError

_ASKER: ContextVar[Asker] = ContextVar("asker")
_AWAY: ContextVar[TwuinError | None] = ContextVar("away", default=None)

KEPT = 32
"""Limited views kept, each with its part of the map: people share few sets of DMAs."""


NO_BILLS = "the demo's bills are part of its town: others can be put in on a site of your own only"

SIGN_IN = "sign in, or send a token: `Authorization: Bearer twuin_...`"


class NotSignedIn(TwuinError):
    """Nobody is signed in, and this is not for everybody."""


class NotPermitted(TwuinError):
    """Whoever is signed in has no right to this."""


@contextmanager
def asking(asker: Asker, away: TwuinError | None = None) -> Iterator[None]:
    """Within, ``asker`` asks. away: why nobody could tell who does; what is public is there all the same."""
    who, why = _ASKER.set(asker), _AWAY.set(away)
    try:
        yield
    finally:
        _AWAY.reset(why)
        _ASKER.reset(who)


def current() -> Asker:
    """Who asks; nobody where there is no request."""
    return _ASKER.get(NOBODY)


def permit(need: Need) -> None:
    """Raises NotSignedIn or NotPermitted unless whoever asks may have what ``need`` says."""
    asker = current()
    if need is Anyone.PUBLIC or (isinstance(need, Right) and need in asker.rights):
        return
    if asker.via is Via.NOBODY:
        raise _AWAY.get() or NotSignedIn(SIGN_IN)
    if need is Anyone.SIGNED_IN and asker.account:
        return
    if need is Anyone.IN_PERSON and asker.via is Via.SESSION:
        return
    if asker.via is Via.OPEN:
        raise NotPermitted(NO_BILLS if need is Right.BILLS else "a demo has no accounts")
    if need is Anyone.IN_PERSON:
        raise NotPermitted("this takes a person who is signed in: a token cannot do it")
    who = f"this token of {asker.name}" if asker.via is Via.TOKEN else asker.name
    raise NotPermitted(f"this takes the right {need.value!r}, which {who} does not have here")


class _Seen:
    """Hands everything on to what whoever asks may see of ``whole``."""

    def __init__(self, whole: Any, limit: Any) -> None:
        self._whole = whole
        self._limit = limit
        self._lock = threading.Lock()
        self._kept: dict[frozenset[str], Any] = {}

    def __getattr__(self, name: str) -> Any:
        asker = current()
        if asker.via is Via.NOBODY:
            raise _AWAY.get() or NotSignedIn(SIGN_IN)
        return getattr(self._whole if asker.dmas is None else self._limited(asker.dmas), name)

    def _limited(self, dmas: frozenset[str]) -> Any:
        with self._lock:
            if dmas not in self._kept:
                if len(self._kept) >= KEPT:
                    self._kept.pop(next(iter(self._kept)))
                self._kept[dmas] = self._limit(dmas)
            return self._kept[dmas]


def seen_views(views: Views) -> Views:
    """``views`` as whoever asks sees them."""
    return cast(Views, _Seen(views, views.limited_to))


def seen_reports(reports: ReportDesk, views: Views) -> ReportDesk:
    """``reports`` as whoever asks may have them. views: the whole site's."""
    return cast(ReportDesk, _Seen(reports, lambda dmas: reports.limited_to(views.limited_to(dmas))))


def seen_alerts(alerts: AlertService, views: Views) -> AlertService:
    """``alerts`` as whoever asks sees them and may act on them."""
    return cast(AlertService, _Seen(alerts, lambda dmas: alerts.limited_to(views.sight(dmas))))
