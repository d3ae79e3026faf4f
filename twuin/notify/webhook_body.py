"""What a webhook says. docs/schema/webhook.schema.json is made from it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from twuin.alerts.model import Alert
from twuin.notify.model import Event
from twuin.views.convert import alert_out
from twuin.views.models import AlertOut
from waterworks.site import Site

STAYS = (
    "id", "kind", "state", "reason", "dma", "dma_name", "subject", "onset", "detected", "ended", "as_of",
    "flow_m3h", "flow_low_m3h", "flow_high_m3h", "lost_m3", "confidence", "suspects", "version",
)  # fmt: skip
"""What a webhook says of an alert in every version of Twuin; more of the API's fields stand beside it."""

_PARTS = ("WebhookData", "AlertOut")


class WebhookData(BaseModel):
    """What happened to which alert."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    site: str = Field(description="The site's id")
    event: str = Field(description="Names this event; unique at the site, the same in repeats")
    priority: str = Field(description="low, medium or high, when it happened")
    alert: AlertOut = Field(description="The alert as it was when this message was made; flows in m3/h")
    page: str = Field(description="The alert's page; empty where the settings name no public address")


class WebhookBody(BaseModel):
    """The body of a webhook: type, time and data, as Standard Webhooks has it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: str = Field(
        description="alert. and new, worse, again, over, late or assigned; alert.test: only a test"
    )
    timestamp: datetime = Field(description="When it happened, on the site's clock")
    data: WebhookData | None = Field(description="null in a test")


def payload_of(
    alert: Alert, what: Event, event: str, priority: str, site: Site, page: str, at: datetime
) -> dict[str, Any]:
    """The body for an event, in what JSON knows."""
    data = WebhookData(site=site.id, event=event, priority=priority, alert=alert_out(alert, site), page=page)
    body = WebhookBody(type=f"alert.{what.value}", timestamp=at.astimezone(UTC), data=data)
    return body.model_dump(mode="json")


def schema() -> dict[str, Any]:
    """The JSON schema of a body: of the alert what stays. Other fields may come and go, and are let pass."""
    found = WebhookBody.model_json_schema()
    alert = found["$defs"]["AlertOut"]
    alert["properties"] = {name: alert["properties"][name] for name in STAYS}
    alert["required"] = list(STAYS)
    used = json.dumps(alert)
    found["$defs"] = {k: v for k, v in found["$defs"].items() if k in _PARTS or f'"#/$defs/{k}"' in used}
    for part in (found, *found.get("$defs", {}).values()):
        part.pop("additionalProperties", None)
    kind = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "urn:twuin:schema:webhook"}
    return {**kind, **found}
