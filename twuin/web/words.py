"""What pages say about alerts, DMAs, sensors and rejected messages, in one language.

Sentences are whole messages with places for values, so that a translation may order them as it likes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twuin.alerts.lifecycle import MONITOR
from twuin.alerts.model import Kind, Reason
from twuin.residents.joins import RESIDENTS
from twuin.views.models import AlertOut, EntryOut, SensorOut
from twuin.web.fault_words import FaultWords
from twuin.web.formats import NOTHING, Formats
from twuin.web.planned_words import PlannedWords
from twuin.web.rejects import explain_rejected
from twuin.web.resident_words import ResidentWords
from twuin.web.score_words import ScoreWords
from twuin.web.search_words import SearchWords
from twuin.web.service_words import ServiceWords
from twuin.web.silence_words import SilenceWords
from twuin.web.work_words import WorkWords
from waterworks.reading import Quality
from waterworks.site import Role
from waterworks.units import Quantity

LEAST_LEAD = 0.1
"""A pipe with a smaller share of the ranking than this is no lead of its own."""


@dataclass(frozen=True)
class Words:
    """Names and sentences in the language of ``formats``."""

    formats: Formats

    @property
    def search(self) -> SearchWords:
        """Where to search, since when, whether a visit pays."""
        return SearchWords(self.formats)

    @property
    def score(self) -> ScoreWords:
        """How well a leak was located, what it lost and its repair saved."""
        return ScoreWords(self.formats)

    @property
    def service(self) -> ServiceWords:
        """How urgent an alert is, what was promised, which valves to shut."""
        return ServiceWords(self.formats)

    @property
    def work(self) -> WorkWords:
        """Steps of the work, what was found, how it was mended."""
        return WorkWords(self.formats)

    @property
    def residents(self) -> ResidentWords:
        """What residents report."""
        return ResidentWords(self.formats)

    # alerts

    def kind(self, kind: str) -> str:
        _ = self.formats.gettext
        return {
            Kind.LEAK: _("Leak"),
            Kind.NIGHT_FLOW: _("High night flow"),
            Kind.LOW_INFLOW: _("Low inflow"),
            Kind.SILENT: _("Silent sensor"),
            Kind.SENSOR: _("Sensor fault"),
            Kind.SUPPLY: _("No water"),
            Kind.REPORTED: _("Reported by residents"),
        }[Kind(kind)]

    def title(self, alert: AlertOut) -> str:
        """An alert in a few words: what, and where."""
        _ = self.formats.gettext
        where = {
            "dma": alert.dma_name or alert.dma or self.formats.gettext("no DMA"),
            "sensor": alert.subject,
        }
        match alert.kind:
            case Kind.LEAK:
                return _("Leak in %(dma)s") % where
            case Kind.NIGHT_FLOW:
                return _("High night flow in %(dma)s") % where
            case Kind.LOW_INFLOW:
                return _("Low inflow to %(dma)s") % where
            case Kind.SILENT:
                return SilenceWords(self.formats).title(alert)
            case Kind.SENSOR:
                fault = FaultWords(self.formats).name(alert)
                return _("Sensor %(sensor)s: %(fault)s") % {**where, "fault": fault}
            case Kind.SUPPLY if alert.ended is not None:
                return _("%(dma)s was without water") % where
            case Kind.SUPPLY:
                return _("%(dma)s is without water") % where
            case Kind.REPORTED:
                return self.residents.title(alert, where["dma"])

    def announcement(self, alert: AlertOut) -> str:
        """What is read out when an alert appears."""
        _ = self.formats.gettext
        values = {"title": self.title(alert), "flow": self.flow(alert)}
        if alert.kind in (Kind.SILENT, Kind.SENSOR, Kind.SUPPLY, Kind.REPORTED):
            return _("New alert: %(title)s") % values
        return _("New alert: %(title)s, %(flow)s") % values

    def flow(self, alert: AlertOut) -> str:
        if not self.search.measured(alert):
            return self.formats.gettext("size not known")
        return self.formats.quantity(abs(alert.flow_m3h), "m3/h")

    def interval(self, alert: AlertOut) -> str:
        """The 90 % interval of the flow, without its unit."""
        low, high = sorted((abs(alert.flow_low_m3h), abs(alert.flow_high_m3h)))
        return f"{self.formats.number(low)}–{self.formats.number(high)}"

    def sentence(self, alert: AlertOut) -> str:
        """What Twuin saw, in one or two plain sentences."""
        _ = self.formats.gettext
        values = {
            "dma": alert.dma_name or alert.dma,
            "sensor": alert.subject,
            "onset": self.formats.time(alert.onset),
            "night": self.formats.night(alert.onset),
            "ended": self.formats.time(alert.ended),
            "flow": self.flow(alert),
            "range": self.interval(alert),
        }
        over = alert.ended is not None
        if alert.kind in (Kind.SENSOR, Kind.SUPPLY) or "meter" in alert.evidence:
            return FaultWords(self.formats).sentence(alert, values)
        if alert.kind is Kind.SILENT:
            return SilenceWords(self.formats).sentence(alert, values)
        if alert.kind is Kind.REPORTED:
            return self.residents.sentence(alert)
        match alert.kind:
            case Kind.LEAK if self.search.by_pressure(alert) and over:
                text = _(
                    "From %(onset)s to %(ended)s, pressure in %(dma)s was lower than the other sensors "
                    "explain. Since then it has been as expected again."
                )
            case Kind.LEAK if self.search.by_pressure(alert):
                text = _(
                    "Since %(onset)s, pressure in %(dma)s has been lower than the other sensors explain, "
                    "most of all at the sensors below. A leak near them does that; pressure alone does not "
                    "say how much water it loses."
                )
            case Kind.LEAK if self.search.by_model(alert) and over:
                text = _(
                    "From %(onset)s to %(ended)s, pressures and flows in %(dma)s differed from the network "
                    "model as a leak of %(flow)s would make them. Since then they have agreed with it again."
                )
            case Kind.LEAK if self.search.by_model(alert):
                text = _(
                    "Since %(onset)s, pressures and flows in %(dma)s have differed from the network model as "
                    "a leak of %(flow)s (likely range %(range)s) at the pipes below would make them."
                )
            case Kind.LEAK if over:
                text = _(
                    "From %(onset)s to %(ended)s, %(dma)s took in %(flow)s more water than it usually does "
                    "at the same hours of the week. Since then its inflow has been as expected again."
                )
            case Kind.LEAK:
                text = _(
                    "Since %(onset)s, %(dma)s has taken in %(flow)s more water than it usually does at the "
                    "same hours of the week (likely range %(range)s). The extra flow runs on day and night, "
                    "as a leak does."
                )
            case Kind.NIGHT_FLOW if over:
                text = _(
                    "From the night of %(night)s to %(ended)s, the minimum night flow of %(dma)s was "
                    "%(flow)s higher than its past nights and its customers explain. It has come down since."
                )
            case Kind.NIGHT_FLOW:
                text = _(
                    "Since the night of %(night)s, the minimum night flow of %(dma)s has been %(flow)s "
                    "higher than its past nights and its customers explain. Water that runs while people "
                    "sleep is mostly leakage."
                )
            case Kind.LOW_INFLOW if over:
                text = _(
                    "From %(onset)s to %(ended)s, %(dma)s took in %(flow)s less water than it usually does "
                    "at the same hours of the week. Since then its inflow has been as expected again."
                )
            case Kind.LOW_INFLOW:
                text = _(
                    "Since %(onset)s, %(dma)s has taken in %(flow)s less water than it usually does at the "
                    "same hours of the week. Supply may be cut, or an inlet meter counts too little."
                )
        return text % values

    def measured_against(self, alert: AlertOut) -> str:
        """What a high night flow is held against, in sentences; "" where that is not known."""
        found = self._nights(alert)
        if found is None:
            return ""
        _ = self.formats.gettext
        if found["legitimate"] > found["reference"]:
            text = _(
                "Measured against %(against)s, which its customers use at night; before, its night flow was "
                "%(before)s. It rose to %(level)s."
            )
        else:
            text = _(
                "Measured against %(against)s, its night flow in the weeks before. It rose to %(level)s, of "
                "which its customers explain %(legitimate)s."
            )
        told = text % {
            "against": self._flow(max(found["legitimate"], found["reference"])),
            "before": self._flow(found["reference"]),
            "legitimate": self._flow(found["legitimate"]),
            "level": self._flow(found["level"]),
        }
        count = int(found["nights"])
        lasting = self.formats.ngettext(
            "That has lasted %(n)s night.", "That has lasted %(n)s nights.", count
        ) % {"n": self.formats.number(count, 0)}
        adapted = _(
            "“Usual” night flow, the lower of the last seven nights, has come to include the "
            "rise and does not show it any more."
        )
        return " ".join([told, *([] if alert.ended else [lasting, adapted])])

    def rise(self, alert: AlertOut) -> str:
        """A high night flow in short: from what to what."""
        found = self._nights(alert)
        if found is None:
            return ""
        values = {
            "level": self._flow(found["level"]),
            "against": self._flow(max(found["legitimate"], found["reference"])),
        }
        return self.formats.gettext("%(level)s at night against %(against)s") % values

    def reference_m3h(self, alert: AlertOut) -> float | None:
        """The night flow [m3/h] that an alert of high night flow is held against."""
        found = self._nights(alert)
        return None if found is None else max(found["legitimate"], found["reference"])

    def _nights(self, alert: AlertOut) -> dict[str, float] | None:
        names = {
            "level": "night_flow_m3h",
            "reference": "reference_m3h",
            "legitimate": "legitimate_m3h",
            "nights": "nights",
        }
        told = {name: alert.evidence.get(key) for name, key in names.items()}
        known = {name: float(v) for name, v in told.items() if isinstance(v, int | float)}
        return known if alert.kind is Kind.NIGHT_FLOW and len(known) == len(names) else None

    def _flow(self, m3h: float) -> str:
        return self.formats.quantity(m3h, "m3/h")

    def lead(self, alert: AlertOut) -> str:
        """Where to look first, in short; "" where nothing points anywhere."""
        _ = self.formats.gettext
        if not alert.suspects:
            return ""
        first = alert.suspects[0]
        if first.probability >= LEAST_LEAD:
            share = self.formats.percent(first.probability)
            return _("Most suspect: pipe %(pipe)s (%(share)s)") % {"pipe": first.pipe, "share": share}
        if alert.near:
            return _("No pipe stands out. Seen most at %(sensors)s") % {"sensors": ", ".join(alert.near[:2])}
        return _("No pipe stands out")

    def confidence(self, share: float) -> str:
        """How sure Twuin is, in words and as a share."""
        _ = self.formats.gettext
        if share >= 0.95:
            word = _("almost certain")
        elif share >= 0.8:
            word = _("very likely")
        elif share >= 0.6:
            word = _("likely")
        else:
            word = _("possible")
        # No finding is certain: what rounds to 100 % is told as more than 99 %.
        shown = f">\u00a0{self.formats.percent(0.99)}" if share > 0.99 else self.formats.percent(share)
        return f"{word} ({shown})"

    def state(self, state: str) -> str:
        return self.work.state(state)

    def reason(self, reason: str) -> str:
        """Why an alert was closed."""
        _ = self.formats.gettext
        return {
            Reason.REPAIRED: _("Repaired"),
            Reason.ENDED: _("Ended by itself"),
            Reason.FALSE_ALARM: _("False alarm"),
            Reason.PLANNED: _("Planned work"),
            Reason.DUPLICATE: _("Same event as another alert"),
            Reason.WITHDRAWN: _("Withdrawn: later readings no longer support it"),
        }[Reason(reason)]

    def planned(self, alert: AlertOut) -> str:
        """Which kind of planned work explains an alert; "" where none does."""
        kind = alert.evidence.get("planned_kind")
        return PlannedWords(self.formats).kind(kind) if isinstance(kind, str) else ""

    def planned_now(self, kinds: Sequence[str]) -> str:
        """The works that go on in a DMA now; "" for none."""
        return ", ".join(PlannedWords(self.formats).kind(k) for k in kinds)

    def why_closed(self, alert: AlertOut) -> str:
        """Why this alert was closed; "" while nothing is said of it."""
        return "" if alert.reason is None else self.why(alert.reason, alert.kind)

    def why(self, reason: str, kind: str) -> str:
        """Why an alert of this kind was closed."""
        if kind == Kind.SILENT and reason == Reason.WITHDRAWN:
            return self.formats.gettext("Withdrawn: the readings of that time came later")
        return self.reason(reason)

    def unsupported(self, alert: AlertOut) -> str:
        """Why somebody who is at an alert should think again; "" while readings support it."""
        _ = self.formats.gettext
        if alert.supported:
            return ""
        if alert.kind is Kind.SILENT:
            return _("The readings of that time have come since. Whoever is at it decides what it was.")
        return _("Later readings no longer support this alert. Whoever is at it decides what it was.")

    def note(self, entry: EntryOut, kind: str = "") -> str:
        """The note of a history line: of an update what changed, else what a person wrote.

        kind: of the alert.
        """
        if entry.action != "updated":
            return entry.note
        _ = self.formats.gettext
        parts = {
            "finding": _("first estimate"),
            "onset": _("start"),
            "ended": _("end"),
            "flow": _("flow"),
            "volume": _("water lost"),
            "confidence": _("confidence"),
            "suspects": _("suspect pipes"),
            "visit": _("whether a visit pays"),
            "unsupported": _("the readings of that time have come since")
            if kind == Kind.SILENT
            else _("later readings no longer support it"),
            "supported": _("readings support it again"),
            "planned": _("a planned work explains it"),
            "unplanned": _("no planned work explains it any more"),
        }
        return ", ".join(parts.get(part, part) for part in entry.note.split(", ") if part)

    def actor(self, actor: str) -> str:
        """Who did something: a person by the name given; Twuin by itself, as it read sensors or reports."""
        _ = self.formats.gettext
        names = {MONITOR: "Twuin", RESIDENTS: "Twuin", "someone": _("someone"), "staff": _("staff")}
        return names.get(actor, actor) or NOTHING

    # DMAs and sensors

    def dma_state(self, state: str) -> str:
        _ = self.formats.gettext
        return {
            "normal": _("Normal"),
            "watch": _("Watch"),
            "leak": _("Leak"),
            "nodata": _("No data"),
        }.get(state, state)

    def sensor_state(self, state: str) -> str:
        _ = self.formats.gettext
        return {
            "ok": _("Working"),
            "silent": _("Silent"),
            "suspect": _("Doubtful"),
            "nodata": _("No data"),
        }.get(state, state)

    def quality(self) -> dict[int, str]:
        """What each quality flag of a reading means."""
        _ = self.formats.gettext
        return {
            int(Quality.SUSPECT): _("marked doubtful by the device"),
            int(Quality.OUT_OF_RANGE): _("outside the believable range"),
            int(Quality.CLOCK): _("the device's clock is doubtful"),
            int(Quality.ESTIMATED): _("estimated, not measured"),
        }

    def measured(self, quantity: str) -> str:
        """A quantity's name."""
        _ = self.formats.gettext
        return {
            Quantity.FLOW: _("Flow"),
            Quantity.PRESSURE: _("Pressure"),
            Quantity.LEVEL: _("Level"),
            Quantity.VOLUME: _("Volume"),
            Quantity.TEMPERATURE: _("Temperature"),
            Quantity.VOLTAGE: _("Battery voltage"),
            Quantity.SIGNAL: _("Signal"),
            Quantity.RATIO: _("Ratio"),
        }[Quantity(quantity)]

    def role(self, role: str) -> str:
        _ = self.formats.gettext
        return {
            Role.INLET: _("Inlet meter"),
            Role.CONSUMPTION: _("Customer meter"),
            Role.STORAGE: _("Tank level"),
            Role.MONITOR: _("Monitoring point"),
        }[Role(role)]

    def reading(self, sensor: SensorOut) -> str:
        """The newest value of a sensor with its unit."""
        return self.formats.quantity(sensor.latest, sensor.unit)

    # Twuin itself

    def rejected(self, code: str) -> tuple[str, str]:
        """A reason code of rejected input: its name, and what to do about it."""
        return explain_rejected(code, self.formats.gettext)

    def health(self, status: str) -> str:
        _ = self.formats.gettext
        return {"ok": _("Working"), "degraded": _("Impaired"), "down": _("Down")}.get(status, status)

    def part(self, part: str) -> str:
        """A part of Twuin, by its name in the health answer."""
        _ = self.formats.gettext
        return {
            "ingest": _("Data intake"),
            "broker": _("Message broker"),
            "store": _("Reading store"),
            "spool": _("Waiting readings"),
            "files": _("Files of loggers"),
            "monitor": _("Leak monitor"),
            "means": _("Means of the readings"),
            "notify": _("Telling people"),
            "alerts": _("Alert store"),
            "database": _("Alert store"),
            "simulator": _("Simulator"),
            "web": _("Pages"),
            "api": _("Interface"),
        }.get(part, part)
