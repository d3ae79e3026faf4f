"""What the rest of the program does with photos of alerts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime

from twuin.photos.model import Photo, PhotoRefused, PhotoTaken
from twuin.photos.picture import picture
from twuin.photos.ports import PhotoStore
from waterworks.errors import NotFound

MOST = 24
"""Photos of one alert: before, while and after, from two phones."""


class PhotoService:
    """The photos of one site. Safe to use from several threads.

    Which alerts somebody may see is for whoever asks it to know.
    """

    def __init__(self, site_id: str, store: PhotoStore, now: Callable[[], datetime]) -> None:
        self.site_id = site_id
        self._store = store
        self._now = now

    def add(
        self,
        alert: str,
        file: bytes,
        *,
        key: str,
        actor: str,
        happened: datetime | None = None,
        step: str = "",
    ) -> Photo:
        """Check a file, make a picture of ours out of it and keep it; the same sent again is kept once.

        Raises PhotoRefused, PhotoTaken where the key came with another photo.
        """
        if not key.strip():
            raise PhotoRefused("a photo needs a key, made anew for each")
        came = hashlib.sha256(file).hexdigest()
        id = photo_id(self.site_id, key)
        known = self._store.get(self.site_id, alert, id)
        if known is None:
            made = picture(file)
            photo = Photo(
                self.site_id,
                id,
                alert,
                key,
                came,
                self._now(),
                actor,
                made.width,
                made.height,
                len(made.whole),
                happened,
                step,
            )
            known = self._store.add(photo, made, most=MOST)
        if known.alert != alert or known.came != came:
            raise PhotoTaken(f"key {key[:80]!r} came with another photo before: make a new one")
        return known

    def of(self, alert: str) -> list[Photo]:
        """The photos of an alert in the order in which they came; those that were removed are not there."""
        return [p for p in self._store.of(self.site_id, alert) if p.removed is None]

    def file(self, alert: str, id: str, *, small: bool = False) -> bytes:
        """A photo's picture. Raises NotFound."""
        found = self._store.file(self.site_id, alert, id, small=small)
        if found is None:
            raise NotFound(f"alert {alert[:40]} has no photo {id[:40]!r}")
        return found

    def remove(self, alert: str, id: str, by: str) -> None:
        """Take a photo away for good. Raises NotFound."""
        found = self._store.get(self.site_id, alert, id)
        if found is None or found.removed is not None:
            raise NotFound(f"alert {alert[:40]} has no photo {id[:40]!r}")
        self._store.remove(self.site_id, alert, id, at=self._now(), by=by)


def photo_id(site: str, key: str) -> str:
    """The id of the photo with this key: nobody can guess one from another."""
    return hashlib.blake2b(f"{site}\n{key}".encode(), digest_size=12).hexdigest()
