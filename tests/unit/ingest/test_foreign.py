"""What messages of other makers come to beside their readings."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ingest.devices import DeviceLog
from ingest.foreign import filters
from ingest.pipeline import Pipeline, RawMessage
from ingest.rejected import RejectedLog
from waterworks.listen import Listening
from waterworks.names import ForeignName, Format
from waterworks.reading import instant
from waterworks.site import Site

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
UP = "application/1/device/24e124aa/event/up"


@pytest.fixture
def foreign(site: Site) -> Site:
    return replace(
        site,
        names=(
            ForeignName("pdam/level", "TANK", Format.PLAIN, unit="cm"),
            ForeignName("meter7/flow", "D1-IN", Format.PLAIN),
            ForeignName("*", "-", Format.PLAIN),
            ForeignName("flow", "D1-IN", Format.CHIRPSTACK, "24e124aa"),
        ),
        listen=(
            Listening("pdam/#", Format.PLAIN),
            Listening("application/+/device/+/event/+", Format.CHIRPSTACK),
        ),
    )


@pytest.fixture
def pipeline(foreign: Site, store: Any, rejected: RejectedLog, tmp_path: Path) -> Pipeline:
    return Pipeline(foreign, store, rejected, devices=DeviceLog(tmp_path / "devices.sqlite"))


def run(pipeline: Pipeline, *messages: RawMessage) -> None:
    pipeline.commit(pipeline.prepare(messages, instant(NOW)))


def uplink(**changes: Any) -> bytes:
    message = {
        "time": "2026-11-21T11:59:58.5Z",
        "deviceInfo": {"devEui": "24e124aa"},
        "fCnt": 4,
        "object": {"flow": 36},
        "rxInfo": [{"rssi": -97}, {"rssi": -81, "snr": 7.5}, {}],
    }
    return json.dumps(message | changes).encode()


def test_topics_of_names_csv_are_asked_for_where_no_filter_covers_them(foreign: Site) -> None:
    assert filters(foreign) == ["pdam/#", "application/+/device/+/event/+", "meter7/flow"]


def test_an_uplink_says_how_well_its_device_was_heard(pipeline: Pipeline, tmp_path: Path) -> None:
    run(pipeline, RawMessage(UP, uplink()), RawMessage(UP.replace("up", "join"), b"{}"))
    log = DeviceLog(tmp_path / "devices.sqlite")
    [state] = log.all().values()  # the device whose sensor the uplink feeds
    assert (state.device, state.online, state.signal_dbm) == ("d1", True, -81.0)
    assert state.time == datetime(2026, 11, 21, 11, 59, 58, 500_000, tzinfo=UTC)
    assert pipeline.stats.stored == 1 and pipeline.stats.other == 1


def test_an_uplink_again_is_the_same_reading(pipeline: Pipeline) -> None:
    run(pipeline, RawMessage(UP, uplink()))
    run(pipeline, RawMessage(UP, uplink(), stale=True))  # it has a time of its own, so it may have waited
    assert (pipeline.stats.stored, pipeline.stats.duplicates) == (1, 1)


def test_what_is_not_wanted_is_counted_and_no_more(pipeline: Pipeline, rejected: RejectedLog) -> None:
    run(pipeline, RawMessage("pdam/pump", b"ON"), RawMessage("pdam/level", b"3"))
    assert (pipeline.stats.unwanted, pipeline.stats.stored, pipeline.stats.other) == (1, 1, 0)
    assert rejected.list() == [] and rejected.unknown() == ()


def test_a_plain_number_that_waited_is_refused_and_one_of_an_unknown_name_is_heard(
    foreign: Site, store: Any, rejected: RejectedLog
) -> None:
    pipeline = Pipeline(replace(foreign, names=foreign.names[:2]), store, rejected)
    run(pipeline, *(RawMessage(t, b"3", stale=True) for t in ("pdam/level", "pdam/other")))
    assert pipeline.stats.rejected == {"no_time": 1, "unknown_sensor": 1}
    assert [n.name for n in rejected.unknown()] == ["pdam/other"]


def test_bounds_hold_for_other_makers_too(foreign: Site, store: Any, rejected: RejectedLog) -> None:
    pipeline = Pipeline(foreign, store, rejected, max_bytes=2000, max_readings=10)
    many = {f"n{k}": k for k in range(11)}
    run(
        pipeline,
        RawMessage(UP, uplink(object=many)),
        RawMessage(UP, uplink(pad="x" * 2000)),
        RawMessage("pdam/level", b"1" * 2001),
    )
    assert pipeline.stats.rejected == {"too_many_readings": 1, "too_large": 2}


def test_frame_counters_tell_the_ledger_of_uplinks_that_did_not_come(
    foreign: Site, store: Any, rejected: RejectedLog
) -> None:
    pipeline = Pipeline(foreign, store, rejected)
    uplinks = [RawMessage(UP, uplink(fCnt=count)) for count in (4, 5, 7)]
    group = pipeline.prepare([*uplinks, RawMessage(UP, b"{")], instant(NOW))
    at = round(datetime(2026, 11, 21, 11, 59, 58, 500_000, tzinfo=UTC).timestamp() * 1e6)
    assert group.marks == [("d1", -1, count, 0, at) for count in (4, 5, 7)]


def test_ids_without_end_are_refused_as_they_would_be_remembered(
    pipeline: Pipeline, rejected: RejectedLog, sparkplug: Callable[..., bytes], foreign: Site, store: Any
) -> None:
    long = "x" * 256
    run(pipeline, RawMessage(UP, uplink(deviceInfo={"devEui": long})))
    run(pipeline, RawMessage(UP, uplink(deviceInfo={"devEui": "aa", "deviceProfileName": long})))
    scada = Pipeline(replace(foreign, listen=(Listening("spBv1.0/#", Format.SPARKPLUG),)), store, rejected)
    run(scada, *(RawMessage(f"spBv1.0/{t}", sparkplug(0, 0)) for t in (f"g/NDATA/{long}", f"{long}/NDATA/n")))
    assert rejected.counts() == {"bad_name": 4}
    assert scada.foreign.requests() == []
