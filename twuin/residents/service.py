"""What the public may do: report, look how it stands, withdraw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from twuin.accounts.secret import new_id, same
from twuin.accounts.tries import Allowance, TooMany, Tries
from twuin.alerts.escalation import promised
from twuin.alerts.model import Reason, State
from twuin.alerts.promises import Stage
from twuin.alerts.service import AlertService
from twuin.residents.ground import FAR_M
from twuin.residents.joins import RESIDENTS, Joins
from twuin.residents.keys import Keys
from twuin.residents.limits import ADDRESS, HOUR, NETWORK, PHONE, QUICK_S, Counts, judge, network_of
from twuin.residents.looks import MemoryTryStore
from twuin.residents.model import (
    BadReport,
    Category,
    Line,
    Odd,
    Outcome,
    Person,
    Report,
    Sent,
    Standing,
    TooManyReports,
)
from twuin.residents.photo import MOST_BYTES, kept_photo
from twuin.residents.ports import KeyUsed, ReportStore, VersionConflict
from twuin.residents.words import WHERE_MOST, WORDS_MOST, clean_text, has_links, phone_number
from waterworks.errors import DatabaseUnavailable, NotFound
from waterworks.ports import Clock
from waterworks.reading import as_datetime
from waterworks.site import Site

LOOKS = Allowance(60, 6.0)
"""Tracking codes that one address may try at once, and one more every so many seconds."""

LOOKS_ALL = Allowance(3000, 0.2)
"""The same for all addresses together: guessing codes from thousands of them gains nothing."""

PHOTOS_MOST = 2 * 2**30
"""Bytes of photos that are kept [bytes], some 10,000: beyond that reports come without theirs."""


@dataclass(frozen=True, slots=True)
class Options:
    """confirm: independent reporters who make an alert. flood: reports in an hour from which on all are held
    for a look. country: calling code. erase, erase_latest: after how long who reported is forgotten: since it
    was closed, and in any case since it came."""

    confirm: int = 3
    flood: int = 200
    country: str = "62"
    erase: timedelta = timedelta(days=30)
    erase_latest: timedelta = timedelta(days=180)


class Taken(NamedTuple):
    """code: for whoever reported, and for nobody else. photo: False where one came and could not be kept."""

    code: str
    report: Report
    photo: bool = True


class Step(NamedTuple):
    """Where a report stands, in a word for pages; and until when what comes next is promised."""

    word: str  # received, checking, sent, found, repairing, repaired, closed
    answer_by: datetime | None = None
    repair_by: datetime | None = None


class Track(NamedTuple):
    """What whoever has a report's code sees: nothing personal, and nothing of the network."""

    category: Category
    received: datetime
    step: Step
    answered: datetime | None
    settled: datetime | None
    outcome: Outcome | None
    message: str
    others: int  # how many more reported the same


