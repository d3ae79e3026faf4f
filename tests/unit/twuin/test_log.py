"""Log lines: one record is one line's worth, whatever it took from outside; the same as JSON for programs."""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider

from twuin import __version__, log
from twuin.cli.options import settings_from
from waterworks.errors import SettingsError

HOSTILE = "a\x1b[2J\nERROR   twuin: all is lost\r\x00\u2028b"


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def test_a_line_for_people_has_time_level_part_and_message(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("info")
    logging.getLogger("ingest.watch").warning("%s: %d rows", "a.csv", 3)
    logging.getLogger("ingest.watch").debug("not asked for")
    (line,) = said(capsys)
    assert re.fullmatch(r"\d\d:\d\d:\d\d WARNING ingest.watch: a.csv: 3 rows", line)


def test_what_came_from_outside_cannot_pass_for_a_line_of_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("info")
    logging.getLogger("ingest").warning("topic %s", HOSTILE)
    first, second = capsys.readouterr().err.rstrip("\n").split("\n")
    assert first.endswith(r"ingest: topic a\x1b[2J")
    assert second == r"    ERROR   twuin: all is lost\r\x00\u2028b"


def test_a_record_is_one_json_object_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("info", "json", site="malang")
    logging.getLogger("twuin").error("%s stopped: %s", "ingest", HOSTILE, extra={"job": "ingest"})
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", text)
    told = json.loads(text)
    at = datetime.fromisoformat(told.pop("time"))
    assert at.tzinfo == UTC
    assert timedelta() <= datetime.now(UTC) - at < timedelta(minutes=1)
    assert told.pop("pid") > 0
    assert told == {
        "level": "error",
        "part": "twuin",
        "message": f"ingest stopped: {HOSTILE}",
        "thread": "MainThread",
        "version": __version__,
        "site": "malang",
        "job": "ingest",
    }


def test_an_exception_is_a_member_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("info", "json")
    try:
        raise ZeroDivisionError("by nothing")
    except ZeroDivisionError:
        logging.getLogger("twuin").exception("the monitor failed")
    (line,) = said(capsys)
    told = json.loads(line)
    assert told["message"] == "the monitor failed"
    assert told["exception"].startswith("Traceback")
    assert told["exception"].endswith("ZeroDivisionError: by nothing")
    assert "site" not in told


def test_a_line_within_a_trace_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("info", "json")
    with TracerProvider().get_tracer("test").start_as_current_span("work") as span:
        logging.getLogger("twuin").info("in it")
    logging.getLogger("twuin").info("after it")
    within, after = map(json.loads, said(capsys))
    assert within["trace_id"] == f"{span.get_span_context().trace_id:032x}"
    assert within["span_id"] == f"{span.get_span_context().span_id:016x}"
    assert "trace_id" not in after


def test_the_setting_chooses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TWUIN_LOG_FORMAT", "json")
    settings_from(site=tmp_path / "malang")
    logging.getLogger("twuin").warning("so")
    (line,) = said(capsys)
    assert json.loads(line)["site"] == "malang"
    monkeypatch.setenv("TWUIN_LOG_FORMAT", "xml")
    with pytest.raises(SettingsError, match=r"log_format = 'xml' .*: give 'text' or 'json'"):
        settings_from()
