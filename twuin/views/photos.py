"""Read model: the photos of an alert."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from twuin.alerts.service import AlertService
from twuin.photos.model import Photo
from twuin.photos.service import PhotoService
from twuin.views.models import Model
from waterworks.errors import NotFound


class PhotoOut(Model):
    """A photo of an alert; its picture is a file of its own."""

    id: str
    at: datetime = Field(description="When it came, by the site's clock")
    happened: datetime | None = Field(None, description="When it was taken, where the sender says so")
    actor: str
    step: str = Field("", description="The action that it was taken for")
    width: int
    height: int
    bytes: int


class PhotoViews:
    """Photos of the alerts that ``alerts`` has: of others there are none."""

    def __init__(self, alerts: AlertService, photos: PhotoService | None) -> None:
        self._alerts = alerts
        self._photos = photos

    def of(self, alert: str) -> list[PhotoOut]:
        """In the order in which they came. Raises NotFound."""
        self._alerts.get(alert)
        return [] if self._photos is None else [photo_out(p) for p in self._photos.of(alert)]

    def file(self, alert: str, id: str, *, small: bool = False) -> bytes:
        """A picture, as JPEG. Raises NotFound."""
        self._alerts.get(alert)
        if self._photos is None:
            raise NotFound(f"alert {alert[:40]} has no photo {id[:40]!r}")
        return self._photos.file(alert, id, small=small)


def photo_out(photo: Photo) -> PhotoOut:
    """A photo as the API shows it."""
    return PhotoOut(
        id=photo.id,
        at=photo.at,
        happened=photo.happened,
        actor=photo.actor,
        step=photo.step,
        width=photo.width,
        height=photo.height,
        bytes=photo.bytes,
    )
