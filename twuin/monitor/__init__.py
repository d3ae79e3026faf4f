"""The monitor: from readings to findings, in event time."""

from twuin.monitor.monitor import Monitor
from twuin.monitor.watching import MonitorStatus, Watching

__all__ = ["Monitor", "MonitorStatus", "Watching"]
