from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingest.devices import DeviceLog, DeviceState

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BIRTH = DeviceState("d1", "online", NOW, NOW - MINUTE, 3.6, -71.0, "sim-1", 300.0, ("D1-IN", "D1-P1"))


@pytest.fixture
def devices(tmp_path: Path) -> Iterator[DeviceLog]:
    log = DeviceLog(tmp_path / "devices.sqlite")
    yield log
    log.close()


def test_a_birth_message_comes_back_as_it_went_in(devices: DeviceLog) -> None:
    devices.update([BIRTH])
    assert devices.all() == {"d1": BIRTH}
    assert devices.get("d1") == BIRTH and BIRTH.online
    assert devices.get("d2") is None


def test_a_last_will_keeps_what_the_device_said_while_alive(devices: DeviceLog) -> None:
    devices.update([BIRTH, DeviceState("d1", "offline", NOW + MINUTE)])
    last = devices.get("d1")
    assert last is not None and not last.online
    assert (last.received, last.battery_v, last.interval_s) == (NOW + MINUTE, 3.6, 300.0)
    assert last.sensors == ("D1-IN", "D1-P1")


def test_a_retained_message_read_again_is_as_old_as_it_was(devices: DeviceLog) -> None:
    devices.update([BIRTH])
    again = DeviceState("d1", "online", NOW + 60 * MINUTE, BIRTH.time, 3.6)
    devices.update([again])
    assert devices.all()["d1"].received == NOW
    will = DeviceState("d1", "offline", NOW + 61 * MINUTE)
    devices.update([will, DeviceState("d1", "offline", NOW + 90 * MINUTE)])
    assert devices.all()["d1"].received == will.received


def test_news_replace_what_was_said_before(devices: DeviceLog) -> None:
    devices.update([BIRTH])
    devices.update([DeviceState("d1", "online", NOW + MINUTE, NOW, 3.4, interval_s=60.0, sensors=("X",))])
    last = devices.all()["d1"]
    assert (last.received, last.battery_v, last.interval_s, last.sensors) == (NOW + MINUTE, 3.4, 60.0, ("X",))
    assert (last.firmware, last.signal_dbm) == ("sim-1", -71.0)


def test_a_forgotten_device_is_gone(devices: DeviceLog) -> None:
    devices.update([BIRTH, DeviceState("d2", "online", NOW)])
    devices.forget(["d1", "never heard of"])
    assert list(devices.all()) == ["d2"]


def test_states_outlive_the_process(tmp_path: Path) -> None:
    log = DeviceLog(tmp_path / "d.sqlite")
    log.update([BIRTH])
    log.close()
    assert DeviceLog(tmp_path / "d.sqlite").all() == {"d1": BIRTH}
