"""How the service promises to residents are being kept, counted from reports. Pure but for the looking up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from twuin.residents.model import NO_COMPLAINT, Category, Report, Standing
from twuin.residents.ports import ReportQuery, ReportStore
from waterworks.promises import Promises

YEAR = timedelta(days=366)


class Kept(NamedTuple):
    """Of promises whose time was over in some days: kept in time, and broken."""

    kept: int
    broken: int

    @property
    def total(self) -> int:
        return self.kept + self.broken


class Complaints(NamedTuple):
    """Residents' reports of some days: what came, what of that was settled, and whether promises were kept.

    Spam, doublets and what was withdrawn are no complaints; what is held counts until a person says that it
    is spam. answer, settle: promises whose time was over in these days; None where nothing is promised.
    """

    received: int
    settled: int
    open: int
    held: int
    categories: dict[Category, int]
    answer: Kept | None
    settle: Kept | None

    @property
    def settled_share(self) -> float | None:
        """Settled of received [0..1], None where none was received."""
        return self.settled / self.received if self.received else None


def complaints(
    reports: Sequence[Report], promises: Promises | None, begin: datetime, over: datetime, now: datetime
) -> Complaints:
    """From reports that came up to ``over``. begin, over: instants at which the days begin and are over."""
    own = [r for r in reports if r.outcome not in NO_COMPLAINT]
    came = [r for r in own if begin <= r.received < over]
    settled = [r for r in came if r.settled is not None and r.settled < over]
    promise = None if promises is None else promises.residents
    answer = settle = None
    if promises is not None and promise is not None:
        until = min(over, now)
        if promise.respond is not None:
            due = [(promises.due(r.received, promise.respond, promise.working), r.answered) for r in own]
            answer = _kept(due, begin, until)
        if promise.repair is not None:
            due = [(promises.due(r.received, promise.repair, promise.working), r.settled) for r in own]
            settle = _kept(due, begin, until)
    return Complaints(
        received=len(came),
        settled=len(settled),
        open=len(came) - len(settled),
        held=sum(r.state is Standing.HELD for r in came),
        categories=dict(Counter(r.category for r in came)),
        answer=answer,
        settle=settle,
    )


def _kept(due: Sequence[tuple[datetime, datetime | None]], begin: datetime, until: datetime) -> Kept:
    """A promise counts in the days in which its time is over, as those of alerts do."""
    over = [(when, done) for when, done in due if begin <= when < until]
    kept = sum(done is not None and done <= when for when, done in over)
    return Kept(kept, len(over) - kept)


def complaints_of(
    store: ReportStore, site: str, promises: Promises | None, begin: datetime, over: datetime, now: datetime
) -> Complaints:
    """The same, looked up."""
    # A promise that is due in these days was made a year before at most.
    found = store.find(site, ReportQuery(since=begin - YEAR, until=over))
    return complaints(found, promises, begin, over, now)
