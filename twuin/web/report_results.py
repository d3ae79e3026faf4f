"""Sections of a report about what became of leaks: times and water, promises kept, how they were located."""

from __future__ import annotations

from collections.abc import Callable

from twuin.alerts.promises import Stage
from twuin.views.base import Limited
from twuin.views.report_models import ReportOut
from twuin.views.run_models import MedianOut, ResponseOut
from twuin.views.score_models import CalibrationOut, FindOut, RadiusOut
from twuin.web.formats import zone_names
from twuin.web.loss_words import LossWords
from twuin.web.report_tables import As, Cell, Column, Num, Row, Section, Table
from twuin.web.score_words import ScoreWords
from twuin.web.service_words import ServiceWords

_MOST_FINDS = 120  # on paper: four pages


def response_section(report: ReportOut, words: LossWords) -> Section:
    """Awareness, location and repair times, water lost in each, water saved; by priority."""
    _, unit, number = words.formats.gettext, words.formats.unit, words.formats.number
    service, found = ServiceWords(words.formats), report.response
    groups = [*found.priorities, found.all]
    rows: list[Row] = []

    def row(
        name: str,
        shown: str,
        tell: Callable[[ResponseOut], Limited | MedianOut | float | None],
        digits: int = 0,
        depth: int = 0,
        strong: bool = False,
    ) -> None:
        cells: list[Cell] = []
        spread: tuple[Cell, Cell] = ("", "")
        for group in groups:
            value = tell(group)
            if isinstance(value, Limited | MedianOut):
                cells.append(Num(value.value, digits))
                if value.low != value.high:
                    spread = Num(value.low, digits), Num(value.high, digits)
            else:
                cells.append(Num(value, digits))
        rows.append(Row((name, *cells, *spread, shown), depth, strong))

    row(_("Leaks detected"), "", lambda r: r.awareness.leaks)
    row(_("Awareness: from onset to detection, median"), unit("h"), lambda r: r.awareness, 1)
    row(_("Leaks located"), "", lambda r: r.location.leaks)
    row(_("Location: from detection until found, median"), unit("h"), lambda r: r.location, 1)
    row(_("Leaks repaired"), "", lambda r: r.mending.leaks)
    row(_("Repair: from when found until repaired, median"), unit("h"), lambda r: r.mending, 1)
    row(_("Leaks over"), "", lambda r: r.over)
    row(_("Water lost by these, since their onset"), "m³", lambda r: r.lost_m3 if r.over else None)
    row(_("of it during awareness"), "m³", lambda r: r.awareness_m3 if r.over else None, depth=1)
    row(_("of it during location"), "m³", lambda r: r.location_m3 if r.over else None, depth=1)
    row(_("of it during repair"), "m³", lambda r: r.mending_m3 if r.over else None, depth=1)
    row(_("of it after the promised time of repair"), "m³", lambda r: r.late_m3 if r.over else None, depth=1)
    row(_("Repairs verified, up to a year old"), "", lambda r: r.repairs)
    row(_("Water saved by them in these days"), "m³", lambda r: r.saved_m3, strong=True)
    row(_("of it by repairs of these days"), "m³", lambda r: r.saved_new_m3, depth=1)
    row(_("Repairs of these days not verified"), "", lambda r: r.unverified)
    row(_("Flow of their leaks, in no sum"), unit("m3/h"), lambda r: r.unverified_m3h, 1)
    columns = (
        Column(_("Figure"), how=As.TEXT),
        *(Column(service.priority(r.priority) if r.priority else _("All")) for r in groups),
        Column(_("from")),
        Column(_("to")),
        Column(_("Unit"), how=As.TEXT),
    )
    notes = [
        _("A leak counts where it was detected, found, repaired or over in these days; its water when it was "
          "over, so that months can be added up. Limits are those of all leaks together. Water is divided by "
          "time, as if each leak had always run alike."),
        _("Saved: what the flow fell by after each repair, times the days since the repair that lie in these "
          "days, a year at most. Of night flow the night-day factor makes the day's volume."),
    ]  # fmt: skip
    if found.all.ndf_assumed:
        notes.append(
            _("Where the night-day factor is not known, 24 hours a day are counted: mostly too much.")
        )
    lead = []
    if found.all.saved_m3 is not None:
        lead.append(
            _("Repairs saved %(saved)s m³ in these days (95 %% limits %(low)s to %(high)s).")
            % {
                "saved": number(found.all.saved_m3.value, 0),
                "low": number(found.all.saved_m3.low, 0),
                "high": number(found.all.saved_m3.high, 0),
            }
        )
    return Section(
        _("Times and water, by priority"), _("Times and water"),
        Table(columns, tuple(rows), "", tuple(notes)), tuple(lead),
    )  # fmt: skip


