"""A report in words of one language: its sections, headings, reasons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from zoneinfo import ZoneInfo

from babel.dates import format_date

from twuin.alerts.promises import Stage
from twuin.views.loss_models import Limited, LossOut
from twuin.views.report_models import Outcome, ReportOut
from twuin.web.formats import Formats, currency_sign, zone_names
from twuin.web.locales import language
from twuin.web.loss_words import LossWords
from twuin.web.report_results import (
    find_section,
    locator_section,
    promise_section,
    response_section,
)
from twuin.web.report_service import indicator_section, sensor_section, service_section
from twuin.web.report_tables import As, Bars, Cell, Column, Document, Num, Row, Section, Table

_MOST_LEAKS = 120  # on paper: four pages


def report_formats(code: str, report: ReportOut) -> Formats:
    """How a report writes numbers and times: every time names its year."""
    messages = language(code).messages
    zone = ZoneInfo(report.timezone)
    return Formats(code, messages.gettext, messages.ngettext, zone, report.losses.currency, 0)


def document(report: ReportOut, code: str) -> Document:
    """``report`` in the language ``code``."""
    formats = report_formats(code, report)
    _, words = formats.gettext, LossWords(formats)
    month = report.kind == "month"
    period = format_date(report.start, "MMMM y" if month else "y", code)
    about = [
        _("Days reported on: %(days)s (%(zone)s)")
        % {"days": words.days(report.losses), "zone": report.timezone},
        _("Made on %(when)s.") % {"when": formats.time(report.made)},
        _("Limits are 95 % limits. A dash stands for what is not known; the last section says why."),
    ]
    if not report.complete:
        about.insert(1, _("PRELIMINARY: the period is not over, or not all of it was analysed."))
    if report.dmas is not None:
        names = ", ".join(d.name for d in report.losses.dmas)
        about.insert(0, _("ONLY OF THESE DMAs, not of the whole network: %(dmas)s.") % {"dmas": names})
    return Document(
        formats=formats,
        site=report.site_name,
        title=_("Monthly report on water losses") if month else _("Yearly report on water losses"),
        period=period,
        about=tuple(about),
        made=report.made,
        sections=(
            _summary(report, words),
            _balance(report, words),
            _balances(report, words),
            _indices(report, words),
            _nights(report, words),
            _leaks(report, words),
            response_section(report, words),
            *promise_section(report, words),
            find_section(report, words),
            locator_section(report, words),
            service_section(report, words),
            sensor_section(report, words),
            indicator_section(report, words),
            _missing(report, words),
        ),
        labels={"page": _("Page %(n)s of %(of)s")},
    )


def limited(value: Limited | None, factor: float = 1.0) -> tuple[float | None, float | None, float | None]:
    """A value with its limits, as three cells."""
    if value is None:
        return None, None, None
    return value.value * factor, value.low * factor, value.high * factor


def _value(value: Limited | None) -> float | None:
    return None if value is None else value.value


def _summary(report: ReportOut, words: LossWords) -> Section:
    _, unit = words.formats.gettext, words.formats.unit
    site, leaks = report.losses.site, report.leak_totals
    money = currency_sign(words.formats.currency, words.formats.code)
    rows: list[Row] = []

    def add(
        name: str,
        value: Limited | float | None,
        shown: str,
        digits: int,
        lacking: str = "",
        note: str = "",
    ) -> None:
        percent = shown == "%"
        spread = limited(value) if isinstance(value, Limited) else (value, None, None)
        limits: tuple[Cell, Cell] = ("", "")
        if spread[1] != spread[2]:
            limits = Num(spread[1], digits, percent), Num(spread[2], digits, percent)
        remark = lacking if value is None else note
        rows.append(Row((name, Num(spread[0], digits, percent), *limits, shown, remark)))

    def why(*names: str) -> str:
        return next((words.why(site.why[n]) for n in names if n in site.why), "")

    add(_("System input volume"), site.balance.system_input, "m³", 0, why("system_input"))
    add(_("Billed authorised consumption"), site.balance.billed, "m³", 0, why("nrw"))
    add(_("Non-revenue water (NRW)"), site.nrw_share, "%", 1, why("nrw"))
    add(_("NRW of a connection"), site.nrw_l_connection_day, _("L/day"), 0, why("nrw", "per_connection"))
    add(_("Real losses"), site.real_m3day, unit("m3/d"), 0, why("real"), words.source(site))
    add(_("Unavoidable real losses (UARL)"), site.uarl_m3day, unit("m3/d"), 0, why("uarl"))
    bands = words.bands(site, report.losses.economy)
    beyond = "; ".join(words.limit(code) for code in site.ili_limits)
    if beyond:
        bands += ". " + _("Not to be compared with others: %(limits)s.") % {"limits": beyond}
    add(_("ILI"), site.ili, "", 1, why("ili"), bands)
    add(_("Leakage at night"), site.leakage_m3h, unit("m3/h"), 1, why("leakage", "night_flow"))
    add(_("Cost of real losses a day"), site.cost_day, money, 0, why("cost"))
    add(_("Hours of supply"), site.supply_h_day, unit("h/day"), 1, why("supply"))
    add(_("Leaks found"), leaks.found, "", 0)
    add(_("Leaks repaired"), leaks.repaired, "", 0)
    add(_("Leaks running at the end"), leaks.running, "", 0)
    add(_("Water lost by these leaks"), leaks.lost_m3, "m³", 0)
    add(_("Water saved by repairs"), report.response.all.saved_m3, "m³", 0, _("No repair is verified."))
    add(_("Readings that came"), report.availability_share, "%", 1, _("No readings were to come."))
    columns = (
        Column(_("Figure"), how=As.TEXT),
        Column(_("Value")),
        Column(_("from")),
        Column(_("to")),
        Column(_("Unit"), how=As.TEXT),
        Column(_("Remark"), how=As.TEXT),
    )
    return Section(_("Summary"), _("Summary"), Table(columns, tuple(rows)))


def _bars(words: LossWords, report: ReportOut) -> Bars | None:
    parts = words.bar(report.losses.site)
    given = report.losses.site.balance.system_input
    if not parts or given is None:
        return None
    _ = words.formats.gettext
    return Bars(
        "m³",
        {kind: name for kind, name, *_rest in parts},
        (("", tuple((kind, share * given.value) for kind, _name, _x, _w, share in parts)),),
        _("System input divided into what is billed and what is not"),
    )


def _balance(report: ReportOut, words: LossWords) -> Section:
    _ = words.formats.gettext
    site = report.losses.site
    rows = tuple(
        Row((line.name, *limited(line.value), line.share), line.depth, line.depth <= 1)
        for line in words.balance(site)
    )
    columns = (
        Column(_("Component"), how=As.TEXT),
        Column(_("Volume"), "m³"),
        Column(_("from"), "m³"),
        Column(_("to"), "m³"),
        Column(_("of system input"), "%", As.PERCENT, 1),
    )
    lead = []
    if site.balance.days != report.losses.days:
        lead.append(
            _("Of %(n)s of the %(of)s days: for the others nothing billed is given.")
            % {"n": site.balance.days, "of": report.losses.days}
        )
    return Section(
        _("Water balance of the whole site (IWA)"),
        _("Water balance"),
        Table(columns, rows),
        tuple(lead),
        _bars(words, report),
    )


def _per_dma(
    report: ReportOut, cells: Callable[[LossOut], tuple[Cell, ...]], gettext: Callable[[str], str]
) -> tuple[Row, ...]:
    """A line for each DMA, then for each zone, then for the whole site."""
    _ = gettext
    whole = report.losses.site
    rows = [Row((d.name, *cells(d))) for d in report.losses.dmas]
    zones = [Row((_zone_name(z, _), *cells(z)), strong=True) for z in report.losses.zones]
    return (*rows, *zones, Row((whole.name, *cells(whole)), strong=True))


def _zone_name(zone: LossOut, gettext: Callable[[str], str]) -> str:
    _ = gettext
    return _("Zone %(name)s") % {"name": zone.name}


def _balances(report: ReportOut, words: LossWords) -> Section:
    _ = words.formats.gettext

    def cells(d: LossOut) -> tuple[Cell, ...]:
        b = d.balance
        return (
            d.connections,
            b.days,
            *(_value(v) for v in (b.system_input, b.billed, b.unbilled, b.apparent, b.real, b.nrw)),
            *limited(d.nrw_share),
        )

    columns = (
        Column(_("DMA"), how=As.TEXT),
        Column(_("Connections")),
        Column(_("Days")),
        Column(_("Input"), "m³"),
        Column(_("Billed"), "m³"),
        Column(_("Unbilled"), "m³"),
        Column(_("Apparent losses"), "m³"),
        Column(_("Real losses"), "m³"),
        Column(_("NRW"), "m³"),
        Column(_("NRW"), "%", As.PERCENT, 1),
        Column(_("from"), "%", As.PERCENT, 1),
        Column(_("to"), "%", As.PERCENT, 1),
    )
    notes = (
        _("The last line is the whole site, with its own limits: errors of meters between DMAs end there."),
    )
    return Section(
        _("Water balance of each DMA"),
        _("Balance by DMA"),
        Table(columns, _per_dma(report, cells, _), notes=notes),
    )


def _indices(report: ReportOut, words: LossWords) -> Section:
    _, unit = words.formats.gettext, words.formats.unit
    sources = {"balance": _("balance"), "night": _("night flow")}
    economies = [e for e in ("developing", "developed") if report.losses.economy in ("", e)]

    def cells(d: LossOut) -> tuple[Cell, ...]:
        band = " / ".join(d.ili_bands[e] for e in economies if e in d.ili_bands)
        return (
            _value(d.nrw_l_connection_day),
            d.pressure_m,
            *limited(d.real_m3day),
            sources.get(d.real_source),
            d.uarl_m3day,
            *limited(d.ili),
            (band + "*" if d.ili_limits else band) or None,
        )

    columns = (
        Column(_("DMA"), how=As.TEXT),
        Column(_("NRW a connection"), _("L/day")),
        Column(_("Pressure"), "m", digits=1),
        Column(_("Real losses"), unit("m3/d"), digits=1),
        Column(_("from"), unit("m3/d"), digits=1),
        Column(_("to"), unit("m3/d"), digits=1),
        Column(_("Source"), how=As.TEXT),
        Column(_("UARL"), unit("m3/d"), digits=1),
        Column(_("ILI"), digits=1),
        Column(_("from"), digits=1),
        Column(_("to"), digits=1),
        Column(_("Band"), how=As.TEXT),
    )
    names = {"developing": _("developing countries"), "developed": _("developed countries")}
    notes = [
        _("Bands of the World Bank Institute, A (good) to D (very inefficient), for %(economies)s.")
        % {"economies": " / ".join(names[e] for e in economies)}
    ]
    limits = list(dict.fromkeys(x for d in (*report.losses.dmas, report.losses.site) for x in d.ili_limits))
    if limits:
        notes.append(
            "* " + _("Follow this ILI over time, but do not compare it with others:") + " "
            + "; ".join(words.limit(code) for code in limits) + "."
        )  # fmt: skip
    return Section(
        _("Real losses and ILI"), _("Real losses and ILI"),
        Table(columns, _per_dma(report, cells, _), notes=tuple(notes)),
    )  # fmt: skip


def _nights(report: ReportOut, words: LossWords) -> Section:
    _, unit = words.formats.gettext, words.formats.unit
    by_id = {d.id: d for d in report.losses.dmas}
    ranked = [by_id[id] for id in report.nights]
    rows = []
    for place, d in enumerate(ranked, 1):
        rows.append(
            Row(
                (
                    None if d.leakage_m3h is None else place, d.name, d.nights, *limited(d.night_flow_m3h),
                    _value(d.legitimate_m3h), d.background_m3h, d.burst_m3h, _value(d.leakage_m3h),
                    _value(d.excess_m3day),
                )
            )
        )  # fmt: skip
    flow = unit("m3/h")
    columns = (
        Column(_("Rank")),
        Column(_("DMA"), how=As.TEXT),
        Column(_("Nights")),
        Column(_("Night flow"), flow, digits=2),
        Column(_("from"), flow, digits=2),
        Column(_("to"), flow, digits=2),
        Column(_("Legitimate use"), flow, digits=2),
        Column(_("Background leakage"), flow, digits=2),
        Column(_("Bursts"), flow, digits=2),
        Column(_("Leakage"), flow, digits=2),
        Column(_("Excess"), unit("m3/d")),
    )
    return Section(
        _("Night flows, the largest leakage first"), _("Night flows"),
        Table(columns, tuple(rows), _("This site has no DMAs.")), chart=_night_bars(ranked, words),
    )  # fmt: skip


def _night_bars(ranked: Sequence[LossOut], words: LossWords) -> Bars | None:
    _ = words.formats.gettext
    rows, parts = [], {}
    for place, d in enumerate(ranked, 1):
        if d.night_flow_m3h is None:
            continue
        shown = words.night_bar(d, 1.0)
        rows.append((f"{place}  {d.name}", tuple((kind, share) for kind, _name, _x, _w, share in shown)))
        parts.update({kind: name for kind, name, *_rest in shown})
    if not parts:
        return None
    return Bars(words.formats.unit("m3/h"), parts, tuple(rows), _("Night flow of each DMA in its parts"))


def _leaks(report: ReportOut, words: LossWords) -> Section:
    _, unit = words.formats.gettext, words.formats.unit
    money = currency_sign(words.formats.currency, words.formats.code)
    zone = zone_names(words.formats.zone, report.end.year)
    outcomes = {
        Outcome.RUNNING: _("runs"),
        Outcome.ENDED: _("ended by itself"),
        Outcome.REPAIRED: _("repaired"),
    }
    fell = any(x.fell_m3h is not None for x in report.leaks)
    saved = any(x.saved_m3 is not None for x in report.leaks)
    rows = [
        Row(
            (
                x.alert, x.dma_name if x.kind == "leak" else f"{x.dma_name} ¹", x.place or None, x.onset,
                x.detected, x.located, x.repaired or x.ended, x.flow_m3h,
                *((x.fell_m3h,) if fell else ()), x.lost_m3,
                *((_value(x.saved_m3),) if saved else ()), x.cost, x.awareness_h, x.repair_h,
                outcomes[x.outcome],
            )
        )
        for x in report.leaks
    ]  # fmt: skip
    columns = (
        Column(_("Alert"), how=As.TEXT),
        Column(_("DMA"), how=As.TEXT),
        Column(_("Pipe"), how=As.TEXT),
        Column(_("Onset"), zone, As.TIME),
        Column(_("Detected"), zone, As.TIME),
        Column(_("Located"), zone, As.TIME),
        Column(_("Ended"), zone, As.TIME),
        Column(_("Flow"), unit("m3/h"), digits=1),
        *((Column(_("Fell by"), unit("m3/h"), digits=1),) if fell else ()),
        Column(_("Lost"), "m³"),
        *((Column(_("Saved"), "m³"),) if saved else ()),
        Column(_("Cost"), money),
        Column(_("Awareness"), unit("h"), digits=1),
        Column(_("Repair"), unit("h"), digits=1),
        Column(_("Outcome"), how=As.TEXT),
    )
    t = report.leak_totals
    number = words.formats.number
    lead = [
        _("Found: %(found)s. Repaired: %(repaired)s. Ended without repair being entered: %(ended)s. "
          "Running at the end: %(running)s. Alerts that were no leak: %(aside)s.")
        % {"found": t.found, "repaired": t.repaired, "ended": t.ended, "running": t.running,
           "aside": t.set_aside}
    ]  # fmt: skip
    if t.mean_awareness_h is not None:
        lead.append(
            _("On average %(hours)s h from onset to detection.") % {"hours": number(t.mean_awareness_h, 1)}
        )
    if t.mean_repair_h is not None:
        lead.append(
            _("On average %(hours)s h from detection to the end.") % {"hours": number(t.mean_repair_h, 1)}
        )
    stages = {
        Stage.RESPOND: _("response"),
        Stage.LOCATE: _("leak found"),
        Stage.REPAIR: _("repair"),
    }
    if report.promises:
        told = (
            _("%(stage)s %(kept)s of %(of)s")
            % {"stage": stages[p.stage], "kept": p.kept, "of": p.kept + p.broken}
            for p in report.promises
        )
        lead.append(
            _("Service promises kept, of those due in these days: %(told)s.") % {"told": "; ".join(told)}
        )
    notes = [
        _("Water lost is counted from the onset of each leak, also before these days, up to its end or to "
          "the last analysis. Repair: from detection to the end.")
    ]  # fmt: skip
    if any(x.kind != "leak" for x in report.leaks):
        notes.append(
            "¹ "
            + _("High night flow: its water may be that of a leak in this list, and is in no total above.")
        )
    return Section(
        _("Leaks"), _("Leaks"),
        Table(
            columns, tuple(rows), _("No leak ran, was found or was repaired."), tuple(notes),
            most=_MOST_LEAKS, rest=_("%(n)s more are in the workbook."),
        ),
        tuple(lead),
    )  # fmt: skip


def _missing(report: ReportOut, words: LossWords) -> Section:
    _ = words.formats.gettext
    columns = (
        Column(_("Reason"), how=As.TEXT),
        Column(_("Figures"), how=As.TEXT),
        Column(_("Where"), how=As.TEXT),
    )
    rows = [Row(line) for line in words.missing(report.losses)]
    if report.losses.service is None and report.losses.service_why:
        rows.append(Row((words.why(report.losses.service_why), _("Service pressure"), report.site_name)))
    if report.availability_share is None:
        rows.append(
            Row((_("The ledger counted no readings: it counts what comes by MQTT since it began."),
                 _("Sensor availability"), report.site_name))
        )  # fmt: skip
    return Section(
        _("What is not known, and why"), _("Not known"), Table(columns, tuple(rows), _("Nothing is missing."))
    )
