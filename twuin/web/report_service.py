"""Sections of a report about service: supply and pressure, sensors, the national indicators."""

from __future__ import annotations

from twuin.views.ledger_models import LedgerCounts
from twuin.views.loss_models import LossOut
from twuin.views.report_models import IndicatorOut, ReportOut
from twuin.web.loss_words import LossWords
from twuin.web.report_tables import As, Cell, Column, Num, Row, Section, Table

_MOST_SENSORS = 60  # on paper: the poorest


def service_section(report: ReportOut, words: LossWords) -> Section:
    """Hours of supply and service pressure of each DMA."""
    _, unit, number = words.formats.gettext, words.formats.unit, words.formats.number
    found = report.losses.service
    lowest: dict[str, float] = {}
    for s in found.sensors if found is not None else ():
        lowest[s.dma] = min(lowest.get(s.dma, s.lowest_m), s.lowest_m)

    by_dma = {d.id: d.share for d in report.availability_dmas}

    def cells(d: LossOut) -> tuple[Cell, ...]:
        share = None if found is None else found.by_dma.get(d.id) if d.id else found.share
        least = lowest.get(d.id) if d.id else min(lowest.values(), default=None)
        came = by_dma.get(d.id) if d.id else report.availability_share
        return came, d.measured_share, d.supply_h_day, d.pressure_m, d.night_pressure_m, share, least

    columns = (
        Column(_("DMA"), how=As.TEXT),
        Column(_("Readings that came"), "%", As.PERCENT, 1),
        Column(_("Inflow known"), "%", As.PERCENT, 1),
        Column(_("Hours of supply"), unit("h/day"), digits=1),
        Column(_("Mean pressure"), "m", digits=1),
        Column(_("Pressure at night"), "m", digits=1),
        Column(_("Service pressure kept"), "%", As.PERCENT, 1),
        Column(_("Lowest hour"), "m", digits=1),
    )
    whole = report.losses.site
    rows = [Row((d.name, *cells(d))) for d in report.losses.dmas]
    rows.append(Row((whole.name, *cells(whole)), strong=True))
    if found is None:
        lead = (_("Service pressure: %(why)s") % {"why": words.why(report.losses.service_why)},)
    else:
        lead = (
            _("Service pressure of %(minimum)s m: kept in %(share)s %% of the hours of all pressure sensors, "
              "everywhere at once in %(everywhere)s %%. Hours without water count as not kept.")
            % {"minimum": number(found.minimum_m, 1), "share": number(found.share * 100, 1),
               "everywhere": number(found.everywhere_share * 100, 1)},
        )  # fmt: skip
    return Section(_("Supply and pressure"), _("Supply and pressure"), Table(columns, tuple(rows)), lead)


def sensor_section(report: ReportOut, words: LossWords) -> Section:
    """Readings that came of those that were to come."""
    _, number = words.formats.gettext, words.formats.number
    dmas = {d.id: d.name for d in report.losses.dmas}
    every = report.availability
    counted = every.expected or every.received  # else a page of noughts
    rows = [
        Row((s.sensor, s.name if s.name != s.sensor else None, dmas.get(s.dma, s.dma) or None, s.expected,
             _came(s), s.late, s.rejected, s.missing, s.share))
        for s in report.availability_sensors
        if counted
    ]  # fmt: skip
    columns = (
        Column(_("Sensor"), how=As.TEXT),
        Column(_("Name"), how=As.TEXT),
        Column(_("DMA"), how=As.TEXT),
        Column(_("To come")),
        Column(_("Came")),
        Column(_("Late")),
        Column(_("Rejected")),
        Column(_("Missing")),
        Column(_("Available"), "%", As.PERCENT, 1),
    )
    lead = []
    if report.availability_share is not None:
        lead.append(
            _("Of %(expected)s readings that were to come %(share)s %% came.")
            % {"expected": number(every.expected, 0), "share": number(report.availability_share * 100, 1)}
        )
    notes = (
        _("As the ledger of the ingest counts: what comes by MQTT, since it began to count."),
        _("Readings that came before they were due, or beyond those that were to come, are left out."),
    )
    table = Table(
        columns, tuple(rows),
        _("The ledger counted no readings: it counts what comes by MQTT since it began."), notes,
        sums=frozenset(range(3, 8)), total=_("All sensors"),
        most=_MOST_SENSORS, rest=_("%(n)s more, which are at least as good, are in the workbook."),
    )  # fmt: skip
    return Section(_("Availability of sensors, the poorest first"), _("Sensors"), table, tuple(lead))


def _came(counts: LedgerCounts) -> int:
    """Of what was to come: a month that runs has readings already that are not due yet."""
    return min(counts.received, max(counts.expected - counts.missing, 0)) if counts.expected else 0


