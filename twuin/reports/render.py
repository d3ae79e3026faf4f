"""A report as a file of one kind in one language."""

from __future__ import annotations

import re

from twuin.views.report_desk import ReportFile
from twuin.views.report_models import ReportOut
from twuin.web.report_words import document

MEDIA = {
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
"""Media type by kind of file."""


_ODD = re.compile(r"[^A-Za-z0-9._-]")
"""What stands in no file name and no header, whatever a DMA is called."""


def render(report: ReportOut, language: str, kind: str) -> ReportFile:
    """``report`` in ``language`` (id or en) as ``kind`` (pdf or xlsx)."""
    # Their libraries take a while to load: only who makes a report waits for them.
    words = document(report, language)
    if kind == "xlsx":
        from twuin.reports.excel import workbook

        body = workbook(words)
    else:
        from twuin.reports.pdf import paper

        body = paper(words)
    of = "-".join([report.site, *(report.dmas or ())])
    return ReportFile(file_name(of, report.period, language, kind), MEDIA[kind], body)


def file_name(of: str, period: str, language: str, kind: str) -> str:
    """Such as mytown-2026-10.id.pdf. of: the site, and the DMAs that the report is limited to."""
    return f"{_ODD.sub('_', of)[:80]}-{period}.{language}.{kind}"
