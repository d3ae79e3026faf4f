"""Measurements of figures, and the numbers that stand for states in them."""

from __future__ import annotations

STATE = "twuin_state"  # of the site, its DMAs and its sensors, every five minutes
ALERT = "twuin_alert"  # an alert as it stood after a step or news of it
SUSPECT = "twuin_suspect"  # pipes that may leak, by rank, at the same times
EVENT = "twuin_event"  # lines of alerts' histories
SPAN = "twuin_span"  # leaks, repairs, works and sensor faults, from begin to end
LOSS = "twuin_loss"  # losses of the 28 local days up to a day
LEDGER = "twuin_ledger"  # what was to come of a sensor on a local day, and what came
INGEST = "twuin_ingest"  # counters of an ingest process
REJECTED = "twuin_rejected"  # rejected messages by reason
PROCESS = "twuin_process"  # a process of Twuin: memory, time, how far its analysis is
PART = "twuin_part"  # a part of Twuin: whether it is well

NORMAL, WATCH, LEAK, NO_DATA = 0, 1, 2, 3

DMA_STATES = {"normal": NORMAL, "watch": WATCH, "leak": LEAK, "nodata": NO_DATA}
"""Of ``twuin.views.models.DmaState``."""

SENSOR_STATES = {"ok": NORMAL, "suspect": WATCH, "silent": LEAK, "nodata": NO_DATA}
"""Of ``twuin.views.models.SensorOut``."""

PART_STATES = {"ok": 0, "degraded": 1, "down": 2}
"""Of ``twuin.views.models.Health``."""
