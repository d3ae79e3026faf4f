"""What pages say of how well leaks were located, what they lost and what repairs saved, in one language."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from twuin.alerts.score import score_from
from twuin.views.base import Limited
from twuin.views.models import AlertDetail
from twuin.views.run_models import MedianOut, RunOut, StageOut
from twuin.views.score_models import (
    CalibrationOut,
    HitOut,
    RadiusOut,
    RangeOut,
    SaidOut,
    ScoreOut,
    score_out,
)
from twuin.web.formats import NOTHING, Formats

Line = tuple[str, str, str]
"""What is told of, as the crew was sent, and as it was found."""


@dataclass(frozen=True)
class ScoreWords:
    """Sentences in the language of ``formats``."""

    formats: Formats

    # one leak

    def sentence(self, score: ScoreOut) -> str:
        """In one or two sentences, by what was said as it was found."""
        _ = self.formats.gettext
        said, hit = score.said, score.hit
        parts = [self._rank(said, hit, score)]
        if hit.best_m is not None and hit.rank != 1:
            parts.append(
                _("It lay %(metres)s along the pipes from the likeliest one.")
                % {"metres": self.metres(hit.best_m)}
            )
        if hit.centre_m is not None:
            parts.append(
                _("From where a search was to begin it was %(metres)s along the pipes: %(inside)s.")
                % {"metres": self.metres(hit.centre_m), "inside": self._inside(hit)}
            )
        return " ".join(parts)

    def lines(self, alert: AlertDetail) -> list[Line]:
        """What was said as the crew was sent and as it was found, against where it was, line by line."""
        score = alert.score
        if score is None:
            return []
        _ = self.formats.gettext
        cases = ((score.sent_said, score.sent_hit), (score.said, score.hit))

        def line(name: str, tell: Any) -> Line:
            sent, found = (NOTHING if said is None or hit is None else tell(said, hit) for said, hit in cases)
            return name, sent, found

        lines = [
            line(_("The right pipe among those named"), self._place),
            line(_("Likeliest pipe, along the pipes"), lambda s, h: self.metres(h.best_m)),
            line(_("Likeliest pipe, as the crow flies"), lambda s, h: self.metres(h.best_air_m)),
            line(_("Nearest pipe named"), lambda s, h: self.metres(h.nearest_m)),
            line(_("Where a search was to begin"), lambda s, h: self.metres(h.centre_m)),
            line(_("Radius of 50 %"), lambda s, h: self._radius(s.radius_50_m, h.inside_50)),
            line(_("Radius of 90 %"), lambda s, h: self._radius(s.radius_90_m, h.inside_90)),
            line(_("Flow estimated"), lambda s, h: self._flow(s)),
        ]
        if alert.check is not None and alert.check.fell_m3h is not None:
            fell = self.formats.quantity(alert.check.fell_m3h, "m3/h")
            low, high = (self.formats.number(x) for x in (alert.check.low_m3h, alert.check.high_m3h))
            lines.append((_("Fell after the repair"), "", f"{fell} ({low}–{high})"))
        return [x for x in lines if x[1:] != (NOTHING, NOTHING)]

    def said(self, told: dict[str, Any]) -> str:
        """What Twuin said as a crew was sent, from the line of the history."""
        _ = self.formats.gettext
        suspects = told.get("suspects", [])
        if not suspects:
            return _("no pipe was named")
        pipe, probability = suspects[0]
        text = _("likeliest pipe %(pipe)s (%(share)s)") % {
            "pipe": pipe,
            "share": self.formats.percent(probability),
        }
        half, most = told.get("radius_50_m"), told.get("radius_90_m")
        if half is not None and most is not None:
            text += ", " + _("search within %(half)s, %(most)s at most") % {
                "half": self.metres(half),
                "most": self.metres(most),
            }
        return text

    def scored(self, told: dict[str, Any]) -> str:
        """How good that was, from the line of the history."""
        score = score_out(score_from(told))
        assert score is not None
        return self.sentence(score)

    def _rank(self, said: SaidOut, hit: HitOut, score: ScoreOut) -> str:
        _ = self.formats.gettext
        if not score.pipe:
            return _("No pipe of the network lies where it was found.")
        if not said.suspects:
            return _("Twuin had named no pipe.")
        values = {
            "n": self.formats.number(said.suspects, 0),
            "rank": self.formats.number(hit.rank, 0),
            "share": self.formats.percent(hit.probability or 0.0),
        }
        if hit.rank is None:
            text = self.formats.ngettext(
                "The right pipe was not the %(n)s that Twuin had named.",
                "The right pipe was not among the %(n)s that Twuin had named.",
                said.suspects,
            )
            return text % values
        if hit.rank == 1:
            return _("The right pipe was the first that Twuin had named (%(share)s).") % values
        return _("The right pipe was number %(rank)s of %(n)s that Twuin had named (%(share)s).") % values

    def _place(self, said: SaidOut, hit: HitOut) -> str:
        _ = self.formats.gettext
        if not said.suspects:
            return _("none named")
        of = {"n": self.formats.number(said.suspects, 0)}
        if hit.rank is None:
            return _("not among %(n)s") % of
        share = self.formats.percent(hit.probability or 0.0)
        return _("number %(rank)s of %(n)s, %(share)s") % {
            **of,
            "rank": self.formats.number(hit.rank, 0),
            "share": share,
        }

    def _inside(self, hit: HitOut) -> str:
        _ = self.formats.gettext
        if hit.inside_50:
            return _("inside the radius of 50 %")
        if hit.inside_90:
            return _("beyond the radius of 50 %, inside that of 90 %")
        if hit.inside_90 is None:
            return _("no radius was told") if hit.inside_50 is None else _("beyond the radius of 50 %")
        return _("beyond the radius of 90 %")

    def _radius(self, metres: float | None, inside: bool | None) -> str:
        if metres is None or inside is None:
            return NOTHING
        _ = self.formats.gettext
        text = _("%(metres)s: inside") if inside else _("%(metres)s: outside")
        return text % {"metres": self.metres(metres)}

    def _flow(self, said: SaidOut) -> str:
        if not said.flow_m3h:
            return NOTHING
        low, high = self.formats.number(said.flow_low_m3h), self.formats.number(said.flow_high_m3h)
        return f"{self.formats.quantity(said.flow_m3h, 'm3/h')} ({low}–{high})"

    def metres(self, metres: float | None) -> str:
        """A distance, in whole metres."""
        return self.formats.quantity(metres, "m", 0)

    # many leaks

    def radius(self, found: RadiusOut) -> str:
        """How often leaks lay within a radius, and whether that is as often as promised."""
        _ = self.formats.gettext
        if not found.leaks:
            return _("no radius was told")
        return _("%(inside)s of %(leaks)s, %(share)s") % {
            "inside": self.formats.number(found.inside, 0),
            "leaks": self.formats.number(found.leaks, 0),
            "share": self.formats.percent(found.share.value or 0.0),
        }

    def limits(self, found: RadiusOut) -> str:
        """The 95 % interval of that share; "" where there is none."""
        share = found.share
        if share.low is None or share.high is None:
            return ""
        return f"{self.formats.number(100 * share.low, 0)}–{self.formats.number(100 * share.high, 0)}%"

    def verdict(self, found: RadiusOut) -> str:
        """Whether a radius holds what it promises."""
        _ = self.formats.gettext
        return {
            "agrees": _("as promised"),
            "narrow": _("too narrow: it holds clearly fewer than promised"),
            "wide": _("too wide: it holds clearly more than promised"),
            "few": _("too few leaks to tell"),
        }[found.verdict]

    def median(self, found: RangeOut) -> str:
        """A median distance with its interval."""
        if found.value is None:
            return NOTHING
        text = self.metres(found.value)
        if found.low is None or found.high is None:
            return text
        return f"{text} ({self.formats.number(found.low, 0)}–{self.formats.number(found.high, 0)})"

    def overall(self, found: CalibrationOut) -> str:
        """How many leaks this rests on, and in how many the right pipe was named."""
        _, number = self.formats.gettext, self.formats.number
        values = {"named": number(found.named, 0), "first": number(found.first, 0),
                  "among": number(found.among, 0), "n": number(found.leaks, 0)}  # fmt: skip
        text = self.formats.ngettext(
            "%(n)s leak was found; Twuin had named pipes for %(named)s. The right one stood first for "
            "%(first)s, and among those named for %(among)s.",
            "%(n)s leaks were found; Twuin had named pipes for %(named)s of them. The right one stood first "
            "for %(first)s, and among those named for %(among)s.",
            found.leaks,
        )
        return text % values

    # water and time

    def volume(self, found: Limited | None, digits: int | None = 0) -> str:
        """A volume, without its limits."""
        return NOTHING if found is None else self.formats.quantity(found.value, "m3", digits)

    def between(self, found: Limited | None) -> str:
        """The 95 % limits of a volume; "" where there are none to tell."""
        if found is None or found.low == found.high:
            return ""
        return f"{self.formats.number(found.low, 0)}–{self.formats.number(found.high, 0)}"

    def hours(self, hours: float | None) -> str:
        """A time in its largest fitting unit."""
        return NOTHING if hours is None else self.formats.duration(timedelta(hours=hours))

    def typical(self, found: MedianOut) -> str:
        """A median time with the number of leaks that it is of."""
        if found.value is None:
            return NOTHING
        number = self.formats.number(found.leaks, 0)
        leaks = self.formats.ngettext("%(n)s leak", "%(n)s leaks", found.leaks) % {"n": number}
        return f"{self.hours(found.value)} ({leaks})"

    def spread(self, found: MedianOut) -> str:
        """The 95 % interval of a median time; "" where too few leaks give none."""
        if found.low is None or found.high is None:
            return ""
        return f"{self.hours(found.low)} – {self.hours(found.high)}"

    def kept(self, stage: StageOut) -> str:
        """How many promises were kept."""
        number = self.formats.number
        return self.formats.gettext("%(kept)s of %(of)s") % {
            "kept": number(stage.kept, 0),
            "of": number(stage.kept + stage.broken, 0),
        }

    def promised(self, stage: StageOut) -> str:
        """What is promised; "" where that differs by priority."""
        if stage.promised_h is None:
            return ""
        _ = self.formats.gettext
        text = _("within %(span)s of work") if stage.working else _("within %(span)s")
        return text % {"span": self.hours(stage.promised_h)}

    def not_saved(self, run: RunOut) -> str:
        """Why nothing is counted as saved; "" where something is, or nothing was to be."""
        _ = self.formats.gettext
        return {
            "waiting": _("Counted once the nights after the repair show that the loss fell."),
            "undecided": _("Not counted: the readings cannot tell whether the loss fell."),
            "runs_on": _("Nothing is counted: after the repair the loss had not fallen by enough."),
        }.get(run.saved_why, "")
