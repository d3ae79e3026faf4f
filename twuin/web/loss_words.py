"""What the page on losses says, in one language: names, reasons, what a state means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twuin.views.loss_models import Limited, LossesOut, LossOut
from twuin.web.formats import NOTHING, Formats

BAR_WIDTH = 240.0
"""Width of a bar's box, in its own units."""


@dataclass(frozen=True)
class BalanceRow:
    """A line of the balance: ``depth`` of its indent, ``share`` of system input."""

    name: str
    depth: int
    value: Limited | None
    share: float | None


@dataclass(frozen=True)
class LossWords:
    """Names and sentences in the language of ``formats``."""

    formats: Formats

    # values

    def value(self, limited: Limited | None, unit: str, digits: int | None = None, factor: float = 1) -> str:
        """A value and its unit."""
        return self.formats.quantity(None if limited is None else limited.value * factor, unit, digits)

    def limits(self, limited: Limited | None, digits: int | None = None, factor: float = 1) -> str:
        """Its 95 % limits, without unit; "" where there are none."""
        if limited is None or limited.low == limited.high:
            return ""
        low, high = (self.formats.number(v * factor, digits) for v in (limited.low, limited.high))
        return f"{low} … {high}" if limited.low < 0 else f"{low}–{high}"

    def days(self, found: LossesOut) -> str:
        """From when to when."""
        return f"{self.formats.day(found.start)} – {self.formats.day(found.end)}"

    def balance(self, loss: LossOut) -> list[BalanceRow]:
        """The balance from top to bottom."""
        _ = self.formats.gettext
        rows = (
            ("system_input", _("System input volume"), 0),
            ("authorised", _("Authorised consumption"), 1),
            ("billed", _("Billed authorised consumption"), 2),
            ("billed_metered", _("Billed, metered"), 3),
            ("billed_unmetered", _("Billed, unmetered"), 3),
            ("unbilled", _("Unbilled authorised consumption"), 2),
            ("unbilled_metered", _("Unbilled, metered"), 3),
            ("unbilled_unmetered", _("Unbilled, unmetered"), 3),
            ("losses", _("Water losses"), 1),
            ("apparent", _("Apparent losses"), 2),
            ("unauthorised", _("Unauthorised consumption"), 3),
            ("meter_error", _("Customer meter inaccuracies"), 3),
            ("data_error", _("Data handling errors"), 3),
            ("real", _("Real losses"), 2),
            ("nrw", _("Non-revenue water (NRW)"), 0),
        )
        given = loss.balance.system_input
        out = []
        for field, name, depth in rows:
            value: Limited | None = getattr(loss.balance, field)
            known = value is not None and given is not None and given.value > 0
            share = value.value / given.value if known and value and given else None
            out.append(BalanceRow(name, depth, value, share))
        return out

    def bar(self, loss: LossOut) -> list[tuple[str, str, float, float, float]]:
        """System input divided: (kind, name, x, width, share), [] where it is not known or makes no sense."""
        _ = self.formats.gettext
        b = loss.balance
        parts = [
            ("billed", _("Billed"), b.billed),
            ("unbilled", _("Unbilled"), b.unbilled),
            ("apparent", _("Apparent losses"), b.apparent),
            ("real", _("Real losses"), b.real),
        ]
        if b.real is None and b.nrw is not None:
            parts = [parts[0], ("nrw", _("Non-revenue water (NRW)"), b.nrw)]
        values = [(kind, name, v.value) for kind, name, v in parts if v is not None]
        if b.system_input is None or len(values) != len(parts):
            return []
        return _stacked(values, b.system_input.value)

    def night_bar(self, loss: LossOut, most: float) -> list[tuple[str, str, float, float, float]]:
        """Night flow divided, on a scale of ``most`` m3/h."""
        _ = self.formats.gettext
        if loss.night_flow_m3h is None or loss.legitimate_m3h is None or loss.leakage_m3h is None:
            return []
        used = loss.night_flow_m3h.value - loss.leakage_m3h.value
        parts = [("billed", _("legitimate use"), used)]
        if loss.background_m3h is None or loss.burst_m3h is None:
            parts.append(("nrw", _("leakage"), loss.leakage_m3h.value))
        else:
            parts.append(("unbilled", _("background leakage"), loss.background_m3h))
            parts.append(("real", _("bursts"), loss.burst_m3h))
        return _stacked(parts, most)

    def bands(self, loss: LossOut, economy: str) -> str:
        """The band of the ILI, for the kind of economy that the site names, or for both."""
        _ = self.formats.gettext
        names = {
            "developing": _("band %(band)s among developing countries"),
            "developed": _("band %(band)s among developed countries"),
        }
        shown = [e for e in names if e in loss.ili_bands and economy in ("", e)]
        return "; ".join(names[e] % {"band": loss.ili_bands[e]} for e in shown)

    # words for codes

    def why(self, code: str) -> str:
        """Why a figure is not there, and what would bring it."""
        _ = self.formats.gettext
        return {
            "no_readings": _("No inflow was measured."),
            "gaps": _("Less than half of the inflow was measured, or some hour of the day never."),
            "few_nights": _("Fewer than three nights have a night flow."),
            "no_pressure": _("No pressure is measured here, and none is given (dmas.csv: pressure_m)."),
            "no_sensor": _("No pressure is measured here."),
            "negative": _("Bills and estimates are more than what went in: look at meters and bills."),
            "pressure_gaps": _("Pressure was not measured at every hour of the day."),
            "no_mains": _("The length of mains is not given (dmas.csv: mains_km)."),
            "no_connections": _("No connections are given (dmas.csv: connections)."),
            "no_bills": _(
                "What was billed on these days is not given (billed.csv, or dmas.csv: billed_m3_month)."
            ),
            "site_bills": _("Bills are given for the whole site only (billed.csv: dma)."),
            "no_estimates": _("Theft, unbilled use or what meters miss is not given (site.toml: [balance])."),
            "no_night_leakage": _("What it rests on is not known."),
            "other_dmas": _("It is not known for every DMA."),
            "no_minimum": _("The minimum service pressure is not given (site.toml: service.min_pressure_m)."),
            "no_cost": _("The value of water is not given (site.toml: monitor.water_cost)."),
            "no_repair_cost": _("The cost of a repair is not given (site.toml: economics.repair_cost)."),
            "no_survey_cost": _(
                "The cost of a leak survey is not given (site.toml: economics.survey_cost_per_km)."
            ),
            "short_history": _("Fewer than 56 nights are known to see leakage rise in."),
            "no_rise": _("No rise of leakage stands out."),
            "no_step": _("Night pressure never changed enough to learn it."),
            "opposite": _("Leakage rose as pressure fell: a leak, not a valve."),
            "no_leakage": _("There is no leakage beside night use."),
            "implausible": _("What was found lies outside of all that was ever measured."),
        }.get(code, code)

    def figure(self, name: str) -> str:
        """A figure that may be missing."""
        _ = self.formats.gettext
        return {
            "system_input": _("System input volume"),
            "nrw": _("NRW"),
            "real_balance": _("Real losses by the balance"),
            "real": _("Real losses"),
            "night_flow": _("Night flow"),
            "leakage": _("Leakage at night"),
            "background": _("Background leakage and bursts"),
            "burst": _("Bursts"),
            "pressure": _("Zone pressure"),
            "ndf": _("Night-day factor"),
            "excess": _("Excess"),
            "uarl": _("UARL"),
            "ili": _("ILI"),
            "cost": _("Cost a day"),
            "payback": _("Payback of a repair"),
            "survey": _("Interval of leak surveys"),
            "rise": _("Rise of leakage"),
            "supply": _("Hours of supply"),
            "legitimate": _("Legitimate use"),
            "per_connection": _("Losses a connection"),
        }.get(name, name)

    def missing(self, found: LossesOut) -> list[tuple[str, str, str]]:
        """What is not known: (reason, figures, DMAs); figures that the same DMAs lack for the same stand
        together."""
        _ = self.formats.gettext
        lacking: dict[tuple[str, str], list[str]] = {}
        for dma in found.dmas or [found.site]:
            for name, code in dma.why.items():
                lacking.setdefault((code, self.figure(name)), []).append(dma.name)
        told = {code for code, _figure in lacking} | {"other_dmas"}
        for name, code in found.site.why.items():
            if code not in told:
                lacking[code, self.figure(name)] = [found.site.name]
        together: dict[tuple[str, tuple[str, ...]], list[str]] = {}
        for (code, figure), dmas in lacking.items():
            figures = together.setdefault((code, tuple(dict.fromkeys(dmas))), [])
            if figure not in figures:
                figures.append(figure)
        everywhere = _("all DMAs")
        return [
            (
                self.why(code),
                ", ".join(figures),
                everywhere if len(places) == len(found.dmas) > 1 else ", ".join(places),
            )
            for (code, places), figures in sorted(together.items(), key=lambda kv: kv[0][0])
        ]

    def limit(self, code: str) -> str:
        """A limit of validity of the ILI."""
        _ = self.formats.gettext
        return {
            "small": _("fewer than 3,000 connections (a km of mains counting as 20)"),
            "low_pressure": _("pressure below 25 m"),
            "high_pressure": _("pressure above 100 m"),
            "sparse": _("fewer than 20 connections a km of mains"),
            "intermittent": _("supplied for less than 20 hours a day"),
        }.get(code, code)

    def source(self, loss: LossOut) -> str:
        """Where real losses come from."""
        _ = self.formats.gettext
        return {"balance": _("from the water balance"), "night": _("from night flow")}.get(
            loss.real_source, ""
        )

    def exponent(self, loss: LossOut) -> str:
        """N1 and where it comes from."""
        _ = self.formats.gettext
        return {
            "given": _("given"),
            "estimated": _("estimated from changes of pressure"),
            "assumed": _("assumed"),
        }.get(loss.n1_source, "")

    def valve(self, state: str) -> tuple[str, str, str]:
        """State of a reducing valve: how it is drawn, its name, what it means."""
        _ = self.formats.gettext
        return {
            "steady": ("normal", _("steady"), _("It holds its pressure.")),
            "hunting": (
                "watch",
                _("hunting"),
                _("Its pressure jumps from reading to reading: look at pilot, air and size."),
            ),
            "drifting": ("watch", _("drifting"), _("Its pressure creeps: look at pilot and diaphragm.")),
            "open": (
                "leak",
                _("not regulating"),
                _("Its pressure follows the flow: stuck open, or too little pressure before it."),
            ),
            "unsteady": ("watch", _("unsteady"), _("Its pressure swings within the day.")),
            "unknown": ("nodata", _("not known"), _("Too few readings.")),
        }.get(state, ("nodata", state, ""))

    def months(self, value: float | None) -> str:
        if value is None:
            return NOTHING
        return self.formats.gettext("%(n)s months") % {"n": self.formats.number(value)}


def _stacked(
    values: Sequence[tuple[str, str, float]], whole: float
) -> list[tuple[str, str, float, float, float]]:
    if not whole > 0 or any(v < -1e-9 for _, _, v in values):
        return []
    out, x = [], 0.0
    for kind, name, value in values:
        width = max(value, 0.0) / whole * BAR_WIDTH
        out.append((kind, name, round(x, 2), round(width, 2), value / whole))
        x += width
    return out
