"""A PhotoStore in the memory of one process: for tests and for looking around without a folder."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime

from twuin.photos.model import Photo, PhotoRefused, Picture


class MemoryPhotoStore:
    """Keeps nothing when the process ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._photos: dict[tuple[str, str], tuple[Photo, Picture | None]] = {}

    def add(self, photo: Photo, picture: Picture, *, most: int) -> Photo:
        with self._lock:
            known = self._photos.get((photo.site, photo.id))
            if known is not None:
                return known[0]
            if sum(p.removed is None for p in self._of(photo.site, photo.alert)) >= most:
                raise PhotoRefused(f"alert {photo.alert} has {most} photos: no more are kept")
            self._photos[photo.site, photo.id] = (photo, picture)
            return photo

    def of(self, site: str, alert: str) -> list[Photo]:
        with self._lock:
            return self._of(site, alert)

    def _of(self, site: str, alert: str) -> list[Photo]:
        return [p for (s, _), (p, _) in self._photos.items() if s == site and p.alert == alert]

    def get(self, site: str, alert: str, id: str) -> Photo | None:
        return next((p for p in self.of(site, alert) if p.id == id), None)

    def file(self, site: str, alert: str, id: str, *, small: bool) -> bytes | None:
        with self._lock:
            photo, picture = self._photos.get((site, id), (None, None))
        if photo is None or picture is None or photo.alert != alert:
            return None
        return picture.small if small else picture.whole

    def remove(self, site: str, alert: str, id: str, *, at: datetime, by: str) -> None:
        with self._lock:
            photo, _ = self._photos.get((site, id), (None, None))
            if photo is not None and photo.alert == alert:
                self._photos[site, id] = (replace(photo, removed=at, removed_by=by), None)
