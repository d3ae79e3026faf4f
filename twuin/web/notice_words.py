"""Messages about alerts in people's words: short, in Bahasa Indonesia and English."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from babel.dates import format_date
from markupsafe import Markup

from twuin.alerts.model import Alert, Kind, State
from twuin.alerts.promises import Standing
from twuin.notify.model import Event, Form, Priority, Text
from twuin.notify.ports import LinkSet, Told
from twuin.notify.sms import fit
from twuin.views.convert import alert_out
from twuin.views.models import AlertOut, ClockOut
from twuin.web.formats import Formats
from twuin.web.locales import language
from twuin.web.words import Words
from waterworks.site import Site

LONGEST_NAME = 60
"""Characters of a name that a message repeats."""

LISTED = 15
"""Alerts that a digest names; of the others it gives the number."""

LPS = 1 / 3.6
"""1 m3/h in L/s."""

_FLOWS = (Kind.LEAK, Kind.NIGHT_FLOW, Kind.LOW_INFLOW)

_HARMLESS = str.maketrans({"<": "‹", ">": "›", "@": "＠", "`": "'", "[": "(", "]": ")", "*": "·", "_": "_"})
"""In names, for channels that read text as markup: what would be a tag, a link or a call to everybody."""


def clean(text: str, longest: int = LONGEST_NAME) -> str:
    """A name on one line: no control characters, no changes of writing direction, not too long."""
    spaced = (" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in text)
    kept = "".join(c for c in spaced if unicodedata.category(c) not in ("Cf", "Cs", "Co"))
    line = " ".join(kept.split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


@dataclass(frozen=True)
class NoticeWords:
    """What messages say of one site's alerts. now: the site's time, whose year times need not name."""

    site: Site
    now: Callable[[], datetime]

    def one(self, told: Told, form: Form, language: str, links: LinkSet) -> Text:
        """A message about one alert."""
        words = self._words(language)
        _ = words.formats.gettext
        alert = self._shown(told.alert, form)
        title = self._title(words, told, alert)
        if form is Form.SMS:
            size = words.flow(alert) if self._size(words, alert) else ""
            parts = (size, self._when(words, alert), links.take or links.page)
            if told.clocks:  # of what is late that counts, not since when it runs
                parts = (self._clocks(words, told)[0], size, links.take or links.page)
            return Text("", fit(title, (*parts, words.lead(alert), links.map)))
        lines = self._facts(words, alert)
        if told.what is Event.OVER:
            if alert.state in (State.REPAIRED, State.VERIFIED):
                lines.append(words.state(alert.state))
            elif words.why_closed(alert):
                lines.append(_("Closed: %(reason)s") % {"reason": words.why_closed(alert)})
        else:
            if told.what is Event.ASSIGNED:
                lines.append(_("Assigned to: %(who)s") % {"who": alert.assignee})
            lines += self._clocks(words, told)
            lines += [line for line in (words.lead(alert), words.search.short(alert)) if line]
            lines.append(self._priority(words, told.priority))
        addresses = [
            (_("Map"), links.map),
            (_("Details"), links.page),
            (_("We go") if told.what is Event.ASSIGNED else _("I take this on"), links.take),
        ]
        return _text(title, lines, [(name, url) for name, url in addresses if url], form, language)

    def digest(
        self, told: Sequence[Told], form: Form, language: str, links: Mapping[str, str], page: str
    ) -> Text:
        """A message about several alerts, the urgent ones first. links: the page of each."""
        words = self._words(language)
        formats = words.formats
        ordered = sorted(told, key=lambda t: (t.what is Event.OVER, -t.priority, t.alert.finding.onset))
        title = formats.ngettext("%(n)s alert in %(site)s", "%(n)s alerts in %(site)s", len(told)) % {
            "n": formats.number(len(told), 0),
            "site": clean(self.site.name),
        }
        lines = []
        for t in ordered[:LISTED]:
            alert = self._shown(t.alert, form)
            facts = [self._title(words, t, alert), self._size(words, alert), self._when(words, alert)]
            lines.append(", ".join(f for f in facts if f))
        if form is Form.SMS:
            return Text("", fit(title, (page, *lines)))
        more = len(told) - LISTED
        if more > 0:
            lines.append(
                formats.ngettext("and %(n)s more", "and %(n)s more", more) % {"n": formats.number(more, 0)}
            )
        addresses = [(formats.gettext("All alerts"), page)] if page else []
        return _text(title, lines, addresses, form, language, listed=True)

    def report(self, period: str, form: Form, language: str, attached: Sequence[str], page: str) -> Text:
        """A message that the report of a month was made; ``attached``: files that go with it."""
        formats = self._words(language).formats
        _, ngettext = formats.gettext, formats.ngettext
        year, month = (int(part) for part in period.split("-"))
        named = str(format_date(date(year, month, 1), "MMMM y", language))
        site = clean(self.site.name)
        title = _("Report of %(month)s: %(site)s") % {"month": named, "site": site}
        if form is Form.SMS:
            return Text("", fit(title, (page,)))
        if attached:
            n = len(attached)
            line = ngettext(
                "The month's report is in %(n)s file attached.",
                "The month's report is in %(n)s files attached.",
                n,
            ) % {"n": formats.number(n, 0)}
        else:
            line = _("The month's report was made. It is on the page of reports.")
        lines = [
            line,
            _("A report that is made stays as it is: make it anew on the page where bills came late."),
        ]
        return _text(title, lines, [(_("Reports"), page)] if page else [], form, language)

    def test(self, receiver: str, form: Form, language: str) -> Text:
        """A message that says only that messages come through."""
        words = self._words(language)
        _ = words.formats.gettext
        title = _("Test by Twuin: %(site)s") % {"site": clean(self.site.name)}
        line = _("This is a test for %(receiver)s. Messages about alerts will come this way.") % {
            "receiver": clean(receiver)
        }
        if form is Form.SMS:
            return Text("", fit(title, (line,)))
        return _text(title, [line], [], form, language)

    # parts

    def _words(self, code: str) -> Words:
        messages = language(code).messages
        return Words(
            Formats(
                code,
                messages.gettext,
                messages.ngettext,
                self.site.timezone,
                self.site.monitor.currency,
                self.now().astimezone(self.site.timezone).year,
            )
        )

    def _shown(self, alert: Alert, form: Form) -> AlertOut:
        """The alert with names that harm no line and no format."""

        def name(text: str) -> str:
            line = clean(text)
            # Mail's HTML is escaped as a whole, and its text is read as it is.
            return line if form is Form.HTML else line.translate(_HARMLESS)

        shown = alert_out(alert, self.site)
        return shown.model_copy(
            update={
                "dma": name(shown.dma),
                "dma_name": name(shown.dma_name),
                "subject": name(shown.subject),
                "assignee": name(shown.assignee),
                "suspects": [s.model_copy(update={"pipe": name(s.pipe)}) for s in shown.suspects],
                "near": [name(n) for n in shown.near],
                "search_from": name(shown.search_from),
                "evidence": {k: _named(v, name) for k, v in shown.evidence.items()},
            }
        )

    def _title(self, words: Words, told: Told, alert: AlertOut) -> str:
        _ = words.formats.gettext
        values = {"title": words.title(alert)}
        match told.what:
            case Event.OVER:
                return _("Over: %(title)s") % values
            case Event.WORSE:
                return _("Has grown: %(title)s") % values
            case Event.AGAIN:
                return _("Again: %(title)s") % values
            case Event.ASSIGNED:
                return _("For you: %(title)s") % values
            case Event.LATE:
                if any(c.done is None and c.standing is Standing.BROKEN for c in told.clocks):
                    return _("Overdue: %(title)s") % values
                if any(c.done is None for c in told.clocks):
                    return _("Due soon: %(title)s") % values
                return _("Was late: %(title)s") % values
        return _("Urgent: %(title)s") % values if told.priority is Priority.HIGH else values["title"]

    def _size(self, words: Words, alert: AlertOut) -> str:
        """The flow in m3/h and L/s; "" where an alert is about no flow."""
        if alert.kind not in _FLOWS or "meter" in alert.evidence:
            return ""
        if not words.search.measured(alert):
            return words.flow(alert)
        return f"{words.flow(alert)} ({words.formats.quantity(abs(alert.flow_m3h) * LPS, 'L/s')})"

    def _when(self, words: Words, alert: AlertOut) -> str:
        _ = words.formats.gettext
        if alert.ended is not None:
            return _("%(start)s to %(end)s") % {
                "start": words.formats.time(alert.onset, "minute"),
                "end": words.formats.time(alert.ended),
            }
        return _("since %(time)s") % {"time": words.formats.time(alert.onset)}

    def _facts(self, words: Words, alert: AlertOut) -> list[str]:
        _ = words.formats.gettext
        size = self._size(words, alert)
        if not size:
            return [words.sentence(alert)]
        name = {
            Kind.LEAK: _("Leak flow"),
            Kind.NIGHT_FLOW: _("Night flow beyond usual"),
            Kind.LOW_INFLOW: _("Missing inflow"),
        }[alert.kind]
        lines = [f"{name}: {size}", _sentence(self._when(words, alert))]
        if alert.kind is not Kind.LOW_INFLOW and alert.lost_m3 > 0:
            lost = _("Lost so far") if alert.ended is None else _("Lost")
            lines.append(f"{lost}: {words.formats.quantity(alert.lost_m3, 'm3')}")
        return lines

    def _clocks(self, words: Words, told: Told) -> list[str]:
        """How what was promised stands, a line each."""
        lines = []
        for clock in told.clocks:
            out = ClockOut(
                stage=clock.stage, begun=clock.begun, due=clock.due, done=clock.done, standing=clock.standing
            )
            standing, by = words.service.clock(out, self.now())
            lines.append(f"{words.service.stage(clock.stage)}: {standing} ({by})")
        return lines

    def _priority(self, words: Words, priority: Priority) -> str:
        _ = words.formats.gettext
        return {
            Priority.HIGH: _("Priority: high"),
            Priority.MEDIUM: _("Priority: medium"),
            Priority.LOW: _("Priority: low"),
        }[priority]


def _named(value: object, name: Callable[[str], str]) -> object:
    """A fact of the evidence with its texts made harmless."""
    if isinstance(value, str):
        return name(value)
    if isinstance(value, list):
        return [_named(v, name) for v in value]
    return value


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _text(
    title: str,
    lines: Sequence[str],
    links: Sequence[tuple[str, str]],
    form: Form,
    language: str,
    *,
    listed: bool = False,
) -> Text:
    """The message as text, and for mail as HTML beside it. listed: each line is an entry of a list."""
    # What no line may hold came in through nothing that we know of: a title is one line whatever it was.
    title = clean(title, 200)
    told = [f"- {line}" for line in lines] if listed else lines
    body = "\n".join([*told, *(f"{name}: {url}" for name, url in links)])
    if form is not Form.HTML:
        return Text(title, body)
    between = Markup("</p>\n<p {}>").format(_APART) if listed else Markup("<br>\n")
    buttons = Markup("\n").join(
        Markup('<a href="{}" style="{}">{}</a>').format(url, _TAPPED, name) for name, url in links
    )
    html = _PAGE.format(
        language, title, _APART, between.join(lines), Markup("<p>{}</p>\n").format(buttons) if links else ""
    )
    return Text(title, body, str(html))


_PAGE = Markup(
    '<!doctype html>\n<html lang="{}"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1"></head>\n'
    "<body style=\"font:16px/1.5 Roboto,'Segoe UI',Arial,sans-serif;max-width:600px;margin:16px\">\n"
    '<p style="font-size:19px"><strong>{}</strong></p>\n<p {}>{}</p>\n{}</body></html>\n'
)
"""A mail: styles stand in each element, as mail programs take out all others."""

_APART = Markup('style="margin:0 0 12px"')

_TAPPED = (
    "display:inline-block;margin:0 8px 8px 0;padding:11px 18px;border:1px solid #0a5a96;border-radius:8px;"
    "color:#0a5a96;font-weight:bold;text-decoration:none"
)
"""A link that a thumb hits, and not the one beside it."""
