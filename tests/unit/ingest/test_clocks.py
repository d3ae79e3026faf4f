"""Devices with wrong clocks: what is held, what is recognised, what a correction does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ingest.clocks.correct import Corrections
from ingest.clocks.offsets import Offset, find_offsets
from ingest.clocks.quarantine import Held, Quarantine
from ingest.clocks.release import release
from ingest.ledger.book import Ledger
from ingest.ledger.report import day_report
from ingest.pipeline import Pipeline, RawMessage
from ingest.reasons import Reason
from ingest.rejected import RejectedLog
from waterworks.errors import StoreUnavailable
from waterworks.reading import Quality, instant
from waterworks.site import ClockCorrection, Site

NOW = instant("2026-11-21T12:00:00Z")
H, S = np.timedelta64(3_600_000_000, "us"), np.timedelta64(1_000_000, "us")
AHEAD = 900 * S


@pytest.fixture
def quarantine(tmp_path: Path) -> Iterator[Quarantine]:
    opened = Quarantine(tmp_path / "quarantine.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def ledger(tmp_path: Path, site: Site) -> Iterator[Ledger]:
    opened = Ledger(tmp_path / "ledger.sqlite", site.timezone)
    yield opened
    opened.close()


def pipeline_of(
    site: Site, store: Any, rejected: RejectedLog, quarantine: Quarantine, **more: Any
) -> Pipeline:
    return Pipeline(site, store, rejected, quarantine=quarantine, ahead=AHEAD, **more)


def reading(time: np.datetime64, value: Any = 36, sensor: str = "D1-IN", device: str = "d1") -> RawMessage:
    ms = int(time.astype("datetime64[ms]").astype(np.int64))
    payload = {"sensor": sensor, "time": ms, "value": value, "seq": 1}
    return RawMessage(f"twuin/malang/{device}/readings", json.dumps(payload).encode())


def send(pipeline: Pipeline, *messages: RawMessage, now: np.datetime64 = NOW) -> None:
    pipeline.commit(pipeline.prepare(messages, now))


# -- the quarantine ------------------------------------------------------------------------------------


def test_readings_of_the_future_are_held_and_neither_stored_nor_rejected(
    site: Site, store: Any, rejected: RejectedLog, quarantine: Quarantine
) -> None:
    pipeline = pipeline_of(site, store, rejected, quarantine)
    send(pipeline, reading(NOW), reading(NOW + AHEAD), reading(NOW + AHEAD + S), reading(NOW + 7 * H, 3600))
    assert sorted(time for _, time in store.readings) == [NOW, NOW + AHEAD]
    assert rejected.list() == [] and not pipeline.stats.rejected and pipeline.stats.held == 2
    (group,) = quarantine.groups()
    assert (group.device, group.reason, group.readings) == ("d1", "time_ahead", 2)
    batch = quarantine.page().batch
    assert batch.time.tolist() == [(NOW + AHEAD + S).item(), (NOW + 7 * H).item()]
    assert batch.value.tolist() == [0.01, 1.0]  # SI


def test_readings_from_before_their_sensor_was_there_are_held(
    site: Site, store: Any, rejected: RejectedLog, quarantine: Quarantine
) -> None:
    since = date(2026, 11, 20)
    new = replace(site, sensors=(replace(site.sensors[0], since=since), *site.sensors[1:]))
    pipeline = pipeline_of(new, store, rejected, quarantine)
    midnight = instant("2026-11-20T00:00:00+07:00")
    send(pipeline, reading(midnight), reading(midnight - S), reading(midnight - S, 3, "D1-P1"))
    assert {(name, time) for name, time in store.readings} == {("D1-IN", midnight), ("D1-P1", midnight - S)}
    assert [(g.reason, g.readings) for g in quarantine.groups()] == [("before_commissioning", 1)]


def test_what_is_wrong_beside_the_time_is_rejected_as_ever(
    site: Site, store: Any, rejected: RejectedLog, quarantine: Quarantine
) -> None:
    pipeline = pipeline_of(site, store, rejected, quarantine)
    send(
        pipeline,
        reading(NOW + 7 * H, None),  # no number
        reading(NOW + 7 * H, 1, "NOWHERE"),
        reading(NOW + 400 * 24 * H),  # no clock is that wrong
        reading(instant("1999-12-31T00:00:00Z")),
    )
    assert not store.readings and not quarantine.groups()
    assert dict(pipeline.stats.rejected) == {"time_ahead": 2, "unknown_sensor": 1, "time_too_old": 1}


def test_a_held_reading_that_comes_again_is_held_once(
    site: Site, store: Any, rejected: RejectedLog, quarantine: Quarantine
) -> None:
    pipeline = pipeline_of(site, store, rejected, quarantine)
    for value in (36, 36, 72):
        send(pipeline, reading(NOW + 7 * H, value))
    assert quarantine.page().batch.value.tolist() == [0.02]


def test_without_the_quarantine_nothing_is_acknowledged(
    site: Site, store: Any, rejected: RejectedLog, quarantine: Quarantine, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = pipeline_of(site, store, rejected, quarantine)
    group = pipeline.prepare([reading(NOW + 7 * H)], NOW)
    with monkeypatch.context() as m:

        def full(_: object) -> None:
            raise StoreUnavailable("disk full")

        m.setattr(quarantine, "add", full)
        with pytest.raises(StoreUnavailable):
            pipeline.commit(group)
    pipeline.commit(group)
    pipeline.commit(group)
    assert [g.readings for g in quarantine.groups()] == [1] and pipeline.stats.held == 1


def test_the_quarantine_is_bounded_and_counts_what_gave_way(tmp_path: Path) -> None:
    small = Quarantine(tmp_path / "small.sqlite", max_readings=100)
    for k in range(30):
        time = NOW + 7 * H + np.arange(k * 10, k * 10 + 10) * S
        ten = np.zeros(10)
        small.add(
            Held(["d"] * 10, ["s"] * 10, time, ten, ten.astype(np.uint16), [Reason.TIME_AHEAD] * 10, NOW)
        )
    assert len(small.page().ids) == 100 and small.evicted() == 200
    assert small.page().batch.time.min() == NOW + 7 * H + 200 * S
    small.close()


# -- corrections -----------------------------------------------------------------------------------------


def corrected(site: Site, *corrections: ClockCorrection) -> Site:
    return replace(site, clocks=corrections)


def test_a_correction_holds_from_since_to_until_by_right_time_and_for_its_device_only(site: Site) -> None:
    wrong = corrected(
        site, ClockCorrection("d1", 7 * 3600, NOW, NOW + H), ClockCorrection("d1", -60, NOW + H)
    )
    right = np.array([NOW - S, NOW, NOW + H - S, NOW + H, NOW + 9 * H])
    stamped = np.array([NOW - S, NOW + 7 * H, NOW + 8 * H - S, NOW + H - 60 * S, NOW + 9 * H - 60 * S])
    sensor = np.repeat(np.array([0, 1], np.int32), 5)
    times, received = np.tile(stamped, 2), np.tile(right + 5 * S, 2)
    got = Corrections(wrong).apply(("D1-IN", "TANK"), sensor, times, received)
    assert got[:5].tolist() == right.tolist()
    assert got[5:].tolist() == stamped.tolist()
    assert not Corrections(site)


@pytest.mark.parametrize("ahead", [7 * 3600, -7 * 3600, 777])
def test_a_stamp_that_can_mean_two_times_means_the_latest_that_was_possible(site: Site, ahead: int) -> None:
    """Right, wrong for two days, and right again: each reading comes seconds after it was taken."""
    wrong = corrected(site, ClockCorrection("d1", ahead, NOW, NOW + 48 * H))
    right = NOW + np.arange(-72, 120) * H
    off = (right >= NOW) & (right < NOW + 48 * H)
    stamped = right + np.where(off, ahead, 0) * S
    sensor = np.zeros(len(right), np.int32)
    got = Corrections(wrong).apply(("D1-IN",), sensor, stamped, right + 900 * S)
    assert got.tolist() == right.tolist()


def test_a_corrected_device_is_stored_at_once_with_right_times(
    site: Site, store: Any, rejected: RejectedLog, quarantine: Quarantine
) -> None:
    wrong = corrected(site, ClockCorrection("d1", 7 * 3600, NOW - 24 * H))
    send(pipeline_of(wrong, store, rejected, quarantine), reading(NOW + 7 * H), reading(NOW, 1, "TANK", "d2"))
    assert set(store.readings) == {("D1-IN", NOW), ("TANK", NOW)}
    assert not quarantine.groups()


def test_a_line_added_while_readings_come_in_holds_for_the_next_and_a_mistake_changes_nothing(
    site: Site,
    store: Any,
    rejected: RejectedLog,
    quarantine: Quarantine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("ingest.clocks.current.LOOK_S", 0.0)
    file = tmp_path / "clocks.csv"
    pipeline = pipeline_of(replace(site, folder=tmp_path), store, rejected, quarantine)
    send(pipeline, reading(NOW + 7 * H))
    assert not store.readings and quarantine.groups()
    line = "device,ahead_s,since,until,note\nd1,25200,2026-11-20T00:00Z,,\n"
    file.write_text(line)
    send(pipeline, reading(NOW + 7 * H + S))
    assert set(store.readings) == {("D1-IN", NOW + S)}
    file.write_text(line + "nobody,60,2026-11-20T00:00Z,,\n")
    for k in (2, 3):
        send(pipeline, reading(NOW + 7 * H + k * S))
    assert ("D1-IN", NOW + 3 * S) in store.readings
    assert len([r for r in caplog.records if "clocks.csv:3" in r.getMessage()]) == 1
    file.unlink()
    send(pipeline, reading(NOW + 7 * H + 4 * S))
    assert ("D1-IN", NOW + 4 * S) not in store.readings


def test_what_was_held_is_stored_through_the_correction_and_the_rest_stays(
    site: Site, store: Any, rejected: RejectedLog, quarantine: Quarantine, ledger: Ledger
) -> None:
    pipeline = pipeline_of(site, store, rejected, quarantine, ledger=ledger)
    before, other = reading(NOW + 5 * H), reading(NOW + 7 * H, 100, "TANK", "d2")
    for k in range(3):
        send(pipeline, reading(NOW + 7 * H + k * 300 * S, 3600 * (k + 1)), now=NOW + k * 300 * S)
    send(pipeline, before, other)
    assert release(quarantine, site, store, AHEAD, ledger=ledger) == (0, 5)
    wrong = corrected(site, ClockCorrection("d1", 7 * 3600, NOW))
    for wanted in ((3, 2), (0, 2)):  # it can run again
        assert release(quarantine, wrong, store, AHEAD, ledger=ledger) == wanted
    assert {time: value for (_, time), (value, _) in store.readings.items()} == {
        NOW: 1.0,
        NOW + 300 * S: 2.0,
        NOW + 600 * S: 3.0,
    }
    (line,) = day_report(ledger, site, date(2026, 11, 21), NOW + 24 * H, sensors=["D1-IN"]).lines
    assert (line.received, line.duplicate) == (3, 0)
    assert release(quarantine, wrong, store, AHEAD, device="d2", as_stamped=True) == (1, 0)
    assert ("TANK", NOW + 7 * H) in store.readings
    assert quarantine.discard("d1") == 1 and not quarantine.groups()


def test_a_release_that_fails_halfway_loses_nothing(
    site: Site, store: Any, rejected: RejectedLog, quarantine: Quarantine, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(pipeline_of(site, store, rejected, quarantine), reading(NOW + 7 * H))
    wrong = corrected(site, ClockCorrection("d1", 7 * 3600, NOW))
    store.failures = [StoreUnavailable("away")]
    with pytest.raises(StoreUnavailable):
        release(quarantine, wrong, store, AHEAD)
    assert len(quarantine.page().ids) == 1
    with monkeypatch.context() as m:

        def killed(_: object) -> None:
            raise KeyboardInterrupt

        m.setattr(quarantine, "remove", killed)
        with pytest.raises(KeyboardInterrupt):
            release(quarantine, wrong, store, AHEAD)
    assert release(quarantine, wrong, store, AHEAD) == (1, 0)
    assert set(store.readings) == {("D1-IN", NOW)}


def test_flags_are_kept_while_held(
    site: Site, store: Any, rejected: RejectedLog, quarantine: Quarantine
) -> None:
    send(pipeline_of(site, store, rejected, quarantine), reading(NOW + 7 * H, 700, "TANK", "d2"))
    release(quarantine, site, store, AHEAD, as_stamped=True)
    assert store.readings["TANK", NOW + 7 * H] == (7.0, Quality.OUT_OF_RANGE)


# -- offsets -----------------------------------------------------------------------------------------------

T0 = 1_795_000_000


def lags(ahead: int, n: int = 100, first: int = 0, delay: int = 5) -> list[tuple[int, int]]:
    """(device time [s], lag [s]) of readings every 5 minutes, by a clock that is ahead."""
    chance = np.random.default_rng(first)
    delays = delay + chance.integers(0, 20, n)
    return [(T0 + 300 * (first + k) + ahead, int(d) - ahead) for k, d in enumerate(delays)]


def found(*devices: list[tuple[int, int]]) -> list[Offset]:
    rows = [(i, time, lag) for i, readings in enumerate(devices) for time, lag in readings]
    device, time, lag = (np.array(c) for c in zip(*rows, strict=True))
    return find_offsets(device.astype(np.int32), time * 1_000_000, lag.astype(np.int32))


@pytest.mark.parametrize("hours", [7, -7, 8, 5.5, 5.75, -9.5])
def test_a_wrong_time_zone_is_recognised_to_the_second(hours: float) -> None:
    ahead = round(hours * 3600)
    (offset,) = found(lags(ahead))
    assert (offset.ahead_s, offset.zone, offset.readings) == (ahead, True, 100)
    assert offset.since == T0 * 1_000_000


def test_its_beginning_is_found_among_readings_of_the_right_clock() -> None:
    for ahead in (7 * 3600, -7 * 3600, 777):
        (offset,) = found(lags(0, 400) + lags(ahead, 100, first=400))
        began = T0 + 300 * 400
        assert abs(offset.since / 1e6 - began) <= 30, ahead


def test_clocks_that_are_right_or_nearly_so_are_left_alone() -> None:
    assert found(lags(0), lags(-200), lags(250), lags(0, delay=60)) == []


def test_an_offset_that_is_no_zone_is_told_as_it_is() -> None:
    ((_, ahead, _, zone, _),) = found(lags(777))
    assert not zone and abs(ahead - 777) <= 10


def test_readings_that_waited_in_the_device_are_no_wrong_clock() -> None:
    batches = []  # sent every six hours: those of the last five minutes at once, the oldest after six hours
    for k in range(20):
        batches += [(T0 + 21_600 * k + 300 * j, 21_600 - 300 * j) for j in range(72)]
    assert found(batches) == []
    dump = lags(0) + [(T0 + 40_000 + 300 * j, 100_000 - 300 * j) for j in range(200)]  # after an outage
    assert found(dump) == []


def test_a_wrong_clock_is_recognised_among_readings_that_waited() -> None:
    came = T0 + 300 * 230
    waited = [(time, came - time) for time, _ in lags(7 * 3600, 30, first=200)]
    (offset,) = found(lags(7 * 3600, 200) + waited + lags(7 * 3600, 40, first=230))
    assert (offset.ahead_s, offset.zone) == (7 * 3600, True)


def test_a_clock_that_was_put_right_is_told_no_longer() -> None:
    assert found(lags(7 * 3600, 100) + lags(0, 30, first=200)) == []


@pytest.mark.parametrize("step", [1, 5])  # a reading every 5 and every 25 minutes
@pytest.mark.parametrize("right", [1, 3, 9])
def test_the_first_readings_of_a_clock_that_was_put_right_end_the_offer(right: int, step: int) -> None:
    wrong = [(T0 + 300 * step * k + 7 * 3600, 5 - 7 * 3600) for k in range(30)]
    assert found(wrong) != []
    assert found(wrong + lags(0, right, first=30 * step)) == []


def test_readings_that_waited_and_come_last_leave_the_offer_as_it_was() -> None:
    came = T0 + 300 * 200 + 8 * 3600  # after all others, by more than is looked at as one
    waited = [(came - 3600 + 60 * j + 7 * 3600, 3600 - 60 * j - 7 * 3600 + j) for j in range(8)]
    before = found(lags(7 * 3600, 200))
    assert [o._replace(readings=200) for o in found(lags(7 * 3600, 200) + waited)] == before


def test_any_mixture_of_delays_is_looked_at_without_failing() -> None:
    chance = np.random.default_rng(5)
    for _ in range(300):
        n = int(chance.integers(1, 60))
        lag = chance.choice([-25_200, -25_190, -24_000, -700, 0, 5, 3_600, 25_200], n)
        received = T0 + np.sort(chance.integers(0, int(chance.choice([60, 7_200, 200_000])), n))
        for offset in found(list(zip((received - lag).tolist(), lag.tolist(), strict=True))):
            assert offset.readings > 0


def test_a_few_readings_are_not_enough() -> None:
    assert found(lags(7 * 3600, 4)) == []
    assert find_offsets(np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.int32)) == []
