"""A report as a file of one kind in one language."""

from __future__ import annotations

from twuin.views.report_desk import ReportFile
from twuin.views.report_models import ReportOut
from twuin.web.report_words import document

MEDIA = {
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
"""Media type by kind of file."""


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
    return ReportFile(file_name(report.site, report.period, language, kind), MEDIA[kind], body)


def file_name(site: str, period: str, language: str, kind: str) -> str:
    """Such as mytown-2026-10.id.pdf."""
    return f"{site}-{period}.{language}.{kind}"
