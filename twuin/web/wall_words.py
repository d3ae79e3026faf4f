"""What is wrong in ``wall.toml``, in one language."""

from __future__ import annotations

from dataclasses import dataclass

from twuin.web.formats import Formats
from waterworks.errors import Problem


@dataclass(frozen=True)
class WallWords:
    """Sentences in the language of ``formats``."""

    formats: Formats

    def problem(self, problem: Problem) -> str:
        """File, line and what is wrong; as the command line says it where that is not known here."""
        text = self.known().get(problem.code, "")
        if not text:
            return str(problem)
        where = problem.file if problem.line is None else f"{problem.file}:{problem.line}"
        return f"{where}: {' '.join((text % self._values(problem)).split())}"

    def _values(self, problem: Problem) -> dict[str, str]:
        """Keys, names and what stands in the file as they are; limits as the language writes them."""
        _ = self.formats.gettext
        said = {name: str(value) for name, value in problem.values.items()}
        for limit in ("least", "most"):
            value = problem.values.get(limit)
            if isinstance(value, float | int):
                said[limit] = self.formats.number(value, 0 if value == int(value) else 1)
        said["hint"] = ""
        if said.get("near"):
            said["hint"] = _("Did you mean %(near)s?") % {"near": said["near"]}
        elif said.get("names"):
            said["hint"] = _("There are: %(names)s.") % {"names": said["names"]}
        return said

    def known(self) -> dict[str, str]:
        """The sentence of each code."""
        _ = self.formats.gettext
        return {
            "unreadable": _("The file cannot be read: %(why)s."),
            "utf16": _("The text is UTF-16: save the file as UTF-8 (Excel: “CSV UTF-8”)."),
            "not_utf8": _(
                "The text is not UTF-8 (byte %(byte)s): save the file as UTF-8 (Excel: “CSV UTF-8”)."
            ),
            "not_toml": _("This is not TOML (%(why)s)."),
            "no_screen": _("There is no screen: begin one with [[screen]]."),
            "no_page": _("Screen %(number)s has no page: begin one with [[screen.page]]."),
            "panel_no_table": _("panel is no table: write [screen.page.panel.NAME], then its keys."),
            "other_panels": _("grid and upright do not have the same panels: %(odd)s."),
            "not_in_grid": _("The panel “%(name)s” is not in grid. %(hint)s"),
            "no_rows": _(
                '%(key)s is no list of rows: write, for example, ["map map alerts", "map map figures"].'
            ),
            "too_fine": _("%(key)s has more than %(most)s rows or columns."),
            "uneven": _("%(key)s: the row “%(row)s” has %(cells)s cells, the first has %(first)s."),
            "empty_grid": _("%(key)s is empty: name a panel in it."),
            "no_rectangle": _(
                "%(key)s: the cells of “%(name)s” are no rectangle: what comes twice needs two names."
            ),
            "unknown_kind": _("Unknown kind “%(kind)s”. %(hint)s"),
            "no_kind": _("The panel “%(name)s” has no kind. %(hint)s"),
            "no_such_panel": _(
                "“%(name)s” is no kind of panel, and there is no [screen.page.panel.%(name)s] with one. "
                "%(hint)s"
            ),
            "trend_of_both": _("A trend is of a DMA or of a sensor: take out one."),
            "unknown_follow": _('Unknown follow “%(said)s”: write follow = "alert", or take it out.'),
            "map_of_both": _("A map shows a DMA or follows alerts: take out one."),
            "unknown_key": _("Unknown key “%(key)s”. %(hint)s"),
            "no_text": _('%(key)s is no text: write %(key)s = "%(said)s".'),
            "no_number": _("%(key)s: “%(said)s” is no number from %(least)s to %(most)s %(unit)s."),
            "no_list": _('dmas is no list of DMAs: write, for example, dmas = ["D1", "D2"].'),
            "not_there": _("%(kind)s “%(name)s” is not in %(file)s. %(hint)s"),
        }
