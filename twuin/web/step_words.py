"""Step tests in words."""

from __future__ import annotations

from datetime import datetime

from twuin.views.step_models import AreaOut, StepResultOut, StepTestOut
from twuin.web.formats import Formats
from waterworks.errors import WrongInput

MOST_DECIBANS = 60.0
"""A million to one: beyond it odds only say how narrow the errors were taken to be."""


class StepWords:
    """Sentences about a plan and about what its flows say, in one language."""

    def __init__(self, formats: Formats) -> None:
        self.formats = formats

    def area(self, step: int, *, amid: bool = False) -> str:
        """What an area is called; amid: amid a sentence."""
        _ = self.formats.gettext
        if not step:
            return _("the part that keeps its water") if amid else _("What keeps its water")
        return _("Area %(step)s") % {"step": self.formats.number(step, 0)}

    def expected_search(self, plan: StepTestOut) -> tuple[str, str]:
        """What of the mains is expected to be left to search after the test, and of how much that is."""
        _, fmt = self.formats.gettext, self.formats
        parts = [(s.share, s.length_m) for s in plan.steps] + [(plan.last.share, plan.last.length_m)]
        left = sum(share * length for share, length in parts)
        return fmt.quantity(left, "m", 0), _("of %(all)s of mains, on average") % {
            "all": fmt.quantity(sum(length for _, length in parts), "m", 0)
        }

    def verdict(self, found: StepResultOut) -> tuple[str, str]:
        """How sure it is (good, warn or plain), and the sentence."""
        _, fmt = self.formats.gettext, self.formats
        by_step = {a.step: a for a in found.areas}
        names = ", ".join(self.area(s, amid=True) for s in found.verdict_steps)
        if found.verdict == "area":
            area = by_step[found.verdict_steps[0]]
            return "good", _("The leak is in %(area)s, with %(share)s: about %(leak)s (%(range)s).") % {
                "area": names,
                "share": self.share(area.probability),
                "leak": fmt.quantity(area.leak_m3h, "m3/h"),
                "range": self.leak_range(area),
            }
        if found.verdict == "several":
            return "warn", _("More than one leak: %(areas)s.") % {"areas": names}
        if found.verdict == "none":
            return "good", _("No leak stands out: the flows are what customers and background leakage use.")
        if names:
            return "warn", _("Not told yet, but it lies in one of these: %(areas)s.") % {"areas": names}
        return "warn", _("Not told yet: the drops are too near to what is expected, or the meter too noisy.")

    def share(self, share: float) -> str:
        """A probability; nothing is certain."""
        if share > 0.99:
            return f">\u00a0{self.formats.percent(0.99)}"
        return self.formats.percent(max(share, 1e-6))

    def evidence(self, area: AreaOut) -> str:
        """The odds of a leak there alone against none."""
        beyond = abs(area.decibans) > MOST_DECIBANS
        odds = 10 ** (min(abs(area.decibans), MOST_DECIBANS) / 10)
        number = ("> " if beyond else "") + self.formats.number(odds, 0 if odds >= 10 else 1)
        return f"{number} : 1" if area.decibans >= 0 else f"1 : {number}"

    def leak_range(self, area: AreaOut) -> str:
        fmt = self.formats
        low, high = fmt.number(area.leak_low_m3h), fmt.quantity(area.leak_high_m3h, "m3/h")
        return f"{low}–{high}"

    def noise(self, plan: StepTestOut) -> str:
        """How well the meters tell a drop, and what that rests on."""
        _, fmt = self.formats.gettext, self.formats
        values = {
            "noise": fmt.quantity(plan.noise_m3h, "m3/h"),
            "minutes": fmt.number(plan.dwell_min, 0),
        }
        if plan.noise_source == "measured":
            return _("A mean of %(minutes)s minutes of the inflow at night is off by %(noise)s (one standard error), as the last four weeks' nights show.") % values  # fmt: skip  # noqa: E501
        return _("Too few nights were measured: a mean of %(minutes)s minutes is taken to be off by %(noise)s, from night use that comes in portions of ten litres.") % values  # fmt: skip  # noqa: E501

    def pressure(self, plan: StepTestOut) -> str:
        _, fmt = self.formats.gettext, self.formats
        pressure = {"pressure": fmt.quantity(plan.pressure_m, "m", 0)}
        return {
            "measured": _("Background leakage at %(pressure)s of pressure, as measured at night."),
            "given": _("Background leakage at %(pressure)s of pressure, as dmas.csv gives it."),
            "assumed": _("Pressure is neither measured nor given: background leakage as at %(pressure)s."),
        }[plan.pressure_source] % pressure

    def problem(self, wrong: WrongInput) -> str:
        """What is wrong with what was entered."""
        _, fmt = self.formats.gettext, self.formats
        known = {
            "no_valve": _("Step %(step)s: %(valve)s is no valve that can be shut here."),
            "no_time": _("no time is left to read the flow. Let the steps lie further apart."),
            "no_reading": _("no reading of %(meter)s from %(start)s to %(end)s. Enter the flow by hand."),
            "other_dma": _("Alert %(alert)s is of another DMA."),
            "no_step": _("Enter at least one step, with the valves that were shut."),
            "nothing_shut": _("Step %(step)s: name the valves that were shut."),
            "nothing_dry": _("By the model these valves take the water from no part of this DMA."),
            "nothing_more": _("Step %(step)s: the inflow fell by %(drop)s, but by the model these valves take the water from nothing. Name all valves that were shut."),  # noqa: E501
            "no_flow": _("Step %(step)s: enter the flow, or the time at which its valves were shut."),
            "disorder": _("The times of the steps do not follow one another."),
            "not_a_number": _("“%(value)s” is no number: write 12.5 or 12,5."),
            "too_large": _("“%(value)s” is too large."),
            "not_a_time": _("“%(value)s” is no time."),
            "gap": _("Step %(step)s is empty, but a later one is not."),
        }  # fmt: skip
        values = {
            name: fmt.time(value, "minute" if name == "start" else "clock")
            if isinstance(value, datetime)
            else fmt.quantity(value, "m3/h")
            if isinstance(value, float)
            else str(value)
            for name, value in wrong.values.items()
        }
        sentence = known.get(wrong.code)
        if sentence is None:
            return str(wrong)
        said, step = sentence % values, values.get("step")
        if step is None or "%(step)s" in sentence:  # it names its step itself
            return said
        return f"{_('All valves open') if step == '0' else _('Step %(step)s') % {'step': step}}: {said}"
