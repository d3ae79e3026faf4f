"""What the crew's phone says of a job, in each language: it may be switched without a line."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from twuin.alerts.model import Kind
from twuin.views.field_models import JobDetail
from twuin.views.models import AlertOut, SiteOut
from twuin.web.formats import Formats
from twuin.web.locales import LANGUAGES, language
from twuin.web.words import Words


def job_words(alert: AlertOut, site: SiteOut) -> dict[str, dict[str, str]]:
    """Sentences about a job by language. Of a ``JobDetail`` also how to shut off the water."""
    return {code: _said(Words(_formats(code, site)), alert) for code in LANGUAGES}


def _said(words: Words, alert: AlertOut) -> dict[str, str]:
    fmt = words.formats
    said = {
        "title": words.title(alert),
        "sentence": words.sentence(alert),
        "flow": _size(words, alert),
        "day": _a_day(words, alert),
        "began": words.search.began(alert),
        "priority": words.service.priority(alert.priority),
        "why": words.service.why(alert),
        "search": words.search.radius(alert),
        "place": words.work.place(alert.place),
    }
    if isinstance(alert, JobDetail) and alert.isolation is not None:
        said["shut"] = words.service.shut(alert.isolation)
        if alert.isolation.shut:
            said["dry"] = words.service.dry(alert.isolation)
        if alert.isolation.assumed:
            said["assumed"] = fmt.gettext(
                "No valves are listed for this site, so each pipe is taken to have one."
            )
    return {name: text for name, text in said.items() if text}


def _size(words: Words, alert: AlertOut) -> str:
    if alert.kind not in (Kind.LEAK, Kind.NIGHT_FLOW, Kind.LOW_INFLOW):
        return ""
    return words.flow(alert)


def _a_day(words: Words, alert: AlertOut) -> str:
    """How much water is lost a day; "" where that is not known or nothing is lost."""
    if alert.kind not in (Kind.LEAK, Kind.NIGHT_FLOW) or alert.flow_m3h <= 0 or "meter" in alert.evidence:
        return ""
    if alert.ended is not None:
        return ""
    return words.formats.quantity(alert.flow_m3h * 24, "m3")


def _formats(code: str, site: SiteOut) -> Formats:
    messages, zone = language(code).messages, ZoneInfo(site.timezone)
    year = 0 if site.clock == "data" else site.now.astimezone(zone).year
    return Formats(code, messages.gettext, messages.ngettext, zone, site.currency, year)