def promise_section(report: ReportOut, words: LossWords) -> list[Section]:
    """Service promises by priority and step; none where nothing is promised and nothing was due."""
    _, unit = words.formats.gettext, words.formats.unit
    service = ServiceWords(words.formats)
    stages = {
        Stage.RESPOND: _("response"),
        Stage.LOCATE: _("leak found"),
        Stage.REPAIR: _("repair"),
    }
    rows = [
        Row(
            (
                service.priority(r.priority) if r.priority else _("All"),
                stages[s.stage],
                None if s.promised_h is None else Num(s.promised_h, 1),
                (_("working hours") if s.working else _("all hours")) if s.promised_h is not None else None,
                s.kept + s.broken,
                s.kept,
                *((None,) * 3 if s.share is None else (s.share.value, s.share.low, s.share.high)),
            ),
            strong=not r.priority,
        )
        for r in (*report.response.priorities, report.response.all)
        for s in r.stages
    ]
    columns = (
        Column(_("Priority"), how=As.TEXT),
        Column(_("Promise"), how=As.TEXT),
        Column(_("Within"), unit("h"), digits=1),
        Column(_("Counted"), how=As.TEXT),
        Column(_("Time up")),
        Column(_("Kept")),
        Column(_("Kept"), "%", As.PERCENT, 1),
        Column(_("from"), "%", As.PERCENT, 1),
        Column(_("to"), "%", As.PERCENT, 1),
    )
    notes = (_("Of all alerts about water, those promises whose time was up in these days."),)
    table = Table(columns, tuple(rows), "", notes)
    return [Section(_("Service promises kept"), _("Service promises"), table)] if rows else []


def locator_section(report: ReportOut, words: LossWords) -> Section:
    """Whether the radii hold what they promise, over a year."""
    _ = words.formats.gettext
    scores, found = ScoreWords(words.formats), report.locator

    def radius(r: RadiusOut) -> tuple[Cell, ...]:
        return r.inside, r.leaks, r.share.value, r.share.low, r.share.high

    def row(name: str, c: CalibrationOut, strong: bool = False) -> Row:
        medians = c.first_m.value, c.search_m.value
        return Row((name, c.leaks, c.first, c.among, *radius(c.half), *radius(c.most), *medians), 0, strong)

    rows: list[Row] = []
    if found.found.leaks:
        rows.append(row(_("All, by what was said as found"), found.found, strong=True))
        if found.sent.leaks:
            rows.append(row(_("All, by what was said as the crew was sent"), found.sent, strong=True))
        rows += [row(d.dma_name, d) for d in found.dmas]
    share = (As.PERCENT, 0)
    columns = (
        Column(_("Leaks found"), how=As.TEXT),
        Column(_("Number")),
        Column(_("First")),
        Column(_("Named")),
        *(
            column
            for promised in (50, 90)
            for column in (
                Column(_("Inside %(n)s %%") % {"n": promised}),
                Column(_("of")),
                Column(_("Share"), "%", *share),
                Column(_("from"), "%", *share),
                Column(_("to"), "%", *share),
            )
        ),
        Column(_("First pipe, median"), "m"),
        Column(_("Begin, median"), "m"),
    )
    lead = []
    if found.found.leaks:
        lead = [
            scores.overall(found.found),
            _("The radius of 50 %% should hold half of the leaks: %(verdict)s.")
            % {"verdict": scores.verdict(found.found.half)}
            + " "
            + _("That of 90 %% should hold nine in ten: %(verdict)s.")
            % {"verdict": scores.verdict(found.found.most)},
        ]
    notes = (
        _("Of the year up to the end of these days. First: the right pipe was the first that Twuin named; "
          "named: it was among those named. Distances run along the pipes. Limits: exact, of 95 %."),
    )  # fmt: skip
    table = Table(columns, tuple(rows), _("No crew has told where a leak was found in this year."), notes)
    return Section(_("How near Twuin located leaks"), _("Locator"), table, tuple(lead))


def find_section(report: ReportOut, words: LossWords) -> Section:
    """Leaks that crews found in these days, and what Twuin had said of them."""
    _, unit = words.formats.gettext, words.formats.unit

    def row(f: FindOut) -> Row:
        s = f.score
        said, hit = s.said, s.hit
        return Row(
            (
                f.alert, f.dma_name, s.found, s.pipe or None, hit.rank, said.suspects, hit.probability,
                hit.best_m, hit.nearest_m, hit.centre_m, said.radius_50_m, said.radius_90_m, s.hours,
                said.flow_m3h, f.fell_m3h,
            )
        )  # fmt: skip

    columns = (
        Column(_("Alert"), how=As.TEXT),
        Column(_("DMA"), how=As.TEXT),
        Column(_("Found"), zone_names(words.formats.zone, report.end.year), As.TIME),
        Column(_("Pipe"), how=As.TEXT),
        Column(_("Rank")),
        Column(_("of")),
        Column(_("Probability"), "%", As.PERCENT, 1),
        Column(_("First pipe"), "m"),
        Column(_("Nearest pipe"), "m"),
        Column(_("Begin"), "m"),
        Column(_("Radius 50 %"), "m"),
        Column(_("Radius 90 %"), "m"),
        Column(_("Location"), unit("h"), digits=1),
        Column(_("Flow"), unit("m3/h"), digits=1),
        Column(_("Fell by"), unit("m3/h"), digits=1),
    )
    notes = (
        _("As Twuin said when the leak was found. Rank: of the right pipe among those named. Distances along "
          "the pipes from the middle of the first pipe named, of the nearest one, and of where a search was "
          "to begin, to where the leak was found."),
    )  # fmt: skip
    table = Table(
        columns, tuple(map(row, report.locator.finds)), _("No crew told where a leak was found."), notes,
        most=_MOST_FINDS, rest=_("%(n)s more are in the workbook."),
    )  # fmt: skip
    return Section(_("Where leaks were found"), _("Leaks found"), table)
