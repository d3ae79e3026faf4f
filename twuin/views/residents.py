"""Residents' reports and the service promise as the API shows them."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from pydantic import Field

from twuin.residents.charter import Kept
from twuin.residents.model import Category, Line, Odd, Outcome, Report, Standing
from twuin.residents.parts import Residents
from twuin.residents.service import Track
from twuin.views.models import Model
from waterworks.reading import as_datetime
from waterworks.site import Site


class PublicReportOut(Model):
    """A resident's report, without anything that tells who sent it."""

    id: str
    category: Category
    state: Standing
    odd: list[Odd] = Field(description="Why it was held for somebody to look first")
    received: datetime
    dma: str = Field(description='"" where nobody knows yet')
    dma_name: str
    lon: float | None
    lat: float | None
    pipe: str = Field(description="The nearest within 150 m")
    event: str = Field(description="Id of the first report of the same event")
    alert: str = Field(description='Id of the alert that it joined, "" for none')
    answered: datetime | None
    answer_by: datetime | None = Field(description="Until when an answer is promised")
    settled: datetime | None
    settle_by: datetime | None
    outcome: Outcome | None
    message: str = Field(description="To the resident")
    photo: bool
    personal: bool = Field(description="Whether it is still kept who sent it")
    version: int


class LineOut(Model):
    at: datetime
    actor: str
    action: str
    details: dict[str, object]


class PublicReportDetail(PublicReportOut):
    """The same with its history, and ids of other reports of the same event."""

    history: list[LineOut]
    others: list[str]


class PersonOut(Model):
    """Who reported. Every look is written into the security log."""

    phone: str
    where: str
    words: str


class StepOut(Model):
    word: str = Field(description="received, checking, sent, found, repairing, repaired, closed")
    answer_by: datetime | None
    repair_by: datetime | None


class TrackOut(Model):
    """How a report stands, for whoever has its code: nothing personal, nothing of the network."""

    category: Category
    received: datetime
    step: StepOut
    answered: datetime | None
    settled: datetime | None
    outcome: Outcome | None
    message: str
    others: int = Field(description="How many more reported the same")


class TakenOut(Model):
    """code: with it anybody sees how the report stands. photo: false where one came and is not kept."""

    code: str
    photo: bool


class KeptOut(Model):
    kept: int
    broken: int


class PromiseOut(Model):
    """What is promised, in hours; working: counted in working hours only. null: nothing."""

    respond_h: float | None
    locate_h: float | None
    repair_h: float | None
    working: bool


class CharterOut(Model):
    """What the utility promises, and how it is being kept in a month."""

    site_name: str
    month: str = Field(examples=["2026-11"])
    complete: bool = Field(description="Whether the month is over")
    residents: PromiseOut | None
    leaks: dict[str, PromiseOut] = Field(description="By priority of the leak")
    received: int
    settled: int
    open: int
    categories: dict[Category, int]
    answer: KeptOut | None = Field(description="Answers that were due in the month; null: none is promised")
    settle: KeptOut | None


def report_out(report: Report, site: Site) -> PublicReportOut:
    """A report as staff see it who may not see who sent it."""
    dma = site.dma.get(report.dma)
    promises = site.promises
    promise = None if promises is None else promises.residents
    due: list[datetime | None] = [None, None]
    if promises is not None and promise is not None:
        due = [
            None if span is None else promises.due(report.received, span, promise.working)
            for span in (promise.respond, promise.repair)
        ]
    return PublicReportOut(
        id=report.id,
        category=report.category,
        state=report.state,
        odd=list(report.odd),
        received=report.received,
        dma=report.dma,
        dma_name=report.dma if dma is None else dma.name,
        lon=report.lon,
        lat=report.lat,
        pipe=report.pipe,
        event=report.event,
        alert=report.alert,
        answered=report.answered,
        answer_by=due[0],
        settled=report.settled,
        settle_by=due[1],
        outcome=report.outcome,
        message=report.message,
        photo=report.photo,
        personal=report.erased is None,
        version=report.version,
    )


def report_detail(residents: Residents, id: str, dmas: frozenset[str] | None) -> PublicReportDetail:
    """A report with its history. Raises NotFound."""
    desk = residents.desk
    report = desk.get(id, dmas)
    return PublicReportDetail(
        **report_out(report, desk.site).model_dump(),
        history=[line_out(line) for line in desk.history(id, dmas)],
        others=[r.id for r in desk.event(report, dmas)],
    )


def line_out(line: Line) -> LineOut:
    return LineOut(at=line.at, actor=line.actor, action=line.action, details=line.details)


def track_out(track: Track) -> TrackOut:
    """What whoever has the code sees."""
    return TrackOut(
        category=track.category,
        received=track.received,
        step=StepOut(word=track.step.word, answer_by=track.step.answer_by, repair_by=track.step.repair_by),
        answered=track.answered,
        settled=track.settled,
        outcome=track.outcome,
        message=track.message,
        others=track.others,
    )


def charter(residents: Residents, month: date | None = None) -> CharterOut:
    """The service promise and how it is kept. month: any day of it; None: the present one."""
    site = residents.public.site
    zone = site.timezone
    now = as_datetime(residents.clock.now()).astimezone(zone)
    first = (month or now.date()).replace(day=1)
    following = (first + timedelta(days=32)).replace(day=1)
    begin, over = (datetime(d.year, d.month, 1, tzinfo=zone) for d in (first, following))
    found = residents.complaints(begin, over)
    promises = site.promises
    leaks = {}
    for name, p in () if promises is None else promises.by_priority.items():
        leaks[name] = _promise(p.respond, p.locate, p.repair, p.working)
    own = None if promises is None else promises.residents
    return CharterOut(
        site_name=site.name,
        month=f"{first:%Y-%m}",
        complete=now >= over,
        residents=None if own is None else _promise(own.respond, None, own.repair, own.working),
        leaks=leaks,
        received=found.received,
        settled=found.settled,
        open=found.open,
        categories=found.categories,
        answer=_kept(found.answer),
        settle=_kept(found.settle),
    )


def _promise(
    respond: timedelta | None, locate: timedelta | None, repair: timedelta | None, working: bool
) -> PromiseOut:
    hours = [None if s is None else s / timedelta(hours=1) for s in (respond, locate, repair)]
    return PromiseOut(respond_h=hours[0], locate_h=hours[1], repair_h=hours[2], working=working)


def _kept(kept: Kept | None) -> KeptOut | None:
    return None if kept is None else KeptOut(kept=kept.kept, broken=kept.broken)
