"""Times as files write them, to UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ingest.instants import TimeFormat, parse, to_utc

ROME = ZoneInfo("Europe/Rome")


def us(text: str) -> int:
    return int(np.datetime64(text, "us").astype(np.int64))


def local(*texts: str) -> np.ndarray:
    return np.array([us(t) for t in texts], np.int64)


def as_text(utc: np.ndarray) -> list[str]:
    return [str(t)[5:16] for t in utc.view("datetime64[us]")]


class TestParse:
    @pytest.mark.parametrize(
        ("format", "text", "expected"),
        [
            ("iso", "2026-11-21", "2026-11-21T00:00"),
            ("iso", "2026-11-21 10:05", "2026-11-21T10:05"),
            ("iso", "2026-11-21T10:05:07", "2026-11-21T10:05:07"),
            ("iso", " 2026-11-21 10:05:07.123456789 ", "2026-11-21T10:05:07.123456"),
            ("iso", "2026-11-21 10:05:07,5", "2026-11-21T10:05:07.5"),
            ("%d/%m/%Y %H:%M", "1/2/2026 5:03", "2026-02-01T05:03"),
            ("%m/%d/%y %I:%M %p", "02/01/26 12:30 AM", "2026-02-01T00:30"),
            ("%m/%d/%y %I:%M %p", "02/01/26 12:30 pm", "2026-02-01T12:30"),
            ("%d.%m.%Y  %H:%M:%S.%f", "29.02.2024 23:59:59.25", "2024-02-29T23:59:59.25"),
            ("%Y%m%d%H%M", "202602010503", "2026-02-01T05:03"),
            ("%Y%% %m %d", "2026% 2 1", "2026-02-01T00:00"),
        ],
    )
    def test_local_times(self, format: str, text: str, expected: str) -> None:
        parsed = parse(pa.array([text]), [TimeFormat(format)])
        assert parsed.ok.all() and not parsed.zoned.any()
        assert parsed.us.tolist() == [us(expected)]

    @pytest.mark.parametrize(
        ("format", "text", "expected"),
        [
            ("iso", "2026-11-21T10:05:00Z", "2026-11-21T10:05"),
            ("iso", "2026-11-21T10:05:00+07:00", "2026-11-21T03:05"),
            ("iso", "2026-11-21 10:05-0330", "2026-11-21T13:35"),
            ("%d/%m/%Y %H:%M %z", "21/11/2026 00:30 +0100", "2026-11-20T23:30"),
        ],
    )
    def test_times_with_a_zone(self, format: str, text: str, expected: str) -> None:
        parsed = parse(pa.array([text]), [TimeFormat(format)])
        assert parsed.ok.all() and parsed.zoned.all()
        assert parsed.us.tolist() == [us(expected)]

    @pytest.mark.parametrize(
        ("format", "text"),
        [("unix_s", "1763719500"), ("unix_ms", "1763719500000"), ("unix_s", "1763719500.0")],
    )
    def test_times_since_1970(self, format: str, text: str) -> None:
        parsed = parse(pa.array([text]), [TimeFormat(format)])
        assert parsed.zoned.all() and parsed.us.tolist() == [1763719500_000_000]

    @pytest.mark.parametrize(
        ("format", "text"),
        [
            ("iso", "2026-02-29"),
            ("iso", "2026-13-01"),
            ("iso", "2026-01-00"),
            ("iso", "2026-01-01 24:00"),
            ("iso", "2026-01-01 10:60"),
            ("iso", "2026-01-01 10:00 x"),
            ("iso", "21/11/2026"),
            ("iso", ""),
            ("%d/%m/%Y", "31/02/2026"),
            ("%d/%m/%Y", "12/31/2026"),
            ("%d/%m/%Y %I:%M %p", "01/02/2026 13:00 PM"),
            ("unix_s", "99999999999999999999"),
        ],
    )
    def test_what_is_no_time(self, format: str, text: str) -> None:
        parsed = parse(pa.array([text, "x"]), [TimeFormat(format)])
        assert not parsed.ok.any() and not parsed.us.any()

    def test_of_several_formats_the_first_that_fits(self) -> None:
        formats = [TimeFormat("%d/%m/%Y %H:%M"), TimeFormat("%m/%d/%Y %H:%M"), TimeFormat("iso")]
        cells = pa.array(["01/02/2026 00:00", "12/31/2026 00:00", "2026-05-06", "no"])
        parsed = parse(cells, formats)
        assert parsed.ok.tolist() == [True, True, True, False]
        assert parsed.us[:3].tolist() == [us("2026-02-01"), us("2026-12-31"), us("2026-05-06")]

    def test_days_as_excel_counts_them_are_local(self) -> None:
        # 2026-11-21 is day 46347 of Excel; 10:05 is 0.42013888888888889 of a day
        for cells in (pa.array([46347.42013888889, None]), pa.array(["46347.42013888889", ""])):
            parsed = parse(cells, [TimeFormat("excel")])
            assert parsed.ok.tolist() == [True, False] and not parsed.zoned.any()
            assert parsed.us.tolist() == [us("2026-11-21T10:05"), 0]

    @pytest.mark.parametrize("kind", [pa.int64(), pa.float64()])
    def test_numbers_in_typed_columns(self, kind: pa.DataType) -> None:
        parsed = parse(pa.array([1763719500000, None], kind), [TimeFormat("iso"), TimeFormat("unix_ms")])
        assert parsed.ok.tolist() == [True, False]
        assert parsed.us[0] == 1763719500_000_000

    def test_arrow_timestamps_keep_their_zone(self) -> None:
        when = datetime(2026, 11, 21, 10, 5, tzinfo=UTC)
        zoned = parse(pa.array([when, None], pa.timestamp("ns", "Asia/Jakarta")), [TimeFormat("iso")])
        assert zoned.ok.tolist() == [True, False] and zoned.zoned.tolist() == [True, False]
        assert zoned.us[0] == us("2026-11-21T10:05")
        naive = parse(pa.array([when.replace(tzinfo=None)], pa.timestamp("s")), [TimeFormat("iso")])
        assert naive.us[0] == us("2026-11-21T10:05") and not naive.zoned.any()

    @pytest.mark.parametrize("format", ["%d/%m", "%d/%m/%Y %Q", "%Y-%m-%d %Y", "yyyy-mm-dd", ""])
    def test_formats_that_are_none_are_refused(self, format: str) -> None:
        with pytest.raises(ValueError, match="time format"):
            TimeFormat(format)


class TestClockChanges:
    def test_winter_and_summer(self) -> None:
        out = to_utc(local("2022-01-15T12:00", "2022-07-15T12:00"), ROME)
        assert as_text(out.utc) == ["01-15T11:00", "07-15T10:00"]
        assert not out.skipped.any()

    def test_the_repeated_hour_of_hourly_values(self) -> None:
        times = [f"2022-10-30T{h}" for h in ("01:00", "02:00", "02:00", "03:00")]
        assert as_text(to_utc(local(*times), ROME).utc) == [
            "10-29T23:00",
            "10-30T00:00",
            "10-30T01:00",
            "10-30T02:00",
        ]

    def test_the_repeated_hour_of_shorter_steps(self) -> None:
        times = [f"2022-10-30T{h}" for h in ("01:40", "02:00", "02:20", "02:40", "02:00", "02:20", "02:40")]
        out = to_utc(local(*times, "2022-10-30T03:00"), ROME).utc
        assert (np.diff(out) == 20 * 60_000_000).all()
        assert as_text(out)[0] == "10-29T23:40"

    def test_a_row_written_twice_is_not_the_second_pass(self) -> None:
        times = [f"2022-10-30T{h}" for h in ("02:00", "02:20", "02:20", "02:40", "02:00", "02:20")]
        assert as_text(to_utc(local(*times), ROME).utc) == [
            "10-30T00:00",
            "10-30T00:20",
            "10-30T00:20",
            "10-30T00:40",
            "10-30T01:00",
            "10-30T01:20",
        ]

    def test_a_repeated_hour_that_comes_once_is_summer_time(self) -> None:
        times = [f"2022-10-30T{h}" for h in ("01:30", "02:30", "03:30")]
        assert as_text(to_utc(local(*times), ROME).utc) == ["10-29T23:30", "10-30T00:30", "10-30T02:30"]

    def test_each_series_passes_the_hour_by_itself(self) -> None:
        # a sees the hour twice, b lost the second pass; their rows alternate
        hours = ["01:00", "01:00", "02:00", "02:00", "02:00", "03:00", "03:00"]
        series = np.array([0, 1, 0, 1, 0, 1, 0], np.int32)
        out = to_utc(local(*[f"2022-10-30T{h}" for h in hours]), ROME, series).utc
        assert as_text(out[series == 0]) == ["10-29T23:00", "10-30T00:00", "10-30T01:00", "10-30T02:00"]
        assert as_text(out[series == 1]) == ["10-29T23:00", "10-30T00:00", "10-30T02:00"]

    def test_a_file_with_the_newest_row_first(self) -> None:
        times = [f"2022-10-30T{h}" for h in ("04:00", "03:00", "02:00", "02:00", "01:00", "00:00")]
        out = to_utc(local(*times), ROME).utc
        assert (np.diff(out) == -3_600_000_000).all()
        series = np.zeros(6, np.int32)
        assert to_utc(local(*times), ROME, series).utc.tolist() == out.tolist()

    def test_the_skipped_hour_never_was(self) -> None:
        times = [f"2022-03-27T{h}" for h in ("01:59:59", "02:00:00", "02:59:59", "03:00:00")]
        out = to_utc(local(*times), ROME)
        assert out.skipped.tolist() == [False, True, True, False]
        # as a logger shows that puts its clock forward late
        assert as_text(out.utc) == ["03-27T00:59", "03-27T01:00", "03-27T01:59", "03-27T01:00"]

    def test_a_change_of_half_an_hour(self) -> None:
        out = to_utc(
            local("2022-04-03T01:45", "2022-04-03T01:45", "2022-10-02T02:15"), ZoneInfo("Australia/Lord_Howe")
        )
        assert as_text(out.utc) == ["04-02T14:45", "04-02T15:15", "10-01T15:45"]
        assert out.skipped.tolist() == [False, False, True]

    def test_a_zone_without_changes(self) -> None:
        out = to_utc(local("2022-10-30T02:00", "2022-10-30T02:00"), ZoneInfo("Asia/Jakarta"))
        assert as_text(out.utc) == ["10-29T19:00", "10-29T19:00"]

    def test_nothing_gives_nothing(self) -> None:
        assert len(to_utc(np.empty(0, np.int64), ROME).utc) == 0

    @settings(max_examples=60, deadline=None)
    @given(
        zone=st.sampled_from(
            ["Europe/Rome", "America/Santiago", "Australia/Lord_Howe", "Asia/Jakarta", "UTC"]
        ),
        day=st.integers(0, 365 * 12),
        step_min=st.sampled_from([1, 5, 7, 15, 30, 60]),
        days=st.integers(1, 40),
    )
    def test_what_a_logger_writes_hour_by_hour_comes_back(
        self, zone: str, day: int, step_min: int, days: int
    ) -> None:
        # Lord Howe's clocks go back by half an hour: of one value in it nobody can tell which pass it is of.
        assume(not (zone == "Australia/Lord_Howe" and step_min > 30))
        where = ZoneInfo(zone)
        start = datetime(2012, 1, 1, tzinfo=UTC) + timedelta(days=day)
        moments = [start + k * timedelta(minutes=step_min) for k in range(days * 1440 // step_min)]
        written = np.array(
            [m.astimezone(where).replace(tzinfo=None) for m in moments], "datetime64[us]"
        ).astype(np.int64)
        truth = np.array([m.replace(tzinfo=None) for m in moments], "datetime64[us]").astype(np.int64)
        out = to_utc(written, where)
        first_pass_cut = written[0] < written.min() + 3_600_000_000 and _in_second_pass(moments[0], where)
        if not first_pass_cut:  # a file that begins within a second pass cannot tell
            assert out.utc.tolist() == truth.tolist()
            assert not out.skipped.any()


def _in_second_pass(moment: datetime, zone: ZoneInfo) -> bool:
    return moment.astimezone(zone).fold == 1