def indicator_section(report: ReportOut, words: LossWords) -> Section:
    """The eighteen indicators of the yearly evaluation, with what Twuin has of them."""
    _, unit = words.formats.gettext, words.formats.unit
    columns = (
        Column(_("Aspect"), how=As.TEXT),
        Column(_("Indicator"), how=As.TEXT),
        Column(_("Value"), digits=1),
        Column(_("Unit"), how=As.TEXT),
        Column(_("Remark"), how=As.TEXT),
    )
    aspects = {
        "finance": _("Finance"),
        "service": _("Service"),
        "operation": _("Operation"),
        "staff": _("Staff"),
    }
    rows = tuple(
        Row(
            (
                aspects[x.aspect], indicator_name(x.code, words), _measure(x),
                unit(x.unit) if x.value is not None else None, _remark(x, report, words) or None,
            )
        )
        for x in report.indicators
    )  # fmt: skip
    lead = (
        _("The eighteen indicators by which the performance of water utilities in Indonesia is evaluated "
          "every year (scheme of BPPSPAM and the ministry of public works; BPKP, Petunjuk Teknis Evaluasi "
          "Kinerja PDAM). Scores and weights are given by the evaluator."),
    )  # fmt: skip
    none = _("They are of the whole utility, and this report is of some of its DMAs only.")
    table = Table(columns, rows, none)
    return Section(_("Indicators of the yearly performance evaluation"), _("Indicators"), table, lead)


def _measure(x: IndicatorOut) -> Num:
    """As a share where it is a per cent: a workbook formats it as such, like all others."""
    if x.value is None or x.unit != "%":
        return Num(x.value, 1)
    return Num(x.value / 100, 1, percent=True)


def indicator_name(code: str, words: LossWords) -> str:
    """What the scheme calls an indicator."""
    _ = words.formats.gettext
    return {
        "return_on_equity": _("Return on equity"),
        "operating_ratio": _("Operating ratio"),
        "cash_ratio": _("Cash ratio"),
        "collection": _("Effectiveness of collection"),
        "solvency": _("Solvency"),
        "coverage": _("Coverage of service"),
        "customer_growth": _("Growth of customers"),
        "complaints": _("Complaints settled"),
        "water_quality": _("Water quality at customers"),
        "domestic_use": _("Domestic water use"),
        "production": _("Efficiency of production"),
        "water_losses": _("Level of water losses (NRW)"),
        "supply_hours": _("Hours of service operation"),
        "pressure": _("Water pressure at connections"),
        "meter_replacement": _("Replacement of water meters"),
        "staff_ratio": _("Staff per 1,000 customers"),
        "training": _("Share of staff trained"),
        "training_cost": _("Cost of training"),
    }.get(code, code)


def _remark(indicator: IndicatorOut, report: ReportOut, words: LossWords) -> str:
    _ = words.formats.gettext
    if indicator.status == "other":
        return _("Not from Twuin: from the utility's books.")
    if indicator.status == "missing":
        if indicator.remark == "no_complaints":
            return _("Residents cannot report to Twuin here (residents.open): complaints are not registered.")
        if indicator.remark == "none_received":
            return _("No resident reported anything in these days.")
        return words.why(indicator.remark)
    if indicator.code == "complaints":
        return _complaints(report, words)
    if indicator.code == "water_losses":
        return _("Water distributed less water billed, of water distributed; what went in is measured at the "
                 "DMA inlets, so losses before them are not in it.")  # fmt: skip
    if indicator.code == "supply_hours":
        return _("Mean over DMAs by their connections, from measured pressure or inflow.")
    found = report.losses.service
    minimum = words.formats.number(found.minimum_m if found else None, 1)
    if indicator.remark == "lower_minimum":
        return _("Share of hours of the pressure sensors at or above %(minimum)s m. The scheme asks for the "
                 "share of customers above 0.7 bar (7.1 m): set service.min_pressure_m to it.") % {
            "minimum": minimum}  # fmt: skip
    return _("Share of hours of the pressure sensors at or above %(minimum)s m; the scheme counts customers "
             "above 0.7 bar (7.1 m).") % {"minimum": minimum}  # fmt: skip


def _complaints(report: ReportOut, words: LossWords) -> str:
    """What the share of complaints settled rests on."""
    _, number = words.formats.gettext, words.formats.number
    found = report.complaints
    if found is None:
        return ""
    said = [
        _("%(settled)s of %(received)s reports that residents sent by the public page were settled; what was "
          "told by phone or at the counter is not in it.")
        % {"settled": number(found.settled, 0), "received": number(found.received, 0)}
    ]  # fmt: skip
    for text, kept, broken in (
        (_("Answered in time: %(kept)s of %(total)s."), found.answers_kept, found.answers_broken),
        (_("Settled in time: %(kept)s of %(total)s."), found.settled_in_time, found.settled_late),
    ):
        if kept is not None and broken is not None and kept + broken:
            said.append(text % {"kept": number(kept, 0), "total": number(kept + broken, 0)})
    return " ".join(said)
