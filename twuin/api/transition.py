"""What a person asks of an alert, as the API takes it."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from twuin.alerts.model import Reason
from twuin.alerts.steps import BY_ACTION
from twuin.alerts.work import Cause, LeakType, Method, Place
from twuin.api.params import When
from twuin.views.models import Model, PlaceOut


class Transition(Model):
    """What a person asks of an alert. ``version`` guards against acting on an outdated view."""

    action: str = Field(pattern=f"^({'|'.join(BY_ACTION)})$")
    version: int | None = Field(None, description="As the person saw it; may be left out with a `key`")
    reason: Reason | None = Field(None, description="Required to close")
    note: str = Field("", max_length=2000)
    actor: str = Field("", max_length=80)
    cause: Cause | None = Field(None, description="Required to close as false_alarm")
    assignee: str = Field("", max_length=80, description="Required to assign: a person or crew")
    place: PlaceOut | None = Field(None, description="Required to locate")
    leak_type: LeakType | None = None
    method: Method | None = Field(None, description="How it was mended")
    duplicate_of: str = Field("", max_length=40, description="Required to close as duplicate")
    happened: When | None = Field(None, description="When it was done, where that was before it is sent")
    key: str = Field("", max_length=80, description="Made anew for each action, which is done once")

    def asked(self) -> dict[str, Any]:
        """As ``AlertService.act`` takes it."""
        place = None if self.place is None else Place(**self.place.model_dump())
        return {**dict(self), "place": place}
