"""The monitor: from readings to findings, in event time."""

from twuin.monitor.monitor import Monitor, MonitorStatus

__all__ = ["Monitor", "MonitorStatus"]
