"""What Twuin tells, as frozen dataclasses. Units stand in the names; instants are UTC.

They are written by hand, so that the client needs nothing of the server; a test holds every class, field and
type against the OpenAPI description, both ways.
"""

from twuin.client.records.alerts import (
    Alert,
    AlertDetail,
    AreaPipe,
    Cause,
    Check,
    CheckOutcome,
    Entry,
    Hit,
    Kind,
    LeakType,
    Method,
    Place,
    Promise,
    PromiseStanding,
    Reason,
    Reported,
    Run,
    Said,
    Score,
    Stage,
    State,
    Suspect,
    Why,
)
from twuin.client.records.limited import Limited
from twuin.client.records.losses import Balance, Loss, Losses, OpenLeak, SensorService, Service, Valve
from twuin.client.records.network import Dma, NightFlow, Sensor, Site
from twuin.client.records.works import Work, WorkAction, WorkDetail, WorkEntry, WorkKind, WorkPlan

__all__ = [
    "Alert",
    "AlertDetail",
    "AreaPipe",
    "Balance",
    "Cause",
    "Check",
    "CheckOutcome",
    "Dma",
    "Entry",
    "Hit",
    "Kind",
    "LeakType",
    "Limited",
    "Loss",
    "Losses",
    "Method",
    "NightFlow",
    "OpenLeak",
    "Place",
    "Promise",
    "PromiseStanding",
    "Reason",
    "Reported",
    "Run",
    "Said",
    "Score",
    "Sensor",
    "SensorService",
    "Service",
    "Site",
    "Stage",
    "State",
    "Suspect",
    "Valve",
    "Why",
    "Work",
    "WorkAction",
    "WorkDetail",
    "WorkEntry",
    "WorkKind",
    "WorkPlan",
]
