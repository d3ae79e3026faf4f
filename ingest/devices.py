"""What each device last said of itself, in a small SQLite file that several processes share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ingest.sqlite_file import SqliteFile

_SCHEMA = """
CREATE TABLE IF NOT EXISTS devices (
    device TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    received INTEGER NOT NULL,            -- microseconds since 1970 UTC, as all times here
    time INTEGER,
    battery_v REAL,
    signal_dbm REAL,
    firmware TEXT NOT NULL,
    interval_s REAL,
    sensors TEXT NOT NULL                 -- JSON list
) STRICT, WITHOUT ROWID;
"""
_COLUMNS = "device, state, received, time, battery_v, signal_dbm, firmware, interval_s, sensors"
# A last will knows nothing but that the device is gone: what it said while alive stays. A retained message
# that comes again, because we subscribed again, is no news: it keeps the time when it was first heard.
_UPSERT = f"""
INSERT INTO devices ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET
    received = CASE WHEN state IS excluded.state AND (time IS excluded.time AND time IS NOT NULL
                                                      OR excluded.time IS NULL AND state = 'offline')
                    THEN received ELSE excluded.received END,
    state = excluded.state, time = COALESCE(excluded.time, time),
    battery_v = COALESCE(excluded.battery_v, battery_v),
    signal_dbm = COALESCE(excluded.signal_dbm, signal_dbm),
    firmware = COALESCE(NULLIF(excluded.firmware, ''), firmware),
    interval_s = COALESCE(excluded.interval_s, interval_s),
    sensors = CASE excluded.sensors WHEN '[]' THEN sensors ELSE excluded.sensors END
"""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class DeviceState:
    """The last status of one device. All times UTC.

    state: "online" or "offline". received: when Twuin heard it first. time: by the device's own clock.
    battery_v [V], signal_dbm [dBm], interval_s [s]: None where it never said. sensors: what it reads.
    """

    device: str
    state: str
    received: datetime
    time: datetime | None = None
    battery_v: float | None = None
    signal_dbm: float | None = None
    firmware: str = ""
    interval_s: float | None = None
    sensors: tuple[str, ...] = ()

    @property
    def online(self) -> bool:
        return self.state == "online"


class DeviceLog(SqliteFile):
    """Last status by device, in ``path``. Safe to use from several threads and processes."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, _SCHEMA, "log of devices")

    def update(self, states: Sequence[DeviceState]) -> None:
        """Take in what devices said, in this order. What a message leaves out stays as it was."""
        if states:
            with self.write() as db:
                db.executemany(_UPSERT, [_row(s) for s in states])

    def forget(self, devices: Sequence[str]) -> None:
        """Drop devices whose retained status was cleared on the broker."""
        if devices:
            with self.write() as db:
                db.executemany("DELETE FROM devices WHERE device = ?", [(d,) for d in devices])

    def all(self) -> dict[str, DeviceState]:
        """The last status of every device that ever sent one."""
        return {row[0]: _state(row) for row in self.read(f"SELECT {_COLUMNS} FROM devices ORDER BY device")}

    def get(self, device: str) -> DeviceState | None:
        """The last status of one device, None where it never sent one."""
        found = self.read(f"SELECT {_COLUMNS} FROM devices WHERE device = ?", (device,))
        return _state(found[0]) if found else None


def _row(s: DeviceState) -> tuple[Any, ...]:
    return (
        s.device,
        s.state,
        _micros(s.received),
        None if s.time is None else _micros(s.time),
        s.battery_v,
        s.signal_dbm,
        s.firmware,
        s.interval_s,
        json.dumps(s.sensors),
    )


def _state(row: tuple[Any, ...]) -> DeviceState:
    device, state, received, time, battery_v, signal_dbm, firmware, interval_s, sensors = row
    return DeviceState(
        device,
        state,
        _EPOCH + received * _MICROSECOND,
        None if time is None else _EPOCH + time * _MICROSECOND,
        battery_v,
        signal_dbm,
        firmware,
        interval_s,
        tuple(json.loads(sensors)),
    )


def _micros(when: datetime) -> int:
    return (when - _EPOCH) // _MICROSECOND
