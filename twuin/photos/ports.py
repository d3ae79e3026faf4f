"""What photos need from the outside: a durable place that several processes share."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol, runtime_checkable

from twuin.photos.model import Photo, Picture


@runtime_checkable
class PhotoStore(Protocol):
    """Photos of alerts with their pictures. Raises StoreUnavailable, StoreError."""

    def add(self, photo: Photo, picture: Picture, *, most: int) -> Photo:
        """Keep a photo; durable when this returns. Returns it, or the one that has its key already.

        most: as many photos of an alert, those that were removed left out; one more raises PhotoRefused.
        """
        ...

    def of(self, site: str, alert: str) -> list[Photo]:
        """The photos of an alert in the order in which they came, removed ones too."""
        ...

    def get(self, site: str, alert: str, id: str) -> Photo | None:
        """One of them, None where there is none."""
        ...

    def file(self, site: str, alert: str, id: str, *, small: bool) -> bytes | None:
        """Its picture; None where there is none, or none any more."""
        ...

    def remove(self, site: str, alert: str, id: str, *, at: datetime, by: str) -> None:
        """Forget the picture; that it was there is kept. Nothing where there is none."""
        ...
