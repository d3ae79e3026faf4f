"""What is wrong, or may be, with a file of bills, in one language."""

from __future__ import annotations

from dataclasses import dataclass

from twuin.views.bill_desk import BillProblem
from twuin.web.formats import Formats


@dataclass(frozen=True)
class BillWords:
    """Sentences in the language of ``formats``."""

    formats: Formats

    def where(self, problem: BillProblem) -> str:
        """The file, and of a workbook the sheet."""
        if not problem.sheet:
            return problem.file
        values = {"file": problem.file, "sheet": problem.sheet}
        return self.formats.gettext("%(file)s, sheet %(sheet)s") % values

    def problem(self, problem: BillProblem) -> str:
        """What is wrong and what would be right; "" for what is not known here."""
        text = self.known().get(problem.code, "")
        return text % self._values(problem) if text else ""

    def _values(self, problem: BillProblem) -> dict[str, str]:
        """Values as the language writes them; names and what stands in the file as they are."""
        said = {
            name: self.formats.number(value, 0) if isinstance(value, float | int) else str(value)
            for name, value in problem.values.items()
        }
        if "dma" in said:
            said["dma"] = said["dma"] or self.formats.gettext("whole site")
        if "near" in said:
            near = {"near": said["near"]}
            said["near"] = self.formats.gettext("Did you mean %(near)s?") % near if said["near"] else ""
        return said

    def known(self) -> dict[str, str]:
        """The sentence of each code."""
        _ = self.formats.gettext
        return {
            # the file
            "wrong_kind": _("The file is neither CSV (.csv) nor Excel (.xlsx)."),
            "too_large": _("The file is larger than %(most)s MB."),
            "unpacks": _("The workbook unpacks to more than %(most)s MB."),
            "far_cell": _(
                "A cell stands beyond row %(rows)s or column %(columns)s: delete it, and the empty ones "
                "before it."
            ),
            "not_a_workbook": _("The file cannot be read as a workbook: save it in Excel again (%(why)s)."),
            "no_sheet": _("There is no sheet %(sheet)s, only %(sheets)s."),
            "several_sheets": _("There are several sheets (%(sheets)s): name one beside the file."),
            "empty_workbook": _("The workbook is empty."),
            "unreadable": _("The file cannot be read: %(why)s."),
            "utf16": _("The text is UTF-16: save the file as UTF-8 (Excel: “CSV UTF-8”)."),
            "not_utf8": _(
                "The text is not UTF-8 (byte %(byte)s): save the file as UTF-8 (Excel: “CSV UTF-8”)."
            ),
            "nul": _("There is a NUL byte: this is no CSV file."),
            "not_csv": _("The file cannot be read as CSV (%(why)s): look for a quote that is not closed."),
            # the heading
            "empty": _("The file is empty: its first line names the columns %(columns)s."),
            "no_bills": _("There are no bills: nothing stands below the heading."),
            "column_unnamed": _("A column has no name."),
            "column_unknown": _("The column %(column)s is not known. %(near)s"),
            "column_twice": _("The column %(column)s is there twice."),
            "column_missing": _("Missing columns: %(columns)s."),
            # a line
            "cells_many": _(
                "There are %(cells)s cells where the heading has %(heading)s: put a text that holds the "
                "separator in double quotes."
            ),
            "empty_cell": _("%(column)s is empty."),
            "not_a_number": _("%(column)s: “%(said)s” is no number."),
            "decimal_comma": _(
                "%(column)s: “%(said)s” is no number: write a decimal point in a file whose cells are "
                "separated by commas."
            ),
            "thousands": _("%(column)s: “%(said)s” is no number: leave out the thousands separator."),
            "not_finite": _("%(column)s: “%(said)s” is no number: leave the cell empty where it is unknown."),
            "not_finite_needed": _(
                "%(column)s: “%(said)s” is no number: leave the row out where it is unknown."
            ),
            "below": _("%(column)s: “%(said)s” is below %(limit)s."),
            "ambiguous": _("%(column)s: “%(said)s” may mean %(digits)s: write it without separators."),
            "not_a_month": _("“%(said)s” is no month: write it as 2026-10."),
            "dma_unknown": _("The DMA %(dma)s is not in dmas.csv. %(near)s"),
            "twice": _("%(month)s of %(dma)s is there already, on line %(line)s."),
            # the whole
            "both_ways": _(
                "%(month)s is there by DMA and for the whole site (line %(line)s): write it one way."
            ),
            "stands_by_dma": _(
                "%(month)s is given for the whole site, but stands in billed.csv by DMA: give it the same "
                "way, or take its lines out of billed.csv first."
            ),
            "stands_whole": _(
                "%(month)s is given by DMA, but stands in billed.csv for the whole site: give it the same "
                "way, or take its lines out of billed.csv first."
            ),
            "unusual": _("%(month)s of %(dma)s: %(volume)s m³, where %(usual)s m³ is usual."),
            "not_over": _("%(month)s of %(dma)s: this month is not over."),
            "lacking": _(
                "%(month)s: nothing is given for %(dmas)s; without all DMAs the whole site has no balance "
                "for this month."
            ),
        }