class PublicReports:
    """Reports of residents of one site. Safe to use from several threads and processes."""

    def __init__(
        self,
        site: Site,
        store: ReportStore,
        alerts: AlertService,
        clock: Clock,
        joins: Joins,
        keys: Keys,
        options: Options,
        wall: Callable[[], datetime],
    ) -> None:
        self.site = site
        self.options = options
        self._store = store
        self._alerts = alerts
        self._clock = clock
        self._joins = joins
        self._keys = keys
        self._wall = wall
        self._tries = Tries(MemoryTryStore(), site.id, wall)

    def moment(self) -> str:
        """The mark of a form that is shown now."""
        return self._keys.moment()

    def submit(self, sent: Sent, source: str) -> Taken:
        """Take a report. The same form again is the same report.

        source: the address that it comes from. Raises BadReport, TooManyReports.
        """
        key, age = self._keys.read_moment(sent.moment)
        return self._take(sent, key, source, network_of(source), quick=age < QUICK_S)

    def pass_on(self, sent: Sent, key: str, sender: str) -> Taken:
        """Take what a resident told another system of the utility. The same ``key`` is the same report.

        sender: the system: limits count it as a network, and whoever told it by the phone number, so that
        residents stay independent of each other. Raises BadReport, TooManyReports.
        """
        phone = phone_number(sent.phone, self.options.country)
        return self._take(sent, key, f"{sender} {phone}", sender, quick=False)

    def _take(self, sent: Sent, key: str, source: str, network: str, *, quick: bool) -> Taken:
        known = self._store.by_key(self.site.id, key)
        if known is not None:
            return Taken(self._keys.code(key), known)
        report, person, odd = self._read(sent, key, source, network)
        if quick:
            odd.append(Odd.QUICK)
        verdict = judge(self._counts(report), flood=self.options.flood, others=tuple(odd))
        if verdict.refused is not None:
            raise TooManyReports(verdict.refused.total_seconds(), verdict.by)
        # A photo is opened only where the report is taken: it is the dearest part.
        person, kept = self._with_photo(person, sent.photo)
        held = bool(verdict.odd)
        report = replace(
            report,
            state=Standing.HELD if held else Standing.OPEN,
            odd=verdict.odd,
            photo=person.photo is not None,
        )
        why = {"odd": [o.value for o in verdict.odd]} if held else {}
        line = Line(report.id, report.received, RESIDENTS, "received", why)
        try:
            self._store.add(report, self._keys.seal(report.id, person), line)
        except KeyUsed:  # the same form, twice at once
            known = self._store.by_key(self.site.id, key)
            if known is None:
                raise DatabaseUnavailable("the report could not be stored") from None
            return Taken(self._keys.code(key), known)
        return Taken(self._keys.code(key), self._joins.place(report), kept)

    def _read(self, sent: Sent, key: str, source: str, network: str) -> tuple[Report, Person, list[Odd]]:
        if sent.category not in set(Category):
            raise BadReport("category", f"say what it is: one of {', '.join(Category)}")
        person = Person(
            phone_number(sent.phone, self.options.country),
            clean_text(sent.where, WHERE_MOST),
            clean_text(sent.words, WORDS_MOST),
        )
        lon, lat = sent.lon, sent.lat
        if lon is not None and lat is not None and not (abs(lon) <= 180 and abs(lat) <= 90):
            lon = lat = None
        if lon is None or lat is None:
            lon = lat = None
            if len(person.where) < 3:
                raise BadReport("place", "say where: a position, or a street or landmark")
        dma, pipe, off = self._joins.where(lon, lat)
        odd = [Odd.TRAP] if sent.trap.strip() else []
        if has_links(f"{person.where}\n{person.words}"):
            odd.append(Odd.LINKS)
        if off is not None and off > FAR_M:
            odd.append(Odd.FAR)
        id = new_id()
        report = Report(
            id=id,
            site=self.site.id,
            code=self._keys.code_digest(self._keys.code(key)),
            key=key,
            category=Category(sent.category),
            received=as_datetime(self._clock.now()),
            created=self._wall(),
            dma=dma,
            lon=None if lon is None else round(lon, 6),
            lat=None if lat is None else round(lat, 6),
            pipe=pipe,
            event=id,
            source=self._keys.digest("source", source),
            network=self._keys.digest("network", network),
            phone=self._keys.digest("phone", person.phone),
        )
        return report, person, odd

    def _with_photo(self, person: Person, data: bytes | None) -> tuple[Person, bool]:
        if not data:
            return person, True
        if len(data) > MOST_BYTES:
            raise BadReport("photo", f"the photo is larger than {MOST_BYTES // 2**20} MB")
        if self._store.photo_bytes(self.site.id) >= PHOTOS_MOST:
            return person, False
        return replace(person, photo=kept_photo(data)), True

    def _counts(self, report: Report) -> Counts:
        now, count, site = self._wall(), self._store.count, self.site.id
        return Counts(
            count(site, now - ADDRESS.span, source=report.source),
            count(site, now - NETWORK.span, network=report.network),
            count(site, now - PHONE.span, phone=report.phone),
            count(site, now - HOUR),
            self._store.held(site),
        )

    def _find(self, code: str, source: str) -> Report:
        """The report of a code. Raises NotFound, TooManyReports."""
        try:
            self._tries.take([(("look", source), LOOKS), (("look",), LOOKS_ALL)])
        except TooMany as e:
            raise TooManyReports(e.wait_s) from None
        digest = self._keys.code_digest(code)
        report = self._store.by_code(self.site.id, digest) if digest else None
        if report is None:
            raise NotFound("there is no report of this code")
        return report

    def track(self, code: str, source: str) -> Track:
        """How a report stands, for whoever has its code. Raises NotFound, TooManyReports."""
        report = self._find(code, source)
        others = 0
        if report.alert and report.outcome is None:
            try:
                reported = self._alerts.get(report.alert).work.reported
                others = max(0, reported.count - 1) if reported is not None else 0
            except NotFound:
                pass
        return Track(
            report.category,
            report.received,
            self._step(report),
            report.answered,
            report.settled,
            report.outcome,
            report.message,
            others,
        )

    def _step(self, report: Report) -> Step:
        if report.state is Standing.CLOSED:
            return Step("closed")
        promises = self.site.promises
        promise = None if promises is None else promises.residents
        answer_by = repair_by = None
        if promises is not None and promise is not None:
            if report.answered is None and promise.respond is not None:
                answer_by = promises.due(report.received, promise.respond, promise.working)
            if promise.repair is not None:
                repair_by = promises.due(report.received, promise.repair, promise.working)
        if not report.alert:
            return Step("checking" if report.answered else "received", answer_by, repair_by)
        try:
            alert = self._alerts.get(report.alert)
        except NotFound:
            return Step("received", answer_by, repair_by)
        clocks = promised(alert, self._alerts.history(alert.id), self.site, as_datetime(self._clock.now()))
        due = next((c.due for c in clocks if c.stage is Stage.REPAIR and c.done is None), None)
        word = _WORD.get(alert.state, "received")
        if alert.state is State.CLOSED:
            word = "repaired" if alert.reason in (Reason.REPAIRED, Reason.ENDED) else "checking"
        return Step(word, answer_by, due or repair_by)

    def withdraw(self, code: str, phone: str, source: str) -> None:
        """Close a report as withdrawn and erase who sent it: by its code and the phone number that it came
        with. Raises NotFound where either is another."""
        report = self._find(code, source)
        try:
            number = phone_number(phone, self.options.country)
        except BadReport:
            number = ""
        if not report.phone or not same(report.phone, self._keys.digest("phone", number)):
            raise NotFound("there is no report of this code and phone number")
        self.forget(report, "withdrawn", withdrawn=True)
        if report.alert:
            self._joins.tell(report.alert)

    def forget(self, report: Report, action: str, *, withdrawn: bool = False) -> Report:
        """Erase whoever sent a report, for good. What stays is enough to count it: see ``forgotten``."""
        while True:
            now = as_datetime(self._clock.now())
            after = forgotten(report, now)
            if withdrawn and after.state is not Standing.CLOSED:
                after = replace(
                    after,
                    state=Standing.CLOSED,
                    outcome=Outcome.WITHDRAWN,
                    settled=now,
                )
            try:
                self._store.erase(after, report.version, Line(report.id, now, RESIDENTS, action))
            except VersionConflict:
                fresh = self._store.get(self.site.id, report.id)
                if fresh is None:
                    raise NotFound(f"no report {report.id}") from None
                report = fresh
                continue
            return after


_WORD = {
    State.OPEN: "received",
    State.ACKNOWLEDGED: "checking",
    State.ASSIGNED: "sent",
    State.ON_SITE: "sent",
    State.LOCATED: "found",
    State.REPAIRING: "repairing",
    State.REPAIRED: "repaired",
    State.VERIFIED: "repaired",
}
"""What a resident is told of an alert's state."""

COARSE = 3
"""Decimals of a position that stay once who reported is forgotten: some 110 m, a street and not a house."""


def forgotten(report: Report, at: datetime) -> Report:
    """``report`` without anything by which whoever sent it could be told."""
    return replace(
        report,
        lon=None if report.lon is None else round(report.lon, COARSE),
        lat=None if report.lat is None else round(report.lat, COARSE),
        pipe="",
        source="",
        network="",
        phone="",
        photo=False,
        message="",
        erased=at,
        version=report.version + 1,
    )
